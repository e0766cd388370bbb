use strict;
use warnings;

# within=T: an id counts until T after its score, to the millisecond, whether
# the score is in seconds or in milliseconds and wherever the set is answered
# from.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $WITHIN = 3;         # seconds

my $t = Recs::Test->new;
my $redis = $t->redis;

$t->upstream('{"items":[{"id":"a"}]}', keepalive => 1);

my %sets = (
    plain       => 'key=s',
    ms          => 'key=ms unit=ms',
    prefetch    => 'key=s prefetch=10',
    prefetch_ms => 'key=ms unit=ms prefetch=10',
    replica     => 'key=s replica=on resync=100ms max_lag=10s capacity=100',
    replica_ms  => 'key=ms unit=ms replica=on resync=100ms max_lag=10s '
                   . 'capacity=100',
);

my $http = "recs_redis main { server %%REDIS%%; }\n"
         . "recs on;\nrecs_lookup_timeout 10s;\n";
my $locations = '';

for my $name (sort keys %sets) {
    $http .= "recs_set $name redis=main type=zset within=${WITHIN}s "
           . "$sets{$name};\n";
    $locations .= "location /$name { recs_exclude $name; "
                . "proxy_pass http://%%API%%; }\n";
}

$t->nginx($http . "server { listen %%LISTEN%%;\n$locations"
          . "location /status { recs off; recs_status; } }");


# Scores of so many seconds after now, and all replicas have them.

sub scores {
    my ($from_now, $fraction) = @_;

    my $score = int(time + $from_now) + $fraction;
    my $ms = sprintf '%.0f', 1000 * $score;

    $redis->cmd('DEL', 's', 'ms');
    $redis->cmd('ZADD', 's', sprintf('%.3f', $score), 'a');
    $redis->cmd('ZADD', 'ms', $ms, 'a');

    my %loads = loads();
    ok wait_until(sub {
        my %now = loads();
        !grep { $now{$_} < $loads{$_} + 2 } keys %now;
    }), 'replicas are loaded';

    return $ms;
}


sub loads {
    my $sets = $t->get('/status')->json->{sets};

    return map { $_ => $sets->{$_}{replica}{loads} }
           grep { /replica/ } keys %$sets;
}


# Is the id removed?  With the times between which that was decided, in ms:
# nginx reads the clock once for all that comes at once, and cuts off what is
# below a millisecond.

sub removed {
    my ($name) = @_;

    my $from = int(1000 * time) - 1;
    my $r = $t->get("/$name");
    my $to = int(1000 * time);

    my $sets = $r->header('Recs-Sets');
    die "$name: $sets\n" if $sets =~ /unknown|stale/;

    return ($r->header('Recs-Filter') =~ /removed=1/ ? 1 : 0, $from, $to);
}


subtest 'to the millisecond' => sub {

    # It ends a twentieth of a second after a full one: whole seconds would
    # stretch it by nearly one.
    my $end = scores(2, 0.05) + 1000 * $WITHIN;
    my (%counts, @wrong, %over);

    ok wait_until(sub {
        for my $name (grep { !$over{$_} } sort keys %sets) {
            my ($removed, $from, $to) = removed($name);

            $counts{$name}++ if $removed;
            $over{$name} = !$removed;
            push @wrong, sprintf('%s: %s from %d to %d ms', $name,
                                 $removed ? 'removed' : 'kept',
                                 $from - $end, $to - $end)
                if $removed ? $from >= $end : $to < $end;
        }

        return keys %sets == grep { $_ } values %over;
    }, $WITHIN + 10), 'it ends for all';

    is "@wrong", '', 'when it is over, and not before';
    is_deeply [grep { !$counts{$_} } sort keys %sets], [], 'it began for all'
        or diag(explain(\%counts));
};


subtest 'a score ahead' => sub {
    scores(1000, 0.5);

    is((removed($_))[0], 1, "$_: counts already") for sort keys %sets;
};


subtest 'a score of the other unit' => sub {
    $redis->cmd('DEL', 's', 'ms');
    $redis->cmd('ZADD', 's', int(1000 * (time - 100)), 'a');
    $redis->cmd('ZADD', 'ms', int(time), 'a');

    ok wait_until(sub { (removed('plain'))[0] }), 'ms for s: is far ahead';
    ok wait_until(sub { !(removed('ms'))[0] }), 's for ms: is long ago';
};


$t->done;
