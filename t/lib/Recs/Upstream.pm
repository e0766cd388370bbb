package Recs::Upstream;

=head1 NAME

Recs::Upstream - an HTTP/1 origin whose every byte a test decides

=head1 SYNOPSIS

Made by C<< $t->upstream(...) >> of L<Recs::Test>.

    my $api = $t->upstream($page);              # 200, application/json, always

    my $api = $t->upstream(sub {
        my ($req) = @_;

        return { status => 404 } if $req->{path} ne '/page';
        return page_of($req->{args}{user});     # a body: as above
    });

    return { headers => ['X-Model' => 'als-7'], body => $page };
    return { framing => 'chunked', body => ['{"items":', \0.2, '[]}'] };
    return { body => $page, piece => 7, delay => 0.001 };
    return { body => $page, cut => 100 };       # says its length, sends 100
    return { raw => ["HTTP/1.1 200 OK\r\n", \0.1, "\r\nabc"] };

    $api->requests;                 # what came: hashes as $req
    $api->requests(2);              # waits until there are two
    $api->clear;                    # forgets them
    $api->address;                  # 127.0.0.1:12345 or unix:/path:
    $api->stop;                     # closes everything; start() opens again

=head1 DESCRIPTION

A request (C<$req>) has C<method>, C<target>, C<path>, C<query>, C<args>
(decoded), C<version>, C<headers> (lower-case names; repeated ones joined by
", "), C<fields> (pairs as they came), C<body>, C<raw> (the header's bytes),
C<connection> (counted from 1), C<number> (on its connection).

A response may say:

    status   200            reason   of the status
    headers  [n => v, ...]  sent after the automatic ones
    type     application/json   undef: no Content-Type
    body     bytes, or an array of pieces: each is one write; a reference to
             a number is a pause in seconds
    piece    N              cut the body in pieces of N bytes
    delay    seconds        between pieces;  wait: before the status line
    held     a file's path  nothing is sent until that file is there
    framing  length, chunked (a piece is a chunk), close
    length   N              a Content-Length that isn't true
    cut      N              close after N bytes of the body (with chunked: no
                            last chunk)
    reset    1              where it closes, by RST
    raw      pieces         everything, instead of all that

Each connection is served by a process of its own, so a handler may wait; what
it changes in variables is seen by later requests of that connection only, and
not by the test.

=cut

use strict;
use warnings;

use parent 'Recs::Server';

use Time::HiRes qw(sleep);

my %REASON = (
    200 => 'OK', 204 => 'No Content', 206 => 'Partial Content',
    301 => 'Moved Permanently', 302 => 'Found', 304 => 'Not Modified',
    400 => 'Bad Request', 403 => 'Forbidden', 404 => 'Not Found',
    500 => 'Internal Server Error', 502 => 'Bad Gateway',
    503 => 'Service Unavailable',
);


sub new {
    my ($class, %opt) = @_;

    my $handler = $opt{handler};
    $opt{handler} = sub { $handler } if ref $handler ne 'CODE';

    return $class->SUPER::new(%opt);
}


# To be put after "http://" in proxy_pass.

sub address {
    my ($self) = @_;

    return $self->{path} ? "unix:$self->{path}:" : "127.0.0.1:$self->{port}";
}


sub requests {
    my ($self, $count) = @_;

    return $self->records($count);
}


# Below: in the server's process.

sub converse {
    my ($self, $stream, $connection) = @_;

    for (my $number = 1; ; $number++) {
        my $req = read_request($stream) or last;
        $req->{connection} = $connection;
        $req->{number} = $number;
        $self->note($req);

        my $res = $self->{handler}->($req);
        $res = { body => $res } if ref $res ne 'HASH';

        my $stay = $self->{keepalive}
            && lc($req->{headers}{connection} // '') ne 'close';

        last if !answer($stream, $req, $res, $stay);
    }
}


sub read_request {
    my ($stream) = @_;

    my $found = $stream->fill_until(
        sub { $stream->{in} =~ /\r\n\r\n/ ? $+[0] : 0 }, 600) or return;

    my $raw = substr $stream->{in}, 0, $found, '';
    my ($first, @lines) = split /\r\n/, $raw;
    my ($method, $target, $version) = split / /, $first;
    my ($path, $query) = split /\?/, $target, 2;

    my (@fields, %headers);
    for (@lines) {
        my ($name, $value) = /\A([^:]+):\s*(.*?)\s*\z/s or next;
        push @fields, $name, $value;
        my $old = $headers{ lc $name };
        $headers{ lc $name } = defined $old ? "$old, $value" : $value;
    }

    my %args = map { unescape($_) }
               map { /=/ ? split(/=/, $_, 2) : ($_, '') }
               split /&/, $query // '';

    my $body = '';
    $body = $stream->take($headers{'content-length'}, 60)
        if $headers{'content-length'};

    return {
        raw => $raw, method => $method, target => $target, path => $path,
        query => $query // '', args => \%args, version => $version,
        fields => \@fields, headers => \%headers, body => $body,
    };
}


sub unescape {
    my ($s) = @_;

    $s =~ tr/+/ /;
    $s =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return $s;
}


# Returns true if the connection stays open.

sub answer {
    my ($stream, $req, $res, $stay) = @_;

    sleep $res->{wait} if $res->{wait};

    if (defined $res->{held}) {
        sleep 0.01 while !-e $res->{held};
    }

    if ($res->{raw}) {
        $stream->write_pieces(ref $res->{raw} ? @{ $res->{raw} } : $res->{raw});
        $stream->reset if $res->{reset};
        return 0;
    }

    my $body = $res->{body} // '';
    my @pieces = ref $body eq 'ARRAY' ? @$body : split_up($body, $res);
    my $framing = $res->{framing} // 'length';

    $stay = 0 if $framing eq 'close' || defined $res->{cut} || $res->{reset};
    $stream->write(head($res, $framing, $stay, @pieces));

    my $bare = $req->{method} eq 'HEAD' || ($res->{status} // 200) == 204
               || ($res->{status} // 200) == 304;

    if (!$bare) {
        @pieces = cut_off($res->{cut}, @pieces) if defined $res->{cut};

        if ($framing eq 'chunked') {
            @pieces = map {
                ref $_ ? $_ : length $_ ? sprintf("%x\r\n%s\r\n", length $_, $_)
                : ()
            } @pieces;
            push @pieces, "0\r\n\r\n" if !defined $res->{cut};
        }

        $stream->write_pieces(@pieces);
    }

    $stream->reset if $res->{reset};
    return $stay;
}


sub split_up {
    my ($body, $res) = @_;

    return $body if !$res->{piece};

    my @pieces;
    while (length $body) {
        push @pieces, \$res->{delay} if @pieces && $res->{delay};
        push @pieces, substr $body, 0, $res->{piece}, '';
    }

    return @pieces;
}


sub cut_off {
    my ($left, @pieces) = @_;

    my @out;
    for my $piece (@pieces) {
        if (!ref $piece) {
            last if $left <= 0;
            $piece = substr $piece, 0, $left;
            $left -= length $piece;
        }
        push @out, $piece;
    }

    return @out;
}


sub head {
    my ($res, $framing, $stay, @pieces) = @_;

    my $status = $res->{status} // 200;
    my $reason = $res->{reason} // $REASON{$status} // 'Status';
    my @fields = @{ $res->{headers} // [] };
    my $type = exists $res->{type} ? $res->{type} : 'application/json';

    unshift @fields, 'Content-Type' => $type if defined $type;
    push @fields, 'Connection' => $stay ? 'keep-alive' : 'close';

    if ($status == 204 || $status == 304) {
        # has no body

    } elsif ($framing eq 'chunked') {
        push @fields, 'Transfer-Encoding' => 'chunked';

    } elsif ($framing eq 'length') {
        my $length = 0;
        $length += length $_ for grep { !ref $_ } @pieces;
        push @fields, 'Content-Length' => $res->{length} // $length;
    }

    my $head = "HTTP/1.1 $status $reason\r\n";
    while (my ($name, $value) = splice @fields, 0, 2) {
        $head .= "$name: $value\r\n";
    }

    return "$head\r\n";
}


1;
