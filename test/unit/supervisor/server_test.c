/* SPDX-License-Identifier: ISC */
#include "supervisor/server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static pid_t waiting_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	assert_true(pid > 0);
	return pid;
}

/* Who is ended when `from` says that `about` broke its list: all processes stand in one server. */
static enum kind_id ended_after(enum kind_id from, const char *about)
{
	struct process processes[KIND_COUNT];
	struct server s = {.processes = processes, .n = KIND_COUNT, .phase = SERVER_RUNNING};
	const struct control_msg m = {.type = CONTROL_PEER_ODD, .peer_odd = {view_from_cstr(about), 0, VIEW_LIT("x")}};
	enum kind_id ended = KIND_COUNT;
	pid_t pid;

	for (int kind = 0; kind < KIND_COUNT; kind++)
		processes[kind] = (struct process){
		    .server = &s, .kind = (enum kind_id)kind, .state = PROCESS_READY, .pid = waiting_child()};
	server_heard(&processes[from], 0, &m);
	pid = waitpid(-1, NULL, 0);
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		if (processes[kind].pid == pid) {
			ended = (enum kind_id)kind;
		} else {
			assert_int_equal(kill(processes[kind].pid, SIGTERM), 0);
			assert_int_equal(waitpid(processes[kind].pid, NULL, 0), processes[kind].pid);
		}
	}
	return ended;
}

static void the_more_trusted_end_is_believed(void **state)
{
	(void)state;
	assert_int_equal(ended_after(KIND_STORE, "mx"), KIND_MX);
	assert_int_equal(ended_after(KIND_AUTH, "imap"), KIND_IMAP);
	assert_int_equal(ended_after(KIND_MX, "store"), KIND_MX);
}

/* Who speaks with nobody of that kind cannot know: a taken-over process could keep all front ends from serving. */
static void strangers_are_not_believed(void **state)
{
	(void)state;
	assert_int_equal(ended_after(KIND_FETCH, "mx"), KIND_FETCH);
	assert_int_equal(ended_after(KIND_RELAY, "imap"), KIND_RELAY);
	assert_int_equal(ended_after(KIND_POLICY, "relay"), KIND_POLICY);
	assert_int_equal(ended_after(KIND_DNS, "submission"), KIND_DNS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_more_trusted_end_is_believed),
	    cmocka_unit_test(strangers_are_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
