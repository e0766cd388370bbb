use strict;
use warnings;

# The examples of the documents work: nginx takes each configuration, and each
# command prints what is shown there.  docs/README.md says how they are to be
# read.

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);
use Recs::Document qw(document_ok);
use Recs::Test;
use Test::More;

my @documents = qw(
    filtering.md caching.md users.md messagepack.md replicas.md snapshots.md
    exploration.md failures.md other-modules.md variables-and-headers.md
    directives.md
);

# Debian's other modules are built for its nginx, and for no other.
@documents = grep { $_ ne 'other-modules.md' } @documents if $ENV{RECS_NGINX};

my $t = Recs::Test->new;
my $nginx;

$t->redis(tcp => 1);

for my $document (@documents) {
    subtest $document => sub {
        my $images = $t->dir . '/images';
        mkdir $images;
        chmod 0777, $images;        # the workers' user writes them
        document_ok($t, "docs/$document", \&shown, \&serve);
        $nginx->quit if $nginx;
        remove_tree($images);
    };
}

$t->done;


# Lines at the margin stand in "http", and locations in a server; load_module
# before all.

sub serve {
    my ($example) = @_;

    my $load = $example =~ s/\A((?:load_module .*\n)+)\n// ? $1 : '';
    my ($before, $after) = map { [/(\w+)\.so;/g] }
                           split(/.*ngx_http_recs_module.*/, $load), '', '';

    my ($http, $server) = $example =~ /\A(.*?)(^location\b.*)?\z/ms;
    $server //= '';
    s{127\.0\.0\.1:6379}{127.0.0.1:%%REDIS_PORT%%}g,
    s{127\.0\.0\.1:8080}{%%LISTEN%%}g,
    s{/var/lib/nginx/}{%%TESTDIR%%/images/}g,
    s{/srv/recs\b}{%%TESTDIR%%/run}g for $http, $server;

    $http = "recs_redis main { server %%REDIS_TCP%%; }\n$http"
        if $http !~ /^recs_redis main/m;

    $http = "recs_lookup_timeout 1s;\n$http"
        if $http !~ /^recs_lookup_timeout/m;

    $nginx->quit if $nginx;
    $nginx = $t->nginx(before => $before, after => $after, http => <<"END");
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
    $text =~ s/("(?:age|time|since|loaded|written)":)\d+/$1N/g;
    $text =~ s/^(?:Recs-Age: |Server-Timing: recs;dur=)\K\d+/N/mg;

    return $text;
}
