/* SPDX-License-Identifier: MIT */
/* The way of a datagram: out of a run, past the filter, over a link, onto the agenda, into an inbox. */
#include "sim/sim_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct tern_sim_event *tern_sim_take_event(struct tern_sim *sim, size_t len)
{
  struct tern_sim_event *event = sim->free_events;
  if (event != NULL && len <= TERN_SIM_PACKET_ROOM) {
    sim->free_events = event->next_free;
  } else {
    size_t capacity = len < TERN_SIM_PACKET_ROOM ? TERN_SIM_PACKET_ROOM : len;
    event = tern_alloc_take(&sim->alloc, sizeof(*event) + capacity);
    if (event == NULL) {
      tern_sim_fail(sim, "no memory");
      return NULL;
    }
    event->capacity = capacity;
  }
  event->next_free = NULL;
  event->call = NULL;
  event->serves = NULL;
  memset(&event->packet, 0, sizeof(event->packet));
  event->path_count = 0;
  event->to = NULL;
  memset(&event->datagram, 0, sizeof(event->datagram));
  event->datagram.data = event->bytes;
  event->datagram.len = len;
  return event;
}

void tern_sim_give_event(struct tern_sim *sim, struct tern_sim_event *event)
{
  if (event->capacity > TERN_SIM_PACKET_ROOM) {
    tern_alloc_give(&sim->alloc, event, sizeof(*event) + event->capacity);
    return;
  }
  event->next_free = sim->free_events;
  sim->free_events = event;
}

/* ---- hash and trace ---------------------------------------------------------------------- */

static void mix(struct tern_sim *sim, uint64_t word)
{
  uint64_t hash = (sim->hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
  sim->hash = hash ^ hash >> 32;
}

static void mix_bytes(struct tern_sim *sim, const uint8_t *data, size_t len)
{
  uint64_t word;
  for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
    memcpy(&word, data, sizeof(word));
    mix(sim, word);
  }
  word = len;
  for (size_t i = 0; i < len; i++)
    word = word << 8 | data[i];
  mix(sim, word);
}

static void mix_addr(struct tern_sim *sim, const tern_addr *addr)
{
  mix(sim, (uint64_t)addr->family << 16 | addr->port);
  mix_bytes(sim, addr->ip, sizeof(addr->ip));
}

static void trace(struct tern_sim *sim, const char *what, const tern_datagram *datagram)
{
  char line[256];
  char from[TERN_ADDR_TEXT_MAX];
  char to[TERN_ADDR_TEXT_MAX];
  if (sim->trace == NULL)
    return;
  snprintf(line, sizeof(line), "%" PRIu64 ".%09" PRIu64 " %-8s %s > %s %zu ecn %u",
           sim->now / TERN_SECOND, sim->now % TERN_SECOND, what,
           tern_addr_format(&datagram->remote, from, sizeof(from)),
           tern_addr_format(&datagram->local, to, sizeof(to)), datagram->len,
           (unsigned)datagram->ecn);
  sim->trace(sim->trace_arg, line);
}

/* ---- out --------------------------------------------------------------------------------- */

size_t tern_sim_run_count(const tern_run *run)
{
  if (run->segment_bytes == 0)
    return 1;
  return run->len == 0 ? 1 : (run->len + run->segment_bytes - 1) / run->segment_bytes;
}

static struct tern_sim_node *find_owner(const struct tern_sim *sim, const tern_addr *addr,
                                        size_t *index)
{
  for (size_t i = 0; i < sim->nodes_count; i++) {
    struct tern_sim_node *node = sim->nodes[i];
    for (size_t j = 0; j < node->addrs_count && !node->is_dead; j++) {
      if (tern_addr_equal(&node->addrs[j].outer, addr)) {
        *index = j;
        return node;
      }
    }
  }
  return NULL;
}

static struct tern_sim_hop *find_hop(struct tern_sim_node *from, const struct tern_sim_node *to)
{
  for (size_t i = 0; i < from->hops_count; i++) {
    if (from->hops[i].to == to)
      return &from->hops[i];
  }
  return NULL;
}

/* The address a datagram leaves with: the NAT's, if it is one of the node's own; else as it is. */
static tern_addr outer_of(const struct tern_sim_node *node, const tern_addr *local)
{
  if (local->family == 0)
    return node->addrs[0].outer;
  for (size_t i = 0; i < node->addrs_count; i++) {
    if (tern_addr_equal(&node->addrs[i].inner, local))
      return node->addrs[i].outer;
  }
  return *local;
}

static void put_on_way(struct tern_sim *sim, struct tern_sim_event *event, tern_time at)
{
  if (tern_agenda_add(&sim->agenda, at, event) == TERN_OK)
    return;
  tern_sim_fail(sim, "no memory");
  tern_sim_give_event(sim, event);
}

static struct tern_sim_event *copy_event(struct tern_sim *sim, const struct tern_sim_event *event)
{
  struct tern_sim_event *copy = tern_sim_take_event(sim, event->datagram.len);
  if (copy == NULL)
    return NULL;
  uint8_t *data = copy->datagram.data;
  copy->to = event->to;
  copy->to_addr = event->to_addr;
  copy->target = event->target;
  memcpy(copy->path, event->path, sizeof(copy->path));
  copy->path_count = event->path_count;
  copy->datagram = event->datagram;
  copy->datagram.data = data;
  memcpy(data, event->datagram.data, event->datagram.len);
  return copy;
}

static struct tern_sim_link *take_link(struct tern_sim_event *event)
{
  struct tern_sim_link *link = event->path[0];
  event->path_count--;
  memmove(event->path, event->path + 1, event->path_count * sizeof(event->path[0]));
  return link;
}

/* What comes after a link: the next one, or the node. */
static void pass_on(struct tern_sim *sim, struct tern_sim_event *event,
                    const struct tern_sim_fate *fate)
{
  tern_datagram *datagram = &event->datagram;
  datagram->ecn = fate->ecn;
  trace(sim, "sent", datagram);
  struct tern_sim_event *copy = fate->copies > 1 ? copy_event(sim, event) : NULL;
  if (fate->is_corrupt)
    datagram->data[fate->corrupt_at] ^= fate->corrupt_mask;
  put_on_way(sim, event, fate->arrive_at[0]);
  if (copy != NULL)
    put_on_way(sim, copy, fate->arrive_at[1]);
}

static void drop(struct tern_sim *sim, struct tern_sim_event *event, enum tern_sim_drop why)
{
  trace(sim, tern_sim_drop_name(why), &event->datagram);
  tern_sim_give_event(sim, event);
}

static void free_dropped(struct tern_sim *sim, struct tern_sim_link *link)
{
  struct tern_sim_packet *packet;
  while ((packet = tern_sim_link_take_dropped(link)) != NULL)
    drop(sim, TERN_CONTAINER_OF(packet, struct tern_sim_event, packet), TERN_SIM_DROP_QUEUE);
}

static uint32_t hash_flow(const tern_datagram *datagram)
{
  uint32_t hash = (uint32_t)datagram->remote.port * 0x9e3779b1u + datagram->local.port;
  for (size_t i = 0; i < sizeof(datagram->remote.ip); i++)
    hash = (hash ^ datagram->remote.ip[i] ^ (uint32_t)datagram->local.ip[i] << 8) * 0x01000193u;
  return hash ^ hash >> 15;
}

void tern_sim_serve(struct tern_sim *sim, struct tern_sim_link *link)
{
  struct tern_sim_link_slot *slot = TERN_CONTAINER_OF(link, struct tern_sim_link_slot, link);
  struct tern_sim_packet *packet;
  struct tern_sim_fate fate;
  while ((packet = tern_sim_link_take(link, sim->now, &fate)) != NULL)
    pass_on(sim, TERN_CONTAINER_OF(packet, struct tern_sim_event, packet), &fate);
  free_dropped(sim, link);
  tern_time at = tern_sim_link_ready_at(link);
  if (at == TERN_TIME_NEVER || slot->is_served)
    return;
  struct tern_sim_event *event = tern_sim_take_event(sim, 0);
  if (event == NULL)
    return;
  event->serves = link;
  slot->is_served = true;
  put_on_way(sim, event, at);
}

static void wait_in_queue(struct tern_sim *sim, struct tern_sim_link *link,
                          struct tern_sim_event *event)
{
  event->packet.len = event->datagram.len;
  event->packet.ecn = event->datagram.ecn;
  event->packet.flow = hash_flow(&event->datagram);
  enum tern_sim_drop why = tern_sim_link_offer(link, &event->packet, sim->now);
  if (why != TERN_SIM_DROP_NONE)
    drop(sim, event, why);
  tern_sim_serve(sim, link);
}

void tern_sim_depart(struct tern_sim *sim, struct tern_sim_event *event)
{
  struct tern_sim_fate fate;
  struct tern_sim_link *link = take_link(event);
  if (link->queue != NULL) {
    wait_in_queue(sim, link, event);
    return;
  }
  tern_sim_link_send(link, sim->now, event->datagram.len, event->datagram.ecn, &fate);
  if (fate.copies == 0)
    drop(sim, event, fate.drop);
  else
    pass_on(sim, event, &fate);
}

/* False if the filter took it. */
static bool ask_filter(struct tern_sim *sim, struct tern_sim_node *from,
                       struct tern_sim_event *event, uint64_t index, tern_time *delay_ns)
{
  struct tern_sim_datagram datagram = {0};
  datagram.data = event->datagram.data;
  datagram.len = event->datagram.len;
  datagram.capacity = event->capacity;
  datagram.ecn = event->datagram.ecn;
  datagram.from = from;
  datagram.to = event->to;
  datagram.source = event->datagram.remote;
  datagram.target = event->target;
  datagram.index = index;
  datagram.now = sim->now;
  if (!sim->filter(sim->filter_arg, &datagram))
    return false;
  event->datagram.len = datagram.len <= event->capacity ? datagram.len : event->capacity;
  event->datagram.ecn = datagram.ecn;
  *delay_ns = datagram.delay_ns;
  return true;
}

struct way {
  struct tern_sim_node *from;
  struct tern_sim_hop *hop;
  size_t addr; /* of the destination node */
  tern_addr source;
  tern_time wait_ns; /* until the run may leave */
};

static void transmit_one(struct tern_sim *sim, const struct way *way, const tern_run *run,
                         tern_slice bytes)
{
  struct tern_sim_event *event = tern_sim_take_event(sim, bytes.len);
  tern_time delay_ns = 0;
  if (event == NULL)
    return;
  if (bytes.len != 0)
    memcpy(event->datagram.data, bytes.data, bytes.len);
  event->to = way->hop->to;
  event->to_addr = way->addr;
  event->target = run->remote;
  event->datagram.ecn = run->ecn;
  event->datagram.local = way->hop->to->addrs[way->addr].inner;
  event->datagram.remote = way->source;
  uint64_t index = way->hop->sent++;
  if (sim->filter != NULL && !ask_filter(sim, way->from, event, index, &delay_ns)) {
    trace(sim, "filtered", &event->datagram);
    tern_sim_give_event(sim, event);
    return;
  }
  memcpy(event->path, way->hop->path, sizeof(event->path));
  event->path_count = way->hop->path_count;
  if (delay_ns + way->wait_ns == 0)
    tern_sim_depart(sim, event);
  else
    put_on_way(sim, event, sim->now + delay_ns + way->wait_ns);
}

void tern_sim_transmit(struct tern_sim *sim, struct tern_sim_node *node, const tern_run *run,
                       size_t count)
{
  struct way way = {node, NULL, 0, outer_of(node, &run->local), 0};
  struct tern_sim_node *to = find_owner(sim, &run->remote, &way.addr);
  if (to != NULL)
    way.hop = find_hop(node, to);
  tern_time node_now = tern_sim_node_now(sim, node);
  if (run->send_at > node_now)
    way.wait_ns = run->send_at - node_now;
  size_t segment = run->segment_bytes == 0 ? run->len : run->segment_bytes;
  const uint8_t *at = run->data;
  size_t left = run->len;
  for (; count > 0; count--) {
    size_t len = left < segment ? left : segment;
    node->stats.datagrams_sent++;
    node->stats.bytes_sent += len;
    if (way.hop == NULL || way.hop->path[0] == NULL)
      node->stats.unroutable++;
    else
      transmit_one(sim, &way, run, tern_slice_of(at, len));
    at += len;
    left -= len;
  }
}

tern_status tern_sim_send(struct tern_sim *sim, struct tern_sim_node *node, const tern_run *run)
{
  size_t index;
  if (find_owner(sim, &run->remote, &index) == NULL)
    return TERN_INVALID;
  tern_sim_transmit(sim, node, run, tern_sim_run_count(run));
  return sim->fault == NULL ? TERN_OK : TERN_NOMEM;
}

/* ---- in ---------------------------------------------------------------------------------- */

static void note_delivery(struct tern_sim *sim, struct tern_sim_node *node,
                          const tern_datagram *datagram)
{
  sim->delivered++;
  node->stats.datagrams_received++;
  node->stats.bytes_received += datagram->len;
  mix(sim, sim->now);
  mix(sim, (uint64_t)datagram->len << 8 | datagram->ecn);
  mix_addr(sim, &datagram->remote);
  mix_addr(sim, &datagram->local);
  mix_bytes(sim, datagram->data, datagram->len);
  trace(sim, "arrived", datagram);
  if (sim->tap != NULL)
    sim->tap(sim->tap_arg, node, datagram, sim->now);
}

/* False if the node crashed, or if a NAT rebinding came while the datagram was on its way. */
static bool is_reachable(const struct tern_sim_event *event)
{
  const struct tern_sim_node *node = event->to;
  return !node->is_dead && tern_addr_equal(&node->addrs[event->to_addr].outer, &event->target);
}

void tern_sim_deliver(struct tern_sim *sim, struct tern_sim_node *node)
{
  tern_datagram batch[TERN_SIM_BATCH_MAX];
  size_t held = node->inbox_count;
  size_t count = 0;
  node->inbox_count = 0;
  for (size_t i = 0; i < held; i++) {
    if (!is_reachable(node->inbox[i]))
      continue;
    batch[count] = node->inbox[i]->datagram;
    note_delivery(sim, node, &batch[count]);
    count++;
  }
  if (count != 0)
    node->host->receive(node->arg, batch, count, tern_sim_node_now(sim, node));
  for (size_t i = 0; i < held; i++)
    tern_sim_give_event(sim, node->inbox[i]);
}
