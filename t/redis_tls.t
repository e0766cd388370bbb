use strict;
use warnings;

# By TLS a Redis is asked, followed, subscribed to and written to as without;
# one that isn't who it should be is told nothing, and the log says why in one
# line; what is opened again goes on with the last session.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $ca = $t->authority;
my $other = $t->authority('other');
my $stranger = $other->issue('stranger');


subtest 'what the configuration may say' => sub {
    my ($cert, $key) = map { $stranger->$_ } qw(file key);
    my $none = $t->write('none.pem', "nothing\n");
    my $files = "ssl_certificate $cert; ssl_certificate_key $key;";
    my $only = qr/"r" can have "ssl_\.\.\." lines only with "server rediss:/;
    my $pair = qr/"ssl_certificate" and "ssl_certificate_key"/;
    my $both = qr/"r" must have both $pair/;
    my $mine = qr/$pair of recs_redis "r"/;
    my $theirs = qr/"ssl_trusted_certificate" of recs_redis "r" cannot be used/;

    my @wrong = map { ["server redis://127.0.0.1; $_", $only] }
        "ssl_trusted_certificate $cert;", $files, 'ssl_name a;',
        'ssl_verify on;', 'ssl_verify off;';
    push @wrong, ['server unix:/a; ssl_name a;', $only],
        ['server rediss://;', qr/in "server rediss:\/\/" of recs_redis/],
        ['server rediss://u:p@a;', qr/must not hold a user or a password/],
        ['server rediss://127.0.0.1/x;', qr/invalid database, .*a number/],
        ['topology cluster; server rediss://127.0.0.1 redis://127.0.0.1;',
            qr/must be "rediss:\/\/" for all servers or for none/];

    for my $row (
        ["ssl_certificate $cert;", $both],
        ["ssl_certificate_key $key;", $both],
        ["ssl_certificate $cert.gone; ssl_certificate_key $key;", $mine],
        ["ssl_certificate $cert; ssl_certificate_key $key.gone;", $mine],
        ["ssl_certificate $none; ssl_certificate_key $key;", $mine],
        ["ssl_certificate $cert; ssl_certificate_key $none;", $mine],
        ["ssl_certificate $cert; ssl_certificate_key " . $ca->key . ';', $mine],
        ["ssl_trusted_certificate $cert.gone;", $theirs],
        ["ssl_trusted_certificate $none;", $theirs],
        ["ssl_verify off; ssl_trusted_certificate $none;", $theirs],
        ['ssl_name "";', qr/"ssl_name" .*must have one argument/],
        ['ssl_name a b;', qr/"ssl_name" .*must have one argument/],
        ['ssl_name a; ssl_name b;', qr/"ssl_name" .*is duplicate/],
        ['ssl_name ' . 'a' x 256 . ';', qr/"ssl_name" .*is too long/],
        ["$files ssl_certificate $cert;", qr/"ssl_certificate" .*duplicate/],
        ['ssl_verify yes;', qr/"ssl_verify" .*it must be "on" or "off"/],
        ['ssl_verify on; ssl_verify on;', qr/"ssl_verify" .*is duplicate/],
    ) {
        push @wrong, ["server rediss://127.0.0.1; $row->[0]", $row->[1]];
    }

    for my $row (@wrong) {
        my ($lines, $error) = @$row;
        my ($code, $said) = $t->nginx_test("recs_redis r {\n$lines\n}");

        is $code, 1, substr $lines, 0, 200;
        like $said, qr/^nginx: \[emerg\] .*$error.* in \S+http\.conf:\d$/m,
            'what is wrong, and where';
    }

    for my $lines ('', $files, "ssl_trusted_certificate $cert;",
                   'ssl_verify off;', 'ssl_verify on; ssl_name ::1;') {
        my ($code, $said) = $t->nginx_test(
            "recs_redis r { server rediss://[::1]/3; $lines }");
        is $code, 0, "rediss://, $lines" or diag $said;
    }
};


subtest 'all that is asked of a Redis' => sub {
    my $redis = $t->redis(name => 'all', tls => 1, auth_clients => 'yes');
    my @ids = map { "i$_" } 1 .. 30;

    $redis->cmd('SADD', 'direct', @ids[0 .. 9]);
    $redis->cmd('SADD', 'followed', @ids[0 .. 19],
                map { "x$_" . 'x' x 30 } 1 .. 20_000);

    # It is read by the master alone, as that of a server is.
    my ($key) = $redis->settings =~ /ssl_certificate_key (\S+);/;
    chmod 0600, $key or die "$key: $!";

    my $page = page(@ids);
    my $nginx = $t->nginx(name => 'all', workers => 2, http => <<"HTTP");
recs_zone 16m;
recs_redis main { %%ALL_SETTINGS%% connections 2; timeout 20s; }
recs_set direct redis=main key=direct;
recs_set followed redis=main key=followed replica=on feed=feed capacity=30000;
recs_snapshots home redis=main prefix=home poll=1h;
recs_record_shown redis=main key=shown:\$recs_user;
recs_lookup_timeout 20s;
recs_user \$arg_u;
default_type application/json;
server {
    listen %%LISTEN%%;
    recs on;
    location = /direct { recs_require direct; return 200 '$page'; }
    location = /followed { recs_require followed; return 200 '$page'; }
    location = /home { recs_pass home; }
}
HTTP

    shows('/direct?u=u1', @ids[0 .. 9]);
    shows('/followed', @ids[0 .. 19]);

    ok wait_until(sub { $redis->cmd('ZCARD', 'shown:u1') == 10 }),
        'what was shown is recorded';

    $redis->pipeline(['MULTI'], ['SADD', 'followed', 'i29'],
                     ['XADD', 'feed', '*', op => 'add', ids => '["i29"]',
                      seq => 1], ['EXEC']);
    shows('/followed', @ids[0 .. 19, 28]);

    ok wait_until(sub {
        $redis->cmd('PUBSUB', 'NUMSUB', 'home:events')->[1] == 1;
    }), 'it is subscribed to';
    $redis->cmd('HSET', '{home}:v1:meta', model => 'm', schema => 1,
                features => 'f', generated_at => time, expected => 1,
                written => 1, state => 'complete');
    $redis->cmd('SET', 'home:v1:u:_default', page('d1'));
    $redis->cmd('SET', '{home}:channel:active', 'v1');
    $redis->cmd('PUBLISH', 'home:events', 'look');
    shows('/home', 'd1');

    $nginx->quit;
};


subtest 'more than a socket takes' => sub {
    my $redis = $t->redis(name => 'large', tls => 1);
    my @ids = map { sprintf 'b%04d%s', $_, 'x' x 80 } 1 .. 9000;
    my @there = @ids[grep { $_ % 3 == 0 } 0 .. $#ids];
    my $right = page(@there);

    $redis->cmd('SADD', 'stock', @there);
    $t->upstream(page(@ids));

    my $nginx = $t->nginx(name => 'large', http => <<'HTTP');
recs_redis main { %%LARGE_SETTINGS%% timeout 60s; }
recs_set stock redis=main key=stock;
recs_lookup_timeout 30s;
recs_max_items 20000;
recs_max_body_size 20m;
server {
    listen %%LISTEN%%;
    location / { recs on; recs_require stock; proxy_pass http://%%API%%; }
    location = /status { recs_status; }
}
HTTP
    my $asked = sub { $t->get('/status')->json->{redis}{main}{commands} };

    ok wait_until(sub { $t->get('/')->body eq $right }), 'one question';

    # 850 KB each: what waits grows, and moves, while a part of it is written.
    my $before = $asked->();
    $redis->freeze;
    my @clients = map { $t->http } 1 .. 7;
    $_->send('GET', '/') for @clients;
    ok wait_until(sub { $asked->() >= $before + 7 }), 'seven, while frozen';
    $redis->thaw;
    is scalar(grep { $_->response->body eq $right } @clients), 7,
        'all are answered';

    $nginx->quit;
};


# Servers and settings that fit each other, and that do not: the lines of the
# block, and what the log says.

subtest 'who is believed' => sub {
    my $file = $ca->file;
    my $trusted = "ssl_trusted_certificate $file;";
    my $mine = 'ssl_certificate %s; ssl_certificate_key %s;';
    my $client = $ca->issue('some-client');
    my $show = sub { sprintf $mine, $_[0]->file, $_[0]->key };

    my $good = $t->redis(name => 'good', tls => 1, tcp6 => has_ipv6());
    my $expired = $t->redis(name => 'expired', tls => 1,
                            certificate => $ca->issue('old', expired => 1));
    my %strict = map {
        my $version = $_;
        $version => $t->redis(name => "strict$version", tls => 1,
                              auth_clients => 'yes',
                              config => qq(tls-protocols "TLSv1.$version"));
    } 2, 3;
    my $plain = $t->redis(name => 'plain', tcp => 1);
    $t->fake_redis(sub { undef }, tcp => 1, hang_up => 1,
                   greeting => "-ERR no\r\n");

    $_->cmd('SADD', 'ids', 'b1') for $good, $expired, values %strict, $plain;

    my $named = $good->tls_url(host => 'localhost');
    my $url = $good->tls_url;

    my %well = (
        address => "server $url; $trusted",
        host => "server $named; $trusted",
        other_name => "server $url; ssl_name redis.test; $trusted",
        unverified => 'server ' . $expired->tls_url . '; ssl_verify off;',
        database => "server $url/0; $trusted",
        optional => "server $url; $trusted " . $show->($stranger),
    );
    $well{ip6} = 'server ' . $good->tls_url(host => '[::1]') . "; $trusted"
        if has_ipv6();

    my %wrong = (
        expired => ['server ' . $expired->tls_url . "; $trusted",
            qr/of "127\.0\.0\.1" is refused: certificate has expired/],
        name => ["server $url; ssl_name elsewhere.test; $trusted",
            qr/of "elsewhere\.test" is refused: hostname mismatch/i],
        ip => ["server $url; ssl_name 127.0.0.2; $trusted",
            qr/certificate of "127\.0\.0\.2" is refused: IP address mismatch/i],
        authority => ["server $url; ssl_trusted_certificate "
                      . $other->file . ';',
            qr/certificate of "127\.0\.0\.1" is refused: \w.*certificate/],
        system => ["server $url;",
            qr/certificate of "127\.0\.0\.1" is refused: \w.*certificate/],
        plain => ['server rediss://127.0.0.1:%%PLAIN_PORT%%;'
                  . ' connect_timeout 300ms;',
            qr/not ready within connect_timeout=300ms, does it speak TLS\?/],
        nonsense => ['server rediss://127.0.0.1:%%FAKE_PORT%%;',
            qr/it does not speak TLS: SSL_do_handshake\(\) failed \(SSL: /],
        without => ["server redis://127.0.0.1:" . $good->tls_port . ';',
            qr/(?:recv\(\) failed|closed the connection), does it want TLS/],
    );

    for my $version (2, 3) {
        my $server = 'server ' . $strict{$version}->tls_url . "; $trusted";

        $well{"client$version"} = $server . $show->($client);
        $wrong{"client$version"} = [$server,
            qr/Redis asks for a certificate, see "ssl_certificate": .*\(SSL: /];
        $wrong{"stranger$version"} = [$server . $show->($stranger),
            qr/failed \(SSL: .*alert unknown ca/];
    }

    my %block = ((map { ("well_$_" => $well{$_}) } keys %well),
                 (map { ("wrong_$_" => $wrong{$_}[0]) } keys %wrong));
    my ($blocks, $locations) = ('', '');

    for my $name (sort keys %block) {
        my $wait = $block{$name} =~ /connect_timeout/ ? ''
                 : 'connect_timeout 20s;';
        $blocks .= "recs_redis $name { $block{$name} timeout 20s; $wait }\n"
                 . "recs_set $name redis=$name key=ids absent=empty;\n";
        $locations .= "location = /$name { recs_require $name; return 200 '"
                    . page('b1', 'b2') . "'; }\n";
    }

    my $nginx = $t->nginx(name => 'who', reloads => 0, http => <<"HTTP");
recs_lookup_timeout 20s;
default_type application/json;
$blocks
server {
    listen %%LISTEN%%;
    recs on;
    $locations
    location = /status { recs off; recs_status; }
}
HTTP
    my $status = sub { $t->get('/status')->json->{redis}{$_[0]} };

    shows("/well_$_", 'b1') for sort keys %well;

    # Tried often enough to be told twice.

    for my $name (sort keys %wrong) {
        ok wait_until(sub { $status->("wrong_$name")->{losses} >= 5 }, 30),
            "$name: tried again and again";

        # Its breaker has another one to tell.
        my @lines = grep { /\[error\].*"wrong_$name"/ && !/not asked any more/ }
                    split /\n/, $nginx->error_log;
        is scalar @lines, 1, 'one line' or diag join "\n", @lines;
        like $lines[0] // '', $wrong{$name}[1], 'says why';
        is $status->("wrong_$name")->{connects}, 0, 'no connection';

        my $r = $t->get("/wrong_$name");
        like $r->header('Recs-Sets'), qr/^wrong_$name;unknown;why=/,
            'a page';
    }

    is $nginx->logged(qr/"well_/), 0, 'nothing of those that are right';
    $nginx->quit;
};


subtest 'a cluster' => sub {
    my $cluster = $t->redis_cluster(tls => 1, auth_clients => 'yes');
    my @users = map { "u$_" } 1 .. 20;

    $cluster->cmd('SADD', "seen:$_", 'b2') for @users;

    my $nginx = $t->nginx(name => 'cluster', http => <<"HTTP");
recs_redis main { %%CLUSTER_SETTINGS%% timeout 20s; }
recs_set seen redis=main key=seen:\$arg_u absent=empty;
recs_lookup_timeout 20s;
default_type application/json;
server {
    listen %%LISTEN%%;
    location / {
        recs on;
        recs_exclude seen;
        return 200 '@{[ page('b1', 'b2') ]}';
    }
}
HTTP
    shows("/?u=$_", 'b1') for @users;

    # MOVED and ASK name ports of TLS, too.
    my $slot = $cluster->slot('seen:u1');
    my ($to) = grep { $_ != $cluster->owner($slot) } $cluster->masters;

    $cluster->begin_migration($slot, $to, 'seen:u1');
    shows('/?u=u1', 'b1');
    $cluster->finish_migration($slot);
    shows('/?u=u1', 'b1');

    my $down = ($cluster->masters)[0];
    my ($user) = grep { $cluster->node_of("seen:$_") == $down } @users;
    my $read = length $nginx->error_log;

    $down->use_certificate($other->issue('wrong'), $ca);
    $down->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    my $url = quotemeta $down->tls_url;
    ok wait_until(sub {
        substr($nginx->error_log, $read)
            =~ /recs_redis "main" $url: the certificate of "127\.0\.0\.1" is/;
    }), 'one node is not believed';
    like $t->get("/?u=$user")->header('Recs-Sets'), qr/^seen;unknown;why=down/,
        'its keys are unknown';

    $nginx->quit;
    $cluster->stop;
};


subtest 'a master that sentinels name' => sub {
    my $redis = $t->redis_sentinel(tls => 1);

    $redis->cmd('SADD', 'ids', 'b1');

    my $nginx = $t->nginx(name => 'sentinel', http => one_set(
        $redis->settings =~ s/^server |;\s*\z//gr));
    shows('/', 'b1');

    # They tell of it by TLS as well.
    ok wait_until(sub {
        grep { $_->cmd('CLIENT', 'LIST') =~ / sub=1 / } $redis->sentinels;
    }), 'a sentinel is listened to';
    $redis->switch_over;
    shows('/', 'b1');
    ok wait_until(sub { $redis->master->clients }), 'of the new master';

    $nginx->quit;
    $_->stop for $redis->sentinels, $redis->nodes;
};


subtest 'those that the system trusts' => sub {
    my $redis = $t->redis(name => 'known', tls => 1);
    my $nginx;

    $redis->cmd('SADD', 'ids', 'b1');

    {
        local $ENV{SSL_CERT_FILE} = $ca->file;
        $nginx = $t->nginx(name => 'known', http => one_set($redis->tls_url));
    }

    shows('/', 'b1');
    $nginx->quit;
};


subtest 'a certificate that changes' => sub {
    my $redis = $t->redis(name => 'changing', tls => 1);
    my $good = $ca->issue('good');
    my $disconnect = sub {
        $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    };

    $redis->cmd('SADD', 'ids', 'b1');

    my $nginx = $t->nginx(name => 'changing', reloads => 0, http => one_set(
        $redis->tls_url . '; ssl_trusted_certificate ' . $ca->file));
    shows('/', 'b1');

    for my $wrong ($ca->issue('ended', expired => 1),
                   $ca->issue('another', names => ['elsewhere.test'])) {
        my $read = length $nginx->error_log;

        $redis->use_certificate($wrong);
        shows('/', 'b1');
        $disconnect->();

        ok wait_until(sub {
            substr($nginx->error_log, $read) =~ /certificate .* is refused/;
        }), 'the next connection is refused';
        like $t->get('/')->header('Recs-Sets'), qr/^ids;unknown;why=down/,
            'at once';

        $redis->use_certificate($good);
        shows('/', 'b1');
        ok wait_until(sub {
            substr($nginx->error_log, $read) =~ /Redis answers again/;
        }), 'and it is well again';
    }

    $nginx->quit;
};


subtest 'sessions' => sub {
    for my $version (2, 3) {
        my $redis = $t->redis(name => "session$version", tls => 1,
                              config => qq(tls-protocols "TLSv1.$version"));
        my $relay = Recs::Test::Relay->new(
            to => $redis->tls_port, log => $t->dir . "/relay$version");

        $redis->cmd('SADD', 'ids', 'b1');
        $t->add("relay$version", $relay->start);

        my $nginx = $t->nginx(name => "session$version", reloads => 0,
                              http => one_set(
            'rediss://127.0.0.1:' . $relay->port . '; ssl_name redis.test; '
            . 'ssl_trusted_certificate ' . $ca->file));

        for my $connection (1 .. 3) {
            $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
                if $connection > 1;
            $relay->records($connection);
            shows('/', 'b1');
        }

        is_deeply [map { [@$_{qw(version name resumed)}] } $relay->records],
            [map { ["1.$version", 'redis.test', $_] } 0, 1, 1],
            "TLS 1.$version: the first alone is whole";

        # What was issued with the last certificate is worth nothing now.

        $redis->use_certificate($ca->issue("next$version"));
        $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        is +($relay->records(4))[3]{resumed}, 0,
            'a new certificate is looked at';
        shows('/', 'b1');
        $nginx->quit;
    }
};

$t->done;


sub page { return '{"items":[' . join(',', map { qq({"id":"$_"}) } @_) . ']}' }


sub one_set {
    my ($server) = @_;

    return <<"HTTP";
recs_redis main { server $server; timeout 20s; connect_timeout 20s; }
recs_set ids redis=main key=ids absent=empty;
recs_lookup_timeout 20s;
default_type application/json;
server {
    listen %%LISTEN%%;
    location / {
        recs on;
        recs_require ids;
        return 200 '@{[ page('b1', 'b2') ]}';
    }
}
HTTP
}


sub shows {
    my ($path, @ids) = @_;

    my $r;
    my $right = page(@ids);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    ok wait_until(sub { $r = $t->get($path); $r->body eq $right }),
        "$path shows what it should"
        or diag(($r->header('Recs-Sets') // '') . substr $r->body, 0, 500);
}


# Stands between, and notes of each connection what can be read of its TLS: the
# name that the client asks for, the version, and whether the server goes on
# with an old session.

package Recs::Test::Relay;

use parent -norequire, 'Recs::Server';

use IO::Select;
use Recs::Stream;

sub converse {
    my ($self, $client) = @_;

    my $server = Recs::Stream->new(port => $self->{to});
    my %to = ($client->{sock} => $server, $server->{sock} => $client);
    my %said = ($client->{sock} => '', $server->{sock} => '');
    my $both = IO::Select->new($client->{sock}, $server->{sock});
    my $noted = 0;

    while (my @ready = $both->can_read) {
        for my $sock (@ready) {
            sysread($sock, my $bytes, 65_536) or return;
            $said{$sock} .= $bytes;

            my $seen = $noted ? undef
                : seen(@said{$client->{sock}, $server->{sock}});
            $self->note($seen) if $seen;
            $noted = 1 if $seen;

            $to{$sock}->write($bytes) or return;
        }
    }
}


sub seen {
    my ($client, $server) = @_;

    my ($hello) = messages($client);
    my ($answer, $next, $further) = messages($server);
    return if !$answer || !$next && !$further;

    my %asked = extensions($hello, 2);
    my %told = extensions($answer, 0);
    my $tls13 = defined $told{43};      # supported_versions

    # TLS 1.3: pre_shared_key.  TLS 1.2: no certificate (11) follows.
    return {
        version => $tls13 ? '1.3' : '1.2',
        name => defined $asked{0} ? substr($asked{0}, 5) : undef,
        resumed => ($tls13 ? defined $told{41} : !$next || $next !~ /^\x0b/)
                   ? 1 : 0,
    };
}


# The handshake's messages up to the first record that is none, with type and
# length; and at last whether there was such a record.

sub messages {
    my ($bytes) = @_;

    my $all = '';
    my $further = 0;

    while ($bytes =~ s/\A(.)..(..)//s) {
        my ($type, $length) = (ord $1, unpack 'n', $2);
        last if length $bytes < $length;

        my $record = substr $bytes, 0, $length, '';
        if ($type != 22) {
            $further = 1;
            last;
        }
        $all .= $record;
    }

    my @messages;
    while (length $all >= 4) {
        my $length = unpack 'N', "\0" . substr $all, 1, 3;
        last if length $all < 4 + $length;
        push @messages, substr $all, 0, 4 + $length, '';
    }

    return @messages > 1 ? (@messages[0, 1], $further)
                         : ($messages[0], undef, $further);
}


# Of a hello, by number.  Before them: version, random, the session's id; then
# suites and compressions, as lists (with lengths of so many bytes, and 1), or
# one each.

sub extensions {
    my ($hello, $list) = @_;

    my $rest = substr $hello, 4 + 2 + 32;
    substr $rest, 0, 1 + ord($rest), '';
    if ($list) {
        substr $rest, 0, 2 + unpack('n', $rest), '';
        substr $rest, 0, 1 + ord($rest), '';
    } else {
        substr $rest, 0, 3, '';
    }
    substr $rest, 0, 2, '';

    my %found;
    while (length $rest >= 4) {
        my ($type, $length) = unpack 'nn', substr $rest, 0, 4, '';
        $found{$type} = substr $rest, 0, $length, '';
    }

    return %found;
}
