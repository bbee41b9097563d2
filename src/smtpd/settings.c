/* SPDX-License-Identifier: ISC
 * What of pombo.conf an SMTP session obeys, shared by the sessions that began under it. */
#include "smtpd/settings.h"

#include "io/netset.h"

#include <stdlib.h>

int settings_new(const struct conf *conf, struct settings **ret, struct buf *error)
{
	struct netset *trusted;
	struct settings *s;
	int r;

	r = netset_parse(&conf->trusted_networks, &trusted, error);
	if (r < 0)
		return r;
	s = xmalloc(sizeof *s);
	*s = (struct settings){
	    .refs = 1,
	    .hostname = xstrdup(conf->hostname),
	    .max_message_bytes = conf->max_message_size,
	    .max_bytes_in_flight = conf->max_bytes_in_flight,
	    .max_data_line = conf->max_data_line,
	    .client_names = (int)conf->client_names,
	    .idle_timeout_ms = conf->smtp_idle_timeout,
	    .total_timeout_ms = conf->smtp_total_timeout,
	    .handshake_timeout_ms = conf->login_timeout,
	    .max_line_bytes = (uint32_t)conf->max_smtp_line,
	    .max_recipients = (uint32_t)conf->max_recipients,
	    .max_commands = (uint32_t)conf->max_smtp_commands,
	    .max_errors = (uint32_t)conf->max_smtp_errors,
	    .max_messages = (uint32_t)conf->max_smtp_messages,
	    .max_auth_failures = (uint32_t)conf->max_auth_failures,
	    .plaintext_auth_on_loopback = conf->allow_plaintext_auth_on_loopback,
	    .trusted = trusted,
	};
	*ret = s;
	return 0;
}

struct settings *settings_ref(struct settings *s)
{
	s->refs++;
	return s;
}

void settings_unref(struct settings **sp)
{
	struct settings *s = *sp;

	*sp = NULL;
	if (!s || --s->refs)
		return;
	netset_free(&s->trusted);
	free(s->hostname);
	free(s);
}
