package Recs::Redis;

=head1 NAME

Recs::Redis - a real redis-server, and a client for it

=head1 SYNOPSIS

Made by C<< $t->redis(...) >> of L<Recs::Test>.

    $redis->cmd('SADD', 'in_stock', @ids);         # a reply; dies on an error
    my @replies = $redis->pipeline(['GET', 'a'], ['GET', 'b']);
    my $error = $redis->refuse('SADD', 'string', 'x');  # the error's text

    $redis->url;  $redis->tcp_url;  $redis->socket;  $redis->port;
    $redis->tls_url;  $redis->tls_port;         # with tls => 1
    $redis->settings;               # lines for a recs_redis block

    $redis->stop;                   # SIGTERM; what it held is lost
    $redis->kill;                   # SIGKILL
    $redis->start;                  # again, at the same addresses, empty
    $redis->restart;                # the same data
    $redis->restart(empty => 1);
    $redis->evict_all;              # every key, for want of memory
    $redis->freeze;                 # SIGSTOP: accepts, never answers
    $redis->thaw;

    $redis->calls('smismember');    # how often it was called
    $redis->reset_calls;
    my @lines = $redis->watch(sub { ... });     # MONITOR while it runs
    my @lines = $redis->asked(sub { ... });     # without looks at sets' sizes
    $redis->clients;                # connections but our own, and servers'
    $redis->masters;  $redis->node_of($key);    # itself: a cluster has several

    $redis->replicate($other);      # a replica of it, which is in step
    $redis->use_certificate($cert); # for new connections of TLS
    $redis->use_certificate($cert, $ca);        # and whose clients it takes

=head1 DESCRIPTION

With C<< tls => 1 >> it has a port for TLS, and none for plain TCP unless C<tcp>
asks for one.  Its certificate is one of C<< $t->authority >> for all names of
this machine, unless C<certificate> says another (L<Recs::Certificate>).
C<auth_clients> is C<no>, C<yes> or C<optional>: must clients have a
certificate, which C<authority> issued?  Our own commands come over the unix
socket.

Replies: bulk and simple strings are byte strings, integers numbers, arrays
references, nil C<undef>.  An error inside of an array or of a pipeline is an
object that says so (C<ref $x eq 'Recs::Redis::Error'>, C<"$x">).

=cut

use strict;
use warnings;

use File::Path qw(make_path);
use Recs::Process qw(wait_until slurp spew process_info free_port);
use Recs::Stream;


# Options: dir, unix (default 1), tcp, tcp6, databases, requirepass, config
# (further lines of redis.conf); tls, certificate, authority, auth_clients and
# client (the certificate that settings() shows, if clients need one).

sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        dir      => $opt{dir},
        config   => $opt{config} // '',
        password => $opt{requirepass},
        databases => $opt{databases} // 16,
        bind     => [],
        port     => 0,
        tls_port => 0,
    }, $class;

    # The port that Redis would choose, 10000 above its own, may be a client's.
    $self->{config} .= "\ncluster-port " . free_port()
        if $self->{config} =~ /cluster-enabled/
           && $self->{config} !~ /cluster-port/;

    make_path($self->{dir});
    chmod 0755, $self->{dir};

    $self->{socket} = "$self->{dir}/redis.sock" if $opt{unix} // 1;
    push @{ $self->{bind} }, '127.0.0.1' if $opt{tcp} || $opt{tls};
    push @{ $self->{bind} }, '::1' if $opt{tcp6};
    $self->{port} = free_port() if $opt{tcp} || $opt{tcp6} && !$opt{tls};

    if ($opt{tls}) {
        $self->{tls_port} = free_port();
        $self->{auth_clients} = $opt{auth_clients} // 'no';
        $self->{$_} = $opt{$_} for qw(certificate authority
                                       client_certificate);
    }

    $self->write_conf;
    return $self;
}


sub write_conf {
    my ($self) = @_;

    my $dir = $self->{dir};
    my @lines = (
        "dir $dir", "port $self->{port}", "databases $self->{databases}",
        'save ""', 'appendonly no', 'daemonize no', "logfile $dir/redis.log",
        'dbfilename dump.rdb', 'rdb-del-sync-files yes',
        'repl-diskless-sync-delay 0',
    );

    push @lines, "bind @{ $self->{bind} }" if @{ $self->{bind} };
    push @lines, $self->tls_lines if $self->{tls_port};
    push @lines, "unixsocket $self->{socket}", 'unixsocketperm 777'
        if $self->{socket};
    push @lines, "requirepass $self->{password}",
                 "masterauth $self->{password}"
        if defined $self->{password};

    spew("$dir/redis.conf", join("\n", @lines) . "\n$self->{config}\n");
}


# Its own connections, to replicas and to a cluster's nodes, are of TLS, too.

sub tls_lines {
    my ($self) = @_;

    return (
        "tls-port $self->{tls_port}",
        'tls-cert-file ' . $self->{certificate}->file,
        'tls-key-file ' . $self->{certificate}->key,
        'tls-ca-cert-file ' . $self->{authority}->file,
        "tls-auth-clients $self->{auth_clients}",
        'tls-replication yes', 'tls-cluster yes',
    );
}


sub command { return 'redis-server', "$_[0]{dir}/redis.conf" }


sub start {
    my ($self) = @_;

    return $self if $self->running;

    $self->{process} = Recs::Process->spawn(
        command => [$self->command],
        output => "$self->{dir}/out");

    my $ready = wait_until(sub {
        return -1 if !$self->{process}->alive;
        return eval { $self->connect->begin } ? 1 : 0;
    }, 20);

    die "redis-server did not start:\n" . slurp("$self->{dir}/out")
        . eval { slurp("$self->{dir}/redis.log") } if $ready != 1;

    $self->{client} = undef;
    return $self;
}


sub running { return $_[0]{process} && $_[0]{process}->alive ? 1 : 0 }

# Runs, and is not frozen.

sub answers {
    my ($self) = @_;

    return $self->running && process_info($self->pid)->{state} ne 'T';
}


sub pid     { return $_[0]{process}->pid }
# It is all that there is: a cluster has several.

sub masters { return $_[0] }
sub node_of { return $_[0] }


sub socket  { return $_[0]{socket} }
sub port    { return $_[0]{port} }
sub tls_port { return $_[0]{tls_port} }
sub url     { return "unix:$_[0]{socket}" }


sub tcp_url {
    my ($self, $database) = @_;

    my $host = $self->{bind}[0] eq '::1' ? '[::1]' : '127.0.0.1';
    return "redis://$host:$self->{port}"
        . (defined $database ? "/$database" : '');
}


# Options: host, database.

sub tls_url {
    my ($self, %opt) = @_;

    my $host = $opt{host} // '127.0.0.1';
    return "rediss://$host:$self->{tls_port}"
        . (defined $opt{database} ? "/$opt{database}" : '');
}


# The lines of a recs_redis block that reaches it: by TLS if it has that.

sub settings {
    my ($self) = @_;

    return join ' ', map { "$_;" } $self->address_settings,
                                   $self->auth_settings;
}


sub address_settings {
    my ($self) = @_;

    my $url = $self->{tls_port} ? $self->tls_url
            : $self->{socket} ? $self->url : $self->tcp_url;

    return ("server $url", $self->{tls_port} ? $self->tls_settings : ());
}


sub auth_settings {
    my ($self) = @_;

    return () if !defined $self->{password};

    my $file = spew("$self->{dir}/password", "$self->{password}\n");
    return "auth password_file=$file";
}


sub tls_settings {
    my ($self) = @_;

    my @lines = 'ssl_trusted_certificate ' . $self->{authority}->file;

    push @lines, 'ssl_certificate ' . $self->{client_certificate}->file,
                 'ssl_certificate_key ' . $self->{client_certificate}->key
        if $self->{auth_clients} eq 'yes';

    return @lines;
}


# Where other Redis servers reach it.

sub peer_port { return $_[0]{tls_port} || $_[0]{port} }


# In the place of its certificate, and of the authority whose clients it takes;
# after the next start, too.

sub use_certificate {
    my ($self, $cert, $authority) = @_;

    $self->{certificate} = $cert;
    $self->{authority} = $authority if $authority;
    $self->write_conf;

    $self->cmd('CONFIG', 'SET', map { split ' ' }
               grep { /^tls-(?:cert|key|ca)/ } $self->tls_lines);
}


# From now on it is a replica of the other one, and has all that this one has.

sub replicate {
    my ($self, $other) = @_;

    $self->cmd('REPLICAOF', '127.0.0.1', $other->peer_port);
    wait_until(sub { $self->in_step($other) }, 20)
        or die "the replica does not follow\n";
}


sub in_step {
    my ($self, $other) = @_;

    my $mine = $self->cmd('INFO', 'replication');
    return 0 if $mine !~ /^master_link_status:up/m;

    my ($offset) = $mine =~ /^slave_repl_offset:(\d+)/m;
    return $other->cmd('INFO', 'replication')
        =~ /^master_repl_offset:(\d+)/m && $offset >= $1;
}


# A connection of its own: a Recs::Redis::Client.

sub connect {
    my ($self) = @_;

    return Recs::Redis::Client->new(
        password => $self->{password},
        $self->{socket} ? (path => $self->{socket})
                        : (host => $self->{bind}[0], port => $self->{port}));
}


# Another one, if the server has closed the last.

sub client {
    my ($self) = @_;

    $self->hang_up if $self->{client} && $self->{client}->has_ended;
    return $self->{client} //= $self->connect;
}


sub cmd      { my $self = shift; return $self->client->cmd(@_) }
sub pipeline { my $self = shift; return $self->client->pipeline(@_) }
sub refuse   { my $self = shift; return $self->client->refuse(@_) }


# Memory is scarce, until there is no key left; then it is plenty again.

sub evict_all {
    my ($self) = @_;

    $self->cmd('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random');
    $self->cmd('CONFIG', 'SET', 'maxmemory', 1);
    wait_until(sub {
        $self->refuse('SET', 'x', 1);
        $self->cmd('DBSIZE') == 0;
    }) or die 'nothing is evicted';
    $self->cmd('CONFIG', 'SET', 'maxmemory', 0);
}


sub stop {
    my ($self) = @_;

    $self->hang_up;
    return 1 if !$self->{process};

    $self->{process}->signal('CONT');
    return $self->{process}->stop('TERM', 10);
}


sub kill {
    my ($self) = @_;

    $self->hang_up;
    $self->{process}->stop('KILL', 10);
    unlink $self->{socket} if $self->{socket};
}


sub restart {
    my ($self, %opt) = @_;

    $opt{empty} ? $self->unsave : $self->cmd('SAVE');
    $self->stop;
    $self->start;
    $self->unsave;
    return $self;
}


sub unsave { unlink "$_[0]{dir}/dump.rdb" }


sub freeze {
    my ($self) = @_;

    $self->{process}->signal('STOP');
    wait_until(sub { process_info($self->pid)->{state} eq 'T' })
        or die "redis-server does not stop\n";
}


sub thaw {
    my ($self) = @_;

    $self->{process}->signal('CONT');
}


sub hang_up {
    my ($self) = @_;

    $self->{client}->close if $self->{client};
    $self->{client} = undef;
}


# How often a command was called since the start or reset_calls().

sub calls {
    my ($self, $name) = @_;

    my $stats = $self->cmd('INFO', 'commandstats');
    return $stats =~ /^cmdstat_\Q$name\E:calls=(\d+)/mi ? $1 : 0;
}


sub reset_calls {
    my ($self) = @_;

    $self->cmd('CONFIG', 'RESETSTAT');
}


sub clients {
    my ($self) = @_;

    my $own = $self->cmd('CLIENT', 'ID');
    my $theirs = qr/ flags=[MS]| cmd=restore| name=sentinel-/;
    return scalar grep { !/^id=$own / && !/$theirs/ }
                  split /\n/, $self->cmd('CLIENT', 'LIST');
}


# The commands that came while $code ran, as MONITOR shows them.

sub watch {
    my ($self, $code) = @_;

    my $seen = $self->watching;
    $code->();
    return $seen->();
}


# Begins to watch; what this returns ends it, and returns what was seen.  A
# marker that we send ends the listening: no time is involved.

sub watching {
    my ($self) = @_;

    my $monitor = $self->connect;
    $monitor->cmd('MONITOR');

    return sub {
        my $marker = "recs-marker-" . ++$self->{markers};
        $self->cmd('ECHO', $marker);

        my @lines;
        while (1) {
            my $line = $monitor->reply;
            last if $line =~ /"ECHO" "$marker"/i;
            push @lines, $line;
        }

        $monitor->close;
        return @lines;
    };
}


# The same, but for how many members a set has: the leader looks every second,
# pages do where it is late.

sub asked {
    my ($self, $code) = @_;

    return without_sizes($self->watch($code));
}


sub without_sizes { return grep { !/"(?:SCARD|ZCARD|HLEN)"/ } @_ }


package Recs::Redis::Client;

use strict;
use warnings;

use parent -norequire, 'Recs::Stream';

use Errno qw(EAGAIN);
use Socket qw(MSG_PEEK MSG_DONTWAIT);


sub new {
    my ($class, %opt) = @_;

    my $password = delete $opt{password};
    my $self = $class->SUPER::new(%opt);

    $self->cmd('AUTH', $password) if defined $password;
    return $self;
}


# Has the server closed it, as far as is known now?

sub has_ended {
    my ($self) = @_;

    return 1 if !$self->{sock};

    my $got = recv $self->{sock}, my $byte, 1, MSG_PEEK | MSG_DONTWAIT;
    return defined $got ? $byte eq '' : $! != EAGAIN;
}


# True once it answers.  It is to end without waiting for replicas; 6.2 never
# does.

sub begin {
    my ($self) = @_;

    return 0 if $self->cmd('PING') ne 'PONG';

    $self->refuse('CONFIG', 'SET', 'shutdown-timeout', 0);
    return 1;
}


sub cmd {
    my ($self, @args) = @_;

    my ($reply) = $self->pipeline(\@args);
    die "redis: $args[0]: $reply\n" if ref $reply eq 'Recs::Redis::Error';
    return $reply;
}


sub refuse {
    my ($self, @args) = @_;

    my ($reply) = $self->pipeline(\@args);
    return ref $reply eq 'Recs::Redis::Error' ? "$reply" : undef;
}


# A thousand at a time: a server that isn't read from stops reading.

sub pipeline {
    my ($self, @commands) = @_;

    my @replies;

    while (my @some = splice @commands, 0, 1000) {
        $self->write(join '', map { encode(@$_) } @some)
            or die "redis: the connection is closed\n";
        push @replies, map { $self->reply } @some;
    }

    return @replies;
}


sub encode {
    my (@args) = @_;

    my $out = '*' . @args . "\r\n";

    for my $arg (@args) {
        my $bytes = "$arg";
        utf8::downgrade($bytes, 1) or utf8::encode($bytes);
        $out .= '$' . length($bytes) . "\r\n$bytes\r\n";
    }

    return $out;
}


sub reply {
    my ($self) = @_;

    my $line = $self->line(20)
               // die "redis: no reply: ", $self->ended // "timeout", "\n";
    my ($type, $rest) = $line =~ /\A(.)(.*)\r\n\z/s
        or die "redis: not a reply: $line\n";

    return $rest if $type eq '+';
    return $rest + 0 if $type eq ':';
    return Recs::Redis::Error->new($rest) if $type eq '-';

    return undef if $rest < 0;

    return [ map { $self->reply } 1 .. $rest ] if $type eq '*';

    if ($type eq '$') {
        my $bytes = $self->take($rest + 2, 20);
        die "redis: a reply was cut\n" if length $bytes < $rest + 2;
        return substr $bytes, 0, $rest;
    }

    die "redis: not a reply: $line\n";
}


package Recs::Redis::Error;

use overload '""' => sub { return ${ $_[0] } }, fallback => 1;

sub new {
    my ($class, $text) = @_;

    return bless \$text, $class;
}


1;
