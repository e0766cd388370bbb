use strict;
use warnings;

# A set that is gone is not a set that is empty: the key was flushed, deleted,
# evicted or misspelled, or Redis restarted without it.  The page stays full,
# says "degraded" and why, and is well again with the next page once the set is
# back.

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Recs::Test;

my $t = Recs::Test->new;
my $redis = $t->redis;

my @ids = map { "b$_" } 1 .. 6;
my $all = join ' ', @ids;
my $page = '{"items":[' . join(',', map { qq({"id":"$_"}) } @ids) . ']}';

$t->upstream(sub { $_[0]{args}{page} // $page });

# Each kind of set, asked about its ids or as a whole; of three members.

my %kinds = (
    plain    => 'key=plain',
    zset     => 'key=scores type=zset',
    zset_min => 'key=scores type=zset min=0.5',
    recent   => 'key=times type=zset within=100s',
    hash     => 'key=shares type=hash',
    hash_min => 'key=shares type=hash min=0.5',
);

my %sets = (
    (map { ($_ => $kinds{$_}, "whole_$_" => "$kinds{$_} prefetch=9",
            "many_$_" => "$kinds{$_} min_members=2") } keys %kinds),
    recalled => 'key=recalled',
    strictly => 'key=recalled unknown=drop',
    seen     => 'key=seen:$arg_u',
    region   => 'key=region:$arg_r absent=unknown',
    large    => 'key=region:$arg_r min_members=3',
    empty    => 'key=nothing absent=empty',
    typed    => 'key=typed',
    wrong    => 'key=plian',
    doubted  => 'key=faulty prefetch=9 max_removed=50% window=1s min_asked=12',
    guarded  => 'key=faulty max_removed=50% window=1s min_asked=12',
    stocked  => 'key=faulty max_removed=80% window=1s min_asked=12',
    severe   => 'key=faulty max_removed=50% window=1s min_asked=12'
                . ' unknown=drop',
    patient  => 'key=faulty max_removed=50% window=1s min_asked=1000',
    seldom   => 'key=faulty max_removed=50% window=1s min_asked=1',
);

my $http = join '', map { "recs_set $_ redis=main $sets{$_};\n" }
                    sort keys %sets;

my $locations = join '', map { <<"LOCATIONS" } sort keys %sets;
location /in/$_ { recs_require $_; proxy_pass http://%%API%%; }
location /not/$_ { recs_exclude $_; proxy_pass http://%%API%%; }
LOCATIONS

$t->write('secret', 'secret');
$t->write('listed.txt', join "\n", @ids);

# A fake Redis that never says how many there are.

my $fake = $t->fake_redis(sub {
    my ($cmd) = @_;

    return "+PONG\r\n" if $cmd->[0] eq 'PING';
    return undef if $cmd->[0] eq 'SCARD';
    return '*' . (@$cmd - 2) . "\r\n"
        . join '', map { $cmd->[1] =~ /b2/ && $_ eq 'b2' ? ":1\r\n" : ":0\r\n" }
                   @$cmd[2 .. $#$cmd];
});

my $nginx = $t->nginx(workers => 2, error_level => 'notice', http => <<"HTTP");
recs_redis main { server %%REDIS%%; }
recs_redis limited {
    server %%REDIS%%;
    auth user=asks password_file=%%TESTDIR%%/secret;
}
recs_redis fake { server %%FAKE%%; timeout 60s; connections 8; }
recs_lookup_timeout 5s;
$http
recs_set limited redis=limited key=plain;
recs_set listed file=%%TESTDIR%%/listed.txt max_removed=50% min_asked=6;
recs_set silent redis=fake key=\$arg_k absent=unknown;

server {
    listen %%LISTEN%%;
    recs on;
    recs_tag both;
    $locations
    location /in/limited { recs_require limited; proxy_pass http://%%API%%; }
    location /not/limited { recs_exclude limited; proxy_pass http://%%API%%; }
    location /not/listed { recs_exclude listed; proxy_pass http://%%API%%; }
    location /shadow { recs shadow; recs_exclude patient;
                       proxy_pass http://%%API%%; }
    location /in/silent { recs_require silent;
                          add_header X-Time
                              "\$recs_lookup_time \$recs_lookup_time";
                          proxy_pass http://%%API%%;
                          recs_lookup_timeout 50ms; }
    location /not/silent { recs_exclude silent; proxy_pass http://%%API%%;
                           recs_lookup_timeout 50ms; }
    location /whole { recs_require whole_plain; recs_exclude recalled;
                      proxy_pass http://%%API%%; }
    location /both/silent { recs_require plain; recs_exclude recalled silent;
                            proxy_pass http://%%API%%;
                            recs_lookup_timeout 1s; }
    location /both { recs_require plain; recs_exclude recalled seen;
                     proxy_pass http://%%API%%; }
    location /status { recs off; recs_status; }
    location /ready { recs off; recs_ready; }
}
HTTP


sub fill {
    my $now = time;

    $redis->cmd('ACL', 'SETUSER', 'asks', 'on', '>secret', '~*', '+ping',
                '+smismember', '+cluster', '+asking');

    for my $i (1 .. 3) {
        $redis->cmd('SADD', 'plain', "b$i");
        $redis->cmd('ZADD', 'scores', 0.7, "b$i");
        $redis->cmd('ZADD', 'times', $now, "b$i");
        $redis->cmd('HSET', 'shares', "b$i", '0.7');
    }

    $redis->cmd('SADD', 'recalled', 'b3', 'b9');
    $redis->cmd('SADD', 'faulty', 'b3', 'b9');
    $redis->cmd('SADD', 'seen:u1', 'b1');
    $redis->cmd('SADD', 'region:de', 'b1', 'b2', 'b3');
    $redis->cmd('SADD', 'region:fr', 'b1', 'b2');
    $redis->cmd('SET', 'typed', 'a string');
    $redis->cmd('DEL', 'nothing');
}


# "STATE: the ids shown: Recs-Sets"

sub says {
    my ($path, @fields) = @_;

    my $r = $t->get($path, @fields);
    return 'status ' . $r->status if $r->status != 200;

    my ($state) = $r->header('Recs-Filter') =~ /^(\w+)/;
    my $tag = $r->json->{_recs};
    fail("$path: $tag->{state} is not $state") if $tag->{state} ne $state;

    return "$state: " . join(' ', map { $_->{id} } @{ $r->json->{items} })
        . ': ' . $r->header('Recs-Sets');
}

sub soon {
    my ($path, $want, $name) = @_;

    my $got;
    wait_until(sub { ($got = says($path)) eq $want }, 20);
    is($got, $want, $name);
}

sub status { return $t->get('/status')->json->{sets}{ $_[0] } }
sub ready { my $r = $t->get('/ready'); return $r->status . ' ' . $r->body }

sub lines { return $nginx->logged(@_) }


# All is well: every set says which of three it has.

sub well {
    my ($name) = @_;

    subtest $name => sub {
        for my $kind (sort keys %kinds) {
            soon("/in/$kind", "filtered: b1 b2 b3: $kind;removed=3", $kind);
            soon("/in/whole_$kind", 'filtered: b1 b2 b3: '
                 . "whole_$kind;prefetched;removed=3", 'as a whole');
            soon("/in/many_$kind", "filtered: b1 b2 b3: many_$kind;removed=3",
                 'with enough members');
            soon("/not/$kind", "filtered: b4 b5 b6: $kind;removed=3",
                 'excluded');
        }

        soon('/both?u=u1', 'filtered: b2: plain;removed=3, '
             . 'recalled;removed=1, seen;removed=1', 'several');
    };
}


# The set that is excluded is there, as the leader has seen.

sub well_known {
    soon('/not/recalled', 'filtered: b1 b2 b4 b5 b6: recalled;removed=1',
         'all is there');
    ok(wait_until(sub { status('recalled')->{state} eq 'known' }),
       'as the leader has seen');
}


# Nothing is there: the next page of each kind is full.

sub gone {
    my ($name) = @_;

    for my $kind (sort keys %kinds) {
        is(says("/in/$kind"), "degraded: $all: $kind;unknown;why=absent",
           "$name: $kind");
        like(says("/in/whole_$kind"), qr/^degraded:\ \Q$all\E:
             \ whole_$kind;unknown;why=absent(?:;prefetched)?$/x, 'as a whole');
        is(says("/in/many_$kind"),
           "degraded: $all: many_$kind;unknown;why=absent", 'too few');
        is(says("/not/$kind"), "degraded: $all: $kind;unknown;why=absent",
           'excluded');
    }

    is(says('/both?u=u1'), "degraded: $all: plain;unknown;why=absent, "
       . 'recalled;unknown;why=absent, seen;removed=0', 'several');
    is(says('/not/strictly'),
       'degraded: : strictly;unknown;why=absent;removed=6', 'unknown=drop');
}


fill();
well('as long as all is there');


subtest 'FLUSHALL: the very next page is full' => sub {
    my $before = lines(qr/recs_set "plain".* is absent/);

    $redis->cmd('FLUSHALL');
    is(says('/in/plain'), "degraded: $all: plain;unknown;why=absent",
       'the next page');
    is(says('/not/recalled'), "degraded: $all: recalled;unknown;why=absent",
       'and that of another set, which nobody knew of');
    gone('flushed');
    gone('again') for 1 .. 3;

    is(lines(qr/\[error\].*recs_set "plain": key "plain".* is absent/),
       $before + 1, 'one line in the log, whoever finds it');

    fill();
    is(says('/in/plain'), 'filtered: b1 b2 b3: plain;removed=3',
       'the set is back with the next page');
    is(says('/not/recalled'), 'filtered: b1 b2 b4 b5 b6: recalled;removed=1',
       'so is one that is excluded');
    well('all is back');

    ok($nginx->wait_log(qr/\[notice\].*recs_set\ "plain":\ .*
                           \ is\ there\ again,\ with\ \d\ members/x),
       'which is logged');
};


subtest 'FLUSHALL: the page that finds it, and its other sets' => sub {
    for (1 .. 3) {
        soon('/both?u=u1', 'filtered: b2: plain;removed=3, '
             . 'recalled;removed=1, seen;removed=1', 'all is there');

        $redis->cmd('FLUSHALL');
        is(says('/both?u=u1'), "degraded: $all: plain;unknown;why=absent, "
           . 'recalled;unknown;why=absent, seen;removed=0', 'nothing is');
        fill();

        soon('/whole', 'filtered: b1 b2: whole_plain;prefetched;removed=3, '
             . 'recalled;removed=1', 'all is there');
        ok(wait_until(sub { ready() !~ /"(?:whole_plain|recalled)"/ }),
           'as the leader has seen');

        $redis->cmd('FLUSHALL');
        like(says('/whole'), qr/^degraded:\ \Q$all\E:\ whole_plain;unknown;
             why=absent(?:;prefetched)?,\ recalled;unknown;why=absent$/x,
             'nothing is, as a whole');
        fill();
    }
};


subtest 'FLUSHALL: and no time is left to ask again' => sub {
    soon('/both?u=u1', 'filtered: b2: plain;removed=3, '
         . 'recalled;removed=1, seen;removed=1', 'all is there');

    $redis->cmd('FLUSHALL');
    like(says('/both/silent?k=it'), qr/^degraded:\ \Q$all\E:
         \ plain;unknown;why=absent,\ recalled;unknown;why=(?:timeout|absent),
         \ silent;unknown;why=timeout$/x,
         'none of an excluded set is no answer');
    fill();
};


subtest 'DEL, and a key that was renamed' => sub {
    $redis->cmd('DEL', 'plain');
    is(says('/in/plain'), "degraded: $all: plain;unknown;why=absent", 'DEL');
    is(says('/both?u=u1'), 'degraded: b2 b4 b5 b6: plain;unknown;why=absent, '
       . 'recalled;removed=1, seen;removed=1', 'the others count');

    fill();
    is(says('/in/plain'), 'filtered: b1 b2 b3: plain;removed=3', 'SADD');

    $redis->cmd('RENAME', 'plain', '{plain}:mislaid');
    is(says('/in/plain'), "degraded: $all: plain;unknown;why=absent", 'RENAME');
    $redis->cmd('RENAME', '{plain}:mislaid', 'plain');
    is(says('/in/plain'), 'filtered: b1 b2 b3: plain;removed=3', 'and back');
};


subtest 'what was recalled is not shown as if nothing had been' => sub {
    is(says('/not/recalled'), 'filtered: b1 b2 b4 b5 b6: recalled;removed=1',
       'before');
    is(says("/not/recalled?page=$_"), 'filtered: b1 b2: recalled;removed=0',
       'a page of which nothing is in it')
        for '{"items":[{"id":"b1"},{"id":"b2"}]}';

    # Nobody asks about it with each page: it takes up to a second.
    $redis->cmd('DEL', 'recalled');
    soon('/not/recalled', "degraded: $all: recalled;unknown;why=absent",
         'keep');
    is(says('/not/strictly'),
       'degraded: : strictly;unknown;why=absent;removed=6', 'drop');

    fill();
    is(says('/not/strictly'), 'filtered: b1 b2 b4 b5 b6: strictly;removed=1',
       'and back');
};


subtest 'connections are lost, and all is gone' => sub {
    for (1 .. 3) {
        well_known();

        # At once: nobody could look in between.
        $_->pipeline(['MULTI'], ['FLUSHALL'],
                      ['CLIENT', 'KILL', 'TYPE', 'normal'], ['EXEC'])
            for $redis->masters;
        my %said = map { says('/not/recalled') =~ /^(\w+)/ => 1 } 1 .. 20;
        is_deeply([keys %said], ['degraded'],
                  'what was known before says nothing of what is there now');
        fill();
    }
};


subtest 'Redis restarts empty' => sub {
    my %said;

    $redis->restart(empty => 1);
    $said{$_}++ for map { my ($state) = says($_) =~ /^(\w+): \Q$all\E: /;
                          $state // "not full: $_" }
                    ('/in/plain', '/not/recalled', '/not/plain') x 40;
    is_deeply([keys %said], ['degraded'], 'each page is full and says so');

    soon('/in/plain', "degraded: $all: plain;unknown;why=absent", 'absent');
    gone('restarted');

    fill();
    well('all is back');
};


subtest 'the key is evicted' => sub {
    my ($used) = $redis->cmd('INFO', 'memory') =~ /used_memory:(\d+)/;

    $redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    $redis->cmd('CONFIG', 'SET', 'maxmemory-samples', 1);
    $redis->cmd('CONFIG', 'SET', 'maxmemory', $used + 2_000_000);

    my $n = 0;
    while ($redis->cmd('EXISTS', 'plain') && $n < 50_000) {
        $redis->cmd('SET', 'filler:' . $n++, 'x' x 20_000);
    }

    is(says('/in/plain'), "degraded: $all: plain;unknown;why=absent",
       "after $n values");

    $redis->cmd('CONFIG', 'SET', 'maxmemory', 0);
    $redis->cmd('FLUSHALL');
    fill();
    well('all is back');
};


subtest 'a key that never was, and one of another type' => sub {
    is(says('/in/wrong'), "degraded: $all: wrong;unknown;why=absent",
       'a typo, required');
    is(says('/not/wrong'), "degraded: $all: wrong;unknown;why=absent",
       'excluded');
    is(lines(qr/\[error\].*recs_set "wrong": key "plian" .* is absent/), 1,
       'one line in the log');

    is(says('/in/typed'), "degraded: $all: typed;unknown;why=error",
       'a string');
};


subtest 'an answer that is none of that' => sub {
    is(says('/in/plain?page={"items":[{"id":"b7"},{"id":"b8"}]}'),
       'filtered: : plain;removed=2', 'none of these ids');
    is(says('/in/recent?page={"items":[{"id":"b7"}]}'),
       'filtered: : recent;removed=1', 'of times');

    $redis->cmd('ZADD', 'times', 5, 'b1', 5, 'b2', 5, 'b3');
    is(says('/in/recent'), 'filtered: : recent;removed=6', 'all too old');
    is(says('/in/whole_recent'),
       'filtered: : whole_recent;removed=6', 'as a whole');

    $redis->cmd('HSET', 'shares', map { ("b$_" => '0.1') } 1 .. 3);
    is(says('/in/hash_min'), 'filtered: : hash_min;removed=6', 'all too low');
    is(says('/in/whole_hash_min'),
       'filtered: : whole_hash_min;prefetched;removed=6', 'as a whole');

    is(says('/in/wrong?page={"items":[]}'), 'filtered: : wrong;removed=0',
       'a page without items: nothing is asked');
    my $r = $t->get('/in/wrong?page={"items":[{"ad":1}]}');
    is($r->header('Recs-Filter') =~ s/;.*//r, 'filtered', 'nor without ids');
    fill();
};


subtest 'keys of users, and absent= the other way round' => sub {
    is(says('/not/seen?u=new'), "filtered: $all: seen;removed=0",
       'who has seen nothing has no key');
    is(says('/in/seen?u=new'), 'filtered: : seen;removed=6', 'required');
    is(says('/not/empty'), "filtered: $all: empty;removed=0", 'absent=empty');
    is(says('/in/empty'), 'filtered: : empty;removed=6', 'required');

    for my $way ('in', 'not') {
        is(says("/$way/region?r=de"),
           'filtered: ' . ($way eq 'in' ? 'b1 b2 b3' : 'b4 b5 b6')
           . ': region;removed=3', "$way, absent=unknown");
        is(says("/$way/region?r=es"),
           "degraded: $all: region;unknown;why=absent", 'another key');
        is(says("/$way/large?r=de"),
           'filtered: ' . ($way eq 'in' ? 'b1 b2 b3' : 'b4 b5 b6')
           . ': large;removed=3', 'enough members');
        is(says("/$way/large?r=fr"),
           "degraded: $all: large;unknown;why=absent", 'too few');
    }

    ok($nginx->wait_log(
           qr/recs_set "region".* key "region:\$arg_r": it is absent/),
       'the log');
    ok($nginx->wait_log(
           qr/recs_set "large".* key "region:\$arg_r": it has fewer members/),
       'and of too few');
};


subtest 'too few members' => sub {
    $redis->cmd('SREM', 'plain', 'b2', 'b3');
    soon('/in/many_plain', "degraded: $all: many_plain;unknown;why=absent",
         'one, of two');
    is(says('/in/plain'), 'filtered: b1: plain;removed=5',
       'one is enough for who says nothing');
    is(says('/in/whole_plain'),
       'filtered: b1: whole_plain;prefetched;removed=5', 'as a whole');
    ok($nginx->wait_log(qr/recs_set\ "many_plain":\ key\ "plain"\ of\ redis
                           \ "main"\ has\ 1\ members,\ "min_members"\ is\ 2/x),
       'the log');

    fill();
    soon('/in/many_plain', 'filtered: b1 b2 b3: many_plain;removed=3',
         'and enough');
};


subtest 'what Redis is asked while all is well' => sub {
    my $start = time;
    my @seen = $redis->watch(sub {
        for (1 .. 100) {
            says('/both?u=u1');
            says('/not/recalled?page={"items":[{"id":"b1"}]}');
        }
    });
    my $seconds = time - $start + 2;

    is(scalar(grep { /"SMISMEMBER"/ } @seen), 400, 'about the ids');
    cmp_ok(scalar(grep { /"SCARD" "recalled"/ } @seen), '<=',
           2 * $seconds, 'once a second how many there are, of each set');

    @seen = grep { /b7/ || (/"SCARD"/ && !/recalled/) } $redis->watch(sub {
        says('/in/plain?page={"items":[{"id":"b7"}]}');
    });
    is(scalar(grep { /"SMISMEMBER" "plain" "b7"/ } @seen), 2,
       'none of a page is in a required one: once more');
    cmp_ok(scalar(grep { /"SCARD" "plain"/ } @seen), '>=', 1,
           'and how many there are');
};


subtest 'how long Redis was waited for' => sub {
    my $r = $t->get('/in/silent?k=x');
    my ($ms) = $r->header('Server-Timing') =~ /^recs;dur=(\d+)\.\d{3},/;
    cmp_ok($ms, '>=', 45, 'milliseconds');
    is($r->header('X-Time'), sprintf('%.3f %.3f', $ms / 1000, $ms / 1000),
       'the variable in seconds, twice alike');
};


subtest 'how many there are cannot be asked' => sub {
    is(says('/in/silent?k=b2'), 'filtered: b2: silent;removed=5',
       'it need not be');
    is(says('/in/silent?k=x'), "degraded: $all: silent;unknown;why=timeout",
       'no answer within the deadline');
    is(says('/not/silent?k=x'), "degraded: $all: silent;unknown;why=timeout",
       'excluded');
    is(says('/not/silent?k=b2'), 'filtered: b1 b3 b4 b5 b6: silent;removed=1',
       'an id was found: it is there');

    soon('/in/limited', 'filtered: b1 b2 b3: limited;removed=3',
         'not allowed, nor needed');
    is(says('/in/limited?page={"items":[{"id":"b7"}]}'),
       'degraded: b7: limited;unknown;why=error', 'not allowed');
    is(says('/not/limited?page={"items":[{"id":"b7"}]}'),
       'degraded: b7: limited;unknown;why=error', 'excluded');
    ok($nginx->wait_log(qr/recs_set "limited".*NOPERM/), 'the log');
};


subtest 'readiness and status' => sub {
    like(ready(), qr/^recs_set "wrong": unknown for \d+s, absent$/m, 'a typo');
    like(ready(), qr/recs_set "typed": unknown for \d+s, error/,
         'a key of another type');
    unlike(ready(), qr/"plain"/, 'what is there');
    like(ready(), qr/^503 /, 'not ready');

    my $set = status('wrong');
    is($set->{state}, 'unknown', 'the state');
    is($set->{why}, 'absent', 'why');
    cmp_ok(abs(time - $set->{since}), '<', 600, 'since');
    is($set->{members}, 0, 'how many there are');
    cmp_ok($set->{unknown_why}{absent}, '>=', 2, 'responses');

    $redis->cmd('SADD', 'plian', 'b1');
    ok(wait_until(sub { ready() !~ /"wrong"/ }), 'noticed without a page');
    is(status('wrong')->{state}, 'known', 'the state');
    is(status('wrong')->{why}, undef, 'no reason');
    is(status('seen')->{state}, undef, 'not of a user');

    $redis->cmd('DEL', 'plian');
    ok(wait_until(sub { ready() =~ /"wrong"/ }), 'and gone without one');
};


subtest 'everything is recalled' => sub {
    my $well = 'filtered: b1 b2 b4 b5 b6: guarded;removed=1';
    my $full = "degraded: $all: guarded;unknown;why=distrusted";

    is(says('/not/guarded'), $well, 'as it should be') for 1 .. 3;

    $redis->cmd('SADD', 'faulty', @ids);
    soon('/not/guarded', $full, 'distrusted');
    is(says('/not/guarded'), $full, 'each page is full') for 1 .. 10;
    is(lines(qr/\[error\].*recs_set "guarded" is distrusted.* refuses \d+ of/),
       1, 'one line in the log');

    my $set = status('guarded');
    is("$set->{state} $set->{why}", 'unknown distrusted', 'the status');
    cmp_ok(abs(time - $set->{since}), '<', 100, 'since when');
    cmp_ok($set->{unknown_why}{distrusted}, '>=', 11, 'responses');
    cmp_ok($set->{asked}, '>=', $set->{refused}, 'within the window');
    like(ready(), qr/recs_set "guarded": unknown for \d+s, distrusted: it /,
         'not ready');

    soon('/not/doubted',
         "degraded: $all: doubted;unknown;why=distrusted;prefetched",
         'asked for as a whole');
    soon('/not/severe', 'degraded: : severe;unknown;why=distrusted;removed=6',
         'unknown=drop');
    is(says('/not/patient'), 'filtered: : patient;removed=6',
       'too few were asked about');
    is(says('/in/stocked'), "filtered: $all: stocked;removed=0",
       'one that is required refuses what is not in it');

    $redis->cmd('SREM', 'faulty', 'b1', 'b2', 'b4', 'b5', 'b6');
    my %said;
    ok(wait_until(sub {
        my $said = says('/not/guarded');
        $said{$said}++;
        return $said eq $well;
    }), 'trusted again, when it refused less for a window');
    is_deeply({ map { ($_ => 1) } keys %said }, { $full => 1, $well => 1 },
              'and no page was empty');
    is(lines(qr/\[notice\].*recs_set "guarded" is trusted again/), 1,
       'one line of it');
    is(lines(qr/recs_set "guarded" is distrusted/), 1, 'and no other');
    is(status('guarded')->{state}, 'known', 'the status');
    unlike(ready(), qr/"guarded"/, 'readiness');
};


subtest 'a set that nobody asks about is trusted again' => sub {
    is(says('/not/seldom'), 'filtered: b1 b2 b4 b5 b6: seldom;removed=1',
       'before');
    is(says('/in/stocked'), 'filtered: b3: stocked;removed=5', 'required');
    soon('/in/stocked', "degraded: $all: stocked;unknown;why=distrusted",
         'it refuses nearly all');

    $redis->cmd('SADD', 'faulty', @ids);
    soon('/not/seldom', "degraded: $all: seldom;unknown;why=distrusted",
         'distrusted');
    ok(wait_until(sub { ready() !~ /seldom|stocked/ }), 'after a window');
    is(lines(qr/recs_set "seldom" is trusted again/), 1, 'and that is logged');
    fill();
};


subtest 'sets of files' => sub {
    is(says('/not/listed'), "degraded: $all: listed;unknown;why=distrusted",
       'at once, with min_asked=6');
    is(status('listed')->{why}, 'distrusted', 'the status');
};


subtest 'pages of which nothing is left are counted' => sub {
    my $before = $t->get('/status')->json->{emptied};

    $redis->cmd('SADD', 'faulty', @ids);
    is(says('/not/patient'), 'filtered: : patient;removed=6', 'one');
    is($t->get('/shadow')->body, $page, 'one that would have been');
    is(says('/not/patient?page={"items":[]}'), 'filtered: : patient;removed=0',
       'one that was empty when it came');
    is(says('/not/patient?page={"items":[{"id":"b7"}]}'),
       'filtered: b7: patient;removed=0', 'one that was not');

    is($t->get('/status')->json->{emptied}, $before + 2, 'two');
    fill();
};


subtest 'a reload knows what was known' => sub {
    my $before = lines(qr/recs_set "wrong": key "plian" .* is absent/);

    ok($nginx->reload, 'a reload');
    is(says('/in/wrong'), "degraded: $all: wrong;unknown;why=absent", 'absent');
    is(lines(qr/recs_set "wrong": key "plian" .* is absent/), $before,
       'no line of it');
    well('all else');
};


$t->done;
