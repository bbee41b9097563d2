/* SPDX-License-Identifier: ISC
 * MTA-STS: the TXT record, the policy, and which hosts it names (RFC 8461). */
#include "policy/mta_sts.h"

enum { NAME_MAX_BYTES = 32, DOMAIN_MAX = 253, LABEL_MAX = 63 };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct view trim_blanks(struct view v)
{
	while (v.n && is_blank(v.p[0]))
		v = view_sub(v, 1, v.n);
	while (v.n && is_blank(v.p[v.n - 1]))
		v.n--;
	return v;
}

/* (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".") */
static bool is_name(struct view v)
{
	if (v.n == 0 || v.n > NAME_MAX_BYTES || !ascii_is_alnum(v.p[0]))
		return false;
	for (size_t i = 1; i < v.n; i++)
		if (!ascii_is_alnum(v.p[i]) && v.p[i] != '_' && v.p[i] != '-' && v.p[i] != '.')
			return false;
	return true;
}

/* ---- the record ---- */

/* 1*32(ALPHA / DIGIT) */
static bool is_id(struct view v)
{
	if (v.n == 0 || v.n > MTA_STS_ID_MAX)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_is_alnum(v.p[i]))
			return false;
	return true;
}

/* sts-ext-value = 1*(%x21-3A / %x3C / %x3E-7E): neither "=" nor ";", blanks or controls. */
static bool is_record_value(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < 0x21 || v.p[i] > 0x7e || v.p[i] == '=' || v.p[i] == ';')
			return false;
	return v.n > 0;
}

/* sts-text-record = sts-version 1*(sts-field-delim sts-field) [sts-field-delim] */
static bool read_record(struct view txt, struct view *ret_id)
{
	struct view rest = txt, field, name, value, id = VIEW_EMPTY;

	if (!view_cut(rest, ';', &field, &rest))
		return false;
	while (trim_blanks(rest).n) {
		if (!view_cut(rest, ';', &field, &rest)) {
			field = rest;
			rest = VIEW_EMPTY;
		}
		if (!view_cut(trim_blanks(field), '=', &name, &value) || !is_name(name) || !is_record_value(value))
			return false;
		if (!view_eq_lit(name, "id") || id.n)
			continue;
		if (!is_id(value))
			return false;
		id = value;
	}
	*ret_id = id;
	return id.n > 0;
}

/* "v=STSv1" and the first delimiter. */
static bool is_record(struct view txt)
{
	struct view version, rest;

	return view_cut(txt, ';', &version, &rest) && view_starts_with(version, VIEW_LIT("v=STSv1")) &&
	       trim_blanks(version).n == sizeof "v=STSv1" - 1;
}

bool mta_sts_record_find(const struct view *txts, size_t n, struct view *ret_id)
{
	const struct view *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!is_record(txts[i]))
			continue;
		if (found)
			return false;
		found = &txts[i];
	}
	return found && read_record(*found, ret_id);
}

/* ---- the policy ---- */

static const char *const mode_names[] = {
    [MTA_STS_NONE] = "none", [MTA_STS_TESTING] = "testing", [MTA_STS_ENFORCE] = "enforce"};

const char *mta_sts_mode_name(enum mta_sts_mode mode)
{
	return mode_names[mode];
}

static bool next_line(struct view *rest, struct view *ret)
{
	if (rest->n == 0)
		return false;
	if (!view_cut(*rest, '\n', ret, rest)) {
		*ret = *rest;
		*rest = VIEW_EMPTY;
	}
	if (ret->n && ret->p[ret->n - 1] == '\r')
		ret->n--;
	return true;
}

/* sts-policy-field = name ":" *WSP value *WSP; values are printable, UTF-8 included. */
static bool read_field(struct view line, struct view *ret_name, struct view *ret_value)
{
	if (!view_cut(line, ':', ret_name, ret_value) || !is_name(*ret_name))
		return false;
	*ret_value = trim_blanks(*ret_value);
	for (size_t i = 0; i < ret_value->n; i++)
		if ((unsigned char)ret_value->p[i] < 0x20 || ret_value->p[i] == 0x7f)
			return false;
	return ret_value->n > 0 && view_is_utf8(*ret_value);
}

static bool is_label(struct view v)
{
	if (v.n == 0 || v.n > LABEL_MAX || v.p[0] == '-' || v.p[v.n - 1] == '-')
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_is_alnum(v.p[i]) && v.p[i] != '-')
			return false;
	return true;
}

/* ["*."] Domain */
static bool is_pattern(struct view v)
{
	struct view label, rest = v;

	if (v.n > DOMAIN_MAX)
		return false;
	if (view_starts_with(v, VIEW_LIT("*.")))
		rest = view_sub(v, 2, v.n);
	while (view_cut(rest, '.', &label, &rest))
		if (!is_label(label))
			return false;
	return is_label(rest);
}

/* What was read so far; of a repeated field the first counts (§3.2). */
struct reading {
	bool version, mode, max_age;
	struct mta_sts_policy policy;
};

static bool take_version(struct reading *r, struct view value)
{
	r->version = true;
	return view_eq_lit(value, "STSv1");
}

static bool take_mode(struct reading *r, struct view value)
{
	r->mode = true;
	for (size_t i = 0; i < ARRAY_LEN(mode_names); i++)
		if (view_eq_lit(value, mode_names[i])) {
			r->policy.mode = (enum mta_sts_mode)i;
			return true;
		}
	return false;
}

/* 1*10DIGIT */
static bool take_max_age(struct reading *r, struct view value)
{
	uint64_t s;

	r->max_age = true;
	if (value.n > 10 || !view_to_u64(value, UINT64_MAX, &s))
		return false;
	r->policy.max_age_s = s < MTA_STS_AGE_MAX_S ? (uint32_t)s : MTA_STS_AGE_MAX_S;
	return true;
}

static bool take(struct reading *r, struct view name, struct view value)
{
	if (view_eq_lit(name, "version"))
		return r->version || take_version(r, value);
	if (view_eq_lit(name, "mode"))
		return r->mode || take_mode(r, value);
	if (view_eq_lit(name, "max_age"))
		return r->max_age || take_max_age(r, value);
	if (view_eq_lit(name, "mx"))
		return is_pattern(value) && ++r->policy.mx_count <= MTA_STS_MX_MAX;
	return true; /* an extension */
}

bool mta_sts_policy_parse(struct view text, struct mta_sts_policy *ret)
{
	struct view rest = text, line, name, value;
	struct reading r = {0};

	if (text.n > MTA_STS_POLICY_MAX)
		return false;
	while (next_line(&rest, &line)) {
		if (trim_blanks(line).n == 0 && trim_blanks(view_trim(rest)).n == 0)
			break; /* an empty end is forgiven */
		if (!read_field(line, &name, &value) || !take(&r, name, value))
			return false;
	}
	if (!r.version || !r.mode || !r.max_age || (r.policy.mx_count == 0 && r.policy.mode != MTA_STS_NONE))
		return false;
	r.policy.text = text;
	*ret = r.policy;
	return true;
}

bool mta_sts_next_mx(struct view *rest, struct view *ret)
{
	struct view line, name, value;

	while (next_line(rest, &line))
		if (read_field(line, &name, &value) && view_eq_lit(name, "mx")) {
			*ret = value;
			return true;
		}
	return false;
}

/* A wildcard stands for exactly one label, the leftmost (RFC 6125 §6.4). */
static bool matches(struct view pattern, struct view host)
{
	struct view label, parent;

	if (!view_starts_with(pattern, VIEW_LIT("*.")))
		return view_eq_nocase(pattern, host);
	return view_cut(host, '.', &label, &parent) && label.n &&
	       view_eq_nocase(view_sub(pattern, 2, pattern.n), parent);
}

bool mta_sts_allows(const struct mta_sts_policy *p, struct view host)
{
	struct view rest = p->text, pattern;

	while (mta_sts_next_mx(&rest, &pattern))
		if (matches(pattern, host))
			return true;
	return false;
}
