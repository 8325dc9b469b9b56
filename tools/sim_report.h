/* SPDX-License-Identifier: MIT */
/* What a run came to, for people and for programs. */
#ifndef TERN_TOOLS_SIM_REPORT_H
#define TERN_TOOLS_SIM_REPORT_H

#include "sim_trial.h"
#include "text.h"

/* "1.5 Mbit/s", "64 KiB", "25 ms". */
void tern_report_rate(struct tern_text *text, double bits_per_second);
void tern_report_bytes(struct tern_text *text, double bytes);
void tern_report_ms(struct tern_text *text, double ms);

/* The summary on the terminal. `wall_ns`: how long the run took. */
void tern_report_text(struct tern_text *text, struct tern_trial *trial, uint64_t wall_ns);
void tern_report_csv(struct tern_text *text, const struct tern_trial *trial);
void tern_report_json(struct tern_text *text, struct tern_trial *trial);
/* `command` repeats the run but for the seed. */
void tern_report_html(struct tern_text *text, struct tern_trial *trial, const char *command);

/* JSON's string escapes, with the quotes. */
void tern_report_json_string(struct tern_text *text, const char *plain);
/* A number, or null for NaN. */
void tern_report_json_number(struct tern_text *text, const char *name, double number);

/* False: cannot write, says why. "-" is standard output. */
bool tern_report_save(const char *path, const struct tern_text *text);

#endif
