use strict;
use warnings;

# Every command in docs/publishing.md works, and prints what is shown there.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Document qw(document_ok);
use Recs::Test;

my $t = Recs::Test->new(module => 0);

document_ok($t, 'docs/publishing.md',
            sub { $_[0] =~ s/"time":\d+\.\d{3}/"time":T/gr });

$t->done;
