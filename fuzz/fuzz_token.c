/* SPDX-License-Identifier: MIT */
/* Address validation tokens. The input is, by its first byte,
 *   0  a token as it came from the wire: never accepted unless it is one of the two we made
 *   1  a difference to lay over a token of ours (offset, then bytes): accepted only if it changes nothing
 *   2  the contents of a token: sealed and opened, they come back as they were
 * The keys come from a fixed seed, so the corpus can hold tokens that open. */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "base/random.h"
#include "crypto/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW (50 * TERN_SECOND)

static const tern_addr home = {.family = 4, .ip = {192, 0, 2, 1}, .port = 4433};

struct made {
  uint8_t bytes[TERN_TOKEN_MAX];
  size_t len;
};

static struct made seal(struct tern_token_keys *keys, const struct tern_token *token)
{
  struct made made = {.len = 0};
  tern_status status = tern_token_seal(keys, token, NOW, made.bytes, &made.len);
  TERN_ASSERT(status == TERN_OK && made.len <= TERN_TOKEN_MAX);
  return made;
}

static bool is_made(const struct made *made, tern_slice token)
{
  return made->len == token.len && memcmp(made->bytes, token.data, token.len) == 0;
}

static void open_wire(struct tern_token_keys *keys, const struct made made[2], tern_slice token)
{
  struct tern_token out;
  enum tern_token_result result = tern_token_open(keys, token, &home, NOW, &out);
  bool is_ours = is_made(&made[0], token) || is_made(&made[1], token);
  TERN_ASSERT((result == TERN_TOKEN_VALID) == is_ours);
  TERN_ASSERT(is_ours || result == TERN_TOKEN_UNKNOWN);
  TERN_ASSERT(out.odcid.len <= TERN_CID_MAX && out.retry_scid.len <= TERN_CID_MAX);
}

static void open_changed(struct tern_token_keys *keys, const struct made made[2],
                         struct tern_reader *reader)
{
  uint8_t which, at, value;
  if (!tern_read_u8(reader, &which) || !tern_read_u8(reader, &at))
    return;
  struct made copy = made[which & 1];
  for (size_t i = at; i < copy.len && tern_read_u8(reader, &value); i++)
    copy.bytes[i] ^= value;
  open_wire(keys, made, tern_slice_of(copy.bytes, copy.len));
}

static void read_cid(struct tern_reader *reader, struct tern_cid *cid)
{
  uint8_t len = 0;
  (void)tern_read_u8(reader, &len);
  cid->len = len % (TERN_CID_MAX + 1);
  (void)tern_read_bytes(reader, cid->bytes, cid->len);
}

static void seal_contents(struct tern_token_keys *keys, struct tern_reader *reader)
{
  struct tern_token token = {.kind = TERN_TOKEN_NEW}, out;
  uint8_t kind = 0;
  (void)tern_read_u8(reader, &kind);
  (void)tern_read_u64(reader, &token.issued_at);
  (void)tern_read_u8(reader, &token.remote.family);
  (void)tern_read_bytes(reader, token.remote.ip, sizeof token.remote.ip);
  (void)tern_read_u16(reader, &token.remote.port);
  if (kind & 1) {
    token.kind = TERN_TOKEN_RETRY;
    read_cid(reader, &token.odcid);
    read_cid(reader, &token.retry_scid);
  }
  struct made made = seal(keys, &token);
  enum tern_token_result result =
      tern_token_open(keys, tern_slice_of(made.bytes, made.len), &token.remote, NOW, &out);
  TERN_ASSERT(result == TERN_TOKEN_VALID || result == TERN_TOKEN_EXPIRED);
  TERN_ASSERT(out.kind == token.kind && out.issued_at == token.issued_at);
  TERN_ASSERT(tern_cid_equal(&out.odcid, &token.odcid));
  TERN_ASSERT(tern_cid_equal(&out.retry_scid, &token.retry_scid));
  TERN_ASSERT(out.remote.port == token.remote.port);
  token.remote.ip[0] ^= 1;
  result = tern_token_open(keys, tern_slice_of(made.bytes, made.len), &token.remote, NOW, &out);
  TERN_ASSERT(result == TERN_TOKEN_WRONG_ADDRESS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct tern_reader reader = tern_reader_of(data, size);
  struct tern_random_seeded seeded;
  struct tern_token_keys keys;
  struct tern_alloc heap;
  uint8_t mode;
  if (!tern_read_u8(&reader, &mode))
    return 0;
  tern_alloc_init(&heap, &tern_alloc_system, NULL, UINT64_MAX);
  tern_random_seeded_init(&seeded, 1);
  tern_random_ops random = tern_random_seeded_ops(&seeded);
  tern_token_keys_init(&keys, &heap, &random, NULL, TERN_TOKEN_NEW_PERIOD_NS);
  struct tern_token retry = {.kind = TERN_TOKEN_RETRY,
                             .remote = home,
                             .issued_at = NOW,
                             .odcid = {8, {1, 2, 3, 4, 5, 6, 7, 8}},
                             .retry_scid = {4, {9, 9, 9, 9}}};
  struct tern_token later = {.kind = TERN_TOKEN_NEW, .remote = home, .issued_at = NOW};
  const struct made made[2] = {seal(&keys, &retry), seal(&keys, &later)};
  if (mode % 3 == 0)
    open_wire(&keys, made, tern_slice_of(reader.at, tern_reader_left(&reader)));
  else if (mode % 3 == 1)
    open_changed(&keys, made, &reader);
  else
    seal_contents(&keys, &reader);
  tern_token_keys_deinit(&keys);
  tern_alloc_deinit(&heap);
  return 0;
}
