use strict;
use warnings;

# The log of real requests is good for estimates: 1/p adds up to where items
# were eligible, and says what other policies would have got.

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use JSON::PP ();
use Recs::Mode;
use Recs::Test;
use Test::More;

use constant {
    REQUESTS    => Recs::Mode::valgrind() ? 2000 : 20_000,
    CONNECTIONS => 4,
    BATCH       => 50,
};

my $t = Recs::Test->new;
my $redis = $t->redis;
my $json = JSON::PP->new->canonical;

# What is so is said once, for nginx and for t/lib/exposure_statistics.py.  The
# numbers of a page view choose its page, user and region.

my @kinds = qw(film book song);
my @clicks = (0.05, 0.3, 0.1, 0.6, 0.2, 0.15, 0.5, 0.02, 0.4, 0.25, 0.08, 0.35);
my @weights = (1, 2, 2.5, 2, 1.5, 1.5, 1.2, 1.8, 2, 1.5, 2.5, 1.2);
my @likings = (2, 3.5, 3, 4, 3, 2, 2.5, 2.2, 3, 3, 3, 2);

my @fresh = map { {
    id => "n$_", kind => $kinds[$_ % 3], weight => $weights[$_],
    liking => $likings[$_], clicks => $clicks[$_],
} } 0 .. 11;

my @other = map { {
    id => $_, kind => '', weight => 1, liking => 2, clicks => 0.3,
} } qw(n3 n7 o1 o2 o3 o4);

my @pages = map { [map { {
    id => $_, kind => /^n(\d+)/ ? $kinds[$1 % 3] : $kinds[ord() % 3],
} } @$_] } [qw(a b c d e f g h)], [qw(a n1 b n6 c n11)], [qw(d e)], ['a'],
    [qw(n0 n4 f g h b d)];

# In stock: most of the time, and some less than others.

sub in_stock {
    my ($region) = @_;

    return grep { !/(\d+)/ || ($1 * 7 + $region * 5) % 12 >= $1 % 5 }
        'a' .. 'h', map { $_->{id} } @fresh, @other;
}


sub watched_by {
    my ($user) = @_;

    return grep { !/(\d+)/ || ($1 * 5 + $user * 11) % 16 < 3 + $1 % 3 }
        'c', map { $_->{id} } @fresh, @other;
}


my %shop = (
    pools => { fresh => \@fresh, other => \@other },
    pages => \@pages,
    limit => 6,
    stock => [map { unique(in_stock($_)) } 0 .. 7],
    watched => [map { unique(watched_by($_)) } 0 .. 15],
    lines => [
        { pool => 'fresh', slots => [1], method => 'uniform', panel => 5,
          gate => 1, salt => 's1' },
        { pool => 'fresh', slots => [2], method => 'weighted', panel => 6,
          gate => 1, salt => 's2' },
        { pool => 'fresh', slots => [4], method => 'diverse', panel => 2,
          gate => 1, salt => 's3' },
        { pool => 'other', slots => [5], method => 'uniform', panel => 20,
          gate => 0.5, salt => 's4' },
    ],
);


sub unique { my %seen; return [grep { !$seen{$_}++ } @_] }


sub lines_of { return join '', map { $json->encode($_) . "\n" } @_ }


$t->write('fresh.ndjson', lines_of(@fresh));
$t->write('other.ndjson', lines_of(@other));
$t->write("pages/$_.json", $json->encode({ items => $pages[$_] }))
    for 0 .. $#pages;

$redis->cmd('SADD', "stock:$_", @{ $shop{stock}[$_] }) for 0 .. 7;
$redis->cmd('SADD', "watched:$_", @{ $shop{watched}[$_] }) for 0 .. 15;

my $explore = join '', map {
    "recs_explore $_->{pool} rate=" . 100 * $_->{gate} . '% slots='
        . join(',', @{ $_->{slots} }) . " method=$_->{method} "
        . "panel=$_->{panel} salt=$_->{salt} key=\$arg_e;\n"
} @{ $shop{lines} };

my $nginx = $t->nginx(workers => 2, access_log => 'off', reloads => 0,
                      http => <<"HTTP");
log_format exposure escape=none '\$recs_exposure';
recs_redis main { server %%REDIS%%; }
recs_set stock redis=main key=stock:\$arg_r;
recs_set watched redis=main key=watched:\$arg_u;
recs_pool fresh file=%%TESTDIR%%/fresh.ndjson weight=/weight category=/kind;
recs_pool other file=%%TESTDIR%%/other.ndjson;
server {
    listen %%LISTEN%%;
    types { application/json json; }

    location / {
        alias %%TESTDIR%%/pages/;
        access_log %%NGINX_DIR%%/exposure.log exposure;
        recs on;
        recs_event \$arg_e;
        recs_require stock;
        recs_exclude watched;
        recs_limit $shop{limit};
        recs_lookup_timeout 30s;
        $explore
    }
}
HTTP


# As many page views on so many connections, in batches.

sub view {
    my ($n) = @_;

    my $page = int($n / 7) % @pages;
    my $region = int($n / 3) % 8;
    my $user = $n % 16;
    return "GET /$page.json?e=v$n&u=$user&r=$region HTTP/1.1\r\n"
        . "Host: shop\r\n\r\n";
}


sub send_views {
    my @connections = map {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $t->port)
            // die "connect: $!"
    } 1 .. CONNECTIONS;

    local $SIG{ALRM} = sub { die "no answer\n" };
    alarm Recs::Mode::patience(100);

    my $n = 0;
    my $right = 0;

    while ($n < REQUESTS) {
        for my $c (@connections) {
            print {$c} join '', map { view($n++) } 1 .. BATCH;
            $c->flush;
        }

        $right += answers($_) for @connections;
    }

    alarm 0;
    close $_ for @connections;
    return $right;
}


# How many of a batch's answers are 200, and whole.

sub answers {
    my ($c) = @_;

    my $right = 0;

    for (1 .. BATCH) {
        my ($length, $status, $body);

        while (defined(my $line = <$c>)) {
            $status //= $line;
            $length = $1 if $line =~ /^Content-Length: (\d+)/i;
            last if $line eq "\r\n";
        }

        die "a connection was closed\n" if !defined $length;
        read $c, $body, $length;
        $right++ if $status =~ / 200 / && length $body == $length;
    }

    return $right;
}


is send_views(), REQUESTS, 'all pages came';

my $log = "$nginx->{dir}/exposure.log";
my $lines = 0;

ok wait_until(sub {
    open my $fh, '<', $log or return 0;
    $lines = 0;
    $lines++ while <$fh>;
    return $lines == REQUESTS;
}), 'each left a record' or diag("$lines of " . REQUESTS);

$t->write('shop.json', $json->encode(\%shop));

my @command = ('/usr/bin/python3', $t->root . '/t/lib/exposure_statistics.py',
               $t->root . '/tools/replay-exposure', $t->dir . '/shop.json');

open my $claims, '-|', 'sh', '-c', 'exec "$@" <"$0" 2>&1', $log, @command
    or die "sh: $!";

while (my $line = <$claims>) {
    if ($line =~ /^(not )?ok - (.*)/) {
        ok !$1, $2;
    } else {
        diag($line);
    }
}

ok close $claims, 'all was compared';

$t->done;
