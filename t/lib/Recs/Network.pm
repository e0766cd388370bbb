package Recs::Network;

=head1 NAME

Recs::Network - a network between nginx and Redis that can be cut

=head1 SYNOPSIS

    use Recs::Network;
    Recs::Network->begin;               # first of all; or skips the file

    my $t = Recs::Test->new;
    my $redis = $t->redis(class => 'Recs::Network::Redis', tcp => 1);
    my $network = Recs::Network->new($redis);

    $network->host;                     # Redis' address on it
    $network->cut;                      # what is sent arrives nowhere
    $network->mend;

=head1 DESCRIPTION

The test runs in a network namespace of its own, which C<begin> makes by running
it again, and Redis in another one: a pair of virtual interfaces is between
them, and nothing else of the machine.  All that goes when their processes have
ended, however they do.

Who sends over a network that was cut hears nothing, no RST and no ICMP: each
side believes that the other one has a hardware address that nobody has.

=cut

use strict;
use warnings;

use Recs::Process qw(run);
use Test::More ();

use constant { HERE => '10.99.0.1', THERE => '10.99.0.2' };

my %hardware = (HERE, '02:00:00:00:00:01', THERE, '02:00:00:00:00:02');
my $NOBODY = '02:00:00:00:00:63';


sub begin {
    if (($ARGV[0] // '') eq 'apart') {
        return must('ip', 'link', 'set', 'lo', 'up');
    }

    my $why = refused();
    Test::More::plan(skip_all => $why) if defined $why;

    exec 'unshare', '--net', '--', $^X, $0, 'apart' or die "unshare: $!\n";
}


# Why there can be no such network here, or undef.

sub refused {
    return 'only root may make network namespaces' if $> != 0;

    my ($code) = run('ip', '-Version');
    return 'there is no ip: iproute2 is not installed' if $code ne '0';

    ($code, my $said) = run('unshare', '--net', '--', 'ip', 'link', 'add',
                            'recs0', 'type', 'veth', 'peer', 'name', 'recs1');
    return undef if $code eq '0';

    $said =~ s/\s+/ /g;
    return "no network namespace, or no interface in it: $said";
}


# $redis runs.

sub new {
    my ($class, $redis) = @_;

    my $self = bless { pid => $redis->pid }, $class;

    must('ip', 'link', 'add', 'recs0', 'type', 'veth', 'peer', 'name', 'recs1',
         'netns', $self->{pid});
    $self->connect(HERE, 'recs0');
    $self->connect(THERE, 'recs1');
    $self->mend;
    return $self;
}


sub host { return THERE }


sub connect {
    my ($self, $host, $interface) = @_;

    $self->at($host, 'address', 'add', "$host/30", 'dev', $interface);
    $self->at($host, 'link', 'set', $interface, 'address', $hardware{$host});
    $self->at($host, 'link', 'set', $interface, 'up');
}


sub cut {
    my ($self) = @_;

    $self->believe(HERE, THERE, $NOBODY);
    $self->believe(THERE, HERE, $NOBODY);
}


sub mend {
    my ($self) = @_;

    $self->believe(HERE, THERE, $hardware{+THERE});
    $self->believe(THERE, HERE, $hardware{+HERE});
}


sub believe {
    my ($self, $at, $host, $address) = @_;

    my $interface = $at eq HERE ? 'recs0' : 'recs1';
    $self->at($at, 'neighbour', 'replace', $host, 'lladdr', $address,
              'nud', 'permanent', 'dev', $interface);
}


# A command of ip at one of the two sides.

sub at {
    my ($self, $host, @command) = @_;

    my @there = ('nsenter', '--target', $self->{pid}, '--net', '--');
    must($host eq HERE ? () : @there, 'ip', @command);
}


sub must {
    my @command = @_;

    my ($code, $said) = run(@command);
    die "@command: $said" if $code ne '0';
}


package Recs::Network::Redis;

use strict;
use warnings;

use parent 'Recs::Redis';


# It has its namespace to itself; our own commands come by its unix socket.

sub new {
    my ($class, %opt) = @_;

    return $class->SUPER::new(%opt, config => join "\n", 'bind 0.0.0.0',
                              'protected-mode no', $opt{config} // ());
}


sub command { return 'unshare', '--net', '--', $_[0]->SUPER::command }


1;
