/* SPDX-License-Identifier: MIT */
/* Six oracles around an endpoint, for hostile tests and fuzz targets alike: whatever a peer does,
 *
 *   O1 memory    a connection's charge stays below windows + send buffers + TERN_CAP_CONN_OVERHEAD;
 *                before its address is validated below 24 KiB; at the end nothing is left
 *   O2 work      allocations and frames are bounded by a + b * bytes received
 *   O3 emission  an unvalidated address gets at most three times what it sent; packets that only
 *                answer are no more than those that came
 *   O4 no abort  the sanitizers' part
 *   O5 integrity stream bytes are a function of stream and offset (oracle_byte), so that whoever reads
 *                can tell (hostile_rig.c does)
 *   O6 liveness  a turn ends with a deadline later than now; timers do not storm; at the end every
 *                connection is gone
 *
 * The first oracle that is broken is kept in `fault` with the figures in `detail`: tests assert that it
 * is NULL, fuzz targets stop. Time is virtual; nothing here reads a clock. */
#ifndef TERN_TEST_ORACLE_H
#define TERN_TEST_ORACLE_H

#include <tern/event.h>
#include <tern/transport.h>

#define ORACLE_UNVALIDATED_BYTES (24 * 1024)
#define ORACLE_FLIGHT_BYTES 3072 /* of handshake data that are in it */
/* What an endpoint may keep for the next connection: pages of pools, tables that do not shrink. */
#define ORACLE_KEPT_BYTES (192 * 1024)
#define ORACLE_FLOWS_MAX 64
/* Turns at one instant before the endpoint counts as stuck. */
#define ORACLE_TURNS_MAX 200
/* Timer wake-ups in one virtual second without a byte in or out. */
#define ORACLE_WAKES_MAX 4000

typedef void oracle_output(void *arg, const tern_datagram *datagram);
/* How many datagrams of `run` the socket takes, and the errno if that is not all. */
typedef size_t oracle_socket(void *arg, const tern_run *run, size_t count, int *error);

/* Bytes exchanged with one address until it is validated. */
struct oracle_flow {
  tern_addr remote;
  uint64_t in_bytes, out_bytes;
  bool is_validated;
};

struct oracle {
  tern_endpoint *endpoint;
  tern_time now;
  const char *fault; /* NULL, or the first oracle that was broken */
  char detail[200];
  oracle_output *output; /* sees what the endpoint sends; may be NULL */
  void *output_arg;
  oracle_socket *socket; /* NULL = takes everything */
  void *socket_arg;
  tern_time blocked_until; /* it said EAGAIN: nothing is sent for a millisecond */

  struct oracle_flow flows[ORACLE_FLOWS_MAX];
  size_t flows_count;
  uint64_t base_bytes; /* heap of the endpoint without connections */
  uint64_t base_takes;
  uint64_t datagrams_in, datagrams_out, bytes_in, bytes_out, timeouts;
  uint64_t answers; /* packets sent that elicit nothing */
  uint64_t frames_in;
  uint64_t conns_started;
  uint64_t conn_peak_bytes, half_open_peak_bytes;
  uint64_t wakes; /* in a row, in this virtual second, without traffic */
  tern_time wakes_since;
  uint64_t app_takes; /* allocations that the application's calls may have caused */
  tern_event_subscriber subscribers[2];
  tern_log log;
  uint64_t log_bytes;
};

/* The byte of a stream at an offset. */
uint8_t oracle_byte(uint64_t stream_id, uint64_t offset);
/* Writes `len` of them. */
void oracle_bytes(uint64_t stream_id, uint64_t offset, uint8_t *out, size_t len);
/* Whether `data` is what the stream has at `offset`. */
bool oracle_is_stream(uint64_t stream_id, uint64_t offset, tern_slice data);

/* Before the endpoint is made: the oracle listens to its events; `with_log`: a log formats all of
 * them, too (ORACLE_LOG in the environment: and shows them). */
void oracle_prepare(struct oracle *oracle, tern_config *config, bool with_log);
void oracle_start(struct oracle *oracle, tern_endpoint *endpoint, tern_time now);
/* `broken` names the oracle, for example "O1". */
void oracle_fail(struct oracle *oracle, const char *broken, const char *what, uint64_t value,
                 uint64_t bound);

/* Datagrams come in; each is copied to memory of exactly its size first. */
struct oracle_in {
  tern_slice data;
  tern_addr local;
  tern_addr remote;
  uint8_t ecn;
};
#define ORACLE_BATCH_MAX 64
void oracle_receive(struct oracle *oracle, const struct oracle_in *in, size_t count);
/* Timers that are due, then everything that the endpoint wants to send. */
void oracle_turn(struct oracle *oracle);
/* From deadline to deadline up to `until`; a turn at each. */
void oracle_advance(struct oracle *oracle, tern_time until);
/* Until no connection is left; broken if that takes longer than `limit_ns`. */
void oracle_quiesce(struct oracle *oracle, uint64_t limit_ns);
/* O1, O2, O3 as they stand; called by the above after each step. */
void oracle_check(struct oracle *oracle);

#endif
