/* SPDX-License-Identifier: ISC
 * Do certificate and private key belong together? A child looks and says what is wrong. */
#include "supervisor/tls_check.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { ANSWER_MAX = 1024, KEY_MAX = 64 * 1024 };

/* What is wrong, or NULL. */
static const char *look(struct view chain_pem, int key_fd)
{
	static char pem[KEY_MAX];
	ssize_t n = pread(key_fd, pem, sizeof pem, 0);
	BIO *chain = BIO_new_mem_buf(chain_pem.p, (int)chain_pem.n);
	BIO *key_file = n > 0 ? BIO_new_mem_buf(pem, (int)n) : NULL;
	X509 *cert = chain ? PEM_read_bio_X509(chain, NULL, NULL, NULL) : NULL;
	char no_password[] = "";
	EVP_PKEY *key = key_file ? PEM_read_bio_PrivateKey(key_file, NULL, NULL, no_password) : NULL;

	if (!cert)
		return "cert: holds no certificate (PEM)";
	if (!key)
		return "key: holds no private key (PEM, without a password)";
	return X509_check_private_key(cert, key) == 1 ? NULL : "key: is not the key of the certificate";
}

static void answer_and_exit(int fd, struct view chain_pem, int key_fd)
{
	const char *wrong = look(chain_pem, key_fd);

	if (wrong)
		(void)!write(fd, wrong, strlen(wrong));
	_exit(wrong ? EX_CONFIG : 0);
}

static int explain(const char *answer, size_t n, const char *cert_path, const char *key_path, struct buf *error)
{
	struct view what = VIEW_EMPTY, why = VIEW_EMPTY;

	if (!view_cut(view_from(answer, n), ':', &what, &why)) {
		buf_append_cstr(error, "cannot look at the certificate: the check ended early");
		return EX_OSERR;
	}
	if (view_eq_lit(what, "cert"))
		buf_printf(error, "tls-cert: %s%.*s", cert_path, VIEW_FMT(why));
	else
		buf_printf(error, "tls-key: %s%.*s", key_path, VIEW_FMT(why));
	buf_append_cstr(error, "; `pombo cert import` puts both in place");
	return EX_CONFIG;
}

int tls_check(struct view chain_pem, const char *cert_path, int key_fd, const char *key_path, struct buf *error)
{
	_cleanup_(fd_close) int ours = -1;
	char answer[ANSWER_MAX];
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		buf_printf(error, "cannot look at the certificate: %s", strerror(errno));
		return EX_OSERR;
	}
	ours = fds[0];
	pid = fork();
	if (pid == 0)
		answer_and_exit(fds[1], chain_pem, key_fd);
	(void)close(fds[1]);
	if (pid < 0) {
		buf_printf(error, "cannot look at the certificate: %s", strerror(errno));
		return EX_OSERR;
	}
	do
		n = read(ours, answer, sizeof answer);
	while (n < 0 && errno == EINTR);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return explain(answer, n > 0 ? (size_t)n : 0, cert_path, key_path, error);
}
