use strict;
use warnings;

# The module can be linked into nginx (--add-module), without --with-debug and
# --with-compat, and without a warning.

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use Recs::Process qw(run spew);
use Recs::Source;
use Test::More;

my $root = Recs::Source->root;

my $source = Recs::Source->new(name => 'static', configure => [
    '--without-pcre', '--without-http_rewrite_module',
    '--with-http_v2_module', "--add-module=$root",
    '--with-cc-opt=-O1 -Wall -Wextra -Werror -Wno-unused-parameter',
]);

my $nginx = $source->binary;

works('the source of nginx is there', $source->unpack) or finish();
works('configure --add-module', $source->configure) or finish();
works('compiles without a warning', $source->make) or finish();

my $dir = $source->dir . '/run';

$source->run($source->dir, $nginx, '-V');
like $source->output, qr/--add-module=\Q$root\E/, 'nginx -V names the module';

# A module that is loaded into it (nchan) has a hiredis of its own.

my ($status, $symbols) = run('nm', '--dynamic', $nginx);
is $status, 0, 'nm';
like $symbols, qr/ T ngx_http_core_run_phases$/m,
    'nginx shows its own names to the modules that it loads';
is_deeply [$symbols =~ /(\b(?:redis|sds|hi_|hiredis|XXH|msgpack)\w+)/g], [],
    'but none of a library that is linked into it';

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

works('nginx -t knows its directives',
      $source->run($dir, $nginx, '-t', '-p', $dir, '-c', "$dir/nginx.conf",
                   '-e', 'stderr'));

# This one has no OpenSSL.

needs_openssl('recs_user_hash key_file=key;', 'recs_user_hash" directive');
needs_openssl('recs_redis r { server rediss://127.0.0.1; }',
              'rediss://" of recs_redis "r"');

finish();


sub works {
    my ($name, $ok) = @_;

    return ok($ok, $name) || diag(substr $source->output, -4000) && 0;
}


sub needs_openssl {
    my ($line, $what) = @_;

    spew("$dir/openssl.conf", <<"END");
pid $dir/nginx.pid;
error_log stderr;
events { }
http {
    $line
}
END

    $source->run($dir, $nginx, '-t', '-p', $dir, '-c', "$dir/openssl.conf",
                 '-e', 'stderr');
    like $source->output,
        qr/"\Q$what\E needs an nginx with OpenSSL: .* in \S+openssl\.conf:5/,
        "\"$what says what it needs";
}


sub finish {
    done_testing;
    exit(Test::More->builder->is_passing ? 0 : 1);
}
