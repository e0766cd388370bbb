use strict;
use warnings;

# What the code has, the reference has: each directive with its syntax, context
# and an example, each option, variable, header, state, reason and member; and
# what the reference has, a test uses.  nginx takes the examples of documents
# whose commands no other test runs.

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(basename);
use Recs::Process qw(slurp);
use Recs::Test;
use Test::More;

my $root = "$FindBin::Bin/..";
my @sources = (glob("$root/src/*/*.c"), glob("$root/src/*/*/*.c"));
my %source = map { (basename($_) => slurp($_)) } @sources;
my %document = map { (basename($_) => slurp($_)) } glob "$root/docs/*.md";
my $tests = join '', map { slurp($_) } grep { $_ !~ /doc_reference/ }
            glob "$root/t/*.t";

my $t = Recs::Test->new;


# Is it there?  (like() would print the whole document.)

sub has {
    my ($text, $pattern, $name) = @_;
    ok $text =~ $pattern, $name;
}



# In code: by itself, or as part of it.

sub mentioned {
    my ($word) = @_;
    return qr/`[^`\n]*\b$word\b[^`\n]*`|"$word":/;
}


my $directives = $document{'directives.md'};
my %section = $directives =~ /^## (recs\w*(?:, recs\w+)*)\n(.*?)(?=^## |\z)/gms;
my $variables = $document{'variables-and-headers.md'};


subtest 'directives' => sub {
    my $table = $source{'ngx_http_recs_directives.c'};
    my @names = $table =~ /\{ ngx_string\("(recs\w*)"\),/g;
    cmp_ok scalar @names, '>', 30, 'there are directives';

    for my $name (@names) {
        my ($title) = grep { /\b$name\b/ } sort keys %section;
        my $text = defined $title ? $section{$title} : '';

        has $text, qr/\A\n(?:    .*\n)*?    $name\b/, "$name: syntax";
        has $text, qr/^    (?:[^\n]*\n    )*context: /m, 'context';
        has $text, qr/^```nginx\n(?:(?!```).*\n)*?.*\b$name\b/m,
            'an example';
        has $directives, qr/\[(?:[\w, ]*, )?$name(?:, \w+)*\]\(#\w/,
            'in the list';
        has $tests, qr/\b$name\b/, 'a test uses it';
    }

    my %known = map { $_ => 1 } @names;
    is join(' ', grep { !$known{$_} } map { split /, / } sort keys %section),
        '', 'no other is documented';
};


subtest 'options' => sub {
    my $options = 0;

    for my $file (sort grep { /_conf\.c\z/ } keys %source) {
        my $text = $source{$file};

        for my $option ($text =~ /"(\w+=)"/g) {
            $options++;
            has $directives, qr/\b$option/, "$file: $option";
        }
    }

    cmp_ok $options, '>', 60, 'there are options';

    my $redis = $section{recs_redis};
    for my $line ($source{'ngx_http_recs_redis_conf.c'}
                  =~ /\{ ngx_string\("([a-z_]+)"\),/g) {
        has $redis, qr/`$line [\w\[]/, "recs_redis: $line";
    }
};


subtest 'variables and headers' => sub {
    my @variables = $source{'ngx_http_recs_variables.c'}
                    =~ /\{ ngx_string\("recs_(\w+)"\)/g;
    cmp_ok scalar @variables, '>', 15, 'there are variables';

    for my $name (@variables) {
        my $documented = $name =~ /_\z/ ? "${name}NAME" : $name;
        has $variables, qr/`\$recs_$documented`/, "\$recs_$name";
        has $tests, qr/\$\{?recs_$name/, 'a test uses it';
    }

    my %headers = map { $_ => 1 } map { /"(Recs-[\w-]+)"/g } values %source;
    cmp_ok scalar keys %headers, '>', 6, 'there are headers';

    for my $name (sort keys %headers) {
        has $variables, qr/^\| `$name` \|/m, $name;
        has $tests, qr/\b$name\b/, 'a test reads it';
    }
};


subtest 'words' => sub {
    my @words = $source{'ngx_http_recs_names.c'} =~ /ngx_string\("(\w+)"\)/g;
    push @words, map { /why = "(\w+)"/g } @source{ grep { /^ngx_http_/ }
                                                   sort keys %source };
    cmp_ok scalar @words, '>', 25, 'there are words';
    has $variables, mentioned($_), $_ for sort { $a cmp $b } keys %{
        { map { $_ => 1 } @words } };

    my %members = map { $_ => 1 }
                  map { /recs_write_key\([^"]*"(\w+)"\)/g } values %source;
    my $all = join '', values %document;
    cmp_ok scalar keys %members, '>', 20, 'there are members of JSON';
    has $all, mentioned($_), $_ for sort keys %members;
};


# t/doc_examples.t has those of documents with commands.

subtest 'examples of documents without commands' => sub {
    my $n = 0;

    for my $name (sort grep { $document{$_} !~ /^```sh\b/m } keys %document) {
        for my $block ($document{$name} =~ /^```nginx\n(.*?)^```/msg) {
            $n++;
            takes("$name: example $n", $block);
        }
    }

    cmp_ok $n, '>', 3, 'there are examples';
};


$t->done;


# Does nginx take it, with files in place of those that it names?

sub takes {
    my ($title, $block) = @_;

    my $authority = $t->authority->file;
    my $edge = $t->{edge} //= $t->authority->issue('edge');
    my ($certificate, $key) = ($edge->file, $edge->key);
    my $secret = $t->write('secret', "secret\n");

    $block =~ s{(password_file=)\S+?(?=[;\s])}{$1$secret}g;
    $block =~ s{\bredis-ca\.pem}{$authority}g;
    $block =~ s{\bedge\.pem}{$certificate}g;
    $block =~ s{\bedge\.key}{$key}g;
    $block =~ s{\b(?:db\.example|redis\.example\.net)\b}{127.0.0.1}g;

    my ($code, $said) = $t->nginx_test($block);

    # Debian 12's hiredis knows no RESP3.
    ($code, $said) = $t->nginx_test($block =~ s/\bprotocol 3;//r)
        if $said =~ /was built with a hiredis older than 1\.0/;

    is $code, 0, $title or diag($said);
    return;
}
