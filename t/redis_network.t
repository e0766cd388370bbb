use strict;
use warnings;

# A network that is dead: nothing that is sent over it arrives, and nobody says
# so.  Connections to Redis are given up after the times that are documented,
# pages are served meanwhile, the log has a line, and all goes on once the
# network is back: connections with questions, idle ones, those that follow a
# feed or a channel, with TLS, and such as are being opened.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Mode;
use Recs::Network;
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

BEGIN { Recs::Network->begin }

my $t = Recs::Test->new;
my $redis = $t->redis(class => 'Recs::Network::Redis', tcp => 1, tls => 1);
my $network = Recs::Network->new($redis);
my ($host, $port, $tls) = ($network->host, $redis->port, $redis->tls_port);

my $page = q({"items":[{"id":"b1"},{"id":"b2"}]});
my $filtered = qr/^filtered;/;

$redis->cmd('SADD', $_, 'b1') for qw(seen:u1 in_stock);
$redis->cmd('XADD', '{in_stock}:feed', '*', 'op', 'add', 'ids', '["b1"]',
            'seq', 1);

for my $version ('v1', 'v2') {
    $redis->cmd('HSET', "{home}:$version:meta", 'model', 'als', 'schema', 3,
                'features', 'books', 'generated_at', CORE::time, 'expected', 1,
                'written', 1, 'state', 'complete');
    $redis->cmd('SET', "home:$version:u:$_", $page) for qw(u1 _default);
}

$redis->cmd('SET', '{home}:channel:active', 'v1');

my $plain = "server redis://$host:$port; timeout 2s;";
my $secure = "server rediss://$host:$tls; timeout 2s; ssl_name localhost;"
             . ' ssl_trusted_certificate %%CA%%;';
my %lines = (busy => $plain, idle => $plain, busy_tls => $secure,
             idle_tls => $secure, feed => $plain, events => $plain);
my @names = sort keys %lines;
my @sets = grep { /busy|idle/ } @names;

my $http = join "\n",
    'recs_zone 8m; recs on; default_type application/json;',
    'recs_lookup_timeout 1s;',
    (map { "recs_redis $_ { $lines{$_} }" } @names),
    (map { "recs_set $_ redis=$_ key=seen:\$arg_u absent=empty;" } @sets),
    'recs_set feed redis=feed key=in_stock "feed={in_stock}:feed" replica=on'
        . ' capacity=1000 max_lag=1s absent=empty;',
    'recs_snapshots events redis=events prefix=home poll=1h;',
    'server { listen %%LISTEN%%;',
    (map { "location = /$_ { recs_require $_; return 200 '$page'; }" }
         @sets, 'feed'),
    'location = /events { recs_pass events; recs_user u1; }',
    'location = /status { recs off; recs_status; } }';

my $nginx = $t->nginx(http => $http, reloads => 0);


subtest 'all is well' => sub {
    ok wait_until(sub { get($_)->header('Recs-Filter') =~ $filtered }), $_
        for @sets;
    ok wait_until(sub { sets('feed') =~ /age=\d/ }), 'feed';
    ok wait_until(sub { version() eq 'v1' }), 'events';
};


# Each has just been answered, and was asked then: an idle one is silent from
# now on.

my %asked;

ok wait_until(sub {
    my @wrong = grep {
        $asked{$_} = time;
        get($_)->header('Recs-Filter') !~ $filtered;
    } @sets;

    $network->cut if !@wrong;
    return !@wrong;
}), 'the network is cut';

my $cut = time;
my $said = length $nginx->error_log;


subtest 'a connection that owes answers' => sub {
    for my $name ('busy', 'busy_tls') {
        $asked{$name} = time;
        my $r = get($name);

        is $r->status, 200, "$name: a page";
        like $r->header('Recs-Sets'), qr/unknown;why=timeout/, 'which is late';
        within($asked{$name}, 0.9, 2, 'at its deadline');
    }

    for my $name ('busy', 'busy_tls') {
        given_up($name);
        within($asked{$name}, 1.9, 6, 'after timeout');

        my $begin = time;
        says_so($name);
        within($begin, 0, 0.5, 'at once');
    }
};


subtest 'those that follow a feed, or a channel' => sub {
    for my $name ('feed', 'events') {
        ok wait_until(sub { lost($name, $said) }), "$name: given up";
        within($cut, 0, 8, 'soon');
    }

    ok wait_until(sub { sets('feed') =~ /^feed;age=\d+;stale;why=/ }),
        'what was known is stale';

    my $r = get('events');
    is $r->status, 200, 'a row';
    like $r->header('Recs-Filter'), qr/^stale;row=kept;/, 'which was kept';
};


subtest 'a connection that is idle' => sub {
    for my $name ('idle', 'idle_tls') {
        given_up($name);
        within($asked{$name}, 10.9, 14, 'a second after the first probe');
        says_so($name);
    }
};


subtest 'one line tells of each' => sub {
    for my $name (@names) {
        ok wait_until(sub { lost($name, $said) }), $name;
        is scalar(lost($name, $said)), 1, 'once';
    }
};


subtest 'one that is being opened' => sub {
    my $before = length $nginx->error_log;
    $nginx->reload(wait => 0) or die "no reload\n";

    says_so($_) for @sets;

    for my $name (@names) {
        ok wait_until(sub {
            grep { /was not ready within connect_timeout/ }
                lost($name, $before);
        }), "$name: given up";
        is scalar(lost($name, $before)), 1, 'a line says so';
    }
};


subtest 'the network is back' => sub {
    $network->mend;

    ok wait_until(sub { get($_)->header('Recs-Filter') =~ $filtered }), $_
        for @sets;
    ok wait_until(sub { sets('feed') =~ /age=\d/ }), 'feed';
    ok wait_until(sub { version() eq 'v1' }), 'events';

    ok wait_until(sub {
        return $redis->cmd('PUBLISH', 'home:events', 'v1');
    }), 'somebody listens';
    $redis->cmd('SET', '{home}:channel:active', 'v2');
    $redis->cmd('PUBLISH', 'home:events', 'v2');
    ok wait_until(sub { version() eq 'v2' }), 'a message is heard';
};


$t->done;


sub get     { return $t->get("/$_[0]?u=u1") }
sub sets    { return get($_[0])->header('Recs-Sets') }
sub version { return get('events')->header('Recs-Snapshot') // '' }


# The lines of connections that were lost, behind so many bytes of the log.

sub lost {
    my ($name, $from) = @_;

    my @lines = split /\n/, substr $nginx->error_log, $from;
    return grep { /\[error\] .*"$name" rediss?:\S+: (?!not asked)/ } @lines;
}


# Its only connection.

sub given_up {
    my ($name) = @_;

    ok wait_until(sub {
        $t->get('/status')->json->{redis}{$name}{ready} == 0;
    }, 20), "$name: given up";
}


sub says_so {
    my ($name) = @_;

    my $r = get($name);
    is $r->status, 200, "$name: a page";
    like $r->header('Recs-Sets'), qr/unknown;why=down/, 'which says so';
}


# So many seconds have passed since then; a busy machine is later.

sub within {
    my ($since, $least, $most, $name) = @_;

    my $passed = time - $since;
    ok $least <= $passed && $passed <= Recs::Mode::patience($most), $name
        or diag $passed;
}
