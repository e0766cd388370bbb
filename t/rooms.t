use strict;
use warnings;

# The rooms of src/ include and call each other only as the map in
# docs/architecture.md says; and in the map all arrows lead downward.  Nor do
# files of one room call each other in a circle.

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(basename dirname);
use File::Temp ();
use List::Util qw(pairs);
use Recs::Process qw(run slurp spew);
use Test::More;

my $root = "$FindBin::Bin/..";
my $objects = "$root/build/nginx/objs/addon";
my $heading = '## Map of the rooms';

my %map = map_of(slurp("$root/docs/architecture.md"));
my %files = files();
my %rooms = map { $_->{room} => 1 } values %files;

is_deeply [sort keys %map], [sort keys %rooms], 'the map has all rooms';
none([upward(%map)], 'its arrows lead downward');

none([grep { /\.c\z/ && !-e $files{$_}{object} } sort keys %files],
     'all is built (sh tools/build.sh)')
    or BAIL_OUT('objects are missing');

my @calls = calls(%files);
my @included = between(includes(%files));
my @called = between(@calls);
cmp_ok scalar(@included), '>', 100, 'includes from room to room';
cmp_ok scalar(@called), '>', 100, 'calls';

none([forbidden(\%map, @included, @called)],
     'nothing goes where no arrow leads');
none([unused(\%map, @included, @called)], 'no arrow leads where nothing goes');
none([circle(@calls)], 'no files call each other in a circle');


subtest 'what the map lacks is found' => sub {
    my $dir = File::Temp->newdir;
    my ($file, $object) = map { "$dir/recs_made_up.$_" } 'c', 'o';

    spew($file, <<'END');
#if 0
#  include "ngx_recs_ask.h"
#endif
void recs_hash_uniform(void);
void ngx_recs_redis_exit_worker(void);
void recs_made_up(void);
void recs_made_up(void) { recs_hash_uniform(); ngx_recs_redis_exit_worker(); }
END

    is +(run('gcc', '-c', $file, '-o', $object))[0], 0, 'a file is made up';

    my %copy = (%files, 'recs_made_up.c' => {
        room => 'page', path => $file, object => $object,
    });

    is_deeply [grep { /made_up/ } forbidden(\%map, between(includes(%copy),
                                                    calls(%copy)))],
        ['recs_made_up.c includes ngx_recs_ask.h: page → facts/ask',
         'recs_made_up.c calls ngx_recs_redis_exit_worker(): page → redis'],
        'two arrows that it lacks';

    my %more = (%map, page => { %{ $map{page} }, to => ['redis'] });

    is_deeply [grep { /^page/ } unused(\%more, @included, @called)],
        ['page → redis'], 'an arrow too many';

    my %all = (%map, 'facts/ask' => {
        %{ $map{'facts/ask'} }, to => ['facts'],
    });

    is_deeply [grep { /pools/ } unused(\%all, @included, @called)],
        ['facts/ask → facts/pools'], 'one too many of those that a name means';

    is_deeply [upward(map_of("$heading\n\n    a → b c\n    b →\n    c → b\n"))],
        ['c → b'], 'an arrow upward';
    is_deeply [upward(map_of("$heading\n\n    a/b → a/c\n    a/c → a d\n"))],
        ['a/c → a', 'a/c → d'], 'to the rooms around, or to none';
    is_deeply +{ map_of("$heading\n\n    a → b/{c,d} e\n") }->{a}{to},
        ['b/c', 'b/d', 'e'], 'names in braces';
};


subtest 'a circle of files is found' => sub {
    my $dir = File::Temp->newdir;
    my %copy = %files;

    # third also calls a file that is in no circle.
    for my $call ('first second', 'second third',
                  'third first recs_hash_uniform')
    {
        my ($name, @to) = split ' ', $call;
        my ($file, $object) = map { "$dir/$name.$_" } 'c', 'o';

        spew($file, join('', (map { "void $_(void);\n" } $name, @to),
                         "void $name(void) { ", (map { "$_(); " } @to), "}\n"));

        is +(run('gcc', '-c', $file, '-o', $object))[0], 0, "$name is made up";

        $copy{"$name.c"} = { room => 'page', path => $file,
                             object => $object };
    }

    is_deeply [circle(calls(%copy))],
        ['first.c → second.c → third.c → first.c'], 'a circle of three';

    delete $copy{'third.c'};
    is_deeply [circle(calls(%copy))], [], 'without one of them it is none';
};

done_testing;


sub none {
    my ($found, $name) = @_;

    return is(join("\n", @$found), '', $name);
}


# The block below the heading: "room → room room", a line each.

sub map_of {
    my ($document) = @_;

    my ($block) = $document =~ /^\Q$heading\E\n(.*?)(?=^#|\z)/ms
        or die "docs/architecture.md has no \"$heading\"\n";

    my %map;
    my $line = 0;

    while ($block =~ /^ {4}(\S+) +→ *(.*)$/mg) {
        die "\"$1\" is twice in the map\n" if $map{$1};
        # glob expands braces, too.
        $map{$1} = { line => $line++, to => [glob $2] };
    }

    return %map;
}


# Where an arrow leads: to a room, or, "facts" say, to all rooms in one that has
# no files of its own.

sub ends {
    my ($map, $name) = @_;

    return $map->{$name} ? $name : grep { m{^\Q$name\E/} } keys %$map;
}


sub upward {
    my (%map) = @_;

    my @upward;

    for my $from (sort { $map{$a}{line} <=> $map{$b}{line} } keys %map) {
        for my $name (@{ $map{$from}{to} }) {
            my @ends = ends(\%map, $name);

            push @upward, "$from → $name"
                if !@ends
                   || grep { $map{$_}{line} <= $map{$from}{line} } @ends;
        }
    }

    return @upward;
}


# Each source and header by its name, which no other has.

sub files {
    my %files;

    for my $path (map { glob "$root/src/$_/*.[ch]" } qw(* */*)) {
        my $name = basename($path);
        my $room = dirname($path) =~ s{^\Q$root\E/src/}{}r;

        die "$path and $files{$name}{path}\n" if $files{$name};

        # nginx's build calls a directory of objects as that of the sources.
        $files{$name} = {
            room => $room, path => $path,
            object => join('/', $objects, basename($room),
                           $name =~ s/\.c\z/.o/r),
        };
    }

    return %files;
}


# What a file uses of another: which both are, their rooms, how, and what.

sub includes {
    my (%files) = @_;

    my @uses;

    for my $name (sort keys %files) {
        my $text = slurp($files{$name}{path});

        while ($text =~ /^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]/mg) {
            my $to = $files{basename($1)} or next;
            push @uses, { file => $name, from => $files{$name}{room},
                          of => basename($1), to => $to->{room},
                          how => 'includes', what => basename($1) };
        }
    }

    return @uses;
}


sub calls {
    my (%files) = @_;

    my %of = map { $files{$_}{object} => $_ } grep { /\.c\z/ } keys %files;
    my ($code, $symbols) = run('nm', '-A', sort keys %of);
    die "nm: $symbols\n" if $code ne '0';

    # "PATH:0000000000001130 T name", "PATH:                 U name".  Data have
    # other letters, and so are not found among the functions.
    my %home = map { $_->[1] => $of{$_->[0]} }
               pairs($symbols =~ /^(.+):\S+ T (\S+)$/mg);

    my @uses;

    for my $call (pairs($symbols =~ /^(.+): +U (\S+)$/mg)) {
        my ($name, $function) = ($of{$call->[0]}, $call->[1]);
        my $of = $home{$function} or next;

        push @uses, { file => $name, from => $files{$name}{room},
                      of => $of, to => $files{$of}{room},
                      how => 'calls', what => "$function()" };
    }

    return @uses;
}


# The uses that go from room to room.

sub between {
    return grep { $_->{from} ne $_->{to} } @_;
}


# Files that call each other in a circle, if any do: one circle, as
# "a.c → b.c → a.c".

sub circle {
    my %calls;

    $calls{$_->{file}}{$_->{of}} = 1 for @_;

    # Who calls none of the others is in no circle, nor is who calls only such.
    while (1) {
        for my $of (values %calls) {
            delete @$of{grep { !$calls{$_} } keys %$of};
        }

        my @done = grep { !%{ $calls{$_} } } keys %calls or last;
        delete @calls{@done};
    }

    # From each that is left one comes into a circle.
    my ($file) = sort keys %calls or return;
    my @path;

    until (grep { $_ eq $file } @path) {
        push @path, $file;
        ($file) = sort keys %{ $calls{$file} };
    }

    shift @path while $path[0] ne $file;

    return join ' → ', @path, $file;
}


sub forbidden {
    my ($map, @uses) = @_;

    my @forbidden;

    for my $use (@uses) {
        my @to = map { ends($map, $_) } @{ $map->{$use->{from}}{to} };

        push @forbidden, "$use->{file} $use->{how} $use->{what}: "
                         . "$use->{from} → $use->{to}"
            if !grep { $_ eq $use->{to} } @to;
    }

    return @forbidden;
}


sub unused {
    my ($map, @uses) = @_;

    my %used = map { ("$_->{from} → $_->{to}" => 1) } @uses;
    my @unused;

    for my $from (sort keys %$map) {
        for my $name (@{ $map->{$from}{to} }) {
            push @unused, grep { !$used{$_} }
                          map { "$from → $_" } ends($map, $name);
        }
    }

    return @unused;
}
