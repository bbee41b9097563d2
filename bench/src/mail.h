/* SPDX-License-Identifier: ISC
 * mail.h - message number i of the benchmarks: the same bytes for every server. Distinct senders, subjects and dates, and references that make
 * threads: four of five messages answer one of the 50 before them. The text is words of up to three syllables. */
#ifndef MAIL_H
#define MAIL_H
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned mail_hash(unsigned long i, unsigned salt)
{
	unsigned long long x = (i + 1) * 0x9e3779b97f4a7c15ULL + salt;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 32;
	return (unsigned)x;
}
/* the message that i answers, or i itself */
static unsigned long mail_parent(unsigned long i)
{
	return i < 50 || mail_hash(i, 1) % 5 == 0 ? i : i - 1 - mail_hash(i, 2) % 50;
}
static size_t mail_words(char *m, size_t n, size_t size, unsigned x)
{
	static const char first[] = "bdfghklmnprt", second[] = "aeiou";
	size_t col = 0;
	while (n + 12 < size) {
		x = x * 1103515245 + 12345;
		unsigned k = (unsigned)((unsigned long long)(x >> 8) * (x >> 20) >> 20) % 216000;
		for (unsigned s = 0; s < 1u + (k >= 60) + (k >= 3600); s++) {
			unsigned y = s == 0 ? k % 60 : s == 1 ? k / 60 % 60 : k / 3600;
			m[n++] = first[y / 5];
			m[n++] = second[y % 5];
			col += 2;
		}
		if (col++ < 66)
			m[n++] = ' ';
		else
			m[n++] = '\r', m[n++] = '\n', col = 0;
	}
	while (n + 2 < size)
		m[n++] = '.';
	m[n++] = '\r';
	m[n++] = '\n';
	return n;
}
/* writes message i to m, which has room for size + 2048 bytes; returns its length (size where the header leaves room) */
static size_t mail_make(char *m, size_t size, unsigned long i)
{
	unsigned long up[6], root = i, n_up = 0;
	while (mail_parent(root) != root) {
		root = mail_parent(root);
		if (n_up < 6)
			up[n_up++] = root;
	}
	time_t t = 1735689600 + (time_t)(i * 300 + mail_hash(i, 3) % 7200);
	struct tm tm;
	char date[64];
	gmtime_r(&t, &tm);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &tm);
	size_t n = (size_t)snprintf(
	    m, 1500,
	    "Return-Path: <person%lu@example.org>\r\n"
	    "Received: from a.example.org (a.example.org [192.0.2.1]) by mx.bench.test; %s\r\n"
	    "From: Person Number %lu <person%lu@example.org>\r\n"
	    "To: Some Body <u001@bench.test>, Other One <other%lu@bench.test>\r\n"
	    "Subject: %ssubject of message %lu about topic%lu\r\nDate: %s\r\nMessage-ID: <msg.%lu@example.org>\r\n",
	    i % 9973, date, i % 9973, i % 9973, i % 31, root == i ? "" : "Re: ", root, root % 100, date, i);
	if (n_up) {
		n += (size_t)snprintf(m + n, 100, "In-Reply-To: <msg.%lu@example.org>\r\nReferences:", up[0]);
		while (n_up)
			n += (size_t)snprintf(m + n, 60, " <msg.%lu@example.org>%s", up[n_up - 1],
					      n_up > 1 ? "\r\n" : ""),
			    n_up--;
		n += (size_t)snprintf(m + n, 3, "\r\n");
	}
	n += (size_t)snprintf(m + n, 100, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
	return mail_words(m, n, size, mail_hash(i, 4));
}
#endif
