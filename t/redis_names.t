use strict;
use warnings;

# Names of Redis servers mean what DNS says when a connection is made, without a
# reload; and what it said last, for as long as it says nothing.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(free_port has_ipv6);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $dns = $t->dns;

# Three servers, of one port: a name has no port.
my $port = free_port();
my %redis;

for (['one', '127.0.0.1'], ['two', '127.0.0.2'],
     has_ipv6() ? ['six', '::1'] : ()) {
    my ($name, $address) = @$_;
    $redis{$name} = $t->redis(name => $name,
                              config => "bind $address\nport $port");
    $redis{$name}->cmd('SADD', 'seen', $name);
}

my $cluster = $t->redis_cluster(masters => 3);
my %names = ('seed.test' => ['127.0.0.1']);

for my $node ($cluster->masters) {
    my $name = sprintf 'node%d.test', 1 + keys %names;
    $names{$name} = ['127.0.0.1'];
    $node->cmd('CONFIG', 'SET', 'cluster-announce-hostname', $name);
    $node->cmd('CONFIG', 'SET', 'cluster-preferred-endpoint-type', 'hostname');
}

ok wait_until(sub {
    !grep {
            grep { ($_->[2][0] // '') !~ /^node/ }
               @{ $_->cmd('CLUSTER', 'SLOTS') } } $cluster->masters;
}), 'the cluster has names';

$cluster->cmd('SADD', "seen:u$_", 'one') for 1 .. 30;

my $seed = ($cluster->masters)[0]->port;
my $page = '{"items":[{"id":"one"},{"id":"two"},{"id":"six"},{"id":"x"}]}';

my $http = <<"HTTP";
resolver %%DNS%%;
resolver_timeout 1s;

recs_redis db { server redis://db.test:$port; timeout 60s; }
recs_redis cluster {
    server redis://seed.test:$seed;
    topology cluster;
    timeout 60s;
}

recs_set seen redis=db key=seen absent=empty;
recs_set others redis=cluster key=seen:\$arg_u absent=empty;

recs on;
recs_user \$arg_u;
default_type application/json;
recs_lookup_timeout 10s;

server {
    listen %%LISTEN%%;
    location = /page { recs_exclude seen; return 200 '$page'; }
    location = /cluster { recs_exclude others; return 200 '$page'; }
}
HTTP

sub ids { return join ' ', map { $_->{id} } @{ $t->get(shift)->json->{items} } }

# The resolver keeps an answer until its second is over.
sub forget {
    my $now = time;
    wait_until(sub { time > $now + 1 });
}

sub lead { $dns->tell(%names, @_); forget() }

sub sees { my ($ids) = @_; return wait_until(sub { ids('/page') eq $ids }) }


subtest 'a name that is not known' => sub {
    my ($rc, $said) = $t->nginx_test($http =~ s/resolver.*;//gr);
    isnt $rc, 0, 'without a resolver, it is an error';
    like $said, qr/host not found in "server redis:\/\/db\.test:$port" of/,
        'that says so';
    like $said, qr/ of recs_redis in \S+http\.conf:\d+$/m, 'and where';

    ($rc, $said) = $t->nginx_test($http);
    is $rc, 0, 'with one it is none' or diag $said;
    like $said, qr/\[warn\] host not found in "server redis:\/\/db\.test:/,
        'but for a line';
};


my $nginx = $t->nginx(reloads => 0, http => $http);

sub logged { return $nginx->logged(qr/recs_redis "db" .*$_[0]/) }

subtest 'a name that is unknown at first' => sub {
    ok wait_until(sub { logged('the name "db.test" is not found') }),
        'a line says so';
    like $t->get('/page')->header('Recs-Sets'), qr/unknown;why=down/, 'unknown';

    my $asked = $dns->queries('db.test');
    ok wait_until(sub { $dns->queries('db.test') > $asked }), 'it goes on';
    is logged('the name "db.test" is not found'), 1, 'without another line';

    lead('db.test' => ['127.0.0.1']);
    ok sees('two six x'), 'as soon as it is known';
    is logged('the name "db.test" has 1 address now, 127.0.0.1:'), 1, 'a line';
};


subtest 'a name that moves' => sub {
    lead('db.test' => ['127.0.0.2']);
    is ids('/page'), 'two six x', 'a connection that stands stays';

    $redis{one}->kill;
    ok sees('one six x'), 'a new one is made to the new address';
    is logged('the name "db.test" has 1 address now, 127.0.0.2:'), 1, 'a line';
};


subtest 'a name with fifty addresses' => sub {
    lead('db.test' => [
        (map { "127.0.0.$_" } 3 .. 51), '127.0.0.1', '::1']);
    $redis{six}->kill if $redis{six};
    $redis{one}->start;
    $redis{one}->cmd('SADD', 'seen', 'one');
    $redis{two}->kill;

    ok sees('two six x'), 'the one that answers is found';
    ok wait_until(sub { logged('has 5\d addresses now, .* and others') }),
        'a line';
};


subtest 'an address of IPv6' => sub {
    plan skip_all => 'there is no IPv6' if !$redis{six};

    $redis{six}->start;
    $redis{six}->cmd('SADD', 'seen', 'six');
    lead('db.test' => ['::1']);
    $redis{one}->kill;

    ok sees('one two x'), 'is used';
    is logged('the name "db.test" has 1 address now, \[::1\]:'), 1, 'a line';
    $redis{one}->start;
    $redis{one}->cmd('SADD', 'seen', 'one');
    lead('db.test' => ['127.0.0.1']);
    $redis{six}->kill;
    ok sees('two six x'), 'and left';
};


subtest 'a cluster whose servers have names' => sub {
    my @wrong;

    for my $n (1 .. 30) {
        push @wrong, $n if !wait_until(sub {
            ids("/cluster?u=u$n") eq 'two six x';
        });
    }

    is_deeply \@wrong, [], 'all of its keys are found';
    ok !grep({ !$dns->queries($_) } grep { /^node/ } keys %names),
        'by their names';
};


subtest 'no resolver that answers' => sub {
    my $lines = logged('the addresses that are known are used');

    $dns->stop;
    forget();
    $redis{one}->kill;
    $redis{one}->start;
    $redis{one}->cmd('SADD', 'seen', 'one', 'x');

    ok sees('two six'), 'the last address goes on being used';
    ok wait_until(sub {
        logged('the addresses that are known are used') == $lines + 1;
    }), 'a line';

    $redis{one}->kill;
    $redis{two}->start;
    $redis{two}->cmd('SADD', 'seen', 'two');
    $dns->start;
    lead('db.test' => ['127.0.0.2']);
    ok sees('one six x'), 'until there is one again';
    is logged('the addresses that are known are used'), $lines + 1,
        'no other line';
};


$t->done;
