use strict;
use warnings;

# recs_status html: who gets it; that it is well formed, has the figures of
# JSON, takes what anybody may have written as text, allows a browser its own
# style and script alone, and says what is degraded.  In a browser, if there is
# one: that it refreshes, and fits a phone.

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_base64);
use Encode qw(decode encode);
use List::Util qw(max min sum0);
use Recs::Browser;
use Recs::Process qw(wait_until);
use Recs::Test;
use Test::More;

my $t = Recs::Test->new;

my $redis = $t->redis(kind => 'plain');
$redis->cmd('SADD', 'seen', 'b');
$redis->cmd('SADD', 'stock', map { "i$_" } 1 .. 1234);
$redis->cmd('HSET', 'fresh', map { ("p$_", qq({"id":"p$_"})) } 1 .. 9);

# What a batch may write: any bytes.

my $hostile = qq{<script>alert(1)</script>" onload='x' &amp;\0\x7f\xff\xc3(}
    . encode('UTF-8', "\x{202e}\x{85}\x{263a}");
my $shown = q{<script>alert(1)</script>" onload='x' &amp;}
    . "\x{fffd}" x 4 . "(\x{202e}\x{fffd}\x{fffd}\x{263a}";

$redis->cmd('HSET', '{home}:v1:meta', state => 'complete', expected => 8,
            written => 6, generated_at => time - 95400, model => $hostile,
            schema => 's', features => 'f');
$redis->cmd('SET', '{home}:channel:active', 'v1');
$redis->cmd('SET', '{home}:channel:canary', 'v"2\'<b>');

my $api = $t->upstream('{"items":[{"id":"a"},{"id":"b"},{"id":"i7"}]}');

$t->set(AWAY_PORT => Recs::Process::free_port());

my $nginx = $t->nginx(http => <<'HTTP');
recs_zone 16m;
recs_redis main { server %%REDIS%%; }
recs_set seen redis=main key=seen;
recs_set stock redis=main key=stock replica=on capacity=10000;
recs_pool fresh redis=main key=fresh refresh=1s;
recs_snapshots home redis=main prefix=home channels=canary min_coverage=50%;
recs_guard home removed=60%;
recs_redis away { server redis://127.0.0.1:%%AWAY_PORT%%; }
recs_lookup_timeout 10s;
recs_label $arg_arm max=3;

server {
    listen %%LISTEN%%;

    location = /page {
        recs on;
        recs_exclude seen;
        recs_explore fresh rate=50% slots=2;
        proxy_pass http://%%API%%;
    }
    location = /shadow {
        recs shadow;
        recs_exclude seen stock;
        proxy_pass http://%%API%%;
    }
    location = /status { recs_status; }
    location = /metrics { recs_status prometheus; }
    location = /json { recs_status json; }
    location = /html { recs_status html; }
}
HTTP

my $chrome = 'text/html,application/xhtml+xml,application/xml;q=0.9,'
    . 'image/avif,image/webp,*/*;q=0.8';

sub page { return $t->get('/html')->body }


subtest 'who gets it' => sub {
    my @cases = (
        ['/html', undef, 1],
        ['/html', '*/*', 1],
        ['/html', 'application/json', 0],
        ['/status', undef, 0],
        ['/status', $chrome, 1],
        ['/status', 'text/html', 1],
        ['/status', 'text/*', 0],
        ['/status?format=html', 'application/json', 1],
        ['/metrics', $chrome, 0],
        ['/json', $chrome, 0],
        ['/metrics?format=html', undef, 1],
        ['/html?format=json', $chrome, 0],
    );

    for my $case (@cases) {
        my ($uri, $accept, $html) = @$case;
        my $r = $t->get($uri, $accept ? (Accept => $accept) : ());
        my $name = "$uri " . ($accept // '');

        is($r->header('Content-Type') eq 'text/html; charset=utf-8' ? 1 : 0,
           $html, $name);
        is($r->body =~ /\A<!DOCTYPE html>/ ? 1 : 0, $html, 'and it is');
        is(defined $r->header('Content-Security-Policy') ? 1 : 0, $html,
           'with its headers, or without');
    }

    my $r = $t->request('HEAD', '/html');
    is($r->status, 200, 'HEAD');
    is($r->body, '', 'has no body');
};


subtest 'what a browser may use' => sub {
    my $r = $t->get('/html');
    my $body = $r->body;

    my ($style) = $body =~ m{<style>(.*?)</style>}s;
    my ($script) = $body =~ m{<script>(.*?)</script>}s;

    # "=" makes the length a multiple of four, which Digest::SHA leaves out.
    is($r->header('Content-Security-Policy'),
       "default-src 'none'; style-src 'sha256-" . sha256_base64($style)
       . "='; script-src 'sha256-" . sha256_base64($script)
       . "='; connect-src 'self'; base-uri 'none'; form-action 'none'; "
       . "frame-ancestors 'none'", 'its style and script, and itself');

    is($r->header('X-Content-Type-Options'), 'nosniff', 'no other type');
    is($r->header('Referrer-Policy'), 'no-referrer', 'nobody is told of it');
    is($r->header('Cache-Control'), 'no-store', 'not to be stored');

    unlike($body, qr/\ssrc=|\shref="(?!#)|url\(|\@import/,
           'nothing from outside');
    unlike($body, qr/<[^>]*\s(?:style|on\w+)=/, 'no style or script elsewhere');
};


# The elements of a page: [name, attributes, children...], text as strings.
# Stricter than browsers: each is closed, attributes are quoted, and there are
# few character references.

my %void = map { $_ => 1 } qw(meta br);
my %reference = (amp => '&', lt => '<', gt => '>', quot => '"', '#39' => q{'});

sub unescape {
    my ($text) = @_;

    die "a bare < or >: $text" if $text =~ /[<>]/;
    $text =~ s{&(\w+|\#39)?(;)?}
              {$2 && $reference{$1} // die "a bare &: $text"}gex;
    die 'a control character' if $text =~ /[\0-\x08\x0b-\x1f\x7f-\x9f]/;

    return $text;
}


sub parse {
    my ($html) = @_;

    $html = decode('UTF-8', $html, Encode::FB_CROAK);
    $html =~ s/\A<!DOCTYPE html>\n// or die 'no doctype';

    my $root = ['', {}];
    my @open = ($root);
    my %ids;

    my $attribute = qr/\s+[a-zA-Z-]+="[^"<>]*"/;
    my $tag = qr/<(\/?)([a-z]\w*)((?:$attribute)*)(\/?)>/;

    while ($html =~ /\G(?:$tag|([^<]+))/gc) {
        my ($end, $name, $attributes, $closed, $text) = ($1, $2, $3, $4, $5);

        if (defined $text) {
            push @{ $open[-1] }, unescape($text);

        } elsif ($end) {
            die "</$name> in <$open[-1][0]>" if $open[-1][0] ne $name;
            pop @open;

        } else {
            my %attributes;

            while ($attributes =~ /([\w-]+)="([^"]*)"/g) {
                die "$1= twice" if exists $attributes{$1};
                $attributes{$1} = unescape($2);
            }

            die "id $attributes{id} twice"
                if defined $attributes{id} && $ids{ $attributes{id} }++;

            my $element = [$name, \%attributes];
            push @{ $open[-1] }, $element;

            if ($name eq 'style' || $name eq 'script') {
                $html =~ /\G[^<]*<\/$name>/gc or die "<$name>";

            } elsif (!$closed && !$void{$name}) {
                push @open, $element;
            }
        }
    }

    die 'at: ' . substr $html, pos($html) // 0, 80
        if (pos($html) // 0) != length $html;
    die "<$open[-1][0]> is open" if @open != 1;

    return $root;
}


sub elements {
    my ($name, @in) = @_;

    return map {
        my (undef, undef, @children) = @$_;
        (($_->[0] eq $name ? $_ : ()), elements($name, grep { ref } @children));
    } @in;
}


sub text {
    my ($element) = @_;

    my (undef, undef, @children) = @$element;
    return join '', map { ref $_ ? text($_) : $_ } @children;
}


# The cell of a table's row, whose headers are "a b", in the column of that
# title.

sub cell {
    my ($root, $id, $row, $column) = @_;

    my ($box) = grep { ($_->[1]{id} // '') eq $id } elements('div', $root);
    my ($head, @rows) = elements('tr', $box // die "no table $id");
    my @titles = map { text($_) } elements('th', $head);

    for my $tr (@rows) {
        my (undef, undef, @cells) = @$tr;
        my $name = join ' ', map { text($_) } grep { $_->[0] eq 'th' } @cells;

        next if $name ne $row;

        for my $i (0 .. $#titles) {
            return $cells[$i] if $titles[$i] eq $column;
        }
    }

    die "no $row, $column in $id";
}


sub value {
    my (@where) = @_;

    my ($data) = elements('data', cell(@where));
    return $data ? $data->[1]{value} : undef;
}


sub degraded {
    my ($root) = @_;

    my ($list) = grep { ($_->[1]{class} // '') =~ /\bstate\b/ }
                 elements('section', $root);
    return map { text($_) } elements('li', $list);
}


subtest 'it is well formed, and can be found one\'s way in' => sub {
    wait_until(sub {
        $t->get('/status')->json->{pools}{fresh}{items} == 9;
    }, 20);

    $t->answered(sub { $t->get('/page') });
    $t->get('/page') for 1 .. 20;
    $t->get('/page?arm=canary') for 1 .. 3;
    $t->get(qq{/shadow?arm=<b>"\xff});

    wait_until(sub { page() =~ /following/ }, 20);

    my $root = eval { parse(page()) };
    is($@, '', 'each element is closed, each attribute quoted') or return;

    is(scalar elements($_, $root), 1, "one $_")
        for qw(html head title h1 main header nav);
    cmp_ok(scalar elements('h2', $root), '>', 8, 'headings');

    my %ids = map { ($_->[1]{id} // '') => 1 }
              map { elements($_, $root) } qw(h2 div main);

    my @refers = map { $_->[1]{'aria-labelledby'} }
                 map { elements($_, $root) } qw(section div);
    push @refers, map { $_->[1]{href} =~ s/\A#//r } elements('a', $root);
    is(join(' ', grep { defined && !$ids{$_} } @refers), '',
       'what is referred to is there');

    for my $table (elements('table', $root)) {
        my ($caption) = elements('caption', $table);
        my $name = $caption ? text($caption) : '';
        like($name, qr/\w\.\z/, 'a table has a caption');

        is(join(' ', map { $_->[1]{scope} // 'none' }
                grep { ($_->[1]{scope} // '') !~ /\A(?:col|row)\z/ }
                elements('th', $table)), '', 'its headers have a scope');

        my ($head, @rows) = map { $#$_ - 1 } elements('tr', $table);
        is(min(@rows), $head, 'rows are as long as the first');
        is(max(@rows), $head, 'all of them');
    }

    for my $svg (elements('svg', $root)) {
        like($svg->[1]{'aria-label'}, qr/at most \d+, \d+ in the last/,
             'a picture has words');
        like($svg->[2][1]{d}, qr/\AM0 24(?:[VH]\d+)+Z?\z/, 'and a path');
    }
};


subtest 'the figures are those of JSON' => sub {
    my $json = $t->get('/status?recent=1')->json;
    my $root = parse(page());

    my @figures = (
        (map { ['recent', $_, 'Since the start', $json->{responses}{$_}] }
         sort keys %{ $json->{responses} }),
        (map { ['recent', $_, 'In ten minutes',
                sum0(@{ $json->{recent}{responses}{$_} })] }
         sort keys %{ $json->{responses} }),
        ['recent', 'items that came', 'Since the start', $json->{items}{total}],
        ['recent', 'items removed', 'In ten minutes',
         sum0(@{ $json->{recent}{removed} })],
        ['recent', 'items explored', 'Since the start',
         $json->{items}{explored}],
        (map { ['items', $_, 'Since the start', $json->{items}{$_}] }
         sort keys %{ $json->{items} }),
        (map { my $set = $_;
               map { ['sets', $set, $_->[0], $json->{sets}{$set}{$_->[1]}] }
                   ['Removed', 'removed'], ['Questions', 'questions'],
                   ['Skipped', 'skipped'], ['Members', 'members'] }
         'seen', 'stock'),
        ['replicas', 'stock', 'Ids', 1234],
        ['replicas', 'stock', 'Loads', $json->{sets}{stock}{replica}{loads}],
        ['pools', 'fresh', 'Items', 9],
        ['pools', 'fresh', 'Shown', $json->{pools}{fresh}{shown}],
        ['channels', 'home active', 'Coverage', '0.750000'],
        ['snapshots', 'home', 'Refused', $json->{snapshots}{home}{refused}],
        ['times', 'lookup', 'Responses', $json->{times}{lookup}{count}],
        (map { ['labels', 'canary', @$_] }
         ['Responses', 3], ['Items', 9], ['In shadow', '0.000000'],
         ['Removed by set', $json->{labels}{canary}{removed}{seen}]),
        ['labels', q{<b>"?}, 'In shadow', '1.000000'],
        ['redis', 'main', 'Losses', $json->{redis}{main}{losses}],
        ['zone', 'all', 'Memory', 16 * 1024 * 1024],
    );

    is(value($root, @$_[0 .. 2]), $_->[3], "@$_[0 .. 2]") for @figures;

    is(text(cell($root, 'replicas', 'stock', 'Ids')), "1\x{202f}234",
       'large numbers are grouped');
    cmp_ok($json->{items}{explored}, '>', 0, 'there are explored ones');
    is(value($root, 'sets', 'seen', 'Of all items'),
       sprintf('%.6f', $json->{sets}{seen}{removed} / $json->{items}{total}),
       'a share');
    is(text(cell($root, 'channels', 'home active', 'Age')),
       "1\x{202f}d 2\x{202f}h", 'a time in words');
    like(text($root), qr/Some responses are in shadow/, 'shadow is told of');

    my ($within) = text(cell($root, 'times', 'lookup', "99\x{202f}% within"))
        =~ /\A(\d+)/;
    my $lookup = $json->{times}{lookup};
    my ($bound) = grep { $lookup->{within}{$_} >= 0.99 * $lookup->{count} }
                  sort { $a <=> $b } keys %{ $lookup->{within} };
    is($within, $bound // 100, 'within which time');
};


subtest 'text of any origin is text' => sub {
    my $body = page();
    my $root = parse($body);

    is(scalar elements('script', $root), 1, 'one script');
    like(text(cell($root, 'channels', 'home active', 'Version')),
         qr/\Av1model \Q$shown\E\z/, 'a model');
    like(text(cell($root, 'channels', 'home canary', 'Refused')),
         qr/\Av"2'<b>that is no version\z/, 'a version');
    like(join("\n", degraded($root)),
         qr/channel canary names version v"2'<b>, which is refused: that is no/,
         'and in words');
};


subtest 'what is degraded, and since when' => sub {
    my @before = degraded(parse(page()));
    my $at = qr/since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/;

    is(scalar(grep { /refused/ } @before), 1, 'a version is refused');

    $redis->cmd('DEL', 'seen');

    my @now;
    wait_until(sub {
        @now = grep { /seen/ } degraded(parse(page()));
        return scalar @now;
    }, 20);

    like($now[0],
         qr/Set seen is unknown: its key is absent in Redis, for .*$at/,
         'a set');

    $t->get('/page');
    like(join("\n", degraded(parse(page()))),
         qr/that were filtered without a set .*: [1-9]\d*, for .*$at/,
         'responses');

    my $page = page();
    my $n = degraded(parse($page));
    cmp_ok($n, '>=', 3, 'and all that');
    like($page, qr/<title>$n things are degraded/, 'the title counts them');

    $redis->cmd('SADD', 'seen', 'b');
    wait_until(sub { !grep { /Set seen/ } degraded(parse(page())) }, 20);
    ok(!(grep { /Set seen/ } degraded(parse(page()))), 'and not any more');
};


# Waits for an item of the list.

sub told {
    my ($pattern, $name) = @_;

    my @list;
    wait_until(sub {
        @list = degraded(parse(page()));
        return grep { $_ =~ $pattern } @list;
    }, 20);

    like(join("\n", @list), $pattern, $name);
}


subtest 'what else may be degraded' => sub {
    told(qr/bad Redis away: the worker that answers has no connection/,
         'no connection');
    told(qr/bad Redis away: the breaker is open, and 1 server is not asked/,
         'a breaker');

    $redis->cmd('DEL', '{home}:channel:active');
    told(qr/channel active: Redis no longer has what it had/, 'a channel');

    $redis->cmd('DEL', 'fresh');
    told(qr/Pool fresh keeps 9 as what Redis has now \(0\) is held back, for /,
         'a pool');
};


# Relative luminance and contrast: WCAG 2.2.

sub luminance {
    my @c = map { $_ = hex($_) / 255;
                  $_ <= 0.04045 ? $_ / 12.92 : (($_ + 0.055) / 1.055) ** 2.4 }
            $_[0] =~ /([0-9a-f]{2})/g;

    return 0.2126 * $c[0] + 0.7152 * $c[1] + 0.0722 * $c[2];
}

sub contrast {
    my ($light, $dark) = sort { $b <=> $a } map { luminance($_) } @_;
    return ($light + 0.05) / ($dark + 0.05);
}


subtest 'colours' => sub {
    my ($light, $dark) = page() =~ /:root\{([^}]*)\}/g;

    for my $theme ($light, $dark) {
        my %c = $theme =~ /--(\w+):#([0-9a-f]{6})/g;

        for my $ground (qw(page panel)) {
            for my $text (qw(text muted link ok warn bad)) {
                cmp_ok(contrast($c{$text}, $c{$ground}), '>=', 4.5,
                       "$text on $ground");
            }
        }

        cmp_ok(contrast($c{draw}, $c{panel}), '>=', 3, 'what is drawn');
    }
};


SKIP: {
    my $browser = Recs::Browser->new
        or skip 'no Chromium starts here (package chromium): no browser looked '
                . 'at the page', 1;

    subtest 'in a browser' => sub {
        my $uri = 'http://127.0.0.1:' . $t->port . '/status';
        my $shown = sub {
            return $browser->eval(
                'document.querySelector("#recent data:last-of-type")'
                . '.closest("tbody").querySelectorAll("tr")[0]'
                . '.lastChild.firstChild.value');
        };

        for my $width (390, 1440) {
            for my $dark (0, 1) {
                $browser->open($uri, width => $width, dark => $dark);

                is($browser->eval('document.documentElement.scrollWidth'
                                  . ' <= innerWidth'), 1,
                   "nothing is wider than $width pixels");
                is($browser->eval('getComputedStyle(document.body)'
                                  . '.backgroundColor'),
                   $dark ? 'rgb(18, 22, 26)' : 'rgb(246, 247, 248)',
                   $dark ? 'dark' : 'light');
            }
        }

        $browser->key('Tab');
        is($browser->eval('document.activeElement.className'), 'skip',
           'the keyboard begins with a link past the head');
        $browser->key('Tab') for 1 .. 2;
        is($browser->eval('getComputedStyle(document.activeElement)'
                          . '.outlineStyle'), 'solid', 'where it is, is seen');

        my $before = $shown->();
        $browser->eval('document.getElementById("sets").focus()');

        # After the set was absent, pages may find it so for a while.
        my $now;
        ok(wait_until(sub {
            $t->get('/page');
            $now = $t->get('/status')->json->{responses}{filtered};
            return $now > $before;
        }), 'a page was filtered');

        wait_until(sub { $shown->() == $now }, 30);
        is($shown->(), $now, 'it refreshes');
        is($browser->eval('document.activeElement.id'), 'sets',
           'and what has the focus keeps it');

        $browser->eval('document.getElementById("pause").focus()');
        $browser->key('Enter');
        is($browser->eval('document.getElementById("pause").textContent'),
           'Go on', 'it pauses');
        is($browser->eval('document.getElementById("live").textContent'),
           'Paused', 'and says so');

        is(join("\n", $browser->complaints), '',
           'the browser has no complaint');
    };
}


$t->done;
