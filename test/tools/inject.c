/* SPDX-License-Identifier: ISC
 * Makes a running process do one system call that it should not be able to do, and says what came of it:
 *
 *     inject [--without-seccomp] PID CALL [FD]
 *
 * prints "returned N", "denied ERRNO" (the call failed with it) or "killed SIGNAL". The process is stopped where it waits in a
 * system call of its own, made to step over that instruction again with other registers, and put back as it was.
 * --without-seccomp suspends the process's filter for the time (PTRACE_O_SUSPEND_SECCOMP): what is denied then, something else
 * denies. x86-64 only; needs root. Arguments are chosen so that a call that is let through does no harm. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 0x3ffffff, ROOM = 256, TRIES = 200 };

/* An argument that is a pointer to the bytes of `data`, put on the stack of the process. */
#define DATA 0xdada

struct call {
	const char *name;
	long number;
	unsigned long args[6];
	const char *data;
	size_t data_n;
};

static const struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_port = 0x1900, .sin_addr = {0x0100007f}};
#define PATH(p) (p), sizeof(p)
#define ADDRESS (const char *)&loopback, sizeof loopback

static const struct call calls[] = {
    {"open", SYS_open, {DATA, O_RDONLY}, PATH("/etc/passwd")},
    {"openat", SYS_openat, {(unsigned long)AT_FDCWD, DATA, O_RDONLY}, PATH("/etc/passwd")},
    {"open-folder", SYS_openat, {(unsigned long)AT_FDCWD, DATA, O_RDONLY | O_DIRECTORY}, PATH("/")},
    {"creat",
     SYS_openat,
     {(unsigned long)AT_FDCWD, DATA, O_WRONLY | O_CREAT | O_EXCL, 0600},
     PATH("/tmp/pombo-inject-PID")},
    {"mkfifo", SYS_mknodat, {(unsigned long)AT_FDCWD, DATA, S_IFIFO | 0600, 0}, PATH("inject-fifo")},
    {"socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}, NULL, 0},
    {"socket-unix", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}, NULL, 0},
    {"socket-netlink", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}, NULL, 0},
    {"socket-raw", SYS_socket, {AF_INET, SOCK_RAW, 1 /* ICMP */}, NULL, 0},
    {"connect", SYS_connect, {3, DATA, sizeof loopback}, ADDRESS},
    {"bind", SYS_bind, {3, DATA, sizeof loopback}, ADDRESS},
    {"listen", SYS_listen, {3, 1}, NULL, 0},
    {"sendto", SYS_sendto, {3, DATA, 0, 0, DATA, sizeof loopback}, ADDRESS},
    {"fast-open", SYS_sendmsg, {3, 0, MSG_FASTOPEN}, NULL, 0},
    {"shutdown", SYS_shutdown, {3, SHUT_RD}, NULL, 0},
    {"block", SYS_fcntl, {3, F_SETFL, O_RDWR}, NULL, 0},
    {"execve", SYS_execve, {DATA, 0, 0}, PATH("/nonexistent/program")},
    {"execveat", SYS_execveat, {(unsigned long)AT_FDCWD, DATA, 0, 0, 0}, PATH("/nonexistent/program")},
    {"ptrace", SYS_ptrace, {PTRACE_ATTACH, NOBODY, 0, 0}, NULL, 0},
    {"process_vm_readv", SYS_process_vm_readv, {NOBODY, 0, 0, 0, 0, 0}, NULL, 0},
    {"process_vm_writev", SYS_process_vm_writev, {NOBODY, 0, 0, 0, 0, 0}, NULL, 0},
    {"fork", SYS_clone, {0x800 /* CLONE_SIGHAND, without CLONE_VM: no process comes of it */, 0, 0, 0, 0}, NULL, 0},
    {"setuid", SYS_setuid, {0}, NULL, 0},
    {"mmap-exec",
     SYS_mmap,
     {0, 4096, 5 /* read, execute */, 0x22 /* private, anonymous */, (unsigned long)-1, 0},
     NULL,
     0},
    {"kill", SYS_kill, {NOBODY, 0}, NULL, 0},
    {"bpf", SYS_bpf, {0xffff, 0, 0}, NULL, 0},
    {"io_uring_setup", SYS_io_uring_setup, {0, 0}, NULL, 0},
    {"garbage", SYS_write, {3, DATA, 32}, PATH("This is no frame of any channel.")},
    {"getpid", SYS_getpid, {0}, NULL, 0},
    {"read", SYS_read, {(unsigned long)-1, 0, 0}, NULL, 0},
};

static bool expect_gone;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void ask(long request, pid_t pid, void *addr, void *data)
{
	if (ptrace((enum __ptrace_request)request, pid, addr, data) == 0)
		return;
	if (expect_gone && errno == ESRCH)
		exit(0);
	die("ptrace");
}

/* Waits for the process to stop; false when it is gone instead. */
static bool wait_stop(pid_t pid, int *status)
{
	if (waitpid(pid, status, __WALL) != pid)
		die("waitpid");
	return WIFSTOPPED(*status);
}

/* Stopped with its last instruction a system call, or let go and tried again a little later. */
static void stop_in_a_call(pid_t pid, bool without_seccomp, struct user_regs_struct *regs)
{
	unsigned long options = without_seccomp ? PTRACE_O_SUSPEND_SECCOMP : 0;
	int status;

	ask(PTRACE_SEIZE, pid, NULL, (void *)options);
	for (int i = 0; i < TRIES; i++) {
		ask(PTRACE_INTERRUPT, pid, NULL, NULL);
		if (!wait_stop(pid, &status))
			die("the process ended");
		ask(PTRACE_GETREGS, pid, NULL, regs);
		errno = 0;
		if ((ptrace(PTRACE_PEEKTEXT, pid, (void *)(regs->rip - 2), NULL) & 0xffff) == 0x050f && errno == 0)
			return;
		ask(PTRACE_CONT, pid, NULL, NULL);
		(void)usleep(2000);
	}
	(void)fprintf(stderr, "inject: %d is never seen in a system call\n", (int)pid);
	exit(2);
}

static void copy_words(pid_t pid, unsigned long to, const long *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ask(PTRACE_POKEDATA, pid, (void *)(to + i * sizeof(long)), (void *)words[i]);
}

static void save_words(pid_t pid, unsigned long from, long *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		errno = 0;
		words[i] = ptrace(PTRACE_PEEKDATA, pid, (void *)(from + i * sizeof(long)), NULL);
		if (errno)
			die("peek");
	}
}

static void set_call(struct user_regs_struct *r, const struct call *c, unsigned long data)
{
	unsigned long long *const to[] = {&r->rdi, &r->rsi, &r->rdx, &r->r10, &r->r8, &r->r9};

	r->rip -= 2;
	r->rax = (unsigned long long)c->number;
	r->orig_rax = (unsigned long long)-1; /* nothing to be restarted */
	for (size_t i = 0; i < 6; i++)
		*to[i] = c->args[i] == DATA ? data : c->args[i];
}

static void report(long long result)
{
	if (result < 0 && result > -4096)
		(void)printf("denied %s\n", strerrorname_np((int)-result));
	else
		(void)printf("returned %lld\n", result);
}

static int inject(pid_t pid, const struct call *c, bool without_seccomp)
{
	struct user_regs_struct before, regs;
	long data[ROOM / sizeof(long)] = {0}, saved[ROOM / sizeof(long)];
	unsigned long at;
	int status;

	stop_in_a_call(pid, without_seccomp, &before);
	at = (before.rsp - 1024) & ~0xfUL; /* below what a leaf function may use */
	if (c->data)
		memcpy(data, c->data, c->data_n);
	if (strcmp(c->name, "creat") == 0)
		(void)snprintf((char *)data, sizeof data, "/tmp/pombo-inject-%d", (int)pid);
	save_words(pid, at, saved, ROOM / sizeof(long));
	copy_words(pid, at, data, ROOM / sizeof(long));
	regs = before;
	set_call(&regs, c, at);
	ask(PTRACE_SETREGS, pid, NULL, &regs);
	ask(PTRACE_SINGLESTEP, pid, NULL, NULL);
	if (!wait_stop(pid, &status)) {
		(void)printf("killed %s\n", WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : "EXIT");
		return 0;
	}
	if (WSTOPSIG(status) != SIGTRAP)
		(void)fprintf(stderr, "inject: stopped by %s\n", sigabbrev_np(WSTOPSIG(status)));
	ask(PTRACE_GETREGS, pid, NULL, &regs);
	report((long long)regs.rax);
	(void)fflush(stdout);
	expect_gone = true; /* what the call did may make somebody end the process at any time now */
	copy_words(pid, at, saved, ROOM / sizeof(long));
	ask(PTRACE_SETREGS, pid, NULL, &before);
	ask(PTRACE_DETACH, pid, NULL, NULL);
	return 0;
}

static const struct call *find_call(const char *name)
{
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		if (strcmp(name, calls[i].name) == 0)
			return &calls[i];
	return NULL;
}

int main(int argc, char **argv)
{
	bool without_seccomp = argc > 1 && strcmp(argv[1], "--without-seccomp") == 0;
	const struct call *found;
	struct call call;

	argc -= without_seccomp;
	argv += without_seccomp;
	found = argc >= 3 ? find_call(argv[2]) : NULL;
	if (!found || argc > 4) {
		(void)fprintf(stderr, "usage: inject [--without-seccomp] PID CALL [FD]\n");
		return 64;
	}
	call = *found;
	if (argc == 4)
		call.args[0] = strtoul(argv[3], NULL, 10);
	return inject((pid_t)strtol(argv[1], NULL, 10), &call, without_seccomp);
}
