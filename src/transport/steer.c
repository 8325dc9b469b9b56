/* SPDX-License-Identifier: MIT */
/* The inverse of v * workers >> 16 is a range of v; where in it is left to chance. */
#include "transport/steer.h"

static uint32_t get_mask(const tern_steer *steer, const uint8_t *id)
{
  uint32_t x = (uint32_t)id[2] << 24 | (uint32_t)id[3] << 16 | (uint32_t)id[4] << 8 | id[5];
  x = (x ^ steer->key[0]) * (steer->key[1] | 1);
  x = (x ^ x >> 15) * (steer->key[2] | 1);
  return x >> 16;
}

uint32_t tern_steer_get_worker(const tern_steer *steer, const uint8_t *id)
{
  uint32_t value = ((uint32_t)id[0] << 8 | id[1]) ^ get_mask(steer, id);
  return value * steer->workers >> 16;
}

/* The least v that belongs to `worker`. */
static uint32_t get_first(const tern_steer *steer, uint32_t worker)
{
  return ((worker << 16) + steer->workers - 1) / steer->workers;
}

void tern_steer_mark(const tern_steer *steer, uint8_t *id)
{
  if (steer->workers <= 1)
    return;
  uint32_t chance = (uint32_t)id[0] << 8 | id[1];
  uint32_t from = get_first(steer, steer->worker), to = get_first(steer, steer->worker + 1);
  uint32_t value = (from + (chance * (to - from) >> 16)) ^ get_mask(steer, id);
  id[0] = (uint8_t)(value >> 8);
  id[1] = (uint8_t)value;
}
