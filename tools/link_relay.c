/* SPDX-License-Identifier: MIT */
/* The relay's turn: what is due goes out, what came goes into the model, then sleep until shortly before
 * the next one is due and watch the clock for the rest. */
#define _GNU_SOURCE
#include "link_relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cli.h"

/* Datagrams taken from one socket before others and what is due have their turn. */
#define BATCH 32
#define EVENTS 64
#define PACKET_ROOM 2048
/* epoll's own marks; clients are their index. */
#define MARK_LISTEN UINT64_MAX
#define MARK_TIMER (UINT64_MAX - 1)

struct tern_relay_packet {
  struct tern_sim_packet queued;
  struct tern_relay_packet *next_spare;
  struct tern_relay_way *way;
  size_t client;
  tern_addr addr; /* the client's, to know that the slot is still its own */
  tern_time due;
  uint8_t ecn;
  size_t len, capacity;
  uint8_t bytes[];
};

/* ---- packets ----------------------------------------------------------------------------- */

static struct tern_relay_packet *take_packet(struct tern_relay *relay, size_t len)
{
  struct tern_relay_packet *packet = relay->spare;
  if (relay->held == TERN_RELAY_HELD_MAX) {
    relay->figures.overflow++;
    return NULL;
  }
  relay->held++;
  if (packet != NULL && len <= packet->capacity) {
    relay->spare = packet->next_spare;
    return packet;
  }
  size_t capacity = len < PACKET_ROOM ? PACKET_ROOM : len;
  packet = tern_cli_take(1, sizeof *packet + capacity);
  packet->capacity = capacity;
  return packet;
}

static void give_packet(struct tern_relay *relay, struct tern_relay_packet *packet)
{
  relay->held--;
  if (packet->capacity > PACKET_ROOM) {
    free(packet);
    return;
  }
  packet->next_spare = relay->spare;
  relay->spare = packet;
}

/* ---- clients ----------------------------------------------------------------------------- */

static bool watch(struct tern_relay *relay, int fd, uint64_t mark)
{
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = mark};
  return epoll_ctl(relay->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* A free slot, a new one, or that of the client that was silent the longest. */
static struct tern_relay_client *find_room(struct tern_relay *relay)
{
  struct tern_relay_client *idlest = &relay->clients[0];
  if (relay->clients_count < relay->options->clients_max)
    return &relay->clients[relay->clients_count++];
  for (size_t i = 1; i < relay->clients_count; i++)
    if (relay->clients[i].used_at < idlest->used_at)
      idlest = &relay->clients[i];
  if (idlest->fd >= 0)
    close(idlest->fd);
  idlest->fd = -1;
  return idlest;
}

static struct tern_relay_client *get_client(struct tern_relay *relay, const tern_addr *addr)
{
  for (size_t i = 0; i < relay->clients_count; i++)
    if (relay->clients[i].fd >= 0 && tern_addr_equal(&relay->clients[i].addr, addr))
      return &relay->clients[i];
  struct tern_relay_client *client = find_room(relay);
  client->addr = *addr;
  client->fd = tern_link_socket_open(NULL, &relay->options->to);
  if (client->fd >= 0 && !watch(relay, client->fd, (uint64_t)(client - relay->clients))) {
    close(client->fd);
    client->fd = -1;
  }
  if (client->fd >= 0)
    return client;
  relay->figures.no_client++;
  return NULL;
}

/* ---- out --------------------------------------------------------------------------------- */

static void note_lateness(struct tern_relay *relay, tern_time due, tern_time now)
{
  struct tern_relay_figures *figures = &relay->figures;
  uint64_t late_ns = now > due ? now - due : 0;
  figures->late_sum_ns += (double)late_ns;
  if (late_ns > figures->late_worst_ns)
    figures->late_worst_ns = late_ns;
  figures->late += late_ns > relay->options->late_ns;
}

static void send_out(struct tern_relay *relay, struct tern_relay_packet *packet)
{
  const struct tern_relay_client *client = &relay->clients[packet->client];
  bool is_up = packet->way == &relay->up;
  bool is_same = client->fd >= 0 && tern_addr_equal(&client->addr, &packet->addr);
  note_lateness(relay, packet->due, tern_link_now());
  if (is_same &&
      tern_link_socket_send(is_up ? client->fd : relay->listen_fd, is_up ? NULL : &packet->addr,
                            tern_slice_of(packet->bytes, packet->len), packet->ecn))
    relay->figures.sent++;
  else
    relay->figures.refused++;
  give_packet(relay, packet);
}

static void schedule(struct tern_relay *relay, struct tern_relay_packet *packet, tern_time at)
{
  packet->due = at;
  if (tern_agenda_add(&relay->agenda, at, packet) != TERN_OK)
    give_packet(relay, packet);
}

/* The packet leaves the transmitter as `fate` says. */
static void pass_on(struct tern_relay *relay, struct tern_relay_packet *packet,
                    const struct tern_sim_fate *fate)
{
  packet->ecn = fate->ecn;
  struct tern_relay_packet *copy = fate->copies > 1 ? take_packet(relay, packet->len) : NULL;
  if (copy != NULL) {
    copy->way = packet->way;
    copy->client = packet->client;
    copy->addr = packet->addr;
    copy->ecn = packet->ecn;
    copy->len = packet->len;
    memcpy(copy->bytes, packet->bytes, packet->len);
  }
  if (fate->is_corrupt)
    packet->bytes[fate->corrupt_at] ^= fate->corrupt_mask;
  schedule(relay, packet, fate->arrive_at[0]);
  if (copy != NULL)
    schedule(relay, copy, fate->arrive_at[1]);
}

/* The transmitter works through what it could have sent by now, each at its time. */
static void serve(struct tern_relay *relay, struct tern_relay_way *way, tern_time now)
{
  struct tern_sim_packet *packet;
  struct tern_sim_fate fate;
  if (way->link.queue == NULL)
    return;
  for (tern_time at; (at = tern_sim_link_ready_at(&way->link)) <= now;) {
    /* An idle transmitter begins when the packet comes, which is the newest one then. */
    packet = tern_sim_link_take(&way->link, at > way->offered_at ? at : way->offered_at, &fate);
    if (packet == NULL)
      break;
    pass_on(relay, TERN_CONTAINER_OF(packet, struct tern_relay_packet, queued), &fate);
  }
  while ((packet = tern_sim_link_take_dropped(&way->link)) != NULL)
    give_packet(relay, TERN_CONTAINER_OF(packet, struct tern_relay_packet, queued));
}

static void send_due(struct tern_relay *relay)
{
  struct tern_relay_packet *packet;
  tern_time now = tern_link_now();
  serve(relay, &relay->up, now);
  serve(relay, &relay->down, now);
  while ((packet = tern_agenda_take(&relay->agenda, now)) != NULL)
    send_out(relay, packet);
}

/* ---- in ---------------------------------------------------------------------------------- */

/* When the kernel got it, on our clock, not before the one before. */
static tern_time arrival_of(struct tern_relay *relay, const struct tern_link_datagram *datagram)
{
  tern_time now = tern_link_now(), at = now;
  if (datagram->real_ns != 0)
    at = (tern_time)((int64_t)datagram->real_ns - relay->real_offset_ns);
  if (at > now || now - at > TERN_SECOND)
    at = now;
  if (at < relay->last_at)
    at = relay->last_at;
  relay->last_at = at;
  return at;
}

static void enter(struct tern_relay *relay, struct tern_relay_way *way,
                  const struct tern_relay_client *client, const struct tern_link_datagram *datagram)
{
  struct tern_relay_packet *packet = take_packet(relay, datagram->len);
  struct tern_sim_fate fate;
  tern_time at = arrival_of(relay, datagram);
  if (packet == NULL)
    return;
  packet->way = way;
  packet->client = (size_t)(client - relay->clients);
  packet->addr = client->addr;
  packet->len = datagram->len;
  memcpy(packet->bytes, relay->room, datagram->len);
  if (way->link.queue != NULL) {
    packet->queued.len = datagram->len;
    packet->queued.ecn = datagram->ecn;
    packet->queued.flow = (uint32_t)packet->client * 0x9e3779b1u >> 16;
    serve(relay, way, at);
    way->offered_at = at;
    if (tern_sim_link_offer(&way->link, &packet->queued, at) != TERN_SIM_DROP_NONE)
      give_packet(relay, packet);
    serve(relay, way, at);
    return;
  }
  tern_sim_link_send(&way->link, at, datagram->len, datagram->ecn, &fate);
  if (fate.copies == 0)
    give_packet(relay, packet);
  else
    pass_on(relay, packet, &fate);
}

static void receive_from_clients(struct tern_relay *relay)
{
  struct tern_link_datagram datagram;
  for (int i = 0; i < BATCH; i++) {
    if (!tern_link_socket_receive(relay->listen_fd, relay->room, sizeof relay->room, &datagram))
      return;
    struct tern_relay_client *client = get_client(relay, &datagram.from);
    if (client == NULL)
      continue;
    client->used_at = tern_link_now();
    enter(relay, &relay->up, client, &datagram);
  }
}

static void receive_from_server(struct tern_relay *relay, struct tern_relay_client *client)
{
  struct tern_link_datagram datagram;
  for (int i = 0; i < BATCH && client->fd >= 0; i++) {
    if (!tern_link_socket_receive(client->fd, relay->room, sizeof relay->room, &datagram))
      return;
    client->used_at = tern_link_now();
    enter(relay, &relay->down, client, &datagram);
  }
}

/* ---- the turn ---------------------------------------------------------------------------- */

static tern_time ready_at(const struct tern_relay_way *way)
{
  return way->link.queue == NULL ? TERN_TIME_NEVER : tern_sim_link_ready_at(&way->link);
}

static tern_time next_due(const struct tern_relay *relay)
{
  tern_time next = tern_agenda_first_at(&relay->agenda);
  if (ready_at(&relay->up) < next)
    next = ready_at(&relay->up);
  return ready_at(&relay->down) < next ? ready_at(&relay->down) : next;
}

/* Milliseconds for epoll: 0 when something is due at once, -1 when the timer will tell. */
static int set_timer(struct tern_relay *relay)
{
  tern_time next = next_due(relay), now = tern_link_now();
  struct itimerspec spec;
  memset(&spec, 0, sizeof spec);
  if (next == TERN_TIME_NEVER)
    return 1000;
  if (next <= now + relay->options->spin_ns)
    return 0;
  next -= relay->options->spin_ns;
  spec.it_value.tv_sec = (time_t)(next / TERN_SECOND);
  spec.it_value.tv_nsec = (long)(next % TERN_SECOND);
  timerfd_settime(relay->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
  return 1000;
}

/* At most once a second: that what comes out is not what was asked for. */
static void tell_lateness(struct tern_relay *relay)
{
  tern_time now = tern_link_now();
  uint64_t news = relay->figures.late - relay->late_told;
  if (news == 0 || now - relay->told_at < TERN_SECOND)
    return;
  tern_cli_say(TERN_LINK_WHO,
               "this machine cannot keep up: %llu datagrams went out later than due by more than "
               "%.0f us, the worst so far by %.0f us",
               (unsigned long long)news, (double)relay->options->late_ns * 1e-3,
               (double)relay->figures.late_worst_ns * 1e-3);
  relay->late_told = relay->figures.late;
  relay->told_at = now;
}

void tern_relay_run(struct tern_relay *relay, const volatile int *stop)
{
  struct epoll_event events[EVENTS];
  while (!*stop) {
    send_due(relay);
    int count = epoll_wait(relay->epoll_fd, events, EVENTS, set_timer(relay));
    relay->real_offset_ns = (int64_t)(tern_link_real_now() - tern_link_now());
    for (int i = 0; i < count; i++) {
      uint64_t mark = events[i].data.u64, ticks;
      if (mark == MARK_LISTEN)
        receive_from_clients(relay);
      else if (mark == MARK_TIMER)
        (void)!read(relay->timer_fd, &ticks, sizeof ticks);
      else
        receive_from_server(relay, &relay->clients[mark]);
      send_due(relay);
    }
    tell_lateness(relay);
  }
}

/* ---- making ------------------------------------------------------------------------------ */

static bool open_way(struct tern_relay *relay, struct tern_relay_way *way,
                     const struct tern_link_spec *spec, uint64_t seed)
{
  uint64_t rtt_ns = relay->options->up.delay.low + relay->options->down.delay.low;
  struct tern_sim_link_config config = tern_link_spec_config(spec, rtt_ns);
  tern_sim_link_init(&way->link, &config, seed);
  if (spec->radio.low != TERN_SIM_RADIO_NONE) {
    way->steps = tern_cli_take(TERN_SIM_RATES_STEPS_MAX, sizeof *way->steps);
    size_t count =
        tern_sim_radio_make((enum tern_sim_radio)spec->radio.low, seed, spec->rate.low, way->steps);
    if (tern_sim_rates_init(&way->rates, way->steps, count) != TERN_OK) {
      tern_cli_say(TERN_LINK_WHO, "--radio needs a --rate");
      return false;
    }
    way->link.config.rates = &way->rates;
  }
  if (spec->aqm.low == TERN_SIM_AQM_NONE)
    return true;
  if (tern_sim_queue_init(&way->queue, (enum tern_sim_aqm)spec->aqm.low, config.queue_bytes,
                          &relay->alloc) != TERN_OK)
    return false;
  way->link.queue = &way->queue;
  return true;
}

bool tern_relay_open(struct tern_relay *relay, const struct tern_link_options *options)
{
  memset(relay, 0, sizeof *relay);
  relay->options = options;
  relay->ops = tern_alloc_system;
  tern_alloc_init(&relay->alloc, &relay->ops, NULL, UINT64_MAX);
  tern_agenda_init(&relay->agenda, &relay->alloc);
  relay->clients = tern_cli_take(options->clients_max, sizeof *relay->clients);
  relay->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  relay->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  relay->listen_fd = tern_link_socket_open(&options->listen, NULL);
  if (relay->listen_fd < 0) {
    char text[TERN_ADDR_TEXT_MAX];
    tern_cli_say(TERN_LINK_WHO, "cannot listen on %s: %s",
                 tern_addr_format(&options->listen, text, sizeof text), strerror(errno));
    return false;
  }
  (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  return watch(relay, relay->listen_fd, MARK_LISTEN) && watch(relay, relay->timer_fd, MARK_TIMER) &&
         open_way(relay, &relay->up, &options->up, options->seed) &&
         open_way(relay, &relay->down, &options->down, options->seed + 1);
}

static void close_way(struct tern_relay *relay, struct tern_relay_way *way)
{
  struct tern_sim_packet *packet;
  if (way->link.queue != NULL) {
    while ((packet = tern_sim_queue_next(&way->queue, relay->last_at)) != NULL)
      give_packet(relay, TERN_CONTAINER_OF(packet, struct tern_relay_packet, queued));
    while ((packet = tern_sim_queue_take_dropped(&way->queue)) != NULL)
      give_packet(relay, TERN_CONTAINER_OF(packet, struct tern_relay_packet, queued));
    tern_sim_queue_deinit(&way->queue);
  }
  free(way->steps);
}

void tern_relay_close(struct tern_relay *relay)
{
  struct tern_relay_packet *packet;
  while ((packet = tern_agenda_take(&relay->agenda, TERN_TIME_NEVER)) != NULL)
    give_packet(relay, packet);
  close_way(relay, &relay->up);
  close_way(relay, &relay->down);
  while ((packet = relay->spare) != NULL) {
    relay->spare = packet->next_spare;
    free(packet);
  }
  for (size_t i = 0; i < relay->clients_count; i++)
    if (relay->clients[i].fd >= 0)
      close(relay->clients[i].fd);
  int fds[] = {relay->listen_fd, relay->timer_fd, relay->epoll_fd};
  for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
    if (fds[i] >= 0)
      close(fds[i]);
  free(relay->clients);
  tern_agenda_deinit(&relay->agenda);
}
