use strict;
use warnings;

# One address that stands for another Redis from some moment on, as that of a
# managed service with failover does: nothing of what was shown is lost or
# refused, whatever the server at the other end says meanwhile.  And connections
# whose other side is gone without a word.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my @redis = map { $t->redis(name => $_, tcp => 1) } qw(first second);
my $stale = $t->redis(name => 'stale', tcp => 1,
                      config => 'replica-serve-stale-data no');
my $quiet = $t->redis(name => 'quiet', tcp => 1);
my $relay = $t->relay($redis[0]->port);

# Rights without ROLE: only what is written tells.
for (@redis) {
    $_->cmd('ACL', 'SETUSER', 'blind', 'on', '>secret', '~*', '+@all', '-role');
}

$t->write('password', "secret\n");

# Says once "no" in the place of what it is asked.
my $moody = $t->fake_redis(sub {
    my ($cmd) = @_;

    return "+PONG\r\n" if $cmd->[0] eq 'PING';
    return "*2\r\n:0\r\n:1\r\n" if -e $t->dir . '/good-mood';
    return "-$cmd->[1] it is not the time\r\n";
}, name => 'moody');

my $page = '{"items":[{"id":"a"},{"id":"b"}]}';
my $moods = join '', map { "
    recs_set \L$_\E redis=moody key=$_ absent=empty;
"} qw(LOADING NOAUTH MASTERDOWN READONLY);
my $mood_locations = join '', map { "
    location = /\L$_\E { recs_exclude \L$_\E; return 200 '$page'; }
"} qw(LOADING NOAUTH MASTERDOWN READONLY);

my $nginx = $t->nginx(reloads => 0, http => <<"HTTP");
recs_redis main { server %%RELAY%%; timeout 60s; }
recs_redis blind {
    server %%RELAY%%;
    auth user=blind password_file=%%TESTDIR%%/password;
    timeout 60s;
}
recs_redis stale { server %%STALE_TCP%%; }
recs_redis moody { server %%MOODY%%; }
recs_redis quiet { server %%QUIET_TCP%%; connections 2; }

recs_set seen redis=main key=seen absent=empty;
recs_set stale redis=stale key=seen absent=empty;
$moods

recs on;
recs_user \$arg_u;
default_type application/json;
recs_lookup_timeout 10s;

server {
    listen %%LISTEN%%;
    location = /seen { recs_exclude seen; return 200 '$page'; }
    location = /stale { recs_exclude stale; return 200 '$page'; }
    location = /shown {
        recs_record_shown redis=main key=shown:\$recs_user within=1h;
        return 200 '$page';
    }
    location = /blind {
        recs_record_shown redis=blind key=blind:\$recs_user within=1h;
        return 200 '$page';
    }
    location = /status { recs off; recs_status; }
    $mood_locations
}
HTTP

sub recorder { return $t->get('/status')->json->{redis}{ $_[0] }{recorded} }
sub logged { return $nginx->logged(qr/recs_redis "$_[0]" \S+: $_[1]/) }

sub keys_of {
    my ($redis, $name) = @_;
    return scalar @{ $redis->cmd('KEYS', "$name:*") };
}

# The other one is the master from now on, and has all.
sub swap {
    my ($old, $new) = @_;

    $new->cmd('REPLICAOF', 'NO', 'ONE');
    $old->replicate($new);
}


subtest 'a master behind the same address becomes a replica' => sub {
    my ($old, $new) = @redis;

    for my $what (qw(shown blind)) {
        $t->get("/$what?u=before$_") for 1 .. 3;
        ok wait_until(sub { keys_of($old, $what) == 3 }), "$what: recorded";
    }

    $new->replicate($old);
    swap($old, $new);

    # The address still stands for the old one.
    for my $what (qw(shown blind)) {
        $t->get("/$what?u=between$_") for 1 .. 3;
    }

    ok wait_until(sub { logged('main', 'Redis is a replica') }),
        'a line says so';
    ok wait_until(sub { logged('blind', 'Redis is a replica') }),
        'also if ROLE is not allowed';

    is keys_of($new, 'shown'), 3, 'they wait';
    like $t->get('/seen')->header('Recs-Filter'), qr/^filtered/,
        'what is read goes on';

    $relay->point($new->port);

    for my $what (qw(shown blind)) {
        ok wait_until(sub { keys_of($new, $what) == 6 }),
            "$what: recorded at the new master";
        is $t->get("/$what?u=after")->status, 200, 'goes on';
        ok wait_until(sub { keys_of($new, $what) == 7 }), 'also what is new';
    }

    for my $name (qw(main blind)) {
        ok wait_until(sub { logged($name, 'Redis takes writes again') }),
            "$name: a line says that it is over";
        is logged($name, 'Redis is a replica'), 1, 'one line, not more';
        is logged($name, 'Redis takes writes again'), 1, 'likewise';
    }

    swap(reverse @redis);
    $relay->point($old->port);
    $t->get("/$_?u=back") for qw(shown blind);

    for my $what (qw(shown blind)) {
        ok wait_until(sub { keys_of($old, $what) == 8 }), "$what: and back";
    }

    # What is counted is what Redis has confirmed to the end.
    for my $name (qw(main blind)) {
        ok wait_until(sub { recorder($name)->{responses} == 8 }),
            "$name: all are counted";
    }

    is_deeply [map { @{ recorder($_) }{qw(responses refused dropped)} }
               qw(main blind)],
        [8, 0, 0, 8, 0, 0], 'none was refused or dropped';
};


subtest 'a replica that lost its master' => sub {
    my $master = $t->redis(name => 'master', tcp => 1);
    $stale->replicate($master);
    like $t->get('/stale')->header('Recs-Sets'), qr/stale;removed=0/, 'asked';

    $master->kill;
    ok wait_until(sub {
        $t->get('/stale')->header('Recs-Sets') =~ /unknown;why=down/;
    }), 'it is not there, as if it were away';
    is logged('stale', 'Redis is a replica that lost its master'), 1, 'a line';

    $stale->cmd('REPLICAOF', 'NO', 'ONE');
    ok wait_until(sub {
        $t->get('/stale')->header('Recs-Sets') =~ /stale;removed=0/;
    }), 'until it answers again';
};


subtest 'what says that another time is better' => sub {
    for my $mood (qw(loading noauth masterdown readonly)) {
        unlink $t->dir . '/good-mood';
        ok wait_until(sub {
            $t->get("/$mood")->header('Recs-Sets') =~ /unknown;why=down/;
        }), "$mood: unknown for now";

        $t->write('good-mood', '');
        ok wait_until(sub {
            $t->get("/$mood")->header('Recs-Filter') =~ /^filtered/;
        }), 'then it is not';
    }
};


# /proc/net/tcp, see proc_net_tcp(5): timer 2 is that of keepalive, in 1/100 s.
subtest 'silent connections are probed' => sub {
    my $port = sprintf '%04X', $quiet->port;

    my $timers = sub {
        return map { / 0100007F:$port 01 \S+ (\d\d):([0-9A-F]+) /
                     ? [hex $1, hex $2] : () }
               split /\n/, slurp('/proc/net/tcp');
    };

    ok wait_until(sub {
        my @timers = $timers->();
        @timers >= 2 && !grep { $_->[0] != 2 || $_->[1] > 1000 } @timers;
    }), 'within ten seconds' or diag explain [$timers->()];
};


$t->done;
