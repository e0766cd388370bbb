package Recs::RedisRouter;

=head1 NAME

Recs::RedisRouter - sends commands to the servers of a cluster

=head1 SYNOPSIS

    my $router = Recs::RedisRouter->new($cluster);
    my @replies = $router->pipeline(['SET', 'a', 1], ['DBSIZE']);
    my $slot = Recs::RedisRouter::slot('{home}:history');

=head1 DESCRIPTION

Where a command goes is what the servers' own table of commands says: to the
master of its key's slot; to all masters or all servers (C<FLUSHALL>, C<CONFIG
SET>), whose replies are made one; in parts, a key each (C<DEL>, C<MGET>); or
else to the first master.  A transaction goes where its first key is.  Redirects
are followed, other errors are the caller's, C<TRYAGAIN> and C<CROSSSLOT> too.

C<$cluster> has C<masters>, C<answering>, C<owner($slot)>, C<look>, which learns
anew who owns what, and C<importer($node, $slot)>.

=cut

use strict;
use warnings;

use List::Util qw(first min sum0);
use Scalar::Util qw(weaken);

use constant { SLOTS => 16_384, REDIRECTS => 16 };


sub new {
    my ($class, $cluster) = @_;

    my $self = bless { cluster => $cluster, commands => {} }, $class;
    weaken $self->{cluster};
    return $self;
}


# CRC16 (XMODEM) of the key, or of what is between its first "{" and the next
# "}", if there is anything: "Redis cluster specification".

my @crc16 = map {
    my $crc = $_ << 8;
    $crc = ($crc << 1 ^ ($crc & 0x8000 ? 0x1021 : 0)) & 0xffff for 1 .. 8;
    $crc;
} 0 .. 255;

sub slot {
    my ($key) = @_;

    my $bytes = $key =~ /\A[^{]*\{([^}]+)\}/s ? $1 : "$key";
    utf8::downgrade($bytes, 1) or utf8::encode($bytes);

    my $crc = 0;
    $crc = ($crc << 8 & 0xff00) ^ $crc16[$crc >> 8 ^ $_]
        for unpack 'C*', $bytes;
    return $crc % SLOTS;
}


# Commands that go to one server each are sent to all servers at once, those
# for the same one in their order; any other waits for those before it.

sub pipeline {
    my ($self, @commands) = @_;

    my (@replies, %waiting);

    while (@commands) {
        my @some = shift @commands;

        if (uc $some[0][0] eq 'MULTI') {
            push @some, shift @commands
                while @commands && uc $some[-1][0] !~ /\A(?:EXEC|DISCARD)\z/;
        }

        my $plan = $self->plan($some[0]);
        my $node = @some > 1 ? $self->node_of_all(@some) : $plan->{node};

        if ($node) {
            my @places = scalar @replies .. $#replies + @some;
            push @replies, (undef) x @some;
            my $list = $waiting{$node} //= { node => $node };
            push @{ $list->{commands} }, @some;
            push @{ $list->{places} }, @places;
            $list->{whole} = 1 if @some > 1;
            next;
        }

        $self->deliver(\@replies, \%waiting);
        push @replies, $self->spread($some[0], $plan);
    }

    $self->deliver(\@replies, \%waiting);
    return @replies;
}


sub node_of_all {
    my ($self, @commands) = @_;

    my $keyed = first { $_->{keyed} } map { $self->plan($_) } @commands;
    return $keyed ? $keyed->{node} : $self->first_master;
}


sub first_master { return ($_[0]{cluster}->masters)[0] }


# What is in a transaction isn't sent again elsewhere.

sub deliver {
    my ($self, $replies, $waiting) = @_;

    for my $list (map { delete $waiting->{$_} } sort keys %$waiting) {
        my @got = $list->{node}->pipeline(@{ $list->{commands} });

        for my $i (0 .. $#got) {
            $got[$i] = $self->redirected($list->{node}, $got[$i],
                                         $list->{commands}[$i])
                if !$list->{whole};
            $replies->[ $list->{places}[$i] ] = $got[$i];
        }
    }
}


# The reply to a command, after all redirects.

sub redirected {
    my ($self, $node, $reply, $command) = @_;

    my $cluster = $self->{cluster};

    for (1 .. REDIRECTS) {
        last if ref $reply ne 'Recs::Redis::Error'
                || "$reply" !~ /\A(MOVED|ASK) (\d+) /;

        my ($what, $slot) = ($1, $2);

        if ($what eq 'ASK') {
            my $importer = $cluster->importer($node, $slot) or last;
            $reply = ($importer->pipeline(['ASKING'], $command))[1];
        } else {
            $cluster->look;
            $node = $cluster->owner($slot) or last;
            ($reply) = $node->pipeline($command);
        }
    }

    return $reply;
}


# Where a command goes: { node }, also keyed if by its key; or { policy, tips,
# info } of one that goes to many.

sub plan {
    my ($self, $command) = @_;

    my $info = $self->command_info($command);
    my @flags = @{ $info->[2] // [] };
    my %tips = map { /\A(\w+):(\w+)\z/ ? ($1 => $2) : () }
               @{ $info->[7] // [] };
    my $policy = $tips{request_policy} // '';
    my %many = (tips => \%tips, info => $info);

    return { %many, policy => $policy }
        if $policy eq 'all_nodes' || $policy eq 'all_shards'
           || $policy eq 'multi_shard' && @$command > 1 + $info->[5];

    my $key = $self->key($command, $info);
    return { node => $self->node($key), keyed => 1 } if defined $key;

    return { %many, policy => 'all_nodes' }
        if uc $command->[0] ne 'CLUSTER' && grep { $_ eq 'admin' } @flags;

    return { node => $self->first_master };
}


sub node {
    my ($self, $key) = @_;

    my $slot = slot($key);
    return $self->{cluster}->owner($slot) // die "slot $slot has no master\n";
}


# Undefined if it has none.

sub key {
    my ($self, $command, $info) = @_;

    return $command->[ $info->[3] ] if $info->[3];
    return undef if !grep { $_ eq 'movablekeys' } @{ $info->[2] // [] };

    my ($keys) = $self->first_master->pipeline(
        ['COMMAND', 'GETKEYS', @$command]);
    return ref $keys eq 'ARRAY' ? $keys->[0] : undef;
}


# Of COMMAND INFO: of the subcommand, if the command has any.  Empty for one
# that isn't known.

sub command_info {
    my ($self, $command) = @_;

    my $name = lc $command->[0];
    my $info = $self->known($name);
    return $info if !@{ $info->[9] // [] } || @$command < 2;

    return $self->known("$name|" . lc $command->[1]);
}


sub known {
    my ($self, $name) = @_;

    return $self->{commands}{$name} //= $self->first_master->cmd(
        'COMMAND', 'INFO', $name)->[0] // [];
}


sub spread {
    my ($self, $command, $plan) = @_;

    my $cluster = $self->{cluster};
    my @replies;

    if ($plan->{policy} eq 'multi_shard') {
        my ($name, @rest) = @$command;
        my $step = $plan->{info}[5];
        my @parts;
        push @parts, [$name, splice @rest, 0, $step] while @rest;
        @replies = $self->pipeline(@parts);

    } else {
        my @nodes = $plan->{policy} eq 'all_nodes' ? $cluster->answering
                                                   : $cluster->masters;
        @replies = map { $_->pipeline($command) } @nodes;
    }

    return one($plan->{tips}{response_policy} // '', @replies);
}


# Of many replies: the first error, or their sum, or all that their lists or
# their lines have.

sub one {
    my ($policy, @replies) = @_;

    my $error = first { ref eq 'Recs::Redis::Error' } @replies;
    return $error if $error;

    return sum0 @replies if $policy eq 'agg_sum';
    return min @replies if $policy =~ /\Aagg_(?:min|logical_and)\z/;
    return $replies[0] if $policy ne '';
    return [map { @$_ } @replies] if !grep { ref ne 'ARRAY' } @replies;
    return sum0 @replies if !grep { !/\A\d+\z/ } @replies;
    return join '', @replies if !grep { !/\n\z/ } @replies;
    return $replies[0];
}


1;
