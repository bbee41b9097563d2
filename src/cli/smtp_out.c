/* SPDX-License-Identifier: ISC
 * Runs pombo-send. */
#include "cli/smtp_out.h"

#include "base/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PASSWORD_FD = 3, URL_MAX = 512 };

/* A file in memory that is read from its start. Or -errno. */
static int memory_file(const char *name, struct view bytes)
{
	_cleanup_(fd_close) int fd = memfd_create(name, MFD_CLOEXEC);
	int r;

	while (fd >= 0 && bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0)
			return -errno;
		bytes = view_sub(bytes, (size_t)n, bytes.n);
	}
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	r = fd;
	fd = -1;
	return r;
}

/* Memory for the words lives in `a`. */
static char **make_words(const struct smtp_out *m, struct arena *a)
{
	_cleanup_(buf_fini) struct buf url = BUF_INIT(URL_MAX);
	char **words = arena_array(a, 16 + 2 * m->recipients->n, sizeof *words);
	size_t n = 0;

	smtp_server_format(m->server, &url);
	words[n++] = arena_cstr(a, VIEW_LIT("pombo-send"));
	words[n++] = arena_cstr(a, VIEW_LIT("--url"));
	words[n++] = arena_cstr(a, buf_view(&url));
	words[n++] = arena_cstr(a, VIEW_LIT("--from"));
	words[n++] = arena_cstr(a, m->sender);
	for (size_t i = 0; i < m->recipients->n; i++) {
		words[n++] = arena_cstr(a, VIEW_LIT("--to"));
		words[n++] = arena_cstr(a, m->recipients->items[i].address);
	}
	if (m->user) {
		words[n++] = arena_cstr(a, VIEW_LIT("--user"));
		words[n++] = arena_cstr(a, view_from_cstr(m->user));
	}
	if (m->insecure) {
		words[n++] = arena_cstr(a, VIEW_LIT("--insecure"));
	} else if (m->pin || m->ca_file) {
		words[n++] = arena_cstr(a, m->pin ? VIEW_LIT("--pin") : VIEW_LIT("--cafile"));
		words[n++] = arena_cstr(a, view_from_cstr(m->pin ? m->pin : m->ca_file));
	}
	return words;
}

static void become(const char *path, char **words, int message, int password)
{
	/* The password's descriptor first moves out of the way of the message's place. */
	password = fcntl(password, F_DUPFD_CLOEXEC, PASSWORD_FD + 1);
	if (password < 0 || dup2(message, STDIN_FILENO) < 0 || dup2(password, PASSWORD_FD) < 0)
		_exit(CLI_OTHER);
	(void)execv(path, words);
	_exit(127);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cli_fail_errno(CLI_OTHER, "cannot wait for pombo-send", errno, NULL);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 127)
		return WEXITSTATUS(status);
	return cli_fail(CLI_OTHER, "pombo-send did not come to its end", NULL,
			"whether the message was sent is not known");
}

int smtp_out(const struct smtp_out *m)
{
	_cleanup_(free_ptr) char *path = cli_find_program("pombo-send");
	_cleanup_(fd_close) int message = memory_file("message", m->message);
	_cleanup_(fd_close) int password = memory_file("password", m->password);
	struct arena a;
	char **words;
	pid_t pid;
	int r;

	if (!path)
		return cli_fail(CLI_OTHER, "cannot find the program pombo-send", NULL, "install pombo again");
	if (message < 0 || password < 0)
		return cli_fail_errno(CLI_TRY_AGAIN, "no memory for the message", message < 0 ? message : password,
				      NULL);
	arena_init(&a, 16 * 1024 * 1024);
	words = make_words(m, &a);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		become(path, words, message, password);
	r = pid < 0 ? cli_fail_errno(CLI_TRY_AGAIN, "cannot start pombo-send", errno, NULL) : wait_for(pid);
	arena_fini(&a);
	return r;
}

/* ---- the pin ---- */

bool smtp_out_pin(const char *cert_file, struct buf *ret)
{
	unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
	FILE *f = fopen(cert_file, "re");
	X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	int n = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : -1;
	unsigned digest_n = 0;
	bool ok = n > 0 && EVP_Digest(der, (size_t)n, digest, &digest_n, EVP_sha256(), NULL) == 1;

	if (ok) {
		buf_append_cstr(ret, "sha256//");
		encode_base64(ret, view_from(digest, digest_n));
	}
	OPENSSL_free(der);
	X509_free(cert);
	if (f)
		(void)fclose(f);
	return ok;
}
