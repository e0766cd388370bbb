use strict;
use warnings;

# conf/recs.lua on a real Redis: versions are published, refused and rolled
# back, all or nothing; on a cluster and its replicas, too.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Recs::Process qw(slurp free_port);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new(module => 0);
my $library = slurp($t->root . '/conf/recs.lua');

my @KEYS = ('{home}:channel:active', '{home}:history', '{home}:rolled_back');

our $redis = $t->redis(tcp => 1);      # the one that calls go to
is $redis->cmd('FUNCTION', 'LOAD', $library), 'recs', 'it loads';
is $redis->cmd('FUNCTION', 'LOAD', 'REPLACE', $library), 'recs', 'again';


subtest 'publish' => sub {
    fresh();
    my $events = listen_to($redis, 'home:events');
    my $before = time;

    is publish('v1', 'who=batch 7'), undef, 'there was none before';
    is active(), 'v1', 'active';
    is publish('v2'), 'v1', 'v1 was before';
    is active(), 'v2', 'active';

    is publish('v2'), 'v2', 'once more';
    is scalar(history()), 2, 'adds no entry';

    my ($second, $first) = history();
    my $time = delete $first->{time};
    cmp_ok $time, '>=', $before, 'when';
    cmp_ok $time, '<=', time + 1, 'when';
    is_deeply $first, { event => 'publish', channel => 'active',
                        version => 'v1', previous => undef,
                        who => 'batch 7' }, 'the first';
    is $second->{previous}, 'v1', 'the second';
    is $second->{who}, '', 'by nobody';

    publish_in('canary', 'v3');
    is active('canary'), 'v3', 'another channel';
    is active(), 'v2', 'leaves this one';

    is_deeply [map { event($events) } 1 .. 3], [
        { channel => 'active', version => 'v1', event => 'publish' },
        { channel => 'active', version => 'v2', event => 'publish' },
        { channel => 'canary', version => 'v3', event => 'publish' },
    ], 'an event each';
    $events->close;
};


subtest 'coverage' => sub {
    for my $case (
        [294, 300, undef, 'v1 has 294 of 300 rows, 98.00%; 99.00% is needed'],
        [297, 300, undef],
        [296, 300, undef, 'v1 has 296 of 300 rows, 98.66%; 99.00% is needed'],
        [294, 300, '98%'],
        [995, 1000, '99.5%'],
        [994, 1000, '99.5%', 'v1 has 994 of 1000 rows, 99.40%; '
                             . '99.50% is needed'],
        [9999, 10000, '100%', 'v1 has 9999 of 10000 rows, 99.99%; '
                              . '100.00% is needed'],
        [10000, 10000, '100%'],
        [0, 10, '0%'],
        [301, 300, '100%'],
        [999_999_999_998, 999_999_999_999, '99.99%'],
    ) {
        my ($written, $expected, $min, $error) = @$case;

        fresh();
        describe('v1', written => $written, expected => $expected);

        my @args = defined $min ? "min_coverage=$min" : ();
        is refused('v1', @args),
            defined $error ? "INCOMPLETE recs_publish: $error" : undef,
            "$written of $expected" . (defined $min ? ", $min" : '');
        untouched() if defined $error;
    }

    for my $bad ('99', '101%', '-1%', '99,5%', '99.555%', '%', '1e2%',
                 '0000099%') {
        fresh();
        like refused('v1', "min_coverage=$bad"),
            qr/^ERR recs_publish: min_coverage=\Q$bad\E/, "min_coverage=$bad";
        untouched();
    }
};


subtest 'descriptors' => sub {
    my $long = 'x' x 128;
    my $past = time - 3600;
    my $ahead = time + 90_000;
    my $milli = time * 1000;

    for my $case (
        [[state => undef], 'INCOMPLETE', 'v1 has state "", not "complete"'],
        [[state => 'loading'], 'INCOMPLETE',
            'v1 has state "loading", not "complete"'],
        (map { [[$_ => undef], 'REFUSED', "v1 has no $_"] }
            qw(model schema features generated_at expected written)),
        [[model => ''], 'REFUSED', 'v1 has no model'],
        [[model => $long], 'REFUSED', 'v1 has model "' . substr($long, 1)
            . '...": at most 127 bytes of printable ASCII'],
        [[schema => "a\r\nb"], 'REFUSED', 'v1 has schema "a??b": at most 127 '
            . 'bytes of printable ASCII'],
        [[features => "\xc3\xa9"], 'REFUSED', 'v1 has features "??": at most '
            . '127 bytes of printable ASCII'],
        (map { [[written => $_], 'REFUSED',
                "v1 has written \"$_\": a whole number"] }
            '-1', '1.5', '1e3', '0x10', ' 300', '1' x 13),
        [[expected => '0'], 'REFUSED', 'v1 expects no row'],
        [[generated_at => $milli], 'REFUSED',
            "v1 has generated_at \"$milli\": a whole number"],
        [[generated_at => $ahead], 'REFUSED', "v1 has generated_at $ahead, "
            . 'which is to come: unix seconds, or a date of RFC 3339'],
        [[generated_at => '2126-11-22T00:00:00Z'], 'REFUSED', 'v1 has '
            . 'generated_at 2126-11-22T00:00:00Z, which is to come: unix '
            . 'seconds, or a date of RFC 3339'],
        [[generated_at => 'yesterday'], 'REFUSED',
            'v1 has generated_at "yesterday": a whole number'],
        [[max_age => 'long'], 'REFUSED',
            'v1 has max_age "long": a whole number'],
        [[max_age => 0], 'REFUSED',
            'v1 has max_age 0: one that does not expire has none'],
        [[generated_at => $past, max_age => 3000], 'REFUSED',
            qr/^v1 expired 60\d s ago \(generated_at $past, max_age 3000\)/],
        [[generated_at => '2026-11-01T12:00:00+02:00', max_age => 60],
            'REFUSED', qr/^v1 expired \d+ s ago \(generated_at 1793527200,/],
        [[max_age => undef]],
        [[generated_at => '2025-11-22T10:00:00Z', max_age => undef]],
        [[model => 'x' x 127, max_age => 999_999_999_999]],
        [[other => "any\0thing"]],
    ) {
        my ($fields, $code, $text) = @$case;
        my %fields = @$fields;

        fresh();
        describe('v1', %fields);

        my $name = join ', ', map {
            $_ . '=' . substr($fields{$_} // '(none)', 0, 20)
        } sort keys %fields;
        my $error = refused('v1');

        if (!defined $code) {
            is $error, undef, $name;
        } elsif (ref $text) {
            like $error =~ s/^REFUSED recs_publish: //r, $text, $name;
            untouched();
        } else {
            is $error, "$code recs_publish: $text", $name;
            untouched();
        }
    }

    fresh();
    is refused('v9'), 'REFUSED recs_publish: v9 has no descriptor: there is '
        . 'no "{home}:v9:meta"', 'none';
};


subtest 'calls that are wrong' => sub {
    my @all = (@KEYS, '{home}:v1:meta');

    for my $case (
        ['recs_publish', [], ['v1'],
            '4 keys are needed: {P}:channel:C {P}:history {P}:rolled_back '
            . '{P}:v1:meta'],
        ['recs_publish', \@KEYS, ['v1'], qr/^4 keys are needed: /],
        ['recs_publish', [@all, 'x'], ['v1'], qr/^4 keys are needed: /],
        ['recs_publish', \@all, [], 'the version is missing'],
        ['recs_publish', \@all, [''], 'the version is missing'],
        ['recs_publish', \@all, ['v 1'], 'version "v 1": letters, digits and '
            . '"._-" make one, at most 64'],
        ['recs_publish', \@all, ["v1\0"], qr/^version "v1\?": /],
        ['recs_publish', \@all, ["v1\n"], qr/^version "v1\?": /],
        ['recs_publish', \@all, ['a' x 65], qr/^version "a{65}": /],
        ['recs_publish', \@all, ['v2'],
            'key 4 is "{home}:v1:meta", not "{home}:v2:meta"'],
        ['recs_publish', \@all, ['v1', 'by=me'],
            'argument "by=me" is not known'],
        ['recs_publish', \@all, ['v1', 'me'], 'argument "me" is not known'],
        ['recs_publish', \@all, ['v1', 'who='], 'who= is empty'],
        ['recs_publish', \@all, ['v1', 'who=a', 'who=b'], 'who= comes twice'],
        ['recs_publish', \@all, ['v1', "who=a\nb"], 'who=a?b: at most 127 '
            . 'bytes without control characters'],
        ['recs_publish', ['home:channel:active', @all[1 .. 3]], ['v1'],
            'key 1 is "home:channel:active", not like '
            . '"{home}:channel:active"'],
        ['recs_publish', ['{}:channel:active', @all[1 .. 3]], ['v1'],
            qr/^key 1 is /],
        ['recs_publish', ['{home}:channel:', @all[1 .. 3]], ['v1'],
            qr/^key 1 is /],
        ['recs_publish', ['{home}:channel:' . 'c' x 65, @all[1 .. 3]], ['v1'],
            qr/^key 1 is /],
        ['recs_publish', [$all[0], '{shop}:history', @all[2, 3]], ['v1'],
            'key 2 is "{shop}:history", not "{home}:history"'],
        ['recs_publish', [@all[0, 1], 'x', $all[3]], ['v1'],
            'key 3 is "x", not "{home}:rolled_back"'],
        ['recs_rollback', [], [], '3 keys are needed: {P}:channel:C '
            . '{P}:history {P}:rolled_back'],
        ['recs_rollback', \@KEYS, ['v1'], qr/^4 keys are needed: /],
        ['recs_rollback', \@all, [], qr/^3 keys are needed: /],
        ['recs_rollback', \@KEYS, ['min_coverage=1%'],
            'argument "min_coverage=1%" is not known'],
        ['recs_history', [], [], 'one key is needed, like "{home}:history"'],
        ['recs_history', ['home:history'], [], qr/^one key is needed/],
        ['recs_history', [$KEYS[1], $KEYS[1]], [], qr/^one key is needed/],
        (map { ['recs_history', [$KEYS[1]], [$_],
                'the one argument is how many entries, 1 or more'] }
            '0', '-1', 'all', '1.5', '', '1' x 10),
        ['recs_history', [$KEYS[1]], [1, 2], qr/^the one argument /],
    ) {
        my ($function, $keys, $args, $text) = @$case;

        fresh();
        describe('v1');
        my $error = $redis->refuse('FCALL', $function, scalar @$keys, @$keys,
                                   @$args) // '';
        my $name = "$function " . substr "@$keys @$args", 0, 100;
        $name =~ s/[^ -~]/?/g;

        if (ref $text) {
            like $error =~ s/^ERR $function: //r, $text, $name;
        } else {
            is $error, "ERR $function: $text", $name;
        }
        untouched();
    }

    for my $i (0 .. 3) {
        fresh();
        describe('v1');
        $redis->cmd('DEL', $all[$i]);
        $redis->cmd($i == 0 || $i == 3 ? 'LPUSH' : 'HSET', $all[$i], 'a', 'b');
        my $is = $i == 0 || $i == 3 ? 'list' : 'hash';
        my $want = (qw(string list set hash))[$i];
        is refused('v1'), "ERR recs_publish: \"$all[$i]\" is a $is, not a "
            . $want, "a $is at $all[$i]";
        is $redis->cmd('TYPE', $all[$i]), $is, 'stays';
        is scalar(keys_of()), $i == 3 ? 1 : 2, 'and nothing is written';
    }
};


subtest 'roll back' => sub {
    fresh();
    publish($_) for qw(v1 v2 v3 v4);
    my $events = listen_to($redis, 'home:events');

    is rollback('who=ann'), 'v3', 'to the one before';
    is active(), 'v3', 'active';
    is_deeply event($events), { channel => 'active', version => 'v3',
                                event => 'rollback' }, 'an event';
    my ($entry) = history();
    delete $entry->{time};
    is_deeply $entry, { event => 'rollback', channel => 'active',
                        version => 'v3', previous => 'v4', who => 'ann' },
        'in the history';

    is refused('v4'), 'REFUSED recs_publish: v4 was rolled back',
        'never again';
    is active(), 'v3', 'stays';

    is rollback(), 'v2', 'twice: another one before';
    is rollback(), 'v1', 'three times';
    is not_rolled_back(), 'NOVERSION recs_rollback: there is none before v1 '
        . 'in channel active that was not rolled back and is still whole',
        'and no further';
    is active(), 'v1', 'stays';
    is_deeply [rolled_back()], [qw(v2 v3 v4)], 'three are marked';

    publish('v5');
    is rollback(), 'v1', 'past those that were rolled back';
    $events->close;
};


subtest 'roll back to what is still there' => sub {
    fresh();
    is not_rolled_back(), 'NOVERSION recs_rollback: channel active has no '
        . 'version', 'nothing was published';

    publish('v1');
    is not_rolled_back(), 'NOVERSION recs_rollback: there is none before v1 '
        . 'in channel active that was not rolled back and is still whole',
        'one was';
    untouched('v1');

    publish($_) for qw(v2 v3 v4 v5 v6);
    publish_in('canary', 'v7');
    $redis->cmd('DEL', '{home}:v5:meta');
    describe('v4', state => 'loading');
    describe('v3', generated_at => time - 100, max_age => 10);
    is rollback(), 'v2', 'past what is gone, incomplete, expired or was '
        . 'active in another channel';

    publish('v8');
    $redis->cmd('LPUSH', '{home}:history', 'no JSON', '[1]', '{}', '"x"',
                '{"channel":"active","version":7}');
    is rollback(), 'v2', 'and past what is no entry';

    fresh();
    publish('v1');
    $redis->cmd('DEL', '{home}:history');
    is not_rolled_back(), 'NOVERSION recs_rollback: there is none before v1 '
        . 'in channel active that was not rolled back and is still whole',
        'no history';
    untouched('v1');
};


subtest 'roll back to a version that is named' => sub {
    fresh();
    publish($_) for qw(v1 v2 v3);

    is rollback_to('v1'), 'v1', 'an older one';
    is_deeply [rolled_back()], ['v3'], 'the one between is not marked';

    publish('v2');
    is rollback_to('v1', 'from=v2', 'who=ann'), 'v1', 'with options';

    my $named = sub { $redis->refuse('FCALL', 'recs_rollback', 4, @KEYS,
                                     "{home}:$_[0]:meta", @_) };
    is $named->('v1'), 'ERR recs_rollback: v1 is the active version', 'active';
    is $named->('v3'), 'REFUSED recs_rollback: v3 was rolled back',
        'rolled back';
    describe('v9');
    is $named->('v9'), 'REFUSED recs_rollback: v9 was never published',
        'never published';
    is $named->('v8'), 'REFUSED recs_rollback: v8 has no descriptor: there is '
        . 'no "{home}:v8:meta"', 'no descriptor';
    is $redis->refuse('FCALL', 'recs_rollback', 4, @KEYS, '{home}:v9:meta',
                      'v8'),
        'ERR recs_rollback: key 4 is "{home}:v9:meta", not "{home}:v8:meta"',
        'the key of another';
    is active(), 'v1', 'all that changed nothing';
    is_deeply [rolled_back()], [qw(v2 v3)], 'at all';

    publish('v4');
    is not_rolled_back('from=v3'), 'NOVERSION recs_rollback: channel active '
        . 'has v4, not v3', 'somebody was here before';
    is rollback('from=v4'), 'v1', 'nobody was';

    publish_in('canary', 'v5');
    is $redis->cmd('FCALL', 'recs_rollback', 4, '{home}:channel:canary',
                   @KEYS[1, 2], '{home}:v1:meta', 'v1'), 'v1',
        'a channel goes to what another one had';

    # Its coverage was good enough for who published it.
    fresh();
    describe('v1', written => 200);
    publish_as_is('v1', 'min_coverage=60%');
    publish('v2');
    is rollback(), 'v1', 'the coverage is not judged again';
};


subtest 'history' => sub {
    fresh();
    is_deeply [history(5)], [], 'empty';

    publish("v$_") for 1 .. 30;
    is_deeply [map { $_->{version} } history(3)], [qw(v30 v29 v28)],
        'newest first';
    is scalar(history()), 10, '10, if no number is given';
    is scalar(history(100)), 30, 'all there are';

    $redis->cmd('RPUSH', $KEYS[1], map { "old $_" } 1 .. 970);
    is $redis->cmd('LLEN', $KEYS[1]), 1000, 'full';
    publish('v31');
    is $redis->cmd('LLEN', $KEYS[1]), 1000, 'trimmed';
    is $redis->cmd('LINDEX', $KEYS[1], -1), 'old 969', 'the oldest went';
    is((history(1))[0]{version}, 'v31', 'the newest came');

    fresh();
    describe('v1');
    publish_as_is('v1', qq(who=a "b" \\ \xc3\xa9));
    is((history(1))[0]{who}, "a \"b\" \\ \x{e9}", 'any name');
};


subtest 'a Redis that is full' => sub {
    fresh();
    publish($_) for qw(v1 v2);
    describe('v3');
    $redis->cmd('CONFIG', 'SET', 'maxmemory', 1);
    like refused('v3'), qr/^OOM /, 'nothing is published';
    is active(), 'v2', 'stays';
    is rollback(), 'v1', 'but rolled back';
    $redis->cmd('CONFIG', 'SET', 'maxmemory', 0);
};


subtest 'a replica' => sub {
    fresh();
    my $replica = $t->redis(name => 'replica', tcp => 1, config =>
        "replicaof 127.0.0.1 " . $redis->port . "\nrepl-diskless-sync-delay 0");
    in_sync($replica);
    my $events = listen_to($replica, 'home:events');

    publish($_) for qw(v1 v2 v3);
    rollback();
    in_sync($replica);

    is_deeply everything($replica), everything($redis), 'has the same';
    is_deeply [map { event($events)->{version} } 1 .. 4], [qw(v1 v2 v3 v2)],
        'and says so';
    is_deeply [$replica->cmd('FCALL_RO', 'recs_history', 1, $KEYS[1])],
        [$redis->cmd('FCALL_RO', 'recs_history', 1, $KEYS[1])],
        'and tells the history';
    like $replica->refuse('FCALL', 'recs_rollback', 3, @KEYS), qr/^READONLY /,
        'but moves nothing';
    like $redis->refuse('FCALL_RO', 'recs_rollback', 3, @KEYS),
        qr/^ERR .*write/i, 'as does FCALL_RO';

    $events->close;
    $replica->stop;
};


subtest 'a cluster of one' => sub {
    my $one = $t->redis(name => 'one', tcp => 1,
                        config => 'cluster-enabled yes');
    $one->cmd('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
    ok wait_until(sub { cluster_ok($one) }, 20), 'is well';

    with($one, \&whole_story);
    my @all = (@KEYS, '{home}:v1:meta');
    like $one->refuse('FCALL', 'recs_publish', 4, $all[0], '{shop}:history',
                      @all[2, 3], 'v1'), qr/^CROSSSLOT /, 'keys of two slots';
    $one->stop;
};


subtest 'a cluster of three' => sub {
    my @nodes = map {
        $t->redis(name => "node$_", tcp => 1, config => join "\n",
                  'cluster-enabled yes', 'cluster-port ' . free_port())
    } 1 .. 3;

    my @ranges = ([0, 5460], [5461, 10922], [10923, 16383]);
    for my $i (0 .. 2) {
        $nodes[$i]->cmd('CLUSTER', 'ADDSLOTSRANGE', @{ $ranges[$i] });
        $nodes[$i]->cmd('CLUSTER', 'SET-CONFIG-EPOCH', $i + 1);
    }
    $nodes[0]->cmd('CLUSTER', 'MEET', '127.0.0.1', $_->port,
                   $_->cmd('CONFIG', 'GET', 'cluster-port')->[1])
        for @nodes[1, 2];
    ok wait_until(sub { 3 == grep { cluster_ok($_) } @nodes }, 30),
        'is well' or return;

    my $slot = $nodes[0]->cmd('CLUSTER', 'KEYSLOT', '{home}:history');
    my ($i) = grep { $slot <= $ranges[$_][1] } 0 .. 2;
    my $events = listen_to($nodes[($i + 1) % 3], 'home:events');

    with($nodes[$i], \&whole_story);
    is event($events)->{version}, 'v1', 'an event reaches other nodes';
    like $nodes[($i + 2) % 3]->refuse('FCALL', 'recs_history', 1, $KEYS[1]),
        qr/^(?:MOVED $slot |ERR Function not found)/, 'others point there';

    my %slots = map { $nodes[0]->cmd('CLUSTER', 'KEYSLOT', "home:v1:u:u$_")
                      => 1 } 1 .. 100;
    cmp_ok scalar(keys %slots), '>', 90, 'rows are all over it';

    $events->close;
    $_->stop for @nodes;
};


$t->done;


# ---- Calls, of the Redis of this moment


sub with {
    my ($other, $code) = @_;

    local $redis = $other;
    $code->();
}


# Publish, refuse, roll back: what must work wherever the keys are.

sub whole_story {
    is $redis->cmd('FUNCTION', 'LOAD', 'REPLACE', $library), 'recs', 'loads';
    fresh();
    is publish('v1'), undef, 'published';
    is publish('v2'), 'v1', 'another';
    describe('v3', written => 200);
    like refused('v3'), qr/^INCOMPLETE /, 'refused';
    is publish('v4'), 'v2', 'a third';
    is rollback(), 'v2', 'rolled back';
    is rollback_to('v1'), 'v1', 'to one that is named';
    is_deeply [map { $_->{version} } history()], [qw(v1 v2 v4 v2 v1)],
        'history';
}


sub fresh { $redis->cmd('FLUSHALL') }


# A descriptor that is whole, but for what is given; undef: without that.

sub describe {
    my ($version, %fields) = @_;

    my $key = "{home}:$version:meta";
    my %all = (model => 'als-7', schema => 3, features => 'f7',
               generated_at => time, expected => 300, written => 300,
               max_age => 86_400, state => 'complete', %fields);

    delete $all{$_} for grep { !defined $all{$_} } keys %all;
    $redis->cmd('DEL', $key);
    $redis->cmd('HSET', $key, %all);
}


sub publish {
    my ($version, @args) = @_;

    describe($version);
    return publish_as_is($version, @args);
}


sub publish_as_is {
    my ($version, @args) = @_;

    return $redis->cmd('FCALL', 'recs_publish', 4, @KEYS,
                       "{home}:$version:meta", $version, @args);
}


sub publish_in {
    my ($channel, $version) = @_;

    describe($version);
    return $redis->cmd('FCALL', 'recs_publish', 4, "{home}:channel:$channel",
                       @KEYS[1, 2], "{home}:$version:meta", $version);
}


sub refused {
    my ($version, @args) = @_;

    return $redis->refuse('FCALL', 'recs_publish', 4, @KEYS,
                          "{home}:$version:meta", $version, @args);
}


sub rollback { return $redis->cmd('FCALL', 'recs_rollback', 3, @KEYS, @_) }


sub rollback_to {
    my ($version, @args) = @_;

    return $redis->cmd('FCALL', 'recs_rollback', 4, @KEYS,
                       "{home}:$version:meta", $version, @args);
}


sub not_rolled_back {
    return $redis->refuse('FCALL', 'recs_rollback', 3, @KEYS, @_);
}


sub active {
    my ($channel) = @_;

    return $redis->cmd('GET', '{home}:channel:' . ($channel // 'active'));
}


sub history {
    return map { decode_json($_) }
           @{ $redis->cmd('FCALL_RO', 'recs_history', 1, $KEYS[1], @_) };
}


sub rolled_back { return sort @{ $redis->cmd('SMEMBERS', $KEYS[2]) } }


sub keys_of { return @{ $redis->cmd('KEYS', '*') } }


# Nothing was written, and the channel has what it had.

sub untouched {
    my ($active) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @there = grep { !/:meta$/ && !(defined $active && /:(?:channel:|hist)/) }
                keys_of();
    is "@there", '', '  nothing is written';
    is active(), $active, '  and stays' if defined $active;
}


# ---- Events, replicas, clusters


sub listen_to {
    my ($where, $channel) = @_;

    my $client = $where->connect;
    $client->cmd('SUBSCRIBE', $channel);
    return $client;
}


sub event {
    my ($client) = @_;

    my ($kind, $channel, $payload) = @{ $client->reply };
    return decode_json($payload);
}


# The replica has all that was written so far.

sub in_sync {
    my ($replica) = @_;

    my $offset = sub {
        my ($where) = @_;
        return $where->cmd('INFO', 'replication')
               =~ /^(?:slave_repl|master_repl)_offset:(\d+)/m ? $1 : -1;
    };

    wait_until(sub {
        return $replica->cmd('INFO', 'replication') =~ /^master_link_status:up/m
            && $offset->($replica) == $offset->($redis);
    }, 20) or die "the replica does not follow\n";
}


sub everything {
    my ($where) = @_;

    return { map { ($_ => $where->cmd('DUMP', $_)) }
             sort @{ $where->cmd('KEYS', '*') } };
}


sub cluster_ok {
    my ($node) = @_;

    return $node->cmd('CLUSTER', 'INFO') =~ /^cluster_state:ok/m;
}
