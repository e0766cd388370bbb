use strict;
use warnings;

# A replica stays fresh however its feed is written: in transactions of any
# size, in quick succession, and at a high rate.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(encode_json);
use Recs::Mode;
use Recs::Process;
use Recs::Test;
use Test::More;
use Time::HiRes qw(sleep time);

# Entries that the leader asks for at once, as src/facts/replicas says.
use constant COUNT => 20;

# Between two transactions: less than the leader waits for an entry.
use constant GAP => 0.04;

my $t = Recs::Test->new;
my $redis = $t->redis;
my $seq = 0;

# So old an answer may be, and so long a stream of changes goes on.
my $max_lag = int Recs::Mode::patience(4);
my $stream = $ENV{RECS_STREAM} // $max_lag + 2;

$t->set(MAX_LAG => "${max_lag}s");
$redis->cmd('SADD', 'stock', map { "i$_" } 1 .. 20);
$t->write('html/page.json', '{"items":[' . join(',', map { qq({"id":"i$_"}) }
                                                    1 .. 30) . ']}');

$t->nginx(<<'HTTP');
recs_zone 32m;
recs_redis main { server %%REDIS%%; }
recs_set stock redis=main key=stock replica=on "feed={stock}:feed"
         max_lag=%%MAX_LAG%%;
server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/html;
    default_type application/json;
    location / { recs on; recs_require stock; recs_lookup_timeout 2s; }
    location = /status { recs_status; }
    location = /ready { recs_ready; }
}
HTTP

sub status { return $t->get('/status')->json->{sets}{stock}{replica} }

# So many changes at once, each an id that comes and goes; the seq after them.

sub batch {
    my ($client, $n, $from) = @_;

    my @commands = (['MULTI']);

    for my $i ($from + 1 .. $from + $n) {
        my ($op, $do) = $i % 2 ? ('add', 'SADD') : ('rem', 'SREM');

        push @commands, [$do, 'stock', 'x'],
            ['XADD', '{stock}:feed', 'MAXLEN', '~', 100_000, '*', op => $op,
             ids => '["x"]', seq => $i];
    }

    $client->pipeline(@commands, ['EXEC']);
    return $from + $n;
}

# Another process writes batches of $n, a GAP apart, until it is stopped.

sub stream {
    my ($n) = @_;

    my $from = $seq;
    my $node = $redis->node_of('stock');

    return Recs::Process->fork(sub {
        my $client = $node->connect;
        my $next = time;

        while (1) {
            $from = batch($client, $n, $from);
            $next += GAP;
            sleep $next - time if $next > time;
        }
    }, name => "stream of $n");
}

sub end {
    my ($writer) = @_;

    $writer->stop('KILL');

    my $last = $redis->cmd('XREVRANGE', '{stock}:feed', '+', '-', 'COUNT', 1);
    my %entry = @{ $last->[0][1] };
    $seq = $entry{seq};
}

ok wait_until(sub { $t->get('/ready')->status == 200 }), 'it is fresh';


# If none of the replies during a stream confirms the replica, its age is as
# long as the stream.

subtest 'transactions' => sub {
    for my $n (10, 19, 20, 21, 39, 40, 60, 100) {
        my $began = time;
        my $writer = stream($n);

        ok wait_until(sub {
            my $now = time;
            return $now - $began > 0.6
                   && status()->{age} / 1000 < ($now - $began) / 2;
        }), "of $n changes: it is confirmed meanwhile";

        end($writer);
        ok wait_until(sub { status()->{feed_seq} == $seq }), 'all is applied';
    }
};


subtest 'two thousand changes a second' => sub {
    my $writer = stream(2000 * GAP);
    my $began = time;
    my ($pages, %states, $oldest) = (0);

    $redis->reset_calls;

    while (time - $began < $stream) {
        my $r = $t->get('/page.json');
        my ($state) = $r->header('Recs-Filter') =~ /\A(\w+)/;
        my ($age) = $r->header('Recs-Sets') =~ /;age=(\d+)/;

        $pages++;
        $states{$state}++;
        $oldest = $age if defined $age && $age > ($oldest // -1);
    }

    end($writer);
    my $asked = $redis->calls('smismember');

    is_deeply [keys %states], ['filtered'], 'all pages are filtered';
    is $asked, 0, 'and none asked Redis: the replica was fresh';
    is status()->{loads}, 1, 'it was loaded once';
    note "$pages pages in $stream s, the oldest answer was of $oldest ms";
};


$t->done;
