/* SPDX-License-Identifier: ISC
 * imap_time - times single IMAP commands at the client, from the first byte sent to the tagged reply, against any server.
 *   imap_time -p 143 [-I] -u USER -w PASS [-g CPUGROUP[+GROUP]] STEP...
 * A STEP is an IMAP command ("SELECT INBOX", "FETCH 1:* (FLAGS)") or a macro:
 *   @append MAILBOX COUNT SIZE [FIRST]   single APPENDs with a synchronising literal, one after another
 *   @fill MAILBOX COUNT SIZE             as fast as it goes: MULTIAPPEND where there is one, else APPENDs in a pipeline
 *   @copy COUNT MAILBOX                  UID COPY of COUNT single messages of the selected mailbox
 *   @times COUNT COMMAND                 the command COUNT times; the median counts
 *   @quiet COMMAND                       not timed, no line
 * Prints per step: "step<TAB>ms<TAB>MB received<TAB>untagged lines<TAB>numbers<TAB>server CPU ms<TAB>OK|NO". `numbers` counts those of
 * SEARCH, SORT and THREAD replies. */
#define NL_BUF (4 << 20)
#include "mail.h"
#include "netline.h"

static struct nl c;
static int tagno;
static unsigned long untagged, numbers, exists, uidnext;
static int multiappend;
static const char *groups;

static void count_numbers(const char *s, size_t n)
{
	for (size_t i = 9; i < n; i++)
		numbers += s[i] >= '0' && s[i] <= '9' && (s[i - 1] < '0' || s[i - 1] > '9');
}
static void look(char *s, size_t n)
{
	untagged++;
	if (!strncmp(s, "* SEARCH", 8) || !strncmp(s, "* SORT", 6) || !strncmp(s, "* THREAD", 8))
		count_numbers(s, n);
	char *e = n > 9 && n < 30 ? memmem(s, n, " EXISTS", 7) : NULL;
	if (e)
		exists = strtoul(s + 2, NULL, 10);
	char *u = n < 200 ? memmem(s, n, "[UIDNEXT ", 9) : NULL;
	if (u)
		uidnext = strtoul(u + 9, NULL, 10);
	if (n < 4000 && !strncmp(s, "* CAPABILITY", 12) && memmem(s, n, " MULTIAPPEND", 12))
		multiappend = 1;
}
/* reads to the tagged line, past literals: 1 OK, 0 NO or BAD; 2 at a continuation request */
static int wait_tag(int tag)
{
	char t[16];
	size_t n, tl = (size_t)snprintf(t, sizeof t, "a%d ", tag);
	for (;;) {
		char *s = nl_line(&c, &n);
		if (n > tl && !memcmp(s, t, tl)) {
			if (!strncmp(s + tl, "OK", 2))
				return 1;
			fprintf(stderr, "server: %.*s\n", (int)n, s);
			return 0;
		}
		if (n && s[0] == '+')
			return 2;
		if (n && s[0] == '*')
			look(s, n);
		while (n > 2 && s[n - 1] == '}') {
			char *b = s + n - 2;
			while (b > s && *b >= '0' && *b <= '9')
				b--;
			if (*b != '{')
				break;
			nl_skip(&c, strtoull(b + 1, NULL, 10));
			s = nl_line(&c, &n);
		}
	}
}
static int cmd(const char *s)
{
	char l[2000];
	int t = ++tagno;
	nl_write(&c, l, (size_t)snprintf(l, sizeof l, "a%d %s\r\n", t, s));
	return wait_tag(t);
}
static int append(const char *mailbox, unsigned long n, size_t size, unsigned long first)
{
	char *m = malloc(size + 2048), l[300];
	int ok = 1;
	for (unsigned long i = first; i < first + n && ok; i++) {
		size_t len = mail_make(m, size, i);
		int t = ++tagno;
		nl_write(&c, l, (size_t)snprintf(l, sizeof l, "a%d APPEND %s {%zu}\r\n", t, mailbox, len));
		if (wait_tag(t) != 2)
			return 0;
		m[len] = '\r', m[len + 1] = '\n';
		nl_write(&c, m, len + 2);
		ok = wait_tag(t);
	}
	free(m);
	return ok;
}
static int fill(const char *mailbox, unsigned long n, size_t size)
{
	enum { BATCH = 250, PIPE = 50 };
	char *m = malloc(size + 2048), l[300];
	int ok = 1, first_tag = tagno + 1;
	if (cmd("CAPABILITY") != 1)
		return 0;
	first_tag = tagno + 1;
	for (unsigned long i = 0; i < n && ok; i++) {
		size_t len = mail_make(m, size, i);
		if (multiappend && i % BATCH) {
			nl_write(&c, l, (size_t)snprintf(l, sizeof l, " {%zu+}\r\n", len));
			nl_write(&c, m, len);
		} else {
			if (i)
				nl_write(&c, "\r\n", 2);
			if (i && multiappend)
				ok = wait_tag(tagno);
			else if (tagno - first_tag >= PIPE)
				ok = wait_tag(first_tag++);
			nl_write(&c, l,
				 (size_t)snprintf(l, sizeof l, "a%d APPEND %s {%zu+}\r\n", ++tagno, mailbox, len));
			nl_write(&c, m, len);
		}
	}
	nl_write(&c, "\r\n", 2);
	free(m);
	if (multiappend)
		first_tag = tagno;
	while (ok && first_tag <= tagno)
		ok = wait_tag(first_tag++);
	return ok;
}
static int copy(unsigned long n, const char *mailbox)
{
	char l[300];
	int ok = 1;
	for (unsigned long i = 0; i < n && ok == 1; i++) {
		snprintf(l, sizeof l, "UID COPY %lu %s", mail_hash(i, 9) % (uidnext > 1 ? uidnext - 1 : 1) + 1,
			 mailbox);
		ok = cmd(l);
	}
	return ok;
}
static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}
static int step(const char *s)
{
	unsigned long long c0 = nl_cpu(groups), b0 = c.bytes;
	unsigned long u0 = untagged, n0 = numbers, n, size = 0, first = 0;
	double t0 = nl_now(), ms = -1;
	char mb[100];
	int ok, times = 1;
	if (sscanf(s, "@append %99s %lu %lu %lu", mb, &n, &size, &first) >= 3)
		ok = append(mb, n, size, first);
	else if (sscanf(s, "@fill %99s %lu %lu", mb, &n, &size) == 3)
		ok = fill(mb, n, size);
	else if (sscanf(s, "@copy %lu %99s", &n, mb) == 2)
		ok = copy(n, mb);
	else if (!strncmp(s, "@times ", 7)) {
		char *rest;
		double all[1000];
		times = (int)strtoul(s + 7, &rest, 10);
		ok = 1;
		for (int i = 0; i < times && i < 1000; i++) {
			double t = nl_now();
			ok &= cmd(rest + 1);
			all[i] = (nl_now() - t) * 1e3;
		}
		qsort(all, (size_t)times, sizeof *all, by_value);
		ms = all[times / 2];
		s = rest + 1;
	} else if (!strncmp(s, "@quiet ", 7))
		return cmd(s + 7);
	else
		ok = cmd(s);
	if (ms < 0)
		ms = (nl_now() - t0) * 1e3;
	printf("%s\t%.3f\t%.3f\t%lu\t%lu\t%.3f\t%s\n", s, ms, (double)(c.bytes - b0) / 1e6 / times,
	       (untagged - u0) / (unsigned)times, (numbers - n0) / (unsigned)times,
	       (double)(nl_cpu(groups) - c0) / 1e6 / times, ok == 1 ? "OK" : "NO");
	fflush(stdout);
	return ok;
}
int main(int argc, char **argv)
{
	const char *user = "u001", *pw = "pw";
	int port = 143, tls = 0, o;
	while ((o = getopt(argc, argv, "p:Iu:w:g:")) != -1)
		switch (o) {
		case 'p':
			port = atoi(optarg);
			break;
		case 'I':
			tls = 1;
			break;
		case 'u':
			user = optarg;
			break;
		case 'w':
			pw = optarg;
			break;
		case 'g':
			groups = optarg;
			break;
		default:
			return 1;
		}
	char l[300];
	nl_greeted(&c, port, tls);
	snprintf(l, sizeof l, "LOGIN %s %s", user, pw);
	if (cmd(l) != 1)
		return 2;
	int bad = 0;
	for (int i = optind; i < argc; i++)
		bad |= step(argv[i]) != 1;
	cmd("LOGOUT");
	return bad;
}
