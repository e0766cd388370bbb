use strict;
use warnings;

# The examples of documents that lead through a task work, and print what is
# shown there.  (t/doc_examples.t has those of the others.)

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Document qw(document_ok shown);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

$t->redis(tcp => 1);

subtest 'how-to.md' => sub {
    document_ok($t, 'docs/how-to.md', \&shown);
};

subtest 'guard.md' => sub {
    document_ok($t, 'docs/guard.md', \&shown);
};

$t->done;
