package Recs::Bench;

=head1 NAME

Recs::Bench - what a measurement stands on: a directory, a Redis, an nginx, an
end

=head1 SYNOPSIS

    my $bench = Recs::Bench->new;
    $bench->redis->cmd(...);                    # with conf/recs.lua
    my $nginx = $bench->nginx(workers => 2, http => '... %%REDIS%% ...');
    $bench->port;                               # %%PORT%%
    my $status = $bench->status;                # of location /recs

    my $group = $bench->group('Recs::RedisCluster', replicas => 1);
    my $relay = $bench->relay;                  # Redis is behind it

    Recs::Bench::run(\&main);                   # dies and signals end well

=cut

use strict;
use warnings;

use Cwd ();
use Exporter qw(import);
use File::Basename ();
use File::Path ();
use File::Temp ();
use JSON::PP ();
use Recs::HTTP1;
use Recs::Nginx;
use Recs::Process qw(slurp free_port);
use Recs::Redis;
use Recs::Relay;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

our @EXPORT_OK = qw(now root machine quantiles);

my ($owner, @benches) = ($$);

$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);
$SIG{PIPE} = 'IGNORE';

END {
    if ($$ == $owner) {
        my $code = $?;
        $_->stop for @benches;
        Recs::Process::dismiss_warden() if @benches;
        $? = $code;
    }
}


sub now { return clock_gettime(CLOCK_MONOTONIC) }
sub root { return Cwd::abs_path(File::Basename::dirname(__FILE__)
                                . '/../../../..') }


sub run {
    my ($main) = @_;

    exit 0 if eval { $main->(); 1 };
    print STDERR "$0: $@";
    exit 1;
}


sub new {
    my ($class) = @_;

    my $dir = File::Temp::tempdir('recs-bench-XXXXXXXX', TMPDIR => 1);
    chmod 0755, $dir;

    my $self = bless { dir => $dir, port => free_port() }, $class;
    push @benches, $self;

    $self->{redis} = Recs::Redis->new(dir => "$dir/redis", tcp => 1)->start;
    $self->{redis}->cmd('FUNCTION', 'LOAD',
                        slurp(root() . '/conf/recs.lua'));
    return $self;
}


sub dir   { return $_[0]{dir} }
sub port  { return $_[0]{port} }
sub redis { return $_[0]{redis} }


# Starts it.  Options: http, where %%REDIS%%, %%SETTINGS%%, %%PORT%% and %%DIR%%
# are known; workers.

sub nginx {
    my ($self, %opt) = @_;

    my %known = (REDIS => $self->redis->url, PORT => $self->port,
                 DIR => $self->dir,
                 SETTINGS => $self->{settings}
                             // 'server ' . $self->redis->url . ';');

    return $self->{nginx} = Recs::Nginx->new(
        name => 'nginx', dir => "$self->{dir}/nginx", access_log => 'off',
        module => root() . '/build/ngx_http_recs_module.so',
        error_level => 'warn', %opt,
        fill => sub {
            my ($text, %more) = @_;
            my %all = (%known, %more);
            $text =~ s/%%([A-Z_]+)%%/$all{$1}/g;
            return $text;
        })->start;
}


# Several servers that are one Redis; %%SETTINGS%% are lines that find them.

sub group {
    my ($self, $class, %opt) = @_;

    my $make = sub {
        my (%node) = @_;
        my $of = delete $node{class} // 'Recs::Redis';
        my $name = delete $node{name};

        push @{ $self->{nodes} },
             $of->new(dir => "$self->{dir}/$name", %node)->start;
        return $self->{nodes}[-1];
    };

    my $group = $class->new(name => 'group', make => $make, %opt);
    $self->{settings} = $group->settings;
    return $group;
}


# What Redis is asked through, by %%SETTINGS%%.

sub relay {
    my ($self) = @_;

    my $relay = Recs::Relay->new(target => "$self->{dir}/relay.target",
                                 log => "$self->{dir}/relay.log");
    $relay->point($self->redis->port);
    push @{ $self->{nodes} }, $relay->start;

    $self->{settings} = 'server ' . $relay->url . ';';
    return $relay;
}


# A response, over a connection of its own.

sub get {
    my ($self, $path) = @_;

    my $c = Recs::HTTP1->new(port => $self->port);
    my $r = $c->get($path);
    $c->close;
    return $r;
}


sub status { return JSON::PP::decode_json($_[0]->get('/recs')->body) }


sub stop {
    my ($self) = @_;

    $_->stop for grep { $_ } @$self{qw(nginx redis)}, @{ $self->{nodes} };
    File::Path::remove_tree($self->{dir});
}


sub machine {
    my ($model) = slurp('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)/m;
    my $cpus = () = slurp('/proc/cpuinfo') =~ /^processor/mg;

    return "$cpus CPUs ($model)";
}


# Median, p99 and worst of numbers.

sub quantiles {
    my @sorted = sort { $a <=> $b } @_;

    return @sorted[$#sorted / 2, $#sorted * 0.99, -1];
}

1;
