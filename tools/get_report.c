/* SPDX-License-Identifier: MIT */
/* What `tern get` tells people: how it went, and what to try where it did not. */
#define _GNU_SOURCE /* TIOCGWINSZ */
#include "get.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "progress.h"

#define ERROR_TEXT_MAX 256
#define COLUMNS_DEFAULT 80
#define COLUMNS_MAX 160

/* ---- -v ---------------------------------------------------------------------------------- */

void tern_get_explain_attempt(const struct tern_get *get, const tern_addr *addr)
{
  char text[TERN_ADDR_TEXT_MAX];
  if (get->options.verbose)
    fprintf(stderr, "* trying %s\n", tern_addr_format(addr, text, sizeof text));
}

void tern_get_explain_connected(const struct tern_get_origin *origin)
{
  static const char *const early[] = {"no early data", "early data pending", "early data accepted",
                                      "early data rejected"};
  const struct tern_get *get = origin->get;
  char text[TERN_ADDR_TEXT_MAX];
  if (!get->options.verbose)
    return;
  tern_conn *conn = tern_h3_get_conn(origin->winner->h3);
  tern_slice alpn = tern_conn_get_alpn(conn);
  tern_conn_stats stats;
  tern_conn_get_stats(conn, &stats);
  fprintf(stderr, "* connected to %s (%s) in %.1f ms, %.1f ms after the start\n",
          origin->first->host, tern_addr_format(&origin->winner->addr, text, sizeof text),
          (double)stats.handshake_ns / 1e6,
          (double)(tern_loop_now(get->loop) - get->started_at) / 1e6);
  fprintf(stderr, "* TLS 1.3, %s, %s, ALPN %.*s; %s\n", tern_conn_get_cipher(conn),
          tern_conn_get_group(conn), (int)alpn.len, (const char *)alpn.data, tern_tls_library());
  if (get->options.resume != NULL)
    fprintf(stderr, "* %s, %s\n", tern_conn_is_resumed(conn) ? "resumed" : "a new session",
            early[tern_conn_get_early(conn)]);
  if (get->options.insecure)
    fputs("* the certificate was not checked (--insecure)\n", stderr);
}

/* A server's bytes must not drive the terminal. */
static void print_slice(tern_slice slice)
{
  for (size_t i = 0; i < slice.len; i++) {
    unsigned char c = slice.data[i];
    if (c >= 0x20 && c < 0x7f)
      fputc(c, stderr);
    else
      fprintf(stderr, "\\x%02x", c);
  }
}

void tern_get_explain_fields(const struct tern_get *get, char mark, const tern_field *fields,
                             size_t count)
{
  if (!get->options.verbose || tern_get_is_discarding(get))
    return;
  for (size_t i = 0; i < count; i++) {
    fprintf(stderr, "%c ", mark);
    print_slice(fields[i].name);
    fputs(": ", stderr);
    print_slice(fields[i].value);
    fputc('\n', stderr);
  }
  fprintf(stderr, "%c\n", mark);
}

/* ---- errors ------------------------------------------------------------------------------ */

/* RFC 8446 6: the alerts that speak of the server's certificate. */
static bool is_about_certificate(uint8_t alert)
{
  return alert >= 42 && alert <= 48;
}

static int exit_code_of(const tern_error *error)
{
  return error->kind == TERN_ERROR_TLS     ? TERN_EXIT_TLS
         : error->kind == TERN_ERROR_LOCAL ? TERN_EXIT_LOCAL
                                           : TERN_EXIT_CONNECT;
}

/* What to try. */
static const char *advice_for(const tern_error *error)
{
  switch (error->kind) {
  case TERN_ERROR_TLS:
    if (!error->by_peer && is_about_certificate(error->tls_alert))
      return "if you know the server, use --cacert FILE or --insecure";
    return error->tls_alert == 120 ? "it speaks QUIC, but not HTTP/3"
                                   : "see the handshake with -v --log info";
  case TERN_ERROR_IDLE:
  case TERN_ERROR_HANDSHAKE_TIMEOUT:
    return "check host and port, and that UDP is let through";
  case TERN_ERROR_VERSION:
    return "it speaks other versions of QUIC only";
  case TERN_ERROR_LOCAL:
    return "try -4 or -6";
  case TERN_ERROR_REFUSED:
    return "check host and port, and that the server runs";
  case TERN_ERROR_NONE:
  case TERN_ERROR_TRANSPORT:
  case TERN_ERROR_APPLICATION:
  case TERN_ERROR_STATELESS_RESET:
    break;
  }
  return "see what happens with --log debug";
}

/* tern_error_format, with HTTP/3's names for the application's codes, and only the TLS library's words
 * where it has some about a certificate. */
static char *format_error(const tern_error *error, bool is_certificate, char *text, size_t size)
{
  const char *name = tern_h3_error_name(error->code);
  bool has_reason = error->reason[0] != '\0';
  if (is_certificate && has_reason)
    snprintf(text, size, "%s", error->reason);
  else if (error->kind == TERN_ERROR_APPLICATION && name != NULL)
    snprintf(text, size, "%s closed it with %s%s%s%s", error->by_peer ? "the server" : "this side",
             name, has_reason ? " (" : "", error->reason, has_reason ? ")" : "");
  else
    tern_error_format(error, text, size);
  return text;
}

void tern_get_tell_connect_error(struct tern_get_origin *origin, const tern_error *error)
{
  char text[ERROR_TEXT_MAX];
  bool is_certificate =
      error->kind == TERN_ERROR_TLS && !error->by_peer && is_about_certificate(error->tls_alert);
  if (error->kind == TERN_ERROR_LOCAL && error->reason[0] != '\0')
    snprintf(text, sizeof text, "%s", error->reason);
  else
    format_error(error, is_certificate, text, sizeof text);
  if (is_certificate)
    tern_cli_say(TERN_GET_WHO, "the certificate of %s is not trusted: %s; %s",
                 origin->first->authority, text, advice_for(error));
  else
    tern_cli_say(TERN_GET_WHO, "cannot connect to %s: %s; %s", origin->first->authority, text,
                 advice_for(error));
  tern_get_fail(origin->get,
                error->kind == TERN_ERROR_LOCAL ? TERN_EXIT_CONNECT : exit_code_of(error));
}

void tern_get_tell_broken(struct tern_get_origin *origin, const tern_error *error)
{
  char text[ERROR_TEXT_MAX];
  uint64_t missing = origin->jobs_total - origin->figures.requests;
  if (missing == 0)
    return;
  format_error(error, false, text, sizeof text);
  tern_cli_say(TERN_GET_WHO,
               "the connection to %s ended with %" PRIu64 " of %" PRIu64
               " transfers incomplete: %s",
               origin->first->authority, missing, origin->jobs_total, text);
  tern_get_fail(origin->get, TERN_EXIT_TRANSFER);
}

/* ---- figures ----------------------------------------------------------------------------- */

static void print_figures(const struct tern_get_origin *origin, FILE *file)
{
  const struct tern_get *get = origin->get;
  const struct tern_get_figures *figures = &origin->figures;
  double seconds = (double)(figures->last_at - figures->first_at) / 1e9;
  double bits = seconds > 0 ? (double)figures->body_bytes * 8 / seconds : 0;
  if (get->origins_count > 1)
    fprintf(file, "connection %s\n", origin->first->authority);
  fputs("protocol h3\n", file);
  fprintf(file, "handshake %.1f ms\n", (double)figures->conn.handshake_ns / 1e6);
  fprintf(file, "goodput %.1f Mbit/s\n", bits / 1e6);
  fprintf(file, "lost %" PRIu64 " of %" PRIu64 " packets\n", figures->conn.packets_lost,
          figures->conn.packets_sent);
  if (get->options.repeat > 1)
    fprintf(file, "requests %" PRIu64 " of %" PRIu64 ", %.1f/s\n", figures->requests,
            origin->jobs_total, seconds > 0 ? (double)figures->requests / seconds : 0);
}

void tern_get_print_summary(const struct tern_get *get)
{
  FILE *file = tern_get_is_to_stdout(get) ? stderr : stdout;
  for (size_t i = 0; i < get->origins_count; i++)
    if (get->origins[i].winner != NULL)
      print_figures(&get->origins[i], file);
  fflush(file);
}

void tern_get_draw_progress(struct tern_get *get, bool is_end)
{
  struct winsize window;
  char text[COLUMNS_MAX + 1] = "";
  if (get->progress_bytes == 0)
    return;
  bool has_size = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
  struct tern_progress progress = {
      .done_bytes = get->progress_bytes,
      .total_bytes = get->progress_total,
      .elapsed_ns = tern_loop_now(get->loop) - get->started_at,
      .columns = has_size ? window.ws_col : COLUMNS_DEFAULT,
  };
  tern_progress_format(&progress, text, sizeof text);
  fprintf(stderr, "\r%s\033[K%s", text, is_end ? "\n" : "");
}
