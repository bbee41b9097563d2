/* SPDX-License-Identifier: ISC
 * Values of MIME fields: at most so many parameters, none without a name; what they say is UTF-8. */
#include "mail/mime_field.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_params(const struct mime_params *params)
{
	static const char *const names[] = {"filename", "name", "charset", "boundary", "a"};

	assert(params->count <= MIME_PARAMS_MAX);
	for (size_t i = 0; i < params->count; i++)
		assert(params->at[i].name.n > 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct buf text = BUF_INIT(1 << 20);
		const struct mime_param *found = mime_params_find(params, names[i]);

		assert(!found || view_eq_lit_nocase(found->name, names[i]));
		mime_params_text(params, names[i], &text);
		assert(view_is_utf8(buf_view(&text)) && !text.overflow);
		buf_fini(&text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view value = view_from(data, size), type, subtype, token, *languages;
	struct mime_params params;
	struct arena a;
	size_t n;

	if (size > 20000)
		return 0;
	arena_init(&a, 1 << 20);
	if (mime_field_type(value, &a, &type, &subtype, &params)) {
		assert(type.n > 0 && subtype.n > 0);
		check_params(&params);
	}
	if (mime_field_disposition(value, &a, &token, &params)) {
		assert(token.n > 0);
		check_params(&params);
	}
	(void)mime_field_encoding(mime_field_token(value, &a));
	n = mime_field_languages(value, &a, &languages);
	assert(n <= MIME_PARAMS_MAX);
	while (n--)
		assert(languages[n].n > 0);
	assert(mime_field_text(value, &a).n <= size);
	arena_fini(&a);
	return 0;
}
