/* SPDX-License-Identifier: MIT */
/* A stream between two levels of flow control: limits at v and v + 1 on each, books that balance
 * whatever way streams end, events, and two streams joined by a lossy network. */
#include "parts_test.h"

#include "transport/stream.h"
#include "wire/frame_read.h"
#include "wire/frame_write.h"

#define WINDOW 10000

struct end {
  struct tern_alloc alloc;
  struct tern_stream_whole whole;
  struct tern_flow_send conn_send;
  struct tern_flow_recv conn_recv;
  struct tern_piece_pool pool;
};

static struct end *new_end(uint64_t id, bool is_server, uint64_t conn_window)
{
  struct end *end = calloc(1, sizeof(*end));
  struct tern_stream_args args = {.id = id,
                                  .alloc = &end->alloc,
                                  .is_server = is_server,
                                  .send_limit_bytes = WINDOW,
                                  .window_bytes = WINDOW,
                                  .window_max_bytes = WINDOW,
                                  .send_buffer_bytes = 8000};
  end->alloc = make_account();
  tern_piece_pool_init(&end->pool, &end->alloc);
  tern_stream_init(&end->whole.stream, &args);
  tern_flow_send_init(&end->conn_send, conn_window);
  tern_flow_recv_init(&end->conn_recv, conn_window, conn_window);
  return end;
}

static void free_end(struct end *end)
{
  tern_stream_deinit(&end->whole.stream);
  tern_piece_pool_deinit(&end->pool);
  tern_alloc_deinit(&end->alloc);
  free(end);
}

static struct tern_stream_flow flow_of(struct end *end)
{
  struct tern_stream_flow flow = {&end->conn_recv, 1, 0};
  return flow;
}

static enum tern_recv_result give(struct end *end, uint64_t offset, size_t len, bool is_fin)
{
  static uint8_t bytes[2 * WINDOW];
  struct tern_stream_flow flow = flow_of(end);
  struct tern_recv_data data = {offset, tern_slice_of(bytes, len), is_fin};
  return tern_stream_on_data(&end->whole.stream, &flow, &data, &end->pool);
}

static enum tern_recv_result give_reset(struct end *end, uint64_t final_size)
{
  struct tern_stream_flow flow = flow_of(end);
  return tern_stream_on_reset(&end->whole.stream, &flow, 5, final_size);
}

static void test_size(void **state)
{
  (void)state;
  print_message("sizeof(struct tern_stream) = %zu: send %zu, recv %zu, flow %zu + %zu\n",
                sizeof(struct tern_stream_whole), sizeof(struct tern_stream_send),
                sizeof(struct tern_stream_recv), sizeof(struct tern_flow_send),
                sizeof(struct tern_flow_recv));
  assert_true(sizeof(struct tern_stream_whole) <= 512);
  /* one way: the half that is not there takes nothing */
  assert_int_equal(tern_stream_get_bytes(0, true), sizeof(struct tern_stream_whole));
  assert_true(tern_stream_get_bytes(2, false) <= 320 && tern_stream_get_bytes(2, true) <= 320);
}

/* [rfc9000-2.1] kinds of ids, from both sides */
static void test_halves(void **state)
{
  (void)state;
  for (uint64_t id = 0; id < 4; id++) {
    for (int is_server = 0; is_server < 2; is_server++) {
      struct end *end = new_end(id, is_server == 1, WINDOW);
      const struct tern_stream *stream = &end->whole.stream;
      bool is_ours = (id & 1) == (unsigned)is_server;
      bool is_uni = (id & 2) != 0;
      assert_int_equal(stream->is_ours, is_ours);
      assert_int_equal(tern_stream_has_send(stream), !is_uni || is_ours);
      assert_int_equal(tern_stream_has_recv(stream), !is_uni || !is_ours);
      assert_int_equal(tern_stream_send_is_done(&stream->out->send), !tern_stream_has_send(stream));
      assert_int_equal(tern_stream_recv_is_done(&stream->in->recv), !tern_stream_has_recv(stream));
      assert_false(tern_stream_is_done(stream));
      free_end(end);
    }
  }
}

/* [rfc9000-4.1] either limit violated by one byte, by data or by a final size */
static void test_limits(void **state)
{
  (void)state;
  static const uint64_t conn_windows[] = {WINDOW / 2, WINDOW, WINDOW * 2};
  for (size_t i = 0; i < COUNT_OF(conn_windows); i++) {
    uint64_t limit = conn_windows[i] < WINDOW ? conn_windows[i] : WINDOW;
    for (int is_reset = 0; is_reset < 2; is_reset++) {
      struct end *end = new_end(0, true, conn_windows[i]);
      if (is_reset) {
        assert_int_equal(give_reset(end, limit + 1), TERN_RECV_TOO_MUCH);
        assert_int_equal(give_reset(end, limit), TERN_RECV_OK);
      } else {
        assert_int_equal(give(end, limit, 1, false), TERN_RECV_TOO_MUCH);
        assert_int_equal(give(end, limit + 1, 0, true), TERN_RECV_TOO_MUCH);
        assert_int_equal(end->conn_recv.highest, 0);
        assert_int_equal(give(end, limit - 1, 1, false), TERN_RECV_OK);
      }
      assert_int_equal(end->conn_recv.highest, limit);
      assert_int_equal(end->whole.stream.in->flow.highest, limit);
      /* [HOSTILE T10] what arrived opens nothing */
      if (!is_reset)
        assert_false(tern_flow_recv_wants(&end->conn_recv));
      assert_false(tern_flow_recv_wants(&end->whole.stream.in->flow));
      free_end(end);
    }
  }
}

/* [rfc9000-4.5] every way to end gives all credit back to the connection */
static void test_books_balance(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 3000; seed++) {
    struct tern_random_seeded random;
    struct end *end = new_end(0, true, 4 * WINDOW);
    struct tern_stream *stream = &end->whole.stream;
    tern_random_seeded_init(&random, seed);
    for (int step = 0; step < 12; step++) {
      struct tern_stream_flow flow = flow_of(end);
      uint64_t offset = draw_below(&random, 4000);
      size_t len = (size_t)draw_below(&random, 2000);
      switch (draw_below(&random, 6)) {
      case 0:
        (void)!give_reset(end, draw_below(&random, WINDOW));
        break;
      case 1:
        tern_stream_stop_receiving(stream, &flow, 9);
        break;
      case 2:
        len = (size_t)draw_below(&random, tern_stream_recv_readable(&stream->in->recv) + 1);
        tern_stream_on_consumed(stream, &flow, len);
        break;
      default:
        (void)!give(end, offset, len, draw_one_in(&random, 5));
        break;
      }
      assert_int_equal(stream->in->flow.highest, end->conn_recv.highest);
      assert_int_equal(stream->in->flow.consumed, end->conn_recv.consumed);
      assert_int_equal(stream->in->flow.highest, stream->in->recv.highest);
      assert_int_equal(tern_stream_recv_keep(&stream->in->recv), TERN_OK);
      tern_piece_pool_reset(&end->pool);
    }
    bool is_dropped =
        stream->in->recv.is_stopped || stream->in->recv.state >= TERN_RECV_RESET_RECVD;
    if (is_dropped || stream->in->recv.state == TERN_RECV_DATA_READ)
      assert_int_equal(end->conn_recv.consumed, end->conn_recv.highest);
    if (stream->in->recv.state != TERN_RECV_RECV)
      assert_false(tern_flow_recv_wants(&stream->in->flow));
    free_end(end);
  }
  print_message("seeds 1 to 3000\n");
}

static void test_receive_events(void **state)
{
  (void)state;
  struct end *end = new_end(0, true, WINDOW);
  struct tern_stream_flow flow = flow_of(end);
  assert_int_equal(give(end, 10, 5, false), TERN_RECV_OK);
  assert_int_equal(end->whole.stream.events, 0);
  assert_int_equal(give(end, 0, 10, false), TERN_RECV_OK);
  assert_int_equal(end->whole.stream.events, TERN_STREAM_READABLE);
  assert_int_equal(give_reset(end, 100), TERN_RECV_OK);
  assert_int_equal(end->whole.stream.events, TERN_STREAM_WAS_RESET);
  free_end(end);
  /* Who stopped does not want to hear of it. */
  end = new_end(0, true, WINDOW);
  flow = flow_of(end);
  assert_int_equal(give(end, 0, 10, false), TERN_RECV_OK);
  tern_stream_stop_receiving(&end->whole.stream, &flow, 1);
  assert_true(tern_stream_wants_control(&end->whole.stream));
  assert_int_equal(give_reset(end, 100), TERN_RECV_OK);
  assert_int_equal(end->whole.stream.events, 0);
  assert_true(tern_stream_recv_is_done(&end->whole.stream.in->recv));
  assert_false(tern_stream_wants_control(&end->whole.stream));
  free_end(end);
}

/* [rfc9000-3.5] STOP_SENDING is answered by RESET_STREAM with its code, once */
static void test_stop_sending(void **state)
{
  (void)state;
  struct end *end = new_end(0, true, WINDOW);
  struct tern_frame_record record;
  struct tern_frame frame;
  uint8_t out[64];
  tern_stream_on_stop_sending(&end->whole.stream, 33);
  assert_int_equal(end->whole.stream.events, TERN_STREAM_WAS_STOPPED);
  end->whole.stream.events = 0;
  tern_stream_on_stop_sending(&end->whole.stream, 34);
  assert_int_equal(end->whole.stream.events, 0);
  struct tern_writer writer = tern_writer_of(out, sizeof out);
  assert_true(tern_stream_write_control(&end->whole.stream, &writer, &record));
  assert_false(tern_stream_write_control(&end->whole.stream, &writer, &record));
  struct tern_reader reader = tern_reader_of(out, tern_writer_len(&writer));
  assert_int_equal(tern_frame_read(&reader, &frame), 0);
  assert_int_equal(frame.u.reset_stream.code, 33);
  assert_int_equal(tern_stream_on_record_lost(&end->whole.stream, &record), TERN_OK);
  assert_true(tern_stream_wants_control(&end->whole.stream));
  assert_true(tern_stream_write_control(&end->whole.stream, &writer, &record));
  assert_int_equal(tern_stream_on_record_acked(&end->whole.stream, &record), TERN_OK);
  assert_true(tern_stream_send_is_done(&end->whole.stream.out->send));
  free_end(end);
}

static void test_writable_and_blocked(void **state)
{
  (void)state;
  static uint8_t bytes[WINDOW * 2];
  struct end *end = new_end(0, true, 3000);
  struct tern_stream *stream = &end->whole.stream;
  struct tern_frame_record records[4] = {{0}};
  struct tern_send_range range;
  size_t taken;
  assert_int_equal(tern_stream_send_write(&stream->out->send, tern_slice_of(bytes, 9000), &taken),
                   TERN_BLOCKED);
  stream->wants_writable = true;
  assert_int_equal(tern_stream_get_credit(stream, &end->conn_send), 3000);
  for (int i = 0; i < 3; i++) {
    assert_true(tern_stream_wants_send(stream, &end->conn_send));
    assert_true(tern_stream_send_next(&stream->out->send,
                                      tern_stream_get_credit(stream, &end->conn_send), &range));
    range.len = 1000;
    tern_stream_on_sent(stream, &end->conn_send, &range, false, &records[i]);
  }
  /* The connection's credit is used up; that is what is reported. */
  assert_false(tern_stream_wants_send(stream, &end->conn_send));
  assert_true(tern_flow_send_wants(&end->conn_send));
  assert_false(tern_flow_send_wants(&stream->out->flow));
  /* A retransmission needs none. */
  assert_int_equal(tern_stream_on_record_lost(stream, &records[1]), TERN_OK);
  assert_true(tern_stream_wants_send(stream, &end->conn_send));
  assert_true(tern_stream_send_next(&stream->out->send, 0, &range));
  tern_stream_on_sent(stream, &end->conn_send, &range, false, &records[1]);
  assert_int_equal(end->conn_send.used, 3000);
  /* Half of the buffer, 4,000 bytes, must be free. */
  for (int i = 0; i < 3; i++)
    assert_int_equal(tern_stream_on_record_acked(stream, &records[i]), TERN_OK);
  assert_int_equal(stream->events, TERN_STREAM_ACKED);
  assert_true(tern_flow_send_on_max(&end->conn_send, 100000));
  assert_true(tern_stream_send_next(&stream->out->send,
                                    tern_stream_get_credit(stream, &end->conn_send), &range));
  range.len = 1000;
  tern_stream_on_sent(stream, &end->conn_send, &range, false, &records[3]);
  assert_int_equal(tern_stream_on_record_acked(stream, &records[3]), TERN_OK);
  assert_int_equal(stream->events, TERN_STREAM_ACKED | TERN_STREAM_WRITABLE);
  assert_false(stream->wants_writable);
  free_end(end);
}

/* ---- two ends and a network that loses, repeats and reorders ---- */

struct packet {
  uint8_t bytes[1400];
  size_t len;
  struct tern_frame_record record;
};

#define FLIGHT 32

struct net {
  struct packet packets[FLIGHT];
  uint32_t count;
  struct tern_random_seeded random;
};

static void send_one(struct end *from, struct net *net)
{
  struct tern_stream *stream = &from->whole.stream;
  struct packet *packet = &net->packets[net->count];
  struct tern_writer writer = tern_writer_of(packet->bytes, 50 + draw_below(&net->random, 1300));
  struct tern_send_range range;
  memset(&packet->record, 0, sizeof packet->record);
  if (net->count == FLIGHT)
    return;
  if (!tern_stream_write_control(stream, &writer, &packet->record) &&
      !tern_flow_recv_write(&from->conn_recv, NULL, &writer, &packet->record) &&
      !tern_flow_send_write(&from->conn_send, NULL, &writer, &packet->record)) {
    uint64_t credit = tern_stream_get_credit(stream, &from->conn_send);
    if (!tern_stream_send_next(&stream->out->send, credit, &range))
      return;
    struct tern_stream_chunk chunk = {stream->id, range.offset, (size_t)range.len,
                                      range.is_fin_possible};
    struct tern_stream_fit fit;
    assert_true(tern_frame_write_stream_header(&writer, &chunk, &fit));
    uint8_t *room = tern_write_room(&writer, fit.len);
    assert_true(tern_stream_send_copy(&stream->out->send, range.offset, fit.len, room, NULL));
    range.len = fit.len;
    tern_stream_on_sent(stream, &from->conn_send, &range, fit.is_fin, &packet->record);
  }
  packet->len = tern_writer_len(&writer);
  net->count++;
}

static void receive_frame(struct end *to, const struct tern_frame *frame)
{
  struct tern_stream_flow flow = flow_of(to);
  if (frame->kind == TERN_FRAME_STREAM) {
    struct tern_recv_data data = {frame->u.stream.offset, frame->u.stream.data,
                                  frame->u.stream.is_fin};
    assert_int_equal(tern_stream_on_data(&to->whole.stream, &flow, &data, &to->pool), TERN_RECV_OK);
  } else if (frame->kind == TERN_FRAME_MAX_DATA) {
    (void)tern_flow_send_on_max(&to->conn_send, frame->u.max_data.limit);
  } else if (frame->kind == TERN_FRAME_MAX_STREAM_DATA) {
    (void)tern_stream_on_max_data(&to->whole.stream, frame->u.max_stream_data.limit);
  }
}

static void resolve_record(struct end *from, const struct tern_frame_record *record, bool is_acked)
{
  if (tern_record_has_stream(record))
    assert_int_equal((is_acked ? tern_stream_on_record_acked
                               : tern_stream_on_record_lost)(&from->whole.stream, record),
                     TERN_OK);
  else if (record->kind == TERN_RECORD_MAX_DATA)
    (is_acked ? tern_flow_recv_on_acked : tern_flow_recv_on_lost)(&from->conn_recv, record);
  else if (record->kind == TERN_RECORD_DATA_BLOCKED)
    (is_acked ? tern_flow_send_on_acked : tern_flow_send_on_lost)(&from->conn_send, record);
}

static void deliver_one(struct end *from, struct end *to, struct net *net)
{
  if (net->count == 0)
    return;
  uint32_t i = (uint32_t)draw_below(&net->random, net->count);
  struct packet *packet = &net->packets[i];
  bool is_delivered = !draw_one_in(&net->random, 4);
  /* Now and then the packet arrives and its ACK does not. */
  bool is_acked = is_delivered && !draw_one_in(&net->random, 8);
  if (is_delivered) {
    struct tern_reader reader = tern_reader_of(packet->bytes, packet->len);
    while (tern_reader_left(&reader) != 0) {
      struct tern_frame frame;
      assert_int_equal(tern_frame_read(&reader, &frame), 0);
      receive_frame(to, &frame);
    }
    assert_int_equal(tern_stream_recv_keep(&to->whole.stream.in->recv), TERN_OK);
    tern_piece_pool_reset(&to->pool);
  }
  resolve_record(from, &packet->record, is_acked);
  *packet = net->packets[--net->count];
}

static uint64_t read_some(struct end *end, uint64_t at, struct tern_random_seeded *random)
{
  struct tern_stream_flow flow = flow_of(end);
  tern_slice slice;
  while (tern_stream_recv_peek(&end->whole.stream.in->recv, &slice, 1) != 0 &&
         !draw_one_in(random, 6)) {
    size_t len = 1 + (size_t)draw_below(random, slice.len);
    assert_true(are_bytes(slice.data, at, len));
    tern_stream_on_consumed(&end->whole.stream, &flow, len);
    at += len;
  }
  return at;
}

static void test_two_ends(void **state)
{
  (void)state;
  static uint8_t bytes[3000];
  const uint64_t size = 200000;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    struct net there = {.count = 0}, back = {.count = 0};
    struct end *client = new_end(0, false, WINDOW * 3 / 2);
    struct end *server = new_end(0, true, WINDOW * 3 / 2);
    uint64_t written = 0, read = 0;
    uint32_t left = 400000;
    tern_random_seeded_init(&there.random, seed);
    tern_random_seeded_init(&back.random, seed + 1000);
    while (!tern_stream_recv_is_eof(&server->whole.stream.in->recv) ||
           !tern_stream_send_is_done(&client->whole.stream.out->send)) {
      assert_true(--left > 0);
      size_t len = written + sizeof bytes > size ? (size_t)(size - written) : sizeof bytes;
      size_t taken = 0;
      fill_bytes(bytes, written, len);
      if (!client->whole.stream.out->send.is_finished) {
        (void)!tern_stream_send_write(&client->whole.stream.out->send, tern_slice_of(bytes, len),
                                      &taken);
        written += taken;
        tern_stream_note_blocked(&client->whole.stream, &client->conn_send);
        if (written == size)
          assert_int_equal(tern_stream_send_finish(&client->whole.stream.out->send), TERN_OK);
      }
      send_one(client, &there);
      send_one(server, &back);
      deliver_one(client, server, &there);
      deliver_one(server, client, &back);
      read = read_some(server, read, &there.random);
    }
    assert_int_equal(read, size);
    assert_int_equal(server->conn_recv.consumed, size);
    free_end(client);
    free_end(server);
  }
  print_message("seeds 1 to 40\n");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_size),
      cmocka_unit_test(test_halves),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_books_balance),
      cmocka_unit_test(test_receive_events),
      cmocka_unit_test(test_stop_sending),
      cmocka_unit_test(test_writable_and_blocked),
      cmocka_unit_test(test_two_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
