use strict;
use warnings;

# A pool and its image are never replaced by what is absent, too small or
# suddenly shrunk: of a Redis, or of a file.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis;

my @names = map { "n$_" } 1 .. 8;

sub lines { return join '', map { qq({"id":"$_"}\n) } @_ }

sub fill {
    $redis->cmd('DEL', 'fresh');
    $redis->cmd('HSET', 'fresh', map { ($_, qq({"id":"$_"})) } @names);
    $t->write('list.ndjson', lines(@names));
}

$t->write('html/page.json', '{"items":[{"id":"b1"},{"id":"b2"}]}');

my $dir = $t->dir . '/images';
mkdir $dir or die;
chmod 0777, $dir or die;

# A configuration of these pools; a location of each one's name, where pages
# are filled from it up to ten items.

sub conf {
    my ($listen, %pools) = @_;

    my ($pools, $locations) = ('', '');

    for my $name (sort keys %pools) {
        $pools .= "recs_pool $name $pools{$name};\n";
        $locations .= "location /$name/ { alias %%TESTDIR%%/html/;"
            . " recs_backfill $name min=10; }\n";
    }

    return "recs_zone 32m;\n"
        . "recs_redis main { server %%REDIS%%; timeout 300ms; }\n"
        . "${pools}server { listen %%$listen%%;\n"
        . "default_type application/json;\n"
        . "recs on; location = /ready { recs_ready; }\n"
        . "location = /status { recs_status; }\n$locations}\n";
}

my $port;

sub get { return $t->request('GET', $_[0], { port => $port }) }

sub pool { return get('/status')->json->{pools}{ $_[0] } }

# What is put into a page, and its state.

sub page {
    my ($name) = @_;

    my $r = get("/$name/page.json");
    my ($state) = $r->header('Recs-Filter') =~ /\A(\w+)/;

    return join ' ', map({ $_->{id} } grep { $_->{_recs} }
                         @{ $r->json->{items} }), $state;
}

sub becomes {
    my ($name, $want, $title) = @_;

    my $got;
    wait_until(sub { ($got = page($name)) eq $want });
    is $got, $want, $title;
}

# It has these, and they are held, or not.

sub fresh { becomes($_[0], join(' ', @{ $_[1] }, 'filtered'), $_[2]) }
sub held  { becomes($_[0], join(' ', @{ $_[1] }, 'stale'), $_[2]) }

sub said {
    my ($nginx, $level, $what) = @_;

    like $nginx->error_log, qr/\Q$level\E \S+ \Q$what\E$/m, $what;
}



subtest 'configuration' => sub {
    for my $case (
        ['absent=maybe', qr/it must be "unknown" or "empty"/],
        ['min_members=0', qr/it must be a number of members, over 0/],
        ['min_members=few', qr/it must be a number of members, over 0/],
        ['min_members=2 absent=empty',
         qr/can't have "min_members=" with "absent=empty"/],
        ['shrink=0%', qr/it must be a share from "1%" to "100%", or "off"/],
        ['shrink=half', qr/it must be a share from "1%" to "100%", or "off"/],
    ) {
        my ($options, $error) = @$case;
        my ($code, $output) = $t->nginx_test(<<"HTTP");
recs_redis main { server unix:/nowhere; }
recs_pool p redis=main key=k $options;
HTTP
        like $output, $error, $options;
        isnt $code, 0, 'refused';
    }
};


fill();

my $nginx = $t->nginx(workers => 2, reloads => 0, http => conf('LISTEN',
    fresh => "redis=main key=fresh refresh=300ms image=$dir/fresh",
    list => 'file=%%TESTDIR%%/list.ndjson refresh=300ms'));

fresh($_, \@names, "$_ is read") for qw(fresh list);
ok wait_until(sub { get('/ready')->body eq "ready\n" }), 'ready';
ok wait_until(sub { -e "$dir/fresh" }), 'its image';


# The drills: what happens to Redis.

my %drills = (
    FLUSHALL => sub { $redis->cmd('FLUSHALL') },
    DEL => sub { $redis->cmd('DEL', 'fresh') },
    'an empty restart' => sub { $redis->restart(empty => 1) },
    eviction => sub { $redis->evict_all },
);

for my $drill (sort keys %drills) {
    subtest $drill => sub {
        my $before = $nginx->logged(qr/"fresh" of redis "main" is absent/);
        my $image = slurp("$dir/fresh");
        my %shown;

        $drills{$drill}->();

        ok wait_until(sub {
            $shown{ page('fresh') =~ s/ \w+\z//r } = 1;
            return pool('fresh')->{held};
        }), 'held back';
        is_deeply [keys %shown], ["@names"], 'its items are put in';
        held('fresh', \@names, 'and the page is stale');

        my $held = pool('fresh')->{held};
        is_deeply [@$held{qw(why had now)}], ['absent', 8, 0],
            'the status says what is held back';
        is get('/ready')->status, 503, 'not ready';
        is get('/ready')->body,
            qq(recs_pool "fresh": held, there are 0 items, 8 stay\n),
            'which says why';

        my $failures = pool('fresh')->{failures};
        ok wait_until(sub { pool('fresh')->{failures} > $failures + 1 }),
           'it is looked at again';
        is $nginx->logged(qr/"fresh" of redis "main" is absent/), $before + 1,
           'one line in the log';
        is slurp("$dir/fresh"), $image, 'the image stays';

        fill();
        fresh('fresh', \@names, 'it heals by itself');
        is pool('fresh')->{held}, undef, 'which the status says';
        ok wait_until(sub { get('/ready')->body eq "ready\n" }), 'ready again';
    };
}


subtest 'nginx starts anew, while Redis is down, or empty' => sub {
    $redis->cmd('DEL', 'fresh');
    held('fresh', \@names, 'held back');

    $nginx->quit;
    $redis->kill;
    $nginx->start;
    fresh('fresh', \@names, 'that of its image');
    is get('/ready')->status, 503, 'not ready';

    $redis->start;
    held('fresh', \@names, 'so still with an empty Redis');

    $nginx->quit;
    $nginx->start;
    held('fresh', \@names, 'that of its image');

    fill();
    fresh('fresh', \@names, 'it heals');
};


subtest 'few are looked at again' => sub {
    my @few = @names[0 .. 2];
    my %shown;

    $redis->cmd('HDEL', 'fresh', @names[3 .. 7]);

    ok wait_until(sub {
        my $page = page('fresh') =~ s/ \w+\z//r;
        $shown{$page} = 1;
        return $page eq "@few";
    }), 'what stays so is believed';
    is_deeply [sort keys %shown], [sort "@few", "@names"], 'until then all are';
    fresh('fresh', \@few, 'it is fresh');
    said($nginx, '[error]', 'recs_pool "fresh": "fresh" of redis "main" has'
         . ' suddenly 3 items: its 8 items stay for 270ms');
    said($nginx, '[warn]', 'recs_pool "fresh" has 3 items now, after 8: there'
         . ' have been so few for a while');

    fill();
    fresh('fresh', \@names, 'more are believed at once');
};


subtest 'a file' => sub {
    my $path = $t->dir . '/list.ndjson';

    $t->write('list.ndjson', '');
    held('list', \@names, 'that was emptied: its items stay');
    said($nginx, '[error]',
         qq(recs_pool "list": "$path" is empty: its 8 items stay));
    is get('/ready')->body,
        qq(recs_pool "list": held, there are 0 items, 8 stay\n), 'not ready';

    ok $nginx->reload, 'a reload';
    held('list', \@names, 'is no reason to believe it');

    $t->expect_kills;
    kill 'KILL', $_ for $nginx->workers;
    held('list', \@names, 'neither are other workers');

    $t->write('list.ndjson', lines(@names, 'n9'));
    fresh('list', [@names[0 .. 7]], 'it heals');
    ok wait_until(sub { get('/ready')->body eq "ready\n" }), 'ready again';

    $t->write('list.ndjson', lines(@names[0 .. 2]));
    fresh('list', [@names[0 .. 2]], 'few are believed later');
    said($nginx, '[error]', qq(recs_pool "list": "$path" has suddenly 3 items:)
         . ' its 9 items stay for 270ms');

    unlink $path or die;
    ok wait_until(sub {
        get('/ready')->body eq qq(recs_pool "list": its file can't be read\n)
    }), 'one that is gone: not ready';
    is page('list'), "@names[0 .. 2] filtered", 'its items stay';
    like $nginx->error_log, qr/"list" could not be read, the contents stay: /,
         'the log';
    $t->write('list.ndjson', lines(@names));
    ok wait_until(sub { get('/ready')->body eq "ready\n" }), 'ready again';

    rename $path, "$path.away" or die;
    ok wait_until(sub { get('/ready')->status == 503 }), 'gone';
    rename "$path.away", $path or die;
    ok wait_until(sub { get('/ready')->status == 200 }), 'the same one, again';
};

$nginx->quit;


# Nothing was ever read.

subtest 'from the start' => sub {
    $port = 'COLD';

    $t->write('none.ndjson', '');

    my $cold = $t->nginx(name => 'cold', reloads => 0, http => conf(
        'LISTEN_COLD',
        wrong => 'redis=main key=frsh refresh=300ms',
        few => 'redis=main key=fresh refresh=300ms min_members=9',
        list => 'file=%%TESTDIR%%/list.ndjson refresh=300ms min_members=9',
        none => 'file=%%TESTDIR%%/none.ndjson refresh=300ms',
        empty => 'redis=main key=nothing refresh=300ms absent=empty',
        nothing => 'file=%%TESTDIR%%/none.ndjson refresh=300ms absent=empty'));

    ok wait_until(sub {
        3 == grep { pool($_)->{held} } qw(wrong few list)
    }), 'held back';
    is page($_), 'filtered', "$_: nothing is put in"
        for qw(wrong few list none empty nothing);

    is get('/ready')->body, join('',
        qq(recs_pool "few": held, there are 8 items, 0 stay\n),
        qq(recs_pool "list": held, there are 8 items, 0 stay\n),
        qq(recs_pool "none": held, there are 0 items, 0 stay\n),
        qq(recs_pool "wrong": held, there are 0 items, 0 stay\n)), 'not ready'
        if wait_until(sub { pool('none')->{held} && pool('empty')->{loaded} });

    said($cold, '[error]', 'recs_pool "wrong": "frsh" of redis "main" is'
         . ' absent: there is nothing to put into pages');
    said($cold, '[error]', 'recs_pool "few": "fresh" of redis "main" has 8'
         . ' items, fewer than "min_members=9": there is nothing to put into'
         . ' pages');

    $redis->cmd('HSET', 'fresh', 'n9', '{"id":"n9"}');
    $t->write('list.ndjson', lines(@names, 'n9'));
    $t->write('none.ndjson', lines('x1'));
    fresh($_, \@names, "$_: enough") for qw(few list);
    fresh('none', ['x1'], 'none: one');
    $cold->quit;

    my ($code, $output) = $t->nginx_test(<<'HTTP');
recs_pool list file=%%TESTDIR%%/list.ndjson min_members=10;
HTTP
    is $code, 0, 'nginx starts all the same';
    like $output, qr/"list" has 9 items, fewer than "min_members=10": they/,
         'nginx -t says so';
};


# One that was written when there could be few.

subtest 'an image of too few items' => sub {
    $port = 'SMALL';

    my $small = sub {
        return conf('LISTEN_SMALL', small => "redis=main key=small"
                    . " refresh=300ms image=$dir/small $_[0]");
    };

    $redis->cmd('HSET', 'small', 'n1', '{"id":"n1"}');
    my $other = $t->nginx(name => 'small', reloads => 0, http => $small->(''));
    fresh('small', ['n1'], 'one');
    ok wait_until(sub { -e "$dir/small" }), 'its image';
    $other->quit;
    $redis->stop;

    $other = $t->nginx(name => 'less', reloads => 0,
                       http => $small->('min_members=2'));
    ok wait_until(sub { $other->error_log =~ /is refused/ }), 'is refused';
    said($other, '[warn]', qq(recs_pool "small": the image "$dir/small" is)
         . ' refused: it holds fewer items than "min_members="');
    is page('small'), 'filtered', 'nothing is put in';
    $other->quit;
    $redis->start;
};


$t->done;
