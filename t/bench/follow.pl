use strict;
use warnings;

# How many changes a second a replica can follow, and what they take: recs_add
# and recs_remove are called as fast as Redis takes them, with a few ids each,
# and the leader applies their entries.  run.sh starts this; usage() says the
# rest.

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";

use Getopt::Long qw(GetOptions);
use List::Util qw(max);
use Recs::Bench qw(now machine);
use Recs::Process qw(slurp wait_until);

my @KEYS = (2, 'stock', 'stock:feed');
my $CALLS_AT_ONCE = 500;

my $HTTP = <<'END';

    recs_redis main { server %%REDIS%%; }
    recs_set stock redis=main key=stock replica=on feed=stock:feed
             capacity=200000 resync=1h;

    server {
        listen 127.0.0.1:%%PORT%%;
        location = /recs { recs_status; }
    }
END

my %opt = (calls => 200_000, members => 100_000);

sub usage {
    print <<"END";
usage: sh t/bench/run.sh follow [OPTION...]

  --calls=$opt{calls}      for each number of ids in a call
  --members=$opt{members}    of the set
END
    exit 0;
}

GetOptions('help' => \&usage, 'calls=i' => \$opt{calls},
           'members=i' => \$opt{members})
    or die "--help says what can be said\n";

my $bench = Recs::Bench->new;
my $redis = $bench->redis;

Recs::Bench::run(\&main);


sub main {
    for (my $i = 1; $i <= $opt{members}; $i += 1000) {
        $redis->cmd('FCALL', 'recs_add', @KEYS,
                    map { "item-$_" } $i .. $i + 999);
    }

    $bench->nginx(workers => 1, http => $HTTP);
    wait_until(sub { replica()->{state} eq 'following' }, 60)
        or die "the replica is not loaded\n";

    printf "%s; a set of %d ids.\n\n", machine(), $opt{members};
    print "| ids a call | changes a second | the leader's CPU, µs a change "
        . "| Redis' | oldest, ms |\n|---|---|---|---|---|\n";
    follow($_) for 1, 10, 100;
}


sub replica { return $bench->status->{sets}{stock}{replica} }


sub cpu {
    my ($pid) = @_;

    my $ns = 0;
    $ns += (split ' ', slurp($_))[0] for glob "/proc/$pid/task/*/schedstat";
    return $ns / 1e9;
}


# Takes ids away and adds them again, in turn; ends when the replica has the
# last entry.

sub follow {
    my ($ids) = @_;

    my $calls = int($opt{calls} / $ids);
    my $leader = replica()->{leader};
    my $entries = replica()->{entries};
    my @before = (now(), cpu($leader), cpu($redis->pid));
    my ($oldest, $done) = (0, 0);

    while ($done < $calls) {
        my @calls = map {
            my $first = int(($done + $_) / 2) * $ids;
            $first = 1 + $first % ($opt{members} - $ids);
            ['FCALL', $_ % 2 ? 'recs_add' : 'recs_remove', @KEYS,
             map { "item-$_" } $first .. $first + $ids - 1];
        } 0 .. $CALLS_AT_ONCE - 1;

        $redis->pipeline(@calls);
        $done += @calls;
        $oldest = max($oldest, replica()->{age});
    }

    my $last = $entries + $done;
    wait_until(sub { replica()->{entries} >= $last }, 60)
        or die "the replica does not come to the last entry\n";

    my @took = (now() - $before[0], cpu($leader) - $before[1],
                cpu($redis->pid) - $before[2]);
    my $changes = $done * $ids;

    die "the replica was loaded again\n" if replica()->{loads} != 1;

    printf "| %d | %.0f | %.2f | %.2f | %d |\n", $ids, $changes / $took[0],
        map({ $_ * 1e6 / $changes } @took[1, 2]), $oldest;
}
