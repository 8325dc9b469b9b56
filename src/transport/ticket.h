/* SPDX-License-Identifier: MIT */
/* What a client keeps of a connection to resume it, as bytes:
 *
 *   'Q' 'T' 1 | length of the rest (4) | version (4) | name | parameters | TLS session      | anything
 *               '---------------- body: three blobs, lengths in 2 bytes ----------------'
 *
 * What follows the body belongs to the layer above: HTTP/3 puts the server's settings there. The bytes come
 * back from a file or a cache, so nothing in them is trusted; what they hold can at worst waste a round
 * trip, since the server checks its own part. */
#ifndef TERN_TRANSPORT_TICKET_H
#define TERN_TRANSPORT_TICKET_H

#include <tern/base.h>

#include "base/cursor.h"
#include "wire/params.h"

struct tern_ticket {
  uint32_t version;
  tern_slice server_name;
  tern_slice session;
  struct tern_params params; /* of the server, those that may be remembered */
  tern_slice extra;          /* of the layer above; read only */
};

/* Most bytes that tern_ticket_write adds to name and session. */
#define TERN_TICKET_FRAME_BYTES (3 + 4 + 4 + 3 * 2 + TERN_PARAMS_SIZE_MAX)

void tern_ticket_write(struct tern_writer *writer, const struct tern_ticket *ticket);
/* False: not one of ours. Slices point into `bytes`. */
TERN_MUST_CHECK bool tern_ticket_read(tern_slice bytes, struct tern_ticket *ticket);

/* [rfc9000-7.4.1] what a client may remember of `params`; the rest has its default. */
void tern_ticket_remember(const struct tern_params *params, struct tern_params *out);
/* [rfc9000-7.4.1] false: a limit is smaller than the remembered one, which early data may have used up. */
bool tern_ticket_is_kept(const struct tern_params *remembered, const struct tern_params *now);

#endif
