use strict;
use warnings;

# Pages of locations below recs_status are filtered, unless "recs" is off.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SADD', 'seen', 'b');

my $api = $t->upstream('{"items":[{"id":"a"},{"id":"b"}]}');

my $nginx = $t->nginx(http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_set seen redis=main key=seen;
recs_lookup_timeout 10s;
recs on;

server {
    listen %%LISTEN%%;
    recs_exclude seen;

    location /status {
        recs_status;

        location /status/pages { proxy_pass http://%%API%%; }
        location /status/off { recs off; proxy_pass http://%%API%%; }
        location /status/again { recs_status json; }
    }
}
HTTP


subtest 'pages below recs_status are filtered' => sub {
    my $r = $t->get('/status');
    ok($r->json->{responses}, 'the counters');
    is($r->header('Recs-Filter'), undef, 'are no page');
    is($r->header('ETag'), undef, 'and untouched');
    ok($t->get('/status/again')->json->{responses}, 'also below');

    $r = $t->get('/status/pages');
    is($r->body, '{"items":[{"id":"a"}]}', 'a page is');
    like($r->header('Recs-Filter'), qr/^filtered;/, 'filtered');
    is($t->get('/status/off')->body, '{"items":[{"id":"a"},{"id":"b"}]}',
       'unless it is off');
};


$t->done;
