use strict;
use warnings;

# A response says when its candidates and features were made; what is too old or
# of a version that is not accepted is told, and refused where it is to be.

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(strftime);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

# What is asked for: the page, and fields of the response.
my $handler = sub {
    my ($args) = $_[0]{args};
    return {
        body => $args->{page}, status => $args->{status},
        headers => ['Cache-Control' => 'max-age=60', ETag => '"api"',
                    map { split /=/, $_, 2 } split /;/, $args->{fields} // ''],
    };
};

my $api = $t->upstream($handler);
my $old = $t->upstream(sub {
    return { body => '{"model":"m0","items":[{"id":"a"},{"id":"old"}]}',
             headers => ['X-Old' => 1] };
}, name => 'old');

$t->write('www/page.json', '{"model":"m0","items":[{"id":"a"},{"id":"file"}]}');
$t->write('www/skewed.json', '{"model":"m7","items":[{"id":"a"}]}');
$t->set(TO => 'proxy_pass http://%%API%%;', CHECK =>
        'recs_version model body=/model accept=m1; recs_on_skew reject;');

my $nginx = $t->nginx(access_log =>
    q('$uri|$status|$recs_state|$recs_age|$recs_model'), http => <<'HTTP');
recs_redis gone { server unix:%%TESTDIR%%/nobody.sock; }
recs_set Listed value=a;
recs_set lost redis=gone key=k;
add_header X-Age "$recs_age";
proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;
large_client_header_buffers 4 64k;

# Which rankers a set of candidates may be mixed with.
map $upstream_http_x_candidates $rankers {
    n       "n,n1";
    n1      n1;
    default none;
}

recs on;
default_type application/json;

server {
    listen %%LISTEN%%;
    listen %%LISTEN_H2%% http2;

    location /inherits {
        recs_freshness candidates body=/made;
        location /inherits/both {
            recs_version model body=/model;
            recs_version schema body=/schema;
            %%TO%%
        }
        location /inherits/alone { %%TO%% }
    }
    location /sourceless { recs_freshness candidates max_age=1h; %%TO%% }

    location /plain { recs_freshness candidates body=/made; %%TO%% }
    location /body {
        recs_tag both;
        recs_freshness candidates body=/made max_age=1h;
        %%TO%%
    }
    location /value {
        recs_freshness candidates value=$arg_made max_age=1h on_stale=tag;
        %%TO%%
    }
    location /header {
        recs_freshness candidates value=$upstream_http_x_made max_age=1h;
        %%TO%%
    }
    location /features {
        recs_tag both;
        recs_freshness features body=/meta/features max_age=10m;
        %%TO%%
    }
    location /two {
        recs_tag both;
        recs_freshness candidates body=/made max_age=1h;
        recs_freshness features value=$arg_features max_age=10m;
        %%TO%%
    }
    location /refused {
        recs_freshness candidates body=/made max_age=1h on_stale=reject;
        %%TO%%
    }
    location /refused-features {
        recs_freshness candidates body=/made max_age=1h;
        recs_freshness features body=/features max_age=1h on_stale=reject;
        %%TO%%
    }
    location /precedence {
        recs_tag both;
        recs_exclude lost;
        recs_version model body=/model accept=m1;
        recs_freshness candidates body=/made max_age=1h;
        %%TO%%
    }
    location /skew-and-age {
        recs_tag both;
        recs_version model body=/model accept=m1;
        recs_freshness candidates body=/made max_age=1h;
        %%TO%%
    }
    location /combination {
        recs_version model value=$upstream_http_x_candidates;
        recs_version features value=$upstream_http_x_ranker accept=$rankers;
        recs_version schema body=/schema accept=3,4;
        %%TO%%
    }

    location /skew { %%CHECK%% %%TO%% }
    location /skew-status { %%CHECK%% error_page 502 = @busy; %%TO%% }
    location @busy { return 503; }
    location /skew-unbuffered { %%CHECK%% proxy_buffering off; %%TO%% }
    location /skew-asked { %%CHECK%% recs_exclude lost; %%TO%% }
    location /skew-cached {
        %%CHECK%%
        proxy_cache pages;
        proxy_cache_valid 200 1h;
        proxy_ignore_headers Cache-Control;
        %%TO%%
    }
    location = /skewed.json { %%CHECK%% root %%TESTDIR%%/www; }

    location /to-old { %%CHECK%% error_page 502 = @old; %%TO%% }
    location @old {
        recs_exclude Listed;
        recs_version model body=/model accept=m0;
        proxy_pass http://%%OLD%%;
    }
    location /to-file { %%CHECK%% error_page 502 = /page.json; %%TO%% }
    location = /page.json { recs_exclude Listed; root %%TESTDIR%%/www; }
    location /to-plain { %%CHECK%% error_page 502 = @plain; %%TO%% }
    location @plain { recs off; proxy_pass http://%%OLD%%; }
    location /to-itself { %%CHECK%% error_page 502 = @again; %%TO%% }
    location @again { %%CHECK%% %%TO%% }
    location /to-return { %%CHECK%% error_page 502 = @none; %%TO%% }
    location @none { return 204; }

    location /ssi {
        recs off;
        ssi on;
        ssi_types text/plain;
        default_type text/plain;
        alias %%TESTDIR%%/www/ssi;
    }
    location /strict { recs_on_bad_body reject; %%TO%% }
    location /strict-large {
        recs_on_bad_body reject;
        recs_max_body_size 1k;
        recs_max_items 3;
        error_page 502 = @old;
        %%TO%%
    }
    location /status { recs_status; }
}
HTTP


sub filter { return $_[0]->header('Recs-Filter') // '' }
sub state_of { return filter($_[0]) =~ s/;.*//r }
sub status { return $t->get('/status')->json }


sub fetch { return $t->get_page(@_) }


# What changed in the counters: { "stale.candidates" => 1 }

sub counted {
    my ($code) = @_;

    my $numbers = sub {
        my $s = status();
        return (map({ ("responses.$_" => $s->{responses}{$_}) }
                    keys %{ $s->{responses} }),
                map({ ("skew.$_" => $s->{skew}{$_}) } keys %{ $s->{skew} }),
                map({ ("stale.$_" => $s->{stale}{$_}) } keys %{ $s->{stale} }),
                rejected => $s->{rejected}, total => $s->{items}{total});
    };

    my %before = $numbers->();
    $code->();
    my %after = $numbers->();

    return { map { ($_ => $after{$_} - $before{$_}) }
             grep { $after{$_} != $before{$_} } keys %after };
}


sub rfc3339 { return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $_[0]) }
sub made    { return '{"made":' . $_[0] . ',"items":[{"id":"a"}]}' }


# The second may change while we ask.

sub about {
    my ($got, $want, $name) = @_;

    return fail("$name: none") if !defined $got || $got !~ /^\d+$/;
    cmp_ok(abs($got - $want), '<=', 5, $name);
}


subtest 'inherited, with or without versions beside it' => sub {
    my $body = '{"schema":5,"model":"m","made":' . (time - 60)
               . ',"items":[]}';

    for my $path ('/inherits/both', '/inherits/alone', '/inherits/both') {
        about(fetch($path, $body)->header('Recs-Age'), 60, $path);
    }

    is(fetch('/inherits/both', $body)->header('Recs-Model-Version'), 'm',
       'the version');
};


subtest 'a date from nowhere' => sub {
    my $r = fetch('/sourceless', '{"made":' . (time - 60) . ',"items":[]}');
    is($r->header('Recs-Age'), undef, 'no age');
    like(filter($r), qr/^stale;/, 'too old');
};


subtest 'an age is found where it is, in either notation' => sub {
    my $now = time;

    for my $row (['unix seconds', $now - 1000], ['a fraction', $now - 999.5],
                 ['a string of them', '"' . ($now - 1000) . '"'],
                 ['RFC 3339', '"' . rfc3339($now - 1000) . '"'],
                 ['a fraction', '"' . rfc3339($now - 1000) =~ s/Z/.25Z"/r],
                 ['in lower case', '"' . lc(rfc3339($now - 1000)) . '"'],
                 ['a space', '"' . rfc3339($now - 1000) =~ s/T/ /r . '"'],
                 ['a zone east', '"' . rfc3339($now - 1000 + 19800)
                                       =~ s/Z/+05:30"/r],
                 ['a zone west', '"' . rfc3339($now - 1000 - 12600)
                                       =~ s/Z/-03:30"/r])
    {
        my ($name, $json) = @$row;
        my $r = fetch('/plain', made($json));
        about($r->header('Recs-Age'), 1000, "$name: $json");
        is($r->header('X-Age'), $r->header('Recs-Age'), 'and $recs_age');
        is(state_of($r), 'filtered', 'not stale without max_age=');
    }

    my $r = fetch('/value?made=' . ($now - 50), '{"items":[]}');
    about($r->header('Recs-Age'), 50, 'value=');
    $r = fetch('/header?fields=X-Made=' . rfc3339($now - 70), '{"items":[]}');
    about($r->header('Recs-Age'), 70, 'a header of the upstream');

    ok(wait_until(sub {
        grep { m{^/header\|200\|filtered\|7\d\|} } $nginx->access_log
    }), 'in the log');
};


subtest 'calendars are kept' => sub {
    my @dates = (
        ['1970-01-01T00:00:00Z', 0], ['1970-01-01T01:00:00+01:00', 0],
        ['2000-02-29T12:00:00Z', 951825600],
        ['2000-03-01T00:00:00Z', 951868800],
        ['2023-12-31T23:59:60Z', 1704067200],
        ['2024-02-29T23:59:59Z', 1709251199],
        ['2024-03-01T00:00:00Z', 1709251200],
        ['2024-12-31T23:30:00-01:00', 1735691400],
    );

    for my $row (@dates) {
        my ($date, $seconds) = @$row;
        about(fetch('/plain', made("\"$date\""))->header('Recs-Age'),
              time - $seconds, $date);
    }
};


subtest 'what is over max_age= is stale' => sub {
    my $now = time;

    for my $row ([3500, 'filtered'], [3700, 'stale'], [0, 'filtered'],
                 [-3000, 'filtered'], [1_000_000_000, 'stale'])
    {
        my ($age, $state) = @$row;
        my $r = fetch('/body', made($now - $age));
        is(state_of($r), $state, "$age s");
        about($r->header('Recs-Age'), $age < 0 ? 0 : $age, 'its age');
        is(filter($r) =~ /;stale="(.*)"$/ ? $1 : undef,
           $state eq 'stale' ? 'candidates' : undef, 'named');

        my $tag = $r->json->{_recs};
        is($tag->{state}, $state, 'in the body, too');
        about($tag->{age}{candidates}, $age < 0 ? 0 : $age, 'its age');
        is_deeply($tag->{stale}, $state eq 'stale' ? ['candidates'] : undef,
                  'named');
        is($r->status, 200, 'shown all the same');
        is_deeply($r->json->{items}, [{ id => 'a' }], 'its items');
    }
};


subtest 'where an age is demanded none is too old' => sub {
    my @none = (
        'null', '""', '"yesterday"', '-1', '1e9', 'true', '[1]', '{}',
        '"Sun, 22 Nov 2026 18:00:00 GMT"', '"2026-11-22"',
        '"2026-11-22T18:00:00"', '"2026-02-29T00:00:00Z"',
        '"2100-02-29T00:00:00Z"', '"2026-13-01T00:00:00Z"',
        '"2026-00-10T00:00:00Z"', '"2026-01-00T00:00:00Z"',
        '"2026-11-22T24:00:00Z"', '"2026-11-22T00:60:00Z"',
        '"2026-11-22T00:00:00+24:00"', '"2026-11-22T00:00:00.Z"',
        '"2026-11-22T00:00:00Zulu"', '"1700000000 "', '" 1700000000"',
        '"0x10"', '9' x 30, time . '000', time + 3 * 86400,
        '"' . rfc3339(time + 2 * 86400) . '"',
    );

    for my $json (@none) {
        my $r = fetch('/body', made($json));
        is(filter($r), 'stale;total=1;kept=1;removed=0;explored=0'
           . ';stale="candidates"', "made: $json");
        is($r->header('Recs-Age'), undef, 'no age');
        is_deeply($r->json->{_recs}{age}, {}, 'nor in the body');

        $r = fetch('/plain', made($json));
        is(state_of($r), 'filtered', 'without max_age= that is nothing');
        is($r->header('Recs-Age'), undef, 'no age');
    }

    is(state_of(fetch('/body', '{"items":[]}')), 'stale', 'no member');
    is(state_of(fetch('/value', '{"items":[]}')), 'stale', 'no argument');
    is(state_of(fetch('/header', '{"items":[]}')), 'stale', 'no header');
    about(fetch('/body', made(time + 80000))->header('Recs-Age'), 0,
          'clocks that differ by less than a day are borne');
};


subtest 'features have an age of their own' => sub {
    my $now = time;
    my $page = sub { return '{"meta":{"features":' . $_[0] . '},"items":[]}' };

    my $r = fetch('/features', $page->($now - 500));
    is(state_of($r), 'filtered', 'fresh');
    is($r->header('Recs-Age'), undef, 'Recs-Age is that of candidates');
    is($r->header('X-Age'), undef, 'so is $recs_age');
    about($r->json->{_recs}{age}{features}, 500, 'the body has it');

    $r = fetch('/features', $page->($now - 700));
    like(filter($r), qr/^stale;.*;stale="features"$/, 'stale');
    is_deeply($r->json->{_recs}{stale}, ['features'], 'in the body');

    for my $row ([100, 100, ''], [4000, 100, 'candidates'],
                 [100, 700, 'features'], [4000, 700, 'candidates features'])
    {
        my ($candidates, $features, $stale) = @$row;
        $r = fetch('/two?features=' . ($now - $features),
                   made($now - $candidates));
        is(filter($r) =~ /stale="(.*)"/ ? $1 : '', $stale,
           "$candidates s and $features s");
        is(join(' ', @{ $r->json->{_recs}{stale} // [] }), $stale, 'the body');
        about($r->header('Recs-Age'), $candidates, 'the age');
        about($r->json->{_recs}{age}{features}, $features, 'the other');
    }
};


subtest 'stale responses are counted, by kind' => sub {
    my $now = time;

    is_deeply(counted(sub {
        fetch('/two?features=' . $now, made($now));
        fetch('/two?features=' . $now, made(1)) for 1 .. 2;
        fetch('/two', made($now)) for 1 .. 3;
        fetch('/two', made(1));
    }), { 'responses.filtered' => 1, 'responses.stale' => 6,
          'stale.candidates' => 3, 'stale.features' => 4, total => 7 },
        'each');
};


subtest 'on_stale=reject answers 502' => sub {
    my $now = time;

    my $r = fetch('/refused', made($now - 100));
    is($r->status, 200, 'what is fresh is shown');
    about($r->header('Recs-Age'), 100, 'with its age');

    is_deeply(counted(sub { $r = fetch('/refused', made($now - 4000)) }),
              { 'responses.stale' => 1, 'stale.candidates' => 1,
                rejected => 1 }, 'counted');
    is($r->status, 502, 'what is not is refused');
    unlike($r->body, qr/items/, 'and not shown');
    is(fetch('/refused', '{"items":[]}')->status, 502, 'nor what has no date');

    is_deeply(counted(sub {
        $r = fetch('/refused-features', '{"made":1,"features":' . $now
                   . ',"items":[]}');
    }), { 'responses.stale' => 1, 'stale.candidates' => 1 },
        'where features are demanded, stale candidates are tagged');
    is($r->status, 200, 'and shown');
    is(fetch('/refused-features', "{\"made\":$now,\"items\":[]}")->status, 502,
       'stale features are not');
};


subtest 'a missing fact weighs more than a skew, that more than age' => sub {
    my $page = '{"model":"m2","made":1,"items":["a"]}';

    my $r;
    is_deeply(counted(sub { $r = fetch('/precedence', $page) }),
              { 'responses.degraded' => 1, 'skew.model' => 1,
                'stale.candidates' => 1, total => 1 }, 'counted once by state');
    is(filter($r), 'degraded;total=1;kept=1;removed=0;explored=0;skew="model"'
       . ';stale="candidates"', 'degraded, with all the others');
    is($r->json->{_recs}{state}, 'degraded', 'the body');
    is_deeply([@{ $r->json->{_recs} }{qw(skew stale)}],
              [['model'], ['candidates']], 'with both');

    is_deeply(counted(sub { $r = fetch('/skew-and-age', $page) }),
              { 'responses.skewed' => 1, 'skew.model' => 1,
                'stale.candidates' => 1, total => 1 }, 'without a set');
    is(filter($r), 'skewed;total=1;kept=1;removed=0;explored=0;skew="model"'
       . ';stale="candidates"', 'skewed, with the age');

    $r = fetch('/skew-and-age', $page =~ s/m2/m1/r);
    like(filter($r), qr/^stale;.*explored=0;stale="candidates"$/, 'age alone');
    $r = fetch('/skew-and-age', $page =~ s/m2/m1/r =~ s/:1/':' . time/er);
    is(filter($r), 'filtered;total=1;kept=1;removed=0;explored=0', 'neither');
};


subtest 'several versions in one response go together or not' => sub {
    my $ask = sub {
        my ($candidates, $ranker, $schema) = @_;
        my $fields = "X-Candidates=$candidates;X-Ranker=$ranker";
        return fetch('/combination?fields=' . escape($fields),
                     "{\"schema\":$schema,\"items\":[]}");
    };

    my @rows = (
        ['n', 'n', 3, undef], ['n', 'n1', 4, undef], ['n1', 'n1', 3, undef],
        ['n1', 'n', 3, 'features'], ['n', 'n2', 3, 'features'],
        ['n0', 'n', 3, 'features'], ['n', 'n1', 5, 'schema'],
        ['n1', 'n', 5, 'schema features'],
    );

    my $counted = counted(sub {
        for my $row (@rows) {
            my ($candidates, $ranker, $schema, $skew) = @$row;
            my $r = $ask->($candidates, $ranker, $schema);
            is(filter($r) =~ /skew="(.*)"/ ? $1 : undef, $skew,
               "candidates $candidates, ranker $ranker, schema $schema");
            is(state_of($r), $skew ? 'skewed' : 'filtered', 'the state');
            is_deeply([map { $r->header("Recs-$_-Version") }
                       qw(Model Feature Schema)],
                      [$candidates, $ranker, $schema], 'all three are told');
        }
    });

    is_deeply($counted, { 'responses.filtered' => 3, 'responses.skewed' => 5,
                          'skew.features' => 4, 'skew.schema' => 2 },
              'counted by kind');
};


my $good = '{"model":"m1","items":[{"id":"a"}]}';
my $bad = '{"model":"m2","items":[{"id":"a"}]}';


subtest 'recs_on_skew reject answers 502' => sub {
    for my $path ('/skew', '/skew-unbuffered', '/skew-asked',
                  '/skew-cached?n=1')
    {
        is(fetch($path, $good)->body, $good, "$path: what is accepted");
    }

    for my $path ('/skew', '/skew-unbuffered', '/skew-asked',
                  '/skew-cached?n=2', '/skew-cached?n=2', '/skewed.json')
    {
        my $r;
        is_deeply(counted(sub { $r = fetch($path, $bad) }),
                  { 'responses.skewed' => 1, 'skew.model' => 1,
                    rejected => 1 }, "$path: counted");
        is($r->status, 502, 'refused');
        is($r->complete, 1, 'with a whole answer');
        like($r->header('Content-Type'), qr{^text/html}, 'of nginx\'s own');
        is_deeply([grep { defined $r->header($_) }
                   qw(ETag Last-Modified Cache-Control Recs-Model-Version)],
                  [], 'with none of the page\'s fields');
        unlike($r->body, qr/items/, 'nor its body');
    }

    is(fetch('/skew-status', $bad)->status, 503, 'error_page may say another');

    my $c = $t->http;
    my @statuses = map {
        $c->get('/skew?page=' . escape($_))->status
    } $good, $bad, $good, $bad, $bad, $good;
    is("@statuses", '200 502 200 502 502 200', 'a connection goes on');

    $c = $t->http2(port => 'H2');
    is(join(' ', map { $c->get('/skew?page=' . escape($_))->status }
                 $bad, $good, $bad), '502 200 502', 'HTTP/2');

    my $r = $t->request('HEAD', '/skew?page=' . escape($bad));
    is($r->status, 200, 'HEAD has no body that says it');
    like(filter($r), qr/^bypassed;why=no_body/, 'and tells so');

    ok(wait_until(sub {
        grep { m{^/skew\|502\|} } $nginx->access_log
    }), 'the log has the status');
};


subtest 'error_page 502 names another location' => sub {
    my $none = ['{"model":"m0","items":[{"id":"old"}]}',
                'filtered;total=2;kept=1;removed=1;explored=0', 200];

    my $r;
    is_deeply(counted(sub { $r = fetch('/to-old', $bad) }),
              { 'responses.skewed' => 1, 'responses.filtered' => 1,
                'skew.model' => 1, rejected => 1, total => 2 },
              'each response is counted');
    is_deeply([$r->body, filter($r), $r->status], $none,
              'a proxied one, filtered by its own rules');
    is($r->header('X-Old'), 1, 'with its fields');
    is($r->header('Recs-Model-Version'), 'm0', 'its version');
    is($r->header('Content-Length'), length $r->body, 'its length');

    $r = fetch('/to-old', $good);
    is($r->body, $good, 'what is accepted does not go there');

    my $etag = fetch('/to-old', $bad)->header('ETag');
    $r = fetch('/to-old', $bad, 'If-None-Match' => $etag);
    is($r->status, 304, 'it has an ETag of its own');

    $r = fetch('/to-file', $bad);
    is_deeply([$r->body, filter($r), $r->status],
              ['{"model":"m0","items":[{"id":"file"}]}', @$none[1, 2]],
              'a file');
    $r = fetch('/to-plain', $bad);
    is_deeply([$r->body, filter($r), $r->status],
              ['{"model":"m0","items":[{"id":"a"},{"id":"old"}]}', '', 200],
              'one that is not filtered');
    is(fetch('/to-return', $bad)->status, 204, 'one without a body');
    is(fetch('/to-itself', $bad)->status, 502,
       'one that is refused again is not tried for ever');

    my $c = $t->http;
    is($c->get('/to-old?page=' . escape($bad))->status, 200, 'a connection')
        for 1 .. 3;
};


subtest 'a subrequest that is refused leaves the page whole' => sub {
    my $include = '<!--# include virtual="/skew?page=' . escape($bad) . '" -->';
    my $fine = '<!--# include virtual="/skew?page=' . escape($good) . '" -->';
    my $other = '<!--# include virtual="/to-old?page=' . escape($bad) . '" -->';

    $t->write('www/ssi', "before $include between $fine then $other after");
    chmod 0644, $t->dir . '/www/ssi';

    my $r = $t->get('/ssi');
    is($r->status, 200, 'the page');
    is($r->complete, 1, 'ends');
    like($r->body, qr/\Abefore .* between \Q$good\E then .* after\z/s,
         'and what is around it is there');
    like($r->body, qr/502 Bad Gateway.* between/s, 'the error in its place');
    unlike($r->body, qr/m2/, 'the refused one is nowhere');
};


subtest 'recs_on_bad_body reject answers 502, too' => sub {
    my @bad = (
        ['{"items":', 'malformed'], ['', 'malformed'], ['[]', 'malformed'],
        ['{"item":[]}', 'malformed'],
    );

    for my $row (@bad) {
        my ($body, $state) = @$row;
        my $r;
        is_deeply(counted(sub { $r = fetch('/strict', $body) }),
                  { "responses.$state" => 1, rejected => 1 }, "\"$body\"");
        is($r->status, 502, 'refused');
    }

    is(fetch('/strict', $good)->body, $good, 'a good one is shown');
    is(fetch('/strict?status=404', 'no')->body, 'no',
       'an error of the upstream is no bad body');
    is(fetch('/strict?fields=Content-Encoding=br', 'x')->body, 'x',
       'nor is an encoding that is not known');

    my $old_page = '{"model":"m0","items":[{"id":"old"}]}';

    for my $row (['{"items":[' . ' ' x 1024 . ']}', 'a body'],
                 ['{"items":[1,2,3,4]}', 'items'])
    {
        my ($body, $what) = @$row;
        my $r;
        is_deeply(counted(sub { $r = fetch('/strict-large', $body) }),
                  { 'responses.too_large' => 1, 'responses.filtered' => 1,
                    rejected => 1, total => 2 }, "too large: $what");
        is($r->body, $old_page, 'error_page answers');
    }

    is(fetch('/strict-large', '{"items":[1,2,3]}')->body, '{"items":[1,2,3]}',
       'within the limits');
};


$t->done;
