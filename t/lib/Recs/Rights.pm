package Recs::Rights;

=head1 NAME

Recs::Rights - the rights that docs/redis.md gives, and users who have them

=head1 SYNOPSIS

    my $rights = Recs::Rights->new($t->root . '/docs/redis.md');

    my @users = $rights->users({
        name => 'values',
        of => [['Sets', 2], ['Servers of a cluster', 0]],
        less => ['+asking'],
    });

    $rights->grant($users[0], @servers);        # by ACL SETUSER
    my %patterns = $rights->patterns('Sets', 'Pools');

=head1 DESCRIPTION

Under a heading of the document there are lines of rights (C<ACL SETUSER>), and
a table: commands, when they are sent, and what is said without the right to
them.

A feature's C<of> are lines, [heading, number].  The first of its users has all
of them and, before, the first line of "Each connection" or of C<base>.  Each
other one lacks a right of the last line, or one of C<less>.  A user is a hash:
C<feature>, C<name>, C<rights>; C<lacks> and C<says>, what the document shows of
that: all of it must be there.

=cut

use strict;
use warnings;

use Recs::Process qw(slurp);


sub new {
    my ($class, $path) = @_;

    my %parts = map { /\A(.*)/ => part($_) } split /^##+ /m, slurp($path);

    return bless { parts => \%parts }, $class;
}


sub part {
    my ($text) = @_;

    my @lines = map { /^ACL SETUSER \w+ (.*)$/mg }
                $text =~ /^```acl\n(.*?)^```/gms;
    my (@commands, %says);

    for my $row ($text =~ /^\| (`.*) \|$/mg) {
        my ($commands, undef, $says) = split / \| /, $row;
        next if !defined $says;             # it is of another table

        my @says = grep { !/=$|^EXEC$/ } $says =~ /`([^`]+)`/g;

        for my $command ($commands =~ /`([^`]+)`/g) {
            my ($word, $second) = map { lc } split ' ', $command;

            push @commands, $command;
            $says{"+$word"} = \@says;
            $says{"+$word|$second"} = \@says if defined $second;
        }
    }

    return { lines => \@lines, commands => \@commands, says => \%says };
}


# Where nobody knows keys that may only be read, or only written, as Redis 6.2.

sub without_modes_of_keys { $_[0]{old} = 1 }


# By command of these headings, or of all: what MONITOR shows of it.  Not every
# Redis shows AUTH, and HELLO is asked in a mode only.

sub patterns {
    my ($self, @headings) = @_;

    @headings = keys %{ $self->{parts} } if !@headings;

    return map { $_ => pattern($_) } grep { !/^(?:AUTH|HELLO) / }
           map { @{ $self->{parts}{$_}{commands} } } @headings;
}


# A word with a small letter stands for any argument, "..." for any number of
# them.

sub pattern {
    my ($command) = @_;

    my $argument = qr/"(?:[^"\\]|\\.)*"/;
    my $text = join ' ', map {
        /^[A-Z0-9]+$|^[-+]/ ? "\Q\"$_\"\E" : $_ eq '...' ? '...' : $argument
    } split ' ', $command;

    $text =~ s/ \.\.\./(?: $argument)*/;
    return qr/^$text$/i;
}


sub rights_of {
    my ($self, $heading, $number) = @_;

    return split ' ', $self->{parts}{$heading}{lines}[$number];
}


sub users {
    my ($self, $feature) = @_;

    my $name = $feature->{name};
    my $base = $feature->{base} // 'Each connection';
    my @rights = map { $self->rights_of(@$_) } [$base, 0], @{ $feature->{of} };
    my ($heading, $last) = @{ $feature->{of}[-1] };
    my @less = @{ $feature->{less}
                  // [grep { !/^-/ } $self->rights_of($heading, $last)] };
    my @users = { feature => $feature, name => $name, rights => \@rights };

    for my $right (@less) {
        push @users, {
            feature => $feature, name => "${name}_$#users", lacks => $right,
            rights => [grep { $_ ne $right } @rights],
            says => $self->says($heading, $right),
        };
    }

    return @users;
}


sub says {
    my ($self, $heading, $right) = @_;

    my $says = $self->{parts}{ $right eq '+ping' ? 'Each connection'
                                                 : $heading }{says};

    return $right =~ /~/ ? ['NOPERM']
         : $right =~ /^&/ ? $says->{'+subscribe'} // $says->{'+publish'}
         : $says->{$right} // [];
}


# The password is "sesame".

sub grant {
    my ($self, $user, @servers) = @_;

    my @rights = map { s/^>PASSWORD$/>sesame/r } @{ $user->{rights} };
    @rights = map { s/^%[RW]~/~/r } @rights if $self->{old};

    $_->cmd('ACL', 'SETUSER', $user->{name}, @rights) for @servers;
}


# True if $text has all that the document says of what the user lacks.

sub is_said {
    my ($user, $text) = @_;

    my @says = @{ $user->{says} };
    return @says && !grep { index($text, $_) < 0 } @says;
}


1;
