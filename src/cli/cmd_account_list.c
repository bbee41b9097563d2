/* SPDX-License-Identifier: ISC
 * pombo account list and show: who has mail here. */
#include "cli/commands.h"

#include "cli/listing.h"
#include "cli/option.h"
#include "cli/show.h"

enum { ADDRESS_COLUMNS = 40, FOLDER_COLUMNS = 30 };

static void put_quota(uint64_t bytes, const char *none, struct buf *out)
{
	if (bytes)
		show_size(bytes, out);
	else
		buf_append_cstr(out, none);
}

static json_t *account_in_json(const struct admin_account *a)
{
	return json_pack("{s:o, s:b, s:o, s:o, s:I, s:I, s:o, s:o}", "address", show_json_text(a->address), "disabled",
			 (int)a->disabled, "quota",
			 a->quota_bytes ? json_integer((json_int_t)a->quota_bytes) : json_null(), "quota_messages",
			 a->quota_messages ? json_integer((json_int_t)a->quota_messages) : json_null(), "used",
			 (json_int_t)a->used_bytes, "messages", (json_int_t)a->messages, "created",
			 show_json_time(a->created_s), "last_login", show_json_time(a->last_login_s));
}

static void print_account(const struct admin_account *a)
{
	_cleanup_(buf_fini) struct buf used = BUF_INIT(32), quota = BUF_INIT(32), seen = BUF_INIT(64);

	show_size(a->used_bytes, &used);
	put_quota(a->quota_bytes, "-", &quota);
	show_time(a->last_login_s, &seen);
	show_column(a->address, ADDRESS_COLUMNS);
	(void)printf(" %8llu %10s %10s  %s%s\n", (unsigned long long)a->messages, buf_cstr(&used), buf_cstr(&quota),
		     buf_cstr(&seen), a->disabled ? "  disabled" : "");
}

static int list_pages(struct listing *l)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(400);
	struct admin_msg answer;
	int r;

	do {
		r = store_client_ask(
		    l->s, admin_put_account_list(&l->s->payload, &(struct admin_account_list){buf_view(&after)}),
		    ADMIN_ACCOUNT_LIST, "account list", ADMIN_ACCOUNTS, &answer);
		if (r)
			return r;
		for (uint32_t i = 0; i < answer.accounts.n_accounts; i++) {
			const struct admin_account *a = &answer.accounts.accounts[i];

			if (l->c->json) {
				listing_add(l, account_in_json(a));
			} else {
				listing_line(l);
				print_account(a);
			}
			buf_reset(&after);
			buf_append_view(&after, a->address);
		}
	} while (answer.accounts.more && answer.accounts.n_accounts);
	return 0;
}

static int run_list(struct cli *c)
{
	return listing_run(c, "ACCOUNT                                  MESSAGES       USED      QUOTA  LAST LOGIN",
			   "There are no accounts.", list_pages);
}

const struct cli_command cmd_account_list = {
    .name = "account list",
    .usage = "[--json]",
    .summary = "lists the accounts",
    .example = "pombo account list --json",
    .shows = true,
    .run = run_list,
};

/* ---- show ---- */

static json_t *texts_in_json(const struct admin_text *texts, uint32_t n)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++)
		(void)json_array_append_new(list, show_json_text(texts[i].text));
	return list;
}

static json_t *folders_in_json(const struct admin_account_is *a)
{
	json_t *folders = json_array();

	for (uint32_t i = 0; i < a->n_folders; i++)
		(void)json_array_append_new(
		    folders, json_pack("{s:o, s:I, s:I, s:I}", "name", show_json_text(a->folders[i].name), "messages",
				       (json_int_t)a->folders[i].messages, "unseen", (json_int_t)a->folders[i].unseen,
				       "size", (json_int_t)a->folders[i].size_bytes));
	return folders;
}

static int show_in_json(const struct admin_account_is *a)
{
	const struct admin_account head = {a->address,  a->disabled,  a->quota_bytes,  a->used_bytes,
					   a->messages, a->created_s, a->last_login_s, a->quota_messages};
	json_t *all = account_in_json(&head);

	(void)json_object_set_new(all, "confirm", json_boolean(a->confirm));
	(void)json_object_set_new(all, "folders", folders_in_json(a));
	(void)json_object_set_new(all, "aliases", texts_in_json(a->aliases, a->n_aliases));
	(void)json_object_set_new(all, "send_as", texts_in_json(a->send_as, a->n_send_as));
	return show_json(all);
}

static void print_texts(const char *what, const struct admin_text *texts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		_cleanup_(buf_fini) struct buf text = BUF_INIT(2048);

		show_clean(texts[i].text, &text);
		(void)printf("  %s %s\n", what, buf_cstr(&text));
	}
}

static void show_in_text(const struct admin_account_is *a)
{
	_cleanup_(buf_fini) struct buf address = BUF_INIT(2048), used = BUF_INIT(32), quota = BUF_INIT(80),
				       made = BUF_INIT(64), seen = BUF_INIT(64);

	show_clean(a->address, &address);
	show_size(a->used_bytes, &used);
	put_quota(a->quota_bytes, a->quota_messages ? "" : "none", &quota);
	if (a->quota_messages)
		buf_printf(&quota, "%s%llu %s", a->quota_bytes ? ", " : "", (unsigned long long)a->quota_messages,
			   show_noun(a->quota_messages, "message", "messages"));
	show_time(a->created_s, &made);
	show_time(a->last_login_s, &seen);
	(void)printf("%s%s\n  %llu %s, %s; quota %s\n  made %s, last login %s\n", buf_cstr(&address),
		     a->disabled ? " (disabled)" : "", (unsigned long long)a->messages,
		     show_noun(a->messages, "message", "messages"), buf_cstr(&used), buf_cstr(&quota), buf_cstr(&made),
		     buf_cstr(&seen));
	if (a->confirm)
		(void)printf("  gets a summary of each message it sends\n");
	for (uint32_t i = 0; i < a->n_folders; i++) {
		(void)printf("  ");
		show_column(a->folders[i].name, FOLDER_COLUMNS);
		(void)printf(" %8llu %s, %llu unseen\n", (unsigned long long)a->folders[i].messages,
			     show_noun(a->folders[i].messages, "message", "messages"),
			     (unsigned long long)a->folders[i].unseen);
	}
	print_texts("alias", a->aliases, a->n_aliases);
	print_texts("may send as", a->send_as, a->n_send_as);
}

static int run_show(struct cli *c)
{
	struct store_client s;
	struct admin_msg answer;
	int r = option_take_words(c, 1, 1, "one address is needed");

	if (r == 0)
		r = store_client_open(c, &s);
	if (r)
		return r;
	r = store_client_ask(
	    &s, admin_put_account_show(&s.payload, &(struct admin_account_show){view_from_cstr(c->argv[1])}),
	    ADMIN_ACCOUNT_SHOW, c->argv[1], ADMIN_ACCOUNT_IS, &answer);
	if (r == 0 && c->json)
		r = show_in_json(&answer.account_is);
	else if (r == 0)
		show_in_text(&answer.account_is);
	store_client_close(&s);
	return r;
}

const struct cli_command cmd_account_show = {
    .name = "account show",
    .usage = "ADDRESS [--json]",
    .summary = "shows one account: folders, use, aliases",
    .example = "pombo account show alice@example.org",
    .shows = true,
    .run = run_show,
};
