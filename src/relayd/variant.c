/* SPDX-License-Identifier: ISC
 * Asks stored for the 7-bit variant of a message. */
#include "relayd/variant.h"

#include "relayd/destination.h"

#include <stdlib.h>

enum { ANSWER_MS = 600000, ARENA_MAX = 4096 };

struct asked {
	struct relayd *relayd;
	uint64_t token;
	struct arena arena;
	struct report_about about;
};

static const char later_text[] = "the message could not be made 7-bit now";

static void conclude(const struct asked *a, struct job *j, const struct relay_msg *answer)
{
	static const struct fate released = {.outcome = FATE_RELEASED};
	static const struct fate later = {
	    .outcome = FATE_DEFERRED, .code = 451, .enhanced = {4, 3, 0}, .text = {later_text, sizeof later_text - 1}};
	struct fate never = {.outcome = FATE_FAILED, .code = 554, .enhanced = {5, 6, 3}};

	if (!answer) {
		report_rest(a->relayd, j, &a->about, &released);
	} else if (answer->type == RELAY_VARIANT) {
		store_job_replace(a->relayd, j, &answer->variant);
		destination_take(a->relayd, j);
	} else if (answer->type == RELAY_VARIANT_NEVER && j->long_lines) {
		j->long_lines = false; /* then as it is: many take it */
		destination_take(a->relayd, j);
	} else if (answer->type == RELAY_VARIANT_NEVER) {
		never.text = answer->variant_never.text;
		report_rest(a->relayd, j, &a->about, &never);
	} else {
		report_rest(a->relayd, j, &a->about, &later);
	}
}

static void on_answer(void *ctx, const struct relay_msg *answer)
{
	struct asked *a = ctx;
	struct job *j = map_u64_get(&a->relayd->jobs, a->token);

	if (j) {
		conclude(a, j, answer);
	} else if (answer && answer->type == RELAY_VARIANT) {
		int fd = answer->variant.message;

		fd_close(&fd);
	}
	arena_fini(&a->arena);
	free(a);
}

static struct view copy(struct asked *a, struct view v)
{
	return v.n ? arena_copy(&a->arena, v) : VIEW_EMPTY;
}

void variant_ask(struct relayd *r, struct job *j, const struct report_about *about)
{
	struct asked *a = xcalloc(1, sizeof *a);

	a->relayd = r;
	a->token = j->token;
	arena_init(&a->arena, ARENA_MAX);
	a->about.mx = copy(a, about->mx);
	a->about.ip = copy(a, about->ip);
	a->about.tls = copy(a, about->tls);
	a->about.route = copy(a, about->route);
	a->about.destination = copy(a, about->destination);
	if (!r->store ||
	    !relay_call_variant_ask(r->store, &(struct relay_variant_ask){a->token}, ANSWER_MS, on_answer, a))
		on_answer(a, NULL);
}
