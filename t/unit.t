use strict;
use warnings;

# What is plain C does what the tests in t/unit say, each a program and a
# subtest.

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(basename);
use File::Path qw(make_path);
use Recs::Process qw(slurp);
use Test::More;

my $root = "$FindBin::Bin/..";
my $out = "$root/build/unit";
my @flags = (qw(-std=c99 -Wall -Wextra -Werror -g -O1),
             "-DUNIT_DATA=\"$root/t/data\"");
my @memory = ('-fsanitize=address,undefined',
              '-fno-sanitize-recover=undefined');
my @threads = ('-fsanitize=thread');

# Tests ask msgpack's own unpacker, too; msgpack-c is its name on Debian 13.
my @msgpack = split ' ', `pkg-config --libs msgpack-c 2>/dev/null`
                         || `pkg-config --libs msgpack`;

$ENV{CMOCKA_MESSAGE_OUTPUT} = 'TAP';
delete $ENV{CMOCKA_XML_FILE};

make_path($out, "$out/portable", "$out/threads");

my @rooms = ("$root/src/page", "$root/src/redis", glob "$root/src/facts/*");
my @page = sort glob "$root/src/page/*.c";
my @tests = sort glob "$root/t/unit/test_*.c";

my @objects = map { compile($_, $out, @memory) // () } @page;
is scalar @objects, scalar @page, 'src/page compiles alone';
ok scalar @tests, 'there are unit tests';

# So is what stands among nginx' own: by its name, without "ngx_".

my @shared = sort map { glob "$root/src/$_/recs_*.c" } qw(facts/* redis);

for my $source (@shared) {
    my $object = compile($source, $out, @memory);
    ok $object, basename($source, '.c') . ' compiles alone';
    push @objects, $object // ();
}

for my $source (@tests) {
    subtest basename($source, '.c') => sub {
        run($source, $out, \@memory, @objects);
    };
}

# Strings are looked through with SSE2, and without where there is none.

my @portable = map {
    compile($_, "$out/portable", @memory, '-DRECS_NO_SSE2') // ()
} @page;
is scalar @portable, scalar @page, 'src/page compiles without SSE2';

for my $name (qw(test_json test_writer)) {
    subtest "$name without SSE2" => sub {
        run("$root/t/unit/$name.c", "$out/portable", \@memory, @portable);
    };
}

# What is read while it is written.

my $hash = compile("$root/src/page/recs_hash.c", "$out/threads", @threads);

for my $source (grep { slurp($_) =~ /__atomic/ } @shared) {
    my $name = basename($source, '.c') =~ s/^recs_//r;

    subtest "test_$name under ThreadSanitizer" => sub {
        my $object = compile($source, "$out/threads", @threads);
        run("$root/t/unit/test_$name.c", "$out/threads", \@threads,
            $object // (), $hash // ());
    };
}

done_testing;


sub compile {
    my ($source, $dir, @more) = @_;

    my $object = "$dir/" . basename($source, '.c') . '.o';
    return command('gcc', @flags, @more, (map { "-I$_" } @rooms), '-c',
                   $source, '-o', $object)
           ? $object : undef;
}


sub run {
    my ($source, $dir, $sanitizer, @objects) = @_;

    my $program = "$dir/" . basename($source, '.c');
    my $object = compile($source, $dir, @$sanitizer);

    ok($object && command('gcc', @flags, @$sanitizer, $object, @objects,
                          '-o', $program, qw(-lcmocka -lxxhash -lm -pthread),
                          @msgpack), 'compiles')
        or return;

    my $log = "$program.log";
    unlink $log;
    my $p = Recs::Process->spawn(command => [$program], output => $log);
    my $status = $p->wait(300);
    $p->stop('KILL') if !defined $status;

    my $report = slurp($log);
    my $failed = report($report);

    # A sanitizer ends the program, and so does a crash.
    ok(defined $status && $status == 0, 'ends well')
        or diag($failed ? () : $report);
}


# Each "ok" and "not ok" of cmocka becomes one of ours.

sub report {
    my ($text) = @_;

    my $n = 0;
    my $failed = 0;
    my @said;

    for my $line (split /\n/, $text) {
        if ($line =~ /^(?:not )?ok \d+ # SKIP (.*)/) {
            $n++;
            SKIP: { skip $1, 1 }

        } elsif ($line =~ /^(not )?ok \d+ - (.*)/) {
            $n++;
            $failed++ if $1;
            ok(!$1, $2) or diag(map { "$_\n" } @said);
            @said = ();

        } else {
            push @said, $line;
        }
    }

    my ($planned) = $text =~ /^\s*1\.\.(\d+)/m;
    is($n, $planned, 'as many tests as were planned');

    return $failed;
}


sub command {
    my (@command) = @_;

    my $log = "$out/compile.log";
    unlink $log;

    my $p = Recs::Process->spawn(command => \@command, output => $log);
    my $status = $p->wait(300);
    return 1 if defined $status && $status == 0;

    diag("@command\n" . slurp($log));
    return 0;
}
