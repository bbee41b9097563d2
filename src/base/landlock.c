/* SPDX-License-Identifier: ISC
 * Landlock without a library: the system calls have no wrappers in libc. */
#include "base/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the headers of Debian 12 do not know yet. */
enum {
	ACCESS_FS_TRUNCATE = 1 << 14, /* ABI 3 */
	ACCESS_FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
	ACCESS_NET_BIND = 1, /* ABI 4: TCP ports */
	ACCESS_NET_CONNECT = 2,
	RULE_NET_PORT = 2, /* after LANDLOCK_RULE_PATH_BENEATH */
	SCOPE_ALL = 3, /* ABI 6: abstract Unix sockets, signals */
	ACCESS_FS_ABI2 = (1 << 14) - 1, /* everything up to REFER */
};

struct ruleset {
	uint64_t access_fs;
	uint64_t access_net;
	uint64_t scoped;
};

/* The size of struct ruleset that each ABI knows. */
static size_t ruleset_size(long abi)
{
	if (abi >= 6)
		return sizeof(struct ruleset);
	return abi >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, access_net);
}

static struct ruleset ruleset_of(long abi, const struct landlock_rights *rights)
{
	bool any_port = rights->connects && rights->n_connect_ports == 0;

	struct ruleset r = {ACCESS_FS_ABI2, 0, 0};

	if (abi >= 3)
		r.access_fs |= ACCESS_FS_TRUNCATE;
	if (abi >= 4)
		r.access_net = any_port ? ACCESS_NET_BIND : ACCESS_NET_BIND | ACCESS_NET_CONNECT;
	if (abi >= 5)
		r.access_fs |= ACCESS_FS_IOCTL_DEV;
	if (abi >= 6)
		r.scoped = SCOPE_ALL;
	return r;
}

/* Plain files and folders, made, read, written, moved and removed; nothing to execute, no devices, no sockets. */
static int allow_folder(int ruleset, const struct ruleset *r, int folder)
{
	const uint64_t want = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
			      LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |
			      LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
			      LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER | ACCESS_FS_TRUNCATE;
	struct landlock_path_beneath_attr beneath = {.allowed_access = want & r->access_fs, .parent_fd = folder};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0 ? -errno : 0;
}

struct net_port {
	uint64_t allowed_access;
	uint64_t port;
};

/* Whoever connects may choose the address that he does so from; a port the kernel chooses. */
static int allow_ports(int ruleset, const struct landlock_rights *rights)
{
	struct net_port any = {ACCESS_NET_BIND, 0};

	if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &any, 0) < 0)
		return -errno;
	for (size_t i = 0; i < rights->n_connect_ports; i++) {
		struct net_port port = {ACCESS_NET_CONNECT, rights->connect_ports[i]};

		if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &port, 0) < 0)
			return -errno;
	}
	return 0;
}

int landlock_enter(const struct landlock_rights *rights)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	_cleanup_(fd_close) int ruleset = -1;
	struct ruleset r;
	int error = 0;

	/* ABI 1 (Linux 5.13) cannot let a file be moved from one folder to another. */
	if (abi < 2)
		return -ENOSYS;
	r = ruleset_of(abi, rights);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &r, ruleset_size(abi), 0);
	if (ruleset < 0)
		return -errno;
	if (rights->folder >= 0)
		error = allow_folder(ruleset, &r, rights->folder);
	if (error == 0 && r.access_net && rights->connects)
		error = allow_ports(ruleset, rights);
	if (error < 0)
		return error;
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}
