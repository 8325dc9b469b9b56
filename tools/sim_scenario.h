/* SPDX-License-Identifier: MIT */
/* What is to be simulated: links, flows over them, changes in between. Made from flags or from a file;
 * the settings of a link and of a flow stand in one table each, which both read.
 *
 *   server ── path: link, link ... ──▶ client        one connection per flow; the server sends
 *          ◀── back: link ... ─────────
 *
 * Values may be ranges; tern_scenario_draw makes a scenario of plain values from a seed, so a run is
 * named by its scenario and its seed. */
#ifndef TERN_TOOLS_SIM_SCENARIO_H
#define TERN_TOOLS_SIM_SCENARIO_H

#include <tern/cc.h>

#include "sim/link.h"
#include "sim/sim.h"
#include "sim_value.h"

#define TERN_SIM_WHO "tern sim"
#define TERN_SCENARIO_LINKS_MAX 16
#define TERN_SCENARIO_FLOWS_MAX 64
#define TERN_SCENARIO_CHANGES_MAX 64
#define TERN_SCENARIO_NAME_MAX 48

struct tern_link_spec {
  char name[TERN_SCENARIO_NAME_MAX];
  struct tern_value rate, delay, jitter, queue;
  struct tern_value loss, burst, bad_enter, bad_leave, bad_loss;
  struct tern_value reorder, reorder_by, duplicate, corrupt;
  struct tern_value mtu, mark, mark_queue, bleach;
  struct tern_value police, police_burst;
  bool follows;                 /* its delay is that of the first link, as drawn */
  struct tern_value aqm, radio; /* enum tern_sim_aqm, enum tern_sim_radio */
};

enum tern_workload {
  TERN_WORKLOAD_BULK,     /* one response of `bytes` */
  TERN_WORKLOAD_REQUESTS, /* `count` responses of `bytes`, one after the other, `gap` between */
  TERN_WORKLOAD_PAGE,     /* a document, then `count` resources at once, with priorities */
  TERN_WORKLOAD_MEDIA,    /* `count` datagrams of `bytes`, one each `gap` */
};

struct tern_flow_spec {
  char name[TERN_SCENARIO_NAME_MAX];
  const tern_cc_ops *cc; /* the server's */
  enum tern_workload workload;
  struct tern_value start, delay, bytes, count, gap;
  /* Indices of links. */
  uint8_t path[TERN_SIM_PATH_MAX], path_count;
  uint8_t back[TERN_SIM_PATH_MAX], back_count;
};

enum tern_change_kind {
  TERN_CHANGE_SETTING, /* a link's setting takes a value */
  TERN_CHANGE_OUTAGE,  /* a link is down for `value` */
  TERN_CHANGE_REBIND,  /* a NAT gives the flow's client a new address */
};

struct tern_change {
  enum tern_change_kind kind;
  struct tern_value at, value;
  uint8_t index; /* of the link or of the flow */
  const struct tern_setting *setting;
};

struct tern_scenario {
  char name[TERN_SCENARIO_NAME_MAX * 2];
  uint64_t seed;
  struct tern_value time; /* at most so long */
  bool real_tls;
  struct tern_link_spec links[TERN_SCENARIO_LINKS_MAX];
  size_t links_count;
  struct tern_flow_spec flows[TERN_SCENARIO_FLOWS_MAX];
  size_t flows_count;
  struct tern_change changes[TERN_SCENARIO_CHANGES_MAX];
  size_t changes_count;
};

/* A number of a link or a flow, by name. */
struct tern_setting {
  const char *name;
  enum tern_unit unit;
  size_t offset; /* of the struct tern_value in the spec */
  uint64_t min, max;
  const char *text; /* for --help */
  const char *const
      *words; /* not NULL = one of these, which ends with NULL; the value is its index */
};

/* End with name NULL. */
extern const struct tern_setting tern_link_settings[];
extern const struct tern_setting tern_flow_settings[];

const struct tern_setting *tern_setting_find(const struct tern_setting *table, const char *name);
/* Reads `text` into the member of `spec`. False with a sentence in `why`. */
bool tern_setting_set(const struct tern_setting *setting, void *spec, const char *text, char *why,
                      size_t why_size);
/* What tern_setting_set would read again: `text` or a constant. */
const char *tern_setting_format(const struct tern_setting *setting, const struct tern_value *value,
                                char *text, size_t size);
struct tern_value *tern_setting_value(const struct tern_setting *setting, void *spec);

/* False for a word that is none. */
bool tern_workload_parse(enum tern_workload *workload, const char *word);
const char *tern_workload_name(enum tern_workload workload);

void tern_scenario_init(struct tern_scenario *scenario);
void tern_link_spec_init(struct tern_link_spec *link, const char *name);
/* Defaults that suit the workload stand for what stays 0. */
void tern_flow_spec_init(struct tern_flow_spec *flow, enum tern_workload workload);

/* The link as the model takes it; `spec` has no ranges. `rtt_ns` is what "bdp" means. */
struct tern_sim_link_config tern_link_spec_config(const struct tern_link_spec *spec,
                                                  uint64_t rtt_ns);
/* Round trip without queues of the first flow that takes the link, or of twice the link. */
uint64_t tern_scenario_rtt(const struct tern_scenario *scenario, size_t link);

bool tern_scenario_has_ranges(const struct tern_scenario *scenario);
/* `drawn` is `scenario` with a draw in place of each range. */
void tern_scenario_draw(const struct tern_scenario *scenario, uint64_t seed,
                        struct tern_scenario *drawn);

/* Calls `visit` for each value of the scenario that is a range, in a fixed order, with a name such as
 * "bottleneck.rate"; `value` belongs to `scenario`. */
typedef void tern_scenario_visit(void *arg, const char *name, enum tern_unit unit,
                                 struct tern_value *value);
void tern_scenario_each(struct tern_scenario *scenario, tern_scenario_visit *visit, void *arg);

#endif
