/* SPDX-License-Identifier: MIT */
/* Workers: a loop and an endpoint per thread. They share an address, the keys of stateless resets and
 * of the ids, and nothing else; a datagram that the kernel gave to the wrong one goes through the right
 * one's mailbox. All sockets stay open until the last worker has ended, because the kernel renumbers a
 * group when a socket leaves it. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "io/loop.h"
#include "io/steer.h"

#define FLUSH_TURNS 3

struct worker {
  tern_workers *workers;
  tern_loop *loop;
  pthread_t thread;
  bool has_thread;
  tern_status status;
};

struct tern_workers {
  tern_alloc_ops alloc;
  tern_workers_config config;
  uint32_t count; /* loops that were made */
  uint32_t wanted;
  bool is_steered;
  struct worker list[];
};

void tern_workers_config_init(tern_workers_config *config, size_t size)
{
  tern_workers_config defaults = {.size = size, .count = 1, .steering = true};
  memset(config, 0, size);
  memcpy(config, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

uint32_t tern_workers_count_cores(void)
{
  cpu_set_t set;
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return count > TERN_WORKERS_MAX ? TERN_WORKERS_MAX : count < 1 ? 1 : (uint32_t)count;
}

/* ---- datagrams at the wrong door --------------------------------------------------------------- */

static bool forward(void *arg, uint32_t index, const tern_datagram *datagram)
{
  const tern_workers *workers = arg;
  return tern_mailbox_put_datagram(&workers->list[index].loop->mailbox, datagram);
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
  uint8_t any = 0;
  for (size_t i = 0; i < len; i++)
    any |= bytes[i];
  return any == 0;
}

/* What all workers must have in common. */
static void share_keys(tern_workers *workers, tern_config *endpoint)
{
  struct tern_entropy entropy;
  tern_entropy_init(&entropy);
  tern_random_ops random =
      endpoint->random.fill != NULL ? endpoint->random : tern_entropy_ops(&entropy);
  if (is_zero(endpoint->secret, sizeof endpoint->secret))
    random.fill(random.arg, endpoint->secret, sizeof endpoint->secret);
  random.fill(random.arg, (uint8_t *)endpoint->steer.key, sizeof endpoint->steer.key);
  endpoint->steer.workers = workers->wanted;
  endpoint->steer.forward = forward;
  endpoint->steer.arg = workers;
  tern_entropy_deinit(&entropy);
}

/* ---- making them ------------------------------------------------------------------------------- */

static tern_status make_loop(tern_workers *workers, const tern_loop_config *common_loop,
                             const tern_config *common_endpoint, char *why, size_t why_size)
{
  uint32_t index = workers->count;
  tern_loop_config loop = *common_loop;
  tern_config endpoint = *common_endpoint;
  loop.endpoint = &endpoint;
  loop.reuse_port = common_loop->reuse_port || workers->wanted > 1;
  endpoint.steer.worker = index;
  if (index > 0) /* port 0: all take the one that the first was given */
    loop.listen = tern_loop_get_local(workers->list[0].loop);
  if (workers->config.on_config != NULL)
    workers->config.on_config(workers->config.arg, index, &loop, &endpoint);
  struct worker *worker = &workers->list[index];
  worker->workers = workers;
  tern_status status = tern_loop_new(&worker->loop, &loop, why, why_size);
  if (status != TERN_OK)
    return status;
  workers->count++;
  return workers->wanted > 1 ? tern_mailbox_open(&worker->loop->mailbox, &worker->loop->alloc)
                             : TERN_OK;
}

static void steer(tern_workers *workers, const tern_steer *steer)
{
  tern_loop *first = workers->list[0].loop;
  const char *reason = "configured";
  if (workers->config.steering) {
    int fd = first->udp[first->udp[0].fd < 0].fd;
    workers->is_steered = tern_steer_attach(fd, steer);
    reason = strerror(errno);
  }
  tern_event event = {.kind = TERN_EVENT_IO_FEATURE,
                      .data = {.io_feature = {"steering", workers->is_steered,
                                              workers->is_steered ? NULL : reason}}};
  tern_notice_emit(&first->notice, &event);
}

static tern_status check(const tern_workers_config *config, char *why, size_t why_size)
{
  const char *reason = NULL;
  if (config->loop == NULL || config->loop->endpoint == NULL)
    reason = "loop or loop->endpoint is not set";
  else if (config->loop->listen.family == 0)
    reason = "workers are for servers: loop->listen is not set";
  else if (config->count > TERN_WORKERS_MAX)
    reason = "count must be at most 256";
  if (reason == NULL)
    return TERN_OK;
  snprintf(why, why_size, "%s", reason);
  return TERN_INVALID;
}

static size_t get_size(uint32_t count)
{
  return sizeof(tern_workers) + count * sizeof(struct worker);
}

tern_status tern_workers_new(tern_workers **out, const tern_workers_config *config, char *why,
                             size_t why_size)
{
  tern_status status = check(config, why, why_size);
  if (status != TERN_OK)
    return status;
  uint32_t count = config->count != 0 ? config->count : tern_workers_count_cores();
  tern_loop_config loop;
  tern_config endpoint;
  tern_loop_config_init(&loop, sizeof loop);
  memcpy(&loop, config->loop, config->loop->size < sizeof loop ? config->loop->size : sizeof loop);
  loop.size = sizeof loop;
  tern_config_init(&endpoint, sizeof endpoint);
  memcpy(&endpoint, loop.endpoint,
         loop.endpoint->size < sizeof endpoint ? loop.endpoint->size : sizeof endpoint);
  endpoint.size = sizeof endpoint;
  tern_workers *workers = endpoint.alloc.take(endpoint.alloc.arg, get_size(count));
  if (workers == NULL)
    return TERN_NOMEM;
  memset(workers, 0, get_size(count));
  workers->alloc = endpoint.alloc;
  workers->config = *config;
  workers->wanted = count;
  share_keys(workers, &endpoint);
  while (status == TERN_OK && workers->count < count)
    status = make_loop(workers, &loop, &endpoint, why, why_size);
  if (status != TERN_OK) {
    tern_workers_free(workers);
    return status;
  }
  if (count > 1)
    steer(workers, &endpoint.steer);
  *out = workers;
  return TERN_OK;
}

void tern_workers_free(tern_workers *workers)
{
  if (workers == NULL)
    return;
  for (uint32_t i = 0; i < workers->count; i++)
    tern_loop_free(workers->list[i].loop);
  tern_alloc_ops alloc = workers->alloc;
  alloc.give(alloc.arg, workers, get_size(workers->wanted));
}

uint32_t tern_workers_get_count(const tern_workers *workers)
{
  return workers->count;
}

tern_loop *tern_workers_get_loop(const tern_workers *workers, uint32_t worker)
{
  return workers->list[worker].loop;
}

void tern_workers_get_stats(tern_workers *workers, tern_workers_stats *stats)
{
  memset(stats, 0, sizeof *stats);
  stats->is_steered = workers->is_steered;
  for (uint32_t i = 0; i < workers->count; i++) {
    uint64_t taken, refused;
    tern_mailbox_count(&workers->list[i].loop->mailbox, &taken, &refused);
    stats->datagrams_forwarded += taken;
    stats->datagrams_refused += refused;
  }
}

/* ---- running ----------------------------------------------------------------------------------- */

void tern_workers_stop(tern_workers *workers)
{
  for (uint32_t i = 0; i < workers->count; i++)
    tern_loop_stop(workers->list[i].loop);
}

/* What was said last goes out, also if a socket was full for a moment. */
static tern_status run_loop(tern_loop *loop)
{
  tern_status status = tern_loop_run(loop);
  for (int i = 0; i < FLUSH_TURNS && status == TERN_OK; i++)
    status = tern_loop_run_once(loop, 0);
  return status;
}

static void *run(void *arg)
{
  struct worker *worker = arg;
  worker->status = run_loop(worker->loop);
  if (worker->status != TERN_OK || worker->workers->config.stop_together)
    tern_workers_stop(worker->workers);
  return NULL;
}

tern_status tern_workers_run(tern_workers *workers)
{
  tern_status status = TERN_OK;
  for (uint32_t i = 1; i < workers->count && status == TERN_OK; i++) {
    struct worker *worker = &workers->list[i];
    int error = pthread_create(&worker->thread, NULL, run, worker);
    worker->has_thread = error == 0;
    errno = error;
    status = error == 0 ? TERN_OK : TERN_IO;
  }
  if (status == TERN_OK)
    run(&workers->list[0]);
  else
    tern_workers_stop(workers);
  for (uint32_t i = 0; i < workers->count; i++) {
    struct worker *worker = &workers->list[i];
    if (worker->has_thread)
      pthread_join(worker->thread, NULL);
    worker->has_thread = false;
    if (status == TERN_OK)
      status = worker->status;
  }
  return status;
}
