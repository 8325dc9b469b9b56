/* SPDX-License-Identifier: MIT */
/* The shared options. Bounds that the library knows are checked there: its sentence names the knob. */
#include "knobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

void tern_knobs_init(struct tern_knobs *knobs)
{
  memset(knobs, 0, sizeof *knobs);
  tern_observe_init(&knobs->observe);
}

void tern_knobs_deinit(struct tern_knobs *knobs)
{
  tern_observe_deinit(&knobs->observe);
}

static int take_engine(struct tern_knobs *knobs, const char *who, const char *value)
{
  static const char *const names[] = {"auto", "epoll", "uring"}; /* of enum tern_engine */
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp(value, names[i]) == 0) {
      knobs->engine = (tern_engine)i;
      return TERN_EXIT_OK;
    }
  return tern_cli_refuse(who, "--io %s: choose epoll, uring or auto", value);
}

static int take_versions(struct tern_knobs *knobs, const char *who, const char *value)
{
  bool is_v2_first = strncmp(value, "v2", 2) == 0;
  bool is_good = strcmp(value, "v1") == 0 || strcmp(value, "v2") == 0 ||
                 strcmp(value, "v1,v2") == 0 || strcmp(value, "v2,v1") == 0;
  if (!is_good)
    return tern_cli_refuse(who, "--quic-version %s: choose v1, v2, v1,v2 or v2,v1", value);
  knobs->versions[0] = is_v2_first ? TERN_VERSION_2 : TERN_VERSION_1;
  knobs->versions[1] = is_v2_first ? TERN_VERSION_1 : TERN_VERSION_2;
  knobs->versions_count = value[2] == ',' ? 2 : 1;
  return TERN_EXIT_OK;
}

static int take_text(struct tern_knobs *knobs, const char *who, int code, const char *value)
{
  if (code == TERN_KNOB_LOG && !tern_observe_set_level(&knobs->observe, value))
    return tern_cli_refuse(who, "--log %s: choose error, warn, info, debug or trace", value);
  if (code == TERN_KNOB_KEYLOG)
    knobs->keylog = value;
  if (code == TERN_KNOB_QLOG)
    knobs->qlog = value;
  if (code == TERN_KNOB_CIPHERS)
    knobs->ciphers = value;
  if (code == TERN_KNOB_GROUPS)
    knobs->groups = value;
  if (code == TERN_KNOB_CC) {
    knobs->cc = tern_cc_find(value);
    if (knobs->cc == NULL)
      return tern_cli_refuse(who, "--cc %s: choose cubic, bbr, prague, adaptive or newreno", value);
  }
  return TERN_EXIT_OK;
}

static int take_number(struct tern_knobs *knobs, const char *who, int code, const char *value)
{
  uint64_t number;
  if (!tern_cli_parse_number(value, UINT32_MAX, &number))
    return tern_cli_refuse(who, "\"%s\" is not a number that this option takes", value);
  if (code == TERN_KNOB_IDLE_TIMEOUT) {
    knobs->idle_timeout_ms = number;
    knobs->has_idle_timeout = true;
  }
  if (code == TERN_KNOB_KEY_UPDATE)
    knobs->key_update_packets = number;
  if (code == TERN_KNOB_BUSY_POLL)
    knobs->busy_poll_ns = number * 1000;
  if (code == TERN_KNOB_MTU_MAX) {
    if (number == 0 || number > UINT16_MAX)
      return tern_cli_refuse(who, "--mtu-max %s: choose 1200 to 65527", value);
    knobs->mtu_max_bytes = (uint16_t)number;
  }
  return TERN_EXIT_OK;
}

int tern_knobs_take(struct tern_knobs *knobs, const char *who, int code, const char *value)
{
  switch (code) {
  case TERN_KNOB_NO_GSO:
    knobs->no_gso = true;
    return TERN_EXIT_OK;
  case TERN_KNOB_NO_GRO:
    knobs->no_gro = true;
    return TERN_EXIT_OK;
  case TERN_KNOB_NO_ECN:
    knobs->no_ecn = true;
    return TERN_EXIT_OK;
  case TERN_KNOB_NO_PACING:
    knobs->no_pacing = true;
    return TERN_EXIT_OK;
  case TERN_KNOB_IO:
    return take_engine(knobs, who, value);
  case TERN_KNOB_QUIC_VERSION:
    return take_versions(knobs, who, value);
  case TERN_KNOB_KEY_UPDATE:
  case TERN_KNOB_IDLE_TIMEOUT:
  case TERN_KNOB_MTU_MAX:
  case TERN_KNOB_BUSY_POLL:
    return take_number(knobs, who, code, value);
  default: /* an int of getopt_long, no enum */
    return take_text(knobs, who, code, value);
  }
}

int tern_knobs_open(struct tern_knobs *knobs, const char *who)
{
  if (!tern_observe_open_keylog(&knobs->observe, knobs->keylog)) {
    tern_cli_say(who, "cannot write the key log %s: %s",
                 knobs->keylog != NULL ? knobs->keylog : getenv("SSLKEYLOGFILE"), strerror(errno));
    return TERN_EXIT_LOCAL;
  }
  if (tern_observe_open_qlog(&knobs->observe, knobs->qlog))
    return TERN_EXIT_OK;
  tern_cli_say(who, "cannot write qlog into %s: %s",
               knobs->qlog != NULL ? knobs->qlog : getenv("QLOGDIR"), strerror(errno));
  return TERN_EXIT_LOCAL;
}

void tern_knobs_apply(struct tern_knobs *knobs, tern_config *config)
{
  tern_observe_apply(&knobs->observe, config);
  if (knobs->cc != NULL)
    config->cc = knobs->cc;
  if (knobs->has_idle_timeout)
    config->idle_timeout_ms = knobs->idle_timeout_ms;
  if (knobs->mtu_max_bytes != 0)
    config->mtu_max_bytes = knobs->mtu_max_bytes;
  if (knobs->versions_count != 0) {
    memcpy(config->versions, knobs->versions, sizeof knobs->versions);
    config->versions_count = knobs->versions_count;
  }
  config->key_update_packets = knobs->key_update_packets;
  config->ecn = !knobs->no_ecn;
  config->pacing = !knobs->no_pacing;
}

void tern_knobs_apply_tls(struct tern_knobs *knobs, tern_tls_config *config)
{
  tern_observe_apply_tls(&knobs->observe, config);
  config->ciphers = knobs->ciphers;
  config->groups = knobs->groups;
}

void tern_knobs_apply_loop(const struct tern_knobs *knobs, tern_loop_config *config)
{
  config->gso = !knobs->no_gso;
  config->gro = !knobs->no_gro;
  config->busy_poll_ns = knobs->busy_poll_ns;
  config->engine = knobs->engine;
}
