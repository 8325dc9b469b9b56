/* SPDX-License-Identifier: MIT */
/* Resumption and 0-RTT between two endpoints: tickets, early data taken and refused, lost packets, changed
 * limits, Retry. Each case with the pretended TLS; the main ones with the real one, too. */
#include "transport/sim_plans.h"
#include "transport/ticket.h"

#define LIMIT_NS (60 * TERN_SECOND)
#define ROUND_TRIP_NS (50 * TERN_MS)

static uint8_t ticket[TERN_CAP_TICKET];

static struct sim_world_args defaults(bool real_tls)
{
  struct sim_world_args args = sim_world_defaults(7);
  args.real_tls = real_tls;
  args.early_data = true;
  args.tls.tickets = 2;
  args.plan.bidi_streams = 3;
  args.plan.uni_streams = 2;
  return args;
}

static void finish(struct sim_world *world)
{
  assert_true(sim_world_run(world, LIMIT_NS));
  sim_world_assert_complete(world);
}

/* The clients have been there, and come again with the first one's ticket. */
static void come_again(struct sim_world *world, bool is_early)
{
  const struct sim_app *app = &world->clients[0];
  assert_true(app->ticket_len != 0);
  memcpy(ticket, app->ticket, app->ticket_len);
  world->args.ticket = tern_slice_of(ticket, app->ticket_len);
  world->args.plan.is_early = is_early;
  sim_world_reconnect(world);
}

static tern_early get_early(const struct sim_world *world)
{
  return tern_conn_get_early(world->clients[0].conn);
}

static bool is_connected(void *arg)
{
  const struct sim_world *world = arg;
  return world->clients[0].is_connected;
}

static void run_until_connected(struct sim_world *world)
{
  assert_true(tern_sim_run_until_true(world->sim, is_connected, world,
                                      tern_sim_now(world->sim) + LIMIT_NS));
}

static void sessions_go_on(void **state)
{
  (void)state;
  for (int real = 0; real < 2; real++) {
    struct sim_world_args args = defaults(real != 0);
    struct sim_world *world = sim_world_new(&args);
    run_until_connected(world);
    assert_false(tern_conn_is_resumed(world->clients[0].conn));
    finish(world);
    come_again(world, false);
    run_until_connected(world);
    assert_true(tern_conn_is_resumed(world->clients[0].conn));
    assert_int_equal(get_early(world), TERN_EARLY_NONE);
    finish(world);
    sim_world_free(world);
  }
}

/* The answers are there one round trip after the first packet: connecting costs none. */
static void early_data_saves_a_round_trip(void **state)
{
  (void)state;
  for (int real = 0; real < 2; real++) {
    struct sim_world_args args = defaults(real != 0);
    struct sim_world *world = sim_world_new(&args);
    finish(world);
    come_again(world, true);
    tern_time begun = tern_sim_now(world->sim);
    assert_int_equal(get_early(world), TERN_EARLY_PENDING);
    assert_true(tern_conn_is_early(world->clients[0].conn));
    run_until_connected(world);
    assert_int_equal(get_early(world), TERN_EARLY_ACCEPTED);
    assert_false(tern_conn_is_early(world->clients[0].conn));
    finish(world);
    assert_true(world->clients[0].complete_at - begun < 3 * ROUND_TRIP_NS / 2);
    sim_world_free(world);
  }
}

/* [rfc9001-4.6.2] the server has other limits now: what was sent is sent again, under them. */
static void what_is_refused_is_sent_again(void **state)
{
  (void)state;
  for (int real = 0; real < 2; real++) {
    struct sim_world_args args = defaults(real != 0);
    args.plan.up_bytes = 5000;
    struct sim_world *world = sim_world_new(&args);
    finish(world);
    world->args.server.stream_window_bytes = 2048;
    world->args.server.conn_window_bytes = 4096;
    world->args.server.streams_bidi_max = 1;
    world->args.server.streams_uni_max = 1;
    sim_world_restart_server(world);
    come_again(world, true);
    run_until_connected(world);
    assert_int_equal(get_early(world), TERN_EARLY_REJECTED);
    assert_true(tern_conn_is_resumed(world->clients[0].conn));
    finish(world);
    sim_world_free(world);
  }
}

/* [rfc8446-8] a ticket brings early data once. */
static void replays_are_refused(void **state)
{
  struct sim_world_args args = defaults(false);
  struct sim_world *world = sim_world_new(&args);
  (void)state;
  finish(world);
  come_again(world, true);
  finish(world);
  sim_world_reconnect(world);
  run_until_connected(world);
  assert_int_equal(get_early(world), TERN_EARLY_REJECTED);
  finish(world);
  sim_world_free(world);
}

static void any_loss_is_survived(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    struct sim_world_args args = defaults(seed % 8 == 0);
    args.seed = seed;
    args.plan.up_bytes = 4000;
    struct sim_world *world = sim_world_new(&args);
    finish(world);
    for (int way = 0; way < 2; way++) {
      struct tern_sim_node *ends[2] = {world->client_nodes[0], world->server_node};
      struct tern_sim_link *link = tern_sim_find_link(ends[way], ends[1 - way]);
      link->config.loss_ppm = 200000;
      link->config.reorder_ppm = 200000;
      link->config.reorder_ns = 20 * TERN_MS;
    }
    if (seed % 3 == 0) { /* refused, and lost besides */
      world->args.server.stream_window_bytes = 2048;
      sim_world_restart_server(world);
    }
    come_again(world, true);
    finish(world);
    sim_world_free(world);
  }
}

/* ---- the ticket itself ----------------------------------------------------------------------- */

static void test_ticket_bound(void **state)
{
  static uint8_t large[16385 + 64];
  struct sim_world_args args = defaults(false);
  struct sim_world *world = sim_world_new(&args);
  (void)state;
  finish(world);
  const struct sim_app *app = &world->clients[0];
  memcpy(large, app->ticket, app->ticket_len);
  for (size_t len = 16384; len <= 16385; len++) { /* what follows a ticket counts */
    world->args.ticket = tern_slice_of(large, len);
    sim_world_reconnect(world);
    assert_int_equal(tern_conn_get_ticket_extra(world->clients[0].conn).len != 0, len == 16384);
    run_until_connected(world);
    assert_int_equal(tern_conn_is_resumed(world->clients[0].conn), len == 16384);
    finish(world);
  }
  sim_world_free(world);
}

static void params_are_remembered(void **state)
{
  uint8_t bytes[TERN_TICKET_FRAME_BYTES + 64];
  struct tern_ticket out, in = {.version = TERN_VERSION_1,
                                .server_name = tern_slice_of("example", 7),
                                .session = tern_slice_of("session", 7)};
  struct tern_writer writer = tern_writer_of(bytes, sizeof bytes);
  struct tern_params params;
  (void)state;
  tern_params_init(&params);
  params.initial_max_data = 1000;
  params.initial_max_streams_bidi = 7;
  params.max_ack_delay_ms = 100; /* [rfc9000-7.4.1] MUST NOT be remembered */
  params.ack_delay_exponent = 9;
  params.has_reset_token = true;
  tern_ticket_remember(&params, &in.params);
  assert_int_equal(in.params.max_ack_delay_ms, 25);
  assert_int_equal(in.params.ack_delay_exponent, 3);
  assert_false(in.params.has_reset_token);
  tern_ticket_write(&writer, &in);
  assert_false(writer.is_full);
  tern_write_bytes(&writer, "more", 4);
  size_t len = tern_writer_len(&writer);
  assert_true(tern_ticket_read(tern_slice_of(bytes, len), &out));
  assert_memory_equal(out.server_name.data, "example", out.server_name.len);
  assert_memory_equal(out.session.data, "session", out.session.len);
  assert_int_equal(out.extra.len, 4);
  assert_int_equal(out.params.initial_max_data, 1000);
  assert_int_equal(out.params.initial_max_streams_bidi, 7);
  for (size_t cut = 0; cut < len - 4; cut++)
    assert_false(tern_ticket_read(tern_slice_of(bytes, cut), &out));
}

/* [rfc9000-7.4.1] each limit that a server must not reduce when it takes early data. */
static void limits_must_not_shrink(void **state)
{
  struct tern_params before, now;
  uint64_t *const limits[] = {&now.active_connection_id_limit,
                              &now.initial_max_data,
                              &now.initial_max_stream_data_bidi_local,
                              &now.initial_max_stream_data_bidi_remote,
                              &now.initial_max_stream_data_uni,
                              &now.initial_max_streams_bidi,
                              &now.initial_max_streams_uni,
                              &now.max_datagram_frame_bytes};
  (void)state;
  tern_params_init(&before);
  tern_params_init(&now);
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
    *limits[i] = 10;
  before = now;
  assert_true(tern_ticket_is_kept(&before, &now));
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
    *limits[i] = 9;
    assert_false(tern_ticket_is_kept(&before, &now));
    *limits[i] = 11;
    assert_true(tern_ticket_is_kept(&before, &now));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sessions_go_on),
      cmocka_unit_test(early_data_saves_a_round_trip),
      cmocka_unit_test(what_is_refused_is_sent_again),
      cmocka_unit_test(replays_are_refused),
      cmocka_unit_test(any_loss_is_survived),
      cmocka_unit_test(test_ticket_bound),
      cmocka_unit_test(params_are_remembered),
      cmocka_unit_test(limits_must_not_shrink),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
