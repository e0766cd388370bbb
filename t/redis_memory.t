use strict;
use warnings;

# Memory that runs out while a reply is read costs that connection, and no
# worker.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(run);
use Recs::Test;
use Test::More;

# Who watches memory has a malloc() of its own.
plan skip_all => 'another malloc()'
    if $ENV{ASAN} || $ENV{VALGRIND};

my $t = Recs::Test->new;
my $redis = $t->redis;

my $library = $t->dir . '/scarce_memory.so';
my ($status, $said) = run(qw(gcc -O1 -Wall -Werror -fPIC -shared -o), $library,
                          "$FindBin::Bin/lib/scarce_memory.c");
is $status, 0, 'malloc() that may fail' or diag($said);

# Pages of 20 KB and of 400 KB, as rows of a snapshot.
my %pages = map { $_ => page($_) } 20, 400;

$redis->cmd('HSET', '{home}:v1:meta', model => 'm1', schema => 1,
            features => 'f1', generated_at => time, max_age => 3600,
            expected => 2, written => 2, state => 'complete');
$redis->cmd('SET', "home:v1:u:$_", $pages{$_}) for keys %pages;
$redis->cmd('SET', '{home}:channel:active', 'v1');

my $nginx = $t->nginx(
    under => ['env', "LD_PRELOAD=$library",
              "SCARCE_MEMORY=" . $t->dir . '/scarce'],
    http => <<'HTTP');
    recs_redis main { server %%REDIS%%; connections 1; }
    recs_snapshots home redis=main prefix=home;

    server {
        listen %%LISTEN%%;
        location /page {
            recs on;
            recs_user $arg_user;
            recs_lookup_timeout 5s;
            recs_pass home;
        }
    }
HTTP

wait_until(sub { $t->get('/page?user=20')->body eq $pages{20} })
    or die 'no page';

my @workers = $nginx->workers;


sub shows {
    my ($size, $name) = @_;

    ok $t->get("/page?user=$size")->body eq $pages{$size}, $name;
}


# hiredis 0.14 frees its large buffer, and aborts if there is no memory for an
# empty one: of 4 bytes.

subtest 'a reply after a large one' => sub {
    shows(20, 'a large one');

    $t->write('scarce', '4 4');
    shows(20, 'the next one, as scarce');
    unlink $t->dir . '/scarce';

    is_deeply [$nginx->workers], \@workers, 'no worker has died';
};


subtest 'a buffer is given back if there is memory for another one' => sub {
    $t->write('scarce', '4 4');
    shows(400, 'else it stays');
    shows(400, 'and is used');
    unlink $t->dir . '/scarce';

    shows(400, 'it is given back');
    shows(20, 'the next one');

    is_deeply [$nginx->workers], \@workers, 'no worker has died';
};


subtest 'no memory for a reply' => sub {
    is $nginx->logged(qr/the reply cannot be read/), 0,
        'until now all were read';

    $t->write('scarce', '300000 10000000');
    my $r = $t->get('/page?user=400');
    unlink $t->dir . '/scarce';

    ok $r->body ne $pages{400}, 'is none';
    ok $nginx->wait_log(qr/the reply cannot be read: Out of memory/),
        'the log says why the connection was lost';

    ok wait_until(sub { $t->get('/page?user=400')->body eq $pages{400} }),
        'the next connection reads the next reply';
    is_deeply [$nginx->workers], \@workers, 'no worker has died';
};


$t->done;


sub page {
    my ($kilobytes) = @_;

    my $fill = 'x' x 1000;
    return '{"items":['
           . join(',', map { qq({"id":"b$_","t":"$fill"}) } 1 .. $kilobytes)
           . ']}';
}
