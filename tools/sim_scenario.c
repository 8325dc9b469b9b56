/* SPDX-License-Identifier: MIT */
/* Tables of settings, defaults, draws. */
#include "sim_scenario.h"

#include <stdio.h>
#include <string.h>

#include <tern/base.h>

#define HOUR (3600 * TERN_SECOND)
#define AT(type, member) offsetof(struct type, member)

static const char *const aqms[] = {"none", "codel", "fq_codel", "dualpi2", NULL};
static const char *const radios[] = {"none", "lte", "satellite", "wifi", NULL};

const struct tern_setting tern_link_settings[] = {
    {"rate", TERN_UNIT_RATE, AT(tern_link_spec, rate), 0, UINT64_C(125000000000),
     "bits per second, such as 10M; 0 = without limit", NULL},
    {"delay", TERN_UNIT_TIME, AT(tern_link_spec, delay), 0, HOUR,
     "one way; the round trip is twice that", NULL},
    {"jitter", TERN_UNIT_TIME, AT(tern_link_spec, jitter), 0, HOUR,
     "up to so much more delay, order is kept", NULL},
    {"queue", TERN_UNIT_QUEUE, AT(tern_link_spec, queue), 0, UINT64_C(1) << 50,
     "room before the link: bytes, 100ms or 1bdp; 0 = any", NULL},
    {"loss", TERN_UNIT_SHARE, AT(tern_link_spec, loss), 0, TERN_SIM_PPM, "each datagram by itself",
     NULL},
    {"burst", TERN_UNIT_SHARE, AT(tern_link_spec, burst), 0, TERN_SIM_PPM,
     "loss of the datagram after a lost one", NULL},
    {"bad-enter", TERN_UNIT_SHARE, AT(tern_link_spec, bad_enter), 0, TERN_SIM_PPM,
     "Gilbert-Elliott: chance per datagram to turn bad", NULL},
    {"bad-leave", TERN_UNIT_SHARE, AT(tern_link_spec, bad_leave), 0, TERN_SIM_PPM,
     "and to turn good again; default 25%", NULL},
    {"bad-loss", TERN_UNIT_SHARE, AT(tern_link_spec, bad_loss), 0, TERN_SIM_PPM,
     "loss while it is bad; default 100%", NULL},
    {"reorder", TERN_UNIT_SHARE, AT(tern_link_spec, reorder), 0, TERN_SIM_PPM,
     "come later than their neighbours", NULL},
    {"reorder-by", TERN_UNIT_TIME, AT(tern_link_spec, reorder_by), 0, HOUR, "so much later", NULL},
    {"duplicate", TERN_UNIT_SHARE, AT(tern_link_spec, duplicate), 0, TERN_SIM_PPM, "arrive twice",
     NULL},
    {"corrupt", TERN_UNIT_SHARE, AT(tern_link_spec, corrupt), 0, TERN_SIM_PPM,
     "arrive with a byte changed", NULL},
    {"mtu", TERN_UNIT_BYTES, AT(tern_link_spec, mtu), 0, 65535,
     "longer UDP payloads vanish; 0 = none", NULL},
    {"mark", TERN_UNIT_SHARE, AT(tern_link_spec, mark), 0, TERN_SIM_PPM,
     "ECN-capable datagrams marked CE", NULL},
    {"mark-queue", TERN_UNIT_QUEUE, AT(tern_link_spec, mark_queue), 0, UINT64_C(1) << 50,
     "mark when so much waits; 0 = never", NULL},
    {"bleach", TERN_UNIT_COUNT, AT(tern_link_spec, bleach), 0, 1,
     "1 = the ECN codepoint is cleared", NULL},
    {"police", TERN_UNIT_RATE, AT(tern_link_spec, police), 0, UINT64_C(125000000000),
     "token bucket: what exceeds this is dropped at once", NULL},
    {"police-burst", TERN_UNIT_BYTES, AT(tern_link_spec, police_burst), 0, UINT64_C(1) << 40,
     "size of the bucket; default 64K", NULL},
    {"aqm", TERN_UNIT_COUNT, AT(tern_link_spec, aqm), 0, 3,
     "queue: none (drop-tail), codel, fq_codel or dualpi2", aqms},
    {"radio", TERN_UNIT_COUNT, AT(tern_link_spec, radio), 0, 3,
     "the rate changes like: lte, satellite or wifi, with --rate as its mean", radios},
    {NULL, TERN_UNIT_COUNT, 0, 0, 0, NULL, NULL},
};

const struct tern_setting tern_flow_settings[] = {
    {"start", TERN_UNIT_TIME, AT(tern_flow_spec, start), 0, HOUR, "when the flow begins", NULL},
    {"access-delay", TERN_UNIT_TIME, AT(tern_flow_spec, delay), 0, HOUR,
     "each way, before the shared links", NULL},
    {"bytes", TERN_UNIT_BYTES, AT(tern_flow_spec, bytes), 0, UINT64_C(1) << 50,
     "size of a response; bulk: 0 = until the time is over", NULL},
    {"count", TERN_UNIT_COUNT, AT(tern_flow_spec, count), 0, 1000000,
     "requests, resources or datagrams", NULL},
    {"gap", TERN_UNIT_TIME, AT(tern_flow_spec, gap), 0, HOUR, "between two of them", NULL},
    {NULL, TERN_UNIT_COUNT, 0, 0, 0, NULL, NULL},
};

const struct tern_setting *tern_setting_find(const struct tern_setting *table, const char *name)
{
  for (; table->name != NULL; table++)
    if (strcmp(table->name, name) == 0)
      return table;
  return NULL;
}

struct tern_value *tern_setting_value(const struct tern_setting *setting, void *spec)
{
  return (struct tern_value *)(void *)((char *)spec + setting->offset);
}

static bool set_word(const struct tern_setting *setting, void *spec, const char *text, char *why,
                     size_t why_size)
{
  for (uint64_t i = 0; setting->words[i] != NULL; i++) {
    if (strcmp(setting->words[i], text) == 0) {
      *tern_setting_value(setting, spec) = tern_value_of(i);
      return true;
    }
  }
  snprintf(why, why_size, "%s %s: there is %s, %s, %s and %s", setting->name, text,
           setting->words[0], setting->words[1], setting->words[2], setting->words[3]);
  return false;
}

const char *tern_setting_format(const struct tern_setting *setting, const struct tern_value *value,
                                char *text, size_t size)
{
  if (setting->words != NULL)
    return setting->words[value->low];
  return tern_value_format(value, setting->unit, text, size);
}

bool tern_setting_set(const struct tern_setting *setting, void *spec, const char *text, char *why,
                      size_t why_size)
{
  static const char *const forms[] = {"a number",
                                      "bytes, such as 64K",
                                      "bits per second, such as 10M",
                                      "a time, such as 25ms",
                                      "a share, such as 1%",
                                      "bytes, a time or bdp, such as 1bdp"};
  if (setting->words != NULL)
    return set_word(setting, spec, text, why, why_size);
  struct tern_value value, limits = {setting->min, setting->max, TERN_VALUE_PLAIN};
  char range[TERN_VALUE_TEXT_MAX];
  if (!tern_value_parse(&value, setting->unit, text)) {
    snprintf(why, why_size, "%s %s: give %s, or a range such as A..B", setting->name, text,
             forms[setting->unit]);
    return false;
  }
  if (value.low < setting->min || value.high > setting->max) {
    snprintf(why, why_size, "%s %s: choose from %s", setting->name, text,
             tern_value_format(&limits, setting->unit, range, sizeof range));
    return false;
  }
  *tern_setting_value(setting, spec) = value;
  return true;
}

static const char *const workloads[] = {"bulk", "requests", "page", "media"};

bool tern_workload_parse(enum tern_workload *workload, const char *word)
{
  for (unsigned i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
    if (strcmp(workloads[i], word) == 0) {
      *workload = (enum tern_workload)i;
      return true;
    }
  }
  return false;
}

const char *tern_workload_name(enum tern_workload workload)
{
  return workloads[workload];
}

/* ---- defaults ---------------------------------------------------------------------------- */

void tern_link_spec_init(struct tern_link_spec *link, const char *name)
{
  memset(link, 0, sizeof *link);
  snprintf(link->name, sizeof link->name, "%s", name);
}

void tern_flow_spec_init(struct tern_flow_spec *flow, enum tern_workload workload)
{
  static const struct {
    uint64_t bytes, count, gap_ns;
  } usual[] = {{10 << 20, 1, 0},
               {16 << 10, 50, 100 * TERN_MS},
               {25 << 10, 60, 0},
               {1000, 500, 20 * TERN_MS}};
  memset(flow, 0, sizeof *flow);
  flow->workload = workload;
  flow->cc = &tern_cc_cubic;
  flow->bytes = tern_value_of(usual[workload].bytes);
  flow->count = tern_value_of(usual[workload].count);
  flow->gap = tern_value_of(usual[workload].gap_ns);
}

void tern_scenario_init(struct tern_scenario *scenario)
{
  memset(scenario, 0, sizeof *scenario);
  scenario->seed = 1;
  scenario->time = tern_value_of(600 * TERN_SECOND);
}

/* ---- a link as the model takes it -------------------------------------------------------- */

uint64_t tern_scenario_rtt(const struct tern_scenario *scenario, size_t link)
{
  for (size_t i = 0; i < scenario->flows_count; i++) {
    const struct tern_flow_spec *flow = &scenario->flows[i];
    uint64_t rtt = 2 * flow->delay.low;
    bool is_on = false;
    for (size_t j = 0; j < flow->path_count; j++) {
      is_on |= flow->path[j] == link;
      rtt += scenario->links[flow->path[j]].delay.low;
    }
    for (size_t j = 0; j < flow->back_count; j++)
      rtt += scenario->links[flow->back[j]].delay.low;
    if (is_on)
      return rtt;
  }
  return 2 * scenario->links[link].delay.low;
}

static uint64_t bytes_of(const struct tern_value *value, uint64_t rate, uint64_t rtt_ns)
{
  double per_s = (double)rate;
  double bytes = (double)value->low;
  if (value->form == TERN_VALUE_BDP)
    bytes = bytes * 1e-3 * per_s * (double)rtt_ns * 1e-9;
  if (value->form == TERN_VALUE_TIME)
    bytes = bytes * 1e-9 * per_s;
  /* At least a few packets: a bottleneck without any room is no link. */
  if (value->form != TERN_VALUE_PLAIN && value->low != 0 && bytes < 3000)
    bytes = 3000;
  return (uint64_t)bytes;
}

static uint64_t or_else(uint64_t value, uint64_t usual)
{
  return value != 0 ? value : usual;
}

struct tern_sim_link_config tern_link_spec_config(const struct tern_link_spec *spec,
                                                  uint64_t rtt_ns)
{
  struct tern_sim_link_config config;
  memset(&config, 0, sizeof config);
  config.rate = spec->rate.low;
  config.delay_ns = spec->delay.low;
  config.jitter_ns = spec->jitter.low;
  config.queue_bytes = bytes_of(&spec->queue, spec->rate.low, rtt_ns);
  config.loss_ppm = (uint32_t)spec->loss.low;
  config.burst_ppm = (uint32_t)spec->burst.low;
  config.reorder_ppm = (uint32_t)spec->reorder.low;
  config.reorder_ns = or_else(spec->reorder_by.low, 5 * TERN_MS);
  config.duplicate_ppm = (uint32_t)spec->duplicate.low;
  config.duplicate_ns = TERN_MS;
  config.corrupt_ppm = (uint32_t)spec->corrupt.low;
  config.mtu_bytes = (uint32_t)spec->mtu.low;
  config.ce_ppm = (uint32_t)spec->mark.low;
  config.ce_queue_bytes = bytes_of(&spec->mark_queue, spec->rate.low, rtt_ns);
  config.bad_enter_ppm = (uint32_t)spec->bad_enter.low;
  config.bad_leave_ppm = (uint32_t)or_else(spec->bad_leave.low, 250000);
  config.bad_loss_ppm = (uint32_t)or_else(spec->bad_loss.low, TERN_SIM_PPM);
  config.police_rate = spec->police.low;
  config.police_bytes = or_else(spec->police_burst.low, 65536);
  config.bleaches = spec->bleach.low != 0;
  return config;
}

/* ---- ranges ------------------------------------------------------------------------------ */

struct visitor {
  tern_scenario_visit *visit;
  void *arg;
};

static void visit_one(const struct visitor *visitor, const char *name, enum tern_unit unit,
                      struct tern_value *value)
{
  if (tern_value_is_range(value))
    visitor->visit(visitor->arg, name, unit, value);
}

static void visit_table(const struct visitor *visitor, const struct tern_setting *table,
                        const char *owner, void *spec)
{
  char name[2 * TERN_SCENARIO_NAME_MAX];
  for (; table->name != NULL; table++) {
    snprintf(name, sizeof name, "%s.%s", owner, table->name);
    visit_one(visitor, name, table->unit, tern_setting_value(table, spec));
  }
}

void tern_scenario_each(struct tern_scenario *scenario, tern_scenario_visit *visit, void *arg)
{
  struct visitor visitor = {visit, arg};
  char name[TERN_SCENARIO_NAME_MAX];
  visit_one(&visitor, "time", TERN_UNIT_TIME, &scenario->time);
  for (size_t i = 0; i < scenario->links_count; i++)
    visit_table(&visitor, tern_link_settings, scenario->links[i].name, &scenario->links[i]);
  for (size_t i = 0; i < scenario->flows_count; i++)
    visit_table(&visitor, tern_flow_settings, scenario->flows[i].name, &scenario->flows[i]);
  for (size_t i = 0; i < scenario->changes_count; i++) {
    struct tern_change *change = &scenario->changes[i];
    snprintf(name, sizeof name, "change%zu.at", i + 1);
    visit_one(&visitor, name, TERN_UNIT_TIME, &change->at);
    snprintf(name, sizeof name, "change%zu", i + 1);
    visit_one(&visitor, name,
              change->kind == TERN_CHANGE_SETTING ? change->setting->unit : TERN_UNIT_TIME,
              &change->value);
  }
}

static void count_one(void *arg, const char *name, enum tern_unit unit, struct tern_value *value)
{
  (void)name, (void)unit, (void)value;
  ++*(size_t *)arg;
}

bool tern_scenario_has_ranges(const struct tern_scenario *scenario)
{
  struct tern_scenario copy = *scenario;
  size_t count = 0;
  tern_scenario_each(&copy, count_one, &count);
  return count != 0;
}

static void draw_one(void *arg, const char *name, enum tern_unit unit, struct tern_value *value)
{
  (void)name, (void)unit;
  value->low = value->high = tern_value_draw(value, arg);
}

void tern_scenario_draw(const struct tern_scenario *scenario, uint64_t seed,
                        struct tern_scenario *drawn)
{
  struct tern_random_seeded random;
  *drawn = *scenario;
  drawn->seed = seed;
  tern_random_seeded_init(&random, seed ^ UINT64_C(0x7465726e73696d00));
  tern_scenario_each(drawn, draw_one, &random);
  for (size_t i = 1; i < drawn->links_count; i++)
    if (drawn->links[i].follows)
      drawn->links[i].delay = drawn->links[0].delay;
}
