use strict;
use warnings;

# recs_status shows the counters of all tables in the source, in a fixed order;
# each is documented, and has a sentence of help.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;

my $root = "$FindBin::Bin/..";
my $t = Recs::Test->new;
my $redis = $t->redis(kind => 'plain');     # its servers are one
$redis->cmd('SADD', 'in_stock', 'a');

$t->write('pool.ndjson', qq({"id":"p"}\n));

$t->nginx(http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_set in_stock redis=main key=in_stock replica=on;
recs_set seen redis=main key=seen:$arg_u prefetch=100;
recs_pool fresh file=%%TESTDIR%%/pool.ndjson;
recs_snapshots home redis=main prefix=home;
recs_user $arg_u;

server {
    listen %%LISTEN%%;
    location / { recs_status; }
}
HTTP

my $responses = 'rejected not_modified emptied encoded unsent_versions '
              . 'not_utf8 other_types';
my $items = 'total kept removed repeated unidentified explored backfilled '
          . 'skipped_slots unfilled_slots';
my $within = 'count sum within 1 2 3 5 8 10 15 20 30 50 100';
my $times = "lookup $within added $within";
my $set = 'questions unknown unknown_why timeout error down absent distrusted '
        . 'shrunk skipped removed';
my $prefetch = 'prefetches prefetch_used prefetch_over prefetch_late';
my $replica = 'loads failures entries answered stale resyncs gap lost count '
            . 'entry leader full failed few';
my $pool = 'refreshes failures shown capped cap_full uncounted';
my $snapshots = 'adopted refused returned guarded events rows missing nobody '
              . 'previous defaults none kept unknown too_large';
my $connections = 'commands errors connects losses refused discarded '
                . 'opened declined';
my $breaker = 'breaker state since';
my $servers = 'servers replica ready';


subtest 'counters stand in the order of their tables' => sub {
    my $body = $t->get('/')->body;
    my $names = join ' ', $body =~ /"(\w+)":/g;

    like($names, qr/^version[ ]build[ ]format[ ]responses[ ].* skew .* stale .*
                    [ ]\Q$responses items $items times $times\E
                    [ ]sets[ ]/x, 'of responses and items');
    like($names, qr/ in_stock \Q$set\E /, 'of a set');
    like($names, qr/ seen \Q$set\E .*\Q$prefetch\E /, 'of a prefetched one');
    like($names, qr/ load_time \Q$replica\E /, 'of a replica');
    like($names, qr/ fresh .*\Q$pool\E snapshots /, 'of a pool');
    like($names, qr/ home .*\Q$snapshots\E /, 'of snapshots');
    like($names,
         qr/ main ready connections \Q$connections $breaker\E $servers$/,
         'of a Redis');
};


subtest 'each counter is documented' => sub {
    my $document = slurp("$root/docs/status.md");
    my $counters = 0;

    for my $source (glob "$root/src/*/*.c $root/src/*/*/*.c") {
        my $text = slurp($source);

        while ($text =~ /ngx_recs_counter(?:_array)?\("(\w+)",([^()]*)\)/g) {
            my ($name, $rest) = ($1, $2);
            my ($last) = $rest =~ /((?:"[^"]*"\s*)+)\z/;
            my $help = join '', $last =~ /"([^"]*)"/g;

            $counters++;
            like($document, qr/`$name`/, $name);
            like($help, qr/\A[A-Z][^.]*\.\z/, 'its help is a sentence');
        }
    }

    cmp_ok($counters, '>', 50, 'there are counters');
};


$t->done;
