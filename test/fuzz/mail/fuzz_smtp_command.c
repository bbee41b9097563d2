/* SPDX-License-Identifier: ISC
 * Any line gives a command or a valid refusal; what came out of a path can be written into a command again. */
#include "mail/smtp_command.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct smtp_command *command, struct arena *a)
{
	const struct address *address = &command->path.address;
	struct buf line = BUF_INIT(1024);
	struct smtp_command second;
	struct verdict error;

	buf_append_cstr(&line, "RCPT TO:<");
	address_format(&line, address->local, address->domain);
	buf_append_char(&line, '>');
	assert(smtp_command_parse(buf_view(&line), true, a, &second, &error));
	assert(view_eq(second.path.address.local, address->local));
	assert(view_eq(second.path.address.domain, address->domain));
	buf_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_command command;
	struct verdict error;
	struct arena a;

	arena_init(&a, 1 << 20);
	if (!smtp_command_parse(view_from(data, size), true, &a, &command, &error))
		assert(verdict_valid(&error) && error.class == VERDICT_PERMANENT);
	else if ((command.verb == SMTP_MAIL || command.verb == SMTP_RCPT) && command.path.kind == SMTP_PATH_MAILBOX)
		again(&command, &a);
	arena_fini(&a);
	return 0;
}
