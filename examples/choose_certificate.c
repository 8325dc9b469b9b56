/* SPDX-License-Identifier: MIT */
/* A server without a certificate: each handshake waits until one for its name was found, by another
 * thread, in a slow store that fails now and then. What was found stays in a cache.
 *
 *     choose_certificate store name...
 *
 * The store is a folder of NAME.pem and NAME.key. The main thread is the client: it connects to each name
 * twice and trusts STORE/NAME.pem. Names that begin with "down" stand for a store that does not answer. */
#define _GNU_SOURCE /* nanosleep */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <tern/tern.h>

#define NAMES_MAX 16
#define NAME_BYTES 256
#define LOAD_NS 20000000 /* what the store takes */

static const char *const alpn[] = {"hello"};

struct entry {
  char name[NAME_BYTES];
  tern_tls *tls; /* a reference */
};

struct chooser {
  const char *store;
  pthread_mutex_t lock;
  pthread_cond_t is_fed;
  tern_tls_work *queue[NAMES_MAX];
  size_t queued;
  bool is_stopping;
  struct entry cache[NAMES_MAX]; /* a real one forgets the oldest, and asks anew after a while */
  size_t cached;
  unsigned hits, loads, failures;
};

static void copy_name(tern_slice name, char out[NAME_BYTES])
{
  size_t len = name.len < NAME_BYTES - 1 ? name.len : NAME_BYTES - 1;
  memcpy(out, name.data, len);
  out[len] = '\0';
}

/* With the lock held. */
static tern_tls *find(const struct chooser *chooser, const char *name)
{
  for (size_t i = 0; i < chooser->cached; i++)
    if (strcmp(chooser->cache[i].name, name) == 0)
      return chooser->cache[i].tls;
  return NULL;
}

/* ---- the store's thread ---------------------------------------------------------------------- */

/* NULL: there is none. A name from the network becomes part of a path: no slashes. */
static tern_tls *load(const struct chooser *chooser, const char *name)
{
  char cert[512], key[512], why[256];
  tern_tls *tls = NULL;
  tern_tls_config config;
  nanosleep(&(struct timespec){.tv_nsec = LOAD_NS}, NULL);
  if (strncmp(name, "down", 4) == 0 || strchr(name, '/') != NULL)
    return NULL;
  snprintf(cert, sizeof cert, "%s/%s.pem", chooser->store, name);
  snprintf(key, sizeof key, "%s/%s.key", chooser->store, name);
  tern_tls_config_init(&config, sizeof config);
  config.is_server = true;
  config.cert_file = cert;
  config.key_file = key;
  config.alpn = alpn;
  config.alpn_count = 1;
  if (tern_tls_new(&tls, &config, why, sizeof why) != TERN_OK)
    return NULL;
  return tls;
}

static tern_tls_work *take_work(struct chooser *chooser)
{
  tern_tls_work *work = NULL;
  pthread_mutex_lock(&chooser->lock);
  while (chooser->queued == 0 && !chooser->is_stopping)
    pthread_cond_wait(&chooser->is_fed, &chooser->lock);
  if (chooser->queued != 0)
    work = chooser->queue[--chooser->queued];
  pthread_mutex_unlock(&chooser->lock);
  return work;
}

/* Keeps `tls`, whose reference is the cache's from here on. */
static void keep(struct chooser *chooser, const char *name, tern_tls *tls)
{
  pthread_mutex_lock(&chooser->lock);
  if (tls != NULL)
    chooser->loads++;
  else
    chooser->failures++;
  if (tls != NULL && chooser->cached < NAMES_MAX) {
    snprintf(chooser->cache[chooser->cached].name, NAME_BYTES, "%s", name);
    chooser->cache[chooser->cached++].tls = tern_tls_ref(tls);
  }
  pthread_mutex_unlock(&chooser->lock);
}

static void *load_all(void *arg)
{
  struct chooser *chooser = arg;
  tern_tls_work *work;
  while ((work = take_work(chooser)) != NULL) {
    char name[NAME_BYTES];
    tern_tls *tls = NULL;
    copy_name(tern_tls_work_get_server_name(work), name);
    if (!tern_tls_work_is_cancelled(work)) {
      tls = load(chooser, name);
      keep(chooser, name, tls);
    }
    tern_tls_work_finish_choice(work, tls);
    tern_tls_unref(tls);
  }
  return NULL;
}

/* ---- the server's thread --------------------------------------------------------------------- */

static void choose(void *arg, tern_tls_work *work)
{
  struct chooser *chooser = arg;
  char name[NAME_BYTES];
  copy_name(tern_tls_work_get_server_name(work), name);
  pthread_mutex_lock(&chooser->lock);
  tern_tls *tls = find(chooser, name);
  chooser->hits += tls != NULL;
  bool is_queued = tls == NULL && chooser->queued < NAMES_MAX;
  if (is_queued)
    chooser->queue[chooser->queued++] = work;
  pthread_cond_signal(&chooser->is_fed);
  pthread_mutex_unlock(&chooser->lock);
  if (!is_queued) /* known, or too busy */
    tern_tls_work_finish_choice(work, tls);
}

static void on_conn(void *app, tern_conn *conn)
{
  (void)app, (void)conn; /* the clients only want to get in */
}

static const tern_endpoint_ops endpoint_ops = {.size = sizeof endpoint_ops, .on_conn = on_conn};

static void *serve(void *arg)
{
  if (tern_loop_run(arg) != TERN_OK)
    fprintf(stderr, "the server's loop has failed\n");
  return NULL;
}

/* `chooser` NULL: a client's, which trusts `ca_file`. */
static tern_status make_loop(tern_loop **loop, struct chooser *chooser, const char *ca_file)
{
  char why[256] = "";
  tern_tls *tls = NULL;
  tern_tls_config tls_config;
  tern_tls_config_init(&tls_config, sizeof tls_config);
  tls_config.is_server = chooser != NULL;
  tls_config.ca_file = ca_file;
  tls_config.alpn = alpn;
  tls_config.alpn_count = 1;
  if (chooser != NULL)
    tls_config.certs = (tern_certs_ops){.choose = choose, .arg = chooser};
  tern_status status = tern_tls_new(&tls, &tls_config, why, sizeof why);

  tern_config endpoint;
  tern_loop_config config;
  tern_config_init(&endpoint, sizeof endpoint);
  tern_loop_config_init(&config, sizeof config);
  config.endpoint = &endpoint;
  config.ops = &endpoint_ops;
  if (chooser != NULL)
    endpoint.server_tls = tls;
  else
    endpoint.client_tls = tls;
  if (status == TERN_OK && chooser != NULL)
    status = tern_addr_parse(&config.listen, "127.0.0.1:0");
  if (status == TERN_OK)
    status = tern_loop_new(loop, &config, why, sizeof why);
  tern_tls_unref(tls); /* the endpoint has its own reference */
  if (status != TERN_OK)
    fprintf(stderr, "%s\n", why);
  return status;
}

/* ---- the client ------------------------------------------------------------------------------ */

struct visit {
  bool is_over, is_in;
};

static void on_connected(tern_conn *conn, void *app)
{
  struct visit *visit = app;
  visit->is_in = true;
  tern_conn_close(conn, 0, "");
}

static void on_closed(tern_conn *conn, const tern_error *error, void *app)
{
  struct visit *visit = app;
  char text[256];
  (void)conn;
  visit->is_over = true;
  if (!visit->is_in)
    printf("refused: %s\n", tern_error_format(error, text, sizeof text));
}

static const tern_conn_ops conn_ops = {
    .size = sizeof conn_ops, .on_connected = on_connected, .on_closed = on_closed};

static bool visit_name(const char *store, const char *name, tern_addr remote)
{
  char ca_file[512];
  tern_loop *loop = NULL;
  tern_conn *conn;
  struct visit visit = {0};
  const tern_connect_args args = {
      .remote = remote, .server_name = name, .ops = &conn_ops, .app = &visit};
  snprintf(ca_file, sizeof ca_file, "%s/%s.pem", store, name);
  tern_status status = make_loop(&loop, NULL, ca_file);
  if (status == TERN_OK)
    status = tern_loop_connect(loop, &args, &conn);
  while (status == TERN_OK && !visit.is_over)
    status = tern_loop_run_once(loop, TERN_TIME_NEVER);
  if (status == TERN_OK)
    status = tern_loop_run_once(loop, 0); /* says goodbye */
  tern_loop_free(loop);
  return status == TERN_OK && visit.is_in;
}

/* ---- together -------------------------------------------------------------------------------- */

static int visit_all(struct chooser *chooser, tern_loop *loop, char **names, int count)
{
  pthread_t server, store;
  int failures = 0;
  if (pthread_create(&server, NULL, serve, loop) != 0 ||
      pthread_create(&store, NULL, load_all, chooser) != 0)
    return 1;
  for (int i = 0; i < 2 * count; i++) {
    const char *name = names[i % count];
    bool is_in = visit_name(chooser->store, name, tern_loop_get_local(loop));
    printf("%s: %s\n", name, is_in ? "in" : "out");
    failures += is_in == (strncmp(name, "down", 4) == 0);
  }
  tern_loop_stop(loop);
  pthread_join(server, NULL);
  pthread_mutex_lock(&chooser->lock);
  chooser->is_stopping = true;
  pthread_cond_signal(&chooser->is_fed);
  pthread_mutex_unlock(&chooser->lock);
  pthread_join(store, NULL);
  printf("%u loaded, %u from the cache, %u not to be had\n", chooser->loads, chooser->hits,
         chooser->failures);
  return failures == 0 && chooser->hits == chooser->loads ? 0 : 1;
}

int main(int argc, char **argv)
{
  struct chooser chooser = {.lock = PTHREAD_MUTEX_INITIALIZER, .is_fed = PTHREAD_COND_INITIALIZER};
  tern_loop *loop = NULL;
  if (argc < 3 || argc - 2 > NAMES_MAX) {
    fprintf(stderr, "usage: choose_certificate store name...\n");
    return 1;
  }
  chooser.store = argv[1];
  tern_status status = make_loop(&loop, &chooser, NULL);
  int result = status == TERN_OK ? visit_all(&chooser, loop, argv + 2, argc - 2) : 1;
  tern_loop_free(loop);
  for (size_t i = 0; i < chooser.cached; i++)
    tern_tls_unref(chooser.cache[i].tls);
  return status == TERN_UNSUPPORTED ? 77 : result; /* 77: a test that is skipped */
}
