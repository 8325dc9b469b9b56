/* SPDX-License-Identifier: MIT */
/* See serve_tls.h. */
#include "serve_tls.h"

#include "cli.h"

/* Makes a pair if none was given. */
static int choose_pairs(struct tern_serve_tls *tls, const struct tern_serve_options *options,
                        tern_tls_config *config)
{
  char why[512];
  config->cert_file = options->pairs[0].cert_file;
  config->key_file = options->pairs[0].key_file;
  if (options->certs_count != 0) {
    config->more_certs = options->pairs + 1;
    config->more_certs_count = options->certs_count - 1;
    return TERN_EXIT_OK;
  }
  if (!tern_self_signed_make(&tls->pair, &options->listen, why, sizeof why)) {
    tern_cli_say(TERN_SERVE_WHO, "%s", why);
    return TERN_EXIT_LOCAL;
  }
  config->cert_file = tls->pair.cert;
  config->key_file = tls->pair.key;
  return TERN_EXIT_OK;
}

int tern_serve_tls_load(struct tern_serve_tls *tls, struct tern_serve_options *options,
                        tern_tls **out)
{
  static const char *const alpn[] = {"h3"};
  char why[256] = "not enough memory";
  tern_tls_config config;
  tern_tls_config_init(&config, sizeof config);
  config.is_server = true;
  config.alpn = alpn;
  config.alpn_count = 1;
  config.early_data = options->early_data;
  int result = choose_pairs(tls, options, &config);
  if (result != TERN_EXIT_OK)
    return result;
  tern_knobs_apply_tls(&options->knobs, &config);
  if (tls->tickets == NULL && tern_tickets_new(&tls->tickets) != TERN_OK)
    tls->tickets = NULL;
  config.tickets = tls->tickets;
  if (tls->tickets != NULL && tern_tls_new(out, &config, why, sizeof why) == TERN_OK)
    return TERN_EXIT_OK;
  tern_cli_say(TERN_SERVE_WHO,
               "cannot use %s and %s%s: %s; all must be PEM, and each key that of its certificate",
               config.cert_file, config.key_file,
               config.more_certs_count != 0 ? " or those that follow" : "", why);
  return TERN_EXIT_LOCAL;
}

void tern_serve_tls_deinit(struct tern_serve_tls *tls)
{
  tern_tickets_unref(tls->tickets);
}
