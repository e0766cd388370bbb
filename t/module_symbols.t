use strict;
use warnings;

# The module shows to others what nginx asks for, and nothing else: nginx loads
# all modules into one space of names (RTLD_GLOBAL), where another's hiredis
# would take the place of ours, or ours of theirs.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(run);
use Recs::Test;
use Test::More;

my $root = Recs::Test->root;
my $module = $ENV{RECS_MODULE} // "$root/build/ngx_http_recs_module.so";

plan skip_all => 'the module is linked into nginx' if $module eq '';

# What ngx_load_module() asks for.
my @loaded = qw(ngx_module_names ngx_module_order ngx_modules);

my $library = qr/\A(?:redis|sds|hi_|hiredis|XXH|msgpack|ngx_.*recs|recs)/;

my @defined = symbols('--defined-only', $module);
is_deeply [sort grep { !/\A_(?:init|fini)\z/ } @defined], \@loaded,
    'it defines what nginx asks for, and nothing else';

my @needed = symbols('--undefined-only', $module);
cmp_ok scalar(@needed), '>', 100, 'it uses what nginx has';
is_deeply [grep { /$library/ } @needed], [],
    'nothing that a library has is left for others to define';

# A name with a version is of the library that has the version (glibc).
# OpenSSL and zlib are nginx's own.

SKIP: {
    skip 'another nginx', 1 if $ENV{RECS_NGINX};

    my %nginx = map { $_ => 1 } symbols('--defined-only', '/usr/sbin/nginx');
    my $linked = qr/\A(?:EVP_|HMAC|SHA256|CRYPTO_|SSL_|ERR_|X509_
                       |inflate|deflate|crc32)/x;
    my $compiler = qr/\A(?:_ITM_|__gmon_start__)/;

    is_deeply [grep { !/@|$linked|$compiler/ && !$nginx{$_} } @needed], [],
        'all else is nginx\'s own';
}

my ($code, $dynamic) = run('readelf', '--dynamic', '--wide', $module);
is $code, 0, 'readelf';
unlike $dynamic, qr/NEEDED.*(?:hiredis|xxhash|msgpack)/,
    'it loads no library that another module may have of its own';

done_testing;


sub symbols {
    my (@arguments) = @_;

    my ($code, $text) = run('nm', '--dynamic', @arguments);
    die "nm: $text\n" if $code ne '0';

    # "0000000000001130 T name", "                 U name@VERSION"
    return $text =~ /^\s*[0-9a-f]*\s+\w\s+(\S+)/mg;
}
