use strict;
use warnings;

# With images of pools a machine that starts cold, with Redis down, backfills
# and explores from the pool that was known last; what is no image is refused.

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(mkfifo);
use Recs::Mode;
use Recs::Process qw(slurp spew process_info);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;

my $redis = $t->redis;

sub object { return qq({"id":"$_[0]","t":[1, 2.50]}) }

$redis->cmd('HSET', 'fresh', map { ("n$_", object("n$_")) } 1 .. 5);
$redis->cmd('HSET', 'fresh', 'n6', "\x81\xa2id\xa2n6");
$redis->cmd('HSET', 'fresh', 'refused', 'no object');
$redis->cmd('SADD', 'allowed', map { "n$_" } 1 .. 6);
$redis->cmd('HSET', 'large', map { ("l$_", large($_, 'x')) }
                                 $_ * 100 .. $_ * 100 + 99) for 0 .. 39;

# Four thousand of these are some 4 MB.
sub large { return qq({"id":"l$_[0]","t":") . $_[1] x 1000 . '"}' }

$t->write('html/page.json', '{"items":[{"id":"b1"},{"id":"b2"}]}');
$t->write('allowed.txt', join "\n", 'b1', 'b2', map { "n$_" } 1 .. 6);

my $dir = $t->dir . '/images';
mkdir $dir or die;
chmod 0777, $dir or die;

# A configuration of these pools: their options.  A location of each one's name.

sub conf {
    my ($listen, %pools) = @_;

    my $zone = grep({ /size=50m/ } values %pools) ? '200m' : '64m';
    my $conf = "recs_zone $zone; recs_event \$request_id;\n"
        . "recs_redis main { server %%REDIS%%; timeout 2s; }\n"
        . "recs_redis other { server unix:/nowhere; timeout 2s; }\n"
        . "recs_set allowed file=%%TESTDIR%%/allowed.txt;\n";

    for my $name (sort keys %pools) {
        my $redis = $pools{$name} =~ /redis=/ ? '' : 'redis=main';
        $conf .= "recs_pool $name $redis $pools{$name};\n";
    }

    $conf .= "server { listen %%$listen%%; root %%TESTDIR%%/html;\n"
        . "default_type application/json; recs on; recs_require allowed;\n"
        . "add_header X-Pid \$pid always;\n"
        . "location = /ready { recs_ready; }\n"
        . "location = /status { recs_status; }\n";

    for my $name (sort keys %pools) {
        $conf .= "location /$name/ { alias %%TESTDIR%%/html/;"
            . " recs_explore $name rate=100% slots=1; }\n"
            . "location /$name-fill/ { alias %%TESTDIR%%/html/;"
            . " recs_backfill $name min=5; }\n";
    }

    return "$conf}\n";
}

my %pools = (
    fresh => "key=fresh refresh=300ms image=$dir/fresh",
    large => "key=large refresh=300ms size=8m image=$dir/large",
    none  => 'key=none refresh=300ms absent=empty',
);

sub pool { return $t->get('/status')->json->{pools}{ $_[0] } }

# All workers have so many.

sub all_have {
    my ($nginx, $pool, $n) = @_;

    my @workers = $nginx->workers;

    return wait_until(sub {
        my %have;
        for (1 .. 20) {
            my $r = $t->get('/status');
            $have{ $r->header('X-Pid') } = $r->json->{pools}{$pool}{items};
        }
        return !grep { ($have{$_} // -1) != $n } @workers;
    });
}

# What was put into a page: ids.

sub put_in {
    my ($name) = @_;

    my $r = $t->get("/$name/page.json");
    my @items = grep { $_->{_recs} } @{ $r->json->{items} };

    return ($r, @items);
}


subtest 'configuration' => sub {
    for my $case (
        ["recs_pool one file=%%TESTDIR%%/allowed.txt image=x;",
         qr/recs_pool "one" can have "image=" only with "redis="/],
        ["recs_pool one redis=main key=k image=x;\n"
         . "recs_pool two redis=main key=j image=x;",
         qr/recs_pool "one" and recs_pool "two" can't have the same "image="/],
        ["recs_pool one redis=main key=k image=x;\n"
         . "recs_set two redis=main key=j replica=on image=./x;",
         undef],
        ["recs_pool one redis=main key=k image=x;\n"
         . "recs_set two redis=main key=j replica=on image=x;",
         qr/recs_pool "one" and recs_set "two" can't have the same "image="/],
        ["recs_pool one redis=main key=k image=x image=y;",
         qr/duplicate parameter "image=y"/],
    ) {
        my ($lines, $error) = @$case;
        my ($code, $output) = $t->nginx_test(
            "recs_zone 32m; recs_redis main { server unix:/nowhere; }\n$lines");
        if ($error) { like $output, $error, $error }
        else        { is $code, 0, 'accepted' }
    }
};


my $nginx = $t->nginx(reloads => 0, workers => 2, daemon => 1,
                      http => conf('LISTEN', %pools));

subtest 'written' => sub {
    ok all_have($nginx, 'fresh', 6), 'all workers have it';
    ok all_have($nginx, 'large', 4000), 'also the large one';

    ok wait_until(sub { pool($_)->{image}{written} }), "an image of $_"
        for 'fresh', 'large';
    is((stat "$dir/fresh")[2] & 07777, 0600, 'for its owner alone');

    my $pool = pool('fresh');
    cmp_ok abs(time - $pool->{image}{written}), '<', Recs::Mode::patience(10),
        'the status says when, in unix seconds';
    is_deeply [@{ $pool->{image} }{'read', 'used', 'failed'}], [0, 0, 0],
        'that none was read, and nothing failed';
    ok !exists pool('none')->{image}, 'nothing of a pool that has none';

    $redis->cmd('HDEL', 'fresh', 'n5');
    ok all_have($nginx, 'fresh', 5), 'changed after it was written';
    $nginx->quit;
    is_deeply [glob "$dir/*.tmp"], [], 'no other file';
};


subtest 'a cold start without Redis' => sub {
    $redis->cmd('SAVE');
    $redis->kill;
    my $stopped = time;
    $nginx->start;

    ok all_have($nginx, 'fresh', 5),
       'all workers have it, as it was at its end';
    ok all_have($nginx, 'large', 4000), 'also the large one';

    my ($r, @new) = put_in('fresh-fill');
    is join(' ', map { $_->{id} } @new), 'n1 n2 n3', 'pages are backfilled';
    like $r->body, qr/"id":"n1","t":\[1, 2\.50\],"_recs"/, 'the very bytes';

    my %seen;
    for (1 .. 200) {
        ($r, @new) = put_in('fresh');
        $seen{ $_->{id} } = $_->{_recs}{p} for @new;
        last if keys %seen == 5;
    }
    is_deeply \%seen, { map { $_ => 0.2 } 'n1' .. 'n4', 'n6' },
        'explored: each, with the probability of a pool of five';

    my $pool = pool('fresh');
    is $pool->{image}{used}, 1, 'the status says that it is of the image';
    cmp_ok abs(time - $pool->{image}{read}), '<', Recs::Mode::patience(20),
        'when that was read';
    cmp_ok $pool->{loaded}, '<=', $stopped, 'and when Redis was';
    is $pool->{refused}, 1, 'and what was refused then';
    is $pool->{refreshes}, 0, 'nothing since';

    $r = $t->get('/ready');
    is $r->status, 503, 'not ready';
    like $r->body, qr/^recs_pool "fresh": read \d+s ago, "refresh" is 300ms$/m,
        'as any pool that Redis does not tell';
    like $r->body, qr/^recs_pool "none": never read$/m, 'unlike one without';

    my $log = $nginx->error_log;
    like $log, qr/\[notice\].*"fresh" holds 5 items, of its image$/m, 'logged';
    like $log, qr/"fresh" could not be read, the contents stay: redis is away/,
        'with what is wrong';

    my $written = (stat "$dir/fresh")[1];
    $nginx->quit;
    is((stat "$dir/fresh")[1], $written, 'what was only read is not written');
    $nginx->start;
    ok all_have($nginx, 'fresh', 5), 'a second time';

    $redis->start;
    $redis->cmd('HSET', 'fresh', 'n7', object('n7'));
    ok all_have($nginx, 'fresh', 6), 'Redis comes: what it has';
    is pool('fresh')->{image}{used}, 0, 'which the status says';
    ok wait_until(sub { $t->get('/ready')->status == 200 }), 'ready';
};


subtest 'reloads' => sub {
    my $read = pool('fresh')->{image}{read};
    my $inode = (stat "$dir/fresh")[1];

    ok $nginx->reload, 'a reload';
    ok all_have($nginx, 'fresh', 6), 'goes on with what there is';
    is pool('fresh')->{image}{read}, $read, 'no image is read';
    ok wait_until(sub { (stat "$dir/fresh")[1] != $inode }),
       'the new leader writes one';

    # Another size is another place in shared memory, which is empty.
    $redis->cmd('SAVE');
    $redis->kill;
    local $pools{fresh} = "$pools{fresh} size=100k";
    ok $nginx->reload(http => conf('LISTEN', %pools)), 'with another size';
    ok all_have($nginx, 'fresh', 6), 'begins with the image';
    is pool('fresh')->{image}{used}, 1, 'which the status says';
    ok $nginx->reload, 'once more';
    ok all_have($nginx, 'fresh', 6), 'goes on';
    is pool('fresh')->{image}{used}, 1, 'still with the image';
    $redis->start;
    ok wait_until(sub { !pool('fresh')->{image}{used} }), 'until Redis comes';
};


subtest 'a binary upgrade' => sub {
    my ($pid, $old) = ("$nginx->{dir}/nginx.pid", $nginx->master);
    my $before = $nginx->logged(qr/"fresh" holds 6 items, of its/);

    $redis->cmd('SAVE');
    $redis->kill;
    $nginx->signal('USR2');
    ok wait_until(sub { -e "$pid.oldbin" && -s $pid }), 'a new master';
    my ($new) = slurp($pid) =~ /(\d+)/;
    ok wait_until(sub {
        return $nginx->logged(qr/"fresh" holds 6 items, of its/) == $before + 1;
    }), 'begins with the image';
    $redis->start;

    # Both follow Redis, and write.
    for my $n (8 .. 10) {
        $redis->cmd('HSET', 'fresh', "n$n", object("n$n"));
        ok wait_until(sub {
            !grep { pool('fresh')->{items} != $n - 1 } 1 .. 20
        }), 'two leaders';
    }

    ok $nginx->signal('QUIT'), 'the old one is to end';
    ok wait_until(sub { !process_info($old) }), 'it does';
    $nginx->{process} = Recs::Process->adopt($new, 'nginx');
    is pool('fresh')->{items}, 9, 'the new one goes on';
};

$nginx->quit;
$redis->cmd('SAVE');
$redis->kill;


# Starts cold with these images of pools, Redis being down: the log, and how
# many items each holds.

sub cold {
    my ($what, %images) = @_;

    my (%pools, $held);

    for my $name (keys %images) {
        if (defined $images{$name}) {
            spew("$dir/cold.$name", $images{$name});
            chmod 0644, "$dir/cold.$name";
        }
        $pools{$name} = "$what image=$dir/cold.$name";
    }

    my $port = 'COLD' . ++$t->{cold};
    my $cold = $t->nginx(name => 'cold', reloads => 0,
                         http => conf("LISTEN_$port", %pools));

    wait_until(sub {
        $held = $t->request('GET', '/status', { port => $port })
                ->json->{pools};
        my $log = $cold->error_log;
        return !grep {
            !$held->{$_}{items}
                && $log !~ /"$_": the image "\S+" (?:is refused|can't be)/
        } keys %images;
    }) or diag 'an image is neither taken nor refused';

    my $log = $cold->error_log;
    $cold->quit;

    for my $file (map { "$dir/cold.$_" } keys %images) {
        -d $file ? rmdir $file : unlink $file;
    }

    return ($log, map { $_ => $held->{$_}{items} } keys %images);
}


subtest 'what is no image of this pool' => sub {
    my $good = slurp("$dir/fresh");
    my $size = length $good;
    my %bad = (empty => '', longer => "${good}x", text => 'x' x $size);
    my %why;

    for my $at (1, 7, 8, 23, 24, 39, 40, 41, 48, 100, $size - 17, $size - 16,
                $size - 1)
    {
        $bad{"cut$at"} = substr $good, 0, $at;
    }

    # Each byte of the header; some of the others.
    for my $at (0 .. 39, 40, 44, 48, 52, 56, int($size / 2), $size - 17,
                $size - 16, $size - 1)
    {
        my $copy = $good;
        substr($copy, $at, 1) ^= "\x11";
        $bad{"bad$at"} = $copy;
    }

    my $older = $good;
    substr($older, 8, 8) = pack 'Q', 1;
    $bad{older} = $older;

    $why{$_} = 'it is no image of this kind of machine'
        for 'text', map { "bad$_" } 0 .. 7;
    $why{$_} = 'it has another format' for 'older', map { "bad$_" } 8 .. 15;
    $why{$_} = 'it is of another pool' for map { "bad$_" } 16 .. 23;

    # The length, more than there may be.
    $why{$_} = 'it does not fit into "size="' for map { "bad$_" } 34;

    my ($log, %held) = cold('key=fresh size=128k', %bad, good => $good);

    is delete $held{good}, 9, 'an image';
    is_deeply [grep { $held{$_} } sort keys %bad], [], 'all others are refused';

    for my $name (sort keys %bad) {
        my @said = $log =~ /"$name": the image "\S+" is refused: (.*)/g;
        is_deeply \@said, [$why{$name} // 'it is torn'], "$name: one line";
    }

    my $replica = pack 'QQQ', unpack('QQ', $good), 42;
    ($log, %held) = cold('key=fresh', foreign => $replica);
    like $log, qr/is refused: it is of another pool/, 'of a replica';

    for ('key=other', 'key=fresh id=/n', 'redis=other key=fresh') {
        ($log, %held) = cold($_, foreign => $good);
        is $held{foreign}, 0, "refused for $_";
        like $log, qr/is refused: it is of another pool/, 'with a reason';
    }

    for ('key=fresh refresh=1s', 'key=fresh id=/id', 'key=fresh size=4k',
         'key=fresh category=/c')
    {
        ($log, %held) = cold($_, good => $good);
        is $held{good}, 9, "taken for $_";
    }

    # Another name, the same source.
    ($log, %held) = cold('key=fresh', renamed => $good);
    is $held{renamed}, 9, 'of a pool of another name';

    ($log, %held) = cold('key=large', small => slurp("$dir/large"));
    is $held{small}, 0, 'more than "size=" has room for';
    like $log, qr/is refused: it does not fit into "size="/, 'which is said';
};


subtest 'what can not be read' => sub {
    my $make = sub {
        my ($how) = @_;
        my $path = "$dir/cold.$how";
        spew($path, slurp("$dir/fresh")), chmod 0, $path if $how eq 'closed';
        mkdir $path or die if $how eq 'directory';
        mkfifo($path, 0666) or die if $how eq 'fifo';
    };

    $make->($_) for 'closed', 'directory', 'fifo';
    my ($log, %held) = cold('key=fresh', closed => undef, directory => undef,
                            fifo => undef);

    is_deeply \%held, { closed => 0, directory => 0, fifo => 0 }, 'is not';
    like $log, qr/"closed": the image "\S+" can't be read \(13:/, 'closed';
    like $log, qr/"$_": the image "\S+" is refused: it is no file/, $_
        for 'directory', 'fifo';
    is scalar(() = $log =~ /the image "/g), 3, 'a line each';
};

$redis->start;


subtest 'a directory that is missing' => sub {
    my $other = $t->nginx(
        name => 'missing', reloads => 0,
        http => conf('LISTEN_MISSING',
                     fresh => "key=fresh image=$dir/no/image"));
    my $status = sub {
        return $t->request('GET', '/status', { port => 'MISSING' })->json
               ->{pools}{fresh};
    };

    ok $other->wait_log(
           qr/recs_pool "fresh": open\(\) of the image "\S+" failed/),
       'it is said';
    is $status->()->{image}{failed}, 1, 'by the status, too';
    is $status->()->{items}, 9, 'and goes on';
    $other->quit;
    is $other->logged(qr/of the image/), 1, 'one line';
};


# Others change the pool meanwhile, in shared memory: what it was writing from.

subtest 'a leader that is stopped while it writes' => sub {
    $redis->cmd('HSET', 'huge', map { ("l$_", large($_, 'x')) }
                                    $_ * 100 .. $_ * 100 + 99) for 0 .. 299;

    my $writer = $t->nginx(
        name => 'stopped', reloads => 0, workers => 2,
        http => conf('LISTEN_STOPPED',
                     huge => "key=huge refresh=500ms size=50m"
                             . " image=$dir/huge"));
    my $status = sub {
        my $r = eval { $t->request('GET', '/status', { port => 'STOPPED' }) };
        return $r ? $r->json->{pools}{huge} : { image => {}, refreshes => 0 };
    };
    my $leader = sub {
        my @led = $writer->error_log =~ /(\d+)#\d+: this worker leads/g;
        return $led[-1];
    };

    ok wait_until(sub { -e "$dir/huge" }), 'an image';
    my $size = -s "$dir/huge";
    my $midst = 0;

    for my $try (1 .. 10) {
        my $before = $leader->();
        kill KILL => $before;
        wait_until(sub { $leader->() != $before }) or die "no leader\n";

        my $pid = $leader->();
        my $temporary = "$dir/huge.$pid.tmp";
        my $end = time + Recs::Mode::patience(5);

        until (-s $temporary || time > $end) {
            select undef, undef, undef, 0.002;
        }
        kill STOP => $pid;
        wait_until(sub { process_info($pid)->{state} eq 'T' });
        $midst = (-s $temporary // 0) < $size - 1000 && -e $temporary;

        if (!$midst) {
            kill CONT => $pid;
            next;
        }

        ok wait_until(sub { $leader->() != $pid }), 'another one leads';

        # Both copies in shared memory are written anew.
        for my $n (1, 2, 3) {
            $redis->cmd('HSET', 'huge', 'l0', large(0, $n));
            my $refreshes = $status->()->{refreshes};
            ok wait_until(sub {
                $status->()->{refreshes} > $refreshes + 1
            }, 30), 'and reads';
        }

        my $inode = (stat "$dir/huge")[1];
        kill CONT => $pid;
        ok wait_until(sub { !-e $temporary }), 'it goes on: its file goes';
        ok wait_until(sub { (stat "$dir/huge")[1] == $inode }),
           'the image is the one of the other';
        last;
    }

    ok $midst, 'stopped in the midst of it';
    $writer->quit;
    $redis->kill;

    my $image = slurp("$dir/huge");
    my ($log, %held) = cold('key=huge size=50m', big => $image);
    is $held{big}, 30000, 'it is whole';
    ok $image =~ /"id":"l0","t":"(.)\1{999}"\}/, 'and of one moment';
    $redis->start;
};

$t->expect_log(qr/open\(\) of the image/,
               qr/connect\(\) to|recs_redis/);
$t->expect_kills;
$t->done;
