/* SPDX-License-Identifier: ISC
 * A progress bar on a terminal. */
#include "cli/progress.h"

#include "base/clock.h"
#include "cli/show.h"

#include <stdio.h>
#include <unistd.h>

enum { EVERY_MS = 200, BAR = 20, WHAT_MAX = 40 };

void progress_init(struct progress *p, const char *verb, bool quiet)
{
	*p = (struct progress){.on = !quiet && isatty(STDERR_FILENO), .verb = verb, .started_ms = clock_mono_ms()};
}

void progress_show(struct progress *p, struct view what)
{
	_cleanup_(buf_fini) struct buf line = BUF_INIT(1024);
	uint64_t now = clock_mono_ms(), rate;

	if (!p->on || (p->drawn && now - p->drawn_ms < EVERY_MS))
		return;
	p->drawn = true;
	p->drawn_ms = now;
	rate = p->messages * 1000 / (now - p->started_ms + 1);
	buf_printf(&line, "\r\033[K%s ", p->verb);
	if (p->total) {
		uint64_t part = p->done < p->total ? p->done * BAR / p->total : BAR;

		buf_append_char(&line, '[');
		for (unsigned i = 0; i < BAR; i++)
			buf_append_char(&line, i < part ? '#' : '.');
		buf_printf(&line, "] %3u%% ", (unsigned)(p->done < p->total ? p->done * 100 / p->total : 100));
	}
	buf_printf(&line, "%llu %s, %llu/s  ", (unsigned long long)p->messages,
		   show_noun(p->messages, p->one ? p->one : "message", p->many ? p->many : "messages"),
		   (unsigned long long)rate);
	show_clean(view_sub(what, 0, WHAT_MAX), &line);
	(void)fwrite(line.p, 1, line.n, stderr);
	(void)fflush(stderr);
}

void progress_clear(struct progress *p)
{
	if (p->drawn)
		(void)fputs("\r\033[K", stderr);
	p->drawn = false;
}
