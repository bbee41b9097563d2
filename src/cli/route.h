/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_ROUTE_H
#define POMBO_CLI_ROUTE_H

#include "conf/conf.h"

/* The name of the route that mail from `sender` to `recipient` (addresses as they came) takes by these settings: of a section, or "relay-host".
 * NULL: none, it goes to the domain's own servers. */
const char *route_name(const struct conf *conf, struct view sender, struct view recipient);

#endif
