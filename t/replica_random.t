use strict;
use warnings;

# Two replicas follow Redis through adds, removes and whatever can befall them:
# after each round they must be what Redis has, within resync=.
#
#     SEED=7 ROUNDS=500 prove -v t/replica_random.t
#
# SEED repeats the choices, not the timing.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(encode_json);
use List::Util qw(max shuffle);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

use constant { IDS => 300, OPS => 80, RESYNC => 2 };

my $seed = $ENV{SEED} // time ^ $$;
my $rounds = $ENV{ROUNDS} // 30;

srand $seed;
diag "SEED=" . int $seed;

my $t = Recs::Test->new;
my $redis = $t->redis;
my @ids = map { "i$_" } 1 .. IDS;
my %seq = (stock => 0, share => 0);
my $ops = 0;

$t->write('html/page.json', qq({"items":[)
          . join(',', map { qq({"id":"$_"}) } @ids) . ']}');

my $nginx = $t->nginx(workers => 3, reloads => 0, http => <<"HTTP");
recs_redis main { server %%REDIS%%; timeout 300ms; }
recs_set stock redis=main key=stock replica=on 'feed={stock}:feed' capacity=400
         resync=${\RESYNC}s absent=empty shrink=off;
recs_set share redis=main key=share type=zset min=0.5 replica=on
         'feed={share}:feed' capacity=400 resync=${\RESYNC}s absent=empty
         shrink=off;
server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/html;
    default_type application/json;
    recs_tag both;
    recs_lookup_timeout 2s;
    location /stock/ { alias %%TESTDIR%%/html/; recs on; recs_require stock; }
    location /share/ { alias %%TESTDIR%%/html/; recs on; recs_require share; }
    location = /status { recs_status; }
}
HTTP


# A change of the set and, unless $silent, an entry of its feed.

sub change {
    my ($set, $op, $ids, $silent) = @_;

    my @scores = map { int(rand 100) / 100 } @$ids;
    my @entry = (op => $op, ids => encode_json($ids));
    my @command = $op eq 'add' ? ('SADD', $set, @$ids)
                               : ('SREM', $set, @$ids);

    if ($set eq 'share') {
        push @entry, scores => encode_json([ map { $_ + 0 } @scores ])
            if $op eq 'add';
        @command = $op eq 'add'
            ? ('ZADD', $set, map { ($scores[$_], $ids->[$_]) } 0 .. $#$ids)
            : ('ZREM', $set, @$ids);
    }

    return [@command] if $silent;
    return (['MULTI'], [@command],
            ['XADD', "{$set}:feed", 'MAXLEN', '~', 200, '*', @entry,
             seq => ++$seq{$set}], ['EXEC']);
}

sub some { return [ map { $ids[rand @ids] } 1 .. 1 + int rand 5 ] }
sub any_set { return rand 2 < 1 ? 'stock' : 'share' }

sub operate {
    my ($n) = @_;

    $ops += $n;
    $redis->pipeline(map { change(any_set(), rand 2 < 1 ? 'add' : 'rem',
                                  some()) } 1 .. $n);
}

# Ids that are not there.

sub absent {
    my ($set, $n) = @_;

    my %there = map { $_ => 1 } $set eq 'stock'
        ? @{ $redis->cmd('SMEMBERS', $set) }
        : @{ $redis->cmd('ZRANGE', $set, 0, -1) };
    my @absent = shuffle(grep { !$there{$_} } @ids);

    return [ splice @absent, 0, $n ];
}

sub leader {
    my $r = eval { $t->get('/status') } // return 0;
    return $r->json->{sets}{stock}{replica}{leader};
}

my %befall = (
    nothing => sub { },

    # written past the feed: the numbers, or the counts, show it
    gap => sub {
        my $set = any_set();
        $redis->pipeline(change($set, 'add', some(), 1),
                         change($set, 'rem', some(), 1));
        $seq{$set}++;
        $redis->pipeline(change($set, 'add', some()));
    },
    past => sub {
        my $set = any_set();
        my $ids = absent($set, 3);
        $redis->pipeline(change($set, 'add', $ids, 1)) if @$ids;
    },

    # another Redis takes over, which has not seen the last writes
    failover => sub {
        my %was = %seq;
        my @keys = map { ($_, "{$_}:feed") } qw(stock share);
        my @dumps = map { $redis->cmd('DUMP', $_) } @keys;
        operate(10);
        select undef, undef, undef, rand 0.02;
        $redis->pipeline(['MULTI'],
            (map { defined $dumps[$_]
                   ? ['RESTORE', $keys[$_], 0, $dumps[$_], 'REPLACE']
                   : ['DEL', $keys[$_]] } 0 .. $#keys), ['EXEC']);
        %seq = %was;
    },

    flush => sub {
        $redis->cmd('FLUSHALL');
        %seq = (stock => 0, share => 0);
    },
    trim => sub {
        $redis->cmd('XTRIM', any_set() . ':feed', 'MAXLEN', int rand 2);
    },
    gone => sub { $redis->cmd('DEL', any_set()) },
    garbage => sub {
        my $set = any_set();
        $redis->cmd('XADD', "{$set}:feed", '*', op => 'add', ids => '["x"',
                    seq => ++$seq{$set});
    },
    kill => sub { my $pid = leader(); kill KILL => $pid if $pid },
    stop => sub {
        my $pid = leader() or return;
        kill STOP => $pid;
        operate(20);
        wait_until(sub { my $now = leader(); $now && $now != $pid });
        operate(20);
        kill CONT => $pid;
    },
    reload => sub { $nginx->reload(wait => 0) },
    restart => sub { $redis->restart },
    crash => sub {
        $redis->kill;
        $redis->start;
        %seq = (stock => 0, share => 0);
    },
    clients => sub { $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal') },
);

# What the page must show, by Redis.

sub truth {
    my ($set) = @_;

    my %there = map { $_ => 1 } $set eq 'stock'
        ? @{ $redis->cmd('SMEMBERS', $set) }
        : @{ $redis->cmd('ZRANGEBYSCORE', $set, '0.5', '+inf') };

    return join ' ', grep { $there{$_} } @ids;
}

# What it shows; empty if it isn't by a fresh replica.

sub shown {
    my ($set) = @_;

    my $r = eval { $t->get("/$set/page.json") } // return 'no answer';
    return "not by the replica: " . $r->header('Recs-Sets')
        if $r->header('Recs-Sets') !~ /\A$set;age=\d+;removed/;
    return join ' ', map { $_->{id} } @{ $r->json->{items} };
}

# All workers answer, each in its turn or not: several times alike is enough.

sub equal {
    my ($set) = @_;

    my $truth = truth($set);
    for (1 .. 3) {
        my $shown = shown($set);
        return $shown if $shown ne $truth;
    }

    return '';
}

my $allowed = RESYNC + 1;       # and what the mode multiplies it by
my ($slowest, %slow) = (0);

for my $round (1 .. $rounds) {
    my @names = sort keys %befall;
    my $what = $names[rand @names];

    operate(int rand OPS);
    $befall{$what}->();
    operate(int rand OPS);

    my $start = time;

    for my $set ('stock', 'share') {
        my $differs;
        wait_until(sub { !($differs = equal($set)) }, $allowed);

        if ($differs) {
            fail "round $round, $what: $set is what Redis has";
            diag "it shows:  $differs\nRedis has: " . truth($set);
            diag explain $t->get('/status')->json->{sets}{$set}{replica};
            $rounds = 0;
        }
    }

    last if !$rounds;

    my $took = time - $start;
    $slow{$what} = max($slow{$what} // 0, $took);
    note sprintf 'round %d, %s: %.3f s', $round, $what, $took;
}

ok $rounds, "the same as Redis after each round of $ops changes";
note join ', ', map { sprintf '%s %.2f s', $_, $slow{$_} }
                sort { $slow{$b} <=> $slow{$a} } keys %slow;

$t->expect_kills;
$t->done;
