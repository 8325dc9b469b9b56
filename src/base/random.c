/* SPDX-License-Identifier: MIT */
/* Bounded draws by rejection, and the seeded generator. */
#include "base/random.h"

#include "base/assert.h"

uint64_t tern_random_u64(const tern_random_ops *random)
{
  uint8_t bytes[8];
  uint64_t value = 0;
  random->fill(random->arg, bytes, sizeof bytes);
  for (size_t i = 0; i < sizeof bytes; i++)
    value |= (uint64_t)bytes[i] << 8 * i;
  return value;
}

/* The lowest 2^64 mod bound values are thrown away, so that what is left is a multiple of `bound`:
 * at worst every second draw is lost. */
uint64_t tern_random_below(const tern_random_ops *random, uint64_t bound)
{
  TERN_ASSERT(bound > 0);
  uint64_t rejected = (UINT64_MAX - bound + 1) % bound;
  uint64_t value;
  do
    value = tern_random_u64(random);
  while (value < rejected);
  return value % bound;
}

static uint64_t split_mix(uint64_t *state)
{
  *state += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t z = *state;
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

void tern_random_seeded_init(struct tern_random_seeded *seeded, uint64_t seed)
{
  for (size_t i = 0; i < 4; i++)
    seeded->state[i] = split_mix(&seed);
}

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
  return value << bits | value >> (64 - bits);
}

uint64_t tern_random_seeded_next(struct tern_random_seeded *seeded)
{
  uint64_t *s = seeded->state;
  uint64_t result = rotate_left(s[1] * 5, 7) * 9;
  uint64_t shifted = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= shifted;
  s[3] = rotate_left(s[3], 45);
  return result;
}

/* Bytes in little-endian order of each draw, whatever the machine: traces must not depend on it. */
static void fill_seeded(void *arg, uint8_t *out, size_t len)
{
  struct tern_random_seeded *seeded = arg;
  for (size_t i = 0; i < len;) {
    uint64_t value = tern_random_seeded_next(seeded);
    for (size_t j = 0; j < 8 && i < len; j++, i++)
      out[i] = (uint8_t)(value >> 8 * j);
  }
}

tern_random_ops tern_random_seeded_ops(struct tern_random_seeded *seeded)
{
  tern_random_ops ops = {fill_seeded, seeded};
  return ops;
}
