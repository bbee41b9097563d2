/* SPDX-License-Identifier: ISC
 * A first certificate, until a real one is installed. */
#include "cli/certificate.h"

#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

enum { VALID_DAYS = 3650 };

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *hostname)
{
	_cleanup_(buf_fini) struct buf san = BUF_INIT(300);
	X509_NAME *name = X509_get_subject_name(cert);
	/* RFC 5280 §4.1.2.2: positive, at most 20 octets, unpredictable. A common name holds 64 characters at most. */
	uint64_t serial = random_u64() >> 1;
	struct view common_name = view_sub(view_from_cstr(hostname), 0, 64);

	buf_printf(&san, "DNS:%s", hostname);
	return buf_cstr(&san) && X509_set_version(cert, X509_VERSION_3) == 1 &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
	       X509_gmtime_adj(X509_getm_notAfter(cert), (long)VALID_DAYS * 86400) && X509_set_pubkey(cert, key) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name.p,
					  (int)common_name.n, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1 &&
	       add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(cert, NID_subject_alt_name, buf_cstr(&san)) &&
	       add_extension(cert, NID_ext_key_usage, "serverAuth") && X509_sign(cert, key, EVP_sha256()) > 0;
}

static FILE *create(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	return fd < 0 ? NULL : fdopen(fd, "w");
}

static bool finish(FILE *f, bool ok)
{
	ok = ok && fflush(f) == 0 && fsync(fileno(f)) == 0;
	return fclose(f) == 0 && ok;
}

static bool write_both(const struct cli *c, X509 *cert, EVP_PKEY *key)
{
	_cleanup_(free_ptr) char *key_path = cli_path(c, "tls/key.pem");
	_cleanup_(free_ptr) char *cert_path = cli_path(c, "tls/cert.pem");
	FILE *f = create(key_path, 0600);

	if (!f || !finish(f, PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1))
		return false;
	f = create(cert_path, 0644);
	return f && finish(f, PEM_write_X509(f, cert) == 1);
}

int certificate_make_self_signed(const struct cli *c, const char *hostname)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	bool made = key && cert && fill(cert, key, hostname);
	bool written;

	errno = 0;
	written = made && write_both(c, cert, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	if (!made)
		return cli_fail(CLI_OTHER, "cannot make a certificate", hostname, "is this a host name?");
	if (!written)
		return cli_fail_errno(CLI_CANNOT_CREATE, "cannot write tls/key.pem and tls/cert.pem", errno, NULL);
	return 0;
}
