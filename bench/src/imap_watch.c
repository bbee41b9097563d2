/* SPDX-License-Identifier: ISC
 * imap_watch - how soon watching sessions hear of a new message: N sessions of one user in IDLE on INBOX, another one APPENDs.
 *   imap_watch -p 143 [-I] -u USER -w PASS -n SESSIONS -r REPEATS
 * Prints per repeat the milliseconds from the APPEND's last byte sent to its OK, to the first and to the last notice, and from the OK to
 * the last notice (negative: all had heard before). */
#define NL_BUF 8192
#include "mail.h"
#include "netline.h"
#include <sys/epoll.h>

static const char *user = "u001", *pw = "pw";
static int port = 143, tls;

static void until(struct nl *c, const char *start)
{
	size_t n, l = strlen(start);
	for (;;) {
		char *s = nl_line(c, &n);
		if (n >= l && !memcmp(s, start, l))
			return;
		if (n > 3 && s[0] == 'a' && memmem(s, n, " NO ", 4))
			nl_die(s);
	}
}
static void login(struct nl *c)
{
	char l[300];
	nl_greeted(c, port, tls);
	nl_write(c, l, (size_t)snprintf(l, sizeof l, "a LOGIN %s %s\r\n", user, pw));
	until(c, "a OK");
}
/* reads what is there; true when an EXISTS was among it */
static int heard(struct nl *c)
{
	int yes = 0;
	nl_fill(c);
	for (char *e; (e = memchr(c->buf + c->pos, '\n', c->have - c->pos)); c->pos = (size_t)(e + 1 - c->buf))
		yes |= memmem(c->buf + c->pos, (size_t)(e - c->buf) - c->pos, " EXISTS", 7) != NULL;
	return yes;
}
static double one(struct nl *writer, struct nl *all, int n, int ep, unsigned long i)
{
	char m[2048 + 2048], l[100];
	size_t len = mail_make(m, 2048, i);
	nl_write(writer, l, (size_t)snprintf(l, sizeof l, "a APPEND INBOX {%zu}\r\n", len));
	until(writer, "+");
	m[len] = '\r', m[len + 1] = '\n';
	double sent = nl_now(), ok = 0, first = 0, last = 0;
	nl_write(writer, m, len + 2);
	struct epoll_event ev[256];
	for (int told = 0; told < n || !ok;) {
		int k = epoll_wait(ep, ev, 256, 30000);
		if (k <= 0)
			nl_die("no notice within 30 s");
		for (int j = 0; j < k; j++) {
			struct nl *c = ev[j].data.ptr;
			if (c == writer) {
				until(writer, "a OK");
				ok = nl_now();
			} else if (heard(c)) {
				last = nl_now();
				if (!told++)
					first = last;
			}
		}
	}
	(void)all;
	printf("ok=%.3f first=%.3f last=%.3f after_ok=%.3f\n", (ok - sent) * 1e3, (first - sent) * 1e3,
	       (last - sent) * 1e3, (last - ok) * 1e3);
	fflush(stdout);
	return last - ok;
}
int main(int argc, char **argv)
{
	int o, n = 1000, repeats = 10;
	while ((o = getopt(argc, argv, "p:Iu:w:n:r:")) != -1)
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
		case 'n':
			n = atoi(optarg);
			break;
		case 'r':
			repeats = atoi(optarg);
			break;
		default:
			return 1;
		}
	struct nl *all = calloc((size_t)n, sizeof *all), *writer = calloc(1, sizeof *writer);
	int ep = epoll_create1(0);
	login(writer);
	epoll_ctl(ep, EPOLL_CTL_ADD, writer->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = writer});
	for (int i = 0; i < n; i++) {
		login(&all[i]);
		nl_write(&all[i], "b SELECT INBOX\r\n", 16);
		until(&all[i], "b OK");
		nl_write(&all[i], "c IDLE\r\n", 8);
		until(&all[i], "+");
		epoll_ctl(ep, EPOLL_CTL_ADD, all[i].fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = &all[i]});
	}
	for (int r = 0; r < repeats; r++) {
		usleep(300000);
		one(writer, all, n, ep, (unsigned long)r);
	}
	return 0;
}
