/* SPDX-License-Identifier: ISC
 * Answers stored's questions: a message that came with the question, or as a file. */
#include "policyd/judge.h"

#include "mail/dkim_sign.h"
#include "mail/header.h"
#include "mail/mime_index.h"
#include "policy/judgement.h"
#include "policy/text_scan.h"
#include "policyd/body_hash.h"
#include "policyd/index.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { WINDOW_BYTES = 262144, HEADER_MAX = 1024 * 1024, SIGN_INPUT_KEPT = 16384 };

struct judge {
	struct indexer *indexer;
	struct body_hash *body_hash;
	struct arena arena; /* of one question */
	struct buf sign_domain, sign_names, sign_input;
};

/* The message in question: `head` is in memory, the rest of `file` is read in windows. */
struct message {
	struct view head;
	uint64_t size_bytes;
	int file; /* -1: head is all of it */
	struct text_scan text;
	bool is_scanned;
	const struct judgement *judgement;
	struct body_hash *body_hash; /* NULL: it is not to be signed */
};

struct judge *judge_new(void)
{
	struct judge *j = xcalloc(1, sizeof *j);

	j->indexer = indexer_new();
	j->body_hash = body_hash_new();
	buf_init(&j->sign_domain, 255);
	buf_init(&j->sign_names, DKIM_NAMES_MAX);
	buf_init(&j->sign_input, DKIM_INPUT_MAX);
	arena_init(&j->arena, JUDGEMENT_ARENA_BYTES);
	return j;
}

void judge_free(struct judge **jp)
{
	struct judge *j = *jp;

	*jp = NULL;
	if (!j)
		return;
	indexer_free(&j->indexer);
	body_hash_free(&j->body_hash);
	buf_fini(&j->sign_domain);
	buf_fini(&j->sign_names);
	buf_fini(&j->sign_input);
	arena_fini(&j->arena);
	free(j);
}

/* Exactly `n` bytes at `off`. */
static int read_at(int file, char *p, size_t n, uint64_t off)
{
	while (n > 0) {
		ssize_t got = pread(file, p, n, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EIO; /* shorter than stored said */
		p += got;
		n -= (size_t)got;
		off += (uint64_t)got;
	}
	return 0;
}

static void feed(struct message *m, struct mime_parser *p, struct view bytes)
{
	mime_parser_feed(p, bytes);
	if (m->is_scanned)
		return;
	text_scan_feed(&m->text, bytes);
	if (m->body_hash)
		body_hash_feed(m->body_hash, bytes);
}

static int feed_file(struct message *m, struct mime_parser *p)
{
	char *window = xmalloc(WINDOW_BYTES);
	uint64_t at = m->head.n;
	int r = 0;

	while (at < m->size_bytes && r == 0) {
		uint64_t left = m->size_bytes - at;
		size_t n = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;

		r = read_at(m->file, window, n, at);
		if (r == 0)
			feed(m, p, view_from(window, n));
		at += n;
	}
	free(window);
	return r;
}

/* An index_source_fn: the message as it will be kept. */
static int feed_message(void *ctx, struct mime_parser *p)
{
	struct message *m = ctx;
	int r = 0;

	mime_parser_set_header(p, m->judgement->header_add.n + m->judgement->header_bytes);
	mime_parser_feed(p, m->judgement->header_add);
	feed(m, p, m->head);
	if (m->file >= 0)
		r = feed_file(m, p);
	m->is_scanned = true;
	return r;
}

static void refuse(struct channel *c, uint32_t id, const struct verdict *v)
{
	struct buf status = BUF_INIT(16);
	struct judge_refused answer = {.code = v->code, .text = v->text};

	dsn_status_format(&status, v->enhanced);
	answer.enhanced = buf_view(&status);
	(void)judge_send_refused(c, id, &answer);
	buf_fini(&status);
}

static void refuse_errno(struct channel *c, uint32_t id, int error)
{
	struct log_line l;

	log_begin(&l, LOG_LEVEL_ERROR, "unreadable");
	log_errno(&l, error);
	log_end(&l);
	refuse(c, id, &VERDICT(451, 4, 3, 0, "The message could not be read; try again"));
}

static struct judge_address *list_from(struct arena *a, const struct judgement *judgement)
{
	struct judge_address *list = arena_array(a, judgement->from_count, sizeof *list);

	for (size_t i = 0; list && i < judgement->from_count; i++)
		list[i].address = judgement->from[i];
	return list;
}

/* ---- what is signed ---- */

/* A header that some reader sees the end of elsewhere is not signed: nobody could say what. */
static bool ends_plainly(struct view block)
{
	struct header_field field;
	struct header h;

	header_init(&h, block);
	while (header_next(&h, &field) == PARSE_DONE)
		;
	return h.passed_over_bytes == 0;
}

/* Before the message streams by; without a domain it is not signed. */
static void begin_signing(struct judge *j, struct view head, struct message *message)
{
	const struct judgement *judgement = message->judgement;
	struct view block = view_sub(head, 0, judgement->header_bytes);

	if (!ends_plainly(head) || !dkim_sign_domain(block, &j->sign_domain) ||
	    !dkim_sign_fields(judgement->header_add, block, &j->sign_names, &j->sign_input)) {
		buf_reset(&j->sign_domain);
		return;
	}
	message->body_hash = j->body_hash;
	body_hash_begin(j->body_hash, judgement->header_bytes);
}

static void answer_signing(struct judge *j, const struct message *message, uint8_t hash[BODY_HASH_BYTES],
			   struct judge_judged *m)
{
	if (!message->body_hash || !body_hash_end(message->body_hash, hash))
		return;
	m->sign_domain = buf_view(&j->sign_domain);
	m->sign_names = buf_view(&j->sign_names);
	m->sign_input = buf_view(&j->sign_input);
	m->body_hash = view_from(hash, BODY_HASH_BYTES);
}

static void answer(struct judge *j, struct channel *c, uint32_t id, const struct judgement_input *in,
		   struct message *message, bool sign)
{
	uint8_t hash[BODY_HASH_BYTES];
	struct judgement judgement;
	struct judge_judged m;
	struct view index;
	int r;

	judgement_make(in, &j->arena, &judgement);
	if (judgement.refusal.code) {
		refuse(c, id, &judgement.refusal);
		return;
	}
	message->judgement = &judgement;
	if (sign)
		begin_signing(j, in->head, message);
	r = indexer_run(j->indexer, feed_message, message, &index);
	if (r < 0) {
		refuse_errno(c, id, r);
		return;
	}
	m = (struct judge_judged){
	    .header_bytes = judgement.header_bytes,
	    .header_add = judgement.header_add,
	    .separator = judgement.separator,
	    .index = index,
	    .message_id_text = judgement.message_id,
	    .from = list_from(&j->arena, &judgement),
	    .n_from = (uint32_t)judgement.from_count,
	    .subject = judgement.subject,
	    .date_s = judgement.date_s,
	    .eightbit = message->text.is_eightbit,
	    .has_lines_over_998 = message->text.has_long_line,
	};
	if (!m.from)
		m.n_from = 0;
	answer_signing(j, message, hash, &m);
	if (!judge_send_judged(c, id, &m))
		refuse(c, id, &VERDICT(451, 4, 3, 0, "The message could not be judged; try again"));
}

static void hear_message(struct judge *j, struct channel *c, uint32_t id, const struct judge_judge *q)
{
	struct message message = {.head = q->message, .size_bytes = q->message.n, .file = -1, .text = TEXT_SCAN_INIT};
	struct judgement_input in = {
	    .purpose = (enum judgement_purpose)q->purpose,
	    .message_id = q->message_id,
	    .sender = q->sender,
	    .hostname = q->hostname,
	    .wall_s = q->wall_s,
	    .max_hops = q->max_hops,
	    .max_header_bytes = q->max_header_bytes,
	    .head = q->message,
	};

	answer(j, c, id, &in, &message, q->sign);
}

static void hear_file(struct judge *j, struct channel *c, uint32_t id, const struct judge_judge_file *q)
{
	size_t header_max = q->max_header_bytes < HEADER_MAX ? q->max_header_bytes : HEADER_MAX;
	size_t head_bytes = q->size_bytes <= header_max ? (size_t)q->size_bytes : header_max + 1;
	char *head = xmalloc(head_bytes + 1);
	struct message message = {
	    .head = view_from(head, head_bytes),
	    .size_bytes = q->size_bytes,
	    .file = q->message,
	    .text = TEXT_SCAN_INIT,
	};
	struct judgement_input in = {
	    .purpose = (enum judgement_purpose)q->purpose,
	    .message_id = q->message_id,
	    .sender = q->sender,
	    .hostname = q->hostname,
	    .wall_s = q->wall_s,
	    .max_hops = q->max_hops,
	    .max_header_bytes = (uint32_t)header_max,
	    .head = message.head,
	};
	int r = read_at(q->message, head, head_bytes, 0);

	if (r < 0)
		refuse_errno(c, id, r);
	else
		answer(j, c, id, &in, &message, q->sign);
	free(head);
	(void)close(q->message);
}

void judge_hear(struct judge *j, struct channel *c, uint32_t id, const struct judge_msg *m)
{
	arena_reset(&j->arena);
	buf_reset(&j->sign_domain);
	buf_reset(&j->sign_names);
	if (j->sign_input.cap > SIGN_INPUT_KEPT)
		buf_fini(&j->sign_input);
	buf_reset(&j->sign_input);
	if (m->type == JUDGE_JUDGE)
		hear_message(j, c, id, &m->judge);
	else if (m->type == JUDGE_JUDGE_FILE)
		hear_file(j, c, id, &m->judge_file);
}
