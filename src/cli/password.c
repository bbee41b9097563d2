/* SPDX-License-Identifier: ISC
 * Passwords: read from standard input or the terminal, or made up. */
#include "cli/password.h"

#include "base/random.h"
#include "cli/cli.h"
#include "cli/show.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PASSWORD_DIGITS = 20 };

void password_wipe(struct buf *secret)
{
	if (secret->p)
		explicit_bzero(secret->p, secret->cap);
	buf_fini(secret);
}

/* 100 bits in groups of five, without letters that look alike. */
static void make_up(struct buf *ret)
{
	static const char digits[] = "abcdefghjkmnpqrstuvwxyz23456789x";
	uint8_t random[PASSWORD_DIGITS];

	random_bytes(random, sizeof random);
	for (size_t i = 0; i < sizeof random; i++) {
		if (i && i % 5 == 0)
			buf_append_char(ret, '-');
		buf_append_char(ret, digits[random[i] & 31]);
	}
	explicit_bzero(random, sizeof random);
}

/* One line without its end, byte by byte: what follows is for somebody else. 0 or -errno. */
static int read_line(int fd, struct buf *ret)
{
	char c;
	ssize_t n;

	while ((n = read(fd, &c, 1)) == 1 && c != '\n')
		buf_append_char(ret, c);
	if (n < 0)
		return -errno;
	if (ret->n && ret->p[ret->n - 1] == '\r')
		buf_truncate(ret, ret->n - 1);
	return ret->overflow || ret->n > PASSWORD_MAX ? -E2BIG : ret->n == 0 ? -ENODATA : 0;
}

/* ---- the terminal ---- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* Without echo; an interrupt ends it with the terminal as it was before. */
static int prompt(int tty, const char *text, struct buf *ret)
{
	enum { SIGNALS = 5 };
	static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	const struct sigaction note = {.sa_handler = on_signal};
	struct sigaction old_actions[SIGNALS];
	struct pollfd line = {.fd = tty, .events = POLLIN};
	struct termios old, quiet;
	sigset_t ours, before;
	int r;

	if (tcgetattr(tty, &old) < 0)
		return -errno;
	interrupted = 0;
	(void)sigemptyset(&ours);
	for (size_t i = 0; i < SIGNALS; i++) {
		(void)sigaction(numbers[i], &note, &old_actions[i]);
		(void)sigaddset(&ours, numbers[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &ours, &before); /* let in where we wait only: none comes unheard before that */
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(tty, TCSAFLUSH,
			&quiet); /* before the question: what is typed after it is neither shown nor dropped */
	(void)!write(tty, text, strlen(text));
	r = ppoll(&line, 1, NULL, &before) < 0 ? -errno : read_line(tty, ret);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	(void)tcsetattr(tty, TCSAFLUSH, &old);
	(void)!write(tty, "\n", 1);
	for (size_t i = 0; i < SIGNALS; i++)
		(void)sigaction(numbers[i], &old_actions[i], NULL);
	if (interrupted)
		(void)raise(interrupted);
	return r;
}

static int ask(bool twice, const char *whose, struct buf *ret)
{
	_cleanup_(fd_close) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	_cleanup_(password_wipe) struct buf again = PASSWORD_BUF;
	_cleanup_(buf_fini) struct buf question = BUF_INIT(4096);
	int r;

	buf_append_cstr(&question, "Password");
	if (whose) {
		buf_append_cstr(&question, " of ");
		show_clean(view_from_cstr(whose), &question);
	}
	buf_append_cstr(&question, ": ");
	if (tty < 0)
		return -ENOTTY;
	(void)buf_reserve(&again, PASSWORD_MAX + 1);
	r = prompt(tty, buf_cstr(&question), ret);
	if (r == 0 && twice)
		r = prompt(tty, "Once more: ", &again);
	if (r == 0 && twice && !view_eq(buf_view(ret), buf_view(&again)))
		r = -EKEYREJECTED;
	return r;
}

/* ---- errors ---- */

static int fail(enum password_from from, int error)
{
	static const char no[] = "no password";

	switch (-error) {
	case ENODATA:
		return from == PASSWORD_STDIN
			   ? cli_fail(CLI_BAD_DATA, no, "the first line of standard input is empty", "write it there")
			   : cli_fail(CLI_BAD_DATA, no, "nothing was typed", "try again");
	case ENOTTY:
		return cli_fail(CLI_USAGE, no, "there is no terminal to ask at", "use --password-stdin");
	case EKEYREJECTED:
		return cli_fail(CLI_BAD_DATA, no, "the two were not the same", "try again");
	case E2BIG:
		return cli_fail(CLI_BAD_DATA, no, "it is longer than 1024 bytes", "choose a shorter one");
	default:
		return cli_fail_errno(CLI_OTHER, "cannot read the password", error, NULL);
	}
}

int password_get(enum password_from from, const char *whose, struct buf *ret)
{
	int r = 0;

	(void)buf_reserve(ret, PASSWORD_MAX + 1); /* one place in memory, to be wiped */
	switch (from) {
	case PASSWORD_STDIN:
		r = read_line(STDIN_FILENO, ret);
		break;
	case PASSWORD_TERMINAL:
	case PASSWORD_TERMINAL_TWICE:
		r = ask(from == PASSWORD_TERMINAL_TWICE, whose, ret);
		break;
	case PASSWORD_MADE_UP:
		make_up(ret);
		break;
	}
	return r < 0 ? fail(from, r) : 0;
}
