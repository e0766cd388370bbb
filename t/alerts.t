use strict;
use warnings;

# conf/alerts.yml and conf/grafana-dashboard.json ask for metrics that there
# are, with their labels; each alert has its entry in docs/runbook.md.  If there
# is promtool, it says that the alerts fire when they are to; if there is
# Prometheus, it notices an nginx whose Redis died, and takes each query of the
# dashboard.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP qw(decode_json);
use Recs::Process qw(run slurp wait_until);
use Recs::Prometheus qw(program);
use Recs::PrometheusServer;
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $root = $t->root;

my $alerts = slurp("$root/conf/alerts.yml");
my $text = slurp("$root/conf/grafana-dashboard.json");
my $dashboard = decode_json($text);
my @panels = @{ $dashboard->{panels} };

my %documented = slurp("$root/docs/status.md")
                 =~ /^\| `(nginx_recs_\w+)` \|([^|]*)\|/mg;
$_ = { map { ($_ => 1) } /`(\w+)`/g } for values %documented;


my $promtool = program('promtool');


sub queries {
    my @of_panels = map { map { $_->{expr} } @{ $_->{targets} // [] } } @panels;
    my @of_marks = map { $_->{expr} } @{ $dashboard->{annotations}{list} };

    return (@of_panels, @of_marks);
}


# As Grafana puts its variables in.

sub put_in {
    return map { s/\$__rate_interval/1m/gr =~ s/\$(?:job|instance)\b/.*/gr } @_;
}


subtest 'names and labels are those of the status' => sub {
    my @expressions = $alerts =~ /^\s+expr: (?:>-\n((?:\s{10}.*\n)+)|(.*)\n)/mg;
    @expressions = grep { defined } @expressions;

    cmp_ok(scalar @expressions, '>=', 11, 'there are alerts');

    for my $query (@expressions, queries()) {
        my @uses = $query =~ /\b(nginx_recs_\w+)(\{[^}]*\})?/g;

        cmp_ok(scalar @uses, '>', 0, $query =~ s/\s+/ /gr);

        while (my ($name, $labels) = splice @uses, 0, 2) {
            my $known = $documented{$name}
                        // $documented{ $name =~ s/_bucket\z//r };

            ok($known, $name) or next;

            my @unknown = grep { !$known->{$_} && !/\A(?:job|instance|le)\z/ }
                          ($labels // '') =~ /(\w+)\s*[=!]/g;
            is("@unknown", '', '... has these labels') if $labels;
        }
    }

    my @others = grep { !$documented{ s/_bucket\z//r } }
                 "$alerts$text" =~ /\b(nginx_recs_\w+)/g;
    is("@others", '', 'and nothing else is named');
};


subtest 'each alert has an entry in the runbook' => sub {
    my $runbook = slurp("$root/docs/runbook.md");
    my @rules = split /^      - alert: /m, $alerts;
    my @names;

    shift @rules;

    for my $rule (@rules) {
        my ($name) = $rule =~ /\A(\w+)$/m;
        push @names, $name;

        my ($entry) = $runbook =~ /^## $name\n(.*?)(?=^## |\z)/ms;
        ok($entry, $name) or next;

        like($rule, qr{^          runbook: docs/runbook\.md#\L$name\E$}m,
             'which it names');
        like($rule, qr/^          severity: (?:page|ticket)$/m, 'for whom');
        like($rule, qr/\$labels\.instance\b/, 'of which edge');
        like($entry, qr/\*\*\Q$_\E\*\*/, $_)
            for 'Users see', 'Look at', 'Do';
    }

    is(join(' ', $runbook =~ /^## (\w+)$/mg), join(' ', sort {
        index($runbook, "## $a\n") <=> index($runbook, "## $b\n")
    } @names), 'and no other has one');

    like($text, qr/\b$_\b/, "the dashboard names $_")
        for grep { !/RecsNoLeader/ } @names;
};


subtest 'the dashboard' => sub {
    my %ids;
    $ids{ $_->{id} }++ for @panels;

    cmp_ok(scalar @panels, '>', 30, 'it has panels');
    is(join(' ', grep { $ids{$_} > 1 } keys %ids), '', 'each has its id');

    my %variables = map { ($_->{name} => $_) }
                    @{ $dashboard->{templating}{list} };
    is($variables{datasource}{type}, 'datasource',
       'the data source is a variable');

    my @sources = grep { !/\A(?:\$\{datasource\}|nginx-recs)\z/ }
               $text =~ /"uid": "([^"]*)"/g;
    is("@sources", '', 'everywhere');

    my @used = map { /\$(\w+)/g } queries();
    is(join(' ', grep { !$variables{$_} && $_ ne '__rate_interval' } @used),
       '', 'no other variable is used');

    my %places;
    for my $panel (@panels) {
        my ($x, $y, $w, $h) = @{ $panel->{gridPos} }{qw(x y w h)};

        cmp_ok($x + $w, '<=', 24, "$panel->{title}: within the page");
        for my $i ($x .. $x + $w - 1) {
            $places{$i, $_}++ for $y .. $y + $h - 1;
        }
    }
    is(scalar(grep { $_ > 1 } values %places), 0, 'none lies on another');
};


subtest 'promtool' => sub {
    plan skip_all => 'there is none' if !$promtool;

    my ($code, $said) = run('sh', '-c', 'exec "$0" "$@" 2>&1', $promtool,
                            qw(check rules), "$root/conf/alerts.yml");
    is($code, 0, 'takes the alerts') or diag($said);

    ($code, $said) = run('sh', '-c', 'exec "$0" "$@" 2>&1', $promtool,
                         qw(test rules), "$root/t/alerts_test.yml");
    is($code, 0, 'and says when they fire') or diag($said);
};


SKIP: {
    skip 'there is no prometheus', 1 if !program('prometheus');

    subtest 'a failure is noticed' => sub { noticed() };
}

$t->done;


# An edge whose Redis dies.  The alerts are those of conf, but nobody waits
# minutes for them.

sub noticed {
    my $redis = $t->redis(kind => 'plain');

    $redis->cmd('SADD', 'stock', 'a', 'b');

    $t->nginx(http => <<'HTTP');
recs_redis main { server %%REDIS%%; }
recs_set stock redis=main key=stock replica=on resync=1s max_lag=3s;
recs_set seen redis=main key=seen:$arg_u;
recs_label $arg_u;
server {
    listen %%LISTEN%%;
    location = /page { recs on; recs_require stock; recs_exclude seen;
                       default_type application/json;
                       return 200 '{"items":[{"id":"a"},{"id":"c"}]}'; }
    location = /metrics { recs_status prometheus; }
}
HTTP

    my $prometheus = Recs::PrometheusServer->new(
        $t, path => '/metrics', interval => '500ms',
        rules => $alerts =~ s/^    *for: \K\w+/0s/mgr =~ s/\[\d+m\]/[5s]/gr);

    # Those that fire now, by their names.

    my $firing = sub {
        my $said = $prometheus->ask('alerts') or return { 'no answer' => {} };
        return { map { ($_->{labels}{alertname} => $_) }
                 grep { $_->{state} eq 'firing' } @{ $said->{data}{alerts} } };
    };

    eval {
        my $fresh = wait_until(sub {
            $t->get('/page?u=1');
            my $said = $prometheus->query('nginx_recs_replica_fresh == 1');
            return @{ $said->{data}{result} // [] };
        }, 60);
        ok($fresh, 'all is well') or diag($prometheus->log);
        ok(wait_until(sub { !%{ $firing->() } }, 60), 'no alert fires')
            or diag(join ' ', sort keys %{ $firing->() });

        $redis->kill;

        my @expected = qw(RecsBreakerOpen RecsDegraded RecsReplicaStale);
        my $fired = wait_until(sub {
            $t->get('/page?u=1');
            my $now = $firing->();
            return @expected == grep { $now->{$_} } @expected;
        }, 60);
        ok($fired, "a killed Redis: @expected")
            or diag(join ' ', sort keys %{ $firing->() });

        my $said = $firing->()->{RecsBreakerOpen};
        is($said->{annotations}{runbook}, 'docs/runbook.md#recsbreakeropen',
           'with the entry of the runbook');

        my $with = 0;

        for my $q (put_in(queries())) {
            my $answer = $prometheus->query($q);
            is($answer->{status}, 'success', $q) or diag($answer->{error});
            $with++ if @{ $answer->{data}{result} // [] };
        }

        cmp_ok($with, '>', 30, 'most have something to show here');
        1;
    } or fail($@);

    $prometheus->stop;
    return;
}
