use strict;
use warnings;

# Every command in docs/exposure.md works, and prints what is shown there, of a
# log that nginx wrote as the document says.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Document qw(document_ok);
use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $doc = slurp($t->root . '/docs/exposure.md');

my ($log) = $doc =~ /^(    log_format exposure .*?;\n    access_log .*?;)$/ms;
my ($pool) = $doc =~ /^(    recs_pool fresh .*;)$/m;
my ($explore) = $doc =~ /^(    recs_explore fresh .*;)$/m;

$log =~ s{/var/log/nginx/}{%%TESTDIR%%/run/};
$pool =~ s{file=}{file=%%TESTDIR%%/};

$t->write('run/README', '');
$t->write('out.txt', "n2\n");
$t->write('fresh.ndjson', join '', map { qq({"id":"n$_"}\n) } 1 .. 6);
$t->write('www/page.json', '{"items":[{"id":"b1"},{"id":"b2"},{"id":"b3"},'
                           . '{"id":"b4"}],"model":"als-7"}');

my $nginx = $t->nginx(<<"HTTP");
$log
$pool
recs_set out file=%%TESTDIR%%/out.txt;

server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/www;
    recs on;
    recs_exclude out;
    recs_user \$arg_user;
    recs_event \$arg_event;
    recs_version model body=/model;
    types { application/json json; }
$explore
}
HTTP

$t->get("/page.json?user=u$_&event=e$_") for 1 .. 8;

# A record that has no items.
$t->request('HEAD', '/page.json?user=u9&event=e9');
ok $nginx->quit, 'the log is written to its end';

document_ok($t, 'docs/exposure.md', sub {
    $_[0] =~ s/"time": \d{13},/"time": T,/gr
          =~ s/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/DATE/gr;
});

$t->done;
