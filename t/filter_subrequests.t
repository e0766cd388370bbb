use strict;
use warnings;

# Pages among other pages: what a subrequest needs of its request, and what it
# shows where it failed, is as it would be without this module.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis;
$redis->cmd('SADD', 'in_stock', 'b1', 'b3');

my $page = '{"items":[{"id":"b1"},{"id":"b2"}]}';
my $shown = '{"items":[{"id":"b1"}]}';

my $blanks = ' ' x 200_000;     # several buffers of a file

my $api = $t->upstream(sub {
    my ($req) = @_;

    return { body => "got " . length $req->{body}, type => 'text/plain' }
        if $req->{path} eq '/frag';
    return $blanks . $page if $req->{path} eq '/large';
    return { body => '{"items":' } if $req->{path} eq '/broken';
    return $page;
});

my $dead = $t->port('DEAD');

$t->write('page.json', $blanks . $page);

$t->write("html/$_.html", "A[<!--# include virtual=\"/$_\" -->]Z")
    for qw(thread cached);

$t->write('html/stub.html', 'A[<!--# block name="none" -->nothing now'
    . '<!--# endblock --><!--# include virtual="/broken" stub="none" -->]Z');
$t->write('html/dead.html', 'A[<!--# block name="none" -->nothing now'
    . '<!--# endblock --><!--# include virtual="/dead" stub="none" -->]Z');
for my $why (qw(many long)) {
    $t->write("html/$why.html", 'A[<!--# block name="none" -->nothing now'
        . "<!--# endblock --><!--# include virtual=\"/$why\""
        . ' stub="none" -->]Z');
}
$t->write('html/good.html', 'A[<!--# block name="none" -->nothing now'
    . '<!--# endblock --><!--# include virtual="/page" stub="none" -->]Z');

my $nginx = $t->nginx(<<"END");
    recs_redis main { server %%REDIS%%; }
    recs_set in_stock redis=main key=in_stock;
    recs_require in_stock;
    recs_lookup_timeout 10s;
    client_body_buffer_size 1k;
    proxy_cache_path %%NGINX_DIR%%/cache keys_zone=pages:1m;

    server {
        listen %%LISTEN%%;

        @{[ map { <<"MODE" } qw(on shadow off) ]}
        location = /added-$_ {
            recs $_;
            addition_types *;
            add_after_body /frag;
            proxy_pass http://%%API%%/page;
        }
        location = /file-$_ {
            recs $_;
            client_body_in_file_only on;
            addition_types *;
            add_after_body /frag;
            proxy_pass http://%%API%%/page;
        }
MODE
        location = /frag { proxy_pass http://%%API%%; }

        location = /page { recs on; proxy_pass http://%%API%%; }
        location = /broken {
            recs on;
            recs_on_bad_body reject;
            proxy_pass http://%%API%%;
        }
        location = /many {
            recs on;
            recs_max_items 1;
            proxy_pass http://%%API%%/page;
        }
        location = /long {
            recs on;
            recs_max_body_size 10;
            proxy_pass http://%%API%%/page;
        }
        location = /dead { proxy_pass http://127.0.0.1:$dead; }
        location = /thread {
            recs on;
            aio threads;
            default_type application/json;
            alias %%TESTDIR%%/page.json;
        }
        location = /cached {
            recs on;
            aio threads;
            proxy_cache pages;
            proxy_cache_valid 1h;
            proxy_pass http://%%API%%/large;
        }
        location /html/ { root %%TESTDIR%%; ssi on; }
        location / { recs on; proxy_pass http://%%API%%/page; }
    }

    server {
        listen %%LISTEN_F%%;
        root %%NGINX_DIR%%/tmp/stored;

        location / {
            proxy_store on;
            proxy_pass http://127.0.0.1:%%PORT%%;
        }
        location = /by-get {
            proxy_store on;
            proxy_method GET;
            proxy_pass http://127.0.0.1:%%PORT%%;
        }
    }
END

$t->answered(sub { $t->get('/page') });


subtest "the request's body" => sub {
    my $body = 'x' x 100_000;

    for my $mode (qw(on shadow off)) {
        for my $kind (qw(added file)) {
            my $r = $t->request('POST', "/$kind-$mode", { body => $body });
            is $r->status, 200, "$kind, $mode";
            is $r->body, ($mode eq 'on' ? $shown : $page) . 'got 100000',
                "$kind, $mode: the subrequest has it, too";
        }
    }
};


subtest 'a stub in place of what failed' => sub {
    is $t->get('/html/good.html')->body, "A[$shown]Z", 'a page';
    is $t->get('/html/dead.html')->body, 'A[nothing now]Z',
        'a dead upstream: the stub';
    is $t->get('/html/stub.html')->body, 'A[nothing now]Z',
        'a rejected page: the stub';
    is $t->get("/html/$_.html")->body, 'A[nothing now]Z', "too $_: the stub"
        for qw(many long);
};


# The content handler of such a subrequest ends long before the body does.
subtest 'a file that a thread reads' => sub {
    for my $of (qw(thread cached cached)) {
        is $t->get("/html/$of.html")->body, "A[$blanks$shown]Z", $of;
    }
};


# Without a length it can't tell that there is more than nothing.
subtest 'an nginx in front that stores' => sub {
    my $stored = sub {
        my $path = "$nginx->{dir}/tmp/stored$_[0]";

        # once the upstream's connection has ended, which HEAD need not await
        wait_until(sub { -e $path }) or return;
        return slurp($path);
    };

    is $t->request('HEAD', '/as-asked', { port => 'F' })->status, 200, 'HEAD';
    is $stored->('/as-asked'), '', 'stored empty';

    is $t->request('HEAD', '/by-get', { port => 'F' })->status, 200,
        'HEAD, with proxy_method GET';
    is $stored->('/by-get'), $shown, 'stored is the page';
};


$t->done;
