use strict;
use warnings;

# The module linked into nginx (--add-module), from the source that Debian
# builds its nginx of: without --with-debug and --with-compat, and without a
# warning.  Debian's archive is asked through apt lists of our own, made from
# the machine's list of archives, which stays as it is.

use FindBin;
use lib "$FindBin::Bin/lib";

use Cwd ();
use File::Path qw(make_path);
use Recs::Process qw(slurp spew);
use Test::More;

my $root = Cwd::abs_path("$FindBin::Bin/..");
my $work = "$root/build/static";
my $nginx = "$work/nginx/objs/nginx";

my @configure = (
    '--without-pcre', '--without-http_rewrite_module',
    '--with-http_v2_module', "--add-module=$root",
    '--with-cc-opt=-O1 -Wall -Wextra -Werror -Wno-unused-parameter',
);

make_path($work);

ok(source(), 'the source of nginx is there') or finish();
ok(configured(), 'configure --add-module') or finish();
ok(command($work, qw(make -C nginx -j2)), 'compiles without a warning')
    or finish();

my ($status, $output) = command($work, $nginx, '-V');
like($output, qr/--add-module=\Q$root\E/, 'nginx -V names the module');

my $dir = "$work/run";
make_path("$dir/logs");
spew("$dir/nginx.conf", <<"END");
pid $dir/nginx.pid;
error_log stderr;
events { }
http {
    access_log off;
    client_body_temp_path $dir/client;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    recs on;
    server { listen unix:$dir/nginx.sock; }
}
END

($status, $output) = command($work, $nginx, '-t', '-p', $dir, '-c',
                             "$dir/nginx.conf", '-e', 'stderr');
is($status, 1, 'nginx -t knows its directives') or diag($output);

finish();


sub finish {
    done_testing;
    exit(Test::More->builder->is_passing ? 0 : 1);
}


# Kept from one run to the next.

sub source {
    return 1 if -e "$work/nginx/configure";

    my ($tarball) = glob "$work/nginx_*.orig.tar.gz";
    $tarball = download() if !$tarball;
    return 0 if !$tarball;

    make_path("$work/nginx");
    return command($work, 'tar', '-xzf', $tarball, '--strip-components=1',
                   '-C', 'nginx');
}


# Only the tarball of the authors is needed, none of Debian's changes.

sub download {
    my $apt = "$work/apt";
    make_path(map { "$apt/$_" } qw(lists/partial cache/archives/partial));
    spew("$apt/sources.list", sources());

    my @options = map { ('-o', $_) } (
        "Dir::Etc::SourceList=$apt/sources.list",
        'Dir::Etc::SourceParts=/dev/null',
        "Dir::State::Lists=$apt/lists",
        "Dir::Cache=$apt/cache",
        'APT::Sandbox::User=root',
        'Acquire::Retries=3',
    );

    command($work, 'apt-get', @options, 'update') or return;
    command($work, 'apt-get', @options, 'source', '--download-only',
            '--tar-only', 'nginx') or return;

    my ($tarball) = glob "$work/nginx_*.orig.tar.gz";
    return $tarball;
}


# A deb-src line for each of the machine's archives that is Debian's.

sub sources {
    my ($ok, $text) = command($work, 'apt-get', 'indextargets', '--format',
        '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)',
        'Created-By: Packages');

    my $keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
    my $option = -e $keys ? "[signed-by=$keys] " : '';
    my %lines;

    for (split /\n/, $text) {
        my ($origin, $uri, $release, $component) = split /\|/;
        next if $origin ne 'Debian' || $component ne 'main';
        $lines{"deb-src $option$uri $release $component\n"} = 1;
    }

    return join '', sort keys %lines;
}


# Configured again if the module's files are others than the last time.

sub configured {
    my $config = -e "$root/config" ? slurp("$root/config") : '';
    my $print = join "\n", @configure, $config,
                sort split /\n/, `find '$root/src' -type f`;

    my $stamp = "$work/configured";
    my $old = -e $stamp ? slurp($stamp) : '';
    return renewed() if $old eq $print && -e "$work/nginx/objs/Makefile";

    unlink $stamp;
    my $ok = command("$work/nginx", './configure', @configure);
    spew($stamp, $print) if $ok;
    return $ok && renewed();
}


# make knows of no header unless config lists it.

sub renewed {
    my $headers = join '', map { slurp($_) } sort glob "$root/src/*/*.h";
    my $seen = -e "$work/headers" ? slurp("$work/headers") : '';

    unlink glob "$work/nginx/objs/addon/*/*.o" if $headers ne $seen;
    spew("$work/headers", $headers);
    return 1;
}


# In list context also what it said; a failure is shown otherwise.

sub command {
    my ($in, @command) = @_;

    my $log = "$work/log";
    unlink $log;

    my $p = Recs::Process->spawn(command => \@command, output => $log,
                                 directory => $in);
    my $status = $p->wait(600);
    $p->stop('KILL') if !defined $status;

    my $ok = defined $status && $status == 0 ? 1 : 0;
    my $output = slurp($log);

    return ($ok, $output) if wantarray;
    diag("@command\n" . substr $output, -4000) if !$ok;
    return $ok;
}
