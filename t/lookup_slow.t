use strict;
use warnings;

# recs_slow: a look-up that took too long is a line in the log, which names the
# event, the sets that were late, and the servers that they waited for; not one
# a request.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(wait_until);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $LATE = 0.2;                 # s, and more on a busy machine

$t->upstream(sub { { body => '{"items":[{"id":"b1"},{"id":"b2"}]}' } });
$t->write('out.txt', "b2\n");
$t->write('page.json', '{"items":[{"id":"b1"},{"id":"b2"}]}');

my @fakes = map {
    $t->fake_redis(sub {
        my ($cmd) = @_;

        return "+PONG\r\n" if $cmd->[0] eq 'PING';
        return undef if $cmd->[1] eq 'silent';

        my $reply = $cmd->[0] eq 'SMISMEMBER' ? "*2\r\n:1\r\n:0\r\n"
                                              : "*1\r\n\$2\r\nb1\r\n";

        return [\$LATE, $reply] if $cmd->[1] =~ /^late/;
        return $reply;
    }, name => "fake$_")
} 1 .. 2;

my ($one, $two) = map { $_->url } @fakes;

my $nginx = $t->nginx(reloads => 0, http => <<"HTTP");
recs_redis one { server $one; timeout 60s; breaker off; }
recs_redis two { server $two; timeout 60s; }
recs_set first redis=one key=\$arg_first absent=empty;
recs_set second redis=two key=\$arg_second absent=empty;
recs_set whole redis=one key=\$arg_whole absent=empty prefetch=3;
recs_set out file=%%TESTDIR%%/out.txt;
recs_lookup_timeout 10s;
recs_event \$arg_e;

server {
    listen %%LISTEN%%;
    recs on;
    recs_exclude first second whole out;

    location / { proxy_pass http://%%API%%; recs_slow 150ms; }
    location /again { proxy_pass http://%%API%%; recs_slow 150ms; }
    location /both { proxy_pass http://%%API%%; recs_slow 150ms; }
    location /whole { alias %%TESTDIR%%/page.json; recs_slow 20ms;
                      types { } default_type application/json; }
    location /odd { proxy_pass http://%%API%%; recs_slow 150ms;
                    recs_event "a\\n\$arg_e"; }
    location /shadow {
        recs shadow;
        recs_slow 150ms;
        proxy_pass http://%%API%%;
    }
    location /patient { proxy_pass http://%%API%%; recs_slow 100s; }
    location /silent {
        recs_slow 100s;
        recs_lookup_timeout 200ms;
        proxy_pass http://%%API%%;

        location /silent/off { recs_slow off; proxy_pass http://%%API%%; }
    }
    location /default { proxy_pass http://%%API%%; }
}
HTTP

my $warm = wait_until(sub {
    $t->get('/default?first=a&second=b')->header('Recs-Filter') =~ /^filtered/
});
ok($warm, 'both are there');


# The slow ones of the log, since the last call.

my $read = 0;

sub lines {
    my $log = $nginx->error_log;
    my @lines = substr($log, $read)
                =~ /\[warn\] .*(recs_slow: .*) while .*client: /mg;

    $read = length $log;
    return @lines;
}


sub slow {
    my ($name, $uri, $pattern) = @_;

    $t->get($uri);
    my @lines = lines();

    is(scalar @lines, 1, "$name: one line") or diag(@lines);
    like($lines[0] // '', qr/$pattern/, 'it says of what');
    return $lines[0] =~ /(\d+)ms/ ? $1 : 0;
}


# On a busy machine others may be late as well.

my $more = qr/(?:, recs_set .*)?; so slow since the last line: 0\z/;

subtest 'the set and the server that were late' => sub {
    my $ms = slow('a set', '/?e=e1&first=late&second=b',
                  qr/\Arecs_slow: event "e1" waited \d+ms: /
                  . qr/recs_set "first" \d+ms for recs_redis "one" \Q$one\E/
                  . $more);
    cmp_ok($ms, '>=', $LATE * 900, 'milliseconds');

    slow('two sets', '/both?e=e2&first=late&second=late',
         qr/: recs_set "first" \d+ms for recs_redis "one" \Q$one\E, /
         . qr/recs_set "second" \d+ms for recs_redis "two" \Q$two\E$more/);

    slow('a prefetched set', '/whole?e=e3&whole=late',
         qr/: recs_set "whole" \d+ms for recs_redis "one" \Q$one\E$more/);

    slow('in shadow', '/shadow?e=e4&first=late', qr/event "e4"/);

    slow('an event that is no text', '/odd?e=b' . 'x' x 100 . '&first=late',
         qr/event "a\?bx{61}" waited/);
};


subtest 'no answer at all' => sub {
    my $ms = slow('past the deadline', '/silent?e=e5&first=a&second=silent',
                  qr/"e5" waited \d+ms: .*recs_set "second" \d+ms for /
                  . qr/recs_redis "two" \Q$two\E$more/);
    cmp_ok($ms, '>=', 200, 'that of recs_lookup_timeout, though recs_slow is '
                          . 'longer');
};


subtest 'nothing is said' => sub {
    $t->get('/patient?first=late');
    is(scalar lines(), 0, 'of what is not slow');

    $t->get('/default?first=late');
    is(scalar lines(), 0, 'without recs_slow');

    $t->get('/silent/off?second=silent');
    is(scalar lines(), 0, 'with recs_slow off');
};


subtest 'a line now and then' => sub {
    my $asked = 0;
    my @lines;

    slow('the first', '/again?e=first&first=late', qr/event "first"/);

    wait_until(sub {
        $asked++;
        $t->get("/again?e=n$asked&first=late");
        @lines = lines();
        return scalar @lines;
    }, 30);

    cmp_ok($asked, '>', 1, 'not one a request');
    is(scalar @lines, 1, 'again, after a while');
    like($lines[0], qr/event "n$asked".*: ${\($asked - 1)}\z/,
         'and how many were slow meanwhile');
};


subtest 'nginx -t' => sub {
    for my $value (qw(0 50parsecs -1)) {
        my ($code, $said) = $t->nginx_test("recs_slow $value;");
        isnt($code, 0, "recs_slow $value");
        like($said,
             qr/invalid "$value" in recs_slow, it must be a time such as/,
             'it says why');
    }

    my ($code, $said) = $t->nginx_test('recs_slow 1s; recs_slow 2s;');
    like($said, qr/"recs_slow" directive is duplicate/, 'twice');
};


$t->done;
