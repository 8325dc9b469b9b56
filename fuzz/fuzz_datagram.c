/* SPDX-License-Identifier: MIT */
/* Datagrams of an attacker on the path who has no keys: two endpoints of tern talk over a network that
 * the input commands. Whatever it does, the oracles of test/support/oracle.h hold at both ends, and what
 * is read is a prefix of what was written.
 *
 *   byte 0  bit 0 the applications read   1 nothing was said yet (else the handshake is over)
 *           bit 2 server's handshake flight is long   3 the null AEAD   4 nobody connects: raw only
 *   step    op (1) | arguments
 *     0     deliver everything that waits, until both are silent
 *     1     deliver the next one only               2  drop the next one
 *     3     deliver an earlier one again: which (1)  4  the same to the other side
 *     5     ... with a byte changed: which (1), where (2), xor (1)
 *     6     ... cut: which (1), length (2)           7  ... two in one: which (1), which (1)
 *     8     bytes of the input as a datagram: to whom (1), length (2), bytes
 *     9     let time pass: 2^n / 16 milliseconds, n (1) below 24
 *     10    an application does something: who and what (1)
 *     11    deliver the next one marked CE
 *     12    swap the next two */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/cursor.h"
#include "support/hostile_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SERVER, CLIENT, SIDES };

#define STEPS_MAX 400
#define CAUGHT_MAX 256 /* a byte tells which */
#define CAUGHT_BYTES 1500
#define TALK_MAX 3000

struct caught {
  uint8_t to; /* side */
  uint8_t ecn;
  uint16_t len;
  uint8_t bytes[CAUGHT_BYTES];
};

struct play {
  struct hostile_rig rigs[SIDES];
  struct tern_reader script;
  struct caught caught[CAUGHT_MAX]; /* ring of what was sent, newest at count - 1 */
  uint64_t count;
  uint64_t waiting[CAUGHT_MAX]; /* ring of numbers that are not delivered yet */
  uint64_t waiting_first, waiting_end;
};

struct end {
  struct play *play;
  uint8_t side;
};

static void check(const struct play *play)
{
  for (int i = 0; i < SIDES; i++)
    TERN_ASSERT(play->rigs[i].oracle.fault == NULL);
}

/* ---- network -------------------------------------------------------------------------------- */

static struct caught *get_caught(struct play *play, uint64_t number)
{
  return &play->caught[number % CAUGHT_MAX];
}

/* What an endpoint sends is kept, and waits. */
static void on_output(void *arg, const tern_datagram *datagram)
{
  struct end *end = arg;
  struct play *play = end->play;
  uint8_t to = end->side == SERVER ? CLIENT : SERVER;

  if (!tern_addr_equal(&datagram->remote, &play->rigs[to].addr) || datagram->len > CAUGHT_BYTES ||
      play->waiting_end - play->waiting_first == CAUGHT_MAX)
    return; /* lost */
  struct caught *caught = get_caught(play, play->count);
  caught->to = to;
  caught->ecn = datagram->ecn;
  caught->len = (uint16_t)datagram->len;
  memcpy(caught->bytes, datagram->data, datagram->len);
  play->waiting[play->waiting_end++ % CAUGHT_MAX] = play->count++;
}

static void deliver_bytes(struct play *play, uint8_t to, uint8_t ecn, tern_slice data)
{
  struct hostile_rig *rig = &play->rigs[to];
  struct oracle_in in = {.data = data,
                         .local = rig->addr,
                         .remote = play->rigs[to == SERVER ? CLIENT : SERVER].addr,
                         .ecn = ecn};

  oracle_receive(&rig->oracle, &in, 1);
  oracle_turn(&rig->oracle);
  check(play);
}

static void deliver(struct play *play, uint64_t number, uint8_t ecn)
{
  struct caught copy = *get_caught(play, number);

  deliver_bytes(play, copy.to, ecn != 0 ? ecn : copy.ecn, tern_slice_of(copy.bytes, copy.len));
}

/* The next one that waits and was not overwritten meanwhile; false if there is none. */
static bool take_next(struct play *play, uint64_t *number)
{
  while (play->waiting_first != play->waiting_end) {
    *number = play->waiting[play->waiting_first++ % CAUGHT_MAX];
    if (play->count - *number <= CAUGHT_MAX)
      return true;
  }
  return false;
}

static void turn(struct play *play)
{
  for (int i = 0; i < SIDES; i++)
    oracle_turn(&play->rigs[i].oracle);
  check(play);
}

static void talk(struct play *play)
{
  uint64_t number;

  turn(play);
  for (int i = 0; i < TALK_MAX && take_next(play, &number); i++)
    deliver(play, number, 0);
}

/* ---- scene ---------------------------------------------------------------------------------- */

static void make_side(struct play *play, struct end *end, uint8_t scene)
{
  struct hostile_rig *rig = &play->rigs[end->side];

  hostile_rig_init(rig);
  tern_random_seeded_init(&rig->seeded, 100u + end->side);
  rig->addr = hostile_addr((uint8_t)(1 + end->side), 443);
  rig->tls_options.aead = scene & 8 ? TERN_AEAD_NULL : TERN_AEAD_AES128;
  rig->tls_options.cert_bytes = scene & 4 ? 9000 : 0;
  rig->app.reads = (scene & 1) != 0;
  rig->app.checks_content = !(scene & 8); /* the null AEAD's tag can be forged */
  bool is_started = hostile_rig_start(rig);
  TERN_ASSERT(is_started);
  rig->oracle.output = on_output;
  rig->oracle.output_arg = end;
}

static void set_scene(struct play *play, struct end ends[SIDES], uint8_t scene)
{
  for (uint8_t i = 0; i < SIDES; i++) {
    ends[i] = (struct end){play, i};
    make_side(play, &ends[i], scene);
  }
  if (scene & 16)
    return;
  bool is_connecting = hostile_rig_connect(&play->rigs[CLIENT], &play->rigs[SERVER].addr);
  TERN_ASSERT(is_connecting);
  turn(play);
  if (!(scene & 2))
    talk(play);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void act(struct play *play, uint8_t what)
{
  struct hostile_rig *rig = &play->rigs[what & 1];
  tern_conn *conn = rig->app.conn;
  tern_stream *stream;

  if (conn == NULL)
    return;
  what = (uint8_t)(what >> 1);
  if (what < 64) {
    if ((stream = hostile_app_open(rig, (what & 1) != 0)) == NULL)
      return;
    hostile_app_write(rig, stream, (size_t)what * 700);
    if ((what & 2) != 0 && tern_stream_finish(stream) != TERN_OK)
      tern_stream_reset(stream, 1);
    if ((what & 12) == 12)
      tern_stream_reset(stream, what);
  } else if (what == 64) {
    tern_conn_close(conn, what, "closed");
  } else if (what == 65) {
    tern_conn_shutdown(conn, what, rig->oracle.now + TERN_SECOND);
  } else if (what < 96) {
    rig->oracle.app_takes += 4;
    if (tern_conn_send_datagram(conn, tern_slice_of("datagram", 8)) != TERN_OK)
      return;
  } else {
    rig->app.reads = !rig->app.reads;
  }
}

static void pass_time(struct play *play, uint8_t n)
{
  uint64_t ns = (TERN_MS / 16) << (n % 24);

  for (int i = 0; i < SIDES; i++)
    oracle_advance(&play->rigs[i].oracle, play->rigs[i].oracle.now + ns);
  check(play);
}

static void send_raw(struct play *play)
{
  uint8_t to;
  uint16_t len;
  tern_slice bytes;

  if (!tern_read_u8(&play->script, &to) || !tern_read_u16(&play->script, &len))
    return;
  /* Short texts stand for long datagrams: an Initial has to have 1,200 bytes. */
  uint8_t room[CAUGHT_BYTES] = {0};
  size_t left = tern_reader_left(&play->script);
  len %= CAUGHT_BYTES + 1;
  if (!tern_read_slice(&play->script, len < left ? len : left, &bytes))
    return;
  if (bytes.len != 0)
    memcpy(room, bytes.data, bytes.len);
  deliver_bytes(play, to % SIDES, to >> 1 & 3, tern_slice_of(room, len));
}

/* Arguments of the ops that change an earlier datagram. */
static void forge(struct play *play, uint8_t op, uint8_t which)
{
  uint16_t at = 0;
  uint8_t value = 0;

  if (play->count == 0)
    return;
  uint64_t back = 1 + which % (play->count < CAUGHT_MAX ? play->count : CAUGHT_MAX);
  struct caught copy = *get_caught(play, play->count - back);
  if (op == 4)
    copy.to ^= 1;
  if ((op == 5 || op == 6) && !tern_read_u16(&play->script, &at))
    return;
  if ((op == 5 || op == 7) && !tern_read_u8(&play->script, &value))
    return;
  if (op == 5)
    copy.bytes[at % copy.len] ^= value;
  if (op == 6)
    copy.len = (uint16_t)(at % (copy.len + 1));
  if (op == 7) {
    const struct caught *second = get_caught(play, play->count - 1 - value % back);
    size_t room = CAUGHT_BYTES - copy.len;
    size_t len = second->len < room ? second->len : room;
    memcpy(copy.bytes + copy.len, second->bytes, len);
    copy.len = (uint16_t)(copy.len + len);
  }
  deliver_bytes(play, copy.to, copy.ecn, tern_slice_of(copy.bytes, copy.len));
}

static void move_next(struct play *play, uint8_t op)
{
  uint64_t number, second;

  if (!take_next(play, &number) || op == 2)
    return;
  if (op == 12 && take_next(play, &second))
    deliver(play, second, 0);
  deliver(play, number, op == 11 ? TERN_ECN_CE : 0);
}

/* False: the script is over. */
static bool step(struct play *play)
{
  uint8_t op, argument = 0;

  if (!tern_read_u8(&play->script, &op))
    return false;
  op %= 13;
  bool has_argument = (op >= 3 && op <= 7) || op == 9 || op == 10;
  if (has_argument && !tern_read_u8(&play->script, &argument))
    return false;
  if (op == 0)
    talk(play);
  else if (op == 1 || op == 2 || op == 11 || op == 12)
    move_next(play, op);
  else if (op <= 7)
    forge(play, op, argument);
  else if (op == 8)
    send_raw(play);
  else if (op == 9)
    pass_time(play, argument);
  else
    act(play, argument);
  turn(play);
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct end ends[SIDES];
  struct play *play;

  if (size < 2)
    return 0;
  play = calloc(1, sizeof *play);
  TERN_ASSERT(play != NULL);
  set_scene(play, ends, data[0]);
  play->script = tern_reader_of(data + 1, size - 1);
  for (int i = 0; i < STEPS_MAX && step(play); i++)
    continue;
  /* A connection that nobody attacks any more still works, or ends. */
  talk(play);
  for (int i = 0; i < SIDES; i++) {
    const char *fault = hostile_rig_deinit(&play->rigs[i]);
    TERN_ASSERT(fault == NULL);
  }
  free(play);
  return 0;
}
