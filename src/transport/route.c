/* SPDX-License-Identifier: MIT */
/* Validation of a route: see route.h. The recovery parts in it are driven by the spine. */
#include "transport/route.h"

#include <string.h>

#include "recovery/cc_common.h"
#include "wire/frame_write.h"
#include "wire/quic.h"

/* [rfc9000-8.2.4] three PTOs are RECOMMENDED. */
#define VALIDATION_PTOS 3

struct tern_route *tern_route_new(struct tern_alloc *alloc, const struct tern_route_args *args)
{
  size_t room = tern_cc_get_state_bytes(args->cc);
  struct tern_route *route = tern_alloc_take_zero(alloc, sizeof *route + room);

  if (route == NULL)
    return NULL;
  route->cc_room_bytes = room;
  route->local = args->local;
  route->remote = args->remote;
  route->is_address_validated = args->is_address_validated;
  route->fail_at = TERN_TIME_NEVER;
  route->challenge_at = TERN_TIME_NEVER;
  tern_rtt_init(&route->rtt, args->initial_rtt_ns);
  tern_pacer_init(&route->pacer, args->now,
                  (uint64_t)TERN_PACER_BURST_INITIAL * args->mtu_initial_bytes);
  tern_rate_init(&route->rate);
  tern_ecn_route_init(&route->ecn, args->has_ecn);
  tern_pmtud_init(&route->pmtud, args->mtu_initial_bytes, args->mtu_max_bytes);
  tern_cc_start start = {
      .now = args->now, .datagram_bytes = args->mtu_initial_bytes, .seed = args->cc_seed};
  tern_route_set_cc(route, args->cc, &start);
  return route;
}

void tern_route_free(struct tern_route *route, struct tern_alloc *alloc)
{
  if (route != NULL)
    tern_alloc_give(alloc, route, sizeof *route + route->cc_room_bytes);
}

void tern_route_set_cc(struct tern_route *route, const tern_cc_ops *cc, const tern_cc_start *start)
{
  TERN_ASSERT(tern_cc_get_state_bytes(cc) <= route->cc_room_bytes);
  route->cc = cc;
  tern_prr_end(&route->prr);
  cc->init(route->cc_state, start);
}

bool tern_route_is(const struct tern_route *route, const tern_addr *local, const tern_addr *remote)
{
  return tern_addr_equal(&route->remote, remote) && tern_addr_equal(&route->local, local);
}

void tern_route_on_datagram_received(struct tern_route *route, uint64_t bytes)
{
  /* [rfc9000-8.1] the payload of datagrams uniquely attributed to the connection, once each */
  if (!route->is_address_validated)
    route->received_bytes += bytes;
}

void tern_route_on_datagram_sent(struct tern_route *route, uint64_t bytes)
{
  if (!route->is_address_validated)
    route->sent_bytes += bytes;
}

void tern_route_on_address_validated(struct tern_route *route)
{
  route->is_address_validated = true;
}

void tern_route_start_validation(struct tern_route *route, uint64_t pto_ns, tern_time now)
{
  if (route->state == TERN_ROUTE_VALIDATING)
    return;
  route->state = TERN_ROUTE_VALIDATING;
  route->is_mtu_validated = false;
  route->wants_challenge = true;
  route->challenges_count = 0;
  route->challenges_next = 0;
  route->patience_ns = VALIDATION_PTOS * pto_ns;
  route->fail_at = now + route->patience_ns;
  route->challenge_at = TERN_TIME_NEVER;
  route->challenge_wait_ns = pto_ns;
}

static void stop_validation(struct tern_route *route, enum tern_route_state state)
{
  route->state = state;
  route->wants_challenge = false;
  route->challenges_count = 0;
  route->fail_at = TERN_TIME_NEVER;
  route->challenge_at = TERN_TIME_NEVER;
}

void tern_route_abandon_validation(struct tern_route *route)
{
  if (route->state == TERN_ROUTE_VALIDATING)
    stop_validation(route, TERN_ROUTE_IDLE);
}

bool tern_route_write_challenge(struct tern_route *route, const uint8_t data[TERN_PATH_DATA_BYTES],
                                struct tern_writer *writer, struct tern_frame_record *record)
{
  if (!route->wants_challenge || tern_writer_left(writer) < TERN_FRAME_SIZE_PATH_CHALLENGE)
    return false;
  tern_frame_write_path_challenge(writer, data);
  struct tern_route_challenge *challenge = &route->challenges[route->challenges_next];
  memcpy(challenge->data, data, TERN_PATH_DATA_BYTES);
  challenge->is_expanded = false;
  route->challenges_next = (uint8_t)((route->challenges_next + 1) % TERN_ROUTE_CHALLENGES);
  if (route->challenges_count < TERN_ROUTE_CHALLENGES)
    route->challenges_count++;
  route->wants_challenge = false;
  tern_record_fill(record, TERN_RECORD_PATH_CHALLENGE, NULL);
  return true;
}

void tern_route_on_challenge_sent(struct tern_route *route, uint64_t bytes, tern_time now)
{
  if (route->state != TERN_ROUTE_VALIDATING || route->challenges_count == 0)
    return;
  uint8_t newest =
      (uint8_t)((route->challenges_next + TERN_ROUTE_CHALLENGES - 1) % TERN_ROUTE_CHALLENGES);
  route->challenges[newest].is_expanded = bytes >= TERN_INITIAL_DATAGRAM_MIN;
  /* [rfc9000-8.2.1] not more often than an Initial would be sent: back off likewise */
  route->challenge_at = now + route->challenge_wait_ns;
  if (route->challenge_wait_ns < route->patience_ns)
    route->challenge_wait_ns *= 2;
}

void tern_route_on_challenge_lost(struct tern_route *route)
{
  /* [rfc9000-13.3] sent again, with other data, until answered or no longer needed */
  if (route->state == TERN_ROUTE_VALIDATING)
    route->wants_challenge = true;
}

/* The challenge that `data` answers, or NULL. */
static struct tern_route_challenge *find_challenge(struct tern_route *route,
                                                   const uint8_t data[TERN_PATH_DATA_BYTES])
{
  for (uint8_t back = 1; back <= route->challenges_count; back++) {
    uint8_t i =
        (uint8_t)((route->challenges_next + TERN_ROUTE_CHALLENGES - back) % TERN_ROUTE_CHALLENGES);
    if (memcmp(route->challenges[i].data, data, TERN_PATH_DATA_BYTES) == 0)
      return &route->challenges[i];
  }
  return NULL;
}

bool tern_route_on_response(struct tern_route *route, const uint8_t data[TERN_PATH_DATA_BYTES],
                            tern_time now)
{
  if (route->state != TERN_ROUTE_VALIDATING)
    return false;
  struct tern_route_challenge *challenge = find_challenge(route, data);
  if (challenge == NULL)
    return false;
  route->is_address_validated = true;
  if (challenge->is_expanded) {
    stop_validation(route, TERN_ROUTE_VALIDATED);
    route->is_mtu_validated = true;
    return true;
  }
  /* [rfc9000-8.2.3] the address is validated, the MTU is not: MUST begin another validation, with
   * the same patience */
  route->wants_challenge = true;
  route->challenges_count = 0;
  route->fail_at = now + route->patience_ns;
  route->challenge_at = TERN_TIME_NEVER;
  return true;
}

tern_time tern_route_deadline(const struct tern_route *route)
{
  if (route->state != TERN_ROUTE_VALIDATING)
    return TERN_TIME_NEVER;
  if (route->challenge_at < route->fail_at)
    return route->challenge_at;
  return route->fail_at;
}

bool tern_route_on_timeout(struct tern_route *route, tern_time now)
{
  if (route->state != TERN_ROUTE_VALIDATING)
    return false;
  if (now >= route->fail_at) {
    stop_validation(route, TERN_ROUTE_FAILED);
    return true;
  }
  if (now >= route->challenge_at) {
    route->wants_challenge = true;
    route->challenge_at = TERN_TIME_NEVER;
  }
  return false;
}

void tern_route_on_challenge(struct tern_route *route, const uint8_t data[TERN_PATH_DATA_BYTES])
{
  /* [HOSTILE T1] a flood of challenges costs four slots, whatever the window does */
  if (route->responses_count == TERN_CAP_PATH_RESPONSES) {
    route->responses_first = (uint8_t)((route->responses_first + 1) % TERN_CAP_PATH_RESPONSES);
    route->responses_count--;
  }
  uint8_t i =
      (uint8_t)((route->responses_first + route->responses_count) % TERN_CAP_PATH_RESPONSES);
  memcpy(route->responses[i], data, TERN_PATH_DATA_BYTES);
  route->responses_count++;
}

bool tern_route_write_response(struct tern_route *route, struct tern_writer *writer,
                               struct tern_frame_record *record)
{
  if (route->responses_count == 0 || tern_writer_left(writer) < TERN_FRAME_SIZE_PATH_RESPONSE)
    return false;
  tern_frame_write_path_response(writer, route->responses[route->responses_first]);
  route->responses_first = (uint8_t)((route->responses_first + 1) % TERN_CAP_PATH_RESPONSES);
  route->responses_count--;
  tern_record_fill(record, TERN_RECORD_PATH_RESPONSE, NULL);
  return true;
}
