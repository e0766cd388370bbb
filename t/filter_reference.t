use strict;
use warnings;

# The filtered page is that of a reference written anew in Perl: for all users
# of the data, and for random pages made to be awkward.

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Recs::RandomPage;
use Recs::Reference qw(filter difference parse decode_text);
use Recs::Test;
use Test::More;

# Of random pages, for each shape; RECS_SEEDS says how many else.
my $SEEDS = $ENV{RECS_SEEDS} // 200;

my $t = Recs::Test->new;
my $redis = $t->redis;

my %page;
for my $line ($t->data('recs.ndjson')) {
    my ($user) = $line =~ /"user":"(\w+)"/;
    $page{$user} = $line;
}

my $api = $t->upstream(sub { $page{ $_[0]{args}{user} } }, keepalive => 1);

my @shapes = Recs::RandomPage->shapes;

# What each random page is shown with: the sets it must and must not be in.
my @ways = (
    { name => 'plain', require => ['a'] },
    { name => 'both', require => ['a', 'b'], exclude => ['c', 'd'],
      explain => 1 },
    { name => 'strict', require => ['b'], exclude => ['d'], distinct => 1,
      limit => 3, explain => 1 },
    { name => 'once', distinct => 1 },
);

my $nginx = $t->nginx(access_log => 'off', reloads => 0, http => <<"HTTP");
    recs_redis main { server %%REDIS%%; }

    recs_set in_stock redis=main key=in_stock;
    recs_set seen redis=main key=seen:\$recs_user;
@{[map { "recs_set $_ redis=main key=$_:\$arg_page;\n" } qw(a b c d)]}

    upstream api {
        server %%API%%;
        keepalive 4;
    }

    recs_user \$arg_user;
    recs_lookup_timeout 5s;

    server {
        listen %%LISTEN%%;

        location / {
            recs on;
            recs_require in_stock;
            recs_exclude seen;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://api;

            location /short {
                recs_distinct on;
                recs_limit 10;
                proxy_pass http://api;
            }
        }
    }

    server {
        listen %%LISTEN_RANDOM%%;
        recs on;
        default_type application/json;

@{[map { random_location($_) } @shapes]}
    }
HTTP


# A location for a shape, and in it one for each way to show it.

sub random_location {
    my ($shape) = @_;

    my $items = Recs::RandomPage->arguments($shape);
    my $text = "location /$shape->{name}/ {\n"
             . "recs_items $items;\nrecs_item_id $shape->{id};\n";

    for my $way (@ways) {
        $text .= "location /$shape->{name}/$way->{name}/ {\n"
               . "alias %%TESTDIR%%/random/$shape->{name}/;\n";
        $text .= "recs_require @{ $way->{require} };\n" if $way->{require};
        $text .= "recs_exclude @{ $way->{exclude} };\n" if $way->{exclude};
        $text .= "recs_distinct on;\n" if $way->{distinct};
        $text .= "recs_limit $way->{limit};\n" if $way->{limit};
        $text .= "recs_explain \$arg_explain;\n" if $way->{explain};
        $text .= "}\n";
    }

    return "$text}\n";
}


subtest 'all users of the data' => sub {
    my %in_stock = map { $_ => 1 } $t->data('in_stock.txt');
    my %seen;

    for my $line ($t->data('seen.ndjson')) {
        my $row = JSON::PP::decode_json($line);
        $seen{ $row->{user} } = { map { $_ => 1 } @{ $row->{items} } };
    }

    $redis->cmd('SADD', 'in_stock', keys %in_stock);
    $redis->pipeline(map { ['SADD', "seen:$_", keys %{ $seen{$_} }] }
                     keys %seen);

    is scalar keys %page, 300, 'there are 300';

    my @rules = (require => [in_stock => \%in_stock]);
    my $c = $t->http;
    my (@wrong, %removed);

    for my $user (sort keys %page) {
        my @exclude = (exclude => [seen => $seen{$user} // {}]);

        for my $case (['/', 'plain'],
                      ['/short', 'short', distinct => 1, limit => 10])
        {
            my ($path, $name, @how) = @$case;
            my $want = filter($page{$user}, @rules, @exclude, @how);
            my $r = $c->get("$path?user=$user");
            my $why = wrong($r, $want, 'filtered');

            push @wrong, "$user $name: $why" if $why;
            $removed{$_} += $want->{removed_by}{$_}
                for keys %{ $want->{removed_by} };
        }
    }

    ok !@wrong, 'each page is the reference\'s' or show(@wrong);
    cmp_ok $removed{$_}, '>', 300, "many went because of $_"
        for qw(in_stock seen limit);
};


subtest 'an id is its decoded text' => sub {
    my @cases = (
        # in the page, in the set, what it shows
        ['"b1"', 'b1', 'a string'],
        ['"\u0062\u0031"', 'b1', 'all by escapes'],
        ['"b\u0031"', 'b1', 'partly by escapes'],
        ['"\u00E9"', "\xC3\xA9", 'an escape of two bytes'],
        ['"\uFF21"', "\xEF\xBC\xA1", 'of three'],
        ['"\uD83D\uDCDA"', "\xF0\x9F\x93\x9A", 'a pair of surrogates'],
        ["\"\xF0\x9F\x93\x9A\"", "\xF0\x9F\x93\x9A", 'the same, raw'],
        ['"\ud800"', "\xED\xA0\x80", 'a lone surrogate'],
        ['"\udcda\ud83d"', "\xED\xB3\x9A\xED\xA0\xBD", 'a pair in disorder'],
        ["\"b\xE9\"", "b\xE9", 'what is not UTF-8'],
        ['"\u0000"', "\0", 'NUL'],
        ['"b1\u0000"', "b1\0", 'NUL after it'],
        ['"a\nb"', "a\nb", 'a line end'],
        ['"\"\\\/\b\f\r\t"', "\"\\/\b\f\r\t", 'all short escapes'],
        ['"\r\n$2\r\nb1\r\n"', "\r\n\$2\r\nb1\r\n", 'a bit of the protocol'],
        ['""', '', 'the empty string'],
        ['12', '12', 'an integer'],
        ['"12"', '12', 'a string of digits is the same id'],
        ['-0', '0', 'minus zero is zero'],
        ['-7', '-7', 'a negative integer'],
        ['1.0', '1', 'an integer with a fraction'],
        ['-12.30e1', '-123', 'and an exponent'],
        ['1e3', '1000', 'an exponent alone'],
        ['5E-0', '5', 'that is none'],
        ['-0.0', '0', 'minus zero with a fraction'],
        ['9007199254740991.0', '9007199254740991', '2^53 - 1'],
        ['9007199254740993', '9007199254740993', '2^53 + 1'],
        ['123456789012345678901234567890', '123456789012345678901234567890',
         'more than 64 bits'],
    );

    for my $i (0 .. $#cases) {
        my ($id, $member, $name) = @{ $cases[$i] };

        random_page('items', "case$i", "{\"items\":[{\"id\":$id},7]}",
                    a => [$member, '7']);
        like get('items', 'plain', "case$i")->body,
            qr/\{"id":\Q$id\E\}/, "$name: in the set";

        random_page('items', "not$i", "{\"items\":[{\"id\":$id},7]}",
                    a => ['7', 'b2', '9007199254740992', 'b', '00']);
        is get('items', 'plain', "not$i")->body, '{"items":[7]}',
            "$name: not in the set";
    }

    for my $id ('1.5', '1e-3', '9007199254740992.0', '1e400', 'null', 'true',
                '[1]', '{"id":1}')
    {
        random_page('items', 'none', "{\"items\":[{\"id\":$id}]}", a => ['7']);
        my $r = get('items', 'plain', 'none');
        is $r->body, "{\"items\":[{\"id\":$id}]}", "$id is no id: kept";
        is $r->header('Recs-Filter'),
            'filtered;total=1;kept=1;removed=0;explored=0;unidentified=1',
            'and counted';
    }
};


subtest 'bytes around what goes' => sub {
    my @cases = (
        ['{"items":[1]}', '{"items":[]}', 'the only item'],
        ['{"items":[1,7]}', '{"items":[7]}', 'the first'],
        ['{"items":[7,1]}', '{"items":[7]}', 'the last'],
        ['{"items":[7,1,7]}', '{"items":[7,7]}', 'one between'],
        ['{"items":[1,1,7,1,1,7,1,1]}', '{"items":[7,7]}', 'runs'],
        ['{"items":[]}', '{"items":[]}', 'nothing there'],
        ["\n{ \"items\" : [\t7 , 1 ]\r\n}\n", "\n{ \"items\" : [\t7 ]\r\n}\n",
         'white space'],
        ['{"items":[{"id":7,"s":1.50e+3,"t":"\u00e9\/","id2":-0.0}],"z":1.0}',
         '{"items":[{"id":7,"s":1.50e+3,"t":"\u00e9\/","id2":-0.0}],"z":1.0}',
         'numbers and escapes stay as they were written'],
        ['{"items":[1],"items":[7,2]}', '{"items":[1],"items":[7]}',
         'the last member of a name counts'],
        ['{"items":[{"id":7,"id":1}]}', '{"items":[]}',
         'so it does in an item'],
        ['{"items":[{"id":1,"id":7}]}', '{"items":[{"id":1,"id":7}]}',
         'and the other way round'],
        ['{"\u0069tems":[1,{"\u0069d":1},7]}', '{"\u0069tems":[7]}',
         'names in disguise'],
        ['{"a":1,"_recs":{"x":1},"items":[7,1],"_recs":2}',
         '{"a":1,"items":[7]}', 'a reserved member'],
    );

    for my $case (@cases) {
        my ($page, $want, $name) = @$case;

        random_page('items', 'bytes', $page, a => ['7']);
        is get('items', 'plain', 'bytes')->body, $want, $name;
    }
};


subtest 'random pages' => sub {
    my (@wrong, %made, %removed, %kinds);

    for my $seed (1 .. $SEEDS) {
        my $random = Recs::RandomPage->new(seed => $seed);

        for my $shape (@shapes) {
            my $name = $shape->{name};
            my $page = $random->page($shape);
            my @ids = @{ $page->{ids} };

            my %sets = map { $_ => { $random->subset(0.7, @ids) } } qw(a b);
            $sets{$_} = { $random->subset(0.2, @ids) } for qw(c d);

            random_page($name, $seed, $page->{bytes},
                        map { $_ => [keys %{ $sets{$_} }] } keys %sets);

            # Each page in two of the four ways.
            for my $way (@ways[$seed % 2, 2 + $seed % 2]) {
                my %how = %$way;
                delete @how{qw(name explain)};

                for my $rule (qw(require exclude)) {
                    $how{$rule} = [map { $_ => $sets{$_} } @{ $how{$rule} }]
                        if $how{$rule};
                }

                my $want = filter($page->{bytes}, %$shape, %how);
                my $r = get($name, $way->{name}, $seed,
                            $way->{explain} ? '&explain=1' : '');

                $kinds{odd_bytes}++ if $want->{not_utf8};
                my $why = wrong($r, $want, 'filtered');
                $why //= wrongly_explained($r, $want)
                    if $way->{explain} && $name ne 'root';

                $made{$name}++;
                push @wrong, "/$name/$way->{name}/$seed: $why\n"
                           . "of $page->{bytes}" if $why;

                $removed{$_} += $want->{removed_by}{$_}
                    for keys %{ $want->{removed_by} };
                kinds(\%kinds, map { $_->[0] } @{ $want->{reasons} });
            }
        }
    }

    for my $shape (@shapes) {
        my $name = $shape->{name};
        ok !(grep { m{^/$name/} } @wrong), "$made{$name} like $name"
            or show(grep { m{^/$name/} } @wrong);
    }

    for my $rule (qw(a b c d distinct limit)) {
        cmp_ok $removed{$rule}, '>', $SEEDS, "many went because of $rule";
    }

    # They would prove little if these were not among what was removed.
    ok $kinds{$_}, "ids with $_ went" for qw(NUL quotes newlines surrogates
                                             2^53 many_bytes emptiness
                                             odd_bytes);
};


$t->done;


# A static page, and the sets that it is asked of.

sub random_page {
    my ($shape, $name, $bytes, %sets) = @_;

    chmod 0644, $t->write("random/$shape/$name", $bytes);

    $redis->pipeline(map {
        my $key = "$_:$name";
        (['DEL', $key],
         @{ $sets{$_} } ? ['SADD', $key, @{ $sets{$_} }] : ())
    } sort keys %sets);
}


my $client;

sub get {
    my ($shape, $way, $name, $more) = @_;

    $client //= $t->http(port => 'RANDOM');
    return $client->get("/$shape/$way/$name?page=$name" . ($more // ''));
}


# What is wrong with a response; undef: nothing.

sub wrong {
    my ($r, $want, $state) = @_;

    return 'no response: ' . ($r->error // $r->status)
        if !$r->complete || $r->status != 200;

    my $removed = $want->{removed} - ($want->{removed_by}{limit} // 0);
    my $said = "$state;total=$want->{total};kept=$want->{kept}"
             . ";removed=$removed;explored=0"
             . ($want->{options}{distinct}
                ? ';repeated=' . ($want->{removed_by}{distinct} // 0) : '')
             . ($want->{unidentified}
                ? ";unidentified=$want->{unidentified}" : '')
             . ($want->{not_utf8} ? ';not_utf8' : '');

    return "Recs-Filter is " . $r->header('Recs-Filter') . ", not $said"
        if $r->header('Recs-Filter') ne $said;

    return difference($r->body, $want);
}


# The body's list of what went: ids and reasons, in order.

sub wrongly_explained {
    my ($r, $want) = @_;

    my $root = parse($r->body);
    my ($name, $tag) = @{ $root->{members}[-1] };
    return "the last member is $name" if $name ne '_recs';

    my %tag = map { $_->[0] => $_->[1] } @{ $tag->{members} };
    my @got;

    for my $item (@{ $tag{items}{elements} }) {
        my %m = map { $_->[0] => $_->[1] } @{ $item->{members} };
        push @got, join ' ', map { $_ ? decode_text($_->{text} // 'null') : () }
                             @m{qw(id set rule)};
    }

    my @wanted = map { join ' ', $_->[0] // 'null', $_->[1] }
                 @{ $want->{reasons} };

    return if "@got" eq "@wanted";
    return "explained: @got\nnot: @wanted";
}


sub kinds {
    my ($kinds, @ids) = @_;

    for my $id (grep { defined } @ids) {
        $kinds->{NUL}++ if $id =~ /\0/;
        $kinds->{quotes}++ if $id =~ /"/;
        $kinds->{newlines}++ if $id =~ /\n/;
        $kinds->{surrogates}++ if $id =~ /\xED[\xA0-\xBF]/;
        $kinds->{'2^53'}++ if $id eq '9007199254740993';
        $kinds->{many_bytes}++ if $id =~ /[\xF0-\xF4]/;
        $kinds->{emptiness}++ if $id eq '';
    }
}


sub show {
    my (@wrong) = @_;

    diag(scalar(@wrong) . ' are wrong');
    diag($_) for @wrong[0 .. (@wrong < 3 ? $#wrong : 2)];
}
