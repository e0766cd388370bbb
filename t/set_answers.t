use strict;
use warnings;

# Sets of ids are answered from Redis, files and values, as their options say,
# and items whose set gives no answer stay or go, as configured.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Recs::Reference qw(filter difference);
use Recs::Test;
use Socket qw(IPPROTO_TCP TCP_INFO);
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis;
my $numbered = $t->redis(name => 'numbered', kind => 'plain');
my $tcp = $t->redis(name => 'other', tcp => 1, unix => 0);
my $closed = $t->redis(name => 'closed', kind => 'plain',
                       requirepass => 'first-secret',
                       config => 'user edge on >second ~* &* +@all');

# Writes down how many segments had brought the three questions of a response
# when the last of them was read.

my $before;

my $fake = $t->fake_redis(sub {
    my ($cmd, $stream) = @_;

    if ($cmd->[0] eq 'PING') {
        $before = segments($stream->{sock});
        return "+PONG\r\n";
    }

    if ($cmd->[1] eq 'three') {
        my $now = segments($stream->{sock});
        open my $file, '>>', $t->dir . '/segments' or die $!;
        print $file $now - $before, "\n";
        close $file;
        $before = $now;
    }

    return '*' . (@$cmd - 2) . "\r\n" . ":1\r\n" x (@$cmd - 2);
}, tcp => 1);

$t->write('first', "first-secret\r\nnot this\n");
$t->write('second', "second");
$t->write('third', "third\n");
$t->write('crlf.txt', "b1\r\n\r\n\nb2\n b3\nb4");

# The page is what the request asks for.
my $api = $t->upstream(sub { $_[0]{args}{page} });

# Each set has two locations, where it is excluded and where it is required.

my %sets = (
    plain      => 'redis=main key=plain',
    zset       => 'redis=main key=scores type=zset',
    zset_min   => 'redis=main key=scores type=zset min=0.5',
    recent     => 'redis=main key=times type=zset within=100s',
    hash       => 'redis=main key=shares type=hash',
    hash_min   => 'redis=main key=shares type=hash min=0.9',
    db3        => 'redis=db3 key=plain',
    over_tcp   => 'redis=over_tcp key=plain',
    tcp5       => 'redis=tcp5 key=plain',
    password   => 'redis=password key=plain',
    acl        => 'redis=acl key=plain',
    refused    => 'redis=refused key=plain',
    lost_keep  => 'redis=gone key=plain unknown=keep',
    lost_drop  => 'redis=gone key=plain unknown=drop',
    lost       => 'redis=gone key=plain',
    lines      => 'file=%%TESTDIR%%/crlf.txt',
    changing   => 'file=%%TESTDIR%%/changing.txt',
    one        => 'redis=fake key=one absent=empty',
    two        => 'redis=fake key=two absent=empty',
    three      => 'redis=fake key=three absent=empty',
    fixed      => '"value=b1, b2 ,,b4 b5"',
    argument   => 'value=$arg_ids',
    cookie     => 'value=$cookie_seen',
    of_user    => 'redis=main key=seen:$arg_u:$arg_v',
    typed      => 'redis=main key=typed:$arg_u',
    bad_zset   => 'redis=main key=plain type=zset',
    bad_hash   => 'redis=main key=plain type=hash',
);

my $http = '';
$http .= "recs_set $_ $sets{$_};\n" for sort keys %sets;
$http .= <<'HTTP';
recs_redis main { server %%REDIS%%; }
recs_redis db3 { server %%NUMBERED%%?db=3; }
recs_redis over_tcp { server %%OTHER_TCP%%; }
recs_redis tcp5 { server %%OTHER_TCP%%/5; }
recs_redis password {
    server %%CLOSED%%;
    auth password_file=%%TESTDIR%%/first;
}
recs_redis acl {
    server %%CLOSED%%;
    auth user=edge password_file=%%TESTDIR%%/second;
}
recs_redis refused {
    server %%CLOSED%%;
    auth user=edge password_file=%%TESTDIR%%/third;
}
recs_redis fake { server %%FAKE_TCP%%; }
recs_redis gone { server unix:%%TESTDIR%%/nobody.sock; }

recs on;
recs_lookup_timeout 10s;
large_client_header_buffers 4 64k;
server {
    listen %%LISTEN%%;
    proxy_pass_request_headers off;
HTTP

for my $set (sort keys %sets) {
    $http .= "location /not/$set { recs_exclude $set; %%TO%% }\n"
           . "location /in/$set { recs_require $set; %%TO%% }\n";
}

$http .= <<'HTTP';
    location /reasons {
        recs_exclude zset lines;
        recs_require plain hash;
        recs_explain 1;
        %%TO%%
    }
    location /everywhere {
        recs_exclude plain db3 over_tcp tcp5 password acl lines fixed;
        %%TO%%
    }
    location /partly {
        recs_exclude typed plain;
        %%TO%%
    }
    location /segments {
        recs_exclude two three;
        recs_require one;
        %%TO%%
    }
    location /three {
        recs_exclude plain zset hash;
        %%TO%%
    }
}
HTTP

$t->set(TO => 'proxy_pass http://%%API%%;');
$t->write('changing.txt', "b1\n");

our @ids = map { "b$_" } 1 .. 6;

fill_redis();

my $nginx = $t->nginx(http => $http, workers => 1, reloads => 0);


# tcpi_data_segs_in of Linux' struct tcp_info.

sub segments {
    my ($sock) = @_;

    return unpack 'x152 L',
                  getsockopt($sock, IPPROTO_TCP, TCP_INFO) // die "$!\n";
}


sub fill_redis {
    $redis->cmd('FLUSHALL');
    $redis->cmd('SADD', 'plain', 'b1', 'b3');
    $redis->cmd('ZADD', 'scores', 0.5, 'b1', 0.4999, 'b2', '+inf', 'b3',
                '-inf', 'b4', 1, 'b5');

    my $now = time;
    $redis->cmd('ZADD', 'times', $now - 20, 'b1', $now - 5000, 'b2',
                $now + 50, 'b3', '-inf', 'b4', 0, 'b5');

    $redis->cmd('HSET', 'shares', b1 => '0.9', b2 => '0.89', b3 => 'all',
                b4 => '', b5 => '9e-1', b7 => '0.95 ', b8 => ' 1', b9 => 'inf',
                b10 => 'nan', b11 => '-1', b12 => '1' x 70);

    my $db = $numbered->connect;
    $db->cmd('SELECT', 3);
    $db->cmd('SADD', 'plain', 'b2');
    $db->close;

    $tcp->cmd('SADD', 'plain', 'b4');
    $db = $tcp->connect;
    $db->cmd('SELECT', 5);
    $db->cmd('SADD', 'plain', 'b5');
    $db->close;

    $closed->cmd('SADD', 'plain', 'b6');
}


sub page {
    return '{"items":[' . join(',', map {
        '{"id":' . JSON::PP->new->allow_nonref->encode($_) . '}'
    } @_) . ']}';
}


sub fetch { return $t->get_page(@_) }


# What stays of b1...: "b2 b4"

sub kept {
    my ($path, @fields) = @_;

    my $r = fetch($path, page(@ids), @fields);
    return join ' ', map { $_->{id} } @{ $r->json->{items} };
}


sub state_of { return $_[0]->header('Recs-Filter') =~ /^(\w+)/ ? $1 : '' }


subtest 'each kind of set holds what it says' => sub {
    my @rows = (
        [plain => 'b1 b3', 'a Redis set'],
        [zset => 'b1 b2 b3 b4 b5', 'a sorted set, whatever the scores'],
        [zset_min => 'b1 b3 b5', 'a sorted set from a score on'],
        [recent => 'b1 b3', 'a sorted set of times, the young ones'],
        [hash => 'b1 b2 b3 b4 b5', 'a hash, whatever the values'],
        [hash_min => 'b1 b5', 'a hash from a value on'],
        [db3 => 'b2', 'a database of a unix socket'],
        [over_tcp => 'b4', 'over TCP'],
        [tcp5 => 'b5', 'a database over TCP'],
        [password => 'b6', 'behind a password'],
        [acl => 'b6', 'behind a user and a password'],
        [lines => 'b1 b2 b4', 'a file, with CR LF and blank lines'],
        [fixed => 'b1 b2', 'a list'],
    );

    for my $row (@rows) {
        my ($set, $in, $name) = @$row;
        my %in = map { $_ => 1 } split / /, $in;

        is(kept("/in/$set"), $in, $name);
        is(kept("/not/$set"), join(' ', grep { !$in{$_} } @ids), 'the others');
    }

    local @ids = map { "b$_" } 7 .. 12;
    is(kept('/in/hash_min'), 'b9', 'of a hash only numbers count');
    is(kept('/in/lines'), '', 'ids of a file are compared whole');
};


subtest 'a list comes with the request' => sub {
    is(kept('/not/argument?ids=b1,b3'), 'b2 b4 b5 b6', 'an argument');
    is(kept('/not/argument?ids=b1'), 'b2 b3 b4 b5 b6', 'of one');
    is(kept('/not/argument?ids=,b2,,b6,'), 'b1 b3 b4 b5', 'empty places');
    is(kept('/not/cookie', Cookie => 'seen= b1,  b2 ,b6'), 'b3 b4 b5',
       'a cookie, with spaces');
    is(kept('/in/cookie', Cookie => 'seen=b2'), 'b2', 'required');
    is(kept('/in/cookie', Cookie => 'seen=b22,2,b,B2'), '',
       'compared whole, and as they are written');
};


subtest 'an item without an id is asked of no set' => sub {
    my $page = '{"items":[{"ad":1},{"id":"b1"},{"id":null},7,{"id":1.5}]}';

    my $r = fetch('/in/plain', $page);
    is($r->body, '{"items":[{"ad":1},{"id":"b1"},{"id":null},{"id":1.5}]}',
       'it stays');

    $redis->reset_calls;
    $r = fetch('/in/plain', '{"items":[{"ad":1}]}');
    is($r->body, '{"items":[{"ad":1}]}', 'alone');
    fetch('/in/plain', '{"items":[]}');
    is($redis->calls('smismember'), 0, 'Redis is not troubled for no id');
};


subtest 'a set that cannot be asked marks its ids' => sub {
    my $all = join ' ', @ids;

    for my $row (['keep', $all], ['drop', '']) {
        my ($unknown, $left) = @$row;

        for my $way ('in', 'not') {
            my $r = fetch("/$way/lost_$unknown", page(@ids));
            is(join(' ', map { $_->{id} } @{ $r->json->{items} }), $left,
               "unknown=$unknown, $way");
            is(state_of($r), 'degraded', 'degraded');
            like($r->header('Recs-Sets'), qr/^lost_$unknown;unknown;why=down/,
                 'and named');
        }
    }

    is(fetch('/not/lost_drop', page(@ids))->header('Recs-Sets'),
       'lost_drop;unknown;why=down;removed=6', 'with what went for it');
    is(kept('/in/lost'), $all, 'keep is the default');
    is(kept('/in/refused'), $all, 'a wrong password is no other case');
    ok($nginx->wait_log(qr/recs_redis "refused".* refused the user or/),
       'the log says so');
    is($nginx->logged(qr/refused the user/), 1, 'once');
};


subtest 'a key with an empty variable skips the set' => sub {
    $redis->cmd('SADD', 'seen:u1:v1', 'b1');
    $redis->cmd('SADD', 'seen::', 'b2');
    $redis->cmd('SADD', 'seen:u1:', 'b3');

    is(kept('/not/of_user?u=u1&v=v1'), 'b2 b3 b4 b5 b6', 'a whole key');

    for my $args ('', '?u=u1', '?u=u1&v=', '?v=v1') {
        my $r = fetch("/in/of_user$args", page(@ids));
        is($r->body, page(@ids), "$args: nothing is required");
        is($r->header('Recs-Sets'), 'of_user;skipped', 'and it says so');
        is(state_of($r), 'skipped', 'in its state, too');

        $r = fetch("/not/of_user$args", page(@ids));
        is($r->body, page(@ids), 'nothing is excluded');
        is(state_of($r), 'filtered', 'which is as it should be');
    }

    my $r = fetch('/in/argument', page(@ids));
    is($r->header('Recs-Sets'), 'argument;skipped', 'a list, too');
    is(state_of($r), 'skipped', 'its state');
};


subtest 'the first set that fails an item is the reason' => sub {
    # required: plain (b1 b3), hash (b1-b5); excluded: zset (b1-b5), lines
    $redis->cmd('SADD', 'plain', 'b6', 'c1', 'c2', 'c3');
    $redis->cmd('HSET', 'shares', c1 => 1, c2 => 1, c3 => 1);
    $redis->cmd('ZADD', 'scores', 1, 'c1');
    $t->write('crlf.txt', "b1\nc2\n");
    $nginx->reload or fail('a reload');

    my $r = fetch('/reasons', page('b1', 'b2', 'b6', 'c1', 'c2', 'c3'));
    is_deeply($r->json->{_recs}{items}, [
        { id => 'b1', set => 'zset' }, { id => 'b2', set => 'plain' },
        { id => 'b6', set => 'hash' }, { id => 'c1', set => 'zset' },
        { id => 'c2', set => 'lines' },
    ], 'required first, then excluded, in the order they are named');
    is($r->header('Recs-Sets'),
       'plain;removed=1, hash;removed=1, zset;removed=2, lines;removed=1',
       'each is counted once');

    $t->write('crlf.txt', "b1\r\n\r\n\nb2\nb4");
    fill_redis();
};


subtest 'a file is read again with the configuration' => sub {
    is(kept('/in/changing'), 'b1', 'as it was');
    $t->write('changing.txt', "b2\nb5\n");
    is(kept('/in/changing'), 'b1', 'a change alone does nothing');
    ok($nginx->reload, 'a reload');
    is(kept('/in/changing'), 'b2 b5', 'as it is');
    $t->write('changing.txt', '');
    ok($nginx->reload, 'a reload');
    is(kept('/in/changing'), '', 'an empty one holds nothing');
    is(kept('/not/changing'), join(' ', @ids), 'nothing');
};


subtest 'several servers and databases answer one response' => sub {
    my $r = fetch('/everywhere', page(@ids, 'b7'));
    is(state_of($r), 'filtered', 'all of them');
    is_deeply([map { $_->{id} } @{ $r->json->{items} }], ['b7'], 'what stays');
    is($r->header('Recs-Sets'), 'plain;removed=2, db3;removed=1, '
       . 'over_tcp;removed=1, tcp5;removed=1, password;removed=1, '
       . 'acl;removed=0, lines;removed=0, fixed;removed=0', 'whose work it is');
};


subtest 'a key of another type degrades the responses that need it' => sub {
    $redis->cmd('SET', 'typed:1', 'a string');
    $redis->cmd('SADD', 'typed:2', 'b2');

    my $accepted = sub {
        $redis->cmd('INFO', 'stats') =~ /total_connections_received:(\d+)/;
        return $1;
    };

    fetch('/partly?u=2', page(@ids));
    my $before = $accepted->();

    for (1 .. 5) {
        my $r = fetch('/partly?u=1', page(@ids));
        is(state_of($r), 'degraded', 'a string is no set');
        is($r->header('Recs-Sets'), 'typed;unknown;why=error, plain;removed=2',
           'the other set answers');

        $r = fetch('/partly?u=2', page(@ids));
        is(state_of($r), 'filtered', 'another key is well');
        is($r->header('Recs-Sets'), 'typed;removed=1, plain;removed=2',
           'and answers');
    }

    my @lines = grep { /recs_set "typed".*WRONGTYPE/ }
                split /\n/, $nginx->error_log;
    is(scalar @lines, 1, 'one line in the log');
    like($lines[0], qr/\[error\].*"main".*key "typed:\$arg_u"/,
         'which names the set, and the key as it is configured');

    is(state_of(fetch("/$_", page(@ids))), 'degraded', $_)
        for 'in/bad_zset', 'in/bad_hash';
    is($accepted->(), $before, 'and no connection was lost for it');
};


subtest 'one command a set, all in one write' => sub {
    $t->answered(sub { fetch('/three', page(@ids)) });

    $redis->reset_calls;
    my @seen = $redis->asked(sub { fetch('/three', page(@ids)) });

    my @asked = map { /"([A-Z]+)" "(\w+)" (.*)/ ? "$1 $2 $3" : $_ } @seen;
    my @wanted = map { "$_ " . join ' ', map { "\"$_\"" } @ids }
                 'SMISMEMBER plain', 'ZMSCORE scores', 'HMGET shares';

    # Several servers have no order.
    my @masters = $redis->masters;
    @$_ = sort @$_ for @masters > 1 ? (\@asked, \@wanted) : ();
    is_deeply(\@asked, \@wanted, 'each with all ids');

    # Without delay, each write is a segment of its own.
    fetch('/segments', page(@ids)) for 1 .. 2;
    is($t->read('segments'), "1\n1\n", 'which come as one segment');
};


subtest 'any id that JSON can say' => sub {
    my @odd = ('', ' ', 'a"b', "a\0b", "a\nb", "\r\n", "\\", '*3', '$-1', '/',
               'книга', '書', "\x{1F4DA}", "e\x{301}", "\x{E9}", "\x{7F}",
               'x' x 300, 'b1 ', 'B1', '-0', '1.0', 'null', '%s%n');
    utf8::decode($_) for @odd[10, 11];

    my @written = map { JSON::PP->new->utf8->allow_nonref->encode($_) } @odd;
    push @written, map { JSON::PP->new->ascii->allow_nonref->encode($_) } @odd;
    push @written, '"\u0062\u0031"', '"b\u0031"', '"\/"', '"\ud800"',
        '0', '-1', '9007199254740992', '9007199254740993',
        '18446744073709551617', '"9007199254740993"', '-9007199254740993',
        '9' x 40;

    my @bytes = map { my $id = $_; utf8::encode($id); $id } @odd;
    my @half = (@bytes[grep { $_ % 2 } 0 .. $#bytes], 'b1',
                '9007199254740993', '9' x 40, '0', "\xED\xA0\x80");
    my %in = map { $_ => 1 } @half;

    my $page = '{"items":[' . join(',', map { "{\"id\":$_}" } @written) . ']}';

    $redis->cmd('DEL', 'plain', 'scores', 'shares');
    $redis->cmd('SADD', 'plain', @half);
    $redis->cmd('ZADD', 'scores', map { (1, $_) } @half);
    $redis->cmd('HSET', 'shares', map { ($_, 1) } @half);

    for my $set ('plain', 'zset', 'zset_min', 'hash', 'hash_min') {
        my $r = fetch("/in/$set", $page);
        is(difference($r->body, filter($page, require => [$set => \%in])),
           undef, "$set, required");

        $r = fetch("/not/$set", $page);
        is(difference($r->body, filter($page, exclude => [$set => \%in])),
           undef, "$set, excluded");
    }

    my @lines = grep { !/[\n\0]/ && length } @half;
    $t->write('changing.txt', join '', map { "$_\n" } @lines);
    ok($nginx->reload, 'a reload');
    my %file = map { $_ => 1 } @lines;
    is(difference(fetch('/not/changing', $page)->body,
                  filter($page, exclude => [changing => \%file])), undef,
       'a file');
};


$t->done;
