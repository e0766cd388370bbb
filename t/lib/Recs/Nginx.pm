package Recs::Nginx;

=head1 NAME

Recs::Nginx - a running nginx, or a configuration that it should judge

=head1 SYNOPSIS

Made by C<< $t->nginx(...) >> and C<< $t->nginx_test(...) >> of L<Recs::Test>,
which fill in C<%%NAMES%%> first.

    $nginx->master;                 # pid
    $nginx->workers;                # pids, sorted; in scalar context: how many
    $nginx->reload;                 # HUP; true: new workers, old ones gone
    $nginx->reload(http => $text);  # with another configuration
    $nginx->reload(wait => 0);      # don't wait for the old ones to end
    $nginx->signal('USR1');
    $nginx->signal_workers('KILL');
    $nginx->quit;                   # true: it ended within 10 seconds
    $nginx->stop;                   # fast (TERM)

    $nginx->error_log;              # text
    $nginx->wait_log(qr/.../);      # until it says so (10 s)
    $nginx->logged(qr/.../);        # how many of its lines say so
    $nginx->access_log(3);          # at least 3 lines, list, without newline
    $nginx->fds;                    # descriptors of all workers
    $nginx->sockets;                # how many of them are sockets
    $nginx->sockets_to($port);      # connections to a TCP port
    $nginx->clients;                # connections that it has accepted

=head1 DESCRIPTION

The text of the http block goes to a file of its own, F<http.conf>, so that
the line in an error message is that of the text in the test.

Connections may idle for an hour: on a loaded machine, a minute may pass between
two requests of a test.

As root, the workers run as nginx's default user (nobody): what they open
themselves must be readable for it.  Configurations say C<user root;> in
C<main> only where they mean it.

Environment: C<RECS_NGINX>, another binary; C<RECS_MODULE>, another module
file (empty: it is linked into the binary); C<EVENT>, the event method (of
those that the binary has: Debian's has epoll only); and those of
L<Recs::Mode>.

=cut

use strict;
use warnings;

use File::Path qw(make_path);
use Recs::Mode;
use Recs::Process qw(wait_until slurp spew process_info processes);

my $MODULES = '/usr/lib/nginx/modules';     # Debian's
my $WORKER = qr/^(?:nginx|angie): worker process/;


# Options: dir, and as Recs::Test's nginx() says; under: a command that runs it
# (callgrind...), with its arguments.  %%NAMES%% are filled in by $opt{fill}.

sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        name    => $opt{name},
        dir     => $opt{dir},
        module  => $opt{module},
        fill    => $opt{fill},
        options => \%opt,
        pids    => {},
    }, $class;

    # Open to the workers' user, whatever the umask of who runs the tests.
    make_path("$self->{dir}/tmp");
    chmod 0755, $self->{dir};
    chmod 0777, "$self->{dir}/tmp";
    $self->write_conf;

    return $self;
}


sub binary {
    return $ENV{RECS_NGINX} // '/usr/sbin/nginx';
}


sub write_conf {
    my ($self, %change) = @_;

    my $opt = $self->{options};
    $opt->{$_} = $change{$_} for keys %change;

    my $dir = $self->{dir};
    my $conf = $opt->{conf} // $self->frame;

    my %names = $self->names;

    for (['http.conf', $opt->{http} // ''], ['nginx.conf', $conf]) {
        my ($name, $text) = @$_;
        spew("$dir/$name",
             Recs::Mode::patient($self->{fill}->($text, %names),
                                 $name eq 'nginx.conf'));
    }
}


# The names that its configuration may use besides those of the test.

sub names {
    my ($self) = @_;

    return (
        NGINX_DIR => $self->{dir},
        MODULES   => $self->load_modules,
        EVENTS    => $ENV{EVENT} ? "use $ENV{EVENT};" : '',
    );
}


# Debian's other modules, by the names of their files, are loaded before ours
# (option before => [...]) or after it (after => [...]).

sub load_modules {
    my ($self) = @_;

    my $opt = $self->{options};
    my @before = map { "$MODULES/$_.so" } @{ $opt->{before} // [] };
    my @after = map { "$MODULES/$_.so" } @{ $opt->{after} // [] };

    return join "\n", map { "load_module $_;" }
        @before, $self->{module} || (), @after;
}


sub frame {
    my ($self) = @_;

    my $opt = $self->{options};
    my $workers = $opt->{workers} // 1;
    my $level = $opt->{error_level} // 'info';
    my $daemon = $opt->{daemon} ? 'on' : 'off';
    my $main = $opt->{main} // '';
    my $environment = Recs::Mode::kept_environment();
    my $log = $opt->{access_log} // q('$request $status $body_bytes_sent');
    my $access = $log eq 'off' ? 'access_log off;'
        : "log_format test $log;\n"
        . "    access_log %%NGINX_DIR%%/access.log test;";

    return <<"END";
%%MODULES%%
daemon $daemon;
worker_processes $workers;
pid %%NGINX_DIR%%/nginx.pid;
error_log %%NGINX_DIR%%/error.log $level;
$environment$main

events {
    worker_connections 1024;
    %%EVENTS%%
}

http {
    $access
    client_header_timeout 1h;
    keepalive_timeout 1h;
    keepalive_requests 100000000;
    client_body_temp_path %%NGINX_DIR%%/tmp/client;
    proxy_temp_path %%NGINX_DIR%%/tmp/proxy;
    fastcgi_temp_path %%NGINX_DIR%%/tmp/fastcgi;
    uwsgi_temp_path %%NGINX_DIR%%/tmp/uwsgi;
    scgi_temp_path %%NGINX_DIR%%/tmp/scgi;
    include %%NGINX_DIR%%/http.conf;
}
END
}


sub arguments {
    my ($self) = @_;

    return (binary(), '-p', $self->{dir}, '-c', "$self->{dir}/nginx.conf",
            '-e', "$self->{dir}/error.log");
}


sub spawn {
    my ($self, $output, @more) = @_;

    return Recs::Process->spawn(
        command => [@{ $self->{options}{under} // [] },
                    Recs::Mode::wrap($self->arguments, @more)],
        env => { Recs::Mode::environment(@more) }, output => $output);
}


# nginx -t: the exit code, and what it said.

sub check {
    my ($self) = @_;

    my $output = "$self->{dir}/check.out";
    my $p = $self->spawn($output, '-t');
    my $status = $p->wait(30) // die "nginx -t does not end\n";
    $p->unguard;

    my $code = $status & 127 ? 128 + ($status & 127) : $status >> 8;
    return ($code, slurp($output));
}


sub start {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $p = $self->spawn("$dir/stderr");
    $self->{process} = $p;

    if ($self->{options}{daemon}) {
        my $status = $p->wait(30);
        $p->unguard;
        $self->fail_start if !defined $status || $status != 0;

        wait_until(sub { -s "$dir/nginx.pid" });
        my ($pid) = slurp("$dir/nginx.pid") =~ /(\d+)/;
        $self->{process} = Recs::Process->adopt($pid, 'nginx');
    }

    my $wanted = $self->worker_count;

    wait_until(sub {
        !$self->{process}->alive
            || -s "$dir/nginx.pid" && $self->workers == $wanted;
    }, 30);

    $self->fail_start if !$self->{process}->alive;
    die "nginx has " . $self->workers . " workers, not $wanted\n"
        if $self->workers != $wanted;

    return $self;
}


sub fail_start {
    my ($self) = @_;

    die "nginx did not start:\n" . slurp("$self->{dir}/stderr")
        . $self->error_log;
}


sub worker_count {
    my ($self) = @_;

    my $conf = slurp("$self->{dir}/nginx.conf");
    return 0 if $conf =~ /^\s*master_process\s+off/m;
    return $conf =~ /^\s*worker_processes\s+(\d+)/m ? $1 : 1;
}


sub master { return $_[0]{process}->pid }


# Pids of the workers that aren't shutting down.  A child that has not set its
# title yet is none.

sub workers {
    my ($self) = @_;

    return $self->logged_workers if Recs::Mode::valgrind();

    my $master = $self->master;
    my @pids = map { $_->{pid} } processes(sub {
        $_[0]{parent} == $master && $_[0]{title} =~ /$WORKER(?: #\d+)?$/;
    });

    return @pids;
}


# Under valgrind, processes cannot set their titles: what the log says of
# them.  $old: those that are shutting down.

sub logged_workers {
    my ($self, $old) = @_;

    my $log = $self->error_log;
    my @pids = $log =~ /: start worker process (\d+)$/mg;
    my %leaving = map { $_ => 1 }
                  $log =~ /\[notice\] (\d+)#\d+: gracefully shutting down/g;

    return grep {
        ($old ? $leaving{$_} : !$leaving{$_}) && process_info($_)
    } @pids;
}


sub old_workers {
    my ($self) = @_;

    return $self->logged_workers(1) if Recs::Mode::valgrind();

    return map { $_->{pid} } processes(sub {
        $_[0]{group} == $self->master
            && $_[0]{title} =~ /$WORKER is shutting down/;
    });
}


sub signal {
    my ($self, $signal) = @_;

    return $self->{process}->signal($signal);
}


sub signal_workers {
    my ($self, $signal) = @_;

    return kill $signal, $self->workers;
}


# Options: http, main... (a new configuration), wait (0: not for the old
# workers' end), timeout (10).

sub reload {
    my ($self, %opt) = @_;

    my $wait = delete $opt{wait} // 1;
    my $timeout = delete $opt{timeout} // 10;

    $self->write_conf(%opt);

    my %old = map { $_ => 1 } $self->workers;
    my $wanted = $self->worker_count;
    my $read = length $self->error_log;

    $self->signal('HUP');

    my $new = wait_until(sub {
        my @now = grep { !$old{$_} } $self->workers;
        return 1 if @now == $wanted;
        return -1 if substr($self->error_log, $read) =~ /\[emerg\]/;
        return 0;
    }, $timeout);

    return 0 if $new != 1;
    return 1 if !$wait;

    return wait_until(sub { !grep { process_info($_) } keys %old }, $timeout)
        ? 1 : 0;
}


# True if it ended by itself within so many seconds.  Else it is ended by
# force.

sub quit {
    my ($self, $seconds) = @_;

    return $self->end('QUIT', $seconds);
}


sub stop {
    my ($self, $seconds) = @_;

    return $self->end('TERM', $seconds);
}


sub end {
    my ($self, $signal, $seconds) = @_;

    return 1 if !$self->{process} || !$self->{process}->alive;
    return $self->{process}->stop($signal, $seconds // 10);
}


sub running {
    my ($self) = @_;

    return $self->{process} && $self->{process}->alive;
}


sub error_log {
    my ($self) = @_;

    my $path = "$self->{dir}/error.log";
    return -e $path ? slurp($path) : '';
}


sub logged {
    my ($self, $pattern) = @_;

    return scalar grep { /$pattern/ } split /\n/, $self->error_log;
}


sub stderr {
    my ($self) = @_;

    my $path = "$self->{dir}/stderr";
    return -e $path ? slurp($path) : '';
}


sub wait_log {
    my ($self, $pattern, $seconds) = @_;

    return wait_until(sub { $self->error_log =~ $pattern }, $seconds);
}


# The access log's lines, once there are at least $count.  (A line is written
# just after the client has its last byte.)

sub access_log {
    my ($self, $count, $file) = @_;

    my $path = "$self->{dir}/" . ($file // 'access.log');
    my @lines;

    wait_until(sub {
        my $text = -e $path ? slurp($path) : '';
        @lines = $text =~ /([^\n]*)\n/g;
        return @lines >= ($count // 0);
    });

    return @lines;
}


# Of all workers, or of one: what each descriptor is ("socket:[1234]").

sub fds {
    my ($self, @pids) = @_;

    @pids = $self->workers if !@pids;
    my @found;

    for my $pid (@pids) {
        opendir my $dh, "/proc/$pid/fd" or next;
        push @found, map { readlink("/proc/$pid/fd/$_") // () }
                     grep { /^\d+\z/ } readdir $dh;
    }

    return @found;
}


sub sockets {
    my ($self, @pids) = @_;

    return scalar grep { /^socket:/ } $self->fds(@pids);
}


# How many connections the workers have to a TCP port of this machine.

sub sockets_to {
    my ($self, $port, @pids) = @_;

    return scalar grep { $_->{remote} == $port } $self->tcp(@pids);
}


# How many connections they have accepted at their TCP ports, and not closed.

sub clients {
    my ($self, @pids) = @_;

    my @sockets = $self->tcp(@pids);
    my %listens = map { $_->{local} => 1 } grep { $_->{listens} } @sockets;

    return scalar grep { !$_->{listens} && $listens{ $_->{local} } } @sockets;
}


# Their TCP sockets: the ports at both ends (the remote one is 0 if it listens).

sub tcp {
    my ($self, @pids) = @_;

    my %own = map { /^socket:\[(\d+)\]/ ? ($1 => 1) : () } $self->fds(@pids);
    my @found;

    for my $file ('/proc/net/tcp', '/proc/net/tcp6') {
        my $text = eval { slurp($file) } // next;

        for my $line (split /\n/, $text) {
            my @f = split ' ', $line;
            next if @f <= 9 || !$own{ $f[9] };

            my ($local, $remote) = map { hex((split /:/)[-1]) } @f[1, 2];
            push @found, { local => $local, remote => $remote,
                           listens => $f[3] eq '0A' };
        }
    }

    return @found;
}


1;
