/* SPDX-License-Identifier: MIT */
/* A congestion controller of your own: additive increase, multiplicative decrease with a gentle factor
 * (window * 7/8 after a loss). Checked by tern's conformance kit:
 *
 *   cc custom_cc.c $(pkg-config --cflags --libs tern) && ./a.out
 *
 * The state lives inside the connection, at most TERN_CC_STATE_BYTES of it; nothing is allocated. */
#include <stdio.h>
#include <string.h>

#include <tern/cc.h>
#include <tern/cc_kit.h>

struct gentle {
  uint64_t window_bytes;
  uint64_t ssthresh_bytes;
  uint64_t datagram_bytes;
  uint64_t credit_bytes; /* acknowledged since the window grew last */
  tern_time recovery_time;
};

_Static_assert(sizeof(struct gentle) <= TERN_CC_STATE_BYTES, "fits the controller's state");

static void start(void *state, const tern_cc_start *args)
{
  struct gentle *gentle = state;

  memset(gentle, 0, sizeof *gentle);
  gentle->datagram_bytes = args->datagram_bytes;
  gentle->window_bytes = 10 * args->datagram_bytes;
  gentle->ssthresh_bytes = UINT64_MAX;
}

static void on_sent(void *state, tern_time now, uint64_t bytes, uint64_t in_flight_bytes,
                    uint64_t packet_number)
{
  (void)state, (void)now, (void)bytes, (void)in_flight_bytes, (void)packet_number;
}

/* Slow start until the first loss; then one datagram per window acknowledged. A window that the
 * application does not use stays as it is, and so does one that recovers from a loss. */
static void on_acked(void *state, const tern_cc_ack *ack)
{
  struct gentle *gentle = state;

  if (ack->is_app_limited || ack->newest_sent_time <= gentle->recovery_time)
    return;
  if (gentle->window_bytes < gentle->ssthresh_bytes) {
    gentle->window_bytes += ack->acked_bytes;
  } else {
    gentle->credit_bytes += ack->acked_bytes;
    if (gentle->credit_bytes >= gentle->window_bytes) {
      gentle->credit_bytes = 0;
      gentle->window_bytes += gentle->datagram_bytes;
    }
  }
  if (gentle->window_bytes > 1 << 30)
    gentle->window_bytes = 1 << 30;
}

/* Losses and CE marks: once per round trip, which is what the recovery time is for. */
static void on_congestion(void *state, const tern_cc_congestion *event)
{
  struct gentle *gentle = state;

  if (event->sent_time <= gentle->recovery_time)
    return;
  gentle->recovery_time = event->now;
  gentle->window_bytes = gentle->window_bytes / 8 * 7;
  if (gentle->window_bytes < 2 * gentle->datagram_bytes)
    gentle->window_bytes = 2 * gentle->datagram_bytes;
  gentle->ssthresh_bytes = gentle->window_bytes;
}

static void on_persistent_congestion(void *state, tern_time now)
{
  struct gentle *gentle = state;

  (void)now;
  gentle->window_bytes = 2 * gentle->datagram_bytes;
}

static uint64_t window_bytes(const void *state)
{
  return ((const struct gentle *)state)->window_bytes;
}

static bool is_in_slow_start(const void *state)
{
  const struct gentle *gentle = state;
  return gentle->window_bytes < gentle->ssthresh_bytes;
}

static const tern_cc_ops gentle_ops = {
    .size = sizeof(tern_cc_ops),
    .version = TERN_CC_VERSION,
    .name = "gentle",
    .init = start,
    .on_sent = on_sent,
    .on_acked = on_acked,
    .on_congestion = on_congestion,
    .on_persistent_congestion = on_persistent_congestion,
    .window_bytes = window_bytes,
    .is_in_slow_start = is_in_slow_start,
    .uses_prr = true,
};

/* To use it: config.cc = &gentle_ops before tern_endpoint_new, for every connection; or
 * tern_conn_set_cc(conn, &gentle_ops) for one of them. */
int main(void)
{
  char why[160];

  if (tern_cc_check(&gentle_ops, why, sizeof why) != TERN_OK) {
    fprintf(stderr, "%s: %s\n", gentle_ops.name, why);
    return 1;
  }
  printf("%s: keeps every rule of the conformance kit\n", gentle_ops.name);
  return 0;
}
