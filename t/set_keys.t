use strict;
use warnings;

# Keys of sets may be made of variables: for a session that scrolls on, and for
# fragments of one page that have users of their own.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;
my $redis = $t->redis;

$t->write('www/page.json', '{"items":["b1","b2","b3","b4","b5"]}');
$t->write('www/once.html', '<!--# include virtual="/once?user=u1" -->'
                           . '<!--# include virtual="/once?user=u2" -->');
$t->write('www/each.html', '<!--# include virtual="/each?user=u1" -->'
                           . '<!--# include virtual="/each?user=u2" -->');

my $nginx = $t->nginx(<<'HTTP');
recs_redis main { server %%REDIS%%; timeout 20s; }
recs_lookup_timeout 10s;

recs_set scrolled redis=main key=shown:$arg_session type=zset within=1h;

recs_set typed redis=main key=typed:$http_x_user;

map $arg_user $once { default $arg_user; }
map $arg_user $each { volatile; default $arg_user; }
recs_set seen_once redis=main key=seen:$once;
recs_set seen_each redis=main key=seen:$each;

server {
    listen %%LISTEN%%;
    root %%TESTDIR%%/www;
    default_type application/json;
    types { text/html html; }

    location = /scroll {
        recs on;
        recs_exclude scrolled;
        recs_limit 2;
        recs_record_shown redis=main key=shown:$arg_session within=1h max=500;
        alias %%TESTDIR%%/www/page.json;
    }

    location = /once {
        recs on;
        recs_exclude seen_once;
        alias %%TESTDIR%%/www/page.json;
    }

    location = /each {
        recs on;
        recs_exclude seen_each;
        alias %%TESTDIR%%/www/page.json;
    }

    location = /named {
        recs on;
        recs_user $http_x_user;
        recs_exclude typed;
        recs_record_shown redis=main key=typed:$recs_user;
        alias %%TESTDIR%%/www/page.json;
    }

    location ~ html$ { ssi on; }
}
HTTP

sub scroll {
    my ($session, $shown) = @_;

    my $items = $t->get("/scroll?session=$session")->json->{items};

    wait_until(sub { $redis->cmd('ZCARD', "shown:$session") == $shown })
        or diag("$session: not recorded");
    return join ' ', @$items;
}


subtest 'infinite scroll' => sub {
    is scroll('s1', 2), 'b1 b2', 'the first part';
    is scroll('s1', 4), 'b3 b4', 'the next one';
    is scroll('s2', 2), 'b1 b2', 'another session begins anew';
    is scroll('s1', 5), 'b5', 'the last one';
    is scroll('s1', 5), '', 'that was all';
};


subtest 'a map, in fragments' => sub {
    $redis->cmd('SADD', 'seen:u1', 'b1', 'b2');
    $redis->cmd('SADD', 'seen:u2', 'b3', 'b4');

    is $t->get('/each.html')->body,
        '{"items":["b3","b4","b5"]}{"items":["b1","b2","b5"]}',
        'volatile: each its own';
    is $t->get('/once.html')->body, '{"items":["b3","b4","b5"]}' x 2,
        'otherwise that of the first';
};


# Redis refuses to answer, and to record: what is logged is nobody's.
subtest 'the log names no user' => sub {
    $redis->cmd('SET', 'typed:u4711', 'x');

    my $r = $t->get('/named', 'X-User' => 'u4711');
    is $r->header('Recs-Sets'), 'typed;unknown;why=error', 'no answer';

    ok $nginx->wait_log(
           qr/recs_set "typed": .* for key "typed:\$http_x_user":/),
        'the key, as it is configured';
    ok $nginx->wait_log(qr/recs_record_shown: .* does not record .*WRONGTYPE/),
        'recording is refused, too';
    unlike $nginx->error_log, qr/u4711/, 'and nobody is named';
};


$t->done;
