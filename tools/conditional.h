/* SPDX-License-Identifier: MIT */
/* Conditional requests (RFC 9110 13): what a file's validators answer to the request's conditions. */
#ifndef TERN_TOOLS_CONDITIONAL_H
#define TERN_TOOLS_CONDITIONAL_H

#include <stdbool.h>
#include <stdint.h>

#include <tern/base.h>

#define TERN_ETAG_SIZE 40

/* The conditions; a field that is not there has data NULL. */
struct tern_conditions {
  tern_slice if_match;
  tern_slice if_none_match;
  tern_slice if_modified_since;
  tern_slice if_unmodified_since;
  tern_slice if_range;
};

struct tern_validators {
  char etag[TERN_ETAG_SIZE]; /* with its quotes; strong */
  int64_t modified;          /* seconds since 1970 */
  int64_t now;
};

enum tern_condition_result {
  TERN_CONDITION_NONE,   /* send it */
  TERN_CONDITION_304,    /* the client has it */
  TERN_CONDITION_FAILED, /* 412 */
};

/* Size and time to the nanosecond: a strong validator where files are not rewritten in place within
 * the clock's grain. */
void tern_validators_init(struct tern_validators *validators, uint64_t size, int64_t seconds,
                          uint32_t nanoseconds);

/* In the order of RFC 9110 13.2.2, for GET and HEAD. */
enum tern_condition_result tern_conditions_check(const struct tern_conditions *conditions,
                                                 const struct tern_validators *validators);
/* False if If-Range says that Range is to be ignored. */
bool tern_conditions_allow_range(const struct tern_conditions *conditions,
                                 const struct tern_validators *validators);

#endif
