/* SPDX-License-Identifier: ISC
 * The tables, as numbered migrations, and how a database is brought forward. doc/schema.md explains them. */
#include "store/schema.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>

static const char version_1[] =
    "CREATE TABLE counter (name {text} NOT NULL PRIMARY KEY, value {int} NOT NULL);"

    "CREATE TABLE domain (name {text} NOT NULL PRIMARY KEY, alias_of {text} NOT NULL, created_s {int} NOT NULL);"
    "CREATE TABLE account (id {id} NOT NULL PRIMARY KEY, address {text} NOT NULL UNIQUE, domain {text} NOT NULL,"
    " disabled {int} NOT NULL, generation {int} NOT NULL, quota_bytes {int} NOT NULL, created_s {int} NOT NULL,"
    " last_login_s {int} NOT NULL, argon2 {text} NOT NULL, scram_salt {bytes} NOT NULL,"
    " scram_iterations {int} NOT NULL, scram_stored_key {bytes} NOT NULL, scram_server_key {bytes} NOT NULL);"
    "CREATE INDEX account_domain ON account (domain);"
    "CREATE TABLE account_usage (account {id} NOT NULL PRIMARY KEY, bytes {int} NOT NULL, messages {int} NOT NULL);"
    "CREATE TABLE alias (address {text} NOT NULL PRIMARY KEY, domain {text} NOT NULL);"
    "CREATE INDEX alias_domain ON alias (domain);"
    "CREATE TABLE alias_target (alias {text} NOT NULL, n {int} NOT NULL, target {text} NOT NULL,"
    " PRIMARY KEY (alias, n)) {clustered};"
    "CREATE INDEX alias_target_target ON alias_target (target);"
    "CREATE TABLE send_as (account {int} NOT NULL, address {text} NOT NULL, PRIMARY KEY (account, address)) "
    "{clustered};"
    "CREATE TABLE seen_login (id {id} NOT NULL PRIMARY KEY, account {int} NOT NULL, network {text} NOT NULL,"
    " wall_s {int} NOT NULL);"
    "CREATE UNIQUE INDEX seen_login_network ON seen_login (account, network);"

    "CREATE TABLE mailbox (id {id} NOT NULL PRIMARY KEY, account {int} NOT NULL, name {text},"
    " uidvalidity {int} NOT NULL, special_use {int} NOT NULL, noselect {int} NOT NULL, created_s {int} NOT NULL,"
    " gone_s {int} NOT NULL);"
    "CREATE UNIQUE INDEX mailbox_name ON mailbox (account, name);"
    "CREATE INDEX mailbox_gone ON mailbox (gone_s) WHERE gone_s > 0;"
    "CREATE TABLE subscription (account {int} NOT NULL, name {text} NOT NULL, PRIMARY KEY (account, name)) {clustered};"
    "CREATE TABLE mailbox_count (mailbox {id} NOT NULL PRIMARY KEY, uidnext {int} NOT NULL,"
    " highestmodseq {int} NOT NULL, messages {int} NOT NULL, unseen {int} NOT NULL, deleted {int} NOT NULL,"
    " bytes {int} NOT NULL, unseen_page {int} NOT NULL, forgotten_modseq {int} NOT NULL, overlay {int} NOT NULL);"
    "CREATE TABLE uid_state (id {id} NOT NULL PRIMARY KEY, maxmodseq {int} NOT NULL, live {int} NOT NULL,"
    " unseen {int} NOT NULL, data {bytes} NOT NULL);"
    "CREATE TABLE uid_staged (id {id} NOT NULL PRIMARY KEY, maxmodseq {int} NOT NULL, live {int} NOT NULL,"
    " unseen {int} NOT NULL, data {bytes} NOT NULL);"
    "CREATE TABLE uid_facts (id {id} NOT NULL PRIMARY KEY, data {bytes} NOT NULL);"
    "CREATE TABLE keyset (mailbox {int} NOT NULL, id {int} NOT NULL, words {text} NOT NULL,"
    " PRIMARY KEY (mailbox, id)) {clustered};"
    "CREATE TABLE uidl (id {id} NOT NULL PRIMARY KEY, uidl {text} NOT NULL);"
    "CREATE TABLE expunge_log (id {id} NOT NULL PRIMARY KEY, mailbox {int} NOT NULL, modseq {int} NOT NULL,"
    " wall_s {int} NOT NULL, first_uid {int} NOT NULL, last_uid {int} NOT NULL);"

    "CREATE TABLE message (id {id} NOT NULL PRIMARY KEY, header_bytes {int} NOT NULL, content_bytes {int} NOT NULL,"
    " content {int} NOT NULL, content_file {int} NOT NULL, content_offset {int} NOT NULL, data {bytes} NOT NULL);"
    "CREATE TABLE header (id {id} NOT NULL PRIMARY KEY, data {bytes} NOT NULL, prefixes {bytes} NOT NULL);"
    "CREATE TABLE content (id {id} NOT NULL PRIMARY KEY, data {bytes} NOT NULL);"
    "CREATE TABLE message_refs (id {id} NOT NULL PRIMARY KEY, refs {int} NOT NULL);"

    "CREATE TABLE queue_message (id {id} NOT NULL PRIMARY KEY, account {int} NOT NULL, sender {text} NOT NULL,"
    " envid {text} NOT NULL, ret {int} NOT NULL, body {int} NOT NULL, smtputf8 {int} NOT NULL,"
    " requiretls {int} NOT NULL, queued_s {int} NOT NULL, size_bytes {int} NOT NULL, prefix_offset {int} NOT NULL,"
    " prefix_bytes {int} NOT NULL);"
    "CREATE TABLE queue_recipient (id {id} NOT NULL PRIMARY KEY, message {int} NOT NULL, recipient {text} NOT NULL,"
    " domain {text} NOT NULL, orcpt {text} NOT NULL, notify {int} NOT NULL, next_s {int} NOT NULL,"
    " attempts {int} NOT NULL, held {int} NOT NULL, lease {int} NOT NULL, lease_until_s {int} NOT NULL,"
    " last_reply {text} NOT NULL);"
    "CREATE UNIQUE INDEX queue_recipient_message ON queue_recipient (message, recipient);";

/* What an import brought (its messages' identities), so that it can be run again; names of deleted mailboxes, for undelete. */
static const char version_2[] =
    "CREATE TABLE imported (mailbox {int} NOT NULL, identity {bytes} NOT NULL, PRIMARY KEY (mailbox, identity))"
    " {clustered};"
    "CREATE TABLE gone_name (mailbox {id} NOT NULL PRIMARY KEY, name {text} NOT NULL);";

/* owner: a mailbox, or, negative, an account. */
static const char version_3[] =
    "CREATE TABLE annotation (owner {int} NOT NULL, entry {text} NOT NULL, value {bytes} NOT NULL,"
    " PRIMARY KEY (owner, entry)) {clustered};";

static const char version_4[] =
    "ALTER TABLE queue_recipient ADD COLUMN notice {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE queue_recipient ADD COLUMN code {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE queue_recipient ADD COLUMN status {text} NOT NULL DEFAULT '';"
    "ALTER TABLE queue_recipient ADD COLUMN mta {text} NOT NULL DEFAULT '';"
    "ALTER TABLE queue_message ADD COLUMN confirm {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN confirm {int} NOT NULL DEFAULT 0;"
    "CREATE TABLE queue_domain (domain {text} NOT NULL PRIMARY KEY, due_s {int} NOT NULL, closed_s {int} NOT NULL) "
    "{clustered};"
    "CREATE INDEX queue_domain_due ON queue_domain (due_s);"
    "CREATE INDEX queue_recipient_due ON queue_recipient (domain, next_s);"
    "CREATE INDEX queue_recipient_lease ON queue_recipient (lease) WHERE lease <> 0;"
    "CREATE INDEX queue_recipient_notice ON queue_recipient (message) WHERE notice <> 0;"
    "INSERT INTO queue_domain (domain, due_s, closed_s) SELECT domain, MIN(next_s), 0 FROM queue_recipient GROUP BY "
    "domain;"
    "CREATE TABLE trace (message {int} NOT NULL, seq {int} NOT NULL, at_ms {int} NOT NULL, kind {int} NOT NULL,"
    " address {text} NOT NULL, peer {text} NOT NULL, tls {text} NOT NULL, words {text} NOT NULL,"
    " PRIMARY KEY (message, seq)) {clustered};"
    "INSERT INTO counter (name, value) VALUES ('lease', 0);"
    "INSERT INTO counter (name, value) VALUES ('trace', 0);";

/* MTA-STS policies of other domains; how TLS went with them. */
static const char tls_of_others[] =
    "CREATE TABLE sts_policy (domain {text} NOT NULL PRIMARY KEY, id {text} NOT NULL, policy {bytes} NOT NULL,"
    " fetched_s {int} NOT NULL, until_s {int} NOT NULL) {clustered};"
    "CREATE INDEX sts_policy_fetched ON sts_policy (fetched_s);"
    "CREATE TABLE tls_count (day {int} NOT NULL, domain {text} NOT NULL, policy_type {int} NOT NULL,"
    " policy {text} NOT NULL, result {text} NOT NULL, mx {text} NOT NULL, mx_ip {text} NOT NULL,"
    " sending_ip {text} NOT NULL, reason {text} NOT NULL, sessions {int} NOT NULL,"
    " PRIMARY KEY (day, domain, policy_type, policy, result, mx, mx_ip, sending_ip, reason)) {clustered};";

/* The public half of the DKIM keys, and what each is at (dkim.h). */
static const char dkim_keys[] =
    "CREATE TABLE dkim_key (domain {text} NOT NULL, selector {text} NOT NULL, algorithm {int} NOT NULL,"
    " state {int} NOT NULL, public_key {bytes} NOT NULL, created_s {int} NOT NULL, since_s {int} NOT NULL,"
    " PRIMARY KEY (domain, selector)) {clustered};";

/* via: the address of ours that a recipient was forwarded through; own: the message was handed in by ours, or made here. */
static const char queue_via[] = "ALTER TABLE queue_recipient ADD COLUMN via {text} NOT NULL DEFAULT '';"
				"ALTER TABLE queue_message ADD COLUMN own {int} NOT NULL DEFAULT 0;";

static const char quota_messages[] = "ALTER TABLE account ADD COLUMN quota_messages {int} NOT NULL DEFAULT 0;";

/* Messages whose recipients all have their fate and whose sender is to get a summary. */
static const char summaries[] = "CREATE INDEX queue_message_summary ON queue_message (id) WHERE confirm = 2;";

/* Which messages have an address (trace_index.h); until when a recipient waits. */
static const char trace_index[] =
    "CREATE TABLE trace_segment (id {id} NOT NULL PRIMARY KEY, last {int} NOT NULL, parts {int} NOT NULL);"
    "CREATE INDEX trace_segment_last ON trace_segment (last);"
    "CREATE TABLE trace_part (id {id} NOT NULL PRIMARY KEY, data {bytes} NOT NULL);"
    "CREATE TABLE trace_late (hash {int} NOT NULL, message {int} NOT NULL, PRIMARY KEY (hash, message)) {clustered};"
    "ALTER TABLE trace ADD COLUMN until_s {int} NOT NULL DEFAULT 0;";

/* What else there is to say of an event. */
static const char trace_notes[] = "ALTER TABLE trace ADD COLUMN notes {text} NOT NULL DEFAULT '';";

/* Of counts that TLSA records decided: the name they stood at. */
static const char tlsa_base[] = "ALTER TABLE tls_count ADD COLUMN tlsa_base {text} NOT NULL DEFAULT '';";

/* What is over is deleted whenever a policy is kept. */
static const char sts_policy_until[] = "CREATE INDEX sts_policy_until ON sts_policy (until_s);";

/* The destination that could not be reached when a recipient was last tried; empty: it answered, or was not tried since. */
static const char queue_unreached[] =
    "ALTER TABLE queue_recipient ADD COLUMN unreached {text} NOT NULL DEFAULT '';"
    "CREATE INDEX queue_recipient_unreached ON queue_recipient (unreached) WHERE unreached <> '';";

/* What clients were refused (refusal.h); keys are hashes, 0: none. */
static const char refusals[] =
    "CREATE TABLE refusal (id {id} NOT NULL PRIMARY KEY, repeat_key {int} NOT NULL, sender_key {int} NOT NULL,"
    " recipient_key {int} NOT NULL, message_key {int} NOT NULL, first_ms {int} NOT NULL, last_ms {int} NOT NULL,"
    " times {int} NOT NULL, session {int} NOT NULL, code {int} NOT NULL, status {text} NOT NULL, words {text} NOT NULL,"
    " sender {text} NOT NULL, recipient {text} NOT NULL, client_ip {text} NOT NULL, client_name {text} NOT NULL,"
    " helo {text} NOT NULL, account {text} NOT NULL, tls {text} NOT NULL, listener {text} NOT NULL,"
    " message_id {text} NOT NULL);"
    "CREATE INDEX refusal_repeat ON refusal (repeat_key, id);"
    "CREATE INDEX refusal_sender ON refusal (sender_key, id) WHERE sender_key <> 0;"
    "CREATE INDEX refusal_recipient ON refusal (recipient_key, id) WHERE recipient_key <> 0;"
    "CREATE INDEX refusal_message ON refusal (message_key, id) WHERE message_key <> 0;";

/* Lines over 998 octets; when it is given up before everything else is (0: as everything else). */
static const char queue_long_lines_until[] =
    "ALTER TABLE queue_message ADD COLUMN long_lines {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE queue_message ADD COLUMN until_s {int} NOT NULL DEFAULT 0;"
    "CREATE INDEX queue_message_until ON queue_message (until_s) WHERE until_s <> 0;";

static const struct migration migrations[] = {
    {version_1, NULL, false},        {version_2, NULL, false},
    {version_3, NULL, false},        {version_4, NULL, false},
    {tls_of_others, NULL, false},    {dkim_keys, NULL, false},
    {queue_via, NULL, false},        {quota_messages, NULL, false},
    {summaries, NULL, false},        {trace_index, NULL, false},
    {trace_notes, NULL, false},      {tlsa_base, NULL, false},
    {sts_policy_until, NULL, false}, {queue_unreached, NULL, false},
    {refusals, NULL, false},         {queue_long_lines_until, NULL, false},
};
const struct migration_list schema_migrations = {migrations, ARRAY_LEN(migrations)};

/* Writes `text` with the driver's words for {id} and so on. */
static void expand(struct buf *out, const char *text, const struct sql_driver *d)
{
	const struct {
		struct view word;
		const char *is;
	} words[] = {
	    {VIEW_LIT("{id}"), d->type_id},          {VIEW_LIT("{int}"), d->type_int},
	    {VIEW_LIT("{text}"), d->type_text},      {VIEW_LIT("{bytes}"), d->type_bytes},
	    {VIEW_LIT("{clustered}"), d->clustered},
	};
	struct view left = view_from_cstr(text);

	while (left.n > 0) {
		size_t i = 0;

		while (i < ARRAY_LEN(words) && !view_starts_with(left, words[i].word))
			i++;
		if (i < ARRAY_LEN(words)) {
			buf_append_cstr(out, words[i].is);
			left = view_sub(left, words[i].word.n, left.n);
		} else {
			buf_append_char(out, left.p[0]);
			left = view_sub(left, 1, left.n);
		}
	}
}

int schema_exec(struct sql *c, const char *text)
{
	struct buf out = BUF_INIT(1 << 20);
	int rc;

	expand(&out, text, sql_driver_of(c));
	rc = out.overflow ? -ENOMEM : sql_exec(c, buf_cstr(&out));
	buf_fini(&out);
	return rc;
}

static int read_number(struct sql *c, const char *name, uint64_t *ret, bool *ret_there)
{
	struct sql_stmt *st = sql_use(c, SQL_setting_number);
	int rc;

	sql_bind_text(st, 1, view_from_cstr(name));
	rc = sql_step(st);
	*ret_there = rc > 0;
	if (rc > 0)
		*ret = sql_u64(st, 0);
	sql_reset(st);
	return rc < 0 ? rc : 0;
}

static int write_number(struct sql *c, const char *name, uint64_t value)
{
	struct sql_stmt *st = sql_use(c, SQL_setting_set_number);

	sql_bind_text(st, 1, view_from_cstr(name));
	sql_bind_u64(st, 2, value);
	return sql_run(st);
}

int schema_read(struct sql *c, struct schema_state *ret)
{
	struct schema_state s = {0, false, 0};
	uint64_t slicing = 0;
	bool there;
	int rc = schema_exec(c, "CREATE TABLE IF NOT EXISTS setting (name {text} NOT NULL PRIMARY KEY,"
				" number {int} NOT NULL, data {bytes})");

	if (rc == 0)
		rc = read_number(c, "schema", &s.version, &there);
	if (rc == 0)
		rc = read_number(c, "schema-slicing", &slicing, &there);
	if (rc == 0)
		rc = read_number(c, "schema-cursor", &s.cursor, &there);
	if (rc < 0)
		return rc;
	s.slicing = slicing != 0;
	*ret = s;
	return 0;
}

static int write_state(struct sql *c, const struct schema_state *s)
{
	int rc = write_number(c, "schema", s->version);

	if (rc == 0)
		rc = write_number(c, "schema-slicing", s->slicing);
	if (rc == 0)
		rc = write_number(c, "schema-cursor", s->cursor);
	return rc;
}

/* One step forward inside a transaction: a slice of the running migration, or the text of the next. */
static int step_forward(struct sql *c, const struct migration_list *list, struct schema_state *s)
{
	int rc;

	if (s->slicing) {
		rc = list->at[s->version - 1].slice(c, &s->cursor);
		s->slicing = rc > 0;
		rc = rc < 0 ? rc : 0;
	} else {
		const struct migration *m = &list->at[s->version];

		rc = m->text ? schema_exec(c, m->text) : 0;
		*s = (struct schema_state){s->version + 1, m->slice != NULL, 0};
	}
	return rc < 0 ? rc : write_state(c, s);
}

static bool is_done(const struct migration_list *list, const struct schema_state *s)
{
	return s->version == list->count && !s->slicing;
}

int schema_migrate(struct sql *c, const struct migration_list *list)
{
	struct schema_state s;
	int rc = schema_read(c, &s);

	while (rc == 0 && !is_done(list, &s)) {
		if (s.version > list->count)
			return -ENOTSUP;
		if (s.slicing && s.version == list->count && list->at[s.version - 1].online)
			return 1;
		rc = sql_begin(c);
		if (rc == 0)
			rc = step_forward(c, list, &s);
		if (rc == 0)
			rc = sql_commit(c);
		if (rc < 0)
			(void)sql_rollback(c);
	}
	if (rc == 0 && s.version > list->count)
		return -ENOTSUP;
	return rc;
}

int schema_slice(struct sql *c, const struct migration_list *list)
{
	struct schema_state s;
	int rc = schema_read(c, &s);

	if (rc == 0 && s.version > list->count)
		rc = -ENOTSUP;
	if (rc == 0 && !is_done(list, &s)) {
		rc = step_forward(c, list, &s);
		return rc < 0 ? rc : is_done(list, &s) ? 0 : 1;
	}
	return rc;
}
