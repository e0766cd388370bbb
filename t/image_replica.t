use strict;
use warnings;

# With images of replicas a machine that starts cold, with Redis down, shows
# what was known last; what is no image is refused; and recs_ready tells.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(encode_json);
use Recs::Mode;
use Recs::Process qw(slurp spew process_info);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;

my $redis = $t->redis;
my $seq = 0;

sub change {
    my ($op, $key, @ids) = @_;

    $redis->pipeline(['MULTI'], [$op eq 'add' ? 'SADD' : 'SREM', $key, @ids],
                     ['XADD', "{$key}:feed", '*', op => $op,
                      ids => encode_json(\@ids), seq => ++$seq], ['EXEC']);
}

change('add', 'stock', map { "i$_" } 1 .. 9);
$redis->cmd('ZADD', 'seen', map { (time - $_ * 1000, "i$_") } 1 .. 9);
$redis->cmd('SADD', 'big', map { "b$_" } 1 .. 60000);
$redis->cmd('XADD', '{big}:feed', '*', op => 'add', ids => '["b1"]', seq => 1);

my $items = join ',', map { qq({"id":"i$_"}) } 1 .. 12;
$t->write('html/page.json', qq({"items":[$items]}));

my $dir = $t->dir . '/images';
mkdir $dir or die;
chmod 0777, $dir or die;

# A configuration of these sets, each required in a location of its name.

sub conf {
    my ($listen, %sets) = @_;

    my $conf = "recs_zone 200m;\n"
        . "recs_redis main { server %%REDIS%%; timeout 2s; }\n";

    for my $name (sort keys %sets) {
        $conf .= "recs_set $name redis=main replica=on absent=empty shrink=off"
            . " $sets{$name};\n";
    }

    $conf .= "server { listen %%$listen%%; root %%TESTDIR%%/html;\n"
        . "default_type application/json; recs on;\n"
        . "location = /ready { recs_ready; }\n"
        . "location = /status { recs_status; }\n";

    for my $name (sort keys %sets) {
        $conf .= "location /$name/ { alias %%TESTDIR%%/html/;"
            . " recs_require $name; recs_lookup_timeout 500ms; }\n";
    }

    return "$conf}\n";
}

sub set {
    my ($key, $image) = @_;

    return "key=$key 'feed={$key}:feed' capacity=100 image=$image";
}

sub page {
    my ($set) = @_;

    my $r = $t->get("/$set/page.json");

    return join(' ', map { substr $_->{id}, 1 } @{ $r->json->{items} })
        . ' ' . $r->header('Recs-Sets') =~ s/age=\d+/age/r;
}

# Shown soon: what is fresh may be too old for a moment.

sub shows {
    my ($set, $want, $name) = @_;

    my $got;
    wait_until(sub { ($got = page($set)) eq $want });
    is $got, $want, $name;
}

sub replica { return $t->get('/status')->json->{sets}{ $_[0] }{replica} }

sub ready { return $t->get('/ready')->status == 200 }

sub temporary { return glob "$dir/*.tmp" }

my %sets = (
    stock  => set('stock', "$dir/stock"),
    recent => "key=seen type=zset within=5500 resync=300ms capacity=100"
              . " image=$dir/recent",
);


subtest 'configuration' => sub {
    for my $case (
        ['replica=off image=x', qr/"image=" only with "replica=on"/],
        ['replica=on image=x',
         qr/"one" and recs_set "two" can't have the same/],
    ) {
        my ($options, $error) = @$case;
        my ($code, $output) = $t->nginx_test(<<"HTTP");
recs_zone 32m;
recs_redis main { server unix:/nowhere; }
recs_set one redis=main key=one $options;
recs_set two redis=main key=two $options;
HTTP
        like $output, $error, $options;
    }
};


my $nginx = $t->nginx(reloads => 0, workers => 2, daemon => 1,
                      http => conf('LISTEN', %sets));


subtest 'written' => sub {
    ok wait_until(sub { ready() }), 'ready';

    my $r = $t->get('/ready');
    is $r->body, "ready\n", 'it says so';
    is $r->header('Content-Type'), 'text/plain', 'as text';
    is $r->header('Cache-Control'), 'no-store', 'nobody keeps it';
    is $t->request('POST', '/ready')->status, 405, 'it is only asked';

    $r = $t->get('/status');
    is $r->header('Content-Type'), 'application/json', 'the status is JSON';
    is $r->header('Cache-Control'), 'no-store', 'which nobody keeps';
    is $t->request('POST', '/status')->status, 405, 'and is only asked, too';

    ok wait_until(sub { -e "$dir/$_" }), "the image of $_" for sort keys %sets;
    is((stat "$dir/stock")[2] & 07777, 0600, 'for its owner alone');

    change('rem', 'stock', 'i9');
    ok wait_until(sub { page('stock') =~ /\A1 2 3 4 5 6 7 8 stock;age/ }),
       'changed after it was written';
    $nginx->quit;
    is_deeply [temporary()], [], 'no other file';
};


subtest 'a cold start without Redis' => sub {
    change('rem', 'stock', 'i8');
    $redis->cmd('SAVE');
    $redis->kill;
    $nginx->start;

    shows('stock', '1 2 3 4 5 6 7 8 stock;age;stale;why=down;removed=4',
          'the last that was known at its end, stale');
    shows('recent', '1 2 3 4 5 recent;age;stale;why=down;removed=7',
          'scores, too');

    ok wait_until(sub {
        $t->get('/stock/page.json')->header('Recs-Sets') =~ /age=(\d+)/
            && $1 > 1000
    }), 'the age counts on';

    my $image = replica('stock')->{image};
    is $image->{used}, 1, 'the status says that it is of the image';
    cmp_ok abs(time - $image->{read}), '<', Recs::Mode::patience(10),
        'and when that was read';

    my $r = $t->get('/ready');
    is $r->status, 503, 'not ready';
    is $r->header('Cache-Control'), 'no-store', 'nobody keeps it';
    like $r->body, qr/^recs_set "stock": following, \d+ms old, "max_lag" is/m,
         'the reason';
    like $r->body, qr/^recs_set "recent": /m, 'of each';

    $redis->start;
    ok wait_until(sub { ready() }), 'Redis comes, it is ready';
    shows('stock', '1 2 3 4 5 6 7 stock;age;removed=5', 'what Redis has');
    is replica('stock')->{loads}, 0, 'by the feed alone';
    is replica('stock')->{image}{used}, 0, 'which the status says';
    is replica('recent')->{image}{used}, 0, 'of each';
    shows('recent', '1 2 3 4 5 recent;age;removed=7', 'scanned');
    cmp_ok replica('recent')->{loads}, '>', 0, 'again';

    change('add', 'stock', 'i12');
    ok wait_until(sub { page('stock') =~ /\A1 2 3 4 5 6 7 12 / }), 'followed';
};


subtest 'the feed has gone on elsewhere' => sub {
    $nginx->quit;
    $redis->cmd('DEL', '{stock}:feed', 'stock');
    $seq = 0;
    change('add', 'stock', 'i1', 'i2');
    $nginx->start;
    shows('stock', '1 2 stock;age;removed=10', 'loaded');
    ok wait_until(sub { ready() }), 'ready';
    is replica('stock')->{resyncs}{lost}, 1, 'as the entry is lost';
};


subtest 'a binary upgrade' => sub {
    my ($pid, $old) = ("$nginx->{dir}/nginx.pid", $nginx->master);
    my $read = sub {
        return $nginx->logged(qr/"stock".* of its image/);
    };
    my $before = $read->();

    change('add', 'stock', 'i3');
    ok wait_until(sub { page('stock') =~ /\A1 2 3 / }), 'followed';
    my @old = $nginx->workers;

    $nginx->signal('USR2');
    ok wait_until(sub { -e "$pid.oldbin" && -s $pid }), 'a new master';
    my ($new) = slurp($pid) =~ /(\d+)/;
    ok wait_until(sub { $read->() > $before }), 'the image';

    for my $i (4 .. 6) {
        change('add', 'stock', "i$i");
        my $want = join ' ', 1 .. $i;
        ok wait_until(sub { page('stock') =~ /\A$want stock;/ }), 'two leaders';
    }

    $nginx->signal('QUIT');
    ok wait_until(sub { !process_info($old) }), 'the old one ends';
    $nginx->{process} = Recs::Process->adopt($new, 'nginx');
    shows('stock', '1 2 3 4 5 6 stock;age;removed=6', 'the new one goes on');
    ok wait_until(sub { ready() }), 'ready';
};

$nginx->quit;


# Starts cold with these images of a set, Redis being down: how many ids each
# set holds, undef if it holds nothing.

sub cold {
    my ($what, %images) = @_;

    my %sets;

    for my $name (keys %images) {
        spew("$dir/cold.$name", $images{$name});
        chmod 0644, "$dir/cold.$name";
        $sets{$name} = "$what image=$dir/cold.$name";
    }

    my $port = 'COLD' . ++$t->{cold};
    my $cold = $t->nginx(name => 'cold', reloads => 0,
                         http => conf("LISTEN_$port", %sets));
    my $held;

    wait_until(sub {
        $held = $t->request('GET', '/status', { port => $port })->json->{sets};
        my $log = $cold->error_log;
        return !grep {
            !defined $held->{$_}{replica}{age}
                && $log !~ /"$_": the image "\S+" is refused/
        } keys %images;
    }) or diag 'an image is neither taken nor refused';

    my $log = $cold->error_log;
    $cold->quit;
    unlink map { "$dir/cold.$_" } keys %images;

    return ($log, map { $_ => defined $held->{$_}{replica}{age}
                              ? $held->{$_}{replica}{ids} : undef }
                  keys %images);
}

$redis->cmd('SAVE');
$redis->kill;

subtest 'what is no image of this set' => sub {
    my $good = slurp("$dir/stock");
    my $size = length $good;
    my %bad = (empty => '', longer => "${good}x", text => 'x' x $size);
    my %why = (text => 'it is no image of this kind of machine');
    my $what = 'key=stock "feed={stock}:feed" capacity=100';

    for my $at (1, 7, 8, 70, 263, 264, 265, 271, 272, 280, $size - 33,
                $size - 32, $size - 17, $size - 16, $size - 1)
    {
        $bad{"cut$at"} = substr $good, 0, $at;
    }

    for my $at (0, 8, 15, 16, 24, 30, 32, 40, 48, 63, 64, 72, 150, 263, 264,
                270, 272, 290, $size - 40, $size - 33, $size - 32, $size - 24,
                $size - 16, $size - 1)
    {
        my $copy = $good;
        substr($copy, $at, 1) ^= "\x11";
        $bad{"bad$at"} = $copy;
    }

    $why{bad0} = $why{text};
    $why{bad8} = $why{bad15} = 'it has another format';
    $why{bad16} = 'it is of another set';

    my ($log, %held) = cold($what, %bad, good => $good);

    is delete $held{good}, 6, 'an image';
    is_deeply [grep { defined $held{$_} } sort keys %bad], [],
              'all others are refused';

    for my $name (sort keys %bad) {
        my @said = $log =~ /"$name": the image "\S+" is refused: (.*)/g;
        is_deeply \@said, [$why{$name} // 'it is torn'], "$name: one line";
    }

    for ('"key={stock}:other" "feed={stock}:feed"',
         'key=stock "feed={stock}:other"', 'key=stock',
         'key=stock "feed={stock}:feed" type=zset',
         'key=stock "feed={stock}:feed" type=zset within=1h')
    {
        ($log, %held) = cold("$_ max_lag=2m", foreign => $good);
        is $held{foreign}, undef, "refused for $_";
        like $log, qr/is refused: it is of another set/, 'with a reason';
    }

    ($log, %held) = cold('key=stock "feed={stock}:feed" capacity=1',
                         small => $good);
    is $held{small}, 6, 'as many as there is room for';
};

$redis->start;


subtest 'a leader that is killed while it writes' => sub {
    my $big = 'key=big "feed={big}:feed" capacity=1000000';
    my $writer = $t->nginx(
        name => 'killed', reloads => 0, workers => 2,
        http => conf('LISTEN_KILLED', big => "$big image=$dir/big"));

    # The status names one that was killed until another leads.
    my $next = sub {
        my ($before) = @_;

        my $pid;
        wait_until(sub {
            my $r = eval {
                $t->request('GET', '/status', { port => 'KILLED' });
            };
            $pid = $r ? $r->json->{sets}{big}{replica}{leader} : 0;
            return $pid && $pid != $before;
        }) or die "nobody leads\n";
        return $pid;
    };

    ok wait_until(sub { -e "$dir/big" }), 'an image';

    my $pid = $next->(0);
    my (%images, $torn);

    kill KILL => $pid;

    for my $n (1 .. 6) {
        $pid = $next->($pid);

        # a new leader writes within a second, for some 50 ms
        my $end = time + Recs::Mode::patience(5);
        until (-e "$dir/big.$pid.tmp" || time > $end) {
            select undef, undef, undef, 0.002;
        }
        kill KILL => $pid;
        wait_until(sub { !process_info($pid) });
        $torn++ if -e "$dir/big.$pid.tmp";
        $images{"n$n"} = slurp("$dir/big");

        # the next one removes what is left
        ok wait_until(sub { !-e "$dir/big.$pid.tmp" }), 'nothing is left';
    }

    cmp_ok $torn // 0, '>', 0, 'some were torn';

    $writer->quit;
    $redis->cmd('SAVE');
    $redis->kill;

    my ($log, %held) = cold($big, %images);
    is $held{$_}, 60000, "whole: $_" for sort keys %images;
    $redis->start;
};



subtest 'ready' => sub {
    $redis->cmd('SADD', 'asked', 'b1');

    my $other = $t->nginx(name => 'ready', reloads => 0, workers => 1,
                          http => <<'HTTP');
recs_redis main { server %%REDIS%%; timeout 2s; }
recs_set few redis=main key=few replica=on 'feed={few}:feed' resync=300ms
         absent=empty;
recs_set asked redis=main key=asked absent=empty;
recs_pool fresh redis=main key=fresh refresh=200ms absent=empty;
recs_snapshots home redis=main prefix=home poll=200ms;
server { listen %%LISTEN_READY%%; location / { recs_ready; } }
HTTP
    my $get = sub { return $t->request('GET', '/', { port => 'READY' }) };

    ok wait_until(sub {
        $get->()->body eq qq(recs_snapshots "home": no version is active\n)
    }), 'no version' or diag $get->()->body;
    is $get->()->status, 503, 'not ready';

    $redis->cmd('HSET', '{home}:v1:meta', state => 'complete', expected => 1,
                written => 1, model => 'm', schema => 's', features => 'f',
                generated_at => int time);
    $redis->cmd('SET', '{home}:channel:active', 'v1');
    ok wait_until(sub { $get->()->status == 200 }), 'all is there';

    $redis->cmd('DEL', 'fresh', 'few');
    $redis->cmd('SET', 'fresh', 'x');
    ok wait_until(sub {
        $get->()->body =~ /\Arecs_pool "fresh": \w+ \d+s ago, "refresh" is/
    }), 'a pool that can not be read' or diag $get->()->body;

    $redis->cmd('DEL', 'fresh');
    ok wait_until(sub { $get->()->body eq "ready\n" }), 'it can';

    $redis->cmd('SET', 'few', 'x');
    ok wait_until(sub { $get->()->body =~ /\Arecs_set "few": failed, / }),
       'a set of another type' or diag $get->()->body;
    $redis->cmd('DEL', 'few');
    $other->quit;

    for my $handler ('recs_status', 'recs_pass home') {
        my ($code, $output) = $t->nginx_test(<<"HTTP");
recs_redis main { server %%REDIS%%; }
recs_snapshots home redis=main prefix=home;
server { listen %%LISTEN%%; location / { $handler; recs_ready; } }
HTTP
        like $output, qr/"recs_ready".*a location has one handler/, $handler;
    }
};


subtest 'nowhere to write' => sub {
    my $other = $t->nginx(
        name => 'nowhere', reloads => 0, workers => 1,
        http => conf('LISTEN_NOWHERE', stock => set('stock', "$dir/no/image")));

    ok wait_until(sub { $other->error_log =~ /open\(\) of the image/ }),
       'it is said';
    ok wait_until(sub {
        $t->request('GET', '/stock/page.json', { port => 'NOWHERE' })
          ->header('Recs-Sets') =~ /\Astock;age=\d+;removed=6\z/
    }), 'and goes on';
    $other->quit;
    my @said = $other->error_log =~ /open\(\) of the image/g;
    is @said, 1, 'one line';
};

$t->expect_log(qr/open\(\) of the image/,
               qr/connect\(\) to|recs_redis/);
$t->expect_kills;
$t->done;
