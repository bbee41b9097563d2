/* SPDX-License-Identifier: ISC
 * The tables of the server: kinds of process, channels between them, ports. */
#include "supervisor/kind.h"

#include <string.h>

const struct kind kind_table[KIND_COUNT] = {
    [KIND_MX] = {"mx", "smtpd", true, 100, 1},        [KIND_SUBMISSION] = {"submission", "smtpd", true, 50, 2},
    [KIND_IMAP] = {"imap", "imapd", true, 100, 3},    [KIND_POP] = {"pop", "popd", true, 25, 4},
    [KIND_FETCH] = {"fetch", "fetchd", false, 0, 11}, [KIND_RELAY] = {"relay", "relayd", false, 0, 10},
    [KIND_DNS] = {"dns", "dnsd", false, 0, 9},        [KIND_POLICY] = {"policy", "policyd", false, 100, 5},
    [KIND_AUTH] = {"auth", "authd", false, 0, 6},     [KIND_KEY] = {"key", "keyd", false, 0, 7},
    [KIND_STORE] = {"store", "stored", false, 0, 8},
};

const struct kind_edge kind_edges[] = {
    {"smtp", KIND_MX, KIND_STORE},      {"smtp", KIND_SUBMISSION, KIND_STORE}, {"auth", KIND_SUBMISSION, KIND_AUTH},
    {"auth", KIND_IMAP, KIND_AUTH},     {"auth", KIND_POP, KIND_AUTH},         {"cred", KIND_AUTH, KIND_STORE},
    {"sign", KIND_MX, KIND_KEY},        {"sign", KIND_SUBMISSION, KIND_KEY},   {"sign", KIND_IMAP, KIND_KEY},
    {"sign", KIND_POP, KIND_KEY},       {"mailbox", KIND_IMAP, KIND_STORE},    {"mailbox", KIND_POP, KIND_STORE},
    {"judge", KIND_STORE, KIND_POLICY}, {"dns", KIND_STORE, KIND_DNS},         {"relay", KIND_RELAY, KIND_STORE},
    {"dns", KIND_RELAY, KIND_DNS},      {"dns", KIND_FETCH, KIND_DNS},         {"fetch", KIND_STORE, KIND_FETCH},
    {"fetch", KIND_RELAY, KIND_FETCH},  {"dkim", KIND_STORE, KIND_KEY},
};
const size_t kind_edges_n = ARRAY_LEN(kind_edges);

const struct kind_service kind_services[] = {
    {"smtp", 25, false, KIND_MX},
    {"submission", 587, false, KIND_SUBMISSION},
    {"submissions", 465, true, KIND_SUBMISSION},
    {"submission-alt", 2525, false, KIND_SUBMISSION},
    {"imap", 143, false, KIND_IMAP},
    {"imaps", 993, true, KIND_IMAP},
    {"pop3", 110, false, KIND_POP},
    {"pop3s", 995, true, KIND_POP},
};
const size_t kind_services_n = ARRAY_LEN(kind_services);

bool kind_service_enabled(const struct kind_service *service, const struct conf *conf)
{
	return strcmp(service->name, "submission-alt") != 0 || conf->submission_alt;
}

unsigned kind_processes(enum kind_id kind, const struct conf *conf, unsigned cores)
{
	unsigned share = kind_table[kind].share;

	if (share == 0)
		return 1;
	if (conf->processes)
		return (unsigned)conf->processes;
	if (cores > 64)
		cores = 64;
	return (cores * share + 99) / 100;
}

uid_t kind_uid(enum kind_id kind, const struct conf *conf)
{
	return (uid_t)conf->uid_base + (uid_t)kind_table[kind].uid;
}
