use strict;
use warnings;

# A replica is not replaced by the part that was read of a key before it went,
# nor by what was good enough for another configuration.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis;

my @ids = map { "i$_" } 1 .. 20;
my $items = join ',', map { qq({"id":"$_"}) } @ids;
$t->write('html/page.json', qq({"items":[$items]}));

# A fake Redis, which hands out a set in two pieces: "whole", or "goes" after
# the first one.

my $does = 'whole';

sub bulk { return '$' . length($_[0]) . "\r\n$_[0]\r\n" }
sub array { return '*' . @_ . "\r\n" . join '', @_ }

my $state = $t->dir . '/does';
sub does { $t->write('does', $_[0]) }
does('whole');

sub told {
    open my $file, '<', $state or die "$state: $!";
    return scalar <$file>;
}

my %gone;

$t->fake_redis(sub {
    my ($cmd) = @_;
    my ($name, $key, $cursor) = @$cmd;
    my $does = told();

    %gone = () if $does eq "whole";

    return "+PONG\r\n" if $name eq 'PING';
    return $gone{$key} ? ":0\r\n" : ":20\r\n" if $name =~ /\A(?:SCARD|HLEN)\z/;

    if ($name eq 'SSCAN') {
        return array(bulk('5'), array(map { bulk($_) } @ids[0 .. 13]))
            if $cursor eq '0' && !$gone{$key};
        $gone{$key} = 1 if $does eq 'goes';
        return array(bulk('0'), array($gone{$key} ? () : map { bulk($_) }
                                             @ids[14 .. 19]));
    }

    if ($name eq 'HSCAN') {
        my @has = map { bulk($_), bulk('{"id":"' . $_ . '"}') } @ids;

        return array(bulk('0'), array()) if $gone{$key};
        return array(bulk('5'), array(@has[0 .. 27])) if $cursor eq '0';

        $gone{$key} = 1 if $does eq 'goes';
        return array(bulk('0'), array($gone{$key} ? () : @has[28 .. 39]));
    }

    return array(map { ":0\r\n" } @$cmd[2 .. $#$cmd]) if $name eq 'SMISMEMBER';
    return "-ERR $name?\r\n";
});

my $http = <<'HTTP';
recs_zone 32m;
recs_redis fake { server %%FAKE%%; timeout 2s; }
recs_redis main { server %%REDIS%%; timeout 2s; }
recs_set plain redis=fake key=plain replica=on resync=200ms;
recs_pool large redis=fake key=large refresh=200ms;
recs_set few redis=main key=few 'feed={few}:feed' replica=on absent=empty;
server {
    listen %%LISTEN%%;
    default_type application/json;
    recs on;
    recs_lookup_timeout 2s;
    location = /status { recs off; recs_status; }
    location = /ready { recs off; recs_ready; }
    location /plain/ { alias %%TESTDIR%%/html/; recs_require plain; }
    location /few/ { alias %%TESTDIR%%/html/; recs_require few; }
    location /pool { recs_backfill large min=3; return 200 '{"items":[]}'; }
}
HTTP

my $nginx = $t->nginx(workers => 2, http => $http);

sub replica { return $t->get('/status')->json->{sets}{ $_[0] }{replica} }

sub page {
    my $r = $t->get("/$_[0]/page.json");
    my ($state) = $r->header('Recs-Filter') =~ /\A(\w+)/;

    return @{ $r->json->{items} } . " $state";
}

sub becomes {
    my ($set, $want, $name) = @_;

    my $got;
    wait_until(sub { ($got = page($set)) eq $want });
    is $got, $want, $name;
}

subtest 'it goes while it is scanned' => sub {
    becomes('plain', '20 filtered', 'as it is');
    does('goes');

    my %shown;
    ok wait_until(sub {
        $shown{ page('plain') =~ s/ .*//r } = 1;
        return replica('plain')->{state} eq 'held';
    }), 'held back';
    is_deeply [keys %shown], [20], 'all that it had is shown';
    is replica('plain')->{ids}, 20, 'and stays';

    does('whole');
    becomes('plain', '20 filtered', 'it heals');
};

subtest 'a pool that goes while it is scanned' => sub {
    my $pool = sub { $t->get('/status')->json->{pools}{large} };

    ok wait_until(sub { $pool->()->{items} == 20 }), 'as it is';
    does('goes');

    my %items;
    ok wait_until(sub {
        my $now = $pool->();
        $items{ $now->{items} } = 1;
        return $now->{held};
    }), 'held back';
    is_deeply [keys %items], [20], 'all its items stay';

    does('whole');
    ok wait_until(sub { !$pool->()->{held} }), 'it heals';
};

subtest 'an empty set that may not be one any more' => sub {
    becomes('few', '0 filtered', 'empty');

    ok $nginx->reload(http => $http =~ s/ absent=empty/ min_members=2/r),
        'a reload';
    becomes('few', '20 degraded', 'is absent now');
    like $t->get('/ready')->body, qr/^recs_set "few": never loaded, held/m,
        'not ready';

    $redis->cmd('SADD', 'few', 'i1', 'i2');
    becomes('few', '2 filtered', 'it is loaded once it is enough');
    ok $nginx->reload(http => $http =~ s/ absent=empty/ min_members=3/r),
        'a reload that wants more';
    becomes('few', '20 degraded', 'two are too few');
    ok $nginx->reload(http => $http), 'a reload back';
    becomes('few', '2 filtered', 'two are a set');
};

$t->done;
