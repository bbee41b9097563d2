/* SPDX-License-Identifier: ISC
 * A message of another program as the store takes it: line ends, what mail may not hold, the date it arrived. */
#include "cli/import.h"

#include "mail/date.h"
#include "mail/header.h"

void import_text_init(struct import_text *t, struct view head)
{
	*t = (struct import_text){.text = SPOOL_INIT};
	if (header_junk(head) > 0) /* else there is only text */
		t->content = header_length(head);
}

void import_text_fini(struct import_text *t)
{
	spool_fini(&t->text);
}

/* CRs that no LF follows: line ends in the content, blanks in the header. */
static void add_bare_crs(struct import_text *t)
{
	uint64_t first = t->at - t->crs;

	t->bare_cr += t->crs;
	for (; t->crs; t->crs--, first++)
		spool_append(&t->text, first < t->content ? VIEW_LIT(" ") : VIEW_LIT("\r\n"));
}

/* A run of CRs that ends in LF is one line end; so is LF alone. */
static void add_odd_byte(struct import_text *t, char c)
{
	if (c == '\r') {
		t->crs++;
	} else if (c == '\n') {
		t->bare_cr += t->crs > 1 ? t->crs - 1 : 0;
		t->crs = 0;
		spool_append(&t->text, VIEW_LIT("\r\n"));
	} else {
		t->nul++;
		add_bare_crs(t);
		spool_append(&t->text, VIEW_LIT("\x80"));
	}
	t->at++;
}

void import_text_add(struct import_text *t, struct view raw)
{
	size_t i = 0;

	while (i < raw.n) {
		size_t start = i;

		while (i < raw.n && raw.p[i] != '\r' && raw.p[i] != '\n' && raw.p[i] != '\0')
			i++;
		if (i > start)
			add_bare_crs(t);
		spool_append(&t->text, view_sub(raw, start, i - start));
		t->at += i - start;
		if (i < raw.n)
			add_odd_byte(t, raw.p[i++]);
	}
}

void import_text_end(struct import_text *t)
{
	add_bare_crs(t);
}

static int64_t date_behind_semicolon(struct view value, bool *ret_ok)
{
	size_t i = value.n;
	struct date d = {0};

	while (i > 0 && value.p[i - 1] != ';')
		i--;
	*ret_ok = i > 0 && date_parse(view_sub(value, i, value.n), &d);
	return d.utc_s;
}

int64_t import_header_date(struct view message, int64_t otherwise)
{
	struct header_field f;
	struct date d;
	bool ok;
	int64_t s;

	if (header_find(message, "Received", &f)) {
		s = date_behind_semicolon(f.value, &ok);
		if (ok)
			return s;
	}
	return header_find(message, "Date", &f) && date_parse(f.value, &d) ? d.utc_s : otherwise;
}
