use strict;
use warnings;

# tools/replay-exposure finds again what real responses drew, exactly, from
# their exposure records, the pool and the salt; what was altered is noticed.

use FindBin;
use lib "$FindBin::Bin/lib";

use Encode qw(encode_utf8);
use Recs::Process qw(run slurp);
use Recs::Test;
use Test::More;

use constant REQUESTS => 150;

my $t = Recs::Test->new;
my $redis = $t->redis;
my $tool = $t->root . '/tools/replay-exposure';
my $python = '/usr/bin/python3';

my @kinds = (qw("film" "book" "film" 7 "a\"\\b"), '"\u00e9"', 'null');
my @odd = ('1001', '12.50e1', '-5', '"q\"\\\\\u0000"', "\"\xc3\xa9\"",
           '"\u00e9\u00e8"', '"\ud83d\ude00"', '"\ud800"', '""');

# Ids are strings and integers; some entries can't be used.

my @entries = map {
    my $id = $_ <= @odd ? $odd[$_ - 1] : "\"n$_\"";
    my $weight = qw(1 2.5 0 0.1 3 1e2 0.7)[$_ % 7];
    qq({"id":$id,"weight":$weight,"kind":$kinds[$_ % @kinds]}\n)
} 1 .. 40;

my $pool = join '', @entries[0 .. 9], qq({"weight":1}\n), "no JSON\n",
    qq({"id":"n20","weight":-1}\n), @entries[10 .. 29], $entries[12],
    qq({"id":true,"weight":1}\n), qq({"id":1.5,"weight":1}\n),
    qq({"id":"n50","weight":"1"}\n), @entries[30 .. 39];

$t->write('fresh.ndjson', $pool);
$t->write('few.ndjson', join '', map { qq({"id":"n$_"}\n) } 1 .. 4, 30, 31);
$redis->cmd('SADD', 'stock', (map { "n$_" } grep { $_ % 5 } 1 .. 40),
            (map { "r$_" } 1 .. 30), 'a' .. 'z', 1001, 125, "\xc3\xa9",
            'q"\\' . "\0", "r\xff", 'r"24', '');

$redis->cmd('SADD', "seen:u$_", map { ("n$_", "r$_") } 4 * $_ .. 5 * $_)
    for 1 .. 6;

for (1 .. 20) {
    $redis->cmd('HSET', 'styles', "r$_", qq({"k":{"kind":$kinds[$_ % 7]}}));
}

$redis->cmd('HSET', 'styles', 'r22', '{"id":"r21"}', 'r23', 'no JSON',
            "r\xff", '{"x":1}', 'r"24', '{"id":"r\"24","k":{"kind":"film"}}');

my @pages = (
    '[{"id":"a","kind":"film"},{"id":"b","kind":7},{"id":"n9"},"c","d"]',
    '["n10","n11","n12","n13","r1","r2"]',
    '["a"]', '[]',
    '[' . join(',', map { "\"$_\"" } 'a' .. 'z') . ']',
    '[{"id":"e","kind":"book"},{"id":"f","kind":"\u00e9"},{"id":1001}]',
);

$t->write("pages/$_.json", "{\"items\":$pages[$_]}") for 0 .. $#pages;

# What recs_explore says, and so the tool's --explore.

my %lines = (
    uniform  => ['fresh rate=100% slots=2 panel=6 salt=s1'],
    all      => ['fresh rate=100% slots=1,2,4 panel=128'],
    gated    => ['fresh rate=62.5% slots=1,3 panel=4 "salt=a salt"'],
    weighted => ['fresh rate=100% slots=1,3,4 method=weighted panel=7 '
                 . 'salt=s2'],
    diverse  => ['fresh rate=100% slots=1,2,3 method=diverse panel=3 salt=s3'],
    lines    => ['fresh rate=50% slots=2,6 method=weighted panel=5 salt=s4',
                 'few rate=0.0001% slots=5',
                 'fresh rate=99.9999% slots=4 method=diverse panel=2 salt=s5 '
                 . 'key=$http_x_key',
                 'few rate=100% slots=1,3 panel=5 salt=s6'],
    styles   => ['styles rate=100% slots=1,2,3 method=diverse panel=4 '
                 . 'salt=s7'],
    capped   => ['fresh rate=100% slots=1,2 panel=9 salt=s9 cap=2/1h'],
    none     => ['none rate=100% slots=1'],
    hashed   => ['fresh rate=40% slots=1 salt=s8 key=$http_x_key'],
);

my %more = (hashed => 'recs_user_hash key_file=%%TESTDIR%%/key;');

my @pools = ('fresh file=' . $t->dir . '/fresh.ndjson weight=/weight '
                 . 'category=/kind',
             'few file=' . $t->dir . '/few.ndjson',
             'styles hash=' . $t->dir . '/styles.json category=/k/kind');

$t->write('key', 'an example key of 32 characters.');
$t->write('none.ndjson', '');

my $http = <<'HTTP';
log_format exposure escape=none '$recs_exposure';
recs_zone 16m;
recs_redis main { server %%REDIS%%; }
recs_set stock redis=main key=stock;
recs_set seen redis=main key=seen:$http_x_user;
recs_pool fresh file=%%TESTDIR%%/fresh.ndjson weight=/weight category=/kind;
recs_pool few file=%%TESTDIR%%/few.ndjson;
recs_pool none file=%%TESTDIR%%/none.ndjson;
recs_pool styles redis=main key=styles category=/k/kind refresh=1s;
recs on;
recs_require stock;
recs_exclude seen;
recs_limit 9;
recs_user $http_x_user;
recs_event $http_x_event;
recs_lookup_timeout 10s;
server {
    listen %%LISTEN%%;
    types { application/json json; }
    location = /status { recs_status; recs off; }
HTTP

for my $name (sort keys %lines) {
    $http .= "location /$name/ {\n    alias %%TESTDIR%%/pages/;\n"
        . "    access_log %%NGINX_DIR%%/$name.log exposure;\n"
        . join('', map { "    recs_explore $_;\n" } @{ $lines{$name} })
        . '    ' . ($more{$name} // '') . "\n}\n";
}

my $nginx = $t->nginx(http => "$http}\n", access_log => 'off', reloads => 0);


sub replay_with {
    my ($pools, $lines, @files) = @_;

    return run($python, $tool, (map { "--pool=$_" } @$pools),
               (map { "--explore=$_" } @$lines), @files);
}


sub replay {
    my ($name, @files) = @_;

    return replay_with(\@pools, $lines{$name}, @files);
}


sub log_of { return "$nginx->{dir}/$_[0].log" }

sub records { return split /\n/, slurp(log_of($_[0])) }


# A file of one record.

my $written = 0;

sub file_of {
    my ($record) = @_;

    return $t->write('record-' . ++$written, "$record\n");
}


sub counts {
    my ($output) = @_;

    return $output =~ /^records[ ](\d+),[ ]draws[ ](\d+),
                        [ ]disagreements[ ](\d+),[ ]not[ ]replayed[ ](\d+)\n
                        \z/mx;
}


subtest 'what was drawn is found again, exactly' => sub {
    ok wait_until(sub {
        my $pools = $t->get('/status')->json->{pools};
        return !grep { !$pools->{$_}{items} } qw(fresh few styles);
    }), 'the pools are there';

    my $c = $t->http;

    for my $name (sort keys %lines) {
        for my $n (1 .. REQUESTS) {
            my $event = $n % 10 == 0 ? encode_utf8("\x{e9}\"\\<$n>")
                      : $n % 10 == 1 ? "an event of more than 16 bytes $n"
                      : "e$n";
            my $r = $c->get("/$name/" . $n % @pages . '.json',
                            'X-User' => 'u' . $n % 7, 'X-Event' => $event,
                            'X-Key' => "k$n");
            is $r->status, 200 or last if $r->status != 200;
        }
    }

    run('sh', '-c', 'redis-cli -s "$0" --json HGETALL styles >"$1"',
        $redis->node_of('styles')->socket, $t->dir . '/styles.json');

    my %least = (all => 250, capped => 200, diverse => 150, gated => 100,
                 hashed => 30, lines => 400, none => 120, styles => 250,
                 uniform => 80, weighted => 250);

    for my $name (sort keys %lines) {
        ok wait_until(sub { records($name) == REQUESTS }), "$name: all logged";

        my ($status, $output) = replay($name, log_of($name));
        is $status, 0, 'the tool agrees' or diag($output);

        my ($records, $draws, $disagreements, $lost) = counts($output);
        is $records, REQUESTS, 'with all records';
        cmp_ok $draws, '>', $least{$name}, 'that draw often';
        is "$disagreements $lost", '0 0', 'everything';
        is $output =~ tr/\n//, 1, 'and says no more';
    }
};


subtest 'sets and caps refuse, slots stay unfilled, ids are odd' => sub {
    my $refused = grep { /"refused":\[\d/ } map { records($_) } keys %lines;
    cmp_ok $refused, '>', 300, 'many panels were refused in part';

    my $unfilled = grep { /"unfilled":\[\{/ } map { records($_) } keys %lines;
    cmp_ok $unfilled, '>', 20, 'and some slots unfilled';

    my %times;
    $times{$_}++ for map { /"id":"([^"]*)"[^{}]*"source":"explore"/g }
                     records('capped');
    is_deeply [grep { $_ > 2 } values %times], [], 'caps refuse';
    cmp_ok scalar(keys %times), '>', 20, 'what was drawn before';

    my $records = join "\n", map { records($_) } qw(all weighted styles);

    ok $records =~ /"id":"$_"[^{}]*"source":"explore"/, "$_ was drawn"
        for '1001', '125', "\xc3\xa9", 'q\\\\"\\\\\\\\\\\\u0000', 'r\\\\"24';
};


subtest 'records come from standard input, too' => sub {
    my ($status, $output) = run('sh', '-c', 'exec "$@" <"$0"',
        log_of('uniform'), $python, $tool,
        (map { "--pool=$_" } @pools), "--explore=$lines{uniform}[0]");
    is $status, 0, 'agrees';
    is +(counts($output))[0], REQUESTS, 'all of them';
};


# Whatever is altered in a record with three draws is noticed, and named.

subtest 'what was altered is noticed' => sub {
    my $uniform = qr/^(?=.*"explored":3)(?=.*"slot":4[^{]*"refused":\[\d+,\d)/;

    my ($all) = grep { /$uniform/ } records('all');
    my ($weighted) = grep { /$uniform/ } records('weighted');
    my ($diverse) = grep {
        /"explored":3/ && /"panel_size":3[^}]*"refused":\[1\]/
    } records('diverse');
    my ($gated) = grep { /"slot":3/ } records('gated');

    ok $all && $weighted && $diverse && $gated, 'there are such records';
    is +(replay($_->[0], file_of($_->[1])))[0], 0, "$_->[0] agrees before"
        for ['all', $all], ['weighted', $weighted], ['diverse', $diverse],
            ['gated', $gated];

    my $four = qr/"slot":4\b[^{}]*?/;
    my $next = sub { sprintf '%.17g', $_[0] * (1 + 1.2e-16) };

    my @alterations = (
        ['all', $all, 'p', sub { s/$four"p":\K([^,}]+)/$next->($1)/e }],
        ['all', $all, 'choice', sub { s/$four"choice":\K[^,}]+/0.5/ }],
        ['all', $all, 'panel_size', sub { s/$four"panel_size":\K\d+/9/ }],
        ['all', $all, 'pool_size', sub { s/$four"pool_size":\K\d+/50/ }],
        ['all', $all, 'eligible', sub { s/$four"eligible":\K\d+/2/ }],
        ['all', $all, 'refused', sub { s/$four"refused":\[\K\d+,// }],
        ['all', $all, 'refused', sub { s/$four"refused":\[\K/99,/ }],
        ['all', $all, 'panel', sub { s/$four"panel":\K\d+/127/ }],
        ['all', $all, 'gate', sub { s/$four"gate":\K\d+/0.5/ }],
        ['all', $all, 'method', sub { s/$four"method":"\Kuniform/weighted/ }],
        ['all', $all, 'id',
         sub { s/"id":"\K[^"]*(?="[^{}]*"slot":1\b)/n39/ }],
        ['all', $all, 'id',
         sub { s/"id":"\K[^"]*(?="[^{}]*"slot":1\b)/unknown/ }],
        ['all', $all, 'id',
         sub { s/"slot":\K1\b(.*"slot":)2\b/2$1 1/ }],
        ['all', $all, 'id', sub { s/"event":"\K/x/ }],
        ['weighted', $weighted, 'p',
         sub { s/$four"p":\K([^,}]+)/$next->($1)/e }],
        ['weighted', $weighted, 'choice',
         sub { s/$four"choice":\K([^,}]+)/$next->($1)/e }],
        ['weighted', $weighted, 'id', sub { s/"event":"\K/x/ }],
        ['diverse', $diverse, 'category',
         sub { s/"category":"\K[^"]*/nothing/ }],
        ['diverse', $diverse, 'refused',
         sub { s/"panel_size":3[^}]*"refused":\[\K1\]/1,1]/ }],
        ['gated', $gated, 'gate of that key',
         sub { s/"key":"\K[^"]*/u5/g }],
        ['gated', $gated, 'gate', sub { s/"gate":\K0\.625/0.626/ }],
    );

    for (@alterations) {
        my ($name, $before, $field, $alter) = @$_;

        local $_ = $before;
        $alter->();
        isnt $_, $before, "$name: $field altered";

        my ($status, $output) = replay($name, file_of($_));
        is $status, 1, '  is noticed';
        like $output, qr/: slot \d+: \Q$field\E is .+, replayed /, '  named'
            or diag($output);
    }
};


subtest 'another salt, another pool' => sub {
    my ($status, $output) = replay_with(\@pools, [$lines{uniform}[0] . '0'],
                                        log_of('uniform'));
    is $status, 1, 'a wrong salt disagrees';

    ($status, $output) = replay_with(\@pools, $lines{all}, log_of('uniform'));
    is $status, 1, 'so does another line';

    for my $change (['weight', 's/"id":"n12","weight":\K\S+?(?=,)/9/'],
                    ['category', 's/"id":"n12".*?"kind":\K[^}]+/"x"/'],
                    ['id', 's/"id":"\Kn12/n99/'],
                    ['order', 's/(.*n14.*\n)(.*\n)/$2$1/'])
    {
        my ($name, $edit) = @$change;
        my $copy = $pool;
        eval "\$copy =~ $edit; 1" or die $@;
        isnt $copy, $pool, "$name of one item changed";
        my $path = $t->write("changed-$name", $copy);

        my $other = $pools[0] =~ s/file=\S+/file=$path/r;
        ($status, $output) = replay_with([$other], $lines{weighted},
                                         log_of('weighted'));
        is $status, 2, '  can not be replayed';
        like $output, qr/not\ replayed:\ pool\ "fresh"\ was\ another\ one:\ its
                         \ fingerprint\ is\ ([0-9a-f]{16}),
                         \ not\ (?!\1)[0-9a-f]{16}\n/x, '  says why';

        ($status, $output) = replay_with([$other, $pools[0]],
                                         $lines{weighted},
                                         log_of('weighted'));
        is $status, 0, '  unless the older one is there, too';
    }
};


subtest 'what can not be replayed is said' => sub {
    my ($record) = grep { /"explored":1/ } records('uniform');

    for (['no JSON', 'no record'],
         ['{}', 'no record of this form'],
         ['[]', 'no record of this form'],
         [$record =~ s/"source":"explore"/"source":"candidate"/r,
          'not all that was drawn is in it'],
         [$record =~ s/"event":"\K/\\ufffd/r,
          'its event is cut, or was not UTF-8'],
         [$record =~ s/"event":"\K/'x' x 1100/er,
          'its event is cut, or was not UTF-8'],
         [$record =~ s/"refused":/"other":/r, 'no record of this form'],
         [$record =~ s/"slot":2/"slot":9/r, 'no --explore has that slot'],
         [$record =~ s/"pool":"fresh"/"pool":"other"/r,
          'pool "other" was another one'])
    {
        my ($text, $why) = @$_;
        my ($status, $output) = replay('uniform', file_of($text));
        is $status, 2, "$why: status 2";
        like $output, qr/^\S+:1: not replayed: \Q$why\E/, '  says so';
    }

    for ([['fresh'], [], 'neither file= nor hash='],
         [['fresh file=/nowhere'], [], 'No such file'],
         [['fresh file=x odd=1'], [], 'invalid parameter "odd=1"'],
         [[], ['fresh rate=1%'], 'no slots=']) {
        my ($pools, $lines, $why) = @$_;
        my ($status, $output) = replay_with($pools, $lines);
        is $status, 2, "$why: status 2";
        like $output, qr/\Q$why\E/, '  says so';
    }
};


$t->done;
