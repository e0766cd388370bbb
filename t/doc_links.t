use strict;
use warnings;

# What a document links to in the repository is there: the file, and the
# heading; and documents that configurations, programs and sources name.

use FindBin;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

my $root = abs_path("$FindBin::Bin/..");

sub text {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!\n";
    local $/;
    return scalar <$file>;
}

# As GitHub makes them of headings.

sub anchors {
    my ($path) = @_;
    my @headings = text($path) =~ /^#+ +(.*?) *$/mg;
    return { map { (lc =~ s/[^\w -]//gr =~ s/ /-/gr) => 1 } @headings };
}

my $links = 0;

for my $document ("$root/README.md", "$root/CHANGELOG.md",
                  glob("$root/docs/*.md"))
{
    my $name = $document =~ s{^\Q$root\E/}{}r;

    for my $link (text($document) =~ /\]\(([^)\s]+)\)/g) {
        next if $link =~ /^https?:/;

        my ($path, $anchor) = $link =~ /^([^#]*)#?(.*)/s;
        my $file = $path eq '' ? $document : dirname($document) . "/$path";

        $links++;
        ok(-e $file && ($anchor eq '' || anchors($file)->{$anchor}),
           "$name: $link");
    }
}

cmp_ok($links, '>', 50, 'there are links');

for my $path (grep { -f } map { glob "$root/$_" }
              qw(conf/* tools/* src/*/* src/*/*/* t/*.t t/bench/* t/lib/Recs/*
                 debian/*))
{
    my $name = $path =~ s{^\Q$root\E/}{}r;

    ok(-e "$root/$_", "$name: $_")
        for text($path) =~ m{(?<![\w/.-])(docs/[\w-]+\.md)\b}g;
}

done_testing;
