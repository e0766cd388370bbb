use strict;
use warnings;

# docs/log.md has each line that the module writes into the error log, with its
# level, and no other.  What nginx -t says of a configuration that is wrong says
# itself what would be right, and is not there.

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp);
use Test::More;

my $root = "$FindBin::Bin/..";
my $LEAST = 4;                  # letters that make a line one that can be told

my $CONVERSION = qr/%%|%[0-9]*[uxXm.*]?[a-zA-Z]/;

my @documented = entries(slurp("$root/docs/log.md"));
my @logged = map { calls($_, slurp($_)) }
             glob("$root/src/*/*.c"), glob("$root/src/*/*/*.c");

cmp_ok(scalar @logged, '>', 70, 'lines in the source');


subtest 'each line of the source has its entry' => sub {
    for my $line (@logged) {
        my @entries = grep {
            $_->{text} =~ $line->{pattern} && $_->{fixed} eq $line->{fixed}
        } @documented;
        my $is = "$line->{file}: $line->{format}";

        ok(scalar @entries, $is) or next;
        $_->{used} = 1 for @entries;

        next if !defined $line->{level};
        ok((grep { $_->{levels}{ $line->{level} } } @entries),
           "... is logged as $line->{level}");
    }
};


subtest 'each entry has its line' => sub {
    ok($_->{used}, $_->{text}) for @documented;
};

done_testing;


# The rows of a document's tables that begin with a line and a level.

sub entries {
    my ($document) = @_;

    return map {
        my ($text, $levels) = @$_;
        { text => $text, fixed => $text =~ s/[^a-z]//gr,
          levels => { map { $_ => 1 } split /, /, $levels } }
    } map { [/^\| `([^`]+)` \| ([\w, ]+) \|/] }
      grep { /^\| `[^`]+` \| [a-z, ]+ \|/ } split /\n/, $document;
}


# The calls of ngx_log_error() in a source, and those of ngx_conf_log_error()
# that warn: what they say, as a pattern, and the level if it is always one.

sub calls {
    my ($file, $source) = @_;

    my @calls;
    $file =~ s{.*/}{};

    while ($source =~ /\bngx_(conf_)?log_error\(/g) {
        my $conf = $1;
        my ($level, undef, undef, $format) = arguments($source, pos $source);
        my $text = join '', map { /^"(.*)"\z/s ? $1 : '%s' }
                   $format =~ /("(?:[^"\\]|\\.)*"|\b[A-Z]\w+)/g;
        $text =~ s/\\(.)/$1/g;

        ($level) = $level =~ /^NGX_LOG_(\w+)$/;
        next if $conf && ($level // '') ne 'WARN';
        next if $text =~ tr/a-zA-Z// < $LEAST;

        push @calls, {
            file => $file, format => $text, pattern => pattern($text),
            fixed => $text =~ s/$CONVERSION//gr =~ s/[^a-z]//gr,
            level => defined $level ? lc $level =~ s/^ERR$/error/r : undef,
        };
    }

    return @calls;
}


# Those of a call, from behind its parenthesis on.

sub arguments {
    my ($source, $from) = @_;

    my @arguments = ('');
    my $depth = 0;
    pos($source) = $from;

    while ($source =~ /\G("(?:[^"\\]|\\.)*"|.)/gs) {
        my $part = $1;

        last if $part eq ')' && !$depth;
        $depth++ if $part eq '(';
        $depth-- if $part eq ')';

        if ($part eq ',' && !$depth) {
            push @arguments, '';
            next;
        }

        $arguments[-1] .= $part;
    }

    s/^\s+|\s+$//g for @arguments;
    return @arguments;
}


# Matches texts that the format may have become.  What it puts in stands in
# capitals in the document: all other letters are the same.

sub pattern {
    my ($format) = @_;

    my $pattern = join '', map {
        $_ eq '%%' ? '%' : /^%/ ? '.*?' : quotemeta
    } split /($CONVERSION)/, $format;

    return qr/\A$pattern\z/;
}
