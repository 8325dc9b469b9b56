/* SPDX-License-Identifier: MIT */
/* A host program that has OpenSSL's libcrypto of its own, with libtern beside it. Both define SHA256,
 * EVP_DigestInit and hundreds more under the same names; libtern keeps its own to itself. If one
 * name leaked, OpenSSL would be handed AWS-LC's structs or the other way round, and this would not
 * get through: OpenSSL makes key and certificate, libtern runs a QUIC handshake with them in memory,
 * and OpenSSL hashes between every two datagrams. */
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tern/transport.h>

#define CHECK(condition) check((condition), #condition, __LINE__)

enum { ROUNDS_MAX = 100, PACKET_BYTES_MAX = 65536 };

static void check(bool ok, const char *condition, int line)
{
  if (!ok) {
    fprintf(stderr, "host_openssl: line %d: %s\n", line, condition);
    exit(1);
  }
}

/* ---- the host's side: OpenSSL ------------------------------------------------------------- */

static void sign_certificate(X509 *cert, EVP_PKEY *key)
{
  X509_NAME *name = X509_get_subject_name(cert);
  CHECK(X509_set_version(cert, 2) == 1);
  CHECK(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1);
  CHECK(X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL);
  CHECK(X509_gmtime_adj(X509_getm_notAfter(cert), 86400) != NULL);
  CHECK(X509_set_pubkey(cert, key) == 1);
  CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1,
                                   -1, 0) == 1);
  CHECK(X509_set_issuer_name(cert, name) == 1);
  X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
  CHECK(names != NULL && X509_add_ext(cert, names, -1) == 1);
  X509_EXTENSION_free(names);
  CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
}

static tern_slice slice_of_bio(BIO *bio)
{
  char *data = NULL;
  long len = BIO_get_mem_data(bio, &data);
  CHECK(len > 0);
  return tern_slice_of(data, (size_t)len);
}

static void make_pem(BIO *cert_out, BIO *key_out)
{
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *cert = X509_new();
  CHECK(key != NULL && cert != NULL);
  sign_certificate(cert, key);
  CHECK(PEM_write_bio_X509(cert_out, cert) == 1);
  CHECK(PEM_write_bio_PrivateKey(key_out, key, NULL, NULL, 0, NULL, NULL) == 1);
  X509_free(cert);
  EVP_PKEY_free(key);
}

static void use_host_library(void)
{
  static const unsigned char abc[4] = {0xba, 0x78, 0x16, 0xbf}; /* SHA-256 of "abc" begins so */
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int len = 0;
  CHECK(EVP_Digest("abc", 3, digest, &len, EVP_sha256(), NULL) == 1);
  CHECK(len == 32 && memcmp(digest, abc, sizeof abc) == 0);
}

/* ---- libtern's side ----------------------------------------------------------------------- */

struct seen {
  bool client_connected;
  bool server_connected;
  bool closed;
};

static void on_connected(tern_conn *conn, void *app)
{
  struct seen *seen = app;
  (void)conn;
  use_host_library();
  seen->client_connected = true;
}

static void on_closed(tern_conn *conn, const tern_error *error, void *app)
{
  char text[256];
  struct seen *seen = app;
  (void)conn;
  fprintf(stderr, "closed: %s\n", tern_error_format(error, text, sizeof text));
  seen->closed = true;
}

static const tern_conn_ops client_ops = {
    .size = sizeof client_ops, .on_connected = on_connected, .on_closed = on_closed};

static void on_conn(void *app, tern_conn *conn)
{
  struct seen *seen = app;
  (void)conn;
  seen->server_connected = true;
}

static const tern_endpoint_ops endpoint_ops = {.size = sizeof endpoint_ops, .on_conn = on_conn};

static void fill_random(void *arg, uint8_t *out, size_t len)
{
  uint64_t *state = arg;
  for (size_t i = 0; i < len; i++) {
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    out[i] = (uint8_t)(*state >> 56);
  }
}

static tern_tls *make_tls(bool is_server, tern_slice cert, tern_slice key)
{
  static const char *const alpn[] = {"host"};
  char why[256] = "";
  tern_tls *tls = NULL;
  tern_tls_config config;
  tern_tls_config_init(&config, sizeof config);
  config.is_server = is_server;
  config.alpn = alpn;
  config.alpn_count = 1;
  if (is_server) {
    config.cert_pem = cert;
    config.key_pem = key;
  } else {
    config.ca_pem = cert;
  }
  tern_status status = tern_tls_new(&tls, &config, why, sizeof why);
  if (status != TERN_OK) {
    fprintf(stderr, "%s: %s\n", tern_status_name(status), why);
  }
  CHECK(status == TERN_OK);
  return tls;
}

static tern_endpoint *make_endpoint(bool is_server, tern_tls *tls, uint64_t *seed,
                                    struct seen *seen)
{
  char why[256] = "";
  tern_endpoint *endpoint = NULL;
  tern_config config;
  tern_config_init(&config, sizeof config);
  config.random.fill = fill_random;
  config.random.arg = seed;
  if (is_server) {
    config.server_tls = tls;
  } else {
    config.client_tls = tls;
  }
  tern_status status = tern_endpoint_new(&endpoint, &config, &endpoint_ops, seen, why, sizeof why);
  if (status != TERN_OK) {
    fprintf(stderr, "%s: %s\n", tern_status_name(status), why);
  }
  CHECK(status == TERN_OK);
  return endpoint;
}

/* Everything that `from` has to say goes to `to`. */
static void carry(tern_endpoint *from, tern_endpoint *to, tern_addr from_addr, tern_addr to_addr,
                  tern_time now)
{
  static uint8_t buffer[PACKET_BYTES_MAX];
  const tern_run *run = NULL;
  while ((run = tern_endpoint_send(from, now)) != NULL) {
    use_host_library();
    CHECK(run->len <= sizeof buffer);
    memcpy(buffer, run->data, run->len);
    tern_datagram datagram = {.data = buffer,
                              .len = run->len,
                              .segment_bytes = run->segment_bytes,
                              .local = to_addr,
                              .remote = from_addr};
    size_t count =
        run->segment_bytes == 0 ? 1 : (run->len + run->segment_bytes - 1) / run->segment_bytes;
    tern_endpoint_sent(from, run, count, 0, now);
    CHECK(tern_endpoint_receive(to, &datagram, 1, now) == TERN_OK);
  }
}

static tern_time earlier(tern_time a, tern_time b)
{
  return a < b ? a : b;
}

static void shake_hands(tern_endpoint *client, tern_endpoint *server, struct seen *seen)
{
  const tern_addr client_addr = {.family = 4, .ip = {127, 0, 0, 1}, .port = 4000};
  const tern_addr server_addr = {.family = 4, .ip = {127, 0, 0, 1}, .port = 4433};
  tern_connect_args args = {
      .remote = server_addr, .server_name = "localhost", .ops = &client_ops, .app = seen};
  tern_conn *conn = NULL;
  tern_time now = TERN_SECOND;
  CHECK(tern_endpoint_connect(client, &args, now, &conn) == TERN_OK);
  for (int i = 0; i < ROUNDS_MAX && !(seen->client_connected && seen->server_connected); i++) {
    carry(client, server, client_addr, server_addr, now);
    carry(server, client, server_addr, client_addr, now);
    tern_time next = earlier(tern_endpoint_deadline(client), tern_endpoint_deadline(server));
    now = next == TERN_TIME_NEVER || next < now + TERN_MS ? now + TERN_MS : next;
    CHECK(tern_endpoint_timeout(client, now) == TERN_OK);
    CHECK(tern_endpoint_timeout(server, now) == TERN_OK);
  }
  CHECK(seen->client_connected);
  CHECK(seen->server_connected);
  CHECK(!seen->closed);
  tern_slice alpn = tern_conn_get_alpn(conn);
  CHECK(alpn.len == 4 && memcmp(alpn.data, "host", 4) == 0);
}

int main(void)
{
  struct seen seen = {0};
  uint64_t client_seed = 1, server_seed = 2;
  BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
  CHECK(cert != NULL && key != NULL);
  make_pem(cert, key);
  tern_tls *server_tls = make_tls(true, slice_of_bio(cert), slice_of_bio(key));
  tern_tls *client_tls = make_tls(false, slice_of_bio(cert), slice_of_bio(key));
  tern_endpoint *server = make_endpoint(true, server_tls, &server_seed, &seen);
  tern_endpoint *client = make_endpoint(false, client_tls, &client_seed, &seen);
  shake_hands(client, server, &seen);
  tern_endpoint_free(client);
  tern_endpoint_free(server);
  tern_tls_unref(client_tls);
  tern_tls_unref(server_tls);
  BIO_free(cert);
  BIO_free(key);
  use_host_library();
  printf("host: %s; libtern: %s\n", OpenSSL_version(OPENSSL_VERSION), tern_tls_library());
  return 0;
}
