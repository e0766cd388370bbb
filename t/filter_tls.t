use strict;
use warnings;

# Over TLS, by HTTP/1.1 and HTTP/2, pages are what they are without, and what
# was not delivered is neither recorded nor counted by a cap.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Recs::Mode;
use Recs::Process qw(run);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $dir = $t->dir;

my $redis = $t->redis;
$redis->cmd('SADD', 'in_stock', 'b1', 'n1', map { "l$_" } 1 .. 5000);

my $page = '{"items":[{"id":"b1"},{"id":"b2"}]}';

# More than a socket and its buffers take.
my $large = '{"items":['
    . join(',', map { qq({"id":"l$_","t":") . 'x' x 1600 . '"}' } 1 .. 5000)
    . ']}';

my $api = $t->upstream(sub {
    return { body => $_[0]{path} =~ /large/ ? $large : $page };
});

$t->write('pool.ndjson', qq({"id":"n1"}\n));

my ($status, $said) = run('openssl', qw(req -x509 -newkey rsa:2048 -nodes
    -subj /CN=localhost -days 2), -keyout => "$dir/key", -out => "$dir/cert");
is $status, 0, 'a certificate' or diag $said;

my $nginx = $t->nginx(http => <<'HTTP', access_log => 'off');
recs_redis main { server %%REDIS%%; }
recs_set in_stock redis=main key=in_stock;
recs_pool fresh file=%%TESTDIR%%/pool.ndjson;
log_format exposure escape=none '$recs_exposure';

server {
    listen %%LISTEN%%;
    listen %%LISTEN_TLS%% ssl http2;
    ssl_certificate %%TESTDIR%%/cert;
    ssl_certificate_key %%TESTDIR%%/key;

    recs on;
    recs_require in_stock;
    recs_user $arg_u;
    recs_max_body_size 10m;
    recs_max_items 10000;
    recs_lookup_timeout 10s;
    recs_record_shown redis=main key=shown:$recs_user;

    location / { proxy_pass http://%%API%%; }

    location /gzip {
        gzip on;
        gzip_types application/json;
        gzip_min_length 1;
        proxy_pass http://%%API%%;
    }

    location /explored {
        recs_explore fresh rate=100% slots=1 cap=2/1h;
        access_log %%NGINX_DIR%%/exposure.log exposure;
        proxy_pass http://%%API%%;
    }

    location /status { recs off; recs_status; }
}
HTTP

my $url = 'https://localhost:' . $t->port('TLS');


# What curl writes of a response: its header and body.

sub curl {
    my ($path, @options) = @_;

    my (undef, $output) = run('curl', '-sik', '-m', Recs::Mode::patience(20),
                              @options, "$url$path");
    return $output;
}

sub recorded { return join ' ', sort @{ $redis->cmd('ZRANGE', "shown:$_[0]",
                                                    0, -1) } }
sub is_recorded {
    my ($user, $ids) = @_;

    wait_until(sub { recorded($user) eq $ids });
    is recorded($user), $ids, "recorded: $user";
}


for my $http ('--http1.1', '--http2') {
    subtest "pages, $http" => sub {
        my $user = 'page' . $http;
        my $r = curl("/page?u=$user", $http);

        like $r, $http eq '--http2' ? qr/\AHTTP\/2 200/ : qr/\AHTTP\/1.1 200/,
            'by that';
        like $r, qr/^recs-filter: filtered;total=2;kept=1;/im, 'filtered';
        like $r, qr/\r\n\r\n\{"items":\[\{"id":"b1"\}\]\}\z/, 'the page';
        is_recorded($user, 'b1');

        my ($etag) = $r =~ /^etag: (\S+)\r/im;
        like curl('/page', $http, -H => "If-None-Match: $etag"),
            qr/\AHTTP\/[\d.]+ 304/, 'not modified';

        $r = curl("/gzip?u=zip$http", $http, '--compressed');
        like $r, qr/^content-encoding: gzip\r/im, 'gzip';
        like $r, qr/\r\n\r\n\{"items":\[\{"id":"b1"\}\]\}\z/, 'the page';
        is_recorded("zip$http", 'b1');

        ok curl("/large?u=large$http", $http) =~ /\r\n\r\n\Q$large\E\z/,
            'a large one';
        ok wait_until(sub { $redis->cmd('ZCARD', "shown:large$http") == 5000 }),
            'recorded';
    };
}


subtest 'delivered or not' => sub {
    my @ways = map { my $http = $_; map { [$http, @$_] }
                     ['--max-filesize', 1000],
                     ['--limit-rate', '100k', '-m', Recs::Mode::patience(1)] }
               '--http1.1', '--http2';

    curl("/explored/large?u=left$_", @{ $ways[$_] }) for 0 .. $#ways;

    my @records = map { decode_json($_) }
                  $nginx->access_log(scalar @ways, 'exposure.log');
    is scalar(grep { $_->{delivered} } @records), 0, 'clients that left';

    curl("/explored/page?u=came$_", '--http2') for 1 .. 3;
    is_recorded("came$_", 'b1 n1') for 1, 2;
    is_recorded('came3', 'b1');

    @records = map { decode_json($_) }
               $nginx->access_log(@ways + 3, 'exposure.log');
    is scalar(grep { $_->{delivered} } @records), 3, 'clients that stayed';
    is scalar(map { grep { $_->{source} eq 'explore' } @{ $_->{shown} } }
              @records[-3 .. -1]), 2, 'of which two made the cap';
    is recorded("left$_"), '', 'nothing of those that left' for 0 .. $#ways;

    my $pool = $t->get('/status')->json->{pools}{fresh};
    is $pool->{capped}, 1, 'counted';
};


$t->done;
