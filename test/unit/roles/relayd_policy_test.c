/* SPDX-License-Identifier: ISC */
#include "relayd/policy.h"

#include "io/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What the sender of a message is told of how far the other side was verified. */
static void words(void **state)
{
	static const struct {
		struct policy policy;
		int verified;
		const char *text;
	} cases[] = {
	    {{.level = POLICY_DANE, .source = TLS_FROM_DANE}, TLS_VERIFIED_DANE, "DANE verified"},
	    {{.level = POLICY_VERIFY, .source = TLS_FROM_STS}, TLS_VERIFIED_NAME, "MTA-STS verified"},
	    /* Only tested, or waived by "TLS-Required: No": nobody vouched. */
	    {{.level = POLICY_VERIFY, .source = TLS_FROM_STS, .testing = true},
	     TLS_VERIFIED_NAME,
	     "certificate verified"},
	    {{.level = POLICY_OPPORTUNISTIC, .source = TLS_FROM_STS}, TLS_VERIFIED_NAME, "certificate verified"},
	    /* A route, the sender, nobody. */
	    {{.level = POLICY_VERIFY, .source = TLS_FROM_NOBODY}, TLS_VERIFIED_NAME, "certificate verified"},
	    {{.level = POLICY_VERIFY, .source = TLS_FROM_SENDER}, TLS_VERIFIED_NAME, "certificate verified"},
	    {{.level = POLICY_OPPORTUNISTIC, .source = TLS_FROM_NOBODY}, TLS_VERIFIED_NAME, "certificate verified"},
	    {{.level = POLICY_VERIFY, .source = TLS_FROM_STS}, TLS_NOT_VERIFIED, "not verified"},
	    {{.level = POLICY_REQUIRED, .source = TLS_FROM_DANE}, TLS_NOT_VERIFIED, "not verified"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(policy_verified_text(&cases[i].policy, cases[i].verified), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
