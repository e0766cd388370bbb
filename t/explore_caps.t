use strict;
use warnings;

# cap=N/T: an item that exploration showed N times within T, to whomever and by
# whichever worker, is refused until T has passed.  It counts where it was
# delivered.

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(max sum);
use Recs::Mode;
use Recs::Test;
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $t = Recs::Test->new;

my $short = int Recs::Mode::patience(6);        # s
my $many = 1500;

$t->write('three.ndjson', join '', map { "{\"id\":\"$_\"}\n" } qw(x y z));
$t->write('more.ndjson', join '', map { "{\"id\":\"$_\"}\n" } qw(x w));
$t->write('one.ndjson', "{\"id\":\"x\"}\n");
$t->write('many.ndjson', join '', map { "{\"id\":\"m$_\"}\n" } 1 .. $many);
$t->write('allowed.txt', "a\nb\nx\ny\n");
$t->write('www/page.json', '{"items":[{"id":"a"},{"id":"b"}]}');
$t->write('www/long.json', '{"items":['
    . join(',', map { "{\"id\":\"l$_\"}" } 1 .. 20) . ']}');
$t->write('www/big.json', '{"items":['
    . join(',', map { "{\"id\":\"l$_\"}" } 1 .. 30_000) . ']}');
$t->write('www/main.html', '<!--# include virtual="/of-page/page.json" -->'
    . 'x' x 400_000);

# Each location has a window of its own, so that it counts for itself.

my $window = 60;
my %locations = (
    three   => 'three 2',
    allowed => 'three 2',
    panel   => 'three 2 panel=2',
    head    => 'one 1',
    same    => 'one 2',
    leave   => 'one 1',
    stay    => 'one 1',
    kept    => 'one 1',
    part    => 'one 1',
);
my %more = (
    allowed => 'recs_require allowed;',
    leave   => 'limit_rate 20k; limit_rate_after 100k;',
);

my $http = <<'HTTP';
recs_pool three file=%%TESTDIR%%/three.ndjson size=16k;
recs_pool more file=%%TESTDIR%%/more.ndjson size=16k;
recs_pool one file=%%TESTDIR%%/one.ndjson size=16k;
recs_pool many file=%%TESTDIR%%/many.ndjson size=64k;
recs_set allowed file=%%TESTDIR%%/allowed.txt;

recs on;
recs_max_items 50000;
recs_max_body_size 10m;
log_format caps '$uri';

server {
    listen %%LISTEN%%;
    listen %%LISTEN_H2%% http2;
    default_type application/json;
    add_header Pid $pid;
    access_log %%TESTDIR%%/caps.log caps;

    location /two/ {
        recs_explore three rate=100% slots=1 salt=s cap=1/2h;
        recs_explore three rate=100% slots=2 salt=s cap=1/2h;
        alias %%TESTDIR%%/www/;
    }
    location /apart/ {
        recs_explore three rate=100% slots=1 salt=s cap=1/3h;
        recs_explore three rate=100% slots=2 salt=s cap=1/4h;
        alias %%TESTDIR%%/www/;
    }
    location /by-name/ {
        recs_explore $arg_pool rate=100% slots=1 salt=s cap=1/5h;
        alias %%TESTDIR%%/www/;
    }
    location /many/ {
        recs_explore many rate=100% panel=128 salt=s cap=1/6h
                     slots=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16;
        alias %%TESTDIR%%/www/;
    }
    location /short/ {
        recs_explore three rate=100% slots=1 salt=s cap=1/%%SHORT%%s;
        alias %%TESTDIR%%/www/;
    }
    location /shadow-of/ {
        recs shadow;
        recs_explore one rate=100% slots=1 salt=s cap=1/7h;
        alias %%TESTDIR%%/www/;
    }
    location /of/ {
        recs_explore one rate=100% slots=1 salt=s cap=1/7h;
        alias %%TESTDIR%%/www/;
    }
    location /of-page/ {
        recs_explore one rate=100% slots=1 salt=s cap=1/8h;
        alias %%TESTDIR%%/www/;
    }
    location /main.html {
        recs off;
        ssi on;
        types { }
        default_type text/html;
        limit_rate 20k;
        limit_rate_after 100k;
        root %%TESTDIR%%/www;
    }
    location /status { recs off; recs_status; }
HTTP

$t->set(SHORT => $short);

for my $name (sort keys %locations) {
    my ($pool, $n, $rest) = split / /, $locations{$name};
    my $more = $more{$name} // '';

    $window++;
    $http .= "location /$name/ { $more recs_explore $pool rate=100% slots=1 "
           . "salt=s cap=$n/${window}m " . ($rest // '')
           . "; alias %%TESTDIR%%/www/; }\n";
}

my $nginx = $t->nginx(http => "$http }", workers => 4);

sub logged { return scalar(my @lines = split /\n/, $t->read('caps.log')) }
sub pool { return $t->get('/status')->json->{pools}{ $_[0] } }

# An item counts when its request has ended: that is when it is logged.

sub ended {
    my ($count) = @_;
    wait_until(sub { logged() >= $count }) or die "a request has no end\n";
}

sub get {
    my ($target, @fields) = @_;
    my $before = logged();
    my $r = $t->get($target, @fields);
    ended($before + 1);
    return $r;
}

sub same {
    my ($got, $wanted, $name) = @_;
    cmp_ok(abs($got - $wanted), '<', 1e-12, $name);
}

sub put_in {
    my ($r) = @_;
    return grep { $_->{_recs} } @{ $r->json->{items} };
}

# The ids that were put in, over n requests.

sub ids {
    my ($target, $n) = @_;
    return map { map { $_->{id} } put_in(get("$target?$_")) } 1 .. $n;
}


subtest 'an item is shown so often, by all workers together' => sub {
    my (%n, %pids);

    for my $turn (1 .. 6) {
        my $r = get("/three/page.json?$turn");
        my ($item) = put_in($r);
        my $open = grep { ($n{$_} // 0) < 2 } qw(x y z);

        same($item->{_recs}{p}, 1 / $open, "p: $open are eligible");
        $n{ $item->{id} }++;
        $pids{ $r->header('Pid') } = 1;
    }

    is_deeply(\%n, { x => 2, y => 2, z => 2 }, 'each of them');

    for my $turn (7 .. 20) {
        my $r = get("/three/page.json?$turn");
        is_deeply([put_in($r)], [], 'and no more');
        $pids{ $r->header('Pid') } = 1;
    }

    cmp_ok(scalar keys %pids, '>', 1, 'by several workers');
    cmp_ok(pool('three')->{capped}, '>=', 14 * 3, 'counted as refused');
};


subtest 'what is capped is a refusal, as those of sets are' => sub {
    my %n;

    for my $turn (1 .. 4) {
        my ($item) = put_in(get("/allowed/page.json?$turn"));
        my $open = grep { ($n{$_} // 0) < 2 } qw(x y);

        same($item->{_recs}{p}, 1 / $open, 'p');
        $n{ $item->{id} }++;
    }

    is_deeply(\%n, { x => 2, y => 2 });
    is_deeply([ids('/allowed/page.json', 2)], []);

    # A panel of two of three: each is in it with a chance of 2/3.

    %n = ();

    for my $turn (1 .. 60) {
        my ($item) = put_in(get("/panel/page.json?$turn")) or next;
        my $open = grep { ($n{$_} // 0) < 2 } qw(x y z);
        my $p = $item->{_recs}{p};

        ok((grep { abs($p - 2 / 3 / $_) < 1e-12 } 1 .. 2), "p is $p");
        ok($open >= 2 || $p > 0.6, 'one is left, and chosen surely');
        $n{ $item->{id} }++;
    }

    is_deeply(\%n, { x => 2, y => 2, z => 2 });
};


subtest 'lines and pools' => sub {
    is(scalar ids('/two/page.json', 4), 3, 'the same cap counts together');
    is(scalar ids('/apart/page.json', 4), 6, 'another one apart');

    my @three = map { map { $_->{id} } put_in(
        get("/by-name/page.json?pool=three&$_")) } 1 .. 5;
    my @more = map { map { $_->{id} } put_in(
        get("/by-name/page.json?pool=more&$_")) } 1 .. 5;

    is_deeply([sort @three], [qw(x y z)], 'a pool by variable');
    is_deeply([sort @more], [qw(w x)], 'the same id in another pool');
};


subtest 'a window passes' => sub {
    my $start = clock_gettime(CLOCK_MONOTONIC);
    my @ids = ids('/short/page.json', 4);

    is_deeply([sort @ids], [qw(x y z)], 'each once');

    ok(wait_until(sub { put_in(get('/short/page.json')) },
        Recs::Mode::patience(3 * $short)), 'and again');
    cmp_ok(clock_gettime(CLOCK_MONOTONIC) - $start, '>=', $short,
        'not too early');
};


subtest 'what was not delivered does not count' => sub {
    my $before = logged();

    is($t->request('HEAD', '/head/page.json')->status, 200) for 1 .. 3;
    ended($before + 3);
    is(scalar ids('/head/page.json', 2), 1, 'HEAD');

    my $r = get('/same/page.json');
    is(scalar put_in($r), 1);
    is(get('/same/page.json', 'If-None-Match' => $r->header('ETag'))->status,
        304) for 1 .. 3;
    is(scalar ids('/same/page.json', 2), 1, 'not modified');

    is(get("/shadow-of/page.json?$_")->status, 200) for 1 .. 3;
    is(scalar ids('/of/page.json', 2), 1, 'shadow');

    for my $how (qw(close reset)) {
        $before = logged();
        my $c = $t->http;
        $c->send('GET', '/leave/big.json');
        is($c->head->status, 200);
        $c->take(1000);
        $c->$how;
        ended($before + 1);
    }

    $before = logged();
    my $c = $t->http2(port => 'H2');
    my $id = $c->send('GET', '/leave/big.json');
    is($c->head($id)->status, 200);
    $c->reset_stream($id);
    ended($before + 1);

    is(scalar ids('/leave/page.json', 2), 1, 'a client that left');
    is(scalar ids('/stay/big.json', 2), 1, 'one that stayed');

    $before = logged();
    $c = $t->http;
    $c->send('GET', '/main.html');
    is($c->head->status, 200);
    $c->take(1000);
    $c->close;
    ended($before + 1);
    is(scalar ids('/of-page/page.json', 2), 1, 'a part of what ended early');
};


subtest 'reloads and deaths' => sub {
    is(scalar ids('/kept/page.json', 2), 1);
    ok($nginx->reload(http => "$http }"));
    is(scalar ids('/kept/page.json', 3), 0, 'counts survive a reload');

    my %old = map { $_ => 1 } $nginx->workers;
    $t->expect_kills;
    $nginx->signal_workers('KILL');
    ok(wait_until(sub { 4 == grep { !$old{$_} } $nginx->workers }));
    is(scalar ids('/kept/page.json', 3), 0, 'and the death of workers');
    is(scalar ids('/part/page.json', 2), 1, 'others can be counted');
};


subtest 'what has no place could not be counted: it is refused' => sub {
    my (%n, $empty);

    for my $turn (1 .. 200) {
        my @items = put_in(get("/many/long.json?$turn"));
        $n{ $_->{id} }++ for @items;
        $empty = @items ? 0 : $empty + 1;
        last if $empty == 5;
    }

    my $pool = pool('many');

    is(max(values %n), 1, 'nothing was shown twice');
    cmp_ok(scalar keys %n, '>=', 900, 'most places were found');
    cmp_ok(scalar keys %n, '<=', 1024 + $pool->{uncounted}, 'and no more');
    cmp_ok($pool->{cap_full}, '>', 0, 'refused, and counted as such');
};


subtest 'configurations that are wrong' => sub {
    for my $cap (qw(0/1h 5 5/ /1h 5/0s 5/999ms 5/366d 5/2y x/1h 5/x
                    1000000001/1h))
    {
        my ($code, $said) = $t->nginx_test(
            "recs_pool three file=%%TESTDIR%%/three.ndjson;\n"
            . 'server { listen %%LISTEN%%; recs_explore three rate=1% '
            . "slots=1 cap=$cap; }");

        isnt($code, 0, "cap=$cap");
        like($said, qr/"cap=\Q$cap\E" .*it must be a number.* in \S+:\d+/);
    }

    for my $cap (qw(1/1s 1000000000/365d)) {
        my ($code, $said) = $t->nginx_test(
            "recs_pool three file=%%TESTDIR%%/three.ndjson;\n"
            . 'server { listen %%LISTEN%%; recs_explore three rate=1% '
            . "slots=1 cap=$cap; }");

        is($code, 0, "cap=$cap is right") or diag($said);
    }

    my ($code, $said) = $t->nginx_test(
        "recs_zone 512k; recs_pool three file=%%TESTDIR%%/three.ndjson;\n"
        . 'server { listen %%LISTEN%%; recs_explore three rate=1% slots=1 '
        . 'cap=5/1h; }');

    isnt($code, 0, 'a zone that is too small');
    like($said, qr/recs_zone of 512k is too small, \d+k are needed/);
};

$t->done;
