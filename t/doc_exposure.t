use strict;
use warnings;

# Every command in docs/exposure.md works, and prints what is shown there, of
# logs that nginx wrote as the document says.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Document qw(document_ok);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $nginx;

document_ok($t, 'docs/exposure.md', \&shown, \&serve);
ok $nginx->quit, 'nginx ends';

$t->done;


# Lines at the margin stand in "http", and locations in a server.

sub serve {
    my ($example) = @_;

    $example =~ s{/srv/recs\b}{%%TESTDIR%%/run}g;
    $example =~ s{/var/log/nginx/}{%%TESTDIR%%/run/}g;
    my ($http, $server) = $example =~ /\A(.*?)(^location\b.*)\z/ms;

    $nginx->quit if $nginx;
    $nginx = $t->nginx(<<"END");
default_type application/json;
$http

server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/run;
$server
}
END
    return;
}


sub shown {
    return $_[0] =~ s/\A\n+//r
                 =~ s/"time": \d{13},/"time": T,/gr
                 =~ s/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/DATE/gr;
}
