/* SPDX-License-Identifier: MIT */
/* What HTTP/3 shows on the connection's event bus. Each costs a branch if nobody listens. */
#ifndef TERN_H3_H3_EVENTS_H
#define TERN_H3_H3_EVENTS_H

#include "h3/h3_conn.h"

enum tern_h3_side { TERN_H3_OURS, TERN_H3_PEERS };

void tern_h3_show_frame(const tern_h3 *h3, uint64_t stream_id,
                        const struct tern_h3_frame_reader *frame);
void tern_h3_show_sent(const tern_h3 *h3, uint64_t stream_id, uint64_t type, uint64_t len);
void tern_h3_show_stream_type(const tern_h3 *h3, const tern_stream *stream, uint64_t type,
                              enum tern_h3_side side);
void tern_h3_show_settings(const tern_h3 *h3, const struct tern_h3_settings *settings,
                           enum tern_h3_side side);
void tern_h3_show_request(const tern_request *request, const tern_field *fields, size_t count,
                          enum tern_h3_side side);
void tern_h3_show_response(const tern_request *request, uint16_t status, enum tern_h3_side side);
void tern_h3_show_closed(const tern_request *request);

#endif
