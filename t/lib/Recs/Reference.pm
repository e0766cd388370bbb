package Recs::Reference;

=head1 NAME

Recs::Reference - what a filtered page must be, found by other means

=head1 SYNOPSIS

    use Recs::Reference qw(filter difference);

    my $want = filter($page,
        items    => ['/items'],             # the default
        id       => '/id',                  # the default
        with     => { '/items' => ['/scores', '?/titles'] },
        require  => [in_stock => \%stock],  # names and sets, in order
        exclude  => [seen => \%seen],
        distinct => 1,
        limit    => 10);

    is difference($r->body, $want), undef, 'the page of u1';

    $want->{shelves};       # of each: { ids => [...], items => [bytes...],
                            #   with => [[bytes...], undef] }
    $want->{ids};           # of all shelves; undef for an item without
    $want->{items};         # the bytes of each
    $want->{total};  $want->{kept};  $want->{removed};
    $want->{removed_by};    # { in_stock => 3, seen => 1, distinct, limit }
    $want->{reasons};       # [id, reason] of each that went
    $want->{unidentified};  # how many items have no id
    $want->{not_utf8};      # a string holds what is not UTF-8
    $want->{outline};       # the text, the shelves' insides left out
    $want->{malformed};     # or: why it can't be filtered

C<with> names the companions of a shelf: arrays in step with it.  One with a
C<?> may be missing.

A set is a hash whose keys are ids (bytes), or the word C<keep> or C<drop>: it
can't be asked, and that is what becomes of an item.

=head1 RULES

They are those of the documentation, read anew and not from the module.  The
text must be JSON (RFC 8259), nested at most 512 deep; a byte order mark may
stand before it, and strings may hold any bytes.  Of members
with the same name the last one wins.  An id is a string's decoded text (a
lone surrogate escape: three bytes by UTF-8's scheme), or an integer's digits
as they stand, but for C<-0>, which is C<0>; or those of the integer that a
number with a fraction or an exponent is, up to 2^53 - 1.
Shelves come in the order of the pointers, those of one pointer in the order in
which they stand in the text; C<distinct> goes over them in that order.

=cut

use strict;
use warnings;
no warnings 'recursion';

use Exporter 'import';

our @EXPORT_OK = qw(filter difference is_utf8 parse decode_text);

my $MAX_DEPTH = 512;


sub filter {
    my ($bytes, %opt) = @_;

    my $root = eval { parse($bytes) };
    return { malformed => "$@" } if !$root;

    my $id_path = split_pointer($opt{id} // '/id');
    my @shelves = find_shelves($root, @{ $opt{items} // ['/items'] });
    return { malformed => "no shelf\n" } if !@shelves;

    my $out_of_step = add_companions($root, $opt{with} // {}, @shelves);
    return { malformed => $out_of_step } if $out_of_step;

    my $want = {
        not_utf8 => !is_utf8($bytes),
        shelves => [], ids => [], items => [], reasons => [],
        removed_by => {}, total => 0, kept => 0, unidentified => 0,
        outline => outline($bytes, map { ($_, grep { defined }
                                              @{ $_->{with} }) } @shelves),
    };

    my @rules = ((map { [0, @$_] } pairs(@{ $opt{require} // [] })),
                 (map { [1, @$_] } pairs(@{ $opt{exclude} // [] })));
    my %seen;

    for my $shelf (@shelves) {
        my (@ids, @items);
        my @with = map { $_ ? [] : undef } @{ $shelf->{with} };

        for my $i (0 .. $#{ $shelf->{elements} }) {
            my $node = $shelf->{elements}[$i];
            my $id = id_of($node, $id_path);
            my $reason = defined $id ? verdict($id, @rules) : undef;

            $want->{total}++;
            $want->{unidentified}++ if !defined $id;

            $reason = 'distinct' if !$reason && $opt{distinct}
                                    && defined $id && $seen{$id}++;
            $reason = 'limit' if !$reason && $opt{limit}
                                 && @items >= $opt{limit};

            if ($reason) {
                $want->{removed}++;
                $want->{removed_by}{$reason}++;
                push @{ $want->{reasons} }, [$id, $reason];
                next;
            }

            push @ids, $id;
            push @items, bytes_of($bytes, $node);

            for my $k (grep { $with[$_] } 0 .. $#with) {
                push @{ $with[$k] }, bytes_of($bytes,
                                    $shelf->{with}[$k]{elements}[$i]);
            }
        }

        $want->{kept} += @items;
        push @{ $want->{shelves} }, { ids => \@ids, items => \@items,
                                      with => \@with };
        push @{ $want->{ids} }, @ids;
        push @{ $want->{items} }, @items;
    }

    $want->{removed} //= 0;
    $want->{options} = \%opt;
    return $want;
}


sub bytes_of {
    my ($bytes, $node) = @_;

    return substr $bytes, $node->{from}, $node->{to} - $node->{from};
}


# Compares a body with what filter() said; undef: it is the same.  White space
# and commas in a shelf may differ, and a last member _recs may have been added
# to the root object.

sub difference {
    my ($body, $want) = @_;

    return "not to be filtered: $want->{malformed}" if $want->{malformed};

    my $got = filter($body, map { $_ => $want->{options}{$_} }
                            qw(items id with));
    return "not a page: $got->{malformed}" if $got->{malformed};

    my $n = @{ $want->{shelves} };
    return "shelves: " . @{ $got->{shelves} } . ", not $n"
        if @{ $got->{shelves} } != $n;

    for my $i (0 .. $n - 1) {
        my $why = difference_of_shelves($got->{shelves}[$i],
                                        $want->{shelves}[$i]);
        return "shelf $i: $why" if $why;
    }

    return if untagged($got->{outline}) eq untagged($want->{outline});
    return "outline: $got->{outline}\nnot $want->{outline}";
}


sub difference_of_shelves {
    my ($got, $want) = @_;

    my $longest = @{ $got->{ids} } > @{ $want->{ids} } ? @{ $got->{ids} }
                                                       : @{ $want->{ids} };

    for my $i (0 .. $longest - 1) {
        return "only $i items, then should be $want->{items}[$i]"
            if $i >= @{ $got->{ids} };
        return "more than $i items: $got->{items}[$i]"
            if $i >= @{ $want->{ids} };

        my ($a, $b) = ($got->{items}[$i], $want->{items}[$i]);
        return "item $i: $a, not $b" if $a ne $b;
    }

    # As many as there are items: filter() has seen to that.
    for my $k (0 .. $#{ $want->{with} }) {
        my ($a, $b) = map { join "\n", map { @{ $_ // ['none'] } }
                                       $_->{with}[$k] } $got, $want;
        return "companion $k: $a, not $b" if $a ne $b;
    }

    return;
}


# Without the member _recs at the end of the root object.

sub untagged {
    my ($text) = @_;

    my $root = parse($text);
    my $last = $root->{members} ? $root->{members}[-1] : undef;
    return $text if !$last || $last->[0] ne '_recs';

    my $before = substr $text, 0, $last->[2];
    $before =~ s/,[ \t\r\n]*\z//;
    my $after = substr $text, $last->[1]{to};
    return $before . $after;
}


sub pairs {
    my (@list) = @_;

    my @pairs;
    while (my ($name, $set) = splice @list, 0, 2) {
        push @pairs, [$name, $set];
    }
    return @pairs;
}


# The name of the first set because of which an item goes.

sub verdict {
    my ($id, @rules) = @_;

    for my $rule (@rules) {
        my ($excludes, $name, $set) = @$rule;

        if (!ref $set) {
            return $name if $set eq 'drop';
            next;
        }

        my $in = exists $set->{$id} ? 1 : 0;
        return $name if $in == $excludes;
    }

    return;
}


sub id_of {
    my ($node, $path) = @_;

    if ($node->{type} eq 'object' || $node->{type} eq 'array') {
        for my $name (@$path) {
            $node = child($node, $name) // return;
        }
    }

    return decode_text($node->{text}) if $node->{type} eq 'string';
    return $node->{text} eq '-0' ? '0' : $node->{text}
        if $node->{type} eq 'integer';
    return integer_of($node->{text}) if $node->{type} eq 'number';
    return;
}


# 123.0 is 123; undef: it is no integer, or a large one.

sub integer_of {
    my ($text) = @_;

    my ($sign, $whole, $fraction, $exponent)
        = $text =~ /\A(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?\z/;
    my $digits = $whole . ($fraction // '');
    my $power = ($exponent // 0) - length($fraction // '');

    $digits =~ s/\A0+//;
    return '0' if $digits eq '';

    $power += length $1 if $digits =~ s/(0+)\z//;
    return if $power < 0 || length($digits) + $power > 16;

    $digits .= '0' x $power;
    return if length($digits) == 16 && $digits gt '9007199254740991';
    return $sign . $digits;
}


sub split_pointer {
    my ($pointer) = @_;

    return [] if $pointer eq '';
    die "not a pointer: $pointer\n" if $pointer !~ s{\A/}{};

    my @names = split m{/}, $pointer, -1;
    @names = ('') if $pointer eq '';

    for (@names) {
        s{~1}{/}g;
        s{~0}{~}g;
    }

    return \@names;
}


sub child {
    my ($node, $name) = @_;

    if ($node->{type} eq 'object') {
        my $found;
        for my $member (@{ $node->{members} }) {
            $found = $member->[1] if $member->[0] eq $name;
        }
        return $found;
    }

    if ($node->{type} eq 'array' && $name =~ /\A(?:0|[1-9][0-9]{0,8})\z/) {
        return $node->{elements}[$name];
    }

    return;
}


sub find_shelves {
    my ($root, @pointers) = @_;

    my @found;

    for my $pointer (@pointers) {
        for my $place (find_arrays($root, $pointer)) {
            my ($node, $within) = @$place;
            push @found, { %$node, pointer => $pointer, within => $within };
        }
    }

    return @found;
}


# Of each array: [node, by which elements "*" led there].

sub find_arrays {
    my ($root, $pointer) = @_;

    my @places = ([$root, '']);

    for my $name (@{ split_pointer($pointer) }) {
        @places = map {
            my ($node, $within) = @$_;
            my @nodes = $name eq '*' && $node->{type} eq 'array'
                        ? @{ $node->{elements} } : child($node, $name) // ();
            map { [$_, $name eq '*' ? "$within/$_->{from}" : $within] } @nodes;
        } @places;
    }

    return grep { $_->[0]{type} eq 'array' } @places;
}


# Gives each shelf a list of its companions, with undef for one that it lacks;
# or says what is wrong.

sub add_companions {
    my ($root, $with, @shelves) = @_;

    for my $shelf (@shelves) {
        for my $source (@{ $with->{ $shelf->{pointer} } // [] }) {
            my ($optional, $pointer) = $source =~ /\A(\??)(.*)\z/s;
            my ($found) = map { $_->[0] } grep { $_->[1] eq $shelf->{within} }
                                          find_arrays($root, $pointer);

            return "no $pointer\n" if !$found && !$optional;
            return "$pointer is uneven\n"
                if $found && @{ $found->{elements} } != @{ $shelf->{elements} };

            push @{ $shelf->{with} }, $found;
        }
    }

    return;
}


sub outline {
    my ($bytes, @shelves) = @_;

    for my $shelf (sort { $b->{from} <=> $a->{from} } @shelves) {
        substr $bytes, $shelf->{from} + 1, $shelf->{to} - $shelf->{from} - 2,
               '';
    }

    return $bytes;
}


# The bytes between a string's quotes, decoded (UTF-8).

sub decode_text {
    my ($raw) = @_;

    my %short = (b => "\b", f => "\f", n => "\n", r => "\r", t => "\t",
                 '"' => '"', '\\' => '\\', '/' => '/');

    $raw =~ s{
        \\(?: u([dD][89abAB][0-9a-fA-F]{2}) \\u([dD][c-fC-F][0-9a-fA-F]{2})
            | u([0-9a-fA-F]{4})
            | (.) )
    }{
        defined $1 ? utf8_bytes(0x10000 + ((hex($1) - 0xD800) << 10)
                                + (hex($2) - 0xDC00))
      : defined $3 ? utf8_bytes(hex $3)
      :              $short{$4}
    }gex;

    return $raw;
}


# By the scheme alone: Perl's own functions have opinions about surrogates.

sub utf8_bytes {
    my ($c) = @_;

    return chr $c if $c < 0x80;

    return pack 'C2', 0xC0 | $c >> 6, 0x80 | $c & 0x3F if $c < 0x800;

    return pack 'C3', 0xE0 | $c >> 12, 0x80 | $c >> 6 & 0x3F, 0x80 | $c & 0x3F
        if $c < 0x10000;

    return pack 'C4', 0xF0 | $c >> 18, 0x80 | $c >> 12 & 0x3F,
                      0x80 | $c >> 6 & 0x3F, 0x80 | $c & 0x3F;
}


# A tree of nodes: type, from, to (offsets), and members ([name, node, where
# the name begins]), elements, or text.  Dies where the text isn't JSON.

sub parse {
    my ($bytes) = @_;

    pos($bytes) = $bytes =~ /\A\xEF\xBB\xBF/ ? 3 : 0;
    my $root = value(\$bytes, 0);
    space(\$bytes);
    die "more follows at " . pos($bytes) . "\n"
        if pos $bytes < length $bytes;

    return $root;
}


# RFC 3629, section 4.

sub is_utf8 {
    my ($bytes) = @_;

    pos($bytes) = 0;

    1 while $bytes =~ /\G[\x00-\x7F]+/gc || $bytes =~ /\G(?:
          [\xC2-\xDF][\x80-\xBF]
        | \xE0[\xA0-\xBF][\x80-\xBF]
        | [\xE1-\xEC\xEE\xEF][\x80-\xBF]{2}
        | \xED[\x80-\x9F][\x80-\xBF]
        | \xF0[\x90-\xBF][\x80-\xBF]{2}
        | [\xF1-\xF3][\x80-\xBF]{3}
        | \xF4[\x80-\x8F][\x80-\xBF]{2}
    )/gcx;

    return pos $bytes == length $bytes;
}


sub space {
    my ($b) = @_;

    $$b =~ /\G[ \t\r\n]*/gc;
}


sub wrong {
    my ($b, $what) = @_;

    die "$what at " . (pos $$b) . "\n";
}


sub value {
    my ($b, $depth) = @_;

    space($b);
    my $from = pos $$b;
    my $node;

    if ($$b =~ /\G\{/gc) {
        $node = object($b, $depth + 1);

    } elsif ($$b =~ /\G\[/gc) {
        $node = array($b, $depth + 1);

    } elsif ($$b =~ /\G"/gc) {
        $node = { type => 'string', text => string($b) };

    } elsif ($$b =~ /\G-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/gc) {
        my $type = defined $1 || defined $2 ? 'number' : 'integer';
        $node = { type => $type,
                  text => substr $$b, $from, pos($$b) - $from };

    } elsif ($$b =~ /\G(true|false|null)/gc) {
        $node = { type => $1 };

    } else {
        wrong($b, 'no value');
    }

    $node->{from} = $from;
    $node->{to} = pos $$b;
    return $node;
}


# Just after the opening quote; reads the closing one.

sub string {
    my ($b) = @_;

    my $from = pos $$b;

    1 while $$b =~ /\G[^"\\\x00-\x1F]+/gc
            || $$b =~ m{\G\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})}gc;

    my $to = pos $$b;
    $$b =~ /\G"/gc or wrong($b, 'bad string');

    return substr $$b, $from, $to - $from;
}


sub object {
    my ($b, $depth) = @_;

    wrong($b, 'too deep') if $depth > $MAX_DEPTH;

    my @members;
    space($b);

    if ($$b !~ /\G\}/gc) {
        while (1) {
            space($b);
            my $where = pos $$b;
            $$b =~ /\G"/gc or wrong($b, 'no name');
            my $name = decode_text(string($b));
            space($b);
            $$b =~ /\G:/gc or wrong($b, 'no colon');
            push @members, [$name, value($b, $depth), $where];
            space($b);
            next if $$b =~ /\G,/gc;
            last if $$b =~ /\G\}/gc;
            wrong($b, 'no comma');
        }
    }

    return { type => 'object', members => \@members };
}


sub array {
    my ($b, $depth) = @_;

    wrong($b, 'too deep') if $depth > $MAX_DEPTH;

    my @elements;
    space($b);

    if ($$b !~ /\G\]/gc) {
        while (1) {
            push @elements, value($b, $depth);
            space($b);
            next if $$b =~ /\G,/gc;
            last if $$b =~ /\G\]/gc;
            wrong($b, 'no comma');
        }
    }

    return { type => 'array', elements => \@elements };
}


1;
