/* SPDX-License-Identifier: ISC
 * Any text is either settings, or an error that names a line; settings that were read stay within their table. */
#include "conf/route.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_range(const struct conf *c)
{
#define CONF_STR(member, key, def, help) assert(c->member);
#define CONF_LIST(member, key, def, help)                                                                              \
	for (size_t i = 0; i < c->member.n; i++)                                                                       \
		assert(c->member.items[i].p && c->member.items[i].n > 0);
#define CONF_BOOL(member, key, def, help) (void)c->member;
#define CONF_UINT(member, key, def, min, max, help) assert(c->member + 1 > (min) && c->member <= (max));
#define CONF_SIZE(member, key, def, min, max, help) assert(c->member + 1 > (min) && c->member <= (max));
#define CONF_TIME(member, key, def, min, max, help) assert(c->member + 1 > (min) && c->member <= (max));
#define CONF_ENUM(member, key, def, words, help) assert(c->member < 8);
#include "conf/settings.def"
}

static void check_route(const struct conf *conf, const struct conf_route *c)
{
	assert(c->name && c->line > 0 && conf_route_named(conf, view_from_cstr(c->name)) == c);
	assert(conf_route_tls(c) != CONF_TLS_AUTO && conf_route_port(conf, c) > 0);
#include "conf/routes.def"
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf error = BUF_INIT(8192);
	struct conf *c = NULL;

	if (conf_parse(view_from(data, size), "f", &c, &error) == 0) {
		assert(error.n == 0);
		check_range(c);
		for (size_t i = 0; i < c->n_routes; i++)
			check_route(c, &c->routes[i]);
		(void)conf_route_for(c, VIEW_LIT("a@example.org"), VIEW_LIT("example.net"));
		conf_free(&c);
	} else {
		assert(!c && error.n > 4 && !error.overflow && memcmp(error.p, "f:", 2) == 0);
	}
	buf_fini(&error);
	return 0;
}
