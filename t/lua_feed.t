use strict;
use warnings;

# recs_add and recs_remove of conf/recs.lua on a real Redis: a set and its feed
# change together, or not at all; on a cluster, too.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new(module => 0);
my $library = slurp($t->root . '/conf/recs.lua');

my $redis = $t->redis(kind => 'plain');     # a cluster comes below
is $redis->cmd('FUNCTION', 'LOAD', $library), 'recs', 'it loads';


subtest 'a set' => sub {
    fresh();

    is add('b1', 'b2'), 2, 'both are new';
    is add('b2', 'b3', 'b3'), 1, 'one is';
    is add('b1'), 0, 'none is';
    is take('b2', 'b9'), 1, 'one was there';
    is take('b2'), 0, 'none was';

    is_deeply members(), [qw(b1 b3)], 'the set';
    is_deeply [feed()], [
        { op => 'add', ids => ['b1', 'b2'], seq => 1 },
        { op => 'add', ids => ['b3'], seq => 2 },
        { op => 'rem', ids => ['b2'], seq => 3 },
    ], 'and its feed, which says what changed only';

    is take('b1', 'b3'), 2, 'the last ones';
    is $redis->cmd('EXISTS', 'stock'), 0, 'leave no set';
    is take('b1'), 0, 'nor anything to take away';
    is add('b1'), 1, 'it is made again';
    is +(feed())[-1]{seq}, 5, 'and the feed goes on';
};


subtest 'scores' => sub {
    for my $type ('zset', 'hash') {
        fresh();

        is add('type=' . $type, 1.5, 'b1', 2, 'b2'), 2, "$type: both are new";
        is add('type=' . $type, 1.5, 'b1', -3e2, 'b2'), 1, 'one has another';
        is add('type=' . $type, 1, 'b4', 2, 'b4'), 2, 'twice';
        is take('b1', 'b3'), 1, 'taken away';

        my %scores = $type eq 'hash' ? @{ $redis->cmd('HGETALL', 'stock') }
            : @{ $redis->cmd('ZRANGE', 'stock', 0, -1, 'WITHSCORES') };
        is_deeply \%scores, { b2 => -300, b4 => 2 }, 'what is there';
        is_deeply [feed()], [
            { op => 'add', ids => ['b1', 'b2'], seq => 1, scores => [1.5, 2] },
            { op => 'add', ids => ['b2'], seq => 2, scores => [-300] },
            { op => 'add', ids => ['b4', 'b4'], seq => 3, scores => [1, 2] },
            { op => 'rem', ids => ['b1'], seq => 4 },
        ], 'the feed';
    }

    # As it was given: a float of 64 bits has more digits than cjson shows.
    add('type=hash', '1795305600.1234567', 'b5');
    like raw()->{scores}, qr/^\[1795305600\.1234567\]\z/, 'all digits';

    for my $score ('0', '-0', '0.5', '1e5', '1E+5', '-12.25e-3', '9' x 300) {
        fresh();
        is add('type=zset', $score, 'b1'), 1, "$score is a score";
        is raw()->{scores}, "[$score]", 'as it came';
    }
};


subtest 'any id' => sub {
    my @ids = ('a b', '--', 'maxlen=5', '"\\/', "\0\n\x7f", "[{'", '7',
               "\xc3\xa4", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbd",
               "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", 'x' x 5000);

    fresh();
    is add('--', @ids), @ids, 'is added';
    is_deeply members(), [sort @ids], 'to the set';
    is_deeply raw_ids(), \@ids, 'and the feed';
    is take('maxlen=9', '--', @ids), @ids, 'and taken away';
    is_deeply raw_ids(), \@ids, 'in the feed, too';

    for my $bad ("\xff", "\xc3", "\xa4", "\xc3\xc3\xa4", "a\xc0\x80",
                 "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                 "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xe2\x82\xc3\xa4")
    {
        my $hex = unpack 'H*', $bad;
        fresh();
        like refused('recs_add', 'b1', $bad), qr/^ERR .* is not UTF-8\z/,
            "$hex is none";
        like refused('recs_remove', $bad), qr/ is not UTF-8\z/, 'nor there';
        is $redis->cmd('DBSIZE'), 0, 'nothing is written';
    }
};


subtest 'many ids' => sub {
    fresh();
    my @ids = map { "b$_" } 1 .. 20_500;

    is add(@ids), 20_500, 'are added';
    is $redis->cmd('SCARD', 'stock'), 20_500, 'all';

    my @feed = feed();
    is_deeply [map { scalar @{ $_->{ids} } } @feed], [(1000) x 20, 500],
        'in entries of 1000';
    is_deeply [map { $_->{seq} } @feed], [1 .. 21], 'a seq each';
    is_deeply [map { @{ $_->{ids} } } @feed], \@ids, 'in order';

    is add('type=zset', map { ($_, "b$_") } 1 .. 2500), 2500, 'with scores'
        if fresh();
    @feed = feed();
    is_deeply [map { $_->{ids}[-1] . '=' . $_->{scores}[-1] } @feed],
        ['b1000=1000', 'b2000=2000', 'b2500=2500'], 'each with its own';
};


subtest 'the feed is trimmed' => sub {
    fresh();
    add('maxlen=50', "b$_") for 1 .. 500;

    my $len = $redis->cmd('XLEN', 'stock:feed');
    cmp_ok $len, '>=', 50, 'not too much';
    cmp_ok $len, '<', 300, 'but it is';
    is raw()->{seq}, 500, 'the seq goes on';
    take('maxlen=1', "b$_") for 1 .. 300;
    cmp_ok $redis->cmd('XLEN', 'stock:feed'), '<', 200, 'removing, too';

    $redis->cmd('XTRIM', 'stock:feed', 'MAXLEN', 0);
    add('b1');
    is raw()->{seq}, 1, 'an empty feed begins anew';
};


subtest 'calls that are wrong' => sub {
    my @both = ('stock', 'stock:feed');
    my $two = '2 keys are needed: a set and its feed';

    for my $case (
        [\@both, [], 'ids are needed'],
        [\@both, ['--'], 'ids are needed'],
        [\@both, ['maxlen=5'], 'ids are needed'],
        [\@both, ['b1', ''], 'an id is empty'],
        [\@both, ['maxlen=0', 'b1'], 'maxlen=0: how many entries, 1 or more'],
        [\@both, ['maxlen=1e3', 'b1'], qr/^maxlen=1e3: /],
        [\@both, ['maxlen=1000000000', 'b1'], qr/^maxlen=1000000000: /],
        [\@both, ['maxlen=', 'b1'], 'maxlen= is empty'],
        [\@both, ['maxlen=1', 'maxlen=1', 'b1'], 'maxlen= comes twice'],
        [\@both, ['maxlne=5', 'b1'], 'argument "maxlne=5" is not known'],
        [['stock'], ['b1'], $two],
        [['stock', 'stock'], ['b1'], $two],
        [[@both, 'x'], ['b1'], $two],
        [['string', 'stock:feed'], ['b1'],
            qr/^"string" is a string, not a set/],
        [['stock', 'string'], ['b1'], '"string" is a string, not a stream'],
        [['stock', 'stream'], ['b1'],
            '"stream" is no feed: its last entry has no seq'],
        [['stock', 'silly'], ['b1'],
            '"silly" is no feed: its last entry has no seq'],
    ) {
        my ($keys, $args, $want) = @$case;

        for my $name ('recs_add', 'recs_remove') {
            wrong($name, $keys, $args, $want);
        }
    }

    my $pairs = 'scores and ids are needed, in turn';

    for my $case (
        [['type=list', 'b1'], 'type=list: set, zset or hash'],
        [['type=', 'b1'], 'type= is empty'],
        [['type=zset'], $pairs],
        [['type=zset', 'b1'], $pairs],
        [['type=hash', 1, 'b1', 2], $pairs],
        [['type=hash', 1, ''], 'an id is empty'],
        map({ [['type=hash', $_, 'b1'], 'score "' . tr/\n/?/r
                                        . '" is not a number'] }
            '', 'x', 'inf', '-inf', 'nan', '+1', '.5', '1.', '01', '0x10',
            '1e', '1e400', '1 ', "1\n", '1,2', '--1', '1.5.5', '1e5e5'),
    ) {
        wrong('recs_add', \@both, @$case);
    }

    wrong('recs_remove', \@both, ['type=set', 'b1'],
          'argument "type=set" is not known');

    fresh();
    add('b1');
    is refused('recs_add', 'type=zset', 1, 'b2'),
        'ERR recs_add: "stock" is a set, not a zset', 'another type';
    is_deeply [feed()], [{ op => 'add', ids => ['b1'], seq => 1 }], 'nothing';
};


subtest 'a Redis that is full' => sub {
    fresh();
    add('b1', 'b2');
    $redis->cmd('CONFIG', 'SET', 'maxmemory', 1);
    like refused('recs_add', 'b3'), qr/^OOM /, 'takes nothing';
    is take('b1'), 1, 'but something away';
    $redis->cmd('CONFIG', 'SET', 'maxmemory', 0);

    is_deeply members(), ['b2'], 'the set';
    is_deeply [map { $_->{op} } feed()], ['add', 'rem'], 'the feed';
};


subtest 'a cluster' => sub {
    my $one = $t->redis(name => 'one', tcp => 1,
                        config => 'cluster-enabled yes');
    $one->cmd('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
    ok wait_until(sub {
        $one->cmd('CLUSTER', 'INFO') =~ /^cluster_state:ok/m
    }, 20), 'is well';
    $one->cmd('FUNCTION', 'LOAD', $library);

    is $one->cmd('FCALL', 'recs_add', 2, 'stock', '{stock}:feed', 'b1'), 1,
        'keys of one slot';
    like $one->refuse('FCALL', 'recs_add', 2, 'stock', 'stock:feed', 'b1'),
        qr/^CROSSSLOT /, 'keys of two';
};


$t->done;


sub fresh { return $redis->cmd('FLUSHALL') }

sub add  { return $redis->cmd(call('recs_add', @_)) }
sub take { return $redis->cmd(call('recs_remove', @_)) }

sub refused { return $redis->refuse(call(@_)) }


sub call {
    my ($name, @args) = @_;

    return ('FCALL', $name, 2, 'stock', 'stock:feed', @args);
}


# A call is refused with these words, and nothing is written.

sub wrong {
    my ($name, $keys, $args, $want) = @_;

    fresh();
    $redis->cmd('SET', 'string', 'x');
    $redis->cmd('XADD', 'stream', '*', 'op', 'add', 'ids', '["b1"]');
    $redis->cmd('XADD', 'silly', '*', 'seq', '-1');

    my $error = $redis->refuse('FCALL', $name, scalar @$keys, @$keys, @$args);
    my $title = "$name @$args" =~ s/[^ -~]/?/gr;

    if (ref $want) {
        like $error =~ s/^ERR $name: //r, $want, $title;
    } else {
        is $error, "ERR $name: $want", $title;
    }

    is $redis->cmd('DBSIZE'), 3, 'nothing is written';
}


sub members { return [sort @{ $redis->cmd('SMEMBERS', 'stock') }] }


# Entries of the feed, without their ids.

sub feed {
    return map {
        my %entry = @{ $_->[1] };
        +{ %entry, map { $_ => decode_json($entry{$_}) }
                  grep { $entry{$_} } 'ids', 'scores' }
    } @{ $redis->cmd('XRANGE', 'stock:feed', '-', '+') };
}


# The fields of the last one, as they are.

sub raw {
    my $last = $redis->cmd('XREVRANGE', 'stock:feed', '+', '-', 'COUNT', 1);

    return { @{ $last->[0][1] } };
}


# The ids in it, as bytes.

sub raw_ids {
    my $ids = decode_json(raw()->{ids});

    utf8::encode($_) for @$ids;
    return $ids;
}
