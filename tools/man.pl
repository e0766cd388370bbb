#!/usr/bin/perl

# Writes a man page: what debian/rules and t/package.t make them with.
#
#     perl tools/man.pl ngx_http_recs_module.7
#     perl tools/man.pl recs-load-snapshot.1      # of tools/load-snapshot
#
# Nothing is said twice: the module's page has its directives from
# docs/directives.md, a program's page is the comment at its head.  The version
# is that of src/http/tell/ngx_http_recs_version.h, the date CHANGELOG.md's.

use strict;
use warnings;

use Cwd ();
use File::Basename qw(dirname);

my $ROOT = Cwd::abs_path(dirname(__FILE__) . '/..');

my ($page, $section) = ($ARGV[0] // '') =~ /^([\w-]+)\.([17])$/
    or die "usage: $0 PAGE.SECTION\n";

print head($page, $section),
      $page eq 'ngx_http_recs_module' ? module()
      : $page =~ /^recs-(.+)/         ? program($page, $1)
      :                                 die "$0: no page $page\n";


sub slurp {
    my ($file) = @_;

    open my $fh, '<', "$ROOT/$file" or die "$ROOT/$file: $!\n";
    local $/;
    return scalar <$fh>;
}


sub head {
    my ($name, $section) = @_;

    my ($version) = slurp('src/http/tell/ngx_http_recs_version.h')
                    =~ /NGX_HTTP_RECS_VERSION\s+"([^"]+)"/;
    my ($date) = slurp('CHANGELOG.md') =~ /^## \Q$version\E \(([\d-]+)\)$/m
        or die "$0: CHANGELOG.md has no \"## $version (DATE)\"\n";

    return ".\\\" Made by tools/man.pl.\n"
           . '.TH ' . uc($name) =~ s/-/\\-/gr . qq( $section "$date" )
           . qq("ngx_http_recs_module $version"\n);
}


# A program's page: the comment at its head.  What its first sentence begins
# with says what it does; lines that are indented stay as they are.

sub program {
    my ($name, $file) = @_;

    my ($comment) = slurp("tools/$file") =~ /^#!.*\n\n((?:#.*\n)+)/
        or die "$0: tools/$file has no comment at its head\n";

    $comment =~ s/^# ?//mg;
    my ($what) = $comment =~ /\A(.+?)(?:[:.]\s|\n\n)/s;
    $comment =~ s{\btools/\Q$file\E}{$name}g;
    $comment =~ s{\b(?:conf/)?recs\.lua}{/usr/share/recs-tools/recs.lua}g;
    $comment =~ s{\bdocs/}{/usr/share/doc/recs-tools/}g;

    my $body = '';
    for my $part (split /\n\n+/, $comment) {
        my ($text, $lines) = $part =~ /^((?:\S.*\n?)*)((?:.*\n?)*)$/;
        $body .= ".PP\n" . plain($text =~ s/\n$//r) . "\n" if $text ne '';
        $body .= ".PP\n.nf\n" . plain($lines =~ s/\n$//r) . "\n.fi\n"
            if $lines ne '';
    }

    return ".SH NAME\n" . plain($name) . ' \\- '
           . plain(lcfirst $what =~ s/\s+/ /gr) . "\n"
           . ".SH DESCRIPTION\n" . $body =~ s/^\.PP\n//r
           . ".SH SEE ALSO\n.BR ngx_http_recs_module (7)\n";
}


sub module {
    return <<'END' . directives() . <<'END';
.SH NAME
ngx_http_recs_module \- makes recommendation pages fit to show now
.SH SYNOPSIS
.nf
load_module modules/ngx_http_recs_module.so;

http {
    recs_redis main { server redis://127.0.0.1:6379; }
    recs_set in_stock redis=main key=in_stock;

    server {
        listen 127.0.0.1:8080;

        location /recommendations {
            proxy_pass http://127.0.0.1:9000;
            recs on;
            recs_items /items;
            recs_item_id /id;
            recs_require in_stock;
        }
    }
}
.fi
.SH DESCRIPTION
An nginx module that stands in front of a recommendation API.
Each response is checked against sets in Redis, files or the request: what has
sold out, was recalled or already seen goes.
New items come in at chosen places, with probabilities that are logged.
Pages may come from Redis, too, as versions that are published and taken back.
If Redis is away, slow or emptied, the page comes all the same, in time, and
says which facts it lacks.
.PP
Debian's package loads the module by itself.
.SH DIRECTIVES
PTR is a JSON Pointer; VALUE is text with variables.
Examples, and the documents that are named, are in
.IR /usr/share/doc/libnginx\-mod\-http\-recs ;
this is its
.IR docs/directives.md .
END
.SH FILES
.TP
.I /usr/lib/nginx/modules/ngx_http_recs_module.so
The module.
.TP
.I /etc/nginx/modules\-enabled/50\-mod\-http\-recs.conf
Loads it.
.TP
.I /usr/share/doc/libnginx\-mod\-http\-recs/examples/recs.conf
For
.IR /etc/nginx/conf.d ;
beside it are whole configurations.
.TP
.I /var/log/nginx/exposure.log
The exposure log of the examples.
.SH DIAGNOSTICS
With
.B error_log ... notice;
the log has a line with the module's version at each start and reload.
.B recs_status
has what all workers have counted.
What the log may say besides is told in
.IR /usr/share/doc/libnginx\-mod\-http\-recs/docs/failures.md .
.SH SEE ALSO
.BR nginx (8),
.BR recs\-load\-snapshot (1),
.BR recs\-replay\-exposure (1),
.I /usr/share/doc/libnginx\-mod\-http\-recs/README.md
END
}


# Of each directive: its syntax, and all that is said of it but the examples.

sub directives {
    my $doc = slurp('docs/directives.md');
    my $roff = '';

    $doc =~ s/^```.*?^```\n//msg;

    while ($doc =~ /^## (recs\w*.*?)\n(.*?)(?=^## |\z)/msg) {
        my ($title, $text) = ($1, $2);

        $text =~ s/\A\n*((?:    .*\n)+)//
            or die "$0: $title has no syntax in docs/directives.md\n";

        $roff .= ".SS $title\n.nf\n" . plain($1 =~ s/^    //mgr) . ".fi\n"
                 . blocks($text);
    }

    return $roff;
}


# Paragraphs, lists of one level or two, headings, and what stands as it is.

sub blocks {
    my ($text) = @_;
    my $roff = '';

    for my $block (split /\n\n+/, $text) {
        if ($block =~ /^###+ (.*)/) {
            $roff .= ".PP\n.B " . plain($1) . "\n";

        } elsif ($block =~ /^(?: {4}|\|)/) {
            $roff .= ".PP\n.nf\n" . plain($block) . "\n.fi\n";

        } elsif ($block =~ /^ *- /) {
            for my $item (split /^(?= *- )/m, $block) {
                my ($indent) = $item =~ s/^( *)- // ? length $1 : 0;
                $roff .= ".RS $indent\n.IP \\(bu 2\n" . markdown($item)
                         . "\n.RE\n";
            }

        } elsif ($block =~ /\S/) {
            my $indent = $block =~ /^  / ? 2 : 0;
            $roff .= ($indent ? ".RS 2\n" : '') . ".PP\n" . markdown($block)
                     . "\n" . ($indent ? ".RE\n" : '');
        }
    }

    return $roff;
}


# Text that roff shows as it stands.

sub plain {
    my ($text) = @_;

    $text =~ s/\\/\\e/g;
    $text =~ s/-/\\-/g;
    $text =~ s/^([.'])/\\&$1/mg;
    $text =~ s/…/.../g;
    $text =~ s/→/\\->/g;

    return $text;
}


sub markdown {
    my ($text) = @_;

    $text =~ s/\[([^\]]*)\]\([^)]*\)/$1/g;
    $text =~ s/\s+\z//;
    $text =~ s/^ +//mg;
    $text = plain($text);
    $text =~ s/`([^`]*)`/\\fB$1\\fR/g;
    $text =~ s/\*\*([^*]*)\*\*/\\fB$1\\fR/g;

    return $text;
}
