use strict;
use warnings;

# The servers of the tests that are more than one plain Redis: what the tools
# say of them must be so.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(run);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new(module => 0);


subtest 'TLS' => sub {
    my $redis = $t->redis(name => 'tls', tls => 1, tcp6 => has_ipv6());
    my $port = $redis->tls_port;

    is $redis->cmd('SET', 'a', 'b'), 'OK', 'our commands';
    is $redis->port, 0, 'no plain port';
    is $redis->tls_url, "rediss://127.0.0.1:$port", 'a URL';
    is $redis->tls_url(host => 'localhost', database => 2),
        "rediss://localhost:$port/2", 'another';
    is $redis->settings, "server rediss://127.0.0.1:$port;"
        . ' ssl_trusted_certificate ' . $t->fill('%%CA%%') . ';', 'settings';

    is ask($redis), '+PONG', '127.0.0.1';
    is ask($redis, name => $_), '+PONG', $_ for qw(localhost redis.test);
    is ask($redis, host => '::1'), '+PONG', '::1' if has_ipv6();
    like ask($redis, name => 'elsewhere.test'), qr/hostname mismatch/i,
        'another name';
    like ask($redis, ca => $t->authority('other')), qr/self-signed cert/,
        'another authority';
};


subtest 'certificates of clients' => sub {
    my $ca = $t->authority;
    my $redis = $t->redis(name => 'strict', tls => 1, auth_clients => 'yes',
                          config => 'tls-session-caching no');

    unlike ask($redis), qr/PONG/, 'none';
    is ask($redis, cert => $ca->issue('me')), '+PONG', 'one';
    my $stranger = $t->authority('other')->issue('stranger');
    unlike ask($redis, cert => $stranger), qr/PONG/, 'of another authority';
    my $its = qr{\S+/client};
    like $redis->settings,
        qr{; ssl_certificate $its.pem; ssl_certificate_key $its.key;},
        'settings';
    is_deeply $redis->cmd('CONFIG', 'GET', 'tls-session-caching'),
        ['tls-session-caching', 'no'], 'further configuration';

    my $either = $t->redis(name => 'either', tls => 1, tcp => 1,
                           auth_clients => 'optional');
    is ask($either), '+PONG', 'optional: none';
    is ask($either, cert => $ca->issue('i')), '+PONG', 'one';
    unlike ask($either, cert => $stranger), qr/PONG/, 'a stranger\'s';
    is +Recs::Redis::Client->new(port => $either->port)->cmd('PING'), 'PONG',
        'and a plain port';
};


subtest 'certificates that are wrong' => sub {
    my $ca = $t->authority;
    my $other = $t->authority('other');
    my $redis = $t->redis(name => 'changing', tls => 1,
                          certificate => $ca->issue('old', expired => 1));

    like ask($redis), qr/certificate has expired/, 'expired';

    $redis->use_certificate(
        $ca->issue('wrong', names => ['elsewhere.test', '10.0.0.1']));
    like ask($redis), qr/IP address mismatch/i, 'a wrong address';
    like ask($redis, name => 'localhost'), qr/hostname mismatch/i,
        'a wrong name';
    is ask($redis, name => 'elsewhere.test'), '+PONG', 'which is its own';

    $redis->use_certificate($other->issue('another'), $other);
    like ask($redis), qr/self-signed cert/, 'another authority';
    is ask($redis, ca => $other), '+PONG', 'which is its own';
    $redis->restart;
    is ask($redis, ca => $other), '+PONG', 'after a restart, too';
};


subtest 'a replica' => sub {
    my $main = $t->redis(name => 'main', tls => 1, requirepass => 'secret');
    my $copy = $t->redis(name => 'copy', tls => 1, requirepass => 'secret');

    $main->cmd('SET', 'a', 'b');
    $copy->replicate($main);
    is $copy->cmd('GET', 'a'), 'b', 'has it';
    like $copy->refuse('SET', 'a', 'c'), qr/^READONLY/, 'and may not write';
    is $_->clients, 0, 'no client' for $main, $copy;
};


subtest 'another kind in the place of a plain one' => sub {
    my %kinds = (
        tls => qr{\Arediss://127\.0\.0\.1:\d+; ssl_trusted_certificate \S+\z},
        cluster => qr{\Aredis://\S+;(?: server \S+;){2} topology cluster\z},
        sentinel => qr{\Aredis://\S+; topology sentinel shop\z},
    );

    for my $kind (sort keys %kinds) {
        local $ENV{REDIS} = $kind;
        my $redis = $t->redis(name => "in_$kind");

        is $redis->cmd('SADD', 'a', 1, 2), 2, "$kind: a command";
        like $t->fill('%%IN_' . uc($kind) . '%%'), $kinds{$kind}, 'its lines';
        $redis->restart;
        is $redis->cmd('SCARD', 'a'), 2, 'restarted';
    }

    local $ENV{REDIS} = 'tls';
    my $plain = $t->redis(name => 'plain', kind => 'plain');
    is $t->fill('%%PLAIN%%'), $plain->url, 'but where the test says so';
    is $t->redis(name => 'tcp', tcp => 1)->tls_port, 0, 'or needs it';
};


$t->done;


# What Redis says to PING over TLS, or what openssl says against it.  Options:
# ca, cert, host; name, which it must have.

sub ask {
    my ($redis, %opt) = @_;

    my $ca = $opt{ca} // $t->authority;
    my $host = $opt{host} // '127.0.0.1';
    my $to = ($host =~ /:/ ? "[$host]" : $host) . ':' . $redis->tls_port;
    my @cert = $opt{cert}
        ? ('-cert', $opt{cert}->file, '-key', $opt{cert}->key) : ();
    my @name = $opt{name}
        ? ('-servername', $opt{name}, '-verify_hostname', $opt{name})
        : ('-verify_ip', $host);

    my (undef, $said) = run(
        'sh', '-c', q(printf 'PING\r\nQUIT\r\n' | openssl s_client "$@" 2>&1),
        'sh', '-quiet', '-verify_return_error', '-connect', $to,
        '-CAfile', $ca->file, @cert, @name);

    return $said =~ /^(\+PONG)/m ? $1 : $said;
}
