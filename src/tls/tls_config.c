/* SPDX-License-Identifier: MIT */
/* tern_tls_config: defaults, checks, and the words that all backends read alike. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tern/transport.h>

#include "base/cursor.h"
#include "crypto/provider.h"
#include "tls/names.h"
#include "tls/tls_backend.h"

#define TICKETS_MAX 4

#if defined(TERN_TLS_AWSLC)
#define HAS_WORKS true
#else
#define HAS_WORKS false /* OpenSSL wants ASYNC_JOB or a provider for that */
#endif

const char *const tern_tls_root_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Ubuntu, Arch, Gentoo */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* older ones of these */
    "/etc/ssl/ca-bundle.pem",                            /* openSUSE */
    "/etc/ssl/cert.pem",                                 /* Alpine, the BSDs, macOS */
    "/usr/local/share/certs/ca-root-nss.crt",            /* FreeBSD */
    NULL,
};

void tern_tls_explain(char *why, size_t why_size, const char *format, ...)
{
  va_list args;
  if (why == NULL || why_size == 0)
    return;
  va_start(args, format);
  (void)vsnprintf(why, why_size, format, args);
  va_end(args);
}

void tern_tls_config_init(tern_tls_config *config, size_t size)
{
  tern_tls_config defaults = {.tickets_count = 2};
  size_t known = size < sizeof defaults ? size : sizeof defaults;
  defaults.size = size;
  memset(config, 0, size);
  memcpy(config, &defaults, known);
}

static bool has_cert(const tern_tls_config *config)
{
  return config->cert_pem.len != 0 || config->cert_file != NULL || config->certs.choose != NULL;
}

static bool has_key(const tern_tls_config *config)
{
  return config->key_pem.len != 0 || config->key_file != NULL || config->certs.sign != NULL ||
         config->certs.choose != NULL;
}

static tern_status check_config(const tern_tls_config *config, char *why, size_t why_size)
{
  char ciphers[TERN_TLS_CIPHERS_MAX];
  if (config->is_server && !has_cert(config)) {
    tern_tls_explain(why, why_size, "a server needs cert_file, cert_pem or certs.choose");
    return TERN_INVALID;
  }
  if (config->is_server && !has_key(config)) {
    tern_tls_explain(why, why_size, "a server needs key_file, key_pem, certs.sign or certs.choose");
    return TERN_INVALID;
  }
  if (!HAS_WORKS && (config->certs.sign != NULL || config->certs.choose != NULL)) {
    tern_tls_explain(why, why_size, "certs: handshakes cannot wait with %s", tern_tls_library());
    return TERN_UNSUPPORTED;
  }
  if (config->tickets_count > TICKETS_MAX) {
    tern_tls_explain(why, why_size, "tickets_count is %u, must be 0 to %d",
                     (unsigned)config->tickets_count, TICKETS_MAX);
    return TERN_INVALID;
  }
  if (!tern_tls_expand_ciphers(config->ciphers, ciphers)) {
    tern_tls_explain(why, why_size, "ciphers: \"%s\" has more than aes128, aes256, chacha20",
                     config->ciphers);
    return TERN_INVALID;
  }
  return TERN_OK;
}

tern_status tern_tls_new(tern_tls **out, const tern_tls_config *config, char *why, size_t why_size)
{
  tern_tls_config known;
  *out = NULL;
  tern_tls_explain(why, why_size, "%s", "");
  /* A caller built against an older header has a shorter struct. */
  tern_tls_config_init(&known, sizeof known);
  memcpy(&known, config, config->size < sizeof known ? config->size : sizeof known);
  tern_status status = check_config(&known, why, why_size);
  return status == TERN_OK ? tern_tls_backend_new(out, &known, why, why_size) : status;
}

static tern_status init_tickets(struct tern_tls *tls, const tern_tls_config *config)
{
  static const uint8_t label[32] = "tern early context";
  tls->early_data = config->early_data;
  tls->tickets_count = config->tickets_count;
  if (!tern_crypto_provider()->hmac(tern_slice_of(label, sizeof label), config->early_context,
                                    tls->early_context))
    return TERN_NOMEM;
  if (config->tickets == NULL)
    return tern_tickets_new(&tls->tickets);
  tls->tickets = tern_tickets_ref(config->tickets);
  return TERN_OK;
}

void tern_tls_deinit(struct tern_tls *tls)
{
  tern_tls_names_free(tls->names);
  tern_tickets_unref(tls->tickets);
}

tern_status tern_tls_init(struct tern_tls *tls, const struct tern_tls_ops *ops,
                          const tern_tls_config *config, char *why, size_t why_size)
{
  struct tern_writer writer = tern_writer_of(tls->alpn, sizeof tls->alpn);
  tls->ops = ops;
  tls->is_server = config->is_server;
  tls->certs = config->certs;
  atomic_init(&tls->refs, 1);
  for (size_t i = 0; i < config->alpn_count; i++) {
    size_t len = strlen(config->alpn[i]);
    if (len == 0 || len > 255) {
      tern_tls_explain(why, why_size, "alpn: \"%s\" has %zu bytes, not 1 to 255", config->alpn[i],
                       len);
      return TERN_INVALID;
    }
    tern_write_u8(&writer, (uint8_t)len);
    tern_write_bytes(&writer, config->alpn[i], len);
  }
  tls->alpn_len = tern_writer_len(&writer);
  /* [rfc9001-8.1] ALPN is not optional in QUIC. */
  if (tls->alpn_len == 0 || writer.is_full) {
    tern_tls_explain(why, why_size, "alpn: 1 to %d bytes of protocol names are needed",
                     TERN_TLS_ALPN_MAX);
    return TERN_INVALID;
  }
  tern_status status = init_tickets(tls, config);
  if (status == TERN_OK && config->more_certs_count != 0)
    status = tern_tls_names_new(&tls->names, config, why, why_size);
  return status;
}

static bool offers(tern_slice offered, tern_slice name)
{
  struct tern_reader reader = tern_reader_of(offered.data, offered.len);
  uint8_t len;
  tern_slice one;
  while (tern_read_u8(&reader, &len) && tern_read_slice(&reader, len, &one)) {
    if (one.len == name.len && memcmp(one.data, name.data, name.len) == 0)
      return true;
  }
  return false;
}

tern_slice tern_tls_choose_alpn(const struct tern_tls *tls, tern_slice offered)
{
  struct tern_reader reader = tern_reader_of(tls->alpn, tls->alpn_len);
  uint8_t len;
  tern_slice name;
  while (tern_read_u8(&reader, &len) && tern_read_slice(&reader, len, &name)) {
    if (offers(offered, name))
      return name;
  }
  return tern_slice_of(NULL, 0);
}

/* ---- cipher suites ------------------------------------------------------------------------- */

static const struct suite {
  uint16_t number; /* [rfc8446-B.4] */
  enum tern_aead_id aead;
  const char *name;
  const char *word; /* in tern_tls_config.ciphers */
} suites[] = {
    {0x1301, TERN_AEAD_AES128, "TLS_AES_128_GCM_SHA256", "aes128"},
    {0x1302, TERN_AEAD_AES256, "TLS_AES_256_GCM_SHA384", "aes256"},
    {0x1303, TERN_AEAD_CHACHA20, "TLS_CHACHA20_POLY1305_SHA256", "chacha20"},
};
#define SUITES (sizeof suites / sizeof suites[0])

bool tern_tls_find_aead(uint16_t suite, enum tern_aead_id *aead)
{
  for (size_t i = 0; i < SUITES; i++) {
    if (suites[i].number == suite) {
      *aead = suites[i].aead;
      return true;
    }
  }
  return false;
}

const char *tern_tls_suite_name(enum tern_aead_id aead)
{
  for (size_t i = 0; i < SUITES; i++) {
    if (suites[i].aead == aead)
      return suites[i].name;
  }
  return "NULL";
}

static bool append_word(const char *word, size_t len, char out[TERN_TLS_CIPHERS_MAX])
{
  for (size_t i = 0; i < SUITES; i++) {
    if (strlen(suites[i].word) != len || memcmp(suites[i].word, word, len) != 0)
      continue;
    size_t used = strlen(out), more = strlen(suites[i].name);
    if (used + 1 + more >= TERN_TLS_CIPHERS_MAX)
      return false;
    if (used != 0)
      out[used++] = ':';
    memcpy(out + used, suites[i].name, more + 1);
    return true;
  }
  return false;
}

bool tern_tls_expand_ciphers(const char *ciphers, char out[TERN_TLS_CIPHERS_MAX])
{
  const char *at = ciphers != NULL ? ciphers : "aes128:aes256:chacha20";
  out[0] = '\0';
  while (true) {
    size_t len = strcspn(at, ":");
    if (!append_word(at, len, out))
      return false;
    if (at[len] == '\0')
      return true;
    at += len + 1;
  }
}
