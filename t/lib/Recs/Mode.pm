package Recs::Mode;

=head1 NAME

Recs::Mode - the modes in which the tests can be run

=head1 SYNOPSIS

    my @command = Recs::Mode::wrap('/usr/sbin/nginx', '-t');
    my %more = Recs::Mode::environment('-t');   # for that command
    my $lines = Recs::Mode::kept_environment();
    my $seconds = Recs::Mode::patience(10);     # as long as it may take
    my $text = Recs::Mode::patient($text, $whole);      # of a configuration
    if (Recs::Mode::reloads()) { ... }
    my $kind = Recs::Mode::redis(%options);     # what $t->redis becomes
    my $three = Recs::Mode::protocol();         # it is asked in RESP3

=head1 DESCRIPTION

All that the test modes (F<docs/development.md>) change in the tests is said
here, and what a busy machine does: everything may take as many times as long
as there are processes that want a CPU for each one that there is.
Environment: C<ASAN>, C<VALGRIND>, C<HUP>, C<REDIS>, C<PROTOCOL>, of
F<t/run.sh>; C<RECS_PATIENCE>, how many times as long as usual everything may
take.

=cut

use strict;
use warnings;

use Cwd ();
use File::Basename qw(dirname);
use List::Util qw(max min);

my $TESTS = Cwd::abs_path(dirname(__FILE__) . '/../..');

# An answer from Redis may take as long as this, where nothing says how long:
# whether a machine is busy must not decide what a page shows.
my $LOOKUP = '10s';

# What a busy machine may multiply times by, and that and a mode together.
my $BUSIEST = 10;
my $MOST = 24;


sub asan     { return $ENV{ASAN} }
sub valgrind { return $ENV{VALGRIND} }
sub reloads  { return $ENV{HUP} }
sub protocol { return ($ENV{PROTOCOL} // 2) == 3 }


# What a Redis of these options (Recs::Redis) is in this mode: "plain", "tls",
# "cluster" or "sentinel".  One stays plain that is asked for by what only a
# plain server has.

sub redis {
    my (%opt) = @_;

    return 'plain' if grep { $opt{$_} } qw(tcp tcp6 tls databases);
    return 'plain' if ($opt{config} // '') =~ /cluster-enabled/;
    return $ENV{REDIS} || 'plain';
}


sub factor {
    return $ENV{RECS_PATIENCE} // (valgrind() ? 8 : asan() ? 3 : 1);
}


# As the machine is now, and was during the last minute.  On one that has
# nothing else to do it is $seconds, in no mode.

sub patience {
    my ($seconds) = @_;

    my $factor = factor();
    return $seconds * max($factor, min($MOST, $factor * busy()));
}


# How many processes there are, lately or now, that want a CPU, for each one:
# at least 1.

my $cpus;

sub busy {
    open my $fh, '<', '/proc/loadavg' or return 1;
    my ($lately, $now) = <$fh> =~ m{\A(\S+) \S+ \S+ (\d+)/} or return 1;
    $cpus ||= cpus();

    return max(1, min($BUSIEST, max($lately, $now) / $cpus));
}


# Those that this process may use.

sub cpus {
    open my $fh, '<', '/proc/self/status' or return 1;
    my ($mask) = join('', <$fh>) =~ /^Cpus_allowed:\s*(\S+)/m;

    return max(1, scalar(() = unpack('B*', pack 'H*', $mask =~ tr/,//dr)
                              =~ /1/g));
}


# The deadline of lookups has to be late, unless the text itself says when it
# is.  No line is added.  Whole configurations ($whole), which may be
# somebody's example, keep theirs if there is no mode.

sub patient {
    my ($text, $whole) = @_;

    # nginx's threads need epoll, kqueue or event ports.
    $text =~ s/\baio\s+threads\b[^;]*;//g
        if ($ENV{EVENT} // 'epoll') ne 'epoll';

    # Processes have no titles under valgrind: the log tells of the workers.
    $text =~ s/^(\s*error_log\s+[^\s;]+)(?:\s+(?!debug|info|notice)\w+)?;
              /$1 notice;/mgx
        if valgrind();

    # Each Redis is asked in RESP3, unless its block says how.
    $text =~ s/^(\s*recs_redis\s+\S+\s*\{)(?![^}]*\bprotocol\s)
              /$1 protocol 3;/mgx
        if protocol();

    return $text if $whole && factor() == 1;

    return $text if $text !~ /^\s*recs_redis\s/m
                    || $text =~ /\brecs_lookup_timeout\b/;

    my $line = "recs_lookup_timeout $LOOKUP; ";
    $text =~ s/^(\s*http\s*\{)/$1 $line/m or $text = $line . $text;
    return $text;
}


sub wrap {
    my (@command) = @_;

    return @command if !valgrind();

    return (
        'valgrind', '--quiet', '--error-exitcode=99', '--trace-children=no',
        '--child-silent-after-fork=no', '--num-callers=25',
        "--suppressions=$TESTS/valgrind.supp", @command,
    );
}


# nginx -t and a start that fails end without freeing anything.

sub environment {
    my ($command) = @_;

    return () if !asan();

    my $leaks = ($command // '') eq '-t' ? 0 : 1;

    return (
        ASAN_OPTIONS  => "detect_leaks=$leaks:allocator_may_return_null=1"
                         . ':quarantine_size_mb=16',
        LSAN_OPTIONS  => "exitcode=0:print_suppressions=0"
                         . ":suppressions=$TESTS/lsan.supp",
        UBSAN_OPTIONS => "print_stacktrace=1:suppressions=$TESTS/ubsan.supp",
    );
}


# For the configuration: else a new binary would not get it.

sub kept_environment {
    my %env = environment();

    return join '', map { "env $_;\n" } sort keys %env;
}


1;
