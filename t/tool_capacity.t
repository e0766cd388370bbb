use strict;
use warnings;

# tools/capacity computes with what was measured, as docs/performance.md has it,
# and says what is wrong with an option.  (docs/capacity.md shows its tables,
# and t/doc_examples.t compares them.)

use FindBin;
use lib "$FindBin::Bin/lib";

use Recs::Process qw(slurp);
use Test::More;

my $root = "$FindBin::Bin/..";
my $tool = slurp("$root/tools/capacity");
my $measured = slurp("$root/docs/performance.md");


sub capacity {
    my $output = `perl $root/tools/capacity @_ 2>&1`;
    return ($? >> 8, $output);
}


# The cells of the table's only row, by the names of their columns.

sub row {
    my ($code, $output) = capacity('--requests=100000', @_);

    my ($head, undef, $row) = map { [split / *\| */] } split /\n/, $output;
    my %row;
    @row{@$head} = @$row;
    return \%row;
}


subtest 'its figures are those of docs/performance.md' => sub {
    my $figures = 0;

    my ($programs) = $tool =~ /^(my %EDGE.*?)^my \@ROW_RAM/ms;
    $programs =~ s/^my (?:\@LOG|\@RECORD_EDGE|\@CLUSTER|\@PAGE).*\n//mg;

    for my $us ($programs =~ /\b(\d+\.\d)\b/g) {
        my $seconds = sprintf '%.4f', $us / 1000;
        $figures++;
        like $measured, qr/\| \Q$seconds\E \|/, "$us us";
    }

    cmp_ok $figures, '>=', 18, 'CPU of all programs';

    my ($ram) = $tool =~ /^my \@ROW_RAM = (.*?\));/ms;
    $ram .= $tool =~ s/.*^my %SEEN = (.*?)\);.*/$1/msr
          =~ s/129 => \d+//r =~ s/\d+ =>//gr;

    for my $bytes ($ram =~ /(\d+)/g) {
        like $measured, qr/\| \Q$bytes\E \|/, "$bytes bytes";
    }
};


subtest 'what it computes' => sub {
    my @api = qw(--from=api --items=100);
    my $one = row(@api, '--sets=redis', '--users=1');
    is $one->{"edges' cores"}, '11.8', '59 us, and half of each core';

    my $whole = row(@api, '--sets=redis', '--users=1', '--busy=100%');
    is $whole->{"edges' cores"}, '5.9', 'and of all of it';

    is row(@api, '--sets=local')->{'Redis masters'}, 0, 'no Redis';

    my $rows = row('--from=redis', '--items=100', '--versions=3', '--seen=0');
    is $rows->{'their RAM, GB'}, 74, 'three versions of a million rows';
    is row('--from=redis', '--items=100', '--versions=3', '--seen=0',
           '--ram=8', '--requests=1')->{'Redis masters'}, 10, 'on as many';

    is row(@api, '--seen=128')->{'their RAM, GB'}, 3, 'a list of 128';
    is row(@api, '--seen=129')->{'their RAM, GB'}, 15, 'no list of 129';

    cmp_ok row(@api, '--record')->{"Redis' cores"}, '>',
        row(@api)->{"Redis' cores"}, 'what is recorded';
    cmp_ok row(@api, '--log')->{"edges' cores"}, '>',
        row(@api)->{"edges' cores"}, 'what is logged';
    cmp_ok row(@api, '--gbit=100')->{edges}, '<', row(@api)->{edges},
        'the network';
    is row(qw(--from=api --items=55 --sets=redis --busy=100)
          )->{"edges' cores"}, '4.2', 'between what was measured';
};


subtest 'options' => sub {
    for my $case (['--items=5', qr/--items must be numbers from 10 to 1000/],
                  ['--items=1001', qr/--items must be/],
                  ['--requests=x', qr/--requests must be numbers/],
                  ['--requests=0', qr/--requests must be numbers/],
                  ['--sets=none', qr/--sets is redis, replica or local/],
                  ['--from=file', qr/--from is api or redis/],
                  ['--busy=0', qr/--busy must be over 0/],
                  ['--busy=101', qr/--busy is at most 100/],
                  ['--users=many', qr/--users must be a number/],
                  ['--seen=1001', qr/--seen is at most 1000/],
                  ['--nothing', qr/--help says/], ['x', qr/--help says/])
    {
        my ($code, $said) = capacity($case->[0]);
        isnt $code, 0, $case->[0];
        like $said, $case->[1], 'says what is right';
    }

    my ($code, $help) = capacity('--help');
    is $code, 0, '--help';
    like $help, qr/--$_\b/, "names --$_"
        for $tool =~ /^#     --(\w+)/mg;
};

done_testing;
