/* SPDX-License-Identifier: MIT */
/* The shortest way to an HTTP/3 server or client: one call each, which blocks. What they do is plain use
 * of <tern/h3.h> and <tern/io.h>, where everything can be had that is missing here. */
#ifndef TERN_EASY_H
#define TERN_EASY_H

#include <tern/base.h>
#include <tern/h3.h>
#include <tern/io.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called for each complete request header; answer with tern_request_reply, now or later. `loop` is the
 * loop it runs in, for timers and tern_loop_stop. */
typedef void tern_easy_on_request(tern_loop *loop, tern_request *request, const tern_field *fields,
                                  size_t count, void *app);

typedef struct tern_easy_server {
  const char *listen;    /* "127.0.0.1:4433"; port 0 takes any free one */
  const char *cert_file; /* PEM */
  const char *key_file;
  tern_easy_on_request *on_request;
  /* Before the first request, once; may be NULL. tern_loop_get_local says where it listens. */
  void (*on_ready)(tern_loop *loop, void *app);
  void *app;
  /* Threads that serve (tern_workers), each with a loop of its own; on_request is called from all of
   * them then. 0 = one, this one; TERN_EASY_ALL_CORES = one for each core. */
  uint32_t workers;
} tern_easy_server;
#define TERN_EASY_ALL_CORES UINT32_MAX

/* Serves until tern_loop_stop of any of its loops. On failure `why` says what to change. */
TERN_MUST_CHECK tern_status tern_easy_serve(const tern_easy_server *server, char *why,
                                            size_t why_size);

typedef struct tern_easy_get {
  const char *host;    /* a name or a numeric address; the certificate must be for it */
  uint16_t port;       /* 0 = 443 */
  const char *path;    /* "/" and what follows; NULL = "/" */
  const char *ca_file; /* trusted roots; NULL = the system's */
  bool insecure;       /* take any certificate */
  uint64_t timeout_ms; /* for all of it; 0 = 30,000 */
  /* The body, piece by piece, in order; may be NULL. */
  void (*on_body)(void *app, tern_slice data);
  void *app;
} tern_easy_get;

/* Gets one resource. TERN_OK: the response is complete and `*status` is its status code. Else `why` is
 * a sentence that says what went wrong. */
TERN_MUST_CHECK tern_status tern_easy_fetch(const tern_easy_get *get, uint16_t *status, char *why,
                                            size_t why_size);

#ifdef __cplusplus
}
#endif
#endif
