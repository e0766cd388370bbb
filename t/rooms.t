use strict;
use warnings;

# The rooms of src/ include and call each other only as the map in
# docs/architecture.md says; and in the map all arrows lead downward.

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

my @included = includes(%files);
my @called = calls(%files);
cmp_ok scalar(@included), '>', 100, 'includes from room to room';
cmp_ok scalar(@called), '>', 100, 'calls';

none([forbidden(\%map, @included, @called)],
     'nothing goes where no arrow leads');
none([unused(\%map, @included, @called)], 'no arrow leads where nothing goes');


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

    is_deeply [grep { /made_up/ } forbidden(\%map, includes(%copy),
                                            calls(%copy))],
        ['recs_made_up.c includes ngx_recs_ask.h: page → facts/ask',
         'recs_made_up.c calls ngx_recs_redis_exit_worker(): page → redis'],
        'two arrows that it lacks';

    my %more = (%map, page => { %{ $map{page} }, to => ['redis'] });

    is_deeply [grep { /^page/ } unused(\%more, @included, @called)],
        ['page → redis'], 'an arrow too many';

    is_deeply [upward(map_of("$heading\n\n    a → b c\n    b →\n    c → b\n"))],
        ['c → b'], 'an arrow upward';
    is_deeply [upward(map_of("$heading\n\n    a/b → a/c\n    a/c → a d\n"))],
        ['a/c → a', 'a/c → d'], 'to the rooms around, or to none';
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
        $map{$1} = { line => $line++, to => [split ' ', $2] };
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


# What a file uses of another room: where from, where to, how, and what.

sub includes {
    my (%files) = @_;

    my @uses;

    for my $name (sort keys %files) {
        my $text = slurp($files{$name}{path});

        while ($text =~ /^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]/mg) {
            my $to = $files{basename($1)} or next;
            push @uses, { file => $name, from => $files{$name}{room},
                          to => $to->{room}, how => 'includes',
                          what => basename($1) };
        }
    }

    return grep { $_->{from} ne $_->{to} } @uses;
}


sub calls {
    my (%files) = @_;

    my %of = map { $files{$_}{object} => $_ } grep { /\.c\z/ } keys %files;
    my ($code, $symbols) = run('nm', '-A', sort keys %of);
    die "nm: $symbols\n" if $code ne '0';

    # "PATH:0000000000001130 T name", "PATH:                 U name".  Data have
    # other letters, and so are not found among the functions.
    my %room = map { $_->[1] => $files{$of{$_->[0]}}{room} }
               pairs($symbols =~ /^(.+):\S+ T (\S+)$/mg);

    my @uses;

    for my $call (pairs($symbols =~ /^(.+): +U (\S+)$/mg)) {
        my ($name, $function) = ($of{$call->[0]}, $call->[1]);

        push @uses, { file => $name, from => $files{$name}{room},
                      to => $room{$function}, how => 'calls',
                      what => "$function()" }
            if $room{$function};
    }

    return grep { $_->{from} ne $_->{to} } @uses;
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
            push @unused, "$from → $name"
                if !grep { $used{"$from → $_"} } ends($map, $name);
        }
    }

    return @unused;
}
