use strict;
use warnings;

# Every command in docs/inventory.md works, and prints what is shown there.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Document qw(document_ok shown);
use Recs::Test;

my $t = Recs::Test->new;

# The ids of a stream's entries are times.
document_ok($t, 'docs/inventory.md',
            sub { shown(@_) =~ s/^\d{13}-\d+$/ID/gmr });

$t->done;
