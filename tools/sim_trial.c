/* SPDX-License-Identifier: MIT */
/* The world of one run. */
#include "sim_trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli.h"
#include "self_signed.h"
#include "tls/tls_sim.h"

#define SAMPLE_NS (2 * TERN_MS)
#define SERVER_PORT 443
#define CLIENT_PORT 40000

static const char *const alpns[] = {"h3", "tern-media"};

static bool complain(struct tern_trial *trial, const char *why)
{
  if (trial->fault[0] == '\0')
    snprintf(trial->fault, sizeof trial->fault, "%s", why);
  return false;
}

/* ---- making ------------------------------------------------------------------------------ */

tern_tls *tern_trial_tls(bool is_real, bool is_server, const char *alpn, char *why, size_t why_size)
{
  const char *const list[] = {alpn};
  tern_tls *tls = NULL;
  if (!is_real) {
    struct tern_tls_sim_options options = {.alpn = list, .alpn_count = 1, .tickets = 2};
    options.aead = TERN_AEAD_NULL;
    tls = tern_tls_sim_new(&tern_alloc_system, &options);
    if (tls == NULL)
      snprintf(why, why_size, "no memory");
    return tls;
  }
  struct tern_self_signed pair;
  tern_tls_config config;
  tern_addr any = {.family = 4};
  tern_tls_config_init(&config, sizeof config);
  config.is_server = is_server;
  config.insecure_no_verify = !is_server;
  config.alpn = list;
  config.alpn_count = 1;
  if (is_server) {
    if (!tern_self_signed_make(&pair, &any, why, why_size))
      return NULL;
    config.cert_file = pair.cert;
    config.key_file = pair.key;
  }
  return tern_tls_new(&tls, &config, why, why_size) == TERN_OK ? tls : NULL;
}

static bool make_tls(struct tern_trial *trial)
{
  bool is_real = trial->scenario->real_tls;
  for (size_t i = 0; i < 2; i++) {
    trial->client_tls[i] =
        tern_trial_tls(is_real, false, alpns[i], trial->fault, sizeof trial->fault);
    trial->server_tls[i] =
        tern_trial_tls(is_real, true, alpns[i], trial->fault, sizeof trial->fault);
    if (trial->client_tls[i] == NULL || trial->server_tls[i] == NULL)
      return complain(trial, "no TLS");
  }
  return true;
}

static tern_addr address(size_t flow, uint8_t side, uint16_t port)
{
  tern_addr addr;
  memset(&addr, 0, sizeof addr);
  addr.family = 4;
  addr.ip[0] = 10;
  addr.ip[1] = side;
  addr.ip[2] = (uint8_t)(flow >> 8);
  addr.ip[3] = (uint8_t)(flow + 1);
  addr.port = port;
  return addr;
}

static struct tern_sim_node *add_node(struct tern_flow *flow, bool is_server)
{
  struct tern_trial *trial = flow->trial;
  bool is_media = flow->spec->workload == TERN_WORKLOAD_MEDIA;
  struct tern_sim_endpoint_args args = {is_server ? "server" : "client",
                                        is_server ? flow->server_addr : flow->client_addr, NULL,
                                        &tern_flow_endpoint_ops, flow};
  struct tern_sim_node *node;
  tern_event_subscriber *subscriber = &flow->subscribers[is_server];
  tern_config config;
  tern_config_init(&config, sizeof config);
  config.server_tls = is_server ? trial->server_tls[is_media] : NULL;
  config.client_tls = is_server ? NULL : trial->client_tls[is_media];
  config.cc = flow->spec->cc;
  if (trial->qlog != NULL) {
    flow->qlogs[is_server] = tern_qlog_files_new(trial->qlog, false);
    *subscriber = tern_qlog_subscriber(&flow->qlogs[is_server]->qlog);
    config.subscribers = subscriber;
    config.subscribers_count = 1;
  }
  args.config = &config;
  if (tern_sim_add_endpoint(trial->sim, &args, &node, trial->fault, sizeof trial->fault) != TERN_OK)
    return NULL;
  return node;
}

static bool route(struct tern_flow *flow, bool is_back)
{
  const struct tern_flow_spec *spec = flow->spec;
  struct tern_trial *trial = flow->trial;
  const uint8_t *indices = is_back ? spec->back : spec->path;
  size_t count = is_back ? spec->back_count : spec->path_count, used = 0;
  struct tern_sim_link *links[TERN_SIM_PATH_MAX + 1];
  if (spec->delay.low != 0) {
    struct tern_sim_link_config access = {.delay_ns = spec->delay.low};
    links[used++] = tern_sim_add_link(trial->sim, &access);
  }
  for (size_t i = 0; i < count; i++)
    links[used++] = trial->links[indices[i]].link;
  return tern_sim_route_path(trial->sim, is_back ? flow->client : flow->server,
                             is_back ? flow->server : flow->client, links, used) == TERN_OK;
}

static bool add_flow(struct tern_trial *trial, size_t index)
{
  struct tern_flow *flow = &trial->flows[index];
  flow->trial = trial;
  flow->spec = &trial->scenario->flows[index];
  flow->server_addr = address(index, 1, SERVER_PORT);
  flow->client_addr = address(index, 2, CLIENT_PORT);
  flow->is_open_ended = flow->spec->workload == TERN_WORKLOAD_BULK && flow->spec->bytes.low == 0;
  flow->server = add_node(flow, true);
  flow->client = add_node(flow, false);
  if (flow->server == NULL || flow->client == NULL)
    return complain(trial, "no endpoint");
  return (route(flow, false) && route(flow, true)) || complain(trial, "a path has too many links");
}

static void start_flow(void *arg, struct tern_sim *sim)
{
  struct tern_flow *flow = arg;
  (void)sim;
  if (!tern_flow_start(flow))
    complain(flow->trial, "a flow could not be started");
}

static bool add_radio(struct tern_trial *trial, size_t index)
{
  const struct tern_link_spec *spec = &trial->scenario->links[index];
  struct tern_trial_link *entry = &trial->links[index];
  if (spec->radio.low == TERN_SIM_RADIO_NONE)
    return true;
  if (spec->rate.low == 0)
    return false;
  entry->steps = tern_cli_take(TERN_SIM_RATES_STEPS_MAX, sizeof *entry->steps);
  size_t count = tern_sim_radio_make((enum tern_sim_radio)spec->radio.low,
                                     tern_sim_next_seed(trial->sim), spec->rate.low, entry->steps);
  if (tern_sim_rates_init(&entry->rates, entry->steps, count) != TERN_OK)
    return false;
  entry->link->config.rates = &entry->rates;
  return true;
}

static bool add_links(struct tern_trial *trial)
{
  for (size_t i = 0; i < trial->scenario->links_count; i++) {
    struct tern_sim_link_config config =
        tern_link_spec_config(&trial->scenario->links[i], tern_scenario_rtt(trial->scenario, i));
    trial->links[i].link = tern_sim_add_link(trial->sim, &config);
    if (trial->links[i].link == NULL ||
        tern_sim_link_manage(trial->sim, trial->links[i].link,
                             (enum tern_sim_aqm)trial->scenario->links[i].aqm.low) != TERN_OK)
      return complain(trial, "no memory");
    if (!add_radio(trial, i))
      return complain(trial, "a radio link needs a rate");
  }
  return true;
}

/* ---- changes ----------------------------------------------------------------------------- */

struct tern_trial_due {
  struct tern_trial *trial;
  const struct tern_change *change;
};

static void change_setting(struct tern_trial *trial, const struct tern_change *change)
{
  struct tern_link_spec spec = trial->scenario->links[change->index];
  /* Earlier changes of the same link hold on. */
  for (size_t i = 0; i < trial->scenario->changes_count; i++) {
    const struct tern_change *other = &trial->scenario->changes[i];
    if (other->kind == TERN_CHANGE_SETTING && other->index == change->index &&
        other->at.low <= change->at.low)
      *tern_setting_value(other->setting, &spec) = other->value;
  }
  struct tern_sim_link *link = trial->links[change->index].link;
  const struct tern_sim_rates *rates = link->config.rates;
  link->config = tern_link_spec_config(&spec, tern_scenario_rtt(trial->scenario, change->index));
  link->config.rates = rates;
}

static void end_outage(void *arg, struct tern_sim *sim)
{
  (void)sim;
  ((struct tern_sim_link *)arg)->config.is_down = false;
}

static void apply_change(void *arg, struct tern_sim *sim)
{
  struct tern_trial_due *due = arg;
  const struct tern_change *change = due->change;
  struct tern_trial *trial = due->trial;
  switch (change->kind) {
  case TERN_CHANGE_SETTING:
    change_setting(trial, change);
    return;
  case TERN_CHANGE_OUTAGE: {
    struct tern_sim_link *link = trial->links[change->index].link;
    link->config.is_down = true;
    if (tern_sim_at(sim, tern_sim_now(sim) + change->value.low, end_outage, link) != TERN_OK)
      complain(trial, "no memory");
    return;
  }
  case TERN_CHANGE_REBIND: {
    struct tern_flow *flow = &trial->flows[change->index];
    flow->client_addr.port++;
    tern_sim_node_rebind(flow->client, 0, &flow->client_addr);
    return;
  }
  }
}

static bool add_changes(struct tern_trial *trial)
{
  trial->dues = tern_cli_take(trial->scenario->changes_count, sizeof *trial->dues);
  for (size_t i = 0; i < trial->scenario->changes_count; i++) {
    struct tern_trial_due *due = &trial->dues[i];
    due->trial = trial;
    due->change = &trial->scenario->changes[i];
    if (tern_sim_at(trial->sim, TERN_SIM_START + due->change->at.low, apply_change, due) != TERN_OK)
      return complain(trial, "no memory");
  }
  return true;
}

/* ---- sampling ---------------------------------------------------------------------------- */

static void sample_flow(struct tern_flow *flow, double seconds)
{
  double *row = tern_series_add(&flow->series);
  const tern_conn_stats *stats = &flow->sender;
  bool is_live = flow->started_at != 0 && !flow->is_done;
  if (is_live)
    tern_flow_look(flow);
  row[TERN_FLOW_TIME] = seconds;
  row[TERN_FLOW_DELIVERED] = (double)flow->content_bytes;
  row[TERN_FLOW_LOST] = (double)stats->packets_lost;
  row[TERN_FLOW_WINDOW] = is_live ? (double)stats->window_bytes : NAN;
  row[TERN_FLOW_IN_FLIGHT] = is_live ? (double)stats->in_flight_bytes : NAN;
  row[TERN_FLOW_RTT] =
      is_live && stats->rtt_latest_ns != 0 ? (double)stats->rtt_latest_ns * 1e-6 : NAN;
  row[TERN_FLOW_PACING] = is_live ? (double)stats->pacing_rate : NAN;
}

static void sample_link(struct tern_trial *trial, struct tern_trial_link *entry, double seconds)
{
  const struct tern_sim_link *link = entry->link;
  const struct tern_sim_link_stats *stats = &link->stats;
  uint64_t queue = tern_sim_link_queue_bytes(link, tern_sim_now(trial->sim));
  uint64_t rate = link->config.rate;
  double wait = rate == 0 ? 0 : (double)queue * 1e3 / (double)rate;
  tern_sim_samples_add(&entry->waits, wait);
  if (!trial->wants_series)
    return;
  double *row = tern_series_add(&entry->series);
  row[TERN_LINK_TIME] = seconds;
  row[TERN_LINK_QUEUE] = (double)queue;
  row[TERN_LINK_WAIT] = wait;
  row[TERN_LINK_OUT] = (double)stats->bytes_out;
  row[TERN_LINK_DROPS] =
      (double)(stats->lost + stats->dropped_queue + stats->dropped_mtu + stats->dropped_outage);
  row[TERN_LINK_MARKS] = (double)stats->marked_ce;
}

static void thin(struct tern_trial *trial)
{
  for (size_t i = 0; i < trial->flows_count; i++)
    tern_series_thin(&trial->flows[i].series);
  for (size_t i = 0; i < trial->scenario->links_count; i++)
    tern_series_thin(&trial->links[i].series);
  trial->sample_ns *= 2;
}

static void sample(void *arg, struct tern_sim *sim)
{
  struct tern_trial *trial = arg;
  double seconds = (double)(tern_sim_now(sim) - TERN_SIM_START) * 1e-9;
  for (size_t i = 0; trial->wants_series && i < trial->flows_count; i++)
    sample_flow(&trial->flows[i], seconds);
  for (size_t i = 0; i < trial->scenario->links_count; i++)
    sample_link(trial, &trial->links[i], seconds);
  if (trial->wants_series && trial->flows[0].series.count == TERN_SERIES_ROWS_MAX)
    thin(trial);
  if (tern_sim_at(sim, tern_sim_now(sim) + trial->sample_ns, sample, trial) != TERN_OK)
    complain(trial, "no memory");
}

/* ---- running ----------------------------------------------------------------------------- */

static bool make(struct tern_trial *trial)
{
  const struct tern_scenario *scenario = trial->scenario;
  if (tern_sim_new(&trial->sim, scenario->seed, NULL) != TERN_OK)
    return complain(trial, "no memory");
  trial->flows = tern_cli_take(scenario->flows_count, sizeof *trial->flows);
  trial->flows_count = trial->flows_open = scenario->flows_count;
  if (!make_tls(trial) || !add_links(trial))
    return false;
  for (size_t i = 0; i < trial->flows_count; i++)
    if (!add_flow(trial, i))
      return false;
  for (size_t i = 0; i < trial->flows_count; i++)
    if (tern_sim_at(trial->sim, TERN_SIM_START + scenario->flows[i].start.low, start_flow,
                    &trial->flows[i]) != TERN_OK)
      return complain(trial, "no memory");
  return add_changes(trial) && (tern_sim_at(trial->sim, TERN_SIM_START, sample, trial) == TERN_OK ||
                                complain(trial, "no memory"));
}

static bool is_over(void *arg)
{
  const struct tern_trial *trial = arg;
  return trial->flows_open == 0 || trial->fault[0] != '\0';
}

static void settle_flow(struct tern_flow *flow, tern_time now)
{
  if (flow->is_done)
    return;
  tern_flow_look(flow);
  if (flow->started_at != 0 && now - flow->last_at > flow->silence_ns)
    flow->silence_ns = now - flow->last_at;
  if (!flow->is_open_ended && flow->why[0] == '\0')
    snprintf(flow->why, sizeof flow->why, "not complete when the time was over");
}

bool tern_trial_run(struct tern_trial *trial, const struct tern_scenario *scenario,
                    bool wants_series, const char *qlog)
{
  memset(trial, 0, sizeof *trial);
  trial->qlog = qlog;
  trial->scenario = scenario;
  trial->wants_series = wants_series;
  trial->sample_ns = SAMPLE_NS;
  trial->ended_at = TERN_SIM_START;
  if (!make(trial))
    return false;
  tern_sim_run_until_true(trial->sim, is_over, trial, TERN_SIM_START + scenario->time.low);
  trial->ended_at = tern_sim_now(trial->sim);
  for (size_t i = 0; i < trial->flows_count; i++)
    settle_flow(&trial->flows[i], trial->ended_at);
  if (tern_sim_get_fault(trial->sim) != NULL)
    complain(trial, tern_sim_get_fault(trial->sim));
  return trial->fault[0] == '\0';
}

void tern_trial_deinit(struct tern_trial *trial)
{
  tern_sim_free(trial->sim);
  for (size_t i = 0; i < 2; i++) {
    tern_tls_unref(trial->client_tls[i]);
    tern_tls_unref(trial->server_tls[i]);
  }
  for (size_t i = 0; i < trial->flows_count; i++) {
    tern_flow_forget(&trial->flows[i]);
    tern_qlog_files_free(trial->flows[i].qlogs[0]);
    tern_qlog_files_free(trial->flows[i].qlogs[1]);
    tern_sim_samples_deinit(&trial->flows[i].times);
    tern_series_deinit(&trial->flows[i].series);
  }
  for (size_t i = 0; i < TERN_SCENARIO_LINKS_MAX; i++) {
    free(trial->links[i].steps);
    tern_sim_samples_deinit(&trial->links[i].waits);
    tern_series_deinit(&trial->links[i].series);
  }
  free(trial->flows);
  free(trial->dues);
  memset(trial, 0, sizeof *trial);
}

/* ---- figures ----------------------------------------------------------------------------- */

double tern_flow_seconds(const struct tern_flow *flow)
{
  tern_time end = flow->is_done ? flow->done_at : flow->trial->ended_at;
  return flow->started_at == 0 ? 0 : (double)(end - flow->started_at) * 1e-9;
}

double tern_flow_goodput(const struct tern_flow *flow)
{
  double seconds = tern_flow_seconds(flow);
  return seconds > 0 ? (double)flow->content_bytes * 8 / seconds : 0;
}

double tern_trial_utilisation(const struct tern_trial *trial, size_t link)
{
  const struct tern_sim_link *it = trial->links[link].link;
  double seconds = tern_trial_seconds(trial);
  if (it->config.rate == 0 || !(seconds > 0))
    return NAN;
  double room = (double)it->config.rate * seconds;
  if (it->config.rates != NULL)
    room = (double)tern_sim_rates_bytes(it->config.rates, TERN_SIM_START, trial->ended_at);
  return (double)it->stats.bytes_out / room;
}
