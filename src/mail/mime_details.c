/* SPDX-License-Identifier: ISC
 * What the MIME fields of a part's header say. */
#include "mail/mime_details.h"

#include "mail/header.h"
#include "mail/mime_field.h"

static void set_type(struct arena *a, struct mime_part *part, struct mime_details *d, struct view value)
{
	if (!mime_field_type(value, a, &part->type, &part->subtype, &d->params)) {
		part->type = VIEW_LIT("text");
		part->subtype = VIEW_LIT("plain");
	}
	part->charset = mime_params_get(&d->params, "charset");
}

/* The MIME header fields; of each the first counts. */
enum content_field { TYPE, ENCODING, DISPOSITION, ID, DESCRIPTION, MD5, LANGUAGE, LOCATION, CONTENT_FIELDS };
#define NAME(s)                                                                                                        \
	{                                                                                                              \
		(s), sizeof(s) - 1                                                                                     \
	}
static const struct view content_names[CONTENT_FIELDS] = {
    [TYPE] = NAME("Content-Type"),
    [ENCODING] = NAME("Content-Transfer-Encoding"),
    [DISPOSITION] = NAME("Content-Disposition"),
    [ID] = NAME("Content-ID"),
    [DESCRIPTION] = NAME("Content-Description"),
    [MD5] = NAME("Content-MD5"),
    [LANGUAGE] = NAME("Content-Language"),
    [LOCATION] = NAME("Content-Location"),
};

static enum content_field find_content_field(struct view name)
{
	enum content_field f = TYPE;

	while (f < CONTENT_FIELDS && !view_eq_nocase(name, content_names[f]))
		f++;
	return f;
}

static void set_field(struct arena *a, struct mime_part *part, struct mime_details *d, enum content_field f,
		      struct view value)
{
	switch (f) {
	case TYPE:
		set_type(a, part, d, value);
		break;
	case ENCODING:
		d->encoding = mime_field_token(value, a);
		part->encoding = mime_field_encoding(d->encoding);
		break;
	case DISPOSITION:
		if (!mime_field_disposition(value, a, &d->disposition, &d->disposition_params))
			d->disposition = VIEW_EMPTY;
		break;
	case ID:
		d->id = mime_field_text(value, a);
		break;
	case DESCRIPTION:
		d->description = mime_field_text(value, a);
		break;
	case MD5:
		d->md5 = mime_field_text(value, a);
		break;
	case LANGUAGE:
		d->language_count = mime_field_languages(value, a, &d->languages);
		break;
	case LOCATION:
		d->location = mime_field_text(value, a);
		break;
	case CONTENT_FIELDS:
		break;
	}
}

bool mime_details_uses_field(struct view name)
{
	return find_content_field(name) != CONTENT_FIELDS;
}

struct mime_details *mime_details_read(struct view header, struct arena *a, struct mime_part *part)
{
	struct mime_details *d = arena_alloc(a, sizeof *d);
	bool seen[CONTENT_FIELDS + 1] = {[CONTENT_FIELDS] = true};
	struct header_field field;
	struct header h;

	header_init(&h, header);
	while (d && header_next(&h, &field) == PARSE_DONE) {
		enum content_field f = find_content_field(field.name);

		if (seen[f])
			continue;
		seen[f] = true;
		set_field(a, part, d, f, arena_copy(a, view_trim(field.value)));
	}
	return d;
}
