/* SPDX-License-Identifier: MIT */
/* A client's ticket, as it may come back from a file: read without harm, and what is read is written again
 * the same. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "transport/ticket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static uint8_t bytes[(1 << 17) + 65536 + TERN_TICKET_FRAME_BYTES];
  struct tern_writer writer = tern_writer_of(bytes, sizeof bytes);
  struct tern_ticket ticket, back;

  if (!tern_ticket_read(tern_slice_of(data, size), &ticket))
    return 0;
  TERN_ASSERT(ticket.extra.len <= size && ticket.session.len <= size);
  tern_ticket_write(&writer, &ticket);
  TERN_ASSERT(!writer.is_full &&
              tern_ticket_read(tern_slice_of(bytes, tern_writer_len(&writer)), &back));
  TERN_ASSERT(back.version == ticket.version && back.session.len == ticket.session.len &&
              back.extra.len == 0);
  TERN_ASSERT(memcmp(&back.params, &ticket.params, sizeof back.params) == 0);
  return 0;
}
