use strict;
use warnings;

# Builds the nginx of a test mode, with the module in it, and prints the path
# of the binary.
#
#     perl t/build-nginx.pl asan      address and undefined sanitizers
#     perl t/build-nginx.pl debug     for valgrind, poll and select
#     perl t/build-nginx.pl source    downloads the source, and builds nothing
#
# In both, nginx's pools take each piece from malloc() (NGX_DEBUG_PALLOC):
# else a tool that watches memory sees large blocks only, and little of their
# misuse.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Source;

my %flags = (
    asan  => '-O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer',
    debug => '-O1 -g -fno-omit-frame-pointer -DNGX_VALGRIND=1',
);

my $name = $ARGV[0] // '';

if ($name eq 'source') {
    my $source = Recs::Source->new(name => $name);
    exit 0 if $source->fetch;
    die $source->output;
}

my $flags = $flags{$name} or die "usage: $0 asan|debug|source\n";
my @ld = $flags =~ /(-fsanitize=\S+)/ ? "--with-ld-opt=$1" : ();

my $source = Recs::Source->new(name => $name, configure => [
    '--with-debug',
    "--with-cc-opt=$flags -DNGX_DEBUG_PALLOC=1 -Wno-error",
    @ld,
    '--with-poll_module', '--with-select_module', '--with-threads',
    '--with-file-aio', '--with-pcre',
    map({ "--with-http_${_}_module" } qw(
        v2 ssl addition auth_request gunzip gzip_static realip
        secure_link slice stub_status sub
    )),
    '--add-module=' . Recs::Source->root,
]);

for my $step (qw(unpack configure make)) {
    print STDERR "$name: $step\n";
    $source->$step or die $source->output, "failed: $step\n";
}

print $source->binary, "\n";
