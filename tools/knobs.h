/* SPDX-License-Identifier: MIT */
/* Options that all subcommands with a connection share: --log, --keylog, --qlog, --cc and the knobs of the
 * transport and of the socket. Their codes begin above those of any short option. */
#ifndef TERN_TOOLS_KNOBS_H
#define TERN_TOOLS_KNOBS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include <tern/cc.h>
#include <tern/config.h>
#include <tern/io.h>
#include <tern/transport.h>

#include "observe.h"

enum tern_knob {
  TERN_KNOB_FIRST = 1000,
  TERN_KNOB_LOG = TERN_KNOB_FIRST,
  TERN_KNOB_KEYLOG,
  TERN_KNOB_QLOG,
  TERN_KNOB_CC,
  TERN_KNOB_IDLE_TIMEOUT,
  TERN_KNOB_MTU_MAX,
  TERN_KNOB_CIPHERS,
  TERN_KNOB_GROUPS,
  TERN_KNOB_BUSY_POLL,
  TERN_KNOB_IO,
  TERN_KNOB_NO_GSO,
  TERN_KNOB_NO_GRO,
  TERN_KNOB_NO_ECN,
  TERN_KNOB_NO_PACING,
  TERN_KNOB_QUIC_VERSION,
  TERN_KNOB_KEY_UPDATE,
  TERN_KNOB_LAST,
};

/* For the table of getopt_long. */
/* clang-format off */
#define TERN_KNOB_OPTIONS                                                                          \
  {"log", required_argument, NULL, TERN_KNOB_LOG},                                                 \
  {"keylog", required_argument, NULL, TERN_KNOB_KEYLOG},                                           \
  {"qlog", required_argument, NULL, TERN_KNOB_QLOG},                                               \
  {"cc", required_argument, NULL, TERN_KNOB_CC},                                                   \
  {"idle-timeout", required_argument, NULL, TERN_KNOB_IDLE_TIMEOUT},                               \
  {"mtu-max", required_argument, NULL, TERN_KNOB_MTU_MAX},                                         \
  {"ciphers", required_argument, NULL, TERN_KNOB_CIPHERS},                                         \
  {"groups", required_argument, NULL, TERN_KNOB_GROUPS},                                           \
  {"busy-poll", required_argument, NULL, TERN_KNOB_BUSY_POLL},                                     \
  {"io", required_argument, NULL, TERN_KNOB_IO},                                                   \
  {"no-gso", no_argument, NULL, TERN_KNOB_NO_GSO},                                                 \
  {"no-gro", no_argument, NULL, TERN_KNOB_NO_GRO},                                                 \
  {"no-ecn", no_argument, NULL, TERN_KNOB_NO_ECN},                                                 \
  {"no-pacing", no_argument, NULL, TERN_KNOB_NO_PACING},                                         \
  {"quic-version", required_argument, NULL, TERN_KNOB_QUIC_VERSION},                               \
  {"key-update", required_argument, NULL, TERN_KNOB_KEY_UPDATE}
/* clang-format on */

/* For --help. */
#define TERN_KNOB_HELP                                                                             \
  "      --log LEVEL          events on stderr: error, warn, info, debug or trace\n"               \
  "      --keylog FILE        append TLS secrets, for Wireshark (also $SSLKEYLOGFILE)\n"           \
  "      --qlog DIR           a qlog trace per connection, for qvis (also $QLOGDIR)\n"             \
  "      --cc NAME            congestion controller: cubic, bbr, prague, adaptive or newreno\n"    \
  "      --idle-timeout MS    give up a silent connection after this; 0 = never\n"                 \
  "      --mtu-max BYTES      largest UDP payload to probe for\n"                                  \
  "      --ciphers LIST       of aes128, aes256, chacha20, joined by ':'\n"                        \
  "      --groups LIST        key exchange groups, joined by ':'\n"                                \
  "      --busy-poll US       look for packets this long before sleeping\n"                        \
  "      --io ENGINE          epoll, uring (io_uring) or auto, the faster one; default auto\n"     \
  "      --quic-version V     v1 or v2: this one only; v1,v2 or v2,v1: the preferred one first\n"  \
  "      --key-update N       a new key after every N packets\n"                                   \
  "      --no-gso --no-gro    do not send, or receive, bursts in one system call\n"                \
  "      --no-ecn --no-pacing no congestion marks; no even spacing of packets\n"

struct tern_knobs {
  struct tern_observe observe; /* must stay in place while the endpoint lives */
  const char *keylog;
  const char *qlog;
  const tern_cc_ops *cc;
  uint64_t idle_timeout_ms;
  bool has_idle_timeout;
  uint16_t mtu_max_bytes; /* 0 = the default */
  const char *ciphers;
  const char *groups;
  uint64_t busy_poll_ns;
  tern_engine engine;
  uint32_t versions[2];
  uint32_t versions_count; /* 0 = the default */
  uint64_t key_update_packets;
  bool no_gso, no_gro, no_ecn, no_pacing;
};

void tern_knobs_init(struct tern_knobs *knobs);
void tern_knobs_deinit(struct tern_knobs *knobs);

/* One option that getopt_long found. An exit code; says what is wrong. */
int tern_knobs_take(struct tern_knobs *knobs, const char *who, int code, const char *value);
/* After the last option: opens the key log and the folder of qlog. An exit code. */
int tern_knobs_open(struct tern_knobs *knobs, const char *who);

/* Put the knobs into a configuration that was filled with defaults. */
void tern_knobs_apply(struct tern_knobs *knobs, tern_config *config);
void tern_knobs_apply_tls(struct tern_knobs *knobs, tern_tls_config *config);
void tern_knobs_apply_loop(const struct tern_knobs *knobs, tern_loop_config *config);

#endif
