/* SPDX-License-Identifier: MIT */
/* Certificates, keys, roots and names, by the calls that AWS-LC and OpenSSL share. */
#include "tls/tls_pem.h"

#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tls/names.h"
#include "tls/tls_backend.h"

/* Where the two libraries' types differ. */
#if defined(OPENSSL_IS_AWSLC) || defined(OPENSSL_IS_BORINGSSL)
typedef uint32_t library_error;
typedef ossl_ssize_t blob_len;
#else
typedef unsigned long library_error;
typedef int blob_len;
#endif

/* The library's last complaint; the queue is left empty. */
const char *tern_tls_take_library_error(void)
{
  library_error error = ERR_peek_last_error();
  const char *text = error != 0 ? ERR_reason_error_string(error) : NULL;
  ERR_clear_error();
  return text != NULL ? text : "no reason given";
}

tern_status tern_tls_refuse(char *why, size_t why_size, const char *what)
{
  tern_tls_explain(why, why_size, "%s: %s", what, tern_tls_take_library_error());
  return TERN_TLS;
}

/* Never asks on a terminal for the password of a key. */
static int refuse_password(char *buffer, int size, int is_writing, void *arg)
{
  (void)buffer;
  (void)size;
  (void)is_writing;
  (void)arg;
  return -1;
}

/* A blob in memory wins over a file. */
struct pem {
  tern_slice blob;
  const char *file;
};

static BIO *open_pem(struct pem pem)
{
  if (pem.blob.len > INT_MAX)
    return NULL;
  if (pem.blob.len != 0)
    return BIO_new_mem_buf(pem.blob.data, (blob_len)pem.blob.len);
  return BIO_new_file(pem.file, "rb");
}

/* Reading stops at the end of the file, not at a certificate that cannot be read. */
static bool is_at_end(void)
{
  library_error error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

static bool load_chain(SSL_CTX *ctx, BIO *bio)
{
  X509 *leaf = PEM_read_bio_X509(bio, NULL, refuse_password, NULL);
  bool is_ok = leaf != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1;
  X509_free(leaf);
  while (is_ok) {
    X509 *next = PEM_read_bio_X509(bio, NULL, refuse_password, NULL);
    if (next == NULL)
      return is_at_end();
    is_ok = SSL_CTX_add1_chain_cert(ctx, next) == 1;
    X509_free(next);
  }
  return is_ok;
}

EVP_PKEY *tern_tls_read_key(tern_slice pem)
{
  BIO *bio =
      pem.len != 0 && pem.len <= INT_MAX ? BIO_new_mem_buf(pem.data, (blob_len)pem.len) : NULL;
  EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, refuse_password, NULL) : NULL;
  BIO_free(bio);
  return key;
}

/* ---- pairs of their own --------------------------------------------------------------------------- */

static bool read_chain(struct tern_tls_cert *cert, BIO *bio)
{
  cert->leaf = PEM_read_bio_X509(bio, NULL, refuse_password, NULL);
  cert->chain = sk_X509_new_null();
  while (cert->leaf != NULL && cert->chain != NULL) {
    X509 *next = PEM_read_bio_X509(bio, NULL, refuse_password, NULL);
    if (next == NULL)
      return is_at_end();
    if (sk_X509_push(cert->chain, next) == 0) {
      X509_free(next);
      return false;
    }
  }
  return false;
}

static bool read_key(struct tern_tls_cert *cert, BIO *bio)
{
  cert->key = PEM_read_bio_PrivateKey(bio, NULL, refuse_password, NULL);
  return cert->key != NULL && X509_check_private_key(cert->leaf, cert->key) == 1;
}

/* Runs `read` over a blob or file. */
static tern_status read_pem(struct tern_tls_cert *cert, bool (*read)(struct tern_tls_cert *, BIO *),
                            struct pem pem, char *why, size_t why_size)
{
  BIO *bio = pem.blob.len != 0 || pem.file != NULL ? open_pem(pem) : NULL;
  bool is_ok = bio != NULL && read(cert, bio);
  BIO_free(bio);
  if (!is_ok)
    return tern_tls_refuse(why, why_size, pem.file != NULL ? pem.file : "PEM data in memory");
  ERR_clear_error(); /* the end of a PEM file counts as an error there */
  return TERN_OK;
}

tern_status tern_tls_cert_init(struct tern_tls_cert *cert, const tern_cert_pair *pair, char *why,
                               size_t why_size)
{
  const struct pem chain = {pair->cert_pem, pair->cert_file}, key = {pair->key_pem, pair->key_file};
  tern_status status = read_pem(cert, read_chain, chain, why, why_size);
  if (status == TERN_OK)
    status = read_pem(cert, read_key, key, why, why_size);
  return status;
}

void tern_tls_cert_deinit(struct tern_tls_cert *cert)
{
  X509_free(cert->leaf);
  sk_X509_pop_free(cert->chain, X509_free);
  EVP_PKEY_free(cert->key);
}

/* ---- the pair of a context ------------------------------------------------------------------------ */

static bool load_key(SSL_CTX *ctx, BIO *bio)
{
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_password, NULL);
  bool is_ok =
      key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
  EVP_PKEY_free(key);
  return is_ok;
}

static bool load_roots(SSL_CTX *ctx, BIO *bio)
{
  size_t count = 0;
  X509 *root;
  while ((root = PEM_read_bio_X509(bio, NULL, refuse_password, NULL)) != NULL) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root) == 1)
      count++;
    X509_free(root);
  }
  return count != 0 && is_at_end();
}

/* Runs `load` over a blob or file. */
static tern_status load_pem(SSL_CTX *ctx, bool (*load)(SSL_CTX *, BIO *), struct pem pem, char *why,
                            size_t why_size)
{
  BIO *bio = open_pem(pem);
  bool is_ok = bio != NULL && load(ctx, bio);
  BIO_free(bio);
  if (!is_ok)
    return tern_tls_refuse(why, why_size, pem.blob.len != 0 ? "PEM data in memory" : pem.file);
  ERR_clear_error(); /* the end of a PEM file counts as an error there */
  return TERN_OK;
}

tern_status tern_tls_load_server(struct tern_tls *tls, SSL_CTX *ctx, const tern_tls_config *config,
                                 char *why, size_t why_size)
{
  tls->ctx = ctx;
  if (tls->names != NULL)
    tern_tls_names_serve(tls->names, ctx);
  if (config->cert_pem.len == 0 && config->cert_file == NULL)
    return TERN_OK; /* certs.choose has all of it */
  const struct pem chain = {config->cert_pem, config->cert_file};
  const struct pem key = {config->key_pem, config->key_file};
  tern_status status = load_pem(ctx, load_chain, chain, why, why_size);
  if (status == TERN_OK && config->certs.sign == NULL)
    status = load_pem(ctx, load_key, key, why, why_size);
  return status;
}

static tern_status load_system_roots(SSL_CTX *ctx, char *why, size_t why_size)
{
  for (size_t i = 0; tern_tls_root_files[i] != NULL; i++) {
    const struct pem roots = {tern_slice_of(NULL, 0), tern_tls_root_files[i]};
    if (load_pem(ctx, load_roots, roots, NULL, 0) == TERN_OK)
      return TERN_OK;
  }
  tern_tls_explain(why, why_size,
                   "no trusted roots found on this system: set ca_file (Debian: install "
                   "ca-certificates)");
  return TERN_TLS;
}

tern_status tern_tls_load_client(SSL_CTX *ctx, const tern_tls_config *config, char *why,
                                 size_t why_size)
{
  if (config->insecure_no_verify) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    return TERN_OK;
  }
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
  if (config->ca_pem.len == 0 && config->ca_file == NULL)
    return load_system_roots(ctx, why, why_size);
  const struct pem roots = {config->ca_pem, config->ca_file};
  return load_pem(ctx, load_roots, roots, why, why_size);
}

/* [rfc6066-3] SNI has no trailing dot, and certificates have none. False: too long. */
static bool strip_dot(const char *name, char out[256])
{
  size_t len = strlen(name);
  if (len > 1 && name[len - 1] == '.')
    len--;
  if (len > 255)
    return false;
  memcpy(out, name, len);
  out[len] = '\0';
  return true;
}

/* An IP address literal is checked as such and, [rfc6066-3], MUST NOT be sent as SNI. */
tern_status tern_tls_name_server(SSL *ssl, const char *name, bool verifies)
{
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  char host[256];
  if (name == NULL || name[0] == '\0')
    return verifies ? TERN_INVALID : TERN_OK;
  if (!strip_dot(name, host))
    return TERN_INVALID;
  X509_VERIFY_PARAM *probe = X509_VERIFY_PARAM_new();
  bool is_address = probe != NULL && X509_VERIFY_PARAM_set1_ip_asc(probe, host) == 1;
  X509_VERIFY_PARAM_free(probe);
  ERR_clear_error();
  if (is_address)
    return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ? TERN_OK : TERN_NOMEM;
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  bool is_set = X509_VERIFY_PARAM_set1_host(param, host, strlen(host)) == 1 &&
                SSL_set_tlsext_host_name(ssl, host) == 1;
  ERR_clear_error();
  return is_set ? TERN_OK : TERN_INVALID;
}
