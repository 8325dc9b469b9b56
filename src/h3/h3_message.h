/* SPDX-License-Identifier: MIT */
/* What makes an HTTP message well-formed in HTTP/3 [rfc9114-4.1] to [rfc9114-4.4], as pure checks on a
 * list of fields, and the count of its body against content-length. The checks are strict on purpose:
 * whatever passes can be written as an HTTP/1.1 message that means the same [rfc9114-10.3].
 *
 * A check answers NULL, or why the message is malformed (H3_MESSAGE_ERROR, a stream error
 * [rfc9114-4.1.2]). The same checks guard what the application sends. */
#ifndef TERN_H3_H3_MESSAGE_H
#define TERN_H3_H3_MESSAGE_H

#include <tern/h3.h>

#define TERN_H3_LENGTH_NONE UINT64_MAX

/* Control data of a checked header section; slices point into the fields. */
struct tern_h3_head {
  tern_slice method;
  tern_slice scheme;
  tern_slice authority; /* or the value of host */
  tern_slice path;
  uint16_t status;
  bool is_connect;
  bool is_head;
  uint64_t content_length; /* TERN_H3_LENGTH_NONE if not given */
};

/* RFC 9114 4.2.2 sum. */
uint64_t tern_h3_fields_size(const tern_field *fields, size_t count);

const char *tern_h3_check_request(const tern_field *fields, size_t count,
                                  struct tern_h3_head *head);
const char *tern_h3_check_response(const tern_field *fields, size_t count,
                                   struct tern_h3_head *head);
const char *tern_h3_check_trailers(const tern_field *fields, size_t count);

/* The request that a response answers. */
struct tern_h3_asked {
  bool is_connect;
  bool is_head;
};

/* Bytes of body that a response must have, or TERN_H3_LENGTH_NONE: 0 for HEAD, 204 and 304, whatever
 * content-length says [rfc9110-6.4.1]; free for a 2xx to CONNECT [rfc9110-9.3.6]. */
uint64_t tern_h3_response_length(const struct tern_h3_head *head, struct tern_h3_asked asked);

/* [rfc9114-4.1.2] the DATA frames must add up to content-length. */
struct tern_h3_body {
  uint64_t expected; /* TERN_H3_LENGTH_NONE: any */
  uint64_t seen;
};

/* False: that is more than was announced. */
bool tern_h3_body_add(struct tern_h3_body *body, uint64_t len);
bool tern_h3_body_is_complete(const struct tern_h3_body *body);

#endif
