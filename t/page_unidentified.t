use strict;
use warnings;

# A response counts items without a usable id, recs_on_unidentified keeps or
# drops them, and they are told apart from repeats.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $ads = '{"items":[{"ad":1},{"id":"b1"},{"id":null},{"id":"b2"}]}';
my $none = '{"items":[{"ID":"b1"},{"ID":"b2"}]}';
my %pages = (
    ads    => $ads,
    none   => $none,
    other  => '{"items":[{"id":[1]}]}',
    empty  => '{"items":[]}',
    shelves => '{"items":[],"more":[{"ID":"b1"}]}',
    whole  => '{"items":[{"id":"b1"},{"id":"b1"},{"id":"b2"},{"id":"b2"}]}',
    floats => '{"items":[{"id":1.0},{"id":2.0},{"id":1e0},{"id":2.5}]}',
    packed => "\x81\xA5items\x92\x81\xA2id\xCA\x3F\x80\x00\x00"
            . "\x81\xA2id\xCB\x40\x00\x00\x00\x00\x00\x00\x01",
);

my $api = $t->upstream(sub {
    my ($name) = $_[0]{path} =~ /(\w+)\z/;
    return { body => $pages{$name},
             $name eq 'packed' ? (type => 'application/msgpack') : (),
             headers => ['Server-Timing' => 'db;dur=53, app;dur=47.2'] };
});

$t->write('gone.txt', "b2\n2\n");

my $nginx = $t->nginx(access_log => q('$uri|$recs_state|$recs_unidentified'),
                      http => <<'HTTP');
recs_set gone file=%%TESTDIR%%/gone.txt;
recs on;
recs_exclude gone;
recs_items /items /more;

server {
    listen %%LISTEN%%;

    location / { proxy_pass http://%%API%%/; }
    location /both/ {
        recs_tag both;
        recs_explain $arg_explain;
        proxy_pass http://%%API%%/;
    }
    location /untold/ { recs_tag body; proxy_pass http://%%API%%/; }
    location /shadow/ {
        recs shadow;
        recs_on_unidentified reject;
        proxy_pass http://%%API%%/;
    }
    location /once/ {
        recs_distinct on;
        recs_tag both;
        recs_explain $arg_explain;
        proxy_pass http://%%API%%/;
    }
    location /quiet/ { proxy_pass http://%%API%%/; }
    location /status { recs off; recs_status; }
}

server {
    listen %%LISTEN_DROP%%;
    recs_on_unidentified drop;

    location / {
        recs_tag both;
        recs_explain $arg_explain;
        proxy_pass http://%%API%%;
    }
    location /keep/ {
        recs_on_unidentified keep;
        proxy_pass http://%%API%%/;
    }
    location /reject/ {
        recs_on_unidentified reject;
        proxy_pass http://%%API%%/;
    }
    location /instead/ {
        recs_on_unidentified reject;
        recs_on_bad_body pass;
        error_page 502 = @instead;
        proxy_pass http://%%API%%/;
    }
    location @instead { return 200 "another\n"; }
}
HTTP

my $drop = $t->http(port => 'DROP');

sub filter_of { return $_[0]->header('Recs-Filter') }


subtest 'a response tells of items without an id' => sub {
    my $r = $t->get('/both/ads');
    is filter_of($r),
        'filtered;total=4;kept=3;removed=1;explored=0;unidentified=2',
        'Recs-Filter';
    is $r->json->{_recs}{unidentified}, 2, '_recs';
    is scalar @{ $r->json->{items} }, 3, 'they are kept';

    $r = $t->get('/both/whole');
    unlike filter_of($r), qr/unidentified/, 'not where there are none';
    ok !exists $r->json->{_recs}{unidentified}, 'nor there';
};


subtest 'a number that is an integer is an id' => sub {
    is $t->get('/floats')->body, '{"items":[{"id":1.0},{"id":1e0},{"id":2.5}]}',
        'asked about as its digits';
    is filter_of($t->get('/packed')),
        'filtered;total=2;kept=2;removed=0;explored=0;unidentified=1',
        'and so is a float of MessagePack';
};


subtest 'a page without any id is logged once' => sub {
    for (1 .. 3) {
        my $r = $t->get('/quiet/none');
        is $r->body, $none, 'kept';
        is filter_of($r),
            'filtered;total=2;kept=2;removed=0;explored=0;unidentified=2',
            'said';
    }

    $t->get("/quiet/$_") for qw(ads empty whole);
    $t->get('/quiet/shelves');

    is $nginx->logged(
        qr/\[warn\].* no item of a page has a usable id .*items: 2/),
        1, 'one line';
    unlike $nginx->error_log, qr/usable id .*items: [^2]/, 'and no other';
};


subtest 'drop' => sub {
    my $r = $drop->get('/ads?explain=1');
    is_deeply $r->json->{items}, [{ id => 'b1' }], 'they go';
    is filter_of($r),
        'filtered;total=4;kept=1;removed=3;explored=0;unidentified=2', 'said';
    is_deeply $r->json->{_recs}{items},
        [{ id => undef, rule => 'unidentified' },
         { id => undef, rule => 'unidentified' },
         { id => 'b2', set => 'gone' }], 'explained';

    is_deeply $drop->get('/none')->json->{items}, [], 'all of a page';
    is scalar @{ $drop->get('/keep/ads')->json->{items} }, 3,
        'a location may keep them';
};


subtest 'reject' => sub {
    for my $name (qw(none other shelves)) {
        is $drop->get("/reject/$name")->status, 502, "$name: 502";
    }

    is $drop->get('/instead/none')->body, "another\n", 'or another page';

    my $r = $drop->get('/reject/ads');
    is scalar @{ $r->json->{items} }, 3, 'one id is enough, all others stay';
    is filter_of($r),
        'filtered;total=4;kept=3;removed=1;explored=0;unidentified=2', 'said';
    is $drop->get('/reject/empty')->body, $pages{empty}, 'nothing is not all';

    ok wait_until(sub {
        grep { $_ eq '/reject/none|malformed|-' } $nginx->access_log
    }), 'the state is the reason';

    $r = $t->get('/shadow/none');
    is $r->body, $none, 'shadow rejects nothing';
    like filter_of($r), qr/^shadow;.*;unidentified=2$/, 'but tells';
};


subtest 'repeats are told apart' => sub {
    my $before = $t->get('/status')->json->{items};

    my $r = $t->get('/once/whole?explain=1');
    is filter_of($r),
        'filtered;total=4;kept=1;removed=3;explored=0;repeated=1',
        'Recs-Filter';
    is $r->header('Recs-Sets'), 'gone;removed=2', 'the set\'s are its own';

    my $tag = $r->json->{_recs};
    is $tag->{removed}, 3, 'both are removed';
    is $tag->{repeated}, 1, 'one was repeated';
    is_deeply [map { $_->{rule} // $_->{set} } @{ $tag->{items} }],
        [qw(distinct gone gone)], 'explained';

    is $t->get('/status')->json->{items}{repeated} - $before->{repeated}, 1,
        'counted';

    $r = $t->get('/once/ads');
    is filter_of($r),
        'filtered;total=4;kept=3;removed=1;explored=0;repeated=0'
        . ';unidentified=2', 'none: said, too';
    unlike filter_of($t->get('/whole')), qr/repeated/,
        'without recs_distinct it is not';
};


subtest 'Server-Timing' => sub {
    my $r = $t->get('/whole');
    my @timing = $r->headers('Server-Timing');
    is scalar @timing, 2, 'beside the upstream\'s';
    is $timing[0], 'db;dur=53, app;dur=47.2', 'which stays';
    like $timing[1],
        qr/^recs;dur=\d+\.\d{3}, recs-filter;dur=\d+\.\d{3}$/, 'ours';

    is scalar(() = $t->get('/untold/whole')->headers('Server-Timing')), 1,
        'not without recs_tag headers';
    is scalar(() = $t->get('/shadow/whole')->headers('Server-Timing')), 1,
        'nor in shadow';
};


$t->done;
