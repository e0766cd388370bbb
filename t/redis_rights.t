use strict;
use warnings;

# The rights that docs/redis.md gives each feature suffice for it, and each of
# them is needed: with one less, the response, readiness or the log says what
# the document says.  Redis sees no command that isn't in the document, and all
# that are.
#
# Each feature is used by several users of one Redis: by one who has its rights,
# and by one for each right that he lacks; by those of nginx at once.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp);
use Recs::Rights;
use Recs::RightsInUse;
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis(tcp => 1, config => 'acllog-max-len 10000');
my $rights = Recs::Rights->new($t->root . '/docs/redis.md');

my $page = q({"items":[{"id":"b1"},{"id":"b2"}]});
my $other = q({"items":[{"id":"b7"},{"id":"b8"}]});
my $filtered = qr/^200 filtered;\S* \{"items":\[\{"id":"b1"\}\]\}$/m;

$t->upstream($page);

# "of" are lines of rights, [heading, number]; each right of the last one is
# missed by a user, if "less" names no other.  In "http" and "page" (what stands
# in a location) USER is the user's name, which his things have, too.  "well" is
# what his page is if he has all rights, or a function that finds out.

my @features = (
    { name => 'opened', of => [['Sets', 0]], less => ['+ping'],
      http => 'recs_set USER redis=USER key=in_stock absent=empty;',
      page => "recs_require USER; return 200 '$page';", well => $filtered },

    { name => 'database', of => [['Sets', 0], ['Each connection', 1]],
      url => '/1',
      http => 'recs_set USER redis=USER key=in_stock absent=empty;',
      page => "recs_require USER; return 200 '$page';", well => $filtered },

    (map {
        my ($name, $type, $set) = @$_;
        { name => $name, of => [['Sets', $type]],
          http => "recs_set USER redis=USER $set;",
          page => "recs_require USER; return 200 '$page';",
          well => $filtered },
    } ['plain', 0, 'key=in_stock absent=empty'],
      ['scores', 1, 'key=seen:$arg_u type=zset'],
      ['scores_within', 1, 'key=seen:$arg_u type=zset within=1d'],
      ['scores_min', 1, 'key=seen:$arg_u type=zset min=5'],
      ['values', 2, 'key=watched:$arg_u type=hash'],
      ['values_min', 2, 'key=watched:$arg_u type=hash min=0.5']),

    (map {
        my ($name, $type, $set) = @$_;
        { name => $name, of => [['Sets', $type], ['Sets', 3 + $type]],
          http => "recs_set USER redis=USER $set;",
          page => "recs_exclude USER; return 200 '$other';",
          well => qr/^200 filtered;.*"b7".*"b8"/ },
    } ['there_plain', 0, 'key=in_stock'],
      ['there_scores', 1, 'key=seen:u1 type=zset'],
      ['there_enough', 2, 'key=watched:$arg_u type=hash min_members=2']),

    (map {
        my ($name, $type, $set) = @$_;
        { name => $name, of => [['Sets', $type], ['Sets', 6 + $type]],
          http => "recs_set USER redis=USER prefetch=10 absent=empty $set;",
          page => 'recs_require USER; proxy_pass http://%%API%%;',
          well => qr/$filtered.*;prefetched;/s },
    } ['whole_plain', 0, 'key=in_stock'],
      ['whole_scores', 1, 'key=seen:$arg_u type=zset'],
      ['whole_scores_within', 1, 'key=seen:$arg_u type=zset within=1d'],
      ['whole_scores_min', 1, 'key=seen:$arg_u type=zset min=5'],
      ['whole_values', 2, 'key=watched:$arg_u type=hash'],
      ['whole_values_min', 2, 'key=watched:$arg_u type=hash min=0.5']),

    (map {
        my ($name, $type, $set) = @$_;
        { name => $name, of => [['Sets', $type], ['Replicas', $type]],
          http => 'recs_set USER redis=USER replica=on resync=1s'
                  . " capacity=1000 $set;",
          page => "recs_require USER; return 200 '$page';",
          well => qr/$filtered.*USER;age=\d+;removed/s },
    } ['replica_plain', 0, 'key=in_stock'],
      ['replica_scores', 1, 'key=arrived type=zset within=1d'],
      ['replica_values', 2, 'key=shares type=hash']),

    Recs::RightsInUse::common(),

    { name => 'shown', of => [['What was shown', 1], ['What was shown', 0]],
      page => 'recs_record_shown redis=USER key=shown:USER within=1h max=10;'
              . " return 200 '$page';",
      well => \&recorded },
);

# Those who write do it by "calls", which return what went wrong.  "before"
# makes what was so before, and "well" finds out whether all was done.  A call
# that is refused changes nothing at "keys".

my $functions = $redis->cmd('INFO', 'server') !~ /^redis_version:6\./m;
my @snapshot = map { "{home}:$_" } qw(channel:active history rolled_back);
my @publish = ('FCALL', 'recs_publish', 4, @snapshot, '{home}:v2:meta', 'v2');
my $move = '{"time":1795305600.250,"event":"publish","channel":"active",'
           . '"version":"v2"}';

my @writers = (
    { name => 'publish', of => [['Publishing', 0]], keys => \@snapshot,
      calls => [call(@publish)],
      well => sub { $redis->cmd('GET', $snapshot[0]) eq 'v2' } },

    { name => 'restore', of => [['Publishing', 0], ['Publishing', 1]],
      keys => \@snapshot, calls => [call(@publish, 'restore=yes')],
      before => sub { $redis->cmd('SADD', $snapshot[2], 'v2') },
      well => sub { !$redis->cmd('EXISTS', $snapshot[2]) } },

    { name => 'rollback', of => [['Publishing', 0], ['Publishing', 2]],
      keys => \@snapshot, calls => [call('FCALL', 'recs_rollback', 3,
                                         @snapshot)],
      before => sub { $redis->cmd('LPUSH', $snapshot[1], $move) },
      well => sub { $redis->cmd('SISMEMBER', $snapshot[2], 'v1') } },

    { name => 'history', of => [['Publishing', 3]], keys => \@snapshot,
      calls => [call('FCALL_RO', 'recs_history', 1, $snapshot[1])] },

    (map {
        my ($i, $type, $name, @score) = @$_;
        my @keys = ($name, "{$name}:feed");

        { name => "feed_$type", of => [['Feeds', $i]], keys => \@keys,
          calls => [call('FCALL', 'recs_add', 2, @keys, "type=$type", @score,
                         'b4'),
                    call('FCALL', 'recs_remove', 2, @keys, 'b4')],
          well => sub { $redis->cmd('XLEN', $keys[1]) == 2 } },
    } [0, 'set', 'in_stock'], [1, 'zset', 'arrived', 5],
      [2, 'hash', 'shares', 0.5]),
);

my $load = { name => 'load', of => [['tools/load-snapshot', 0]],
             calls => [\&load_snapshot],
             well => sub {
                 $redis->cmd('HGET', '{home}:v3:meta', 'state') eq 'complete'
             } };

my @by_hand = (['SET', $snapshot[0], 'v2'], ['LPUSH', $snapshot[1], $move],
               ['LTRIM', $snapshot[1], 0, 999],
               ['PUBLISH', 'home:events', 'v2']);

my @hands = (
    { name => 'by_hand', of => [['Publishing by hand', 0]],
      keys => \@snapshot, calls => [call_all(@by_hand)],
      well => sub { $redis->cmd('GET', $snapshot[0]) eq 'v2' } },

    { name => 'back', of => [['Publishing by hand', 0],
                             ['Publishing by hand', 1]],
      keys => \@snapshot,
      calls => [call_all(['SADD', $snapshot[2], 'v1'], @by_hand)],
      well => sub { $redis->cmd('SISMEMBER', $snapshot[2], 'v1') } },
);

my (@seen, @users, $nginx);

$rights->without_modes_of_keys if !$functions;      # as old as that


subtest 'those who write' => sub {
    $redis->cmd('FUNCTION', 'LOAD', slurp($t->root . '/conf/recs.lua'))
        if $functions;
    push @seen, $redis->watch(sub {
        writes($_) for $functions ? @writers : (), @hands, $load;
    });
};


$redis->cmd('FLUSHALL');
fill();
@users = map { users($_) } @features;

push @seen, $redis->watch(sub {
    $nginx = $t->nginx(http => configuration(), reloads => 0);

    for my $user (grep { !exists $_->{lacks} } @users) {
        ok wait_until(sub { is_well($user) }), "$user->{name}: what it needs"
            or diag said($user);
    }

    for my $user (grep { exists $_->{lacks} } @users) {
        my ($name, $says) = @$user{qw(name says)};

        ok wait_until(sub { Recs::Rights::is_said($user, said($user)) }),
            "$name, without $user->{lacks}: " . join ', ', @$says
            or diag said($user);
    }
});


subtest 'a snapshot is switched by a message' => sub {
    my ($well) = grep { $_->{name} eq 'snapshots' } @users;
    my @deaf = grep { ($_->{lacks} // '') =~ /^(?:&.*|\+subscribe)$/ } @users;

    is scalar @deaf, 2, 'two hear nothing';
    ok wait_until(sub {
        !grep { said($_) !~ /^Recs-Snapshot: v1$/m } $well, @deaf;
    }), 'all have a version';

    push @seen, $redis->watch(sub { publish('v2') });

    ok wait_until(sub { said($well) =~ /^Recs-Snapshot: v2$/m }), 'switched';
    like said($_), qr/^Recs-Snapshot: v1$/m, "not without $_->{lacks}"
        for @deaf;
};


subtest 'nobody who has all rights was refused anything' => sub {
    my %refused = map { my %entry = @$_; $entry{username} => 1 }
                  @{ $redis->cmd('ACL', 'LOG', 1000) };

    cmp_ok scalar(keys %refused), '>', 30, 'others were';
    is_deeply [grep { $refused{ $_->{name} } && !exists $_->{lacks} } @users],
        [], 'they were not';
};


subtest 'what Redis saw is what the document says' => sub {
    my %pattern = $rights->patterns(
        'Each connection', 'Sets', 'Replicas', 'Pools', 'Snapshots',
        'What was shown', 'Publishing by hand', 'tools/load-snapshot',
        $functions ? ('Publishing', 'Feeds') : ());
    my (%known, %unknown);

    # Our own come through the socket.
    for my $line (@seen) {
        my ($command) = $line =~ /^\S+ \[\d+ (?:127\.\S+|lua)\] (.*)/
            or next;
        next if $command =~ /^"(?:AUTH|HELLO)"/i;

        my @names = grep { $command =~ $pattern{$_} } keys %pattern;

        $known{$_}++ for @names;
        $unknown{$command}++ if !@names;
    }

    is_deeply [sort keys %unknown], [], 'no other command';
    is_deeply [grep { !$known{$_} } sort keys %pattern], [], 'all of them';
};


$t->done;


sub fill {
    my $now = time;

    for my $database (1, 0) {
        $redis->cmd('SELECT', $database);
        $redis->cmd('SADD', 'in_stock', 'b1');
    }

    $redis->cmd('ZADD', $_, $now, 'b1') for qw(seen:u1 arrived);
    $redis->cmd('HSET', $_, 'b1', '0.7', 'b3', '0.7') for qw(watched:u1 shares);
    $redis->cmd('XADD', '{in_stock}:feed', '*', 'op', 'add', 'ids', '["b1"]',
                'seq', 1);
    $redis->cmd('HSET', 'fresh', 'p1', '{"id":"p1"}');

    for my $version ('v1', 'v2') {
        $redis->cmd('HSET', "{home}:$version:meta", 'model', 'als', 'schema', 3,
                    'features', 'books', 'generated_at', $now, 'expected', 1,
                    'written', 1, 'state', 'complete');
        $redis->cmd('SET', "home:$version:u:$_", $page) for qw(u1 _default);
    }

    publish('v1');
}


sub writes {
    my ($feature) = @_;

    for my $user (users($feature)) {
        my ($name, $lacks) = @$user{qw(name lacks)};

        $redis->cmd('FLUSHALL');
        fill();
        $redis->cmd('DEL', '{in_stock}:feed');
        $feature->{before}->() if $feature->{before};

        my $error = wrong($user);

        if (!defined $lacks) {
            is $error, '', "$name: what it needs";
            ok $feature->{well}->(), 'all is done' if $feature->{well};
            next;
        }

        ok Recs::Rights::is_said($user, $error),
            "$name, without $lacks: @{ $user->{says} }" or diag $error;
    }
}


# What the first call says that goes wrong; '' if none does.

sub wrong {
    my ($user) = @_;

    my $state = sub {
        return [map { $redis->cmd('DUMP', $_) } @{ $user->{feature}{keys} }];
    };

    for my $call (@{ $user->{feature}{calls} }) {
        my $before = $state->();
        my $error = $call->($user->{name});

        next if $error eq '';

        is_deeply $state->(), $before, 'nothing is written';
        return $error;
    }

    return '';
}


sub call {
    my (@command) = @_;

    return sub { return client($_[0])->refuse(@command) // '' };
}


# In one transaction: without it, nothing is done.

sub call_all {
    my (@commands) = @_;

    return sub {
        my $client = client($_[0]);
        my $error = $client->refuse('MULTI');
        return $error if defined $error;

        my @replies = $client->pipeline(@commands, ['EXEC']);
        return join ' ', grep { ref eq 'Recs::Redis::Error' } @replies;
    };
}


sub client {
    my ($user) = @_;

    my $client = Recs::Redis::Client->new(host => '127.0.0.1',
                                          port => $redis->port);
    $client->cmd('AUTH', $user, 'sesame');
    return $client;
}


sub load_snapshot {
    my ($user) = @_;

    my $password = $t->write('password', "sesame\n");
    my $file = $t->write('pages', '{"user":"u1","items":[]}' . "\n");
    my $default = $t->write('default', $page);
    my @command = (
        'perl', $t->root . '/tools/load-snapshot', '--host=127.0.0.1',
        '--port=' . $redis->port, "--username=$user",
        "--password-file=$password", '--ttl=2h', "--default=$default",
        qw(--model=als --schema=3 --features=books), '--generated-at=' . time,
        '--user=/user', 'home', 'v3', $file,
    );
    my $output = qx(@command 2>&1);

    return $? ? $output : '';
}


sub publish {
    my ($version) = @_;

    $redis->cmd('SET', '{home}:channel:active', $version);
    $redis->cmd('PUBLISH', 'home:events', $version);
}


# Who has all rights of a feature, and those who lack one each.

sub users {
    my ($feature) = @_;

    my @base = $feature->{calls} ? (base => 'Rights of who writes') : ();
    my @users = $rights->users({ %$feature, @base });

    $rights->grant($_, $redis) for @users;
    return @users;
}


sub configuration {
    my $password = $t->write('password', "sesame\n");
    my ($http, $server) = ('', '');

    for my $user (@users) {
        my ($name, $feature) = @$user{qw(name feature)};
        my $url = '%%REDIS_TCP%%' . ($feature->{url} // '');
        my $more = $feature->{http} // '';

        $http .= "recs_redis $name { server $url;"
                 . " auth user=$name password_file=$password; }\n"
                 . $more =~ s/\bUSER\b/$name/gr . "\n";
        $server .= "location = /$name { "
                   . $feature->{page} =~ s/\bUSER\b/$name/gr . " }\n";
    }

    return <<"END";
recs_zone 32m;
default_type application/json;
recs on;
$http

server {
    listen %%LISTEN%%;
    location = /ready { recs off; recs_ready; }
$server
}
END
}


# What a user's page, the log and readiness say: first its status, its body and
# the header fields that are ours.

sub said {
    my ($user) = @_;

    my $name = $user->{name};
    my $r = $t->get("/$name?u=u1");
    my @fields = map { "$_: " . $r->header($_) } grep { /^Recs-/ }
                 $r->header_names;
    my ($filter) = map { /^Recs-Filter: (.*)/ } @fields;
    my @lines = grep { /"$name"/ } split /\n/,
                $nginx->error_log . $t->get('/ready')->body;

    return join "\n", join(' ', $r->status, $filter // '', $r->body), @fields,
        @lines, '';
}


sub is_well {
    my ($user) = @_;

    my $well = $user->{feature}{well};
    my $said = said($user) =~ s/\b\Q$user->{name}\E\b/USER/gr;

    return ref $well eq 'CODE' ? $well->($user) : $said =~ $well;
}


# The ids, for as long as was said.

sub recorded {
    my ($user) = @_;

    my $key = "shown:$user->{name}";

    return join(' ', sort @{ $redis->cmd('ZRANGE', $key, 0, -1) }) eq 'b1 b2'
           && $redis->cmd('TTL', $key) > 0;
}
