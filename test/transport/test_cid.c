/* SPDX-License-Identifier: MIT */
/* Connection ids: every order of a handful of events, loss and repetition included, keeps both sides
 * consistent; floods end at their bound; errors of [rfc9000-19.15] and [rfc9000-19.16] by table. */
#include "parts_test.h"

#include "transport/cid.h"
#include "wire/frame_read.h"

static struct tern_cid make_cid(uint64_t number)
{
  struct tern_cid cid = {.len = 8};
  for (int i = 0; i < 8; i++)
    cid.bytes[i] = (uint8_t)(number >> 8 * i);
  return cid;
}

static void make_token(uint8_t token[16], uint64_t number)
{
  memset(token, 0xa5, 16);
  memcpy(token, &number, sizeof number);
}

static struct tern_cid_new make_new(uint64_t sequence, uint64_t retire_prior_to)
{
  struct tern_cid_new args = {.sequence = sequence, .retire_prior_to = retire_prior_to};
  args.cid = make_cid(1000 + sequence);
  make_token(args.reset_token, sequence);
  return args;
}

static struct tern_cid_remote make_remote(void)
{
  struct tern_cid_remote remote;
  struct tern_cid first = make_cid(1000);
  tern_cid_remote_init(&remote, 0, &first);
  return remote;
}

static enum tern_cid_result give_new(struct tern_cid_remote *remote, uint64_t sequence,
                                     uint64_t retire_prior_to)
{
  uint32_t lost;
  struct tern_cid_new args = make_new(sequence, retire_prior_to);
  return tern_cid_remote_on_new(remote, &args, &lost);
}

/* ---- local ---- */

static uint64_t issue(struct tern_cid_local *local, uint64_t number)
{
  struct tern_cid cid = make_cid(number);
  uint8_t token[16];
  make_token(token, number);
  return tern_cid_local_add(local, &cid, token);
}

static struct tern_frame_record tell(struct tern_cid_local *local, struct tern_frame *frame)
{
  struct tern_frame_record record;
  uint8_t out[64];
  struct tern_writer writer = tern_writer_of(out, sizeof out);
  assert_true(tern_cid_local_write(local, &writer, &record));
  struct tern_reader reader = tern_reader_of(out, tern_writer_len(&writer));
  assert_int_equal(tern_frame_read(&reader, frame), 0);
  assert_int_equal(frame->kind, TERN_FRAME_NEW_CONNECTION_ID);
  assert_int_equal(record.offset, frame->u.new_connection_id.sequence);
  return record;
}

/* [rfc9000-5.1.1] MUST NOT provide more than the peer's active_connection_id_limit */
static void test_issue_up_to_the_limit(void **state)
{
  (void)state;
  static const uint64_t limits[][2] = {{2, 1}, {3, 2}, {4, 3}, {5, 3}, {UINT64_C(1) << 60, 3}};
  for (size_t i = 0; i < COUNT_OF(limits); i++) {
    struct tern_cid_local local;
    struct tern_cid first = make_cid(1);
    struct tern_frame frame;
    uint64_t issued = 0;
    tern_cid_local_init(&local, 0, &first, NULL);
    assert_false(tern_cid_local_wants_id(&local));
    tern_cid_local_on_peer_limit(&local, limits[i][0]);
    while (tern_cid_local_wants_id(&local)) {
      uint64_t sequence = issue(&local, 100 + issued);
      assert_int_equal(sequence, ++issued);
    }
    assert_int_equal(issued, limits[i][1]);
    /* Told in order of their sequence numbers. */
    for (uint64_t k = 1; k <= issued; k++) {
      tell(&local, &frame);
      assert_int_equal(frame.u.new_connection_id.sequence, k);
      assert_true(tern_cid_is_slice(&(struct tern_cid){8, {(uint8_t)(99 + k)}},
                                    tern_cid_slice(&frame.u.new_connection_id.cid)));
    }
    assert_false(tern_cid_local_wants(&local));
  }
}

/* [rfc9000-19.16] */
static void test_retire_of_ours(void **state)
{
  (void)state;
  struct tern_cid_local local;
  struct tern_cid first = make_cid(1), removed = {0};
  struct tern_frame frame;
  tern_slice on_first = tern_cid_slice(&first);
  tern_slice on_other = tern_slice_of("other", 5);
  tern_cid_local_init(&local, 0, &first, NULL);
  tern_cid_local_on_peer_limit(&local, 4);
  issue(&local, 2);
  /* Not sent to the peer yet: a sequence number greater than any sent. */
  assert_int_equal(tern_cid_local_on_retire(&local, 1, on_first, &removed), TERN_CID_VIOLATION);
  struct tern_frame_record record = tell(&local, &frame);
  assert_int_equal(tern_cid_local_on_retire(&local, 2, on_first, &removed), TERN_CID_VIOLATION);
  assert_int_equal(tern_cid_local_on_retire(&local, UINT64_C(1) << 61, on_first, &removed),
                   TERN_CID_VIOLATION);
  /* The id of the packet that says so. */
  assert_int_equal(tern_cid_local_on_retire(&local, 0, on_first, &removed), TERN_CID_VIOLATION);
  assert_true(tern_cid_local_has(&local, on_first));
  assert_int_equal(tern_cid_local_on_retire(&local, 0, on_other, &removed), TERN_CID_OK);
  assert_true(tern_cid_equal(&removed, &first));
  assert_false(tern_cid_local_has(&local, on_first));
  /* Again: nothing. And a place is free. */
  assert_int_equal(tern_cid_local_on_retire(&local, 0, on_other, &removed), TERN_CID_NOTHING);
  assert_true(tern_cid_local_wants_id(&local));
  /* Retired before its frame was acknowledged: the frame's fate is of no interest. */
  assert_int_equal(tern_cid_local_on_retire(&local, 1, on_other, &removed), TERN_CID_OK);
  tern_cid_local_on_lost(&local, &record);
  assert_false(tern_cid_local_wants(&local));
  assert_int_equal(issue(&local, 3), 2);
  uint32_t at = 0;
  assert_int_equal(tern_cid_local_next(&local, &at)->sequence, 2);
  assert_null(tern_cid_local_next(&local, &at));
}

/* [rfc9000-13.3] NEW_CONNECTION_ID is sent until acknowledged, with the same sequence number */
static void test_lost_frame_is_the_same(void **state)
{
  (void)state;
  struct tern_cid_local local;
  struct tern_cid first = make_cid(1);
  struct tern_frame frame, again;
  tern_cid_local_init(&local, 7, &first, NULL);
  tern_cid_local_on_peer_limit(&local, 2);
  issue(&local, 2);
  struct tern_frame_record record = tell(&local, &frame);
  assert_int_equal(record.slot, 7);
  tern_cid_local_on_lost(&local, &record);
  tell(&local, &again);
  assert_int_equal(again.u.new_connection_id.sequence, frame.u.new_connection_id.sequence);
  assert_true(tern_cid_equal(&again.u.new_connection_id.cid, &frame.u.new_connection_id.cid));
  assert_memory_equal(again.u.new_connection_id.reset_token, frame.u.new_connection_id.reset_token,
                      TERN_RESET_TOKEN_BYTES);
  tern_cid_local_on_acked(&local, &record);
  tern_cid_local_on_lost(&local, &record);
  assert_false(tern_cid_local_wants(&local));
}

/* [rfc9000-5.1.1], [rfc9000-19.15], [rfc9000-19.16] with empty ids */
static void test_empty_ids(void **state)
{
  (void)state;
  struct tern_cid_local local;
  struct tern_cid_remote remote;
  struct tern_cid empty = {0}, removed;
  tern_cid_local_init(&local, 0, &empty, NULL);
  tern_cid_local_on_peer_limit(&local, 4);
  assert_false(tern_cid_local_wants_id(&local));
  assert_int_equal(tern_cid_local_on_retire(&local, 0, tern_slice_of("x", 1), &removed),
                   TERN_CID_VIOLATION);
  tern_cid_remote_init(&remote, 0, &empty);
  assert_int_equal(give_new(&remote, 1, 0), TERN_CID_VIOLATION);
  assert_true(tern_cid_remote_has_fresh(&remote));
  assert_non_null(tern_cid_remote_assign(&remote, 1));
  assert_ptr_equal(tern_cid_remote_find(&remote, 1), tern_cid_remote_find(&remote, 0));
  assert_int_equal(tern_cid_remote_retire(&remote, 1), TERN_CID_NOTHING);
  assert_false(tern_cid_remote_wants(&remote));
}

/* ---- remote ---- */

static void test_active_limit(void **state)
{
  (void)state;
  struct tern_cid_remote remote = make_remote();
  for (uint64_t i = 1; i < TERN_CAP_ACTIVE_CIDS; i++)
    assert_int_equal(give_new(&remote, i, 0), TERN_CID_OK);
  /* [rfc9000-5.1.1] one more than we allow, after retiring: CONNECTION_ID_LIMIT_ERROR */
  struct tern_cid_remote full = remote;
  assert_int_equal(give_new(&full, TERN_CAP_ACTIVE_CIDS, 0), TERN_CID_LIMIT);
  assert_int_equal(give_new(&remote, TERN_CAP_ACTIVE_CIDS, 1), TERN_CID_OK);
}

static void test_bad_frames(void **state)
{
  (void)state;
  struct tern_cid_remote remote = make_remote();
  struct tern_cid_new args = make_new(2, 3);
  uint32_t lost;
  assert_int_equal(tern_cid_remote_on_new(&remote, &args, &lost), TERN_CID_ENCODING);
  args = make_new(2, 2);
  args.cid.len = 0;
  assert_int_equal(tern_cid_remote_on_new(&remote, &args, &lost), TERN_CID_ENCODING);
  args.cid.len = 21;
  assert_int_equal(tern_cid_remote_on_new(&remote, &args, &lost), TERN_CID_ENCODING);
  assert_int_equal(give_new(&remote, 1, 0), TERN_CID_OK);
  /* The same frame again is none of these. */
  assert_int_equal(give_new(&remote, 1, 0), TERN_CID_NOTHING);
  args = make_new(1, 0);
  args.reset_token[3] ^= 1;
  assert_int_equal(tern_cid_remote_on_new(&remote, &args, &lost), TERN_CID_VIOLATION);
  args = make_new(1, 0);
  args.cid = make_cid(5);
  assert_int_equal(tern_cid_remote_on_new(&remote, &args, &lost), TERN_CID_VIOLATION);
  args = make_new(2, 0);
  args.cid = make_cid(1001);
  assert_int_equal(tern_cid_remote_on_new(&remote, &args, &lost), TERN_CID_VIOLATION);
}

static void test_routes_lose_their_ids(void **state)
{
  (void)state;
  struct tern_cid_remote remote = make_remote();
  uint32_t lost;
  assert_int_equal(give_new(&remote, 1, 0), TERN_CID_OK);
  assert_int_equal(tern_cid_remote_assign(&remote, 2)->sequence, 1);
  assert_null(tern_cid_remote_assign(&remote, 3));
  struct tern_cid_new args = make_new(2, 2);
  assert_int_equal(tern_cid_remote_on_new(&remote, &args, &lost), TERN_CID_OK);
  assert_int_equal(lost, 1 << 0 | 1 << 2);
  assert_null(tern_cid_remote_find(&remote, 0));
  assert_int_equal(tern_cid_remote_assign(&remote, 0)->sequence, 2);
  assert_false(tern_cid_remote_has_fresh(&remote));
  assert_int_equal(remote.retiring_count, 2);
}

/* [rfc9000-19.15] an id below an earlier Retire Prior To is retired at once, once */
static void test_late_id_is_retired(void **state)
{
  (void)state;
  struct tern_cid_remote remote = make_remote();
  assert_int_equal(give_new(&remote, 2, 2), TERN_CID_OK);
  assert_int_equal(remote.retiring_count, 1);
  assert_int_equal(give_new(&remote, 1, 0), TERN_CID_OK);
  assert_int_equal(remote.retiring_count, 2);
  assert_int_equal(give_new(&remote, 1, 0), TERN_CID_NOTHING);
  assert_int_equal(remote.retiring_count, 2);
  assert_false(remote.entries[0].is_valid && remote.entries[0].sequence == 1);
}

/* [HOSTILE T2] a flood that nobody acknowledges ends at the bound */
static void test_retire_flood(void **state)
{
  (void)state;
  struct tern_cid_remote remote = make_remote();
  uint64_t sequence = 1;
  while (give_new(&remote, sequence, sequence) == TERN_CID_OK)
    sequence++;
  assert_int_equal(sequence, 1 + TERN_CAP_RETIRING_CIDS);
  assert_int_equal(remote.retiring_count, TERN_CAP_RETIRING_CIDS);
  assert_int_equal(give_new(&remote, sequence + 1, sequence + 1), TERN_CID_LIMIT);
}

/* A million of them, acknowledged: nothing grows. */
static void test_retire_for_ever(void **state)
{
  (void)state;
  struct tern_cid_remote remote = make_remote();
  struct tern_frame_record record;
  uint8_t out[32];
  for (uint64_t sequence = 1; sequence < 1000000; sequence++) {
    struct tern_writer writer = tern_writer_of(out, sizeof out);
    assert_int_equal(give_new(&remote, sequence, sequence), TERN_CID_OK);
    assert_true(tern_cid_remote_write(&remote, &writer, &record));
    assert_false(tern_cid_remote_wants(&remote));
    tern_cid_remote_on_acked(&remote, &record);
    assert_int_equal(remote.retiring_count, 0);
  }
}

static void test_sequence_window(void **state)
{
  (void)state;
  struct tern_cid_remote remote = make_remote();
  /* Honest peers number ids one by one; one that leaves a hole and goes on for ever is stopped, unless
   * it asked to retire what is in the hole. */
  assert_int_equal(give_new(&remote, 65, 0), TERN_CID_LIMIT);
  remote = make_remote();
  assert_int_equal(give_new(&remote, 64, 0), TERN_CID_OK);
  remote = make_remote();
  assert_int_equal(give_new(&remote, UINT64_C(1) << 61, UINT64_C(1) << 61), TERN_CID_OK);
  assert_int_equal(give_new(&remote, 5, 0), TERN_CID_NOTHING);
}

/* [rfc9000-10.3.1] tokens of used ids only, none of retired ones ([HOSTILE T18]) */
static void test_reset_tokens(void **state)
{
  (void)state;
  struct tern_cid_remote remote = make_remote();
  uint8_t token[16];
  for (int value = 0; value < 256; value++) {
    memset(token, value, sizeof token);
    assert_false(tern_cid_remote_has_token(&remote, token));
  }
  make_token(token, 0);
  tern_cid_remote_set_first_token(&remote, token);
  assert_true(tern_cid_remote_has_token(&remote, token));
  for (int i = 0; i < 16; i++) {
    token[i] ^= 0x80;
    assert_false(tern_cid_remote_has_token(&remote, token));
    token[i] ^= 0x80;
  }
  assert_int_equal(give_new(&remote, 1, 0), TERN_CID_OK);
  make_token(token, 1);
  assert_false(tern_cid_remote_has_token(&remote, token));
  assert_int_equal(tern_cid_remote_retire(&remote, 0), TERN_CID_OK);
  assert_non_null(tern_cid_remote_assign(&remote, 0));
  assert_true(tern_cid_remote_has_token(&remote, token));
  make_token(token, 0);
  assert_false(tern_cid_remote_has_token(&remote, token));
}

static void test_handshake_changes_the_first(void **state)
{
  (void)state;
  struct tern_cid_remote remote = make_remote();
  struct tern_cid chosen = make_cid(77);
  tern_cid_remote_set_first(&remote, &chosen);
  assert_true(tern_cid_equal(&tern_cid_remote_find(&remote, 0)->cid, &chosen));
  struct tern_cid empty = {0};
  tern_cid_remote_set_first(&remote, &empty);
  assert_int_equal(give_new(&remote, 1, 0), TERN_CID_VIOLATION);
}

/* ---- both sides, all orders ([HOSTILE T3]) ----
 *
 * An issuer and a user joined by a network that a sequence of choices drives: issue and tell, deliver,
 * repeat or lose the oldest NEW_CONNECTION_ID, migrate, tell, deliver, repeat or lose the oldest
 * RETIRE_CONNECTION_ID. After each: no error on either side, the id in use is known to the issuer, and
 * no sequence number is used twice. */

struct world {
  struct tern_cid_local local;
  struct tern_cid_remote remote;
  struct tern_frame news[8];
  struct tern_frame_record news_records[8];
  uint32_t news_count;
  struct tern_frame_record retires[8];
  uint32_t retires_count;
  uint32_t migrations;
  uint8_t was_used[128]; /* bit per sequence number */
};

static bool give_frame(struct world *world, const struct tern_frame *frame)
{
  struct tern_cid_new args = {.sequence = frame->u.new_connection_id.sequence,
                              .retire_prior_to = frame->u.new_connection_id.retire_prior_to,
                              .cid = frame->u.new_connection_id.cid};
  uint32_t lost;
  memcpy(args.reset_token, frame->u.new_connection_id.reset_token, 16);
  enum tern_cid_result result = tern_cid_remote_on_new(&world->remote, &args, &lost);
  return (result == TERN_CID_OK || result == TERN_CID_NOTHING) && lost == 0;
}

static bool give_retire(struct world *world, uint64_t sequence)
{
  /* A packet that was sent with the id used now. */
  const struct tern_cid_remote_entry *entry = tern_cid_remote_find(&world->remote, 0);
  struct tern_cid removed;
  enum tern_cid_result result =
      tern_cid_local_on_retire(&world->local, sequence, tern_cid_slice(&entry->cid), &removed);
  return result == TERN_CID_OK || result == TERN_CID_NOTHING;
}

static void tell_new(struct world *world)
{
  while (tern_cid_local_wants_id(&world->local))
    issue(&world->local, 1000 + world->local.next_sequence);
  if (tern_cid_local_wants(&world->local) && world->news_count < 8) {
    world->news_records[world->news_count] = tell(&world->local, &world->news[world->news_count]);
    world->news_count++;
  }
}

static void drop_new(struct world *world)
{
  world->news_count--;
  memmove(world->news, world->news + 1, world->news_count * sizeof world->news[0]);
  memmove(world->news_records, world->news_records + 1,
          world->news_count * sizeof world->news_records[0]);
}

static void drop_retire(struct world *world)
{
  world->retires_count--;
  memmove(world->retires, world->retires + 1, world->retires_count * sizeof world->retires[0]);
}

static bool migrate(struct world *world)
{
  if (!tern_cid_remote_has_fresh(&world->remote) ||
      world->remote.retiring_count == TERN_CAP_RETIRING_CIDS)
    return true;
  if (tern_cid_remote_retire(&world->remote, 0) != TERN_CID_OK)
    return false;
  const struct tern_cid_remote_entry *entry = tern_cid_remote_assign(&world->remote, 0);
  if (entry == NULL || entry->sequence >= COUNT_OF(world->was_used) * 8)
    return false;
  uint8_t *used = &world->was_used[entry->sequence / 8];
  uint8_t bit = (uint8_t)(1u << entry->sequence % 8);
  bool is_new = (*used & bit) == 0;
  *used |= bit;
  world->migrations++;
  return is_new;
}

static void tell_retire(struct world *world)
{
  uint8_t out[16];
  struct tern_writer writer = tern_writer_of(out, sizeof out);
  if (world->retires_count < 8 &&
      tern_cid_remote_write(&world->remote, &writer, &world->retires[world->retires_count]))
    world->retires_count++;
}

static bool take_step(struct world *world, uint32_t choice)
{
  bool is_ok = true;
  switch (choice) {
  case 0:
    tell_new(world);
    break;
  case 1: /* deliver the oldest NEW and acknowledge it */
    if (world->news_count != 0) {
      is_ok = give_frame(world, &world->news[0]);
      tern_cid_local_on_acked(&world->local, &world->news_records[0]);
      drop_new(world);
    }
    break;
  case 2: /* deliver it, but it stays: a copy, or its acknowledgement is late */
    if (world->news_count != 0)
      is_ok = give_frame(world, &world->news[0]);
    break;
  case 3: /* lose it */
    if (world->news_count != 0) {
      tern_cid_local_on_lost(&world->local, &world->news_records[0]);
      drop_new(world);
    }
    break;
  case 4:
    is_ok = migrate(world);
    break;
  case 5:
    tell_retire(world);
    break;
  case 6: /* deliver the oldest RETIRE and acknowledge it */
    if (world->retires_count != 0) {
      is_ok = give_retire(world, world->retires[0].offset);
      tern_cid_remote_on_acked(&world->remote, &world->retires[0]);
      drop_retire(world);
    }
    break;
  case 7: /* deliver it, and declare it lost */
    if (world->retires_count != 0) {
      is_ok = give_retire(world, world->retires[0].offset);
      tern_cid_remote_on_lost(&world->remote, &world->retires[0]);
      drop_retire(world);
    }
    break;
  default:
    break;
  }
  const struct tern_cid_remote_entry *entry = tern_cid_remote_find(&world->remote, 0);
  return is_ok && entry != NULL && tern_cid_local_has(&world->local, tern_cid_slice(&entry->cid));
}

static struct world make_world(void)
{
  struct world world = {.was_used = {1}};
  struct tern_cid first = make_cid(1000);
  tern_cid_local_init(&world.local, 0, &first, NULL);
  tern_cid_local_on_peer_limit(&world.local, 4);
  world.remote = make_remote();
  return world;
}

static void test_all_orders_of_seven_events(void **state)
{
  (void)state;
  /* 8^7 = 2,097,152 sequences; the tree is walked so that prefixes are shared. */
  static struct world worlds[8];
  uint32_t choices[8] = {0};
  uint32_t depth = 0;
  uint64_t leaves = 0;
  worlds[0] = make_world();
  while (true) {
    if (depth == 7 || choices[depth] == 8) {
      leaves += depth == 7;
      if (depth == 0)
        break;
      choices[depth] = 0;
      choices[--depth]++;
      continue;
    }
    worlds[depth + 1] = worlds[depth];
    if (!take_step(&worlds[depth + 1], choices[depth]))
      fail_msg("broken after choices %u %u %u %u %u %u %u, depth %u", choices[0], choices[1],
               choices[2], choices[3], choices[4], choices[5], choices[6], depth);
    choices[++depth] = 0;
  }
  assert_int_equal(leaves, 2097152);
}

static void test_long_random_orders(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 500; seed++) {
    struct tern_random_seeded random;
    struct world world = make_world();
    tern_random_seeded_init(&random, seed);
    for (int step = 0; step < 2000; step++)
      assert_true(take_step(&world, (uint32_t)draw_below(&random, 8)));
    /* Quiet network: everything settles, and the user has ids in stock again. */
    for (int step = 0; step < 200; step++)
      for (uint32_t choice = 0; choice < 7; choice++)
        if (choice != 4 && choice != 2 && choice != 3)
          assert_true(take_step(&world, choice));
    assert_false(tern_cid_local_wants(&world.local) || tern_cid_remote_wants(&world.remote));
    assert_int_equal(world.remote.retiring_count, 0);
    assert_true(tern_cid_remote_has_fresh(&world.remote));
    assert_true(world.migrations > 20);
  }
  print_message("seeds 1 to 500\n");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_issue_up_to_the_limit),
      cmocka_unit_test(test_retire_of_ours),
      cmocka_unit_test(test_lost_frame_is_the_same),
      cmocka_unit_test(test_empty_ids),
      cmocka_unit_test(test_active_limit),
      cmocka_unit_test(test_bad_frames),
      cmocka_unit_test(test_routes_lose_their_ids),
      cmocka_unit_test(test_late_id_is_retired),
      cmocka_unit_test(test_retire_flood),
      cmocka_unit_test(test_retire_for_ever),
      cmocka_unit_test(test_sequence_window),
      cmocka_unit_test(test_reset_tokens),
      cmocka_unit_test(test_handshake_changes_the_first),
      cmocka_unit_test(test_all_orders_of_seven_events),
      cmocka_unit_test(test_long_random_orders),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
