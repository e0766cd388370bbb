package Recs::Test;

=head1 NAME

Recs::Test - real nginx, real Redis, scriptable everything else

=head1 SYNOPSIS

    use strict;
    use warnings;

    use FindBin;
    use lib "$FindBin::Bin/lib";

    use Test::More;
    use Recs::Test;

    my $t = Recs::Test->new;

    my $redis = $t->redis;
    $redis->cmd('SADD', 'in_stock', 'b1', 'b3');

    my $api = $t->upstream('{"items":[{"id":"b1"},{"id":"b2"}]}');

    my $nginx = $t->nginx(<<'HTTP');
        recs_redis main { server %%REDIS%%; }
        recs_set in_stock redis=main key=in_stock;

        server {
            listen %%LISTEN%%;
            location / {
                recs on;
                recs_require in_stock;
                proxy_pass http://%%API%%;
            }
        }
    HTTP

    my $r = $t->get('/page');
    is $r->status, 200;
    is $r->body, '{"items":[{"id":"b1"}]}';

    $t->done;       # in place of done_testing

=head1 WHAT IT MAKES

Each has a name (option C<name>), and by it stands in configurations.

    $t->nginx($http)            the text of the http block, or options:
    $t->nginx(http => $http,
        workers => 2,           # 1
        main => 'user root;',   # further lines of the main level
        access_log => q('$recs_state'),     # a log_format, or 'off'
        error_level => 'debug', # info
        daemon => 1,
        before => ['ngx_http_echo_module'],     # loaded before ours; or after
        reloads => 0,           # HUP=1 is not for it: it keeps connections,
                                # or counts what its workers log
        conf => $text,          # a whole configuration instead
        start => 0)             # not yet: $nginx->start
    $t->nginx_test($http)       nginx -t: (exit code, what it said)
    $t->redis(tcp => 1, tcp6 => 1, unix => 0, requirepass => 'x',
              databases => 4, config => "maxclients 10")
    $t->redis(tls => 1, auth_clients => 'yes', certificate => $cert)
    $t->redis(kind => 'plain')  whatever REDIS= says
    $t->redis_cluster(masters => 3, replicas => 1, tls => 1)
    $t->redis_sentinel(replicas => 1, sentinels => 3, tls => 1)
    $t->authority('other')      of certificates; without a name, "ca": the one
                                that servers' certificates are from
    $t->upstream($handler, unix => 1, keepalive => 1,
        forget => 1)            # records no requests: for millions of them
    $t->fake_redis($handler, tcp => 1)
    $t->dns                     # what names mean, for the resolver
    $t->relay($port)            # an address that stands for another server

See L<Recs::Nginx>, L<Recs::Redis>, L<Recs::RedisCluster>,
L<Recs::RedisSentinel>, L<Recs::Certificate>, L<Recs::Upstream>,
L<Recs::FakeRedis>.

=head1 NAMES IN CONFIGURATIONS

    %%TESTDIR%%                 the test's directory (not writable for workers)
    %%LISTEN%%  %%PORT%%        127.0.0.1:PORT; where $t->get() goes
    %%LISTEN_B%%  %%PORT_B%%    another port, for any name but B; $t->port('B')
    %%REDIS%%                   unix:/...; %%REDIS_SOCKET%%: the bare path
    %%REDIS_TCP%%               redis://127.0.0.1:PORT; %%REDIS_PORT%%
    %%REDIS_TLS%%               rediss://127.0.0.1:PORT
    %%REDIS_SETTINGS%%          lines for its recs_redis block
    %%CA%%                      the file of an authority's certificate
    %%API%%                     of an upstream, to follow "http://"
    %%FAKE%%  %%FAKE_TCP%%      of a fake Redis
    %%NAME%%                    what $t->set(NAME => 'text') said

A second one of a kind gets another name: C<< $t->redis(name => 'stock') >> is
C<%%STOCK%%>.  In a whole configuration also C<%%MODULES%%> (load_module),
C<%%EVENTS%%> and C<%%NGINX_DIR%%>.

=head1 CLIENTS

    $t->get('/path', Name => 'value'...)        one request, then closed
    $t->get_page('/path', $page, ...)           with the argument page, for an
                                upstream that answers with it
    $t->request('HEAD', '/path', ...)
    $t->http                    a connection: Recs::HTTP1; port => 'B'
    $t->http2                   a connection: Recs::HTTP2
    $t->answered(sub { $t->get('/page') })      its response, once Redis says
                                all: a new worker is connected a bit later
    escape($bytes)              each byte as %XX, for an argument (exported)

=head1 FILES AND WAITING

    $t->dir;  $t->read('sets/a.txt');
    $t->write('sets/a.txt', $bytes);    # in the place of one, in one step
    $t->data('recs.ndjson');    # lines of t/data (bytes, without newline)
    $t->root;                   # the repository
    $t->freeze_worker($pid)     # by SIGSTOP; a connection that another one has
    $t->log_mark($nginx)        # lines of the access log, once all are there
    wait_until(sub { ... }, $seconds)           # exported

No test sleeps for something to happen: it waits until it has, boundedly.

=head1 THE END

C<< $t->done >> closes the clients, stops every nginx by QUIT, then the other
servers, and checks as tests of this file: nginx ended in time; its logs hold
no [alert], [crit] or [emerg] (which tells of a worker that died, too, and of
a socket that leaked), and nothing of a sanitizer or of valgrind; no process is
left.  A line that a test means to cause is announced:
C<< $t->expect_log(qr/open\(\) of the image/) >>; that it kills workers is said
by C<< $t->expect_kills >>.

The directory goes away, unless C<RECS_KEEP=1> is set.

=cut

use strict;
use warnings;

use Cwd ();
use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp ();
use Scalar::Util qw(weaken);
use Test::More ();

use Recs::Certificate;
use Recs::FakeRedis;
use Recs::HTTP1;
use Recs::Mode;
use Recs::Nginx;
use Recs::Process qw(wait_until process_info slurp spew free_port has_ipv6);
use Recs::Redis;
use Recs::Upstream;

our @EXPORT = qw(escape wait_until has_ipv6);

my $ROOT = Cwd::abs_path(dirname(__FILE__) . '/../../..');
my $current;        # the test that END stops if done() was not reached


# Options: module (0: nginx alone will do if the module was not built).

sub new {
    my ($class, %opt) = @_;

    my $dir = File::Temp::tempdir('recs-XXXXXXXX', TMPDIR => 1);
    chmod 0755, $dir;

    my $module = $ENV{RECS_MODULE} // "$ROOT/build/ngx_http_recs_module.so";

    if ($module ne '' && !-e $module) {
        die "$module is missing: sh t/run.sh builds it\n"
            if $opt{module} // 1;
        $module = '';
    }

    my $self = bless {
        dir => $dir, module => $module, owner => $$,
        values => { TESTDIR => $dir }, ports => {},
        servers => {}, nginxes => [], clients => [], expected => [],
    }, $class;

    $current = $self;
    reload_before_cases() if Recs::Mode::reloads();
    $SIG{INT} = $SIG{TERM} = sub { exit 130 };

    return $self;
}


# HUP=1: each subtest begins with new workers.  Those that a case left behind
# with a response that waits end by themselves.

sub reload_before_cases {
    my $subtest = \&Test::Builder::subtest;

    no warnings 'redefine';
    *Test::Builder::subtest = sub {
        for my $nginx (grep { $_->running } @{ $current->{nginxes} }) {
            next if !($nginx->{options}{reloads} // 1);
            $nginx->reload(timeout => 5);
        }

        local $Test::Builder::Level = $Test::Builder::Level + 1;
        return $subtest->(@_);
    };
}


sub dir  { return $_[0]{dir} }
sub root { return $ROOT }

# True if nginx loads the module (or has it built in).

sub has_module {
    my ($self) = @_;

    return $self->{module} ne '' || defined $ENV{RECS_MODULE} ? 1 : 0;
}


sub escape {
    my ($bytes) = @_;

    return join '', map { sprintf '%%%02X', ord } split //, $bytes;
}


sub set {
    my ($self, %values) = @_;

    $self->{values}{$_} = $values{$_} for keys %values;
}


sub port {
    my ($self, $name) = @_;

    return $self->{ports}{ $name // '' } //= free_port();
}


sub fill {
    my ($self, $text, %more) = @_;

    my $known = { %{ $self->{values} }, %more };

    # What a name stands for may hold names.
    for (1 .. 3) {
        $text =~ s/%%([A-Z0-9_]+)%%/$self->value($1, $known)/ge;
    }

    return $text;
}


sub value {
    my ($self, $name, $known) = @_;

    return $known->{$name} if exists $known->{$name};
    return '127.0.0.1:' . $self->port($1) if $name =~ /\ALISTEN(?:_(\w+))?\z/;
    return $self->port($1) if $name =~ /\APORT(?:_(\w+))?\z/;

    die "%%$name%% is not known\n";
}


# As a whole: a server that reads the file at this moment gets what was there
# before, or this.  Open to the workers' user, or as it was made.

sub write {
    my ($self, $name, $bytes) = @_;

    my $path = "$self->{dir}/$name";
    my $new = "$path.$$.new";
    my $mode = (stat $path)[2] // 0644;

    make_path(dirname($path));
    spew($new, $bytes);
    chmod $mode & 07777, $new or die "$new: $!";
    rename $new, $path or die "$path: $!";
    return $path;
}


sub read {
    my ($self, $name) = @_;

    return slurp("$self->{dir}/$name");
}


sub data {
    my ($self, $name) = @_;

    return split /\n/, slurp("$ROOT/t/data/$name");
}


sub nginx {
    my ($self, @opt) = @_;

    my %opt = @opt % 2 ? (http => @opt) : @opt;
    my $start = delete $opt{start} // 1;
    my $nginx = $self->make_nginx(name => 'nginx', %opt);

    push @{ $self->{nginxes} }, $nginx;
    $nginx->start if $start;
    return $nginx;
}


sub make_nginx {
    my ($self, %opt) = @_;

    my $dir = "$self->{dir}/$opt{name}";
    for (my $n = 2; -e $dir; $n++) {
        $dir = "$self->{dir}/$opt{name}-$n";
    }

    return Recs::Nginx->new(
        %opt, dir => $dir, module => $self->{module},
        fill => sub { $self->fill(@_) });
}


sub nginx_test {
    my ($self, @opt) = @_;

    my %opt = @opt % 2 ? (http => @opt) : @opt;
    return $self->make_nginx(name => 'check', %opt)->check;
}


sub add {
    my ($self, $name, $server) = @_;

    die "there is a server $name already\n" if $self->{servers}{$name};
    $self->{servers}{$name} = $server;
    return $server;
}


sub redis {
    my ($self, %opt) = @_;

    my $kind = delete $opt{kind} // Recs::Mode::redis(%opt);
    return $self->redis_of_kind($kind, %opt) if $kind ne 'plain';

    my $name = delete $opt{name} // 'redis';
    my $class = delete $opt{class} // 'Recs::Redis';
    my %tls = $opt{tls} ? $self->certificates : ();
    my $redis = $self->add($name, $class->new(
        %tls, %opt, dir => "$self->{dir}/$name"));

    my $NAME = uc $name;
    $self->set($NAME => $redis->url, "${NAME}_SOCKET" => $redis->socket)
        if $redis->socket;
    $self->set("${NAME}_TCP" => $redis->tcp_url, "${NAME}_PORT" => $redis->port)
        if $redis->port;
    $self->set("${NAME}_TLS" => $redis->tls_url) if $redis->tls_port;
    $self->set("${NAME}_SETTINGS" => $redis->settings);

    return $opt{start} // 1 ? $redis->start : $redis;
}


# What REDIS= makes of a plain Redis: C<%%REDIS%%> is all that its block needs,
# to follow "server ".

sub redis_of_kind {
    my ($self, $kind, %opt) = @_;

    my $name = $opt{name} //= 'redis';
    my $start = delete $opt{start} // 1;
    my $redis
        = $kind eq 'cluster' ? $self->redis_cluster(masters => 3, %opt)
        : $kind eq 'sentinel' ? $self->redis_sentinel(sentinels => 1, %opt)
        : $self->redis(%opt, tls => 1, kind => 'plain');

    $redis->stop if !$start;
    $self->set(uc $name => join('; ', $redis->address_settings)
                           =~ s/\Aserver //r);
    return $redis;
}


# All its nodes are known to the test as servers of their own.

sub redis_cluster {
    my ($self, %opt) = @_;

    my $name = delete $opt{name} // 'cluster';
    require Recs::RedisCluster;
    my $cluster = Recs::RedisCluster->new(
        %opt, name => $name, make => sub { $self->redis(@_, kind => 'plain') });

    $self->set(uc $name . '_SETTINGS' => $cluster->settings);
    return $cluster;
}


sub redis_sentinel {
    my ($self, %opt) = @_;

    my $name = delete $opt{name} // 'sentinel';
    require Recs::RedisSentinel;
    my $redis = Recs::RedisSentinel->new(
        %opt, name => $name, make => sub { $self->redis(@_, kind => 'plain') });

    $self->set(uc $name . '_SETTINGS' => $redis->settings);
    return $redis;
}


# An authority that issues certificates, the same one for the same name.

sub authority {
    my ($self, $name) = @_;

    $name //= 'ca';
    my $dir = "$self->{dir}/certificates/$name";
    my $ca = $self->{authorities}{$name}
             //= Recs::Certificate->authority($dir, $name);

    $self->set(uc $name => $ca->file);
    return $ca;
}


# What servers that speak TLS have in common.

sub certificates {
    my ($self) = @_;

    my $ca = $self->authority;
    my $made = $self->{certificates} //= {
        map { $_ => $ca->issue($_) } qw(server client)
    };

    return (authority => $ca, certificate => $made->{server},
            client_certificate => $made->{client});
}


sub upstream {
    my ($self, $handler, %opt) = @_;

    my $name = $opt{name} // 'api';
    my $api = $self->add($name, Recs::Upstream->new(
        handler => $handler, keepalive => $opt{keepalive},
        forget => $opt{forget},
        log => "$self->{dir}/$name.requests",
        path => $opt{unix} ? "$self->{dir}/$name.sock" : undef));

    $api->start;
    $self->set(uc $name => $api->address);
    return $api;
}


# A DNS server: a Recs::DNS.

sub dns {
    my ($self, %opt) = @_;

    my $name = $opt{name} // 'dns';
    require Recs::DNS;
    my $dns = $self->add($name, Recs::DNS->new(
        zone => "$self->{dir}/$name.zone", log => "$self->{dir}/$name.log"));

    $dns->tell;
    $dns->start;
    $self->set(uc $name => '127.0.0.1:' . $dns->port);
    return $dns;
}


# An address that stands for one server, then for another: a Recs::Relay.

sub relay {
    my ($self, $port, %opt) = @_;

    my $name = $opt{name} // 'relay';
    require Recs::Relay;
    my $relay = $self->add($name, Recs::Relay->new(
        target => "$self->{dir}/$name.target",
        log => "$self->{dir}/$name.log"));

    $relay->point($port);
    $relay->start;
    $self->set(uc $name => $relay->url);
    return $relay;
}


sub fake_redis {
    my ($self, $handler, %opt) = @_;

    my $name = $opt{name} // 'fake';
    my $fake = $self->add($name, Recs::FakeRedis->new(
        handler => $handler, greeting => $opt{greeting},
        hang_up => $opt{hang_up}, hello => $opt{hello},
        log => "$self->{dir}/$name.commands",
        path => $opt{tcp} ? undef : "$self->{dir}/$name.sock"));

    $fake->start;
    my $NAME = uc $name;
    $self->set($opt{tcp} ? ("${NAME}_TCP" => $fake->tcp_url,
                            "${NAME}_PORT" => $fake->port)
                         : ($NAME => $fake->url,
                            "${NAME}_SOCKET" => $fake->socket));
    return $fake;
}


# Options as Recs::Stream's new; port may be a name of the configuration's.

sub http {
    my ($self, %opt) = @_;

    return $self->client(Recs::HTTP1->new($self->place(%opt)));
}


sub http2 {
    my ($self, %opt) = @_;

    require Recs::HTTP2;
    return $self->client(Recs::HTTP2->new($self->place(%opt)));
}


sub place {
    my ($self, %opt) = @_;

    if (!defined $opt{path}) {
        my $port = $opt{port} // '';
        $opt{port} = $port =~ /\A\d+\z/ ? $port : $self->port($port);
    }

    return %opt;
}


sub client {
    my ($self, $client) = @_;

    push @{ $self->{clients} }, $client;
    weaken($self->{clients}[-1]);
    return $client;
}


sub get {
    my ($self, $target, @fields) = @_;

    return $self->request('GET', $target, @fields);
}


sub get_page {
    my ($self, $target, $page, @fields) = @_;

    $target .= $target =~ /\?/ ? '&' : '?';
    return $self->get($target . 'page=' . escape($page), @fields);
}


sub request {
    my ($self, $method, $target, @fields) = @_;

    my %opt = ref $fields[0] ? %{ shift @fields } : ();
    my $c = $self->http(port => delete $opt{port});
    my $r = $c->request($method, $target, \%opt, Connection => 'close',
                        @fields);
    $c->close;
    return $r;
}


# Which worker has a connection, /status must say in X-Pid.

sub freeze_worker {
    my ($self, $pid) = @_;

    my $c;
    wait_until(sub {
        $c = $self->http;
        $c->get('/status')->header('X-Pid') != $pid;
    });

    kill 'STOP', $pid;
    wait_until(sub { process_info($pid)->{state} eq 'T' });

    return $c;
}


sub answered {
    my ($self, $code) = @_;

    my $r;
    wait_until(sub {
        $r = $code->();
        return ($r->header('Recs-Sets') // 'unknown') !~ /unknown/;
    }) or die "Redis does not answer\n";

    return $r;
}


# How many lines nginx's access log has once those of all responses so far are
# there: sends a request, and waits for its line.  $uri or $request_uri must be
# in the format, and nginx must have one worker.

sub log_mark {
    my ($self, $nginx) = @_;

    my $uri = '/log-mark-' . ++$self->{marks};
    my $count;

    $self->get($uri);

    wait_until(sub {
        my @lines = $nginx->access_log;
        ($count) = grep { $lines[$_ - 1] =~ /\Q$uri\E\b/ } 1 .. @lines;
        return $count;
    }) or die "$uri is not in the access log\n";

    return $count;
}


sub expect_log {
    my ($self, @patterns) = @_;

    push @{ $self->{expected} }, @patterns;
}


# Of workers, by SIGKILL: one may have held a mutex of shared memory, which the
# master then frees.

sub expect_kills {
    my ($self) = @_;

    $self->expect_log(qr/exited on signal 9/,
                      qr/shared memory zone "\w+" was locked by \d+/);
}


sub done {
    my ($self) = @_;

    my $builder = Test::More->builder;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $_->close for grep { defined } @{ $self->{clients} };

    for my $nginx (@{ $self->{nginxes} }) {
        my $name = $nginx->{name};

        if ($nginx->running) {
            $builder->ok($nginx->quit, "$name quits");
        }

        $self->check_logs($nginx);
    }

    my @left = $self->stop_servers;
    $builder->ok(!@left, 'nothing is left running')
        or $builder->diag(map { "$_->{pid} $_->{title}\n" } @left);

    $self->show_logs if !$builder->is_passing;
    $self->{finished} = 1;
    $builder->done_testing;
    $self->clean;
}


sub check_logs {
    my ($self, $nginx) = @_;

    my $builder = Test::More->builder;
    my $name = $nginx->{name};

    my @lines = split /\n/, $nginx->error_log . $nginx->stderr;
    my @bad = grep { /\[(?:alert|crit|emerg)\]/ } @lines;

    for my $pattern (@{ $self->{expected} }) {
        @bad = grep { !/$pattern/ } @bad;
    }

    $builder->ok(!@bad, "no alert in the log of $name")
        or $builder->diag(map { "$_\n" } @bad[0 .. min(19, $#bad)]);

    my @dirty = grep {
        /Sanitizer:|: runtime error:|^==\d+==(?!.*ERROR SUMMARY: 0)/
    } @lines;

    $builder->ok(!@dirty, "no memory error in the log of $name")
        or $builder->diag(map { "$_\n" } @dirty[0 .. min(39, $#dirty)]);
}


sub min { return $_[0] < $_[1] ? $_[0] : $_[1] }


# Stops the servers; returns what of the processes that we started remains.

sub stop_servers {
    my ($self) = @_;

    my @left;

    for my $nginx (@{ $self->{nginxes} }) {
        my $p = $nginx->{process} or next;
        push @left, $p->group;
        $p->stop('TERM', 2);
    }

    for my $name (sort keys %{ $self->{servers} }) {
        my $server = $self->{servers}{$name};
        my $p = $server->{process};
        $server->stop;
        push @left, $p->group if $p;
    }

    return @left;
}


sub show_logs {
    my ($self) = @_;

    for my $nginx (@{ $self->{nginxes} }) {
        my @lines = split /\n/, $nginx->error_log . $nginx->stderr;
        splice @lines, 0, @lines - 30 if @lines > 30;
        Test::More->builder->diag("the end of $nginx->{name}'s error log:\n",
                                  map { "  $_\n" } @lines);
    }
}


sub clean {
    my ($self) = @_;

    Recs::Process::dismiss_warden();

    if ($ENV{RECS_KEEP}) {
        Test::More->builder->diag("kept: $self->{dir}");
        return;
    }

    File::Path::remove_tree($self->{dir});
}


# A test that died, was interrupted, or forgot done().

sub give_up {
    my ($self) = @_;

    return if $self->{finished} || $self->{owner} != $$;

    my $builder = Test::More->builder;
    my $ended = $?;

    $self->show_logs;
    $self->stop_servers;
    $self->clean;

    if ($ended == 0 && !$builder->{Skip_All}) {
        $builder->diag('the test file must end with $t->done');
        $ended = 1;
    }

    $? = $ended;
}


END {
    $current->give_up if $current;
}


1;
