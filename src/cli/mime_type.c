/* SPDX-License-Identifier: ISC
 * What kind of file an attachment is. */
#include "cli/mime_type.h"

#include "base/mem.h"

#include <string.h>

static const struct {
	const char *ending; /* lower case, with its dot */
	const char *type;
} endings[] = {
    {".7z", "application/x-7z-compressed"},
    {".aac", "audio/aac"},
    {".avi", "video/x-msvideo"},
    {".avif", "image/avif"},
    {".bmp", "image/bmp"},
    {".bz2", "application/x-bzip2"},
    {".c", "text/x-csrc"},
    {".css", "text/css"},
    {".csv", "text/csv"},
    {".diff", "text/x-diff"},
    {".doc", "application/msword"},
    {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {".eml", "message/rfc822"},
    {".eps", "application/postscript"},
    {".epub", "application/epub+zip"},
    {".flac", "audio/flac"},
    {".gif", "image/gif"},
    {".gz", "application/gzip"},
    {".h", "text/x-chdr"},
    {".heic", "image/heic"},
    {".htm", "text/html"},
    {".html", "text/html"},
    {".ics", "text/calendar"},
    {".jpeg", "image/jpeg"},
    {".jpg", "image/jpeg"},
    {".js", "text/javascript"},
    {".json", "application/json"},
    {".log", "text/plain"},
    {".m4a", "audio/mp4"},
    {".md", "text/markdown"},
    {".mkv", "video/x-matroska"},
    {".mov", "video/quicktime"},
    {".mp3", "audio/mpeg"},
    {".mp4", "video/mp4"},
    {".odg", "application/vnd.oasis.opendocument.graphics"},
    {".odp", "application/vnd.oasis.opendocument.presentation"},
    {".ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {".odt", "application/vnd.oasis.opendocument.text"},
    {".ogg", "audio/ogg"},
    {".opus", "audio/ogg"},
    {".patch", "text/x-diff"},
    {".pdf", "application/pdf"},
    {".png", "image/png"},
    {".ppt", "application/vnd.ms-powerpoint"},
    {".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {".ps", "application/postscript"},
    {".py", "text/x-python"},
    {".rtf", "application/rtf"},
    {".sh", "application/x-sh"},
    {".svg", "image/svg+xml"},
    {".tar", "application/x-tar"},
    {".tgz", "application/gzip"},
    {".tif", "image/tiff"},
    {".tiff", "image/tiff"},
    {".txt", "text/plain"},
    {".vcf", "text/vcard"},
    {".wav", "audio/wav"},
    {".webm", "video/webm"},
    {".webp", "image/webp"},
    {".xls", "application/vnd.ms-excel"},
    {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {".xml", "application/xml"},
    {".xz", "application/x-xz"},
    {".yaml", "application/yaml"},
    {".yml", "application/yaml"},
    {".zip", "application/zip"},
    {".zst", "application/zstd"},
};

bool mime_type_is_text(struct view bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];

		if ((c < ' ' && !memchr("\t\n\f\r\x1b", c, 5)) || c == 0x7f)
			return false;
	}
	return view_is_utf8(bytes);
}

const char *mime_type_guess(struct view name, struct view bytes)
{
	const char *type = NULL;

	for (size_t i = 0; i < ARRAY_LEN(endings) && !type; i++)
		if (view_ends_with_nocase(name, view_from_cstr(endings[i].ending)) &&
		    name.n > strlen(endings[i].ending))
			type = endings[i].type;
	if (type && strncmp(type, "text/", 5) != 0)
		return type;
	if (!mime_type_is_text(bytes))
		return "application/octet-stream";
	return type ? type : "text/plain";
}
