/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_SETTINGS_H
#define POMBO_SMTPD_SETTINGS_H

#include "conf/conf.h"

/* What of pombo.conf an SMTP session obeys. A session keeps the settings it began with; a reload makes new ones. */
struct netset;

struct settings {
	unsigned refs;
	char *hostname;
	uint64_t max_message_bytes;
	uint64_t max_bytes_in_flight;
	uint64_t max_data_line;
	int client_names; /* whose are looked up: 0 nobody's, 1 public addresses', 2 all */
	uint64_t idle_timeout_ms, total_timeout_ms, handshake_timeout_ms;
	uint32_t max_line_bytes;
	uint32_t max_recipients;
	uint32_t max_commands, max_errors, max_messages, max_auth_failures;
	bool plaintext_auth_on_loopback;
	struct netset *trusted;
};

/* 0, or -EINVAL with a message for people in `error`. */
must_check int settings_new(const struct conf *conf, struct settings **ret, struct buf *error);
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings **s);

#endif
