use strict;
use warnings;

# A Redis Cluster, real and in trouble: each key is asked of the server that has
# its slot, also while slots move and masters change.

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use POSIX ();
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $cluster = $t->redis_cluster(masters => 3, replicas => 1);
my $plain = $t->redis(name => 'plain', tcp => 1);

my @users = map { "u$_" } 1 .. 30;
my @ids = map { "i$_" } 0 .. 9;
my $page = '{"items":[' . join(',', map { qq({"id":"$_"}) } @ids) . ']}';

sub load {
    $cluster->cmd('SADD', '{stock}', @ids[0 .. 8]);
    $cluster->cmd('SADD', "seen:u$_", "i" . $_ % 9) for 1 .. @users;
}

load();

open my $file, '<', $t->root . '/conf/recs.lua' or die "recs.lua: $!\n";
my $library = do { local $/; <$file> };
$_->cmd('FUNCTION', 'LOAD', $library) for $cluster->masters;

$t->write('www/page.json', $page);

my $http = <<'HTTP';
recs_redis main { %%CLUSTER_SETTINGS%% timeout 2s; }
recs_redis one { server %%CLUSTER_2%%; topology cluster; }
recs_redis plain {
    server %%PLAIN_TCP%%; topology cluster; connect_timeout 20s;
}
recs_redis second { server %%CLUSTER_2%%?db=2; topology cluster; }

recs_set stock redis=main "key={stock}";
recs_set seen redis=main key=seen:$arg_user;
recs_set one redis=one key=seen:$arg_user;
recs_set plain redis=plain key=seen:$arg_user;
recs_set second redis=second key=seen:$arg_user;
recs_set followed redis=main "key={stock}" replica=on "feed={stock}:feed"
                  max_lag=60s;
recs_set small redis=main "key={stock}" replica=on capacity=2;
recs_set before redis=main key=before:$arg_user;
recs_set after redis=main key=after:$arg_user;
recs_pool fresh redis=main "key={pool}" refresh=200ms;
recs_snapshots home redis=main prefix=home;
recs_lookup_timeout 20s;

server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/www;
    default_type application/json;
    recs on;
    recs_user $arg_user;

    location / { recs_require stock; recs_exclude seen; }
    location /one/ { alias %%TESTDIR%%/www/; recs_exclude one; }
    location /soon/ {
        alias %%TESTDIR%%/www/;
        recs_lookup_timeout 100ms;
        recs_require stock;
        recs_exclude seen;
    }
    location /plain/ {
        alias %%TESTDIR%%/www/;
        recs_lookup_timeout 100ms;
        recs_exclude plain;
    }
    location /slow/ {
        alias %%TESTDIR%%/www/;
        recs off;
        limit_rate 1;
    }
    location /second/ {
        alias %%TESTDIR%%/www/;
        recs_lookup_timeout 100ms;
        recs_exclude second;
    }
    location /followed/ { alias %%TESTDIR%%/www/; recs_require followed; }
    location /small/ {
        alias %%TESTDIR%%/www/;
        recs_exclude before small after;
    }
    location /shown/ {
        alias %%TESTDIR%%/www/;
        recs_record_shown redis=main key=shown:$recs_user within=1h;
    }
    location /home { recs_pass home; }
    location /pool/ {
        alias %%TESTDIR%%/www/;
        recs_backfill fresh min=12;
    }
    location = /status { recs off; recs_status; }
}
HTTP

my $nginx = $t->nginx(workers => 2, reloads => 0, http => $http);

sub status { return $t->get('/status')->json }
sub sets_of { return $t->get($_[0])->header('Recs-Sets') }
sub ids_of { return join ' ', map { $_->{id} } @{ $_[0]->json->{items} } }

# What a user's page is.

sub expected {
    my ($user) = @_;

    my $seen = 'i' . ($user =~ s/\D//r) % 9;
    return join ' ', grep { $_ ne $seen } @ids[0 .. 8];
}

# All users' pages are filtered; what is not comes soon, if $soon.

sub all_filtered {
    my ($name, $soon) = @_;

    my @wrong;
    for my $user (@users) {
        my $r;
        my $good = sub {
            $r = $t->get("/page.json?user=$user");
            return ids_of($r) eq expected($user)
                   && $r->header('Recs-Filter') =~ /^filtered/;
        };

        next if $soon ? wait_until($good) : $good->();
        push @wrong, "$user: " . $r->header('Recs-Sets') . ' ' . ids_of($r);
    }

    is_deeply \@wrong, [], $name;
}

# How often servers said so.

sub said {
    my ($error) = @_;

    return sum0 map { $_->cmd('INFO', 'errorstats')
                      =~ /errorstat_$error:count=(\d+)/ ? $1 : 0 }
                $cluster->answering;
}


subtest 'each key is asked of its server' => sub {
    all_filtered('all pages', 'soon');

    my $before = said('MOVED');
    my @asked = map { $_->calls('smismember') } $cluster->masters;
    all_filtered('once more');
    is said('MOVED'), $before, 'nobody was asked in vain';

    my @now = map { $_->calls('smismember') } $cluster->masters;
    is scalar(grep { $now[$_] > $asked[$_] } 0 .. 2), 3, 'all were asked';
    is $nginx->logged(qr/could not be read/), 0,
       'what can wait was not asked before it was known where';

    ok wait_until(sub { status()->{redis}{main}{ready} == 3 }),
       'a connection to each master';
    like ids_of($t->get('/one/page.json?user=u1')), qr/i0 i2/,
       'one of its servers is enough to begin with';
};


subtest 'it is asked once for all workers, and now and then' => sub {
    my $asked = sub { sum0 map { $_->calls('cluster|shards') }
                                $cluster->answering };
    my $before = $asked->();
    my $changes = sub { $cluster->cmd('SADD', "seen:x", 1) };
    $changes->() for 1 .. 100;
    all_filtered('pages');
    cmp_ok $asked->() - $before, '<', 10, 'no storm';
};


subtest 'a slot that moves' => sub {
    my ($user) = @users;
    my $from = $cluster->node_of("seen:$user");
    my ($to) = grep { $_ != $from } $cluster->masters;
    my $slot = $cluster->slot("seen:$user");

    subtest 'half way: its key is here' => sub {
        $cluster->begin_migration($slot, $to);
        all_filtered('all pages');
    };

    subtest 'half way: its key is there' => sub {
        my $before = said('ASK');
        $from->send_keys($to, "seen:$user");
        all_filtered('all pages');
        cmp_ok said('ASK'), '>', $before, 'ASK was followed';
        all_filtered('and again');
    };

    subtest 'it has moved' => sub {
        $cluster->finish_migration($slot);
        all_filtered('all pages');

        ok wait_until(sub {
            my $before = said('MOVED');
            $t->get("/page.json?user=$user") for 1 .. 10;
            return said('MOVED') == $before;
        }), 'and MOVED is not needed any more';
    };

    subtest 'and back, under load' => sub {
        my $pid = fork // die "fork: $!\n";

        if ($pid == 0) {
            my ($c, $wrong) = ($t->http, 0);
            for (1 .. 2000) {
                my $user = $users[$_ % @users];
                $wrong += ids_of($c->get("/page.json?user=$user"))
                          ne expected($user);
            }
            POSIX::_exit($wrong ? 1 : 0);
        }

        $cluster->migrate_slot($slot, $_) for $from, $to, $from;
        waitpid $pid, 0;
        is $?, 0, 'all pages were right';
    };
};


subtest 'many keys of one slot go with a server that leaves' => sub {
    my $new = $cluster->add_node;
    my @slots = map { $cluster->slot("seen:$_") } @users[0 .. 9];

    $cluster->migrate_slot($_, $new) for @slots;
    all_filtered('it has them');
    ok wait_until(sub { status()->{redis}{main}{ready} == 4 }),
       'it is one of four';

    my ($old) = grep { $_ != $new } $cluster->masters;
    $cluster->migrate_slot($_, $old) for @slots;
    $cluster->forget($new);
    all_filtered('another has them', 'soon');
    ok wait_until(sub { status()->{redis}{main}{ready} == 3 }),
       'it is asked no more';
};


subtest 'what was shown, on all servers' => sub {
    $t->get("/shown/page.json?user=$_") for @users;

    my @missing = grep {
        my $user = $_;
        !wait_until(sub { $cluster->cmd('ZCARD', "shown:$user") == @ids });
    } @users;
    is_deeply \@missing, [], 'all is recorded';
};


subtest 'a replica in shared memory, its feed, a pool and a snapshot' => sub {
    my $age = qr/\A\w+;age=\d+;removed/;
    my $shows = sub {
        my ($ids, $name) = @_;
        ok wait_until(sub {
            my $r = $t->get('/followed/page.json');
            return ids_of($r) eq $ids && $r->header('Recs-Sets') =~ $age;
        }), $name;
    };

    my $stock = join ' ', @ids[0 .. 8];
    $shows->($stock, 'loaded');

    $cluster->cmd('FCALL', 'recs_remove', 2, '{stock}', '{stock}:feed', 'i8');
    $shows->($stock =~ s/ i8//r, 'followed');

    my $slot = $cluster->slot('{stock}');
    my ($to) = grep { $_ != $cluster->owner($slot) } $cluster->masters;
    $cluster->migrate_slot($slot, $to);

    $cluster->cmd('FCALL', 'recs_add', 2, '{stock}', '{stock}:feed', 'i8');
    $shows->($stock, 'followed to where it went');

    $cluster->cmd('HSET', '{pool}', map { ("p$_", qq({"id":"p$_"})) } 1 .. 5);
    ok wait_until(sub {
        ids_of($t->get('/pool/page.json')) =~ /i9 p\d+ p\d+$/
    }), 'a pool';

    for my $version (qw(v1 v2)) {
        my $row = sub { qq({"items":[{"id":"$version"},{"id":"$_[0]"}]}) };

        $cluster->cmd('SET', "home:$version:u:$_", $row->($_))
            for '_default', @users;
        $cluster->cmd('HSET', "{home}:$version:meta", model => 'm',
            schema => 1, features => 1, state => 'complete',
            generated_at => time, expected => scalar @users,
            written => scalar @users);
        $cluster->cmd('FCALL', 'recs_publish', 4,
            (map { "{home}:$_" } qw(channel:active history rolled_back)),
            "{home}:$version:meta", $version);

        ok wait_until(sub {
            my $r = $t->get('/home?user=u1');
            return $r->status == 200 && ids_of($r) eq "$version u1";
        }), "snapshot $version";

        is_deeply [grep { ids_of($t->get("/home?user=$_")) ne "$version $_" }
                        @users], [], 'rows of all users';
    }
};


# Every server refuses all keys then, and a feed's connection stays open.

subtest 'a slot that no server has' => sub {
    my ($slot) = grep { $_ != $cluster->slot('{pool}') }
                 map { $cluster->slot("nobody:$_") } 1 .. 2;
    my $owner = $cluster->look->owner($slot);

    $_->refuse('CLUSTER', 'DELSLOTS', $slot) for $cluster->answering;
    ok wait_until(sub {
        sets_of('/soon/page.json?user=u1') =~ /stock;unknown.*seen;unknown/;
    }), 'all are unknown';
    my $down = qr/"main" .* keys can't be asked for now: CLUSTERDOWN/;
    cmp_ok $nginx->logged($down), '>=', 1, 'a line says so';
    ok wait_until(sub {
        $nginx->logged(qr/"main" .* no server has 1 of the slots/);
    }), 'and which';

    # The feed has been told so by now: it waits for half a second at most.
    my $refused = sub { said('CLUSTERDOWN') };
    my $before = $refused->();
    ok wait_until(sub { $refused->() > $before + 3 }),
       'it is asked again and again';

    $owner->cmd('CLUSTER', 'ADDSLOTS', $slot);
    $cluster->settle;
    all_filtered('all pages', 'soon');
    ok wait_until(sub {
        $nginx->logged(qr/"main" .* all slots have a server again/);
    }), 'another line';

    $cluster->cmd('FCALL', 'recs_remove', 2, '{stock}', '{stock}:feed', 'i8');
    ok wait_until(sub {
        my $r = $t->get('/followed/page.json');
        return ids_of($r) !~ /i8/
               && $r->header('Recs-Sets') =~ /\A\w+;age=\d+;removed/;
    }), 'the feed is followed again';
    $cluster->cmd('FCALL', 'recs_add', 2, '{stock}', '{stock}:feed', 'i8');
};


subtest 'a replica that does not fit, among sets of other servers' => sub {
    ok wait_until(sub { status()->{sets}{small}{replica}{state} eq 'full' }),
       'it is full: its master is asked';

    my @wrong = grep {
        my $r = $t->get("/small/page.json?user=$_");
        ids_of($r) ne 'i9' || $r->header('Recs-Filter') !~ /^filtered/;
    } @users;
    is_deeply \@wrong, [], 'each server answers what it was asked';
};


subtest 'a master dies' => sub {
    my $user = $users[3];
    my $master = $cluster->node_of("seen:$user");

    my $new = $cluster->fail_over($master);
    all_filtered('a replica of it is asked instead', 'soon');

    $t->get("/shown/page.json?user=again$_") for 1 .. 30;
    is_deeply [grep {
        my $key = "shown:again$_";
        !wait_until(sub { $cluster->cmd('ZCARD', $key) == @ids });
    } 1 .. 30], [], 'what is shown is recorded';

    $master->start;
    $cluster->settle;
    all_filtered('it comes back as a replica', 'soon');
};


subtest 'a master is replaced on purpose' => sub {
    my $master = $cluster->node_of("seen:$users[3]");

    $cluster->switch_over($master);
    all_filtered('all pages', 'soon');
};


subtest 'a server is frozen: its keys are unknown, others are not' => sub {
    my $node = $cluster->node_of('seen:u2');
    my @other = grep { $cluster->node_of("seen:$_") != $node } @users;
    my $stock = $cluster->node_of('{stock}') == $node;

    $node->freeze;
    my $r = $t->get('/soon/page.json?user=u2');
    like $r->header('Recs-Sets'), qr/seen;unknown;why=(?:timeout|down)/,
         'unknown';
    like $t->get("/soon/page.json?user=$other[0]")->header('Recs-Sets'),
         $stock ? qr/stock;unknown.*seen;removed/ : qr/stock;removed/,
         'the others are asked';
    $node->thaw;

    $cluster->settle;
    all_filtered('all is well again', 'soon');
};


subtest 'all are gone, and come back' => sub {
    $cluster->kill;
    like $t->get('/soon/page.json?user=u1')->header('Recs-Sets'),
         qr/stock;unknown;why=\w+, seen;unknown;why=\w+/, 'unknown';
    ok wait_until(sub {
        $nginx->logged(qr/"main" .* no server says which one has the keys;/)
    }), 'a line says so';
    $cluster->start;
    load();
    all_filtered('all pages', 'soon');
    ok wait_until(sub {
        $nginx->logged(qr/"main" .* it is said again which server has the keys/)
    }), 'and another one';
};


subtest 'one that is no cluster' => sub {
    like $t->get('/plain/page.json?user=u1')->header('Recs-Sets'),
         qr/plain;unknown;why=down/, 'is not asked';
    my $lines = $nginx->logged(qr/"plain".*cluster support disabled/);
    is $lines, 1, 'one line says so';
};


subtest 'a database other than the first' => sub {
    like $t->get('/second/page.json?user=u1')->header('Recs-Sets'),
         qr/second;unknown;why=down/, 'is not asked';
    my $refused = qr/"second".*the last one: Redis refused database 2: ERR/;
    is $nginx->logged($refused), 1, 'one line says so, if Redis has none';
};


subtest 'a set and its feed in two slots' => sub {
    my ($code, $output) = $t->nginx_test(<<'HTTP');
recs_redis r { server redis://127.0.0.1; topology cluster; }
recs_set s redis=r key=stock replica=on feed=stock:feed;
HTTP
    isnt $code, 0, 'is refused';
    like $output, qr/"s" has its key "stock" and its feed "stock:feed"/,
         'by name';
    like $output, qr/ would be in one in \S+:\d+$/m,
         'with file and line';
};


subtest 'a reload knows at once who has what' => sub {
    my $nobody = sub { $nginx->logged(qr/"main" .* no server says which/) };
    my $before = $nobody->();

    my $slow = $t->http;
    $slow->send('GET', '/slow/page.json');

    $nginx->reload(wait => 0);
    all_filtered('all pages', 'soon');

    $cluster->switch_over($cluster->node_of("seen:$users[3]"));
    all_filtered('also those of others', 'soon');
    is $nobody->(), $before, 'nor do workers ask that are exiting';
    $slow->close;
};


$t->done;
