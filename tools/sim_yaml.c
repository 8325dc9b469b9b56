/* SPDX-License-Identifier: MIT */
/* Reading a scenario by libyaml's document interface: every value is a text, read like a flag's.
 *
 *   name: Two in one queue
 *   time: 60s
 *   links:
 *     - {name: bottleneck, rate: 10M, delay: 25ms, queue: 1bdp}
 *   flows:
 *     - {cc: cubic, path: [bottleneck], bytes: 10M}
 *   changes:
 *     - {at: 5s, link: bottleneck, rate: 5M} */
#include "sim_yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if TERN_HAS_YAML
#include <errno.h>
#include <yaml.h>

#include "cli.h"

struct reader {
  struct tern_scenario *scenario;
  yaml_document_t document;
  char *why;
  size_t why_size;
};

__attribute__((format(printf, 3, 4))) static bool
refuse(struct reader *reader, const yaml_node_t *node, const char *format, ...)
{
  va_list args;
  int used = snprintf(reader->why, reader->why_size, "line %zu: ", node->start_mark.line + 1);
  va_start(args, format);
  if (used > 0 && (size_t)used < reader->why_size)
    vsnprintf(reader->why + used, reader->why_size - (size_t)used, format, args);
  va_end(args);
  return false;
}

/* The text of a scalar, or NULL. */
static const char *text_of(const yaml_node_t *node)
{
  return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

typedef bool take_key(struct reader *reader, void *owner, const char *key, yaml_node_t *value);

static bool each_pair(struct reader *reader, yaml_node_t *map, take_key *take, void *owner)
{
  if (map->type != YAML_MAPPING_NODE)
    return refuse(reader, map, "this should be a list of \"key: value\"");
  for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top;
       pair++) {
    const char *key = text_of(yaml_document_get_node(&reader->document, pair->key));
    yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
    if (key == NULL)
      return refuse(reader, map, "a key should be a word");
    if (!take(reader, owner, key, value))
      return false;
  }
  return true;
}

static bool set_setting(struct reader *reader, const struct tern_setting *table, void *spec,
                        const char *key, yaml_node_t *value)
{
  char why[200];
  const struct tern_setting *setting = tern_setting_find(table, key);
  const char *text = text_of(value);
  if (setting == NULL)
    return refuse(reader, value, "there is no setting \"%s\" here", key);
  if (text == NULL)
    return refuse(reader, value, "%s should have one value", key);
  return tern_setting_set(setting, spec, text, why, sizeof why) || refuse(reader, value, "%s", why);
}

static bool set_time(struct reader *reader, struct tern_value *time, const char *key,
                     const yaml_node_t *value)
{
  const char *text = text_of(value);
  return (text != NULL && tern_value_parse(time, TERN_UNIT_TIME, text)) ||
         refuse(reader, value, "%s should be a time, such as 5s", key);
}

static bool set_name(struct reader *reader, char *name, const char *key, const yaml_node_t *value)
{
  const char *text = text_of(value);
  if (text == NULL || strlen(text) >= TERN_SCENARIO_NAME_MAX)
    return refuse(reader, value, "%s should be a word of less than %d bytes", key,
                  TERN_SCENARIO_NAME_MAX);
  snprintf(name, TERN_SCENARIO_NAME_MAX, "%s", text);
  return true;
}

/* ---- links ------------------------------------------------------------------------------- */

static bool take_link_key(struct reader *reader, void *owner, const char *key, yaml_node_t *value)
{
  struct tern_link_spec *link = owner;
  if (strcmp(key, "name") == 0)
    return set_name(reader, link->name, key, value);
  return set_setting(reader, tern_link_settings, link, key, value);
}

static bool take_link(struct reader *reader, yaml_node_t *node)
{
  struct tern_scenario *scenario = reader->scenario;
  char name[TERN_SCENARIO_NAME_MAX];
  if (scenario->links_count == TERN_SCENARIO_LINKS_MAX)
    return refuse(reader, node, "at most %d links", TERN_SCENARIO_LINKS_MAX);
  snprintf(name, sizeof name, "link%zu", scenario->links_count + 1);
  struct tern_link_spec *link = &scenario->links[scenario->links_count++];
  tern_link_spec_init(link, name);
  return each_pair(reader, node, take_link_key, link);
}

static bool find_link(struct reader *reader, const yaml_node_t *node, uint8_t *index)
{
  const char *name = text_of(node);
  for (size_t i = 0; name != NULL && i < reader->scenario->links_count; i++) {
    if (strcmp(reader->scenario->links[i].name, name) == 0) {
      *index = (uint8_t)i;
      return true;
    }
  }
  return refuse(reader, node, "there is no link \"%s\" above", name == NULL ? "" : name);
}

/* ---- flows ------------------------------------------------------------------------------- */

/* One name, or a list of them. */
static bool take_path(struct reader *reader, yaml_node_t *node, uint8_t *path, uint8_t *count)
{
  *count = 0;
  if (node->type != YAML_SEQUENCE_NODE) {
    *count = 1;
    return find_link(reader, node, path);
  }
  for (yaml_node_item_t *item = node->data.sequence.items.start;
       item < node->data.sequence.items.top; item++) {
    if (*count == TERN_SIM_PATH_MAX - 1)
      return refuse(reader, node, "at most %d links in a row", TERN_SIM_PATH_MAX - 1);
    if (!find_link(reader, yaml_document_get_node(&reader->document, *item), &path[(*count)++]))
      return false;
  }
  return *count != 0 || refuse(reader, node, "a path needs a link");
}

static bool take_flow_key(struct reader *reader, void *owner, const char *key, yaml_node_t *value)
{
  struct tern_flow_spec *flow = owner;
  const char *text = text_of(value);
  if (strcmp(key, "workload") == 0)
    return true; /* taken before the others */
  if (strcmp(key, "name") == 0)
    return set_name(reader, flow->name, key, value);
  if (strcmp(key, "path") == 0)
    return take_path(reader, value, flow->path, &flow->path_count);
  if (strcmp(key, "back") == 0)
    return take_path(reader, value, flow->back, &flow->back_count);
  if (strcmp(key, "cc") != 0)
    return set_setting(reader, tern_flow_settings, flow, key, value);
  flow->cc = text == NULL ? NULL : tern_cc_find(text);
  return flow->cc != NULL || refuse(reader, value, "there is no controller \"%s\"", text);
}

static bool take_workload(struct reader *reader, void *owner, const char *key, yaml_node_t *value)
{
  const char *text = text_of(value);
  if (strcmp(key, "workload") != 0)
    return true;
  return (text != NULL && tern_workload_parse(owner, text)) ||
         refuse(reader, value, "workload should be bulk, requests, page or media");
}

static bool take_flow(struct reader *reader, yaml_node_t *node)
{
  struct tern_scenario *scenario = reader->scenario;
  enum tern_workload workload = TERN_WORKLOAD_BULK;
  if (scenario->flows_count == TERN_SCENARIO_FLOWS_MAX)
    return refuse(reader, node, "at most %d flows", TERN_SCENARIO_FLOWS_MAX);
  if (!each_pair(reader, node, take_workload, &workload))
    return false;
  struct tern_flow_spec *flow = &scenario->flows[scenario->flows_count++];
  tern_flow_spec_init(flow, workload);
  if (!each_pair(reader, node, take_flow_key, flow))
    return false;
  if (flow->path_count == 0)
    flow->path_count = 1; /* the first link */
  if (flow->name[0] == '\0')
    snprintf(flow->name, sizeof flow->name, "%s %zu", flow->cc->name, scenario->flows_count);
  return true;
}

/* ---- changes ----------------------------------------------------------------------------- */

static bool find_flow(struct reader *reader, const yaml_node_t *node, uint8_t *index)
{
  const char *name = text_of(node);
  for (size_t i = 0; name != NULL && i < reader->scenario->flows_count; i++) {
    if (strcmp(reader->scenario->flows[i].name, name) == 0) {
      *index = (uint8_t)i;
      return true;
    }
  }
  return refuse(reader, node, "there is no flow \"%s\" above", name == NULL ? "" : name);
}

static bool take_change_key(struct reader *reader, void *owner, const char *key, yaml_node_t *value)
{
  struct tern_change *change = owner;
  if (strcmp(key, "at") == 0)
    return set_time(reader, &change->at, key, value);
  if (strcmp(key, "link") == 0)
    return find_link(reader, value, &change->index);
  if (strcmp(key, "rebind") == 0) {
    change->kind = TERN_CHANGE_REBIND;
    return find_flow(reader, value, &change->index);
  }
  if (strcmp(key, "down") == 0) {
    change->kind = TERN_CHANGE_OUTAGE;
    return set_time(reader, &change->value, key, value);
  }
  struct tern_link_spec spec;
  tern_link_spec_init(&spec, "");
  if (!set_setting(reader, tern_link_settings, &spec, key, value))
    return false;
  change->kind = TERN_CHANGE_SETTING;
  change->setting = tern_setting_find(tern_link_settings, key);
  change->value = *tern_setting_value(change->setting, &spec);
  return true;
}

static bool take_change(struct reader *reader, yaml_node_t *node)
{
  struct tern_scenario *scenario = reader->scenario;
  if (scenario->changes_count == TERN_SCENARIO_CHANGES_MAX)
    return refuse(reader, node, "at most %d changes", TERN_SCENARIO_CHANGES_MAX);
  struct tern_change *change = &scenario->changes[scenario->changes_count++];
  if (!each_pair(reader, node, take_change_key, change))
    return false;
  return change->kind != TERN_CHANGE_SETTING || change->setting != NULL ||
         refuse(reader, node, "say what changes: a setting of the link, down or rebind");
}

/* ---- the file ---------------------------------------------------------------------------- */

static bool each_item(struct reader *reader, yaml_node_t *list,
                      bool (*take)(struct reader *, yaml_node_t *))
{
  if (list->type != YAML_SEQUENCE_NODE)
    return refuse(reader, list, "this should be a list");
  for (yaml_node_item_t *item = list->data.sequence.items.start;
       item < list->data.sequence.items.top; item++)
    if (!take(reader, yaml_document_get_node(&reader->document, *item)))
      return false;
  return true;
}

static bool take_top_key(struct reader *reader, void *owner, const char *key, yaml_node_t *value)
{
  struct tern_scenario *scenario = owner;
  const char *text = text_of(value);
  if (strcmp(key, "name") == 0)
    return set_name(reader, scenario->name, key, value);
  if (strcmp(key, "time") == 0)
    return set_time(reader, &scenario->time, key, value);
  if (strcmp(key, "seed") == 0)
    return (text != NULL && tern_cli_parse_number(text, UINT64_MAX, &scenario->seed)) ||
           refuse(reader, value, "seed should be a number");
  if (strcmp(key, "links") == 0)
    return each_item(reader, value, take_link);
  if (strcmp(key, "flows") == 0)
    return each_item(reader, value, take_flow);
  if (strcmp(key, "changes") == 0)
    return each_item(reader, value, take_change);
  return refuse(reader, value, "\"%s\" is none of name, time, seed, links, flows and changes", key);
}

/* Flows without a way back get a link for it that has the delay of the first one and no limits. */
static bool complete(struct reader *reader)
{
  struct tern_scenario *scenario = reader->scenario;
  size_t back = scenario->links_count;
  if (scenario->links_count == 0 || scenario->flows_count == 0)
    return snprintf(reader->why, reader->why_size, "it needs links and flows") < 0;
  for (size_t i = 0; i < scenario->flows_count; i++) {
    struct tern_flow_spec *flow = &scenario->flows[i];
    if (flow->back_count != 0)
      continue;
    if (back == TERN_SCENARIO_LINKS_MAX)
      return snprintf(reader->why, reader->why_size, "too many links") < 0;
    flow->back[flow->back_count++] = (uint8_t)back;
    scenario->links_count = back + 1;
  }
  if (scenario->links_count > back) {
    tern_link_spec_init(&scenario->links[back], "back");
    scenario->links[back].follows = true;
  }
  return true;
}

static bool read_document(struct reader *reader, FILE *file)
{
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser))
    return snprintf(reader->why, reader->why_size, "no memory") < 0;
  yaml_parser_set_input_file(&parser, file);
  bool is_good = yaml_parser_load(&parser, &reader->document) != 0;
  if (!is_good) {
    snprintf(reader->why, reader->why_size, "line %zu: %s", parser.problem_mark.line + 1,
             parser.problem == NULL ? "no YAML" : parser.problem);
  } else {
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    if (root == NULL)
      is_good = snprintf(reader->why, reader->why_size, "it is empty") < 0;
    else
      is_good = each_pair(reader, root, take_top_key, reader->scenario) && complete(reader);
    yaml_document_delete(&reader->document);
  }
  yaml_parser_delete(&parser);
  return is_good;
}

bool tern_scenario_load(struct tern_scenario *scenario, const char *path, char *why,
                        size_t why_size)
{
  struct reader reader = {.scenario = scenario, .why = why, .why_size = why_size};
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    snprintf(why, why_size, "%s", strerror(errno));
    return false;
  }
  snprintf(scenario->name, sizeof scenario->name, "%.90s", path);
  bool is_good = read_document(&reader, file);
  fclose(file);
  return is_good;
}

#else

bool tern_scenario_load(struct tern_scenario *scenario, const char *path, char *why,
                        size_t why_size)
{
  (void)scenario, (void)path;
  snprintf(why, why_size, "this tern was built without libyaml");
  return false;
}

#endif
