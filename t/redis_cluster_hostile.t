use strict;
use warnings;

# A cluster that says what no real one does, or not for long: answers that lead
# round in a circle, nowhere, or to somebody else's keys.  Each page is whole
# and in time, with nobody else's answer in it, and nothing is kept of it all.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use List::Util qw(max);
use POSIX ();
use Recs::Mode;
use Recs::Process qw(free_port has_ipv6 slurp);
use Recs::RedisRouter;
use Recs::Test;
use Test::More;
use Time::HiRes qw(sleep time);

my $t = Recs::Test->new;

my @users = map { "u$_" } 1 .. 12;
my @ids = map { "i$_" } 0 .. 9;
my $page = '{"items":[' . join(',', map { qq({"id":"$_"}) } @ids) . ']}';
my $all = join ' ', @ids;
my $dead = free_port();

# ms; the harness makes it no longer, whatever checks memory.
my $deadline = Recs::Mode::patience(1) > 1 ? 2000 : 300;


# ---- Servers that say what they are told, anew with each command

sub seen_by { return 'i' . ($_[0] =~ s/\D//gr) % 9 }

sub expected {
    my $seen = seen_by(@_);
    return join ' ', grep { $_ ne $seen } @ids;
}


sub answer {
    my ($verb, $key, @asked) = @_;

    return "+PONG\r\n" if $verb eq 'PING';
    return "+OK\r\n" if $verb eq 'ASKING';
    return ":1\r\n" if $verb =~ /^(?:SCARD|Z|EXPIRE)/;
    return "\$-1\r\n" if $verb eq 'GET';
    return "*0\r\n" if $verb =~ /^(?:LRANGE|XREVRANGE)/;
    return [\0.2, "*-1\r\n"] if $verb eq 'XREAD';
    return list(bulk('0'), list(bulk('i1'))) if $verb eq 'SSCAN';
    return "-ERR unknown command\r\n" if $verb ne 'SMISMEMBER';

    my $seen = seen_by($key);
    return '*' . @asked . "\r\n"
           . join '', map { $_ eq $seen ? ":1\r\n" : ":0\r\n" } @asked;
}


my %fakes;

for my $name (qw(a b c)) {
    my ($subscribed, $silent);      # of a connection: each is a process

    $fakes{$name} = $t->fake_redis(sub {
        my ($cmd) = @_;

        if ($cmd->[0] eq 'SUBSCRIBE') {
            $subscribed = 1;
            return list(bulk('subscribe'), bulk($cmd->[1]), number(1));
        }
        return list(bulk('pong'), bulk('')) if $subscribed;

        my $says = JSON::PP->new->latin1->decode(
            slurp($t->dir . "/$name.says") || '{}');
        my $text = $says->{ uc $cmd->[0] };
        $text = $text->[int rand @$text] if ref $text;
        $silent ||= defined $text && $text eq '';
        return if $silent;
        return defined $text ? $text : answer(@$cmd);
    }, name => $name, tcp => 1);
}

my %port = map { $_ => $fakes{$_}->port } keys %fakes;


# What it answers to commands, by their names ("": nothing from then on); all
# others as they should be.  Of several, one at random.

sub says {
    my ($name, %says) = @_;

    $t->write("$name.says", JSON::PP->new->latin1->encode(\%says));
}


sub bulk { return '$' . length($_[0]) . "\r\n$_[0]\r\n" }
sub list { return '*' . @_ . "\r\n" . join '', @_ }
sub number { return ":$_[0]\r\n" }


# The reply to CLUSTER SHARDS: [from, to, port, host]... of masters.

sub shards {
    return list(map {
        my ($from, $to, $port, $host) = @$_;
        list(bulk('slots'), list(number($from), number($to)),
             bulk('nodes'), list(list(
                bulk('id'), bulk(sprintf '%040d', $port),
                bulk('port'), number($port),
                bulk('ip'), bulk($host // '127.0.0.1'),
                bulk('endpoint'), bulk($host // '127.0.0.1'),
                bulk('role'), bulk('master'),
                bulk('replication-offset'), number(1),
                bulk('health'), bulk('online'))));
    } @_);
}


my $half = 8192;
my $well = shards([0, $half - 1, $port{a}], [$half, 16383, $port{b}]);

sub first_half { return Recs::RedisRouter::slot("seen:$_[0]") < $half }
sub slot { return Recs::RedisRouter::slot("seen:$_[0]") }

sub all_well { says($_, CLUSTER => $well) for keys %fakes }


# ---- nginx, and what its pages are

all_well();
$t->write('www/page.json', $page);

sub http {
    my ($port) = @_;

    return <<"HTTP";
recs_redis main {
    server redis://127.0.0.1:$port{a} redis://127.0.0.1:$port{b};
    topology cluster;
    breaker off;
    reads nearest;
    connect_timeout 10s;
}
recs_set seen redis=main key=seen:\$arg_user;
recs_set followed redis=main "key={stock}" replica=on "feed={stock}:feed";
recs_snapshots home redis=main prefix=home;

server {
    listen $port;
    root %%TESTDIR%%/www;
    default_type application/json;
    recs on;
    recs_lookup_timeout ${deadline}ms;

    location / {
        recs_exclude seen;
        recs_record_shown redis=main key=shown:\$arg_user within=1h;
    }
    location = /status { recs off; recs_status; }
}
HTTP
}

my $nginx = $t->nginx(workers => 2, reloads => 0, http => http('%%LISTEN%%'));

sub ids_of { return join ' ', map { $_->{id} } @{ $_[0]->json->{items} } }
sub sets { return $_[0]->header('Recs-Sets') // '' }


# A page is one of two: filtered by what the user has seen, or whole, and it
# says so.  Anything else is wrong.  Returns how it was: filtered, unknown or
# wrong.

sub look {
    my ($user, $client) = @_;

    my $start = time;
    my $r = ($client // $t)->get("/page.json?user=$user");
    my $took = time - $start;

    my $ids = $r->status == 200 ? ids_of($r) : $r->status;

    return 'late: ' . int(1000 * $took) . ' ms'
        if $took > $deadline / 1000 + Recs::Mode::patience(2);
    return 'filtered' if sets($r) =~ /seen;removed/ && $ids eq expected($user);
    return 'unknown' if sets($r) =~ /seen;unknown/ && $ids eq $all;
    return 'wrong: ' . sets($r) . " $ids";
}


# What the pages of users are, once they are what they should be.

sub becomes {
    my ($should, $users, $name) = @_;

    my (%last, %bad);
    my $good = wait_until(sub {
        %last = map { $_ => look($_) } @$users;
        /^(?:late|wrong)/ and $bad{$_}++ for values %last;
        return !%bad && !grep { $_ ne $should } values %last;
    });

    ok $good && !%bad, $name or diag explain { last => \%last, bad => \%bad };
}


# Each page is one or the other.

sub valid {
    my ($name, $times) = @_;

    my %bad;
    for (1 .. $times // 3) {
        /^(?:late|wrong)/ and $bad{$_}++ for map { look($_) } @users;
    }

    is_deeply \%bad, {}, $name;
}


my @first = grep { first_half($_) } @users;
my @second = grep { !first_half($_) } @users;

sub well_again {
    all_well();
    becomes('filtered', \@users, 'all is well again');
}

becomes('filtered', \@users, 'all is well');


# ---- Redirections

sub error { return "-$_[0]\r\n" }

sub commands {
    my ($name, $verb) = @_;
    return scalar grep { uc $_->[0] eq $verb } $fakes{$name}->commands;
}


for my $kind (qw(MOVED ASK)) {
    my $to = sub {
        my ($address) = @_;
        return error("$kind " . slot($first[0]) . " $address");
    };

    subtest "$kind that goes round in a circle" => sub {
        says('a', CLUSTER => $well, SMISMEMBER => $to->("127.0.0.1:$port{b}"));
        says('b', CLUSTER => $well, SMISMEMBER => $to->("127.0.0.1:$port{a}"));
        becomes('unknown', \@users, 'unknown');

        $fakes{$_}->clear for qw(a b);
        look($_) for @users;
        cmp_ok commands('a', 'SMISMEMBER') + commands('b', 'SMISMEMBER'), '<=',
               @users * 6, 'it is followed five times';
        well_again();
    };

    my %leads = (
        'itself' => "127.0.0.1:$port{a}",
        'where nobody listens' => "127.0.0.1:$dead",
        'an address of IPv6 where nobody listens' => "::1:$dead",
        'a network that is none' => "255.255.255.255:$dead",
        'no port' => '127.0.0.1:0',
        'no address' => '127.0.0.1',
        'no number' => '127.0.0.1:x',
        'a port that is too large' => '127.0.0.1:65536',
        'no host at all' => "a b:$port{b}",
        'bytes' => "\x01\xff:$port{b}",
        'a name of 300 bytes' => 'n' x 300 . ":$port{b}",
    );

    for my $where (sort keys %leads) {
        subtest "$kind that leads to $where" => sub {
            says('a', CLUSTER => $well, SMISMEMBER => $to->($leads{$where}));
            becomes('unknown', \@first, 'unknown');
            valid('the others are pages, too');
            well_again();
        };
    }

    subtest "$kind that leads to a name" => sub {
        says('a', CLUSTER => $well,
             SMISMEMBER => $to->("localhost:$port{b}"));
        valid('pages');
        well_again();
    };

    subtest "$kind without a host: the same one, with another port" => sub {
        says('a', CLUSTER => $well, SMISMEMBER => $to->(":$port{b}"));
        becomes('filtered', \@users, 'it is followed');
        says('a', CLUSTER => $well, SMISMEMBER => $to->("?:$port{c}"));
        becomes('filtered', \@users, 'also to one that nobody knew');
        well_again();
    };

    subtest "$kind for a slot that is none" => sub {
        says('a', CLUSTER => $well,
             SMISMEMBER => error("$kind 16384 127.0.0.1:$port{b}"));
        becomes('unknown', \@first, 'unknown');
        well_again();
    };

    subtest "$kind within an answer" => sub {
        my $moved = $to->("127.0.0.1:$port{b}");
        says('a', CLUSTER => $well, SMISMEMBER => '*' . @ids . "\r\n"
            . ":1\r\n" x 5 . $moved . ":0\r\n" x 4);
        becomes('unknown', \@first, 'is an error as others are');
        valid('nothing is counted twice');
        well_again();
    };
}


subtest 'ASKING that is refused' => sub {
    my $ask = error('ASK ' . slot($first[0]) . " 127.0.0.1:$port{c}");

    says('a', CLUSTER => $well, SMISMEMBER => $ask);
    says('c', CLUSTER => $well, ASKING => error('NOPERM no permissions'));
    becomes('filtered', \@users, 'what is answered all the same counts');

    says('c', CLUSTER => $well, ASKING => error('NOPERM no permissions'),
         SMISMEMBER => error("MOVED 1 127.0.0.1:$port{a}"));
    becomes('unknown', \@first, 'what is not is unknown');
    well_again();
};


# What is asked about a server itself, and waits at another one when it leaves.

subtest 'a question about a server is not moved' => sub {
    my $with_c = shards([0, 99, $port{c}], [100, $half - 1, $port{a}],
                        [$half, 16383, $port{b}]);

    $fakes{c}->clear;
    says('c', CLUSTER => $with_c, INFO => '');
    my $moved = error("MOVED 1 127.0.0.1:$port{c}");
    says($_, CLUSTER => $with_c, INFO => $moved, SMISMEMBER => $moved)
        for qw(a b);
    ok wait_until(sub { look($users[0]); commands('c', 'INFO') >= 1 }),
       'another one is asked about itself';
    valid('pages');

    my $one = shards([0, 16383, $port{c}]);
    says('c', CLUSTER => $one, INFO => '');
    says($_, CLUSTER => $one, map { $_ => error("MOVED 1 127.0.0.1:$port{c}") }
         qw(INFO SMISMEMBER)) for qw(a b);
    valid('pages while they leave', 5);
    well_again();
};


# ---- What it says of itself

sub lines { return $nginx->logged($_[0]) }

my $nobody = qr/"main" .* no server says which one has the keys/;
my $again = qr/"main" .* it is said again which server has the keys/;


my %tables = (
    'no array' => "+OK\r\n",
    'an error' => error('ERR no'),
    'nothing' => "*0\r\n",
    'nil' => "*-1\r\n",
    'an endless line' => '$' . '1' x 70_000,
    'another protocol' => "HTTP/1.1 400 Bad Request\r\n\r\n",
    'half of it' => substr($well, 0, length($well) / 2),
    'too many nodes' => shards(map { [$_, $_, 1000 + $_] } 1 .. 3000),
    'two masters of a slot' =>
        shards([0, 16383, $port{a}], [$half, $half, $port{b}]),
    'slots that are none' => shards([0, 16384, $port{a}]),
    'a range that ends before it begins' => shards([9, 8, $port{a}]),
    'a port that is none' => shards([0, 16383, 70_000]),
    'a host that is none' => shards([0, 16383, $port{a}, "a\r\nb"]),
    'a long host' => shards([0, 16383, $port{a}, 'h' x 256]),
    'depth' => '*1' . "\r\n*1" x 6 . "\r\n" . ":1\r\n",
    'too deep' => '*1' . "\r\n*1" x 20 . "\r\n" . ":1\r\n",
);

for my $what (sort keys %tables) {
    subtest "it says of itself: $what" => sub {
        my ($before, $ends) = (lines($nobody), lines($again));

        # Something has changed: all look at once.
        says($_, CLUSTER => $tables{$what},
             SMISMEMBER => error("MOVED 0 127.0.0.1:$port{c}"))
            for qw(a b);
        says('c', CLUSTER => $tables{$what});
        ok wait_until(sub {
            valid_now();
            return lines($nobody) > $before;
        }), 'a line says that';
        valid('pages');
        well_again();
        ok wait_until(sub { lines($again) > $ends }), 'and another its end';
    };
}

sub valid_now { look($_) for @users[0 .. 3] }


# ---- What does not last

subtest 'slots that no server has' => sub {
    says($_, CLUSTER => shards([0, $half - 1, $port{a}]),
         SMISMEMBER => undef) for qw(a b);
    says('a', CLUSTER => shards([0, $half - 1, $port{a}]),
         SMISMEMBER => error("MOVED 0 127.0.0.1:$port{b}"));
    look($first[0]);
    says('a', CLUSTER => shards([0, $half - 1, $port{a}]));

    becomes('unknown', \@second, 'their keys are unknown');
    becomes('filtered', \@first, 'others are not');
    is lines(qr/"main" .* no server has 8192 of the slots/), 1, 'a line';
    well_again();
    is lines(qr/"main" .* all slots have a server again/), 1, 'and another';
};


subtest 'a node and slots that come and go are no news each time' => sub {
    my $gone = free_port();
    my $other = shards([0, 99, $gone], [200, $half - 1, $port{a}],
                       [$half, 16383, $port{b}]);
    my $none = qr/"main" .* no server has 100 of the slots/;
    my $served = qr/"main" .* all slots have a server again/;
    my ($start, $ends) = (time, lines($served));

    $fakes{$_}->clear for qw(a b);
    says($_, CLUSTER => [$well, $other]) for qw(b c);
    says('a', CLUSTER => [$well, $other], SMISMEMBER =>
         error('MOVED ' . slot($first[0]) . " 127.0.0.1:$port{b}"));

    ok wait_until(sub {
        look($first[0]);
        sleep 0.1;
        return commands('a', 'CLUSTER') + commands('b', 'CLUSTER') >= 20;
    }, 60), 'it is asked many times';

    is lines(qr/connect\(\) to 127.0.0.1:$gone failed/), 2,
        'one line of each worker';

    my $n = lines($none);
    cmp_ok $n, '>=', 1, 'and of slots without a server';
    cmp_ok $n, '<=', 1 + (time - $start) / 10, 'one in ten seconds';
    well_again();
    ok wait_until(sub { lines($served) - $ends == $n }), 'and of their end';
};


for my $error ('CLUSTERDOWN The cluster is down',
               'TRYAGAIN Multiple keys request during rehashing of slot')
{
    subtest $error => sub {
        my ($word) = split ' ', $error;
        my $before = lines(qr/no server refuses keys any more/);

        says('a', CLUSTER => $well, map { $_ => error($error) }
            qw(SMISMEMBER XREAD SSCAN SCARD ZADD XREVRANGE));
        becomes('unknown', \@first, 'unknown');
        becomes('filtered', \@second, 'others are not');

        my $lines = lines(qr/keys can't be asked for now: $word/);
        cmp_ok $lines, '>=', 1, 'a line';
        cmp_ok $lines, '<=', 2, 'of each worker';
        well_again();
        ok wait_until(sub {
            lines(qr/no server refuses keys any more/) - $before == $lines
        }), 'and another when it is over';
    };
}


subtest 'servers that come and go with each answer' => sub {
    my @ports = (values %port, map { free_port() } 1 .. 20);
    my @tables = map {
        my @bounds = sort { $a <=> $b } map { 1 + int rand 16383 } 1 .. 12;
        my ($from, @ranges) = (0);
        for my $bound (@bounds, 16384) {
            next if $bound <= $from;
            push @ranges, [$from, $bound - 1, $ports[rand @ports]];
            $from = $bound;
        }
        shards(@ranges);
    } 1 .. 30;

    my $fds = sub { scalar $nginx->fds };
    my $memory = sub {
        max map { slurp("/proc/$_/status") =~ /VmRSS:\s+(\d+)/ ? $1 : 0 }
            $nginx->workers;
    };
    my $before = $fds->();

    $_->clear for values %fakes;
    says($_, CLUSTER => \@tables, SMISMEMBER => [
        (undef) x 8, map { error("MOVED $_ 127.0.0.1:$ports[rand @ports]") }
                     map { int rand 16384 } 1 .. 2
    ]) for keys %fakes;

    my @pids = map {
        my $pid = fork // die "fork: $!\n";

        if ($pid == 0) {
            my $client = $t->http;
            my ($end, $bad) = (time + 12, 0);
            while (time < $end) {
                $bad ||= look($_, $client) =~ /^(?:late|wrong)/ for @users;
            }
            POSIX::_exit($bad);
        }
        $pid;
    } 1 .. 3;

    my $settled = time + 5;
    wait_until(sub { time > $settled }, 30);
    my $kb = $memory->();
    my @codes = map { waitpid $_, 0; $? } @pids;

    is_deeply \@codes, [0, 0, 0], 'each page is one, and in time';
    cmp_ok $fds->(), '<', $before + 400, 'descriptors';
    cmp_ok $memory->(), '<', $kb + 2000, 'memory'
        if Recs::Mode::patience(1) == 1;

    well_again();
    ok wait_until(sub { $fds->() <= $before + 4 }), 'all are closed'
        or diag $fds->(), " for $before";
};


$t->done;
