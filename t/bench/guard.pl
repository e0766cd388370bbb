use strict;
use warnings;

# How long users get a bad snapshot until its guard has left it.  run.sh starts
# this; usage() says the rest.

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";

use Getopt::Long qw(GetOptions);
use Recs::Bench qw(machine quantiles);
use Recs::Load;
use Recs::Process qw(wait_until);

my $USERS = 20;
my $PAUSE = 0.05;

my $HTTP = <<'END';

    recs_redis main { server %%REDIS%%; }
    recs_set sold redis=main key=sold;
    recs_snapshots home redis=main prefix=home;
    recs_guard home removed=60% empty=5% missing=20% errors=2% window=30s
               min=MIN;

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        location /page {
            recs on;
            recs_user $arg_user;
            recs_exclude sold;
            recs_lookup_timeout 1s;
            recs_pass home;
            add_header X-Worker $pid always;
        }
        location = /recs { recs_status; }
    }
END

my %opt = (rounds => 50, connections => 64, rate => 3000, workers => 4,
           min => 500);

sub usage {
    print <<"END";
usage: sh t/bench/run.sh guard [OPTION...]

  --rounds=$opt{rounds}      bad snapshots of each kind
  --min=$opt{min}        pages from which on the guard judges
  --connections=$opt{connections}  over which pages are asked for
  --rate=$opt{rate}     requests a second, over all of them
  --workers=$opt{workers}     of nginx
END
    exit 0;
}

GetOptions(
    'help' => \&usage, 'rounds=i' => \$opt{rounds}, 'min=i' => \$opt{min},
    'rate=i' => \$opt{rate}, 'connections=i' => \$opt{connections},
    'workers=i' => \$opt{workers},
) or die "--help says what can be said\n";

# What is wrong with each kind, and how the table calls it.
my @kinds = ([sold => 'most items are sold out'],
             [missing => 'most users have no row'],
             [malformed => 'rows are malformed']);

my $bench = Recs::Bench->new;
my $redis = $bench->redis;
my ($load, $round);

Recs::Bench::run(\&main);


sub main {
    $redis->cmd('SADD', 'sold', map { "s$_" } 1 .. 9);
    fill('v0', 'good');
    call('recs_publish', 4, 'v0');

    $bench->nginx(workers => $opt{workers}, error_level => 'crit',
                  http => $HTTP =~ s/MIN/$opt{min}/r);
    wait_until(sub {
        return ($bench->get('/page?user=u1')->status // 0) == 200;
    }) or die "no page is served\n";

    $load = Recs::Load->new(
        %opt, port => $bench->port, page => \&note_page,
        path => sub { '/page?user=u' . (1 + int rand $USERS) });

    my %rounds;

    for my $n (1 .. $opt{rounds}) {
        push @{ $rounds{ $_->[0] } }, round($_->[0] . $n, $_->[0]) for @kinds;
    }

    report(%rounds);
}


sub fill {
    my ($version, $kind) = @_;

    my $item = $kind eq 'sold' ? 's' : 'i';
    my $items = join ',', map { qq({"id":"$item$_"}) } 1 .. 9;
    my $page = qq({"v":"$version","items":[$items,{"id":"i10"}]});
    my $row = $kind eq 'malformed' ? qq({"v":"$version","items":[) : $page;
    my $last = $kind eq 'missing' ? 2 : $USERS;

    $redis->pipeline(
        ['HSET', "{home}:$version:meta", model => 'm', schema => 1,
         features => 'f', generated_at => int time, expected => $USERS,
         written => $USERS, state => 'complete'],
        ['SET', "home:$version:u:_default", $page],
        map { ['SET', "home:$version:u:u$_", $row] } 1 .. $last);
}


sub call {
    my ($function, $nkeys, $version) = @_;

    return $redis->cmd('FCALL', $function, $nkeys,
                       (map { "{home}:$_" } qw(channel:active history
                                               rolled_back)),
                       "{home}:$version:meta", $version);
}


# A page is of v0, or a bad one.  v0 is back with the first of its pages that
# was asked for after a bad one had come.

sub note_page {
    my ($c, $body) = @_;

    return if !$round;

    if ($c->{head} =~ m{\AHTTP/1.1 200} && $body =~ /\A\{"v":"v0"/) {
        $round->{back} //= $c->{began}
            if $round->{first} && $c->{sent} > $round->{first};
        return;
    }

    $round->{first} //= $c->{began};
    $round->{last} = $c->{began};
    $round->{bad}++;
    $round->{after}++ if $round->{back} && $c->{sent} > $round->{back};
}


sub round {
    my ($version, $kind) = @_;

    fill($version, $kind);
    $round = { bad => 0, after => 0 };

    my $end = Recs::Bench::now() + 30;
    call('recs_publish', 4, $version);

    $load->run(sub {
        die "$version is not left\n" if $_[0] > $end;
        return $round->{back};
    });

    # Old pages may have come meanwhile: until the channel is moved, and after.
    $load->run(sub {
        die "$version: the channel is not moved\n" if $_[0] > $end;
        return $redis->cmd('GET', '{home}:channel:active') eq 'v0';
    });
    $load->run_for($PAUSE);

    my $done = $round;
    undef $round;
    return $done;
}


sub report {
    my (%rounds) = @_;

    printf "%d workers, %s; %s; min=%d.\n\n", $opt{workers}, machine(),
        $load->said, $opt{min};

    print "Milliseconds from the first bad page to the last, on all workers, ",
          "and how many there were:\n\n",
          "| | rounds | median | p99 | worst | pages, median | most ",
          "| asked for after the first good one |\n",
          "|---|---|---|---|---|---|---|---|\n";

    for (@kinds) {
        my ($kind, $title) = @$_;
        my @of = @{ $rounds{$kind} };
        my @pages = quantiles(map { $_->{bad} } @of);
        my $after = 0;
        $after += $_->{after} for @of;

        printf "| %s | %d | %.0f | %.0f | %.0f | %d | %d | %d |\n", $title,
            scalar @of,
            quantiles(map { ($_->{last} - $_->{first}) * 1000 } @of),
            @pages[0, 2], $after;
    }
}
