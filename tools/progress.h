/* SPDX-License-Identifier: MIT */
/* The line that shows how far a download is, and numbers as people read them. */
#ifndef TERN_TOOLS_PROGRESS_H
#define TERN_TOOLS_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct tern_progress {
  uint64_t done_bytes;
  uint64_t total_bytes; /* UINT64_MAX = unknown */
  uint64_t elapsed_ns;
  size_t columns; /* of the terminal */
};

/* "[=====>    ]  52%  12.3 MiB  98.7 MiB/s  0:03 left", with a final NUL and at most `columns` - 1
 * characters, for which `text` must have room. */
void tern_progress_format(const struct tern_progress *progress, char *text, size_t size);

/* "17 B", "1.5 KiB", "12 GiB" */
char *tern_progress_format_bytes(uint64_t bytes, char *text, size_t size);

#endif
