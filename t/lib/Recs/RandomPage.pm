package Recs::RandomPage;

=head1 NAME

Recs::RandomPage - awkward but well formed pages, the same for the same seed

=head1 SYNOPSIS

    use Recs::RandomPage;

    for my $shape (Recs::RandomPage->shapes) {  # for the configuration
        $shape->{name};                         # a word
        $shape->{items};                        # pointers: ['/items']
        $shape->{id};                           # '/id'
        $shape->{with};                         # as Recs::Reference has it
        Recs::RandomPage->arguments($shape);    # of recs_items
    }

    my $random = Recs::RandomPage->new(seed => 7);

    my $page = $random->page($shape);
    $page->{bytes};
    $page->{ids};           # its ids and some more (bytes), each once

    my %set = $random->subset(0.5, @{ $page->{ids} });     # id => 1

=head1 DESCRIPTION

Ids hold quotes, NUL, line ends, bits of the Redis protocol, any script, lone
surrogates, or are integers of any size.  The same id is written in several
ways: raw, by escapes, an integer as a string of its digits.  Members have odd
names and values, names repeat, white space is anywhere, and some items have no
id.

=cut

use strict;
use warnings;

use Recs::Reference ();

my @SHAPES = (
    { name => 'items',   items => ['/items'],         id => '/id' },
    { name => 'root',    items => [''],               id => '/id' },
    { name => 'rows',    items => ['/rows/*/items'],  id => '/book/key' },
    { name => 'pair',    items => ['/top', '/more'],  id => '/id' },
    { name => 'scalars', items => ['/data/ids'],      id => '/id' },
    { name => 'escaped', items => ['/a~1b/~0'],       id => '/0/id' },
    { name => 'columns', items => ['/data/ids'],      id => '/id',
      with => { '/data/ids' => ['/data/scores', '/t', '?/u'] } },
    { name => 'tables',  items => ['/rows/*/ids'],    id => '/id',
      with => { '/rows/*/ids' => ['/rows/*/scores', '?/rows/*/x/t'] } },
);


sub shapes { return @SHAPES }


# What recs_items says of a shape.

sub arguments {
    my ($class, $shape) = @_;

    return join ' ', map {
        ("\"$_\"", map { /\A\?(.*)/s ? "optional=$1" : "with=$_" }
                    @{ $shape->{with}{$_} // [] })
    } @{ $shape->{items} };
}


# Options: seed, items (at most so many on a shelf; 12).

sub new {
    my ($class, %opt) = @_;

    my $self = bless { items => $opt{items} // 12 }, $class;
    {
        use integer;
        $self->{state} = $opt{seed} * 6364136223846793005 + 1;
    }
    $self->number(1) for 1 .. 4;
    return $self;
}


# 0 .. $n - 1

sub number {
    my ($self, $n) = @_;

    use integer;
    $self->{state} = $self->{state} * 6364136223846793005
                     + 1442695040888963407;
    return (($self->{state} >> 33) & 0x3FFFFFFF) % $n;
}


sub chance {
    my ($self, $p) = @_;

    return $self->number(1_000_000) < $p * 1_000_000;
}


sub one_of {
    my ($self, @list) = @_;

    return $list[ $self->number(scalar @list) ];
}


sub subset {
    my ($self, $p, @ids) = @_;

    return map { $self->chance($p) ? ($_ => 1) : () } @ids;
}


sub page {
    my ($self, $shape) = @_;

    my @ids = map { $self->id } 1 .. 4 + $self->number(2 * $self->{items});
    $self->{ids} = \@ids;
    $self->{shape} = $shape;

    my $make = "page_$shape->{name}";
    my $bytes = $self->space . $self->$make . $self->space;

    # Those of the page (odd values are ids, too), and some that it lacks.
    my $read = Recs::Reference::filter($bytes, %$shape);
    my %once = map { $_ => 1 } (map { id_bytes($_) } @ids),
                               grep { defined } @{ $read->{ids} };
    return { bytes => $bytes, ids => [sort keys %once] };
}


sub page_items {
    my ($self) = @_;

    my @members = $self->fillers;
    # An earlier one of the same name must not count.
    push @members, ['items', $self->one_of('null', '{}', $self->shelf)]
        if $self->chance(0.1);
    push @members, $self->fillers, ['items', $self->shelf], $self->fillers;

    return $self->object(@members);
}


sub page_root { return $_[0]->shelf }


sub page_rows {
    my ($self) = @_;

    my @rows = map {
        $self->object($self->fillers, ['items', $self->shelf], $self->fillers)
    } 0 .. $self->number(4);

    push @rows, $self->value(2) if $self->chance(0.3);

    return $self->object($self->fillers, ['rows', $self->array(@rows)]);
}


sub page_pair {
    my ($self) = @_;

    return $self->object($self->fillers, ['more', $self->shelf],
                         $self->fillers, ['top', $self->shelf]);
}


sub page_scalars {
    my ($self) = @_;

    my @items = map {
        $self->chance(0.1) ? $self->one_of('null', 'true', '1.5', '1e2', '{}')
                           : $self->write_id($self->one_of(@{ $self->{ids} }))
    } 1 .. $self->number($self->{items} + 1);

    return $self->object($self->fillers,
        ['data', $self->object($self->fillers, ['ids', $self->array(@items)])]);
}


# Columns in any order, of which one may be missing; an earlier one of the same
# name must not count.

sub page_columns {
    my ($self) = @_;

    my ($n, $ids) = $self->ids;
    my $column = sub { $self->array(map { $self->value(2) } 1 .. $n) };

    my @data = (['ids', $ids], ['scores', $column->()]);
    unshift @data, [$self->one_of('ids', 'scores'),
                    $self->one_of('[]', '[1,2]', 'null', '{}')]
        if $self->chance(0.1);
    @data = reverse @data if $data[0][0] ne $data[-1][0] && @data == 2
                             && $self->chance(0.5);

    # A filler may be called "ids": none comes after them.
    my @root = (['data', $self->object($self->fillers, @data)],
                ['t', $column->()]);
    push @root, ['u', $self->chance(0.8) ? $column->() : 'null']
        if $self->chance(0.7);
    @root = reverse @root if $self->chance(0.5);

    return $self->object(map { ($self->fillers, $_) } @root);
}


sub page_tables {
    my ($self) = @_;

    my @rows = map {
        my ($n, $ids) = $self->ids;
        my $column = sub { $self->array(map { $self->value(2) } 1 .. $n) };

        my @row = (['ids', $ids], ['scores', $column->()]);
        push @row, ['x', $self->object($self->fillers, ['t', $column->()])]
            if $self->chance(0.7);
        @row = reverse @row if $self->chance(0.5);

        # A table without ids is nobody's business.
        $self->chance(0.1) ? $self->object(['scores', $column->()])
                           : $self->object($self->fillers, @row);
    } 0 .. $self->number(4);

    push @rows, '{"ids":[],"scores":[]}',
                $self->one_of('null', '"ids"', '[[1]]', '{"scores":[1]}');

    return $self->object($self->fillers, ['rows', $self->array(@rows)]);
}


# An array of bare ids: how many, and the array.

sub ids {
    my ($self) = @_;

    my $n = $self->number($self->{items} + 1);

    return ($n, $self->array(map {
        $self->chance(0.1) ? $self->one_of('null', 'true', '1.5', '{}')
                           : $self->write_id($self->one_of(@{ $self->{ids} }))
    } 1 .. $n));
}


sub page_escaped {
    my ($self) = @_;

    return $self->object($self->fillers,
        ['a/b', $self->object($self->fillers, ['~', $self->shelf])],
        ['a~1b', $self->array], $self->fillers);
}


sub shelf {
    my ($self) = @_;

    return $self->array(map { $self->item }
                        1 .. $self->number($self->{items} + 1));
}


sub item {
    my ($self) = @_;

    # An advertisement, a bare id, or something odd.
    return $self->object($self->fillers) if $self->chance(0.05);
    return $self->value(1) if $self->chance(0.03);

    my $id = $self->write_id($self->one_of(@{ $self->{ids} }));
    return $id if $self->chance(0.03);

    $id = $self->one_of('null', 'false', '1.0', '1E3', '[1]', '{"id":1}')
        if $self->chance(0.05);

    my $name = $self->{shape}{name};

    if ($name eq 'rows') {
        return $self->object($self->fillers,
            ['book', $self->object($self->with_id('key', $id))],
            $self->fillers);
    }

    if ($name eq 'escaped') {
        return $self->array($self->object($self->with_id('id', $id)),
                            $self->value(1));
    }

    return $self->object($self->with_id('id', $id));
}


# The member of that name, at times with others of that name before it.

sub with_id {
    my ($self, $name, $id) = @_;

    my @members = $self->fillers;
    push @members, [$name, $self->one_of('null', '"decoy"', $self->write_id(
                               $self->one_of(@{ $self->{ids} })))]
        if $self->chance(0.1);

    return (@members, $self->fillers, [$name, $id], $self->fillers);
}


# Members that are nobody's business.

my @NAMES = (
    'title', 'score', 'ID', 'Id', ' id', 'id ', 'ids', 'item', 'meta', '',
    '"', '\\', '*', '0', "\x{434}\x{430}", "\x{1F4DA}", "\0", "a\nb", '_id',
    'recs', '/id', '~1id',
);

sub fillers {
    my ($self) = @_;

    return if $self->chance(0.4);
    return map { [$self->one_of(@NAMES), $self->value(2)] }
           0 .. $self->number(3);
}


my @SCALARS = (
    'null', 'true', 'false', '0', '-0', '-1', '0.10', '-0.0', '1E+2', '1e400',
    '2E-400', '9007199254740993', '123456789012345678901234567890', '""',
    '"]"', '"}"', '"],"', '"{\"id\":\"b1\"}"', '"\\\\"', '"\\\\\""', '"\/"',
    '"\u0000"', '"\ud800"', '"\uDC00\uD800"', '"\uD83D\uDCDA"', '"\ud83d x"',
    '"' . ('long ' x 60) . '"', "\"\x{00e9}\x{05d0}\x{4e66}\x{1F4DA}\"",
    "\"\x7f\x{80}\x{ffff}\x{10ffff}\"", '"\"items\":["',
);

sub value {
    my ($self, $depth) = @_;

    if ($depth > 0 && $self->chance(0.25)) {
        return $self->array(map { $self->value($depth - 1) }
                            1 .. $self->number(4));
    }

    if ($depth > 0 && $self->chance(0.25)) {
        return $self->object(map { [$self->one_of(@NAMES, 'id', 'items'),
                                    $self->value($depth - 1)] }
                             1 .. $self->number(4));
    }

    return bytes($self->one_of(@SCALARS));
}


sub object {
    my ($self, @members) = @_;

    return $self->join_up('{', '}', map {
        $self->write_text($_->[0], 0.05) . $self->space . ':' . $self->space
        . $_->[1]
    } @members);
}


sub array {
    my ($self, @values) = @_;

    return $self->join_up('[', ']', @values);
}


sub join_up {
    my ($self, $open, $close, @parts) = @_;

    my $text = $open . $self->space;

    for my $i (0 .. $#parts) {
        $text .= $self->space . ',' . $self->space if $i > 0;
        $text .= $parts[$i];
    }

    return $text . $self->space . $close;
}


sub space {
    my ($self) = @_;

    return '' if $self->chance(0.8);
    return $self->one_of(' ', "\n", "\t", "\r\n", '    ', " \n\t\r ");
}


# An id: a reference to digits, or a list of code points in a Perl string, which
# may hold surrogates.

my @ID_TEXTS = (
    'b1', 'b2', 'b10', 'B1', ' b1', 'b1 ', "b1\0", "\0", "a\nb", "a\r\n+OK\r\n",
    "\r\n\$2\r\nb1\r\n", '*3', '$-1', '"', '""', 'a"b', '\\', '\\u0062', "a'b",
    '%s%n', '{tag}', '/', '[]', '{}', 'null', '-1', '007', '1.0', "\t", "\x7f",
    "\x{e9}", "e\x{301}", "\x{436}\x{443}\x{43a}", "\x{5e1}\x{5e4}\x{5e8}",
    "\x{627}\x{644}", "\x{4e66}\x{7c4d}", "\x{1F4DA}", "\x{fffd}", "\x{10ffff}",
);

my @ID_NUMBERS = (
    '0', '1', '-1', '42', '9007199254740992', '9007199254740993',
    '-9007199254740993', '18446744073709551616',
    '123456789012345678901234567890',
);

my @SURROGATES = ([0xD800], [0xDFFF], [0x62, 0xD83D], [0xDCDA, 0xD83D]);

sub id {
    my ($self) = @_;

    my $kind = $self->number(10);

    return { digits => $self->one_of(@ID_NUMBERS) } if $kind < 2;
    return { points => [map { ord } split //, $self->one_of(@ID_TEXTS)] }
        if $kind < 6;
    return { points => $self->one_of(@SURROGATES) } if $kind == 6;
    return { points => [map { ord } split //, 'x' x (1 + $self->number(400))] }
        if $kind == 7;

    return { points => [map { ord } split //, 'b' . $self->number(1000)] };
}


sub id_bytes {
    my ($id) = @_;

    return $id->{digits} // join '', map { Recs::Reference::utf8_bytes($_) }
                                     @{ $id->{points} };
}


sub write_id {
    my ($self, $id) = @_;

    return $id->{digits}
             . ($self->chance(0.2) && length $id->{digits} < 10
                ? $self->one_of('.0', '.000', 'e0', 'E-00', '.0e+0') : '')
        if defined $id->{digits} && !$self->chance(0.3);

    my @points = $id->{points} ? @{ $id->{points} }
                               : map { ord } split //, $id->{digits};

    return $self->write_points($self->one_of(0, 0, 0.2, 1), @points);
}


sub write_text {
    my ($self, $text, $escaped) = @_;

    return $self->write_points($escaped, map { ord } split //, $text);
}


my %SHORT = (0x08 => 'b', 0x0C => 'f', 0x0A => 'n', 0x0D => 'r', 0x09 => 't',
             0x22 => '"', 0x5C => '\\', 0x2F => '/');

# A JSON string; $escaped: how likely a character is that need not be.

sub write_points {
    my ($self, $escaped, @points) = @_;

    my $out = '"';

    for my $c (@points) {
        my $must = $c < 0x20 || $c == 0x22 || $c == 0x5C;

        if (!$must && !$self->chance($escaped)) {
            $out .= Recs::Reference::utf8_bytes($c);

        } elsif ($SHORT{$c} && $self->chance(0.5)) {
            $out .= "\\$SHORT{$c}";

        } elsif ($c < 0x10000) {
            $out .= $self->unicode_escape($c);

        } else {
            $c -= 0x10000;
            $out .= $self->unicode_escape(0xD800 + ($c >> 10))
                  . $self->unicode_escape(0xDC00 + ($c & 0x3FF));
        }
    }

    return "$out\"";
}


sub unicode_escape {
    my ($self, $unit) = @_;

    return sprintf $self->chance(0.5) ? '\\u%04x' : '\\u%04X', $unit;
}


sub bytes {
    my ($text) = @_;

    utf8::encode($text);
    return $text;
}


1;
