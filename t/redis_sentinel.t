use strict;
use warnings;

# The master that sentinels name, real ones: it is asked wherever it is, also
# after it has died, or was replaced on purpose.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis_sentinel(replicas => 1, sentinels => 3);
my $plain = $t->redis(name => 'plain', tcp => 1);

my @ids = map { "i$_" } 0 .. 9;

sub load { $redis->cmd('SADD', 'seen:u1', qw(i2 i5)) }

load();

$t->write('www/page.json',
          '{"items":[' . join(',', map { qq({"id":"$_"}) } @ids) . ']}');

# Sentinels that lie: the master that they name is a replica, or a sentinel.

my ($replica) = $redis->replicas;
my ($sentinel) = $redis->sentinels;

for (['liar', $replica->port], ['itself', $sentinel->port]) {
    my ($name, $port) = @$_;

    $t->fake_redis(sub {
        my ($cmd) = @_;

        return "+PONG\r\n" if $cmd->[0] eq 'PING';
        return '' if $cmd->[0] eq 'SUBSCRIBE';
        return "*2\r\n\$9\r\n127.0.0.1\r\n\$" . length($port)
               . "\r\n$port\r\n";
    }, name => $name, tcp => 1);
}

my $http = <<'HTTP';
recs_redis main { %%SENTINEL_SETTINGS%% timeout 2s; }
recs_redis other {
    server %%SENTINEL_WATCH_1_TCP%%;
    topology sentinel other;
    connect_timeout 20s;
}
recs_redis plain {
    server %%PLAIN_TCP%%; topology sentinel shop; connect_timeout 20s;
}
recs_redis liar {
    server %%LIAR_TCP%%; topology sentinel shop; connect_timeout 20s;
}
recs_redis itself {
    server %%ITSELF_TCP%%; topology sentinel shop; connect_timeout 20s;
}

recs_set seen redis=main key=seen:$arg_user;
recs_set other redis=other key=seen:$arg_user;
recs_set plain redis=plain key=seen:$arg_user;
recs_set liar redis=liar key=seen:$arg_user;
recs_set itself redis=itself key=seen:$arg_user;
recs_set followed redis=main key=stock replica=on feed=stock:feed max_lag=60s;
recs_lookup_timeout 20s;

server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/www;
    default_type application/json;
    recs on;
    recs_user $arg_user;

    location / { recs_exclude seen; }
    location /other/ { alias %%TESTDIR%%/www/; recs_exclude other; }
    location /plain/ { alias %%TESTDIR%%/www/; recs_exclude plain; }
    location /liar/ { alias %%TESTDIR%%/www/; recs_exclude liar; }
    location /itself/ { alias %%TESTDIR%%/www/; recs_exclude itself; }
    location /followed/ { alias %%TESTDIR%%/www/; recs_require followed; }
    location /shown/ {
        alias %%TESTDIR%%/www/;
        recs_record_shown redis=main key=shown:$recs_user within=1h;
    }
    location = /status { recs off; recs_status; }
}
HTTP

my $nginx = $t->nginx(workers => 2, reloads => 0, http => $http);

sub get { return $t->get("/$_[0]page.json?user=u1") }
sub ids_of { return join ' ', map { $_->{id} } @{ $_[0]->json->{items} } }

# The page is filtered, soon.

sub is_filtered {
    my ($name) = @_;

    ok wait_until(sub {
        my $r = get('');
        return ids_of($r) eq 'i0 i1 i3 i4 i6 i7 i8 i9'
               && $r->header('Recs-Filter') =~ /^filtered/;
    }), $name;
}

# What is shown is recorded, soon.

my $shown = 0;

sub is_recorded {
    my ($name) = @_;

    my $user = 's' . ++$shown;
    $t->get("/shown/page.json?user=$user");
    ok wait_until(sub {
        (eval { $redis->cmd('ZCARD', "shown:$user") } // 0) == @ids
    }), $name;
}


subtest 'the master is asked' => sub {
    is_filtered('a page');
    my $before = $redis->master->calls('smismember');
    is_filtered('another');
    cmp_ok $redis->master->calls('smismember'), '>', $before, 'by the master';
    is_recorded('what was shown');
};


subtest 'it is replaced on purpose' => sub {
    my $new = $redis->switch_over;
    is_filtered('a page');
    is_recorded('what was shown');

    ok wait_until(sub {
        my $before = $new->calls('smismember');
        get('');
        return $new->calls('smismember') > $before;
    }), 'by the new master';
};


subtest 'a replica in shared memory follows' => sub {
    $redis->cmd('SADD', 'stock', @ids[0 .. 4]);
    $redis->cmd('XADD', 'stock:feed', '*', qw(op add ids ["i4"] seq 1));

    my $shows = sub {
        my ($ids, $name) = @_;
        ok wait_until(sub { ids_of(get('followed/')) eq $ids }), $name;
    };

    $shows->('i0 i1 i2 i3 i4', 'loaded');

    my $old = $redis->master;
    $redis->fail_over;

    $redis->cmd('SADD', 'stock', 'i7');
    $redis->cmd('XADD', 'stock:feed', '*', qw(op add ids ["i7"] seq 2));
    $shows->('i0 i1 i2 i3 i4 i7', 'followed to the new master');
    is_filtered('a page');
    is_recorded('what was shown');

    $old->start;
    $redis->settle;
    is_filtered('the old one comes back as a replica');
    is_recorded('and takes no writes');
};


subtest 'two of three sentinels are gone' => sub {
    my ($first, $second) = $redis->sentinels;
    $_->kill for $first, $second;

    $nginx->reload;
    is_filtered('a page after a reload');
    $_->start for $first, $second;
};


subtest 'what sentinels say that is of no use' => sub {
    for my $case (
        ['other', qr/"other" .*: no server says .*: it knows no such master/],
        ['plain', qr/"plain" .*: no server says .*: ERR unknown command/],
        ['liar', qr/"liar" .*: Redis is a replica, which takes no/],
        ['itself', qr/"itself" .*: Redis is a sentinel, which has no keys/],
    ) {
        my ($name, $line) = @$case;

        like get("$name/")->header('Recs-Sets'),
             qr/$name;unknown;why=down/, "$name: unknown";
        ok wait_until(sub { $nginx->logged($line) }), 'a line says so';
    }
};


$t->done;
