use strict;
use warnings;

# A set that is gone is not a set that is empty: a replica and its image are
# never replaced by what is absent, too small or suddenly shrunk, whatever
# happened to Redis; and they heal by themselves.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(encode_json);
use Recs::Mode;
use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis;
my $seq = 0;

my @ids = map { "i$_" } 1 .. 20;
my $all = join ' ', 1 .. 30;
my $stock = join ' ', 1 .. 20;

my $items = join ',', map { qq({"id":"i$_"}) } 1 .. 30;
$t->write('html/page.json', qq({"items":[$items]}));

my $dir = $t->dir . '/images';
mkdir $dir or die;
chmod 0777, $dir or die;

# "NAME OPTIONS" of sets, each required in a location of its name.

sub conf {
    my ($listen, @sets) = @_;

    my ($sets, $locations) = ('', '');

    for my $set (@sets) {
        my ($name, $options) = split ' ', $set, 2;

        $sets .= "recs_set $name redis=main replica=on $options;\n";
        $locations .= "location /$name/ { alias %%TESTDIR%%/html/;"
            . " recs_require $name; }\n";
    }

    return "recs_zone 32m;\n"
        . "recs_redis main { server %%REDIS%%; timeout 300ms; }\n"
        . "${sets}server { listen %%$listen%%; default_type application/json;\n"
        . "recs on; recs_lookup_timeout 500ms; recs_tag both;\n"
        . "location = /ready { recs_ready; }\n"
        . "location = /status { recs_status; }\n$locations}\n";
}

# Each of the ids in an entry of its own.

sub change {
    my ($op, @changed) = @_;

    $redis->pipeline(['MULTI'], map({(
        [$op eq 'add' ? 'SADD' : 'SREM', 'stock', $_],
        ['XADD', '{stock}:feed', '*', op => $op, ids => encode_json([$_]),
         seq => ++$seq],
    )} @changed), ['EXEC']);
}

# As a job makes it from nothing.

sub fill {
    $redis->cmd('DEL', 'stock', '{stock}:feed', 'plain');
    $seq = 0;
    change('add', @ids);
    $redis->cmd('SADD', 'plain', @ids);
}

# Of the nginx that listens there.

my $port;

sub get { return $t->request('GET', $_[0], { port => $port }) }

sub replica { return get('/status')->json->{sets}{ $_[0] }{replica} }

sub ready { return get('/ready')->body }

# What is left of the page, and what the header says of the set.

sub page {
    my ($set) = @_;

    my $r = get("/$set/page.json");
    my ($state) = $r->header('Recs-Filter') =~ /\A(\w+)/;

    return join(' ', map { substr $_->{id}, 1 } @{ $r->json->{items} })
        . " $state " . $r->header('Recs-Sets') =~ s/age=\d+/age/r;
}

sub becomes {
    my ($set, $want, $name) = @_;

    my $got;
    wait_until(sub { ($got = page($set)) eq $want });
    is $got, $want, $name;
}

sub fresh {
    my ($set, $ids, $name) = @_;

    my $removed = 30 - split ' ', $ids;
    becomes($set, "$ids filtered $set;age;removed=$removed", $name);
}

sub held {
    my ($set, $ids, $why, $name) = @_;

    my $removed = 30 - split ' ', $ids;
    becomes($set, "$ids stale $set;age;stale;why=$why;removed=$removed", $name);
}

# A line of the log.

sub said {
    my ($nginx, $level, $what) = @_;

    like $nginx->error_log, qr/\Q$level\E \S+ \Q$what\E$/m, $what;
}

# How often the log says so.

sub lines { return scalar(() = $_[0]->error_log =~ /$_[1]/g) }


my @sets = (
    "stock key=stock 'feed={stock}:feed' resync=1s image=$dir/stock",
    "plain key=plain resync=300ms image=$dir/plain",
    'long key=stock "feed={stock}:feed" resync=1h',
);

fill();

my $nginx = $t->nginx(workers => 2, reloads => 0,
                      http => conf('LISTEN', @sets));

ok wait_until(sub { ready() eq "ready\n" }), 'ready';
ok wait_until(sub { -e "$dir/$_" }), "the image of $_" for qw(stock plain);


# The drills: what happens to Redis, and what it has then.

my %drills = (
    FLUSHALL => sub { $redis->cmd('FLUSHALL') },
    DEL => sub { $redis->cmd('DEL', 'stock', 'plain') },
    'DEL of the feed, too' => sub {
        $redis->cmd('DEL', 'stock', '{stock}:feed', 'plain');
    },
    'an empty restart' => sub { $redis->restart(empty => 1) },
    eviction => sub { $redis->evict_all },
);

for my $drill (sort keys %drills) {
    subtest $drill => sub {
        my %before = map {
            $_ => lines($nginx, qr/recs_set "$_": "$_" of redis/)
        } qw(stock plain);
        my %image = map { $_ => slurp("$dir/$_") } qw(stock plain);

        $drills{$drill}->();

        for my $set ('stock', 'plain') {
            my %shown;
            ok wait_until(sub {
                $shown{ page($set) =~ s/ (?:filtered|stale) .*//r } = 1;
                return replica($set)->{state} eq 'held';
            }), "$set: held back";
            is_deeply [keys %shown], [$stock], 'all that it had is shown';

            $redis->reset_calls;
            held($set, $stock, 'absent', 'the last good one answers, stale');
            is $redis->calls('smismember'), 0, 'Redis is not asked';

            my $tag = get("/$set/page.json")->json->{_recs}{sets}{$set};
            is $tag->{why}, 'absent', 'the body says why';
            ok $tag->{stale}, 'and that it is stale';

            my ($replica, $age) = (replica($set), $tag->{age});
            is_deeply [@{ $replica->{held} }{qw(why had now)}],
                ['absent', 20, 0], 'the status says what is held back';
            cmp_ok abs(time - $replica->{held}{since}), '<=',
                Recs::Mode::patience(20), 'and since when';
            is $replica->{ids}, 20, 'all ids are there';
            ok wait_until(sub { replica($set)->{age} > $age }), 'it ages';
            is lines($nginx, qr/recs_set "$set": "$set" of redis/),
               $before{$set} + 1, 'one line in the log';
        }

        is get('/ready')->status, 503, 'not ready';
        like ready(),
             qr/^recs_set "stock": held, Redis has 0 ids, 20 stay, \d+ms/m,
             'which says why';

        is slurp("$dir/$_"), $image{$_}, "the image of $_ stays"
            for keys %image;

        fill();

        fresh($_, $stock, "$_ heals by itself") for qw(stock plain);
        is replica($_)->{held}, undef, 'which the status says'
            for qw(stock plain);
        ok wait_until(sub { ready() eq "ready\n" }), 'ready again';
    };
}


subtest 'the lines in the log' => sub {
    said($nginx, '[error]', 'recs_set "plain": "plain" of redis "main" is'
         . ' absent: its 20 ids stay');
};


subtest 'another leader, while it is held back' => sub {
    $redis->cmd('DEL', 'stock', 'plain');
    held($_, $stock, 'absent', "$_ is held back") for qw(stock plain);
    my $before = lines($nginx, qr/of redis "main" is absent/);
    my $leader = replica('stock')->{leader};

    $t->expect_kills;
    kill 'KILL', $leader;
    ok wait_until(sub { replica('stock')->{leader} != $leader }), 'it leads';
    my $looks = replica('stock')->{failures};
    ok wait_until(sub { replica('stock')->{failures} > $looks }), 'and looks';

    held($_, $stock, 'absent', "$_ is as it was") for qw(stock plain);
    is lines($nginx, qr/of redis "main" is absent/), $before,
       'which is nothing new for the log';

    ok $nginx->reload, 'a reload';
    held($_, $stock, 'absent', "$_ is as it was") for qw(stock plain);

    fill();
    fresh($_, $stock, "$_ heals") for qw(stock plain);
};


subtest 'nginx starts anew, while Redis is down, or empty' => sub {
    $redis->cmd('DEL', 'stock', 'plain');
    held($_, $stock, 'absent', "$_ is held back") for qw(stock plain);

    $nginx->quit;
    $redis->kill;
    $nginx->start;

    held($_, $stock, 'down', "$_ is that of its image") for qw(stock plain);
    is get('/ready')->status, 503, 'not ready';

    $redis->start;

    held($_, $stock, 'absent', "$_ is so still with an empty Redis")
        for qw(stock plain);
    ok wait_until(sub { replica('stock')->{state} eq 'held' }), 'held back';

    $nginx->quit;
    $nginx->start;

    held($_, $stock, 'absent', "$_ is that of its image") for qw(stock plain);

    fill();
    fresh($_, $stock, "$_ heals") for qw(stock plain);
    ok wait_until(sub { ready() eq "ready\n" }), 'ready';
};


# Until they are believed no page shows anything else.

subtest 'few ids are looked at again' => sub {
    my $few = join ' ', 1 .. 9;
    my %before = map { $_ => lines($nginx, qr/"$_".* has 9 ids now, after 20/) }
                 qw(stock plain);

    # Unknown to the feed.
    $redis->cmd('SREM', $_, map { "i$_" } 10 .. 20) for 'stock', 'plain';

    for my $set ('stock', 'plain') {
        my %shown;
        ok wait_until(sub {
            $shown{ page($set) =~ s/ (?:filtered|stale) .*//r } = 1;
            return $shown{$few};
        }), "$set: what stays so is believed";
        is_deeply [grep { $_ ne $few && $_ ne $stock } keys %shown], [],
           'and until then all are shown';
        fresh($set, $few, 'it is fresh');
        is lines($nginx, qr/"$set".* has 9 ids now, after 20/),
           $before{$set} + 1, 'one line in the log';
    }

    said($nginx, '[error]', 'recs_set "stock": "stock" of redis "main" has'
         . ' suddenly 9 ids: its 20 ids stay for 1000ms');
    said($nginx, '[error]', 'recs_set "plain": "plain" of redis "main" has'
         . ' suddenly 9 ids: its 20 ids stay for 300ms');
    said($nginx, '[warn]', 'recs_set "plain" has 9 ids now, after 20: there'
         . ' have been so few for a while');

    fill();
    fresh($_, $stock, 'more are believed at once') for qw(stock plain);
};


subtest 'what comes back in time' => sub {
    fresh('long', $stock, 'as it was');
    $redis->cmd('SREM', 'stock', map { "i$_" } 2 .. 20);
    $redis->cmd('DEL', '{stock}:feed');

    held('long', $stock, 'shrunk', 'one id is left');
    is_deeply [@{ replica('long')->{held} }{qw(why had now)}],
        ['shrunk', 20, 1], 'the status';
    like ready(), qr/^recs_set "long": held, Redis has 1 ids, 20 stay, \d+ms/m,
         'not ready';

    $redis->cmd('SADD', 'stock', map { "i$_" } 2 .. 9);
    ok wait_until(sub { replica('long')->{held}{now} == 9 }), 'nine are';
    held('long', $stock, 'shrunk', 'which are too few');
    $redis->cmd('SADD', 'stock', 'i10');
    fresh('long', join(' ', 1 .. 10), 'half of them are no shrinking');

    fill();
    fresh($_, $stock, "$_: all") for qw(stock long);
};


subtest 'what the feed says is believed' => sub {
    change('rem', map { "i$_" } 2 .. 20);
    fresh('stock', '1', 'id by id');
    change('rem', 'i1');
    held('stock', '1', 'absent', 'but the last one: its key is absent');
    is replica('stock')->{resyncs}{few}, 1, 'the status counts it';
    change('add', 'i5');
    fresh('stock', '5', 'it heals');

    change('add', @ids);
    fresh('stock', $stock, 'filled');
    change('rem', @ids);
    $redis->pipeline(['MULTI'],
        ['SADD', 'stock', 'i21', 'i22'],
        ['XADD', '{stock}:feed', '*', op => 'add', ids => '["i21","i22"]',
         seq => ++$seq], ['EXEC']);
    becomes('stock', '21 22 filtered stock;age;removed=28',
            'all go, and others come');

    fill();
    fresh('stock', $stock, 'as it was');
};


subtest 'of another type' => sub {
    $redis->cmd('DEL', 'stock', 'plain', '{stock}:feed');
    $redis->cmd('SET', $_, 'x') for 'stock', 'plain';
    held($_, $stock, 'error', "$_: Redis answers with an error")
        for qw(stock plain);
    $redis->cmd('DEL', 'stock', 'plain');
    held($_, $stock, 'absent', "$_ is absent") for qw(stock plain);
    fill();
    fresh($_, $stock, "$_ heals") for qw(stock plain);
};

$nginx->quit;


# Nothing was ever loaded: there is no answer, and no page is emptied.

subtest 'a wrong key, from the start' => sub {
    $port = 'COLD';

    my $cold = $t->nginx(name => 'cold', reloads => 0, http => conf(
        'LISTEN_COLD',
        "stock key=stcok 'feed={stcok}:feed' image=$dir/stock",
        'strict key=strict unknown=drop',
        'few key=plain min_members=21 resync=300ms',
        'empty key=nothing absent=empty resync=300ms'));

    my $unknown = 'degraded stock;unknown;why=absent';
    my $image = slurp("$dir/stock");

    becomes('stock', "$all $unknown", 'all items, degraded');
    becomes('strict', ' degraded strict;unknown;why=absent;removed=30',
            'or none, by unknown=drop');
    becomes('few', "$all degraded few;unknown;why=absent", 'too few');
    fresh('empty', '', 'an empty set, for who says so');

    ok wait_until(sub { replica('few')->{state} eq 'held' }), 'held back';
    is_deeply [@{ replica('few')->{held} }{qw(why had now)}], ['few', 0, 20],
        'the status';
    is replica('few')->{age}, undef, 'no age';
    is get('/ready')->status, 503, 'not ready';
    like ready(), qr/^recs_set "few": never loaded, held, Redis has 20 ids$/m,
         'which says why';
    unlike ready(), qr/"empty"/, 'the empty one is';
    said($cold, '[error]', 'recs_set "stock": "stcok" of redis "main" is'
         . ' absent: there is no replica, the set gives no answer');
    said($cold, '[error]', 'recs_set "few": "plain" of redis "main" has 20'
         . ' ids, fewer than "min_members=21": there is no replica, the set'
         . ' gives no answer');

    $redis->cmd('SADD', 'plain', 'i21');
    fresh('few', "$stock 21", 'enough');
    $redis->cmd('SREM', 'plain', 'i21');
    held('few', "$stock 21", 'absent', 'too few again');
    $redis->cmd('SADD', 'nothing', 'i1');
    fresh('empty', '1', 'no more');

    $cold->quit;
    is slurp("$dir/stock"), $image, 'the image of another key stays';
};


# By mistake, which no count can tell: what it removes does.

subtest 'everything recalled' => sub {
    $port = 'RECALLED';

    my $options = 'recalled key=recalled "feed={recalled}:feed" resync=300ms'
                  . ' max_removed=50% min_asked=30';
    my $start = sub {
        return $t->nginx(name => 'recalled', reloads => 0,
            http => conf('LISTEN_RECALLED', "$options @_")
                    =~ s/recs_require/recs_exclude/r);
    };
    my $nginx = $start->('window=1s');
    my $kept = join ' ', 2 .. 30;

    $redis->cmd('SADD', 'recalled', 'i1');
    becomes('recalled', "$kept filtered recalled;age;removed=1", 'one is');

    $redis->pipeline(['MULTI'], ['SADD', 'recalled', map { "i$_" } 1 .. 30],
        ['XADD', '{recalled}:feed', '*', op => 'add', seq => 1,
         ids => encode_json([map { "i$_" } 1 .. 30])], ['EXEC']);

    my $got;
    ok wait_until(sub {
        $got = page('recalled');
        return $got =~ /\A$all degraded recalled;.*unknown;why=distrusted/;
    }), 'all are: the page is full, and degraded' or diag $got;

    $redis->pipeline(['MULTI'], ['SREM', 'recalled', map { "i$_" } 2 .. 30],
        ['XADD', '{recalled}:feed', '*', op => 'rem', seq => 2,
         ids => encode_json([map { "i$_" } 2 .. 30])], ['EXEC']);
    becomes('recalled', "$kept filtered recalled;age;removed=1",
            'it is trusted again');

    $redis->pipeline(['MULTI'], ['SADD', 'recalled', map { "i$_" } 1 .. 30],
        ['XADD', '{recalled}:feed', '*', op => 'add', seq => 3,
         ids => encode_json([map { "i$_" } 1 .. 30])], ['EXEC']);
    ok wait_until(sub { page('recalled') =~ /distrusted/ }), 'all once more';

    $redis->cmd('DEL', 'recalled', '{recalled}:feed');
    ok wait_until(sub { replica('recalled')->{state} eq 'held' }), 'then gone';
    ok wait_until(sub {
        $got = page('recalled');
        return $got =~ /\A$all degraded recalled;age;unknown;why=distrusted/;
    }), 'what is kept is distrusted, too' or diag $got;

    $redis->cmd('SADD', 'recalled', 'i1');
    becomes('recalled', "$kept filtered recalled;age;removed=1", 'it heals');
    $nginx->quit;

    my $kept_image = "image=$dir/recalled window=1h";
    $nginx = $start->($kept_image);
    $redis->cmd('SADD', 'recalled', map { "i$_" } 1 .. 30);
    ok wait_until(sub { page('recalled') =~ /distrusted/ }), 'with an image';
    ok wait_until(sub { -e "$dir/recalled" }), 'which was written';
    $nginx->quit;

    $redis->stop;
    $nginx = $start->($kept_image);
    ok wait_until(sub { ready() !~ /never loaded/ }), 'its image is read';
    like page('recalled'),
        qr/\A$all degraded recalled;age(?:;stale)?;unknown;why=distrusted\z/,
        'after a start without Redis';
    like ready(), qr/"recalled": unknown for \d+s, distrusted/, 'not ready';
    $nginx->quit;
    $redis->start;
    fill();
};


# One that was written when an absent key was an empty set.

subtest 'an image of too few ids' => sub {
    $port = 'SMALL';

    my $small = sub {
        return conf('LISTEN_SMALL', "small key=small resync=300ms $_[0]"
                                    . " image=$dir/small");
    };

    my $other = $t->nginx(name => 'small', reloads => 0,
                          http => $small->('absent=empty'));
    fresh('small', '', 'empty');
    ok wait_until(sub { -e "$dir/small" }), 'its image';
    $other->quit;
    $redis->stop;

    $other = $t->nginx(name => 'less', reloads => 0,
                       http => $small->('absent=unknown'));
    becomes('small', "$all degraded small;unknown;why=down", 'is not used');
    said($other, '[warn]', qq(recs_set "small": the image "$dir/small" is)
         . ' refused: it holds fewer ids than "min_members="');
    $other->quit;
    $redis->start;
};


$t->done;
