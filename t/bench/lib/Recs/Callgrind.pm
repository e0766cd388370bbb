package Recs::Callgrind;

=head1 NAME

Recs::Callgrind - how many instructions an nginx needs, in user space

=head1 SYNOPSIS

    my $counter = Recs::Callgrind->new($prefix);        # of its files
    my $nginx = Recs::Nginx->new(%options, $counter->options)->start;

    $counter->begin($nginx->master);
    ...
    my $instructions = $counter->end;

=head1 DESCRIPTION

nginx runs in valgrind's callgrind, as one process.  It counts nothing until it
is told to, so that neither the start nor what warms up is counted.

=cut

use strict;
use warnings;

use Recs::Process qw(run slurp);


sub new {
    my ($class, $prefix) = @_;

    return bless { prefix => $prefix, dumps => 0 }, $class;
}


# For Recs::Nginx.

sub options {
    my ($self) = @_;

    return (
        main => 'master_process off;',
        under => [qw(valgrind --quiet --tool=callgrind --instr-atstart=no),
                  "--callgrind-out-file=$self->{prefix}.count",
                  "--vgdb-prefix=$self->{prefix}.vgdb"],
    );
}


sub begin {
    my ($self, $pid) = @_;

    $self->{pid} = $pid;
    $self->control('--instr=on') if !$self->{counting}++;
    $self->control('--zero');
}


sub end {
    my ($self) = @_;

    $self->control('--dump=round');
    my $file = "$self->{prefix}.count." . ++$self->{dumps};
    my ($count) = slurp($file) =~ /^totals: (\d+)$/m
        or die "callgrind counted nothing: $file\n";

    unlink $file;
    return $count;
}


sub control {
    my ($self, @command) = @_;

    my ($code, $said) = run('callgrind_control',
        "--vgdb-prefix=$self->{prefix}.vgdb", @command, $self->{pid});

    die "callgrind_control @command:\n$said" if $code ne '0' || $said !~ /OK/;
}


1;
