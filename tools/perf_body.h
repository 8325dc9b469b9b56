/* SPDX-License-Identifier: MIT */
/* What both sides of the perf protocol need. Bodies come from memory: one block, over and over, copied once, into the packet.
 * "A single preallocated and initialized buffer", draft-banks-quic-performance-00 4.1. */
#ifndef TERN_TOOLS_PERF_BODY_H
#define TERN_TOOLS_PERF_BODY_H

#include <tern/transport.h>

#define TERN_PERF_ALPN "perf"
/* "The first 8 bytes of the stream data", draft-banks-quic-performance-00 2.3.1 */
#define TERN_PERF_SIZE_BYTES 8

extern const tern_source tern_perf_body;

/* Counts what is in order on a stream and gives it back unread. */
uint64_t tern_perf_drain(tern_stream *stream);

#endif
