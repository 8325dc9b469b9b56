/* SPDX-License-Identifier: MIT */
/* A tern endpoint as a node: its six calls behind the host's. */
#include <string.h>

#include "base/assert.h"
#include "sim/sim_internal.h"

static tern_endpoint *endpoint_of(void *arg)
{
  return ((struct tern_sim_node *)arg)->endpoint;
}

/* A status other than TERN_OK from inside a simulation is a programmer's error. */
static void check(struct tern_sim_node *node, tern_status status)
{
  if (status != TERN_OK)
    tern_sim_fail(node->sim, "an endpoint refused a call");
}

static void receive(void *arg, tern_datagram *batch, size_t count, tern_time now)
{
  check(arg, tern_endpoint_receive(endpoint_of(arg), batch, count, now));
}

static tern_time deadline(void *arg)
{
  return tern_endpoint_deadline(endpoint_of(arg));
}

static void timeout(void *arg, tern_time now)
{
  check(arg, tern_endpoint_timeout(endpoint_of(arg), now));
}

static const tern_run *send_next(void *arg, tern_time now)
{
  return tern_endpoint_send(endpoint_of(arg), now);
}

static void sent(void *arg, const tern_run *run, size_t datagrams, int error, tern_time now)
{
  tern_endpoint_sent(endpoint_of(arg), run, datagrams, error, now);
}

static void free_endpoint(void *arg)
{
  struct tern_sim_node *node = arg;
  tern_endpoint_free(node->endpoint);
  node->endpoint = NULL;
}

static const struct tern_sim_host endpoint_host = {
    receive, deadline, timeout, send_next, sent, free_endpoint,
};

tern_status tern_sim_add_endpoint(struct tern_sim *sim, const struct tern_sim_endpoint_args *args,
                                  struct tern_sim_node **out, char *why, size_t why_size)
{
  struct tern_sim_node *node;
  const struct tern_sim_host_args host = {args->name, args->addr, &endpoint_host, NULL};
  tern_status status = tern_sim_add_host(sim, &host, &node);
  if (status != TERN_OK)
    return status;
  node->arg = node;
  tern_config config = *args->config;
  config.random = tern_random_seeded_ops(&node->random);
  status = tern_endpoint_new(&node->endpoint, &config, args->ops, args->app, why, why_size);
  if (status != TERN_OK) {
    node->endpoint = NULL;
    node->is_dead = true;
    return status;
  }
  *out = node;
  return TERN_OK;
}
