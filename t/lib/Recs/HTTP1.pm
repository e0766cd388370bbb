package Recs::HTTP1;

=head1 NAME

Recs::HTTP1 - an HTTP/1 client that can also misbehave

=head1 SYNOPSIS

    my $c = Recs::HTTP1->new(port => $port);      # or path =>, host =>

    my $r = $c->get('/page?user=u1');             # keep-alive by default
    my $r = $c->get('/page', 'If-None-Match' => '"x"', 'Range' => 'bytes=0-9');
    my $r = $c->request('HEAD', '/page', Host => 'example.org');
    my $r = $c->request('POST', '/page', { body => 'a=1' },
                        'Content-Type' => 'application/x-www-form-urlencoded');

    $c->send('GET', '/1');                        # pipelining
    $c->send('GET', '/2');
    my ($one, $two) = ($c->response, $c->response);

    my $head = $c->head;                          # stop after the header
    my $bytes = $c->take(100);                    # then read partly
    $c->reset;                                    # and leave with RST
    $c->close;                                    # or FIN

    $c->write("GET / HTTP/1.0\r\n\r\n");          # raw bytes (tell what was
    $c->expect('GET');                            # asked, for the reading)

It is a L<Recs::Stream>.  Responses are L<Recs::Response>s.

=cut

use strict;
use warnings;

use parent 'Recs::Stream';

use Recs::Response;


sub get {
    my ($self, $target, @fields) = @_;

    return $self->request('GET', $target, @fields);
}


sub request {
    my ($self, $method, $target, @fields) = @_;

    $self->send($method, $target, @fields);
    return $self->response;
}


# An optional hash before the fields: body, version ('1.0').

sub send {
    my ($self, $method, $target, @fields) = @_;

    my %opt = ref $fields[0] ? %{ shift @fields } : ();
    my $version = $opt{version} // '1.1';
    my %has = map { $_ % 2 == 0 ? (lc $fields[$_] => 1) : () } 0 .. $#fields;

    unshift @fields, Host => 'localhost' if !$has{host};
    push @fields, 'Content-Length' => length $opt{body}
        if defined $opt{body} && !$has{'content-length'};

    my $bytes = "$method $target HTTP/$version\r\n";

    while (my ($name, $value) = splice @fields, 0, 2) {
        $bytes .= "$name: $value\r\n";
    }

    $self->write("$bytes\r\n" . ($opt{body} // ''));
    $self->expect($method);
    return $self;
}


sub expect {
    my ($self, $method) = @_;

    push @{ $self->{asked} }, $method;
    return $self;
}


# The status line and header fields of the next response; its body is unread.

sub head {
    my ($self, $seconds) = @_;

    my $method = shift @{ $self->{asked} } // 'GET';
    my $r;

    do {
        $r = $self->read_head($seconds);
        $r->{method} = $method;
    } while (!$r->{error} && $r->{status} < 200 && $r->{status} != 101);

    return $r;
}


sub read_head {
    my ($self, $seconds) = @_;

    my $found = $self->fill_until(
        sub { $self->{in} =~ /\r?\n\r?\n/ ? $+[0] : 0 }, $seconds);

    if (!$found) {
        return Recs::Response->new(raw => $self->{in},
                                   error => $self->{ended} // 'timeout');
    }

    my $raw = substr $self->{in}, 0, $found, '';
    my ($first, @lines) = split /\r?\n/, $raw;
    my $r = Recs::Response->new(raw => $raw);

    if ($first =~ m{\AHTTP/(1\.\d) (\d{3})(?: (.*))?\z}) {
        @$r{qw(version status reason)} = ($1, $2, $3);
    } else {
        $r->{error} = "bad status line: $first";
    }

    for my $line (@lines) {
        if ($line =~ /\A([!#\$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*\z/) {
            push @{ $r->{fields} }, [$1, $2];
        } else {
            $r->{error} = "bad header line: $line";
        }
    }

    return $r;
}


# The next response, whole.  A timeout counts from the last byte that came.

sub response {
    my ($self, $seconds) = @_;

    my $r = $self->head($seconds);
    return $r if $r->{error};

    return $self->read_body($r, $seconds);
}


# The body that belongs to what head() returned.

sub read_body {
    my ($self, $r, $seconds) = @_;

    my $coding = lc($r->header('Transfer-Encoding') // '');
    my $length = $r->header('Content-Length');

    if ($r->{method} eq 'HEAD' || $r->{status} == 204 || $r->{status} == 304) {
        $r->{complete} = 1;

    } elsif ($coding eq 'chunked') {
        $r->{framing} = 'chunked';
        $self->read_chunks($r, $seconds);

    } elsif (defined $length) {
        $r->{framing} = 'length';
        $r->{body} = $self->take($length, $seconds);
        $r->{raw} .= $r->{body};
        $r->{complete} = length $r->{body} == $length;
        $r->{error} = 'cut: ' . ($self->{ended} // 'timeout')
            if !$r->{complete};

    } else {
        $r->{framing} = 'close';
        $r->{body} = $self->rest($seconds);
        $r->{raw} .= $r->{body};
        $r->{complete} = ($self->{ended} // '') eq 'closed';
        $r->{error} = $self->{ended} // 'timeout' if !$r->{complete};
    }

    return $r;
}


# $r->{chunks} gets the chunks' sizes.

sub read_chunks {
    my ($self, $r, $seconds) = @_;

    while (1) {
        my $line = $self->line($seconds);
        last if !defined $line;
        $r->{raw} .= $line;

        if ($line !~ /\A([0-9a-fA-F]+)\s*(?:;.*)?\r\n\z/s) {
            $r->{error} = "bad chunk size: $line";
            return;
        }

        my $size = hex $1;

        if ($size == 0) {
            $self->read_trailers($r, $seconds);
            return;
        }

        my $data = $self->take($size + 2, $seconds);
        $r->{raw} .= $data;
        push @{ $r->{chunks} }, $size;

        last if length $data < $size + 2;

        if (substr($data, $size) ne "\r\n") {
            $r->{error} = 'bad end of chunk';
            return;
        }

        $r->{body} .= substr $data, 0, $size;
    }

    $r->{error} = 'cut: ' . ($self->{ended} // 'timeout');
}


sub read_trailers {
    my ($self, $r, $seconds) = @_;

    while (defined(my $line = $self->line($seconds))) {
        $r->{raw} .= $line;

        if ($line eq "\r\n") {
            $r->{complete} = 1;
            return;
        }

        push @{ $r->{trailers} }, [$1, $2]
            if $line =~ /\A([^:]+):\s*(.*?)\s*\z/s;
    }

    $r->{error} = 'cut: ' . ($self->{ended} // 'timeout');
}


1;
