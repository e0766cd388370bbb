use strict;
use warnings;

# Two hundred cutovers and rollbacks under load: each response is of one
# version, wholly, and says which.  (How long a change takes is measured by
# t/bench.)

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(:sys_wait_h);
use Recs::Test;
use Test::More;

use constant { CUTOVERS => 134, CLIENTS => 3, USERS => 20, ITEMS => 30 };

my $t = Recs::Test->new;
my $redis = $t->redis;

open my $file, '<', $t->root . '/conf/recs.lua' or die "recs.lua: $!\n";
$redis->cmd('FUNCTION', 'LOAD', do { local $/; <$file> });

# A version's pages: it stands in each of the items.

sub load {
    my ($version) = @_;

    my $items = join ',', map { qq({"id":"i$_","v":"$version"}) } 1 .. ITEMS;
    my @rows = map { ['SET', "home:$version:u:$_", qq({"items":[$items]})] }
                   '_default', map { "u$_" } 1 .. USERS;

    $redis->pipeline(@rows, ['HSET', "{home}:$version:meta",
        model => "m-$version", schema => 1, features => 1, state => 'complete',
        generated_at => time, expected => USERS, written => USERS]);
}

my @keys = map { "{home}:$_" } qw(channel:active history rolled_back);

sub publish {
    my ($version) = @_;

    return $redis->cmd('FCALL', 'recs_publish', 4, @keys,
                       "{home}:$version:meta", $version);
}

load('v0');
publish('v0');
$redis->cmd('SADD', 'seen', 'i3', 'i7');

# A ranker: its page is of the version that it is told; each fifth is none.

$t->upstream(sub {
    my ($req) = @_;

    return { status => 502 } if $req->{args}{n} % 5 == 0;

    my $version = $req->{headers}{'x-snapshot'};

    return { headers => ['X-Ranked' => $version],
             body => qq({"items":[{"id":"i1","v":"$version"},{"id":"i7"}]}) };
}, keepalive => 1, forget => 1);

my $nginx = $t->nginx(workers => 4, access_log => 'off', reloads => 0,
                      http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_set seen redis=main key=seen;
recs_snapshots home redis=main prefix=home;
recs_lookup_timeout 10s;
server {
    listen %%LISTEN%%;
    location /page {
        recs on;
        recs_user $arg_user;
        recs_exclude seen;
        recs_pass home;
        add_header X-Active $recs_active_home;
    }
    location /ranked {
        recs on;
        recs_exclude seen;
        proxy_pass http://%%API%%;
        proxy_set_header X-Snapshot $recs_active_home;
        proxy_intercept_errors on;
        add_header X-Active $recs_active_home;
        error_page 502 = @served;
    }
    location @served {
        recs on;
        recs_user u1;
        recs_exclude seen;
        recs_pass home;
        add_header X-Active $recs_active_home always;
    }
    location = /status { recs_status; }
}
HTTP

ok wait_until(sub { $t->get('/page?user=u1')->status == 200 }), 'v0 is served';


# One client: asks until the file is there, and writes what was wrong.

sub client {
    my ($n) = @_;

    my %seen;
    my $c = $t->http;
    my ($count, $wrong) = (0, '');

    open my $asked, '>>', $t->dir . "/asked$n" or die "asked$n: $!\n";

    until (-e $t->dir . '/stop') {
        my $path = $count % 3 ? '/page?user=u' . ($count % (USERS + 5))
                              : '/ranked?n=' . $count;
        my $r = $c->get($path);
        my $tag = $r->header('Recs-Snapshot') // $r->header('X-Ranked')
                  // 'none';
        my %versions = map { $_ => 1 } ($r->body // '') =~ /"v":"(\w+)"/g;

        if ($r->status != 200 || join(' ', keys %versions) ne $tag
            || ($r->header('X-Active') // $tag) ne $tag
            || $r->body =~ /"i[37]"/)
        {
            $wrong ||= "$path: " . $r->status . " $tag: " . $r->body;
        }

        $seen{$tag} = 1;
        $count++;
        syswrite $asked, '.';
    }

    $t->write("client$n", "$count " . keys(%seen) . " $wrong");
    POSIX::_exit(0);
}

my @clients;

for my $n (1 .. CLIENTS) {
    my $pid = fork // die "fork: $!\n";
    client($n) if !$pid;
    push @clients, $pid;
}

my $late = 0;

# How many responses each client has had.

sub asked {
    return map { -s $t->dir . "/asked$_" // 0 } 1 .. CLIENTS;
}

# Until it is served, and each client has had a response of it, however slow: of
# two, the second was asked for meanwhile.

sub active {
    my ($version) = @_;

    my $served = wait_until(sub {
        ($t->get('/page?user=u1')->header('Recs-Snapshot') // '') eq $version;
    });

    my @before = asked();

    return $served && wait_until(sub {
        my @now = asked();
        return !grep { $now[$_] < $before[$_] + 2 } 0 .. $#now;
    });
}

for my $n (1 .. CUTOVERS) {
    load("v$n");
    publish("v$n");
    $late++ if !active("v$n");

    # every other one is taken back

    next if $n % 2;

    $redis->cmd('FCALL', 'recs_rollback', 4, @keys, '{home}:v' . ($n - 1)
                . ':meta', 'v' . ($n - 1));
    $late++ if !active('v' . ($n - 1));
}

is $late, 0, 'all versions were adopted';
$t->write('stop', '');

for my $n (1 .. CLIENTS) {
    waitpid $clients[$n - 1], 0;
    my ($count, $versions, $wrong) = split ' ', $t->read("client$n"), 3;
    note "client $n: $count responses of $versions versions";
    is $wrong, '', "client $n: each response is of the version it says";
    cmp_ok $versions, '>=', CUTOVERS, 'of all versions';
}

my $home = $t->get('/status')->json->{snapshots}{home};
cmp_ok $home->{adopted}, '>=', CUTOVERS * 3 / 2, 'adopted versions are counted';

$t->done;
