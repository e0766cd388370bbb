package Recs::PrometheusServer;

=head1 NAME

Recs::PrometheusServer - a real Prometheus that scrapes the nginx of a test

=head1 SYNOPSIS

Where C<Recs::Prometheus::program('prometheus')> says that there is one:

    my $prometheus = Recs::PrometheusServer->new($t, path => '/metrics',
                                                 interval => '100ms',
                                                 rules => $text);   # if any

    my $answer = $prometheus->query('up == 1');     # what the API says
    my $alerts = $prometheus->ask('alerts');        # undef: no answer
    print $prometheus->log;
    $prometheus->stop;

=cut

use strict;
use warnings;

use File::Temp ();
use Recs::Process qw(slurp spew);
use Recs::Prometheus qw(program);


sub new {
    my ($class, $t, %opt) = @_;

    my $dir = File::Temp->newdir;
    my $port = $t->port('PROMETHEUS');
    my $rules = '';

    if (defined $opt{rules}) {
        spew("$dir/rules.yml", $opt{rules});
        $rules = "rule_files: [$dir/rules.yml]";
    }

    spew("$dir/prometheus.yml", <<"YAML");
global:
  scrape_interval: $opt{interval}
  scrape_timeout: $opt{interval}
  evaluation_interval: $opt{interval}
$rules
scrape_configs:
  - job_name: edge
    metrics_path: $opt{path}
    static_configs: [{ targets: ['127.0.0.1:@{[ $t->port ]}'] }]
YAML

    my $process = Recs::Process->spawn(
        output => "$dir/log",
        command => [program('prometheus'),
                    "--config.file=$dir/prometheus.yml",
                    "--storage.tsdb.path=$dir/data",
                    "--web.listen-address=127.0.0.1:$port"]);

    return bless { t => $t, dir => $dir, process => $process }, $class;
}


sub ask {
    my ($self, $path) = @_;

    my $r = eval {
        $self->{t}->get("/api/v1/$path", { port => 'PROMETHEUS' });
    } or return;

    return scalar eval { $r->json };
}


sub query {
    my ($self, $query) = @_;

    $query =~ s/([^\w.])/sprintf '%%%02X', ord $1/ge;
    return $self->ask("query?query=$query") // { status => 'no answer' };
}


sub log { return slurp("$_[0]{dir}/log") }
sub stop { return $_[0]{process}->stop('TERM', 10) }


1;
