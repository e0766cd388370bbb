package Recs::Turns;

=head1 NAME

Recs::Turns - how long the turns of a process' event loop are

=head1 SYNOPSIS

    my $turns = Recs::Turns->watch($pid, "$dir/turns");
    ...
    for my $turn ($turns->end) {
        my ($start, $wall, $cpu) = @$turn;      # seconds; monotonic, as now()
    }

=head1 DESCRIPTION

A turn is from where C<epoll_wait> returns to where it is called again: for so
long the process does nothing else.  perf says when it did, and when the process
had no CPU in between: the turn's CPU time is what remains.  Where there is no
perf, strace does, and there is no CPU time.

=cut

use strict;
use warnings;

use List::Util qw(first);
use POSIX ();
use Recs::Process qw(slurp wait_until);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC CLOCK_REALTIME);

my @CALLS = map { "syscalls:sys_${_}_epoll_wait" } qw(enter exit);


sub watch {
    my ($class, $pid, $file) = @_;

    my $tool = first { tool_works($_) } qw(perf strace);
    die "perf or strace is needed, and the right to use it\n" if !$tool;

    my @command = $tool eq 'perf'
        ? ('perf', 'record', '-q', '-k', 'CLOCK_MONOTONIC', '-m', '512',
           (map { ('-e', $_) } @CALLS), '--switch-events', '-p', $pid,
           '-o', $file, '-D', '-1', "--control=fifo:$file.ask,$file.answer")
        : ('strace', '-f', '-ttt', '-T', '-e', 'trace=epoll_wait', '-p', $pid,
           '-o', $file);

    for my $fifo ($tool eq 'perf' ? ("$file.ask", "$file.answer") : ()) {
        unlink $fifo;
        POSIX::mkfifo($fifo, 0600) or die "$fifo: $!\n";
    }

    my $process = Recs::Process->spawn(command => \@command,
                                       output => "$file.log");
    my $self = bless { tool => $tool, file => $file, process => $process },
                     $class;

    ($tool eq 'perf' ? $self->enable : wait_until(sub { $self->traces($pid) }))
        or die "$tool: " . slurp("$file.log");
    return $self;
}


sub tool { return $_[0]{tool} }


sub tool_works {
    my ($tool) = @_;

    my $test = $tool eq 'perf'
        ? join(' ', 'perf record -q', (map { "-e $_" } @CALLS), '-o /dev/null')
        : 'strace -o /dev/null';

    return system("$test true >/dev/null 2>&1") == 0;
}


# True when perf says that from now on it counts.

sub enable {
    my ($self) = @_;

    return eval {
        local $SIG{ALRM} = sub { die };
        alarm 10;
        open my $ask, '>', "$self->{file}.ask" or die;
        open my $answer, '<', "$self->{file}.answer" or die;
        syswrite $ask, "enable\n";
        my $said = <$answer>;
        alarm 0;
        $said =~ /^ack/;
    };
}


sub traces {
    my ($self, $pid) = @_;

    my $tracer = $self->{process}->pid;
    return slurp("/proc/$pid/status") =~ /^TracerPid:\s*$tracer$/m;
}


sub end {
    my ($self) = @_;

    $self->{process}->signal('INT');
    defined $self->{process}->wait(60) or die "$self->{tool} does not end\n";

    return $self->{tool} eq 'perf' ? $self->by_perf : $self->by_strace;
}


sub by_perf {
    my ($self) = @_;

    open my $out, '-|', "perf script -i $self->{file} --ns "
                        . '--show-switch-events -F tid,time,event '
                        . "2>>$self->{file}.log" or die "perf: $!\n";

    my (@turns, $start, $gone, $away);

    while (<$out>) {
        my ($time, $what) = /\s(\d+\.\d+):\s+(.*)/ or next;

        if ($what =~ /sys_exit_epoll_wait/) {
            ($start, $away, $gone) = ($time, 0);

        } elsif (!defined $start) {
            next;

        } elsif ($what =~ /sys_enter_epoll_wait/) {
            push @turns, [$start, $time - $start, $time - $start - $away];
            $start = undef;

        } elsif ($what =~ /SWITCH OUT/) {
            $gone = $time;

        } elsif ($what =~ /SWITCH IN/ && defined $gone) {
            $away += $time - $gone;
            $gone = undef;
        }
    }

    close $out or die 'perf script: ' . slurp("$self->{file}.log");
    return @turns;
}


sub by_strace {
    my ($self) = @_;

    my $offset = clock_gettime(CLOCK_REALTIME) - clock_gettime(CLOCK_MONOTONIC);
    my (@turns, $start);

    for (split /\n/, slurp($self->{file})) {
        my ($time, $took) = /(\d+\.\d+) epoll_wait\(.* <(\d+\.\d+)>/ or next;

        push @turns, [$start - $offset, $time - $start] if defined $start;
        $start = $time + $took;
    }

    return @turns;
}

1;
