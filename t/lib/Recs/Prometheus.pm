package Recs::Prometheus;

=head1 NAME

Recs::Prometheus - what a scrape says, read by the letter of its format

=head1 SYNOPSIS

    use Recs::Prometheus qw(exposition metric promtool);

    my $e = exposition($body);                  # dies of what is wrong
    my $e = exposition($body, open => 1);       # OpenMetrics

    $e->{nginx_recs_set_removed_total}          # type, help, unit, samples
    metric($e, 'nginx_recs_set_removed_total', set => 'seen')   # its value

    my $said = promtool($body);     # of check metrics; undef: there is none
    my $path = program('promtool'); # in PATH; undef: there is none

=head1 DESCRIPTION

The text format 0.0.4 and OpenMetrics 1.0, as far as the module writes them, and
what both ask for: HELP and TYPE once and before the values, a metric's values
together, no two of the same labels, UTF-8, no other escapes than those three.
And what Prometheus' own checker minds: counters end with C<_total>, nothing
else does; units are base units.

A metric is known by the name before C<_bucket>, C<_sum> and C<_count>, and with
C<_total> and C<_info> in either format.

=cut

use strict;
use warnings;

use Encode ();
use Exporter 'import';
use Recs::Process qw(run slurp spew);

our @EXPORT_OK = qw(exposition metric promtool program);

my $name = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my %suffix = (counter => '_total', info => '_info');


sub exposition {
    my ($body, %option) = @_;

    my $text = Encode::decode('UTF-8', "$body", Encode::FB_CROAK);
    my $open = $option{open};
    my (%families, $family, %series);

    $text =~ s/\n\z// or die "the last line does not end\n";
    die "there is no EOF\n" if $open && $text !~ s/\n# EOF\z//;

    for my $line (split /\n/, $text, -1) {
        if ($line =~ /\A# (HELP|TYPE|UNIT) ($name) (.*)\z/) {
            my ($what, $of, $says) = (lc $1, $2, $3);

            if ($what eq 'help') {
                die "$of is there twice\n" if grep { $_->{of} eq $of }
                                                   values %families;
                $family = { of => $of, help => $says, samples => [] };
                $families{$of} = $family;
                next;
            }

            die "$what of $of stands with $family->{of}\n"
                if $family->{of} ne $of;
            die "$what of $of comes late or twice\n"
                if @{ $family->{samples} } || exists $family->{$what};
            $family->{$what} = $says;
            known($family, $open) if $what eq 'type';
            next;
        }

        my ($of, $labels, $value) =
            $line =~ /\A($name)(?:\{(.*)\})? (\S+)\z/s
            or die "this is no value: $line\n";

        die "a value without a metric: $line\n" if !$family;
        belongs($family, $of);
        die "no number: $line\n"
            if $value !~ /\A(?:\d+(?:\.\d+)?|\+Inf|NaN)\z/;

        my %labels = labels($labels // '');
        my $key = join "\0", $of, map { ($_ => $labels{$_}) } sort keys %labels;
        die "there twice: $line\n" if $series{$key}++;

        push @{ $family->{samples} },
            { name => $of, labels => \%labels, value => $value };
    }

    return { map { ($_->{name} => $_) } values %families };
}


# The value with these labels, and any others; undef: there is none.

sub metric {
    my ($e, $of, %labels) = @_;

    my ($family) = $e->{$of} // $e->{ $of =~ s/_(?:bucket|sum|count)\z//r };

    my @found = grep {
        my $sample = $_;
        $sample->{name} eq $of
            && !grep { ($sample->{labels}{$_} // '') ne $labels{$_} }
                     keys %labels;
    } @{ ($family // { samples => [] })->{samples} };

    die "$of stands there ", scalar @found, " times\n" if @found > 1;

    return @found ? $found[0]{value} : undef;
}


# None is installed for the tests.

sub program {
    my ($name) = @_;

    return (grep { -x } map { "$_/$name" } split /:/, $ENV{PATH})[0];
}


sub promtool {
    my ($body) = @_;

    my $tool = program('promtool') or return;

    my $file = File::Temp->new;
    spew("$file", $body);

    return (run('sh', '-c', 'exec "$0" check metrics < "$1" 2>&1', $tool,
                "$file"))[1];
}


# A metric whose type was said.

sub known {
    my ($family, $open) = @_;

    my ($of, $type) = @$family{qw(of type)};

    die "$of has no help\n" if ($family->{help} // '') !~ /\S/;
    die "$of is of type $type\n"
        if $type !~ /\A(?:counter|gauge|histogram|info)\z/
        || $type eq 'info' && !$open;

    $family->{name} = $of;

    if ($open && $suffix{$type}) {
        $family->{name} .= $suffix{$type};
    }

    die "$of is a counter\n"
        if ($type eq 'counter') != ($family->{name} =~ /_total\z/);
    die "$of has an odd unit\n"
        if $of =~ /_(?:ms|us|msec|usec|kb|kilobytes|minutes|hours|percent)
                   (?:_|\z)/x;
    die "$of is not of this module\n" if $of !~ /\Anginx_recs_[a-z0-9_]+\z/;
}


sub belongs {
    my ($family, $of) = @_;

    return if $of eq $family->{name};
    return if $family->{type} eq 'histogram'
              && $of =~ /\A\Q$family->{name}\E_(?:bucket|sum|count)\z/;

    die "$of stands with $family->{name}\n";
}


sub labels {
    my ($text) = @_;

    my %labels;

    while ($text =~ /\G($name)="((?:[^"\\\n]|\\["\\n])*)"(?:,(?=.)|\z)/gcs) {
        my ($label, $value) = ($1, $2);

        die "$label is there twice: $text\n" if exists $labels{$label};
        $labels{$label} = $value =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ger;
    }

    die "no labels: $text\n" if (pos $text // 0) != length $text;

    return %labels;
}

1;
