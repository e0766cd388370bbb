use strict;
use warnings;

# $recs_exposure: each record is JSON, and says exactly what the response that
# was received shows, where it stands, and where it comes from.

use FindBin;
use lib "$FindBin::Bin/lib";

use Data::MessagePack;
use Digest::SHA qw(hmac_sha256_hex);
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use POSIX ();
use Recs::Process qw(run slurp);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;
my $redis = $t->redis;
my $json = JSON::PP->new->utf8->allow_nonref(0);

my $key = 'an example key of 32 characters.';

$t->write('key', "$key\n");
$t->write('fresh.ndjson', join '', map { qq({"id":"n$_"}\n) } 1 .. 9);
$t->write('popular.ndjson', join '', map { qq({"id":"p$_"}\n) } 1 .. 9);
$t->write('styles.ndjson', join '', map {
    sprintf qq({"id":"s%d","kind":"%s","weight":%s}\n), $_,
            qw(calm "loud" calm)[$_ % 3] =~ s/"/\\"/gr, $_ / 3
} 1 .. 12);
$t->write('odd.ndjson', qq({"id":"q\\"\\\\\\u0000\\u00e9\\ud800"}\n));
$t->write('wide.ndjson', join '', map { qq({"id":"w$_) . '-' x 900 . qq("}\n) }
                                  1 .. 6);
$t->write('vast.ndjson', join '', map {
    qq({"id":"v$_) . '-' x 20_000 . qq("}\n)
} 1 .. 6);
$t->write('kinds.ndjson', '{"id":"kind","kind":"' . 'k' x 70_000 . '"}');
$t->write('out.txt', "gone\nn1\nn2\nn3\np1\ns5\ns6\n");
$t->write('none.ndjson', qq({"id":"gone"}\n));
$redis->cmd('HSET', 'bins', "\xff\x00\x01",
            "\x81\xa2id\xc4\x03\xff\x00\x01");

my %bodies = (
    page    => page(qw(a gone b c d)),
    shelves => '{"items":["a","gone","b"],"more":[{"id":"c"},{"id":7},{},'
               . '{"id":"e"}],"last":["gone"]}',
    model   => '{"items":["a"],"model":"m\u0001\ud800\"\u00e9"}',
    long    => '{"items":["a"],"model":"' . "\xc3\xa9" x 2000 . '"}',
    skewed  => '{"items":["a"],"schema":"4"}',
    hostile => '{"items":["","\u0000\u001f\u007f","\"\\\\/",'
               . '"\u00e9\ud83d\ude00","\ud800","' . 'l' x 5000 . '",'
               . '"</script>","\u2028"]}',
    rows    => '{"rows":[{"id":"a","kind":"loud"},{"id":"b","kind":"\"loud\""},'
               . '{"id":"c"},{"id":"gone","kind":"\"loud\""},{"id":"d"}]}',
    many    => page(map { "item-$_" } 1 .. 3000),
    large   => page(map { "item-$_-" . 'x' x 100 } 1 .. 3000),
    huge    => page('h' x 70_000, 'a', 'h' x 65_000, "c" . 'h' x 65_000),
    control => '{"items":[' . join(',', map { '"' . '\u0001' x 200 . $_ . '"' }
                                        1 .. 100) . ']}',
    broken  => '{"items":["a"',
    text    => 'no page',
    packed  => "\x81\xa5items\x96" . "\x07" . "\xc4\x03\x00\xff\xfe"
               . "\xa3a\xffb" . "\xd3" . pack('q>', -5) . "\xa1a" . "\xa4gone",
);

$redis->cmd('SET', 'home:v1:u:u1', page(qw(a gone b)));
$redis->cmd('HSET', '{home}:v1:meta', model => 'm-1', schema => 3,
            features => 'f-1', generated_at => int(time), expected => 1,
            written => 1, state => 'complete');
$redis->cmd('SET', '{home}:channel:active', 'v1');

$t->upstream(sub {
    my ($request) = @_;

    my $name = $request->{args}{body} // 'page';
    return { body => $bodies{$name},
             type => $name eq 'packed' ? 'application/msgpack'
                     : $name eq 'text' ? 'text/html' : 'application/json',
             status => $request->{args}{status} // 200,
             $request->{args}{cut} ? (cut => $request->{args}{cut}) : (),
             headers => ['Cache-Control' => 'max-age=60'] };
});

my $nginx = $t->nginx(access_log => '\'$request_uri\'', http => <<'HTTP');
log_format exposure escape=none '$recs_exposure';
log_format views '$recs_event $request_completion';
access_log %%NGINX_DIR%%/exposure.log exposure if=$recs_exposure;
access_log %%NGINX_DIR%%/all.log exposure;
recs_zone 32m;
recs_redis main { server %%REDIS%%; }
recs_set out file=%%TESTDIR%%/out.txt;
recs_set typed redis=main key=bins;
recs_redis gone { server unix:%%TESTDIR%%/gone.sock; }
recs_set away redis=gone key=out;
recs_pool fresh file=%%TESTDIR%%/fresh.ndjson;
recs_pool popular file=%%TESTDIR%%/popular.ndjson;
recs_pool odd file=%%TESTDIR%%/odd.ndjson;
recs_pool styles file=%%TESTDIR%%/styles.ndjson weight=/weight category=/kind;
recs_pool none file=%%TESTDIR%%/none.ndjson;
recs_pool wide file=%%TESTDIR%%/wide.ndjson;
recs_pool kinds file=%%TESTDIR%%/kinds.ndjson category=/kind;
recs_pool vast file=%%TESTDIR%%/vast.ndjson;
recs_pool bins redis=main key=bins refresh=1s;
recs_snapshots home redis=main prefix=home;
recs_user $arg_u;
recs_event $arg_e;
recs_exclude out;
recs_lookup_timeout 10s;
recs_max_body_size 8m;
recs_max_items 10000;
proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;
proxy_buffers 32 128k;
proxy_busy_buffers_size 256k;

server {
    listen %%LISTEN%%;
    listen %%LISTEN_H2%% http2;
    location = /status { recs_status; }
    location /plain { proxy_pass http://%%API%%; }
    location /shadow { recs shadow; proxy_pass http://%%API%%;
                       recs_explore fresh rate=100% slots=1;
                       recs_backfill popular min=9; }

    location / {
        proxy_pass http://%%API%%;
        recs on;
        recs_items /items /more /last;
        recs_version model body=/model;

        location /filtered { proxy_pass http://%%API%%; }
        location /put {
            recs_limit 3;
            recs_backfill popular min=3;
            recs_explore fresh rate=62.5% slots=2,3 panel=4 salt=s;
            proxy_pass http://%%API%%;
        }
        location /all {
            recs_backfill popular min=3;
            recs_explore fresh rate=100% slots=1,2 key=$arg_k;
            proxy_pass http://%%API%%;
        }
        location /full {
            recs_explore wide rate=100% slots=2000,2001,2002,2003,2004;
            recs_event $arg_e;
            proxy_pass http://%%API%%;
        }
        location /lines {
            recs_items /rows;
            recs_explore fresh rate=62.5% slots=1 panel=4 salt=a;
            recs_explore styles rate=100% slots=2 panel=5 method=weighted
                         key=$arg_k;
            recs_explore styles rate=100% slots=3 panel=3 method=diverse;
            recs_explore none rate=100% slots=4;
            recs_explore $arg_pool rate=100% slots=5 panel=1;
            recs_explore fresh rate=100% slots=900;
            proxy_pass http://%%API%%;
        }
        location /over {
            recs_explore vast rate=100% slots=1,2,3,4,5;
            recs_explore none rate=100% slots=6;
            proxy_pass http://%%API%%;
        }
        location /kinds {
            recs_explore kinds rate=100% slots=1 method=diverse;
            proxy_pass http://%%API%%;
        }
        location /again {
            recs_version schema body=/schema accept=3;
            recs_on_skew reject;
            error_page 502 = @fallback;
            proxy_pass http://%%API%%;
        }
        location /odd { recs_explore odd rate=100% slots=1; recs_exclude out;
                        proxy_pass http://%%API%%; }
        location /bins { recs_explore bins rate=100% slots=1; 
                         proxy_pass http://%%API%%; }
        location /hashed {
            recs_user_hash key_file=%%TESTDIR%%/key;
            recs_explore fresh rate=100% slots=1 key=$arg_k;
            proxy_pass http://%%API%%;
            location /hashed/not { recs_user_hash off;
                                   proxy_pass http://%%API%%; }
        }
        location /hashed-too {
            recs_user_hash key_file=%%TESTDIR%%/key;
            recs_explore fresh rate=100% slots=1;
            proxy_pass http://%%API%%;
        }
        location /header {
            add_header X-Exposure $recs_exposure;
            recs_explore fresh rate=100% slots=1;
            proxy_pass http://%%API%%;
        }
        location /event { recs_event ""; proxy_pass http://%%API%%; }
        location /reject { recs_on_bad_body reject; recs_on_skew reject;
                           recs_version schema body=/schema accept=3;
                           proxy_pass http://%%API%%; }
        location /unbuffered { recs shadow; proxy_buffering off;
                               proxy_pass http://%%API%%; }
        location /lost { recs_exclude out typed away;
                         proxy_pass http://%%API%%; }
        location /small { recs_max_body_size 10; recs_on_bad_body pass;
                          proxy_pass http://%%API%%; }
        location /large { recs_max_body_size 10; proxy_pass http://%%API%%; }
        location /slow { limit_rate 2k; proxy_pass http://%%API%%; }
        location /cached { proxy_cache pages; proxy_cache_key $arg_body;
                           recs_explore fresh rate=100% slots=1;
                           proxy_pass http://%%API%%; }
        location /sub { log_subrequest on; proxy_pass http://%%API%%; }
        location /part {
            recs_event $request_id;
            log_subrequest on;
            access_log %%NGINX_DIR%%/parts.log exposure;
            proxy_pass http://%%API%%;
        }
    }
    location @fallback { recs on; proxy_pass http://%%API%%; }
    location /pass { recs on; recs_pass home; }
    location /ssi {
        access_log %%NGINX_DIR%%/views.log views;
        ssi on; ssi_types *; root %%TESTDIR%%/www;
    }
}
HTTP

$t->write('www/ssi.txt', '<!--#include virtual="/sub?e=sub-1&u=u9" -->|'
                         . '<!--#include virtual="/sub?e=sub-2" -->');
$t->write('www/ssi-parts.txt', '<!--#include virtual="/part" -->|' x 2);

wait_until(sub { $t->get('/status')->json->{pools}{bins}{items} })
    or die "the pool was not read\n";
wait_until(sub { $t->get('/pass?u=u1')->status == 200 })
    or die "no snapshot was adopted\n";


sub page { return $json->encode({ items => [map { { id => $_ } } @_] }) }


# The record of an event, once it is logged.  Whatever is in the log is JSON.

sub record {
    my ($event) = @_;

    my $found;

    wait_until(sub {
        my ($line) = grep { /^\{"event":"\Q$event\E",/ }
                     $nginx->access_log(0, 'exposure.log');
        $found = $json->decode($line) if $line;
        return $found;
    });

    return $found // {};
}


my $events = 0;

# A request, and its record: the path is of a location, the rest arguments.

sub ask {
    my ($path, %args) = @_;

    my $method = delete $args{method} // 'GET';
    my $client = delete $args{client} // $t;
    my @fields = @{ delete $args{fields} // [] };
    my $event = $args{e} //= 'e' . ++$events;
    my $query = join '&', map { "$_=$args{$_}" } sort keys %args;

    my $r = $client->request($method, "/$path?$query", @fields);
    return ($r, record($event));
}


# What a page shows, as the record has it, found in the body that was received:
# the shelves are arrays.  An object says itself if it was put in, a bare id
# tells it by its name.

sub shelves {
    my ($page, @names) = @_;

    my @found;

    for my $shelf (0 .. $#names) {
        my $items = $page->{ $names[$shelf] } or next;

        for my $i (0 .. $#$items) {
            my $item = $items->[$i];
            my $id = ref $item ? $item->{id} : $item;
            next if !defined $id;

            my $tag = ref $item ? $item->{_recs}
                      : $id =~ /\An\d/ ? { explore => 1, pool => 'fresh' }
                      : $id =~ /\Ap\d/ ? { pool => 'popular' } : undef;

            push @found, { id => "$id", shelf => $shelf + 1,
                           position => $i + 1,
                           source => !$tag ? 'candidate'
                                     : $tag->{explore} ? 'explore'
                                     : 'backfill',
                           $tag ? (pool => $tag->{pool}) : () };
        }
    }

    return \@found;
}


sub brief {
    my ($record) = @_;

    return [map {
        my $shown = $_;
        +{ map { exists $shown->{$_} ? ($_ => $shown->{$_}) : () }
           qw(id shelf position source pool) }
    } @{ $record->{shown} }];
}


sub agrees {
    my ($r, $record, $name) = @_;

    # JSON::PP refuses lone surrogates, so the record has none
    my $page = $json->decode($r->body =~ s/\\ud800/\xef\xbf\xbd/gr
                                      =~ s/(\xef\xbf\xbd)/$1$1$1/gr);

    return is_deeply(brief($record), shelves($page, qw(items more last)),
                     $name);
}


subtest 'a record says what the response shows' => sub {
    my $before = int(time * 1000);
    my ($r, $record) = ask('filtered', u => 'u1');
    my $now = delete $record->{time};

    cmp_ok($now, '>=', $before - 1000, 'unix milliseconds');
    cmp_ok($now, '<=', time * 1000 + 1000, 'of now');

    is_deeply($record, {
        event => 'e1', user => 'u1', state => 'filtered', status => 200,
        delivered => JSON::PP::true,
        total => 5, kept => 4, removed => 1, explored => 0, backfilled => 0,
        shown => [
            { id => 'a', shelf => 1, position => 1, source => 'candidate' },
            { id => 'b', shelf => 1, position => 2, source => 'candidate' },
            { id => 'c', shelf => 1, position => 3, source => 'candidate' },
            { id => 'd', shelf => 1, position => 4, source => 'candidate' },
        ],
        cut => 0,
    }, 'the whole record');

    agrees($r, $record, 'it is what was received');

    my ($line) = grep { /"e1"/ } $nginx->access_log(0, 'all.log');
    is(scalar(() = $line =~ /\n/g), 0, 'one line');

    ($r, $record) = ask('filtered', body => 'model');
    is($record->{model}, "m\x01" . "\x{fffd}" x 3 . "\"\x{e9}",
       'a version, whatever it is');
    is($record->{user}, undef, 'nobody');
};


subtest 'the trace that a request is part of' => sub {
    my ($id, $parent) = ('4bf92f3577b34da6a3ce929d0e0e4736',
                         '00f067aa0ba902b7');
    my $well = "00-$id-$parent-01";

    my (undef, $record) = ask('filtered', fields => [Traceparent => $well]);
    is($record->{trace_id}, $id, 'the id');
    is($record->{parent_id}, $parent, 'that of who asked');

    (undef, $record) = ask('filtered',
                           fields => ['X-Traceparent' => $well]);
    ok(!exists $record->{trace_id}, 'no such header');

    for my $row (['in capitals', uc $well],
                 ['of no trace', $well =~ tr/a-f1-9/0/r],
                 ['what is no JSON', "00-$id\"\\-$parent-01"], ['nothing', ''],
                 ['two', $well, traceparent => $well])
    {
        my ($name, @fields) = @$row;

        (undef, $record) = ask('filtered', fields => [traceparent => @fields]);
        ok(!exists $record->{trace_id} && !exists $record->{parent_id}, $name);
        is($record->{state}, 'filtered', 'the record is there');
    }
};


subtest 'sets that gave no answer, and why' => sub {
    my ($r, $record) = ask('lost');
    like($r->header('Recs-Sets'),
         qr/typed;unknown;why=error, away;unknown;why=down/, 'the response');
    is($record->{state}, 'degraded', 'the state');
    is_deeply($record->{unknown}, { typed => 'error', away => 'down' },
              'the sets');
    is_deeply([map { $_->{id} } @{ $record->{shown} }], [qw(a b c d)],
              'what was shown');

    ($r, $record) = ask('filtered');
    ok(!exists $record->{unknown}, 'none, if all answered');
};


subtest 'without an event it is the request id' => sub {
    $t->get('/event?u=lonely');

    my $line;
    wait_until(sub {
        ($line) = grep { /"user":"lonely"/ }
                  $nginx->access_log(0, 'exposure.log');
    });

    like($json->decode($line)->{event}, qr/\A[0-9a-f]{32}\z/, 'as $recs_event');
};


subtest 'positions are those of the page that was received' => sub {
    my ($r, $record) = ask('filtered', body => 'shelves');

    is_deeply(brief($record), [
        { id => 'a', shelf => 1, position => 1, source => 'candidate' },
        { id => 'b', shelf => 1, position => 2, source => 'candidate' },
        { id => 'c', shelf => 2, position => 1, source => 'candidate' },
        { id => '7', shelf => 2, position => 2, source => 'candidate' },
        { id => 'e', shelf => 2, position => 4, source => 'candidate' },
    ], 'an item without an id has a place, and is not listed');

    my %seen;

    for my $n (1 .. 30) {
        for my $body ('page', 'shelves') {
            ($r, $record) = ask('put', body => $body, u => "u$n");
            agrees($r, $record, "$body for u$n") or diag($r->body);
            $seen{ $_->{source} }++ for @{ $record->{shown} };
        }
    }

    cmp_ok($seen{$_} // 0, '>', 9, "$_ items") for qw(candidate backfill
                                                       explore);
};


# A number as it stands in the line, of each of the items that have it: JSON::PP
# may read it as another double.

sub doubles {
    my ($event, $name) = @_;

    my ($line) = grep { /^\{"event":"\Q$event\E",/ }
                 $nginx->access_log(0, 'exposure.log');
    return map { scalar POSIX::strtod($_) } $line =~ /"$name":([^,}]+)/g;
}


subtest 'draws' => sub {
    my %pool = (fresh => 9, styles => 12);
    my %method = (1 => 'uniform', 2 => 'weighted', 3 => 'diverse',
                  4 => 'uniform', 5 => 'uniform');
    my (%seen, %fingerprint, @wrong);

    for my $n (1 .. 60) {
        my ($r, $record) = ask('lines', body => 'rows', u => "u$n", k => "k$n",
                               pool => $n % 2 ? 'fresh' : '');
        my $rows = $r->json->{rows};
        my @drawn = grep { $_->{source} eq 'explore' } @{ $record->{shown} };
        my @unfilled = @{ $record->{unfilled} // [] };
        my %slot = map { ($_->{slot} => $_) } @drawn, @unfilled;
        my @choice = doubles($record->{event}, 'choice');
        my @p = doubles($record->{event}, 'p');
        my (%placed, %of);

        push @wrong, "shown: " . $r->body
            if $json->canonical->encode(brief($record))
               ne $json->encode(shelves($r->json, 'rows'));

        for my $draw (sort { $a->{slot} <=> $b->{slot} } @drawn, @unfilled) {
            my $slot = $draw->{slot};
            my $name = $draw->{pool};
            my $size = $slot == 3 ? ($draw->{category} eq 'calm' ? 8 : 4)
                       : $pool{$name} // 1;
            my $N = $size - ($slot == 3 ? $of{ $draw->{category} } // 0
                             : $placed{$name} // 0);

            my @facts = (
                [method => $draw->{method} eq $method{$slot}],
                [pool => $name eq ('', qw(fresh styles styles none fresh))
                                  [$slot]],
                [gate => $draw->{gate} == ($slot == 1 ? 0.625 : 1)],
                [key => $draw->{key} eq ($slot == 2 ? "k$n" : "u$n")],
                [panel => $draw->{panel} == (0, 4, 5, 3, 20, 1)[$slot]],
                [pool_size => $draw->{pool_size} == $N],
                [panel_size => $draw->{panel_size}
                               == ($N < $draw->{panel} ? $N : $draw->{panel})],
                [eligible => $draw->{eligible}
                             == $draw->{panel_size} - @{ $draw->{refused} }],
                [refused => !grep { $_ >= $draw->{panel_size} }
                            @{ $draw->{refused} }],
                [category => defined $draw->{category} == ($slot == 3)],
            );
            push @wrong, "slot $slot of $r->{body}: $_->[0]"
                for grep { !$_->[1] } @facts;

            $fingerprint{$name}{ $draw->{fingerprint} } = 1;
            $seen{ $draw->{eligible} ? "slot $slot" : "unfilled $slot" }++;
            $seen{"refused $slot"} += @{ $draw->{refused} };

            next if !$draw->{eligible};

            my $choice = shift @choice;
            my $p = shift @p;
            my $in_body = $rows->[ $draw->{position} - 1 ]{_recs};

            push @wrong, "slot $slot: $choice, $p"
                if ($slot == 2 ? $choice <= 0 || $choice > 1
                               : $choice != 1 / $draw->{eligible})
                   || $p != $choice * $draw->{panel_size} / $N
                   || abs($in_body->{p} - $p) > 1e-15;

            $placed{$name}++;
            my $kind = $slot == 2 ? ($draw->{id} =~ /(\d+)/)[0] % 3 : 0;
            $of{ $kind == 1 ? '"loud"' : 'calm' }++ if $slot == 2;
        }

        push @wrong, "skipped @{ $record->{skipped} // [] }"
            if $json->encode($record->{skipped} // []) ne '[900]';

        push @wrong, "slots @{[sort keys %slot]}"
            if (join ' ', sort keys %slot) !~ ($n % 2 ? qr/^(?:1 )?2 3 4 5$/
                                                      : qr/^(?:1 )?2 3 4$/);
    }

    is_deeply([@wrong], [], 'all is as it must be');
    cmp_ok($seen{$_} // 0, '>', 2, $_)
        for 'slot 1', 'slot 2', 'slot 3', 'slot 5', 'unfilled 4', 'unfilled 5',
            'refused 2', 'refused 3';
    is($seen{'unfilled 4'}, 60, 'what is never eligible');

    is_deeply([grep { keys %{ $fingerprint{$_} } != 1 } keys %fingerprint], [],
              'a pool has one fingerprint');
    my %all = map { %$_ } values %fingerprint;
    is(scalar keys %all, 3, 'each its own');
    is(scalar(grep { !/\A[0-9a-f]{16}\z/ } keys %all), 0, 'of 16 digits');

    my ($r, $record) = ask('lines', body => 'rows', pool => 'lost');
    my ($lost) = grep { $_->{slot} == 5 } @{ $record->{unfilled} };
    is_deeply([@$lost{qw(pool pool_size panel_size eligible)}],
              [undef, 0, 0, 0], 'a pool that is not there');

    (undef, $record) = ask('hashed', body => 'rows', k => 'k1');
    ok(!exists $record->{skipped}, 'a record without slots that were skipped');
};


subtest 'HTTP/2, pages from snapshots, from the cache' => sub {
    my $c = $t->http2(port => 'H2');

    my ($r, $record) = ask('put', client => $c, body => 'shelves', u => 'u2');
    agrees($r, $record, 'HTTP/2');
    ok($record->{delivered}, 'delivered');
    $c->close;

    ($r, $record) = ask('pass', u => 'u1');
    agrees($r, $record, 'recs_pass');
    is_deeply([@$record{qw(model schema features snapshot)}],
              [qw(m-1 3 f-1 v1)], 'versions of the snapshot');

    for (1 .. 2) {
        ($r, $record) = ask('cached', body => 'page');
        agrees($r, $record, 'from the cache');
        is($record->{explored}, 1, 'explored');
    }
};


subtest 'MessagePack' => sub {
    my ($r, $record) = ask('filtered', body => 'packed');

    is_deeply([map { $_->{id} } @{ $record->{shown} }],
              ['7', encode_base64("\x00\xff\xfe", ''), "a\x{fffd}b", '-5', 'a'],
              'integers are their digits, bins base64, the rest text');

    my $items = Data::MessagePack->unpack($r->body)->{items};
    is(scalar @$items, 5, 'as many as were received');
    is_deeply([map { $_->{position} } @{ $record->{shown} }], [1 .. 5],
              'positions');

    ($r, $record) = ask('bins', body => 'packed');
    is($record->{shown}[0]{id}, encode_base64("\xff\x00\x01", ''),
       'and so is one of a pool');

    ($r, $record) = ask('all', body => 'packed');
    is_deeply([map { $_->{source} } @{ $record->{shown} }],
              [('explore') x 2, ('candidate') x 4],
              'explored: as long as it came, though one was refused');
};


subtest 'whatever ids, users and versions hold' => sub {
    my ($r, $record) = ask('filtered', body => 'hostile',
                           u => "%22%5c%01%ff%c3%a9%0a");

    is($record->{user}, "%22%5c%01%ff%c3%a9%0a", 'arguments are not decoded');
    agrees($r, $record, 'ids');

    ($r, $record) = ask('filtered', u => "\"\\\xff\xc3\xa9");
    is($record->{user}, "\"\\\x{fffd}\x{e9}", 'bytes as they are');

    ($r, $record) = ask('odd', body => 'page');
    agrees($r, $record, 'of a pool');
    is($record->{shown}[0]{source}, 'explore', 'explored');

    ($r, $record) = ask('filtered', body => 'long', u => 'u' x 2000,
                        e => 'long');
    is($record->{user}, 'u' x 1024, 'the first 1024 bytes of a user');
    is($record->{model}, "\x{e9}" x 512, 'and of a version');

    $t->get('/filtered?e=' . 'e' x 1023 . "\xe2\x82\xac" . 'x');
    is(record('e' x 1023)->{state}, 'filtered', 'no part of a character');
};


subtest 'what does not fit is cut, and that is said' => sub {
    my ($r, $record) = ask('filtered', body => 'many');
    my @ids = map { $_->{id} } @{ $r->json->{items} };
    my @shown = map { $_->{id} } @{ $record->{shown} };

    is(@shown + $record->{cut}, 3000, 'all are counted');
    cmp_ok(scalar @shown, '>', 900, 'as many as fit');
    is_deeply(\@shown, [@ids[0 .. $#shown]], 'the first ones');

    ($r, $record) = ask('filtered', body => 'huge');
    is_deeply([map { $_->{position} } @{ $record->{shown} }], [2, 3],
              'one that is too long alone does not hold up others');
    is($record->{cut}, 2, 'two were');

    ($r, $record) = ask('filtered', body => 'control');
    is(@{ $record->{shown} } + $record->{cut}, 100, 'escapes count');
    cmp_ok($record->{cut}, '>', 40, 'a byte may take six');

    ($r, $record) = ask('full', body => 'large');
    my @explored = grep { $_->{source} eq 'explore' } @{ $record->{shown} };
    is_deeply([map { $_->{slot} } @explored], [2000 .. 2004],
              'what was explored is there');
    is(@{ $record->{shown} } + $record->{cut}, 3000, 'all are counted');
    cmp_ok($record->{cut}, '>', 2000, 'most others are not');

    my $items = $r->json->{items};
    is_deeply([grep { $items->[$_->{position} - 1]{id} ne $_->{id} }
               @{ $record->{shown} }], [], 'where they stand');

    ($r, $record) = ask('over', body => 'page');
    @shown = @{ $record->{shown} };
    @ids = map { $_->{id} } @{ $r->json->{items} };
    is_deeply([map { $_->{id} } @shown], [@ids[0 .. 2]],
              'of what was explored the first that fit');
    is_deeply([@$record{qw(explored cut)}], [5, 2], 'others are counted');
    is($record->{unfilled}[0]{slot}, 6, 'a slot without an item fits');

    ($r, $record) = ask('kinds', body => 'page');
    is_deeply([@$record{qw(explored cut)}, $record->{shown}[0]{position}],
              [1, 1, 2], 'nor does a category that is too long');

    my @lines = $nginx->access_log(0, 'exposure.log');
    my ($longest) = sort { $b <=> $a } map { length } @lines;
    cmp_ok($longest, '<=', 65_536, 'no line is longer than it may be');
    cmp_ok($longest, '>', 64_000, 'nor much shorter');
};


subtest 'responses that are not filtered' => sub {
    my %no_page = (
        'a broken body'  => ['filtered', 'malformed', 'syntax', 200,
                             body => 'broken'],
        'a large one'    => ['large', 'too_large', 'body', 502],
        'a large one, passed' => ['small', 'too_large', 'body', 200],
        'another status' => ['filtered', 'bypassed', 'status', 404,
                             status => 404],
        'HEAD'           => ['filtered', 'bypassed', 'no_body', 200,
                             method => 'HEAD'],
        'a broken body, rejected' => ['reject', 'malformed', 'syntax', 502,
                             body => 'broken'],
    );

    for my $name (sort keys %no_page) {
        my ($path, $state, $why, $status, %args) = @{ $no_page{$name} };
        my ($r, $record) = ask($path, %args, u => 'u1');

        delete $record->{$_} for qw(event time);
        is_deeply($record, { user => 'u1', state => $state, why => $why,
                             status => $status,
                             delivered => JSON::PP::true }, $name);
    }

    my ($r, $record) = ask('reject', body => 'skewed');
    is_deeply([@$record{qw(state status shown total)}],
              ['skewed', 502, undef, 1], 'a page that was rejected');

    ($r, $record) = ask('again', body => 'page', e => 'fallen');
    agrees($r, $record, 'of the response that came instead');
    is_deeply([@$record{qw(state status)}], ['filtered', $r->status],
              'its state');
    is(scalar(grep { /"fallen"/ } $nginx->access_log(0, 'exposure.log')), 1,
       'one record');

    ($r, $record) = ask('shadow', body => 'page');
    is($r->body, $bodies{page}, 'shadow mode');
    agrees($r, $record, 'shows the page as it came');
    is_deeply([@$record{qw(state total kept removed cut)}],
              ['shadow', 5, 4, 1, 0], 'and tells what would have been done');

    ($r, $record) = ask('filtered');
    my $etag = $r->header('ETag');
    my ($again, $other) = ask('filtered',
                              fields => ['If-None-Match', $etag]);
    is($again->status, 304, 'not modified');
    is($other->{status}, 304, 'as the record says');
    is_deeply($other->{shown}, $record->{shown}, 'the client shows it again');
    ok($other->{delivered}, 'delivered');

    my $lines = () = $nginx->access_log(0, 'exposure.log');
    my $all = () = $nginx->access_log(0, 'all.log');
    $t->get($_) for '/plain', '/filtered?body=text';
    ask('filtered');
    is(scalar(() = $nginx->access_log(0, 'exposure.log')), $lines + 1,
       'none of what is no page, or not looked at');
    my @all = $nginx->access_log($all + 3, 'all.log');
    is_deeply([@all[$all, $all + 1]], ['', ''], 'the variable is empty');
};


subtest 'pages in subrequests' => sub {
    my $r = $t->get('/ssi.txt');
    my @pages = map { $json->decode($_) } split /\|/, $r->body;

    for my $n (1, 2) {
        my $record = record("sub-$n");
        is_deeply(brief($record), shelves($pages[$n - 1], 'items'), "page $n");
        ok(!exists $record->{delivered}, 'nobody knows yet if it arrives');
    }

    is(record('sub-1')->{user}, 'u9', 'its own user');

    $t->get('/ssi-parts.txt') for 1 .. 2;
    my @parts = map { $json->decode($_)->{event} }
                $nginx->access_log(4, 'parts.log');
    my %views = map { split } grep { / OK$/ }
                $nginx->access_log(3, 'views.log');
    is(scalar(grep { $views{$_} } @parts), 4,
       'which the view tells that has the same event');

    my ($alone, $record) = ask('sub');
    ok($record->{delivered}, 'no subrequest');
};


subtest 'before the end' => sub {
    my ($r, $record) = ask('header', u => 'u1');
    my $early = $json->decode($r->header('X-Exposure'));

    ok(!exists $early->{delivered}, 'nobody knows yet if it arrives');
    delete @$_{qw(time delivered)} for $early, $record;
    is_deeply($early, $record, 'all else is the same');
};


subtest 'a response that did not arrive' => sub {
    my $c = $t->http;
    $c->send('GET', '/slow?body=large&e=left');
    $c->head;
    $c->take(100);
    $c->reset;

    my $record = record('left');
    is($record->{delivered}, JSON::PP::false, 'not delivered');
    is($record->{total}, 3000, 'and what it would have shown');

    $c = $t->http2(port => 'H2', window => 1000);
    my $stream = $c->send('GET', '/slow?body=large&e=left-2');
    $c->head($stream);
    $c->reset_stream($stream);

    $record = record('left-2');
    is($record->{delivered}, JSON::PP::false, 'nor over HTTP/2');

    for my $path (qw(shadow small unbuffered)) {
        my ($r, $broken) = ask($path, cut => 12);

        ok(!$r->complete, "$path: an upstream broke off");
        is($broken->{delivered}, JSON::PP::false, 'and it says so');
    }

    my ($r, $broken) = ask('filtered', cut => 12);
    is_deeply([@$broken{qw(state why status delivered)}],
              ['bypassed', 'truncated', 502, JSON::PP::true],
              'what is sent in its place is delivered');
};


subtest 'users as keyed hashes' => sub {
    my ($r, $record) = ask('hashed', u => 'u1', k => 'k1');
    my %of = map { ($_ => substr hmac_sha256_hex($_, $key), 0, 32) }
             'u1', 'k1', 'u' x 3000;

    is($record->{user}, undef, 'no user');
    is($record->{user_hash}, $of{u1}, 'but its hash');
    is($record->{shown}[0]{key}, undef, 'no key');

    ($r, $record) = ask('hashed-too', u => 'u1');
    is($record->{shown}[0]{key_hash}, $of{u1}, 'but its hash: the same');

    ($r, $record) = ask('hashed-too', u => 'u' x 3000);
    is($record->{user_hash}, $of{ 'u' x 3000 }, 'of all of it');

    ($r, $record) = ask('hashed', u => '');
    is($record->{user_hash}, undef, 'nobody has none');
    is($record->{shown}[0]{key_hash},
       substr(hmac_sha256_hex($record->{event}, $key), 0, 32),
       'the event is the key then');

    ($r, $record) = ask('hashed/not', u => 'u1');
    is($record->{user}, 'u1', 'off');
    is($record->{user_hash}, undef, 'no hash');

    my ($command) = slurp($t->root . '/docs/directives.md')
                    =~ /^(printf %s u10 .*) >hash$/m;
    my $file = $t->dir . '/key';
    $command =~ s{exposure.key}{$file};
    my (undef, $hash) = run('sh', '-c', $command);

    ($r, $record) = ask('hashed', u => 'u10');
    is("$record->{user_hash}\n", $hash, 'as the documented command has it');

    unlike($nginx->error_log, qr/\Q$key\E/, 'the key is in no log');
};


subtest 'another key comes with a reload' => sub {
    my $other = "\x00\xff binary, 20 bytes";

    $t->write('key', $other);
    my ($r, $record) = ask('hashed', u => 'u1');
    is($record->{user_hash}, substr(hmac_sha256_hex('u1', $key), 0, 32),
       'not before') if !Recs::Mode::reloads();

    $nginx->reload;
    ($r, $record) = ask('hashed', u => 'u1');
    is($record->{user_hash}, substr(hmac_sha256_hex('u1', $other), 0, 32),
       'after it');
};


subtest 'every line is JSON, to jq as well' => sub {
    my @lines = $nginx->access_log(0, 'exposure.log');
    my @wrong = grep { !eval { $json->decode($_) } } @lines;

    cmp_ok(scalar @lines, '>', 150, 'of many');
    is_deeply([@wrong], [], 'JSON::PP');

    my $log = "$nginx->{dir}/exposure.log";
    my $count = `jq -n 'reduce inputs as \$r (0; . + 1)' $log 2>&1`;
    is($count, @lines . "\n", 'jq');
};


$t->done;
