use strict;
use warnings;

# Files of ids are read as people and their programs write them; nginx -t warns
# of what looks wrong, and refuses what can't be right.

use FindBin;
use lib "$FindBin::Bin/lib";

use Encode qw(encode);
use Recs::Test;
use Test::More;

my $BOM = "\xef\xbb\xbf";

my $t = Recs::Test->new;

my $redis = $t->redis(requirepass => 'secret');
$redis->cmd('SADD', 'seen', 'b1');


# What nginx -t says of a file's text: the exit code, and its lines, without
# the time and the configuration's path.

sub says {
    my ($text, $more) = @_;

    $t->write('ids.txt', $text);

    my ($code, $said) = $t->nginx_test(
        "recs_set ids file=%%TESTDIR%%/ids.txt;\n" . ($more // ''));
    my $dir = $t->dir;
    my @lines = map { s/\Q$dir\E\/(?:\S+\/)?//gr }
                $said =~ /^nginx: (\[(?:warn|emerg)\] .*)$/mg;

    return ($code, @lines);
}

sub warns {
    my ($name, $text, @wanted) = @_;

    my ($code, @lines) = says($text);
    is $code, 0, "$name: taken";
    is_deeply \@lines, [map { "[warn] $_ in http.conf:1" } @wanted], 'said'
        or diag(explain(\@lines));
}


subtest 'warned of' => sub {
    my $blank = 'a blank before or after an id is part of it, '
              . 'of recs_set "ids"';
    my $cr = 'a CR without LF ends no line, and is part of an id, '
           . 'of recs_set "ids"';
    my $control = 'a control character is part of an id, of recs_set "ids"';
    my $quotes = 'quotes around an id are part of it, of recs_set "ids"';
    my $bytes = 'an id is not UTF-8, of recs_set "ids"';

    warns('nothing', "b1\nb2\n");
    warns('CRLF', "b1\r\nb2\r\n\r\nb3");
    warns('a byte order mark', "${BOM}b1\nb2\n${BOM}b3\n");
    warns('empty lines', "b1\n\n\r\n\nb2\n");
    warns('blanks within, and UTF-8', "b 1\n\xc3\xbc\nit's\n\"\n'a\n");
    warns('nothing in it', '');

    warns('blanks after', "b1\nb2 \nb3\t\n",
          "ids.txt:2: $blank; such lines: 2");
    warns('blanks alone', "b1\n  \n\t\r\nb2\n",
          "ids.txt:2: $blank; such lines: 2");
    warns('blanks before', "\n b1\r\n", "ids.txt:2: $blank; such lines: 1");
    warns('CR alone', "b1\rb2\rb3\r", "ids.txt:1: $cr; such lines: 1");
    warns('CR, twice', "b0\nb1\r\r\nb2\r\r\n",
          "ids.txt:2: $cr; such lines: 2");
    warns('tabs', "b1\nb2\tTitle\n",
          "ids.txt:2: $control; such lines: 1");
    warns('quotes', "b0\n\"b1\"\n'b2'\n",
          "ids.txt:2: $quotes; such lines: 2");
    warns('Latin-1', "b0\nb1\n\xfc\n",
          "ids.txt:3: $bytes; such lines: 1");
    warns('many lines, one warning a kind', "b1 \n\"b2\"\n" x 100_000,
          "ids.txt:1: $blank; such lines: 100000",
          "ids.txt:2: $quotes; such lines: 100000");
};


subtest 'refused' => sub {
    for my $row (
        ['UTF-16LE', encode('UTF-16LE', "\x{feff}b1\n"), 'is UTF-16'],
        ['UTF-16BE', encode('UTF-16BE', "\x{feff}b1\n"), 'is UTF-16'],
        ['UTF-16 without a mark', encode('UTF-16LE', "b1\n"), 'holds NUL'],
        ['UTF-32', encode('UTF-32BE', "\x{feff}b1\n"), 'holds NUL'],
        ['NUL', "b1\nb\x002\n", 'holds NUL'],
    ) {
        my ($name, $text, $why) = @$row;

        my ($code, @lines) = says($text);
        is $code, 1, $name;
        like $lines[0],
            qr/^\[emerg\] "ids.txt" of recs_set "ids" $why, it must be .*UTF-8/,
            'says why';
        like $lines[0], qr/ in http.conf:1$/, 'and where';

        ($code, my $said) = $t->nginx_test(
            'recs_pool p file=%%TESTDIR%%/ids.txt;');
        is $code, 1, "a pool of $name";
        like $said, qr/\[emerg\] "\S+ids.txt" of recs_pool "p" $why, it must/,
            'says why';
    }
};


subtest 'an empty file that is required' => sub {
    my $of = '[warn] the file of recs_set "ids" holds no id: '
           . 'recs_require of it in http.conf';

    for my $text ('', "\n", "\r\n\n", $BOM) {
        my ($code, @lines) = says($text, "server {\nrecs_require ids; }");
        is $code, 0, 'taken';
        is_deeply \@lines, ["$of:3 keeps no item"], 'said'
            or diag(explain(\@lines));
    }

    is_deeply [says('', 'recs_exclude ids;')], [0], 'not if it is excluded';
    is_deeply [says("b1\n", 'recs_require ids;')], [0], 'nor if there is one';
};


subtest 'what is understood, and what is taken as is' => sub {
    $t->write('all.txt', "${BOM}b1\r\nb2\n${BOM}b3\n\"b4\"\nb5 \nb6\rb7\n");
    $t->write('pool.ndjson', qq(${BOM}{"id":"n1"}\r\n{"id":"n2"}\n));
    $t->write('password', "${BOM}secret\r\n");
    $t->upstream('{"items":[' . join(',', map { qq({"id":"$_"}) }
                 map({ "b$_" } 1 .. 7), '\\"b4\\"', 'b5 ', 'b6\\rb7') . ']}');

    $t->expect_log(qr/\[warn\].*all\.txt/);
    $t->nginx(<<'HTTP');
        recs_redis main {
            server %%REDIS%%;
            auth password_file=%%TESTDIR%%/password;
        }
        recs_set all file=%%TESTDIR%%/all.txt;
        recs_set seen redis=main key=seen;
        recs_pool fresh file=%%TESTDIR%%/pool.ndjson;
        server {
            listen %%LISTEN%%;
            recs on;
            proxy_pass_request_headers off;
            location / {
                recs_require all;
                proxy_pass http://%%API%%;
            }
            location /pool {
                recs_backfill fresh min=12;
                proxy_pass http://%%API%%;
            }
            location /seen {
                recs_lookup_timeout 10s;
                recs_exclude seen;
                proxy_pass http://%%API%%;
            }
        }
HTTP

    my @ids = map { $_->{id} } @{ $t->get('/')->json->{items} };
    is_deeply \@ids, ['b1', 'b2', 'b3', '"b4"', 'b5 ', "b6\rb7"],
        'ids';

    @ids = map { $_->{id} } @{ $t->get('/pool')->json->{items} };
    is "@ids[10 .. $#ids]", 'n1 n2', 'a pool';

    my $r = $t->answered(sub { $t->get('/seen') });
    is $r->header('Recs-Sets'), 'seen;removed=1', 'a password';
};


$t->done;
