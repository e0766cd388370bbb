use strict;
use warnings;

# recs_status in its formats: which one a client gets; that they say the same;
# that a scrape is well formed whatever bytes a version's descriptor has, and is
# taken by Prometheus, if there is one.

use FindBin;
use lib "$FindBin::Bin/lib";

use Encode qw(encode);
use JSON::PP qw(decode_json);
use Recs::Process qw(wait_until);
use Recs::Prometheus qw(exposition metric program promtool);
use Recs::PrometheusServer;
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SADD', 'seen', 'b');
$redis->cmd('HSET', 'fresh', 'p', '{"id":"p"}');
$redis->cmd('SADD', 'stock', map { "i$_" } 1 .. 9);

# What a batch may write: 127 bytes of anything.

my $hostile = qq("\\\n{a="b"} \t\0\x7f) . "\xff\xc3("
              . encode('UTF-8', "\x{263a}");

$redis->cmd('HSET', '{home}:v1:meta', state => 'complete', expected => 8,
            written => 6, generated_at => time - 100, model => $hostile,
            schema => 's' x 127, features => 'f');
$redis->cmd('SET', '{home}:channel:active', 'v1');

my $api = $t->upstream('{"items":[{"id":"a"},{"id":"b"},{"id":"c"}]}');

my $nginx = $t->nginx(http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_set seen redis=main key=seen;
recs_set stock redis=main key=stock replica=on;
recs_pool fresh redis=main key=fresh refresh=200ms;
recs_snapshots home redis=main prefix=home min_coverage=50%;
recs_lookup_timeout 10s;
charset utf-8;
charset_types *;

server {
    listen %%LISTEN%%;

    location = /page { recs on; recs_exclude seen; proxy_pass http://%%API%%; }
    location = /status { recs_status; }
    location = /json { recs_status json; }
    location = /metrics { recs_status prometheus; }
    location = /open { recs_status openmetrics; }
}
HTTP

my %type = (
    json        => 'application/json',
    prometheus  => 'text/plain; version=0.0.4; charset=utf-8',
    openmetrics => 'application/openmetrics-text; version=1.0.0; '
                 . 'charset=utf-8',
);

# As Prometheus 2 says it.
my $scraper = 'application/openmetrics-text;version=1.0.0,'
    . 'application/openmetrics-text;version=0.0.1;q=0.75,'
    . 'text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

my $browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

sub scrape { return exposition($t->get('/metrics')->body) }


subtest 'which format it is' => sub {
    my @cases = (
        ['/status', undef, 'json'],
        ['/json', undef, 'json'],
        ['/metrics', undef, 'prometheus'],
        ['/open', undef, 'openmetrics'],
        ['/metrics', '*/*', 'prometheus'],
        ['/status', $scraper, 'openmetrics'],
        ['/metrics', $scraper, 'openmetrics'],
        ['/status', 'text/plain', 'prometheus'],
        ['/status', 'text/*', 'prometheus'],
        ['/metrics', 'text/*;q=0.1, application/*', 'json'],
        ['/metrics', 'application/json', 'json'],
        ['/metrics', 'Application/JSON;q=0.9, text/plain;q=0.2', 'json'],
        ['/open', 'image/png', 'openmetrics'],
        ['/metrics?format=json', $scraper, 'json'],
        ['/status?format=prometheus', 'application/json', 'prometheus'],
        ['/json?a=b&format=openmetrics', undef, 'openmetrics'],
    );

    for my $case (@cases) {
        my ($uri, $accept, $format) = @$case;

        my $r = $t->get($uri, $accept ? (Accept => $accept) : ());
        my $name = "$uri " . ($accept // '');

        is($r->header('Content-Type'),
           $type{$format} . ($format eq 'json' ? '; charset=utf-8' : ''),
           "$name: $format");
        is($r->header('Cache-Control'), 'no-store', 'not to be stored');
        is($r->body =~ /\A\{"version"/ ? 'json'
           : $r->body =~ /\n# EOF\n\z/ ? 'openmetrics' : 'prometheus',
           $format, 'and it is');
    }

    is($t->get('/status', Accept => $browser)->status, 200, 'to a browser');

    for my $format ('', 'xml', 'jsonx', 'JSON') {
        is($t->get("/status?format=$format")->status, 400,
           "format \"$format\" is refused");
    }

    my $r = $t->request('HEAD', '/metrics');
    is($r->header('Content-Type'), $type{prometheus}, 'HEAD has a type');
    is($r->body, '', 'and no body');
    is($t->request('POST', '/metrics')->status, 405, 'POST is refused');
};


subtest 'formats say the same' => sub {
    $t->answered(sub { $t->get('/page') }) for 1 .. 3;

    wait_until(sub {
        my $e = scrape();
        metric($e, 'nginx_recs_replica_fresh')
            && metric($e, 'nginx_recs_channel_adopted', channel => 'active')
    }, 20);

    my $json = decode_json($t->get('/status')->body);
    my $e = scrape();
    my $open = exposition($t->get('/open')->body, open => 1);

    is(metric($e, 'nginx_recs_responses_total', state => 'filtered'),
       $json->{responses}{filtered}, 'responses');
    is(metric($e, 'nginx_recs_items_total'), $json->{items}{total}, 'items');
    is(metric($e, 'nginx_recs_set_removed_total', set => 'seen'),
       $json->{sets}{seen}{removed}, 'removals');
    cmp_ok($json->{sets}{seen}{removed}, '>=', 3, 'of which there are');
    is(metric($e, 'nginx_recs_replica_ids', set => 'stock'), 9, 'ids');
    is(metric($e, 'nginx_recs_set_state', set => 'seen', state => 'known'), 1,
       'a state');
    is(metric($e, 'nginx_recs_set_state', set => 'seen', state => 'absent'), 0,
       'and what it is not');
    is(metric($e, 'nginx_recs_channel_coverage_ratio'), 0.75, 'coverage');
    cmp_ok(metric($e, 'nginx_recs_channel_age_seconds'), '>=', 100, 'age');
    like(metric($e, 'nginx_recs_replica_age_seconds'),
         qr/\A\d+(?:\.\d{1,3})?\z/,
         'seconds with a fraction');

    my $size = metric($e, 'nginx_recs_zone_size_bytes');
    my %zone = map { ($_->{labels}{kind} => $_->{value}) }
               @{ $e->{nginx_recs_zone_used_bytes}{samples} };
    my $used = metric($e, 'nginx_recs_zone_free_bytes');
    $used += $_ for values %zone;

    cmp_ok($used, '<=', $size, 'memory');
    cmp_ok($used, '>', 0.95 * $size, 'all of it');
    cmp_ok($zone{replicas}, '>', 1000, 'of a replica');

    is(join(' ', sort keys %$open), join(' ', sort keys %$e),
       'OpenMetrics has the same');
    is($open->{nginx_recs_replica_age_seconds}{unit}, 'seconds', 'and units');
    is($open->{nginx_recs_build_info}{type}, 'info', 'and infos');
};


subtest 'a state changes' => sub {
    $redis->cmd('DEL', 'seen');

    wait_until(sub {
        metric(scrape(), 'nginx_recs_set_state', set => 'seen',
               state => 'absent')
    }, 20);

    my $e = scrape();
    is(metric($e, 'nginx_recs_set_state', set => 'seen', state => 'known'), 0,
       'what was known is absent');
    cmp_ok(metric($e, 'nginx_recs_set_since_timestamp_seconds'), '>', 1e9,
           'since when');

    $redis->cmd('SADD', 'seen', 'b');
    wait_until(sub {
        metric(scrape(), 'nginx_recs_set_state', set => 'seen',
               state => 'known')
    }, 20);

    is(metric(scrape(), 'nginx_recs_pool_failed'), 0, 'a pool');
    $redis->pipeline(['DEL', 'fresh'], ['SET', 'fresh', 'no hash']);
    wait_until(sub { metric(scrape(), 'nginx_recs_pool_failed') }, 20);
    is(metric(scrape(), 'nginx_recs_pool_items'), 1, 'that stays as it was');
};


subtest 'labels that would break a scrape' => sub {
    my ($info) = @{ scrape()->{nginx_recs_channel_version_info}{samples} };

    is($info->{labels}{model}, qq("\\\n{a="b"} )
       . "\x{fffd}" x 4 . "\x{fffd}(\x{263a}", 'bytes are escaped or replaced');
    is($info->{labels}{schema}, 's' x 127, 'a long one is whole');
    is($info->{labels}{version}, 'v1', 'the version');
};


SKIP: {
    my $said = promtool($t->get('/metrics')->body);
    skip 'promtool is missing (package prometheus): the text was read by the '
         . 'parser above only', 1 if !defined $said;

    is($said, '', 'promtool has nothing to say');
}


# A Prometheus that scrapes each 100 ms, until it can be asked.

SKIP: {
    skip 'prometheus is missing (package prometheus): nothing scraped', 1
        if !program('prometheus');

    subtest 'Prometheus scrapes it' => sub {
        my $prometheus = Recs::PrometheusServer->new($t, path => '/status',
                                                     interval => '100ms');
        my $value = sub {
            my ($first) = @{ $prometheus->query($_[0])->{data}{result} // [] };
            return $first && $first->{value}[1];
        };

        ok(wait_until(sub { $value->('up') }, 30), 'it is up')
            or diag($prometheus->log);
        is($value->('nginx_recs_replica_ids'), 9, 'a gauge');
        cmp_ok($value->('count({__name__=~"nginx_recs_.+"})'), '>', 100,
               'and all others');

        $prometheus->stop;
    };
}


$t->done;
