use strict;
use warnings;

# Whatever becomes of Redis, each response is a valid page, in time, and says
# which facts were missing; and it is whole again soon after Redis is.

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(max);
use Recs::Mode;
use Recs::Reference qw(filter difference);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my @users = map { "u$_" } 1 .. 20;
my %page;       # by user
my %stock = map { ("b$_" => 1) } grep { $_ % 3 } 1 .. 400;
my %seen;       # by user

for my $n (1 .. 20) {
    my @ids = map { 'b' . ($n * 20 + $_) } 1 .. 12;
    $page{"u$n"} = '{"user":"u' . $n . '","items":['
                 . join(',', map { qq({"id":"$_"}) } @ids) . ']}';
    $seen{"u$n"} = { map { $_ => 1 } @ids[$n % 5, 5 + $n % 7] };
}

my $api = $t->upstream(sub { $page{ $_[0]{args}{user} // "u1" } },
                        keepalive => 1);

# Lines are counted: there is one for each server that fails.

my $redis = $t->redis(start => 0, kind => 'plain');

# Seconds: what recs_lookup_timeout is where Redis is not to answer.  Everywhere
# else it is so long that no machine is too slow, and so is the connection's
# timeout.
my $deadline = Recs::Mode::patience(0.1);
my $deadline_ms = sprintf "%.0f", $deadline * 1000;

# A Redis that breaks off a reply after so many bytes, or takes its time.
my $reply = "*12\r\n" . ":0\r\n:1\r\n" x 6;
my @cuts = (0 .. 7, 30, length($reply) - 3 .. length($reply) - 1);

my $fake = $t->fake_redis(sub {
    my ($cmd, $stream) = @_;

    return "+PONG\r\n" if $cmd->[0] eq 'PING';
    my ($how, $n) = $cmd->[1] =~ /^(\w+):?(\d*)$/;

    return [map { ($_, \0.01) } split //, $reply] if $how eq 'drips';

    if ($how eq 'late') {
        wait_until(sub { -e $t->dir . '/go-late' }, 60);
        return $reply;
    }

    return "*11\r\n" . ":1\r\n" x 11 if $how eq 'short';
    return "-WRONGTYPE Operation against a key\r\n" if $how eq 'refused';

    $stream->write(substr $reply, 0, $n);
    $n % 2 ? $stream->reset : $stream->close;
    return;
});

my $cut_redis = join '', map {
    "recs_redis cut$_ { server %%FAKE%%; connections 1; }\n"
    . "recs_set cut$_ redis=cut$_ key=cut:$_ absent=empty;\n"
} @cuts;
my $cut_locations = join '', map {
    "location /cut$_/ { recs_exclude cut$_; alias %%TESTDIR%%/pages/; }\n"
} @cuts;

for my $user (@users) {
    chmod 0644, $t->write("pages/$user.json", $page{$user});
}

my $log = q('$recs_state $recs_lookup_time $status $uri');

my $nginx = $t->nginx(reloads => 0, access_log => $log, http => <<"HTTP");
    recs_redis main {
        server %%REDIS%%;
        connections 2;
        timeout 60s;
        breaker off;
    }
    recs_redis gone { server unix:%%TESTDIR%%/nothing.sock; }
    recs_redis nobody { server redis://127.0.0.1:%%PORT_NOBODY%%; }
    recs_redis fake { server %%FAKE%%; timeout 60s; }
    recs_redis patient { server %%FAKE%%; timeout 60s; }

    recs_set in_stock redis=main key=in_stock;
    recs_set seen redis=main key=seen:\$recs_user;
    recs_set strict redis=main key=in_stock unknown=drop;
    recs_set strictly_seen redis=main key=seen:\$recs_user unknown=drop;
    recs_set gone redis=gone key=any;
    recs_set nobody redis=nobody key=any;
    recs_set drips redis=patient key=drips absent=empty;
    recs_set late redis=fake key=late absent=empty;
    recs_set short redis=fake key=short absent=empty;
    recs_set refused redis=fake key=refused absent=empty;
    $cut_redis

    recs_user \$arg_user;

    upstream api {
        server %%API%%;
        keepalive 8;
    }

    server {
        listen %%LISTEN%%;
        listen %%LISTEN_H2%% http2;
        recs on;
        recs_require in_stock;
        recs_exclude seen;
        recs_lookup_timeout 30s;
        default_type application/json;

        proxy_http_version 1.1;
        proxy_set_header Connection "";

        location / { proxy_pass http://api; }

        location /soon {
            recs_lookup_timeout ${deadline_ms}ms;
            proxy_pass http://api;
        }

        location /strict {
            recs_lookup_timeout ${deadline_ms}ms;
            recs_require strict;
            recs_exclude strictly_seen;
            proxy_pass http://api;
        }

        location /gone { recs_exclude gone; proxy_pass http://api; }
        location /nobody { recs_exclude nobody; proxy_pass http://api; }

        location /patient {
            recs_exclude drips;
            proxy_pass http://api;
        }

        location /late {
            recs_lookup_timeout ${deadline_ms}ms;
            recs_exclude late;
            proxy_pass http://api;
        }

        location /short { recs_exclude short; proxy_pass http://api; }
        location /refused { recs_exclude refused; proxy_pass http://api; }
        location /status { recs off; recs_status; }

        $cut_locations
    }
HTTP


subtest 'Redis is not there at the start' => sub {
    for my $user (@users) {
        is wrong($t->get("/?user=$user"), $user, 'degraded'), undef, $user;
    }

    my $r = $t->get('/?user=u1');
    is $r->header('Recs-Sets'),
        'in_stock;unknown;why=down, seen;unknown;why=down',
        'the sets are named';
    is $r->body, $page{u1}, 'unknown=keep: all are shown';

    $r = $t->get('/strict?user=u1');
    is $r->body, '{"user":"u1","items":[]}', 'unknown=drop: none is';
    is $r->header('Recs-Sets'),
        'strict;unknown;why=down;removed=12, strictly_seen;unknown;why=down',
        'and the set is named that did it';

    fill();
    well('it comes');
    log_is(1, qr/recs_redis "main".*connect\(\) to .* failed/,
           'one line of the loss');
    log_is(1, qr/recs_redis "main".*Redis answers again/,
           'one when it is back');
};


subtest 'Redis is killed' => sub {
    my $read = length $nginx->error_log;

    many('under load', sub { $redis->kill });

    for my $user (@users) {
        is wrong($t->get("/?user=$user"), $user, 'degraded'), undef, $user;
    }

    # A loss so soon after a recovery is told when it has lasted.
    my $loss = qr/recs_redis "main".*(?:closed|recv|send|connect)/;
    ok wait_until(sub { substr($nginx->error_log, $read) =~ $loss }),
        'the log tells';

    fill();
    well('it is back');
    log_is(1, $loss, 'one line of the loss', $read);
    log_is(1, qr/recs_redis "main".*Redis answers again/,
           'one when it is back', $read);
};


subtest 'Redis is frozen' => sub {
    my $count = $t->log_mark($nginx);
    my $read = length $nginx->error_log;

    $redis->freeze;

    my $c = $t->http2(port => 'H2');
    my @streams = map { [$_, $c->send('GET', "/soon?user=$_")] } (@users) x 3;
    is wrong($c->response($_->[1]), $_->[0], 'degraded'), undef,
        "$_->[0] of sixty at once" for @streams;

    is wrong($t->get('/soon?user=u1'), 'u1', 'degraded'), undef, 'one alone';
    is wrong($t->get('/strict?user=u1'), 'u1', 'degraded'), undef, 'drop';

    my @lines = $nginx->access_log($count + 62);
    my @times = map { (split)[1] } @lines[$count .. $#lines];
    my $most = max(10 * $deadline, Recs::Mode::patience(1));
    my @late = grep { $_ !~ /^\d+\.\d{3}$/ || $_ >= $most } @times;
    ok !@late, 'none waited much longer than recs_lookup_timeout'
        or diag("@late");
    cmp_ok scalar(grep { $_ >= 0.9 * $deadline } @times), '>=', 50,
        'and most as long as that';

    $redis->thaw;
    well('it is thawed');

    log_is(1, qr/"in_stock".*no answer.*no reply in time/, 'one line');
    my @all = grep { /recs/ && /\[(?:error|warn|notice)\]/ }
              split /\n/, substr $nginx->error_log, $read;
    cmp_ok scalar @all, '<=', 6, 'and few in all' or diag("@all");
};


subtest 'late answers' => sub {
    my $discarded = status()->{discarded};

    # Thawed before the connection is given up: the answers do come.
    for my $round (1 .. 3) {
        $redis->freeze;
        my $c = $t->http2(port => 'H2');
        my @streams = map { [$_, $c->send('GET', "/soon?user=$_")] } @users;
        my @wrong = grep { defined }
                    map { wrong($c->response($_->[1]), $_->[0], 'degraded') }
                    @streams;
        is "@wrong", '', "round $round: frozen";
        $redis->thaw;

        @streams = map { [$_, $c->send('GET', "/soon?user=$_")] }
                   reverse @users;
        @wrong = grep { defined }
                 map { wrong($c->response($_->[1]), $_->[0]) } @streams;
        is "@wrong", '', 'then each page gets its own answers, or none';
    }

    well('they are read');
    cmp_ok status()->{discarded}, '>', $discarded, 'and thrown away';
};


subtest 'Redis is restarted again and again' => sub {
    for (1 .. 3) {
        many('under load', sub { $redis->restart });
        well('it is back');
    }
};


subtest 'Redis dies in the midst of a reply' => sub {
    for my $cut (@cuts) {
        my $r = $t->get("/cut$cut/u4.json?user=u4");

        is wrong($r, 'u4', 'degraded'), undef, "after $cut bytes";
        is $r->header('Recs-Sets'),
            "in_stock;removed=4, cut$cut;unknown;why=down",
            'the other set counts';
    }

    my %asked = map { $_->[1] ? ($_->[1] => 1) : () } $fake->commands;
    is scalar(grep { $asked{"cut:$_"} } @cuts), scalar @cuts,
        'each was really asked';
};


subtest 'Redis is slow, or says something else' => sub {
    my $r = $t->get('/patient?user=u4');
    is $r->status, 200, 'a byte at a time';
    is $r->header('Recs-Sets'), 'in_stock;removed=4, drips;removed=4',
        'is waited for';

    # Until the other Redis is in time, be the machine as slow as it may.
    wait_until(sub {
        $r = $t->get('/late?user=u4');
        return $r->header('Recs-Sets') !~ /in_stock;unknown/;
    });
    is wrong($r, 'u4', 'degraded'), undef, 'later than recs_lookup_timeout';
    is $r->header('Recs-Sets'), 'in_stock;removed=4, late;unknown;why=timeout',
        'is not';
    $t->write('go-late', '');

    for my $path ('/short', '/refused') {
        my $r;

        # The connection may be lost.
        ok wait_until(sub {
            $r = $t->get("$path?user=u4");
            grep { $_->[1] && "/$_->[1]" eq $path } $fake->commands;
        }), $path;

        is wrong($r, 'u4', 'degraded'), undef, 'unknown';
    }

    well('nothing of it touches the other Redis');
};


subtest 'a socket that is not there, a port where nobody listens' => sub {
    for my $path ('/gone', '/nobody') {
        my $name = substr $path, 1;
        my $r = $t->get("$path?user=u2");

        is wrong($r, 'u2', 'degraded'), undef, $path;
        is $r->header('Recs-Sets'),
            "in_stock;removed=4, $name;unknown;why=down", 'named';
        log_is(1, qr/recs_redis "$name".*connect\(\) to .* failed/,
               'one line');
    }

    unlike $nginx->error_log, qr/\[(?:crit|alert)\]/, 'none is critical';
};


$t->done;


# Starts Redis, and gives it the sets.

sub fill {
    $redis->start;
    $redis->pipeline(['SADD', 'in_stock', keys %stock],
                     map { ['SADD', "seen:$_", keys %{ $seen{$_} }] } @users);
}


# All pages are filtered again, within a bounded time.

sub well {
    my ($name) = @_;

    my $state;
    wait_until(sub {
        my $r = $t->get('/?user=u1');
        $state = $r->header('Recs-Filter') // $r->status;
        return $state =~ /^filtered/;
    }, 5);
    like $state, qr/^filtered/, $name;

    my @wrong = grep { defined }
                map { wrong($t->get("/?user=$_"), $_, 'filtered') } @users;
    is "@wrong", '', 'and all pages are whole again';
}


# Three hundred requests on ten connections, while something happens.

sub many {
    my ($name, $what) = @_;

    my @clients = map { $t->http } 1 .. 10;
    my %states;
    my @wrong;

    for my $round (1 .. 15) {
        for my $c (@clients) {
            $c->send('GET', "/?user=$_") for @users[$round, 20 - $round];
        }

        $what->() if $round == 5;

        for my $c (@clients) {
            for my $user (@users[$round, 20 - $round]) {
                my $r = $c->response;
                my $why = wrong($r, $user);
                push @wrong, $why if $why;
                $states{$1}++ if ($r->header('Recs-Filter') // '') =~ /^(\w+)/;
            }
        }
    }

    is "@wrong[0 .. ($#wrong < 3 ? $#wrong : 3)]", '',
        "$name: three hundred responses, not one fails";
    cmp_ok $states{filtered}, '>=', 80, 'many were filtered';
    return \%states;
}


# What is wrong with a user's page; undef: nothing.  Its state may be given.
# The sets that the response says are unknown must not have counted, and the
# others must have.

sub wrong {
    my ($r, $user, $state) = @_;

    return 'no response: ' . ($r->error // '') if !$r->complete;
    return 'status ' . $r->status if $r->status != 200;

    my $sets = $r->header('Recs-Sets') // '';
    my $said = $r->header('Recs-Filter') // 'no Recs-Filter';
    $state //= $sets =~ /unknown/ ? 'degraded' : 'filtered';

    return "$said, not $state" if $said !~ /^\Q$state\E;/;
    return "$state, but $sets"
        if $state eq 'degraded' xor $sets =~ /unknown/;

    my (%rules, $removed);

    for my $set (split /, /, $sets) {
        my ($name, $unknown) = $set =~ /^(\w+)(;unknown)?/;
        $removed += $1 if $set =~ /removed=(\d+)/;

        my $members = $name eq 'in_stock' || $name eq 'strict' ? \%stock
                    : $name =~ /seen/ ? $seen{$user} : {};
        $members = $name =~ /^strict/ ? 'drop' : 'keep' if $unknown;

        push @{ $rules{ $members eq \%stock || $name =~ /stock|strict$/
                        ? 'require' : 'exclude' } }, $name => $members;
    }

    my $want = filter($page{$user}, %rules);
    return 'removed ' . ($removed // 0) if ($removed // 0) != $want->{removed};
    return difference($r->body, $want);
}


sub log_is {
    my ($count, $pattern, $name, $from) = @_;

    my @lines = grep { /$pattern/ } split /\n/,
                substr $nginx->error_log, $from // 0;
    is scalar @lines, $count, $name or diag(map { "$_\n" } @lines);
}


sub status {
    return $t->get('/status')->json->{redis}{main};
}
