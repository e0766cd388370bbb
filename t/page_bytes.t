use strict;
use warnings;

# A page is bytes: a byte order mark, strings that are not UTF-8 and gzip in
# several members do not switch the filter off, and pass as they came.

use FindBin;
use lib "$FindBin::Bin/lib";

use Data::MessagePack;
use IO::Compress::Gzip qw(gzip);
use JSON::PP qw(decode_json);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis;

my $bom = "\xEF\xBB\xBF";
my $page = '{"items":[{"id":"b1"},{"id":"b2"}]}';
my $shown = '{"items":[{"id":"b1"}]}';

sub titled { return "{\"items\":[{\"id\":\"b1\",\"t\":\"$_[0]\"}$_[1]]}" }
sub odd    { return titled($_[0], ',{"id":"b2"}') }

sub compressed {
    my ($text) = @_;

    gzip(\$text => \my $bytes) or die 'gzip';
    return $bytes;
}

my ($first, $second) = (compressed('{"items":[{"id":"b1"},{"i'),
                        compressed('d":"b2"}]}'));

my @gzip = ('Content-Encoding' => 'gzip');
my %gzipped = map { $_->[0] => { body => $_->[1], headers => \@gzip } } (
    [two => $first . $second],
    [three => $first . compressed('') . $second],
    [empty => compressed('') x 2 . compressed($page)],
    [many => join '', map { compressed($_) } split //, $page],
    [zeros => compressed($page) . "\0" x 512],
    [garbage => compressed($page) . 'garbage'],
    [begun => compressed($page) . "\x1F"],
    [cut => $first . substr($second, 0, -1)],
    [torn => $first . substr($second, 0, 5)],
    [wrong => $first . substr($second, 0, -8) . 'x' x 8],
    [header => compressed($page) . "\x1F\x8B"],
    [twice => compressed($page) x 2],
    [large => $first . $second . compressed(' ' x 70_000)],
);

my %bodies = (
    bom       => "$bom$page",
    bom_array => "$bom\[\"b1\",\"b2\"]",
    bom_twice => "$bom$bom$page",
    bom_alone => $bom,
    bom_utf16 => "\xFE\xFF" . join('', map { "\0$_" } split //, $page),
    latin     => odd("caf\xE9"),
    ended     => odd("\xE2\x82"),
    surrogate => odd("\xED\xA0\x80"),
    overlong  => odd("\xC0\x80"),
    high      => odd("\xFF\xFE \xC3\xA9 " . 'x' x 100 . "\x80"),
    name      => "{\"\xE9\":1,\"items\":[{\"id\":\"b1\"},{\"id\":\"b2\"}]}",
    fine      => odd("caf\xC3\xA9"),
    escape    => odd("\\\xE9"),
    outside   => "{\"items\":[{\"id\":\"b1\"},\xE9]}",
    nan       => '{"items":[{"id":"b1","score":NaN}]}',
    bracket   => '{"items":[{"id":"b1"},{"id":"b2"}',
    ids       => "{\"items\":[{\"id\":\"b\xE9\"},{\"id\":\"b\xC3\xA9\"},"
               . "{\"id\":\"b\\u00e9\"},{\"id\":\"b\xE8\"}]}",
    version   => "{\"model\":\"m\xE9\",\"items\":[\"b1\"]}",
);

my $api = $t->upstream(sub {
    my ($name) = $_[0]{path} =~ /(\w+)\z/;
    return $gzipped{$name} // { body => $bodies{$name} };
});

$redis->cmd('SADD', 'gone', 'b2', "b\xE9");
$redis->cmd('SET', 'home:v1:u:odd', "${bom}{\"items\":[{\"id\":\"b\xE8\","
            . "\"t\":\"caf\xE9\"},{\"id\":\"b\xE9\"}]}");
$redis->cmd('HSET', '{home}:v1:meta', model => 'm1', schema => 3,
            features => 'f1', generated_at => time, max_age => 3600,
            expected => 1, written => 1, state => 'complete');
$redis->cmd('SET', '{home}:channel:active', 'v1');

$t->write('pool.ndjson', "$bom\{\"id\":\"p1\"}\n"
                         . "{\"id\":\"p2\",\"t\":\"\xE9\"}\n"
                         . "{\"id\":\"p3\"}\n");

my $nginx = $t->nginx(access_log => 'off', http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_set gone redis=main key=gone;
recs_snapshots home redis=main prefix=home;
recs_pool pool file=%%TESTDIR%%/pool.ndjson;
log_format exposure escape=none '$recs_exposure';
recs_lookup_timeout 5s;
recs_user $arg_user;

server {
    listen %%LISTEN%%;
    listen %%LISTEN_H2%% http2;
    recs on;
    recs_exclude gone;
    recs_max_body_size 64k;
    recs_on_bad_body pass;

    location / { proxy_pass http://%%API%%/; }
    location /unbuffered/ {
        proxy_buffering off;
        proxy_pass http://%%API%%/;
    }
    location /root/ { recs_items ""; proxy_pass http://%%API%%/; }
    location /both/ {
        recs_tag both;
        recs_version model body=/model;
        recs_explain $arg_explain;
        proxy_pass http://%%API%%/;
    }
    location /shadow/ { recs shadow; proxy_pass http://%%API%%/; }
    location /logged/ {
        access_log %%NGINX_DIR%%/exposure.log exposure;
        proxy_pass http://%%API%%/;
    }
    location /filled/ { recs_backfill pool min=4; proxy_pass http://%%API%%/; }
    location /snapshot {
        recs_pass home format=msgpack;
        recs_explain $arg_explain;
    }
    location /status { recs off; recs_status; }
}
HTTP

sub counted { return $t->get('/status')->json->{not_utf8} }


subtest 'a byte order mark stays' => sub {
    for my $r (map { $t->get($_), $t->http2(port => 'H2')->get($_) }
                   '/bom', '/unbuffered/bom')
    {
        is $r->body, "$bom$shown", 'filtered';
        is $r->header('Recs-Filter'),
            'filtered;total=2;kept=1;removed=1;explored=0', 'as any other';
        is $r->header('Content-Length'), 3 + length $shown, 'its length';
    }

    is $t->get('/root/bom_array')->body, "$bom\[\"b1\"]", 'before an array';
    like $t->get('/both/bom')->body, qr/\A$bom\{"items":.*,"_recs":\{.*\}\}\z/,
        'with a tag';
    is $t->get('/filled/bom')->body, $bom . '{"items":[{"id":"b1"},'
        . join(',', map { "{\"id\":\"p$_\",\"_recs\":{\"backfill\":true,"
                          . '"pool":"pool"}}' } 1, 3) . ']}',
        'a pool\'s is none of a page';

    is $t->get("/$_")->header('Recs-Filter'), 'malformed;why=syntax', $_
        for qw(bom_twice bom_alone bom_utf16);
};


subtest 'bytes that are not UTF-8 pass, counted' => sub {
    my @odd = qw(latin ended surrogate overlong high);
    my $before = counted();

    for my $name (@odd) {
        my ($text) = $bodies{$name} =~ /"t":"([^"]*)"/;

        for my $path ("/$name", "/unbuffered/$name") {
            my $r = $t->get($path);
            is $r->body, titled($text, ''), $path;
            is $r->header('Recs-Filter'),
                'filtered;total=2;kept=1;removed=1;explored=0;not_utf8',
                'filtered, and said';
        }
    }

    is $t->get('/name')->body, "{\"\xE9\":1,\"items\":[{\"id\":\"b1\"}]}",
        'in a name';
    is counted() - $before, 2 * @odd + 1, 'counted';

    my $r = $t->get('/shadow/latin');
    is $r->body, $bodies{latin}, 'shadow';
    like $r->header('Recs-Filter'), qr/^shadow;.*;not_utf8$/, 'said';

    like $t->get('/both/latin')->body, qr/,"not_utf8":true\}\}\z/, '_recs';

    $before = counted();
    is $t->get('/fine')->header('Recs-Filter'),
        'filtered;total=2;kept=1;removed=1;explored=0', 'UTF-8: nothing said';
    unlike $t->get('/both/fine')->body, qr/not_utf8/, 'nor there';
    is counted(), $before, 'nor counted';
};


subtest 'what is not JSON is malformed as ever' => sub {
    for my $name (qw(escape outside nan bracket)) {
        my $r = $t->get("/$name");
        is $r->header('Recs-Filter'), 'malformed;why=syntax', $name;
        is $r->body, $bodies{$name}, 'as it came';
    }
};


subtest 'ids are compared as their bytes' => sub {
    my $r = $t->get('/ids');
    is $r->body, "{\"items\":[{\"id\":\"b\xC3\xA9\"},{\"id\":\"b\\u00e9\"},"
        . "{\"id\":\"b\xE8\"}]}", 'not as anything that looks like it';

    $r = $t->get('/both/ids?explain=1');
    like $r->body, qr/"items":\[\{"id":"b\xEF\xBF\xBD","set":"gone"\}\]/,
        'explained: U+FFFD for each byte';

    $t->get('/logged/ids');
    my ($line) = $nginx->access_log(1, 'exposure.log');
    my $record = decode_json($line);
    is_deeply [map { $_->{id} } @{ $record->{shown} }],
        ["b\x{E9}", "b\x{E9}", "b\x{FFFD}"], 'the record is UTF-8';

    $r = $t->get('/both/version');
    is $r->header('Recs-Model-Version'), undef, 'a version is not sent';
    like $r->body, qr/"model":"m\xEF\xBF\xBD"/, 'in the body it is';
};


subtest 'a page that changes its format' => sub {
    my $r;
    ok wait_until(sub { ($r = $t->get('/snapshot?user=odd'))->status == 200 }),
        'the version is active';
    is $r->body, "\x81\xA5items\x91\x82\xA2id\xA2b\xE8\xA1t\xA4caf\xE9",
        'a str has the same bytes';
    like $r->header('Recs-Filter'), qr/;not_utf8$/, 'said';

    my $said = Data::MessagePack->unpack(
        $t->get('/snapshot?user=odd&explain=1')->body)->{_recs};
    like $said->{items}[0]{id}, qr/\Ab/, 'explained';
    ok $said->{not_utf8}, 'and in _recs';
};


subtest 'gzip in several members' => sub {
    for my $name (qw(two three empty many)) {
        for my $path ("/$name", "/unbuffered/$name") {
            my $r = $t->get($path);
            is $r->body, $shown, $path;
            is $r->header('Content-Encoding'), undef, 'plain';
        }
    }

    for my $name (qw(zeros garbage begun)) {
        my $r = $t->get("/$name");
        is $r->body, $shown, "$name after it: ignored";
        like $r->header('Recs-Filter'), qr/^filtered;/, 'filtered';
    }

    for my $name (qw(cut torn wrong header)) {
        my $r = $t->get("/$name");
        is $r->header('Recs-Filter'), 'malformed;why=encoding', $name;
        is $r->body, $gzipped{$name}{body}, 'as it came';
        is $r->header('Content-Encoding'), 'gzip', 'compressed';
    }

    is $t->get('/twice')->header('Recs-Filter'), 'malformed;why=syntax',
        'two pages are none';
    is $t->get('/large')->header('Recs-Filter'), 'too_large;why=body',
        'all members count for the size';
};


$t->expect_log(qr/\[warn\].*"pool"/);
$t->done;
