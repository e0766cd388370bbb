use strict;
use warnings;

# A Redis goes, and another one takes its place that hasn't seen the last
# entries of a feed: what of these is in a replica doesn't stay there, whoever
# put it in and whether the next leader or an image goes on with it.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(process_info);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

# What Redis is now, in a file.  "short" has a feed that ends with 5-0.  "torn"
# sends the next entries and breaks off in the midst of the third.  "loading" is
# as "short" until the set is scanned: from then on "scanned", where two more
# were applied to the set.  "away" answers nothing.

sub redis_is { $t->write('redis-is', $_[0]) }

sub bulk { return map { '$' . length($_) . "\r\n$_\r\n" } @_ }
sub array { return join '', '*' . @_ . "\r\n", @_ }

sub entry {
    my ($seq, $op, $id) = @_;

    return array(bulk("$seq-0"),
                 array(bulk(op => $op, ids => qq(["$id"]), seq => $seq)));
}

my %entries = (5 => ['add', 'i1'], 6 => ['rem', 'i3'], 7 => ['add', 'i4'],
               8 => ['add', 'i9']);
my %entry = map { $_ => entry($_, @{ $entries{$_} }) } keys %entries;

$t->fake_redis(sub {
    my ($cmd, $stream) = @_;

    my $now = $t->read('redis-is');
    my ($name, @args) = @$cmd;
    my $last = $now eq 'scanned' ? 7 : 5;

    if ($now eq 'away') {
        $stream->close;
        return undef;
    }

    return "+PONG\r\n" if $name eq 'PING';
    return ":3\r\n" if $name eq 'SCARD';
    return array($entry{$last}) if $name eq 'XREVRANGE' && $args[1] eq '+';

    if ($name eq 'SSCAN') {
        redis_is('scanned') if $now eq 'loading';
        return array(bulk('0'), array(bulk('i1', 'i2', $now eq 'loading'
                                                       ? 'i4' : 'i3')));
    }

    if ($name eq 'XREVRANGE') {
        my ($n) = $args[1] =~ /\A(\d+)-0\z/;
        return array($n <= $last ? $entry{$n} : ());
    }

    if ($name eq 'XREAD') {
        return [\0.1, "*-1\r\n"] if $now eq 'short' || $args[-1] ne '5-0';

        if ($now eq 'torn') {
            my $reply = array(array(bulk('{stock}:feed'),
                                    array(@entry{6, 7, 8})));
            $stream->write(substr $reply, 0, -20);
        }

        # It is gone after it: whoever asks next finds nothing.
        redis_is('away');
        $stream->close;
        return undef;
    }

    return "-ERR unknown\r\n";
});

my $items = join ',', map { qq({"id":"i$_"}) } 1 .. 9;
$t->write('html/page.json', qq({"items":[$items]}));

my $dir = $t->dir . '/images';
mkdir $dir or die;
chmod 0777, $dir or die;

my $http = <<"HTTP";
recs_redis main { server %%FAKE%%; timeout 500ms; }
recs_set stock redis=main key=stock replica=on 'feed={stock}:feed' resync=1h
         image=$dir/stock;
server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/html;
    default_type application/json;
    location / { recs on; recs_require stock; }
    location = /status { recs_status; }
}
HTTP

sub replica { return $t->get('/status')->json->{sets}{stock}{replica} }

sub page {
    return join ' ', map { substr $_->{id}, 1 }
                     @{ $t->get('/page.json')->json->{items} };
}

# Starts with this Redis, which goes away in the end: the replica has what the
# other one has not.

sub begin {
    my ($how) = @_;

    unlink "$dir/stock";
    redis_is($how eq 'torn' ? 'short' : $how);

    my $nginx = $t->nginx(name => $how, workers => 2, reloads => 0,
                          http => $http);

    if ($how eq 'torn') {
        ok wait_until(sub { page() eq '1 2 3' }), 'loaded';
        redis_is('torn');
    }

    ok wait_until(sub { $t->read('redis-is') eq 'away' }), 'it goes away';
    ok wait_until(sub { page() eq '1 2 4' }), 'after two entries'
        or diag page();

    return $nginx;
}


for my $how ('torn', 'loading') {
    subtest "the next leader: $how" => sub {
        my $nginx = begin($how);
        my $leader = replica()->{leader};

        kill KILL => $leader;
        ok wait_until(sub {
            !process_info($leader) && replica()->{leader}
                && replica()->{leader} != $leader
        }), 'another leads';
        is page(), '1 2 4', 'it goes on with that';

        redis_is('short');
        ok wait_until(sub { page() eq '1 2 3' }), 'what Redis has'
            or diag page();
        is replica()->{resyncs}{lost}, 1, 'loaded, as entries are lost';
        $nginx->quit;
    };

    subtest "an image: $how" => sub {
        my $nginx = begin($how);
        my $leader = replica()->{leader};

        # One that a leader writes which was not there when they were applied.
        kill KILL => $leader;
        ok wait_until(sub { !process_info($leader) }), 'the leader is killed';
        unlink "$dir/stock";
        ok wait_until(sub { -e "$dir/stock" }), 'the next one writes an image';

        $nginx->quit;
        $nginx->start;
        ok wait_until(sub { page() eq '1 2 4' }), 'from the image'
            or diag page();

        redis_is('short');
        ok wait_until(sub { page() eq '1 2 3' }), 'what Redis has'
            or diag page();
        is replica()->{resyncs}{lost}, 1, 'loaded, as entries are lost';
        $nginx->quit;
    };
}

$t->expect_kills;
$t->done;
