/* SPDX-License-Identifier: MIT */
/* tern get: the run. */
#include "get.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_NS (200 * TERN_MS)
#define FLUSH_TURNS 3
#define STREAM_WINDOW (UINT64_C(4) << 20)
#define STREAM_WINDOW_MAX (UINT64_C(32) << 20)
#define CONN_WINDOW (UINT64_C(8) << 20)
#define CONN_WINDOW_MAX (UINT64_C(64) << 20)

void tern_get_fail(struct tern_get *get, int exit_code)
{
  if (get->exit_code == TERN_EXIT_OK)
    get->exit_code = exit_code;
}

static bool is_same_origin(const struct tern_url *a, const struct tern_url *b)
{
  return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static struct tern_get_origin *find_origin(struct tern_get *get, const struct tern_url *url)
{
  for (size_t i = 0; i < get->origins_count; i++)
    if (is_same_origin(get->origins[i].first, url))
      return &get->origins[i];
  return NULL;
}

/* Sorts the URLs by host and port, in the order of the command line. */
static void group_urls(struct tern_get *get)
{
  size_t count = get->options.urls_count;
  get->origins = tern_cli_take(count, sizeof *get->origins);
  for (size_t i = 0; i < count; i++) {
    const struct tern_url *url = &get->options.urls[i];
    struct tern_get_origin *origin = find_origin(get, url);
    if (origin == NULL) {
      origin = &get->origins[get->origins_count++];
      origin->get = get;
      origin->first = url;
      origin->urls = tern_cli_take(count, sizeof(struct tern_url *));
    }
    origin->urls[origin->urls_count++] = url;
    origin->jobs_total += get->options.repeat;
  }
}

static int refuse(const char *why)
{
  tern_cli_say(TERN_GET_WHO, "%s", why);
  return TERN_EXIT_LOCAL;
}

static int make_tls(struct tern_get *get, tern_tls **tls)
{
  static const char *const alpn[] = {"h3"};
  char why[256] = "";
  tern_tls_config config;
  tern_tls_config_init(&config, sizeof config);
  config.alpn = alpn;
  config.alpn_count = 1;
  config.ca_file = get->options.cacert;
  config.insecure_no_verify = get->options.insecure;
  tern_knobs_apply_tls(&get->options.knobs, &config);
  if (tern_tls_new(tls, &config, why, sizeof why) == TERN_OK)
    return TERN_EXIT_OK;
  if (config.ca_file != NULL)
    tern_cli_say(TERN_GET_WHO, "cannot use --cacert %s: %s; it must be a PEM file", config.ca_file,
                 why);
  else
    tern_cli_say(TERN_GET_WHO, "cannot set up TLS: %s; give the trusted roots with --cacert FILE",
                 why);
  return TERN_EXIT_LOCAL;
}

static int make_loop(struct tern_get *get)
{
  char why[256] = "not enough memory";
  tern_tls *tls;
  int result = make_tls(get, &tls);
  if (result != TERN_EXIT_OK)
    return result;
  tern_config config;
  tern_config_init(&config, sizeof config);
  config.client_tls = tls;
  config.stream_window_bytes = STREAM_WINDOW;
  config.stream_window_max_bytes = STREAM_WINDOW_MAX;
  config.conn_window_bytes = CONN_WINDOW;
  config.conn_window_max_bytes = CONN_WINDOW_MAX;
  tern_knobs_apply(&get->options.knobs, &config);
  tern_loop_config loop_config;
  tern_loop_config_init(&loop_config, sizeof loop_config);
  loop_config.endpoint = &config;
  tern_knobs_apply_loop(&get->options.knobs, &loop_config);
  tern_status status = tern_loop_new(&get->loop, &loop_config, why, sizeof why);
  tern_tls_unref(tls);
  return status == TERN_OK ? TERN_EXIT_OK : refuse(why);
}

static void on_max_time(void *arg, tern_time now)
{
  struct tern_get *get = arg;
  (void)now;
  tern_cli_say(TERN_GET_WHO, "stopped: --max-time is over");
  get->exit_code = TERN_EXIT_MAX_TIME;
  for (size_t i = 0; i < get->origins_count; i++)
    tern_get_origin_stop(&get->origins[i], TERN_H3_REQUEST_CANCELLED);
  tern_loop_stop(get->loop);
}

static void on_progress(void *arg, tern_time now)
{
  struct tern_get *get = arg;
  tern_get_draw_progress(get, false);
  tern_loop_set_timer(get->progress_timer, now + PROGRESS_NS);
}

static bool start_timers(struct tern_get *get)
{
  tern_time now = tern_loop_now(get->loop);
  get->started_at = now;
  get->progress_total = UINT64_MAX;
  get->has_progress = get->options.output != NULL && !tern_get_is_to_stdout(get) &&
                      !tern_get_is_discarding(get) && isatty(STDERR_FILENO);
  if (tern_loop_add_timer(get->loop, on_max_time, get, &get->max_timer) != TERN_OK ||
      tern_loop_add_timer(get->loop, on_progress, get, &get->progress_timer) != TERN_OK)
    return false;
  if (get->options.max_time_ns != 0)
    tern_loop_set_timer(get->max_timer, now + get->options.max_time_ns);
  if (get->has_progress)
    tern_loop_set_timer(get->progress_timer, now + PROGRESS_NS);
  return true;
}

/* A name that has no address stops its own URLs only. */
static void resolve_origins(struct tern_get *get)
{
  for (size_t i = 0; i < get->origins_count; i++) {
    struct tern_get_origin *origin = &get->origins[i];
    if (tern_get_origin_resolve(origin))
      get->origins_open++;
    else
      origin->phase = TERN_GET_ENDED;
  }
}

/* All at once, but one after the other where bodies would mix on standard output. */
void tern_get_start_origins(struct tern_get *get)
{
  while (get->origins_started < get->origins_count) {
    struct tern_get_origin *origin = &get->origins[get->origins_started++];
    if (origin->phase == TERN_GET_ENDED)
      continue;
    tern_get_origin_start(origin);
    if (tern_get_is_serial(get))
      return;
  }
}

bool tern_get_is_discarding(const struct tern_get *get)
{
  return get->options.repeat > 1;
}

bool tern_get_is_to_stdout(const struct tern_get *get)
{
  const struct tern_get_options *options = &get->options;
  bool has_file = options->output != NULL && strcmp(options->output, "-") != 0;
  return !has_file && !options->remote_name && !tern_get_is_discarding(get);
}

bool tern_get_is_serial(const struct tern_get *get)
{
  return get->options.urls_count > 1 && tern_get_is_to_stdout(get);
}

static void run(struct tern_get *get)
{
  tern_status status = TERN_OK;
  resolve_origins(get);
  tern_get_start_origins(get);
  if (get->origins_open > 0)
    status = tern_loop_run(get->loop);
  if (status != TERN_OK) {
    tern_cli_say(TERN_GET_WHO, "the system refused to go on: %s", strerror(errno));
    tern_get_fail(get, TERN_EXIT_LOCAL);
  }
  /* The last words to the peers. */
  for (int i = 0; i < FLUSH_TURNS && status == TERN_OK; i++)
    status = tern_loop_run_once(get->loop, 0);
  if (get->has_progress)
    tern_get_draw_progress(get, true);
}

static void deinit(struct tern_get *get)
{
  tern_loop_free(get->loop);
  for (size_t i = 0; i < get->origins_count; i++)
    free(get->origins[i].urls);
  free(get->origins);
  tern_get_options_deinit(&get->options);
}

int tern_get_main(int argc, char **argv)
{
  struct tern_get get;
  memset(&get, 0, sizeof get);
  get.exit_code = tern_get_options_parse(&get.options, argc, argv);
  bool wants_run = get.exit_code == TERN_EXIT_OK && !get.options.is_help;
  signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write(2) */
  if (wants_run) {
    group_urls(&get);
    get.exit_code = make_loop(&get);
    wants_run = get.exit_code == TERN_EXIT_OK;
  }
  if (wants_run && !start_timers(&get)) {
    get.exit_code = refuse("not enough memory");
    wants_run = false;
  }
  if (wants_run) {
    run(&get);
    if (get.options.summary)
      tern_get_print_summary(&get);
  }
  int exit_code = get.exit_code;
  deinit(&get);
  return exit_code;
}
