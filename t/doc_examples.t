use strict;
use warnings;

# The examples of the documents work: nginx takes each configuration, and each
# command prints what is shown there.  docs/README.md says how they are to be
# read.

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(basename);
use Recs::Document qw(document_ok shown);
use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;

# All that have commands, but those of which another test is.

my $root = "$FindBin::Bin/..";
my $others = join '', map { slurp($_) } grep { !m{doc_examples} }
             glob "$root/t/doc_*.t";
my @documents = grep { $others !~ m{\bdocument_ok\(\$t, 'docs/\Q$_\E'} }
                map { basename($_) } grep { slurp($_) =~ /^```sh\b/m }
                glob "$root/docs/*.md";

# Debian's other modules are built for its nginx, and for no other.
@documents = grep { $_ ne 'other-modules.md' } @documents if $ENV{RECS_NGINX};

my $t = Recs::Test->new;

$t->redis(tcp => 1);

for my $document (@documents) {
    subtest $document => sub { document_ok($t, "docs/$document", \&shown) };
}

$t->done;
