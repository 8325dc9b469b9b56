/* SPDX-License-Identifier: MIT */
/* A server whose private key is in another thread. It could as well be in another process: what goes there
 * is a number and some bytes, what comes back is a signature.
 *
 *     sign_elsewhere cert.pem key.pem [requests]
 *
 *   server's thread    sign() puts work into the queue ... serves others ...      handshake goes on
 *   signer's thread             takes it, signs ------------------------ finish --/
 *
 * The main thread is the client: it makes some requests (default 20), each on a connection of its own. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <tern/tern.h>

#define QUEUE_MAX 64

struct signer {
  tern_signing_key *key; /* nobody else has it */
  pthread_mutex_t lock;
  pthread_cond_t is_fed;
  tern_tls_work *queue[QUEUE_MAX];
  size_t count;
  bool is_stopping;
  unsigned signatures;
};

/* ---- the signer's thread ------------------------------------------------------------------- */

static tern_tls_work *take_work(struct signer *signer)
{
  tern_tls_work *work = NULL;
  pthread_mutex_lock(&signer->lock);
  while (signer->count == 0 && !signer->is_stopping)
    pthread_cond_wait(&signer->is_fed, &signer->lock);
  if (signer->count != 0)
    work = signer->queue[--signer->count];
  pthread_mutex_unlock(&signer->lock);
  return work;
}

static void *sign_all(void *arg)
{
  struct signer *signer = arg;
  tern_tls_work *work;
  while ((work = take_work(signer)) != NULL) {
    uint8_t signature[TERN_SIGNATURE_MAX];
    size_t len = 0;
    /* A signature that cannot be had is an empty one: the handshake fails. */
    if (!tern_tls_work_is_cancelled(work) &&
        tern_signing_key_sign(signer->key, tern_tls_work_get_scheme(work),
                              tern_tls_work_get_input(work), signature, &len) == TERN_OK)
      signer->signatures++;
    tern_tls_work_finish_signature(work, tern_slice_of(signature, len));
  }
  return NULL;
}

/* ---- the server's thread ------------------------------------------------------------------- */

static void sign(void *arg, tern_tls_work *work)
{
  struct signer *signer = arg;
  pthread_mutex_lock(&signer->lock);
  bool has_room = signer->count < QUEUE_MAX;
  if (has_room)
    signer->queue[signer->count++] = work;
  pthread_cond_signal(&signer->is_fed);
  pthread_mutex_unlock(&signer->lock);
  if (!has_room) /* too busy: no signature */
    tern_tls_work_finish_signature(work, tern_slice_of(NULL, 0));
}

static void on_request(tern_h3 *h3, tern_request *request, const tern_field *fields, size_t count,
                       void *app)
{
  (void)h3, (void)fields, (void)count, (void)app;
  tern_request_reply(request, 200, "text/plain", tern_slice_of("hello\n", 6));
}

static const tern_h3_ops h3_ops = {.size = sizeof h3_ops, .on_request = on_request};

static void on_conn(void *app, tern_conn *conn)
{
  tern_h3 *h3;
  if (tern_h3_new_server(&h3, conn, NULL, &h3_ops, app) != TERN_OK)
    tern_conn_close(conn, TERN_H3_INTERNAL_ERROR, "");
}

static const tern_endpoint_ops endpoint_ops = {.size = sizeof endpoint_ops, .on_conn = on_conn};

static void *serve(void *arg)
{
  tern_loop *loop = arg;
  if (tern_loop_run(loop) != TERN_OK)
    fprintf(stderr, "the server's loop has failed\n");
  return NULL;
}

static tern_status make_server(tern_loop **loop, const char *cert_file, struct signer *signer,
                               char why[256])
{
  static const char *const alpn[] = {"h3"};
  tern_tls_config tls;
  tern_tls_config_init(&tls, sizeof tls);
  tls.is_server = true;
  tls.cert_file = cert_file; /* and no key */
  tls.certs = (tern_certs_ops){.sign = sign, .arg = signer};
  tls.alpn = alpn;
  tls.alpn_count = 1;

  tern_config endpoint;
  tern_config_init(&endpoint, sizeof endpoint);
  tern_status status = tern_tls_new(&endpoint.server_tls, &tls, why, 256);
  if (status != TERN_OK)
    return status;
  tern_loop_config config;
  tern_loop_config_init(&config, sizeof config);
  config.endpoint = &endpoint;
  config.ops = &endpoint_ops;
  status = tern_addr_parse(&config.listen, "127.0.0.1:0");
  if (status == TERN_OK)
    status = tern_loop_new(loop, &config, why, 256);
  tern_tls_unref(endpoint.server_tls); /* the endpoint has its own reference */
  return status;
}

/* ---- the client ---------------------------------------------------------------------------- */

static int request_all(const tern_loop *loop, const char *ca_file, int requests)
{
  const tern_easy_get get = {
      .host = "localhost", .port = tern_loop_get_local(loop).port, .ca_file = ca_file};
  int answered = 0;
  for (int i = 0; i < requests; i++) {
    char why[256];
    uint16_t status = 0;
    if (tern_easy_fetch(&get, &status, why, sizeof why) == TERN_OK && status == 200)
      answered++;
    else
      fprintf(stderr, "request %d: %s\n", i, why);
  }
  return answered;
}

/* ---- together ------------------------------------------------------------------------------ */

static bool read_key(struct signer *signer, const char *path, char why[256])
{
  char pem[16384];
  FILE *file = fopen(path, "rb");
  size_t len = file != NULL ? fread(pem, 1, sizeof pem, file) : 0;
  if (file != NULL)
    fclose(file);
  return tern_signing_key_new(&signer->key, tern_slice_of(pem, len), why, 256) == TERN_OK;
}

static int run(tern_loop *loop, struct signer *signer, const char *ca_file, int requests)
{
  pthread_t signer_thread, server_thread;
  if (pthread_create(&signer_thread, NULL, sign_all, signer) != 0 ||
      pthread_create(&server_thread, NULL, serve, loop) != 0)
    return 1;
  int answered = request_all(loop, ca_file, requests);
  tern_loop_stop(loop);
  pthread_join(server_thread, NULL);
  pthread_mutex_lock(&signer->lock);
  signer->is_stopping = true;
  pthread_cond_signal(&signer->is_fed);
  pthread_mutex_unlock(&signer->lock);
  pthread_join(signer_thread, NULL);
  printf("%d of %d requests answered, %u signatures by another thread\n", answered, requests,
         signer->signatures);
  return answered == requests && signer->signatures >= (unsigned)requests ? 0 : 1;
}

int main(int argc, char **argv)
{
  char why[256] = "usage: sign_elsewhere cert.pem key.pem [requests]";
  struct signer signer = {.lock = PTHREAD_MUTEX_INITIALIZER, .is_fed = PTHREAD_COND_INITIALIZER};
  tern_loop *loop = NULL;
  int result = 1;
  tern_status status = TERN_INVALID;
  if (argc > 2 && read_key(&signer, argv[2], why))
    status = make_server(&loop, argv[1], &signer, why);
  if (status == TERN_OK)
    result = run(loop, &signer, argv[1], argc > 3 ? atoi(argv[3]) : 20);
  else
    fprintf(stderr, "%s\n", why);
  tern_loop_free(loop);
  tern_signing_key_free(signer.key);
  return status == TERN_UNSUPPORTED ? 77 : result; /* 77: a test that is skipped */
}
