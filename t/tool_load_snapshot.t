use strict;
use warnings;

# tools/load-snapshot loads rows as they are in the files; its counts are true
# wherever it was stopped, and its errors say what to do.

use FindBin;
use lib "$FindBin::Bin/lib";

use Fcntl qw(O_WRONLY O_NONBLOCK);
use IO::Handle;
use JSON::PP qw(decode_json);
use POSIX ();
use Recs::Process qw(run slurp);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new(module => 0);
my $loader = $t->root . '/tools/load-snapshot';
my @FACTS = qw(--model=m1 --schema=3 --features=f7 --generated-at=1763800000);

# Tools are told its socket.

our $redis = $t->redis(kind => 'plain');    # where rows are looked for
my $n;

$SIG{PIPE} = 'IGNORE';      # a loader may be gone before its pages are


subtest 'pages' => sub {
    my @pages = $t->data('recs.ndjson');
    my %pages = map { /"user":"(u\d+)"/ ? ($1 => $_) : () } @pages;
    my $file = $t->root . '/t/data/recs.ndjson';

    my ($status, $output) = load(
        qw(--model=/model_version --schema=/schema_version
           --features=/feature_schema --generated-at=/generated_at
           --max-age=36h home v1), $file);
    is $status, 0, 'loaded';
    is $output, "v1: 300 of 300 rows\n"
        . "v1: no _default page: users without a row get none\n", 'says so';

    is_deeply rows('v1'), \%pages, 'each user has his page, byte by byte';
    is_deeply descriptor('v1'), {
        model => 'als-2026-11-21', schema => 3, features => 'books-f7',
        generated_at => 1795305600, max_age => 129600, expected => 300,
        written => 300, state => 'complete' }, 'descriptor';

    ($status, $output) = load(qw(home v1), $file);
    is $status, 0, 'again';
    like $output, qr/^\Q$file\E: is loaded\nv1: 300 of 300 rows\n/,
        'there is nothing to do';
    is descriptor('v1')->{written}, 300, 'and nothing is counted twice';
};


subtest 'the default page' => sub {
    my ($a, $b) = pages('a', 'b');

    loads([$a, '{"user":"_default","n":1}', $b]);
    is_deeply rows('v1'), { a => $a, b => $b,
                            _default => '{"user":"_default","n":1}' },
        'a line of the file';
    is descriptor('v1')->{written}, 2, 'does not count';
    is descriptor('v1')->{expected}, 2, 'nor is it expected';

    my $first = $t->write('first.ndjson', qq({"user":"_default","n":1}\n)
                                          . qq({"user":"a","model":"m7"}\n));
    my ($done) = load(@FACTS[1 .. 3], '--model=/model', qw(home first), $first);
    is $done, 0, 'it may be the first';
    is descriptor('first')->{model}, 'm7', 'versions are of a user\'s page';

    my $default = $t->write('default.json', qq([{"id":"b9"}]\n\n));
    my ($file, $output) = loads([$a], "--default=$default");
    is rows('v1')->{_default}, '[{"id":"b9"}]', 'a file';
    unlike $output, qr/no _default/, 'is enough';

    is((load(@FACTS, "--default=$default", qw(home v1), $file))[0], 0,
       'the same one again');
    is_deeply [load("--default=$file", qw(home v1), $file)],
        [1, "load-snapshot: v1 has another _default page already\n"],
        'another one';

    for my $bad ('1', '{}{}', '{"a":1', '', '"x"') {
        my $path = $t->write('bad.json', $bad);
        like refuses([$a], "--default=$path"),
            qr/^load-snapshot: \Q$path\E is not a page: /, "bad: $bad";
    }
};


subtest 'users' => sub {
    my $long = 'x' x 10_240;

    for my $case (
        ['/user', '{"user":"u 1\\n{}"}', "u 1\n{}"],
        ['/user', '{"user":"\\u00e9\\ud83d\\ude00\\/\\"\\\\\\t"}',
            "\xc3\xa9\xf0\x9f\x98\x80/\"\\\t"],
        ['/user', "{\"user\":\"\xc3\xa9\"}", "\xc3\xa9"],
        ['/user', '{"us\\u0065r":"a"}', 'a'],
        ['/user', "{\"user\":\"$long\"}", $long],
        ['/user', '{"user":12345678901234567890123}',
            '12345678901234567890123'],
        ['/user', '{"user":-7}', '-7'],
        ['/user', '{"user":"a","user":"b"}', 'b'],
        ['/user', " {\"x\":[1,{\"user\":\"no\"}] , \"user\" :\t\"a\"} ", 'a'],
        ['/who/id', '{"who":{"id":"a"},"items":[]}', 'a'],
        ['/0/id', '[{"id":"a"},{"id":"b"}]', 'a'],
        ['/1', '["a","b"]', 'b'],
        ['/a~1b/~0', '{"a/b":{"~":"a"}}', 'a'],
        ['/', '{"":"a"}', 'a'],
    ) {
        my ($pointer, $page, $user) = @$case;

        loads([$page], "--user=$pointer");
        my $name = substr $page, 0, 60;
        is_deeply rows('v1'), { $user => $page =~ s/\s+\z//r },
            "$pointer: " . $name =~ s/[^ -~]/?/gr;
    }
};


subtest 'pages with everything' => sub {
    for my $case (
        ['numbers', '[0,-0,1.5,-1e5,2E+3,1e-7,12345678901234567890.5]'],
        ['values', '[true,false,null,"",{},[],{"a":{}},[[]]]'],
        ['white space', "{ \"a\" : [ 1 ,\t2 , { } , [ ] ] }"],
        ['escapes', '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\ud800"'],
        ['UTF-8', "\"\x7f\xc2\x80\xe0\xa0\x80\xed\x9f\xbf\xf4\x8f\xbf\xbf\""],
        ['many elements', '[' . '1,' x 200_000 . '1]'],
        ['many members', '{' . '"a":1,' x 100_000 . '"a":1}'],
        ['many escapes', '"' . '\\n' x 200_000 . '"'],
        ['a deep page', '[' x 500 . ']' x 500],
        ['a large page', '"' . 'x' x 5_000_000 . '"'],
    ) {
        my ($name, $json) = @$case;
        my $page = "{\"x\":$json,\"user\":\"a\"}";

        loads([$page]);
        ok rows('v1')->{a} eq $page, $name;
    }
};


subtest 'bad lines' => sub {
    my @good = pages('a', 'b', 'c', 'd');

    for my $case (
        ['{"user":"x"', 'no JSON from byte 12 on'],
        ['{"user":"x"}}', 'no JSON from byte 13 on'],
        ['{"user":"x",}', 'no JSON from byte 13 on'],
        ['{"user":"x","a":[1,]}', 'no JSON from byte 17 on'],
        ['{"user":"x","a":01}', 'no JSON from byte 18 on'],
        ['{"user":"x","a":+1}', 'no JSON from byte 17 on'],
        ['{"user":"x","a":nul}', 'no JSON from byte 17 on'],
        ["{\"user\":\"x\x01\"}", 'no JSON from byte 9 on'],
        ['{"user":"\\x"}', 'no JSON from byte 9 on'],
        ["\xef\xbb\xbf{\"user\":\"x\"}", 'neither an object nor an array'],
        ['"x"', 'neither an object nor an array'],
        ['u1 {}', 'neither an object nor an array'],
        ["{\"user\":\"\xff\"}", 'not UTF-8'],
        ["{\"user\":\"\xc0\x80\"}", 'not UTF-8'],
        ["{\"user\":\"x\",\"a\":\"\xed\xa0\x80\"}", 'not UTF-8'],
        ["{\"user\":\"\xf4\x90\x80\x80\"}", 'not UTF-8'],
        ['{"id":"x"}', 'nothing at /user'],
        ['[]', 'nothing at /user'],
        ['{"user":""}', "the user's id is empty"],
        ['{"user":"\\ud800"}', 'half of a surrogate pair'],
        ['{"user":1.5}', '/user is neither a string nor an integer'],
        ['{"user":null}', '/user is neither a string nor an integer'],
        ['{"user":{"id":"x"}}', '/user is neither a string nor an integer'],
    ) {
        my ($line, $why) = @$case;

        fresh();
        my $file = file(@good[0, 1], '', $line, @good[2, 3]);
        my $name = $line =~ s/[^ -~]/?/gr;
        my ($status, $output) = load(@FACTS, qw(home v1), $file);

        is $status, 1, $name;
        is $output, "load-snapshot: $file line 4: $why. The lines before it "
            . "are loaded. Run the same command again: it goes on from "
            . "there.\n", 'says where, and why';
        is_deeply rows('v1'), { a => $good[0], b => $good[1] },
            'the lines before it are there';
        is descriptor('v1')->{state}, 'loading', 'loading';
        is descriptor('v1')->{written}, 2, 'two rows';

        $t->write(substr($file, length($t->dir) + 1),
                  join "\n", @good[0, 1], '', @good[2, 3]);
        ($status, $output) = load(qw(home v1), $file);
        is $status, 0, 'mended: goes on';
        like $output, qr/^\Q$file\E: going on after line 3\n/, 'from there';
        is_deeply rows('v1'), users(@good), 'to the end';
        is descriptor('v1')->{written}, 4, 'and counts all';
    }
};


subtest 'users that come twice' => sub {
    my @pages = pages('a', 'b', 'a');

    fresh();
    my $file = file(@pages);
    my ($status, $output) = load(@FACTS, qw(home v1), $file);
    is $status, 1, 'in one batch';
    is $output, "load-snapshot: $file line 3: there is a row \"home:v1:u:a\" "
        . 'already. Either a line before has the same user, or v1 was the '
        . "name of another load: a version is written once\n", 'says where';
    is_deeply rows('v1'), {}, 'nothing of the batch is written';
    is descriptor('v1')->{written}, 0, 'or counted';

    fresh();
    $file = file(pages(map { "u$_" } 1 .. 950, 7, 951 .. 2000));
    ($status, $output) = load(@FACTS, qw(home v1), $file);
    like $output, qr/line 951: there is a row "home:v1:u:u7" already/,
        'in another batch';
    is descriptor('v1')->{written}, scalar(keys %{ rows('v1') }),
        'what is written was counted';
    cmp_ok descriptor('v1')->{written}, '<', 951, 'nothing after it';

    fresh();
    $redis->cmd('SET', 'home:v1:u:b', 'of old');
    like refuses([@pages[0, 1]], qw(keep)), qr/line 2: there is a row /,
        'of another load';
    is $redis->cmd('GET', 'home:v1:u:b'), 'of old', 'is left';
};


# A named pipe holds back the rest of the file.

subtest 'killed in the middle' => sub {
    my @pages = large_pages(1200);

    for my $signal ('KILL', 'INT', 'TERM') {
        fresh();
        my $path = pipe_file();
        my $loading = start_load(@FACTS, '--expected=1200', qw(home v1), $path);
        my $write = writer($path);
        print $write map { "$_\n" } @pages[0 .. 899];
        $write->flush;
        ok wait_until(sub { (descriptor('v1')->{written} // 0) >= 500 }),
            'is in the middle';

        my $seen = descriptor('v1')->{written};
        kill $signal, $loading->pid;
        my $status = $loading->wait(10);
        close $write;

        if ($signal eq 'KILL') {
            is $status & 127, 9, "SIG$signal";
        } else {
            is $status >> 8, 75, "SIG$signal: try again";
            like $t->read('load.out'), qr/stopped\. Run the same command/,
                'says so';
        }

        is descriptor('v1')->{written}, scalar(keys %{ rows('v1') }),
            'the count is true';
        is descriptor('v1')->{state}, 'loading', 'it is not complete';

        unlink $path;
        my $file = file(@pages);
        rename $file, $path;
        my ($again, $output) = load(@FACTS, '--expected=1200', qw(home v1),
                                    $path);
        is $again, 0, 'again';
        my ($line) = $output =~ /going on after line (\d+)\n/;
        cmp_ok $line // 0, '>=', $seen, 'goes on from there';
        is_deeply rows('v1'), users(@pages), 'all rows are there';
        is descriptor('v1')->{written}, 1200, 'and counted';
        is descriptor('v1')->{expected}, 1200, 'as expected';
        is descriptor('v1')->{state}, 'complete', 'complete';
    }
};


subtest 'killed at any time, again and again' => sub {
    fresh();
    my @pages = large_pages(3000);
    my $file = file(@pages);
    my $kills = 0;

    for (1 .. 200) {
        my $before = descriptor('v1')->{written} // 0;
        my $loading = start_load(@FACTS, qw(home v1), $file);
        wait_until(sub {
            !$loading->alive
                || (descriptor('v1')->{written} // 0) > $before + 300
        });
        last if !$loading->alive;
        $loading->stop('KILL');
        $kills++;
    }

    cmp_ok $kills, '>', 2, "killed $kills times";
    is_deeply rows('v1'), users(@pages), 'all rows are there';
    is_deeply [@{ descriptor('v1') }{qw(written expected state)}],
        [3000, 3000, 'complete'], 'and counted';
};


subtest 'Redis goes away' => sub {
    my $other = $t->redis(name => 'other', kind => 'plain',
                          config => "appendonly yes\nappendfsync always");
    local $redis = $other;
    my @pages = large_pages(1200);
    my $path = pipe_file();
    my $loading = start_load(@FACTS, qw(home v1), $path);
    my $write = writer($path);

    print $write map { "$_\n" } @pages[0 .. 899];
    $write->flush;
    ok wait_until(sub { (descriptor('v1')->{written} // 0) >= 500 }),
        'in the middle';
    $redis->kill;
    print $write map { "$_\n" } @pages[900 .. 1199];
    close $write;

    is $loading->wait(20) >> 8, 75, 'try again';
    like $t->read('load.out'),
        qr/^load-snapshot: Redis is gone \(.*\)\. Run the same command again/m,
        'says so';

    unlink $path;
    my $file = file(@pages);
    rename $file, $path;
    is_deeply [load(@FACTS, qw(home v1), $path)],
        [75, 'load-snapshot: cannot connect to Redis at ' . $redis->socket
             . ": No such file or directory\n"], 'and while it is away';

    $redis->start;
    my ($status, $output) = load(@FACTS, qw(home v1), $path);
    is $status, 0, 'when it is back, it goes on';
    like $output, qr/going on after line \d{3,4}\n/, 'from there';
    is_deeply rows('v1'), users(@pages), 'all rows are there';
    is descriptor('v1')->{written}, 1200, 'and counted';
    $redis->stop;
};


subtest 'two loaders' => sub {
    my @pages = large_pages(1200);

    fresh();
    my $path = pipe_file();
    my $loading = start_load(@FACTS, qw(home v1), $path);
    my $write = writer($path);
    print $write map { "$_\n" } @pages[0 .. 899];
    $write->flush;
    wait_until(sub { (descriptor('v1')->{written} // 0) >= 500 });

    unlink $path;
    my $file = file(@pages);
    rename $file, $path;
    is((load(qw(home v1), $path))[0], 0, 'the second one gets through');

    print $write map { "$_\n" } @pages[900 .. 1199];
    close $write;
    is $loading->wait(10) >> 8, 1, 'the first one does not';
    like $t->read('load.out'), qr/: another loader is at work on it, or /,
        'and says why';
    is_deeply rows('v1'), users(@pages), 'all rows are there';
    is descriptor('v1')->{written}, 1200, 'each counted once';

    fresh();
    my @files = (file(@pages[0 .. 599]), file(@pages[600 .. 1199]));
    my @both = map { start_load(@FACTS, '--expected=1200', qw(home v1), $_) }
               @files;
    is $_->wait(30), 0, 'one file each' for @both;
    is_deeply rows('v1'), users(@pages), 'all rows are there';
    is descriptor('v1')->{written}, 1200, 'and counted';

    fresh();
    is((load(@FACTS, qw(home v1), @files))[0], 0, 'one loader, two files');
    is descriptor('v1')->{expected}, 1200, 'are one version';
};


subtest 'a file that is another one now' => sub {
    fresh();
    my $file = file(pages('a', 'b'), 'bad');
    load(@FACTS, qw(home v1), $file);

    $t->write(substr($file, length($t->dir) + 1), '{"user":"abcdefghijkl"}');
    my ($status, $output) = load(qw(home v1), $file);
    is $status, 1, 'refused';
    like $output, qr/is not the file that was being loaded: it has no line /,
        'and said so';

    for my $case (['--model=m2', 'model "m1", not "m2"'],
                  ['--max-age=1h', undef],
                  ['--schema=4', 'schema "3", not "4"'],
                  ['--generated-at=1', 'generated_at "1763800000", not "1"']) {
        my ($option, $text) = @$case;
        my (undef, $said) = load($option, qw(home v1), file());
        is $said, defined $text ? "load-snapshot: v1 was begun with $text\n"
                                : $said, "another version: $option";
    }
};


subtest 'publishing' => sub {
    my $library = slurp($t->root . '/conf/recs.lua');

    like refuses([pages('a')], '--publish'), qr/Redis says: .*not found/i,
        'without the library';

    fresh();
    $redis->cmd('FUNCTION', 'LOAD', $library);
    my @files = (file(pages(1 .. 98)), file(pages(99, 100)));
    my @args = (@FACTS, '--expected=100', '--who=me', qw(--publish home));

    my ($status, $output) = load(@args, 'v1', $files[0]);
    is $status, 1, '98%: refused';
    like $output, qr/^v1: 98 of 100 rows \(98\.00%\)$/m, 'says how many';
    like $output,
        qr/^load-snapshot: Redis says: INCOMPLETE .* v1 has 98 of 100/m,
        'and why';
    is active(), undef, 'stays';

    ($status, $output) = load(@args, 'v1', $files[1]);
    is $status, 0, 'the straggler: published';
    is active(), 'v1', 'active';
    like $output, qr/^v1: published in channel active$/m, 'says so';
    like +(load(@args, 'v1', $files[1]))[1],
        qr/^v1: is active already in channel active$/m, 'again';

    ($status, $output) = load('--min-coverage=98%', @args, 'v2', $files[0]);
    like $output, qr/^v2: published after v1 in channel active$/m,
        '98% is enough';
    ($status, $output) = load('--publish=canary', qw(home v1), $files[1]);
    is active('canary'), 'v1', 'another channel';

    my ($entry) = map { decode_json($_) }
        @{ $redis->cmd('FCALL', 'recs_history', 1, '{home}:history', 2) }[1];
    is $entry->{who}, 'me', 'who';

    is((load(@FACTS, '--publish', qw(home v3), file('x')))[0], 1, 'a bad line');
    is active(), 'v2', 'nothing is published';
};


subtest 'time to live' => sub {
    my @pages = pages('a', 'b');

    fresh();
    my $file = file(@pages, 'bad');
    my $default = $t->write('default.json', '{}');
    load(@FACTS, '--ttl=2h', "--default=$default", qw(home v1), $file);
    my $end = $redis->cmd('EXPIRETIME', '{home}:v1:meta');
    cmp_ok abs($end - time - 7200), '<', 20, 'two hours';

    $t->write(substr($file, length($t->dir) + 1),
              join "\n", @pages, pages('c'));
    load(qw(home v1), $file);
    cmp_ok abs($redis->cmd('EXPIRETIME', $_) - $end), '<=', 2, $_
        for sort @{ $redis->cmd('KEYS', '*') };

    loads(\@pages);
    is $redis->cmd('TTL', $_), -1, "for ever: $_"
        for sort @{ $redis->cmd('KEYS', '*') };
};


subtest 'ways to a Redis' => sub {
    my $file = file(pages('a'));
    my $tcp = $t->redis(name => 'tcp', tcp => 1, unix => 0,
                        requirepass => 'a-b');
    $tcp->cmd('ACL', 'SETUSER', 'job', 'on', '>secret', '~*', '&*', '+@all');
    my $password = $t->write('password', "secret\n");
    my @where = ('--host=127.0.0.1', '--port=' . $tcp->port);

    local $redis = $tcp;
    local $ENV{REDISCLI_AUTH} = 'a-b';
    is((load_at(\@where, @FACTS, qw(--db=3 home v1), $file))[0], 0,
       'a password in the environment');
    $redis->cmd('SELECT', 3);
    is_deeply rows('v1'), users(pages('a')), 'another database';

    delete $ENV{REDISCLI_AUTH};
    is((load_at(\@where, @FACTS, '--username=job',
                "--password-file=$password", qw(home v2), $file))[0], 0,
       'a user, and a password in a file');
    like +(load_at(\@where, @FACTS, qw(home v3), $file))[1],
        qr/^load-snapshot: Redis says: NOAUTH /, 'none';
    like +(load_at(\@where, @FACTS, "--password-file=$password", qw(home v3),
                   $file))[1],
        qr/^load-snapshot: Redis says: WRONGPASS /, 'a wrong one';
    $tcp->stop;

    my $cluster = $t->redis(name => 'cluster', tcp => 1,
                            config => 'cluster-enabled yes');
    $cluster->cmd('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
    wait_until(sub { $cluster->cmd('CLUSTER', 'INFO') =~ /state:ok/ }, 20);
    like +(load_at(['--socket=' . $cluster->socket], @FACTS, qw(home v1),
                   $file))[1],
        qr/^load-snapshot: v1 would be spread over a cluster's servers: /,
        'a cluster';
    $cluster->stop;
};


subtest 'a Redis that is full' => sub {
    fresh();
    my $file = file(pages('a'));
    $redis->cmd('CONFIG', 'SET', 'maxmemory', 1);
    my ($status, $output) = load(@FACTS, qw(home v1), $file);
    $redis->cmd('CONFIG', 'SET', 'maxmemory', 0);
    is $status, 75, 'try again';
    like $output, qr/^load-snapshot: Redis says: OOM /, 'says so';
    is((load(@FACTS, qw(home v1), $file))[0], 0, 'later it works');
};


subtest 'options' => sub {
    my $file = file(pages('a'));
    my $none = $t->dir . '/none';

    for my $case (
        [[], qr/^usage: /],
        [[qw(home v1)], qr/^usage: /],
        [['--nothing', qw(home v1), $file], qr/^Unknown option: nothing/],
        [['--port=x', qw(home v1), $file], qr/"x" invalid for option port/],
        [[@FACTS, '{home}', 'v1', $file], qr/^prefix "\{home\}" has braces/],
        [[@FACTS, 'home', 'v:1', $file], qr/^version "v:1": letters, /],
        [[@FACTS, 'home', 'v' x 65, $file], qr/^version "v+": .*at most 64/],
        [[@FACTS, qw(--user=user home v1), $file],
            qr/^--user=user: a JSON Pointer/],
        [[@FACTS, qw(--user=/a~2 home v1), $file], qr/^--user=\/a~2: /],
        [[@FACTS, qw(--ttl=1w home v1), $file],
            qr/^--ttl=1w: a number with s, m, h or d/],
        [[@FACTS, qw(--max-age=0 home v1), $file], qr/^--max-age=0: /],
        [[@FACTS, qw(--expected=0 home v1), $file],
            qr/^--expected must be 1 or more/],
        [[qw(home v1), $file], qr/^--model=, --schema=, --features=, /],
        [[@FACTS[0 .. 2], qw(home v1), $file],
            qr/^--generated-at= is missing/],
        [[@FACTS[0 .. 2], qw(--generated-at=now home v1), $file],
            qr/^--generated-at: "now" is neither unix seconds nor a date/],
        [[@FACTS, '--model=', qw(home v1), $file],
            qr/^Option model requires an argument/],
        [[@FACTS, "--schema=\xc3\xa9", qw(home v1), $file], qr/^--schema: /],
        [[@FACTS, '--model=/model', qw(home v1), $file],
            qr/^--model=\/model: of the first page: nothing at \/model/],
        [[@FACTS, qw(home v1), $none], qr/^\Q$none\E: No such file/],
        [[@FACTS, "--default=$none", qw(home v1), $file],
            qr/^\Q$none\E: No such file/],
        [[@FACTS, "--password-file=$none", qw(home v1), $file],
            qr/^\Q$none\E: No such file/],
    ) {
        my ($args, $text) = @$case;

        fresh();
        my ($status, $output) = load(@$args);
        is $status, 1, "$text";
        like $output =~ s/^load-snapshot: //r, $text, 'says why';
        is_deeply $redis->cmd('KEYS', '*'), [], 'nothing is written';
    }

    loads([pages('a')], '--generated-at=2026-11-21T22:40:00.5+01:00');
    is descriptor('v1')->{generated_at}, '2026-11-21T22:40:00.5+01:00',
        'a date';
};


subtest 'a terminal' => sub {
    plan skip_all => 'no pseudo-terminal can be had here'
        if system('script -qec true /dev/null </dev/null >/dev/null 2>&1');

    fresh();
    my $command = join ' ', 'perl', $loader, '--socket=' . $redis->socket,
                  @FACTS, qw(home v1), file(large_pages(500));
    my $shown = `script -qec '$command' /dev/null </dev/null`;
    is $?, 0, 'loaded';
    like $shown, qr/\r\[={40}\] 100%  500 rows, \d+\/s \r\nv1: 500 of 500/,
        'a bar';
};


subtest 'perl-base is enough' => sub {
    plan skip_all => 'not a Debian' if !-d base();

    fresh();
    my @args = ('--socket=' . $redis->socket, @FACTS, qw(home v1),
                file(pages('a')));
    my ($status, $output) = run('/usr/bin/perl', '-e',
        '@INC = shift; $0 = $ARGV[0]; do shift; die $@ if $@',
        base(), $loader, @args);
    is $status, 0, 'it runs' or diag($output);
};


$t->done;


# ---- Loading


sub load { return load_at(['--socket=' . $redis->socket], @_) }


# Exit code and output.

sub load_at {
    my ($where, @args) = @_;

    return run('perl', $loader, @args ? @$where : (), @args);
}


sub start_load {
    my @args = @_;

    unlink $t->dir . '/load.out';
    return Recs::Process->spawn(
        command => ['perl', $loader, '--socket=' . $redis->socket, @args],
        output => $t->dir . '/load.out');
}


# Into an empty Redis: the file, and what was said.

sub loads {
    my ($pages, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    fresh();
    my $file = file(@$pages);
    my ($status, $output) = load(@FACTS, @args, qw(home v1), $file);
    is $status, 0, '  loads' or diag($output);
    return ($file, $output);
}


# What is said; 'keep': what is in Redis stays.

sub refuses {
    my ($pages, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $keep = @args && $args[0] eq 'keep' ? shift @args : '';
    fresh() if !$keep;
    my ($status, $output) = load(@FACTS, @args, qw(home v1), file(@$pages));
    is $status, 1, '  refuses';
    return $output =~ s/^v1: .*\n//mgr;
}


sub file { return $t->write('pages-' . ++$n, join '', map { "$_\n" } @_) }


# A named pipe, and its writing end once somebody reads it.

sub pipe_file {
    my $path = $t->dir . '/pipe-' . ++$n;
    POSIX::mkfifo($path, 0600) or die "$path: $!";
    return $path;
}


sub writer {
    my ($path) = @_;

    my $write;
    wait_until(sub { sysopen $write, $path, O_WRONLY | O_NONBLOCK })
        or die "nobody reads $path: $!\n";
    $write->blocking(1);
    return $write;
}


sub pages { return map { qq({"user":"$_","items":[{"id":"b$_"}]}) } @_ }


# Of 2 KB each.

sub large_pages {
    my ($count) = @_;

    return map { qq({"user":"u$_","text":") . "$_ " x 400 . '"}' } 1 .. $count;
}


sub users { return { map { /"user":"(\w+)"/ ? ($1 => $_) : () } @_ } }


# ---- What Redis has


sub fresh { $redis->cmd('FLUSHALL') }


sub rows {
    my ($version) = @_;

    my @keys = @{ $redis->cmd('KEYS', "home:$version:u:*") };
    my @values = @keys ? @{ $redis->cmd('MGET', @keys) } : ();
    s/^home:$version:u:// for @keys;
    return { map { ($keys[$_] => $values[$_]) } 0 .. $#keys };
}


sub descriptor { return { @{ $redis->cmd('HGETALL', "{home}:$_[0]:meta") } } }


sub active {
    my ($channel) = @_;

    return $redis->cmd('GET', '{home}:channel:' . ($channel // 'active'));
}


sub base {
    my ($dir) = grep { m{/perl-base\z} }
                split /\n/, `/usr/bin/perl -e 'print "\$_\\n" for \@INC'`;
    return $dir // '/none';
}
