/* SPDX-License-Identifier: MIT */
/* Nodes, links and the clock. The way of a datagram is in sim_net.c. */
#include "sim/sim.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "sim/sim_internal.h"

tern_status tern_sim_new(struct tern_sim **out, uint64_t seed, const tern_alloc_ops *alloc)
{
  const tern_alloc_ops *ops = alloc != NULL ? alloc : &tern_alloc_system;
  struct tern_sim *sim = ops->take(ops->arg, sizeof(*sim));
  *out = sim;
  if (sim == NULL)
    return TERN_NOMEM;
  memset(sim, 0, sizeof(*sim));
  sim->ops = *ops;
  tern_alloc_init(&sim->alloc, &sim->ops, NULL, UINT64_MAX);
  tern_random_seeded_init(&sim->seeds, seed);
  tern_agenda_init(&sim->agenda, &sim->alloc);
  tern_heap_init(&sim->timers, &sim->alloc);
  tern_list_init(&sim->touched);
  sim->now = TERN_SIM_START;
  sim->hash = seed;
  return TERN_OK;
}

static void free_node(struct tern_sim *sim, struct tern_sim_node *node)
{
  if (!node->is_dead && node->host->free != NULL)
    node->host->free(node->arg);
  for (size_t i = 0; i < node->inbox_count; i++)
    tern_sim_give_event(sim, node->inbox[i]);
  tern_alloc_give(&sim->alloc, node->hops, node->hops_capacity * sizeof(*node->hops));
  tern_alloc_give(&sim->alloc, node, sizeof(*node));
}

/* What still waits in a link's queue is not on the agenda. */
static void free_queue(struct tern_sim *sim, struct tern_sim_queue *queue)
{
  struct tern_sim_packet *packet;
  do {
    packet = tern_sim_queue_next(queue, sim->now);
    if (packet != NULL)
      tern_sim_give_event(sim, TERN_CONTAINER_OF(packet, struct tern_sim_event, packet));
    struct tern_sim_packet *dropped;
    while ((dropped = tern_sim_queue_take_dropped(queue)) != NULL)
      tern_sim_give_event(sim, TERN_CONTAINER_OF(dropped, struct tern_sim_event, packet));
  } while (packet != NULL);
  tern_sim_queue_deinit(queue);
}

static void free_links(struct tern_sim *sim)
{
  struct tern_sim_link_slot *slot;
  while ((slot = sim->links) != NULL) {
    sim->links = slot->next;
    if (slot->link.queue != NULL)
      free_queue(sim, &slot->queue);
    tern_alloc_give(&sim->alloc, slot, sizeof(*slot));
  }
}

static void free_events(struct tern_sim *sim)
{
  struct tern_sim_event *event;
  while ((event = tern_agenda_take(&sim->agenda, TERN_TIME_NEVER)) != NULL)
    tern_alloc_give(&sim->alloc, event, sizeof(*event) + event->capacity);
  while ((event = sim->free_events) != NULL) {
    sim->free_events = event->next_free;
    tern_alloc_give(&sim->alloc, event, sizeof(*event) + event->capacity);
  }
}

void tern_sim_free(struct tern_sim *sim)
{
  if (sim == NULL)
    return;
  for (size_t i = 0; i < sim->nodes_count; i++)
    free_node(sim, sim->nodes[i]);
  tern_alloc_give(&sim->alloc, sim->nodes, sim->nodes_capacity * sizeof(*sim->nodes));
  free_links(sim);
  free_events(sim);
  tern_agenda_deinit(&sim->agenda);
  tern_heap_deinit(&sim->timers);
  tern_alloc_deinit(&sim->alloc);
  tern_alloc_ops ops = sim->ops;
  ops.give(ops.arg, sim, sizeof(*sim));
}

void tern_sim_fail(struct tern_sim *sim, const char *fault)
{
  if (sim->fault == NULL)
    sim->fault = fault;
}

/* Room for one more in an array of the simulation; NULL = no memory, the old one stays. */
static void *grow_array(struct tern_sim *sim, void *array, size_t *capacity, size_t item_bytes)
{
  size_t old = *capacity * item_bytes;
  size_t wanted = *capacity == 0 ? 8 : *capacity * 2;
  void *grown = array == NULL ? tern_alloc_take(&sim->alloc, wanted * item_bytes)
                              : tern_alloc_resize(&sim->alloc, array, old, wanted * item_bytes);
  if (grown != NULL)
    *capacity = wanted;
  return grown;
}

/* ---- nodes ------------------------------------------------------------------------------- */

tern_status tern_sim_add_host(struct tern_sim *sim, const struct tern_sim_host_args *args,
                              struct tern_sim_node **out)
{
  if (sim->nodes_count == TERN_SIM_NODES_MAX)
    return TERN_LIMIT;
  if (sim->nodes_count == sim->nodes_capacity) {
    void *grown = grow_array(sim, sim->nodes, &sim->nodes_capacity, sizeof(*sim->nodes));
    if (grown == NULL)
      return TERN_NOMEM;
    sim->nodes = grown;
  }
  struct tern_sim_node *node = tern_alloc_take_zero(&sim->alloc, sizeof(*node));
  if (node == NULL)
    return TERN_NOMEM;
  node->sim = sim;
  node->name = args->name;
  node->host = args->host;
  node->arg = args->arg;
  node->addrs[0].inner = args->addr;
  node->addrs[0].outer = args->addr;
  node->addrs_count = 1;
  tern_random_seeded_init(&node->random, tern_sim_next_seed(sim));
  if (tern_heap_insert(&sim->timers, &node->timer, TERN_TIME_NEVER) != TERN_OK) {
    tern_alloc_give(&sim->alloc, node, sizeof(*node));
    return TERN_NOMEM;
  }
  sim->nodes[sim->nodes_count++] = node;
  *out = node;
  return TERN_OK;
}

tern_endpoint *tern_sim_node_endpoint(const struct tern_sim_node *node)
{
  return node->is_dead ? NULL : node->endpoint;
}

void tern_sim_node_crash(struct tern_sim *sim, struct tern_sim_node *node)
{
  if (node->is_dead)
    return;
  node->is_dead = true;
  tern_heap_update(&sim->timers, &node->timer, TERN_TIME_NEVER);
  if (node->host->free != NULL)
    node->host->free(node->arg);
}

tern_status tern_sim_node_add_addr(struct tern_sim_node *node, const tern_addr *addr)
{
  if (node->addrs_count == TERN_SIM_ADDRS_MAX)
    return TERN_LIMIT;
  node->addrs[node->addrs_count].inner = *addr;
  node->addrs[node->addrs_count].outer = *addr;
  node->addrs_count++;
  return TERN_OK;
}

void tern_sim_node_rebind(struct tern_sim_node *node, size_t index, const tern_addr *outer)
{
  TERN_ASSERT(index < node->addrs_count);
  node->addrs[index].outer = *outer;
}

void tern_sim_node_skew(struct tern_sim *sim, struct tern_sim_node *node, int64_t skew_ns)
{
  node->skew_ns = skew_ns;
  tern_sim_touch(sim, node);
}

void tern_sim_node_set_socket(struct tern_sim_node *node, tern_sim_socket *hook, void *arg)
{
  node->socket = hook;
  node->socket_arg = arg;
}

const char *tern_sim_node_name(const struct tern_sim_node *node)
{
  return node->name;
}

tern_addr tern_sim_node_addr(const struct tern_sim_node *node, size_t index)
{
  TERN_ASSERT(index < node->addrs_count);
  return node->addrs[index].outer;
}

struct tern_sim_node_stats tern_sim_node_get_stats(const struct tern_sim_node *node)
{
  return node->stats;
}

/* ---- links ------------------------------------------------------------------------------- */

struct tern_sim_link *tern_sim_add_link(struct tern_sim *sim,
                                        const struct tern_sim_link_config *config)
{
  struct tern_sim_link_slot *slot = tern_alloc_take_zero(&sim->alloc, sizeof(*slot));
  if (slot == NULL)
    return NULL;
  slot->next = sim->links;
  sim->links = slot;
  tern_sim_link_init(&slot->link, config, tern_sim_next_seed(sim));
  return &slot->link;
}

static struct tern_sim_hop *find_hop(const struct tern_sim_node *from,
                                     const struct tern_sim_node *to)
{
  for (size_t i = 0; i < from->hops_count; i++) {
    if (from->hops[i].to == to)
      return &from->hops[i];
  }
  return NULL;
}

static struct tern_sim_hop *add_hop(struct tern_sim *sim, struct tern_sim_node *from,
                                    struct tern_sim_node *to)
{
  if (from->hops_count == from->hops_capacity) {
    void *grown = grow_array(sim, from->hops, &from->hops_capacity, sizeof(*from->hops));
    if (grown == NULL)
      return NULL;
    from->hops = grown;
  }
  struct tern_sim_hop *hop = &from->hops[from->hops_count++];
  memset(hop, 0, sizeof(*hop));
  hop->to = to;
  return hop;
}

tern_status tern_sim_link_manage(struct tern_sim *sim, struct tern_sim_link *link,
                                 enum tern_sim_aqm aqm)
{
  struct tern_sim_link_slot *slot = TERN_CONTAINER_OF(link, struct tern_sim_link_slot, link);
  TERN_ASSERT(link->queue == NULL);
  if (aqm == TERN_SIM_AQM_NONE)
    return TERN_OK;
  tern_status status =
      tern_sim_queue_init(&slot->queue, aqm, link->config.queue_bytes, &sim->alloc);
  if (status == TERN_OK)
    link->queue = &slot->queue;
  return status;
}

tern_status tern_sim_route_path(struct tern_sim *sim, struct tern_sim_node *from,
                                struct tern_sim_node *to, struct tern_sim_link *const *links,
                                size_t count)
{
  if (count == 0 || count > TERN_SIM_PATH_MAX)
    return TERN_INVALID;
  struct tern_sim_hop *hop = find_hop(from, to);
  if (hop == NULL)
    hop = add_hop(sim, from, to);
  if (hop == NULL)
    return TERN_NOMEM;
  memcpy(hop->path, links, count * sizeof(*links));
  hop->path_count = count;
  return TERN_OK;
}

tern_status tern_sim_route(struct tern_sim *sim, struct tern_sim_node *from,
                           struct tern_sim_node *to, struct tern_sim_link *link)
{
  return tern_sim_route_path(sim, from, to, &link, 1);
}

tern_status tern_sim_connect(struct tern_sim *sim, struct tern_sim_node *a, struct tern_sim_node *b,
                             const struct tern_sim_link_config *config)
{
  struct tern_sim_link *there = tern_sim_add_link(sim, config);
  struct tern_sim_link *back = tern_sim_add_link(sim, config);
  if (there == NULL || back == NULL)
    return TERN_NOMEM;
  tern_status status = tern_sim_route(sim, a, b, there);
  return status == TERN_OK ? tern_sim_route(sim, b, a, back) : status;
}

struct tern_sim_link *tern_sim_find_link(const struct tern_sim_node *from,
                                         const struct tern_sim_node *to)
{
  const struct tern_sim_hop *hop = find_hop(from, to);
  return hop == NULL ? NULL : hop->path[0];
}

/* ---- hooks ------------------------------------------------------------------------------- */

void tern_sim_set_filter(struct tern_sim *sim, tern_sim_filter *filter, void *arg)
{
  sim->filter = filter;
  sim->filter_arg = arg;
}

void tern_sim_set_tap(struct tern_sim *sim, tern_sim_tap *tap, void *arg)
{
  sim->tap = tap;
  sim->tap_arg = arg;
}

void tern_sim_set_trace(struct tern_sim *sim, tern_sim_trace *trace, void *arg)
{
  sim->trace = trace;
  sim->trace_arg = arg;
}

tern_status tern_sim_at(struct tern_sim *sim, tern_time at, tern_sim_call *call, void *arg)
{
  struct tern_sim_event *event = tern_sim_take_event(sim, 0);
  if (event == NULL)
    return TERN_NOMEM;
  event->call = call;
  event->call_arg = arg;
  tern_status status = tern_agenda_add(&sim->agenda, at < sim->now ? sim->now : at, event);
  if (status != TERN_OK)
    tern_sim_give_event(sim, event);
  return status;
}

/* ---- the clock --------------------------------------------------------------------------- */

tern_time tern_sim_now(const struct tern_sim *sim)
{
  return sim->now;
}

uint64_t tern_sim_get_hash(const struct tern_sim *sim)
{
  return sim->hash;
}

uint64_t tern_sim_get_delivered(const struct tern_sim *sim)
{
  return sim->delivered;
}

const char *tern_sim_get_fault(const struct tern_sim *sim)
{
  return sim->fault;
}

uint64_t tern_sim_next_seed(struct tern_sim *sim)
{
  return tern_random_seeded_next(&sim->seeds);
}

tern_time tern_sim_node_now(const struct tern_sim *sim, const struct tern_sim_node *node)
{
  if (node->skew_ns >= 0)
    return sim->now + (uint64_t)node->skew_ns;
  uint64_t behind = 0 - (uint64_t)node->skew_ns;
  return sim->now > behind ? sim->now - behind : 0;
}

/* When the node wants a turn, on the simulation's clock. */
static tern_time next_turn(const struct tern_sim *sim, const struct tern_sim_node *node)
{
  if (node->is_dead || node->host->deadline == NULL)
    return TERN_TIME_NEVER;
  tern_time deadline = node->host->deadline(node->arg);
  if (deadline == TERN_TIME_NEVER)
    return TERN_TIME_NEVER;
  tern_time node_now = tern_sim_node_now(sim, node);
  tern_time at = deadline <= node_now ? sim->now : sim->now + (deadline - node_now);
  if (at < sim->now) /* wrapped */
    return TERN_TIME_NEVER;
  return at < node->blocked_until ? node->blocked_until : at;
}

void tern_sim_touch(struct tern_sim *sim, struct tern_sim_node *node)
{
  if (!tern_list_has_node(&node->touched_node))
    tern_list_push_back(&sim->touched, &node->touched_node);
}

/* Everything the node wants to send now. */
static void flush(struct tern_sim *sim, struct tern_sim_node *node)
{
  const tern_run *run;
  if (node->host->send == NULL || sim->now < node->blocked_until)
    return;
  for (unsigned runs = 0; (run = node->host->send(node->arg, tern_sim_node_now(sim, node))) != NULL;
       runs++) {
    size_t count = tern_sim_run_count(run);
    int error = 0;
    size_t taken =
        node->socket == NULL ? count : node->socket(node->socket_arg, run, count, &error);
    TERN_ASSERT(taken <= count);
    tern_sim_transmit(sim, node, run, taken);
    if (node->host->sent != NULL)
      node->host->sent(node->arg, run, taken, error, tern_sim_node_now(sim, node));
    if (error == EAGAIN) {
      node->blocked_until = sim->now + TERN_MS;
      return;
    }
    if (runs == TERN_SIM_TURNS_MAX) {
      tern_sim_fail(sim, "a node sends without end");
      return;
    }
  }
}

/* A node that is due again and again at one instant makes no progress [HOSTILE.md, O6]. */
static void count_turn(struct tern_sim *sim, struct tern_sim_node *node)
{
  node->stats.turns++;
  node->turns_at_once = node->last_turn == sim->now ? node->turns_at_once + 1 : 0;
  node->last_turn = sim->now;
  if (node->turns_at_once > TERN_SIM_TURNS_MAX)
    tern_sim_fail(sim, "a node re-arms its timer without end");
}

static void take_turn(struct tern_sim *sim, struct tern_sim_node *node)
{
  tern_sim_deliver(sim, node);
  if (node->is_dead)
    return;
  count_turn(sim, node);
  tern_time node_now = tern_sim_node_now(sim, node);
  if (node->host->deadline != NULL && node->host->timeout != NULL &&
      node->host->deadline(node->arg) <= node_now)
    node->host->timeout(node->arg, node_now);
  if (!node->is_dead)
    flush(sim, node);
  tern_heap_update(&sim->timers, &node->timer, next_turn(sim, node));
}

static void touch_all(struct tern_sim *sim)
{
  for (size_t i = 0; i < sim->nodes_count; i++)
    tern_sim_touch(sim, sim->nodes[i]);
}

/* Sorts what the agenda has for this instant into inboxes; calls run at once. */
static void take_events(struct tern_sim *sim)
{
  struct tern_sim_event *event;
  while (sim->fault == NULL && (event = tern_agenda_take(&sim->agenda, sim->now)) != NULL) {
    if (event->call != NULL) {
      tern_sim_call *call = event->call;
      void *arg = event->call_arg;
      tern_sim_give_event(sim, event);
      call(arg, sim);
      touch_all(sim);
      continue;
    }
    if (event->serves != NULL) {
      struct tern_sim_link *link = event->serves;
      TERN_CONTAINER_OF(link, struct tern_sim_link_slot, link)->is_served = false;
      tern_sim_give_event(sim, event);
      tern_sim_serve(sim, link);
      continue;
    }
    if (event->path_count != 0) {
      tern_sim_depart(sim, event);
      continue;
    }
    struct tern_sim_node *node = event->to;
    if (node->inbox_count == TERN_SIM_BATCH_MAX)
      tern_sim_deliver(sim, node);
    node->inbox[node->inbox_count++] = event;
    tern_sim_touch(sim, node);
  }
}

/* The nodes' turns of this instant. What they do may touch others, which then have theirs, too. */
static void take_turns(struct tern_sim *sim)
{
  while (tern_heap_first_key(&sim->timers) <= sim->now) {
    struct tern_sim_node *node =
        TERN_CONTAINER_OF(tern_heap_first(&sim->timers), struct tern_sim_node, timer);
    tern_sim_touch(sim, node);
    tern_heap_update(&sim->timers, &node->timer, TERN_TIME_NEVER);
  }
  struct tern_list_node *touched;
  while (sim->fault == NULL && (touched = tern_list_pop_front(&sim->touched)) != NULL)
    take_turn(sim, TERN_CONTAINER_OF(touched, struct tern_sim_node, touched_node));
}

static tern_time next_instant(const struct tern_sim *sim)
{
  tern_time agenda = tern_agenda_first_at(&sim->agenda);
  tern_time timers = tern_heap_first_key(&sim->timers);
  return agenda < timers ? agenda : timers;
}

/* Assumes that nobody used an endpoint since the last instant. */
static bool step(struct tern_sim *sim, tern_time until)
{
  if (sim->fault != NULL)
    return false;
  tern_time at = next_instant(sim);
  if (at > until || at == TERN_TIME_NEVER) {
    if (until > sim->now && until != TERN_TIME_NEVER)
      sim->now = until;
    return false;
  }
  sim->now = at > sim->now ? at : sim->now;
  take_events(sim);
  take_turns(sim);
  return sim->fault == NULL;
}

bool tern_sim_step(struct tern_sim *sim, tern_time until)
{
  touch_all(sim);
  take_turns(sim);
  return step(sim, until);
}

void tern_sim_run_until(struct tern_sim *sim, tern_time until)
{
  touch_all(sim);
  take_turns(sim);
  while (step(sim, until))
    ;
}

bool tern_sim_run_until_true(struct tern_sim *sim, tern_sim_predicate *is_done, void *arg,
                             tern_time until)
{
  touch_all(sim);
  take_turns(sim);
  for (;;) {
    if (is_done(arg))
      return true;
    if (!step(sim, until))
      return is_done(arg);
  }
}
