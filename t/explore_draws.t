use strict;
use warnings;

# Exploration has whom the rate says explore, and puts items where the slots
# say, with the probability that is told.  Everything random is a hash of what
# the request says, so that no number here is a matter of luck.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use List::Util qw(min sum);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis;
my $api = $t->upstream(sub { $_[0]{args}{page} }, keepalive => 1);

my @pool = map { "n$_" } 1 .. 12;
my @good = map { "n$_" } 1 .. 8;        # those that the set "allowed" holds

$t->write('pool.ndjson', join '', map { "{\"id\":\"$_\"}\n" } @pool);
$t->write('allowed.txt', join '', map { "$_\n" } @good, 'a' .. 'j');
$t->write('some.txt', join '', map { "$_\n" } 'n1' .. 'n6', 'a' .. 'j');
$t->write('three.ndjson', join '', map { "{\"id\":\"$_\"}\n" } qw(n1 n2 n3));
$t->write('empty.ndjson', '');
$redis->cmd('SADD', 'banned', map { "n$_" } 9 .. 12);
$redis->cmd('SET', 'string', 'x');

my %locations = (
    never     => 'recs_explore fresh rate=0% slots=1 salt=s;',
    always    => 'recs_explore fresh rate=100% slots=1 salt=s;',
    tenth     => 'recs_explore fresh rate=10% slots=1 salt=s;',
    tenth_too => 'recs_explore fresh rate=10% slots=1 salt=t;',
    half      => 'recs_explore fresh rate=50% slots=1 salt=s;',
    by_key    => 'recs_explore fresh rate=50% slots=1 salt=s key=$arg_k;',
    thin      => 'recs_explore fresh rate=0.0001% slots=1 salt=s;',
    other     => 'recs_explore fresh rate=100% slots=1 salt=other;',
    empty     => 'recs_explore none rate=100% slots=1,2;',
    three     => 'recs_explore three rate=100% slots=1;',
    three_all => 'recs_explore three rate=100% slots=1,2,3,4;',
    shelves   => 'recs_explore three rate=100% slots=1; '
               . 'recs_items /second /items;',
    limited   => 'recs_explore fresh rate=100% slots=2,4; recs_limit 3;',
    cut_off   => 'recs_explore fresh rate=100% slots=5; recs_limit 3;',
    allowed   => 'recs_explore fresh rate=100% slots=1; recs_require allowed;',
    banned    => 'recs_explore fresh rate=100% slots=1; recs_exclude banned;',
    both      => 'recs_explore fresh rate=100% slots=1; recs_require some; '
               . 'recs_exclude argument;',
    unknown   => 'recs_explore fresh rate=100% slots=1; recs_exclude lost;',
    wrong     => 'recs_explore fresh rate=100% slots=1; '
               . 'recs_exclude typed banned;',
    skipped   => 'recs_explore fresh rate=100% slots=1; recs_exclude argument;',
    panel     => 'recs_explore fresh rate=100% slots=1,3,5 panel=4 salt=s; '
               . 'recs_exclude banned;',
    one       => 'recs_explore fresh rate=100% slots=1 panel=4 salt=s; '
               . 'recs_exclude banned;',
    whole     => 'recs_explore fresh rate=100% slots=2,4 panel=128 salt=s; '
               . 'recs_exclude banned;',
    gated     => 'recs_explore fresh rate=62.5% slots=2 panel=3 salt=s;',
    plain     => 'recs_limit 3;',
    roomy     => 'recs_explore fresh rate=100% slots=2; '
               . 'recs_exclude argument; recs_limit 7;',
    unlimited => 'recs_explore fresh rate=100% slots=2,4; '
               . 'recs_exclude argument;',
);

my $http = <<'HTTP';
recs_redis main { server %%REDIS%%; }
recs_redis gone { server unix:%%TESTDIR%%/nobody.sock; }
recs_set allowed file=%%TESTDIR%%/allowed.txt;
recs_set some file=%%TESTDIR%%/some.txt;
recs_set banned redis=main key=banned;
recs_set typed redis=main key=string;
recs_set lost redis=gone key=k;
recs_set argument value=$arg_ids;
recs_pool fresh file=%%TESTDIR%%/pool.ndjson;
recs_pool three file=%%TESTDIR%%/three.ndjson;
recs_pool none file=%%TESTDIR%%/empty.ndjson;
recs on;
recs_user $arg_u;
recs_event $arg_e;
recs_lookup_timeout 10s;
upstream api { server %%API%%; keepalive 2; }
server {
    listen %%LISTEN%%;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location = /status { recs_status; }
HTTP

$http .= "location = /$_ { $locations{$_} proxy_pass http://api; }\n"
    for sort keys %locations;

for my $slots ('1', '5', '6', '7', '2,4', '1,2,3', '1,6', '6,7') {
    my $name = 'slots-' . $slots =~ tr/,/-/r;
    $http .= "location = /$name { recs_explore fresh rate=100% slots=$slots; "
           . "proxy_pass http://api; }\n";
}

my $nginx = $t->nginx(http => "$http}\n", access_log => 'off',
                      reloads => 0);
my $c = $t->http;


sub page   { return '{"items":[' . join(',', map { "\"$_\"" } @_) . ']}' }


sub fetch {
    my ($path, $page, %args) = @_;

    $args{e} //= 1;
    my $query = join '&', map {
        "$_=" . ($args{$_} =~ /^[\w,]*$/ ? $args{$_} : escape($args{$_}))
    } sort keys %args;
    return $c->get("/$path?$query&page=" . escape($page));
}


# The ids of a page that was a b c..., those of the pool as "+".

sub pattern {
    my ($path, @ids) = @_;

    return pattern_without('', $path, @ids);
}


# The same, where a set refuses some.

sub pattern_without {
    my ($refused, $path, @ids) = @_;

    my $items = fetch($path, page(@ids), ids => $refused)->json->{items};
    return join '', map { ref || /^n\d/ ? '+' : $_ } @$items;
}


sub drawn {
    my ($path, $page, %args) = @_;

    my ($id) = grep { /^n\d/ } @{ fetch($path, $page, %args)->json->{items} };
    return $id;
}


# What so many events draw: { n1 => times }

sub draws {
    my ($path, $count, $page, %args) = @_;

    my %times;
    $times{ drawn($path, $page, %args, e => "event $_") // 'none' }++
        for 1 .. $count;
    return \%times;
}


sub explored { return $_[0]->header('Recs-Filter') =~ /explored=(\d+)/ && $1 }
sub items    { return $t->get('/status')->json->{items} }


subtest 'a share of the keys explores, always the same' => sub {
    my $page = page('a', 'b');
    my @users = map { "user $_" } 1 .. 2000;

    my $side = sub {
        my ($path, $event) = @_;
        return map {
            explored(fetch($path, $page, u => $_, e => $event)) ? 1 : 0
        } @users;
    };

    my @first = $side->('tenth', 'a');
    my $share = sum(@first) / @first;
    cmp_ok($share, '>', 0.07, 'not far under 10%');
    cmp_ok($share, '<', 0.13, 'nor over');

    @users = @users[0 .. 299];
    is_deeply([$side->('tenth', 'b')], [@first[0 .. 299]],
              'another event changes nothing for a user');

    my @salted = $side->('tenth_too', 'a');
    cmp_ok(sum(map { $salted[$_] && $first[$_] } 0 .. 299), '<',
           min(sum(@salted), sum(@first[0 .. 299])) / 2,
           'another salt lets others explore');

    my @half = $side->('half', 'a');
    is(scalar(grep { $first[$_] && !$half[$_] } 0 .. 299), 0,
       'who explores at 10% does at 50%, too');
    cmp_ok(abs(sum(@half) - 150), '<', 40, 'as half of them do');

    is(sum($side->('never', 'a')), 0, 'none at 0%');
    is(sum($side->('thin', 'a')), 0, 'hardly any at 0.0001%');
    is(sum($side->('always', 'a')), 300, 'all at 100%');
};


subtest 'key= says what sticks; without one each event is on its own' => sub {
    my $page = page('a', 'b');
    my @events = map { "e$_" } 1 .. 60;

    my $explorers = sub {
        my ($path, %args) = @_;
        return sum(map { explored(fetch($path, $page, %args, e => $_)) }
                   @events);
    };

    my %of_key = map { ($_ => $explorers->('by_key', k => $_, u => 'u')) }
                 'k1' .. 'k9';
    is_deeply([grep { $_ != 0 && $_ != 60 } values %of_key], [],
              'a key is on one side for all events');
    my %sides = map { $_ => 1 } values %of_key;
    is(scalar keys %sides, 2, 'keys are on both');

    my $same = sub {
        my ($k) = @_;
        my %sides = map {
            (explored(fetch('by_key', $page, k => $k, u => $_)) => 1)
        } 'u1' .. 'u9';
        return scalar keys %sides;
    };
    is($same->('k1'), 1, 'the user does not matter then');

    for my $path ('half', 'by_key') {
        my $n = $explorers->($path, u => '', k => '');
        cmp_ok($n, '>', 10, "$path: an empty key is each event's own");
        cmp_ok($n, '<', 50, 'on both sides');
        is($explorers->($path, u => '', k => ''), $n, 'always the same');
    }
};


subtest 'an item comes where its slot is, and the last one goes' => sub {
    my @rows = (
        ['1', 'abcde', '+abcd'],
        ['5', 'abcde', 'abcd+'],
        ['6', 'abcde', 'abcd+'],
        ['7', 'abcde', 'abcde'],
        ['2,4', 'abcde', 'a+b+c'],
        ['1,2,3', 'abcde', '+++ab'],
        ['1,6', 'abcde', '+abc+'],
        ['5', 'abcdefgh', 'abcd+efg'],
        ['1', 'a', '+'],
        ['1', '', '+'],
        ['1,2,3', '', '+++'],
        ['2,4', '', ''],
        ['2,4', 'ab', 'a+'],
    );

    for my $row (@rows) {
        my ($slots, $before, $after) = @$row;
        my $path = 'slots-' . $slots =~ tr/,/-/r;
        is(pattern($path, split //, $before), $after,
           "slots=$slots of \"$before\"");
    }

    my $r = fetch('slots-2-4', page('a' .. 'e'));
    is($r->header('Recs-Filter'),
       'filtered;total=5;kept=3;removed=0;explored=2', 'counted');
};


subtest 'a slot past the end is skipped and counted' => sub {
    my $before = items();
    pattern('slots-7', 'a' .. 'e');
    pattern('slots-6-7', 'a' .. 'e');
    pattern('slots-2-4');

    my $after = items();
    is($after->{skipped_slots} - $before->{skipped_slots}, 4, 'skipped');
    is($after->{explored} - $before->{explored}, 1, 'that at the end is not');
    is($after->{unfilled_slots}, $before->{unfilled_slots}, 'none unfilled');
};


subtest 'the limit comes first, then exploration' => sub {
    is(pattern('limited', 'a' .. 'h'), 'a++', 'a shelf of three stays one');
    is(pattern('cut_off', 'a' .. 'h'), 'abc', 'slots are those of the cut one');
    is(pattern('plain', 'a' .. 'h'), 'abc', 'without exploration');
};


subtest 'where there is room no candidate goes' => sub {
    is(pattern_without('b,c', 'roomy', 'a' .. 'h'), 'a+defgh',
       'six that stay of eight, and a limit of seven');
    is(pattern_without('b', 'roomy', 'a' .. 'h'), 'a+cdefg',
       'with seven the last one goes');
    is(pattern('roomy', 'a' .. 'f'), 'a+bcdef', 'all of six stay');
    is(pattern('roomy', 'a' .. 'c'), 'a+bc', 'and of three');

    is(pattern_without('b,c', 'unlimited', 'a' .. 'e'), 'a+d+e',
       'without a limit it becomes as long as it came');
    is(pattern_without('b', 'unlimited', 'a' .. 'e'), 'a+c+d', 'no longer');
    is(pattern_without('a,b,c,d', 'unlimited', 'a' .. 'e'), 'e+',
       'a slot past the end plus one is skipped all the same');

    my $r = fetch('roomy', page('a' .. 'h'), ids => 'b,c');
    is($r->header('Recs-Filter'),
       'filtered;total=8;kept=6;removed=2;explored=1', 'counted');
};


subtest 'an item on the page is not put on it again' => sub {
    my %bodies = map {
        (fetch('three', page('n2', 'a', 'n1'), e => $_)->body => 1)
    } 1 .. 60;

    is_deeply([keys %bodies], [page('n3', 'n2', 'a')],
              'the third of three is all there is');

    my $before = items();
    my $r = fetch('three', page('n2', 'n3', 'n1'));
    is($r->body, page('n2', 'n3', 'n1'), 'all are there: nothing is put in');
    is(items()->{unfilled_slots} - $before->{unfilled_slots}, 1, 'counted');

    my $other = '{"items":["n1","n2"],"second":["a"]}';
    is(fetch('shelves', $other)->body, '{"items":["n1","n2"],"second":["n3"]}',
       'the first pointer names the shelf; the whole page counts');

    is(fetch('three_all', page('a' .. 'e'))->body =~ tr/n//, 3,
       'nor is one put in twice');
};


subtest 'what a set refuses is never put in' => sub {
    my $page = page('a', 'b');
    my %good = map { $_ => 1 } @good;

    for my $path ('allowed', 'banned') {
        my $draws = draws($path, 200, $page);
        is_deeply([sort keys %$draws], [sort @good], "$path: the others");
    }

    my $draws = draws('both', 200, $page, ids => 'n1,n2,n4');
    is_deeply([sort keys %$draws], [qw(n3 n5 n6)], 'every set has a say');

    my $before = items();
    is(fetch('both', $page, ids => join ',', @pool)->body, $page,
       'none is left');
    is(items()->{unfilled_slots} - $before->{unfilled_slots}, 1, 'counted');
};


subtest 'an unknown answer is a refusal' => sub {
    my $page = page('a', 'b');

    for my $path ('unknown', 'wrong') {
        my $r = fetch($path, $page);
        is($r->body, $page, "$path: nothing is put in, nothing goes");
        like($r->header('Recs-Filter'), qr/^degraded;.*explored=0/, 'degraded');
    }

    like(fetch('skipped', $page)->header('Recs-Filter'),
         qr/^filtered;.*explored=1/, 'a set that is skipped says nothing');
};


subtest 'each view draws anew, and the same again' => sub {
    my $page = page('a', 'b');
    my $sequence = sub {
        my ($path) = @_;
        return [map { drawn($path, $page, e => $_) } 1 .. 50];
    };

    my $first = $sequence->('always');
    is_deeply($sequence->('always'), $first, 'an event draws what it drew');

    my %different = map { $_ => 1 } @$first;
    cmp_ok(scalar keys %different, '>=', 10, 'events draw different items');

    my $other = $sequence->('other');
    cmp_ok(scalar(grep { $other->[$_] eq $first->[$_] } 0 .. 49), '<', 20,
           'another salt draws others');

    # the same event on both slots
    my @pairs = map {
        fetch('slots-2-4', page('a' .. 'e'), e => $_)->json->{items}
    } 1 .. 40;
    is(scalar(grep { $_->[1] eq $_->[3] } @pairs), 0, 'never twice');

    is(drawn('always', $page, e => 7, u => 'x'), drawn('always', $page, e => 7),
       'the user is no part of the draw');

    %different = map { (drawn('always', $page, e => '') => 1) } 1 .. 40;
    cmp_ok(scalar keys %different, '>', 3, 'without an event each view draws');
};


subtest 'an empty pool gives nothing' => sub {
    my $before = items();
    my $r = fetch('empty', page('a', 'b'));
    is($r->body, page('a', 'b'), 'the page stays');
    like($r->header('Recs-Filter'), qr/^filtered;.*explored=0/, 'as it is');
    is(items()->{unfilled_slots} - $before->{unfilled_slots}, 2,
       'two slots, unfilled');
};


# The ids that Redis was asked about are the page's and each slot's panel, in
# the order of its permutation: all that p can be computed from.

subtest 'p is the probability, found independently' => sub {
    my @page = map { "a$_" } 1 .. 6;
    my %ok = map { $_ => 1 } @good;
    my $text = '{"items":[' . join(',', map { "{\"id\":\"$_\"}" } @page) . ']}';

    my %policies = (panel => [4, 1, 3, 5], whole => [128, 2, 4],
                    gated => [3, 2]);
    my ($placed, $unfilled, $first, $expected) = (0, 0, 0, 0);

    for my $path ('panel', 'whole') {
        my ($size, @slots) = @{ $policies{$path} };
        my (@responses, @asked);

        $t->answered(sub { fetch($path, $text, e => 1) });

        my @commands = $redis->asked(sub {
            @responses = map { fetch($path, $text, e => $_) } 1 .. 40;
        });

        for my $r (@responses) {
            my @ids = (shift @commands) =~ /"([^"]+)"/g;
            splice @ids, 0, 2 + @page;
            my %shown = map { ($_->{_recs}{slot} => $_) }
                        grep { $_->{_recs} } @{ $r->json->{items} };
            my (@taken, @wrong);

            for my $i (0 .. $#slots) {
                my @order = splice @ids, 0, min($size + $i, scalar @pool);
                my %taken = map { $_ => 1 } @taken;
                my @panel = grep { !$taken{$_} } @order;
                splice @panel, $size if @panel > $size;
                my @eligible = grep { $ok{$_} } @panel;

                my $item = delete $shown{ $slots[$i] };

                if (!@eligible) {
                    $unfilled++;
                    push @wrong, "slot $slots[$i] filled" if $item;
                    next;
                }

                $placed++;
                my $p = @panel / @eligible / (@pool - @taken);

                push @wrong, "slot $slots[$i]: $item->{id}, p $item->{_recs}{p}"
                    if !grep { $_ eq $item->{id} } @eligible
                       or abs($item->{_recs}{p} - $p) > 1e-12
                       or $item->{_recs}{gate} != 1
                       or $item->{_recs}{pool} ne 'fresh'
                       or !$item->{_recs}{explore};

                push @taken, $item->{id};

                if (@eligible > 1) {
                    $first++ if $item->{id} eq $eligible[0];
                    $expected += 1 / @eligible;
                }
            }

            is_deeply([@wrong, keys %shown, @ids], [], "$path: " . $r->body)
                if @wrong || %shown || @ids;
        }
    }

    cmp_ok($placed, '>', 150, 'many were placed');
    cmp_ok($unfilled, '>', 0, 'and once nothing was eligible');
    cmp_ok(abs($first / $expected - 1), '<', 0.4,
           'the first of a panel is no likelier than the others');

    my ($tag) = grep { $_ } map { $_->{_recs} }
                map { @{ fetch('gated', $text, u => $_)->json->{items} } }
                'u1' .. 'u9';
    cmp_ok(abs(delete($tag->{p}) - 1 / @pool), '<', 1e-12,
           'a panel that refuses nothing gives 1/N');
    is_deeply($tag, { explore => JSON::PP::true, pool => 'fresh', slot => 2,
                      gate => 0.625 }, 'gate is the rate');
};


subtest 'draws are uniform, and 1/p is unbiased' => sub {
    my $n = 1200;
    my $text = '{"items":[{"id":"a"},{"id":"b"}]}';
    my (%times, %weight);

    for my $event (1 .. $n) {
        my $items = fetch('one', $text, e => "view $event")->json->{items};
        my ($item) = grep { $_->{_recs} } @$items or next;
        $times{ $item->{id} }++;
        $weight{ $item->{id} } += 1 / $item->{_recs}{p};
    }

    is_deeply([sort keys %times], [sort @good], 'all eligible are drawn');
    is_deeply([grep { abs($_ / ($n / 8) - 1) > 0.3 } values %times], [],
              'about alike');
    is_deeply([grep { abs($_ / $n - 1) > 0.3 } values %weight], [],
              'each adds up to about one a view') or diag(explain(\%weight));
};


$t->done;
