/* SPDX-License-Identifier: ISC
 * imap_mix - a mixed load: clients that log in as a random user, list, select, fetch, store, append, expunge and log out, over and over.
 *   imap_mix -p 143 [-I] -u u%03d -w PASS -c CLIENTS -n USERS -t SECONDS [-r SEED] [-m MESSAGES-PER-MAILBOX]
 * One session: LOGIN, LIST (half of them), SELECT INBOX, FETCH of flags and envelopes of 10 messages, twice a whole message, STORE of a flag
 * (half), APPEND of a 4 KiB message; while there are more than -m messages, the first ones are STOREd \Deleted and EXPUNGEd; LOGOUT.
 * A client that a NO hits counts it and goes on. Prints commands per second, the median and the 99th hundredth per command. */
#include "mail.h"
#include "netline.h"
#include <pthread.h>

enum kind { LOGIN, LIST, SELECT, FETCH, BODY, STORE, APPEND, EXPUNGE, LOGOUT, KINDS };
static const char *const names[KINDS] = {"LOGIN", "LIST",   "SELECT",  "FETCH", "BODY[]",
					 "STORE", "APPEND", "EXPUNGE", "LOGOUT"};
enum { MAX_TIMES = 1 << 20 };

struct client {
	pthread_t thread;
	unsigned seed;
	struct nl c;
	int tag;
	unsigned long exists;
	unsigned long done[KINDS], no;
};
static const char *user = "u%03d", *pw = "pw";
static int port = 143, tls, users = 100;
static unsigned long keep = 30;
static double end;
static float *times[KINDS];
static unsigned long n_times[KINDS];

static unsigned rnd(struct client *k, unsigned n)
{
	k->seed = k->seed * 1103515245 + 12345;
	return (k->seed >> 8) % n;
}
static int wait_tag(struct client *k)
{
	char t[16];
	size_t n, tl = (size_t)snprintf(t, sizeof t, "a%d ", k->tag);
	for (;;) {
		char *s = nl_line(&k->c, &n);
		if (n > tl && !memcmp(s, t, tl))
			return !strncmp(s + tl, "OK", 2);
		if (n && s[0] == '+')
			return 2;
		if (n > 9 && n < 30 && memmem(s, n, " EXISTS", 7))
			k->exists = strtoul(s + 2, NULL, 10);
		else if (n > 10 && n < 30 && memmem(s, n, " EXPUNGE", 8) && k->exists)
			k->exists--;
		while (n > 2 && s[n - 1] == '}') {
			char *b = s + n - 2;
			while (b > s && *b >= '0' && *b <= '9')
				b--;
			if (*b != '{')
				break;
			nl_skip(&k->c, strtoull(b + 1, NULL, 10));
			s = nl_line(&k->c, &n);
		}
	}
}
static void note(struct client *k, enum kind kind, double t0, int ok)
{
	k->done[kind]++;
	k->no += !ok;
	unsigned long at = __atomic_fetch_add(&n_times[kind], 1, __ATOMIC_RELAXED);
	if (at < MAX_TIMES)
		times[kind][at] = (float)((nl_now() - t0) * 1e3);
}
static int cmd(struct client *k, enum kind kind, const char *s)
{
	char l[600];
	double t0 = nl_now();
	nl_write(&k->c, l, (size_t)snprintf(l, sizeof l, "a%d %s\r\n", ++k->tag, s));
	int r = wait_tag(k);
	note(k, kind, t0, r == 1);
	return r;
}
static void append(struct client *k)
{
	char m[4096 + 2048], l[100];
	size_t len = mail_make(m, 4096, rnd(k, 1000000));
	double t0 = nl_now();
	nl_write(&k->c, l, (size_t)snprintf(l, sizeof l, "a%d APPEND INBOX {%zu}\r\n", ++k->tag, len));
	int r = wait_tag(k);
	if (r == 2) {
		m[len] = '\r', m[len + 1] = '\n';
		nl_write(&k->c, m, len + 2);
		r = wait_tag(k);
	}
	note(k, APPEND, t0, r == 1);
}
static void session(struct client *k)
{
	char l[300], name[100];
	nl_greeted(&k->c, port, tls);
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(name, sizeof name, user, 1 + rnd(k, (unsigned)users));
	snprintf(l, sizeof l, "LOGIN %s %s", name, pw);
	if (cmd(k, LOGIN, l) != 1) {
		close(k->c.fd);
		return;
	}
	if (rnd(k, 2))
		cmd(k, LIST, "LIST \"\" \"*\"");
	k->exists = 0;
	cmd(k, SELECT, "SELECT INBOX");
	if (k->exists) {
		unsigned long top = k->exists;
		snprintf(l, sizeof l, "FETCH %lu:%lu (UID FLAGS ENVELOPE)", top > 9 ? top - 9 : 1, top);
		cmd(k, FETCH, l);
	}
	for (int i = 0; i < 2 && k->exists; i++) {
		snprintf(l, sizeof l, "FETCH %u (BODY.PEEK[])", 1 + rnd(k, (unsigned)k->exists));
		cmd(k, BODY, l);
	}
	if (k->exists && rnd(k, 2)) {
		snprintf(l, sizeof l, "STORE %u %cFLAGS (\\Seen)", 1 + rnd(k, (unsigned)k->exists),
			 rnd(k, 2) ? '+' : '-');
		cmd(k, STORE, l);
	}
	append(k);
	if (k->exists > keep) {
		snprintf(l, sizeof l, "STORE 1:%lu +FLAGS.SILENT (\\Deleted)", k->exists - keep);
		cmd(k, STORE, l);
		cmd(k, EXPUNGE, "EXPUNGE");
	}
	cmd(k, LOGOUT, "LOGOUT");
	if (k->c.ssl)
		SSL_free(k->c.ssl);
	close(k->c.fd);
}
static void *run(void *arg)
{
	struct client *k = arg;
	while (nl_now() < end)
		session(k);
	return NULL;
}
static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}
int main(int argc, char **argv)
{
	int o, clients = 100;
	unsigned seed = 1;
	double secs = 20;
	while ((o = getopt(argc, argv, "p:Iu:w:c:n:t:r:m:")) != -1)
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
		case 'c':
			clients = atoi(optarg);
			break;
		case 'n':
			users = atoi(optarg);
			break;
		case 't':
			secs = atof(optarg);
			break;
		case 'r':
			seed = (unsigned)atoi(optarg);
			break;
		case 'm':
			keep = strtoul(optarg, NULL, 10);
			break;
		default:
			return 1;
		}
	struct client *all = calloc((size_t)clients, sizeof *all);
	for (int i = 0; i < KINDS; i++)
		times[i] = malloc(MAX_TIMES * sizeof(float));
	double t0 = nl_now();
	end = t0 + secs;
	for (int i = 0; i < clients; i++) {
		all[i].seed = seed * 1000003 + (unsigned)i * 7919;
		pthread_create(&all[i].thread, NULL, run, &all[i]);
	}
	for (int i = 0; i < clients; i++)
		pthread_join(all[i].thread, NULL);
	double took = nl_now() - t0;
	unsigned long total = 0, no = 0;
	for (int k = 0; k < KINDS; k++)
		for (int i = 0; i < clients; i++)
			total += all[i].done[k];
	for (int i = 0; i < clients; i++)
		no += all[i].no;
	printf("secs=%.2f commands=%lu rate=%.1f no=%lu", took, total, (double)total / took, no);
	for (int k = 0; k < KINDS; k++) {
		unsigned long n = n_times[k] < MAX_TIMES ? n_times[k] : MAX_TIMES;
		qsort(times[k], n, sizeof(float), by_value);
		if (n)
			printf(" %s=%lu/%.2f/%.2f", names[k], n, times[k][n / 2], times[k][n * 99 / 100]);
	}
	printf("\n");
	return 0;
}
