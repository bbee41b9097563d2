/* SPDX-License-Identifier: ISC
 * smtpsink - accepts SMTP mail on a loopback port and drops it, counting messages in a small mapped file
 * (two 8-byte fields: count, time of the last message as a double) that mail_wait -k can watch.
 *   smtpsink -p 7025 -k COUNTFILE [-t max-seconds] [-q acknowledge at once (TCP_QUICKACK)]        */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
struct cnt {
	unsigned long long n;
	double t;
};
struct k {
	int fd, data, m, n;
	char b[65536];
};
static struct cnt *cnt;
static double wall(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}
static void end(struct k *c)
{
	close(c->fd);
	free(c);
}
/* looks for CRLF.CRLF; m = how much of it has matched (starts at 2: after DATA's own line end) */
static int eat_data(struct k *c, char *p, int n, int *used)
{
	static const char pat[] = "\r\n.\r\n";
	int i = 0;
	while (i < n) {
		if (c->m == 0) { /* fast: jump to the next CR */
			char *q = memchr(p + i, '\r', n - i);
			if (!q) {
				i = n;
				break;
			}
			i = q - p + 1;
			c->m = 1;
			continue;
		}
		char ch = p[i++];
		if (ch == pat[c->m])
			c->m++;
		else
			c->m = ch == '\r';
		if (c->m == 5) {
			*used = i;
			return 1;
		}
	}
	*used = n;
	return 0;
}
int main(int argc, char **argv)
{
	int port = 7025, o, one = 1, quick = 0;
	const char *kf = NULL;
	double max = 3600;
	while ((o = getopt(argc, argv, "p:k:t:q")) != -1)
		switch (o) {
		case 'p':
			port = atoi(optarg);
			break;
		case 'k':
			kf = optarg;
			break;
		case 't':
			max = atof(optarg);
			break;
		case 'q':
			quick = 1;
			break;
		default:
			return 1;
		}
	signal(SIGPIPE, SIG_IGN);
	int f = open(kf ? kf : "/tmp/smtpsink.cnt", O_CREAT | O_RDWR | O_TRUNC, 0644);
	if (f < 0 || ftruncate(f, sizeof *cnt))
		return perror("count file"), 1;
	cnt = mmap(NULL, sizeof *cnt, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(l, (void *)&a, sizeof a) || listen(l, 512))
		return perror("listen"), 1;
	struct epoll_event ev[128], e = {.events = EPOLLIN, .data.ptr = NULL};
	epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
	double stop = wall() + max;
	while (wall() < stop) {
		int n = epoll_wait(ep, ev, 128, 1000);
		for (int i = 0; i < n; i++) {
			struct k *c = ev[i].data.ptr;
			if (!c) {
				int fd;
				while ((fd = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
					c = malloc(sizeof *c);
					c->fd = fd, c->data = c->n = c->m = 0;
					setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
					struct epoll_event x = {.events = EPOLLIN, .data.ptr = c};
					epoll_ctl(ep, EPOLL_CTL_ADD, fd, &x);
					if (write(fd, "220 sink ESMTP\r\n", 16) < 0)
						;
				}
				continue;
			}
			int r = read(c->fd, c->b + c->n, sizeof c->b - 1 - c->n);
			if (r <= 0) {
				if (r == 0 || errno != EAGAIN)
					end(c);
				continue;
			}
			c->n += r;
			if (quick)
				setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
			char *p = c->b, *lim = c->b + c->n, out[4096];
			int ol = 0, quit = 0;
			while (p < lim && !quit && ol < 3500) {
				if (c->data) {
					int used, done = eat_data(c, p, lim - p, &used);
					p += used;
					if (!done)
						break;
					c->data = 0;
					cnt->t = wall();
					cnt->n++;
					ol += sprintf(out + ol, "250 ok\r\n");
					continue;
				}
				char *nl = memchr(p, '\n', lim - p);
				if (!nl)
					break;
				if (!strncasecmp(p, "EHLO", 4))
					ol += sprintf(
					    out + ol,
					    "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n");
				else if (!strncasecmp(p, "DATA", 4)) {
					ol += sprintf(out + ol, "354 go\r\n");
					c->data = 1, c->m = 2;
				} else if (!strncasecmp(p, "QUIT", 4)) {
					ol += sprintf(out + ol, "221 bye\r\n");
					quit = 1;
				} else
					ol += sprintf(out + ol, "250 ok\r\n");
				p = nl + 1;
			}
			c->n = lim - p;
			memmove(c->b, p, c->n);
			if (ol && write(c->fd, out, ol) < 0)
				;
			if (quit)
				end(c);
		}
	}
	return 0;
}
