use strict;
use warnings;

# Every command in docs/exposure.md works, and prints what is shown there, of
# logs that nginx wrote as the document says.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Document qw(document_ok);
use Recs::Test;

my $t = Recs::Test->new;

document_ok($t, 'docs/exposure.md', sub {
    $_[0] =~ s/\A\n+//r
          =~ s/"time": \d{13},/"time": T,/gr
          =~ s/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/DATE/gr;
});

$t->done;
