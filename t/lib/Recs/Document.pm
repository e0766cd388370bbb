package Recs::Document;

=head1 NAME

Recs::Document - runs the commands that a document shows

=head1 SYNOPSIS

    use Recs::Document qw(document_ok);

    document_ok($t, 'docs/publishing.md', sub { $_[0] =~ s/\d{13}/TIME/gr });

=head1 DESCRIPTION

A block marked C<sh> or C<python> is run, all in the order of the document, in
one directory, with one Redis.  The block that follows it without a mark is what
it prints; without one it prints nothing.  Both are compared as the given
function shows them; it gets the one to be shown, and what the document has.
C<shown> is one that leaves out the header fields that the document does not
have.
Blocks marked C<sh cluster> are run with another Redis, which is a cluster of
one.

A block marked C<nginx> is served until the next one.  Lines at the margin stand
in C<http>, and locations in a server; C<load_module> before all.  F</srv/recs>
and F</var/log/nginx> are the directory of the commands, and F</var/lib/nginx>
is one that the workers may write to.

A document may have places of its own: C<< places => {'/etc/x' => PATH} >> after
the function says what stands for each, in commands and in what they print, and
C<< scripts => {name => TEXT} >> which programs the commands find besides.

Commands find C<redis-cli>, C<conf/recs.lua> and C<tools/load-snapshot>, which
know where the Redis is, and C<REDIS_URL>.  C<curl> asks the nginx of the test
whatever it is told, and ends the line after a body.

=cut

use strict;
use warnings;

use Exporter 'import';
use File::Path qw(remove_tree);
use Recs::Process qw(slurp wait_until);
use Test::More ();

our @EXPORT_OK = qw(document_ok shown);


sub document_ok {
    my ($t, $file, $masked, %own) = @_;

    my $doc = slurp($t->root . "/$file");
    my %server = ('' => empty_redis($t));
    $server{cluster} = cluster($t) if $doc =~ /^```sh cluster$/m;
    my ($nginx, $n) = (undef, 0);

    place($t);
    script($t, "bin/$_", $own{scripts}{$_}) for keys %{ $own{scripts} };

    # A block of commands, and the block of its output, if there is one before
    # the next commands.

    while ($doc =~ /^```(sh|python|nginx)(?:[ ](\w+))?\n(.*?)^```\n
                    (?:(?:(?!^```).)*?^```\n(.*?)^```\n)?/gmsx)
    {
        my ($language, $where, $commands, $want) = ($1, $2 // '', $3, $4);
        my ($title) = $commands =~ /^(?:redis-cli )?(.{1,50})/m;
        $n++;

        if ($language eq 'nginx') {
            $nginx->quit if $nginx;
            $nginx = serve($t, $commands);
            next;
        }

        $want //= '';
        my $output = run($t, $language, $server{$where}, $commands,
                         $own{places});
        Test::More::is($masked->($output, $want), $masked->($want, $want),
                       "$n: $title");
    }

    Test::More::is($n, scalar(() = $doc =~ /^```\w/mg), 'that were all');
    Test::More::ok($nginx->quit, 'nginx ends') if $nginx;
    remove_tree($t->dir . '/images');
    return;
}


# Without what is another one each time, and without the header fields that the
# document leaves out.

sub shown {
    my ($text, $want) = @_;

    my %wanted = map { lc $_ => 1 } $want =~ /^([\w-]+): /mg;

    $text =~ s/\r$//mg;
    $text =~ s/\A\n*(.*?)\s*\z/$1\n/s;
    $text =~ s{^(HTTP/\S+ .*\n)((?:[\w-]+: .*\n)+)}{
        $1 . join '', grep { /^([\w-]+):/ && $wanted{ lc $1 } }
                      split /(?<=\n)/, $2
    }gem;
    $text =~ s/\bage=\K\d+/N/g;
    $text =~ s/\bunknown for \K\d+(?=s,)/N/g;
    $text =~ s/("(?:age|time|since|loaded|written)":)\d+/$1N/g;
    $text =~ s/^Recs-Age: \K\d+/N/mg;
    $text =~ s/^(Server-Timing: .*)/$1 =~ s{dur=\K[\d.]+}{N}gr/emg;

    return $text;
}


sub serve {
    my ($t, $example) = @_;

    my $load = $example =~ s/\A((?:load_module .*\n)+)\n// ? $1 : '';
    my ($before, $after) = map { [/(\w+)\.so;/g] }
                           split(/.*ngx_http_recs_module.*/, $load), '', '';

    my ($http, $server) = $example =~ /\A(.*?)(^location\b.*)?\z/ms;
    $server //= '';
    s{127\.0\.0\.1:6379}{127.0.0.1:%%REDIS_PORT%%}g,
    s{127\.0\.0\.1:8080}{%%LISTEN%%}g,
    s{/var/lib/nginx/}{%%TESTDIR%%/images/}g,
    s{/srv/recs\b|/var/log/nginx\b}{%%TESTDIR%%/run}g for $http, $server;

    $http = "recs_redis main { server %%REDIS_TCP%%; }\n$http"
        if $http !~ /^recs_redis main/m;

    $http = "recs_lookup_timeout 1s;\n$http"
        if $http !~ /^recs_lookup_timeout/m;

    my $nginx = $t->nginx(before => $before, after => $after, http => <<"END");
default_type application/json;
types {
    application/json json;
    application/msgpack msgpack;
    text/plain txt;
}
$http

server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/run;
$server
}

server {
    listen %%LISTEN_STATUS%%;
    location / { recs_status; }
}
END

    wait_until(sub {
        my $redis = $t->get('/', { port => 'STATUS' })->json->{redis}{main};
        return $redis->{ready} == $redis->{connections};
    }) or die "Redis does not answer\n";

    return $nginx;
}


sub empty_redis {
    my ($t) = @_;

    my $redis = $t->{servers}{redis} // $t->redis(tcp => 1);
    $redis->connect->cmd('FLUSHALL');   # a document may have cut all others
    return $redis;
}


sub cluster {
    my ($t) = @_;

    my $redis = $t->redis(name => 'cluster', tcp => 1,
                          config => 'cluster-enabled yes');
    $redis->cmd('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
    wait_until(sub {
        $redis->cmd('CLUSTER', 'INFO') =~ /^cluster_state:ok/m
    }, 20) or die "the cluster is not well\n";

    return $redis;
}


sub place {
    my ($t) = @_;

    my $root = $t->root;
    my ($cli) = grep { -x } map { "$_/redis-cli" } split /:/, $ENV{PATH};
    my ($curl) = grep { -x } map { "$_/curl" } split /:/, $ENV{PATH};
    my $nginx = $t->port('');

    mkdir $t->dir . '/images';
    chmod 0777, $t->dir . '/images';        # the workers' user writes there
    $t->write('run/conf/recs.lua', slurp("$root/conf/recs.lua"));
    script($t, 'run/tools/load-snapshot',
           "exec perl $root/tools/load-snapshot --port=\$PORT \"\$@\"");
    script($t, 'run/tools/capacity',
           "exec perl $root/tools/capacity \"\$@\"");
    script($t, 'bin/redis-cli', "exec $cli -p \$PORT \"\$@\"");
    script($t, 'bin/curl',
           "exec $curl --connect-to ::127.0.0.1:$nginx -w '\\n' \"\$@\"");
    return;
}


sub script {
    my ($t, $name, $text) = @_;

    chmod 0755, $t->write($name, "#!/bin/sh\n$text\n");
    return;
}


sub run {
    my ($t, $language, $redis, $commands, $places) = @_;

    my $dir = $t->dir;
    my %places = ('127.0.0.1:6379' => '127.0.0.1:' . $redis->port,
                  %{ $places // {} });
    $commands = moved($commands, %places);
    $commands =~ s{/var/log/nginx/}{}g;
    $t->write('run/commands', $commands);
    local $ENV{PATH} = "$dir/bin:/usr/bin:/bin";
    local $ENV{PORT} = $redis->port;
    local $ENV{REDIS_URL} = $redis->tcp_url;

    my $program = $language eq 'sh' ? 'sh' : 'python3';
    return moved(scalar `cd $dir/run && $program commands 2>&1`,
                 reverse %places);
}


# A text with other places in it.

sub moved {
    my ($text, %places) = @_;

    my $names = join '|', map { quotemeta } sort { $b cmp $a } keys %places;
    return $text =~ s{($names)(?!\d)}{$places{$1}}gr;
}


1;
