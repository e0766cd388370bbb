use strict;
use warnings;

# What a reader copies or pastes works: the configurations in conf/, that in
# README.md, and tools/quickstart.sh with every command that it suggests.

use FindBin;
use lib "$FindBin::Bin/lib";

use Fcntl qw(O_RDWR);
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use POSIX ();
use Recs::Process qw(slurp);
use Recs::Reference qw(filter difference);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my %pages = map { /"user":"(u\d+)"/ ? ($1 => $_) : () } $t->data('recs.ndjson');
my @stock = $t->data('in_stock.txt');
my %seen = map { my ($u, @ids) = /"([ub]\d+)"/g; ($u => \@ids) }
           $t->data('seen.ndjson');

my $redis = $t->redis(kind => 'plain');     # as the files say
$redis->pipeline((map { ['SADD', 'in_stock', $_] } @stock),
                 (map { ['SADD', "seen:$_", @{ $seen{$_} }] } keys %seen));

# The same pages, made just now.

my %fresh = map {
    ($_ => $pages{$_} =~ s/"generated_at":\K\d+/time/er)
} keys %pages;

$redis->cmd('FUNCTION', 'LOAD', slurp($t->root . '/conf/recs.lua'));

my $readme = slurp($t->root . '/README.md');


subtest 'conf/edge.conf' => sub {
    my $api = $t->upstream(sub {
        my ($req) = @_;
        return { status => 400 }
            if grep { exists $req->{headers}{$_} }
               qw(accept-encoding if-none-match if-modified-since range);
        return { body => understood($req),
                 headers => ['Cache-Control' => 'max-age=60', ETag => '"api"',
                             Expires => 'Thu, 31 Dec 2037 23:55:55 GMT'] };
    }, name => 'edge_api', keepalive => 1);

    my $nginx = example('edge', '127.0.0.1:9000' => '%%EDGE_API%%');
    $t->write('edge/pool-fresh.ndjson',
              join "\n", $t->data('pool-fresh.ndjson'));
    $nginx->start;

    my $r = page('EDGE', 'u10');
    is $r->header('Cache-Control'), 'private, no-cache', 'clients keep nothing';
    is $r->header('Expires'), undef, 'by no other field';
    is $r->header('Recs-Model-Version'), 'als-2026-11-21', 'model';
    is difference($r->body, wanted('u10')), undef, 'filtered';

    my ($id) = ids($r);
    $redis->cmd('SREM', 'in_stock', $id);
    $r = page('EDGE', 'u10');
    isnt((ids($r))[0], $id, 'sold out: gone from the next response');
    $redis->cmd('SADD', 'in_stock', $id);

    $r = page('EDGE', 'u10', '&explain=1');
    my %why = map { ($_->{id} => $_->{set} // $_->{rule}) }
              @{ $r->json->{_recs}{items} };
    is $why{b978}, 'seen', 'explained';

    is $t->get('/recommendations?user=u10', { port => 'EDGE' },
               'If-None-Match' => '"api"')->status, 200,
        'what the API said of its page is not taken for ours';

    is scalar $api->requests, 1, 'the API was asked once';
    like $_, qr/ cache=HIT user="u10" .* state=\w+ total=50 kept=20 /, 'a hit'
        for ($nginx->access_log(3))[1, 2];

    $r = $t->get('/recommendations?user=u11', { port => 'EDGE' },
                 'Accept-Encoding' => 'gzip');
    is $r->header('Content-Encoding'), 'gzip', 'compressed for the client';

    # Again, if Redis was late: then another page was sent.
    ok wait_until(sub {
        my $etag = page('EDGE', 'u11')->header('ETag');
        $t->get('/recommendations?user=u11', { port => 'EDGE' },
                'If-None-Match' => $etag)->status == 304;
    }), 'and not sent again to who has it';

    no_other_page($api);

    my ($who) = grep {
        page('EDGE', $_)->header('Recs-Filter') =~ /explored=[12]/
    } map { "u$_" } 1 .. 300;
    my @new = grep { $_->{_recs} } @{ page('EDGE', $who)->json->{items} };
    ok scalar @new, 'some explore';
    cmp_ok $new[0]{_recs}{p}, '>', 0, 'with a probability';

    # Two workers write, each what it has had.
    my $draws = sub {
        return join ' ', map { sprintf '%s %.12g', @$_ } @_;
    };
    my $drawn = $draws->(map { [$_->{id}, $_->{_recs}{p}] } @new);
    ok wait_until(sub {
        grep { $_->{user} eq $who && $drawn eq $draws->(
                   map { [$_->{id}, $_->{p}] } grep { exists $_->{p} }
                   @{ $_->{shown} }) }
        map { decode_json($_) } $nginx->access_log(0, 'exposure.log');
    }), 'and so says its record';

    my @connections = map { $_->{connection} } $api->requests;
    my %used = map { $_ => 1 } @connections;
    cmp_ok scalar(keys %used), '<', @connections / 2,
        'connections to the API are used again';

    is $t->get('/recs_status', { port => 'EDGE' })->status, 200, 'status';

    explained();

    is(($api->requests)[-1]{headers}{'x-snapshot'}, undef, 'no snapshot');
    is difference(page('EDGE', 'u10', '', '/home')->body, wanted('u10')),
        undef, 'none to serve: the API\'s page';

    for my $version ('v124', 'v125') {
        publish($version, 'active', values %fresh);
        ok shows('EDGE', 'u10', $version), "$version is shown";

        $r = page('EDGE', 'u10', '', '/home');
        is difference($r->body, wanted('u10', \%fresh)), undef,
            'filtered as the API\'s';
        is $r->header('Recs-Model-Version'), 'als-2026-11-21', 'model';

        page('EDGE', 'u10');
        is(($api->requests)[-1]{headers}{'x-snapshot'}, $version,
           'the API is told, and not the cache asked');
    }

    $redis->cmd('FCALL', 'recs_rollback', 3, '{home}:channel:active',
                '{home}:history', '{home}:rolled_back');
    ok shows('EDGE', 'u10', 'v124'), 'rolled back';
    my $asked = scalar $api->requests;
    page('EDGE', 'u10');
    is scalar $api->requests, $asked, 'the pages of then are still cached';

    # No version has a default page that could have been kept.
    $redis->freeze;
    $r = $t->get('/home?user=u10', { port => 'EDGE' });
    $redis->thaw;
    is $r->status, 200, 'Redis stands still: a page all the same';
    is $r->json->{user}, 'u10', 'the API\'s';
    like $r->header('Recs-Filter'), qr/^degraded;total=50;kept=20;/, 'as far '
        . 'as it can be filtered';
};


subtest 'conf/canary.conf' => sub {
    my ($active, $canary) = qw(als-2026-11-21 als-2026-11-28);

    # What the API with the new model says, or with a file "wrong" should not.
    $t->upstream(sub { $pages{ $_[0]{args}{user} } }, name => 'active_api');
    $t->upstream(sub {
        my $page = $pages{ $_[0]{args}{user} };
        $page =~ s/$active/$canary/ if !-e $t->dir . '/wrong';
        return $page;
    }, name => 'canary_api');

    my $nginx = example('canary', '127.0.0.1:9001' => '%%ACTIVE_API%%',
                                  '127.0.0.1:9002' => '%%CANARY_API%%');
    $nginx->start;

    my (%arms, $models, $filtered);
    for my $user (sort keys %pages) {
        my $r = page('CANARY', $user);
        my $arm = $r->header('X-Arm');
        push @{ $arms{$arm} }, $user;
        $models++ if $r->header('Recs-Model-Version')
                     eq ($arm eq 'canary' ? $canary : $active);
        $filtered++ if $r->header('Recs-Filter') =~ /^filtered;/;
    }

    my $share = @{ $arms{canary} // [] };
    cmp_ok $share, '>', 12, "the canary has a share ($share of 300)";
    cmp_ok $share, '<', 54, 'of about a tenth';
    is $models, 300, 'each arm has its model';
    is $filtered, 300, 'that is no skew';

    my $user = $arms{canary}[0];
    is page('CANARY', $user)->header('X-Arm'), 'canary', 'users stay';

    is page('CANARY', $user =~ s/^u/%75/r)->header('X-Arm'), 'canary',
        'however they are written';

    my $other = $arms{active}[0];
    for my $uri ("?user=$user&user=$other", "?USER=$user&user=$other") {
        my $r = $t->get("/recommendations$uri", { port => 'CANARY' });
        is $r->json->{user}, $user, "$uri: of whom the arm was chosen for";
    }

    $t->write('wrong', '');
    my $r = page('CANARY', $user);
    unlink $t->dir . '/wrong';
    like $r->header('Recs-Filter'), qr/^skewed;.*;skew="model"/,
        'an answer of the wrong model is tagged';
    is $r->header('Recs-Model-Version'), $active, 'with the model it has';

    my $want = filter($pages{$user}, require => [in_stock => stock()]);
    is difference($r->body, $want), undef, 'and filtered all the same';

    cmp_ok $t->get('/recs_status', { port => 'CANARY' })->json->{skew}{model},
        '>', 0, 'and counted';
    ok wait_until(sub {
        grep { /arm=canary state=skewed model=$active/ } $nginx->access_log
    }), 'and logged';

    publish('c1', 'active', values %fresh);
    publish('c2', 'canary', map { s/$active/$canary/r } values %fresh);
    ok shows('CANARY', $arms{active}[0], 'c1'), 'two channels';
    ok shows('CANARY', $user, 'c2'), 'each with its version';

    my @wrong;
    for my $arm (qw(active canary)) {
        for my $who (@{ $arms{$arm} }[0 .. 9]) {
            my $r = page('CANARY', $who, '', '/home');
            push @wrong, $who
                if $r->header('X-Arm') ne $arm
                   || $r->header('Recs-Filter') !~ /^filtered;row=user;/
                   || $r->header('Recs-Snapshot')
                      ne ($arm eq 'canary' ? 'c2' : 'c1');
        }
    }
    is "@wrong", '', 'as the arm of each user says';
};


subtest 'conf/cluster.conf' => sub {
    my $cluster = $t->redis_cluster(name => 'ring', masters => 3, tls => 1);
    my $conf = slurp($t->root . '/conf/cluster.conf');

    my ($user) = $conf =~ /^#   ACL (SETUSER edge .*?)\n#\n/ms;
    my @acl = split ' ', $user =~ s/\n#/ /gr =~ s/PASSWORD/secret/r;
    $_->cmd('ACL', @acl) for $cluster->nodes;

    $cluster->cmd('SADD', '{stock}', @stock);
    $cluster->cmd('SADD', "seen:$_", @{ $seen{$_} }) for keys %seen;
    $cluster->cmd('HSET', '{home}:v1:meta', model => 'als', schema => 3,
                  features => 'f', state => 'complete', generated_at => time,
                  expected => 300, written => 300);
    $cluster->cmd('SET', "home:v1:u:$_", $fresh{$_}) for keys %fresh;
    $cluster->cmd('SET', '{home}:channel:active', 'v1');

    my ($one, $two) = $cluster->url;
    my $nginx = example('cluster', 'rediss://10.0.0.11:6379' => $one,
                                   'rediss://10.0.0.12:6379' => $two,
                                   'timeout 15ms' => 'timeout 20s');
    $t->write('cluster/redis-ca.pem', slurp($t->authority->file));
    $t->write('cluster/redis.password', 'secret');
    $nginx->start;

    ok wait_until(sub {
        $t->get('/recs_ready', { port => 'CLUSTER' })->status == 200
    }), 'ready';

    my @wrong = grep {
        difference(page('CLUSTER', $_, '', '/home')->body, wanted($_, \%fresh))
    } map { "u$_" } 1 .. 40;
    is "@wrong", '', 'pages of users on all servers are filtered';

    ok wait_until(sub {
        40 == grep { $cluster->cmd('ZCARD', "shown:u$_") > 0 } 1 .. 40
    }), 'what they showed is recorded';
    unlike page('CLUSTER', 'u1', '', '/home')->header('Recs-Sets'),
        qr/shown;removed=0/, 'and not shown again';
    is $nginx->logged(qr/NOPERM|may not/), 0, 'no right is missing';
};


subtest 'conf/sentinel.conf' => sub {
    my $shop = $t->redis_sentinel(name => 'shop', replicas => 1,
                                  sentinels => 3);
    $shop->pipeline(['SADD', 'in_stock', @stock],
                    map { ['SADD', "seen:$_", @{ $seen{$_} }] } keys %seen);

    $t->upstream(sub { $pages{ $_[0]{args}{user} } }, name => 'shop_api',
                 keepalive => 1);

    my %urls;
    @urls{ map { "redis://10.0.0.2$_:26379" } 1 .. 3 } = $shop->url;
    my $nginx = example('sentinel', '127.0.0.1:9000' => '%%SHOP_API%%', %urls);
    $nginx->start;

    my $filtered = sub {
        my ($name) = @_;

        my @wrong = grep {
            difference(page('SENTINEL', $_)->body, wanted($_))
        } map { "u$_" } 1 .. 20;
        is "@wrong", '', $name;
    };

    $filtered->('pages are filtered');
    $shop->fail_over;
    $filtered->('also by the next master');
};


subtest 'README.md' => sub {
    my ($main, $http) = $readme =~ /^```nginx\n(.*?)^```/msg;
    my ($curl, $shown) =
        $readme =~ /^`(curl [^`]*)`, shortened:\n\n```\n(.*?)^```/ms;
    my ($degraded) = $readme =~ /^```\n(Recs-Filter: degraded.*?)^```/ms;

    $t->upstream(sub { $pages{ $_[0]{args}{user} } }, name => 'readme_api');

    my $nginx = $t->nginx(name => 'readme', start => 0, conf => configuration(
        "$main\n"
        . "pid /run/nginx.pid;\nerror_log /var/log/nginx/error.log;\n"
        . "events { }\nhttp {\n    access_log off;\n$http}\n",
        'README', '127.0.0.1:9000' => '%%README_API%%'), daemon => 1);
    $nginx->start;

    my ($target) = $curl =~ m{'http://127.0.0.1:8080(/.*)'};
    my $r = page('README', 'u10');
    is shown_in($r->raw, $shown), undef, 'the response is the one shown';
    is $target, '/recommendations?user=u10', 'to the request shown';

    $redis->freeze;
    $r = $t->get($target, { port => 'README' });
    $redis->thaw;
    is shown_in($r->raw, $degraded), undef, 'and the degraded one';

    my @links = $readme =~ m{\]\(([\w./-]+)}g;
    ok -e $t->root . "/$_", "$_ is there" for @links;
};


subtest 'tools/quickstart.sh' => sub {
    my $q = quickstart();
    my $text = $q->{text}->();

    my ($before, $after) = $text =~ /
        ^What\ the\ API\ [^\n]*\n\n (.*?)\n\n
         What\ the\ edge\ [^\n]*\n\n (.*?)\n\n /msx;
    isnt $after, undef, 'a page before and after'
        or return diag($text);

    my @gone = $before =~ /^ +\d+ +(b\d+) +(?:sold out|has been read) /mg;
    cmp_ok scalar @gone, '>', 1, 'says what goes';
    unlike $after, qr/ $_ /, "$_ is gone" for @gone;

    my ($sock) = glob "$q->{dir}/tmp/*/redis.sock";
    is((stat $_)[2] & 07, 0, "no others at $_")
        for $sock, $sock =~ s{/[^/]+$}{}r;
    like $text, qr/^  Recs-Filter: filtered;total=50;/m, 'shows the headers';

    sales($q);

    my $shown = $q->{paste}->(qr/^Exploration/, sub { length $_[0] });
    my ($item) = map { decode_json($_) } split /\n/, $shown;
    cmp_ok $item->{_recs}{p}, '>', 0, 'exploration';

    $q->{paste}->(qr/^Redis hangs/, sub {
        like $_[0], qr/^Recs-Filter: degraded;total=50;kept=20/m, 'degraded';
        like $_[0], qr/^Recs-Sets:\ in_stock;unknown;why=timeout,
                       \ seen;unknown;why=timeout/mx, 'tagged';
    });
    ok wait_until(sub {
        $q->{paste}->(qr/^What goes/, sub { 1 }) =~ /"state":"filtered"/
    }), 'well again';

    # Again, if a loaded machine made Redis late.
    my $deleted = $q->{paste}->(qr/^Somebody deletes/, sub {
        $_[0] =~ /why=absent.*^Recs-Filter: filtered/ms
    });
    like $deleted, qr/^Recs-Filter:\ degraded;total=50;kept=20;.*
                      ^Recs-Sets:\ in_stock;unknown;why=absent,\ seen;removed=.*
                      ^OK\n.*
                      ^Recs-Filter:\ filtered;total=50;kept=20;/msx,
        'a set that is gone empties no page, and comes back';

    my ($served) = $text =~ /^What it shows without[^\n]*\n\n(.*?)\n\n/ms;
    is $served, $after, 'the same without the API';
    like $q->{paste}->(qr/^The same without/, sub { length $_[0] }),
        qr/^(?:1\n)?"id":"b\d+"\n/, 'again';
    like $q->{paste}->(qr/^The batch job's next/, sub { $_[0] =~ /: v125/ }),
        qr/^v125: published after v124 .*^Recs-Snapshot: v125/ms, 'a version';
    like $q->{paste}->(qr/^It was not better/, sub { $_[0] =~ /: v124/ }),
        qr/^v124\n.*^Recs-Snapshot: v124/ms, 'and back';

    outlook($q);
    ends($q, 'INT', 130);
};


subtest 'tools/quickstart.sh --no-redis' => sub {
    my $q = quickstart('--no-redis');

    sales($q);
    unlike $q->{text}->(), qr/redis-cli/, 'without Redis';
    outlook($q);
    ends($q, 'INT', 130, 'group');
};


subtest 'tools/quickstart.sh, without end and failing' => sub {
    my $q = quickstart('--once');
    is ended($q), 0, '--once ends by itself';
    like $q->{text}->(), qr/^Stopped\./m, 'after all was shown';
    is_deeply [left($q)], [], 'and leaves nothing';

    $q = quickstart();
    close $q->{input};
    is ended($q), 0, 'so does the end of its input';
    is_deeply [left($q)], [], 'and leaves nothing';

    ends(quickstart(), 'TERM', 143);

    $t->upstream('', name => 'taken');
    my ($taken) = $t->fill('%%TAKEN%%') =~ /:(\d+)$/;
    $q = quickstart({ PORT => $taken });
    is ended($q), 1, 'a port that is taken';
    like $q->{text}->(), qr/\A\S+: port $taken is taken; .*PORT=\d+ sh /,
        'says so, before anything else';

    $q = quickstart({ PORT => 0 }, '--once');
    is ended($q), 0, 'PORT=0';
    like $q->{text}->(), qr/^starting the edge on 127\.0\.0\.1:[1-9]\d*$/m,
        'is a free port';
    like $q->{text}->(), qr/^  Recs-Filter: filtered/m, 'which answers';

    for my $port ('x', '00', '080', '65536', '999999', '-1') {
        $q = quickstart({ PORT => $port });
        is ended($q), 1, "PORT=$port";
        like $q->{text}->(), qr/PORT must be a number from 1 to 65535, or 0/,
            'says so';
    }

    # No temporary directory: the first thing that it needs.
    $q = quickstart({ TMPDIR => $t->dir . '/none' });
    isnt ended($q), 0, 'a failure ends it';
    is_deeply [left($q)], [], 'and leaves nothing';
};


$t->done;


# An example as it stands, at addresses and paths of this test; not started.

sub example {
    my ($name, %places) = @_;

    return $t->nginx(
        name => $name, daemon => 1, start => 0,
        conf => configuration(slurp($t->root . "/conf/$name.conf"), uc $name,
                              %places));
}


sub configuration {
    my ($conf, $NAME, %places) = @_;

    %places = (
        %places,
        '127.0.0.1:8080'         => "%%LISTEN_$NAME%%",
        'redis://127.0.0.1:6379' => '%%REDIS%%',
        '/run/nginx.pid'         => '%%NGINX_DIR%%/nginx.pid',
        '/var/log/nginx'         => '%%NGINX_DIR%%',
        '/var/lib/nginx'         => '%%NGINX_DIR%%/tmp',
        'worker_processes auto'  => 'worker_processes 2',
    );

    for my $place (keys %places) {
        $conf =~ s/\Q$place\E(?!\d)/$places{$place}/g;
    }

    $conf =~ s/^load_module \S*ngx_http_recs_module.so;/%%MODULES%%/m
        or die "no load_module in the configuration\n";

    my $temp = join '', map { "    ${_}_temp_path %%NGINX_DIR%%/tmp/$_;\n" }
                        qw(client_body proxy fastcgi uwsgi scgi);
    $conf =~ s/^http \{\n/http {\n$temp/m;
    $conf =~ s/^events \{/events { %%EVENTS%%/m;
    $conf =~ s/^user .*\n//m if $> != 0;

    return $conf;
}


# What an API might make of a request: the page of the last user that it names,
# in an argument, a header or a cookie, and as many items as it says.

sub understood {
    my ($req) = @_;

    my ($query) = $req->{target} =~ /\?(.*)/s;
    my %args = map { s/%(..)/chr hex $1/egr }
               map { /^([^=]*)=?(.*)/s } split /&/, $query // '';
    my $headers = $req->{headers};
    my ($cookie) = ($headers->{cookie} // '') =~ /user=(\w+)/;
    my ($body) = ($req->{body} // '') =~ /user=(\w+)/;
    my $user = $body // $cookie // $headers->{'x-user'} // $args{user} // '';

    my $page = $pages{$user} // '{"items":[]}';
    $page =~ s/("items":\[).*\]/$1]/s if defined $args{limit};

    return $page;
}


# Nobody can have another's page put into the cache, whatever the API looks at.

sub no_other_page {
    my ($api) = @_;

    my $n = 200;
    my %to = (port => 'EDGE');

    for my $attack (
        ['?user=VICTIM&user=u7'], ['?USER=VICTIM&user=u7'],
        ['?user=VICTIM&us%65r=u7'], ['?user=VICTIM&limit=0'],
        ['?limit=0&user=VICTIM'], ['?user=VICTIM%26user=u7'],
        ['?user=VICTIM%26limit=0'], ['?user=VICTIM&explain=1&limit=0'],
        ['?user=VICTIM', Cookie => 'user=u7'],
        ['?user=VICTIM', 'X-User' => 'u7'],
        ['?user=VICTIM', 'Content-Length' => 7, { body => 'user=u7' }],
    ) {
        my ($query, @headers) = @$attack;
        my $victim = 'u' . ++$n;
        my $body = ref $headers[-1] ? (pop @headers)->{body} : undef;

        $query =~ s/VICTIM/$victim/;
        my $asked = $api->requests;
        my $r = $t->get("/recommendations$query",
                        { %to, defined $body ? (body => $body) : () },
                        @headers);
        cmp_ok scalar $api->requests, '>', $asked, "$query: not from the cache";

        $r = page('EDGE', $victim);
        is $r->json->{user}, $victim, 'the victim gets its own page';
        like $r->header('Recs-Filter'), qr/;total=50;/, 'all of it';
    }

    for my $path ('/recommendations/x', '/recommendations%3Fuser=u201') {
        is $t->get("$path?user=u201", { %to })->status, 404, "no $path";
    }

    is $t->request('POST', '/recommendations?user=u201', { %to, body => 'x' },
                   'Content-Length' => 1)->status, 403, 'no POST';

    is difference(page('EDGE', '%7510')->body, wanted('u10')), undef,
        'a user, encoded, has seen what he has seen';
}


# What was removed is told to this machine alone.

sub explained {
    my %from = map {
        my $sock = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $t->port('EDGE'),
            LocalAddr => $_) or die "$_: $!";
        print $sock "GET /recommendations?user=u10&explain=1 HTTP/1.0\r\n\r\n";
        local $/;
        ($_ => scalar <$sock>);
    } '127.0.0.1', '127.0.0.2';

    like $from{'127.0.0.1'}, qr/"_recs":\{"state":/, 'explained here';
    like $from{'127.0.0.2'}, qr/^Recs-Filter: /m, 'a page for others';
    unlike $from{'127.0.0.2'}, qr/"_recs":\{"state":/, 'without a word';
}


# A user's page; again, if a loaded machine made Redis late.

sub page {
    my ($port, $user, $more, $path) = @_;

    my $r;
    wait_until(sub {
        $r = $t->get(($path // '/recommendations') . "?user=$user"
                     . ($more // ''), { port => $port });
        ($r->header('Recs-Filter') // '') !~ /^degraded|;row=(?:kept|unknown)/;
    });

    return $r;
}


sub ids {
    my ($r) = @_;

    return map { $_->{id} } @{ $r->json->{items} };
}


sub stock { return { map { $_ => 1 } @stock } }


# Writes pages as a version, and makes it the one that a channel shows.

sub publish {
    my ($version, $channel, @pages) = @_;

    my $file = $t->write("$version.ndjson", join '', map { "$_\n" } @pages);
    my $command = join ' ', $t->root . '/tools/load-snapshot',
        '--socket=' . $redis->socket,
        '--model=/model_version --schema=/schema_version',
        '--features=/feature_schema --generated-at=/generated_at',
        "--publish=$channel home $version $file 2>&1";
    my $said = `$command`;
    is $?, 0, "$version is published" or diag($said);
}


# Does the user get his page of this version now?

sub shows {
    my ($port, $user, $version) = @_;

    return wait_until(sub {
        ($t->get("/home?user=$user", { port => $port })
           ->header('Recs-Snapshot') // '') eq $version
    });
}


sub wanted {
    my ($user, $from) = @_;

    return filter(($from // \%pages)->{$user}, limit => 20,
                  require => [in_stock => stock()],
                  exclude => [seen => { map { $_ => 1 } @{ $seen{$user} } }]);
}


# Are all the parts of a shortened text in the whole, in this order?  The first
# that isn't, or undef.

sub shown_in {
    my ($whole, $short) = @_;

    my $at = 0;
    for my $part (grep { length } split /\n|\xe2\x80\xa6/, $short) {
        my $found = index $whole, $part, $at;
        return $part if $found < 0;
        $at = $found + length $part;
    }

    return;
}


# Starts the quickstart; a hash of environment variables may come first.  Its
# standard input stays open until $q->{input} is closed.

my $quickstarts;

sub quickstart {
    my %env = ref $_[0] ? %{ +shift } : ();
    my $dir = $t->dir . '/quickstart' . ++$quickstarts;
    mkdir $dir or die "$dir: $!";
    mkdir "$dir/tmp" or die "$dir: $!";
    chmod 0755, $dir, "$dir/tmp";

    POSIX::mkfifo("$dir/input", 0600) or die "$dir/input: $!";
    sysopen my $input, "$dir/input", O_RDWR or die "$dir/input: $!";

    my $q = { dir => $dir, input => $input, output => "$dir/output" };

    $q->{process} = Recs::Process->spawn(
        command => ['sh', '-c', 'exec sh "$0" "$@" <"$INPUT"',
                    $t->root . '/tools/quickstart.sh', '--build', @_],
        output => $q->{output},
        env => { TMPDIR => "$dir/tmp", INPUT => "$dir/input",
                 PORT => $t->port("Q$quickstarts"), %env });

    $q->{text} = sub {
        return -e $q->{output} ? slurp($q->{output}) : '';
    };

    wait_until(sub {
        !$q->{process}->alive || $q->{text}->() =~ /^Ctrl-C stops/m
    }, 300);

    $q->{paste} = sub { return paste($q, @_) };
    return $q;
}


# Runs the commands of the section that begins so, as one paste into a shell;
# returns what they print.  The last one is given again for a while until $test
# likes that: nginx may be reloading, or the machine be busy.

sub paste {
    my ($q, $title, $test) = @_;

    my ($section) = grep { /$title/ }
                    split /\n\n(?=\S)/, $q->{text}->() =~ s/.*It is running//sr;
    my @commands = ($section // '') =~ /^    (.*\S.*)$/mg;
    return fail("commands for $title") if !@commands;

    my $output = shell(@commands);

    wait_until(sub {
        return 1 if $test->($output);
        $output = shell($commands[-1]);
        return 0;
    });

    return $output;
}


sub shell {
    my $script = join "\n", @_;

    local $ENV{SCRIPT} = $script;
    return scalar `sh -c "\$SCRIPT" 2>&1`;
}


# The flash sale, the book that was read, and why they went.

sub sales {
    my ($q) = @_;

    my ($sold) = $q->{text}->() =~ /^A flash sale\. (b\d+)/m;
    my ($read) = $q->{text}->() =~ /^u10 has just read (b\d+)/m;

    like $q->{text}->(), qr/edge shows.*?\n\n +1 +$sold .*\n +2 +$read /,
        "$sold and $read are shown";

    my $page = $q->{paste}->(qr/^A flash sale/, sub { $_[0] !~ /"$sold"/ });
    like $page, qr/\A(?:1|)\n?"id":"$read"\n"id":"b\d+"\n"id":"b\d+"\n\z/,
        'sold out';

    $page = $q->{paste}->(qr/^u10 has just read/, sub { $_[0] !~ /"$read"/ });
    unlike $page, qr/"(?:$sold|$read)"/, 'read';
    like $page, qr/"id":"b\d+"\n\z/, 'and others there';

    my $why = $q->{paste}->(qr/^What goes/, sub { $_[0] =~ /"filtered"/ });
    my %why = map { ($_->{id} => $_->{set}) }
              @{ decode_json("{$why")->{_recs}{items} };
    is $why{$sold}, 'in_stock', "why $sold went";
    is $why{$read}, 'seen', "why $read went";
}


sub outlook {
    my ($q) = @_;

    # A busy machine makes Redis late: the last page in the log must be whole.
    $q->{paste}->(qr/^What goes/, sub { $_[0] =~ /"filtered"/ });

    my $shown = $q->{paste}->(qr/^What all workers/, sub { 1 });
    my ($status, @log) = split /\n/, $shown;
    cmp_ok decode_json($status)->{responses}{filtered}, '>', 0, 'status';
    like $log[-1] // '', qr/ user="u10" .* state=filtered /, 'log';

    like $q->{paste}->(qr/^The edge's/, sub { 1 }), qr/recs_require in_stock;/,
        'configuration';
}


sub ended {
    my ($q) = @_;

    my $status = $q->{process}->wait(60) // return 'still there';
    return $status & 127 ? 'signal ' . ($status & 127) : $status >> 8;
}


# What it leaves behind: processes and files.

sub left {
    my ($q) = @_;

    return (map({ $_->{title} } $q->{process}->group), glob "$q->{dir}/tmp/*");
}


# A terminal sends its signal to all of the group: then $group.

sub ends {
    my ($q, $signal, $code, $group) = @_;

    my @left = left($q);
    cmp_ok scalar @left, '>', 3, 'it runs';
    kill $signal, ($group ? -1 : 1) * $q->{process}->pid;
    is ended($q), $code, "SIG$signal ends it";
    is_deeply [left($q)], [], 'no process and no file is left';
}
