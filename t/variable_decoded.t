use strict;
use warnings;

# $recs_decoded_... is what a client typed, decoded, in users, lists and keys:
# however a user is written, it is the same user.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis;

$redis->pipeline(
    ['SADD', 'seen:ann@x.org', 'f1'],
    ['SADD', 'seen:ann+1@x.org', 'f2'],
    ['SADD', 'seen:ann b', 'f3'],
    ['SADD', 'seen:u10', 'f1', 'f2'],
    ['SADD', "seen:j\xc3\xbcrg", 'f4'],
    ['SADD', 'seen:u1%30', 'f4'],
    ['SADD', 'seen:%zz', 'f1'],
    ['SADD', 'seen:100%', 'f2'],
    ['SADD', 'seen:50%2', 'f3'],
    ['SADD', "seen:u\n1", 'f1'],
    ['SADD', 'land:AT', 'f1'],
    (map { ['SET', "home:v1:u:$_->[0]", qq({"items":[{"id":"$_->[1]"}]})] }
         ['ann@x.org', 'of_ann'], ['u10', 'of_u10'], ['_default', 'of_all']),
    ['HSET', '{home}:v1:meta', model => 'm', schema => 1, features => 'f',
     generated_at => time, expected => 3, written => 3,
     state => 'complete'],
    [qw(SET {home}:channel:active v1)],
);

$t->write('pool.ndjson', qq({"id":"n1"}\n));

my $api = $t->upstream('{"items":[{"id":"f1"},{"id":"f2"},{"id":"f3"},'
                       . '{"id":"f4"}]}', keepalive => 1);

my $nginx = $t->nginx(access_log => q($recs_user|$recs_exposure),
                      http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_set seen redis=main key=seen:$recs_user;
recs_set before redis=main key=seen:$recs_user prefetch=10;
recs_set not value=$recs_decoded_arg_exclude;
recs_set basket value=$recs_decoded_cookie_basket;
recs_set land redis=main key=land:$recs_decoded_arg_land;
recs_set header value=$recs_decoded_http_x_ids;
recs_pool fresh file=%%TESTDIR%%/pool.ndjson;
recs_snapshots home redis=main prefix=home;

split_clients $recs_user $arm { 50% a; * b; }
map $recs_user $mapped { ann@x.org ann; default other; }

recs on;
recs_lookup_timeout 10s;
recs_user $recs_decoded_arg_user;

server {
    listen %%LISTEN%%;
    add_header X-User $recs_user;
    add_header X-Arm $arm;
    add_header X-Mapped $mapped;
    proxy_set_header X-User $recs_user;
    ssi_types application/json;

    location / { proxy_pass http://%%API%%; }
    location /seen { recs_exclude seen; proxy_pass http://%%API%%; }
    location /before { recs_exclude before; proxy_pass http://%%API%%; }
    location /not { recs_exclude not; proxy_pass http://%%API%%; }
    location /basket { recs_exclude basket; proxy_pass http://%%API%%; }
    location /land { recs_exclude land; proxy_pass http://%%API%%; }
    location /header { recs_exclude header; proxy_pass http://%%API%%; }
    location /cookie {
        recs_user $recs_decoded_cookie_user;
        recs_exclude seen;
        proxy_pass http://%%API%%;
    }
    location /raw {
        recs_user $arg_user;
        recs_exclude seen;
        proxy_pass http://%%API%%;
    }
    location /explore {
        recs_explore fresh rate=50% slots=1 salt=s;
        proxy_pass http://%%API%%;
    }
    location /record {
        recs_record_shown redis=main key=shown:$recs_user;
        proxy_pass http://%%API%%;
    }
    location /home { recs off; recs_pass home; }
    location /page.txt {
        recs off;
        ssi on;
        ssi_types *;
        root %%TESTDIR%%/www;
    }
}
HTTP

$t->write('www/page.txt', '<!--# echo var="recs_decoded_arg_user" -->');

ok wait_until(sub { $t->get('/home?user=u10')->status == 200 }),
    'the snapshot is there';


sub shows {
    my ($uri, @headers) = @_;

    my $r = $t->get($uri, @headers);
    return join ' ', map { s/^f//r } map { $_->{id} } @{ $r->json->{items} };
}

sub sets { return $t->get(@_)->header('Recs-Sets') }


subtest 'a user is the same, however it is written' => sub {
    for my $row (
        ['u10', '3 4'], ['u1%30', '3 4'], ['%751%30', '3 4'],
        ['%75%31%30', '3 4'],
        ['ann%40x.org', '2 3 4'], ['ann@x.org', '2 3 4'],
        ['ANN%40x.org', '1 2 3 4'],
        ['ann%2B1%40x.org', '1 3 4'], ['ann%2b1@x.org', '1 3 4'],
        ['ann+b', '1 2 4'], ['ann%20b', '1 2 4'],
        ['j%C3%BCrg', '1 2 3'], ['j%c3%bcrg', '1 2 3'],
    ) {
        my ($user, $shown) = @$row;

        is shows("/seen?user=$user"), $shown, $user;
        is shows("/before?user=$user"), $shown, "$user, prefetched";
    }

    is shows('/raw?user=u1%30'), '1 2 3', '$arg_user is what was typed';
};


subtest 'decoded once' => sub {
    is shows('/seen?user=u1%2530'), '1 2 3', 'u1%2530 is u1%30';
    is $t->get('/seen?user=u1%2530')->header('X-User'), 'u1%30', 'and says so';
};


subtest 'what is not well formed stays' => sub {
    is shows('/seen?user=%zz'), '2 3 4', '%zz';
    is shows('/seen?user=100%'), '1 3 4', '100%';
    is shows('/seen?user=50%2'), '1 2 4', '50%2';
};


subtest 'a user with control characters is none' => sub {
    for my $user ('u%0A1', 'u%00', '%7f', 'u%0d%0aX-Evil:%201', '%09') {
        my $r = $t->get("/seen?user=$user");

        is $r->header('Recs-Sets'), 'seen;skipped', $user;
        is $r->header('X-User'), undef, 'no user';
        is $r->header('X-Evil'), undef, 'no header';
        is(($api->requests)[-1]{headers}{'x-user'}, undef,
           'none to the upstream');
        is(($api->requests)[-1]{headers}{'x-evil'}, undef, 'nor another');
    }

    is sets('/seen'), 'seen;skipped', 'as one that is not there';
    is sets('/seen?user='), 'seen;skipped', 'or empty';
};


subtest 'the user, wherever it is used' => sub {
    my $plain = $t->get('/?user=ann@x.org');
    my $typed = $t->get('/?user=%61nn%40x%2Eorg');

    is $typed->header('X-User'), 'ann@x.org', 'a header';
    is $typed->header('X-Mapped'), 'ann', 'a map';
    is $typed->header('X-Arm'), $plain->header('X-Arm'), 'split_clients';
    is(($api->requests)[-1]{headers}{'x-user'}, 'ann@x.org', 'the upstream');
    is $t->get('/page.txt?user=u1%30')->body, 'u10', 'SSI';

    is $t->get('/home?user=ann%40x.org')->json->{items}[0]{id}, 'of_ann',
        'a row';
    is $t->get('/home?user=u1%30')->json->{items}[0]{id}, 'of_u10', 'another';

    my %open = map { ($_ => shows("/explore?user=$_")) } map { "e$_" } 1 .. 20;
    my @other = grep { my ($n) = /(\d+)/;
                       shows("/explore?user=%65$n") ne $open{$_} } keys %open;
    is "@other", '', 'a gate';
    is scalar(keys %{ { reverse %open } }), 2, 'which is open for some';

    $t->get('/record?user=r%40x');
    ok wait_until(sub { @{ $redis->cmd('ZRANGE', 'shown:r@x', 0, -1) } == 4 }),
        'what was shown';

    ok wait_until(sub {
        grep { /^r\@x\|.*user\\x22:\\x22r\@x\\x22/ } $nginx->access_log
    }), 'a log, and the exposure record in it';
};


subtest 'lists' => sub {
    is shows('/not?exclude=f1%2Cf2'), '3 4', 'by URLSearchParams';
    is shows('/not?exclude=f1,f2'), '3 4', 'by hand';
    is shows('/not?exclude=f1%2C+f2'), '3 4', 'with a space';
    is shows('/not?exclude=f1%2C%20%661,,f%32'), '3 4', 'as it may be';
    is shows('/not?exclude=%66%33'), '1 2 4', 'one';
    is sets('/not?exclude=f1%00%2Cf2'), 'not;skipped', 'control characters';
    is sets('/not'), 'not;skipped', 'none';

    is shows('/basket', Cookie => 'basket=f1%2Cf2'), '3 4', 'a cookie';
    is shows('/basket', Cookie => 'a=b; basket=%661; c=d'), '2 3 4', 'or so';
    is shows('/header', 'X-Ids' => 'f1%2Cf2'), '3 4', 'a header';
};


subtest 'cookies, where + is no space' => sub {
    is shows('/cookie', Cookie => 'user=ann+1@x.org'), '1 3 4', '+';
    is shows('/cookie', Cookie => 'user=ann%2B1%40x.org'), '1 3 4', '%2B';
    is shows('/cookie', Cookie => 'user=ann%20b'), '1 2 4', '%20';
    is shows('/cookie', Cookie => 'user=u1%30'), '3 4', '%30';
    is sets('/cookie', Cookie => 'user=u1%0d'), 'seen;skipped', 'CR';
};


subtest 'a key' => sub {
    is shows('/land?land=AT'), '2 3 4', 'plain';
    is shows('/land?land=%41T'), '2 3 4', 'encoded';
    is sets('/land?land=%00'), 'land;skipped', 'NUL';
};


subtest 'configuration' => sub {
    my ($code, $said) = $t->nginx_test('recs_user $recs_decoded_nothing;');
    is $code, 1, 'of a variable that is not there';
    like $said, qr/unknown "nothing" variable/, 'says so';

    ($code, $said) = $t->nginx_test('recs_user $recs_decoded_;');
    is $code, 1, 'of none';

    ($code, $said) = $t->nginx_test('recs_user $recs_decoded_ARG_User;');
    is $code, 0, 'in capitals' or diag $said;
};


$t->done;
