/* SPDX-License-Identifier: ISC
 * Mail that an alias leads to another server: its sender rewritten and back, its loops. */
#include "stored/forward.h"

#include "base/clock.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/unitext.h"
#include "store/directory.h"
#include "stored/recipients.h"

enum { MARK_MAX = 1000, MARKS_MAX = 200 };

static enum store_outcome is_ours(struct store *s, struct store_reader *r, struct view address, struct arena *a,
				  bool *ret)
{
	struct directory_result found;
	enum store_outcome outcome = STORE_OK;
	struct view key;

	if (!recipient_key(address, a, &key)) {
		*ret = false;
		return STORE_OK;
	}
	if (!directory_cached(s, key, a, &found))
		outcome = directory_resolve(r, key, a, &found);
	if (outcome == STORE_OK)
		*ret = found.verdict != DIRECTORY_NOT_OURS;
	return outcome;
}

/* What stands behind the last "@". */
static struct view domain_of(struct view address)
{
	size_t at = address.n;

	while (at > 0 && address.p[at - 1] != '@')
		at--;
	return view_sub(address, at, address.n);
}

enum store_outcome forward_sender(struct store *s, struct store_reader *r, const struct forward *f, struct view via,
				  struct view sender, struct arena *a, struct view *ret)
{
	const struct srs_key key = srs_key_from(store_secret(s));
	struct view domain = f->srs_domain.n ? f->srs_domain : domain_of(via);
	enum store_outcome outcome;
	struct address address;
	bool ours;

	*ret = sender;
	if (!f->srs || via.n == 0 || sender.n == 0 || domain.n == 0)
		return STORE_OK;
	outcome = is_ours(s, r, sender, a, &ours);
	if (outcome != STORE_OK || ours)
		return outcome;
	if (!address_parse(sender, ADDRESS_UTF8 | ADDRESS_LONG_LOCAL, a, &address) ||
	    !srs_forward(&key, address.local, address.domain, domain, clock_wall_s(), a, ret))
		*ret = sender;
	return STORE_OK;
}

/* ASCII in any case: whether the message needs SMTPUTF8 does not depend on its way through us. */
struct view forward_mark(struct view via, struct arena *a)
{
	_cleanup_(buf_fini) struct buf out = BUF_INIT(MARK_MAX + sizeof "Delivered-To: \r\n");

	for (size_t i = 0; i < via.n; i++)
		if ((unsigned char)via.p[i] < ' ' || via.p[i] == 0x7f)
			return VIEW_EMPTY;
	if (via.n == 0)
		return VIEW_EMPTY;
	buf_append_cstr(&out, "Delivered-To: ");
	if (view_is_ascii(via))
		buf_append_view(&out, via);
	else
		unitext_encode(&out, via, true);
	buf_append_cstr(&out, "\r\n");
	return out.overflow ? VIEW_EMPTY : arena_copy(a, buf_view(&out));
}

/* Is it the address of that key, written in UTF-8 or in ASCII? */
static bool is_marked(struct view value, struct view key, struct arena *a)
{
	_cleanup_(buf_fini) struct buf decoded = BUF_INIT(MARK_MAX);
	struct view other;

	if (recipient_key(value, a, &other) && view_eq(other, key))
		return true;
	return view_find(value, VIEW_LIT("\\x{")) < value.n && unitext_decode(&decoded, value) &&
	       recipient_key(buf_view(&decoded), a, &other) && view_eq(other, key);
}

bool forward_has_mark(struct view header, struct view via, struct arena *a)
{
	struct header_field field;
	struct header h;
	struct view key;
	unsigned n = 0;

	if (!recipient_key(via, a, &key))
		return false;
	header_init(&h, header);
	while (n < MARKS_MAX && header_next(&h, &field) == PARSE_DONE)
		if (view_eq_lit_nocase(field.name, "Delivered-To") && field.value.n <= MARK_MAX && ++n &&
		    is_marked(view_trim(field.value), key, a))
			return true;
	return false;
}

enum srs_verdict forward_reverse(struct store *s, struct view local, struct arena *a, struct view *ret)
{
	const struct srs_key key = srs_key_from(store_secret(s));

	return srs_reverse(&key, local, clock_wall_s(), a, ret);
}
