/* SPDX-License-Identifier: MIT */
/* Summary, CSV and JSON of one run. */
#include "sim_report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

void tern_report_rate(struct tern_text *text, double bits_per_second)
{
  if (bits_per_second >= 1e9)
    tern_text_add(text, "%.2f Gbit/s", bits_per_second * 1e-9);
  else if (bits_per_second >= 1e6)
    tern_text_add(text, "%.2f Mbit/s", bits_per_second * 1e-6);
  else
    tern_text_add(text, "%.0f kbit/s", bits_per_second * 1e-3);
}

void tern_report_bytes(struct tern_text *text, double bytes)
{
  if (bytes >= 1048576)
    tern_text_add(text, "%.1f MiB", bytes / 1048576);
  else if (bytes >= 1024)
    tern_text_add(text, "%.1f KiB", bytes / 1024);
  else
    tern_text_add(text, "%.0f B", bytes);
}

void tern_report_ms(struct tern_text *text, double ms)
{
  if (isnan(ms))
    tern_text_add(text, "-");
  else if (ms >= 10000)
    tern_text_add(text, "%.1f s", ms * 1e-3);
  else
    tern_text_add(text, ms < 10 ? "%.2f ms" : "%.0f ms", ms);
}

/* ---- terminal ---------------------------------------------------------------------------- */

static void add_flow_times(struct tern_text *text, struct tern_flow *flow)
{
  bool is_media = flow->spec->workload == TERN_WORKLOAD_MEDIA;
  if (flow->spec->workload == TERN_WORKLOAD_BULK || flow->times.count == 0)
    return;
  tern_text_add(text, "  %" PRIu64 " of %" PRIu64 " %s, ", flow->answered, flow->requested,
                is_media ? "datagrams came" : "responses");
  tern_text_add(text, is_media ? "delay median " : "time median ");
  tern_report_ms(text, tern_sim_samples_quantile(&flow->times, 0.5));
  tern_text_add(text, ", 99%% within ");
  tern_report_ms(text, tern_sim_samples_quantile(&flow->times, 0.99));
  tern_text_add(text, "\n");
}

static void add_flow(struct tern_text *text, struct tern_flow *flow)
{
  const tern_conn_stats *stats = &flow->sender;
  tern_text_add(text, "%s: ", flow->spec->name);
  tern_report_bytes(text, (double)flow->content_bytes);
  tern_text_add(text, " in %.3f s, ", tern_flow_seconds(flow));
  tern_report_rate(text, tern_flow_goodput(flow));
  if (flow->why[0] != '\0')
    tern_text_add(text, "  FAILED: %s", flow->why);
  tern_text_add(text, "\n  handshake ");
  tern_report_ms(text, (double)flow->handshake_ns * 1e-6);
  tern_text_add(text, ", round trip least ");
  tern_report_ms(text, (double)stats->rtt_min_ns * 1e-6);
  tern_text_add(text, ", smoothed at the end ");
  tern_report_ms(text, (double)stats->rtt_smoothed_ns * 1e-6);
  tern_text_add(text,
                "\n  %" PRIu64 " packets sent, %" PRIu64 " lost (%.2f %%), %" PRIu64
                " congestion events, longest silence ",
                stats->packets_sent, stats->packets_lost,
                stats->packets_sent == 0
                    ? 0.0
                    : 100.0 * (double)stats->packets_lost / (double)stats->packets_sent,
                stats->congestion_events);
  tern_report_ms(text, (double)flow->silence_ns * 1e-6);
  tern_text_add(text, "\n");
  add_flow_times(text, flow);
}

static void add_link(struct tern_text *text, struct tern_trial *trial, size_t index)
{
  struct tern_trial_link *entry = &trial->links[index];
  const struct tern_sim_link_stats *stats = &entry->link->stats;
  double used = tern_trial_utilisation(trial, index);
  tern_text_add(text, "link %s: %" PRIu64 " datagrams", trial->scenario->links[index].name,
                stats->datagrams_in);
  if (!isnan(used))
    tern_text_add(text, ", %.1f %% used", used * 100);
  if (entry->link->config.rate != 0) {
    tern_text_add(text, ", wait median ");
    tern_report_ms(text, tern_sim_samples_quantile(&entry->waits, 0.5));
    tern_text_add(text, ", 99%% within ");
    tern_report_ms(text, tern_sim_samples_quantile(&entry->waits, 0.99));
  }
  tern_text_add(text, "\n");
  if (stats->lost + stats->dropped_queue + stats->dropped_mtu + stats->dropped_outage +
          stats->dropped_policer + stats->marked_ce ==
      0)
    return;
  tern_text_add(text,
                "  %" PRIu64 " lost, %" PRIu64 " dropped by the queue, %" PRIu64
                " by size, %" PRIu64 " by outages, %" PRIu64 " by the policer, %" PRIu64
                " marked CE\n",
                stats->lost, stats->dropped_queue, stats->dropped_mtu, stats->dropped_outage,
                stats->dropped_policer, stats->marked_ce);
}

void tern_report_text(struct tern_text *text, struct tern_trial *trial, uint64_t wall_ns)
{
  double shares[TERN_SCENARIO_FLOWS_MAX];
  for (size_t i = 0; i < trial->flows_count; i++) {
    shares[i] = tern_flow_goodput(&trial->flows[i]);
    add_flow(text, &trial->flows[i]);
  }
  if (trial->flows_count > 1)
    tern_text_add(text, "fairness (Jain) %.3f\n", tern_jain_index(shares, trial->flows_count));
  for (size_t i = 0; i < trial->scenario->links_count; i++)
    add_link(text, trial, i);
  tern_text_add(text, "seed %" PRIu64 ", %.3f s simulated in %.3f s", trial->scenario->seed,
                tern_trial_seconds(trial), (double)wall_ns * 1e-9);
  if (wall_ns != 0)
    tern_text_add(text, ", %.0f times real time",
                  tern_trial_seconds(trial) * 1e9 / (double)wall_ns);
  tern_text_add(text, "\n");
}

/* ---- CSV --------------------------------------------------------------------------------- */

static void add_cell(struct tern_text *text, double value)
{
  if (isnan(value))
    tern_text_add(text, ",");
  else
    tern_text_add(text, ",%.10g", value);
}

static void add_rows(struct tern_text *text, const char *what, const char *name,
                     const struct tern_series *series)
{
  for (size_t i = 0; i < series->count; i++) {
    tern_text_add(text, "%s,%s", what, name);
    for (size_t j = 0; j <= TERN_FLOW_PACING; j++)
      add_cell(text, series->rows[i][j]);
    tern_text_add(text, "\n");
  }
}

void tern_report_csv(struct tern_text *text, const struct tern_trial *trial)
{
  tern_text_add(text, "# flow: window_bytes in_flight_bytes rtt_ms delivered_bytes packets_lost "
                      "pacing_bytes_per_s\n"
                      "# link: queue_bytes wait_ms out_bytes drops marks\n"
                      "what,name,time_s,c1,c2,c3,c4,c5,c6\n");
  for (size_t i = 0; i < trial->flows_count; i++)
    add_rows(text, "flow", trial->flows[i].spec->name, &trial->flows[i].series);
  for (size_t i = 0; i < trial->scenario->links_count; i++)
    add_rows(text, "link", trial->scenario->links[i].name, &trial->links[i].series);
}

/* ---- JSON -------------------------------------------------------------------------------- */

void tern_report_json_string(struct tern_text *text, const char *plain)
{
  tern_text_add(text, "\"");
  for (; *plain != '\0'; plain++) {
    unsigned char c = (unsigned char)*plain;
    if (c < 0x20 || c == '"' || c == '\\')
      tern_text_add(text, "\\u%04x", (unsigned)c);
    else
      tern_text_add(text, "%c", c);
  }
  tern_text_add(text, "\"");
}

void tern_report_json_number(struct tern_text *text, const char *name, double number)
{
  if (isnan(number))
    tern_text_add(text, "\"%s\": null", name);
  else
    tern_text_add(text, "\"%s\": %.12g", name, number);
}

struct figure {
  const char *name;
  double value;
};

static void add_figures(struct tern_text *text, const struct figure *figures)
{
  for (; figures->name != NULL; figures++) {
    tern_text_add(text, ", ");
    tern_report_json_number(text, figures->name, figures->value);
  }
}

static void add_json_flow(struct tern_text *text, struct tern_flow *flow)
{
  const tern_conn_stats *stats = &flow->sender;
  const struct figure figures[] = {
      {"seconds", tern_flow_seconds(flow)},
      {"content_bytes", (double)flow->content_bytes},
      {"goodput_bits_per_s", tern_flow_goodput(flow)},
      {"handshake_ms", (double)flow->handshake_ns * 1e-6},
      {"silence_ms", (double)flow->silence_ns * 1e-6},
      {"packets_sent", (double)stats->packets_sent},
      {"packets_lost", (double)stats->packets_lost},
      {"congestion_events", (double)stats->congestion_events},
      {"rtt_min_ms", (double)stats->rtt_min_ns * 1e-6},
      {"rtt_smoothed_ms", (double)stats->rtt_smoothed_ns * 1e-6},
      {"requested", (double)flow->requested},
      {"answered", (double)flow->answered},
      {"time_median_ms", tern_sim_samples_quantile(&flow->times, 0.5)},
      {"time_p99_ms", tern_sim_samples_quantile(&flow->times, 0.99)},
      {NULL, 0},
  };
  tern_text_add(text, "{\"name\": ");
  tern_report_json_string(text, flow->spec->name);
  tern_text_add(text, ", \"cc\": \"%s\", \"workload\": \"%s\", \"failure\": ", flow->spec->cc->name,
                tern_workload_name(flow->spec->workload));
  if (flow->why[0] == '\0')
    tern_text_add(text, "null");
  else
    tern_report_json_string(text, flow->why);
  add_figures(text, figures);
  tern_text_add(text, "}");
}

static void add_json_link(struct tern_text *text, struct tern_trial *trial, size_t index)
{
  struct tern_trial_link *entry = &trial->links[index];
  const struct tern_sim_link_stats *stats = &entry->link->stats;
  const struct figure figures[] = {
      {"utilisation", tern_trial_utilisation(trial, index)},
      {"datagrams", (double)stats->datagrams_in},
      {"lost", (double)stats->lost},
      {"dropped_queue", (double)stats->dropped_queue},
      {"dropped_mtu", (double)stats->dropped_mtu},
      {"dropped_outage", (double)stats->dropped_outage},
      {"dropped_policer", (double)stats->dropped_policer},
      {"marked_ce", (double)stats->marked_ce},
      {"wait_median_ms", tern_sim_samples_quantile(&entry->waits, 0.5)},
      {"wait_p99_ms", tern_sim_samples_quantile(&entry->waits, 0.99)},
      {NULL, 0},
  };
  tern_text_add(text, "{\"name\": ");
  tern_report_json_string(text, trial->scenario->links[index].name);
  add_figures(text, figures);
  tern_text_add(text, "}");
}

void tern_report_json(struct tern_text *text, struct tern_trial *trial)
{
  tern_text_add(text, "{\"scenario\": ");
  tern_report_json_string(text, trial->scenario->name);
  tern_text_add(text, ", \"seed\": %" PRIu64 ", ", trial->scenario->seed);
  tern_report_json_number(text, "seconds", tern_trial_seconds(trial));
  tern_text_add(text, ", \"hash\": \"%016" PRIx64 "\",\n \"flows\": [",
                tern_sim_get_hash(trial->sim));
  for (size_t i = 0; i < trial->flows_count; i++) {
    tern_text_add(text, i == 0 ? "\n  " : ",\n  ");
    add_json_flow(text, &trial->flows[i]);
  }
  tern_text_add(text, "],\n \"links\": [");
  for (size_t i = 0; i < trial->scenario->links_count; i++) {
    tern_text_add(text, i == 0 ? "\n  " : ",\n  ");
    add_json_link(text, trial, i);
  }
  tern_text_add(text, "]}\n");
}

/* ---- files ------------------------------------------------------------------------------- */

bool tern_report_save(const char *path, const struct tern_text *text)
{
  bool is_stdout = strcmp(path, "-") == 0;
  int fd = is_stdout ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  bool is_good = fd >= 0 && tern_cli_write_all(fd, text->data, text->len);
  if (fd >= 0 && !is_stdout)
    is_good = close(fd) == 0 && is_good;
  if (!is_good)
    tern_cli_say(TERN_SIM_WHO, "cannot write %s: %s", path, strerror(errno));
  return is_good;
}
