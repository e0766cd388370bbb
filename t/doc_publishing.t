use strict;
use warnings;

# Every command in docs/publishing.md works, and prints what is shown there.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Document qw(document_ok shown);
use Recs::Test;

my $t = Recs::Test->new;

document_ok($t, 'docs/publishing.md',
            sub { shown(@_) =~ s/"time":N\.\d{3},/"time":T,/gr });

$t->done;
