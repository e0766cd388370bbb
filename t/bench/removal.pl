use strict;
use warnings;

# How soon an id that is removed from a set is gone from what users get, with
# a replica.  run.sh starts this; usage() says the rest.
#
# As in cutover.pl one process asks, calls, and takes the time of all.

use FindBin;
use lib "$FindBin::Bin/../lib";

use Cwd ();
use File::Path ();
use File::Temp ();
use Getopt::Long qw(GetOptions);
use IO::Select;
use IO::Socket::IP;
use JSON::PP ();
use List::Util qw(max);
use Recs::HTTP1;
use Recs::Nginx;
use Recs::Process qw(slurp spew free_port wait_until);
use Recs::Redis;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $ROOT = Cwd::abs_path("$FindBin::Bin/../..");
my @KEYS = (2, 'stock', 'stock:feed');
my $ITEM = '{"id":"b1"}';
my $PAUSE = 0.02;           # between changes: half of it to one and a half

my $HTTP = <<'END';
    keepalive_requests 100000000;

    recs_redis main { server %%REDIS%%; }
    recs_set stock redis=main key=stock replica=on feed=stock:feed;

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        default_type application/json;
        root %%DIR%%/html;
        location = /page {
            recs on;
            recs_require stock;
            recs_lookup_timeout 1s;
            add_header X-Worker $pid;
        }
        location = /recs { recs_status; }
    }
END

my %opt = (tries => 1000, connections => 64, rate => 3000, workers => 8);

sub usage {
    print <<"END";
usage: sh t/bench/run.sh removal [OPTION...]

  --tries=$opt{tries}        removals; the id is added again after each
  --connections=$opt{connections}    over which pages are asked for
  --rate=$opt{rate}         requests a second, over all of them
  --workers=$opt{workers}         of nginx
END
    exit 0;
}

GetOptions(
    'help' => \&usage, 'tries=i' => \$opt{tries}, 'rate=i' => \$opt{rate},
    'connections=i' => \$opt{connections}, 'workers=i' => \$opt{workers},
) or die "--help says what can be said\n";

my $dir = File::Temp::tempdir('recs-bench-XXXXXXXX', TMPDIR => 1);
chmod 0755, $dir;

my $owner = $$;
my ($redis, $nginx);
my $port = free_port();
my $select = IO::Select->new;
my (%clients, %workers);
my ($count, $latency) = (0, 0);
my $try;

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
    start();
    connect_client($_) for 0 .. $opt{connections} - 1;
    run_for(1);

    my $seen = keys %workers;
    die "$seen of $opt{workers} workers have connections: more of them\n"
        if $seen != $opt{workers};

    my @tries;
    ($count, $latency) = (0, 0);
    my $start = now();
    push @tries, removal() for 1 .. $opt{tries};
    report(now() - $start, @tries);
}


sub now { return clock_gettime(CLOCK_MONOTONIC) }


sub start {
    $redis = Recs::Redis->new(dir => "$dir/redis")->start;
    $redis->cmd('FUNCTION', 'LOAD', slurp("$ROOT/conf/recs.lua"));
    $redis->cmd('FCALL', 'recs_add', @KEYS, map { "b$_" } 1 .. 1000);

    File::Path::make_path("$dir/html");
    spew("$dir/html/page", '{"items":['
         . join(',', map { qq({"id":"b$_"}) } 1 .. 10) . ']}');

    my %known = (REDIS => $redis->url, PORT => $port, DIR => $dir);
    $nginx = Recs::Nginx->new(
        name => 'nginx', dir => "$dir/nginx", access_log => 'off',
        module => "$ROOT/build/ngx_http_recs_module.so", http => $HTTP,
        workers => $opt{workers}, error_level => 'warn',
        fill => sub {
            my ($text, %more) = @_;
            my %all = (%known, %more);
            $text =~ s/%%([A-Z_]+)%%/$all{$1}/g;
            return $text;
        })->start;

    wait_until(sub {
        my $c = Recs::HTTP1->new(port => $port);
        my $r = $c->get('/recs');
        $c->close;
        my $status = JSON::PP::decode_json($r->body);
        return $status->{sets}{stock}{replica}{state} eq 'following';
    }) or die "the replica is not loaded\n";
}


sub connect_client {
    my ($n) = @_;

    my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1',
        PeerPort => $port) or die "cannot connect: $!\n";
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

        my @ready = $select->can_read(0.0003);
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

    my $request = "GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n";

    (syswrite($c->{socket}, $request) // 0) == length $request
        or die "a connection was lost\n";
    @$c{qw(sent began)} = ($now, undef);
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
    my ($worker) = $c->{in} =~ /^X-Worker: (\d+)\r$/m;
    die "not a filtered page: $c->{in}\n"
        if !$worker || $c->{in} !~ /^Recs-Filter: filtered;/m;
    return if length $c->{in} < $head + $length;

    $workers{$worker} = 1;
    $count++;
    $latency += $now - $c->{sent};
    note_page($c, index($c->{in}, $ITEM, $head) >= 0) if $try;

    @$c{qw(in sent)} = ('', undef);
}


# Pages with the item after the call: what began, and what was asked for,
# after it.

sub note_page {
    my ($c, $has) = @_;

    if (!$has) {
        $try->{first} //= $c->{began};
        return;
    }

    $try->{back}++ if $try->{first} && $c->{sent} > $try->{first};
    return if !$try->{returned};

    for my $what (qw(began sent)) {
        $try->{$what} = max($try->{$what}, $c->{began})
            if $c->{$what} > $try->{returned};
    }
}


# Removes the id, and goes on until it is gone and for a while; then adds it,
# until pages have it again.

sub removal {
    $try = { began => 0, sent => 0, back => 0 };
    call('recs_remove');

    my $end = $try->{returned} + 10;
    run(sub {
        die "the item does not go\n" if $_[0] > $end;
        return $try->{first};
    });
    run_for($PAUSE * (0.5 + rand));

    my $done = $try;
    $try = undef;
    call('recs_add');
    run_for($PAUSE * (0.5 + rand));
    return $done;
}


sub call {
    my ($function) = @_;

    my $client = $redis->client;
    my $socket = $client->{sock};

    $select->add($socket);
    $client->write(Recs::Redis::Client::encode('FCALL', $function, @KEYS,
                                               'b1'));
    run(sub {
        my ($now, @ready) = @_;
        return if !grep { $_ == $socket } @ready;
        $try->{returned} = $now if $try;
        return 1;
    });
    $select->remove($socket);

    my $reply = $client->reply;
    die "$function: $reply\n" if ref $reply || $reply != 1;
}


sub report {
    my ($seconds, @tries) = @_;

    my ($model) = slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)/m;
    my $cpus = () = slurp('/proc/cpuinfo') =~ /^processor/mg;
    my $back = grep { $_->{back} } @tries;

    printf "%d workers, %d CPUs (%s); %d connections, %.0f requests a second, "
        . "which took %.2f ms on average; %d removals.\n\n", $opt{workers},
        $cpus, $model, $opt{connections}, $count / $seconds,
        $latency / $count * 1000, scalar @tries;

    print "Milliseconds from the call's return:\n\n",
          "| | none | median | p99 | worst |\n|---|---|---|---|---|\n";

    row_of('to the first page without the item', 'first', @tries);
    row_of('to the last with it that began later', 'began', @tries);
    row_of('to the last with it that was asked for later', 'sent', @tries);

    print "\nIn $back of them a page had the item though asked for after one "
        . "without it had come.\n";
}


# None, or before the return: 0.

sub row_of {
    my ($title, $what, @tries) = @_;

    my @late = sort { $a <=> $b } map {
        max(0, $_->{$what} ? ($_->{$what} - $_->{returned}) * 1000 : 0)
    } @tries;

    printf "| %s | %d | %.2f | %.2f | %.2f |\n", $title,
        scalar(grep { !$_ } @late), @late[$#late / 2, $#late * 0.99, -1];
}
