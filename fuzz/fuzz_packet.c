/* SPDX-License-Identifier: MIT */
/* Frames of an attacker who has all keys. The input is a script: a first byte that sets the scene, then
 * steps. A peer does the handshake (or part of it), then puts the script's bytes as frames into properly
 * sealed packets; the oracles of test/support/oracle.h judge every step, and at the end everything has
 * to be gone.
 *
 *   scene  bit 0 the peer is a server   1 the application reads   2 the peer acknowledges
 *          bit 3 the server streams     4 only Initial keys       5 AES instead of the null AEAD
 *          bit 6 our idle timeout is off   7 a small connection window
 *   step   op (1) | argument
 *     0-2  payload of a 1-RTT, Handshake, Initial packet: length (2), bytes
 *     3    the same as 0, held back, so that several are received in one call
 *     4    lets time pass: 2^n / 16 milliseconds, n (1) below 24
 *     5    skips n (1) packet numbers of the 1-RTT space
 *     6    the application does something: what (1)
 *     7    the peer acknowledges everything, in the space n (1)
 *     8    turn: what is held is handed over, everybody answers
 *     9    the previous 1-RTT packet once more, with other keys if n (1) is odd
 *     10   the peer moves to its address n (1) of six */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "crypto/secrets.h"
#include "support/hostile_peer.h"
#include "wire/frame_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum scene {
  SCENE_PEER_IS_SERVER = 1,
  SCENE_READS = 2,
  SCENE_ACKS = 4,
  SCENE_SERVES = 8,
  SCENE_INITIAL_ONLY = 16,
  SCENE_AES = 32,
  SCENE_NO_IDLE = 64,
  SCENE_SMALL_WINDOW = 128,
};

#define STEPS_MAX 300

struct play {
  struct hostile_rig rig;
  struct hostile_peer *peer;
  struct tern_reader script;
  tern_stream *stream; /* the application's; not used after it may be gone */
};

static void set_scene(struct play *play, uint8_t scene)
{
  struct hostile_rig *rig = &play->rig;

  hostile_rig_init(rig);
  rig->tls_options.aead = scene & SCENE_AES ? TERN_AEAD_AES128 : TERN_AEAD_NULL;
  rig->app.reads = (scene & SCENE_READS) != 0;
  rig->app.serves_bytes = scene & SCENE_SERVES ? 300000 : 0;
  if (scene & SCENE_NO_IDLE)
    rig->config.idle_timeout_ms = 0;
  if (scene & SCENE_SMALL_WINDOW) {
    rig->config.conn_window_bytes = rig->config.stream_window_bytes = 2048;
    rig->config.conn_window_max_bytes = rig->config.stream_window_max_bytes = 4096;
  }
  bool is_started = hostile_rig_start(rig);
  TERN_ASSERT(is_started);
  play->peer = hostile_peer_add(rig, (scene & SCENE_PEER_IS_SERVER) != 0);
  if (scene & SCENE_INITIAL_ONLY && !play->peer->is_server) {
    play->peer->speaks_tls = false;
    hostile_peer_start(play->peer);
  } else {
    bool is_connected = hostile_peer_connect(play->peer);
    TERN_ASSERT(is_connected);
  }
  play->peer->acks = (scene & SCENE_ACKS) != 0;
}

static bool read_payload(struct play *play)
{
  uint16_t len;
  tern_slice bytes;

  if (!tern_read_u16(&play->script, &len))
    return false;
  len %= 1400;
  if (len > tern_reader_left(&play->script))
    len = (uint16_t)tern_reader_left(&play->script);
  bool is_read = tern_read_slice(&play->script, len, &bytes);
  tern_write_slice(hostile_frames(play->peer), bytes);
  return is_read;
}

static void act(struct play *play, uint8_t what)
{
  struct hostile_rig *rig = &play->rig;
  tern_conn *conn = rig->app.conn;
  tern_stream *stream;

  if (conn == NULL || tern_conn_get_id(conn) == 0)
    return;
  switch (what % 8) {
  case 0:
  case 1:
    if ((stream = hostile_app_open(rig, what % 8 == 0)) == NULL)
      return;
    hostile_app_write(rig, stream, (size_t)what * 100);
    if ((what & 8) != 0 && tern_stream_finish(stream) == TERN_OK)
      return;
    if ((what & 16) != 0)
      tern_stream_reset(stream, what);
    if ((what & 32) != 0)
      tern_stream_stop(stream, what);
    if ((what & 64) != 0)
      tern_stream_release(stream);
    return;
  case 2:
    if (tern_conn_send_datagram(conn, tern_slice_of("datagram", 8)) == TERN_OK)
      rig->oracle.app_takes += 4;
    return;
  case 3:
    tern_conn_close(conn, what, "enough");
    return;
  case 4:
    tern_conn_shutdown(conn, what, rig->oracle.now + TERN_SECOND);
    return;
  default:
    rig->app.reads = !rig->app.reads;
  }
}

static void lose_time(struct play *play, uint8_t n)
{
  hostile_rig_release(&play->rig);
  hostile_rig_advance(&play->rig, (TERN_MS / 16) << (n % 24));
}

static void acknowledge(struct play *play, uint8_t n)
{
  static const enum tern_packet_type types[TERN_SPACES] = {TERN_PACKET_INITIAL,
                                                           TERN_PACKET_HANDSHAKE, TERN_PACKET_APP};
  enum tern_space_id space = (enum tern_space_id)(n % TERN_SPACES);

  hostile_write_ack(play->peer, space, hostile_frames(play->peer));
  hostile_send(play->peer, types[space]);
}

static void repeat(struct play *play, uint8_t n)
{
  struct hostile_space *space = &play->peer->spaces[TERN_SPACE_APP];

  if (n % 2 == 1 && space->keys != NULL && tern_keys_update_tx(space->keys) != TERN_OK)
    return;
  if (n % 2 == 0 && space->next != 0)
    space->next--;
  hostile_send(play->peer, TERN_PACKET_APP);
}

/* False: the script is over. */
static bool step(struct play *play)
{
  static const enum tern_packet_type types[] = {TERN_PACKET_APP, TERN_PACKET_HANDSHAKE,
                                                TERN_PACKET_INITIAL};
  uint8_t op, argument = 0;

  if (!tern_read_u8(&play->script, &op))
    return false;
  op %= 11;
  if (op <= 3) {
    if (!read_payload(play))
      return false;
    if (op == 3)
      (void)hostile_hold(play->peer, TERN_PACKET_APP);
    else
      (void)hostile_send(play->peer, types[op]);
    return true;
  }
  if (op != 8 && !tern_read_u8(&play->script, &argument))
    return false;
  if (op == 4)
    lose_time(play, argument);
  else if (op == 5)
    play->peer->spaces[TERN_SPACE_APP].next += argument;
  else if (op == 6)
    act(play, argument);
  else if (op == 7)
    acknowledge(play, argument);
  else if (op == 9)
    repeat(play, argument);
  else if (op == 10)
    play->peer->addr = hostile_addr(100, (uint16_t)(5000 + argument % 6));
  hostile_rig_release(&play->rig);
  hostile_rig_turn(&play->rig);
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct play *play;

  if (size < 2)
    return 0;
  play = calloc(1, sizeof *play);
  TERN_ASSERT(play != NULL);
  set_scene(play, data[0]);
  play->script = tern_reader_of(data + 1, size - 1);
  for (int i = 0; i < STEPS_MAX && play->rig.oracle.fault == NULL && step(play); i++)
    continue;
  hostile_rig_release(&play->rig);
  const char *fault = hostile_rig_deinit(&play->rig);
  TERN_ASSERT(fault == NULL);
  free(play);
  return 0;
}
