use strict;
use warnings;

# What a replica takes: the memory of its second table is there only while the
# set is loaded into it.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp process_info);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

# A Redis whose scan ends only when "scan" says so, and whose feed has lost its
# last entry when "feed" does.

sub is_now { $t->write(@_) }

sub bulk { return map { '$' . length($_) . "\r\n$_\r\n" } @_ }
sub array { return join '', '*' . @_ . "\r\n", @_ }

is_now(scan => 'ends');
is_now(feed => 'whole');

my $entry = array(bulk('5-0'), array(bulk(op => 'add', ids => '["i1"]',
                                          seq => 5)));

$t->fake_redis(sub {
    my ($name, undef, $from) = @{ $_[0] };

    return "+PONG\r\n" if $name eq 'PING';
    return ":2\r\n" if $name eq 'SCARD';
    return array(map { ":$_\r\n" } 1, 0, 1) if $name eq 'SMISMEMBER';
    return array($entry) if $name eq 'XREVRANGE' && $from eq '+';
    return [\0.1, "*-1\r\n"] if $name eq 'XREAD';

    if ($name eq 'XREVRANGE') {
        return array($t->read('feed') eq 'whole' ? $entry : ());
    }

    if ($name eq 'SSCAN') {
        my $ends = $t->read('scan') eq 'ends';
        my $reply = array(bulk($ends ? 0 : 1), array(bulk('i1', 'i3')));
        return $ends ? $reply : [\0.02, $reply];
    }

    return "-ERR unknown\r\n";
});

$t->write('html/page.json',
          '{"items":[' . join(',', map { qq({"id":"i$_"}) } 1 .. 3) . ']}');

my $nginx = $t->nginx(workers => 2, reloads => 0, http => <<'HTTP');
recs_zone 24m;
recs_redis main { server %%FAKE%%; }
recs_set stock redis=main key=stock replica=on 'feed={stock}:feed'
         capacity=1000000;
server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/html;
    default_type application/json;
    location / { recs on; recs_require stock; }
    location = /status { recs_status; }
}
HTTP

sub replica { return $t->get('/status')->json->{sets}{stock}{replica} }
sub page { return join ' ', map { $_->{id} }
                            @{ $t->get('/page.json')->json->{items} } }

my $TABLE = 10_000;                 # kB

# Of the zone, what the leader, which has seen all of it, has before itself.

sub resident {
    my $smaps = slurp('/proc/' . replica()->{leader} . '/smaps');
    my ($kb) = $smaps =~ /^Size: +24576 kB\n(?:\w+: .*\n)*?Rss: +(\d+) kB/m;

    return $kb;
}

sub takes {
    my ($tables, $when) = @_;

    my $kb;
    ok wait_until(sub {
        $kb = resident();
        return abs($kb - $tables * $TABLE) < $TABLE / 5;
    }), "$tables $when" or diag "$kb kB";
    is page(), 'i1 i3', 'and the page is right';
}


subtest 'loaded' => sub {
    ok wait_until(sub { replica()->{state} eq 'following' }), 'it is';
    takes(1, 'table when it is loaded');
};


subtest 'loaded anew' => sub {
    for my $n (1 .. 2) {
        is_now(scan => 'goes on');
        is_now(feed => 'lost');
        ok wait_until(sub { replica()->{state} eq 'resync' }), 'again';
        takes(2, 'tables meanwhile');

        is_now(feed => 'whole');
        is_now(scan => 'ends');
        ok wait_until(sub { replica()->{state} eq 'following' }), 'loaded';
        takes(1, 'table after it');
    }
};


subtest 'by a leader that is killed' => sub {
    is_now(scan => 'goes on');
    is_now(feed => 'lost');
    ok wait_until(sub { replica()->{state} eq 'resync' }), 'again';
    takes(2, 'tables meanwhile');

    my $leader = replica()->{leader};
    kill KILL => $leader;
    ok wait_until(sub {
        !process_info($leader) && replica()->{leader}
            && replica()->{leader} != $leader
    }), 'another leads';

    is_now(feed => 'whole');
    is_now(scan => 'ends');
    ok wait_until(sub { replica()->{state} eq 'following' }), 'loaded';
    takes(1, 'table after it');
};

$t->expect_kills;
$t->done;
