/* SPDX-License-Identifier: ISC
 * Writes the commented pombo.conf, and tells each setting's facts to the manual page. */
#include "conf/setting.h"

enum { COMMENT_WIDTH = 96 };

/* The text behind "# ", broken at blanks. */
static void put_comment(struct buf *out, struct view text)
{
	while (text.n) {
		size_t n = text.n;

		if (n > COMMENT_WIDTH) {
			n = COMMENT_WIDTH;
			while (n > 1 && text.p[n] != ' ')
				n--;
		}
		buf_append_cstr(out, "# ");
		buf_append_view(out, view_trim(view_sub(text, 0, n)));
		buf_append_char(out, '\n');
		text = view_trim(view_sub(text, n, text.n));
	}
}

static void put_setting(struct buf *out, const struct setting *s, const char *lead, struct view value)
{
	bool quote = value.n == 0 || view_find_char(value, '#') < value.n;

	buf_append_cstr(out, lead);
	buf_append_cstr(out, s->key);
	buf_append_cstr(out, quote ? " = \"" : " = ");
	buf_append_view(out, value);
	buf_append_cstr(out, quote ? "\"\n" : "\n");
}

void conf_format(struct buf *out, const struct conf_value *values, size_t n_values)
{
	buf_append_cstr(
	    out,
	    "# Settings of pombo. What is commented out stands at its default. `pombo run --check` checks this\n"
	    "# file, `pombo reload` takes it up. Domains, accounts and aliases are data: `pombo account --help`.\n");
	for (size_t i = 0; i < setting_server.n; i++) {
		const struct setting *s = &setting_server.at[i];
		bool given = false;

		buf_append_char(out, '\n');
		put_comment(out, view_from_cstr(s->help));
		for (size_t k = 0; k < n_values; k++) {
			if (!view_eq_lit(view_from_cstr(values[k].key), s->key))
				continue;
			put_setting(out, s, "", values[k].value);
			given = true;
		}
		if (!given)
			put_setting(out, s, "#", view_from_cstr(s->def));
	}
	buf_append_cstr(out, "\n# Sections stand behind all of the above. Mail that takes another way than to its "
			     "domain's own servers:\n"
			     "#[route example]\n"
			     "#to = *\n"
			     "#host = smtp.example.net:587\n"
			     "#user = me@example.net\n");
}

static void describe(const struct setting_table *t, conf_describe_fn *each, void *ctx)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct setting *s = &t->at[i];
		_cleanup_(buf_fini) struct buf type = BUF_INIT(1024);

		setting_type_text(s, &type);
		each(ctx, s->key, buf_cstr(&type), s->def, s->help);
	}
}

void conf_describe(conf_describe_fn *each, void *ctx)
{
	describe(&setting_server, each, ctx);
}

void conf_describe_route(conf_describe_fn *each, void *ctx)
{
	describe(&setting_route, each, ctx);
}
