use strict;
use warnings;

# How soon a snapshot that is published is what users get.  run.sh starts this;
# usage() says the rest.

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";

use Getopt::Long qw(GetOptions);
use List::Util qw(max);
use Recs::Bench qw(root machine quantiles);
use Recs::Load;
use Recs::Process qw(wait_until);

my $USERS = 20;
my $PAUSE = 0.05;       # between changes: half of it to one and a half

my $HTTP = <<'END';

    recs_redis main { server %%REDIS%%; }
    recs_snapshots home redis=main prefix=home;

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        location /page {
            recs on;
            recs_user $arg_user;
            recs_lookup_timeout 1s;
            recs_pass home;
            add_header X-Worker $pid;
        }
        location = /recs { recs_status; }
    }
END

my %opt = (changes => 200, connections => 64, rate => 3000, workers => 4);

sub usage {
    print <<"END";
usage: sh t/bench/run.sh cutover [OPTION...]

  --changes=$opt{changes}   cutovers, and as many rollbacks
  --connections=$opt{connections}  over which pages are asked for
  --rate=$opt{rate}     requests a second, over all of them
  --workers=$opt{workers}     of nginx
END
    exit 0;
}

GetOptions(
    'help' => \&usage, 'changes=i' => \$opt{changes}, 'rate=i' => \$opt{rate},
    'connections=i' => \$opt{connections}, 'workers=i' => \$opt{workers},
) or die "--help says what can be said\n";

my $bench = Recs::Bench->new;
my $redis = $bench->redis;
my $load;
my $version = 'v0';             # that must come, or $old if it may
my ($old, $change);
my $back = 0;                   # old pages after a new one

Recs::Bench::run(\&main);


sub main {
    fill();

    $bench->nginx(workers => $opt{workers}, http => $HTTP);
    wait_until(sub {
        return ($bench->get('/page?user=u1')->status // 0) == 200;
    }) or die "no page is served\n";

    $load = Recs::Load->new(
        %opt, port => $bench->port, page => \&note_page,
        path => sub { '/page?user=u' . (1 + int rand $USERS) });

    my (@published, @rolled_back);

    for my $n (1 .. $opt{changes}) {
        push @published, change("v$n", 'recs_publish', 4, "v$n");
        push @rolled_back, change('v0', 'recs_rollback', 3);
    }

    report(Cutovers => \@published, Rollbacks => \@rolled_back);
}


# All versions are there before the first is published.

sub fill {
    open my $file, '<', root() . '/t/data/recs.ndjson' or die "t/data: $!\n";
    my @pages = map { items(scalar <$file>) } 0 .. $USERS;

    for my $n (0 .. $opt{changes}) {
        $redis->pipeline(
            ['HSET', "{home}:v$n:meta", model => 'm', schema => 1,
             features => 'f', generated_at => int time, expected => $USERS,
             written => $USERS, state => 'complete'],
            map { ['SET', "home:v$n:u:" . ($_ ? "u$_" : '_default'),
                   qq({"v":"v$n","items":[$pages[$_]]})] } 0 .. $USERS);
    }

    $redis->cmd('FCALL', 'recs_publish', arguments(4, 'v0'));
}


# The first ten items of a page.

sub items {
    my ($page) = @_;

    my @items = split /(?<=\}),(?=\{)/, $page =~ s/\A.*?"items":\[//r;
    return join ',', @items[0 .. 9];
}


# Of a call: how many keys, the keys, the version.

sub arguments {
    my ($nkeys, $version) = @_;

    return $nkeys, (map { "{home}:$_" } qw(channel:active history rolled_back)),
           defined $version ? ("{home}:$version:meta", $version) : ();
}


sub note_page {
    my ($c, $body) = @_;

    my ($got) = $body =~ /\A\{"v":"(\w+)"/ or die "not a page: $body\n";

    if ($got eq $version) {
        $change->{first} //= $c->{began} if $change;
        return;
    }

    die "a page of $got, when $version is published\n"
        if !$old || $got ne $old;

    $back++ if $change->{first} && $c->{sent} > $change->{first};

    return if !$change->{returned};

    # Old pages after the call: what began, and what was asked for, after it.
    for my $what (qw(began sent)) {
        $change->{$what} = max($change->{$what}, $c->{began})
            if $c->{$what} > $change->{returned};
    }
}


# Calls, and goes on until all responses to what was asked before the new
# version first came are there, and for a while.

sub change {
    my ($to, $function, @arguments) = @_;

    ($old, $version) = ($version, $to);
    $change = { began => 0, sent => 0 };

    (undef, $change->{returned}) = $load->call($redis, 'FCALL', $function,
                                               arguments(@arguments));

    my $end = $change->{returned} + 10;
    $load->run(sub {
        die "$to was published, $old is served\n" if $_[0] > $end;
        return $change->{first};
    });

    $load->run_for($PAUSE * (0.5 + rand));
    return $change;
}


sub report {
    my (@of) = @_;

    printf "%d workers, %s; %s.\n\n", $opt{workers}, machine(), $load->said;

    print "Milliseconds from the call's return to the last old page:\n\n",
          "| | | none | median | p99 | worst |\n|---|---|---|---|---|---|\n";

    while (my ($title, $changes) = splice @of, 0, 2) {
        row_of("$title ($opt{changes})", 'began after it', 'began', @$changes);
        row_of('', 'asked for after it', 'sent', @$changes);
    }

    print "\n$back pages were old though asked for after a new one had come.\n";
}


sub row_of {
    my ($title, $label, $what, @changes) = @_;

    my @late = map {
        $_->{$what} ? ($_->{$what} - $_->{returned}) * 1000 : 0
    } @changes;

    printf "| %s | %s | %d | %.2f | %.2f | %.2f |\n", $title, $label,
        scalar(grep { !$_ } @late), quantiles(@late);
}
