use strict;
use warnings;

# How soon an id that is removed from a set is gone from what users get, with
# a replica.  run.sh starts this; usage() says the rest.

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../lib";

use File::Path ();
use Getopt::Long qw(GetOptions);
use List::Util qw(max);
use Recs::Bench qw(machine quantiles);
use Recs::Load;
use Recs::Process qw(spew wait_until);

my @KEYS = (2, 'stock', 'stock:feed');
my $ITEM = '{"id":"b1"}';
my $PAUSE = 0.02;           # between changes: half of it to one and a half

my $HTTP = <<'END';

    recs_redis main { server %%REDIS%%; }
    recs_set stock redis=main key=stock replica=on feed=stock:feed;

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        default_type application/json;
        root %%DIR%%/html;
        location = /page {
            recs on;
            recs_require stock;
            recs_lookup_timeout 1s;
            add_header X-Worker $pid;
        }
        location = /recs { recs_status; }
    }
END

my %opt = (tries => 1000, connections => 64, rate => 3000, workers => 8);

sub usage {
    print <<"END";
usage: sh t/bench/run.sh removal [OPTION...]

  --tries=$opt{tries}        removals; the id is added again after each
  --connections=$opt{connections}    over which pages are asked for
  --rate=$opt{rate}         requests a second, over all of them
  --workers=$opt{workers}         of nginx
END
    exit 0;
}

GetOptions(
    'help' => \&usage, 'tries=i' => \$opt{tries}, 'rate=i' => \$opt{rate},
    'connections=i' => \$opt{connections}, 'workers=i' => \$opt{workers},
) or die "--help says what can be said\n";

my $bench = Recs::Bench->new;
my $redis = $bench->redis;
my ($load, $try);

Recs::Bench::run(\&main);


sub main {
    $redis->cmd('FCALL', 'recs_add', @KEYS, map { "b$_" } 1 .. 1000);

    my $html = $bench->dir . '/html';
    File::Path::make_path($html);
    spew("$html/page", '{"items":['
         . join(',', map { qq({"id":"b$_"}) } 1 .. 10) . ']}');

    $bench->nginx(workers => $opt{workers}, http => $HTTP);
    wait_until(sub {
        return $bench->status->{sets}{stock}{replica}{state} eq 'following';
    }) or die "the replica is not loaded\n";

    $load = Recs::Load->new(%opt, port => $bench->port, page => \&note_page,
                            path => sub { '/page' });

    report(map { removal() } 1 .. $opt{tries});
}


# Pages with the item after the call: what began, and what was asked for,
# after it.

sub note_page {
    my ($c, $body) = @_;

    die "not a page that was filtered by a replica: $c->{head}\n"
        if $c->{head} !~ /^Recs-Filter: filtered;/m
           || $c->{head} !~ /^Recs-Sets: stock;age=\d+;removed=\d+\r$/m;

    return if !$try;

    if ($body !~ /\Q$ITEM\E/) {
        $try->{first} //= $c->{began};
        return;
    }

    $try->{back}++ if $try->{first} && $c->{sent} > $try->{first};
    return if !$try->{returned};

    for my $what (qw(began sent)) {
        $try->{$what} = max($try->{$what}, $c->{began})
            if $c->{$what} > $try->{returned};
    }
}


# Removes the id, and goes on until it is gone and for a while; then adds it,
# until pages have it again.

sub removal {
    $try = { began => 0, sent => 0, back => 0 };
    $try->{returned} = call('recs_remove');

    my $end = $try->{returned} + 10;
    $load->run(sub {
        die "the item does not go\n" if $_[0] > $end;
        return $try->{first};
    });
    $load->run_for($PAUSE * (0.5 + rand));

    my $done = $try;
    $try = undef;
    call('recs_add');
    $load->run_for($PAUSE * (0.5 + rand));
    return $done;
}


# When it had returned.

sub call {
    my ($function) = @_;

    my ($reply, $returned) = $load->call($redis, 'FCALL', $function, @KEYS,
                                         'b1');
    die "$function: $reply\n" if $reply != 1;
    return $returned;
}


sub report {
    my (@tries) = @_;

    my $back = grep { $_->{back} } @tries;

    printf "%d workers, %s; %s; %d removals.\n\n", $opt{workers}, machine(),
        $load->said, scalar @tries;

    print "Milliseconds from the call's return:\n\n",
          "| | none | median | p99 | worst |\n|---|---|---|---|---|\n";

    row_of('to the first page without the item', 'first', @tries);
    row_of('to the last with it that began later', 'began', @tries);
    row_of('to the last with it that was asked for later', 'sent', @tries);

    print "\nIn $back of them a page had the item though asked for after one "
        . "without it had come.\n";
}


# None, or before the return: 0.

sub row_of {
    my ($title, $what, @tries) = @_;

    my @late = map {
        max(0, $_->{$what} ? ($_->{$what} - $_->{returned}) * 1000 : 0)
    } @tries;

    printf "| %s | %d | %.2f | %.2f | %.2f |\n", $title,
        scalar(grep { !$_ } @late), quantiles(@late);
}
