use strict;
use warnings;

# Images are written whatever happens to their directory, their disk and the
# leader; the one that is there stays whole.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Mode;
use Recs::Process qw(slurp spew process_info);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;

my $redis = $t->redis;
my @ids = map { "b$_" } 1 .. 60000;
my $seq = 1;

$redis->cmd('SADD', 'big', splice @ids, 0, 5000) while @ids;
$redis->cmd('XADD', '{big}:feed', '*', op => 'add', ids => '["b1"]', seq => 1);

sub change {
    my ($id) = @_;

    $redis->pipeline(['MULTI'], ['SADD', 'big', $id],
                     ['XADD', '{big}:feed', '*', op => 'add',
                      ids => qq(["$id"]), seq => ++$seq], ['EXEC']);
}

# A directory that the workers can write to, made with this mode.

sub directory {
    my ($name, $mode) = @_;

    my $dir = $t->dir . "/$name";
    mkdir $dir or die;
    chmod $mode // 0777, $dir or die;
    return $dir;
}

# An nginx whose image this is; what its status says of the replica.

sub start {
    my ($name, $image, $capacity) = @_;

    my $port = uc $name;

    return $t->nginx(name => $name, reloads => 0, workers => 2,
                     http => <<"HTTP");
recs_zone 64m;
recs_redis main { server %%REDIS%%; timeout 2s; }
recs_set big redis=main key=big 'feed={big}:feed' replica=on capacity=$capacity
         'image=$image';
server {
    listen %%LISTEN_$port%%;
    location / { recs_status; }
}
HTTP
}

sub replica {
    my ($name) = @_;

    my $r = eval { $t->request('GET', '/', { port => uc $name }) };
    return $r ? $r->json->{sets}{big}{replica} : { image => {}, leader => 0 };
}

sub leader { return replica($_[0])->{leader} }

sub written { return replica($_[0])->{image}{written} }

# Another one than that.

sub next_leader {
    my ($name, $before) = @_;

    my $now;
    wait_until(sub { ($now = leader($name)) && $now != $before })
        or die "nobody leads\n";
    return $now;
}

# Killed: another leads, and writes.

sub kill_leader {
    my ($name) = @_;

    my $leader = next_leader($name, 0);
    kill KILL => $leader;
    wait_until(sub { !process_info($leader) });
    return next_leader($name, $leader);
}

# How many ids it holds, by an nginx that has nothing else; undef: refused.

sub held {
    my ($image) = @_;

    my $copy = directory('held' . ++$t->{held}) . '/image';
    spew($copy, slurp($image));
    chmod 0644, $copy;
    $redis->freeze;

    my $name = "held$t->{held}";
    my $nginx = start($name, $copy, 70000);
    my $held;
    wait_until(sub {
        $held = replica($name);
        return $held->{loaded} || $nginx->error_log =~ /is refused/;
    });
    $nginx->quit;
    $redis->thaw;

    return $held->{loaded} ? $held->{ids} : undef;
}


# Its end comes after 30 s: when all others have had their turn.

my $closed = directory('closed', 0555);
my $waits = start('waits', "$closed/image", 70000);

subtest 'a directory that can not be written to' => sub {
    ok $waits->wait_log(qr/open\(\) of the image "\S+" failed/), 'it is said';
    my $image = replica('waits')->{image};
    is_deeply [@$image{'failed', 'written'}], [1, 0], 'by the status, too';
    ok wait_until(sub { replica('waits')->{state} eq 'following' }),
       'it goes on without';

    kill_leader('waits');
    my $missing = start('missing', $t->dir . '/missing/image', 70000);
    ok $missing->wait_log(qr/open\(\) of the image "\S+" failed/),
       'one that is missing';
    $missing->quit;
    is $missing->logged(qr/of the image/), 1,
       'one line, also at the end';

    chmod 0777, $closed;
};


subtest 'what a leader left before nginx was started' => sub {
    my $dir = directory('left');
    my $name = "$dir/im[a]*ge?";
    my @own = map { "$name.$_.tmp" } 999999999, 888888888;
    my @others = ("$name.1.tmp", "$name.$$.tmp", "$name.x.tmp", "$name.tmp",
                  "$dir/image.999999999.tmp", "$name.-5.tmp");

    spew($_, 'x') for @own, @others;

    my $nginx = start('left', $name, 70000);
    ok wait_until(sub { -e $name }), 'an image';
    is_deeply [grep { -e } @own], [], 'what nobody writes any more goes';
    is_deeply [grep { !-e } @others], [], 'all else stays';
    ok wait_until(sub { written('left') }), 'the status says when';
    cmp_ok abs(time - written('left')), '<', Recs::Mode::patience(10),
        'in unix seconds';
    is replica('left')->{image}{read}, 0, 'none was read';
    $nginx->quit;
    is((stat $name)[2] & 07777, 0600, 'for its owner alone');
};


# What is mounted on the directory, while the test runs.

my $full;

END { system "umount -l '$full' 2>/dev/null" if $full }

subtest 'a full disk' => sub {
    my $dir = directory('full');

    plan skip_all => 'no file system can be mounted here'
        if $> != 0
           || system("mount -t tmpfs -o size=2m tmpfs '$dir' 2>/dev/null") != 0;

    $full = $dir;
    chmod 0777, $dir;

    my $fill = sub {
        open my $fh, '>', "$dir/fill" or die;
        1 while defined syswrite $fh, 'x' x 4096;
    };

    my $nginx = start('full', "$dir/image", 70000);
    ok wait_until(sub { written('full') }), 'an image';
    my $good = slurp("$dir/image");

    $fill->();
    change('n1');
    ok wait_until(sub { replica('full')->{ids} == 60001 }), 'followed';
    $nginx->quit;

    my $failed =
        qr/\[error\].* writing of the image "\S+" failed \(28: No space/;
    like $nginx->error_log, $failed, 'it does not fit: said';
    ok $good eq slurp("$dir/image"), 'the one that was there stays';
    is_deeply [glob "$dir/*.tmp"], [], 'and no other file';

    my $lines = $nginx->logged($failed);
    $nginx->start;
    ok wait_until(sub { replica('full')->{image}{read} }), 'it is read';
    ok wait_until(sub { replica('full')->{ids} == 60001 }), 'and followed from';
    is replica('full')->{loads}, 0, 'without a load';
    ok wait_until(sub { replica('full')->{image}{failed} }), 'still full';

    for (1, 2) {
        my $before = written('full');
        ok kill_leader('full'), 'another leader';
        change("m$_");
    }

    unlink "$dir/fill";
    kill_leader('full');
    ok wait_until(sub { written('full') }), 'room again: written';
    is replica('full')->{image}{failed}, 0, 'which the status says';
    like $nginx->error_log, qr/\[notice\].* is written again$/m, 'and the log';
    is $nginx->logged($failed), $lines + 1, 'one line for all tries';
    $nginx->quit;
    is held("$dir/image"), 60003, 'it is whole';
    system "umount '$dir'";
    undef $full;
};


subtest 'a leader that is stopped while it writes' => sub {
    my $dir = directory('stopped');

    # Of a million ids an image takes some 50 ms.
    my $nginx = start('stopped', "$dir/image", 1000000);
    ok wait_until(sub { -e "$dir/image" }), 'an image';
    my $size = -s "$dir/image";
    my ($midst, $whole) = (0, 0);

    for my $try (1 .. 10) {
        last if $midst == 2;

        my $leader = kill_leader('stopped');
        my $temporary = "$dir/image.$leader.tmp";
        my $end = time + Recs::Mode::patience(5);

        until (-s $temporary || time > $end) {
            select undef, undef, undef, 0.002;
        }
        kill STOP => $leader;
        wait_until(sub { process_info($leader)->{state} eq 'T' });

        my $torn = -s $temporary;

        if (!$torn || $torn >= $size - 1000) {
            kill CONT => $leader;
            next;
        }

        $midst++;
        my $inode = (stat "$dir/image")[1];
        my $other = next_leader('stopped', $leader);
        ok $other, 'another one leads';
        ok wait_until(sub { (stat "$dir/image")[1] != $inode }), 'and writes';
        ok -e $temporary, 'what was begun is let alone';
        $inode = (stat "$dir/image")[1];

        if ($midst == 1) {
            kill CONT => $leader;
            ok wait_until(sub { !-e $temporary }), 'it goes on: its file goes';
        } else {
            kill KILL => $leader;
            ok wait_until(sub { !process_info($leader) }), 'it is killed';
            ok -e $temporary, 'its file is left';
        }

        is((stat "$dir/image")[1], $inode, 'the image is the one of the other');
    }

    is $midst, 2, 'stopped in the midst of it';
    kill_leader('stopped');
    my $written = written('stopped');
    ok wait_until(sub { written('stopped') > $written }), 'the next one writes';
    is_deeply [glob "$dir/*.tmp"], [], 'and nothing is left';
    $nginx->quit;
    cmp_ok held("$dir/image"), '>=', 60000, 'it is whole';
};


subtest 'the directory can be written to again' => sub {
    ok wait_until(sub { replica('waits')->{image}{written} }, 45), 'written';
    is replica('waits')->{image}{failed}, 0, 'the status says so';
    $waits->quit;
    is $waits->logged(qr/open\(\) of the image/), 1,
       'that it could not be is one line, of all leaders';
    is $waits->logged(qr/the image "\S+" is written again/), 1,
       'that it can is another';
    cmp_ok held("$closed/image"), '>=', 60000, 'it is whole';
};

$t->expect_log(qr/(?:open|writing)(?:\(\))? of the image/,
               qr/connect\(\) to|recs_redis/);
$t->expect_kills;
$t->done;
