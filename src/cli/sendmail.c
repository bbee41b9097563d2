/* SPDX-License-Identifier: ISC
 * sendmail, mailq, newaliases. */
#include "cli/sendmail.h"

#include "cli/commands.h"
#include "cli/hand_in.h"
#include "cli/queue.h"
#include "cli/raw_message.h"
#include "cli/sender.h"
#include "mail/address.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MAX = 512 * 1024 * 1024 };

enum mode { MODE_SEND, MODE_LIST_QUEUE, MODE_ALIASES, MODE_UNKNOWN };

struct sendmail {
	struct cli *c;
	enum mode mode;
	const char *mode_text;
	bool read_recipients; /* -t */
	bool dot_is_text; /* -i */
	const char *envelope_from; /* -f; "" and "<>" are the null path */
	const char *full_name; /* -F */
	int first_address; /* in argv */
};

/* -bm, -bp, … */
static enum mode mode_of(const char *text)
{
	static const struct {
		char letter;
		enum mode mode;
	} modes[] = {{'m', MODE_SEND}, {'p', MODE_LIST_QUEUE}, {'i', MODE_ALIASES}};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (text[0] == modes[i].letter && text[1] == '\0')
			return modes[i].mode;
	return MODE_UNKNOWN;
}

/* The letters that sendmail and its successors have known. What only tunes another program's delivery is taken and ignored. */
static bool take_option(struct sendmail *s, int letter, const char *value)
{
	switch (letter) {
	case 't':
		s->read_recipients = true;
		return true;
	case 'i':
		s->dot_is_text = true;
		return true;
	case 'o': /* -oi, -oem, -odb … */
		if (strcmp(value, "i") == 0)
			s->dot_is_text = true;
		return true;
	case 'f':
	case 'r':
		s->envelope_from = value;
		return true;
	case 'F':
		s->full_name = value;
		return true;
	case 'b':
		s->mode = mode_of(value);
		s->mode_text = value;
		return true;
	case 'I':
		s->mode = MODE_ALIASES;
		return true;
	case 'q':
		s->mode = MODE_UNKNOWN;
		s->mode_text = "q";
		return true;
	case '?':
		return false;
	default:
		return true;
	}
}

static bool take_options(struct sendmail *s, int argc, char **argv)
{
	int letter;

	opterr = 0;
	while ((letter = getopt(argc, argv, "+A:B:C:D:F:GIL:N:O:R:TUV:X:b:d::e:f:h:imno:p:q::r:stvx")) != -1)
		if (!take_option(s, letter, optarg))
			return false;
	s->first_address = optind;
	return true;
}

/* ---- sending ---- */

/* The address of the envelope: -f, else who runs this. Empty: the null path. */
static int find_sender(const struct sendmail *s, struct view domain, struct addressees *author, struct view *ret)
{
	const char *from = s->envelope_from;
	struct view bad;
	int r;

	if (from && *from && strcmp(from, "<>") != 0) {
		r = sender_fail(addressees_add(author, view_from_cstr(from), domain, &bad), bad);
		if (r == 0 && author->n == 0)
			r = cli_fail(CLI_USAGE, from, "this is not an address", NULL);
		if (r == 0 && s->full_name)
			author->items[0].name = view_from_cstr(s->full_name);
	} else {
		r = sender_of_process(s->full_name, domain, author);
	}
	if (r)
		return r;
	*ret = from && (!*from || strcmp(from, "<>") == 0) ? VIEW_EMPTY : author->items[0].address;
	return 0;
}

static int find_recipients(const struct sendmail *s, char **addresses, struct view message, struct view domain,
			   struct addressees *list)
{
	struct view bad;
	int r = 0;

	for (; *addresses && r == 0; addresses++)
		r = sender_fail(addressees_add(list, view_from_cstr(*addresses), domain, &bad), bad);
	if (r == 0 && s->read_recipients)
		r = sender_fail(raw_message_recipients(message, domain, list, &bad), bad);
	if (r == 0 && list->n == 0)
		r = cli_fail(CLI_USAGE, "no recipients",
			     s->read_recipients ? "neither the command line nor the message names one"
						: "the command line names none",
			     s->read_recipients ? NULL : "add them, or -t to read them from the message");
	return r;
}

static int read_message(const struct sendmail *s, struct buf *ret)
{
	struct buf input = BUF_INIT(INPUT_MAX);
	int r = cli_read_fd(STDIN_FILENO, &input);

	if (r == 0)
		raw_message_lines(ret, buf_view(&input), !s->dot_is_text);
	buf_fini(&input);
	if (r == -EFBIG || ret->overflow)
		return cli_fail(CLI_BAD_DATA, "the message is too big", "more than 512 MiB", NULL);
	return r < 0 ? cli_fail_errno(CLI_OTHER, "cannot read standard input", r, NULL) : 0;
}

/* A server that is down comes back: programs try again then. */
static int later(int status)
{
	return status == CLI_NOT_RUNNING ? CLI_TRY_AGAIN : status;
}

static int send_message(const struct sendmail *s, char **addresses)
{
	_cleanup_(buf_fini) struct buf domain = BUF_INIT(ADDRESS_DOMAIN_MAX), lines = BUF_INIT(2 * (size_t)INPUT_MAX),
				       message = BUF_INIT(2 * (size_t)INPUT_MAX);
	_cleanup_(addressees_fini) struct addressees author, recipients;
	struct hand_in m = {.recipients = &recipients};
	uint64_t id;
	int r;

	addressees_init(&author);
	addressees_init(&recipients);
	r = later(hand_in_default_domain(s->c, &domain));
	if (r == 0)
		r = read_message(s, &lines);
	if (r == 0)
		r = find_sender(s, buf_view(&domain), &author, &m.sender);
	if (r == 0)
		r = find_recipients(s, addresses, buf_view(&lines), buf_view(&domain), &recipients);
	if (r)
		return r;
	raw_message_rewrite(&message, buf_view(&lines), buf_view(&domain), &author.items[0]);
	m.message = buf_view(&message);
	return later(hand_in(s->c, &m, &id));
}

/* ---- names ---- */

static int aliases(void)
{
	(void)printf("pombo: aliases are in the store, there is nothing to rebuild; see 'pombo alias --help'\n");
	return CLI_OK;
}

bool sendmail_is_name(const char *name)
{
	return strcmp(name, "sendmail") == 0 || strcmp(name, "mailq") == 0 || strcmp(name, "newaliases") == 0;
}

static int list_queue(struct cli *c)
{
	static char word[] = "mailq";
	char *words[] = {word, NULL};

	c->command = &cmd_queue_list;
	c->argc = 1;
	c->argv = words;
	return queue_list(c);
}

static int help(const char *name)
{
	(void)printf("Usage: %s\n\nExample:\n  %s\n\n'man %s' says more.\n",
		     strcmp(name, "sendmail") == 0 ? "sendmail [-t] [-i] [-f ADDRESS] [-F NAME] [ADDRESS]..." : name,
		     strcmp(name, "sendmail") == 0 ? "printf 'To: you@example.org\\n\\nhello\\n' | sendmail -t" : name,
		     name);
	return 0;
}

int sendmail_run(struct cli *c, const char *name, int argc, char **argv)
{
	struct sendmail s = {.c = c, .mode_text = ""};
	_cleanup_(buf_fini) struct buf what = BUF_INIT(256);

	s.mode = strcmp(name, "mailq") == 0        ? MODE_LIST_QUEUE
		 : strcmp(name, "newaliases") == 0 ? MODE_ALIASES
						   : MODE_SEND;
	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return help(name);
	if (!take_options(&s, argc, argv)) {
		buf_printf(&what, "%s: there is no option -%c", name, optopt);
		return cli_fail(CLI_USAGE, buf_cstr(&what), NULL, "see 'man sendmail'");
	}
	switch (s.mode) {
	case MODE_SEND:
		return send_message(&s, argv + s.first_address);
	case MODE_LIST_QUEUE:
		return list_queue(c);
	case MODE_ALIASES:
		return aliases();
	case MODE_UNKNOWN:
		buf_printf(&what, "%s: the mode -%s%.60s is not offered", name, s.mode_text[0] == 'q' ? "" : "b",
			   s.mode_text);
		return cli_fail(CLI_USAGE, buf_cstr(&what), NULL, "the server is started by 'pombo run'");
	}
	return CLI_OTHER;
}
