/* SPDX-License-Identifier: ISC
 * Each profile from inside: what must go goes, what must not is refused or fatal. test/system/test_sandbox.py asks the same of the
 * running server from outside. */
#include "base/sandbox.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/pombo-sandbox-XXXXXX";

struct inside {
	bool rooted;
	int socket;
	int listener; /* TCP, shared with others it may be */
	int log; /* a file that is only appended to */
	int high_socket; /* the other end of `socket` */
};

/* A socket on which the kernel takes connections, of a port of its choice. */
static int listening(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	return bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 1) == 0 ? fd : -1;
}

static int end_log(struct inside *in);

/* Runs `what` in a child behind the fences: its result, or 1000 + the signal that ended it. */
static int behind(enum sandbox_profile profile, int (*what)(struct inside *in))
{
	pid_t pid;
	int status;

	(void)fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int sv[2];
		struct inside in = {false, -1, listening(), open("/dev/null", O_WRONLY | O_APPEND), -1};
		struct sandbox_options o = {.profile = profile,
					    .folder = open(folder, O_PATH | O_DIRECTORY),
					    .uid = 61799,
					    .landlock_required = false,
					    .open_files_max = 100,
					    .connect_ports = &(const uint16_t){1},
					    .n_connect_ports = 1};
		const char *why;

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0) {
			in.socket = fcntl(sv[0], F_DUPFD, 4);
			in.high_socket = fcntl(sv[1], F_DUPFD, 90);
			if (what == end_log)
				(void)dup2(sv[1], STDERR_FILENO);
		}
		if (sandbox_enter(&o, &in.rooted, &why) < 0)
			_exit(255);
		_exit(what(&in));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int result_of(long r)
{
	return r < 0 ? errno : 0;
}

static int open_outside(struct inside *in)
{
	(void)in;
	return result_of(open("/etc/passwd", O_RDONLY));
}
static int open_inside(struct inside *in)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/file", in->rooted ? "" : folder);
	return result_of(open(path, O_RDWR | O_CREAT, 0600));
}
static int make_device(struct inside *in)
{
	(void)in;
	return result_of(mkfifo("fifo", 0600));
}
static int make_socket(struct inside *in)
{
	(void)in;
	return result_of(socket(AF_INET, SOCK_STREAM, 0));
}
static int make_other_socket(struct inside *in)
{
	(void)in;
	return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}
static int make_raw_socket(struct inside *in)
{
	(void)in;
	return result_of(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}
static int listen_socket(struct inside *in)
{
	return result_of(listen(in->socket, 1));
}
/* To a port where nobody listens: 1 is among those that may be asked. */
static int connect_out(struct inside *in)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(1), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)in;
	return result_of(connect(fd, (struct sockaddr *)&a, sizeof a));
}
static int connect_elsewhere(struct inside *in)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(2), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)in;
	return result_of(connect(fd, (struct sockaddr *)&a, sizeof a));
}
/* A connection may come from an address of one's choice, and from the port that the kernel gives it. */
static int bind_out(in_port_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};

	return result_of(bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a));
}
static int bind_any_port(struct inside *in)
{
	(void)in;
	return bind_out(0);
}
static int bind_a_port(struct inside *in)
{
	(void)in;
	return bind_out(61234);
}
static int connect_socket(struct inside *in)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	return result_of(connect(in->socket, (struct sockaddr *)&a, sizeof a));
}
static int bind_socket(struct inside *in)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	return result_of(bind(in->socket, (struct sockaddr *)&a, sizeof a));
}
/* Where nobody listens. */
static const struct sockaddr_in elsewhere = {
    .sin_family = AF_INET, .sin_port = 0x0200 /* 2 */, .sin_addr = {0x0100007f} /* 127.0.0.1 */};

/* A connection without connect(): data that opens one (tcp(7), RFC 7413). ECONNREFUSED or EINPROGRESS: it went out. */
static int send_opening(int fd)
{
	struct iovec iov = {(char[]){'x'}, 1};
	struct msghdr m = {.msg_name = (void *)(uintptr_t)&elsewhere,
			   .msg_namelen = sizeof elsewhere,
			   .msg_iov = &iov,
			   .msg_iovlen = 1};

	return result_of(sendmsg(fd, &m, MSG_FASTOPEN | MSG_NOSIGNAL));
}
/* A socket that took connections, ended, is one that can make them. */
static int turn_listener_round(struct inside *in)
{
	(void)shutdown(in->listener, SHUT_RDWR);
	return send_opening(in->listener);
}
static int send_opening_out(struct inside *in)
{
	(void)in;
	return send_opening(socket(AF_INET, SOCK_STREAM, 0));
}
static int sendto_opening_out(struct inside *in)
{
	(void)in;
	return result_of(sendto(socket(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
				(const struct sockaddr *)&elsewhere, sizeof elsewhere));
}
static int make_mptcp_socket(struct inside *in)
{
	(void)in;
	return result_of(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
}
static int make_datagram_socket(struct inside *in)
{
	(void)in;
	return result_of(socket(AF_INET6, SOCK_DGRAM, 0));
}
static int make_ping_socket(struct inside *in)
{
	(void)in;
	return result_of(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
}
/* What others still need: the listener, the log. */
static int end_listener(struct inside *in)
{
	return result_of(shutdown(in->listener, SHUT_RD));
}
static int end_sending(struct inside *in)
{
	return result_of(shutdown(in->socket, SHUT_WR));
}
/* What comes from further away than this link is dropped (RFC 5082). */
/* Where a service manager takes the log it is a socket, the same for all processes. */
static int end_log(struct inside *in)
{
	(void)in;
	return result_of(shutdown(STDERR_FILENO, SHUT_WR));
}
static int copy_log(struct inside *in)
{
	int a = result_of(dup(STDERR_FILENO)), b = result_of(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10));

	(void)in;
	return a == b ? a : 255;
}
static int end_high_sending(struct inside *in)
{
	return result_of(shutdown(in->high_socket, SHUT_WR));
}
static int make_listener_deaf(struct inside *in)
{
	int hops = 255;

	return result_of(setsockopt(in->listener, IPPROTO_IP, IP_MINTTL, &hops, sizeof hops));
}
static int set_nodelay(struct inside *in)
{
	int on = 1;

	return result_of(setsockopt(in->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
}
static int make_listener_block(struct inside *in)
{
	int off = 0;

	return result_of(fcntl(in->listener, F_SETFL, O_RDWR)) | result_of(ioctl(in->listener, FIONBIO, &off));
}
static int unlock_log(struct inside *in)
{
	return result_of(fcntl(in->log, F_SETFL, O_WRONLY));
}
static int run_program(struct inside *in)
{
	char *argv[] = {"true", NULL};

	(void)in;
	return result_of(execve("/bin/true", argv, NULL));
}
static int trace(struct inside *in)
{
	(void)in;
	return result_of(ptrace(PTRACE_TRACEME, 0, 0, 0));
}
static int read_process(struct inside *in)
{
	char byte;
	struct iovec iov = {&byte, 1};

	(void)in;
	return result_of(process_vm_readv(getppid(), &iov, 1, &iov, 1, 0));
}
static int become_root(struct inside *in)
{
	(void)in;
	return result_of(setuid(0));
}
static int make_process(struct inside *in)
{
	pid_t pid;

	(void)in;
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	return result_of(pid);
}
static int executable_memory(struct inside *in)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)in;
	return p == MAP_FAILED ? errno : 0;
}
static int kill_parent(struct inside *in)
{
	(void)in;
	return result_of(kill(getppid(), 0));
}
static int send_to_address(struct inside *in)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	return result_of(sendto(in->socket, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
}
static int raise_limit(struct inside *in)
{
	struct rlimit l = {200, 200};

	(void)in;
	return result_of(setrlimit(RLIMIT_NOFILE, &l));
}
static int send_bytes(struct inside *in)
{
	return result_of(send(in->socket, "x", 1, MSG_NOSIGNAL));
}
static int write_log(struct inside *in)
{
	(void)in;
	log_event(LOG_LEVEL_DEBUG, "nothing", NULL);
	return result_of(write(STDERR_FILENO, "", 0));
}
static int get_memory(struct inside *in)
{
	volatile char *p = malloc(1 << 22);

	(void)in;
	p[1 << 21] = 1;
	free((void *)(uintptr_t)p);
	return 0;
}
static void *nothing(void *arg)
{
	return arg;
}
static int start_thread(struct inside *in)
{
	pthread_t t;

	if (pthread_create(&t, NULL, nothing, in))
		return EPERM;
	return pthread_join(t, NULL);
}
static int abort_self(struct inside *in)
{
	struct sigaction fall = {.sa_handler = SIG_DFL};

	(void)in;
	(void)sigaction(SIGABRT, &fall, NULL);
	abort();
}
static int who_am_i(struct inside *in)
{
	(void)in;
	return getuid() == 61799 && geteuid() == 61799 && getgid() == 61799 ? 0 : 1;
}

enum { FATAL = 1000 + SIGSYS };

static void every_profile(void **state)
{
	static const struct {
		const char *name;
		int (*what)(struct inside *in);
		int want[6]; /* NET, PURE, STORE, OUT, DNS, THREADS */
	} cases[] = {
	    {"open outside", open_outside, {EPERM, EPERM, 0 /* below */, EPERM, EPERM, EPERM}},
	    {"open inside", open_inside, {EPERM, EPERM, 0, EPERM, EPERM, EPERM}},
	    {"mkfifo", make_device, {FATAL, FATAL, FATAL, FATAL, FATAL, FATAL}},
	    {"socket", make_socket, {FATAL, FATAL, FATAL, 0, 0, FATAL}},
	    {"socket of another kind", make_other_socket, {FATAL, FATAL, FATAL, FATAL, FATAL, FATAL}},
	    {"raw socket", make_raw_socket, {FATAL, FATAL, FATAL, EPERM, EPERM, FATAL}},
	    {"listen", listen_socket, {FATAL, FATAL, FATAL, FATAL, FATAL, FATAL}},
	    {"connect", connect_socket, {FATAL, FATAL, FATAL, EINVAL, EINVAL, FATAL}},
	    {"bind", bind_socket, {FATAL, FATAL, FATAL, EINVAL, EINVAL, FATAL}},
	    {"execve", run_program, {FATAL, FATAL, FATAL, FATAL, FATAL, FATAL}},
	    {"ptrace", trace, {FATAL, FATAL, FATAL, FATAL, FATAL, FATAL}},
	    {"process_vm_readv", read_process, {FATAL, FATAL, FATAL, FATAL, FATAL, FATAL}},
	    {"setuid", become_root, {FATAL, FATAL, FATAL, FATAL, FATAL, FATAL}},
	    {"fork", make_process, {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
	    {"executable memory", executable_memory, {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
	    {"kill", kill_parent, {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
	    {"sendto an address", send_to_address, {EPERM, EPERM, EPERM, EPERM, EISCONN, EPERM}},
	    {"data that connects a listener",
	     turn_listener_round,
	     {FATAL, FATAL, FATAL, EOPNOTSUPP, EOPNOTSUPP, FATAL}},
	    {"data that connects a socket", send_opening_out, {FATAL, FATAL, FATAL, EOPNOTSUPP, EOPNOTSUPP, FATAL}},
	    {"the same by sendto", sendto_opening_out, {FATAL, FATAL, FATAL, EOPNOTSUPP, EOPNOTSUPP, FATAL}},
	    {"MPTCP socket", make_mptcp_socket, {FATAL, FATAL, FATAL, EPERM, EPERM, FATAL}},
	    {"datagram socket", make_datagram_socket, {FATAL, FATAL, FATAL, EPERM, 0, FATAL}},
	    {"ping socket", make_ping_socket, {FATAL, FATAL, FATAL, EPERM, EPERM, FATAL}},
	    {"shut a listener", end_listener, {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
	    {"end sending", end_sending, {0, 0, 0, 0, 0, 0}},
	    {"end sending of a high number", end_high_sending, {0, 0, 0, 0, 0, 0}},
	    {"end the log", end_log, {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
	    {"copy the log", copy_log, {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
	    {"make a listener deaf", make_listener_deaf, {EPERM, EPERM, EPERM, 0, 0, EPERM}},
	    {"TCP_NODELAY", set_nodelay, {0, EPERM, EPERM, 0, 0, EPERM}},
	    {"make a listener block", make_listener_block, {EPERM, EPERM, 0, 0, 0, EPERM}},
	    {"write into the log's middle", unlock_log, {EPERM, EPERM, 0, 0, 0, EPERM}},
	    {"raise a limit", raise_limit, {EPERM, EPERM, EPERM, EPERM, EPERM, EPERM}},
	    {"send", send_bytes, {0, 0, 0, 0, 0, 0}},
	    {"log", write_log, {0, 0, 0, 0, 0, 0}},
	    {"memory", get_memory, {0, 0, 0, 0, 0, 0}},
	    {"thread", start_thread, {EPERM, EPERM, 0, EPERM, EPERM, 0}},
	    {"abort",
	     abort_self,
	     {1000 + SIGABRT, 1000 + SIGABRT, 1000 + SIGABRT, 1000 + SIGABRT, 1000 + SIGABRT, 1000 + SIGABRT}},
	};

	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int profile = SANDBOX_NET; profile <= SANDBOX_THREADS; profile++) {
			int got = behind((enum sandbox_profile)profile, cases[i].what);

			if (cases[i].what == open_outside && profile == SANDBOX_STORE) {
				assert_true(got == EACCES || got == ENOENT); /* by Landlock, or there is no such root */
				continue;
			}
			if (got != cases[i].want[profile])
				print_error("%s in profile %d: %d, not %d\n", cases[i].name, profile, got,
					    cases[i].want[profile]);
			wrong += got != cases[i].want[profile];
		}
	}
	assert_int_equal(wrong, 0);
}

static void tcp_goes_to_the_named_ports_only(void **state)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* which version? */);

	(void)state;
	assert_int_equal(behind(SANDBOX_OUT, connect_out), ECONNREFUSED);
	assert_int_equal(behind(SANDBOX_OUT, connect_elsewhere), abi >= 4 ? EACCES : ECONNREFUSED);
	assert_int_equal(behind(SANDBOX_OUT, bind_any_port), 0);
	if (abi >= 4)
		assert_int_equal(behind(SANDBOX_OUT, bind_a_port), EACCES);
}

static void root_is_given_up(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	for (int profile = SANDBOX_NET; profile <= SANDBOX_THREADS; profile++)
		assert_int_equal(behind((enum sandbox_profile)profile, who_am_i), 0);
}

static void *sleeper(void *arg)
{
	(void)pause();
	return arg;
}

static void threads_come_after(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	pid = fork();
	if (pid == 0) {
		struct sandbox_options o = {.profile = SANDBOX_THREADS, .folder = -1};
		const char *why = "";
		pthread_t t;
		bool rooted;

		_exit(pthread_create(&t, NULL, sleeper, NULL) == 0 && sandbox_enter(&o, &rooted, &why) == -EINVAL ? 0
														  : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) && chmod(folder, 0777) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof path, "%s/file", folder);
	(void)unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_profile),
	    cmocka_unit_test(tcp_goes_to_the_named_ports_only),
	    cmocka_unit_test(root_is_given_up),
	    cmocka_unit_test(threads_come_after),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
