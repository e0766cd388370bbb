use strict;
use warnings;

# Header fields, the member _recs of the body, variables and the counters of
# recs_status say what was done with a response, and say the same.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SET', 'string', 'x');
$redis->cmd('SADD', 'seen:u1', 'b');

# What is asked for: the page, and fields of the response.
my $api = $t->upstream(sub {
    my ($args) = $_[0]{args};
    return {
        body => $args->{page}, status => $args->{status},
        type => $args->{type} // 'application/json',
        headers => [map { split /=/, $_, 2 } split /;/, $args->{fields} // ''],
    };
});

my $fake = $t->fake_redis(sub {
    my ($cmd) = @_;
    return "+PONG\r\n" if $cmd->[0] eq 'PING';
    return [\0.3, '*' . (@$cmd - 2) . "\r\n" . ":0\r\n" x (@$cmd - 2)];
});

$t->set(TO => 'proxy_pass http://%%API%%;');

my @variables = qw(
    recs_user recs_event recs_state recs_total recs_kept recs_removed
    recs_removed_Listed recs_removed_seen recs_unidentified recs_explored
    recs_backfilled recs_model recs_schema recs_features recs_snapshot
    recs_age recs_lookup_time
);

$t->write('pool.ndjson', join '', map { "{\"id\":\"$_\"}\n" } qw(n1 n2 n3));

my $nginx = $t->nginx(access_log => "escape=none '"
    . join('|', '$uri', map { "\$$_" } @variables) . "'", http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_redis gone { server unix:%%TESTDIR%%/nobody.sock; }
recs_set Listed value=$arg_ids;
recs_set seen redis=main key=seen:$arg_u;
recs_set lost redis=gone key=a unknown=drop;
recs_set kept redis=gone key=a;
recs_pool fresh file=%%TESTDIR%%/pool.ndjson;

add_header X-State $recs_state;
add_header X-Total $recs_total;
add_header X-Kept $recs_kept;
add_header X-Removed $recs_removed;
add_header X-Listed $recs_removed_Listed;
add_header X-Seen $recs_removed_seen;
add_header X-Unidentified $recs_unidentified;
add_header X-Explored $recs_explored;
add_header X-Backfilled $recs_backfilled;
add_header X-Model $recs_model;
add_header X-Schema $recs_schema;
add_header X-Features $recs_features;
add_header X-Snapshot $recs_snapshot;
add_header X-Age $recs_age;
add_header X-Time $recs_lookup_time;
add_header X-User $recs_user;
add_header X-Event $recs_event;

recs on;
recs_lookup_timeout 10s;
large_client_header_buffers 4 64k;

server {
    listen %%LISTEN%%;
    recs_exclude Listed;
    proxy_pass_request_headers off;

    location /headers { recs_tag headers; %%TO%% }
    location /body { recs_tag body; %%TO%% }
    location /both { recs_tag both; %%TO%% }
    location /off { recs_tag off; %%TO%% }
    location /default { %%TO%% }
    location /root { recs_tag both; recs_items ""; recs_item_id /id; %%TO%% }
    location /explain { recs_tag off; recs_explain $arg_explain; %%TO%% }

    location /everything {
        recs_tag both;
        recs_exclude Listed seen lost kept;
        recs_version model body=/model accept=m1;
        recs_version schema body=/schema accept=s1;
        recs_version features value=$arg_features;
        recs_version snapshot value=v9 accept=v8,v9;
        %%TO%%
    }
    location /reasons {
        recs_explain 1;
        recs_distinct on;
        recs_limit 4;
        recs_explore fresh rate=100% slots=1;
        %%TO%%
    }
    location /versions {
        recs_version model body=/model;
        recs_version schema body=/meta/schema/0;
        recs_version features value=$upstream_http_x_features;
        recs_version snapshot value=$arg_snapshot;
        %%TO%%
    }
    location /unfit {
        add_header X-Model $recs_model;
        recs_version model body=/model;
        recs_version snapshot value=v1;
        %%TO%%
    }
    location /accept {
        recs_tag both;
        recs_version model body=/model accept=$arg_accept;
        %%TO%%
    }
    location /lists {
        recs_version model body=/model "accept=m1, m2 ,m 3,,7";
        %%TO%%
    }
    location /skews {
        recs_tag both;
        recs_exclude kept;
        recs_version model body=/model accept=m1;
        recs_version schema body=/schema accept=s1;
        recs_version features body=/features accept=f1;
        recs_version snapshot value=v9 accept=v9;
        %%TO%%
    }
    location /skew {
        recs_version model body=/model accept=m1;
        recs_version schema body=/schema accept=s1;
        %%TO%%
    }
    location /log {
        recs_user $arg_u;
        recs_event $arg_e;
        recs_exclude Listed seen;
        recs_explore fresh rate=100% slots=1;
        recs_version model body=/model;
        recs_version schema value=3;
        recs_version features value=f-7;
        recs_version snapshot value=v9;
        recs_freshness candidates value=$msec;
        recs_max_body_size 1k;
        %%TO%%
    }
    location /status { recs_status; }
}
HTTP


sub fetch { return $t->get_page(@_) }


sub filter { return $_[0]->header('Recs-Filter') // '' }
sub status { return $t->get('/status')->json }

my $page = '{"items":[{"id":"a"},{"id":"b"},{"ad":1},{"id":"c"}]}';


subtest 'recs_tag says where the tags go' => sub {
    my $filter = 'filtered;total=4;kept=3;removed=1;explored=0'
               . ';unidentified=1';
    my $rest = '{"items":[{"id":"a"},{"ad":1},{"id":"c"}]';
    my $tag = ',"_recs":{"state":"filtered","total":4,"kept":3,"removed":1,'
            . '"explored":0,"unidentified":1,'
            . '"sets":{"Listed":{"removed":1}}}';

    for my $row (['headers', 1, 0], ['body', 0, 1], ['both', 1, 1],
                 ['off', 0, 0], ['default', 1, 0])
    {
        my ($where, $header, $body) = @$row;
        my $r = fetch("/$where?ids=b", $page);

        is($r->header('Recs-Filter'), $header ? $filter : undef,
           "$where: Recs-Filter");
        is($r->header('Recs-Sets'), $header ? 'Listed;removed=1' : undef,
           'Recs-Sets');
        is($r->body, $rest . ($body ? $tag : '') . '}', 'the body');
        is($r->header('Content-Length'), length $r->body, 'its length');
    }
};


subtest 'a response that is passed as it came has one tag' => sub {
    my @rows = (
        ['', '{"items":', 'malformed;why=syntax'],
        ['', '{"item":[]}', 'malformed;why=no_shelf'],
        ['&status=404', '{}', 'bypassed;why=status'],
        ['&fields=Content-Encoding=br', $page, 'bypassed;why=encoding'],
    );

    for my $row (@rows) {
        my ($args, $body, $filter) = @$row;
        my $r = fetch("/both?ids=b$args", $body);
        is($r->header('Recs-Filter'), $filter, $filter);
        is($r->header('Recs-Sets'), undef, 'no sets');
        is($r->body, $body, 'no tag in the body');
    }

    is(fetch('/off', '{"items":')->header('Recs-Filter'), undef, 'off: none');

    my $before = status()->{other_types};
    is(fetch('/both?type=text/plain', $page)->header('Recs-Filter'), undef,
       'another type is not tagged');
    fetch('/both', $page);
    is(status()->{other_types}, $before + 1, 'but counted');
};


subtest 'fields of these names from the upstream are not let through' => sub {
    my @names = qw(Recs-Filter Recs-Sets Recs-Model-Version Recs-Snapshot
                   Recs-Schema-Version Recs-Feature-Version);
    my $fields = escape(join ';', map { ("$_=lie", lc($_) . '=lie') } @names);

    for my $path ('/both', '/off', '/versions') {
        my $r = fetch("$path?fields=$fields", $page);
        is(scalar(grep { /lie/ } map { $r->headers($_) } @names), 0, $path);
    }

    my $r = fetch("/both?status=404&fields=$fields", $page);
    is_deeply([map { $r->headers($_) } @names], ['bypassed;why=status'],
              'nor with an error');

    $r = fetch("/default?fields=$fields", $page);
    is_deeply([$r->headers('Recs-Filter')],
              ['filtered;total=4;kept=4;removed=0;explored=0;unidentified=1'],
              'ours is');
};


subtest '_recs in the root object is ours' => sub {
    my $items = '"items":[{"id":"a"}]';
    my @rows = (
        ["{\"_recs\":1,$items}", "{${items}TAG}", 'first'],
        ["{\"x\":1,\"_recs\":{\"items\":[]},$items}", "{\"x\":1,${items}TAG}",
            'in the middle'],
        ["{$items,\"_recs\":null}", "{${items}TAG}", 'last'],
        ["{\"_recs\":1,\"_recs\":[2],$items,\"_recs\":\"3\"}", "{${items}TAG}",
            'three times'],
        ["{\"\\u005frecs\":1,$items}", "{${items}TAG}", 'with an escape'],
        ["{ \"_recs\" : 1 , $items }", "{ ${items}TAG }", 'with white space'],
        ["{$items,\"n\":{\"_recs\":1}}", "{$items,\"n\":{\"_recs\":1}TAG}",
            'deeper it is nobody\'s'],
    );

    for my $row (@rows) {
        my ($body, $want, $name) = @$row;

        (my $without = $want) =~ s/TAG//;
        is(fetch('/off', $body)->body =~ s/ (?=\}\z)//r,
           $without =~ s/ (?=\}\z)//r, $name);

        my ($before, $after) = map { quotemeta } split /TAG/, $want;
        like(fetch('/body', $body)->body,
             qr/\A$before,"_recs":\{"state":.*\}$after\z/, 'replaced by ours');
    }

    is(fetch('/default', '{"_recs":[{"id":"a"}]}')->header('Recs-Filter'),
       'malformed;why=no_shelf', 'alone it is no shelf');
};


subtest 'a page that is an array has no place for a tag' => sub {
    my $r = fetch('/root?ids=b', '[{"id":"a"},{"id":"b"}]');
    is($r->body, '[{"id":"a"}]', 'the body');
    is(filter($r), 'filtered;total=2;kept=1;removed=1;explored=0',
       'the header has it');
};


subtest 'recs_explain adds what was removed, if it is asked for' => sub {
    for my $no ('', '?explain=', '?explain=0') {
        is(fetch("/explain$no", $page)->body, $page, "not for \"$no\"");
    }

    for my $yes ('1', '00', 'no') {
        my $r = fetch("/explain?ids=b,x&explain=$yes", $page);
        is_deeply($r->json->{_recs}{items}, [{ id => 'b', set => 'Listed' }],
                  "for \"$yes\"");
        is($r->json->{_recs}{removed}, 1, 'with all the rest');
    }

    is_deeply(fetch('/explain?explain=1', $page)->json->{_recs}{items}, [],
              'nothing was removed');

    my $r = fetch('/reasons?ids=x', '{"items":["x","a","a","b",1.5,"c",'
                                    . '"d\u0022\u0000",null,"e"]}');
    is_deeply($r->json->{_recs}{items}, [
        { id => 'x', set => 'Listed' }, { id => 'a', rule => 'distinct' },
        { id => 'c', rule => 'explore' }, { id => "d\"\0", rule => 'limit' },
        { id => undef, rule => 'limit' }, { id => 'e', rule => 'limit' },
    ], 'each by its set or its rule, in order');
    is(filter($r), 'filtered;total=9;kept=3;removed=2;explored=1;repeated=1'
       . ';unidentified=2', 'counted');
};


subtest 'versions are read where they are, as they are' => sub {
    my @names = qw(Recs-Model-Version Recs-Schema-Version
                   Recs-Feature-Version Recs-Snapshot);
    my $items = '"items":[]';

    my $r = fetch('/versions?snapshot=v7&fields=X-Features=f%202',
                  "{\"model\":\"m-1\",\"meta\":{\"schema\":[\"s1\"]},$items}");
    is_deeply([map { $r->header($_) } @names], ['m-1', 's1', 'f 2', 'v7'],
              'each from its place');

    my @rows = (
        ['"a b~"', 'a b~'], ['3', '3'], ['3.10', '3.10'], ['1e2', '1e2'],
        ['12345678901234567890123', '12345678901234567890123'],
        ['true', 'true'], ['"\u0041\/"', 'A/'], ['"a","model":"b"', 'b'],
        ['null', undef], ['""', undef], ['{}', undef], ['["a"]', undef],
        ['"' . 'x' x 128 . '"', 'x' x 128],
    );

    my $before = status()->{unsent_versions};

    for my $row (@rows) {
        my ($json, $want) = @$row;
        $r = fetch('/versions', "{\"model\":$json,$items}");
        is($r->header('Recs-Model-Version'), $want, "model: $json");
        is($r->header('X-Model'), $want, 'and $recs_model');
    }

    is_deeply([map { $r->header($_) } @names[1 .. 3]], [undef, undef, undef],
              'what is nowhere has no field');
    is(status()->{unsent_versions}, $before, 'none was withheld');
};


subtest 'a version unfit for a header is not sent, but counted' => sub {
    my $before = status()->{unsent_versions};
    my @unfit = ('"' . 'x' x 129 . '"', '"caf\u00e9"', "\"\xC3\xA9\"",
                 '"a\r\nSet-Cookie: b"', '"a\u0000"', '"\t"', '"\u007f"');

    for my $json (@unfit) {
        my $r = fetch('/unfit', "{\"model\":$json,\"items\":[]}");
        is($r->header('Recs-Model-Version'), undef, $json);
        is($r->header('X-Model'), undef, 'nor by $recs_model');
        is($r->header('Recs-Snapshot'), 'v1', 'another one is');
        is($r->header('Set-Cookie'), undef, 'and no field is smuggled in');
    }

    is(status()->{unsent_versions} - $before, scalar @unfit, 'counted');
};


subtest 'a version that is not accepted is a skew' => sub {
    my @rows = (
        ['m1', '"m1"', 'filtered'], ['m1', '"m2"', 'skewed'],
        ['m1', '"m"', 'skewed'], ['m1', '"m11"', 'skewed'],
        ['m2,m1', '"m1"', 'filtered'], ['7', '7', 'filtered'],
        ['7', '7.0', 'skewed'], ['m1', 'null', 'skewed'],
        ['m1', '{}', 'skewed'], ['m1', '""', 'skewed'],
        [',', '""', 'skewed'], ['', '"m1"', 'filtered'],
        ['', 'null', 'filtered'],
    );

    for my $row (@rows) {
        my ($accept, $model, $state) = @$row;
        my $r = fetch("/accept?accept=$accept",
                      "{\"model\":$model,\"items\":[]}");
        like(filter($r), qr/^$state;/, "$model, accepted: \"$accept\"");
        is($r->json->{_recs}{state}, $state, 'in the body');
        is_deeply($r->json->{_recs}{skew},
                  $state eq 'skewed' ? ['model'] : undef, 'what is skewed');
    }

    like(filter(fetch('/accept?accept=m1', '{"items":[]}')), qr/^skewed;/,
         'a version that is missing is a skew');

    for my $row (['m1', 1], ['m2', 1], ['m 3', 1], ['7', 1], [' m2', 0],
                 ['3', 0])
    {
        my ($model, $fine) = @$row;
        like(filter(fetch('/lists', "{\"model\":\"$model\",\"items\":[]}")),
             $fine ? qr/^filtered;/ : qr/^skewed;/, "\"$model\" of a list");
    }
};


subtest 'a missing fact weighs more than a skew, and both are told' => sub {
    my $body = '{"model":"m2","schema":"s1","features":"f2",'
             . '"items":[{"id":"a"}]}';

    my $r = fetch('/skews', $body);
    is(filter($r), 'degraded;total=1;kept=1;removed=0;explored=0'
       . ';skew="model features"', 'the header');
    is($r->header('Recs-Sets'), 'kept;unknown;why=down', 'the set');

    my $tag = $r->json->{_recs};
    is($tag->{state}, 'degraded', 'the body');
    is_deeply($tag->{skew}, ['model', 'features'], 'with both skews');
    is_deeply($tag->{sets}{kept}, { unknown => JSON::PP::true, why => 'down',
                                    removed => 0 },
              'and the set');

    my $before = status()->{skew};
    is(filter(fetch('/skew', $body)), 'skewed;total=1;kept=1;removed=0'
       . ';explored=0;skew="model"', 'a skew alone');
    is(filter(fetch('/skew', '{"items":[]}')), 'skewed;total=0;kept=0'
       . ';removed=0;explored=0;skew="model schema"', 'two');

    my $after = status()->{skew};
    is_deeply({ map { ($_ => $after->{$_} - $before->{$_}) } keys %$after },
              { model => 2, schema => 1, features => 0, snapshot => 0 },
              'counted by what it is');
};


subtest 'the body says the same as the header' => sub {
    my $r = fetch('/everything?ids=a&features=f3',
                  '{"model":"m1","schema":4,"items":["a","b"]}');

    is(filter($r), 'degraded;total=2;kept=0;removed=2;explored=0'
       . ';skew="schema"', 'Recs-Filter');
    is($r->header('Recs-Sets'), 'Listed;removed=1, seen;skipped, '
       . 'lost;unknown;why=down;removed=1, kept;unknown;why=down',
       'Recs-Sets');
    is_deeply($r->json->{_recs}, {
        state => 'degraded', total => 2, kept => 0, removed => 2,
        explored => 0, model => 'm1', schema => '4', features => 'f3',
        snapshot => 'v9', skew => ['schema'],
        sets => {
            Listed => { removed => 1 }, seen => { skipped => JSON::PP::true },
            lost => { unknown => JSON::PP::true, why => 'down', removed => 1 },
            kept => { unknown => JSON::PP::true, why => 'down', removed => 0 },
        },
    }, '_recs');
};


subtest 'every variable is in a log and in a header' => sub {
    my $body = '{"model":"als 7","items":'
             . '[{"id":"a"},{"id":"b"},{"ad":1},{"id":"c"},{"id":"d"}]}';
    my $read = $t->log_mark($nginx);

    my $r = fetch('/log?u=u1&e=ev-9&ids=a', $body);
    my ($line) = ($nginx->access_log($read + 1))[-1];

    my @values = split /\|/, $line, -1;
    is(shift @values, '/log', 'the request');
    my $time = pop @values;
    is_deeply(\@values, ['u1', 'ev-9', 'filtered', 5, 3, 2, 1, 1, 1, 1, 0,
                         'als 7', 3, 'f-7', 'v9', 0], 'the log');
    like($time, qr/^\d+\.\d{3}$/, 'the time of the lookup, in seconds');

    is_deeply([map { $r->header("X-$_") } qw(User Event State Total Kept Removed
                   Listed Seen Unidentified Explored Backfilled Model Schema
                   Features Snapshot Age)],
              ['u1', 'ev-9', 'filtered', 5, 3, 2, 1, 1, 1, 1, 0, 'als 7', 3,
               'f-7', 'v9', 0], 'the header');
    like($r->header('X-Time'), qr/^\d+\.\d{3}$/, 'the time');

    $r = fetch('/log?ids=a', $body);
    ($line) = ($nginx->access_log($read + 2))[-1];
    like($line, qr{^/log\|\|[0-9a-f]{32}\|filtered\|5\|4\|1\|1\|0\|1\|1\|},
         'without a user and an event: the event is the request\'s own id');

    my @rows = (
        ['&status=404', $body, 'bypassed'], ['', '{', 'malformed'],
        ['', '{"items":[]}' . ' ' x 1024, 'too_large'],
        ['&type=text/plain', $body, 'bypassed'],
    );

    my $count = $read + 2;

    for my $row (@rows) {
        my ($args, $text, $state) = @$row;
        fetch("/log?u=u1&e=e$args", $text);
        ($line) = ($nginx->access_log(++$count))[-1];
        is($line, "/log|u1|e|$state" . '|' x 14, "$state$args");
    }

    $r = $t->get('/status');
    ($line) = reverse $nginx->access_log(++$count);
    like($line, qr{^/status\|\|[0-9a-f]{32}\|{15}$}, 'not a page: empty');
    is_deeply([grep { /^(?:X-(?!Event)|Recs-)/ } $r->header_names], [],
              'no field of it');
};


# The counters: known traffic, over both workers.

subtest 'recs_status counts what all workers did' => sub {
    my $tags = '{"model":"m1","items":[{"id":"a"},{"id":"b"},{"id":"c"},'
             . '{"id":"z"},{"ad":1}]}';
    my $odd = $tags =~ s/m1/\xC3\xA9/r;

    $t->write('stock.txt', "a\nb\nc\n");
    $t->write('fresh.ndjson', qq({"id":"n1"}\n{"id":"n2"}\n[]\n{"id":"n3"}\n));
    $t->write('tiny.ndjson', qq({"id":"a"}\n));

    # Of a cluster, servers are told, too, and the commands that learn of them.
    my $counted = $t->redis(name => 'counted', kind => 'plain');
    $counted->cmd('SET', 'string', 'x');
    $counted->cmd('SADD', 'seen:u1', 'b');

    my $http = <<'HTTP';
recs_redis main { server %%COUNTED%%; connections 2; connect_timeout 20s; }
recs_redis slow { server %%FAKE%%; connect_timeout 20s; }
recs_set stock file=%%TESTDIR%%/stock.txt;
recs_set seen redis=main key=seen:$arg_u;
recs_set typed redis=main key=string absent=empty;
recs_set late redis=slow key=k absent=empty;
recs_pool fresh file=%%TESTDIR%%/fresh.ndjson;
recs_pool tiny file=%%TESTDIR%%/tiny.ndjson;
recs on;
recs_lookup_timeout 10s;
recs_max_body_size 1k;
server {
    listen %%LISTEN_S%% reuseport;
    location /page {
        recs_require stock;
        recs_exclude seen;
        recs_version model body=/model accept=m1;
        recs_version schema value=$arg_s accept=1;
        %%TO%%
    }
    location /typed { recs_exclude typed; %%TO%% }
    location /late { recs_exclude late; recs_lookup_timeout 10ms; %%TO%% }
    location /fresh { recs_explore fresh rate=100% slots=1,2,9; %%TO%% }
    location /tiny { recs_explore tiny rate=100% slots=1; %%TO%% }
    location /gate { recs_explore tiny rate=0% slots=1,9; %%TO%% }
    location /fill { recs_backfill fresh min=7; %%TO%% }
    location /same { %%TO%% }
    location /shadow { recs shadow; recs_limit 5; %%TO%% }
    location /strict { recs_on_bad_body reject; %%TO%% }
    location /stale {
        recs_freshness candidates value=1 max_age=1h;
        recs_freshness features value=$arg_made max_age=1h;
        %%TO%%
    }
    location /status { recs_status json; }
    location /pid { return 200 $pid; }
}
HTTP

    my $other = $t->nginx(name => 'status', workers => 2, http => $http);

    my $ask = sub {
        my ($path, $body, $method) = @_;
        $path .= $path =~ /\?/ ? '&' : '?';
        return $t->request($method // 'GET', $path . 'page=' . escape($body),
                           { port => 'S' });
    };
    my $count = sub {
        return $t->request('GET', '/status', { port => 'S' })->json;
    };

    is_deeply($count->()->{responses},
              { map { ($_ => 0) } qw(filtered shadow degraded skipped skewed
                                     stale bypassed malformed too_large) },
              'before');
    ok(wait_until(sub { $count->()->{redis}{main}{connects} == 4 }),
       'two connections of each worker');
    ok(wait_until(sub { $count->()->{redis}{slow}{connects} == 2 }),
       'and one to the other');

    # Each worker has a socket of its own: connections go to either.
    my %pids;
    ok(wait_until(sub {
        $pids{ $t->request('GET', '/pid', { port => 'S' })->body } = 1;
        return keys %pids == 2;
    }), 'two workers answer');

    for my $round (1, 2) {
        $ask->('/page?u=u1&s=1', $tags) for 1 .. 3;
        $ask->('/page?s=1', $tags) for 1 .. 2;
        $ask->('/page?u=u1&s=2', $tags);
        $ask->('/page?u=u1&s=1', $odd);
        $ask->('/typed', $tags) for 1 .. 2;
        $ask->('/late', $tags);
        $ask->('/fresh', $tags) for 1 .. 2;
        $ask->('/tiny', $tags);
        $ask->('/gate', $tags);
        $ask->('/page', 'none') for 1 .. 2;
        $ask->('/page', ' ' x 1025);
        $ask->('/page?status=404', $tags);
        $ask->('/page?s=1', $tags, 'HEAD');
        $ask->('/page?type=text/plain', $tags);
        $ask->('/shadow', $tags);
        $ask->('/fill', $tags);
        $ask->('/strict', 'none') for 1 .. 2;
        $ask->('/stale?made=' . time, $tags);
        $ask->('/stale', $tags);
        $ask->('/page?fields=Content-Encoding=br', $tags);

        my $etag = $ask->('/same', $tags)->header('ETag');
        $t->request('GET', '/same?page=' . escape($tags), { port => 'S' },
                    'If-None-Match' => $etag);

        ok(wait_until(sub { $count->()->{redis}{slow}{discarded} == $round }),
           'the late reply has come');
    }

    my $status = $count->();
    my %loaded = map { ($_ => delete $status->{pools}{$_}{loaded}) }
                 'fresh', 'tiny';
    cmp_ok(abs(time - $loaded{$_}), '<', 60, "$_: loaded just now")
        for sort keys %loaded;

    my $once = {
        responses => { filtered => 12, shadow => 1, degraded => 3, skipped => 0,
                       skewed => 2, stale => 2, bypassed => 3, malformed => 4,
                       too_large => 1 },
        skew => { model => 1, schema => 1, features => 0, snapshot => 0 },
        stale => { candidates => 2, features => 1 },
        rejected => 3, not_modified => 1, encoded => 1, unsent_versions => 1,
        items => { total => 100, kept => 84, removed => 12, repeated => 0,
                   unidentified => 20, explored => 4, backfilled => 2,
                   skipped_slots => 2, unfilled_slots => 1 },
        sets => {
            stock => { questions => 7, skipped => 0, removed => 7,
                       unknown => 0, unknown_why => why() },
            seen  => { questions => 5, skipped => 2, removed => 5,
                       unknown => 0, unknown_why => why() },
            typed => { questions => 2, skipped => 0, removed => 0,
                       unknown => 2, unknown_why => why(error => 2) },
            late  => { questions => 1, skipped => 0, removed => 0,
                       unknown => 1, unknown_why => why(timeout => 1) },
        },
    };

    is_deeply({ map { ($_ => $status->{$_}) } keys %$once }, twice($once),
              'what was done') or diag(explain($status));
    is_deeply($status->{pools}, {
        fresh => { items => 3, refused => 1, refreshes => 0, failures => 0,
                   held => undef, shown => 12, capped => 0, cap_full => 0,
                   uncounted => 0 },
        tiny => { items => 1, refused => 0, refreshes => 0, failures => 0,
                  held => undef, shown => 0, capped => 0, cap_full => 0,
                  uncounted => 0 },
    }, 'pools');
    my $server = sub {
        my ($redis, $ready) = @_;
        return { $redis->url => { ready => $ready,
                                  replica => JSON::PP::false } };
    };
    is_deeply($status->{redis}, {
        main => { ready => 2, connections => 2, commands => 14, errors => 4,
                  connects => 4, losses => 0, refused => 0, discarded => 0,
                  opened => 0, declined => 0,
                  breaker => { state => 'closed', since => 0 },
                  servers => $server->($counted, 2) },
        slow => { ready => 1, connections => 1, commands => 2, errors => 0,
                  connects => 2, losses => 0, refused => 0, discarded => 2,
                  opened => 0, declined => 0,
                  breaker => { state => 'closed', since => 0 },
                  servers => $server->($fake, 1) },
    }, 'Redis');

    my $r = $t->request('GET', '/status', { port => 'S' });
    is($r->header('Content-Type'), 'application/json', 'its type');
    is($r->header('Content-Length'), length $r->body, 'its length');
    $r = $t->request('HEAD', '/status', { port => 'S' });
    is($r->status, 200, 'HEAD');
    is($t->request('POST', '/status', { port => 'S', body => 'x' })->status,
       405, 'POST is not allowed');

    ok($other->reload, 'a reload');
    $ask->('/page?u=u1&s=1', $tags);
    my $after = $count->();
    is_deeply([$after->{responses}{filtered}, $after->{items}{total},
               $after->{sets}{stock}{questions}, $after->{pools}{fresh}{shown},
               $after->{redis}{main}{errors}], [25, 205, 15, 12, 4],
              'goes on counting');

    ok($other->reload(http => "recs_set new value=a;\n$http"),
       'a reload with another set before');
    $after = $count->();
    is_deeply([$after->{sets}{stock}{questions},
               $after->{sets}{new}{questions}], [15, 0], 'each has its own');

    ok($other->reload(http => "recs_zone 16m;\n$http"), 'another size');
    is($count->()->{items}{total}, 0, 'begins anew');
};


sub why {
    return { timeout => 0, error => 0, down => 0, absent => 0,
             distrusted => 0, shrunk => 0, @_ };
}


sub twice {
    my ($numbers) = @_;

    return { map {
        ($_ => ref $numbers->{$_} ? twice($numbers->{$_}) : 2 * $numbers->{$_})
    } keys %$numbers };
}


$t->done;
