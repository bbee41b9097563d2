/* SPDX-License-Identifier: ISC */
#include "mail/srs.h"

#include "mail/address.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW INT64_C(1795500000)
#define DAY INT64_C(86400)

static struct arena a;

static int start(void **state)
{
	(void)state;
	arena_init(&a, 1 << 20);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_fini(&a);
	return 0;
}

static struct srs_key key_of(const char *c)
{
	char secret[32];

	for (size_t i = 0; i < sizeof secret; i++)
		secret[i] = c[0];
	return srs_key_from(view_from(secret, sizeof secret));
}

static struct view forward(const char *sender, const char *domain)
{
	const struct srs_key key = key_of(domain);
	struct address from;
	struct view ret;

	assert_true(address_parse(view_from_cstr(sender), ADDRESS_UTF8 | ADDRESS_LONG_LOCAL, &a, &from));
	assert_true(srs_forward(&key, from.local, from.domain, view_from_cstr(domain), NOW, &a, &ret));
	return ret;
}

static enum srs_verdict reverse(struct view address, const char *domain, int64_t now, struct view *ret)
{
	const struct srs_key key = key_of(domain);
	struct address to;

	assert_true(address_parse(address, ADDRESS_UTF8 | ADDRESS_LONG_LOCAL, &a, &to));
	assert_true(view_eq(to.domain, view_from_cstr(domain)));
	return srs_reverse(&key, to.local, now, &a, ret);
}

static void assert_leads(struct view address, const char *domain, const char *to)
{
	struct view ret;

	assert_int_equal(reverse(address, domain, NOW, &ret), SRS_GOOD);
	if (!view_eq(ret, view_from_cstr(to)))
		fail_msg("%.*s, not %s", VIEW_FMT(ret), to);
}

static void there_and_back(void **state)
{
	static const char *const senders[] = {
	    "alice@a.example",         "a=b=c+d-e@x.example",    "\"odd one\"@a.example",
	    "\"a@b\"@a.example",       "SRSx=1=2=3=4@a.example", "o'brien@[192.0.2.1]",
	    "j\xc3\xbcrgen@a.example", "srs0@a.example",         "UPPER.Lower@A.Example"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(senders); i++)
		assert_leads(forward(senders[i], "b.example"), "b.example", senders[i]);
}

static void a_chain_stays_short(void **state)
{
	struct view first = forward("alice@a.example", "b.example"), second, third;

	(void)state;
	assert_true(view_starts_with(first, VIEW_LIT("SRS0=")) && first.n > 30);
	assert_true(view_ends_with_nocase(first, VIEW_LIT("=a.example=alice@b.example")));
	second = forward(arena_cstr(&a, first), "c.example");
	assert_true(view_starts_with(second, VIEW_LIT("SRS1=")));
	assert_true(view_find(second, VIEW_LIT("=b.example==")) < second.n);
	assert_leads(second, "c.example", arena_cstr(&a, first));
	third = forward(arena_cstr(&a, second), "d.example");
	assert_true(third.n == second.n);
	assert_leads(third, "d.example", arena_cstr(&a, first)); /* at once to the first forwarder */
}

/* What Mail::SRS 0.31 made of alice@example.com for fwd.test, and of that for second.test. */
static void anothers_addresses(void **state)
{
	(void)state;
	assert_leads(forward("SRS0=rn16=JL=example.com=alice@fwd.test", "b.example"), "b.example",
		     "SRS0=rn16=JL=example.com=alice@fwd.test");
	assert_leads(forward("SRS0+rn16=JL=example.com=alice@fwd.test", "b.example"), "b.example",
		     "SRS0+rn16=JL=example.com=alice@fwd.test");
	assert_leads(forward("SRS1=hB/b=fwd.test==rn16=JL=example.com=alice@second.test", "b.example"), "b.example",
		     "SRS0=rn16=JL=example.com=alice@fwd.test");
	assert_leads(forward("SRS1=nonsense@second.test", "b.example"), "b.example", "SRS1=nonsense@second.test");
}

static void forged_and_expired(void **state)
{
	struct view address = forward("alice@a.example", "b.example"), ret = VIEW_LIT("untouched");
	struct buf upper = BUF_INIT(400), b = BUF_INIT(400);

	(void)state;
	for (int64_t day = -1; day <= SRS_DAYS; day++)
		assert_int_equal(reverse(address, "b.example", NOW + day * DAY, &ret), SRS_GOOD);
	ret = VIEW_LIT("untouched");
	assert_int_equal(reverse(address, "b.example", NOW + (SRS_DAYS + 1) * DAY, &ret), SRS_EXPIRED);
	assert_int_equal(reverse(address, "b.example", NOW + 1000 * DAY, &ret), SRS_EXPIRED);
	assert_int_equal(reverse(address, "b.example", NOW - 2 * DAY, &ret), SRS_EXPIRED);
	/* Every byte of it counts. */
	for (size_t i = 5; i < address.n - sizeof "@b.example" + 1; i++) {
		buf_reset(&b);
		buf_append_view(&b, address);
		b.p[i] = b.p[i] == 'x' ? 'y' : 'x';
		assert_int_not_equal(reverse(buf_view(&b), "b.example", NOW, &ret), SRS_GOOD);
	}
	assert_true(view_eq(ret, VIEW_LIT("untouched")));
	/* Not the case of letters: some on the way change it. */
	for (size_t i = 0; i < address.n - sizeof "@b.example" + 1; i++)
		buf_append_char(&upper, ascii_upper(address.p[i]));
	buf_append_cstr(&upper, "@b.example");
	assert_int_equal(reverse(buf_view(&upper), "b.example", NOW, &ret), SRS_GOOD);
	buf_fini(&upper);
	buf_fini(&b);
}

static void what_is_none(void **state)
{
	static const char *const none[] = {"SRS0@b.example", "srs0=x@b.example", "SRS2=a=b=c=d@b.example",
					   "SRS0.a=b=c=d@b.example", "alice@b.example"};
	struct view ret;
	char local[230];
	const struct srs_key key = key_of("b.example");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_int_equal(reverse(view_from_cstr(none[i]), "b.example", NOW, &ret), SRS_NONE);
	for (size_t i = 0; i < sizeof local; i++)
		local[i] = 'a';
	assert_false(srs_forward(&key, view_from(local, sizeof local), VIEW_LIT("a.example"), VIEW_LIT("b.example"),
				 NOW, &a, &ret));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(there_and_back, start, end),
	    cmocka_unit_test_setup_teardown(a_chain_stays_short, start, end),
	    cmocka_unit_test_setup_teardown(anothers_addresses, start, end),
	    cmocka_unit_test_setup_teardown(forged_and_expired, start, end),
	    cmocka_unit_test_setup_teardown(what_is_none, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
