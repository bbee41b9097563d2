/* SPDX-License-Identifier: ISC
 * Making a DKIM-Signature: which fields, the field itself, the record that its key is published with. */
#include "mail/dkim_sign.h"

#include "base/encode.h"
#include "mail/address_canon.h"
#include "mail/address_list.h"
#include "mail/dkim_canon.h"
#include "mail/header.h"

enum { FIELD_TIMES_MAX = 100, FOLD_AT = 72, AUTHORS_ARENA_MAX = 1024 * 1024 };

const char *const dkim_algorithm_names[DKIM_ALGORITHMS] = {"rsa-sha256", "ed25519-sha256"};

/* ---- which fields ---- */

static const struct {
	const char *name;
	bool once_more; /* none may be added */
} signed_fields[] = {
    {"From", true},
    {"Sender", false},
    {"Reply-To", true},
    {"To", true},
    {"Cc", true},
    {"Subject", true},
    {"Date", true},
    {"Message-ID", true},
    {"In-Reply-To", false},
    {"References", false},
    {"MIME-Version", true},
    {"Content-Type", true},
    {"Content-Transfer-Encoding", true},
    {"Content-ID", false},
    {"Content-Description", false},
    {"Content-Disposition", false},
    {"Resent-Date", false},
    {"Resent-From", false},
    {"Resent-Sender", false},
    {"Resent-To", false},
    {"Resent-Cc", false},
    {"Resent-Message-ID", false},
    {"List-Id", false},
    {"List-Help", false},
    {"List-Unsubscribe", false},
    {"List-Unsubscribe-Post", false},
    {"List-Subscribe", false},
    {"List-Post", false},
    {"List-Owner", false},
    {"List-Archive", false},
    {"TLS-Report-Domain", false}, /* RFC 8460 §5.3 */
    {"TLS-Report-Submitter", false},
};

/* The fields of a name, in the order of the header. */
struct found {
	struct header_field fields[FIELD_TIMES_MAX];
	size_t n;
	bool too_many;
};

static void find(struct view block, const char *name, struct found *f)
{
	struct header_field field;
	struct header h;

	header_init(&h, block);
	while (header_next(&h, &field) == PARSE_DONE) {
		if (!view_eq_lit_nocase(view_trim(field.name), name))
			continue;
		if (f->n == FIELD_TIMES_MAX)
			f->too_many = true;
		else
			f->fields[f->n++] = field;
	}
}

static void add_name(struct buf *names, const char *name)
{
	if (names->n > 0)
		buf_append_char(names, ':');
	buf_append_cstr(names, name);
}

bool dkim_sign_fields(struct view add, struct view block, struct buf *names, struct buf *input)
{
	struct found *f = xmalloc(sizeof *f);
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(signed_fields) && ok; i++) {
		f->n = 0;
		f->too_many = false;
		find(add, signed_fields[i].name, f);
		find(block, signed_fields[i].name, f);
		ok = !f->too_many && (i > 0 || f->n == 1);
		/* RFC 6376 §5.4.2: from the last upwards. */
		for (size_t k = f->n; k > 0; k--) {
			add_name(names, signed_fields[i].name);
			dkim_canon_field(input, f->fields[k - 1].name, f->fields[k - 1].value);
		}
		if (signed_fields[i].once_more)
			add_name(names, signed_fields[i].name);
	}
	free_ptr(&f);
	return ok && !names->overflow && !input->overflow;
}

bool dkim_sign_domain(struct view block, struct buf *ret)
{
	struct header_field from;
	struct address_item item;
	struct address_list list;
	struct arena arena;
	bool found = false;

	if (!header_find(block, "From", &from))
		return false;
	arena_init(&arena, AUTHORS_ARENA_MAX);
	address_list_init(&list, from.value, 100, &arena);
	while (!found && address_list_next(&list, &item) == PARSE_DONE)
		found = item.kind == ADDRESS_ITEM_MAILBOX && !item.malformed;
	found = found && item.domain.n > 0 && item.domain.p[0] != '[' && address_domain_canon(item.domain, ret);
	arena_fini(&arena);
	return found;
}

/* ---- the field ---- */

/* Folded behind its colons; "at" is the column. */
static void put_names(struct buf *out, struct view names)
{
	size_t column = 0;
	struct view name;

	for (bool more = true; more;) {
		more = view_cut(names, ':', &name, &names);
		if (!more)
			name = names;
		if (column + name.n > FOLD_AT) {
			buf_append_cstr(out, "\r\n\t ");
			column = 0;
		}
		buf_append_view(out, name);
		if (more)
			buf_append_char(out, ':');
		column += name.n + 1;
	}
}

void dkim_sign_begin(struct buf *out, const struct dkim_to_sign *s)
{
	buf_printf(out, "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n\td=%.*s; s=%.*s; t=%lld;\r\n\th=",
		   dkim_algorithm_names[s->algorithm], VIEW_FMT(s->domain), VIEW_FMT(s->selector),
		   (long long)s->wall_s);
	put_names(out, s->names);
	buf_append_cstr(out, ";\r\n\tbh=");
	encode_base64(out, s->body_hash);
	buf_append_cstr(out, ";\r\n\tb=");
}

void dkim_sign_input(struct buf *out, struct view input, struct view begun)
{
	struct view name = begun, value = VIEW_EMPTY;

	buf_append_view(out, input);
	(void)view_cut(begun, ':', &name, &value);
	dkim_canon_field(out, name, value);
	if (!out->overflow)
		buf_truncate(out, out->n - 2);
}

void dkim_sign_finish(struct buf *out, struct view begun, struct view signature)
{
	_cleanup_(buf_fini) struct buf text = BUF_INIT(DKIM_FIELD_MAX);

	encode_base64(&text, signature);
	buf_append_view(out, begun);
	for (size_t at = 0; at < text.n; at += FOLD_AT) {
		if (at)
			buf_append_cstr(out, "\r\n\t ");
		buf_append_view(out, view_sub(buf_view(&text), at, FOLD_AT));
	}
	buf_append_cstr(out, "\r\n");
}

/* ---- the record ---- */

static const char *key_type(enum dkim_algorithm algorithm)
{
	return algorithm == DKIM_RSA_SHA256 ? "rsa" : "ed25519";
}

void dkim_record_format(struct buf *out, enum dkim_algorithm algorithm, struct view public_key)
{
	buf_printf(out, "v=DKIM1; k=%s; p=", key_type(algorithm));
	encode_base64(out, public_key);
}

/* Tags parted by semicolons, blanks anywhere (RFC 6376 §3.2, §3.6.1). */
static struct view tag(struct view record, const char *name)
{
	struct view item, left, right, rest = record;

	for (bool more = true; more;) {
		more = view_cut(rest, ';', &item, &rest);
		if (!more)
			item = rest;
		if (view_cut(item, '=', &left, &right) && view_eq_lit(view_trim(left), name))
			return view_trim(right);
	}
	return (struct view){NULL, 0};
}

static bool is_key(struct view p, struct view public_key)
{
	_cleanup_(buf_fini) struct buf packed = BUF_INIT(4096), key = BUF_INIT(4096);

	for (size_t i = 0; i < p.n; i++)
		if (p.p[i] != ' ' && p.p[i] != '\t' && p.p[i] != '\r' && p.p[i] != '\n')
			buf_append_char(&packed, p.p[i]);
	return !packed.overflow && packed.n > 0 && decode_base64(&key, buf_view(&packed)) &&
	       view_eq(buf_view(&key), public_key);
}

bool dkim_record_is(struct view record, enum dkim_algorithm algorithm, struct view public_key)
{
	struct view v = tag(record, "v"), k = tag(record, "k"), p = tag(record, "p"), h = tag(record, "h");

	if (!p.p || (v.p && !view_eq_lit(v, "DKIM1")) || (h.p && view_find(h, VIEW_LIT("sha256")) == h.n))
		return false;
	if (k.p ? !view_eq_lit(k, key_type(algorithm)) : algorithm != DKIM_RSA_SHA256)
		return false;
	return is_key(p, public_key);
}
