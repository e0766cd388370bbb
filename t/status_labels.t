use strict;
use warnings;

# recs_label tells responses apart in the status: an arm, a shop, whatever the
# value says; and how long looking up and holding back took.

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Recs::Process qw(wait_until);
use Recs::Prometheus qw(exposition metric);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis(kind => 'plain');
$redis->cmd('SADD', 'seen', 'b');
$redis->cmd('SADD', 'sold', 'c', 'd');

my $api = $t->upstream(sub {
    my ($req) = @_;
    return $req->{path} =~ /bad/ ? 'no JSON'
        : '{"items":[{"id":"a"},{"id":"b"},{"id":"c"}]}';
});

# As a location has it, and how many labels there may be at most.

sub conf {
    my ($max) = @_;

    return <<"HTTP";
recs_redis main { server %%REDIS%%; breaker off; timeout 10s; }
recs_set seen redis=main key=seen absent=empty;
recs_set sold redis=main key=sold absent=empty;
recs_lookup_timeout 10s;
recs_label \$arg_arm max=$max;

server {
    listen %%LISTEN%%;
    recs on;
    recs_exclude seen;

    location /status { recs off; recs_status; }
    location /sold { recs_exclude seen sold; proxy_pass http://%%API%%; }
    location /page { proxy_pass http://%%API%%; }
    location /bad { recs_on_bad_body reject; proxy_pass http://%%API%%; }
    location /shop {
        recs_label shop_\$arg_shop max=3;
        proxy_pass http://%%API%%;
    }
    location /header {
        recs_label \$http_x_arm max=1;
        proxy_pass http://%%API%%;
    }
    location /off { recs_label off; proxy_pass http://%%API%%; }
    location /hasty { recs_lookup_timeout 10ms; proxy_pass http://%%API%%; }
}
HTTP
}

my $nginx = $t->nginx(workers => 2, http => conf(5));

sub status { return $t->get('/status')->json }
sub labels { return status()->{labels} }
sub scrape { return exposition($t->get('/status?format=prometheus')->body) }
sub responses { return sum0(values %{ labels()->{ $_[0] }{responses} }) }


subtest 'an arm beside another' => sub {
    $t->answered(sub { $t->get('/page') });
    my $before = sum0(values %{ status()->{responses} });
    my $removed = status()->{sets}{seen}{removed};

    $t->get('/page?arm=stable') for 1 .. 4;
    $t->get('/sold?arm=canary') for 1 .. 3;
    is($t->get('/bad?arm=canary')->status, 502, 'a bad one');
    $t->get('/page');

    my $status = status();
    my ($stable, $canary) = @{ $status->{labels} }{qw(stable canary)};

    is($stable->{responses}{filtered}, 4, 'responses of one');
    is($canary->{responses}{filtered}, 3, 'of the other');
    is($canary->{responses}{malformed}, 1, 'by state');
    is($canary->{rejected}, 1, 'rejected ones');
    is($stable->{items}{total}, 12, 'items');
    is($stable->{items}{removed}, 4, 'those removed');
    is_deeply($stable->{removed}, { seen => 4, sold => 0 }, 'by set');
    is_deeply($canary->{removed}, { seen => 3, sold => 3 }, 'and here');
    is(responses('other'), 0, 'no other');

    is(sum0(values %{ $status->{responses} }), $before + 9,
       'all are in the sum, those without a label, too');
    is($status->{sets}{seen}{removed}, $removed + 8, 'a set counts all');
    is(join(' ', sort keys %{ $status->{labels} }), 'canary other stable',
       'no label is none');

    my $e = scrape();
    is(metric($e, 'nginx_recs_label_responses_total', label => 'canary',
              state => 'filtered'), 3, 'in Prometheus, too');
    is(metric($e, 'nginx_recs_label_items_removed_total', label => 'stable'), 4,
       'items');
    is(metric($e, 'nginx_recs_label_removed_total', label => 'canary',
              set => 'sold'), 3, 'removals');
};


subtest 'how long it took' => sub {
    my $e = scrape();
    my $canary = labels()->{canary}{times};

    is($canary->{lookup}{count}, 3, 'look-ups');
    is($canary->{added}{count}, 3, 'what was held back');
    cmp_ok($canary->{added}{sum}, '>=', $canary->{lookup}{sum},
           'is held back longer than is looked up');
    cmp_ok($canary->{lookup}{sum}, '>', 0, 'it took some time');

    is(metric($e, 'nginx_recs_label_lookup_seconds_count', label => 'canary'),
       3, 'in Prometheus');
    is(metric($e, 'nginx_recs_label_lookup_seconds_bucket', label => 'canary',
              le => '+Inf'), 3, 'in a bucket');
    is(metric($e, 'nginx_recs_label_lookup_seconds_bucket', label => 'canary',
              le => '0.1'), $canary->{lookup}{within}{100}, 'in the same ones');

    my $sum = metric($e, 'nginx_recs_label_lookup_seconds_sum',
                     label => 'canary');
    cmp_ok(abs($sum - $canary->{lookup}{sum} / 1e6), '<', 1e-9, 'of one sum');

    my $before = metric($e, 'nginx_recs_lookup_seconds_count');
    my $quick = metric($e, 'nginx_recs_lookup_seconds_bucket', le => '0.008');
    my $hasty = labels()->{hasty}{times}{lookup}{count} // 0;

    $redis->freeze;
    is($t->get('/hasty?arm=hasty')->status, 200, 'Redis is late') for 1 .. 2;
    $redis->thaw;

    my $times = labels()->{hasty}{times};
    is($times->{lookup}{count}, 2, 'what is late counts');
    is($times->{lookup}{within}{8}, 0, 'as late');
    cmp_ok($times->{lookup}{sum}, '>=', 2 * 9000, 'in microseconds');

    $e = scrape();
    is(metric($e, 'nginx_recs_lookup_seconds_count'), $before + 2, 'of all');
    is(metric($e, 'nginx_recs_lookup_seconds_bucket', le => '0.008'), $quick,
       'no more of these');

    # A body that is no page waits for nothing.
    $t->get('/bad?arm=none');
    is(labels()->{none}{times}{lookup}{count}, 0, 'nothing was asked');
};


subtest 'what is over max=' => sub {
    is(join(' ', sort keys %{ labels() }), 'canary hasty none other stable',
       'four labels');

    $t->get('/page?arm=fifth');
    $t->get('/page?arm=sixth') for 1 .. 2;
    $t->get('/page?arm=seventh');
    $t->get('/shop?shop=1');
    $t->get('/page?arm=stable');
    $t->get('/page?arm=other');

    is(responses('fifth'), 1, 'a fifth one');
    is(labels()->{sixth}, undef, 'no sixth');
    is(responses('other'), 5, 'but other');
    is(responses('stable'), 5, 'those that are known stay');

    $t->get('/off?arm=stable');
    is(responses('stable'), 5, 'off');
};


subtest 'over a reload' => sub {
    my $sum = sum0(values %{ status()->{responses} });

    ok($nginx->reload(http => conf(64)), 'with more labels');

    is(sum0(values %{ status()->{responses} }), $sum, 'the sum stays');
    is(responses('stable'), 5, 'labels, too');

    $t->answered(sub { $t->get('/page?arm=sixth') });
    ok(labels()->{sixth}, 'there is room for others');
};


subtest 'whatever a client says' => sub {
    my %sent = (
        qq(a"b\\c{d="e"})         => qq(a"b\\c{d="e"}),
        "bytes \xff\xc3( end"     => 'bytes ??( end',
        "tab\tand \xc3\xa9"       => "tab?and \xe9",
        'l' x 100                 => 'l' x 64,
        'm' x 63 . "\xe2\x98\xba" => 'm' x 63,
    );

    for my $label (sort keys %sent) {
        $t->get('/header', 'X-Arm' => $label);
        $t->get('/header', 'X-Arm' => $label);

        is((labels()->{ $sent{$label} } // { responses => {} })->{responses}
               {filtered}, 2, 'a label, once');
        is(metric(scrape(), 'nginx_recs_label_responses_total',
                  label => $sent{$label}, state => 'filtered'), 2,
           'well formed for Prometheus');
    }

    $t->get('/header', 'X-Arm' => "n$_") for 1 .. 64;

    is(scalar keys %{ labels() }, 65, 'not more than 64 labels, and other');
    cmp_ok(responses('other'), '>', 5, 'which the rest are');
};


$t->done;
