use strict;
use warnings;

# Every command in docs/publishing.md works, and prints what is shown there.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new(module => 0);

my %server = (
    ''      => $t->redis(tcp => 1),
    cluster => $t->redis(name => 'cluster', tcp => 1,
                         config => 'cluster-enabled yes'),
);
$server{cluster}->cmd('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
wait_until(sub {
    $server{cluster}->cmd('CLUSTER', 'INFO') =~ /^cluster_state:ok/m
}, 20) or die "the cluster is not well\n";

my $bin = place();
my $doc = slurp($t->root . '/docs/publishing.md');
my $n;

# A block of commands, and the block of its output, if there is one before the
# next commands.

while ($doc =~ /^```(sh|python)(?:[ ](\w+))?\n(.*?)^```\n
                (?:(?:(?!^```).)*?^```\n(.*?)^```\n)?/gmsx)
{
    my ($language, $where, $commands, $want) = ($1, $2 // '', $3, $4);
    my ($title) = $commands =~ /^(?:redis-cli )?(.{1,50})/m;

    my $output = run($language, $server{$where}, $commands);
    is masked($output), masked($want // ''), ++$n . ": $title";
}

is $n, scalar(() = $doc =~ /^```\w/mg), 'that were all';

$t->done;


# The directory where they are run: the loader and redis-cli there know where
# the Redis is.

sub place {
    my $root = $t->root;

    $t->write('run/conf/recs.lua', slurp("$root/conf/recs.lua"));
    script('run/conf/load-snapshot',
           "exec perl $root/conf/load-snapshot --port=\$PORT \"\$@\"");
    my ($cli) = grep { -x } map { "$_/redis-cli" } split /:/, $ENV{PATH};
    script('bin/redis-cli', "exec $cli -p \$PORT \"\$@\"");

    return $t->dir . '/bin';
}


sub script {
    my ($name, $text) = @_;

    chmod 0755, $t->write($name, "#!/bin/sh\n$text\n");
}


sub run {
    my ($language, $redis, $commands) = @_;

    $t->write("run/commands", $commands);
    local $ENV{PATH} = "$bin:/usr/bin:/bin";
    local $ENV{PORT} = $redis->port;
    local $ENV{REDIS_URL} = $redis->tcp_url;

    my $program = $language eq 'sh' ? 'sh' : 'python3';
    return scalar `cd @{[ $t->dir ]}/run && $program commands 2>&1`;
}


sub masked { return $_[0] =~ s/"time":\d+\.\d{3}/"time":T/gr }
