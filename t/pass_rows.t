use strict;
use warnings;

# A user's page costs one round trip to Redis, or none, and without an answer
# there is the page that all have.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Mode;
use Recs::Test;
use Test::More;
use Time::HiRes qw(time);

my $t = Recs::Test->new;
my $redis = $t->redis;

my $nginx = $t->nginx(reloads => 0, http => <<'HTTP');
    recs_redis main { server %%REDIS%%; timeout 30s; }

    # One is polled; the others look when they are told to.
    recs_snapshots home redis=main prefix=home poll=1h;
    recs_snapshots old redis=main prefix=home poll=1h missing=previous;
    recs_snapshots none redis=main prefix=home poll=1h missing=none;
    recs_snapshots bare redis=main prefix=bare poll=1h;

    recs on;
    recs_user $arg_user;
    recs_lookup_timeout 1s;
    recs_max_body_size 300k;

    server {
        listen %%LISTEN%%;
        location = /status { recs_status; }
        location /home { recs_pass home; }
        location /old { recs_pass old; }
        location /none { recs_pass none; }
        location /bare { recs_pass bare; }
        location /short { recs_lookup_timeout 100ms; recs_pass home; }
        location /small { recs_max_body_size 1k; recs_pass home; }
    }
HTTP


sub page { return qq({"of":"$_[0]","items":[]}) . ' ' x ($_[1] // 0) }


sub publish {
    my ($version, %rows) = @_;

    my $prefix = delete $rows{prefix} // 'home';

    $redis->cmd('SET', "$prefix:$version:u:$_", $rows{$_}) for keys %rows;
    $redis->cmd('HSET', "{$prefix}:$version:meta", model => 'm', schema => 's',
                features => 'f', generated_at => int time, expected => 1,
                written => 1, state => 'complete');
    $redis->cmd('SET', "{$prefix}:channel:active", $version);
    $redis->cmd('PUBLISH', "$prefix:events", '');

    my @all = $prefix eq 'home' ? qw(home old none) : $prefix;
    my $default = exists $rows{_default} && length $rows{_default} < 131072;

    wait_until(sub {
        my $s = status();
        !grep {
            my $c = $s->{$_}{channels}{active};
            ($c->{active} // '') ne $version
                || $default && ($c->{default_of} // '') ne $version;
        } @all;
    }) or die "$version is not adopted\n";
}


sub status { return $t->get('/status')->json->{snapshots} }
sub home { return status()->{home} }


# The keys of rows that were read meanwhile.

sub reads {
    my ($code) = @_;

    my @lines = $redis->watch($code);
    return join ' ', map { /"GET" "(\w+:\w+:u:[^"]*)"/ ? $1 : () } @lines;
}


sub of {
    my ($target) = @_;

    my $r = $t->get($target);
    return $r->status if $r->status != 200;

    my ($row) = $r->header('Recs-Filter') =~ /;row=(\w+)/;
    return "$row " . $r->json->{of};
}


publish('v1', u1 => page('v1 u1'), u0 => page('v1 u0'),
        _default => page('v1 all'));
publish('v2', u1 => page('v2 u1'), _default => page('v2 all'));


subtest 'one round trip, or none' => sub {
    is reads(sub { is of('/home?user=u1'), 'user v2 u1', 'a row' }),
        'home:v2:u:u1', 'is one read';
    is reads(sub { is of('/home?user=u9'), 'default v2 all', 'missing' }),
        'home:v2:u:u9', 'is one read, the default page is at hand';
    is reads(sub { is of('/home'), 'default v2 all', 'nobody' }), '',
        'is no read';
    is reads(sub { is of('/home?user=' . 'x' x 1025), 'default v2 all',
                      'a name that is too long' }), '', 'is no read';
    is reads(sub { is of('/home?user=_default'), 'default v2 all',
                      'the name of the default page' }), '', 'is no read';
    is reads(sub { is of('/none?user=u9'), 204, 'missing=none' }),
        'home:v2:u:u9', 'is one read';
    is reads(sub { is of('/none'), 204, 'missing=none, nobody' }), '',
        'is no read';
};


subtest 'the version before' => sub {
    is reads(sub { is of('/old?user=u0'), 'previous v1 u0', 'has the row' }),
        'home:v2:u:u0 home:v1:u:u0', 'two reads';
    is reads(sub { is of('/old?user=u9'), 'default v2 all', 'has it not' }),
        'home:v2:u:u9 home:v1:u:u9', 'two reads';
    is reads(sub { is of('/old'), 'default v2 all', 'nobody' }), '', 'none';
};


subtest 'a default page that is not kept' => sub {
    publish('v3', u1 => page('v3 u1'), u2 => page('v3 u2'),
            _default => page('v3 all', 200_000));

    is reads(sub { is of('/home?user=u9'), 'default v3 all', 'missing' }),
        'home:v3:u:u9 home:v3:u:_default', 'two reads';
    is reads(sub { is of('/home'), 'default v3 all', 'nobody' }),
        'home:v3:u:_default', 'one';

    my $trips = reads(sub {
        is of('/old?user=u9'), 'default v3 all', 'not in the version before';
    });
    is $trips, 'home:v3:u:u9 home:v2:u:u9 home:v3:u:_default',
        'three reads, of which two go together';

    publish('v4', u1 => page('v4 u1'));
    is of('/home?user=u9'), 204, 'a version without one';
    is of('/old?user=u2'), 'previous v3 u2', 'nor is it needed';
};


subtest 'any name' => sub {
    my %names = ('a b' => 'a%20b', "\r\n" => '%0D%0A', '{x}' => '{x}',
                 '*' => '*', 'x' x 1024 => 'x' x 1024, "\xff\xfe" => '%FF%FE');

    for my $name (sort keys %names) {
        $redis->cmd('SET', 'home:v4:u:' . $names{$name}, page('it'));
        is of("/home?user=$names{$name}"), 'user it', 'is part of the key';
    }

    is of('/home?user=u1%3Av'), 204, 'no other key';
};


subtest 'too large' => sub {
    my $before = home();

    $redis->cmd('SET', 'home:v4:u:big', page('big', 1024));
    $redis->cmd('SET', 'home:v4:u:huge', 'x' x 30_000_000);

    is of('/home?user=big'), 'user big', 'under the limit';
    is of('/small?user=big'), 502, 'over it';
    is of('/home?user=huge'), 502, '30 MB';
    is of('/home?user=u1'), 'user v4 u1', 'others are served';
    is home()->{too_large} - $before->{too_large}, 2, 'counted';
};


subtest 'an error' => sub {
    my $before = home();

    $redis->cmd('RPUSH', 'home:v4:u:list', 'x');

    for (1 .. 3) {
        is of('/home?user=list'), 'kept v2 all',
            'the last default page that was kept';
    }

    is $t->get('/home?user=list')->header('Recs-Snapshot'), 'v2',
        'with its version';
    is home()->{kept} - $before->{kept}, 4, 'counted';

    is $nginx->logged(qr/gave no row of version .*WRONGTYPE/), 1, 'one line';
    unlike $nginx->error_log, qr/u:list/, 'that does not name the user';

    publish('b1', prefix => 'bare');
    $redis->cmd('RPUSH', 'bare:b1:u:list', 'x');
    is of('/bare?user=list'), 503, 'where none is kept';
    is status()->{bare}{unknown}, 1, 'counted';
};


subtest 'no answer in time' => sub {
    publish('v5', (map { ("u$_" => page("v5 u$_")) } 1 .. 9),
            _default => page('v5 all'));

    $redis->freeze;

    my $start = time;
    is of('/short?user=u1'), 'kept v5 all', 'the default page';
    my $took = time - $start;
    cmp_ok $took, '>=', 0.09, 'after the deadline';
    cmp_ok $took, '<', 0.1 + Recs::Mode::patience(0.5), 'at once then';

    # Those who leave while it waits.
    for my $n (1 .. 3) {
        my $c = $t->http;
        $c->send('GET', '/home?user=u1');
        $c->close;
    }

    is of('/short?user=u2'), 'kept v5 all', 'the next one';
    is reads_after_thaw(), 'user v5 u3', 'late replies are nobody\'s';

    for my $n (1 .. 9) {
        is of("/home?user=u$n"), "user v5 u$n", "u$n has his own";
    }

    ok wait_until(sub {
        $t->get('/status')->json->{redis}{main}{discarded} >= 2;
    }), 'they were thrown away';
};


sub reads_after_thaw {
    my $c = $t->http;
    my $sent = $c->send('GET', '/home?user=u3');
    $redis->thaw;

    my $r = $c->response($sent);
    my ($row) = $r->header('Recs-Filter') =~ /;row=(\w+)/;
    return "$row " . $r->json->{of};
}


subtest 'Redis away' => sub {
    $t->expect_log(qr/recs_redis "main"/);
    $redis->kill;

    my $start = time;
    is of('/home?user=u1'), 'kept v5 all', 'the default page';
    is of('/none?user=u1'), 'kept v5 all', 'with missing=none, too';
    is of('/home'), 'default v5 all', 'nobody needs no Redis';
    is of('/bare?user=u1'), 503, 'where none is kept';
    cmp_ok time - $start, '<', Recs::Mode::patience(0.5), 'at once';

    $redis->start;
    ok wait_until(sub {
        $t->get('/status')->json->{redis}{main}{ready};
    }), 'Redis is back';
};


$t->done;
