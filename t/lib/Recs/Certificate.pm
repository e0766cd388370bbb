package Recs::Certificate;

=head1 NAME

Recs::Certificate - certificates made on the spot, by openssl

=head1 SYNOPSIS

Authorities come from C<< $t->authority >> of L<Recs::Test>.

    my $ca = $t->authority;             # %%CA%% is its certificate's file
    my $other = $t->authority('other'); # %%OTHER%%: one that nobody trusts

    my $cert = $ca->issue('redis');     # for the names of this machine
    my $cert = $ca->issue('wrong', names => ['elsewhere.test']);
    my $cert = $ca->issue('old', expired => 1);
    my $cert = $ca->issue('client');

    $cert->file;  $cert->key;           # PEM files
    $ca->file;

=head1 DESCRIPTION

A certificate is good for servers and for clients.  It has C<names>, host names
and IP addresses: 127.0.0.1, ::1, localhost and redis.test where none are
given.  One that is C<expired> was valid for a day in 2020.

=cut

use strict;
use warnings;

use File::Path qw(make_path);
use Recs::Process qw(run spew);

my @NAMES = qw(127.0.0.1 ::1 localhost redis.test);
my @NEW_KEY = qw(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes);


# An authority, whose files are in $dir: its own certificate, and what it
# issues.

sub authority {
    my ($class, $dir, $name) = @_;

    my $self = bless { dir => $dir, name => 'authority' }, $class;

    make_path($dir);
    spew("$dir/index", '');
    spew("$dir/ca.conf", <<"END");
[ca]
default_ca = authority

[authority]
database = $dir/index
new_certs_dir = $dir
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copyall

[any]
commonName = supplied
END

    openssl('req', '-x509', @NEW_KEY, '-days', 30, '-subj', "/CN=$name",
            '-keyout', $self->key, '-out', $self->file);
    return $self;
}


# A certificate named $name, and its key, of this authority.  Options: names,
# expired.

sub issue {
    my ($self, $name, %opt) = @_;

    my $cert = bless { dir => $self->{dir}, name => $name }, ref $self;
    my $request = "$self->{dir}/$name.request";

    my $names = join ',', map { (/\A[\d.]+\z|:/ ? 'IP:' : 'DNS:') . $_ }
                          @{ $opt{names} // \@NAMES };
    my @dates = $opt{expired} ? ('-startdate', '20200101000000Z',
                                 '-enddate', '20200102000000Z')
                              : ('-days', 30);

    openssl('req', '-new', @NEW_KEY, '-subj', "/CN=$name",
            '-addext', 'basicConstraints=critical,CA:FALSE',
            '-addext', "subjectAltName=$names",
            '-keyout', $cert->key, '-out', $request);
    openssl('ca', '-batch', '-notext', '-config', "$self->{dir}/ca.conf",
            '-cert', $self->file, '-keyfile', $self->key, @dates,
            '-in', $request, '-out', $cert->file);
    return $cert;
}


sub file { return "$_[0]{dir}/$_[0]{name}.pem" }
sub key  { return "$_[0]{dir}/$_[0]{name}.key" }


sub openssl {
    my ($code, $said) = run('openssl', @_);

    die "openssl $_[0]: $said" if $code ne '0';
}


1;
