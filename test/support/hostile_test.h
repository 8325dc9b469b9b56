/* SPDX-License-Identifier: MIT */
/* What the programs of test/hostile share: one rig each, set up anew by every test. A test is named
 * after the row of the list of attacks that it stands for. */
#ifndef TERN_TEST_HOSTILE_TEST_H
#define TERN_TEST_HOSTILE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/hostile_peer.h"
#include "transport/conn.h"
#include "wire/frame_read.h"
#include "wire/frame_write.h"
#include "wire/varint.h"

static struct hostile_rig rig;

/* Between the two, a test changes rig.config, rig.tls_options and rig.app. */
static inline void prepare(void)
{
  hostile_rig_init(&rig);
  rig.tls_options.aead = TERN_AEAD_NULL;
}

static inline void start(void)
{
  assert_true(hostile_rig_start(&rig));
}

/* A hostile client whose handshake is over. */
static inline struct hostile_peer *connect_client(void)
{
  struct hostile_peer *peer = hostile_peer_add(&rig, false);
  assert_true(hostile_peer_connect(peer));
  return peer;
}

static inline struct hostile_peer *begin(void)
{
  prepare();
  start();
  return connect_client();
}

/* A hostile server that the endpoint is connected to. */
static inline struct hostile_peer *begin_as_server(void)
{
  prepare();
  start();
  struct hostile_peer *peer = hostile_peer_add(&rig, true);
  assert_true(hostile_peer_connect(peer));
  return peer;
}

/* The endpoint goes quiet and gives everything back, and no oracle was broken. */
static inline void end(void)
{
  const char *fault = hostile_rig_deinit(&rig);
  if (fault != NULL)
    print_message("%s\n", rig.oracle.detail);
  assert_null(fault);
}

/* What was told to the peer, and the same to the application. */
static inline void assert_closed(const struct hostile_peer *peer, uint64_t code)
{
  assert_true(peer->is_closed);
  assert_false(peer->close_is_app);
  assert_int_equal(peer->close_code, code);
}

static inline void assert_alive(struct hostile_peer *peer)
{
  tern_conn *conn = hostile_find_conn(&rig, peer);

  assert_false(peer->is_closed);
  assert_non_null(conn);
  assert_true(tern_conn_is_open(conn));
}

/* Sends frame bytes in a packet. */
static inline void send_bytes(struct hostile_peer *peer, enum tern_packet_type type,
                              const void *bytes, size_t len)
{
  tern_write_bytes(hostile_frames(peer), bytes, len);
  hostile_send(peer, type);
}

static inline void send_stream(struct hostile_peer *peer, uint64_t id, uint64_t offset, size_t len,
                               bool is_fin)
{
  hostile_write_stream(hostile_frames(peer), id, offset, len, is_fin);
  hostile_send(peer, TERN_PACKET_APP);
}

static inline tern_endpoint_stats get_stats(void)
{
  tern_endpoint_stats stats;
  tern_endpoint_get_stats(rig.endpoint, &stats);
  return stats;
}

#endif
