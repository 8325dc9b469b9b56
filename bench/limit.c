/* SPDX-License-Identifier: MIT */
/* What this machine can do at best: no QUIC, only what every QUIC sender and receiver must do.
 *
 *   limit tx KIND PORT SECONDS   seals packets of PACKET_BYTES with one AEAD call each, a run at a time,
 *                                and sends each run: KIND gso with one sendmsg and UDP_SEGMENT, KIND
 *                                plain with one sendmmsg
 *   limit rx KIND PORT           receives with recvmmsg, with UDP_GRO if KIND is gso, opens each packet
 *                                with one AEAD call, stops one second after the last datagram
 *   limit echo PORT              sends back what it gets, until it is killed
 *   limit ping PORT SECONDS      round trips to that echo, one after the other: what a request's latency
 *                                has beneath it
 *
 * tx and rx print goodput of the payload and CPU seconds per GiB, ping its percentiles. bench/run.py
 * pins the sides to one core each and puts tern's figures beside them. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <openssl/aead.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

#define PACKET_BYTES 1452 /* UDP payload, as tern's default mtu_max_bytes */
#define HEADER_BYTES 9    /* first byte and an 8-byte number */
#define TAG_BYTES 16
#define PAYLOAD_BYTES (PACKET_BYTES - HEADER_BYTES - TAG_BYTES)
#define RUN_PACKETS (65507 / PACKET_BYTES)
#define BATCH 8      /* bursts per call */
#define BATCH_MAX 64 /* lone packets per call */
#define BUFFER_BYTES 65536
#define SOCKET_BYTES (8 << 20)
#define PING_BYTES 1100 /* about a request and its 1 KiB answer */
#define PINGS_MAX 1000000
#define GIB 1073741824.0

struct meter {
  double started;
  double cpu_started;
  double ended;
  unsigned long long packets;
};

static double clock_now(clockid_t id)
{
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void meter_start(struct meter *meter)
{
  meter->started = meter->ended = clock_now(CLOCK_MONOTONIC);
  meter->cpu_started = clock_now(CLOCK_PROCESS_CPUTIME_ID);
}

static void meter_print(const struct meter *meter, const char *side, double cpu_ended)
{
  double bytes = (double)meter->packets * PAYLOAD_BYTES;
  double seconds = meter->ended - meter->started;
  printf("limit %s: goodput %.3f Gbit/s, cpu %.4f s/GiB, %llu packets\n", side,
         bytes * 8 / seconds / 1e9, (cpu_ended - meter->cpu_started) / (bytes / GIB),
         meter->packets);
}

static void die(const char *what)
{
  perror(what);
  exit(1);
}

static int open_socket(int buffer_option)
{
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  int bytes = SOCKET_BYTES;
  if (fd < 0)
    die("socket");
  setsockopt(fd, SOL_SOCKET, buffer_option, &bytes, sizeof bytes);
  return fd;
}

static struct sockaddr_in loopback(int port)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static EVP_AEAD_CTX *open_aead(void)
{
  static const uint8_t key[16] = {1};
  EVP_AEAD_CTX *aead = EVP_AEAD_CTX_new(EVP_aead_aes_128_gcm(), key, sizeof key, TAG_BYTES);
  if (aead == NULL)
    abort();
  return aead;
}

static void make_nonce(uint8_t nonce[12], unsigned long long number)
{
  memset(nonce, 0, 12);
  memcpy(nonce + 4, &number, sizeof number);
}

static void seal_run(EVP_AEAD_CTX *aead, uint8_t *run, const uint8_t *plain,
                     unsigned long long first)
{
  uint8_t nonce[12];
  size_t len;
  for (unsigned i = 0; i < RUN_PACKETS; i++) {
    uint8_t *packet = run + i * PACKET_BYTES;
    unsigned long long number = first + i;
    packet[0] = 0x40;
    memcpy(packet + 1, &number, sizeof number);
    make_nonce(nonce, number);
    if (!EVP_AEAD_CTX_seal(aead, packet + HEADER_BYTES, &len, PAYLOAD_BYTES + TAG_BYTES, nonce, 12,
                           plain, PAYLOAD_BYTES, packet, HEADER_BYTES))
      abort();
  }
}

static bool is_worth_waiting(void)
{
  return errno == EAGAIN || errno == ENOBUFS || errno == ECONNREFUSED;
}

/* One call for the run, which the kernel cuts. Packets that it took. */
static unsigned send_segmented(int fd, uint8_t *run)
{
  union {
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
    struct cmsghdr align;
  } control = {{0}};
  struct iovec iov = {run, RUN_PACKETS * PACKET_BYTES};
  struct msghdr message = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  uint16_t segment = PACKET_BYTES;

  header->cmsg_level = SOL_UDP;
  header->cmsg_type = UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN(sizeof segment);
  memcpy(CMSG_DATA(header), &segment, sizeof segment);
  if (sendmsg(fd, &message, 0) > 0)
    return RUN_PACKETS;
  if (!is_worth_waiting())
    die("sendmsg");
  return 0;
}

/* One call, a message for each packet. */
static unsigned send_messages(int fd, uint8_t *run)
{
  struct mmsghdr messages[RUN_PACKETS];
  struct iovec iovs[RUN_PACKETS];
  for (unsigned i = 0; i < RUN_PACKETS; i++) {
    iovs[i] = (struct iovec){run + i * PACKET_BYTES, PACKET_BYTES};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &iovs[i], .msg_iovlen = 1};
  }
  int count = sendmmsg(fd, messages, RUN_PACKETS, 0);
  if (count < 0 && !is_worth_waiting())
    die("sendmmsg");
  return count > 0 ? (unsigned)count : 0;
}

static int send_all(bool has_gso, int port, double seconds)
{
  static uint8_t run[RUN_PACKETS * PACKET_BYTES];
  static uint8_t plain[PAYLOAD_BYTES];
  int fd = open_socket(SO_SNDBUFFORCE);
  struct sockaddr_in to = loopback(port);
  EVP_AEAD_CTX *aead = open_aead();
  struct meter meter = {0};

  if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
    die("connect");
  meter_start(&meter);
  for (; meter.ended - meter.started < seconds; meter.ended = clock_now(CLOCK_MONOTONIC)) {
    seal_run(aead, run, plain, meter.packets);
    meter.packets += has_gso ? send_segmented(fd, run) : send_messages(fd, run);
  }
  meter_print(&meter, "send", clock_now(CLOCK_PROCESS_CPUTIME_ID));
  EVP_AEAD_CTX_free(aead);
  close(fd);
  return 0;
}

static uint16_t segment_of(struct msghdr *message, unsigned len)
{
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
    int segment;
    if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
      continue;
    memcpy(&segment, CMSG_DATA(c), sizeof segment);
    return (uint16_t)segment;
  }
  return (uint16_t)len;
}

static void open_datagrams(EVP_AEAD_CTX *aead, const uint8_t *data, unsigned len, uint16_t segment,
                           struct meter *meter)
{
  static uint8_t plain[PACKET_BYTES];
  uint8_t nonce[12];
  size_t plain_len;
  for (unsigned at = 0; at + HEADER_BYTES + TAG_BYTES < len; at += segment) {
    unsigned packet_len = len - at < segment ? len - at : segment;
    const uint8_t *packet = data + at;
    unsigned long long number;
    memcpy(&number, packet + 1, sizeof number);
    make_nonce(nonce, number);
    if (!EVP_AEAD_CTX_open(aead, plain, &plain_len, sizeof plain, nonce, 12, packet + HEADER_BYTES,
                           packet_len - HEADER_BYTES, packet, HEADER_BYTES))
      abort();
    meter->packets++;
  }
}

/* One recvmmsg; how many messages it brought. A burst fills a buffer, a lone packet only its beginning. */
static int receive_some(int fd, struct mmsghdr *messages, int batch)
{
  static uint8_t buffers[BATCH_MAX][BUFFER_BYTES];
  static char controls[BATCH_MAX][64];
  static struct iovec iovs[BATCH_MAX];
  for (int i = 0; i < batch; i++) {
    iovs[i] = (struct iovec){buffers[i], BUFFER_BYTES};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &iovs[i],
                                          .msg_iovlen = 1,
                                          .msg_control = controls[i],
                                          .msg_controllen = sizeof controls[i]};
  }
  return recvmmsg(fd, messages, (unsigned)batch, MSG_WAITFORONE, NULL);
}

static int receive_all(bool has_gro, int port)
{
  struct mmsghdr messages[BATCH_MAX];
  int batch = has_gro ? BATCH : BATCH_MAX;
  int fd = open_socket(SO_RCVBUFFORCE);
  int on = has_gro;
  struct timeval patience = {1, 0};
  struct sockaddr_in at = loopback(port);
  EVP_AEAD_CTX *aead = open_aead();
  struct meter meter = {0};
  double cpu_ended = 0;

  setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0)
    die("bind");
  for (;;) {
    int count = receive_some(fd, messages, batch);
    if (count < 0 && meter.packets != 0)
      break;
    if (count <= 0)
      continue;
    if (meter.packets == 0)
      meter_start(&meter);
    for (int i = 0; i < count; i++)
      open_datagrams(aead, messages[i].msg_hdr.msg_iov->iov_base, messages[i].msg_len,
                     segment_of(&messages[i].msg_hdr, messages[i].msg_len), &meter);
    meter.ended = clock_now(CLOCK_MONOTONIC);
    cpu_ended = clock_now(CLOCK_PROCESS_CPUTIME_ID);
  }
  meter_print(&meter, "receive", cpu_ended);
  EVP_AEAD_CTX_free(aead);
  close(fd);
  return 0;
}

/* ---- echo -------------------------------------------------------------------------------------- */

static void echo_all(int port)
{
  uint8_t data[PACKET_BYTES];
  struct sockaddr_in at = loopback(port);
  int fd = open_socket(SO_RCVBUFFORCE);
  if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0)
    die("bind");
  for (;;) {
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t len = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &from_len);
    if (len < 0 || sendto(fd, data, (size_t)len, 0, (struct sockaddr *)&from, from_len) < 0)
      die("echo");
  }
}

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static int ping_all(int port, double seconds)
{
  static double times[PINGS_MAX];
  uint8_t data[PING_BYTES] = {0};
  struct sockaddr_in to = loopback(port);
  int fd = open_socket(SO_SNDBUFFORCE);
  double ends = clock_now(CLOCK_MONOTONIC) + seconds;
  unsigned count = 0;

  if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
    die("connect");
  while (count < PINGS_MAX) {
    double started = clock_now(CLOCK_MONOTONIC);
    if (started >= ends)
      break;
    if (send(fd, data, sizeof data, 0) < 0 || recv(fd, data, sizeof data, 0) < 0)
      die("ping");
    times[count++] = clock_now(CLOCK_MONOTONIC) - started;
  }
  qsort(times, count, sizeof *times, by_value);
  printf("limit ping: p50 %.1f us, p99 %.1f us\n", times[count / 2] * 1e6,
         times[count * 99 / 100] * 1e6);
  close(fd);
  return 0;
}

int main(int argc, char **argv)
{
  bool is_gso = argc > 2 && strcmp(argv[2], "gso") == 0;
  bool is_kind = is_gso || (argc > 2 && strcmp(argv[2], "plain") == 0);
  if (argc == 5 && is_kind && strcmp(argv[1], "tx") == 0)
    return send_all(is_gso, atoi(argv[3]), atof(argv[4]));
  if (argc == 4 && is_kind && strcmp(argv[1], "rx") == 0)
    return receive_all(is_gso, atoi(argv[3]));
  if (argc == 3 && strcmp(argv[1], "echo") == 0)
    echo_all(atoi(argv[2]));
  if (argc == 4 && strcmp(argv[1], "ping") == 0)
    return ping_all(atoi(argv[2]), atof(argv[3]));
  fprintf(stderr, "usage: limit tx gso|plain PORT SECONDS | limit rx gso|plain PORT\n"
                  "       limit echo PORT | limit ping PORT SECONDS\n");
  return 2;
}
