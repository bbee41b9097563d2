/* SPDX-License-Identifier: ISC
 * Short records of a header block for SEARCH, SORT and THREAD. */
#include "mail/digest.h"

#include "base/map.h"
#include "mail/address_list.h"
#include "mail/base_subject.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/message_id.h"
#include "mail/rfc2047.h"
#include "mail/thread.h"

#include <string.h>

enum {
	VALUE_BYTES_MAX = 4 << 20, /* of one value once decoded, as in search_match.c */
	ID_BYTES_MAX = 4096,
	ADDRESS_ARENA_MAX = 1 << 20,
	PRESENT = 1,
	CUT = 2,
};

enum slot { DATE, SUBJECT, FROM, TO, CC, BCC, MESSAGE_ID, REFERENCES, IN_REPLY_TO, SLOTS };

static const char *const slot_names[SLOTS] = {"Date", "Subject",    "From",       "To",         "Cc",
					      "Bcc",  "Message-ID", "References", "In-Reply-To"};

struct maker {
	const uint64_t *key;
	bool seen[SLOTS];
	struct view first[SLOTS]; /* value of the first field */
	struct digest_values values[SLOTS];
	struct buf folded[SLOTS]; /* SUBJECT, FROM, TO, CC, BCC */
	struct view mailbox[SLOTS], display[SLOTS]; /* FROM, TO, CC: of the first address */
	bool has_address[SLOTS];
	struct arena arena;
	struct buf decoded, mapped;
};

/* ---- records ---- */

static void put_varint(struct buf *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_append_char(out, (char)(v | 0x80));
	buf_append_char(out, (char)v);
}

static bool get_varint(struct view *in, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; in->n && shift < 64; shift += 7) {
		unsigned char c = (unsigned char)in->p[0];

		*in = view_sub(*in, 1, in->n);
		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static void put_text(struct buf *out, struct view v)
{
	put_varint(out, v.n);
	buf_append_view(out, v);
}

static bool get_text(struct view *in, struct view *ret)
{
	uint64_t n;

	if (!get_varint(in, &n) || n > in->n)
		return false;
	*ret = view_sub(*in, 0, (size_t)n);
	*in = view_sub(*in, (size_t)n, in->n);
	return true;
}

static void put_u64(struct buf *out, uint64_t v)
{
	char bytes[8];

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (char)(v >> (8 * i));
	buf_append(out, bytes, 8);
}

static uint64_t load_u64(const char *p)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)(unsigned char)p[i] << (8 * i);
	return v;
}

static bool get_u64(struct view *in, uint64_t *ret)
{
	if (in->n < 8)
		return false;
	*ret = load_u64(in->p);
	*in = view_sub(*in, 8, in->n);
	return true;
}

/* Never 0, which means none, nor 1, which thread.c uses. */
static uint64_t hash(const struct maker *m, struct view v)
{
	uint64_t h = map_hash_keyed(m->key, v);

	return h > 1 ? h : 2;
}

/* ---- reading the header ---- */

static bool is_searched(enum slot slot)
{
	return slot >= SUBJECT && slot <= BCC;
}

static void add_value(struct maker *m, enum slot slot, struct view value)
{
	struct buf *folded = &m->folded[slot];
	size_t before = folded->n;

	m->values[slot].present = true;
	if (m->values[slot].cut)
		return;
	buf_reset(&m->decoded);
	rfc2047_decode(value, &m->decoded);
	if (before)
		buf_append_char(folded, '\n');
	if (m->decoded.n <= DIGEST_VALUE_MAX && !m->decoded.overflow)
		charset_fold(buf_view(&m->decoded), folded);
	else
		folded->overflow = true;
	if (folded->overflow) {
		buf_truncate(folded, before);
		m->values[slot].cut = true;
	}
}

/* addr-mailbox, and RFC 5957 §3's value, of the first address; a group's name stands for its mailbox, as in ENVELOPE. */
static void take_address(struct maker *m, enum slot slot, struct view value)
{
	struct address_item item;
	struct address_list list;

	if (m->has_address[slot])
		return;
	address_list_init(&list, value, 1, &m->arena);
	if (address_list_next(&list, &item) != PARSE_DONE || item.kind == ADDRESS_ITEM_GROUP_END)
		return;
	m->has_address[slot] = true;
	if (item.kind == ADDRESS_ITEM_GROUP_START) {
		m->mailbox[slot] = m->display[slot] = item.display_name;
		return;
	}
	m->mailbox[slot] = item.local;
	m->display[slot] = item.display_name.n ? item.display_name : view_trim(item.comment);
	buf_reset(&m->decoded);
	rfc2047_decode(m->display[slot], &m->decoded);
	if (m->decoded.n == 0) {
		buf_append_view(&m->decoded, item.local);
		if (item.domain.n)
			buf_append_char(&m->decoded, '@');
		buf_append_view(&m->decoded, item.domain);
	}
	m->display[slot] = arena_copy(&m->arena, buf_view(&m->decoded));
	if (!m->display[slot].p)
		m->display[slot] = VIEW_EMPTY;
}

static void take_field(struct maker *m, const struct header_field *field)
{
	enum slot slot = DATE;

	while (slot < SLOTS && !view_eq_lit_nocase(field->name, slot_names[slot]))
		slot++;
	if (slot == SLOTS)
		return;
	if (!m->seen[slot])
		m->first[slot] = field->value;
	m->seen[slot] = true;
	if (is_searched(slot))
		add_value(m, slot, field->value);
	if (slot == FROM || slot == TO || slot == CC)
		take_address(m, slot, field->value);
}

/* ---- the columns ---- */

static uint64_t zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static int64_t unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void put_date(const struct maker *m, struct buf *out)
{
	struct date date;

	if (!m->seen[DATE] || !date_parse(m->first[DATE], &date))
		return;
	put_varint(out, zigzag(date.utc_s));
	put_varint(out, zigzag(date.zone_min));
}

static void put_values(const struct maker *m, enum slot slot, struct buf *out)
{
	const struct digest_values *v = &m->values[slot];

	buf_append_char(out, (char)((v->present ? PRESENT : 0) | (v->cut ? CUT : 0)));
	put_text(out, buf_view(&m->folded[slot]));
}

/* As much of it as counts, in whole characters; what is mapped lies in m->mapped. */
static struct view map(struct maker *m, struct view utf8)
{
	buf_reset(&m->mapped);
	charset_casemap(view_sub(utf8, 0, DIGEST_VALUE_MAX), &m->mapped);
	return view_sub(buf_view(&m->mapped), 0, DIGEST_VALUE_MAX);
}

static void put_sort(struct maker *m, struct view base, struct buf *out)
{
	put_text(out, base);
	put_text(out, map(m, m->mailbox[FROM]));
	put_text(out, map(m, m->mailbox[TO]));
	put_text(out, map(m, m->mailbox[CC]));
	put_text(out, map(m, m->display[FROM]));
	put_text(out, map(m, m->display[TO]));
}

/* Hashes of the ids in References; of very many the first and the last. */
static uint32_t put_references(const struct maker *m, struct view value, struct buf *out)
{
	struct buf id = BUF_INIT(ID_BYTES_MAX);
	size_t start = out->n;
	uint32_t n = 0;

	while (message_id_next(&value, &id)) {
		put_u64(out, hash(m, buf_view(&id)));
		if (++n > THREAD_REFS_MAX) {
			memmove(out->p + start + 8, out->p + start + 16, out->n - start - 16);
			buf_truncate(out, out->n - 8);
			n--;
		}
	}
	buf_fini(&id);
	return n;
}

static uint64_t first_id(const struct maker *m, enum slot slot)
{
	struct buf id = BUF_INIT(ID_BYTES_MAX);
	struct view value = m->first[slot];
	uint64_t h = 0;

	if (m->seen[slot] && message_id_next(&value, &id))
		h = hash(m, buf_view(&id));
	buf_fini(&id);
	return h;
}

static void put_thread(struct maker *m, struct view base, bool is_reply, struct buf *out)
{
	uint32_t n = 0;
	uint64_t parent;

	buf_append_char(out, (char)is_reply);
	put_u64(out, first_id(m, MESSAGE_ID));
	put_u64(out, base.n ? hash(m, base) : 0);
	if (m->seen[REFERENCES])
		n = put_references(m, m->first[REFERENCES], out);
	parent = n ? 0 : first_id(m, IN_REPLY_TO);
	if (parent)
		put_u64(out, parent);
}

static void put_columns(struct maker *m, struct buf *columns)
{
	struct buf base = BUF_INIT(VALUE_BYTES_MAX), mapped = BUF_INIT(4 * VALUE_BYTES_MAX);
	bool is_reply;

	put_date(m, &columns[DIGEST_DATE]);
	put_values(m, SUBJECT, &columns[DIGEST_SUBJECT]);
	for (enum slot slot = FROM; slot <= BCC; slot++)
		put_values(m, slot, &columns[DIGEST_ADDRESSES]);
	buf_reset(&m->decoded);
	rfc2047_decode(m->first[SUBJECT], &m->decoded);
	is_reply = base_subject(buf_view(&m->decoded), &base);
	charset_casemap(buf_view(&base), &mapped);
	put_sort(m, view_sub(buf_view(&mapped), 0, DIGEST_VALUE_MAX), &columns[DIGEST_SORT]);
	put_thread(m, buf_view(&mapped), is_reply, &columns[DIGEST_THREAD]);
	buf_fini(&base);
	buf_fini(&mapped);
}

void digest_make(struct view header, const uint64_t key[2], struct buf *columns)
{
	struct maker m = {.key = key};
	struct header_field field;
	struct header h;

	for (enum slot slot = DATE; slot < SLOTS; slot++) {
		m.first[slot] = m.mailbox[slot] = m.display[slot] = VIEW_EMPTY;
		buf_init(&m.folded[slot], DIGEST_VALUE_MAX);
	}
	arena_init(&m.arena, ADDRESS_ARENA_MAX);
	buf_init(&m.decoded, VALUE_BYTES_MAX);
	buf_init(&m.mapped, VALUE_BYTES_MAX);
	header_init(&h, header);
	while (header_next(&h, &field) == PARSE_DONE)
		take_field(&m, &field);
	put_columns(&m, columns);
	for (enum slot slot = DATE; slot < SLOTS; slot++)
		buf_fini(&m.folded[slot]);
	buf_fini(&m.decoded);
	buf_fini(&m.mapped);
	arena_fini(&m.arena);
}

/* ---- back ---- */

bool digest_read_date(struct view record, struct digest_date *ret)
{
	uint64_t utc, zone;

	*ret = (struct digest_date){0};
	if (record.n == 0)
		return true;
	if (!get_varint(&record, &utc) || !get_varint(&record, &zone) || record.n || zone > 3000)
		return false;
	ret->known = true;
	ret->date = (struct date){unzigzag(utc), (int32_t)unzigzag(zone), true};
	return true;
}

static bool read_values(struct view *record, struct digest_values *ret)
{
	uint64_t flags;

	if (!get_varint(record, &flags) || !get_text(record, &ret->folded))
		return false;
	ret->present = (flags & PRESENT) != 0;
	ret->cut = (flags & CUT) != 0;
	return flags <= (PRESENT | CUT);
}

bool digest_read_subject(struct view record, struct digest_values *ret)
{
	return read_values(&record, ret) && record.n == 0;
}

bool digest_read_addresses(struct view record, struct digest_values ret[DIGEST_ADDRESS_FIELDS])
{
	for (enum digest_address i = DIGEST_FROM; i < DIGEST_ADDRESS_FIELDS; i++)
		if (!read_values(&record, &ret[i]))
			return false;
	return record.n == 0;
}

bool digest_read_sort(struct view record, struct view ret[DIGEST_KEYS])
{
	for (enum digest_key i = DIGEST_KEY_SUBJECT; i < DIGEST_KEYS; i++)
		if (!get_text(&record, &ret[i]))
			return false;
	return record.n == 0;
}

bool digest_read_thread(struct view record, struct digest_thread *ret)
{
	if (record.n == 0)
		return false;
	ret->is_reply = record.p[0] != 0;
	record = view_sub(record, 1, record.n);
	if (!get_u64(&record, &ret->id) || !get_u64(&record, &ret->subject) || record.n % 8 ||
	    record.n / 8 > THREAD_REFS_MAX)
		return false;
	ret->ref_count = (uint32_t)(record.n / 8);
	ret->refs = record;
	return true;
}

uint64_t digest_ref(const struct digest_thread *t, uint32_t i)
{
	return load_u64(t->refs.p + 8ULL * i);
}
