use strict;
use warnings;

# Sentinels that say what no real one does, or not for long: a master that is
# none, is nowhere, or no address at all; nothing, never, or too much.  Each
# page is whole and in time, with nobody else's answer in it; a line says what
# is wrong and another that it is over; and all is well again once one of them
# tells the truth.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use List::Util qw(max);
use POSIX ();
use Recs::Mode;
use Recs::Process qw(free_port has_ipv6 slurp);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;

my @users = map { "u$_" } 1 .. 4;
my @ids = map { "i$_" } 0 .. 9;
my $all = join ' ', @ids;
my $dead = free_port();

# s; a sentinel that says nothing is left after that.
my $timeout = int 0.5 + Recs::Mode::patience(1);


# ---- The master, its replica, and what has other keys

my $ipv6 = has_ipv6();
my $bind = $ipv6 ? '127.0.0.1 ::1' : '127.0.0.1';

my $master = $t->redis(kind => 'plain', name => 'master', tcp => 1,
                       config => "bind $bind");
my $replica = $t->redis(kind => 'plain', name => 'replica', tcp => 1);
$replica->replicate($master);

sub seen_by { return 'i' . ($_[0] =~ s/\D//gr) % 9 }

sub expected {
    my $seen = seen_by(@_);
    return join ' ', grep { $_ ne $seen } @ids;
}

$master->cmd('SADD', "seen:$_", seen_by($_)) for @users;
$replica->in_step($master);


# ---- Sentinels that say what they are told

sub bulk { return '$' . length($_[0]) . "\r\n$_[0]\r\n" }
sub list { return '*' . @_ . "\r\n" . join '', @_ }
sub number { return ":$_[0]\r\n" }
sub error { return "-$_[0]\r\n" }
sub at { return list(map { bulk($_) } @_) }

my $truth = at('127.0.0.1', $master->port);

# What one says by its file: to SENTINEL ("": nothing from then on), and what
# messages to who is subscribed, again and again.

sub said_by {
    my ($name) = @_;

    return JSON::PP->new->latin1->decode(slurp($t->dir . "/$name.says")
                                         || '{}');
}


sub says {
    my ($name, %says) = @_;

    $t->write("$name.new", JSON::PP->new->latin1->encode(\%says));
    rename $t->dir . "/$name.new", $t->dir . "/$name.says" or die "rename: $!";
}


sub message {
    return list(bulk('message'), bulk('+switch-master'), bulk($_[0]));
}

sub sentinel {
    my ($name) = @_;

    my ($subscribed, $silent);      # of a connection: each is a process

    return $t->fake_redis(sub {
        my ($cmd, $stream) = @_;

        my $says = said_by($name);

        if ($cmd->[0] eq 'SUBSCRIBE') {
            $subscribed = 1;
            $stream->write(list(bulk('subscribe'), bulk($cmd->[1]), number(1)));
            while (my $messages = said_by($name)->{messages}) {
                $stream->write($messages);
            }
            return '';
        }
        return list(bulk('pong'), bulk('')) if $subscribed;
        return "+PONG\r\n" if $cmd->[0] eq 'PING';

        my $text = $says->{sentinel} // $truth;
        $text = $text->[int rand @$text] if ref $text;
        $silent ||= $text eq '';
        return if $silent;
        return list(bulk('sentinel'), at('shop')) if $cmd->[0] eq 'ROLE';
        return $stream->close if $text eq 'close';
        return [map { ($_, \0.01) } split //, $text] if $says->{pieces};
        return $text;
    }, name => $name, tcp => 1);
}

my %fakes = map { $_ => sentinel($_) } qw(a b c d);

sub all_well { says($_) for keys %fakes }
all_well();

# 48 addresses where nobody is, then one that says nothing, then c.
my $mute = $t->fake_redis(sub { return }, name => 'mute', tcp => 1);
my @many = ((map { '127.0.0.1:' . free_port() } 1 .. 48),
            map { '127.0.0.1:' . $_->port } $mute, $fakes{c});


# ---- nginx, and what its pages are

$t->write('www/page.json',
          '{"items":[' . join(',', map { qq({"id":"$_"}) } @ids) . ']}');

my $urls = join ' ', map { "redis://127.0.0.1:" . $fakes{$_}->port } qw(a b);
my $fifty = join ' ', map { "redis://$_" } @many;

my $nginx = $t->nginx(workers => 2, reloads => 0, http => <<"HTTP");
recs_redis main {
    server $urls;
    topology sentinel shop;
    breaker off;
    timeout ${timeout}s;
    connect_timeout ${timeout}s;
}
recs_redis fifty {
    server $fifty;
    topology sentinel shop;
    timeout ${timeout}s;
    connect_timeout ${timeout}s;
}
recs_set seen redis=main key=seen:\$arg_user;
recs_set fifty redis=fifty key=seen:\$arg_user;

server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/www;
    default_type application/json;
    recs on;
    recs_lookup_timeout 2s;

    location / {
        recs_exclude seen;
        recs_record_shown redis=main key=shown:\$arg_user within=1h;
    }
    location /fifty/ { alias %%TESTDIR%%/www/; recs_exclude fifty; }
}
HTTP

sub ids_of { return join ' ', map { $_->{id} } @{ $_[0]->json->{items} } }
sub sets { return $_[0]->header('Recs-Sets') // '' }


# A page is one of two: filtered by what the user has seen, or whole, and it
# says so.  Anything else is wrong.

sub look {
    my ($user, $client, $path) = @_;

    my $start = time;
    my $r = ($client // $t)->get(($path // '') . "/page.json?user=$user");
    my $took = time - $start;

    my $ids = $r->status == 200 ? ids_of($r) : $r->status;

    return 'late: ' . int(1000 * $took) . ' ms'
        if $took > 2 + Recs::Mode::patience(2);
    return 'filtered' if sets($r) =~ /;removed/ && $ids eq expected($user);
    return 'unknown' if sets($r) =~ /;unknown/ && $ids eq $all;
    return 'wrong: ' . sets($r) . " $ids";
}


# What pages are, once they are what they should be.

sub becomes {
    my ($should, $name, $path) = @_;

    my (%last, %bad);
    my $good = wait_until(sub {
        %last = map { $_ => look($_, undef, $path) } @users;
        /^(?:late|wrong)/ and $bad{$_}++ for values %last;
        return !%bad && !grep { $_ ne $should } values %last;
    });

    ok $good && !%bad, $name or diag explain { last => \%last, bad => \%bad };
}


# All of them are that, from now on for so many of the sentinels' answers.

sub asked {
    return scalar grep { uc $_->[0] eq 'SENTINEL' }
                  map { $fakes{$_}->commands } qw(a b);
}

sub stays {
    my ($should, $name, $answers) = @_;

    my %other;
    my $end = asked() + ($answers // 2);

    wait_until(sub {
        $_ ne $should and $other{$_}++ for map { look($_) } @users;
        return asked() >= $end;
    });
    is_deeply \%other, {}, $name;
}


sub lines { return $nginx->logged($_[0]) }

my $nobody = qr/"main" .* no server says which one has the keys/;
my $again = qr/"main" .* it is said again which server has the keys/;

becomes('filtered', 'all is well');


# ---- Answers that are none: the master that is known goes on being asked

my %none = (
    'no such master' => ["*-1\r\n", 'it knows no such master'],
    'a status' => ["+OK\r\n", 'it is no sentinel'],
    'nested arrays' => [list(at(1), at(2)), 'it is no sentinel'],
    'port 0' => [at('127.0.0.1', 0), 'no such port'],
    'a host with NUL' => [at("127.0.0.1\0.com", $dead), 'no such host'],
    'NOPERM' => [error('NOPERM no permissions'), 'NOPERM no permissions'],
    'NOAUTH' => [error('NOAUTH Authentication required.'),
                 'Redis asks for a password'],
    'LOADING' => [error('LOADING Redis is loading the dataset in memory'),
                  'Redis is loading its data'],
    'an endless line' => ['$' . '1' x 70_000, 'a line of more than'],
    'half of it' => [substr($truth, 0, 12), 'no reply within timeout'],
    'nothing' => ['', 'no reply within timeout'],
    'an end' => ['close', 'Redis closed the connection'],
);

# Those that take long are the last.
my $long = sub { $none{$_[0]}[1] =~ /within timeout/ ? 1 : 0 };

for my $what (sort { $long->($a) <=> $long->($b) || $a cmp $b } keys %none) {
    subtest "they say: $what" => sub {
        my ($text, $why) = @{ $none{$what} };
        my ($before, $ends) = (lines($nobody), lines($again));
        my $line = qr/$nobody.*\Q$why/;
        my $same = lines($line);

        says($_, sentinel => $text) for qw(a b);
        ok wait_until(sub { look($users[0]); lines($line) > $same }),
            'a line says it';
        stays('filtered', 'pages are filtered by who was known');
        is lines($nobody), $before + 1, 'it was one line';

        all_well();
        ok wait_until(sub { lines($again) == $ends + 1 }), 'another ends it';
    };
}


# ---- Masters that are none

sub lie {
    my ($what, $line, @address) = @_;

    subtest "they name $what" => sub {
        my $before = lines($line);

        says($_, sentinel => at(@address)) for qw(a b);
        becomes('unknown', 'unknown');
        ok wait_until(sub { lines($line) > $before }), 'a line says why'
            or diag $line;
        stays('unknown', 'and remains so', 6);
        cmp_ok lines($line) - $before, '<=', 2 * 4,
               'one line of each connection of a worker';

        all_well();
        becomes('filtered', 'all is well again');
    };
}

lie('a replica', qr/Redis is a replica, which takes no writes/,
    '127.0.0.1', $replica->port);
lie('one of them', qr/Redis is a sentinel, which has no keys/,
    '127.0.0.1', $fakes{d}->port);
lie('an address where nobody is',
    qr/connect\(\) to 127\.0\.0\.1:$dead failed/, '127.0.0.1', $dead);
lie('an address of IPv6 where nobody is',
    qr/connect\(\) to \[::1\]:$dead failed/, '::1', $dead) if $ipv6;
lie('a name that nobody knows',
    qr/"nosuch\.invalid" is no address, and there is no resolver/,
    'nosuch.invalid', $dead);
lie('a name as long as one may be', qr/"n{255}" is no address/, 'n' x 255,
    $dead);

subtest 'they name an address of IPv6' => sub {
    plan skip_all => 'no IPv6 here' if !$ipv6;

    my $before = $nginx->logged(qr/\[error\]/);
    says($_, sentinel => at('::1', $master->port)) for qw(a b);
    ok wait_until(sub {
        look($users[0]);
        $master->cmd('CLIENT', 'LIST') =~ / addr=\[::1\]/;
    }), 'it is connected to';
    becomes('filtered', 'pages');
    is $nginx->logged(qr/\[error\]/), $before, 'no line';
    all_well();
    becomes('filtered', 'all is well again');
};

subtest 'the truth in pieces' => sub {
    my $before = $nginx->logged(qr/\[error\]/);
    says($_, pieces => 1) for qw(a b);
    stays('filtered', 'pages', 3);
    is $nginx->logged(qr/\[error\]/), $before, 'no line';
    all_well();
};


# ---- They disagree

for my $case (['a replica', '127.0.0.1', $replica->port],
              ['nobody', '127.0.0.1', $dead])
{
    my ($what, @address) = @$case;

    for my $liar (qw(a b)) {
        subtest "$liar names $what, the other one the master" => sub {
            says($liar, sentinel => at(@address));
            my $before = asked();
            wait_until(sub { asked() >= $before + 2 });
            becomes('filtered', 'pages');
            stays('filtered', 'and that lasts', 4);
            all_well();
            becomes('filtered', 'all is well again');
        };
    }
}


# ---- Messages

for my $case (['of another master', 'other 127.0.0.1 1 127.0.0.1 2', 0],
              ['of bytes', "\0\xff\r\n" x 20, 0],
              ['of this master', 'shop 127.0.0.1 1 127.0.0.1 2', 1])
{
    my ($what, $text, $ours) = @$case;

    subtest "a flood of messages $what" => sub {
        my $before = $nginx->logged(qr/\[error\]/);

        says($_, messages => message($text) x 50) for qw(a b);
        $nginx->reload;

        becomes('filtered', 'pages');
        my ($asked, $start) = (asked(), time);
        stays('filtered', 'pages', $ours ? 10 : 2);
        my $rate = (asked() - $asked) / (time - $start);

        cmp_ok $rate, '<', $ours ? 12 : 3, 'questions a second';
        is $nginx->logged(qr/\[error\]/), $before, 'no line';
        all_well();
        becomes('filtered', 'all is well again');
    };
}


# ---- Many

subtest 'fifty sentinels, of which one answers' => sub {
    becomes('filtered', 'pages', '/fifty');
    is lines(qr/"fifty" .* no server says/), 0, 'no line';
};


subtest 'answers that change at random' => sub {
    my @texts = ((map { $_->[0] } grep { length $_->[0] < 1000 } values %none),
                 $truth, $truth,
                 (map { at('127.0.0.1', $_) } $replica->port, $dead,
                      $fakes{d}->port, free_port()),
                 at('::1', $dead));

    my $fds = sub { scalar $nginx->fds };
    my $memory = sub {
        max map { slurp("/proc/$_/status") =~ /VmRSS:\s+(\d+)/ ? $1 : 0 }
            $nginx->workers;
    };
    my $before = $fds->();
    my $messages = message('shop 127.0.0.1 1 127.0.0.1 2');

    says($_, sentinel => \@texts) for qw(a b);

    my @pids = map {
        my $pid = fork // die "fork: $!\n";

        if ($pid == 0) {
            my $client = $t->http;
            my ($end, $bad) = (time + 8, 0);
            while (time < $end) {
                $bad ||= look($_, $client) =~ /^(?:late|wrong)/ for @users;
            }
            POSIX::_exit($bad);
        }
        $pid;
    } 1 .. 2;

    my $settled = time + 4;
    wait_until(sub { time > $settled }, 30);
    my $kb = $memory->();
    my @codes = map { waitpid $_, 0; $? } @pids;

    is_deeply \@codes, [0, 0], 'each page is one, and in time';
    cmp_ok $fds->(), '<', $before + 60, 'descriptors';
    cmp_ok $memory->(), '<', $kb + 2000, 'memory'
        if Recs::Mode::patience(1) == 1;

    all_well();
    becomes('filtered', 'all is well again');
    ok wait_until(sub { $fds->() <= $before + 4 }), 'all are closed'
        or diag $fds->(), " for $before";
};


$t->done;
