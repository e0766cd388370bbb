use strict;
use warnings;

# Bounded load over HTTP/1 and HTTP/2 while Redis is killed, frozen and
# restarted at random and nginx is reloaded every few seconds, and clients
# leave in the midst: each response is right, and nothing grows.
#
#     SOAK=600 SEED=1 sh t/run.sh t/soak.t      seconds (20); the run's seed

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use List::Util qw(max min sum0);
use Recs::Mode;
use Recs::Process qw(wait_until slurp spew process_info);
use Recs::Test;
use Test::More;
use Time::HiRes qw(time sleep);

my $seconds = $ENV{SOAK} || 20;
my $seed = $ENV{SEED} // time % 1_000_000;

# Of all clients together, a second.
my $RATE = 200;

# What the Redis that lives and dies knows, and the one that just lives.
my %KNOWS = (in_stock => 'redis', seen => 'redis', sold => 'steady');

diag("$seconds s, SEED=$seed");
srand $seed;

my $t = Recs::Test->new;
my $end;

my @users = map { "u$_" } 1 .. 40;
my (%page, %ids, %seen);
my %stock = map { ("b$_" => 1) } grep { $_ % 3 } 1 .. 500;
my %sold = map { ("b$_" => 1) } grep { $_ % 7 == 0 } 1 .. 500;

for my $n (1 .. 40) {
    my $user = "u$n";
    my $count = $n == 1 ? 0 : $n == 2 ? 480 : 30;
    my $filler = 'x' x ($n == 2 ? 600 : 40);

    $ids{$user} = [map { 'b' . ($n * 11 + $_ * 7) % 500 } 1 .. $count];
    $ids{$user} = [do { my %had; grep { !$had{$_}++ } @{ $ids{$user} } }];
    $seen{$user} = { map { $_ => 1 } grep { rand() < 0.2 } @{ $ids{$user} } };
    $seen{$user}{none} = 1;
    $page{$user} = '{"items":['
        . join(',', map { qq({"id":"$_","t":"$filler"}) } @{ $ids{$user} })
        . ']}';
}

# Each dies with the upstream's process; a death is no failure of nginx's.
my $api = $t->upstream(sub {
    my ($req) = @_;

    my $body = $page{ $req->{args}{user} } // return { status => 404 };
    my $path = $req->{path};

    return { body => $body, wait => 0.3 } if $path eq '/late';
    return { body => $body, piece => 1 + int length($body) / 8, delay => 0.03 }
        if $path eq '/drip';
    return { body => $body, cut => length($body) - 9 } if $path eq '/cut';
    return { body => $body, cut => 9, reset => 1 } if $path eq '/reset';
    return { raw => [''], reset => 1 } if $path eq '/gone';
    return { status => 503, body => '{}' } if $path eq '/error';
    return { body => $body, framing => 'chunked' } if $path eq '/chunked';
    return { body => $body };
}, keepalive => 1, forget => 1);

my $redis = $t->redis;
my $steady = $t->redis(name => 'steady');
my $servers = () = $redis->masters;    # a cluster has several
fill();

my $http = <<'HTTP';
    recs_redis main { server %%REDIS%%; connections 2; timeout 300ms; }
    recs_redis steady { server %%STEADY%%; }
    recs_set in_stock redis=main key=in_stock;
    recs_set seen redis=main key=seen:$recs_user;
    recs_set sold redis=steady key=sold;
    recs_pool fresh redis=main key=fresh refresh=200ms;
    recs_pool filed file=%%TESTDIR%%/pool.ndjson refresh=100ms;
    recs_user $arg_user;
    recs_event $request_id;

    upstream api {
        server %%API%% max_fails=0;
        keepalive 8;
    }

    proxy_cache_path %%NGINX_DIR%%/tmp/cache keys_zone=pages:1m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_next_upstream off;
    gzip_types application/json;

    recs on;
    recs_items /items;
    recs_require in_stock;
    recs_exclude seen;
    recs_exclude sold;
    recs_record_shown redis=main key=shown:$recs_user within=1h max=100;
    recs_lookup_timeout 100ms;

    server {
        listen %%PLACE%%;
        listen %%PLACE_H2%% http2;

        location / { proxy_pass http://api; }
        location /explore {
            recs_explore fresh rate=50% slots=1,3 cap=20/1s;
            proxy_pass http://api;
        }
        location /backfill {
            recs_backfill filed min=40;
            proxy_pass http://api;
        }
        location /unbuffered { proxy_buffering off; proxy_pass http://api; }
        location /gzip { gzip on; proxy_pass http://api; }
        location /cached {
            proxy_cache pages;
            proxy_cache_key $arg_user;
            proxy_cache_valid 1s;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
            proxy_pass http://api;
        }
        location /ssi {
            recs off;
            ssi on;
            ssi_types *;
            default_type text/html;
            alias %%TESTDIR%%/ssi/;
        }
        location /status { recs off; recs_status; }
    }
HTTP

write_pool();
chmod 0644, $t->write('ssi/two', '<!--#include virtual="/?user=u7" -->'
                                 . '<!--#include virtual="/late?user=u9" -->');

# One is reloaded all the time, one never: its workers must not grow.
my %nginx;

for my $name (qw(CHANGING STAYING)) {
    my $text = $http =~ s/PLACE_H2/LISTEN_${name}2/r =~ s/PLACE/LISTEN_$name/r;

    $nginx{$name} = $t->nginx(name => $name, workers => 2, http => $text,
                              access_log => 'off', error_level => 'notice');
}

my $connections = 2 * 3;        # of an nginx to both Redises

# Whatever is opened but once is open by now.
for my $which (keys %nginx) {
    for my $port ($t->port($which), $t->port("${which}2")) {
        my $class = $port == $t->port($which) ? 'http' : 'http2';
        my $c = $t->$class(port => $port);
        $c->get('/cached?user=u5') for 1 .. 3;
        $c->close;
    }
}

settle();
my %idle = map { $_ => descriptors($_) } keys %nginx;

$end = time + $seconds;
my @clients = map { load($_) } (
    { name => 'keepalive', run => \&keepalive, share => 0.35 },
    { name => 'keepalive-2', run => \&keepalive, share => 0.25 },
    { name => 'streams', run => \&streams, share => 0.25 },
    { name => 'leavers', run => \&leavers, share => 0.15 },
);

my %did;
my $away = 0;       # s, that Redis was, or was coming back
my %size;           # of processes: at the end of the warm-up, at the last
my $most = 0;       # connections to Redis beyond what the workers may have

disturb();

$_->{process}->wait(60) // diag("$_->{name} does not end") for @clients;

check_responses();
check_growth();
check_lines();

$t->done;


sub fill {
    $redis->cmd('SADD', 'in_stock', keys %stock);
    $redis->cmd('SADD', "seen:$_", keys %{ $seen{$_} }) for @users;
    $redis->cmd('HSET', 'fresh', map { ("b$_", qq({"id":"b$_"})) } 1 .. 120);
    $redis->cmd('SAVE');        # what it starts with, whatever ended it
    $steady->cmd('SADD', 'sold', keys %sold);
}


sub write_pool {
    my $first = int rand 50;

    $t->write('pool.ndjson', join '', map { qq({"id":"b$_"}\n) }
                                          $first .. $first + 400);
}


# What happens to Redis and nginx meanwhile.

sub disturb {
    my $start = time;
    my $reload = $start + 2;
    my $warm = $start + max(4, $seconds / 4);
    my $frozen;

    while (time < $end) {
        if (time >= $reload) {
            $did{reload}++;
            $nginx{CHANGING}->reload(wait => 0) or $did{'failed reload'}++;
            $reload = time + 2 + rand 3;
        }

        if (time >= $warm && !%size) {
            $size{$_} = [memory($_)] for watched();
        }

        my $what = (qw(freeze kill restart nothing))[rand 4];
        my $since = time;
        $did{$what}++;

        if ($what eq 'freeze') {
            $redis->freeze;
            sleep 0.02 + rand(rand() < 0.5 ? 0.1 : 1.5);
            $redis->thaw;
        } elsif ($what eq 'kill') {
            $redis->kill;
            sleep rand(rand() < 0.5 ? 0.05 : 1.5);
            $redis->start;
        } elsif ($what eq 'restart') {
            $redis->stop;
            $redis->start;
        }

        $away += time - $since;
        write_pool();
        count_connections();
        sleep 0.1 + rand 1.2;
    }

    $size{$_}[1] = memory($_) for keys %size;
}


# Processes that live as long as the run: no worker of the one that is reloaded.

sub watched {
    return ($nginx{CHANGING}->master, $nginx{STAYING}->master,
            $nginx{STAYING}->workers);
}


# Resident, KB.

sub memory {
    my ($pid) = @_;

    my ($kb) = slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+) kB/m;
    return $kb;
}


# A worker has two for questions, and one to record what was shown, to each
# server.  One that has just been started or ended may be on both lists or none.

sub count_connections {
    my $workers = sum0(map { scalar(() = $_->workers)
                             + scalar(() = $_->old_workers) } values %nginx);
    my $clients = $redis->clients;

    $most = max($most, $clients - 3 * $servers * ($workers + 4));
}


# Until nothing but idle connections is left.

sub settle {
    return wait_until(sub {
        !grep({ $_->old_workers } values %nginx)
            && $redis->clients == 12 * $servers
            && $steady->clients == 4 * $servers;
    }, 20);
}


# But for idle connections to the upstream, of which there may be some.

sub descriptors {
    my ($name) = @_;

    return scalar($nginx{$name}->fds) - $nginx{$name}->sockets_to($api->port);
}


sub load {
    my ($client) = @_;

    my $name = $client->{name};
    $client->{file} = $t->dir . "/$name.result";
    $client->{seed} = int rand 1e9;

    $client->{process} = Recs::Process->fork(sub {
        srand $client->{seed};
        my $sum = { wrong => [] };

        while (time < $end) {
            my $ok = eval { $client->{run}->($client, $sum); 1 };
            wrong($sum, "$name: $@") if !$ok;
        }

        spew($client->{file}, JSON::PP->new->encode($sum));
    }, name => $name);

    return $client;
}


sub pace {
    my ($client, $count) = @_;

    my $now = time;
    $client->{next} //= $now;
    $client->{next} += $count / ($RATE * $client->{share});
    $client->{next} = $now if $client->{next} < $now - 1;
    sleep $client->{next} - $now if $client->{next} > $now;
}


sub wrong {
    my ($sum, $text) = @_;

    push @{ $sum->{wrong} }, $text if @{ $sum->{wrong} } < 50;
    $sum->{wrong_count}++;
}


sub any_target {
    my $path = (
        ('/') x 8, ('/cached') x 3, '/explore', '/backfill', '/gzip',
        '/unbuffered', '/chunked', '/late', '/drip', '/cut', '/reset', '/gone',
        '/error',
    )[rand 22];

    return ("$path?user=" . $users[rand @users], $path);
}


sub place {
    my ($suffix) = @_;

    return $t->port((rand() < 0.6 ? 'CHANGING' : 'STAYING') . $suffix);
}


# One connection after another, up to a hundred requests on each, now and then
# two at once.  A server may close an idle connection just when a request
# comes: only then is it sent again.

sub keepalive {
    my ($client, $sum) = @_;

    my $port = place('');
    my $c = Recs::HTTP1->new(port => $port);
    my $used = 0;

    for (1 .. 1 + rand 100) {
        last if time >= $end;
        pace($client, 1);

        my ($target, $path) = any_target();
        my @fields = $path eq '/gzip' && rand() < 0.5
            ? ('Accept-Encoding' => 'gzip') : ();

        $c->send('GET', $target, @fields);
        my $r = $c->response(20);

        if (!length $r->{raw} && $used) {
            $sum->{again}++;
            $c->close;
            $c = Recs::HTTP1->new(port => $port);
            $used = 0;
            $r = $c->get($target, @fields);
        }

        judge($sum, $r, $target, $path);
        $used++;
        last if $c->ended || !$r->complete
                || lc($r->header('Connection') // '') eq 'close';
    }

    $c->close;
}


sub streams {
    my ($client, $sum) = @_;

    my $port = place(2);
    my $c = Recs::HTTP2->new(port => $port);
    my $used = 0;

    for (1 .. 1 + rand 20) {
        last if time >= $end;
        my $n = 1 + int rand 8;
        pace($client, $n);

        my @asked = map { [any_target()] } 1 .. $n;
        my @sent = map { [$c->send('GET', $_->[0]), @$_] } @asked;

        if (rand() < 0.3) {
            my $left = splice @sent, rand @sent, 1;
            $c->reset_stream($left->[0]);
            $sum->{left}++;
        }

        for (@sent) {
            my ($id, $target, $path) = @$_;
            my $r = $c->response($id, 20);

            # Not taken any more by a connection that is being closed.
            if ($used && !$r->status && !length $r->body) {
                $sum->{again}++;
                my $d = Recs::HTTP2->new(port => $port);
                $r = $d->get($target);
                $d->close;
            }

            judge($sum, $r, $target, $path);
        }

        $used = 1;
        last if $c->ended;
    }

    $c->close;
}


sub leavers {
    my ($client, $sum) = @_;

    pace($client, 2);

    my ($target) = any_target();
    my $two = rand() < 0.3;
    my $c = ($two ? 'Recs::HTTP2' : 'Recs::HTTP1')->new(
        port => place($two ? 2 : ''));

    $c->send('GET', rand() < 0.2 ? '/ssi/two' : $target);
    $c->send('GET', '/late?user=u3') if rand() < 0.3;
    sleep rand(rand() < 0.7 ? 0.01 : 0.3);
    $c->fill(0.01) if rand() < 0.3;
    rand() < 0.5 ? $c->close : $c->reset;

    $sum->{left}++;
}


# Is the response as it must be?

sub judge {
    my ($sum, $r, $target, $path) = @_;

    $sum->{responses}++;
    my $why = fault($sum, $r, $target, $path) // return;
    wrong($sum, "$target: $why");
}


sub fault {
    my ($sum, $r, $target, $path) = @_;

    return 'not complete: ' . ($r->error // '?') . ", status "
        . ($r->status // 'none') if !$r->complete;

    if ($path =~ m{^/(?:cut|reset|gone|error)$}) {
        $sum->{broken}++;
        my $want = $path eq '/error' ? 503 : 502;
        return $r->status == $want ? undef : $r->status . ", not $want";
    }

    return 'status ' . $r->status if $r->status != 200;

    my $body = $r->body;
    if (lc($r->header('Content-Encoding') // '') eq 'gzip') {
        require IO::Uncompress::Gunzip;
        my $plain;
        IO::Uncompress::Gunzip::gunzip(\$body, \$plain)
            or return 'not gzip';
        $body = $plain;
    }

    my $page = eval { JSON::PP->new->utf8->decode($body) }
        // return "not JSON: $@";

    my ($user) = $target =~ /user=(\w+)/;
    my $sets = $r->header('Recs-Sets') // return 'no Recs-Sets';
    my ($state) = ($r->header('Recs-Filter') // '') =~ /^(\w+)/;
    return "$state, but $sets"
        if $state ne ($sets =~ /unknown/ ? 'degraded' : 'filtered');

    $sum->{$state}++;

    my %unknown = map { ($_ => $sets =~ /\b$_;unknown/ ? 1 : 0) } keys %KNOWS;
    $sum->{"$_ unknown"} += $unknown{$_} for keys %unknown;

    my $refused = sub {
        my ($id) = @_;
        return !$unknown{in_stock} && !$stock{$id}
            || !$unknown{seen} && $seen{$user}{$id}
            || !$unknown{sold} && $sold{$id};
    };

    my @shown = map { $_->{id} } @{ $page->{items} };
    my @bad = grep { $refused->($_) } @shown;
    return "refused, but shown: @bad ($sets)" if @bad;

    if ($path =~ m{^/(?:explore|backfill)$}) {
        $sum->{put_in} += () = grep { $_->{_recs} } @{ $page->{items} };
        return;
    }

    my @want = grep { !$refused->($_) } @{ $ids{$user} };
    return "@shown, not @want ($sets)" if "@shown" ne "@want";
    return;
}


sub check_responses {
    my %sum;

    for my $client (@clients) {
        ok -e $client->{file}, "$client->{name} came to its end" or next;
        my $got = JSON::PP->new->decode(slurp($client->{file}));
        my $wrong = delete $got->{wrong};

        is $got->{wrong_count} // 0, 0, 'all its responses are right'
            or diag(map { "$_\n" } @$wrong[0 .. min(9, $#$wrong)]);
        $sum{$_} += $got->{$_} for keys %$got;
    }

    my $show = sub {
        my ($of) = @_;
        return join ', ', map { "$_ $of->{$_}" } sort keys %$of;
    };

    diag('responses: ' . $show->(\%sum));
    diag('done to nginx and Redis: ' . $show->(\%did));

    cmp_ok $sum{responses} // 0, '>',
        $seconds * $RATE / Recs::Mode::patience(10), 'there were many';
    # A cluster that was killed is down for longer than its servers are.
    my $part = $servers > 1 ? min(1 / 4, (1 - $away / $seconds) / 3) : 1 / 4;
    cmp_ok $sum{filtered} // 0, '>', ($sum{responses} // 0) * $part,
        sprintf 'a good part of them filtered: Redis was away for %.1f s',
        $away;
    cmp_ok $sum{'sold unknown'} // 0, '<', ($sum{responses} // 0) / 10,
        'the Redis that was left alone was not given up with the other';
    ok !$did{'failed reload'}, 'each reload succeeds';
}


sub check_growth {
    ok settle(), 'idle connections to Redis remain, as many as at first'
        or diag($redis->clients . ', ' . $steady->clients);
    cmp_ok $most, '<=', 0, 'and there were never more than workers may have';

    my %now;
    wait_until(sub {
        %now = map { $_ => descriptors($_) } keys %nginx;
        !grep { $now{$_} > $idle{$_} } keys %now;
    }, 10);
    cmp_ok $now{$_}, '<=', $idle{$_}, "$_: descriptors as at first"
        for sort keys %now;

    # Under a sanitizer, freed memory is kept for a while.
    my $room = Recs::Mode::asan() || Recs::Mode::valgrind() ? 64_000 : 4_000;

    for my $pid (sort keys %size) {
        my ($then, $last) = @{ $size{$pid} };
        my $title = (process_info($pid) // {})->{title} // 'gone';
        cmp_ok $last - $then, '<=', $room, "$title: memory";
        diag(substr($title, 0, 21) . ": $then KB when warm, $last KB");
    }
}


# A state change is a line of each worker's; a request is none.

sub check_lines {
    my $changes = sum0(@did{grep { $_ ne 'nothing' } keys %did}) + 5;

    for my $which (sort keys %nginx) {
        my @lines = grep { / recs_/ } split /\n/, $nginx{$which}->error_log;
        cmp_ok scalar @lines, '<=', $changes * 40,
            "$which: few lines (" . scalar(@lines) . ')';
    }
}
