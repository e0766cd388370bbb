use strict;
use warnings;

# Pages may be tables of columns, {"ids":[...],"scores":[...]}: all columns
# lose, get and are cut at the same places, or the page is not touched at all.

use FindBin;
use lib "$FindBin::Bin/lib";

use Data::MessagePack;
use JSON::PP ();
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis;

my $api = $t->upstream(sub {
    my ($req) = @_;
    return {
        body => $req->{args}{page},
        type => "application/$req->{args}{type}",
    };
});

$t->write('pool.ndjson', join '', map { qq({"id":"$_","t":1}\n) }
                                  qw(p1 p2 p3));
$t->write('numbers.ndjson', qq({"id":71}\n{"id":72}\n));
$redis->cmd('SADD', 'out', 'b2', 'b4');
$redis->cmd('HMSET', '{home}:v1:meta', model => 'm', schema => 1,
            features => 'f', generated_at => time, expected => 1,
            written => 1, max_age => 86400, state => 'complete');
$redis->cmd('SET', '{home}:channel:active', 'v1');

my %locations = (
    page     => '',
    two      => 'recs_items /ids with=/scores with=/titles;',
    one      => 'recs_items /ids with=/titles;',
    maybe    => 'recs_items /ids with=/scores optional=/titles,/urls;',
    limit    => 'recs_limit 2;',
    distinct => 'recs_distinct on;',
    explain  => 'recs_explain 1; recs_limit 2; recs_tag both;',
    backfill => 'recs_backfill pool min=4;',
    numbers  => 'recs_backfill numbers min=4;',
    explore  => 'recs_explore pool rate=100% slots=1,3;',
    all      => 'recs_explore pool rate=100% slots=2; recs_limit 4; '
              . 'recs_backfill pool min=4; recs_distinct on;',
    rows     => 'recs_items /predictions/*/output_2 '
              . 'with=/predictions/*/output_1; recs_backfill pool min=2;',
    shelves  => 'recs_items /a with=/a_scores /b /c with=/c_scores; '
              . 'recs_distinct on;',
    objects  => 'recs_items /items with=/scores; recs_backfill pool min=3;',
    shadow   => 'recs shadow;',
    reject   => 'recs_on_bad_body reject;',
    few      => 'recs_max_items 3;',
);

my $nginx = $t->nginx(<<"HTTP");
recs_redis main { server %%REDIS%%; }
recs_set out redis=main key=out;
recs_set argument value=\$arg_out;
recs_pool pool file=%%TESTDIR%%/pool.ndjson;
recs_pool numbers file=%%TESTDIR%%/numbers.ndjson;
recs_snapshots home redis=main prefix=home poll=100ms;
recs_items /ids with=/scores,/titles;
recs_exclude out argument;
recs_event \$arg_e;
server {
    listen %%LISTEN%%;
    large_client_header_buffers 4 64k;
    recs on;
@{[map { "location /$_ { $locations{$_} proxy_pass http://%%API%%; }\n" }
   sort keys %locations]}
    location /home { recs_user \$arg_u; recs_pass home; }
    location /status { recs off; recs_status; }
}
HTTP


sub fetch {
    my ($path, $page, %args) = @_;

    my $args = join '&', map { "$_=$args{$_}" } keys %args;
    my $type = $args{type} // 'json';
    return $t->get("/$path?page=" . escape($page) . "&type=$type&$args");
}


my $page = '{ "titles" : ["T1", "T2" ,"T3","T4"], "ids": ["b1","b2","b3","b4"]'
         . ',"k":4, "scores":[0.90, 8e-1,{"of":[0.70]} , null ] }';

$t->answered(sub { fetch('page', $page) });


subtest 'all columns lose the same places' => sub {
    is fetch('page', $page)->body,
        '{ "titles" : ["T1", "T3"], "ids": ["b1","b3"]'
        . ',"k":4, "scores":[0.90, {"of":[0.70]} ] }', 'by their bytes';

    is fetch('two', $page)->body, fetch('page', $page)->body,
        'however they are named';
    is fetch('one', $page)->body,
        '{ "titles" : ["T1", "T3"], "ids": ["b1","b3"]'
        . ',"k":4, "scores":[0.90, 8e-1,{"of":[0.70]} , null ] }',
        'a column that is not named stays';

    is fetch('page', $page, out => 'b1,b3')->body,
        '{ "titles" : [], "ids": [],"k":4, "scores":[ ] }', 'or all';
    is fetch('limit', $page, out => 'b1')->body,
        '{ "titles" : ["T3"], "ids": ["b3"],"k":4, "scores":[{"of":[0.70]} ] }',
        'the first';
    is fetch('limit', '{"ids":[1,2,3],"scores":[4,5,6],"titles":[7,8,9]}')
        ->body, '{"ids":[1,2],"scores":[4,5],"titles":[7,8]}', 'a limit';
    is fetch('distinct', '{"ids":[1,1,3],"scores":[4,5,6],"titles":[7,8,9]}')
        ->body, '{"ids":[1,3],"scores":[4,6],"titles":[7,9]}', 'repeats';
    is fetch('page', '{"ids":[],"scores":[],"titles":[]}')->body,
        '{"ids":[],"scores":[],"titles":[]}', 'none at all';

    my $r = fetch('explain', $page, out => 'b3');
    is $r->header('Recs-Filter'),
        'filtered;total=4;kept=1;removed=3;explored=0', 'counted once';
    is join(' ', map { $_->{id} } @{ $r->json->{_recs}{items} }), 'b2 b3 b4',
        'and told';
};


subtest 'null for what is put in' => sub {
    is fetch('backfill', $page)->body,
        '{ "titles" : ["T1", "T3",null,null], "ids": ["b1","b3","p1","p2"]'
        . ',"k":4, "scores":[0.90, {"of":[0.70]},null,null ] }', 'backfill';
    is fetch('numbers', '{"ids":[1,2],"scores":[4,5],"titles":[7,8]}')->body,
        '{"ids":[1,2,71,72],"scores":[4,5,null,null],'
        . '"titles":[7,8,null,null]}', 'ids that are numbers';
    is fetch('objects', '{"items":[{"id":"b1"},{"id":"b2"}],"scores":[1,2]}')
        ->body, '{"items":[{"id":"b1"},'
        . join(',', map { qq({"id":"$_","t":1,"_recs":{"backfill":true,)
                          . qq("pool":"pool"}}) } qw(p1 p2))
        . '],"scores":[1,null,null]}', 'objects';

    my $put = 0;

    for my $e (1 .. 20) {
        for my $path (qw(explore all)) {
            my $r = fetch($path, $page, e => $e);
            $put += in_step($r->json, $page, "$path, event $e");
        }
    }

    cmp_ok $put, '>=', 40, 'much is put in';
};


subtest 'MessagePack' => sub {
    my $mp = Data::MessagePack->new->utf8->canonical;
    my $text = '{"ids":["b1","b2","b3","b4"],"scores":[1,2,3,null],'
             . '"titles":["T1","T2","T3","T4"]}';
    my $bytes = $mp->pack(JSON::PP::decode_json($text));

    for my $path (qw(page limit distinct backfill)) {
        my $r = fetch($path, $bytes, type => 'msgpack');
        my $json = fetch($path, $text);

        like $r->header('Recs-Filter'), qr/^filtered;total=4;kept=2/, $path;
        is_deeply $mp->unpack($r->body), $json->json, 'the same as in JSON';
    }

    for my $e (1 .. 10) {
        my $r = fetch('all', $bytes, type => 'msgpack', e => $e);
        in_step($mp->unpack($r->body), $text, "event $e");
    }

    my $wide = "\x82\xa3ids\x92\xa2b1\xa2b2\xa6scores\xdd\0\0\0\2"
             . "\xca\x3f\x80\0\0\xd3\0\0\0\0\0\0\0\2";
    is fetch('maybe', $wide, type => 'msgpack')->body,
        "\x82\xa3ids\x91\xa2b1\xa6scores\x91\xca\x3f\x80\0\0",
        'what stays keeps its width';
};


subtest 'columns of several shelves' => sub {
    my $row = '{"output_1":[0.9,0.8],"output_2":["b1","b2"]}';
    is fetch('rows', qq({"predictions":[$row,$row]}))->body,
        '{"predictions":[{"output_1":[0.9,null],"output_2":["b1","p1"]},'
        . '{"output_1":[0.9,null],"output_2":["b1","p2"]}]}',
        '"*" is the same element';

    is fetch('rows', '{"predictions":[{"output_2":["b2"],"output_1":[1]},7,'
                     . '{"output_1":[1,2,3]}]}')->body,
        '{"predictions":[{"output_2":["p1","p2"],"output_1":[null,null]},7,'
        . '{"output_1":[1,2,3]}]}', 'what has no shelf has none';

    is fetch('shelves', '{"a":[1,2],"b":[2,3],"c":[3,4],"a_scores":[5,6],'
                        . '"c_scores":[7,8]}', out => '1')->body,
        '{"a":[2],"b":[3],"c":[4],"a_scores":[6],"c_scores":[8]}',
        'each goes with its own';
};


subtest 'what may be missing' => sub {
    is fetch('maybe', '{"ids":["b1","b2"],"scores":[1,2]}')->body,
        '{"ids":["b1"],"scores":[1]}', 'is missing';
    is fetch('maybe', '{"ids":["b1","b2"],"scores":[1,2],"titles":null,'
                      . '"urls":["x","y"]}')->body,
        '{"ids":["b1"],"scores":[1],"titles":null,"urls":["x"]}', 'or null';
};


subtest 'out of step: not touched' => sub {
    my $status = sub { $t->get('/status')->json };
    my $before = $status->();

    my @rows = (
        ['uneven', 'page', '{"ids":["b2"],"scores":[1],"titles":[]}'],
        ['uneven', 'page', '{"ids":["b2"],"scores":[1],"titles":[1,2]}'],
        ['uneven', 'maybe', '{"ids":["b2"],"scores":[1],"titles":[1,2]}'],
        ['uneven', 'rows', '{"predictions":[{"output_1":[1],"output_2":["b2"]},'
                         . '{"output_1":[1,2],"output_2":["b2"]}]}'],
        ['no_companion', 'page', '{"ids":["b2"],"scores":[1]}'],
        ['no_companion', 'page', '{"ids":["b2"],"scores":[1],"titles":null}'],
        ['no_companion', 'page', '{"ids":["b2"],"scores":{},"titles":["T"]}'],
        ['no_companion', 'maybe', '{"ids":["b2"],"titles":["T"]}'],
        ['no_companion', 'rows', '{"predictions":[{"output_2":["b2"]},'
                               . '{"output_1":[1]}]}'],
        ['no_shelf', 'page', '{"scores":[1],"titles":["T"]}'],
    );

    for my $row (@rows) {
        my ($why, $path, $body) = @$row;
        my $r = fetch($path, $body);

        is $r->header('Recs-Filter'), "malformed;why=$why", "$why: $body";
        is $r->body, $body, 'as it came';
    }

    is $status->()->{responses}{malformed} - $before->{responses}{malformed},
        scalar @rows, 'counted';
    like $nginx->error_log,
        qr/\[warn\].*recs:\ a\ body\ can't\ be\ filtered:
           \ what\ is\ with\ a\ shelf\ is\ not/x,
        'logged';

    is fetch('reject', $rows[0][2])->status, 502, 'or rejected';
    is fetch('reject', $rows[4][2])->status, 502, 'both';

    my $wrong = "\x83\xa3ids\x92\xa2b1\xa2b2\xa6titles\x91\1\xa6scores\x91\1";
    my $r = fetch('page', $wrong, type => 'msgpack');
    is $r->header('Recs-Filter'), 'malformed;why=uneven', 'in MessagePack';
    is $r->body, $wrong, 'as it came';
};


subtest 'shadow, and limits' => sub {
    my $r = fetch('shadow', $page);
    is $r->body, $page, 'shadow changes nothing';
    is $r->header('Recs-Filter'), 'shadow;total=4;kept=2;removed=2;explored=0',
        'and tells what it would';

    my $three = '{"ids":[1,2,3],"scores":[1,2,3],"titles":[1,2,3]}';
    is fetch('few', $three)->header('Recs-Filter'),
        'filtered;total=3;kept=3;removed=0;explored=0',
        'recs_max_items counts no elements of columns';
    is fetch('few', $page)->status, 502, 'but items';
    is fetch('few', '{"scores":[' . join(',', 1 .. 10) . '],"ids":[1],'
                    . '"titles":[1]}')->status, 502,
        'nor is a column read without end';
};


subtest 'rows of snapshots' => sub {
    $redis->cmd('SET', 'home:v1:u:u1',
                '{"ids":["b1","b2"],"scores":[1,2],"titles":[3,4]}');
    $redis->cmd('SET', 'home:v1:u:u2',
                '{"ids":["b1"],"scores":[],"titles":[]}');

    wait_until(sub { $t->get('/home?u=u1')->status == 200 });
    is $t->get('/home?u=u1')->body, '{"ids":["b1"],"scores":[1],"titles":[3]}',
        'filtered like any page';
    is $t->get('/home?u=u2')->status, 502, 'of no use if it is out of step';
};


$t->done;


# Each id has the columns that it came with, or null if it did not come.  Gives
# how many were put in.

sub in_step {
    my ($got, $text, $name) = @_;

    my $came = JSON::PP::decode_json($text);
    my %at = map { $came->{ids}[$_] => $_ } 0 .. $#{ $came->{ids} };
    my $n = @{ $got->{ids} };
    my (@want, @have);

    for my $i (0 .. $n - 1) {
        my $at = $at{ $got->{ids}[$i] };

        for my $column (qw(scores titles)) {
            push @want, defined $at ? $came->{$column}[$at] : undef;
            push @have, $got->{$column}[$i];
        }
    }

    is_deeply \@have, \@want, "$name: in step";
    is scalar @{ $got->{$_} }, $n, "as many $_" for qw(scores titles);

    return scalar grep { !defined $at{$_} } @{ $got->{ids} };
}
