package Recs::Response;

=head1 NAME

Recs::Response - an HTTP response as it came

=head1 SYNOPSIS

    $r->status;                     # 200; 0 if there was none
    $r->header('Content-Type');     # values joined by ", "; undef: none
    $r->headers('Set-Cookie');      # each value
    $r->header_names;               # in order, as they were written
    $r->body;                       # bytes, after chunked decoding
    $r->json;                       # the body decoded (Perl data)
    $r->complete;                   # false: cut off
    $r->error;                      # then why
    $r->raw;                        # all bytes (HTTP/1)
    $r->version;                    # 1.0, 1.1 or 2

=cut

use strict;
use warnings;

use JSON::PP ();


# fields: [name, value]... in order

sub new {
    my ($class, %self) = @_;

    return bless { status => 0, fields => [], body => '', raw => '', %self },
           $class;
}


sub status   { return $_[0]{status} }
sub reason   { return $_[0]{reason} }
sub version  { return $_[0]{version} }
sub body     { return $_[0]{body} }
sub raw      { return $_[0]{raw} }
sub error    { return $_[0]{error} }
sub complete { return $_[0]{complete} ? 1 : 0 }


sub headers {
    my ($self, $name) = @_;

    return map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $self->{fields} };
}


sub header {
    my ($self, $name) = @_;

    my @values = $self->headers($name);
    return @values ? join(', ', @values) : undef;
}


sub header_names {
    my ($self) = @_;

    return map { $_->[0] } @{ $self->{fields} };
}


sub json {
    my ($self) = @_;

    return JSON::PP->new->utf8->allow_nonref->allow_bignum
                   ->decode($self->{body});
}


1;
