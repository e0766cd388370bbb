use strict;
use warnings;

# recs_status?recent=1 shows the last ten minutes of all workers, in steps of
# ten seconds.

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Recs::Process qw(wait_until);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis(kind => 'plain');
$redis->cmd('SADD', 'seen', 'b');

my $api = $t->upstream('{"items":[{"id":"a"},{"id":"b"}]}');

my $nginx = $t->nginx(workers => 2, http => <<'HTTP');
recs_redis main { server %%REDIS%%; breaker off; timeout 10s; }
recs_set seen redis=main key=seen absent=empty;

server {
    listen %%LISTEN%%;

    location = /status { recs_status; }
    location = /page {
        recs on;
        recs_exclude seen;
        recs_lookup_timeout 10s;
        proxy_pass http://%%API%%;
    }
    location = /hasty {
        recs on;
        recs_exclude seen;
        recs_lookup_timeout 10ms;
        proxy_pass http://%%API%%;
    }
}
HTTP

sub recent { return $t->get('/status?recent=1')->json->{recent} }
sub filtered { return recent()->{responses}{filtered} }


subtest 'what was counted is there' => sub {
    is($t->get('/status')->json->{recent}, undef, 'not unless asked for');
    is(sum0(@{ filtered() }), 0, 'nothing yet');

    $t->answered(sub { $t->get('/page') });
    my $degraded = $t->get('/status')->json->{responses}{degraded};
    $t->get('/page') for 1 .. 4;

    my $recent = recent();

    is($recent->{step}, 10, 'seconds');
    is(scalar @{ $recent->{responses}{filtered} }, 60, 'ten minutes');
    is(sum0(@{ $recent->{responses}{filtered} }), 5, 'responses');
    is(sum0(@{ $recent->{responses}{degraded} }), $degraded, 'by state');

    my $json = $t->get('/status')->json;

    # What the first response counted before all others is of no step.
    cmp_ok(sum0(@{ $recent->{items} }), '>=', 8, 'items');
    cmp_ok(sum0(@{ $recent->{removed} }), '>=', 4, 'removed ones');
    is(sum0(@{ $recent->{explored} }), 0, 'explored');
    is(sum0(@{ $recent->{$_} }), 0, $_) for qw(emptied rejected);
};


subtest 'what is late' => sub {
    my $before = sum0(@{ recent()->{late} });

    $redis->freeze;
    is($t->get('/hasty')->status, 200, 'without an answer') for 1 .. 3;
    $redis->thaw;

    is(sum0(@{ recent()->{late} }), $before + 3, 'questions');
    cmp_ok(sum0(@{ recent()->{responses}{degraded} }), '>=', 3, 'responses');
};


subtest 'step after step, over a reload' => sub {
    wait_until(sub { filtered()->[59] == 0 }, 30);

    $t->answered(sub { $t->get('/page') });
    my @steps = grep { $_ } @{ filtered() };

    cmp_ok(scalar @steps, '>=', 2, 'a new step begins');
    is(sum0(@steps), 6, 'and none is lost');

    $nginx->reload;
    $t->answered(sub { $t->get('/page') });

    is(sum0(@{ filtered() }), 7, 'all is there after a reload');
};


$t->done;
