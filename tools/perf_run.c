/* SPDX-License-Identifier: MIT */
/* One run: the loop, the jobs, the time. */
#define _GNU_SOURCE /* clock_gettime */
#include "perf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STREAM_WINDOW (UINT64_C(4) << 20)
#define STREAM_WINDOW_MAX (UINT64_C(32) << 20)
#define CONN_WINDOW (UINT64_C(16) << 20)
#define CONN_WINDOW_MAX (UINT64_C(128) << 20)
#define IDLE_TIMEOUT_MS 600000
#define SOCKET_BYTES (16u << 20)
#define LINGER_NS (300 * TERN_MS) /* for the last datagrams to come back */
#define FLUSH_TURNS_MIN 3
#define FLUSH_TURNS_MAX 10000

tern_time tern_perf_clock(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (tern_time)now.tv_sec * TERN_SECOND + (tern_time)now.tv_nsec;
}

void tern_perf_fail(struct tern_perf_run *run, int exit_code)
{
  if (run->exit_code == TERN_EXIT_OK)
    run->exit_code = exit_code;
}

/* ---- jobs -------------------------------------------------------------------------------- */

void tern_perf_on_received(struct tern_perf_slot *slot, uint64_t bytes)
{
  struct tern_perf_run *run = slot->conn->run;
  if (bytes == 0 || run->phase != TERN_PERF_RUNNING)
    return;
  if (slot->first_at == 0)
    slot->first_at = tern_perf_clock();
  slot->received += bytes;
  slot->conn->bytes += bytes;
  run->meter.count.received_bytes += bytes;
}

void tern_perf_on_sent(struct tern_perf_slot *slot, uint64_t bytes)
{
  struct tern_perf_run *run = slot->conn->run;
  if (run->phase != TERN_PERF_RUNNING)
    return;
  slot->sent += bytes;
  slot->conn->bytes += bytes;
  run->meter.count.sent_bytes += bytes;
}

/* The slot has no job any more. */
static void free_slot(struct tern_perf_slot *slot)
{
  struct tern_perf_conn *conn = slot->conn;
  conn->busy--;
  conn->run->busy--;
  if (conn->is_open && !conn->is_leaving)
    tern_list_push_back(&conn->run->idle, &slot->idle);
  else
    tern_perf_leave_if_done(conn);
}

void tern_perf_on_done(struct tern_perf_slot *slot)
{
  struct tern_perf_run *run = slot->conn->run;
  if (run->phase != TERN_PERF_RUNNING)
    return;
  tern_time now = tern_perf_clock();
  tern_samples_add(&run->meter.latency, now - slot->due_at);
  if (slot->first_at != 0)
    tern_samples_add(&run->meter.first_byte, slot->first_at - slot->due_at);
  slot->conn->done++;
  slot->conn->last_byte_at = now;
  run->meter.count.done++;
  free_slot(slot);
  tern_perf_pump(run);
}

void tern_perf_on_failed(struct tern_perf_slot *slot, const char *kind)
{
  struct tern_perf_run *run = slot->conn->run;
  if (run->phase != TERN_PERF_RUNNING)
    return;
  run->meter.count.failed++;
  tern_perf_meter_add_error(&run->meter, kind);
  tern_perf_fail(run, TERN_EXIT_TRANSFER);
  free_slot(slot);
  tern_perf_pump(run);
}

void tern_perf_on_rejected(struct tern_perf_slot *slot)
{
  struct tern_perf_run *run = slot->conn->run;
  if (run->phase != TERN_PERF_RUNNING)
    return;
  run->meter.count.rejected++;
  run->again++;
  slot->is_again = true;
  slot->conn->is_leaving = true; /* it would be rejected again */
  free_slot(slot);
  tern_perf_pump(run);
}

void tern_perf_on_issued(struct tern_perf_slot *slot)
{
  free_slot(slot);
}

void tern_perf_on_back(struct tern_perf_slot *slot, tern_time due_at, uint64_t bytes)
{
  struct tern_perf_run *run = slot->conn->run;
  tern_time now = tern_perf_clock();
  if (run->phase != TERN_PERF_RUNNING || due_at < run->began_at || due_at > now)
    return;
  tern_perf_on_received(slot, bytes);
  tern_samples_add(&run->meter.latency, now - due_at);
  run->meter.count.done++;
  if (run->issued_at != 0)
    tern_perf_pump(run);
}

/* False if there is no job for it now. */
static bool start_next(struct tern_perf_run *run, struct tern_perf_slot *slot, tern_time now)
{
  if (!slot->is_again && !tern_perf_pace_take(&run->pace, now, &slot->due_at))
    return false;
  if (slot->is_again)
    run->again--;
  slot->is_again = false;
  slot->first_at = 0;
  slot->received = slot->sent = 0;
  tern_list_remove(&slot->idle);
  slot->conn->busy++;
  run->busy++;
  if (run->ops->start(slot))
    return true;
  slot->conn->is_leaving = true;
  tern_perf_on_failed(slot, "could not be sent");
  return true;
}

/* Nothing is left to begin and nothing under way. Datagrams are waited for a little. */
static void end_or_linger(struct tern_perf_run *run, tern_time now)
{
  bool is_back = run->meter.count.done + run->meter.count.failed >= run->pace.issued;
  if (run->options.mode != TERN_PERF_DATAGRAMS || is_back) {
    tern_perf_stop(run);
  } else if (run->issued_at == 0) {
    run->issued_at = now;
    tern_loop_set_timer(run->end_timer, now + LINGER_NS);
  }
}

void tern_perf_pump(struct tern_perf_run *run)
{
  struct tern_list_node *node;
  tern_time now = tern_perf_clock();
  while (run->phase == TERN_PERF_RUNNING && (node = tern_list_first(&run->idle)) != NULL)
    if (!start_next(run, TERN_CONTAINER_OF(node, struct tern_perf_slot, idle), now))
      break;
  if (run->phase != TERN_PERF_RUNNING)
    return;
  if (run->busy + run->again == 0 && tern_perf_pace_is_over(&run->pace))
    end_or_linger(run, now);
  else if (run->pace.rate > 0 && !tern_list_is_empty(&run->idle))
    tern_loop_set_timer(run->pace_timer, tern_perf_pace_next_at(&run->pace));
}

/* ---- time -------------------------------------------------------------------------------- */

void tern_perf_begin(struct tern_perf_run *run)
{
  run->phase = TERN_PERF_RUNNING;
  run->began_at = run->tick_at = tern_perf_clock();
  run->meter.cpu = tern_perf_cpu_now();
  run->pace.start_at = run->began_at;
  run->pace.rate = (double)run->options.rate;
  run->pace.total = run->options.requests;
  if (run->options.duration_ns != 0)
    tern_loop_set_timer(run->end_timer, run->began_at + run->options.duration_ns);
  if (run->shows_progress)
    tern_loop_set_timer(run->tick_timer, run->began_at + TERN_SECOND);
  tern_perf_pump(run);
}

static double rate_of(const struct tern_perf_conn *conn)
{
  const struct tern_perf_run *run = conn->run;
  bool has_more = run->options.duration_ns != 0 || conn->last_byte_at <= run->began_at;
  tern_time end = has_more ? run->ended_at : conn->last_byte_at;
  return (double)conn->bytes / (double)(end - run->began_at + 1);
}

static void measure_conns(struct tern_perf_run *run)
{
  size_t count = run->options.connections;
  double *rates = tern_cli_take(count, sizeof *rates);
  for (size_t i = 0; i < count; i++) {
    rates[i] = rate_of(&run->conns[i]);
    if (run->conns[i].quic != NULL)
      tern_perf_meter_add_conn(&run->meter, run->conns[i].quic);
  }
  run->meter.fairness = count > 1 ? tern_perf_jain(rates, count) : 0;
  free(rates);
}

void tern_perf_stop(struct tern_perf_run *run)
{
  tern_endpoint_stats stats;
  if (run->phase == TERN_PERF_RUNNING) {
    run->ended_at = run->issued_at != 0 ? run->issued_at : tern_perf_clock();
    run->meter.cpu = tern_perf_cpu_since(run->meter.cpu);
    run->meter.seconds = (double)(run->ended_at - run->began_at) / 1e9;
    run->meter.count.unfinished = run->busy + run->again;
    if (run->options.mode == TERN_PERF_DATAGRAMS)
      run->meter.count.unfinished =
          run->pace.issued - run->meter.count.done - run->meter.count.failed;
    run->meter.conns_open = run->conns_open;
    tern_endpoint_get_stats(tern_loop_get_endpoint(run->loop), &stats);
    run->meter.heap_bytes = stats.heap_bytes_now;
    run->meter.resident_bytes = tern_perf_resident_bytes();
    measure_conns(run);
  }
  run->phase = TERN_PERF_STOPPED;
  for (size_t i = 0; i < run->options.connections; i++)
    if (run->conns[i].quic != NULL)
      run->ops->close(&run->conns[i]);
  tern_loop_stop(run->loop);
}

static void on_pace_timer(void *arg, tern_time now)
{
  (void)now;
  tern_perf_pump(arg);
}

static void on_end_timer(void *arg, tern_time now)
{
  struct tern_perf_run *run = arg;
  (void)now;
  if (run->options.mode != TERN_PERF_DATAGRAMS || run->issued_at != 0) {
    tern_perf_stop(run);
    return;
  }
  run->pace.total = run->pace.issued;
  tern_perf_pump(run);
}

static void on_close_timer(void *arg, tern_time now)
{
  (void)now;
  tern_perf_close_handshakes(arg);
}

static void on_tick_timer(void *arg, tern_time now)
{
  struct tern_perf_run *run = arg;
  if (run->phase != TERN_PERF_RUNNING)
    return;
  tern_perf_print_tick(run, now);
  tern_loop_set_timer(run->tick_timer, now + TERN_SECOND);
}

/* ---- beginning and end ------------------------------------------------------------------- */

static int refuse(const struct tern_perf_run *run, const char *why)
{
  tern_cli_say(run->options.who, "%s", why);
  return TERN_EXIT_LOCAL;
}

static int make_tls(struct tern_perf_run *run, tern_tls **tls)
{
  char why[256] = "";
  tern_tls_config config;
  tern_tls_config_init(&config, sizeof config);
  config.alpn = &run->ops->alpn;
  config.alpn_count = 1;
  config.ca_file = run->options.cacert;
  config.insecure_no_verify = run->options.insecure;
  tern_knobs_apply_tls(&run->options.knobs, &config);
  if (tern_tls_new(tls, &config, why, sizeof why) == TERN_OK)
    return TERN_EXIT_OK;
  tern_cli_say(run->options.who, "cannot set up TLS: %s; see --cacert", why);
  return TERN_EXIT_LOCAL;
}

static int make_loop(struct tern_perf_run *run)
{
  char why[256] = "not enough memory";
  tern_tls *tls;
  int result = make_tls(run, &tls);
  if (result != TERN_EXIT_OK)
    return result;
  tern_config config;
  tern_config_init(&config, sizeof config);
  config.client_tls = tls;
  config.stream_window_bytes = STREAM_WINDOW;
  config.stream_window_max_bytes = STREAM_WINDOW_MAX;
  config.conn_window_bytes = CONN_WINDOW;
  config.conn_window_max_bytes = CONN_WINDOW_MAX;
  if (run->options.mode == TERN_PERF_IDLE) /* the time alone ends it */
    config.idle_timeout_ms = IDLE_TIMEOUT_MS;
  tern_knobs_apply(&run->options.knobs, &config);
  tern_loop_config loop_config;
  tern_loop_config_init(&loop_config, sizeof loop_config);
  loop_config.endpoint = &config;
  loop_config.socket_buffer_bytes = SOCKET_BYTES;
  tern_knobs_apply_loop(&run->options.knobs, &loop_config);
  tern_status status = tern_loop_new(&run->loop, &loop_config, why, sizeof why);
  tern_tls_unref(tls);
  if (status != TERN_OK)
    return refuse(run, why);
  if (tern_loop_add_timer(run->loop, on_pace_timer, run, &run->pace_timer) != TERN_OK ||
      tern_loop_add_timer(run->loop, on_end_timer, run, &run->end_timer) != TERN_OK ||
      tern_loop_add_timer(run->loop, on_close_timer, run, &run->close_timer) != TERN_OK ||
      tern_loop_add_timer(run->loop, on_tick_timer, run, &run->tick_timer) != TERN_OK)
    return refuse(run, "not enough memory");
  return TERN_EXIT_OK;
}

/* With uploads and downloads every slot has a twin for the other way. */
static void make_slots(struct tern_perf_run *run)
{
  const struct tern_perf_options *options = &run->options;
  bool is_both =
      options->mode == TERN_PERF_BULK && options->down_bytes > 0 && options->up_bytes > 0;
  size_t each = options->streams * (is_both ? 2 : 1);
  run->slots_count = options->connections * each;
  run->conns = tern_cli_take(options->connections, sizeof *run->conns);
  run->slots = tern_cli_take(run->slots_count, sizeof *run->slots);
  for (size_t i = 0; i < options->connections; i++) {
    run->conns[i].run = run;
    run->conns[i].slots = run->slots + i * each;
    run->conns[i].slots_count = each;
  }
  for (size_t i = 0; i < run->slots_count; i++) {
    struct tern_perf_slot *slot = &run->slots[i];
    slot->conn = &run->conns[i / each];
    slot->down_bytes = is_both && i % 2 != 0 ? 0 : options->down_bytes;
    slot->up_bytes = is_both && i % 2 == 0 ? 0 : options->up_bytes;
    if (options->mode != TERN_PERF_BULK) {
      slot->down_bytes = options->response_bytes;
      slot->up_bytes = options->request_bytes;
    }
  }
  if (options->mode == TERN_PERF_BULK)
    run->options.requests = options->duration_ns != 0 ? UINT64_MAX : run->slots_count;
}

/* The last words to the peers. */
static void flush(const struct tern_perf_run *run)
{
  for (int i = 0; i < FLUSH_TURNS_MAX; i++)
    if (tern_loop_run_once(run->loop, 0) != TERN_OK ||
        (i >= FLUSH_TURNS_MIN && tern_loop_deadline(run->loop) > tern_perf_clock()))
      break;
}

static int go(struct tern_perf_run *run)
{
  int result = make_loop(run);
  if (result == TERN_EXIT_OK)
    result = tern_perf_reach(run);
  if (result != TERN_EXIT_OK)
    return result;
  make_slots(run);
  run->shows_progress = isatty(STDERR_FILENO);
  tern_perf_open_conns(run);
  if (run->phase != TERN_PERF_STOPPED && tern_loop_run(run->loop) != TERN_OK) {
    tern_cli_say(run->options.who, "the system refused to go on: %s", strerror(errno));
    return TERN_EXIT_LOCAL;
  }
  flush(run);
  if (run->began_at != 0)
    tern_perf_report(run);
  return run->exit_code;
}

int tern_perf_run(struct tern_perf_run *run, const struct tern_perf_ops *ops)
{
  run->ops = ops;
  tern_list_init(&run->idle);
  tern_list_init(&run->closing);
  tern_perf_meter_init(&run->meter);
  int result = go(run);
  tern_loop_free(run->loop);
  tern_perf_meter_deinit(&run->meter);
  free(run->conns);
  free(run->slots);
  return result;
}
