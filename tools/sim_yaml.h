/* SPDX-License-Identifier: MIT */
/* Scenario files: links, flows and changes as YAML. Keys are the names of the settings, as in flags. */
#ifndef TERN_TOOLS_SIM_YAML_H
#define TERN_TOOLS_SIM_YAML_H

#include "sim_scenario.h"

/* Fills a scenario that was initialised. False with a sentence in `why` that names the line. */
bool tern_scenario_load(struct tern_scenario *scenario, const char *path, char *why,
                        size_t why_size);

#endif
