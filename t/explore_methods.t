use strict;
use warnings;

# Items are chosen uniformly, by weight or for diversity, by several
# recs_explore lines of one location, and from pools that a variable names.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use List::Util qw(min sum);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis;
my $api = $t->upstream(sub { $_[0]{args}{page} }, keepalive => 1);

my %weight = (w0 => 0, w1 => 1, w2 => 2, w3 => 4, w4 => 8, w5 => 0.5);
my @weighted = sort keys %weight;

$t->write('weighted.ndjson', join '', map {
    "{\"id\":\"$_\",\"score\":{\"w\":$weight{$_}}}\n"
} @weighted);

$t->write('wrong.ndjson', <<'NDJSON');
{"id":"x1","w":"2"}
{"id":"x2","w":-1}
{"id":"x3"}
{"id":"x4","w":1e101}
{"id":"x5","w":1}
NDJSON

$t->write('zero.ndjson', join '', map { "{\"id\":\"$_\",\"w\":0}\n" } 1 .. 9);

my %category = ((map { ("a$_" => 'a') } 1 .. 4),
                (map { ("b$_" => 'b') } 1 .. 3),
                (map { ("n$_" => 7) } 1 .. 2),
                z1 => undef);
my @diverse = sort keys %category;

$t->write('diverse.ndjson', join '', map {
    "{\"id\":\"$_\"" . (!defined $category{$_} ? ''
                        : $category{$_} eq '7' ? ',"genre":7'
                        : ",\"genre\":\"$category{$_}\"") . "}\n"
} @diverse);
$t->write('letters.ndjson', join '', map {
    "{\"id\":\"$_\",\"genre\":\"" . substr($_, 0, 1) . "\"}\n"
} 'a1' .. 'a4', 'b1' .. 'b3');

$t->write('fresh.ndjson', join '', map { "{\"id\":\"f$_\"}\n" } 1 .. 3);
$t->write('other.ndjson', "{\"id\":\"f1\"}\n{\"id\":\"o1\"}\n");
$redis->cmd('SADD', 'refused', 'w4', 'b1', 'b2', 'b3');

my %locations = (
    weighted  => 'recs_explore weighted rate=100% slots=1 method=weighted;',
    refused   => 'recs_explore weighted rate=100% slots=1 method=weighted; '
               . 'recs_exclude refused;',
    panel     => 'recs_explore weighted rate=100% slots=1,2 panel=3 '
               . 'method=weighted; recs_exclude refused;',
    unweighed => 'recs_explore weighted rate=100% slots=1;',
    zero      => 'recs_explore zero rate=100% slots=1,2 method=weighted;',
    wrong     => 'recs_explore wrong rate=100% slots=1 method=weighted;',
    diverse   => 'recs_explore letters rate=100% slots=1 method=diverse;',
    limited   => 'recs_explore letters rate=100% slots=1 method=diverse; '
               . 'recs_limit 2;',
    all       => 'recs_explore diverse rate=100% slots=1 method=diverse;',
    twice     => 'recs_explore letters rate=100% slots=1,2 method=diverse;',
    few       => 'recs_explore letters rate=100% slots=1,3 method=diverse '
               . 'panel=2; recs_exclude refused;',
    lines     => 'recs_explore fresh rate=100% slots=1,4 salt=a; '
               . 'recs_explore other rate=100% slots=2,3 salt=b;',
    gates     => 'recs_explore fresh rate=50% slots=1 salt=a; '
               . 'recs_explore letters rate=50% slots=3 salt=b;',
    same      => 'recs_explore fresh rate=100% slots=1 salt=a; '
               . 'recs_explore fresh rate=100% slots=2,3 salt=b;',
    variable  => 'recs_explore $arm rate=100% slots=1 method=weighted;',
);

my $http = <<'HTTP';
recs_zone 16m;
recs_redis main { server %%REDIS%%; }
recs_set refused redis=main key=refused;
recs_pool weighted file=%%TESTDIR%%/weighted.ndjson weight=/score/w;
recs_pool wrong file=%%TESTDIR%%/wrong.ndjson weight=/w;
recs_pool zero file=%%TESTDIR%%/zero.ndjson weight=/w;
recs_pool diverse file=%%TESTDIR%%/diverse.ndjson category=/genre;
recs_pool letters file=%%TESTDIR%%/letters.ndjson category=/genre;
recs_pool fresh file=%%TESTDIR%%/fresh.ndjson;
recs_pool other file=%%TESTDIR%%/other.ndjson;
map $arg_arm $arm { default $arg_arm; canary other; }
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
    location ~ "(?s)^/named/(?<named>.*)$" {
        recs_explore $named rate=100% slots=1;
        proxy_pass http://api;
    }
HTTP

$http .= "location = /$_ { $locations{$_} proxy_pass http://api; }\n"
    for sort keys %locations;

my $nginx = $t->nginx(http => "$http}\n", access_log => 'off', reloads => 0);
my $c = $t->http;


# A page of items "id" or "id:genre".

sub page {
    return '{"items":[' . join(',', map {
        my ($id, $genre) = split /:/;
        "{\"id\":\"$id\"" . (defined $genre ? ",\"genre\":\"$genre\"}" : '}')
    } @_) . ']}';
}


sub fetch {
    my ($path, $page, %args) = @_;

    $args{e} //= 1;
    $args{page} = $page;
    return $c->get("/$path?" . join '&', map {
        "$_=" . $args{$_} =~ s/([^\w])/sprintf '%%%02X', ord $1/ger
    } sort keys %args);
}


sub items { return @{ $_[0]->json->{items} } }
sub drawn { return grep { $_->{_recs} } items(fetch(@_)) }


# How often so many events draw each item in a slot.

sub tally {
    my ($path, $count, $page, $slot) = @_;

    my %times;

    for my $event (1 .. $count) {
        my ($item) = grep { $_->{_recs}{slot} == ($slot // 1) }
                     drawn($path, $page, e => "event $event");
        $times{ $item ? $item->{id} : 'none' }++;
    }

    return \%times;
}


# What chi square says of the times and the shares they should have: about 1 a
# degree of freedom.  All is a hash of what stands here: no matter of luck.

sub deviation {
    my ($times, %share) = @_;

    my ($n, $all) = (sum(values %$times), sum(values %share));

    return sum(map {
        my $expected = $n * $share{$_} / $all;
        (($times->{$_} // 0) - $expected) ** 2 / $expected
    } keys %share) / (keys(%share) - 1);
}


sub close_to {
    my ($got, $expected, $name) = @_;

    ok(abs($got - $expected) < 1e-12, $name)
        or diag("got $got, expected $expected");
}


subtest 'weighted: as often as its weight says' => sub {
    my $times = tally('weighted', 1000, page('p1'));
    my %share = %weight;
    delete $share{w0};

    is_deeply([sort keys %$times], [sort keys %share], 'all but of weight 0');
    cmp_ok(deviation($times, %share), '<', 3, 'in proportion')
        or diag(explain($times));

    for my $item (map { drawn('weighted', page('p1'), e => $_) } 1 .. 20) {
        close_to($item->{_recs}{p}, $weight{ $item->{id} } / 15.5,
                 "p of $item->{id}");
    }

    $times = tally('unweighed', 600, page('p1'));
    cmp_ok(deviation($times, map { $_ => 1 } @weighted), '<', 3,
           'uniform does not look at weights');
};


subtest 'weighted: of what is eligible' => sub {
    my $times = tally('refused', 500, page('w2', 'p1'));
    my %share = map { $_ => $weight{$_} } qw(w1 w3 w5);

    is_deeply([sort keys %$times], [sort keys %share],
              'not what a set refuses, nor what is on the page');
    cmp_ok(deviation($times, %share), '<', 3, 'in proportion');
};


# The ids that Redis was asked about are the page's and each slot's panel.

subtest 'weighted: p is the probability, found independently' => sub {
    my ($n, $placed, $unfilled) = (60, 0, 0);
    my @responses;

    $t->answered(sub { fetch('panel', page('p1'), e => 1) });

    my @commands = $redis->asked(sub {
        @responses = map { fetch('panel', page('p1'), e => $_) } 1 .. $n;
    });

    for my $r (@responses) {
        my @ids = (shift @commands) =~ /"([^"]+)"/g;
        splice @ids, 0, 3;
        my %shown = map { ($_->{_recs}{slot} => $_) } grep { $_->{_recs} }
                    items($r);
        my @taken;

        for my $slot (1, 2) {
            my @panel = grep { my $id = $_; !grep { $_ eq $id } @taken }
                        splice @ids, 0, 2 + $slot;
            splice @panel, 3 if @panel > 3;
            my @eligible = grep { !/w[04]/ } @panel;
            my $item = $shown{$slot};

            if (!@eligible) {
                $unfilled++;
                ok(!$item, 'nothing is put in');
                next;
            }

            $placed++;
            my $p = $weight{ $item->{id} } / sum(@weight{@eligible})
                    * @panel / (@weighted - @taken);
            close_to($item->{_recs}{p}, $p, "p of $item->{id}");
            push @taken, $item->{id};
        }

        is(scalar @ids, 0, 'and nothing else was asked');
    }

    cmp_ok($placed, '>', $n, 'many were placed');
    is($placed + $unfilled, 2 * $n, 'or could not be');
};


subtest 'objects without a good weight are passed over' => sub {
    is_deeply([map { $_->{id} } drawn('wrong', page('p1'))], ['x5'],
              'one is left');
    my $pool = $t->get('/status')->json->{pools}{wrong};
    is($pool->{items}, 1, 'of one item');
    is($pool->{refused}, 4, 'four refused');
};


subtest 'a pool of weights 0 gives nothing' => sub {
    my $before = $t->get('/status')->json->{items};
    is(fetch('zero', page('p1', 'q1'))->body, page('p1', 'q1'),
       'the page stays');

    my $after = $t->get('/status')->json->{items};
    is($after->{unfilled_slots} - $before->{unfilled_slots}, 2, 'counted');
    is($after->{explored}, $before->{explored}, 'none was drawn');
};


subtest 'diverse: the category that the page shows least' => sub {
    my @rows = (
        [['p:a'], 'b'], [['p:b'], 'a'], [['p:a', 'q:b', 'r:b'], 'a'],
        [['p:a', 'q:a', 'r:b', 's:x', 't'], 'b'],
    );

    for my $row (@rows) {
        my ($page, $category) = @$row;
        my %seen = map { ($_->{genre} => 1) }
                   map { drawn('diverse', page(@$page), e => $_) } 1 .. 20;
        is_deeply([keys %seen], [$category], "@$page: $category");
    }

    my $times = tally('diverse', 300, page('p:a'));
    cmp_ok(deviation($times, b1 => 1, b2 => 1, b3 => 1), '<', 3,
           'of its items each alike');
    close_to((drawn('diverse', page('p:a')))[0]{_recs}{p}, 1 / 3, 'p is 1/3');

    my @page = ('p:b', 'q:a', 'r:a', 's:b', 't:b');
    my ($item) = drawn('limited', page(@page));
    my ($whole) = drawn('diverse', page(@page));
    is($whole->{genre}, 'a', 'the whole page counts');

    my %limited = map { ($_->{genre} => 1) }
                  map { drawn('limited', page(@page), e => $_) } 1 .. 30;
    is_deeply([sort keys %limited], ['a', 'b'],
              'or what the limit leaves of it, where both are shown once');
};


subtest 'diverse: a hash decides between those shown alike' => sub {
    my %times;
    $times{ $_->{genre} // 'none' }++
        for map { drawn('all', page('p1'), e => $_) } 1 .. 400;

    # the page's item has no category, as z1 of the pool
    is_deeply([sort keys %times], [7, 'a', 'b'], 'those that are not shown');
    cmp_ok(deviation(\%times, a => 1, b => 1, 7 => 1), '<', 4, 'each alike');

    my ($z) = drawn('all', page('p:a', 'q:b', 'r:7'));
    is($z->{id}, 'z1', 'what has no category is one, too');
};


subtest 'diverse: each slot takes another category' => sub {
    for my $event (1 .. 20) {
        my @drawn = drawn('twice', page('p1', 'q1'), e => $event);
        is(join(',', sort map { $_->{genre} } @drawn), 'a,b', 'one of each');
    }
};


subtest 'diverse: a category with nothing eligible leaves its slot' => sub {
    my $before = $t->get('/status')->json->{items}{unfilled_slots};
    my %slots = map { ($_->{_recs}{slot} => 1) }
                map { drawn('few', page('p:a', 'q', 'r'), e => $_) } 1 .. 20;

    ok(!$slots{1}, 'slot 1 is for b, which the set refuses');
    cmp_ok($t->get('/status')->json->{items}{unfilled_slots} - $before, '>=',
           20, 'counted');

    # b counts as shown all the same: of a and b one each, a hash decides
    my ($a) = grep { $_ } map { drawn('few', page('p:a', 'q', 'r'), e => $_) }
              1 .. 20;
    is($a->{genre}, 'a', 'slot 3 is for a, now and then');
    close_to($a->{_recs}{p}, 1 / 2 * 2 / 4, 'p is of the category');
};


subtest 'several lines, each with its pool' => sub {
    for my $event (1 .. 30) {
        my @items = items(fetch('lines', page('p' .. 't'), e => $event));
        my @slots = map { $_->{_recs} ? $_->{_recs}{slot} : '-' } @items;
        like(join(' ', @slots), qr/^1 2 [-3] 4 -$/, 'in their slots');

        my %ids = map { ($_->{id} => 1) } @items;
        is(scalar keys %ids, scalar @items, 'no id twice');

        for my $item (grep { $_->{_recs} } @items) {
            like($item->{id}, $item->{_recs}{pool} eq 'fresh' ? qr/^f[123]$/
                              : qr/^(f1|o1)$/, 'of its pool');
        }
    }
};


subtest 'several lines of one pool place nothing twice' => sub {
    for my $event (1 .. 20) {
        my @drawn = drawn('same', page('p' .. 't'), e => $event);
        is(join(' ', sort map { $_->{id} } @drawn), 'f1 f2 f3', 'all three');
        my %p = map { ($_->{_recs}{slot} => $_->{_recs}{p}) } @drawn;
        close_to($p{$_}, 1 / (4 - $_), "p of slot $_") for 1 .. 3;
    }
};


subtest 'several lines, each with its gate' => sub {
    my %times;

    for my $user (1 .. 400) {
        $times{ join ' ', map { $_->{_recs}{pool} }
                          drawn('gates', page('p' .. 't'), u => "u$user") }++;
    }

    cmp_ok(deviation(\%times, '' => 1, fresh => 1, letters => 1,
                     'fresh letters' => 1), '<', 4, 'independent')
        or diag(explain(\%times));
};


subtest 'a pool by variable' => sub {
    my %pool = map {
        my $arm = $_;
        my ($item) = drawn('variable', page('p1'), arm => $arm);
        ($arm => $item ? $item->{_recs}{pool} : 'none');
    } 'fresh', 'canary', 'weighted', '';

    is_deeply(\%pool, { fresh => 'fresh', canary => 'other',
                        weighted => 'weighted', '' => 'none' },
              'that which it names');

    my $before = $t->get('/status')->json->{items};
    my $r = fetch('variable', page('p1'), arm => '');
    my $after = $t->get('/status')->json->{items};
    is($after->{unfilled_slots}, $before->{unfilled_slots},
       'none: it does not explore');

    $t->expect_log(
        qr/recs_explore "\$arm" names "nobody", which is no recs_pool/);
    fetch('variable', page('p1'), arm => 'nobody') for 1 .. 3;
    is(fetch('variable', page('p1'), arm => 'nobody')->body, page('p1'),
       'one that there is not: the page stays');
    is($t->get('/status')->json->{items}{unfilled_slots}
       - $after->{unfilled_slots}, 4, 'counted as unfilled');

    is($t->get('/named/a%0Ab' . 'x' x 200 . '?page=' . page('p1'))->status,
       200);
    ok($nginx->wait_log(qr/ names "a\?bx{125}", which is no recs_pool/),
       'a line of the log, whatever the name');
};


$t->done;
