use strict;
use warnings;

# How soon a snapshot that is published is what users get.  run.sh starts this;
# usage() says the rest.
#
# One process asks for pages at a steady rate over many connections, moves the
# channel, and takes the time of all that comes, in one loop: of what came, and
# when, there is one account.

use FindBin;
use lib "$FindBin::Bin/../lib";

use Cwd ();
use File::Path ();
use File::Temp ();
use Getopt::Long qw(GetOptions);
use IO::Select;
use IO::Socket::IP;
use JSON::PP ();
use List::Util qw(min max);
use Recs::Nginx;
use Recs::Process qw(slurp free_port wait_until);
use Recs::Redis;
use Recs::HTTP1;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $ROOT = Cwd::abs_path("$FindBin::Bin/../..");
my $USERS = 20;
my $PAUSE = 0.05;       # between changes: half of it to one and a half

my $HTTP = <<'END';
    keepalive_requests 100000000;

    recs_redis main { server %%REDIS%%; }
    recs_snapshots home redis=main prefix=home;

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        location /page {
            recs on;
            recs_user $arg_user;
            recs_lookup_timeout 1s;
            recs_pass home;
            add_header X-Worker $pid;
        }
        location = /recs { recs_status; }
    }
END

my %opt = (changes => 200, connections => 64, rate => 3000, workers => 4);

sub usage {
    print <<"END";
usage: sh t/bench/run.sh cutover [OPTION...]

  --changes=$opt{changes}   cutovers, and as many rollbacks
  --connections=$opt{connections}  over which pages are asked for
  --rate=$opt{rate}     requests a second, over all of them
  --workers=$opt{workers}     of nginx
END
    exit 0;
}

GetOptions(
    'help' => \&usage, 'changes=i' => \$opt{changes}, 'rate=i' => \$opt{rate},
    'connections=i' => \$opt{connections}, 'workers=i' => \$opt{workers},
) or die "--help says what can be said\n";

my $dir = File::Temp::tempdir('recs-bench-XXXXXXXX', TMPDIR => 1);
chmod 0755, $dir;

my $owner = $$;
my ($redis, $nginx, %names);
my $select = IO::Select->new;
my (%clients, %workers);        # by socket: { socket, due, sent, in }; by pid
my ($count, $latency) = (0, 0);
my $version = 'v0';             # that must come, or $old if it may
my ($old, $change);
my $back = 0;                   # old pages after a new one

$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);
$SIG{PIPE} = 'IGNORE';

my $failed = eval { main(); 1 } ? undef : $@;
print STDERR "$0: $failed" if defined $failed;
exit(defined $failed ? 1 : 0);


END {
    if ($$ == ($owner // 0)) {
        my $code = $?;
        $_->stop for grep { $_ } $nginx, $redis;
        Recs::Process::dismiss_warden();
        File::Path::remove_tree($dir);
        $? = $code;
    }
}


sub main {
    start_redis();
    start_nginx();

    connect_client($_) for 0 .. $opt{connections} - 1;
    run_for(1);

    my $seen = keys %workers;
    die "$seen of $opt{workers} workers have connections: more of them\n"
        if $seen != $opt{workers};

    my (@published, @rolled_back);
    my $start = now();
    ($count, $latency) = (0, 0);

    for my $n (1 .. $opt{changes}) {
        push @published, change("v$n", 'recs_publish', 4, "v$n");
        push @rolled_back, change('v0', 'recs_rollback', 3);
    }

    report(now() - $start, Cutovers => \@published,
           Rollbacks => \@rolled_back);
}


sub now { return clock_gettime(CLOCK_MONOTONIC) }


# All versions are there before the first is published.

sub start_redis {
    $redis = Recs::Redis->new(dir => "$dir/redis")->start;
    $redis->cmd('FUNCTION', 'LOAD', slurp("$ROOT/conf/recs.lua"));

    my @pages = map { items($_) }
                (split /\n/, slurp("$ROOT/t/data/recs.ndjson"))[0 .. $USERS];

    for my $n (0 .. $opt{changes}) {
        $redis->pipeline(
            ['HSET', "{home}:v$n:meta", model => 'm', schema => 1,
             features => 'f', generated_at => int time, expected => $USERS,
             written => $USERS, state => 'complete'],
            map { ['SET', "home:v$n:u:" . ($_ ? "u$_" : '_default'),
                   qq({"v":"v$n","items":[$pages[$_]]})] } 0 .. $USERS);
    }

    $redis->cmd('FCALL', 'recs_publish', arguments(4, 'v0'));
}


# The first ten items of a page.

sub items {
    my ($page) = @_;

    my @items = split /(?<=\}),(?=\{)/, $page =~ s/\A.*?"items":\[//r;
    return join ',', @items[0 .. 9];
}


# Of a call: how many keys, the keys, the version.

sub arguments {
    my ($nkeys, $version) = @_;

    return $nkeys, (map { "{home}:$_" } qw(channel:active history rolled_back)),
           defined $version ? ("{home}:$version:meta", $version) : ();
}


sub start_nginx {
    my %known = (REDIS => $redis->url, PORT => free_port());
    $names{port} = $known{PORT};

    $nginx = Recs::Nginx->new(
        name => 'nginx', dir => "$dir/nginx", access_log => 'off',
        module => "$ROOT/build/ngx_http_recs_module.so", http => $HTTP,
        workers => $opt{workers}, error_level => 'warn',
        fill => sub {
            my ($text, %more) = @_;
            my %all = (%known, %more);
            $text =~ s/%%([A-Z_]+)%%/$all{$1}/g;
            return $text;
        });
    $nginx->start;

    wait_until(sub {
        my $c = Recs::HTTP1->new(port => $names{port});
        my $r = $c->get('/page?user=u1');
        $c->close;
        return ($r->status // 0) == 200;
    }) or die "no page is served\n";
}


# Each has its turn within the period, so that the rate is even.

sub connect_client {
    my ($n) = @_;

    my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1',
        PeerPort => $names{port}) or die "cannot connect: $!\n";
    $socket->setsockopt(Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1);
    $socket->blocking(0);
    $select->add($socket);

    $clients{$socket} = { socket => $socket, in => '',
                          due => now() + $n / $opt{rate} };
}


# Asks and reads until $until is true; each time that something came, it is
# given the time.

sub run {
    my ($until) = @_;

    my $period = $opt{connections} / $opt{rate};

    while (1) {
        my $now = now();

        for my $c (values %clients) {
            next if $c->{sent} || $c->{due} > $now;
            ask($c, $now);
            $c->{due} = max($c->{due} + $period, $now);
        }

        my $next = min(map { $_->{sent} ? () : $_->{due} } values %clients);
        my @ready = $select->can_read(max(0, ($next // $now + 1) - now()));

        $now = now();

        for my $socket (@ready) {
            take($clients{$socket}, $now) if $clients{$socket};
        }

        return if $until->($now, @ready);
    }
}


sub run_for {
    my ($seconds) = @_;

    my $end = now() + $seconds;
    run(sub { $_[0] >= $end });
}


sub ask {
    my ($c, $now) = @_;

    my $user = 'u' . (1 + int rand $USERS);
    my $request = "GET /page?user=$user HTTP/1.1\r\nHost: localhost\r\n\r\n";

    (syswrite($c->{socket}, $request) // 0) == length $request
        or die "a connection was lost\n";
    $c->{sent} = $now;
    $c->{began} = undef;
}


# What has come of a response; the time that it began is that of the first.

sub take {
    my ($c, $now) = @_;

    sysread $c->{socket}, $c->{in}, 65_536, length $c->{in}
        or die "a connection was lost\n";
    $c->{began} //= $now;

    my $head = index($c->{in}, "\r\n\r\n") + 4;
    return if $head < 4;

    my ($length) = $c->{in} =~ /^Content-Length: (\d+)\r$/m;
    my ($worker) = $c->{in} =~ /^X-Worker: (\d+)\r$/m
        or die "not a page: $c->{in}\n";
    return if length $c->{in} < $head + $length;

    my ($got) = substr($c->{in}, $head) =~ /\A\{"v":"(\w+)"/;

    $workers{$worker} = 1;
    $count++;
    $latency += $now - $c->{sent};
    note_version($got, $c);

    @$c{qw(in sent)} = ('', undef);
}


sub note_version {
    my ($got, $c) = @_;

    if ($got eq $version) {
        $change->{first} //= $c->{began} if $change;
        return;
    }

    die "a page of $got, when $version is published\n"
        if !$old || $got ne $old;

    $back++ if $change->{first} && $c->{sent} > $change->{first};

    return if !$change->{returned};

    # Old pages after the call: what began, and what was asked for, after it.
    for my $what (qw(began sent)) {
        $change->{$what} = max($change->{$what}, $c->{began})
            if $c->{$what} > $change->{returned};
    }
}


# Calls, and goes on until all responses to what was asked before the new
# version first came are there, and for a while.

sub change {
    my ($to, $function, @arguments) = @_;

    ($old, $version) = ($version, $to);
    $change = { began => 0, sent => 0 };

    my $client = $redis->client;
    my $socket = $client->{sock};

    $select->add($socket);
    $client->write(Recs::Redis::Client::encode('FCALL', $function,
                                               arguments(@arguments)));

    run(sub {
        my ($now, @ready) = @_;
        return if !grep { $_ == $socket } @ready;
        $change->{returned} = $now;
        return 1;
    });

    $select->remove($socket);
    my $reply = $client->reply;
    die "$function: $reply\n" if ref $reply;

    my $end = $change->{returned} + 10;
    run(sub {
        die "$to was published, $old is served\n" if $_[0] > $end;
        return $change->{first};
    });

    run_for($PAUSE * (0.5 + rand));
    return $change;
}


sub report {
    my ($seconds, @of) = @_;

    my ($model) = slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)/m;
    my $cpus = () = slurp('/proc/cpuinfo') =~ /^processor/mg;

    printf "%d workers, %d CPUs (%s); %d connections, %.0f requests a second, "
        . "which took %.2f ms on average.\n\n", $opt{workers}, $cpus, $model,
        $opt{connections}, $count / $seconds, $latency / $count * 1000;

    print "Milliseconds from the call's return to the last old page:\n\n",
          "| | | none | median | p99 | worst |\n|---|---|---|---|---|---|\n";

    while (my ($title, $changes) = splice @of, 0, 2) {
        row_of("$title ($opt{changes})", 'began after it', 'began', @$changes);
        row_of('', 'asked for after it', 'sent', @$changes);
    }

    print "\n$back pages were old though asked for after a new one had come.\n";
}


sub row_of {
    my ($title, $label, $what, @changes) = @_;

    my @late = sort { $a <=> $b } map {
        $_->{$what} ? ($_->{$what} - $_->{returned}) * 1000 : 0
    } @changes;

    printf "| %s | %s | %d | %.2f | %.2f | %.2f |\n", $title, $label,
        scalar(grep { !$_ } @late), @late[$#late / 2, $#late * 0.99, -1];
}
