use strict;
use warnings;

# The variables $recs_... have the names that are documented, and others' names
# that begin so stay theirs.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $page = '{"model":"m1","items":[{"id":"b1"},{"id":"b2"},{"id":"b3"}]}';
$t->upstream(sub {
    my ($req) = @_;

    return $page if $req->{path} =~ m{^/page};
    return { type => 'text/html', body =>
        join ' ', map { qq(<!--#echo var="$_" -->) }
        qw(recs_user recs_event recs_kept recs_active_home RECS_USER
           recs_nothing recs_ recs_own) };
});

my $define = <<'HTTP';
    recs_set listed value=b2;
    recs_redis main { server unix:%%TESTDIR%%/nobody.sock; }
    recs_snapshots home redis=main prefix=home;
HTTP

my $nginx = $t->nginx(access_log => q('$uri $recs_state $recs_removed_listed'),
                      http => $define . <<'HTTP');
    map $arg_a $recs_mapped { default "mapped $arg_a"; }

    server {
        listen %%LISTEN%%;
        recs_user $arg_user;
        recs_event e-$arg_user;

        location /page {
            recs on;
            recs_exclude listed;
            add_header X-State $recs_state;
            proxy_pass http://%%API%%;
        }
        location /ssi {
            set $recs_own own;
            ssi on;
            proxy_pass http://%%API%%;
        }
        location ~ ^/own/(?<recs_captured>\w+) {
            set $recs_set "set $arg_a";
            return 200 "$recs_set, $recs_mapped, $recs_captured";
        }
        location /unset {
            return 200 "$recs_set.";
        }
    }
HTTP


subtest 'a page' => sub {
    is $t->get('/page')->header('X-State'), 'filtered', 'in a header';
    is((grep { m{^/page} } $nginx->access_log(1))[0], '/page filtered 1',
       'in the log');
};


subtest 'by a name at run time' => sub {
    is $t->get('/ssi?user=ann')->body, 'ann e-ann (none) (none) ann (none) '
        . '(none) own', 'all that there are';
};


subtest 'names that the configuration gives' => sub {
    is $t->get('/own/here?a=1')->body, 'set 1, mapped 1, here',
        '"set", "map" and a capture';
    is $t->get('/unset')->body, '.', 'none was given yet';
};


subtest 'what nginx -t says' => sub {
    my @refused = (
        ['add_header X $recs_nothing;', qr/unknown variable "\$recs_nothing"/],
        ['recs_user $recs_;', qr/unknown variable "\$recs_"/],
        ['return 200 "a${recs_states}b";', qr/unknown .*"\$recs_states"/],
        ['if ($recs_kep) { return 204; }', qr/unknown .*"\$recs_kep"/],
        ['set $recs_state a;', qr/the duplicate "recs_state" variable in /],
        ['add_header X $recs_removed_lost;', qr/no recs_set .*_removed_lost"/],
        ['add_header X $recs_active_shop;', qr/no recs_snapshots .*_shop"/],
        ['add_header X $rec_state;', qr/unknown "rec_state" variable/],
    );

    for my $row (@refused) {
        my ($text, $said) = @$row;
        my ($code, $all) = $t->nginx_test("$define server { $text }");

        is $code, 1, $text;
        like $all, $said, 'is told';
    }

    my ($code, $all) = $t->nginx_test($define
        . 'log_format wrong "$recs_total $recs_totall";');
    is $code, 1, 'log_format';
    like $all, qr/unknown variable "\$recs_totall"/, 'is told';

    ($code, $all) = $t->nginx_test($define);
    is $code, 0, 'what is right';
    unlike $all, qr/warn/, 'without a word: there is room in the usual tables';
};


$t->done;
