use strict;
use warnings;

# nginx -t takes what the directives may say, and refuses all else with the
# directive, the value and what would be right; a location inherits what its
# server says.  The file is long because all directives are in it.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

$t->write('ids.txt', "b1\nb2\n");
$t->write('large.ndjson', '{"id":"' . 'x' x 4096 . '"}');
$t->write('pool.ndjson', qq({"id":"n1"}\n{"id":"n2"}\n{"id":"n3"}\n));
$t->write('password', "secret\n");
$t->write('no-password', '');
$t->write('key', 'k' x 16);
$t->write('short-key', 'k' x 15 . "\r\n");
$t->write('blank-password', "\nsecret\n");

# Where each text below begins is line 2.

my $before = 'recs_redis main { server unix:/var/run/none.sock; } '
           . 'recs_set ids file=%%TESTDIR%%/ids.txt; '
           . 'recs_pool fresh file=%%TESTDIR%%/pool.ndjson size=4k;';


sub accepts {
    my ($name, $text) = @_;

    my ($code, $said) = $t->nginx_test("$before\n$text\n");
    is($code, 0, $name) or diag($said);
}


sub refuses {
    my ($name, $text, $message, $line) = @_;

    $line //= 2;
    my ($code, $said) = $t->nginx_test("$before\n$text\n");

    my ($error) = $said =~ /^nginx: \[emerg\] (.*)$/m;
    $error //= '';

    is($code, 1, $name) or diag($said);
    like($error, $message, 'what is wrong');
    like($error, qr{/http\.conf:$line\b}, 'and where');
}


sub server {
    my ($text) = @_;

    return "server { listen %%LISTEN%%; location / { $text } }";
}


subtest 'every form of a directive is accepted' => sub {
    my @forms = (
        'recs_zone 512k', 'recs_zone 1m',
        'recs_redis r { server redis://127.0.0.1; }',
        'recs_redis r { server redis://127.0.0.1:6380/; }',
        'recs_redis r { server redis://127.0.0.1:6380/3; }',
        'recs_redis r { server redis://[::1]:6380/3; }',
        'recs_redis r { server unix:/a; topology single; connections 64; }',
        'recs_redis r { server unix:/a; topology single; reads master; }',
        'recs_redis r { server unix:/a; topology cluster; reads nearest; }',
        'recs_redis r { server unix:/a; topology sentinel s; reads replica; }',
        'recs_redis r { server unix:/a; topology cluster;
                        reads replica max_lag=1s; }',
        'recs_redis r { server unix:/a?db=15; connections 1; }',
        'recs_redis r { server unix:/a; connect_timeout 1s; timeout 50ms; }',
        'recs_redis r { server unix:/a; breaker failures=1 cooldown=10ms; }',
        'recs_redis r { server unix:/a; breaker cooldown=1h failures=1000; }',
        'recs_redis r { server unix:/a; breaker off; }',
        'recs_redis r { server unix:/a; protocol 2; }',
        'recs_redis r { server unix:/a; '
            . 'auth password_file=%%TESTDIR%%/password; }',
        'recs_redis r { auth user=edge password_file=%%TESTDIR%%/password; '
            . 'server unix:/a; }',
        'recs_set s redis=main key=a', 'recs_set s redis=main key=a:$arg_u',
        'recs_set s redis=main key=a type=set unknown=keep',
        'recs_set s redis=main key=a type=zset',
        'recs_set s within=30d redis=main key=a type=zset unknown=drop',
        'recs_set s type=zset redis=main key=a min=-0.5',
        'recs_set s redis=main key=a type=zset within=500ms unit=ms',
        'recs_set s redis=main key=a type=zset unit=s within=3600',
        'recs_set s redis=main key=a type=hash',
        'recs_set s redis=main key=a type=hash min=1e3',
        'recs_set s file=%%TESTDIR%%/ids.txt unknown=drop',
        'recs_set s value=$arg_ids', 'recs_set s value=b1,b2',
        'recs_set A_9z value=a',
        'recs_set s redis=main key=a absent=unknown',
        'recs_set s redis=main key=a absent=empty',
        'recs_set s redis=main key=a:$arg_a absent=unknown type=zset',
        'recs_set s redis=main key=a min_members=1000',
        'recs_set s redis=main key=a:$arg_a absent=unknown min_members=1',
        'recs_set s redis=main key=a min_members=9 replica=on',
        'recs_set s redis=main key=a max_removed=50%',
        'recs_set s redis=main key=a max_removed=99.99% window=100ms',
        'recs_set s file=%%TESTDIR%%/ids.txt max_removed=0.5% min_asked=1 '
            . 'window=1d',
        'recs_set s redis=main key=a:$arg_a prefetch=1',
        'recs_set s redis=main key=a type=zset within=1d prefetch=10000',
        'recs_pool p redis=main key=a', 'recs_pool p key=a redis=main '
            . 'refresh=100ms',
        'recs_pool p redis=main key=a id=/sku',
        'recs_pool p redis=main key=a weight=/w category=/genre/0',
        'recs_pool p file=%%TESTDIR%%/pool.ndjson refresh=1h id=/id',
        'recs_pool p redis=main key=a size=4k', 'recs_pool p redis=main key=a '
            . 'size=2m',
        'recs_snapshots s redis=main prefix=home',
        'recs_snapshots s prefix=a:b redis=main min_coverage=0% poll=100ms',
        'recs_snapshots s redis=main prefix=p min_coverage=99.95% '
            . 'accept=s1,s2 max_age=36h poll=1m missing=previous '
            . 'channels=canary,test-2',
        'recs_snapshots s redis=main prefix=p missing=none channels=active',
        'recs_snapshots s redis=main prefix=p missing=default '
            . 'min_coverage=100%',
        (map { "recs_snapshots s redis=main prefix=p; recs_guard s $_" }
             'removed=60%', 'errors=0.01%', 'channel=canary removed=+20% '
             . 'empty=+5% missing=20% errors=2% window=1s min=1',
             'channel=active against=canary removed=+99.99% window=1d',
             'channel=canary missing=5%; recs_guard s missing=5%'),
        'recs on', 'recs off', 'recs shadow',
        'recs_types application/json application/vnd.api+json', 'recs_types *',
        'recs_user_hash key_file=%%TESTDIR%%/key', 'recs_user_hash off',
        'recs_user $arg_user', 'recs_event $request_id$arg_n',
        'recs_items /a /b/0 /rows/*/items /a~1b~0', 'recs_items ""',
        'recs_items /ids with=/scores,/titles optional=/urls /b with=/c',
        'recs_items /r/*/a/ids with=/r/*/b/0,/r/*/a/c optional=/r/*/d',
        'recs_item_id /product/sku', 'recs_item_id ""', 'recs_item_id /0',
        'recs_require ids', 'recs_exclude ids ids',
        'recs_require off', 'recs_exclude off', 'recs_version off',
        'recs_freshness off',
        'recs_distinct on', 'recs_distinct off',
        'recs_limit 0', 'recs_limit 12',
        'recs_backfill fresh min=1', 'recs_backfill fresh min=100',
        'recs_backfill off',
        'recs_explore off', 'recs_explore fresh rate=0% slots=1',
        'recs_explore fresh rate=100% slots=5000',
        'recs_explore $arg_pool rate=5% slots=1 method=weighted',
        'recs_explore fresh$arg_n rate=5% slots=1 method=diverse',
        'recs_explore fresh rate=5% slots=1 method=uniform',
        "recs_explore fresh rate=5% slots=2,9;\n"
            . 'recs_explore fresh rate=7% slots=1,4 panel=3',
        'recs_explore fresh slots=3,7,8 rate=0.0125% key=$arg_k salt=2026 '
            . 'method=uniform panel=128',
        'recs_version model body=/model', 'recs_version schema value=$arg_a',
        'recs_version features body=/a/b accept=f1,f2',
        'recs_version snapshot value=x accept=$arg_accept',
        'recs_freshness candidates body=/generated_at',
        'recs_freshness features value=$upstream_http_x_made max_age=26h',
        'recs_freshness candidates body=/a/b max_age=1 on_stale=reject',
        'recs_freshness features on_stale=tag value=$arg_a',
        'recs_expires 0', 'recs_expires 30s', 'recs_expires 1h',
        'recs_expires off',
        'recs_on_skew tag', 'recs_on_skew reject',
        'recs_on_bad_body pass', 'recs_on_bad_body reject',
        'recs_on_bad_body reject_too_large',
        'recs_on_unidentified keep', 'recs_on_unidentified drop',
        'recs_on_unidentified reject',
        'recs_lookup_timeout 1ms', 'recs_lookup_timeout 30s',
        'recs_max_body_size 64k', 'recs_max_items 100',
        'recs_tag headers', 'recs_tag body', 'recs_tag both', 'recs_tag off',
        'recs_explain $arg_explain',
    );

    for my $form (@forms) {
        my $text = $form =~ /\}\z/ ? $form : "$form;";
        accepts($form, $text . ' ' . server('recs on;'));
    }

    accepts("in a location: $_", server("$_;"))
        for 'recs_status', 'recs_status json', 'recs_status prometheus',
            'recs_status openmetrics', 'recs_label $arg_a',
            'recs_label $arg_a max=64', 'recs_label off', 'recs on',
            'recs shadow';
};


subtest 'what is used may be defined after it' => sub {
    accepts('sets, pools and Redis', join "\n",
        server('recs on; recs_require later; recs_exclude too; '
               . 'recs_explore new rate=1% slots=1; '
               . 'recs_backfill newer min=3; '
               . 'add_header X-A $recs_removed_later;'),
        'recs_set later redis=r key=a;',
        'recs_set too value=a;',
        'recs_pool new redis=r key=a;',
        'recs_pool newer redis=r key=b;',
        'recs_redis r { server unix:/a; }');
};


subtest 'a directive outside of its place is refused' => sub {
    for my $name ('recs_zone 1m', 'recs_set s value=a',
                  'recs_pool p redis=main key=a',
                  'recs_snapshots s redis=main prefix=p')
    {
        my ($word) = $name =~ /^(\w+)/;
        refuses("$name in a location", server("$name;"),
                qr/"$word" directive is not allowed here/);
    }

    refuses('recs_redis in a server',
            'server { recs_redis r { server unix:/a; } }',
            qr/"recs_redis" directive is not allowed here/);
    refuses("$_->[0] $_->[1]", $_->[1], qr/"$_->[2]" directive is not allowed/)
        for ['in http:', 'recs_pass s;', 'recs_pass'],
            ['in a server:', 'server { recs_pass s; }', 'recs_pass'],
            ['in a server:', 'server { recs_snapshots s redis=main prefix=p; }',
             'recs_snapshots'];
    refuses('recs_status in http', 'recs_status;',
            qr/"recs_status" directive is not allowed here/);
    refuses('recs_status in a server', 'server { recs_status; }',
            qr/"recs_status" directive is not allowed here/);
};


subtest 'a wrong number of arguments is refused' => sub {
    my @wrong = (
        'recs_zone', 'recs_zone 1m 2m', 'recs_set s', 'recs_set',
        'recs_pool p', 'recs_snapshots s', 'recs_guard s', 'recs',
        'recs on off', 'recs_types',
        'recs_user', 'recs_user a b', 'recs_user_hash',
        'recs_user_hash off off',
        'recs_event', 'recs_event a b', 'recs_items',
        'recs_item_id', 'recs_item_id /a /b', 'recs_require', 'recs_exclude',
        'recs_distinct', 'recs_limit', 'recs_limit 1 2', 'recs_explore',
        'recs_backfill', 'recs_backfill fresh min=1 min=2',
        'recs_freshness', 'recs_freshness candidates', 'recs_expires',
        'recs_expires 1s 2s',
        'recs_version', 'recs_version model',
        'recs_version model body=/a accept=b accept=c',
        'recs_on_skew', 'recs_on_bad_body', 'recs_lookup_timeout',
        'recs_on_unidentified', 'recs_on_unidentified keep drop',
        'recs_max_body_size', 'recs_max_items', 'recs_tag',
        'recs_tag headers body', 'recs_explain',
    );

    for my $text (@wrong) {
        my ($word) = $text =~ /^(\w+)/;
        refuses($text, "$text;",
                qr/invalid number of arguments in "$word" directive/);
    }

    refuses('recs_pass', server('recs_pass;'),
            qr/invalid number of arguments in "recs_pass" directive/);
    refuses('recs_status json json', server('recs_status json json;'),
            qr/invalid number of arguments in "recs_status" directive/);
    refuses('recs_redis without a name', 'recs_redis { server unix:/a; }',
            qr/invalid number of arguments in "recs_redis" directive/);
};


subtest 'a wrong value is refused, with what would be right' => sub {
    my @wrong = (
        ['recs_zone 100k', qr/"100k" of recs_zone, .* at least 512k/],
        ['recs_zone big', qr/"big" of recs_zone, .* at least 512k/],
        ['recs_snapshots s redis=main',
            qr/recs_snapshots "s" must have "redis=" and "prefix="/],
        ['recs_snapshots s prefix=p',
            qr/recs_snapshots "s" must have "redis=" and "prefix="/],
        (map { [qq(recs_snapshots s redis=main "prefix=$_"),
                qr/prefix=.* at most 64 printable/] }
             'a b', '{a', 'a}', '\\$a', 'p' x 65),
        (map { ["recs_snapshots s redis=main prefix=p min_coverage=$_",
                qr/min_coverage=.* a percentage up to "100%"/] }
             '99', '100.01%', '-1%', '%', 'most', '9.999%'),
        (map { ["recs_snapshots s redis=main prefix=p $_",
                qr/"\Q$_\E" .*must be a list such as "a,b"/] }
             'accept=a,,b', 'accept=,', 'channels=,a'),
        (map { ["recs_snapshots s redis=main prefix=p max_age=$_",
                qr/max_age=.* must be a time such as "36h"/] }
             '0', 'old', '-1'),
        (map { ["recs_snapshots s redis=main prefix=p poll=$_",
                qr/poll=.* a time such as "1s", at least "100ms"/] }
             '0', '99ms', 'x'),
        ['recs_snapshots s redis=main prefix=p missing=old',
            qr/must be "default", "previous" or "none"/],
        (map { ["recs_snapshots s redis=main prefix=p channels=$_",
                qr/channel's name must be at most 64 letters/] }
             'a:b', 'a/b', 'c' x 65),
        ['recs_snapshots s redis=main prefix=p channels=a,b,a',
            qr/can be named only once/],
        ['recs_snapshots s redis=main prefix=p channels='
            . join(',', map { "c$_" } 1 .. 16), qr/more than 16 channels/],
        ['recs_snapshots s redis=main prefix=p coverage=1%',
            qr/invalid parameter "coverage=1%" of recs_snapshots "s"/],
        ['recs_guard s removed=60%',
            qr/recs_guard "s" must come after the recs_snapshots of that/],
        (map { ["recs_snapshots s redis=main prefix=p; recs_guard s $_->[0]",
                $_->[1]] }
             (map { ["removed=$_", qr/must be a percentage between 0 and 100/] }
                  '0%', '100%', '+100%', '60', '+', '-1%', '1.001%', '+x%'),
             ['channel=other removed=1%',
                 qr/channel=other" .* one of the channels of its/],
             ['against=other removed=+1%',
                 qr/against=other" .* one of the channels of its/],
             ['window=30s', qr/must have "removed=", "empty=", "missing=" or/],
             ['removed=+1%',
                 qr/"s" must have "against=" with another channel/],
             ['channel=canary against=canary removed=+1%',
                 qr/"s" must have "against=" with another channel/],
             ['channel=canary against=active removed=1%',
                 qr/has "against=", but no limit such as "removed=\+20%"/],
             ['removed=1%; recs_guard s channel=active empty=1%',
                 qr/has a guard of this channel already/],
             ['removed=1% window=1m; recs_guard s channel=canary empty=+1%',
                 qr/must have the same "window=" as the guard/],
             (map { ["removed=1% window=$_", qr/a time from "1s" to "1d"/] }
                  '999ms', '25h', 'x'),
             (map { ["removed=1% min=$_", qr/a number of pages from 1 to/] }
                  '0', 'x', '1000001'),
             ['removed=1% removed=+2%', qr/duplicate parameter/],
             ['kept=1%', qr/invalid parameter "kept=1%" of recs_guard/]),
        ['recs maybe', qr/invalid value "maybe"/],
        ['recs_distinct 1', qr/"1" in "recs_distinct" .*"on" or "off"/],
        ['recs_limit many', qr/invalid number/],
        ['recs_limit -1', qr/invalid number/],
        ['recs_max_items x', qr/invalid number/],
        ['recs_max_items 0', qr/must be equal to or greater than 1/],
        ['recs_max_body_size x', qr/"recs_max_body_size" .*invalid value/],
        ['recs_lookup_timeout x', qr/"recs_lookup_timeout" .*invalid value/],
        ['recs_lookup_timeout 0',
            qr/recs_lookup_timeout of \d+ms, .*from 1ms to 30s/],
        ['recs_lookup_timeout 30001ms',
            qr/recs_lookup_timeout of \d+ms, .*from 1ms to 30s/],
        ['recs_lookup_timeout 1m',
            qr/recs_lookup_timeout of \d+ms, .*from 1ms to 30s/],
        ['recs_expires soon',
            qr/"soon" in recs_expires, it must be a time .*or "off"/],
        ['recs_expires -1',
            qr/"-1" in recs_expires, it must be a time .*or "off"/],
        ['recs_expires 10ms',
            qr/"10ms" in recs_expires, it must be a time .*or "off"/],
        ['recs_backfill fresh', qr/recs_backfill "fresh" must have "min="/],
        ['recs_backfill fresh min=0', qr/"min=0" .*number from 1 to 100/],
        ['recs_backfill fresh min=101', qr/"min=101" .*number from 1 to 100/],
        ['recs_backfill fresh min=x', qr/"min=x" .*number from 1 to 100/],
        ['recs_backfill fresh max=3', qr/"max=3" of recs_backfill "fresh"/],
        ['recs_backfill off min=3', qr/invalid name "off"/],
        ['recs_freshness items value=a',
            qr/"items" in recs_freshness, .*"candidates" or "features"/],
        ['recs_freshness candidates body=/a value=b',
            qr/"value=b" of recs_freshness .*one place only/],
        ['recs_freshness candidates value=a body=/a',
            qr/"body=\/a" .*one place only/],
        ['recs_freshness candidates body=a',
            qr/"a" in recs_freshness: .*starts with/],
        ['recs_freshness candidates body=/a/*',
            qr/"body=\/a\/\*" .*it is one value/],
        ['recs_freshness candidates body=/a max_age=0',
            qr/"max_age=0" .*such as "26h", over 0/],
        ['recs_freshness candidates body=/a max_age=old',
            qr/"max_age=old" .*such as "26h", over 0/],
        ['recs_freshness candidates body=/a max_age=1h on_stale=drop',
            qr/"on_stale=drop" .*must be "tag" or "reject"/],
        ['recs_freshness candidates body=/a on_stale=reject',
            qr/"candidates" can have "on_stale=" only with "max_age="/],
        ['recs_freshness candidates body=/a from=b',
            qr/"from=b" of recs_freshness "candidates"/],
        (map { ["recs_user_hash $_",
                qr/"\Q$_\E" of recs_user_hash, .*"key_file=PATH" or "off"/] }
             'on', 'key_file=', 'file=/key'),
        ['recs_user_hash key_file=%%TESTDIR%%/none',
            qr/key_file "\S+none" of recs_user_hash cannot be opened/],
        ['recs_user_hash key_file=%%TESTDIR%%',
            qr/of recs_user_hash is not a regular file/],
        ['recs_user_hash key_file=%%TESTDIR%%/short-key',
            qr/of recs_user_hash holds 15 bytes, it must be at least 16/],
        ['recs_tag footer', qr/invalid value "footer"/],
        ['recs_on_skew ignore', qr/invalid value "ignore"/],
        ['recs_on_bad_body drop', qr/invalid value "drop"/],
        ['recs_on_unidentified pass', qr/invalid value "pass"/],
        ['recs_items items', qr/"items" in recs_items: .*starts with "\/"/],
        ['recs_items /a~2', qr/"\/a~2" in recs_items: .*"~0"/],
        ['recs_item_id id', qr/"id" in recs_item_id: .*starts with "\/"/],
        ['recs_item_id /a/*', qr/"recs_item_id" .*"\*", an item has one id/],
        ['recs_items /_recs',
            qr/"\/_recs" in recs_items: the member "_recs" is reserved/],
        ['recs_items /a /_recs/b', qr/"\/_recs\/b" .*"_recs" is reserved/],
        ['recs_items /a /a', qr/"\/a" and "\/a" in recs_items overlap/],
        ['recs_items /a/0/b /a', qr/"\/a\/0\/b" and "\/a" .*overlap/],
        ['recs_items /a/*/b /a/2/b', qr/"\/a\/\*\/b" and "\/a\/2\/b" .*lap/],
        ['recs_items /a ""', qr/"\/a" and "" in recs_items overlap/],
        ['recs_items ' . join(' ', map { "/s$_" } 1 .. 33), qr/at most 32/],
        ['recs_items with=/a', qr/"with=\/a" in recs_items must follow the po/],
        ['recs_items optional=/a /b', qr/"optional=\/a" in recs_items must fo/],
        ['recs_items /a with=b', qr/"b" in recs_items: .*starts with "\/"/],
        ['recs_items /a with=/b,c', qr/"c" in recs_items: .*starts with "\/"/],
        ['recs_items /a with=', qr/"\/a" and "" in recs_items overlap/],
        ['recs_items /a with=/b,', qr/"\/a" and "" in recs_items overlap/],
        ['recs_items /a with=/b~', qr/"\/b~" in recs_items: .*"~0"/],
        ['recs_items /a with=/a', qr/"\/a" and "\/a" in recs_items overlap/],
        ['recs_items /a with=/b,/b', qr/"\/b" and "\/b" in recs_items overlap/],
        ['recs_items /a with=/b optional=/b/0', qr/"\/b" and "\/b\/0" .*lap/],
        ['recs_items /a with=/b /c with=/b', qr/"\/b" and "\/b" .*overlap/],
        ['recs_items /a with=/b /b', qr/"\/b" and "\/b" in recs_items overlap/],
        ['recs_items "" with=/b', qr/"" and "\/b" in recs_items overlap/],
        ['recs_items /a with=/_recs/b', qr/"\/_recs\/b" .*is reserved/],
        ['recs_items /a with=/b/*', qr/"\/b\/\*" .*the same as "\/a" up to t/],
        ['recs_items /r/*/a with=/b', qr/"\/b" .*the same as "\/r\/\*\/a" up/],
        ['recs_items /r/*/a with=/q/*/b', qr/"\/q\/\*\/b" .*one element/],
        ['recs_items /r/*/a with=/r/*/b/*', qr/"\/r\/\*\/b\/\*" .*the same as/],
        ['recs_items /a with=' . join(',', map { "/w$_" } 1 .. 17),
            qr/too many companions, at most 16/],
        ['recs_version colour value=a',
            qr/"colour" in recs_version, .*"model", "schema", "features" or/],
        ['recs_version model body=a', qr/"a" in recs_version: .*starts/],
        ['recs_version model body=/a/*', qr/"body=\/a\/\*" .*is one value/],
        ['recs_version model body=/a value=b',
            qr/"value=b" of recs_version "model", .*one place only/],
        ['recs_version model value=b body=/a', qr/"body=\/a" .*one place only/],
        ['recs_label a max=0',
         qr/"max=0" of recs_label "a", .*labels, 1 to 64/],
        ['recs_label a max=65', qr/"max=65" of recs_label "a"/],
        ['recs_label a max=', qr/"max=" of recs_label "a"/],
        ['recs_label a b', qr/"b" of recs_label "a"/],
        ['recs_version model from=/a', qr/"from=\/a" of recs_version "model"/],
    );

    for my $row (@wrong) {
        my ($text, $message) = @$row;
        refuses($text, "$text;", $message);
    }

    refuses('recs_status xml', server('recs_status xml;'),
            qr/"xml" in recs_status, it must be "json", .* or "html"/);
};


subtest 'what is given twice is refused' => sub {
    my @twice = (
        'recs_user_hash off',
        'recs_zone 1m', 'recs on', 'recs_user a', 'recs_event a',
        'recs_label a', 'recs_label off',
        'recs_items /a', 'recs_item_id /a', 'recs_distinct on', 'recs_limit 1',
        'recs_explore off', 'recs_backfill off', 'recs_backfill fresh min=1',
        'recs_freshness candidates value=a', 'recs_expires 0',
        'recs_expires off',
        'recs_version model value=a', 'recs_on_skew tag',
        'recs_on_bad_body pass', 'recs_lookup_timeout 1s',
        'recs_on_unidentified keep',
        'recs_max_body_size 1k', 'recs_max_items 1', 'recs_tag off',
        'recs_explain 1',
    );

    for my $text (@twice) {
        my ($word) = $text =~ /^(\w+)/;
        refuses($text, "$text;\n$text;", qr/$word.* is duplicate/, 3);
    }

    refuses('a set', 'recs_set ids value=a;', qr/duplicate recs_set "ids"/);
    refuses('a pool', 'recs_pool fresh redis=main key=a;',
            qr/duplicate recs_pool "fresh"/);
    refuses('a Redis', 'recs_redis main { server unix:/a; }',
            qr/duplicate recs_redis "main"/);

    my @options = (
        ['recs_set s redis=main key=a', 'key=b'],
        ['recs_set s redis=main key=a', 'redis=main'],
        ['recs_set s redis=main key=a type=set', 'type=set'],
        ['recs_set s redis=main key=a unknown=keep', 'unknown=drop'],
        ['recs_set s redis=main key=a type=zset within=1d', 'within=2d'],
        ['recs_set s redis=main key=a type=zset min=1', 'min=1'],
        ['recs_set s file=%%TESTDIR%%/ids.txt', 'file=%%TESTDIR%%/ids.txt'],
        ['recs_set s value=a', 'value=b'],
        ['recs_pool p redis=main key=a', 'key=b'],
        ['recs_pool p redis=main key=a refresh=1s', 'refresh=2s'],
        ['recs_pool p redis=main key=a id=/id', 'id=/sku'],
        ['recs_pool p redis=main key=a size=1m', 'size=2m'],
        ['recs_snapshots s redis=main prefix=a', 'prefix=b'],
        ['recs_snapshots s redis=main prefix=a poll=1s', 'poll=2s'],
        ['recs_explore fresh rate=1% slots=1', 'rate=2%'],
        ['recs_explore fresh rate=1% slots=1', 'slots=2'],
        ['recs_explore fresh rate=1% slots=1 salt=a', 'salt=b'],
        ['recs_explore fresh rate=1% slots=1 panel=1', 'panel=2'],
        ['recs_version model value=a', 'value=b'],
        ['recs_freshness candidates value=a max_age=1h', 'max_age=2h'],
        ['recs_freshness candidates value=a max_age=1h on_stale=tag',
            'on_stale=reject'],
        ['recs_freshness candidates body=/a', 'body=/b'],
    );

    for my $row (@options) {
        my ($text, $again) = @$row;
        my $said = $t->fill($again);
        refuses("$text $again", "$text $again;",
                qr/duplicate parameter "\Q$said\E" of recs_/);
    }
};


subtest 'recs_pass and what is active' => sub {
    my $snapshots = 'recs_snapshots s redis=main prefix=p';
    my $right = qr/it must be/;

    accepts('without options', "$snapshots;\n" . server('recs_pass s;'));
    accepts('before its snapshots', server('recs_pass s;') . "\n$snapshots;");
    accepts('with options', "$snapshots;\n"
            . server('recs_pass s channel=$arg_a format=msgpack;'));

    refuses('beside recs_status',
            "$snapshots; " . server('recs_status; recs_pass s;'),
            qr/"recs_pass" .*where recs_status is, .*one handler/);
    refuses('before recs_status',
            "$snapshots; " . server('recs_pass s; recs_status;'),
            qr/"recs_status" .*where recs_pass is, .*one handler/);
    refuses('recs_ready and recs_status', server('recs_ready; recs_status;'),
            qr/"recs_status" .*where recs_ready is, .*one handler/);
    refuses('recs_status twice', server('recs_status; recs_status;'),
            qr/"recs_status" directive is duplicate/);
    refuses('no such snapshots', server('recs_pass s;'),
            qr/recs_snapshots "s"/);
    refuses("format=$_", "$snapshots;\n" . server("recs_pass s format=$_;"),
            qr/recs_pass.*it must be "auto", "json" or "msgpack"/, 3)
        for 'xml', 'JSON';
    refuses("recs_pass s $_", "$snapshots;\n" . server("recs_pass s $_;"),
            qr/invalid parameter "\Q$_\E" of recs_pass/, 3)
        for 'arm=a', 'channel', 'format=', 'channel=';
    refuses('twice', "$snapshots;\n" . server("recs_pass s;\nrecs_pass s;"),
            qr/"recs_pass" directive is duplicate/, 4);
    refuses('an option twice', "$snapshots;\n"
            . server('recs_pass s format=json format=json;'),
            qr/duplicate parameter "format=json" of recs_pass/, 3);

    my $two = "recs_snapshots home redis=main prefix=a channels=x_y,z,x;\n"
            . "recs_snapshots home_x redis=main prefix=b channels=y;\n";

    for (['home', 1], ['home_z', 1], ['home_x_y', 0], ['home_x', 0],
         ['home_x_active', 1], ['Home_Z', 1])
    {
        my ($name, $fine) = @$_;
        my ($code, $said) = $t->nginx_test("$before\n$two" .
            server("add_header X \$recs_active_$name;"));
        is $code, $fine ? 0 : 1, $name or diag($said);
        like $said, qr/more than one channel .* "\$\L\Qrecs_active_$name\E"/,
            'could be two' if !$fine;
    }

    my ($code, $said) = $t->nginx_test("$before\n$two"
        . server('add_header X $recs_active_home_w;'));
    is $code, 1, 'a channel that is not there';
    like $said, qr/no recs_snapshots is defined for variable/, 'told';
};



subtest 'a name is a letter, then letters, digits and "_"' => sub {
    my $right = qr/it must be a letter, then letters, digits and "_"/;

    for my $name ('1st', 'in-stock', '_a', '""', 'a.b', 'x' x 65) {
        refuses("recs_set $name", "recs_set $name value=a;", $right);
    }

    refuses('a set "off"', 'recs_set off value=a;', qr/and not "off"/);
    refuses('a pool "off"', 'recs_pool off redis=main key=a;',
            qr/and not "off"/);
    accepts('"Off" is a name', 'recs_set Off value=a;');
    accepts('"offer", too', 'recs_set offer value=a;');

    refuses('recs_pool a-b', 'recs_pool a-b redis=main key=a;', $right);
    refuses('recs_redis a-b', 'recs_redis a-b { server unix:/a; }', $right);
    refuses('recs_require a-b', 'recs_require a-b;', $right);
    for my $what ('recs_require', 'recs_exclude') {
        my $only = qr/"$what" .*"off" only alone/;

        refuses("$what off ids", "$what off ids;", $only);
        refuses("$what ids off", "$what ids off;", $only);
        refuses('off and on', "$what off;\n$what ids;", qr/is off already/, 3);
        refuses('on and off', "$what ids;\n$what off;", qr/is duplicate/, 3);
        refuses('off and off', "$what off;\n$what off;", qr/is duplicate/, 3);
    }
    refuses('a version, off', "recs_version off;\n"
            . 'recs_version model value=a;', qr/is off already/, 3);
    refuses('an age, off', "recs_freshness off;\n"
            . 'recs_freshness features value=a;', qr/is off already/, 3);

    refuses('redis=a-b', 'recs_set s redis=a-b key=a;', $right);
    accepts('of 64', 'recs_set ' . 'x' x 64 . ' value=a;');
};


subtest 'names that differ by case only are refused' => sub {
    my $differ = qr/must differ by more than case/;

    refuses('sets', "recs_set stock value=a;\nrecs_set Stock value=b;",
            qr/names "stock" and "Stock" $differ/, 3);
    refuses('a set and its use', "recs_exclude IDs;",
            qr/names "ids" and "IDs" $differ/);
    refuses('pools', 'recs_pool Fresh redis=main key=a;',
            qr/names "fresh" and "Fresh" $differ/);
    refuses('a pool and its use', 'recs_backfill FRESH min=1;',
            qr/names "fresh" and "FRESH" $differ/);
    refuses('a Redis and its use', 'recs_set s redis=Main key=a;',
            qr/names "main" and "Main" $differ/);
    accepts('a set and a pool may be namesakes', 'recs_set fresh value=a;');
};


subtest 'a name that is not defined is refused where it is used' => sub {
    my @unknown = (
        ['recs_backfill', "\nrecs_backfill gone min=1;",
            qr/no recs_pool "gone"/, 3],
        ['recs_require', "\nrecs_require gone;", qr/no recs_set "gone"/, 3],
        ['recs_exclude', "recs_exclude ids gone;", qr/no recs_set "gone"/, 2],
        ['recs_explore', "\n\nrecs_explore gone rate=1% slots=1;",
            qr/no recs_pool "gone"/, 4],
        ['redis= of a set', "recs_set s redis=gone key=a;",
            qr/no recs_redis "gone"/, 2],
        ['redis= of a pool', "recs_pool p redis=gone key=a;",
            qr/no recs_redis "gone"/, 2],
        ['in a location', "\n" . server("\nrecs_require gone;"),
            qr/no recs_set "gone"/, 4],
    );

    for my $row (@unknown) {
        my ($name, $text, $message, $line) = @$row;
        refuses($name, $text, qr/$message is defined for its use in/, $line);
    }

    my ($code, $said) = $t->nginx_test(
        "$before\n" . server('add_header X-A $recs_removed_gone;'));
    is($code, 1, 'a variable of a set that is not');
    like($said, qr/no recs_set is defined for variable "\$recs_removed_gone"/,
         'is named');
};


subtest 'recs_redis refuses what is no Redis' => sub {
    my @wrong = (
        ['', qr/recs_redis "r" has no "server"/],
        ['timeout 1s;', qr/recs_redis "r" has no "server"/],
        ['server unix:/a; server unix:/b;',
         qr/has 2 servers, "topology single" has one/],
        ['server unix:/a unix:/b;',
         qr/has 2 servers, "topology single" has one/],
        ['server localhost;',
            qr/"server" .*"rediss:\/\/host:port\/database" or/],
        ['server http://a;', qr/"server" .*invalid URL, it must be/],
        ['server redis://;', qr/in "server redis:\/\/" of recs_redis/],
        ['server redis://127.0.0.1:99999;', qr/invalid port in "server/],
        ['server redis://127.0.0.1/x;', qr/invalid database, .*a number/],
        ['server redis://127.0.0.1/-1;', qr/invalid database, .*a number/],
        ['server unix:/a?db=x;', qr/invalid database, .*a number/],
        ['server unix:/a?n=1;', qr/invalid parameter, it must be "\?db=N"/],
        ['server redis://u:secret@127.0.0.1;',
            qr/must not hold a user or a password, "auth user=/],
        ['server;', qr/invalid number of arguments in "server"/],
        ['password secret;', qr/unknown directive "password" in recs_redis/],
        ['topology sentinel;', qr/"topology" .*or "sentinel NAME"/],
        ['sentinel_auth user=u;', qr/"sentinel_auth" .*must have "password_f/],
        ['topology ring;',
         qr/"topology" .*it must be "single", "cluster" or "sentinel/],
        ['server unix:/a; reads replica;',
         qr/"reads" from other servers .* "topology single" has not/],
        (map { ["protocol $_;", qr/"protocol" .*it must be 2 or 3/] }
             '4', '2 3', 'auto', 'resp3'),
        ['protocol 2; protocol 2;', qr/"protocol" .*is duplicate/],
        ['reads slave;', qr/it must be "master", "replica" or "nearest"/],
        ['reads replica; reads replica;', qr/"reads" .*is duplicate/],
        ['reads master max_lag=1s;', qr/"reads" .*can have "max_lag="/],
        ['reads replica max_age=1s;', qr/"reads" .*can have "max_lag="/],
        ['reads replica max_lag=1s 2;', qr/"reads" .*can have "max_lag="/],
        ['reads replica max_lag=999ms;', qr/such as "5s", of 1s at least/],
        ['reads replica max_lag=soon;', qr/such as "5s", of 1s at least/],
        ['connections 0;', qr/"connections" .*from 1 to 64/],
        ['connections 65;', qr/"connections" .*from 1 to 64/],
        ['connections many;', qr/"connections" .*from 1 to 64/],
        ['connections 1 2;', qr/"connections" .*from 1 to 64/],
        ['connections 1; connections 1;', qr/"connections" .*is duplicate/],
        ['timeout 0;', qr/"timeout" .*such as "500ms", over 0/],
        ['timeout soon;', qr/"timeout" .*such as "500ms", over 0/],
        ['timeout 1s; timeout 1s;', qr/"timeout" .*is duplicate/],
        ['connect_timeout x;', qr/"connect_timeout" .*such as "500ms"/],
        (map { ["breaker $_;",
                qr/"breaker" .*failures.*a number from 1 to 1000/] }
             'failures=0', 'failures=1001', 'failures=x'),
        (map { ["breaker $_;",
                qr/"breaker" .*cooldown.*a time from "10ms" to "1h"/] }
             'cooldown=9ms', 'cooldown=61m', 'cooldown=soon'),
        (map { ["breaker $_;",
                qr/"breaker" .*"failures=", "cooldown=" or "off"/] }
             'on', 'off failures=1'),
        ['breaker;', qr/invalid number of arguments in "breaker"/],
        ['breaker off; breaker failures=1;', qr/"breaker" .*is duplicate/],
        ['connect_timeout 1s; connect_timeout 1s;',
            qr/"connect_timeout" .*is duplicate/],
        ['auth user=a;', qr/"auth" .*must have "password_file="/],
        ['auth password=secret;',
            qr/"auth" .*it must be "user=", "password_file=" or/],
        ['auth password_file=%%TESTDIR%%/none;',
            qr/password_file "\S+none" cannot be opened .*No such file/],
        (map { ["auth refresh=$_ password_file=x;",
                qr/"auth" .*"refresh=", it must be a time such as/] }
             '99ms', '25d', 'soon', ''),
        ['auth password_file=%%TESTDIR%%;', qr/is not a regular file/],
        ['auth password_file=%%TESTDIR%%/no-password;',
            qr/"auth" .*empty password_file, .*on its first line/],
        ['auth password_file=%%TESTDIR%%/blank-password;',
            qr/"auth" .*empty password_file, .*on its first line/],
        ['auth password_file=%%TESTDIR%%/password; '
            . 'auth password_file=%%TESTDIR%%/password;',
            qr/"auth" .*is duplicate/],
    );

    for my $row (@wrong) {
        my ($lines, $message) = @$row;
        refuses($lines || 'an empty block', "recs_redis r { $lines }",
                $message);
    }

    my ($code, $said) = $t->nginx_test(
        "recs_redis r {\n    server unix:/a;\n    nonsense on;\n}");
    like($said, qr{"nonsense" in recs_redis in \S+/http\.conf:3$}m,
         'a line in the block is told by its number');
};


subtest 'recs_set refuses what is no set' => sub {
    my $one = qr/"s" must have exactly one of "redis=", "file=" and "value="/;
    my $file = 'file=%%TESTDIR%%/ids.txt';
    my $only = qr/"s" can have "key=", .*"replica=" only with "redis="/;
    my $replica = qr/"s" can have "feed=", .* only with "replica=on"/;
    my $members = qr/must be a number of members from 1 to 10000/;

    my @wrong = (
        ['unknown=keep', $one],
        ['redis=main key=a value=b', $one],
        ["$file value=b", $one],
        ["redis=main key=a $file", $one],
        ['redis=main', qr/"s" must have "key=" with "redis="/],
        ['redis=main key=', qr/"key=" of recs_set "s"/],
        ['redis=main key=a:$1', qr/"key=a:\$1" .*name the capture/],
        ['value=$arg_a,$2', qr/"value=\$arg_a,\$2" .*name the capture/],
        ['redis=main key=a within=1d', qr/"within=" only with "type=zset"/],
        ['redis=main key=a type=hash within=1d',
            qr/"within=" only with "type=zset"/],
        ['redis=main key=a min=1',
            qr/"min=" only with "type=zset" or "type=hash"/],
        ['redis=main key=a type=set min=1',
            qr/"min=" only with "type=zset" or "type=hash"/],
        ['redis=main key=a type=zset min=1 within=1d',
            qr/only one of "within=" and "min="/],
        ['redis=main key=a prefetch=0', $members],
        ['redis=main key=a prefetch=10001', $members],
        ['redis=main key=a prefetch=', qr/"prefetch=" of recs_set "s"/],
        ['redis=main key=a prefetch=few', $members],
        ["$file prefetch=9", $only],
        ['redis=main key=a prefetch=9 replica=on',
            qr/only one of "prefetch=" and "replica=on"/],
        ['value=$arg_a prefetch=9', $only],
        ['redis=main key=a type=list',
            qr/"type=list" .*must be "set", "zset" or "hash"/],
        ['redis=main key=a type=zset within=soon',
            qr/"within=soon" .*must be a time such as "30d"/],
        ['redis=main key=a type=zset within=0',
            qr/"within=0" .*must be a time .*over 0/],
        ['redis=main key=a type=zset within=1d unit=us',
            qr/"unit=us" .*must be "s" or "ms"/],
        ['redis=main key=a type=zset unit=ms', qr/"unit=" only with "within="/],
        ['redis=main key=a type=zset min=1 unit=ms',
            qr/"unit=" only with "within="/],
        ['redis=main key=a type=hash min=few', qr/"min=few" .*be a number/],
        map({ ["redis=main key=a type=hash min=$_",
               qr/"min=\Q$_\E" .*be a number/] }
            qw(nan 0x10 0x1p4 1.2.3 1e 1e+ . - 1_000 infinite), '1,'),
        ['redis=main key=a unknown=maybe',
            qr/"unknown=maybe" .*must be "keep" or "drop"/],
        ['redis=main key=a absent=maybe',
            qr/"absent=maybe" .*must be "unknown" or "empty"/],
        map({ ["redis=main key=a min_members=$_",
               qr/"min_members=$_" .*must be a number of members, over 0/] }
            qw(0 -1 few 1.5)),
        ['redis=main key=a min_members=', qr/"min_members=" of recs_set "s"/],
        ['redis=main key=a absent=empty min_members=2',
            qr/can't have "min_members=" with "absent=empty"/],
        ["$file absent=empty", $only], ["$file min_members=2", $only],
        ['value=$arg_a absent=unknown', $only],
        map({ ["redis=main key=a max_removed=$_",
               qr/"max_removed=$_" .*must be a percentage over "0%" and under/]
            } qw(0% 100% 50 1.234% many%)),
        ['redis=main key=a max_removed=50% window=99ms',
            qr/"window=99ms" .*must be a time such as "10s", from "100ms"/],
        ['redis=main key=a max_removed=50% window=2d',
            qr/"window=2d" .*must be a time .* to "1d"/],
        ['redis=main key=a max_removed=50% min_asked=0',
            qr/"min_asked=0" .*must be a number of ids from 1 to 1000000/],
        ['redis=main key=a window=1s',
            qr/"window=" and "min_asked=" only with "max_removed="/],
        ['value=$arg_a max_removed=50%',
            qr/can't have "max_removed=" with "value="/],
        ['redis=main key=a copy=on', qr/"copy=on" of recs_set "s"/],
        ["$file key=a", $only], ["$file type=set", $only],
        ['value=a key=a', $only], ['value=a within=1d', $only],
        ["$file min=1", $only],
        ["$file unit=ms", $only], ['value=$arg_a unit=ms', $only],
        ["$file feed=f", $replica], ['value=$arg_a shrink=50%', $replica],
        ['file=%%TESTDIR%%/none',
            qr/"\S+none" of recs_set "s" cannot be opened .*No such file/],
        ['file=%%TESTDIR%%', qr/of recs_set "s" is not a regular file/],
    );

    for my $row (@wrong) {
        my ($options, $message) = @$row;
        refuses($options, "recs_set s $options;", $message);
    }

    refuses('33 sets', join("\n", map({ "recs_set s$_ value=a;" } 1 .. 33),
                            'recs_require ' . join(' ', map { "s$_" } 1 .. 33)
                            . ';'),
            qr/"recs_require" .*at most 32/, 35);
};


subtest 'recs_pool refuses what is no pool' => sub {
    my $one = qr/"p" must have exactly one of "redis=" and "file="/;
    my $file = 'file=%%TESTDIR%%/pool.ndjson';

    my @wrong = (
        ['refresh=1s', $one],
        ["redis=main key=a $file", $one],
        ['redis=main', qr/"p" must have "key=" with "redis="/],
        ['redis=main key=a:$arg_u', qr/"key=a:\$arg_u" .*can't have variables/],
        ['redis=main key=a id=id', qr/"id" in recs_pool: .*starts with "\/"/],
        ["$file key=a", qr/"p" can have "key=" only with "redis="/],
        ["$file id=id", qr/"id" in recs_pool: .*starts with "\/"/],
        ["$file id=/a/*", qr/"id=\/a\/\*" .*an object has one of it/],
        ["$file weight=/a/*", qr/"weight=\/a\/\*" .*an object has one of it/],
        ["$file weight=w", qr/"w" in recs_pool: .*starts with "\/"/],
        ["$file category=/*", qr/"category=\/\*" .*an object has one of it/],
        ["$file refresh=10ms", qr/"refresh=10ms" .*at least "100ms"/],
        ["$file refresh=x", qr/"refresh=x" .*a time such as "60s"/],
        ["$file size=4095", qr/"size=4095" .*from "4k" to "64m"/],
        ["$file size=65m", qr/"size=65m" .*from "4k" to "64m"/],
        ["$file size=x", qr/"size=x" .*from "4k" to "64m"/],
        ['file=%%TESTDIR%%/large.ndjson size=4k',
            qr/of recs_pool "p" does not fit into size=4k, 9k are needed/],
        ["$file max=3", qr/"max=3" of recs_pool "p"/],
        ['file=%%TESTDIR%%/none',
            qr/"\S+none" of recs_pool "p" cannot be opened .*No such file/],
        ['file=%%TESTDIR%%', qr/of recs_pool "p" is not a regular file/],
    );

    for my $row (@wrong) {
        my ($options, $message) = @$row;
        refuses($options, "recs_pool p $options;", $message);
    }
};


subtest 'recs_explore refuses what is no policy' => sub {
    my $must = qr/"fresh" must have "rate=" and "slots="/;
    my $slots = qr/they must be numbers from 1 to 5000, ascending/;
    my $share = qr/it must be a share such as "5%" or "0.25%"/;

    my @wrong = (
        ['', $must], ['rate=5%', $must], ['slots=1', $must],
        ['rate=5 slots=1', $share], ['rate=% slots=1', $share],
        ['rate=101% slots=1', $share], ['rate=100.0001% slots=1', $share],
        ['rate=-5% slots=1', $share], ['rate=0.00001% slots=1', $share],
        ['rate=$arg_rate slots=1', $share],
        ['rate=5% slots=0', $slots], ['rate=5% slots=5001', $slots],
        ['rate=5% slots=7,3', $slots], ['rate=5% slots=3,3', $slots],
        ['rate=5% slots=3,', $slots], ['rate=5% slots=,3', $slots],
        ['rate=5% slots=all', $slots], ['rate=5% slots=-1', $slots],
        ['rate=5% slots=' . join(',', 1 .. 17), qr/at most 16/],
        ['rate=5% slots=1 panel=0', qr/"panel=0" .*from 1 to 128/],
        ['rate=5% slots=1 panel=129', qr/"panel=129" .*from 1 to 128/],
        ['rate=5% slots=1 panel=x', qr/"panel=x" .*from 1 to 128/],
        ['rate=5% slots=1 method=greedy',
            qr/"method=greedy" .*must be "uniform", "weighted" or "diverse"/],
        ['rate=5% slots=1 speed=2', qr/"speed=2" of recs_explore "fresh"/],
    );

    for my $row (@wrong) {
        my ($options, $message) = @$row;
        refuses($options || 'nothing', "recs_explore fresh $options;",
                $message);
    }

    my $one = 'recs_explore fresh rate=5% slots';

    refuses('a slot of two', "$one=1,3;\n$one=2,3;",
            qr/must have other "slots=" than the recs_explore before it/, 3);
    refuses('too many slots', "$one=" . join(',', 1 .. 9) . ";\n$one="
            . join(',', 10 .. 17) . ';', qr/too many slots, at most 16/, 3);
    refuses('on and off', "$one=1;\nrecs_explore off;", qr/is duplicate/, 3);
    refuses('off and on', "recs_explore off;\n$one=1;", qr/is off already/, 3);

    for my $row (['weighted', 'weight='], ['diverse', 'category=']) {
        my ($method, $option) = @$row;
        refuses("$method needs $option", "$one=1 method=$method;",
                qr/"fresh" must have "$option" for "method=$method" in \S+:2/);
    }
};


# Inheritance.  Each row says one directive three times, with other values in
# http, in the second server and in a location, and what is seen of it there.

my $page = '{"a":["x","y"],"b":["x","y"],"c":["x","y"],"items":['
         . '{"id":"x","sku":"y","ref":"z"},{"id":"y","sku":"z","ref":"x"},'
         . '{"id":"z","sku":"x","ref":"y"},{"id":"z","sku":"z","ref":"z"}]}';

my $api = $t->upstream(sub {
    my ($req) = @_;
    return { body => $page, type => $req->{args}{type} // 'application/json' };
});

# Answers late, but always.
my $fake = $t->fake_redis(sub {
    my ($cmd) = @_;
    return "+PONG\r\n" if $cmd->[0] eq 'PING';
    return [\0.3, '*' . (@$cmd - 2) . "\r\n" . ":0\r\n" x (@$cmd - 2)];
});

my $nginx;


sub inherits {
    my ($name, %row) = @_;

    my $always = $row{always} // '';
    $always .= ' recs on;' if $name !~ /^recs(?:,|$)/;

    my $location = "proxy_pass http://%%API%%;";
    my $http = <<"END";
recs_redis late { server %%FAKE%%; timeout 10s; }
recs_set slow redis=late key=k absent=empty;
recs_set x value=x;
recs_set y value=y;
recs_set z value=z;
recs_pool fresh file=%%TESTDIR%%/pool.ndjson;
add_header X-User "\$recs_user";
add_header X-Event "\$recs_event";
$always
$row{http}
server {
    listen %%LISTEN%%;
    location / { $location }
    location /own { $row{location} $location }
}
server {
    listen %%LISTEN_B%%;
    $row{server}
    location / { $location }
    location /own { $row{location} $location }
}
END

    if ($nginx) {
        $nginx->reload(http => $http) or return fail("$name: a reload");
    } else {
        $nginx = $t->nginx($http);
    }

    my @places = (['', '/'], ['B', '/'], ['', '/own'], ['B', '/own']);
    my @seen = map {
        my ($port, $path) = @$_;
        $row{see}->(sub {
            $t->request('GET', $path . ($_[0] // ''), { port => $port });
        });
    } @places;

    my ($of_http, $of_server, $of_location) = @{ $row{want} };
    is_deeply(\@seen, [$of_http, $of_server, $of_location, $of_location],
              $name) or diag(explain(\@seen));
}


sub ids {
    my ($r, $member) = @_;

    return join '', map { ref $_ ? $_->{id} : $_ }
                    @{ $r->json->{ $member // 'items' } };
}


sub reason { return $_[0]->header('Recs-Filter') =~ s/;total=.*//r }


subtest 'a level inherits what it does not say itself' => sub {
    inherits('recs',
        http => 'recs on;', server => 'recs off;', location => 'recs on;',
        see => sub { defined $_[0]->()->header('Recs-Filter') ? 1 : 0 },
        want => [1, 0, 1]);

    inherits('recs, in each of its modes',
        http => 'recs shadow;', server => 'recs on;',
        location => 'recs off;', always => 'recs_exclude x;',
        see => sub {
            my $r = $_[0]->();
            return ($r->header('Recs-Filter') // 'off') =~ s/;.*//r
                . ' ' . ids($r);
        },
        want => ['shadow xyzz', 'filtered yzz', 'off xyzz']);

    inherits('recs_types',
        http => 'recs_types text/a;', server => 'recs_types text/b text/c;',
        location => 'recs_types application/json;',
        see => sub {
            my ($get) = @_;
            return join ' ', grep {
                defined $get->("?type=$_")->header('Recs-Filter')
            } qw(text/a text/b text/c application/json application/b%2Bjson);
        },
        want => ['text/a', 'text/b text/c', 'application/json']);

    inherits('recs_user',
        http => 'recs_user h;', server => 'recs_user s;',
        location => 'recs_user $uri;',
        see => sub { $_[0]->()->header('X-User') }, want => ['h', 's', '/own']);

    inherits('recs_event',
        http => 'recs_event h;', server => 'recs_event s;',
        location => 'recs_event $uri;',
        see => sub { $_[0]->()->header('X-Event') },
        want => ['h', 's', '/own']);

    inherits('recs_items, with what is with them',
        always => 'recs_on_bad_body reject;',
        http => 'recs_items /items with=/none;',
        server => 'recs_items /items;',
        location => 'recs_items /items with=/nowhere;',
        see => sub { $_[0]->()->status }, want => [502, 200, 502]);

    inherits('recs_items',
        always => 'recs_exclude x;', http => 'recs_items /a;',
        server => 'recs_items /b /c;', location => 'recs_items /items;',
        see => sub {
            my $r = $_[0]->();
            return join ' ', grep { ids($r, $_) !~ /x/ } qw(a b c items);
        },
        want => ['a', 'b c', 'items']);

    inherits('recs_item_id',
        always => 'recs_exclude x;', http => 'recs_item_id /id;',
        server => 'recs_item_id /sku;', location => 'recs_item_id /ref;',
        see => sub { ids($_[0]->()) }, want => ['yzz', 'xyz', 'xzz']);

    inherits('recs_require, all of a level or none of it',
        http => 'recs_require x; recs_require y;',
        server => 'recs_require z y;', location => 'recs_require z;',
        see => sub { $_[0]->()->header('Recs-Sets') },
        want => ['x;removed=3, y;removed=1', 'z;removed=2, y;removed=2',
                 'z;removed=2']);

    inherits('recs_require off',
        always => 'recs_exclude z;',
        http => 'recs_require x;', server => 'recs_require off;',
        location => 'recs_require y;',
        see => sub { $_[0]->()->header('Recs-Sets') },
        want => ['x;removed=3, z;removed=0', 'z;removed=2',
                 'y;removed=3, z;removed=0']);

    inherits('recs_exclude off',
        always => 'recs_require z;',
        http => 'recs_exclude x;', server => 'recs_exclude y;',
        location => 'recs_exclude off;',
        see => sub { $_[0]->()->header('Recs-Sets') },
        want => ['z;removed=2, x;removed=0', 'z;removed=2, y;removed=0',
                 'z;removed=2']);

    inherits('recs_version off',
        http => 'recs_version model value=h;', server => 'recs_version off;',
        location => 'recs_version schema value=l;',
        see => sub {
            my $r = $_[0]->();
            join ' ', map { $r->header("Recs-$_-Version") // '-' }
                      qw(Model Schema);
        },
        want => ['h -', '- -', '- l']);

    inherits('recs_freshness off',
        http => 'recs_freshness candidates value=1;',
        server => 'recs_freshness features value=1 max_age=1;',
        location => 'recs_freshness off;',
        see => sub {
            my $r = $_[0]->();
            return ($r->header('Recs-Filter') =~ /^(\w+)/)[0]
                   . (defined $r->header('Recs-Age') ? ' age' : '');
        },
        want => ['filtered age', 'stale', 'filtered']);

    inherits('recs_exclude, beside recs_require',
        always => 'recs_require z;',
        http => 'recs_exclude x; recs_exclude y;', server => 'recs_exclude z;',
        location => 'recs_exclude y x;',
        see => sub { $_[0]->()->header('Recs-Sets') =~ s/;removed=\d+//gr },
        want => ['z, x, y', 'z, z', 'z, y, x']);

    inherits('recs_distinct',
        http => 'recs_distinct on;', server => 'recs_distinct off;',
        location => 'recs_distinct on;',
        see => sub { ids($_[0]->()) }, want => ['xyz', 'xyzz', 'xyz']);

    inherits('recs_limit',
        http => 'recs_limit 1;', server => 'recs_limit 2;',
        location => 'recs_limit 0;',
        see => sub { ids($_[0]->()) }, want => ['x', 'xy', 'xyzz']);

    inherits('recs_explore and its off',
        http => 'recs_explore fresh rate=100% slots=1;',
        server => 'recs_explore off;',
        location => 'recs_explore fresh rate=100% slots=2,3;',
        see => sub { ids($_[0]->()) =~ s/n\d/+/gr },
        want => ['+xyz', 'xyzz', 'x++y']);

    inherits('recs_backfill and its off',
        http => 'recs_backfill fresh min=5;', server => 'recs_backfill off;',
        location => 'recs_backfill fresh min=6;',
        see => sub { ids($_[0]->()) },
        want => ['xyzzn1', 'xyzz', 'xyzzn1n2']);

    inherits('recs_freshness, all of a level or none of it',
        http => "recs_freshness candidates value=1 max_age=1h;\n"
              . 'recs_freshness features value=1 max_age=1h;',
        server => 'recs_freshness features value=1 max_age=1h;',
        location => 'recs_freshness candidates value=1;',
        see => sub {
            my $r = $_[0]->();
            return join ' ', defined $r->header('Recs-Age') ? 'age' : '-',
                             $r->header('Recs-Filter') =~ /stale="(.*)"/;
        },
        want => ['age candidates features', '- features', 'age']);

    inherits('recs_expires and its off',
        http => 'recs_expires 30s;', server => 'recs_expires off;',
        location => 'recs_expires 0;',
        see => sub { $_[0]->()->header('Cache-Control') // '-' },
        want => ['private, max-age=30', '-', 'private, no-cache']);

    inherits('recs_on_skew',
        always => 'recs_version model value=a accept=b;',
        http => 'recs_on_skew reject;', server => 'recs_on_skew tag;',
        location => 'recs_on_skew reject;',
        see => sub { $_[0]->()->status }, want => [502, 200, 502]);

    inherits('recs_on_bad_body',
        always => 'recs_items /none;',
        http => 'recs_on_bad_body reject;', server => 'recs_on_bad_body pass;',
        location => 'recs_on_bad_body reject;',
        see => sub { $_[0]->()->status }, want => [502, 200, 502]);

    inherits('recs_on_bad_body, of what is too large',
        always => 'recs_max_items 1;',
        http => 'recs_on_bad_body reject_too_large;',
        server => 'recs_on_bad_body pass;',
        location => 'recs_on_bad_body reject;',
        see => sub { $_[0]->()->status }, want => [502, 200, 502]);

    inherits('recs_on_unidentified',
        always => 'recs_item_id /none;',
        http => 'recs_on_unidentified reject;',
        server => 'recs_on_unidentified keep;',
        location => 'recs_on_unidentified reject;',
        see => sub { $_[0]->()->status }, want => [502, 200, 502]);

    inherits('recs_version, all of a level or none of it',
        http => "recs_version model value=m1;\nrecs_version schema value=s1;",
        server => 'recs_version model value=m2 accept=m2;',
        location => 'recs_version features body=/none accept=f;',
        see => sub {
            my $r = $_[0]->();
            return join ' ', map { $_ // '-' }
                             $r->header('Recs-Model-Version'),
                             $r->header('Recs-Schema-Version'),
                             $r->header('Recs-Filter') =~ /skew="(.*)"/;
        },
        want => ['m1 s1', 'm2 -', '- - features']);

    inherits('recs_lookup_timeout',
        always => 'recs_exclude slow;', http => 'recs_lookup_timeout 10ms;',
        server => 'recs_lookup_timeout 10s;',
        location => 'recs_lookup_timeout 11ms;',
        see => sub { reason($_[0]->()) },
        want => ['degraded', 'filtered', 'degraded']);

    inherits('recs_max_body_size',
        always => 'recs_on_bad_body pass;',
        http => 'recs_max_body_size 10;', server => 'recs_max_body_size 1k;',
        location => 'recs_max_body_size 20;',
        see => sub { reason($_[0]->()) },
        want => ['too_large;why=body', 'filtered', 'too_large;why=body']);

    inherits('recs_max_items',
        always => 'recs_on_bad_body pass;',
        http => 'recs_max_items 3;', server => 'recs_max_items 4;',
        location => 'recs_max_items 1;',
        see => sub { reason($_[0]->()) },
        want => ['too_large;why=items', 'filtered', 'too_large;why=items']);

    inherits('recs_tag',
        http => 'recs_tag off;', server => 'recs_tag body;',
        location => 'recs_tag both;',
        see => sub {
            my $r = $_[0]->();
            return (defined $r->header('Recs-Filter') ? 'h' : '')
                . ($r->json->{_recs} ? 'b' : '');
        },
        want => ['', 'b', 'hb']);

    inherits('recs_explain',
        http => 'recs_explain 1;', server => 'recs_explain 0;',
        location => 'recs_explain $uri;',
        see => sub { $_[0]->()->json->{_recs} ? 1 : 0 }, want => [1, 0, 1]);
};


subtest 'what nobody says is as documented' => sub {
    $nginx->reload(http => <<'HTTP') or fail('a reload');
recs on;
server {
    listen %%LISTEN%%;
    location / { proxy_pass http://%%API%%; }
}
HTTP

    my $r = $t->get('/');
    is($r->body, $page, 'nothing is removed, nor added to the body');
    is($r->header('Recs-Filter'),
       'filtered;total=4;kept=4;removed=0;explored=0',
       'the shelf is /items, and the header says so');
    is($r->header('Cache-Control'), 'private, no-cache', 'kept by nobody');
    is($r->header('Recs-Age'), undef, 'no age');
    is(defined $t->get("/?type=$_")->header('Recs-Filter') ? 1 : 0, 1, $_)
        for 'application/vnd.api%2Bjson', 'application/json;charset=utf-8';
    ok(!defined $t->get('/?type=text/plain')->header('Recs-Filter'),
       'text/plain is not looked at');
};


subtest 'the module is out of the way where nobody asks for it' => sub {
    $nginx->reload(http => <<'HTTP') or fail('a reload');
add_header X-State "$recs_state$recs_total$recs_user";
server {
    listen %%LISTEN%%;
    location / { proxy_pass http://%%API%%; }
}
HTTP

    my $r = $t->get('/');
    is($r->body, $page, 'the body');
    is_deeply([grep { /^(?:Recs-|X-State)/i } $r->header_names], [],
              'no header, and the variables are empty');
};


$t->done;
