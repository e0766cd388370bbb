use strict;
use warnings;

# The metrics of recs_status are those of docs/status.md, with these labels:
# none is missing there, and none is there that nginx does not show.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp wait_until);
use Recs::Prometheus qw(exposition metric);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $root = $t->root;

my $redis = $t->redis_sentinel(replicas => 1);
my $images = $t->dir . '/images';

mkdir $images;
chmod 0777, $images;

$redis->cmd('SADD', 'stock', 'a', 'b');
$redis->cmd('XADD', 'stock:feed', '*', 'seq', 1, 'add', 'b');
$redis->cmd('HSET', 'fresh', 'p', '{"id":"p"}');
$redis->cmd('HSET', '{home}:v1:meta', state => 'complete', expected => 100,
            written => 99, generated_at => time, model => 'm', schema => 's',
            features => 'f');
$redis->cmd('SET', '{home}:channel:active', 'v1');
$redis->cmd('SET', '{home}:channel:canary', 'v2');

# Whatever a metric is of, it is here.

$t->nginx(http => <<"HTTP");
recs_redis main { %%SENTINEL_SETTINGS%% reads nearest; }
recs_set stock redis=main key=stock replica=on feed=stock:feed
         image=$images/stock;
recs_set gone redis=main key=gone max_removed=50%;
recs_set seen redis=main key=seen:\$arg_u prefetch=100;
recs_pool fresh redis=main key=fresh image=$images/fresh;
recs_snapshots home redis=main prefix=home channels=canary image=$images/home;
recs_guard home missing=1% min=1;
recs_user \$arg_u;
recs_label \$arg_arm;
recs_lookup_timeout 10s;

server {
    listen %%LISTEN%%;
    default_type application/json;

    location / { recs_status prometheus; }

    location /home { recs_pass home; }

    location /page {
        recs on;
        recs_require stock;
        recs_exclude seen gone;
        recs_record_shown redis=main key=shown:\$recs_user within=1h;
        return 200 '{"items":[{"id":"a"},{"id":"z"}]}';
    }
}
HTTP

my $e;

wait_until(sub {
    $t->get('/home?u=u1');
    $e = exposition($t->get('/')->body);

    (metric($e, 'nginx_recs_replica_fresh') // 0)
        && (metric($e, 'nginx_recs_channel_adopted', channel => 'active') // 0)
        && (metric($e, 'nginx_recs_channel_refused', channel => 'canary') // 0)
        && (metric($e, 'nginx_recs_set_state', set => 'gone',
                   state => 'absent') // 0)
        && $e->{nginx_recs_guard_left_version_info}
        && $e->{nginx_recs_redis_server_trip_seconds}
        && $e->{nginx_recs_redis_server_lag_seconds}
}, 20);


subtest 'each is documented, with its labels' => sub {
    my $document = slurp("$root/docs/status.md");
    my %documented = $document =~ /^\| `(nginx_recs_\w+)` \|([^|]*)\|/mg;

    cmp_ok(scalar keys %documented, '>', 90, 'there are metrics');

    for my $name (sort keys %$e) {
        my %labels = map { ($_ => 1) }
                     map { keys %{ $_->{labels} } } @{ $e->{$name}{samples} };
        my %said = map { ($_ => 1) }
                   ($documented{$name} // '') =~ /`(\w+)`/g;

        delete $labels{le};
        ok(defined $documented{$name}, "$name is documented")
            && is_deeply(\%said, \%labels, 'its labels, too');
    }

    is(join(' ', grep { !$e->{$_} } sort keys %documented), '',
       'all that is documented is there');
};


# The other direction needs a configuration that shows all: so it is looked for
# in the source, by the sentence that tells of it.

subtest 'each of the source is shown' => sub {
    my %shown = map { ($_->{help} => 1) } values %$e;
    my $metrics = 0;

    for my $source (glob "$root/src/*/*.c $root/src/*/*/*.c") {
        my $text = slurp($source);

        while ($text =~ /ngx_recs_(?:counter(?:_as|_array)?|gauge|info
                         |state_gauge|histogram)\("(\w+)",([^()]*)\)/gx)
        {
            my ($name, $rest) = ($1, $2);
            my ($last) = $rest =~ /((?:"[^"]*"\s*)+)\z/;
            my $help = join '', $last =~ /"([^"]*)"/g;

            $metrics++;
            like($help, qr/\A(?:[A-Z]|1: )[^.]*\.\z/, "$name: a sentence");
            ok($shown{$help}, 'which is shown') or diag($help);
        }
    }

    cmp_ok($metrics, '>', 90, 'there are metrics');
};


$t->done;
