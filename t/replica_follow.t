use strict;
use warnings;

# Replicas in shared memory answer as Redis would, follow it, and heal.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(encode_json);
use Recs::Mode;
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

subtest 'configuration' => sub {
    for my $case (
        ['key=$arg_k replica=on',
         qr/must have a "key=" without variables with "replica=on"/],
        ['key=k replica=maybe', qr/it must be "on" or "off"/],
        ['key=k feed=f', qr/only with "replica=on"/],
        ['key=k capacity=9', qr/only with "replica=on"/],
        ['key=k max_lag=1s', qr/only with "replica=on"/],
        ['key=k replica=off resync=1s', qr/only with "replica=on"/],
        ['key=k replica=on feed=f:$host', qr/it can't have variables/],
        ['key=k replica=on feed=k', qr/that is another key than "key="/],
        ['key=k replica=on capacity=0', qr/it must be a number of ids, over 0/],
        ['key=k replica=on capacity=x', qr/it must be a number of ids, over 0/],
        ['key=k replica=on resync=50ms', qr/at least "100ms"/],
        ['key=k replica=on max_lag=later', qr/at least "100ms"/],
        ['key=k replica=on max_lag=60s',
         qr/must have a "max_lag=" over "resync=" without "feed="/],
        ['key=k shrink=50%', qr/only with "replica=on"/],
        map({ ["key=k replica=on shrink=$_",
               qr/it must be a share from "1%" to "100%", or "off"/] }
            qw(50 0% 101% x% on)),
        ['key=k replica=on feed=f capacity=1000000',
         qr/recs_zone of 8192k is too small, \d{5}k are needed/],
    ) {
        my ($options, $error) = @$case;
        my ($code, $output) = $t->nginx_test(<<"HTTP");
recs_redis main { server unix:/nowhere; }
recs_set stock redis=main $options;
HTTP
        like $output, $error, $options;
        isnt $code, 0, 'refused';
    }

    my ($code, $output) = $t->nginx_test(<<'HTTP');
recs_set stock value=$arg_ids replica=on;
HTTP
    like $output, qr/only with "redis="/, 'replica=on of a value=';
};

my $redis = $t->redis;
my $seq = 0;

# An entry of a feed, and what it says done to the set.

sub entry {
    my ($feed, $op, $ids, %more) = @_;

    my $n = $more{seq} // ++$seq;
    my @scores = $more{scores} ? (scores => encode_json($more{scores})) : ();

    return ['XADD', $feed, '*', op => $op, ids => encode_json($ids), @scores,
            seq => $n];
}

sub add {
    my (@ids) = @_;

    $redis->pipeline(['MULTI'], ['SADD', 'stock', @ids],
                     entry('{stock}:feed', 'add', \@ids), ['EXEC']);
}

sub remove {
    my (@ids) = @_;

    $redis->pipeline(['MULTI'], ['SREM', 'stock', @ids],
                     entry('{stock}:feed', 'rem', \@ids), ['EXEC']);
}

$redis->cmd('SADD', 'stock', map { "i$_" } 1 .. 20);

my $items = join ',', map { qq({"id":"i$_"}) } 1 .. 30;
$t->write('html/page.json', qq({"items":[$items]}));

$t->write('html/odd.json', qq({"items":[{"id":"i\\"\\\\\\u00e9"}]}));

# So old an answer of the replica may be.
my $max_lag = int Recs::Mode::patience(2);

$t->set(MAX_LAG => "${max_lag}s");

my $http = <<'HTTP';
recs_zone 32m;
recs_redis main { server %%REDIS%%; timeout 2s; }
recs_set stock redis=main key=stock replica=on 'feed={stock}:feed' resync=1s
         max_lag=%%MAX_LAG%% absent=empty shrink=off;
recs_set recent redis=main key=seen type=zset within=1h replica=on
         'feed={seen}:feed' resync=1s absent=empty shrink=off;
recs_set seen redis=main key=seen type=zset replica=on 'feed={seen}:feed'
         absent=empty shrink=off;
recs_set share redis=main key=share type=hash min=0.5 replica=on
         'feed={share}:feed' absent=empty shrink=off;
recs_set fields redis=main key=share type=hash replica=on resync=300ms
         absent=empty shrink=off;
recs_set small redis=main key=small replica=on 'feed={small}:feed' capacity=20
         resync=300ms absent=empty shrink=off;
recs_set lua redis=main key=lua replica=on 'feed={lua}:feed' capacity=4000
         absent=empty shrink=off;
server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/html;
    default_type application/json;
    location / {
        recs on;
        recs_require stock;
        recs_tag both;
        recs_lookup_timeout 2s;
        add_header X-Age $recs_set_age_stock;
    }
    location /recent/ { alias %%TESTDIR%%/html/; recs on; recs_require recent; }
    location /seen/ { alias %%TESTDIR%%/html/; recs on; recs_require seen; }
    location /share/ { alias %%TESTDIR%%/html/; recs on; recs_require share; }
    location /fields/ { alias %%TESTDIR%%/html/; recs on; recs_require fields; }
    location /small/ { alias %%TESTDIR%%/html/; recs on; recs_require small; }
    location /lua/ { alias %%TESTDIR%%/html/; recs on; recs_require lua; }
    location = /status { recs_status; }
}
HTTP

my $nginx = $t->nginx(workers => 2, http => $http);

sub status {
    return $t->get('/status')->json->{sets}{ $_[0] // 'stock' }{replica};
}

# What of the page is in stock, and who says so.

sub page {
    my ($set) = @_;

    my $r = $t->get(($set ? "/$set" : '') . '/page.json');

    return (join(' ', map { $_->{id} } @{ $r->json->{items} }),
            $r->header('Recs-Sets'), $r);
}

sub ids { return join ' ', map { "i$_" } @_ }

# Shown soon, by the replica.

sub shows {
    my ($ids, $name, $set) = @_;

    my ($got, $sets);
    wait_until(sub {
        ($got, $sets) = page($set);
        return $got eq $ids && $sets =~ /\A\w+;age=\d+;removed/;
    });
    is "$got by $sets" =~ s/\w+;age=\d+;removed=\d+/it/r, "$ids by it", $name;
}

# All entries were applied, up to this one.  A page may show them before, and
# have been made when the next ones were not.

sub followed {
    my ($seq, $name, $set) = @_;

    my $got;
    wait_until(sub { ($got = status($set)->{feed_seq} // 0) == $seq });
    is $got, $seq, $name;
}


subtest 'loaded, and answered from without a question' => sub {
    ok wait_until(sub { status()->{state} eq 'following' }), 'it follows';
    is status()->{ids}, 20, 'all ids';
    shows(ids(1 .. 20), 'the feed was read');

    $redis->reset_calls;
    my ($got, $sets, $r) = page();
    is $got, ids(1 .. 20), 'the set decides';
    like $sets, qr/\Astock;age=\d+;removed=10\z/, 'the header says the age';
    is $r->header('Recs-Filter') =~ s/;.*//r, 'filtered', 'the state';
    like $r->header('X-Age'), qr/\A\d+\z/, 'the variable';
    my $tag = $r->json->{_recs}{sets}{stock};
    is_deeply [sort keys %$tag], ['age', 'removed'], 'the body tag';
    is $redis->calls('smismember'), 0, 'Redis was not asked';
};


subtest 'followed' => sub {
    remove('i3');
    shows(ids(1, 2, 4 .. 20), 'an id is removed');
    add('i25', 'i26');
    shows(ids(1, 2, 4 .. 20, 25, 26), 'ids are added');
    add('i25');
    remove('i30');
    add('i3');
    remove('i25', 'i26');
    shows(ids(1 .. 20), 'in any repetition');

    is status()->{loads}, 1, 'it was loaded once';
    followed($seq, 'the last entry is known to all');
    is $redis->calls('smismember'), 0, 'and Redis never asked';
};


subtest 'by conf/recs.lua' => sub {
    open my $file, '<', $t->root . '/conf/recs.lua' or die "recs.lua: $!\n";
    $redis->cmd('FUNCTION', 'LOAD', do { local $/; <$file> });

    my $entries = status('lua')->{entries};
    my @ids = map { "i$_" } 1 .. 3000;

    $redis->cmd('FCALL', 'recs_add', 2, 'lua', '{lua}:feed', @ids);
    shows(ids(1 .. 30), 'many ids', 'lua');
    followed(3, 'in entries of at most 1000', 'lua');
    is status('lua')->{ids}, 3000, 'all';
    $redis->cmd('FCALL', 'recs_remove', 2, 'lua', '{lua}:feed',
                @ids[5 .. 2999]);
    shows(ids(1 .. 5), 'removed', 'lua');
    followed(6, 'as many', 'lua');
    is status('lua')->{ids}, 5, 'all';

    my $odd = "i\"\\\x{c3}\x{a9}";
    $redis->cmd('FCALL', 'recs_add', 2, 'lua', '{lua}:feed', $odd);
    followed(7, 'an id with escapes', 'lua');
    is status('lua')->{ids}, 6, 'is one';
    my $r = $t->get('/lua/odd.json');
    is @{ $r->json->{items} }, 1, 'and found';

    is status('lua')->{entries} - $entries, 7, 'seven entries';
    is status('lua')->{loads}, 1, 'loaded once';
};


subtest 'scores' => sub {
    # The third one stays within the hour until it is loaded anew.
    my $now = time;
    my @ages = (10, 1000, 3600 - Recs::Mode::patience(60), 3700, 100000);

    $redis->pipeline(['MULTI'], ['ZADD', 'seen', map {
                                     ($now - $ages[$_ - 1], "i$_") } 1 .. 5],
                     entry('{seen}:feed', 'add', [map { "i$_" } 1 .. 5],
                           scores => [map { $now - $_ } @ages], seq => 1),
                     ['EXEC']);
    shows(ids(1 .. 3), 'within: of a zset', 'recent');
    shows(ids(1 .. 5), 'a zset without: any score', 'seen');

    $redis->cmd('ZADD', 'seen', $now, 'i5');
    $redis->pipeline(entry('{seen}:feed', 'add', ['i5'], scores => [$now],
                           seq => 2));
    shows(ids(1 .. 3, 5), 'another score', 'recent');

    $redis->pipeline(['MULTI'], ['ZREM', 'seen', 'i1'],
                     entry('{seen}:feed', 'rem', ['i1'], seq => 3), ['EXEC']);
    shows(ids(2, 3, 5), 'removed', 'recent');

    subtest 'an entry without scores' => sub {
        my $resyncs = status('recent')->{resyncs}{entry};
        $redis->pipeline(['MULTI'], ['ZADD', 'seen', $now, 'i6'],
                         entry('{seen}:feed', 'add', ['i6'], seq => 4),
                         ['EXEC']);
        shows(ids(2 .. 6), 'will do where they do not count', 'seen');
        shows(ids(2, 3, 5, 6), 'else the set is loaded again', 'recent');
        is status('seen')->{resyncs}{entry}, 0, 'not counted there';
        is status('recent')->{resyncs}{entry}, $resyncs + 1, 'counted here';
    };

    $redis->cmd('HSET', 'share', i1 => 0.7, i2 => 0.4, i3 => 'much', i4 => 1,
                i5 => '0.50');
    $redis->pipeline(entry('{share}:feed', 'add', ['i1', 'i2', 'i4', 'i5'],
                           scores => [0.7, 0.4, 1, 0.5], seq => 1));
    shows(ids(1, 4, 5), 'min: of a hash', 'share');
    shows(ids(1 .. 5), 'a hash without, and without a feed', 'fields');
    $redis->cmd('HDEL', 'share', 'i1');
    shows(ids(2 .. 5), 'scanned again', 'fields');
    ok !exists status('fields')->{feed_id}, 'there is no feed to tell of';
};


subtest 'loaded with scores' => sub {
    # by another zone, from the start
    $nginx->quit;
    $nginx->start;
    shows(ids(2, 3, 5, 6), 'within', 'recent');
    shows(ids(2 .. 6), 'any score', 'seen');
    shows(ids(4, 5), 'min', 'share');
    shows(ids(1 .. 20), 'no scores');
    is status()->{loads}, 1, 'loaded';
};


subtest 'outgrown' => sub {
    my @ids = map { "i$_" } 1 .. 30;
    my $room = status('small')->{capacity};

    cmp_ok $room, '<', 30, 'there is room for so many';
    $redis->pipeline(['MULTI'], ['SADD', 'small', @ids],
                     entry('{small}:feed', 'add', \@ids, seq => 1), ['EXEC']);
    ok wait_until(sub { status('small')->{state} eq 'full' }),
       'the state says so';

    my ($got, $sets) = page('small');
    is $got, ids(1 .. 30), 'Redis answers';
    is $sets, 'small;removed=0', 'alone';

    $redis->cmd('SREM', 'small', @ids[0 .. 14]);
    ok wait_until(sub { status('small')->{state} eq 'following' }),
       'it fits again';
    shows(ids(16 .. 30), 'and is used', 'small');

    my @said = $nginx->error_log =~ /"small": there are more ids than the/g;
    is @said, 1, 'one line';
    is status('small')->{resyncs}{full}, 1, 'counted';
};


# Runs $code; the reason must be counted once more, and it must heal.

sub heals {
    my ($reason, $code) = @_;

    my $before = status()->{resyncs}{$reason};
    $code->();
    ok wait_until(sub { status()->{resyncs}{$reason} > $before }),
       "$reason is noticed";
    ok wait_until(sub { status()->{state} eq 'following' }), 'and heals';
}


subtest 'what heals by another load' => sub {
    subtest 'a gap' => sub {
        heals(gap => sub {
            $redis->cmd('SREM', 'stock', 'i1');
            $seq++;
            remove('i2');
        });
        shows(ids(3 .. 20), 'what was missed is made up for');
    };

    subtest 'an entry that is lost by a failover' => sub {
        heals(lost => sub {
            my ($id) = @{ $redis->cmd('XREVRANGE', '{stock}:feed', '+', '-',
                                      'COUNT', 1)->[0] };
            $redis->pipeline(['MULTI'], ['XDEL', '{stock}:feed', $id],
                             ['SADD', 'stock', 'i2'], ['EXEC']);
            $seq -= 2;      # there was a gap
        });
        shows(ids(2 .. 20), 'it is what Redis has now');
        add('i1');
        shows(ids(1 .. 20), 'and is followed');
    };

    subtest 'a trimmed stream' => sub {
        heals(lost => sub {
            $redis->cmd('XTRIM', '{stock}:feed', 'MAXLEN', 0);
            $redis->cmd('SREM', 'stock', 'i1');
        });
        shows(ids(2 .. 20), 'it is what Redis has now');
    };

    subtest 'ids written past the feed' => sub {
        heals(count => sub { $redis->cmd('SADD', 'stock', 'i1') });
        shows(ids(1 .. 20), 'it is what Redis has now');
    };

    for my $bad ([ids => 'i1'], [ids => '["i1"'], [ids => '["i1"] 2'],
                 [ids => '[{"i1":1}]'], [op => 'replace'], [seq => 'one'],
                 [seq => ''])
    {
        subtest "an entry with $bad->[0] \"$bad->[1]\"" => sub {
            heals(entry => sub {
                my %fields = (op => 'rem', ids => '["i1"]', seq => ++$seq,
                              @$bad);
                $redis->cmd('XADD', '{stock}:feed', '*', %fields);
            });
            add('i21');
            shows(ids(1 .. 21), 'the feed is followed on');
            remove('i21');
        };
    }

    subtest 'all is gone' => sub {
        heals(lost => sub { $redis->cmd('FLUSHALL'); $seq = 0; });
        shows('', 'nothing is in stock');
        add(map { "i$_" } 1 .. 20);
        shows(ids(1 .. 20), 'until it is');
    };

    subtest 'another type' => sub {
        heals(failed => sub {
            $redis->cmd('RENAME', 'stock', '{stock}:kept');
            $redis->cmd('SET', 'stock', 'x');
            ok wait_until(sub { status()->{state} eq 'failed' }),
               'the state says so';
            my ($got, $sets, $r) = page();
            like $sets, qr/\Astock;age=\d+;stale;why=\w+;removed=10\z/,
                 'what was known last is answered';
            is $r->header('Recs-Filter') =~ s/;.*//r, 'stale',
               'and the response says stale';
            ok $r->json->{_recs}{sets}{stock}{stale}, 'the body tag, too';
            $redis->cmd('RENAME', '{stock}:kept', 'stock');
        });
        shows(ids(1 .. 20), 'it is followed again');
    };
};


subtest 'Redis gone' => sub {
    my $loads = status()->{loads};
    $redis->freeze;

    ok wait_until(sub { (page())[1] =~ /;stale;/ }), 'stale past max_lag';
    my ($got, $sets, $r) = page();
    is $got, ids(1 .. 20), 'the replica answers';
    cmp_ok $sets =~ /age=(\d+)/ ? $1 : 0, '>', 1000 * $max_lag,
        'its age is said';
    is $r->header('Recs-Filter') =~ s/;.*//r, 'stale', 'the state';
    like $r->header('Cache-Control'), qr/no-cache/, 'nobody keeps it';
    cmp_ok status()->{stale}, '>', 0, 'counted';

    $redis->thaw;
    ok wait_until(sub { (page())[1] !~ /stale/ }), 'fresh again';
    remove('i9');
    shows(ids(1 .. 8, 10 .. 20), 'followed again');
    is status()->{loads}, $loads, 'without another load';

    $redis->restart;
    ok wait_until(sub { add('i9'); 1 }), 'Redis is restarted';
    shows(ids(1 .. 20), 'followed again');
    is status()->{loads}, $loads, 'without another load';

    $redis->restart(empty => 1);
    shows('', 'restarted without data');
    $seq = 0;
    add(map { "i$_" } 1 .. 20);
    shows(ids(1 .. 20), 'followed again');
};


subtest 'the leader changes' => sub {
    my $loads = status()->{loads};

    for my $signal (qw(KILL STOP)) {
        my $leader;
        wait_until(sub { $leader = status()->{leader} })
            or die "nobody leads\n";
        kill $signal => $leader;

        if ($signal eq 'KILL') {
            remove('i5');
            shows(ids(1 .. 4, 6 .. 20), 'the next one follows');
        } else {
            add('i5');
            ok wait_until(sub {
                my $r = eval { $t->get('/status') } // return 0;
                return $r->json->{sets}{stock}{replica}{leader} != $leader;
            }), 'another one leads';
            kill CONT => $leader;
            shows(ids(1 .. 20), 'the next one follows');
        }

        isnt status()->{leader}, $leader, "$signal: another one leads";
    }

    $nginx->reload;
    remove('i5');
    shows(ids(1 .. 4, 6 .. 20), 'after a reload');
    add('i5');
    shows(ids(1 .. 20), 'and on');
    is status()->{loads}, $loads, 'none loaded it again';
};

$t->expect_kills;
$t->done;
