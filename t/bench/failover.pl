use strict;
use warnings;

# What users see of a master that is killed, of a cluster or of one that
# sentinels watch: how long Redis itself has no other, how long it takes then
# until that one is asked, and how many pages come without an answer meanwhile.
# run.sh starts this; usage() says the rest.

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";

use File::Path ();
use Getopt::Long qw(GetOptions);
use List::Util qw(first);
use Recs::Bench qw(now machine quantiles);
use Recs::Load;
use Recs::Process qw(free_port spew);
use Recs::RedisCluster;
use Recs::RedisSentinel;

my $API = free_port();

my $HTTP = <<"END";

    recs_redis main { %%SETTINGS%% }
    recs_set stock redis=main "key={stock}";
    recs_set seen redis=main key=seen:\$arg_u;

    upstream api { server 127.0.0.1:$API; keepalive 64; }

    server {
        listen 127.0.0.1:$API;
        default_type application/json;
        root %%DIR%%/html;
        rewrite ^ /page break;
    }

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        recs_lookup_timeout 15ms;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        add_header X-Worker \$pid;

        location / {
            recs on;
            recs_require stock;
            recs_exclude seen;
            proxy_pass http://api;
        }
        location = /recs { recs_status; }
    }
END

my %opt = (rounds => 5, connections => 64, rate => 1000, workers => 4,
           topology => 'cluster', timeout => 1000);

sub usage {
    print <<"END";
usage: sh t/bench/run.sh failover [OPTION...]

  --topology=$opt{topology}  or sentinel
  --rounds=$opt{rounds}          a master is killed so often
  --timeout=$opt{timeout}      ms, until Redis takes a server for dead
                      (cluster-node-timeout, down-after-milliseconds)
  --connections=$opt{connections}    over which pages are asked for
  --rate=$opt{rate}         requests a second, over all of them
  --workers=$opt{workers}         of nginx
END
    exit 0;
}

GetOptions(
    'help' => \&usage, 'rounds=i' => \$opt{rounds}, 'rate=i' => \$opt{rate},
    'topology=s' => \$opt{topology}, 'timeout=i' => \$opt{timeout},
    'connections=i' => \$opt{connections}, 'workers=i' => \$opt{workers},
) or die "--help says what can be said\n";

my $bench = Recs::Bench->new;
my ($redis, $load);

# Of this round: when it began; how the pages were that were asked for since,
# with their times in seconds; when the last one came without an answer.
my ($since, %states, @times, $last) = (0);

Recs::Bench::run(\&main);


sub main {
    $redis = $opt{topology} eq 'sentinel'
        ? $bench->group('Recs::RedisSentinel', replicas => 1, sentinels => 3,
                        timeout => $opt{timeout})
        : $bench->group('Recs::RedisCluster', masters => 3, replicas => 1,
                        timeout => $opt{timeout});

    $redis->cmd('SADD', '{stock}', map { "b$_" } 1 .. 8);
    $redis->cmd('SADD', "seen:u$_", 'b1') for 1 .. 100;

    my $html = $bench->dir . '/html';
    File::Path::make_path($html);
    spew("$html/page", '{"items":['
         . join(',', map { qq({"id":"b$_"}) } 1 .. 10) . ']}');

    $bench->nginx(workers => $opt{workers}, http => $HTTP);

    my $n = 0;
    $load = Recs::Load->new(%opt, port => $bench->port, page => \&note_page,
                            path => sub { '/page?u=u' . (1 + $n++ % 100) });

    report(map { failover() } 1 .. $opt{rounds});
}


sub note_page {
    my ($c, $body) = @_;

    my ($state) = $c->{head} =~ /^Recs-Filter: (\w+)/m;

    die "not a page: $c->{head}\n"
        if $body !~ /\A\{"items":/ || ($state // '') !~ /^(filtered|degraded)$/;
    die "it is filtered by somebody else's answer: $body\n"
        if $state eq 'filtered' && $body ne '{"items":['
            . join(',', map { qq({"id":"b$_"}) } 2 .. 8) . ']}';

    return if $c->{sent} < $since;

    $states{$state}++;
    push @times, $c->{began} - $c->{sent};
    $last = $c->{began} if $state eq 'degraded';
}


# A master dies, and comes back as a replica.  It has been well for a while.

sub failover {
    $load->run_for(3);

    my $master = $opt{topology} eq 'sentinel' ? $redis->master
                                              : $redis->node_of('{stock}');
    my @replicas = $redis->replicas($opt{topology} eq 'sentinel' ? ()
                                                                 : $master);

    ($since, %states) = (now());
    (@times, $last) = ();
    my $killed = now();
    $master->kill;

    my ($elected, $looked) = (undef, 0);
    $load->run(sub {
        my ($now) = @_;

        die "no other master, or it is never asked\n" if $now > $killed + 60;

        if (!$elected && $now > $looked + 0.02) {
            $looked = $now;
            $elected = now() if first { is_master($_) } @replicas;
        }

        return $elected && $now > $elected + 1
               && $now > ($last // $killed) + 1;
    });

    my %of = (elected => $elected - $killed, found => $last - $elected,
              degraded => $states{degraded}, pages => scalar @times,
              p99 => (quantiles(@times))[1]);

    $master->start;
    $redis->settle;
    return \%of;
}


# Sentinels close all connections to a server whose role they change.

sub is_master {
    my ($node) = @_;

    my $role = eval { $node->cmd('ROLE')->[0] };
    $node->hang_up if !$role;
    return ($role // '') eq 'master';
}


sub report {
    my (@rounds) = @_;

    printf "%s, %d ms; %d workers, %s; %s; a master killed %d times.\n\n",
        $opt{topology}, $opt{timeout}, $opt{workers}, machine(), $load->said,
        scalar @rounds;

    print "| | median | worst |\n|---|---|---|\n";

    for my $row (
        ['until Redis has another master, ms', elected => 1000],
        ['from then until no page lacks an answer any more, ms', found => 1000],
        ['pages that came without one answer or both', degraded => 1],
        ['p99 of all pages from the kill on, ms', p99 => 1000],
    ) {
        my ($title, $what, $unit) = @$row;
        my ($median, undef, $worst) =
            quantiles(map { $unit * $_->{$what} } @rounds);
        printf "| %s | %.0f | %.0f |\n", $title, $median, $worst;
    }
}
