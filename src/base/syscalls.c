/* SPDX-License-Identifier: ISC
 * The system calls of each sandbox profile, as a seccomp filter.
 *
 * Three answers: allowed; EPERM (or ENOSYS, where libraries then take another way) for all that is in no list; and the end
 * of the process for what no library of ours ever does. A call that could change its meaning by an argument is allowed with
 * the harmless arguments only. */
#include "base/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes over what is open already, time, memory, waiting. */
static const char *const every_profile[] = {
    "read",
    "readv",
    "pread64",
    "preadv",
    "write",
    "writev",
    "close",
    "lseek",
    "fstat",
    "recvfrom",
    "recvmsg",
    "getsockopt",
    "getsockname",
    "getpeername",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "munmap",
    "mremap",
    "madvise",
    "brk",
    "futex",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigreturn",
    "rt_sigpending",
    "sigaltstack",
    "restart_syscall",
    "getpid",
    "gettid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getrandom",
    "sched_yield",
    "sched_getaffinity",
    "sysinfo",
    "uname",
    "getrusage",
    "times",
    "exit",
    "exit_group",
    "membarrier",
    "rseq",
    "set_robust_list",
};

static const char *const net_profile[] = {"accept", "accept4"};

static const char *const store_profile[] = {
    "accept",     "accept4",         "open",
    "openat",     "creat",           "stat",
    "lstat",      "newfstatat",      "fstatat64",
    "access",     "faccessat",       "readlink",
    "readlinkat", "getcwd",          "getdents",
    "getdents64", "statfs",          "fstatfs",
    "unlink",     "unlinkat",        "rename",
    "renameat",   "renameat2",       "mkdir",
    "mkdirat",    "rmdir",           "link",
    "linkat",     "chmod",           "fchmod",
    "fchmodat",   "utimensat",       "umask",
    "pwrite64",   "pwritev",         "fsync",
    "fdatasync",  "sync_file_range", "syncfs",
    "truncate",   "ftruncate",       "fallocate",
    "fadvise64",  "flock",           "copy_file_range",
    "sendfile",   "msync",           "mlock",
    "ioprio_set",
};

static const char *const out_profile[] = {"bind", "connect", "setsockopt"};

/* The same for all profiles but SANDBOX_OUT and SANDBOX_DNS. */
static const char *const ends_without_network[] = {"socket", "connect", "bind"};

/* Libraries ask for these first and go on without. */
static const char *const not_there[] = {"clone3",        "openat2",       "statx",         "faccessat2",
					"set_mempolicy", "get_mempolicy", "io_uring_setup"};

/* Whoever calls these is not us any more. */
static const char *const ends_the_process[] = {
    "execve",
    "execveat",
    "listen",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "kcmp",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "mount",
    "umount2",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsmount",
    "pivot_root",
    "chroot",
    "setns",
    "unshare",
    "keyctl",
    "add_key",
    "request_key",
    "open_by_handle_at",
    "name_to_handle_at",
    "swapon",
    "swapoff",
    "reboot",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "quotactl",
    "acct",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "setfsuid",
    "setfsgid",
    "capset",
    "mknod",
    "mknodat",
    "personality",
    "syslog",
    "vhangup",
    "lookup_dcookie",
};

static int add(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		int r = nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(f, action, nr, 0);

		if (r < 0 && r != -EEXIST && r != -EDOM) /* EDOM: not on this machine */
			return r;
	}
	return 0;
}

#define ADD(f, action, names) add(f, action, names, ARRAY_LEN(names))

struct with_argument {
	const char *name;
	unsigned index;
	enum scmp_compare op;
	scmp_datum_t a;
	scmp_datum_t b;
};

/* An argument that the kernel takes as an int: what stands above it in the register does not count. */
#define INT_CMP(index, value) ((struct scmp_arg_cmp){(index), SCMP_CMP_MASKED_EQ, UINT32_MAX, (value)})

static int add_compared(scmp_filter_ctx f, uint32_t action, const char *name, unsigned n,
			const struct scmp_arg_cmp *compared)
{
	int nr = seccomp_syscall_resolve_name(name);
	int r = nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array(f, action, nr, n, compared);

	return r == -EEXIST || r == -EDOM ? 0 : r;
}

static int add_with_arguments(scmp_filter_ctx f, const struct with_argument *rules, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct with_argument *w = &rules[i];
		struct scmp_arg_cmp cmp = {w->index, w->op, w->a, w->b};

		r = add_compared(f, SCMP_ACT_ALLOW, w->name, 1, &cmp);
	}
	return r;
}

static int add_guarded(scmp_filter_ctx f)
{
	const struct with_argument rules[] = {
	    /* not a connection by other means (below) */
	    {"sendmsg", 2, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0},
	    /* no memory that can be both written and executed later */
	    {"mmap", 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0},
	    {"mprotect", 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0},
	    /* raise() and abort() */
	    {"tgkill", 0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0},
	    /* fstat() is spelt so by glibc */
	    {"newfstatat", 3, SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH},
	    {"fcntl", 1, SCMP_CMP_EQ, F_GETFL, 0},
	    {"fcntl", 1, SCMP_CMP_EQ, F_GETFD, 0},
	    {"fcntl", 1, SCMP_CMP_EQ, F_SETFD, 0},
	    {"ioctl", 1, SCMP_CMP_EQ, FIONREAD, 0},
	    /* asking for limits, not setting them */
	    {"prlimit64", 2, SCMP_CMP_EQ, 0, 0},
	    {"prctl", 0, SCMP_CMP_EQ, PR_SET_NAME, 0},
	    {"prctl", 0, SCMP_CMP_EQ, PR_SET_VMA, 0},
	};

	return add_with_arguments(f, rules, ARRAY_LEN(rules));
}

/* The end of what we send: not of a listener, which others accept on too, now and after a restart; nor of the log, which is one socket for
 * all where a service manager takes it. Nobody copies descriptors, so that one has the numbers 1 and 2 only; from 4 on means that one of the
 * higher bits is set. */
static int add_shutdown(scmp_filter_ctx f)
{
	enum { LOWEST_BIT = 2, BITS = 21 /* more than any process may have open */ };
	int r = 0;

	for (unsigned bit = LOWEST_BIT; bit < BITS && r == 0; bit++) {
		const struct scmp_arg_cmp cmp[] = {{0, SCMP_CMP_MASKED_EQ, 1u << bit, 1u << bit}, INT_CMP(1, SHUT_WR)};

		r = add_compared(f, SCMP_ACT_ALLOW, "shutdown", ARRAY_LEN(cmp), cmp);
	}
	return r;
}

/* Data that opens a connection (RFC 7413) does so without connect(), and past Landlock, which sees that one only. An inherited listener would
 * do for it, once it is shut down. libunbound tries it and goes on with connect(). */
static int add_no_fast_open(scmp_filter_ctx f, uint32_t action)
{
	const struct scmp_arg_cmp in_sendmsg = {2, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, MSG_FASTOPEN};
	const struct scmp_arg_cmp in_sendto = {3, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, MSG_FASTOPEN};
	int r = add_compared(f, action, "sendmsg", 1, &in_sendmsg);

	if (r == 0)
		r = add_compared(f, action, "sendmmsg", 1, &in_sendto);
	return r < 0 ? r : add_compared(f, action, "sendto", 1, &in_sendto);
}

/* send(), not sendto an address. */
static int add_send(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp cmp[] = {{3, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0}, {4, SCMP_CMP_EQ, 0, 0}};

	return add_compared(f, SCMP_ACT_ALLOW, "sendto", ARRAY_LEN(cmp), cmp);
}

/* A listener is shared with others, and so is the log: of their flags and options none may be changed that these rely on. */
static int add_options_of_connections(scmp_filter_ctx f)
{
	static const int options[] = {TCP_NODELAY, TCP_QUICKACK};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(options) && r == 0; i++) {
		const struct scmp_arg_cmp cmp[] = {INT_CMP(1, IPPROTO_TCP), INT_CMP(2, (scmp_datum_t)options[i])};

		r = add_compared(f, SCMP_ACT_ALLOW, "setsockopt", ARRAY_LEN(cmp), cmp);
	}
	return r;
}

/* For who opens descriptors of its own, and hands them to libraries. */
static int add_flags(scmp_filter_ctx f)
{
	const struct with_argument rules[] = {
	    {"fcntl", 1, SCMP_CMP_EQ, F_SETFL, 0},
	    {"ioctl", 1, SCMP_CMP_EQ, FIONBIO, 0},
	};

	return add_with_arguments(f, rules, ARRAY_LEN(rules));
}

/* Threads, not processes. */
static int add_threads(scmp_filter_ctx f)
{
	const scmp_datum_t thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
	const struct with_argument rules[] = {{"clone", 0, SCMP_CMP_MASKED_EQ, thread, thread}};

	return add_with_arguments(f, rules, ARRAY_LEN(rules));
}

/* A thread chooses where it runs itself, and nobody else. */
static int add_own_core(scmp_filter_ctx f)
{
	const struct with_argument rules[] = {{"sched_setaffinity", 0, SCMP_CMP_EQ, 0, 0}};

	return add_with_arguments(f, rules, ARRAY_LEN(rules));
}

static int add_store(scmp_filter_ctx f)
{
	const struct with_argument locks[] = {
	    {"fcntl", 1, SCMP_CMP_EQ, F_GETLK, 0},     {"fcntl", 1, SCMP_CMP_EQ, F_SETLK, 0},
	    {"fcntl", 1, SCMP_CMP_EQ, F_SETLKW, 0},    {"fcntl", 1, SCMP_CMP_EQ, F_OFD_GETLK, 0},
	    {"fcntl", 1, SCMP_CMP_EQ, F_OFD_SETLK, 0}, {"fcntl", 1, SCMP_CMP_EQ, F_OFD_SETLKW, 0},
	    {"setpriority", 2, SCMP_CMP_EQ, 19, 0}, /* the lowest */
	};
	int r = ADD(f, SCMP_ACT_ALLOW, store_profile);

	if (r == 0)
		r = add_threads(f);
	if (r == 0)
		r = add_flags(f);
	return r < 0 ? r : add_with_arguments(f, locks, ARRAY_LEN(locks));
}

/* Any other family ends the process. */
static int add_families(scmp_filter_ctx f)
{
	int r = 0;

	for (int family = 0; family < AF_INET6 && r == 0; family++)
		if (family != AF_INET)
			r = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), 1,
					     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	return r < 0 ? r
		     : seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_INET6));
}

/* Of the two families with that type's own protocol: Landlock knows no ports of MPTCP or SCTP. Any other type or protocol is refused. */
static int add_sockets(scmp_filter_ctx f, int type, int protocol)
{
	enum { TYPE_MASK = 0xf };
	const int families[] = {AF_INET, AF_INET6}, protocols[] = {0, protocol};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		for (size_t k = 0; k < ARRAY_LEN(protocols) && r == 0; k++)
			r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3,
					     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]),
					     SCMP_A1(SCMP_CMP_MASKED_EQ, TYPE_MASK, (scmp_datum_t)type),
					     INT_CMP(2, (scmp_datum_t)protocols[k]));
	return r;
}

static int add_out(scmp_filter_ctx f)
{
	int r = add_families(f);

	if (r == 0)
		r = add_sockets(f, SOCK_STREAM, IPPROTO_TCP);
	if (r == 0)
		r = add_flags(f);
	if (r == 0)
		r = add_no_fast_open(f, SCMP_ACT_ERRNO(EOPNOTSUPP));
	return r < 0 ? r : ADD(f, SCMP_ACT_ALLOW, out_profile);
}

/* To addresses, one or many at once. */
static int add_datagrams(scmp_filter_ctx f)
{
	const struct with_argument rules[] = {
	    {"sendto", 3, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0},
	    {"sendmmsg", 3, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0},
	};
	static const char *const receiving[] = {"recvmmsg"};
	int r = add_sockets(f, SOCK_DGRAM, IPPROTO_UDP);

	if (r == 0)
		r = add_with_arguments(f, rules, ARRAY_LEN(rules));
	return r < 0 ? r : ADD(f, SCMP_ACT_ALLOW, receiving);
}

static int add_no_out(scmp_filter_ctx f)
{
	int r = ADD(f, SCMP_ACT_KILL_PROCESS, ends_without_network);

	return r < 0 ? r : add_no_fast_open(f, SCMP_ACT_KILL_PROCESS);
}

static int add_net(scmp_filter_ctx f)
{
	int r = add_options_of_connections(f);

	return r < 0 ? r : ADD(f, SCMP_ACT_ALLOW, net_profile);
}

static int add_own_threads(scmp_filter_ctx f)
{
	int r = add_threads(f);

	return r < 0 ? r : add_own_core(f);
}

static int add_profile(scmp_filter_ctx f, enum sandbox_profile profile)
{
	bool out = profile == SANDBOX_OUT || profile == SANDBOX_DNS;
	int r = out ? add_out(f) : add_no_out(f);

	if (r == 0 && profile != SANDBOX_DNS)
		r = add_send(f);
	if (r < 0)
		return r;
	switch (profile) {
	case SANDBOX_NET:
		return add_net(f);
	case SANDBOX_PURE:
		return 0;
	case SANDBOX_STORE:
		return add_store(f);
	case SANDBOX_OUT:
		return 0;
	case SANDBOX_DNS:
		return add_datagrams(f);
	case SANDBOX_THREADS:
		return add_own_threads(f);
	}
	return r;
}

static int build(scmp_filter_ctx f, enum sandbox_profile profile)
{
	int r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);

	if (r == 0)
		(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE,
				       2); /* a tree, not a list; older libraries have none */
	if (r == 0)
		r = add_guarded(f);
	if (r == 0)
		r = add_shutdown(f);
	if (r == 0)
		r = ADD(f, SCMP_ACT_ALLOW, every_profile);
	if (r == 0)
		r = add_profile(f, profile);
	if (r == 0)
		r = ADD(f, SCMP_ACT_ERRNO(ENOSYS), not_there);
	if (r == 0)
		r = ADD(f, SCMP_ACT_KILL_PROCESS, ends_the_process);
	return r == 0 ? seccomp_load(f) : r;
}

int syscalls_filter(enum sandbox_profile profile)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!f)
		return -ENOMEM;
	r = build(f, profile);
	seccomp_release(f);
	return r;
}
