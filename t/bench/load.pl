use strict;
use warnings;

# How long a large replica takes to load, what it takes, and for how long it
# keeps a worker from its other work.  run.sh starts this; usage() says the
# rest.

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";

use Getopt::Long qw(GetOptions);
use List::Util qw(max);
use Recs::Bench qw(now machine quantiles);
use Recs::Process qw(slurp wait_until);
use Recs::Turns;

my @KEYS = (2, 'stock', 'stock:feed');
my $CALL = 1000;                # ids of one call
my $MEANWHILE = 100;            # calls while it is loaded
my $AT_ONCE = 100;              # calls whose entries the leader finds at once
my $ROOM = 1.02;                # for ids that come meanwhile
my $LIMIT = 5;                  # ms that a turn should take at most

my %opt = (ids => 10_000_000, calls => 10_000);

sub usage {
    print <<"END";
usage: sh t/bench/run.sh load [OPTION...]

  --ids=$opt{ids}       in the set
  --scores            a sorted set, whose scores are kept
  --calls=$opt{calls}       at most, of $CALL ids each, in turn taken away and
                      added, until a table that is full of marks was copied

perf or strace is needed, and the right to use it.
END
    exit 0;
}

GetOptions('help' => \&usage, 'ids=i' => \$opt{ids},
           'scores' => \$opt{scores}, 'calls=i' => \$opt{calls})
    or die "--help says what can be said\n";

my $bench = Recs::Bench->new;
my $redis = $bench->redis;
my $images = $bench->dir . '/images';
my ($nginx, $leader, $tool);
my $changes = 0;

my $capacity = int($opt{ids} * $ROOM);
my $zone = 1024 * 1024 * int(4 + $capacity * ($opt{scores} ? 40 : 20) * 1.01
                                 / 1024 / 1024);

Recs::Bench::run(\&main);


sub main {
    fill();

    my @phases = cold();
    my $settled = settled();

    push @phases, anew();
    settled();
    push @phases, follow(), image_written(), image_read();

    report($settled, peak(), @phases);
}


# The ids, without a feed yet: 'item-1' and so on, made in Redis itself.

sub fill {
    my $script = <<'END';
local args, n = {}, 0
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    if ARGV[3] == 'ZADD' then
        n = n + 1
        args[n] = i
    end
    n = n + 1
    args[n] = 'item-' .. i
    if n >= 1000 then
        redis.call(ARGV[3], KEYS[1], unpack(args, 1, n))
        n = 0
    end
end
if n > 0 then
    redis.call(ARGV[3], KEYS[1], unpack(args, 1, n))
end
END

    my $step = 100_000;

    for (my $i = 1; $i <= $opt{ids}; $i += $step) {
        my $end = $i + $step - 1;
        $end = $opt{ids} if $end > $opt{ids};
        $redis->cmd('EVAL', $script, 1, 'stock', $i, $end,
                    $opt{scores} ? 'ZADD' : 'SADD');
    }
}


sub replica { return $bench->status->{sets}{stock}{replica} }


# Runs $code, and says what it took in seconds: altogether, of the leader's CPU
# and of Redis'.  With $watch also the turns of the leader's event loop; until
# they are watched, and $watch was run, it does nothing.

sub phase {
    my ($title, $watch, $code) = @_;

    my $turns;

    if ($watch) {
        kill STOP => $leader;
        $turns = Recs::Turns->watch($leader, $bench->dir . '/turns');
        $watch->();
    }

    my %p = (title => $title, start => now(), redis => cpu($redis->pid),
             nginx => $watch ? cpu($leader) : 0);

    kill CONT => $leader if $watch;
    $code->(\%p);

    $p{seconds} = now() - $p{start};
    $p{nginx} = cpu($leader) - $p{nginx};
    $p{redis} = cpu($redis->pid) - $p{redis};

    if ($turns) {
        $p{turns} = [$turns->end];
        $tool = $turns->tool;
    }

    return \%p;
}


sub cpu {
    my ($pid) = @_;

    my $ns = 0;
    $ns += (split ' ', slurp($_))[0] for glob "/proc/$pid/task/*/schedstat";
    return $ns / 1e9;
}


# Until there is a leader, and $until is true of the replica.

sub until_replica {
    my ($until) = @_;

    wait_until(sub {
        my $r = replica();
        $leader = $r->{leader};
        return 0 if !grep { $_ == $leader } $nginx->workers;
        return $until->($r);
    }, 600) or die "the replica does not become what it should\n";
}


sub follows { return $_[0]{state} eq 'following' }


# Of the zone what the leader has before itself: it has written to all that is
# written to.  Bytes.  The kernel's look at all its pages holds it up for
# milliseconds.

sub resident {
    my $kb = $zone / 1024;

    slurp("/proc/$leader/smaps")
        =~ /^Size: +$kb kB\n(?:\w+: .*\n)*?Rss: +(\d+) kB/m
        or die "the zone is not to be found\n";
    return $1 * 1024;
}


sub configuration {
    my ($more) = @_;

    my $set = $opt{scores} ? 'type=zset within=1000000d' : '';

    return <<"END";
    recs_zone $zone;
    recs_redis main { server %%REDIS%%; }
    recs_set stock redis=main key=stock replica=on feed=stock:feed
             capacity=$capacity $set $more;
    server {
        listen 127.0.0.1:%%PORT%%;
        location = /recs { recs_status; }
    }
END
}


sub cold {
    return phase('from the start of nginx until fresh', undef, sub {
        $nginx = $bench->nginx(workers => 1, http => configuration(''));
        until_replica(\&follows);
    });
}


# What the zone takes when nothing is done.

sub settled {
    my ($was, $now) = (-1, resident());

    wait_until(sub { ($was, $now) = ($now, resident());
                     select undef, undef, undef, 0.2;
                     return $now == $was });
    return $now;
}


# The last entry that was read is gone from the feed; entries are written while
# the set is loaded.

sub anew {
    my $loads;

    change();
    until_replica(sub { $loads = $_[0]{loads};
                        return $_[0]{feed_seq} == 1 });

    return phase('loaded anew, while changes are written', sub { }, sub {
        $redis->cmd('DEL', 'stock:feed');
        until_replica(sub {
            change() if $changes < $MEANWHILE;
            return $_[0]{loads} > $loads && follows($_[0]);
        });
    });
}


# What the zone takes at most while the set is loaded once more.

sub peak {
    my $peak = 0;
    my $loads = replica()->{loads};

    $redis->cmd('DEL', 'stock:feed');
    change();

    until_replica(sub {
        my $now = resident();
        my $over = $now <= $peak && $peak > 1.5 * $_[0]{capacity} * 10
                                              * ($opt{scores} ? 2 : 1);
        $peak = max($peak, $now);
        return $over || ($_[0]{loads} > $loads && follows($_[0]));
    });

    return $peak;
}


# Takes away ids, or adds as many that are new.

sub change {
    my $n = $changes++;
    my $from = 1 + int($n / 2) * $CALL;

    $from += $opt{ids} if $n % 2;

    my @ids = map { "item-$_" } $from .. $from + $CALL - 1;
    @ids = map { ($_ + 1, $ids[$_]) } 0 .. $#ids if $n % 2 && $opt{scores};

    $redis->cmd('FCALL', $n % 2 ? 'recs_add' : 'recs_remove', @KEYS,
                $n % 2 && $opt{scores} ? 'type=zset' : (), @ids);
}


# Until the table was copied, which clears what the changes left of marks.  The
# first entries have been written before the leader gets to read them.

sub follow {
    my $before = replica();
    my ($used, $copied) = (0, 0);

    my $p = phase('', sub { change() for 1 .. $AT_ONCE }, sub {
        for my $n (1 .. $opt{calls}) {
            change();
            next if $n % 10;

            my $r = replica();
            $copied = $r->{used} < $used - $r->{slots} / 100;
            $used = $r->{used};
            last if $copied;
        }
    });

    $p->{title} = sprintf '%d entries of %d ids followed%s',
        replica()->{entries} - $before->{entries}, $CALL,
        $copied ? ', the table copied' : '';
    return $p;
}


# The worker that takes over has the replica, and writes the image in a second.

sub image_written {
    mkdir $images and chmod 0777, $images or die "$images: $!\n";
    $nginx->reload(http => configuration("image=$images/stock"));
    until_replica(\&follows);

    return phase('its image written', sub { }, sub {
        wait_until(sub { -e "$images/stock" }, 60) or die "there is no image\n";
    });
}


# Without the first turns, before the leader is known.

sub image_read {
    $nginx->quit or die "nginx does not end\n";
    $nginx->start;
    until_replica(sub { 1 });

    return phase('its image read', sub { }, sub { until_replica(\&follows) });
}


sub report {
    my ($settled, $peak, @phases) = @_;

    printf "%d ids%s, capacity=%d, Redis on a unix socket; %s.\n\n",
        $opt{ids}, $opt{scores} ? ' with scores' : '', $capacity, machine();

    print "| | seconds | the leader's CPU | Redis' CPU |\n|---|---|---|---|\n";
    printf "| %s | %.2f | %.2f | %.2f |\n", @$_{qw(title seconds nginx redis)}
        for @phases;

    printf "\nMemory: %.1f MB, %.2f bytes an id; %.1f MB while it is loaded "
        . "anew.\n\n", $settled / 1e6, $settled / $opt{ids}, $peak / 1e6;

    print "Turns of the leader's event loop, ms (as $tool says):\n\n",
          "| | turns | CPU: median | p99 | worst | over $LIMIT | all: median "
          . "| p99 | worst |\n|---|---|---|---|---|---|---|---|---|\n";

    turns_of(@$_{qw(title turns)}) for grep { $_->{turns} } @phases;
}


sub turns_of {
    my ($title, $turns) = @_;

    my @all = map { $_->[1] * 1000 } @$turns
        or return print "| $title | 0, too quick |\n";
    my @cpu = map { $_->[2] * 1000 } grep { defined $_->[2] } @$turns;

    printf "| %s | %d | %s | %s |\n", $title, scalar @all,
        @cpu ? sprintf('%.2f | %.2f | %.2f | %d', quantiles(@cpu),
                       scalar grep { $_ > $LIMIT } @cpu)
             : ' | | | ',
        sprintf('%.2f | %.2f | %.2f', quantiles(@all));
}
