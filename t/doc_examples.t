use strict;
use warnings;

# The examples of the documents work: nginx takes each configuration, and each
# command prints what is shown there.  docs/README.md says how they are to be
# read.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Document qw(document_ok shown);
use Recs::Test;
use Test::More;

my @documents = qw(
    filtering.md caching.md users.md messagepack.md replicas.md snapshots.md
    exploration.md failures.md other-modules.md variables-and-headers.md
    status.md directives.md how-to.md security.md
);

# Debian's other modules are built for its nginx, and for no other.
@documents = grep { $_ ne 'other-modules.md' } @documents if $ENV{RECS_NGINX};

my $t = Recs::Test->new;

$t->redis(tcp => 1);

for my $document (@documents) {
    subtest $document => sub { document_ok($t, "docs/$document", \&shown) };
}

$t->done;
