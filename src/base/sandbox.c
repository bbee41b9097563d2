/* SPDX-License-Identifier: ISC
 * The fences around a role: user id, limits, Landlock, then the list of system calls of base/syscalls.c. */
#include "base/sandbox.h"

#include "base/landlock.h"
#include "base/syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS_MAX = 4096 };

void sandbox_close_fds_from(unsigned from)
{
	struct rlimit limit;

	if (syscall(SYS_close_range, from, ~0u, 0) == 0)
		return;
	/* Kernels before 5.9. */
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 65536)
		limit.rlim_cur = 65536;
	for (rlim_t fd = from; fd < limit.rlim_cur; fd++)
		(void)close((int)fd);
}

void sandbox_die_with_parent(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/* Threads that run already would stay outside of Landlock. */
static bool has_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	size_t n = 0;

	if (!tasks)
		return false;
	while (readdir(tasks))
		n++;
	(void)closedir(tasks);
	return n > 3; /* ".", ".." and this one */
}

/* Threads, of all processes of a user id that is ours alone: whoever starts more would have those of the whole machine. */
static int limit_threads(const struct sandbox_options *o)
{
	struct rlimit threads = {THREADS_MAX, THREADS_MAX};

	return geteuid() == 0 && o->uid && setrlimit(RLIMIT_NPROC, &threads) < 0 ? -errno : 0;
}

static int set_limits(const struct sandbox_options *o)
{
	struct rlimit none = {0, 0}, files;

	if (setrlimit(RLIMIT_CORE, &none) < 0 || limit_threads(o) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	if (!o->open_files_max)
		return 0;
	if (files.rlim_max > o->open_files_max)
		files.rlim_max = o->open_files_max;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

/* Root without CAP_SYS_CHROOT (a service manager may take it) goes without; the folder must then be reachable by its path. */
static int enter_folder(const struct sandbox_options *o, bool *ret_rooted)
{
	*ret_rooted = false;
	if (o->profile != SANDBOX_STORE)
		return 0;
	if (fchdir(o->folder) < 0)
		return -errno;
	if (geteuid() != 0 || !o->uid)
		return 0;
	*ret_rooted = chroot(".") == 0;
	return *ret_rooted || errno == EPERM ? 0 : -errno;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

static int change_user(uid_t uid)
{
	if (geteuid() != 0 || uid == 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0)
		return -errno;
	(void)prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED, 0, 0, 0);
	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (setresuid(uid, uid, uid) < 0)
		return -errno;
	return setuid(0) == 0 ? -EPERM : 0; /* there must be no way back */
}

int sandbox_enter(const struct sandbox_options *o, bool *ret_rooted, const char **ret_what)
{
	int r;

	if (has_threads()) {
		*ret_what = "threads were started before the sandbox";
		return -EINVAL;
	}
	r = set_limits(o);
	if (r < 0) {
		*ret_what = "cannot set resource limits";
		return r;
	}
	r = enter_folder(o, ret_rooted);
	if (r == 0)
		r = change_user(o->uid);
	if (r == 0)
		r = drop_capabilities();
	if (r < 0) {
		*ret_what = "cannot give up root";
		return r;
	}
	sandbox_die_with_parent(); /* changing the user id has undone it */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		*ret_what = "prctl";
		return -errno;
	}
	r = landlock_enter(&(struct landlock_rights){.folder = o->profile == SANDBOX_STORE ? o->folder : -1,
						     .connects = o->profile == SANDBOX_OUT || o->profile == SANDBOX_DNS,
						     .connect_ports = o->connect_ports,
						     .n_connect_ports = o->n_connect_ports});
	if (r == -ENOSYS && !o->landlock_required)
		r = 0;
	if (r < 0) {
		*ret_what = "Landlock: this kernel cannot confine processes (landlock = optional goes without)";
		return r;
	}
	r = syscalls_filter(o->profile);
	if (r < 0)
		*ret_what = "seccomp";
	return r;
}
