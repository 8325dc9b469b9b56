/* SPDX-License-Identifier: MIT */
/* By the calls that AWS-LC and OpenSSL share.
 *
 *   "www.tern.example"  -->  www.tern.example, else *.tern.example, else the default
 *
 * Names are a sorted array; a certificate that carries no name at all cannot be asked for and is refused. */
#include "tls/names.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "tls/tls_backend.h"
#include "tls/tls_pem.h"

#if defined(OPENSSL_IS_AWSLC) || defined(OPENSSL_IS_BORINGSSL)
typedef size_t stack_index;
#else
typedef int stack_index;
#endif

#define NAME_MAX_BYTES 255 /* [rfc1035-2.3.4] */

struct name {
  char text[NAME_MAX_BYTES + 1]; /* lower case */
  size_t cert;                   /* index */
};

struct tern_tls_names {
  struct tern_tls_cert *certs;
  size_t certs_count;
  struct name *names;
  size_t names_count;
};

static void *take(size_t count, size_t size)
{
  void *block = tern_alloc_system.take(tern_alloc_system.arg, count * size);
  if (block != NULL)
    memset(block, 0, count * size);
  return block;
}

static void give(void *block, size_t count, size_t size)
{
  if (block != NULL)
    tern_alloc_system.give(tern_alloc_system.arg, block, count * size);
}

void tern_tls_names_free(struct tern_tls_names *names)
{
  if (names == NULL)
    return;
  for (size_t i = 0; i < names->certs_count; i++)
    tern_tls_cert_deinit(&names->certs[i]);
  give(names->certs, names->certs_count, sizeof *names->certs);
  give(names->names, names->names_count, sizeof *names->names);
  give(names, 1, sizeof *names);
}

/* ---- the table --------------------------------------------------------------------------------- */

/* False: too long, or with a zero inside. */
static bool lower(const char *in, size_t len, char out[NAME_MAX_BYTES + 1])
{
  if (len == 0 || len > NAME_MAX_BYTES || memchr(in, '\0', len) != NULL)
    return false;
  for (size_t i = 0; i < len; i++)
    out[i] = in[i] >= 'A' && in[i] <= 'Z' ? (char)(in[i] - 'A' + 'a') : in[i];
  out[len] = '\0';
  return true;
}

/* Puts the DNS names of a certificate's subjectAltName into `out`; NULL only counts. */
static size_t read_names(const struct tern_tls_cert *cert, size_t index, struct name *out)
{
  GENERAL_NAMES *all = X509_get_ext_d2i(cert->leaf, NID_subject_alt_name, NULL, NULL);
  size_t count = 0;
  for (stack_index i = 0; all != NULL && i < sk_GENERAL_NAME_num(all); i++) {
    const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
    struct name name = {.cert = index};
    if (one->type != GEN_DNS || !lower((const char *)ASN1_STRING_get0_data(one->d.dNSName),
                                       (size_t)ASN1_STRING_length(one->d.dNSName), name.text))
      continue;
    if (out != NULL)
      out[count] = name;
    count++;
  }
  GENERAL_NAMES_free(all);
  return count;
}

static int compare(const void *a, const void *b)
{
  const struct name *x = a, *y = b;
  int order = strcmp(x->text, y->text);
  return order != 0 ? order : (x->cert > y->cert) - (x->cert < y->cert);
}

static tern_status fill(struct tern_tls_names *names, char *why, size_t why_size)
{
  for (size_t i = 0; i < names->certs_count; i++) {
    size_t count = read_names(&names->certs[i], i, NULL);
    if (count == 0) {
      tern_tls_explain(why, why_size, "more_certs: number %zu carries no DNS name", i);
      return TERN_INVALID;
    }
    names->names_count += count;
  }
  names->names = take(names->names_count, sizeof *names->names);
  if (names->names == NULL)
    return TERN_NOMEM;
  size_t at = 0;
  for (size_t i = 0; i < names->certs_count; i++)
    at += read_names(&names->certs[i], i, names->names + at);
  qsort(names->names, names->names_count, sizeof *names->names, compare);
  return TERN_OK;
}

tern_status tern_tls_names_new(struct tern_tls_names **out, const tern_tls_config *config,
                               char *why, size_t why_size)
{
  if (config->certs.sign != NULL) {
    tern_tls_explain(why, why_size, "more_certs and certs.sign do not go together: use choose");
    return TERN_INVALID;
  }
  struct tern_tls_names *names = take(1, sizeof *names);
  if (names == NULL)
    return TERN_NOMEM;
  names->certs = take(config->more_certs_count, sizeof *names->certs);
  tern_status status = names->certs != NULL ? TERN_OK : TERN_NOMEM;
  if (status == TERN_OK)
    names->certs_count = config->more_certs_count;
  for (size_t i = 0; status == TERN_OK && i < names->certs_count; i++)
    status = tern_tls_cert_init(&names->certs[i], &config->more_certs[i], why, why_size);
  if (status == TERN_OK)
    status = fill(names, why, why_size);
  if (status != TERN_OK) {
    tern_tls_names_free(names);
    return status;
  }
  *out = names;
  return TERN_OK;
}

/* ---- looking up -------------------------------------------------------------------------------- */

static const struct tern_tls_cert *find(const struct tern_tls_names *names, const char *text)
{
  size_t from = 0, to = names->names_count;
  while (from < to) { /* the first that is not before `text` */
    size_t middle = from + (to - from) / 2;
    if (strcmp(names->names[middle].text, text) < 0)
      from = middle + 1;
    else
      to = middle;
  }
  bool is_there = from < names->names_count && strcmp(names->names[from].text, text) == 0;
  return is_there ? &names->certs[names->names[from].cert] : NULL;
}

/* [rfc6125-6.4.3] a * stands for the whole first label and for no more. */
static const struct tern_tls_cert *find_for(const struct tern_tls_names *names, const char *asked)
{
  char text[NAME_MAX_BYTES + 1];
  if (asked == NULL || !lower(asked, strlen(asked), text) || text[0] == '*')
    return NULL;
  const struct tern_tls_cert *cert = find(names, text);
  char *dot = strchr(text, '.');
  if (cert != NULL || dot == NULL || dot == text)
    return cert;
  dot[-1] = '*';
  return find(names, dot - 1);
}

static int on_name(SSL *ssl, int *alert, void *arg)
{
  const struct tern_tls_cert *cert =
      find_for(arg, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
  (void)alert;
  if (cert == NULL)
    return SSL_TLSEXT_ERR_OK; /* the default */
  return SSL_use_certificate(ssl, cert->leaf) == 1 && SSL_set1_chain(ssl, cert->chain) == 1 &&
                 SSL_use_PrivateKey(ssl, cert->key) == 1
             ? SSL_TLSEXT_ERR_OK
             : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void tern_tls_names_serve(struct tern_tls_names *names, SSL_CTX *ctx)
{
  SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
  SSL_CTX_set_tlsext_servername_arg(ctx, names);
}
