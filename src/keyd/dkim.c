/* SPDX-License-Identifier: ISC
 * The DKIM keys: read from their file, found by domain and selector, signing. */
#include "keyd/dkim.h"

#include "base/map.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 320, DIGEST_BYTES = 32 };

struct dkim_keys {
	struct map by_name; /* "domain selector" → EVP_PKEY */
};

struct dkim_keys *dkim_keys_new(void)
{
	struct dkim_keys *k = xcalloc(1, sizeof *k);

	map_init(&k->by_name);
	return k;
}

static void drop_all(struct map *by_name)
{
	for (struct map_entry *e = map_first(by_name); e; e = map_next(by_name, e))
		EVP_PKEY_free(map_value(e));
	map_fini(by_name);
}

void dkim_keys_free(struct dkim_keys **kp)
{
	if (*kp)
		drop_all(&(*kp)->by_name);
	free(*kp);
	*kp = NULL;
}

size_t dkim_keys_count(const struct dkim_keys *k)
{
	return k->by_name.count;
}

/* ---- loading ---- */

static int no_passphrase(char *ret, int size, int write, void *ctx)
{
	(void)ret;
	(void)size;
	(void)write;
	(void)ctx;
	return -1;
}

static EVP_PKEY *read_key(struct view pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (key && ((EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= 1024 &&
		     EVP_PKEY_get_size(key) <= DKIM_SIGNATURE_MAX) ||
		    EVP_PKEY_is_a(key, "ED25519")))
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

/* "key DOMAIN SELECTOR": both as the name of the key, or false. */
static bool read_name(struct view line, struct view *ret_name)
{
	struct view rest, domain, selector;

	if (!view_starts_with(line, VIEW_LIT("key ")))
		return false;
	rest = view_trim(view_sub(line, 4, line.n));
	*ret_name = rest;
	return view_cut(rest, ' ', &domain, &selector) && domain.n > 0 && selector.n > 0 &&
	       view_find_char(selector, ' ') == selector.n && rest.n <= NAME_MAX_BYTES;
}

static void add(struct map *by_name, struct view name, struct view pem, struct buf *error)
{
	EVP_PKEY *key = read_key(pem);

	if (key)
		EVP_PKEY_free(map_set(by_name, name, key));
	else if (error->n == 0)
		buf_printf(error, "%.*s: no RSA or Ed25519 key", VIEW_FMT(name));
}

/* Each key runs to the next "key" line. */
static void read_all(struct view text, struct map *by_name, struct buf *error)
{
	struct view line, rest = text, name = VIEW_EMPTY, next;
	const char *pem = NULL;

	while (rest.n > 0) {
		const char *begin = rest.p;

		if (!view_cut(rest, '\n', &line, &rest)) {
			line = rest;
			rest = VIEW_EMPTY;
		}
		if (!read_name(line, &next))
			continue;
		if (pem)
			add(by_name, name, view_from(pem, (size_t)(begin - pem)), error);
		name = next;
		pem = line.p + line.n;
	}
	if (pem)
		add(by_name, name, view_from(pem, (size_t)(text.p + text.n - pem)), error);
}

static int read_file(int fd, char *bytes, size_t size)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, bytes + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		n += (size_t)got;
	}
	return 0;
}

int dkim_keys_load(struct dkim_keys *k, int fd, struct buf *error)
{
	_cleanup_(fd_close) int owned = fd;
	struct map fresh;
	struct stat st;
	char *bytes;
	int r;

	if (fstat(owned, &st) < 0 || st.st_size < 0 || st.st_size > DKIM_KEYS_FILE_MAX) {
		buf_append_cstr(error, "cannot be read, or is too long");
		return -EFBIG;
	}
	bytes = xmalloc((size_t)st.st_size + 1);
	r = read_file(owned, bytes, (size_t)st.st_size);
	map_init(&fresh);
	if (r == 0)
		read_all(view_from(bytes, (size_t)st.st_size), &fresh, error);
	OPENSSL_cleanse(bytes, (size_t)st.st_size);
	free(bytes);
	if (r < 0) {
		buf_append_cstr(error, "cannot be read");
		return r;
	}
	drop_all(&k->by_name);
	k->by_name = fresh;
	return error->n ? -EINVAL : 0;
}

/* ---- signing ---- */

static bool digest(struct view input, unsigned char ret[DIGEST_BYTES])
{
	return EVP_Q_digest(NULL, "SHA256", NULL, input.p, input.n, ret, NULL) == 1;
}

/* RFC 8463 §3: Ed25519 signs the SHA-256 of the input; RSA takes the input as a whole (PKCS #1 1.5). */
static bool sign(EVP_PKEY *key, struct view input, struct buf *ret)
{
	bool is_rsa = EVP_PKEY_is_a(key, "RSA");
	unsigned char hash[DIGEST_BYTES];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	char *out = buf_reserve(ret, DKIM_SIGNATURE_MAX);
	size_t n = DKIM_SIGNATURE_MAX;
	bool ok = ctx && out && EVP_DigestSignInit_ex(ctx, NULL, is_rsa ? "SHA256" : NULL, NULL, NULL, key, NULL) == 1;

	if (ok && !is_rsa) {
		ok = digest(input, hash);
		input = view_from(hash, sizeof hash);
	}
	ok = ok && EVP_DigestSign(ctx, (unsigned char *)out, &n, (const unsigned char *)input.p, input.n) == 1;
	EVP_MD_CTX_free(ctx);
	if (ok)
		buf_commit(ret, n);
	else
		ERR_clear_error();
	return ok;
}

const char *dkim_keys_sign(const struct dkim_keys *k, struct view domain, struct view selector, struct view input,
			   struct buf *ret, bool *ret_no_key)
{
	_cleanup_(buf_fini) struct buf name = BUF_INIT(NAME_MAX_BYTES);
	EVP_PKEY *key;

	buf_append_view(&name, domain);
	buf_append_char(&name, ' ');
	buf_append_view(&name, selector);
	key = name.overflow ? NULL : map_get(&k->by_name, buf_view(&name));
	*ret_no_key = !key;
	if (!key)
		return "no key of that domain and selector";
	if (!dkim_input_is(input, domain, selector, EVP_PKEY_is_a(key, "RSA") ? "rsa-sha256" : "ed25519-sha256"))
		return "not what a DKIM signature of that key is made over";
	return sign(key, input, ret) ? NULL : "signing failed";
}
