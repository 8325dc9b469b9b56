/* SPDX-License-Identifier: MIT */
/* The system's random numbers, fetched a few hundred bytes at a time: connection ids and challenges
 * want 8 to 16 bytes each, and a system call per draw would show. What was handed out is wiped. A
 * process that forks must make a new one in the child. */
#ifndef TERN_IO_ENTROPY_H
#define TERN_IO_ENTROPY_H

#include <tern/base.h>

#define TERN_ENTROPY_BUFFER 256 /* the most that getrandom gives in one piece whatever happens */

struct tern_entropy {
  uint8_t buffer[TERN_ENTROPY_BUFFER];
  size_t left; /* unused bytes, at the end */
};

void tern_entropy_init(struct tern_entropy *entropy);
void tern_entropy_deinit(struct tern_entropy *entropy);
/* `entropy` must outlive the ops. */
tern_random_ops tern_entropy_ops(struct tern_entropy *entropy);

#endif
