use strict;
use warnings;

# Variables of ours that become header fields, of requests or responses, are one
# value of one field: a version is never two fields, and all who ask for the
# event get the same.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

# Says which event it was asked for.
my $api = $t->upstream(sub {
    my ($req) = @_;

    return {
        body => $req->{args}{page},
        headers => ['X-Event' => $req->{headers}{'x-event'} // 'none'],
    };
});

$t->write('pool.ndjson', join '', map { "{\"id\":\"n$_\"}\n" } 1 .. 50);

my $nginx = $t->nginx(access_log =>
    q('$uri|$recs_state|$recs_event|$sent_http_x_event'), http => <<'HTTP');
recs_pool fresh file=%%TESTDIR%%/pool.ndjson;
recs on;

server {
    listen %%LISTEN%%;

    location /version {
        recs_tag both;
        recs_version model body=/model;
        recs_version schema body=/model accept=s1;
        recs_user $upstream_http_x_user;
        add_header X-Model $recs_model;
        add_header X-Schema "is $recs_schema";
        proxy_pass http://%%API%%;
    }

    location /event {
        recs_explore fresh rate=100% slots=1;
        proxy_set_header X-Event $recs_event;
        add_header X-Sent $recs_event;
        add_header X-Again $recs_event;
        proxy_pass http://%%API%%;

        location /event/id {
            recs_event $arg_e;
            proxy_pass http://%%API%%;
        }
        location /event/given {
            recs_event $request_id;
            add_header X-Sent $recs_event;
            add_header X-Id $request_id;
            proxy_pass http://%%API%%;
        }
        location /event/moved {
            recs_on_bad_body reject;
            error_page 502 = @moved;
            proxy_pass http://%%API%%;
        }
    }

    location @moved {
        proxy_set_header X-Event $recs_event;
        add_header X-Sent $recs_event;
        proxy_pass http://%%API%%;
    }
}
HTTP


sub fetch { return $t->get_page(@_) }


subtest 'a version is a header, and never two' => sub {
    my @names = map { "Recs-$_-Version" } 'Model', 'Schema';

    for my $text ('m\r\nSet-Cookie: a=b', 'm\nSet-Cookie: a', 'm\r\n\r\nbody',
                  'm\u000d\u000aX: y', 'm\rX: y', '\u0000', 'm\u0000', '\u0085',
                  '\u2028', 'm\tn', '\u001b[1m', 'x' x 129)
    {
        my $r = fetch('/version', "{\"model\":\"$text\",\"items\":[\"a\"]}");
        is($r->status, 200, "\"$text\"");
        is($r->error, undef, 'a response that can be read');
        is_deeply([map { $r->header($_) } @names, 'Set-Cookie', 'X', 'X-Model'],
                  [(undef) x 5], 'no field comes of it');
        is($r->header('X-Schema'), 'is', 'nor of its variable');
        like($r->header('Recs-Filter'), qr/^skewed;.*;skew="schema"$/,
             'though it is there and judged');
        is($r->json->{_recs}{model}, $r->json->{model}, 'the body has it');
    }

    for my $text ('m: "1", 2;', ' ', 'x' x 128, '~', '%0d%0aX: y') {
        my $r = fetch('/version', '{"model":"' . $text =~ s/"/\\"/gr
                                  . '","items":["a"]}');
        is($r->header('X'), undef, "\"$text\"");
        (my $want = $text) =~ s/^ | $//g;
        is($r->header('Recs-Model-Version'), $want, 'is a value');
    }
};


subtest 'who asks for the event gets the same' => sub {
    my %seen;

    for my $path ('/event', '/event/id', '/event/given', '/event') {
        my $r = fetch($path, '{"items":["a"]}');
        my ($id) = $r->header('X-Event');

        like($id, qr/^[0-9a-f]{32}$/, "$path: of the request");
        is($seen{$id}++, 0, 'a new one for each');
        is($r->header('X-Sent'), $id, 'to the upstream and to the client');
        is($r->header($path eq '/event/given' ? 'X-Id' : 'X-Again'), $id,
           'and again');

        my $line;
        ok(wait_until(sub {
            ($line) = grep { /\Q$id\E/ } $nginx->access_log;
        }), 'and to the log');
        is($line, "$path|filtered|$id|$id", 'no other');

        my ($new) = @{ $r->json->{items} };
        is(fetch("/event/id?e=$id", '{"items":["a"]}')->json->{items}[0], $new,
           'what it drew is drawn again from it');
    }

    my $r = fetch('/event/id?e=view-7', '{"items":["a"]}');
    is($r->header('X-Event'), 'view-7', 'one that is given');
    is($r->header('X-Sent'), 'view-7', 'everywhere');

    $r = fetch('/event/moved', 'no page');
    is($r->status, 200, 'a response of another location');
    is($r->header('X-Event'), $r->header('X-Sent'), 'the same there');
    is_deeply([map { $_->{headers}{'x-event'} } ($api->requests)[-2, -1]],
              [($r->header('X-Sent')) x 2], 'as before');
};


$t->done;
