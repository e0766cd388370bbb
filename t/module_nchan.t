use strict;
use warnings;

# Beside nchan, which has a changed hiredis of its own in it, each asks its
# Redis by its own, whichever is loaded first.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $nchan = '/usr/lib/nginx/modules/ngx_nchan_module.so';

# It is built for Debian's nginx, and for no other.
plan skip_all => "another nginx: $ENV{RECS_NGINX}" if $ENV{RECS_NGINX};
plan skip_all => "$nchan is missing" if !-e $nchan;

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SADD', 'in_stock', 'b1', 'b3');
my $channels = $t->redis(name => 'channels', tcp => 1);

$t->upstream('{"items":[{"id":"b1"},{"id":"b2"},{"id":"b3"}]}');

my $http = <<'HTTP';
    recs_redis main { server %%REDIS%%; }
    recs_set in_stock redis=main key=in_stock;

    upstream channels {
        nchan_redis_server %%CHANNELS_TCP%%;
    }

    server {
        listen %%LISTEN%%;

        location / {
            recs on;
            recs_require in_stock;
            proxy_pass http://%%API%%;
        }

        location /publish/ {
            nchan_publisher;
            nchan_channel_id $uri;
            nchan_channel_id_split_delimiter publish;
            nchan_redis_pass channels;
        }

        location /subscribe/ {
            nchan_subscriber longpoll;
            nchan_subscriber_first_message oldest;
            nchan_channel_id $uri;
            nchan_channel_id_split_delimiter subscribe;
            nchan_redis_pass channels;
        }
    }
HTTP

my %orders = (
    'nchan first' => { before => ['ngx_nchan_module'] },
    'recs first'  => { after => ['ngx_nchan_module'] },
);

for my $order (sort keys %orders) {
    subtest $order => sub { both_work($order) };
}

$t->done;


sub both_work {
    my ($order) = @_;

    my $nginx = $t->nginx(workers => 2, %{ $orders{$order} }, http => $http);
    my @workers = $nginx->workers;

    my $r = $t->answered(sub { $t->get('/page') });
    is $r->body, '{"items":[{"id":"b1"},{"id":"b3"}]}', 'a page asks a set';
    like $r->header('Recs-Filter'), qr/\Afiltered;/, 'and is answered';

    # nchan connects to its Redis by and by.
    my $published = wait_until(sub {
        my $p = $t->request('POST', "/publish/$$", { body => "hello $order" });
        return $p->status =~ /\A20[12]\z/ && $p;
    });
    ok $published, 'nchan publishes';

    $r = $t->get("/subscribe/$$");
    is $r->status, 200, 'nchan is subscribed to';
    is $r->body, "hello $order", 'and says what was published';

    $r = $t->get('/page');
    is $r->body, '{"items":[{"id":"b1"},{"id":"b3"}]}', 'a page after that';

    is_deeply [$nginx->workers], \@workers, 'no worker has died';
    unlike $nginx->error_log, qr/variables_hash/,
        'the variables find room in the usual tables';

    $nginx->quit;
    $channels->cmd('FLUSHALL');
}
