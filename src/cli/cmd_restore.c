/* SPDX-License-Identifier: ISC
 * pombo restore: a state of a backup, whole, an account of it, or one message. */
#include "cli/commands.h"

#include "base/encode.h"
#include "base/id.h"
#include "cli/backup.h"
#include "cli/mail_client.h"
#include "cli/option.h"
#include "cli/progress.h"
#include "cli/show.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDENTITY_BYTES = 16, KEYWORDS_MAX = 256, NAME_BYTES = 1100, FOLDERS_MAX = 10000, NAMES_BYTES = 512 * 1024 };
/* Of `failed` in mailbox.def. */
enum { EXISTS = 2, TOO_BIG = 5, BAD = 10, LIMIT = 11 };

struct restore {
	const struct cli *c;
	struct backup b;
	struct state s;
	struct store_client store;
	struct mail_client mail; /* of the account under way */
	struct progress progress;
	uint64_t restored, there, folders, accounts, failed;
	bool made_account;
};

static uint64_t number(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v > 0 ? (uint64_t)v : 0;
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* ---- the directory ---- */

/* Makes what is missing; what is there already stays as it is. *ret_made (or NULL). */
static int make(struct restore *rs, bool encoded, uint16_t type, const char *subject, bool *ret_made)
{
	struct admin_msg answer;
	int r;

	if (!encoded)
		return store_client_do(&rs->store, false, type, subject, NULL);
	r = sync_channel_call(&rs->store.channel, type, buf_view(&rs->store.payload), NULL, 0, 60000, &answer);
	buf_reset(&rs->store.payload);
	if (r < 0)
		return cli_fail_errno(CLI_NOT_RUNNING, "the server did not answer", r, "see its log");
	if (answer.type == ADMIN_DONE && ret_made)
		*ret_made = true;
	if (answer.type == ADMIN_DONE ||
	    (answer.type == ADMIN_FAILED && answer.failed.exit_status == CLI_CANNOT_CREATE))
		return 0;
	if (answer.type == ADMIN_FAILED) {
		_cleanup_(free_ptr) char *why = view_to_cstr(answer.failed.text);

		return cli_fail((enum cli_status)answer.failed.exit_status, why ? why : subject, NULL, NULL);
	}
	return cli_fail(CLI_OTHER, "the server gave an odd answer", NULL, "see its log");
}

static int make_domain(struct restore *rs, const json_t *d)
{
	struct view name = view_from_cstr(text(d, "name")), of = view_from_cstr(text(d, "alias_of"));
	struct buf *b = &rs->store.payload;

	if (of.n)
		return make(rs, admin_put_domain_alias(b, &(struct admin_domain_alias){name, of}), ADMIN_DOMAIN_ALIAS,
			    name.p, NULL);
	return make(rs, admin_put_domain_add(b, &(struct admin_domain_add){name}), ADMIN_DOMAIN_ADD, name.p, NULL);
}

static int make_domains(struct restore *rs, bool aliases)
{
	size_t i;
	const json_t *d;
	int r = 0;

	json_array_foreach(rs->s.domains, i, d) if (r == 0 && (*text(d, "alias_of") != '\0') == aliases) r =
	    make_domain(rs, d);
	return r;
}

static int make_account(struct restore *rs, const json_t *a)
{
	_cleanup_(buf_fini) struct buf salt = BUF_INIT(64), stored = BUF_INIT(32), server = BUF_INIT(32);
	struct admin_account_add add = {.address = view_from_cstr(text(a, "address")),
					.argon2 = view_from_cstr(text(a, "argon2")),
					.scram_iterations = (uint32_t)number(a, "scram_iterations"),
					.has_quota = true,
					.quota_bytes = number(a, "quota"),
					.quota_messages = number(a, "quota_messages")};
	int r;

	if (!decode_hex(&salt, view_from_cstr(text(a, "scram_salt"))) ||
	    !decode_hex(&stored, view_from_cstr(text(a, "scram_stored_key"))) ||
	    !decode_hex(&server, view_from_cstr(text(a, "scram_server_key"))))
		return cli_fail(CLI_BAD_DATA, add.address.p, "its password's verifier is damaged", NULL);
	add.scram_salt = buf_view(&salt);
	add.scram_stored_key = buf_view(&stored);
	add.scram_server_key = buf_view(&server);
	rs->made_account = false;
	r = make(rs, admin_put_account_add(&rs->store.payload, &add), ADMIN_ACCOUNT_ADD, add.address.p,
		 &rs->made_account);
	if (r == 0 && rs->made_account && number(a, "disabled"))
		r = make(
		    rs,
		    admin_put_account_enable(&rs->store.payload, &(struct admin_account_enable){add.address, false}),
		    ADMIN_ACCOUNT_ENABLE, add.address.p, NULL);
	if (r == 0 && rs->made_account && number(a, "confirm"))
		r = make(
		    rs,
		    admin_put_account_confirm(&rs->store.payload, &(struct admin_account_confirm){add.address, true}),
		    ADMIN_ACCOUNT_CONFIRM, add.address.p, NULL);
	return r;
}

/* Does an alias of that name exist now? Then it stays. */
static int alias_exists(struct restore *rs, const char *address, bool *ret)
{
	_cleanup_(buf_fini) struct buf after = BUF_INIT(400);
	struct admin_msg answer;
	int r;

	*ret = false;
	do {
		r = store_client_ask(
		    &rs->store, admin_put_alias_list(&rs->store.payload, &(struct admin_alias_list){buf_view(&after)}),
		    ADMIN_ALIAS_LIST, "alias list", ADMIN_ALIASES, &answer);
		if (r)
			return r;
		for (uint32_t i = 0; i < answer.aliases.n_aliases; i++) {
			*ret |= view_eq_lit(answer.aliases.aliases[i].address, address);
			buf_reset(&after);
			buf_append_view(&after, answer.aliases.aliases[i].address);
		}
	} while (!*ret && answer.aliases.more && answer.aliases.n_aliases);
	return 0;
}

/* The targets stand in neighbouring lines. */
static int make_aliases(struct restore *rs)
{
	size_t n = json_array_size(rs->s.aliases), i = 0;
	int r = 0;

	while (r == 0 && i < n) {
		const char *address = text(json_array_get(rs->s.aliases, i), "address");
		struct admin_text *targets = xcalloc(n - i, sizeof *targets);
		struct admin_alias_add add = {.address = view_from_cstr(address), .targets = targets};
		bool there = false;

		for (; i < n && strcmp(text(json_array_get(rs->s.aliases, i), "address"), address) == 0; i++)
			targets[add.n_targets++].text =
			    view_from_cstr(text(json_array_get(rs->s.aliases, i), "target"));
		r = alias_exists(rs, address, &there);
		if (r == 0 && !there)
			r = make(rs, admin_put_alias_add(&rs->store.payload, &add), ADMIN_ALIAS_ADD, address, NULL);
		free(targets);
	}
	return r;
}

static int make_send_as(struct restore *rs, const json_t *account)
{
	size_t i;
	const json_t *s;
	int r = 0;

	json_array_foreach(rs->s.send_as, i, s) if (r == 0 && number(s, "account") == number(account, "id")) r =
	    make(rs,
		 admin_put_send_as(&rs->store.payload, &(struct admin_send_as){view_from_cstr(text(account, "address")),
									       view_from_cstr(text(s, "as")), true}),
		 ADMIN_SEND_AS, text(account, "address"), NULL);
	return r;
}

/* ---- messages ---- */

/* As it is read: this copy's prefix, header block, content. */
static int read_copy(struct restore *rs, const struct state_copy *c, struct buf *out)
{
	_cleanup_(buf_fini) struct buf bytes = BUF_INIT(3ULL << 30);
	const struct pack_entry *e = backup_find(&rs->b, c->message);
	struct pack_message m;
	char id[ID_TEXT_BYTES + 1];
	int r;

	id_format(c->message, id);
	if (!e)
		return cli_fail(CLI_BAD_DATA, id, "this message is not in the backup's packs",
				"restore an older state");
	r = backup_read_message(&rs->b, e, &m, &bytes);
	if (r)
		return r;
	if (c->prefix_offset + c->prefix_bytes > m.prefix_bytes ||
	    c->size != c->prefix_bytes + m.header_bytes + m.content_bytes)
		return cli_fail(CLI_BAD_DATA, id, "its parts do not fit together", NULL);
	buf_append_view(out, view_sub(buf_view(&bytes), c->prefix_offset, c->prefix_bytes));
	buf_append_view(out, view_sub(buf_view(&bytes), m.prefix_bytes, bytes.n));
	return 0;
}

static void make_identity(const struct restore *rs, const struct state_copy *c, uint8_t ret[EVP_MAX_MD_SIZE])
{
	_cleanup_(buf_fini) struct buf b = BUF_INIT(256);

	buf_printf(&b, "restore:%s:%llu:%u", rs->s.name, (unsigned long long)c->mailbox, c->uid);
	(void)EVP_Digest(b.p, b.n, ret, NULL, EVP_sha256(), NULL);
}

static size_t split(const char *keywords, struct view *words)
{
	struct view rest = view_from_cstr(keywords);
	size_t n = 0;

	while (rest.n && n < KEYWORDS_MAX) {
		if (!view_cut(rest, ' ', &words[n], &rest)) {
			words[n] = rest;
			rest = VIEW_EMPTY;
		}
		n += words[n].n > 0;
	}
	return n;
}

/* `once`: a second run passes it over. */
static int put_copy(struct restore *rs, const struct state_copy *c, const char *folder, bool once)
{
	_cleanup_(buf_fini) struct buf message = BUF_INIT(1ULL << 30);
	uint8_t identity[EVP_MAX_MD_SIZE] = {0};
	struct view words[KEYWORDS_MAX];
	struct mail_append a = {.folder = view_from_cstr(folder),
				.flags = c->flags,
				.keywords = words,
				.n_keywords = split(c->keywords, words),
				.date_s = c->date_s,
				.ignore_quota = true};
	struct mailbox_msg answer;
	int r = read_copy(rs, c, &message);

	if (r)
		return r;
	make_identity(rs, c, identity);
	/* Of an older backup: one that the store would refuse. */
	if (mail_client_is_uidl(view_from_cstr(c->uidl)))
		a.uidl = view_from_cstr(c->uidl);
	a.message = buf_view(&message);
	a.identity = once ? view_from(identity, IDENTITY_BYTES) : VIEW_EMPTY;
	r = mail_client_append(&rs->mail, &a, &answer);
	if (r)
		return r;
	if (answer.type == MAILBOX_FAILED && answer.failed.code == EXISTS && once)
		rs->there++;
	else if (answer.type != MAILBOX_APPENDED)
		return mail_client_failed(&answer, folder);
	else
		rs->restored++;
	rs->progress.messages++;
	rs->progress.done++;
	progress_show(&rs->progress, view_from_cstr(rs->mail.address));
	return 0;
}

/* ---- accounts ---- */

static void staging_name(const struct restore *rs, const struct state_mailbox *m, struct buf *out)
{
	buf_printf(out, "Restore %s", rs->s.name);
	if (m)
		buf_printf(out, "/%llu", (unsigned long long)m->id);
}

/* No reason to leave the mail unrestored. */
static bool can_do_without(const struct mailbox_msg *answer)
{
	return answer->type == MAILBOX_FAILED &&
	       (answer->failed.code == TOO_BIG || answer->failed.code == BAD || answer->failed.code == LIMIT);
}

static void tell_left_out(struct restore *rs, const char *what, const char *name, const char *why)
{
	_cleanup_(buf_fini) struct buf line = BUF_INIT(4096);

	progress_clear(&rs->progress);
	show_clean(view_from_cstr(name), &line);
	(void)fprintf(stderr, "pombo: %s: the %s %s was left out: %s\n", rs->mail.address, what, buf_cstr(&line), why);
}

static int annotate(struct restore *rs, struct view folder, const json_t *o)
{
	_cleanup_(buf_fini) struct buf value = BUF_INIT(65536);
	struct mailbox_annotation_change change = {.entry = view_from_cstr(text(o, "entry"))};
	const struct mailbox_annotate m = {
	    .session = rs->mail.session, .name = folder, .changes = &change, .n_changes = 1};
	struct mailbox_msg answer;
	int r;

	if (!decode_hex(&value, view_from_cstr(text(o, "value"))))
		return cli_fail(CLI_BAD_DATA, text(o, "entry"), "this annotation is damaged", NULL);
	change.value = buf_view(&value);
	r = mail_client_call(&rs->mail, mailbox_put_annotate(&rs->mail.payload, &m), MAILBOX_ANNOTATE, folder.p,
			     &answer);
	if (r || answer.type == MAILBOX_DONE)
		return r;
	if (!can_do_without(&answer))
		return mail_client_failed(&answer, text(o, "entry"));
	tell_left_out(rs, "annotation", text(o, "entry"),
		      answer.failed.code == BAD ? "it is none that can be"
		      : folder.n                ? "the folder or account has as many as it may"
						: "the account has as many as it may");
	return 0;
}

/* `owner`: a mailbox of the state, or, negative, an account. */
static int annotations(struct restore *rs, int64_t owner, struct view folder)
{
	size_t i;
	const json_t *o;
	int r = 0;

	json_array_foreach(rs->s.annotations, i, o) if (r == 0 && json_integer_value(json_object_get(o, "owner")) ==
								      owner) r = annotate(rs, folder, o);
	return r;
}

/* Nobody subscribes to it: it is not to stay. */
static int make_staging(struct restore *rs, struct view name)
{
	const struct mailbox_create create = {rs->mail.session, name, 0};
	struct mailbox_msg answer;
	int r = mail_client_call(&rs->mail, mailbox_put_create(&rs->mail.payload, &create), MAILBOX_CREATE, name.p,
				 &answer);

	if (r || answer.type == MAILBOX_CREATED || (answer.type == MAILBOX_FAILED && answer.failed.code == EXISTS))
		return r;
	return mail_client_failed(&answer, name.p);
}

static int fill(struct restore *rs, const struct state_mailbox *m)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(NAME_BYTES);
	size_t n;
	const struct state_copy *copies = state_copies_of(&rs->s, m->id, &n);
	int r;

	staging_name(rs, m, &name);
	r = make_staging(rs, view_from_cstr(buf_cstr(&name)));
	for (size_t i = 0; i < n && r == 0; i++)
		r = put_copy(rs, &copies[i], buf_cstr(&name), true);
	if (r == 0)
		r = annotations(rs, (int64_t)m->id, view_from_cstr(buf_cstr(&name)));
	rs->folders++;
	return r;
}

/* Those from *at on that fit one request; *at becomes the first that did not. */
static int give_some_names(struct restore *rs, uint64_t account, size_t *at)
{
	struct mailbox_restored *folders = xcalloc(rs->s.n_mailboxes + 1, sizeof *folders);
	struct mailbox_replace_folders m = {.session = rs->mail.session, .folders = folders};
	struct mailbox_msg answer;
	size_t bytes = 0;
	bool encoded;
	int r = 0;

	for (; *at < rs->s.n_mailboxes && bytes < NAMES_BYTES && m.n_folders < FOLDERS_MAX; ++*at) {
		const struct state_mailbox *box = &rs->s.mailboxes[*at];
		struct buf name = BUF_INIT(NAME_BYTES);

		if (box->account != account)
			continue;
		staging_name(rs, box, &name);
		folders[m.n_folders++] = (struct mailbox_restored){view_from_cstr(xstrdup(buf_cstr(&name))),
								   view_from_cstr(box->name), box->special_use};
		bytes += name.n + strlen(box->name);
		buf_fini(&name);
	}
	if (m.n_folders) {
		encoded = mailbox_put_replace_folders(&rs->mail.payload, &m);
		r = mail_client_ask(&rs->mail, encoded, MAILBOX_REPLACE_FOLDERS, "the restored folders", MAILBOX_DONE,
				    &answer);
	}
	for (uint32_t i = 0; i < m.n_folders; i++)
		free((void *)(uintptr_t)folders[i].from.p);
	free(folders);
	return r;
}

/* All at once (see replace_folders in mailbox.def), unless there are thousands with long names. */
static int give_names(struct restore *rs, uint64_t account)
{
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < rs->s.n_mailboxes)
		r = give_some_names(rs, account, &at);
	return r;
}

static int subscribe(struct restore *rs, const char *name)
{
	const struct mailbox_subscribe m = {rs->mail.session, view_from_cstr(name), true};
	struct mailbox_msg answer;
	int r =
	    mail_client_call(&rs->mail, mailbox_put_subscribe(&rs->mail.payload, &m), MAILBOX_SUBSCRIBE, name, &answer);

	if (r || answer.type == MAILBOX_DONE)
		return r;
	if (!can_do_without(&answer))
		return mail_client_failed(&answer, name);
	tell_left_out(rs, "subscription", name,
		      answer.failed.code == LIMIT ? "the account has as many as it may"
						  : "no folder can have that name");
	return 0;
}

static int subscriptions(struct restore *rs, uint64_t account)
{
	size_t i;
	const json_t *s;
	int r = 0;

	json_array_foreach(rs->s.subscriptions, i, s) if (r == 0 && number(s, "account") == account) r =
	    subscribe(rs, text(s, "name"));
	return r;
}

/* The folder that held the others is empty now. */
static int tidy(struct restore *rs)
{
	_cleanup_(buf_fini) struct buf top = BUF_INIT(NAME_BYTES);
	struct mailbox_delete del = {.session = rs->mail.session};
	struct mailbox_msg answer;

	staging_name(rs, NULL, &top);
	del.name = view_from_cstr(buf_cstr(&top));
	return mail_client_ask(&rs->mail, mailbox_put_delete(&rs->mail.payload, &del), MAILBOX_DELETE, del.name.p,
			       MAILBOX_DONE, &answer);
}

static int restore_account(struct restore *rs, const json_t *a)
{
	uint64_t account = number(a, "id");
	int r = make_account(rs, a);

	if (r == 0)
		r = make_send_as(rs, a);
	if (r == 0)
		r = mail_client_attach(&rs->store, text(a, "address"), &rs->mail);
	if (r)
		return r;
	for (size_t i = 0; i < rs->s.n_mailboxes && r == 0; i++)
		if (rs->s.mailboxes[i].account == account)
			r = fill(rs, &rs->s.mailboxes[i]);
	if (r == 0)
		r = give_names(rs, account);
	if (r == 0)
		r = subscriptions(rs, account);
	if (r == 0)
		r = annotations(rs, -(int64_t)account, VIEW_LIT(""));
	if (r == 0)
		r = tidy(rs);
	mail_client_detach(&rs->mail);
	rs->accounts += r == 0;
	return r;
}

static bool is_account(const json_t *a, const char *address)
{
	return view_eq_nocase(view_from_cstr(text(a, "address")), view_from_cstr(address));
}

static const json_t *find_account(const struct restore *rs, uint64_t id, const char *address)
{
	size_t i;
	const json_t *a;

	json_array_foreach(rs->s.accounts, i, a) if (address ? is_account(a, address) : number(a, "id") == id) return a;
	return NULL;
}

/* What stops one account need not keep the others from being restored; a store that is gone or full stops all. */
static int restore_accounts(struct restore *rs, const char *address)
{
	size_t i;
	const json_t *a;
	int worst = 0;

	json_array_foreach(rs->s.accounts, i, a)
	{
		int r = address && !is_account(a, address) ? 0 : restore_account(rs, a);

		progress_clear(&rs->progress);
		if (r)
			(void)cli_fail(r, text(a, "address"), "this account is not restored", "why stands above");
		rs->failed += r != 0;
		if (r == CLI_NOT_RUNNING || r == CLI_TRY_AGAIN)
			return r;
		worst = worst ? worst : r;
	}
	return worst;
}

static int restore_mail(struct restore *rs, const char *address)
{
	int r = 0, aliases;

	if (address && !find_account(rs, 0, address))
		return cli_fail(CLI_NO_SUCH, address, "there is no such account in this state",
				"see 'pombo backup --list'");
	rs->progress.total = rs->s.n_copies;
	r = make_domains(rs, false);
	if (r == 0 && !address)
		r = make_domains(rs, true);
	if (r)
		return r;
	r = restore_accounts(rs, address);
	aliases = address || r == CLI_NOT_RUNNING || r == CLI_TRY_AGAIN ? 0 : make_aliases(rs);
	return r ? r : aliases;
}

/* ---- one message ---- */

static int restore_copy(struct restore *rs, const struct state_copy *c, const char *folder, const char *address)
{
	const struct state_mailbox *m = state_mailbox_of(&rs->s, c->mailbox);
	const json_t *a = m ? find_account(rs, m->account, NULL) : NULL;
	bool made;
	int r;

	if (!a || (address && !is_account(a, address)))
		return 0;
	r = mail_client_attach(&rs->store, text(a, "address"), &rs->mail);
	if (r)
		return r;
	folder = folder ? folder : m->name;
	r = mail_client_make_folder(&rs->mail, view_from_cstr(folder), 0, &made);
	if (r == 0)
		r = put_copy(rs, c, folder, false);
	mail_client_detach(&rs->mail);
	return r;
}

static int restore_message(struct restore *rs, const char *word, const char *folder, const char *address)
{
	uint64_t id;
	int r = 0;

	if (!id_parse(view_from_cstr(word), &id))
		return cli_fail(CLI_BAD_DATA, word, "this is not a message id",
				"ids are in the server's log, and in the Received field of each message");
	for (size_t i = 0; i < rs->s.n_copies && r == 0; i++)
		if (rs->s.copies[i].message == id)
			r = restore_copy(rs, &rs->s.copies[i], folder, address);
	if (r == 0 && rs->restored == 0)
		r = cli_fail(CLI_NO_SUCH, word, "there is no such message in this state", "try another: --at TIME");
	return r;
}

/* ---- the command ---- */

static int report(struct restore *rs)
{
	progress_clear(&rs->progress);
	if (rs->c->json)
		return show_json(json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "state", rs->s.name, "taken",
					   show_json_time(rs->s.taken_s), "accounts", (json_int_t)rs->accounts,
					   "failed", (json_int_t)rs->failed, "folders", (json_int_t)rs->folders,
					   "restored", (json_int_t)rs->restored, "there", (json_int_t)rs->there));
	(void)printf("%s: %llu %s, %llu %s, %llu %s restored", rs->s.name, (unsigned long long)rs->accounts,
		     show_noun(rs->accounts, "account", "accounts"), (unsigned long long)rs->folders,
		     show_noun(rs->folders, "folder", "folders"), (unsigned long long)(rs->restored + rs->there),
		     show_noun(rs->restored + rs->there, "message", "messages"));
	if (rs->there)
		(void)printf(" (%llu of them by an earlier run)", (unsigned long long)rs->there);
	if (rs->failed)
		(void)printf("; %llu %s NOT restored", (unsigned long long)rs->failed,
			     show_noun(rs->failed, "account", "accounts"));
	(void)printf("\n");
	return 0;
}

struct words {
	const char *account, *message, *folder, *at;
};

static int restore_from(struct cli *c, const char *path, const struct words *w)
{
	struct restore rs = {.c = c};
	int r = backup_open(path, false, &rs.b);

	if (r)
		return r;
	r = state_load(&rs.b, w->at, &rs.s);
	if (r == 0) {
		progress_init(&rs.progress, "restoring", c->json);
		r = store_client_open_judging(c, &rs.store);
		if (r == 0) {
			r = w->message ? restore_message(&rs, w->message, w->folder, w->account)
				       : restore_mail(&rs, w->account);
			progress_clear(&rs.progress);
			store_client_close(&rs.store);
		}
		if (r == 0 || rs.accounts)
			(void)report(&rs);
		state_fini(&rs.s);
	}
	backup_close(&rs.b);
	return r;
}

static int run(struct cli *c)
{
	struct words w = {NULL};
	const struct option options[] = {{.name = "account", .value = &w.account},
					 {.name = "message", .value = &w.message},
					 {.name = "folder", .value = &w.folder},
					 {.name = "at", .value = &w.at}};
	int r = option_take(c, options, ARRAY_LEN(options));

	if (r)
		return r;
	if (c->argc != 2)
		return cli_usage(c, "one folder is needed");
	if (w.folder && !w.message)
		return cli_usage(c, "--folder goes with --message");
	return restore_from(c, c->argv[1], &w);
}

const struct cli_command cmd_restore = {
    .name = "restore",
    .usage = "SRC [--at STATE] [--account A] [--message ID [--folder F]] [--json]",
    .summary = "brings back a state of a backup, an account of it, or one message",
    .help = "Without further words: domains, accounts, aliases that are missing are made; each account's folders "
	    "become what they were. What has "
	    "their names now is set aside as deleted mailboxes, which 'pombo undelete' lists; folders that the backup "
	    "does not know stay. Each restored "
	    "folder has a new UIDVALIDITY, so mail programs read it anew.\n\n"
	    "What stops one account does not keep the others from being restored; the exit status tells. Works while "
	    "the server runs. A restore that is killed changes nothing but a folder \"Restore STATE\"; the "
	    "same command goes on "
	    "where it was. For a new machine: 'pombo init', then this.",
    .options =
	(const struct cli_option_help[]){
	    {"--at STATE", "a state that 'pombo backup --list' names; otherwise the newest"},
	    {"--account A", "this account alone"},
	    {"--message ID", "this message alone, into the folder it was in, as a new message there"},
	    {"--folder F", "with --message: into this folder"},
	    {NULL, NULL},
	},
    .example =
	"pombo restore /backup/pombo --account alice@example.org\npombo restore /backup/pombo --message 03q2v9x8k0001",
    .shows = true,
    .run = run,
};
