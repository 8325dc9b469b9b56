/* SPDX-License-Identifier: MIT */
/* getrandom blocks only until the system has been seeded once after boot, and does not fail. */
#include "io/entropy.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/assert.h"

static void draw(uint8_t *out, size_t len)
{
  while (len != 0) {
    ssize_t got = getrandom(out, len, 0);
    TERN_ASSERT(got > 0 || (got < 0 && errno == EINTR));
    if (got < 0)
      continue;
    out += got;
    len -= (size_t)got;
  }
}

static void fill(void *arg, uint8_t *out, size_t len)
{
  struct tern_entropy *entropy = arg;
  if (len > sizeof entropy->buffer / 2) {
    draw(out, len);
    return;
  }
  if (len > entropy->left) {
    draw(entropy->buffer, sizeof entropy->buffer);
    entropy->left = sizeof entropy->buffer;
  }
  uint8_t *from = entropy->buffer + sizeof entropy->buffer - entropy->left;
  if (len != 0)
    memcpy(out, from, len);
  tern_wipe(from, len);
  entropy->left -= len;
}

void tern_entropy_init(struct tern_entropy *entropy)
{
  entropy->left = 0;
}

void tern_entropy_deinit(struct tern_entropy *entropy)
{
  tern_wipe(entropy, sizeof *entropy);
}

tern_random_ops tern_entropy_ops(struct tern_entropy *entropy)
{
  tern_random_ops ops = {fill, entropy};
  return ops;
}
