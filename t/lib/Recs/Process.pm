package Recs::Process;

=head1 NAME

Recs::Process - child processes of a test, and looking at any process

=head1 SYNOPSIS

    use Recs::Process qw(wait_until run slurp);

    my $p = Recs::Process->spawn(command => ['redis-server', '-'],
                                 output => "$dir/out");
    my $q = Recs::Process->fork(sub { serve($listener) }, keep => [$listener]);

    $p->pid;  $p->alive;  $p->signal('HUP');
    my $status = $p->wait(5);       # $? of it, or undef: still there
    $p->stop('QUIT', 5);            # signal, wait, and at last SIGKILL

    wait_until(sub { -S $socket }, 10) or die "no socket";
    my ($status, $output) = run('jq', '.', $file);

=head1 DESCRIPTION

Each child leads a process group of its own, so that what it starts can be
found and ended with it.  A small process, the warden, ends the groups that
are left if the test itself is killed.

=cut

use strict;
use warnings;

use Exporter 'import';
use IO::Handle;
use POSIX ();
use Recs::Mode;
use Time::HiRes qw(time sleep);

our @EXPORT_OK = qw(
    wait_until run slurp spew free_port has_ipv6 process_info processes
);

my $warden;         # { pid, pipe, owner }


# Calls $test until it is true, at most $seconds long (in some modes, and on a
# busy machine: longer); returns its last value.

sub wait_until {
    my ($test, $seconds) = @_;

    $seconds //= 10;
    my $start = time;

    while (1) {
        my $value = $test->();
        return $value
            if $value || time - $start > Recs::Mode::patience($seconds);
        sleep 0.01;
    }
}


# Runs a command to its end.  Its exit code, or "signal N"; what it wrote to
# stdout and stderr.

sub run {
    my @command = @_;

    my $pid = open my $fh, '-|';
    die "fork: $!" if !defined $pid;

    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        { no warnings 'exec'; exec { $command[0] } @command }
        POSIX::_exit(127);
    }

    local $/;
    my $output = <$fh> // '';
    close $fh;
    return ($? & 127 ? 'signal ' . ($? & 127) : $? >> 8, $output);
}


sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or die "$path: $!";
    local $/;
    my $bytes = <$fh>;
    return $bytes // '';
}


sub spew {
    my ($path, $bytes) = @_;

    open my $fh, '>:raw', $path or die "$path: $!";
    print $fh $bytes or die "$path: $!";
    close $fh or die "$path: $!";
    return $path;
}


# A TCP port that nobody has on 127.0.0.1 and [::1] now, below those that the
# kernel hands out by itself.  Not the same one twice in a test, nor one that
# another test, which runs at the same time, was given and has not bound yet.

use constant { FIRST_PORT => 10_000, BLOCK => 50, BLOCKS => 400 };

my (@free, @blocks);

sub free_port {
    require IO::Socket::IP;

    while (1) {
        @free = next_block() if !@free;

        my $port = shift @free;
        next unless can_bind('127.0.0.1', $port);
        next if has_ipv6() && !can_bind('::1', $port);

        return $port;
    }
}


# Ports that are this process's, as long as it has a socket of that name.

sub next_block {
    require IO::Socket::UNIX;

    my $from = int rand BLOCKS;

    for my $block (map { $_ % BLOCKS } $from .. $from + BLOCKS - 1) {
        my $name = "\0recs-ports-$block";
        my $held = IO::Socket::UNIX->new(Local => $name, Listen => 1) or next;

        push @blocks, $held;
        my $first = FIRST_PORT + $block * BLOCK;
        return $first .. $first + BLOCK - 1;
    }

    die "no free port";
}


sub can_bind {
    my ($host, $port) = @_;

    return defined IO::Socket::IP->new(
        LocalHost => $host, LocalPort => $port, Proto => 'tcp', Listen => 1);
}


my $ipv6;

sub has_ipv6 {
    require IO::Socket::IP;
    return $ipv6 //= can_bind('::1', 0) ? 1 : 0;
}


# What /proc says of a process: its state (R, S, T, Z...), parent, group,
# start time and title; undef if there is none.

sub process_info {
    my ($pid) = @_;

    open my $fh, '<', "/proc/$pid/stat" or return;
    my $stat = <$fh> // return;
    my ($rest) = $stat =~ /\)\s(.*)/s or return;
    my @f = split ' ', $rest;

    my $title = eval { slurp("/proc/$pid/cmdline") } // '';
    $title =~ tr/\0/ /;
    $title =~ s/\s+\z//;

    return { pid => $pid, state => $f[0], parent => $f[1], group => $f[2],
             started => $f[19], title => $title };
}


# All processes for which $test (given what process_info() gives) is true.

sub processes {
    my ($test) = @_;

    opendir my $dh, '/proc' or die "/proc: $!";

    return grep { $test->($_) }
           map { process_info($_) // () }
           sort { $a <=> $b } grep { /^\d+\z/ } readdir $dh;
}


sub spawn {
    my ($class, %opt) = @_;

    my $output = $opt{output} // '/dev/null';

    return $class->_start(sub {
        chdir $opt{directory} or die "$opt{directory}: $!"
            if defined $opt{directory};
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $output or die "$output: $!";
        open STDERR, '>&', \*STDOUT;
        local %ENV = (%ENV, %{ $opt{env} // {} });
        no warnings 'exec';
        exec { $opt{command}[0] } @{ $opt{command} };
        print STDERR "$opt{command}[0]: $!\n";
        POSIX::_exit(127);
    }, $opt{command}[0]);
}


# Runs $code in a child that has no descriptor of the test's but those of
# $opt{keep}: else it would hold the other end of connections that the test
# closes.

sub fork {
    my ($class, $code, %opt) = @_;

    return $class->_start(sub {
        close_others(@{ $opt{keep} // [] });
        open STDOUT, '>', '/dev/null';

        $SIG{$_} = 'DEFAULT' for qw(INT TERM);
        my $ok = eval { $code->(); 1 };
        print STDERR "# $opt{name}: $@" if !$ok;
        POSIX::_exit($ok ? 0 : 1);
    }, $opt{name} // 'child');
}


# Puts /dev/null in the place of each descriptor but those of @keep.  (Closing
# them would mislead Perl, which counts the users of a number.)

sub close_others {
    my (@keep) = @_;

    my %keep = map { fileno($_) => 1 } @keep;
    opendir my $dh, '/proc/self/fd' or die "/proc/self/fd: $!";
    my @open = grep { /^\d+\z/ && $_ > 2 && !$keep{$_} } readdir $dh;
    closedir $dh;

    open my $null, '+<', '/dev/null' or die "/dev/null: $!";
    for my $fd (@open) {
        POSIX::dup2(fileno $null, $fd)
            if $fd != fileno $null && defined readlink "/proc/self/fd/$fd";
    }
}


sub _start {
    my ($class, $code, $name) = @_;

    start_warden() if !$warden;

    STDOUT->flush;
    STDERR->flush;

    my $pid = CORE::fork() // die "fork: $!";

    if ($pid == 0) {
        setpgrp 0, 0;
        eval { $code->() };
        print STDERR "# $name: $@" if $@;
        POSIX::_exit(126);
    }

    setpgrp $pid, $pid;

    my $self = bless { pid => $pid, name => $name, owner => $$ }, $class;
    $self->guard;
    return $self;
}


# For a process that isn't our child (a daemon), which leads its own group.

sub adopt {
    my ($class, $pid, $name) = @_;

    start_warden() if !$warden;

    my $self = bless { pid => $pid, name => $name, owner => $$, adopted => 1 },
               $class;
    $self->guard;
    return $self;
}


sub start_warden {
    pipe my $read, my $write or die "pipe: $!";
    my $pid = CORE::fork() // die "fork: $!";

    if ($pid == 0) {
        close_others($read);
        setpgrp 0, 0;
        $SIG{$_} = 'IGNORE' for qw(INT TERM HUP);
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', '/dev/null';

        my %started;
        while (my $line = <$read>) {
            my ($what, $group, $start) = split ' ', $line;
            if ($what eq '+') { $started{$group} = $start }
            else              { delete $started{$group} }
        }

        # A number may have been given to another process since then.
        for my $p (processes(sub { exists $started{ $_[0]{group} } })) {
            my $start = $started{ $p->{group} };
            kill 'KILL', $p->{pid} if $p->{started} >= $start;
        }
        POSIX::_exit(0);
    }

    close $read;
    $write->autoflush(1);
    $warden = { pid => $pid, pipe => $write, owner => $$ };
}


# Called at the very end, when everything else has been stopped.

sub dismiss_warden {
    return if !$warden || $warden->{owner} != $$;

    close $warden->{pipe};
    waitpid $warden->{pid}, 0;
    undef $warden;
}


sub guard {
    my ($self) = @_;

    my $info = process_info($self->{pid}) or return;
    $self->{started} = $info->{started};
    print { $warden->{pipe} } "+ $self->{pid} $info->{started}\n";
}


sub unguard {
    my ($self) = @_;

    return if !$warden || $self->{unguarded}++;
    print { $warden->{pipe} } "- $self->{pid}\n";
}


sub pid { return $_[0]{pid} }


sub alive {
    my ($self) = @_;

    return 0 if defined $self->{status};

    if ($self->{adopted}) {
        my $info = process_info($self->{pid});
        return 1 if $info && $info->{started} == $self->{started}
                    && $info->{state} ne 'Z';
        $self->{status} = 0;
        return 0;
    }

    my $got = waitpid $self->{pid}, POSIX::WNOHANG();
    return 1 if $got == 0;

    $self->{status} = $got == $self->{pid} ? $? : 0;
    return 0;
}


sub signal {
    my ($self, $signal) = @_;

    return $self->alive ? kill($signal, $self->{pid}) : 0;
}


# Waits until the process has ended; returns $? of it (0 for an adopted one),
# or undef if it still runs after so many seconds.

sub wait {
    my ($self, $seconds) = @_;

    wait_until(sub { !$self->alive }, $seconds);
    $self->unguard if defined $self->{status} && !$self->group;
    return $self->{status};
}


# The processes of its group, itself among them.

sub group {
    my ($self) = @_;

    return processes(sub {
        $_[0]{group} == $self->{pid} && $_[0]{state} ne 'Z'
            && $_[0]{started} >= $self->{started};
    });
}


# Ends it: a signal, some seconds, then SIGKILL for whatever is left of its
# group.  True if the signal was enough.

sub stop {
    my ($self, $signal, $seconds) = @_;

    $self->signal($signal // 'TERM');
    wait_until(sub { !$self->alive && !$self->group }, $seconds // 5);

    my @left = $self->group;

    for (@left) {
        kill 'KILL', $_->{pid};
    }

    $self->wait(5);
    wait_until(sub { !$self->group }, 5) if @left;
    $self->unguard;

    return @left == 0;
}


1;
