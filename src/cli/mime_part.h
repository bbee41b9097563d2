/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_MIME_PART_H
#define POMBO_CLI_MIME_PART_H

#include "base/buf.h"
#include "base/mem.h"

/* One part of a message: its MIME fields, the empty line, its encoded bytes (CRLF, lines of at most 76 characters where encoded,
 * seven bits always). Pure. */

/* Text in UTF-8 with any line ends (CRLF, LF or CR): as it is where it is short-lined ASCII, else in whichever of quoted-printable
 * and base64 is shorter (RFC 2045 §6). False: not UTF-8, or NUL in it. */
must_check bool mime_part_text(struct buf *out, struct view text);
/* An attachment, byte for byte. `name`: its file name, UTF-8 or not, without folders. */
void mime_part_file(struct buf *out, struct view name, const char *type, struct view bytes);

/* A parameter of Content-Disposition, with the fold before it: as a token or quoted string where it is short ASCII, else as
 * RFC 2231 §3 and §4 have it, in pieces. `value` is UTF-8. */
void mime_part_parameter(struct buf *out, const char *name, struct view value);
/* RFC 2045 §6.7, lines ended by CRLF. `text` as above. */
void mime_part_quoted_printable(struct buf *out, struct view text);

#endif
