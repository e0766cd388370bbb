use strict;
use warnings;

# What users see of a Redis that stands still, or is slow: until it is no longer
# asked, meanwhile, and until it is asked again; beside pages that need none.
# run.sh starts this; usage() says the rest.

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";

use File::Path ();
use Getopt::Long qw(GetOptions);
use Recs::Bench qw(now machine quantiles);
use Recs::Load;
use Recs::Process qw(free_port spew);

my @KINDS = qw(plain page waits);

my %TITLES = (
    plain => 'plain proxy', page => 'one Redis set',
    waits => 'the same, `breaker off`',
);

# Redis is well so long before it is frozen, seconds: one that fails again
# within 10 s is left alone for longer.
my $WELL = 11;

my $API = free_port();

my $HTTP = <<"END";

    recs_redis main { %%SETTINGS%% }
    recs_redis other { %%SETTINGS%% breaker off; }
    recs_set stock redis=main key=stock;
    recs_set others redis=other key=stock;

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
        add_header X-Kind \$uri;

        location = /plain { proxy_pass http://api; }
        location = /page { recs on; recs_require stock; proxy_pass http://api; }
        location = /waits {
            recs on;
            recs_require others;
            proxy_pass http://api;
        }
        location = /recs { recs_status; }
    }
END

my %opt = (rounds => 10, seconds => 3, connections => 64, rate => 1500,
           workers => 4);

sub usage {
    print <<"END";
usage: sh t/bench/run.sh frozen [OPTION...]

  --rounds=$opt{rounds}       Redis is frozen so often
  --seconds=$opt{seconds}       for so long, once it is no longer asked
  --connections=$opt{connections}  over which pages are asked for
  --rate=$opt{rate}     requests a second, over all of them
  --workers=$opt{workers}      of nginx
  --slow=20        it is not frozen: it answers so many milliseconds late
END
    exit 0;
}

GetOptions(
    'help' => \&usage, 'rounds=i' => \$opt{rounds}, 'rate=i' => \$opt{rate},
    'seconds=f' => \$opt{seconds}, 'connections=i' => \$opt{connections},
    'workers=i' => \$opt{workers}, 'slow=i' => \$opt{slow},
) or die "--help says what can be said\n";

my $bench = Recs::Bench->new;
my $redis = $bench->redis;
my ($load, $relay);

# Phases, their times in seconds by kind, and how the pages were.
my ($phase, $since) = ('start', 0);
my (%times, %states);
my ($opened, $closed);          # when the first page of the kind said so

Recs::Bench::run(\&main);


sub main {
    $redis->cmd('SADD', 'stock', map { "b$_" } 1 .. 8);
    $relay = $bench->relay if $opt{slow};

    my $html = $bench->dir . '/html';
    File::Path::make_path($html);
    spew("$html/page", '{"items":['
         . join(',', map { qq({"id":"b$_"}) } 1 .. 10) . ']}');

    $bench->nginx(workers => $opt{workers}, http => $HTTP);

    my $n = 0;
    $load = Recs::Load->new(%opt, port => $bench->port, page => \&note_page,
                            path => sub { '/' . $KINDS[$n++ % @KINDS] });

    report(map { standstill() } 1 .. $opt{rounds});
}


# Responses are of the phase in which they were asked for.

sub note_page {
    my ($c, $body) = @_;

    my ($kind) = $c->{head} =~ m{^X-Kind: /(\w+)\r$}m;
    my ($state, $why) = $c->{head} =~ /^Recs-Filter: (\w+)/m
        ? ($1, $c->{head} =~ /;why=(\w+)/) : ('none', '');

    die "not a page: $c->{head}\n"
        if !$kind || $body !~ /\A\{"items":/ || $state eq 'rejected';

    if ($kind eq 'page') {
        $opened //= $c->{began} if ($why // '') eq 'down';
        $closed //= $c->{began} if $state eq 'filtered';
    }

    return if $c->{sent} < $since;

    push @{ $times{$phase}{$kind} }, $c->{began} - $c->{sent};
    $states{$phase}{$kind}{ $why // $state }++;
}


sub phase {
    ($phase, $since) = ($_[0], now());
    ($opened, $closed) = ();
}


# Redis stands still, or is slow, or it ends.

sub fail {
    my ($now) = @_;

    return $relay->delay($now ? $opt{slow} / 1000 : 0) if $relay;
    return $now ? $redis->freeze : $redis->thaw;
}


# Milliseconds until it was no longer asked, and until it was asked again, and
# how many pages waited.

sub standstill {
    my %of;

    phase('well');
    $load->run_for($WELL);

    phase('before');
    my $frozen = now();
    fail(1);
    $load->run(sub {
        die "it is asked for ever\n" if $_[0] > $frozen + 10;
        return $opened;
    });
    $of{opened} = $opened - $frozen;

    phase('open');
    $load->run_for($opt{seconds});

    phase('after');
    my $thawed = now();
    fail(0);
    $load->run(sub {
        die "it is never asked again\n" if $_[0] > $thawed + 10;
        return $closed;
    });
    $of{closed} = $closed - $thawed;

    return \%of;
}


sub report {
    my (@rounds) = @_;

    printf "%d workers, %s; %s; Redis %s %d times.\n\n", $opt{workers},
        machine(), $load->said, $relay ? "$opt{slow} ms late" : 'frozen',
        scalar @rounds;

    print "| | responses | median | p99 | worst |\n|---|---|---|---|---|\n";

    for my $row (['well', 'Redis is well'], ['open', 'no longer asked']) {
        my ($of, $title) = @$row;

        for my $kind (@KINDS) {
            my @ms = map { 1000 * $_ } @{ $times{$of}{$kind} };
            printf "| %s: %s | %d | %.2f | %.2f | %.2f |\n", $title,
                $TITLES{$kind}, scalar @ms, quantiles(@ms);
        }
    }

    print "\nMilliseconds:\n\n| | median | p99 | worst |\n|---|---|---|---|\n";
    printf "| from the standstill until it is no longer asked | %.0f | %.0f "
        . "| %.0f |\n", quantiles(map { 1000 * $_->{opened} } @rounds);
    printf "| from its end until it is asked again | %.0f | %.0f | %.0f |\n\n",
        quantiles(map { 1000 * $_->{closed} } @rounds);

    for my $of (qw(before open after)) {
        my $states = $states{$of}{page};
        print "$of: ", join(', ', map { "$_ $states->{$_}" }
                                  sort keys %$states), "\n";
    }
}
