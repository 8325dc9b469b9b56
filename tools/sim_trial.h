/* SPDX-License-Identifier: MIT */
/* One run of a scenario without ranges: the simulated world, its applications, and what came of it.
 *
 *   trial        nodes, links, changes, the sampling clock
 *    `- flow     one connection and its workload (sim_flow.c: HTTP/3; sim_media.c: datagrams) */
#ifndef TERN_TOOLS_SIM_TRIAL_H
#define TERN_TOOLS_SIM_TRIAL_H

#include <tern/h3.h>

#include "qlog_files.h"
#include "sim_scenario.h"
#include "sim_series.h"
#include "sim_stats.h"

enum tern_flow_column {
  TERN_FLOW_TIME,
  TERN_FLOW_WINDOW,    /* bytes */
  TERN_FLOW_IN_FLIGHT, /* bytes */
  TERN_FLOW_RTT,       /* ms, latest */
  TERN_FLOW_DELIVERED, /* bytes of content so far */
  TERN_FLOW_LOST,      /* packets declared lost so far */
  TERN_FLOW_PACING,    /* bytes per second */
};

enum tern_link_column {
  TERN_LINK_TIME,
  TERN_LINK_QUEUE, /* bytes */
  TERN_LINK_WAIT,  /* ms that the next one waits */
  TERN_LINK_OUT,   /* bytes so far */
  TERN_LINK_DROPS, /* datagrams so far, of any cause */
  TERN_LINK_MARKS,
};

struct tern_trial;

struct tern_flow {
  struct tern_trial *trial;
  const struct tern_flow_spec *spec;
  struct tern_sim_node *client, *server;
  tern_addr client_addr, server_addr;
  tern_conn *client_conn, *server_conn;   /* NULL before and after */
  tern_h3 *h3;                            /* client's, NULL after */
  struct tern_fetch *fetches;             /* requests that have not had their last callback */
  uint64_t requested, answered;           /* requests; media: datagrams sent, received */
  tern_time started_at, done_at, last_at; /* last_at: last content; 0 = never yet */
  uint64_t silence_ns;                    /* longest time without content while some was due */
  uint64_t content_bytes;
  struct tern_sim_samples times; /* ms per request, or delay of each datagram */
  tern_conn_stats sender;        /* of the server's side, the latest */
  uint64_t handshake_ns;
  struct tern_qlog_files *qlogs[2];     /* of client, of server; NULL = none */
  tern_event_subscriber subscribers[2]; /* of these */
  bool is_open_ended;                   /* runs until the time is over */
  bool is_done;
  char why[160]; /* empty, or how it failed */
  struct tern_series series;
};

struct tern_trial_link {
  struct tern_sim_link *link;
  struct tern_sim_rate_step *steps; /* of a radio, else NULL */
  struct tern_sim_rates rates;
  struct tern_series series;
  struct tern_sim_samples waits; /* ms, at equal distances */
};

struct tern_trial {
  const struct tern_scenario *scenario;
  struct tern_sim *sim;
  tern_tls *client_tls[2], *server_tls[2]; /* HTTP/3, media */
  struct tern_flow *flows;
  size_t flows_count, flows_open;
  struct tern_trial_link links[TERN_SCENARIO_LINKS_MAX];
  struct tern_trial_due *dues; /* one per change */
  uint64_t sample_ns;
  bool wants_series;
  const char *qlog; /* folder; NULL = none */
  tern_time ended_at;
  char fault[160]; /* empty, or why the world stopped or could not be made */
};

/* False: `trial->fault` says why. tern_trial_deinit in any case. `scenario` must outlive the trial. */
bool tern_trial_run(struct tern_trial *trial, const struct tern_scenario *scenario,
                    bool wants_series, const char *qlog);
void tern_trial_deinit(struct tern_trial *trial);

static inline double tern_trial_seconds(const struct tern_trial *trial)
{
  return (double)(trial->ended_at - TERN_SIM_START) * 1e-9;
}
/* From the flow's start to its end, or to the end of the run. */
double tern_flow_seconds(const struct tern_flow *flow);
/* Bits of content per second. */
double tern_flow_goodput(const struct tern_flow *flow);
/* Share of what the link could carry in the run, NaN without a rate. */
double tern_trial_utilisation(const struct tern_trial *trial, size_t link);

/* ---- between sim_trial.c, sim_flow.c and sim_media.c ---- */
bool tern_flow_start(struct tern_flow *flow);  /* the client connects */
void tern_media_start(struct tern_flow *flow); /* server: the first datagram is due */
void tern_flow_note_content(struct tern_flow *flow, uint64_t bytes);
void tern_flow_end(struct tern_flow *flow);
void tern_flow_forget(struct tern_flow *flow); /* frees its requests; its endpoints are gone */
void tern_flow_look(struct tern_flow *flow);   /* takes the sender's figures */
extern const tern_endpoint_ops tern_flow_endpoint_ops;
extern const tern_conn_ops tern_media_client_ops;
extern const tern_conn_ops tern_media_server_ops;
/* A tls_sim, or a real one. NULL with a sentence in `why`. */
tern_tls *tern_trial_tls(bool is_real, bool is_server, const char *alpn, char *why,
                         size_t why_size);

#endif
