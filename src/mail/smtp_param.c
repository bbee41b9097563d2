/* SPDX-License-Identifier: ISC
 * The parameters of MAIL and RCPT, one table row and one function an extension. */
#include "mail/smtp_param.h"

#include "mail/xtext.h"

#include <string.h>

enum param_command { PARAM_OF_MAIL, PARAM_OF_RCPT };
enum param_value { VALUE_NONE, VALUE_NEEDED };

static bool is_printable(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < 32 || v.p[i] > 126)
			return false;
	return true;
}

/* size-value ::= 1*20DIGIT (RFC 1870 §6) */
static bool parse_size(struct view value, struct arena *a, struct smtp_params *ret)
{
	(void)a;
	if (value.n > 20)
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_is_digit(value.p[i]))
			return false;
	if (!view_to_u64(value, UINT64_MAX, &ret->size_bytes))
		ret->size_bytes = UINT64_MAX;
	return true;
}

static bool parse_body(struct view value, struct arena *a, struct smtp_params *ret)
{
	static const char *const names[] = {
	    [SMTP_BODY_7BIT] = "7BIT", [SMTP_BODY_8BITMIME] = "8BITMIME", [SMTP_BODY_BINARYMIME] = "BINARYMIME"};

	(void)a;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (view_eq_lit_nocase(value, names[i])) {
			ret->body = (enum smtp_body)i;
			return true;
		}
	}
	return false;
}

static bool parse_ret(struct view value, struct arena *a, struct smtp_params *ret)
{
	(void)a;
	ret->ret = view_eq_lit_nocase(value, "HDRS") ? SMTP_RET_HDRS : SMTP_RET_FULL;
	return ret->ret == SMTP_RET_HDRS || view_eq_lit_nocase(value, "FULL");
}

/* RFC 3461 §4.4 */
static bool parse_envid(struct view value, struct arena *a, struct smtp_params *ret)
{
	return value.n <= SMTP_ENVID_MAX && xtext_decode(value, a, &ret->envid) && is_printable(ret->envid);
}

/* auth-param = "AUTH=" (xtext / "<>") (RFC 4954 §8). Whether it is believed is the caller's business. */
static bool parse_auth(struct view value, struct arena *a, struct smtp_params *ret)
{
	if (view_eq_lit(value, "<>")) {
		ret->auth = VIEW_EMPTY;
		return true;
	}
	return xtext_decode(value, a, &ret->auth) && is_printable(ret->auth);
}

static unsigned notify_bit(struct view word)
{
	static const struct {
		const char *name;
		unsigned bit;
	} names[] = {{"NEVER", SMTP_NOTIFY_NEVER},
		     {"SUCCESS", SMTP_NOTIFY_SUCCESS},
		     {"FAILURE", SMTP_NOTIFY_FAILURE},
		     {"DELAY", SMTP_NOTIFY_DELAY}};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (view_eq_lit_nocase(word, names[i].name))
			return names[i].bit;
	return 0;
}

/* notify-esmtp-value = "NEVER" / 1#notify-list-element (RFC 3461 §4.1) */
static bool parse_notify(struct view value, struct arena *a, struct smtp_params *ret)
{
	struct view word, rest = value;
	bool more = true;

	(void)a;
	ret->notify = 0;
	while (more) {
		unsigned bit;

		more = view_cut(rest, ',', &word, &rest);
		bit = notify_bit(more ? word : rest);
		if (!bit)
			return false;
		ret->notify |= bit;
	}
	return ret->notify == SMTP_NOTIFY_NEVER || !(ret->notify & SMTP_NOTIFY_NEVER);
}

/* original-recipient-address = addr-type ";" xtext (RFC 3461 §4.2), or for type utf-8 the forms of RFC 6533 §3, which
 * are handed on as they came. */
static bool parse_orcpt(struct view value, struct arena *a, struct smtp_params *ret)
{
	struct view type, text;

	if (value.n > SMTP_ORCPT_MAX || !view_cut(value, ';', &type, &text))
		return false;
	if (!view_is_ascii(type) || !address_local_is_dot_string(type) || memchr(type.p, '.', type.n) || text.n == 0)
		return false;
	ret->orcpt_type = type;
	if (view_eq_lit_nocase(type, "utf-8")) {
		ret->orcpt_address = text;
		return true;
	}
	return xtext_decode(text, a, &ret->orcpt_address) && is_printable(ret->orcpt_address);
}

static const struct param {
	const char *keyword;
	enum smtp_param bit;
	enum param_command command;
	enum param_value value;
	bool (*parse)(struct view value, struct arena *a, struct smtp_params *ret);
} params[] = {
    {"SIZE", SMTP_PARAM_SIZE, PARAM_OF_MAIL, VALUE_NEEDED, parse_size},
    {"BODY", SMTP_PARAM_BODY, PARAM_OF_MAIL, VALUE_NEEDED, parse_body},
    {"SMTPUTF8", SMTP_PARAM_SMTPUTF8, PARAM_OF_MAIL, VALUE_NONE, NULL},
    {"RET", SMTP_PARAM_RET, PARAM_OF_MAIL, VALUE_NEEDED, parse_ret},
    {"ENVID", SMTP_PARAM_ENVID, PARAM_OF_MAIL, VALUE_NEEDED, parse_envid},
    {"AUTH", SMTP_PARAM_AUTH, PARAM_OF_MAIL, VALUE_NEEDED, parse_auth},
    {"REQUIRETLS", SMTP_PARAM_REQUIRETLS, PARAM_OF_MAIL, VALUE_NONE, NULL},
    {"NOTIFY", SMTP_PARAM_NOTIFY, PARAM_OF_RCPT, VALUE_NEEDED, parse_notify},
    {"ORCPT", SMTP_PARAM_ORCPT, PARAM_OF_RCPT, VALUE_NEEDED, parse_orcpt},
};

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static bool keyword_valid(struct view keyword)
{
	if (keyword.n == 0 || keyword.p[0] == '-')
		return false;
	for (size_t i = 0; i < keyword.n; i++)
		if (!ascii_is_alnum(keyword.p[i]) && keyword.p[i] != '-')
			return false;
	return true;
}

/* esmtp-value = 1*(%d33-60 / %d62-126) / UTF-8-non-ascii (RFC 6531 §3.3) */
static bool value_valid(struct view value)
{
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 33 || value.p[i] == '=' || value.p[i] == 127)
			return false;
	return value.n > 0 && view_is_utf8(value);
}

static const struct param *find_param(struct view keyword, enum param_command command)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++)
		if (params[i].command == command && view_eq_lit_nocase(keyword, params[i].keyword))
			return &params[i];
	return NULL;
}

static void add_unknown(struct view keyword, struct smtp_params *ret)
{
	if (ret->unknown_count < SMTP_UNKNOWN_PARAMS_MAX)
		ret->unknown[ret->unknown_count] = keyword;
	ret->unknown_count++;
}

/* esmtp-param = esmtp-keyword ["=" esmtp-value] */
static bool parse_one(struct view text, enum param_command command, struct arena *a, struct smtp_params *ret)
{
	struct view keyword = text, value = VIEW_EMPTY;
	bool has_value = view_cut(text, '=', &keyword, &value);
	const struct param *param;

	if (!keyword_valid(keyword) || (has_value && !value_valid(value)))
		return false;
	param = find_param(keyword, command);
	if (!param) {
		add_unknown(keyword, ret);
		return true;
	}
	if (has_value != (param->value == VALUE_NEEDED) || (ret->present & param->bit))
		return false;
	if (param->parse && !param->parse(value, a, ret))
		return false;
	ret->present |= param->bit;
	return true;
}

bool smtp_param_parse(struct view text, bool is_mail, struct arena *a, struct smtp_params *ret)
{
	struct smtp_params result = {.present = 0};

	while (text.n) {
		size_t n = view_find_char(text, ' ');

		if (n && !parse_one(view_sub(text, 0, n), is_mail ? PARAM_OF_MAIL : PARAM_OF_RCPT, a, &result))
			return false;
		text = view_sub(text, n + 1, text.n);
	}
	*ret = result;
	return true;
}
