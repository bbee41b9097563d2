/* SPDX-License-Identifier: ISC
 * Makes DKIM keys: DIR/keys/dkim for the private halves, the store for the public ones.
 *
 * The file is written anew as a whole beside itself and renamed; its text is that of src/keyd/dkim.h. */
#include "cli/dkim_keys.h"

#include "mail/address_canon.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX = 16 * 1024 * 1024, PUBLIC_MAX = 1024, RSA_BITS = 2048, SEEN_MAX = 1024 };

/* ---- what the store knows ---- */

void dkim_key_list_fini(struct dkim_key_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		buf_fini(&l->keys[i].public_key);
		buf_fini(&l->keys[i].seen);
	}
	free(l->keys);
	*l = (struct dkim_key_list){NULL, 0};
}

static void copy_key(struct dkim_key_info *to, const struct admin_dkim_key *from)
{
	*to = (struct dkim_key_info){.algorithm = (enum dkim_algorithm)from->algorithm,
				     .state = from->state,
				     .public_key = BUF_INIT(PUBLIC_MAX),
				     .created_s = from->created_s,
				     .since_s = from->since_s,
				     .seen = BUF_INIT(SEEN_MAX)};
	memcpy(to->selector, from->selector.p, from->selector.n);
	to->selector[from->selector.n] = '\0';
	buf_append_view(&to->public_key, from->public_key);
	buf_append_view(&to->seen, from->seen);
}

static void copy_list(const struct admin_dkim_keys *m, struct dkim_key_list *ret)
{
	*ret = (struct dkim_key_list){xcalloc(m->n_keys + 1, sizeof *ret->keys), m->n_keys};
	for (size_t i = 0; i < ret->n; i++)
		copy_key(&ret->keys[i], &m->keys[i]);
}

int dkim_keys_get(struct store_client *s, const char *domain, struct dkim_key_list *ret)
{
	struct admin_msg answer;
	int r = store_client_ask(s, admin_put_dkim_list(&s->payload, &(struct admin_dkim_list){view_from_cstr(domain)}),
				 ADMIN_DKIM_LIST, domain, ADMIN_DKIM_KEYS, &answer);

	if (r == 0)
		copy_list(&answer.dkim_keys, ret);
	return r;
}

int dkim_keys_look(struct store_client *s, const char *domain, struct dkim_key_list *ret)
{
	struct admin_msg answer;
	int r = store_client_ask(s, admin_put_dkim_look(&s->payload, &(struct admin_dkim_look){view_from_cstr(domain)}),
				 ADMIN_DKIM_LOOK, domain, ADMIN_DKIM_KEYS, &answer);

	if (r == 0)
		copy_list(&answer.dkim_keys, ret);
	return r;
}

/* ---- the file ---- */

static void free_secret(struct buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->cap);
	buf_fini(b);
}

/* Whether a key's line is one to be left out: of `domain`, and not among those to keep (NULL: keep none). */
static bool is_dropped(struct view name, struct view domain, const struct dkim_key_list *keep)
{
	struct view d, selector;

	if (!view_cut(name, ' ', &d, &selector) || !view_eq(d, domain))
		return false;
	for (size_t i = 0; keep && i < keep->n; i++)
		if (view_eq_lit(selector, keep->keys[i].selector))
			return false;
	return true;
}

static void copy_kept(struct view text, struct view domain, const struct dkim_key_list *keep, struct buf *out)
{
	struct view line, rest = text;
	bool drop = false;

	while (rest.n > 0) {
		if (!view_cut(rest, '\n', &line, &rest)) {
			line = rest;
			rest = VIEW_EMPTY;
		}
		if (view_starts_with(line, VIEW_LIT("key ")))
			drop = is_dropped(view_trim(view_sub(line, 4, line.n)), domain, keep);
		if (drop)
			continue;
		buf_append_view(out, line);
		buf_append_char(out, '\n'); /* the last one's may be missing */
	}
}

static int write_all(int fd, struct view v)
{
	while (v.n > 0) {
		ssize_t n = write(fd, v.p, v.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		v = view_sub(v, (size_t)n, v.n);
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int replace(const char *folder, const char *path, const char *fresh, struct view text)
{
	_cleanup_(fd_close) int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	_cleanup_(fd_close) int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 || dir < 0 ? -errno : write_all(fd, text);

	if (r == 0 && (rename(fresh, path) < 0 || fsync(dir) < 0))
		r = -errno;
	if (r < 0)
		(void)unlink(fresh);
	return r;
}

/* One command at a time makes or drops keys: what the store knows and what the file holds belong together. *ret_fd is closed by the caller. */
static int lock_keys(const struct cli *c, int *ret_fd)
{
	_cleanup_(free_ptr) char *folder = cli_path(c, "keys");

	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return cli_fail_errno(CLI_CANNOT_CREATE, folder, errno, NULL);
	*ret_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0 || flock(*ret_fd, LOCK_EX) < 0)
		return cli_fail_errno(CLI_CANNOT_CREATE, folder, errno, NULL);
	return 0;
}

/* Keys of the domain that are not to be kept go, `add` comes. The keys are locked. */
static int rewrite(const struct cli *c, struct view domain, const struct dkim_key_list *keep, struct view add)
{
	_cleanup_(free_ptr) char *folder = cli_path(c, "keys"), *path = cli_path(c, "keys/dkim"),
				 *fresh = cli_path(c, "keys/dkim.new");
	_cleanup_(free_secret) struct buf old = BUF_INIT(FILE_MAX), new = BUF_INIT(FILE_MAX);
	int r;

	r = cli_read_file(path, &old);
	if (r < 0 && r != -ENOENT)
		return cli_fail_errno(CLI_CANNOT_CREATE, path, r, NULL);
	copy_kept(buf_view(&old), domain, keep, &new);
	buf_append_view(&new, add);
	r = new.overflow ? -EFBIG : replace(folder, path, fresh, buf_view(&new));
	return r < 0 ? cli_fail_errno(CLI_CANNOT_CREATE, path, r, "the former keys stay in place") : 0;
}

/* ---- making ---- */

struct fresh_key {
	enum dkim_algorithm algorithm;
	struct buf selector;
	struct buf public_key;
	EVP_PKEY *pkey;
};

/* What stands behind p=: for RSA SubjectPublicKeyInfo, as everybody publishes it; for Ed25519 the 32 bytes (RFC 8463 §4). */
static bool put_public(EVP_PKEY *pkey, enum dkim_algorithm algorithm, struct buf *out)
{
	unsigned char raw[32], *der = NULL;
	size_t n = sizeof raw;
	int der_n;

	if (algorithm == DKIM_ED25519_SHA256) {
		if (EVP_PKEY_get_raw_public_key(pkey, raw, &n) != 1)
			return false;
		buf_append(out, raw, n);
		return true;
	}
	der_n = i2d_PUBKEY(pkey, &der);
	if (der_n > 0)
		buf_append(out, der, (size_t)der_n);
	OPENSSL_free(der);
	return der_n > 0 && !out->overflow;
}

static bool has_selector(const struct dkim_key_list *l, const char *selector)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->keys[i].selector, selector) == 0)
			return true;
	return false;
}

/* "rsa20260131", then "rsa20260131b" and so on: a selector is never used for a second key while the first is known. */
static bool choose_selector(const struct dkim_key_list *l, const char *prefix, struct buf *out)
{
	time_t now = time(NULL);
	struct tm tm;

	(void)gmtime_r(&now, &tm);
	for (char suffix = 'a'; suffix <= 'z'; suffix++) {
		buf_reset(out);
		buf_printf(out, "%s%04d%02d%02d", prefix, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
		if (suffix > 'a')
			buf_append_char(out, suffix);
		if (!has_selector(l, buf_cstr(out)))
			return true;
	}
	return false;
}

static void put_private(const struct fresh_key *key, struct view domain, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *pem = NULL;
	long n = 0;

	if (bio && PEM_write_bio_PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1)
		n = BIO_get_mem_data(bio, &pem);
	buf_printf(out, "key %.*s %.*s\n", VIEW_FMT(domain), VIEW_FMT(buf_view(&key->selector)));
	buf_append(out, pem, n > 0 ? (size_t)n : 0);
	out->overflow |= n <= 0;
	BIO_free(bio);
}

static bool make(struct fresh_key *key, const struct dkim_key_list *known)
{
	bool is_rsa = key->algorithm == DKIM_RSA_SHA256;

	key->pkey = is_rsa ? EVP_RSA_gen(RSA_BITS) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return key->pkey && choose_selector(known, is_rsa ? "rsa" : "ed", &key->selector) &&
	       put_public(key->pkey, key->algorithm, &key->public_key);
}

static int tell_store(struct store_client *s, const char *domain, const struct fresh_key *key, bool at_once)
{
	const struct admin_dkim_add m = {.domain = view_from_cstr(domain),
					 .selector = buf_view(&key->selector),
					 .algorithm = (uint8_t)key->algorithm,
					 .public_key = buf_view(&key->public_key),
					 .at_once = at_once};

	return store_client_do(s, admin_put_dkim_add(&s->payload, &m), ADMIN_DKIM_ADD, domain, NULL);
}

/* keyd must have a key before anybody asks it to sign. */
static int tell_server(struct store_client *s)
{
	return s->pid ? 0
		      : store_client_do(s, admin_put_reload_ask(&s->payload, &(struct admin_reload_ask){0}),
					ADMIN_RELOAD_ASK, "reload", NULL);
}

static bool any_has_state(const struct dkim_key_list *l, unsigned state)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->keys[i].state == state)
			return true;
	return false;
}

static int make_all(const struct cli *c, struct store_client *s, const char *domain, struct fresh_key *keys, size_t n)
{
	enum { WAITS, SIGNS };
	_cleanup_(buf_fini) struct buf canon = BUF_INIT(ADDRESS_DOMAIN_MAX);
	_cleanup_(free_secret) struct buf text = BUF_INIT(65536);
	_cleanup_(dkim_key_list_fini) struct dkim_key_list known = {NULL, 0};
	_cleanup_(fd_close) int lock = -1;
	int r = lock_keys(c, &lock);

	if (r == 0)
		r = dkim_keys_get(s, domain, &known);
	if (r)
		return r;
	if (any_has_state(&known, WAITS))
		return cli_fail(CLI_CANNOT_CREATE, domain, "new keys wait already to be published",
				"see 'pombo domain dkim', and publish them");
	if (!address_domain_canon(view_from_cstr(domain), &canon))
		return cli_fail(CLI_BAD_DATA, domain, "this is not a domain", NULL);
	for (size_t i = 0; i < n; i++) {
		if (!make(&keys[i], &known))
			return cli_fail(CLI_OTHER, "cannot make a DKIM key", domain, NULL);
		put_private(&keys[i], buf_view(&canon), &text);
	}
	if (text.overflow)
		return cli_fail(CLI_OTHER, "cannot make a DKIM key", domain, NULL);
	r = rewrite(c, buf_view(&canon), &known, buf_view(&text));
	if (r == 0)
		r = tell_server(s);
	for (size_t i = 0; i < n && r == 0; i++)
		r = tell_store(s, domain, &keys[i], !any_has_state(&known, SIGNS));
	return r;
}

int dkim_keys_make(const struct cli *c, struct store_client *s, const char *domain)
{
	struct fresh_key keys[DKIM_ALGORITHMS] = {{.algorithm = DKIM_RSA_SHA256}, {.algorithm = DKIM_ED25519_SHA256}};
	int r;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		buf_init(&keys[i].selector, DKIM_SELECTOR_MAX);
		buf_init(&keys[i].public_key, PUBLIC_MAX);
	}
	r = make_all(c, s, domain, keys, ARRAY_LEN(keys));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		buf_fini(&keys[i].selector);
		buf_fini(&keys[i].public_key);
		EVP_PKEY_free(keys[i].pkey);
	}
	return r;
}

int dkim_keys_drop(const struct cli *c, const char *domain)
{
	_cleanup_(buf_fini) struct buf canon = BUF_INIT(ADDRESS_DOMAIN_MAX);
	_cleanup_(fd_close) int lock = -1;
	int r;

	if (!address_domain_canon(view_from_cstr(domain), &canon))
		return 0;
	r = lock_keys(c, &lock);
	return r ? r : rewrite(c, buf_view(&canon), NULL, VIEW_EMPTY);
}
