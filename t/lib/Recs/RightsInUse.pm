package Recs::RightsInUse;

=head1 NAME

Recs::RightsInUse - features that many users of several servers use at once

=head1 SYNOPSIS

    my $use = Recs::RightsInUse->new(
        test => $t, redis => $cluster,          # a Recs::RedisGroup
        lines => 'server %%CLUSTER_1_TCP%%; topology cluster;');

    my @users = map { $rights->users($_) }
                $use->features(['Servers of a cluster', 0]), { ... };

    $nginx = $use->start(@users);
    $use->all_are_well;
    $use->lacking('+asking', 'u9');
    $use->said($users[0]);

    my @features = Recs::RightsInUse::common();     # feed, pool, snapshots

=head1 DESCRIPTION

Each user (L<Recs::Rights>) has a recs_redis block, of C<lines>, and of his
feature's C<redis>.  In its C<http>, and C<page>, which stands in a location,
USER is the user's name, which his things have, too.  C<well> is what his page
is if he has all rights, or a function that finds out.

=cut

use strict;
use warnings;

use JSON::PP ();
use Recs::Process qw(wait_until);
use Recs::Rights;
use Test::More;

my $page = q({"items":[{"id":"b1"},{"id":"b2"}]});
my $filtered = qr/^200 filtered;\S* \{"items":\[\{"id":"b1"\}\]\}$/m;


sub new {
    my ($class, %opt) = @_;

    my $self = bless { %opt }, $class;
    my $t = $self->{test};

    $t->upstream($page);
    $t->write('password', "sesame\n");
    $self->fill;
    return $self;
}


# What $page is to those who ask whether b1 and b2 are members.

sub filtered { return $filtered }


# A set of what a user has seen, and further ones.

sub seen {
    my (undef, %more) = @_;

    return {
        http => 'recs_set USER redis=USER key=seen:$arg_u type=zset'
                . ' absent=empty;',
        page => "recs_require USER; return 200 '$page';", well => $filtered,
        %more,
    };
}


# Those that are the same of one server as of several.

sub common {
    return (
        { name => 'feed',
          of => [['Sets', 0], ['Replicas', 0], ['Replicas', 3]],
          http => 'recs_set USER redis=USER replica=on resync=1s capacity=1000'
                  . ' key=in_stock "feed={in_stock}:feed";',
          page => "recs_require USER; return 200 '$page';",
          well => qr/$filtered.*USER;age=\d+;removed/s },

        { name => 'pool', of => [['Pools', 0]],
          http => 'recs_pool USER redis=USER key=fresh size=64k refresh=1s;',
          page => "recs_backfill USER min=3; return 200 '$page';",
          well => qr/"p1"/ },

        { name => 'snapshots', of => [['Snapshots', 0]],
          http => 'recs_snapshots USER redis=USER prefix=home poll=1h;',
          page => 'recs_pass USER; recs_user u1;',
          well => qr/Recs-Snapshot: v1/ },
    );
}


# One of each kind, with the rights of further lines.

sub features {
    my ($self, @of) = @_;

    my @features = (
        { name => 'whole', of => [['Sets', 0], ['Sets', 6]],
          http => 'recs_set USER redis=USER prefetch=10 absent=empty'
                  . ' key=in_stock;',
          page => 'recs_require USER; proxy_pass http://%%API%%;',
          well => qr/$filtered.*;prefetched;/s },

        common(),

        { name => 'shown', of => [['What was shown', 1], ['What was shown', 0]],
          page => 'recs_record_shown redis=USER key=shown:$arg_u within=1h'
                  . " max=10; return 200 '$page';",
          well => sub {
              my $ids = $self->{redis}->cmd('ZRANGE', 'shown:u1', 0, -1);
              return join(' ', sort @$ids) eq 'b1 b2';
          } },
    );

    return map {
        { %$_, of => [@{ $_->{of} }, @of], less => [] }
    } @features;
}


sub fill {
    my ($self) = @_;

    my $redis = $self->{redis};

    $redis->cmd('SADD', 'in_stock', 'b1');
    $redis->cmd('ZADD', "seen:$_", time, 'b1') for qw(u1 u9);
    $redis->cmd('XADD', '{in_stock}:feed', '*', 'op', 'add', 'ids', '["b1"]',
                'seq', 1);
    $redis->cmd('HSET', 'fresh', 'p1', '{"id":"p1"}');
    $redis->cmd('HSET', '{home}:v1:meta', 'model', 'als', 'schema', 3,
                'features', 'books', 'generated_at', time, 'expected', 1,
                'written', 1, 'state', 'complete');
    $redis->cmd('SET', "home:v1:u:$_", $page) for qw(u1 _default);
    $redis->cmd('SET', '{home}:channel:active', 'v1');
    $redis->settle;
}


# An nginx that all of them use.

sub start {
    my ($self, @users) = @_;

    my ($http, $server) = ('', '');

    for my $user (@users) {
        my ($name, $feature) = @$user{qw(name feature)};

        $http .= "recs_redis $name { $self->{lines} "
                 . ($feature->{redis} // '')
                 . " auth user=$name password_file=%%TESTDIR%%/password; }\n"
                 . ($feature->{http} // '') . "\n";
        $server .= "location = /$name { $feature->{page} }\n";
        s/\bUSER\b/$name/g for $http, $server;
    }

    $self->{users} = \@users;
    return $self->{nginx} = $self->{test}->nginx(
        reloads => 0, http => <<"END");
recs_zone 32m;
default_type application/json;
recs on;
$http

server {
    listen %%LISTEN%%;
    location = /status { recs off; recs_status; }
$server
}
END
}


# What a user's page, his Redis' servers and the log say: first the status, the
# body and the header fields that are ours.

sub said {
    my ($self, $user, $who) = @_;

    my $t = $self->{test};
    my $name = $user->{name};
    my $r = $t->get("/$name?u=" . ($who // 'u1'));
    my @fields = map { "$_: " . $r->header($_) } grep { /^Recs-/ }
                 $r->header_names;
    my ($filter) = map { /^Recs-Filter: (.*)/ } @fields;
    my $servers = $t->get('/status')->json->{redis}{$name}{servers} // {};

    return join "\n", join(' ', $r->status, $filter // '', $r->body), @fields,
        (map { JSON::PP->new->canonical->encode($_) } values %$servers),
        (grep { /"$name"/ } split /\n/, $self->{nginx}->error_log), '';
}


sub is_well {
    my ($self, $user) = @_;

    my $well = $user->{feature}{well};
    my $said = $self->said($user) =~ s/\b\Q$user->{name}\E\b/USER/gr;

    return ref $well eq 'CODE' ? $well->() : $said =~ $well;
}


# Those who have all rights, sooner or later.

sub all_are_well {
    my ($self) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    for my $user (grep { !defined $_->{lacks} } @{ $self->{users} }) {
        ok wait_until(sub { $self->is_well($user) }),
            "$user->{name}: what it needs" or diag $self->said($user);
    }
}


# Of who lacks this right, all is said that the document says.

sub lacking {
    my ($self, $right, $who) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my ($user) = grep { ($_->{lacks} // '') eq $right } @{ $self->{users} };

    ok wait_until(sub {
        Recs::Rights::is_said($user, $self->said($user, $who));
    }), "without $right: @{ $user->{says} }" or diag $self->said($user, $who);
}


# By the logs of these servers: who lacks a right was refused something, unless
# he is one of @other, and nobody else was.

sub only_they_were_refused {
    my ($self, $servers, @other) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my %refused = map { my %entry = @$_; $entry{username} => 1 }
                  map { @{ $_->cmd('ACL', 'LOG', 1000) } } @$servers;

    delete @refused{@other};
    my %lack = map { $_->{name} => 1 } grep { defined $_->{lacks} }
               @{ $self->{users} };
    delete @lack{@other};

    is_deeply [sort keys %refused], [sort keys %lack], 'they were';
}


# Of lines of MONITOR: the nginx's commands that none of these patterns is of,
# and how often each of these was seen.

sub compare {
    my (undef, $lines, %patterns) = @_;

    my (%known, %unknown);

    # Our own come through the socket.
    for my $line (@$lines) {
        my ($command) = $line =~ /^\S+ \[\d+ 127\.\S+\] (.*)/ or next;
        next if $command =~ /^"AUTH"/i;

        my @names = grep { $command =~ $patterns{$_} } keys %patterns;

        $known{$_}++ for @names;
        $unknown{$command}++ if !@names;
    }

    return \%unknown, \%known;
}


1;
