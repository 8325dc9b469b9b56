/* SPDX-License-Identifier: MIT */
/* RFC 9221 queues: order, bound with the oldest dropped, borrowed and kept. */
#include "parts_test.h"

#include <tern/config.h>

#include "transport/dgram.h"
#include "wire/frame_read.h"

static void test_send_in_order_and_once(void **state)
{
  (void)state;
  struct tern_alloc alloc = make_account();
  struct tern_dgram dgram;
  struct tern_frame_record record;
  struct tern_frame frame;
  uint8_t out[64];
  tern_dgram_init(&dgram, &alloc);
  assert_false(tern_dgram_wants(&dgram));
  assert_int_equal(tern_dgram_push(&dgram, tern_slice_of("one", 3)), TERN_OK);
  assert_int_equal(tern_dgram_push(&dgram, tern_slice_of("", 0)), TERN_OK);
  assert_int_equal(tern_dgram_push(&dgram, tern_slice_of("three", 5)), TERN_OK);
  assert_int_equal(tern_dgram_next_len(&dgram), 3);
  struct tern_writer small = tern_writer_of(out, 3);
  assert_false(tern_dgram_write(&dgram, &small, &record));
  assert_int_equal(tern_writer_len(&small), 0);
  struct tern_writer writer = tern_writer_of(out, sizeof out);
  for (int i = 0; i < 3; i++)
    assert_true(tern_dgram_write(&dgram, &writer, &record));
  assert_int_equal(record.kind, TERN_RECORD_DATAGRAM);
  assert_int_equal(record.len, 5);
  /* [rfc9221-5.2] never again */
  assert_false(tern_dgram_wants(&dgram));
  assert_false(tern_dgram_write(&dgram, &writer, &record));
  struct tern_reader reader = tern_reader_of(out, tern_writer_len(&writer));
  assert_int_equal(tern_frame_read(&reader, &frame), 0);
  assert_memory_equal(frame.u.datagram.data.data, "one", 3);
  assert_int_equal(tern_frame_read(&reader, &frame), 0);
  assert_int_equal(frame.u.datagram.data.len, 0);
  assert_int_equal(tern_frame_read(&reader, &frame), 0);
  assert_memory_equal(frame.u.datagram.data.data, "three", 5);
  tern_dgram_deinit(&dgram);
  tern_alloc_deinit(&alloc);
}

static void test_bound(void **state)
{
  (void)state;
  struct tern_alloc alloc = make_account();
  struct tern_dgram dgram;
  tern_slice slice;
  uint8_t bytes[TERN_CAP_DATAGRAM_QUEUE + 10];
  tern_dgram_init(&dgram, &alloc);
  for (size_t i = 0; i < sizeof bytes; i++) {
    bytes[i] = (uint8_t)i;
    assert_int_equal(tern_dgram_push(&dgram, tern_slice_of(&bytes[i], 1)), TERN_OK);
    assert_int_equal(tern_dgram_on_received(&dgram, tern_slice_of(&bytes[i], 1)), TERN_OK);
  }
  assert_int_equal(dgram.send.count, TERN_CAP_DATAGRAM_QUEUE);
  assert_int_equal(dgram.send.dropped, 10);
  assert_int_equal(dgram.recv.dropped, 10);
  tern_dgram_drop_next(&dgram);
  assert_int_equal(dgram.send.count, TERN_CAP_DATAGRAM_QUEUE - 1);
  /* Kept copies survive the batch's buffers. */
  tern_dgram_keep(&dgram);
  memset(bytes, 0xee, sizeof bytes);
  for (size_t i = 10; i < sizeof bytes; i++) {
    assert_true(tern_dgram_next_received(&dgram, &slice));
    assert_int_equal(slice.len, 1);
    assert_int_equal(slice.data[0], i);
    tern_dgram_pop_received(&dgram);
  }
  assert_false(tern_dgram_next_received(&dgram, &slice));
  tern_dgram_deinit(&dgram);
  tern_alloc_deinit(&alloc);
}

static void test_no_memory(void **state)
{
  (void)state;
  struct tern_alloc alloc = make_account();
  struct tern_dgram dgram;
  tern_slice slice;
  tern_dgram_init(&dgram, &alloc);
  alloc.cap_bytes = 4;
  assert_int_equal(tern_dgram_push(&dgram, tern_slice_of("one", 3)), TERN_NOMEM);
  assert_int_equal(tern_dgram_on_received(&dgram, tern_slice_of("one", 3)), TERN_NOMEM);
  assert_int_equal(alloc.used_bytes, 0);
  alloc.cap_bytes = UINT64_MAX;
  assert_int_equal(tern_dgram_on_received(&dgram, tern_slice_of("one", 3)), TERN_OK);
  assert_int_equal(tern_dgram_on_received(&dgram, tern_slice_of("", 0)), TERN_OK);
  alloc.cap_bytes = 0;
  tern_dgram_keep(&dgram);
  assert_int_equal(dgram.recv.dropped, 1);
  assert_true(tern_dgram_next_received(&dgram, &slice));
  assert_int_equal(slice.len, 0);
  tern_dgram_deinit(&dgram);
  tern_alloc_deinit(&alloc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_send_in_order_and_once),
      cmocka_unit_test(test_bound),
      cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
