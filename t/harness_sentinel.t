use strict;
use warnings;

# Sentinels that the tests make, their master and its replicas: what the tools
# say of them, and do to them, must be so.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(run process_info);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new(module => 0);
my $redis = $t->redis_sentinel(replicas => 1, sentinels => 3);


subtest 'its shape' => sub {
    my @sentinels = $redis->sentinels;
    is scalar @sentinels, 3, 'three sentinels';
    is scalar $redis->nodes, 2, 'two servers';
    is scalar $redis->replicas, 1, 'one of them is a replica';

    my $master = $redis->master;
    is_deeply $_->cmd('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'shop'),
        ['127.0.0.1', $master->port], 'who is master' for @sentinels;
    like $sentinels[0]->cmd('SENTINEL', 'CKQUORUM', 'shop'),
        qr/^OK 3 usable Sentinels/, 'a quorum';

    my @urls = map { 'redis://127.0.0.1:' . $_->port } @sentinels;
    is_deeply [$redis->url], \@urls, 'URLs';
    is $redis->settings, join('', map { "server $_; " } @urls)
        . 'topology sentinel shop;', 'settings';
    is $t->fill('%%SENTINEL_SETTINGS%%'), $redis->settings, 'a name for them';
    is $t->fill('%%SENTINEL_1_PORT%%'), $master->port, 'names of servers';
    is $t->fill('%%SENTINEL_WATCH_3_TCP%%'), $urls[2], 'and of sentinels';
};


subtest 'commands, counted and watched' => sub {
    my ($replica) = $redis->replicas;

    $redis->reset_calls;
    my @seen = $redis->watch(sub {
        is_deeply [$redis->pipeline(map { ['SADD', 'a', $_] } 1 .. 3)],
            [1, 1, 1], 'a pipeline';
        $redis->cmd('SCARD', 'a');
    });

    is_deeply [map { /"(\w+)" "a"/ } @seen], [('SADD') x 3, 'SCARD'],
        'seen once, without what the sentinels say';
    is scalar(grep { /PING|INFO|PUBLISH/ } @seen), 0, 'indeed';
    is $redis->calls('sadd'), 3, 'a write counts once';
    like $redis->refuse('GET', 'a'), qr/^WRONGTYPE/, 'an error';
    is $redis->clients, 0, 'no clients: sentinels and replicas are none';

    ok wait_until(sub { $replica->cmd('SCARD', 'a') == 3 }), 'replicated';
    is $redis->calls('scard') - 1, $replica->calls('scard'),
        'replicas\' reads count';
    my $c = $replica->connect;
    is $redis->clients, 1, 'a client';
    $c->close;
};


subtest 'a replica takes over' => sub {
    my $old = $redis->master;
    my ($replica) = $redis->replicas;
    my $events = ($redis->sentinels)[2]->connect;
    $events->cmd('SUBSCRIBE', '+switch-master');

    is $redis->fail_over, $replica, 'the master was killed';
    is_deeply $events->reply, ['message', '+switch-master', join ' ', 'shop',
        '127.0.0.1', $old->port, '127.0.0.1', $replica->port], 'they say so';
    $events->close;
    is $redis->master, $replica, 'this is the master';
    is $redis->cmd('SCARD', 'a'), 3, 'with its data';

    $old->start;
    $redis->settle;
    like $old->refuse('SET', 'b', 1), qr/^READONLY/, 'a replica now';
    is $old->cmd('SCARD', 'a'), 3, 'with all data';
};


subtest 'they change places' => sub {
    my ($old, $replica) = ($redis->master, $redis->replicas);

    is $redis->switch_over, $replica, 'nobody was killed';
    is $replica->cmd('ROLE')->[0], 'master', 'a master';
    is $old->cmd('ROLE')->[0], 'slave', 'a replica';
    is $redis->switch_over, $old, 'and back';
};


subtest 'sentinels that are down' => sub {
    my @sentinels = $redis->sentinels;

    $sentinels[0]->kill;
    $sentinels[1]->freeze;
    is $redis->cmd('SCARD', 'a'), 3, 'one is enough to ask';
    like $sentinels[2]->cmd('SENTINEL', 'MASTER', 'shop')->[1], qr/shop/,
        'it knows the master';
    $sentinels[1]->thaw;
    $sentinels[0]->start;
    $redis->settle;
    is scalar $redis->watching_over, 3, 'all are back';
};


subtest 'all servers' => sub {
    my $alone = $t->redis_sentinel(
        name => 'alone', replicas => 0, sentinels => 1, tls => 1,
        requirepass => 'secret', sentinel_password => 'sesame',
        auth_clients => 'yes', master_name => 'till');

    like $alone->settings, qr{ ^server[ ]rediss://127\.0\.0\.1:\d+;
        [ ]topology[ ]sentinel[ ]till; [ ]ssl_trusted_certificate[ ]\S+;
        .* [ ]auth[ ]password_file=/\S+;\z }x,
        'settings, with TLS and a password';

    $alone->cmd('SET', 'a', 1);
    $alone->restart;
    is $alone->cmd('GET', 'a'), 1, 'restarted with its data';
    $alone->evict_all;
    is $alone->cmd('DBSIZE'), 0, 'evicted';
    $alone->cmd('SET', 'a', 1);
    $alone->kill;
    is $alone->running, 0, 'killed';
    $alone->start;
    is $alone->cmd('DBSIZE'), 0, 'started empty';
    $alone->freeze;
    is scalar $alone->answering, 0, 'frozen';
    $alone->thaw;
    is scalar $alone->answering, 1, 'thawed';
};


subtest 'a test that dies' => sub {
    my (undef, $said) = run($^X, "-I$FindBin::Bin/lib", '-e', <<'END');
        use Recs::Test;
        my $t = Recs::Test->new(module => 0);
        my $r = $t->redis_sentinel;
        die join(' ', $t->dir, map { $_->pid } $r->nodes, $r->sentinels), "!\n";
END

    my ($dir, $pids) = $said =~ /^(\S+) ([\d ]+)!$/m or diag $said;
    my @pids = split ' ', $pids;
    is scalar @pids, 5, 'dies, with five servers';
    is scalar(grep { process_info($_) } @pids), 0, 'none is left';
    ok !-e $dir, 'nor its directory';
};


$t->done;
