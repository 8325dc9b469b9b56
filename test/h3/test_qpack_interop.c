/* SPDX-License-Identifier: MIT */
/* The QPACK interop set: what six encoders made of three sets of real header lists must decode to
 * them [rfc9204-4.5]; our own encoder's output must decode back at every table size; files that a
 * decoder has to refuse are refused. */
#define _DEFAULT_SOURCE 1 /* mkdtemp, dirent */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "h3/qpack_dec.h"
#include "h3/qpack_enc.h"
#include "qif.h"

#define PATH_MAX_BYTES 1024
#define STREAMS_MAX 4096
#define SECTION_MAX (1024 * 1024)

static struct tern_alloc account;
static char unpacked[64]; /* where the big set is; empty if it is not there */

/* ---- decoding other people's files --------------------------------------------------------- */

struct pending {
  struct tern_qpack_reader reader;
  struct qif_block block;
  size_t used;
  bool is_waiting;
};

struct replay {
  struct tern_qpack_dec dec;
  const struct qif *qif;
  struct pending *pending;
  size_t pending_count;
  size_t piece; /* bytes per call */
};

static bool compare(const struct replay *replay, uint64_t stream_id, const tern_field *fields,
                    size_t count)
{
  if (stream_id == 0 || stream_id > replay->qif->count)
    return false;
  const struct qif_list *list = &replay->qif->lists[stream_id - 1];
  if (list->count != count)
    return false;
  for (size_t i = 0; i < count; i++) {
    if (!qif_is_equal(&list->fields[i], &fields[i]))
      return false;
  }
  return true;
}

/* Feeds a section as far as it goes. False: an error, or other fields than expected. */
static bool advance(struct replay *replay, struct pending *pending)
{
  do {
    size_t len = pending->block.bytes.len - pending->used;
    if (len > replay->piece)
      len = replay->piece;
    size_t consumed = 0;
    tern_slice piece = tern_slice_of(pending->block.bytes.data + pending->used, len);
    enum tern_qpack_result result =
        tern_qpack_reader_feed(&pending->reader, &replay->dec, piece, &consumed);
    pending->used += consumed;
    pending->is_waiting = result == TERN_QPACK_BLOCKED;
    if (pending->is_waiting)
      return true;
    if (result != TERN_QPACK_OK)
      return false;
  } while (pending->used < pending->block.bytes.len);
  const tern_field *fields;
  size_t count;
  if (tern_qpack_reader_finish(&pending->reader, &replay->dec, &fields, &count) != TERN_QPACK_OK)
    return false;
  return compare(replay, pending->block.stream_id, fields, count);
}

static bool feed_encoder_stream(struct replay *replay, tern_slice bytes)
{
  for (size_t at = 0; at < bytes.len; at += replay->piece) {
    size_t len = bytes.len - at < replay->piece ? bytes.len - at : replay->piece;
    if (tern_qpack_dec_receive(&replay->dec, bytes.data + at, len) != 0)
      return false;
  }
  for (size_t i = 0; i < replay->pending_count; i++) {
    struct pending *pending = &replay->pending[i];
    if (pending->is_waiting && pending->reader.required <= replay->dec.table.inserts &&
        !advance(replay, pending))
      return false;
  }
  return true;
}

static bool feed_section(struct replay *replay, const struct qif_block *block)
{
  struct pending *pending = &replay->pending[replay->pending_count++];
  tern_qpack_reader_init(&pending->reader, &account);
  tern_qpack_reader_start(&pending->reader, block->stream_id, SECTION_MAX);
  pending->block = *block;
  pending->used = 0;
  return advance(replay, pending);
}

struct replay_args {
  const struct qif_file *file;
  const struct qif *qif;
  uint64_t capacity;
  uint64_t blocked;
  size_t piece;
};

/* True if every list of the QIF came out. */
static bool replay_file(const struct replay_args *args)
{
  struct replay replay = {.qif = args->qif, .piece = args->piece};
  replay.pending = calloc(STREAMS_MAX, sizeof(struct pending));
  tern_qpack_dec_init(&replay.dec, &account, args->capacity, args->blocked);
  /* The files' convention: the decoder starts at full capacity. */
  tern_qpack_table_set_capacity(&replay.dec.table, args->capacity);
  size_t at = 0;
  bool good = true;
  struct qif_block block;
  while (good && qif_next_block(args->file, &at, &block)) {
    good = block.stream_id == 0 ? feed_encoder_stream(&replay, block.bytes)
                                : feed_section(&replay, &block);
  }
  good = good && at == args->file->len && replay.pending_count == args->qif->count &&
         replay.dec.blocked == 0;
  for (size_t i = 0; i < replay.pending_count; i++)
    tern_qpack_reader_deinit(&replay.pending[i].reader);
  free(replay.pending);
  tern_qpack_dec_deinit(&replay.dec);
  return good;
}

/* Every <name>.out.<capacity>.<blocked>.<acks> in `folder` against its QIF. */
static size_t replay_folder(const char *folder, const struct qif *qif, const char *prefix)
{
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  size_t files = 0;
  struct dirent *item;
  while ((item = readdir(dir)) != NULL) {
    uint64_t capacity;
    uint64_t blocked;
    const char *dot = strstr(item->d_name, ".out.");
    if (dot == NULL || strncmp(item->d_name, prefix, strlen(prefix)) != 0)
      continue;
    char *next;
    capacity = strtoull(dot + 5, &next, 10);
    blocked = strtoull(next + 1, NULL, 10);
    char path[PATH_MAX_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, item->d_name);
    struct qif_file file = qif_load(path);
    struct replay_args args = {&file, qif, capacity, blocked, SIZE_MAX / 2};
    if (!replay_file(&args))
      fail_msg("%s", path);
    args.piece = 1;
    if (file.len < 100000 && !replay_file(&args))
      fail_msg("%s, byte by byte", path);
    free(file.data);
    files++;
  }
  (void)closedir(dir);
  return files;
}

static const char *const encoders[] = {"f5",       "ls-qpack", "nghttp3",
                                       "proxygen", "qthingey", "quinn"};

static void test_netbsd_files(void **state)
{
  (void)state;
  const char *spec = getenv("TERN_SPEC");
  if (spec == NULL) {
    print_message("skipped: TERN_SPEC is not set\n");
    skip();
  }
  char path[PATH_MAX_BYTES];
  (void)snprintf(path, sizeof(path), "%s/vectors/qpack/netbsd-hq/netbsd-hq.qif", spec);
  struct qif qif = qif_parse(qif_load(path));
  if (qif.count <= 10)
    fail_msg("%s", path);
  size_t files = 0;
  for (size_t i = 0; i < 6; i++) {
    (void)snprintf(path, sizeof(path), "%s/vectors/qpack/netbsd-hq/%s", spec, encoders[i]);
    files += replay_folder(path, &qif, "netbsd-hq");
  }
  assert_int_equal(files, 88);
  qif_free(&qif);
}

static void test_all_files(void **state)
{
  (void)state;
  if (unpacked[0] == 0) {
    print_message("skipped: no TERN_SPEC, or tar cannot unpack the interop set\n");
    skip();
  }
  static const char *const names[] = {"fb-req-hq", "fb-resp-hq", "netbsd-hq"};
  size_t files = 0;
  for (size_t n = 0; n < 3; n++) {
    char path[PATH_MAX_BYTES];
    (void)snprintf(path, sizeof(path), "%s/qpack-interop/qifs/%s.qif", unpacked, names[n]);
    struct qif qif = qif_parse(qif_load(path));
    if (qif.count <= 10)
      fail_msg("%s", path);
    for (size_t i = 0; i < 6; i++) {
      (void)snprintf(path, sizeof(path), "%s/qpack-interop/encoded/%s", unpacked, encoders[i]);
      files += replay_folder(path, &qif, names[n]);
    }
    qif_free(&qif);
  }
  assert_int_equal(files, 264);
}

/* ---- our encoder --------------------------------------------------------------------------- */

struct trip {
  const struct qif *qif;
  uint64_t capacity;
  uint64_t blocked;
  size_t delay; /* sections until the encoder stream arrives */
};

struct link {
  struct tern_qpack_enc enc;
  struct tern_qpack_dec dec;
  struct tern_buf in_flight; /* encoder stream on its way */
  struct tern_qpack_reader *readers;
  struct tern_buf *sections;
  bool *waiting;
  size_t wire_bytes;
};

static void check_fields(const struct qif_list *list, const tern_field *fields, size_t count)
{
  assert_int_equal(count, list->count);
  for (size_t i = 0; i < count; i++)
    assert_true(qif_is_equal(&list->fields[i], &fields[i]));
}

static void try_section(struct link *link, const struct qif_list *list, size_t i)
{
  size_t consumed;
  struct tern_buf *bytes = &link->sections[i];
  enum tern_qpack_result result = tern_qpack_reader_feed(
      &link->readers[i], &link->dec, tern_slice_of(bytes->data, bytes->len), &consumed);
  tern_buf_drop_front(bytes, consumed);
  link->waiting[i] = result == TERN_QPACK_BLOCKED;
  if (link->waiting[i])
    return;
  assert_int_equal(result, TERN_QPACK_OK);
  const tern_field *fields;
  size_t count;
  assert_int_equal(tern_qpack_reader_finish(&link->readers[i], &link->dec, &fields, &count),
                   TERN_QPACK_OK);
  check_fields(list, fields, count);
}

/* The encoder stream arrives, waiting sections go on, and the decoder stream travels back. */
static void deliver(struct link *link, const struct trip *trip, size_t sections)
{
  assert_int_equal(tern_qpack_dec_receive(&link->dec, link->in_flight.data, link->in_flight.len),
                   0);
  tern_buf_clear(&link->in_flight, SIZE_MAX);
  for (size_t i = 0; i < sections; i++) {
    if (link->waiting[i])
      try_section(link, &trip->qif->lists[i], i);
  }
  assert_true(tern_qpack_dec_increment(&link->dec));
  assert_int_equal(
      tern_qpack_enc_receive(&link->enc, link->dec.instructions.data, link->dec.instructions.len),
      0);
  tern_buf_clear(&link->dec.instructions, SIZE_MAX);
}

static void send_section(struct link *link, const struct trip *trip, size_t i)
{
  const struct qif_list *list = &trip->qif->lists[i];
  struct tern_qpack_enc_args args = {i * 4, list->fields, list->count, true};
  size_t start;
  assert_int_equal(tern_qpack_enc_section(&link->enc, &args, &link->sections[i], &start), TERN_OK);
  assert_true(tern_qpack_enc_get_blocked(&link->enc) <= trip->blocked);
  tern_buf_drop_front(&link->sections[i], start);
  assert_true(
      tern_buf_append(&link->in_flight, link->enc.instructions.data, link->enc.instructions.len));
  link->wire_bytes += link->sections[i].len + link->enc.instructions.len;
  tern_buf_clear(&link->enc.instructions, SIZE_MAX);
  tern_qpack_reader_start(&link->readers[i], i * 4, SECTION_MAX);
  try_section(link, list, i);
}

static size_t run_trip(const struct trip *trip)
{
  size_t count = trip->qif->count;
  struct link link = {.wire_bytes = 0};
  tern_qpack_enc_init(&link.enc, &account, 65536);
  tern_qpack_dec_init(&link.dec, &account, trip->capacity, trip->blocked);
  tern_buf_init(&link.in_flight, &account);
  link.readers = calloc(count, sizeof(*link.readers));
  link.sections = calloc(count, sizeof(*link.sections));
  link.waiting = calloc(count, sizeof(*link.waiting));
  assert_int_equal(tern_qpack_enc_set_peer(&link.enc, trip->capacity, trip->blocked), TERN_OK);
  for (size_t i = 0; i < count; i++) {
    tern_qpack_reader_init(&link.readers[i], &account);
    tern_buf_init(&link.sections[i], &account);
    send_section(&link, trip, i);
    if (i % (trip->delay + 1) == trip->delay)
      deliver(&link, trip, i + 1);
  }
  deliver(&link, trip, count);
  assert_int_equal(link.dec.blocked, 0);
  assert_int_equal(link.enc.sections_count, 0);
  assert_int_equal(link.enc.table.inserts, link.dec.table.inserts);
  assert_int_equal(link.enc.table.oldest, link.dec.table.oldest);
  assert_int_equal(link.enc.table.size, link.dec.table.size);
  for (size_t i = 0; i < count; i++) {
    tern_qpack_reader_deinit(&link.readers[i]);
    tern_buf_deinit(&link.sections[i]);
  }
  free(link.readers);
  free(link.sections);
  free(link.waiting);
  tern_buf_deinit(&link.in_flight);
  tern_qpack_enc_deinit(&link.enc);
  tern_qpack_dec_deinit(&link.dec);
  return link.wire_bytes;
}

static void run_trips(const char *name, const struct qif *qif)
{
  static const uint64_t capacities[] = {0, 256, 4096};
  static const uint64_t blocked[] = {0, 100};
  static const size_t delays[] = {0, 3, 40};
  for (size_t c = 0; c < 3; c++) {
    for (size_t b = 0; b < 2; b++) {
      size_t wire[3];
      for (size_t d = 0; d < 3; d++) {
        struct trip trip = {qif, capacities[c], blocked[b], delays[d]};
        wire[d] = run_trip(&trip);
      }
      print_message("%s, table %4u, blocked %3u: %zu %zu %zu bytes\n", name,
                    (unsigned)capacities[c], (unsigned)blocked[b], wire[0], wire[1], wire[2]);
    }
  }
}

static void test_round_trips(void **state)
{
  (void)state;
  if (unpacked[0] == 0) {
    print_message("skipped: no TERN_SPEC, or tar cannot unpack the interop set\n");
    skip();
  }
  static const char *const names[] = {"fb-req-hq", "fb-resp-hq", "netbsd-hq"};
  for (size_t n = 0; n < 3; n++) {
    char path[PATH_MAX_BYTES];
    (void)snprintf(path, sizeof(path), "%s/qpack-interop/qifs/%s.qif", unpacked, names[n]);
    struct qif qif = qif_parse(qif_load(path));
    run_trips(names[n], &qif);
    qif_free(&qif);
  }
}

/* ---- files to refuse ----------------------------------------------------------------------- */

static void test_errors(void **state)
{
  (void)state;
  const char *spec = getenv("TERN_SPEC");
  if (spec == NULL) {
    print_message("skipped: TERN_SPEC is not set\n");
    skip();
  }
  for (int i = 1; i <= 12; i++) {
    char path[PATH_MAX_BYTES];
    (void)snprintf(path, sizeof(path), "%s/vectors/qpack/errors/err%d", spec, i);
    struct qif_file file = qif_load(path);
    assert_non_null(file.data);
    struct qif_block block = {0, {NULL, 0}};
    size_t at = 0;
    assert_true(qif_next_block(&file, &at, &block));
    struct tern_qpack_dec dec;
    struct tern_qpack_reader reader;
    tern_qpack_dec_init(&dec, &account, 0, 0);
    tern_qpack_reader_init(&reader, &account);
    tern_qpack_reader_start(&reader, block.stream_id, SECTION_MAX);
    bool is_refused;
    if (block.stream_id == 0) {
      is_refused = tern_qpack_dec_receive(&dec, block.bytes.data, block.bytes.len) ==
                   TERN_H3_QPACK_ENCODER_STREAM_ERROR;
    } else {
      const tern_field *fields;
      size_t count;
      size_t consumed;
      is_refused =
          tern_qpack_reader_feed(&reader, &dec, block.bytes, &consumed) == TERN_QPACK_ERROR ||
          tern_qpack_reader_finish(&reader, &dec, &fields, &count) == TERN_QPACK_ERROR;
    }
    /* 9 and 10 refer to static entries that exist since the final table. */
    assert_int_equal(is_refused, i != 9 && i != 10);
    tern_qpack_reader_deinit(&reader);
    tern_qpack_dec_deinit(&dec);
    free(file.data);
  }
}

/* ---- set up -------------------------------------------------------------------------------- */

static int unpack(void **state)
{
  (void)state;
  tern_alloc_init(&account, &tern_alloc_system, NULL, UINT64_MAX);
  const char *spec = getenv("TERN_SPEC");
  char folder[] = "/tmp/tern-qpack-XXXXXX";
  if (spec == NULL || mkdtemp(folder) == NULL)
    return 0;
  char command[PATH_MAX_BYTES];
  (void)snprintf(command, sizeof(command),
                 "tar -xJf '%s/vectors/qpack/qpack-interop-hq.tar.xz' -C %s", spec, folder);
  if (system(command) == 0)
    (void)snprintf(unpacked, sizeof(unpacked), "%s", folder);
  return 0;
}

static int clean(void **state)
{
  (void)state;
  tern_alloc_deinit(&account);
  char command[PATH_MAX_BYTES + 16];
  (void)snprintf(command, sizeof(command), "rm -rf %s", unpacked);
  return unpacked[0] == 0 || system(command) == 0 ? 0 : 1;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_netbsd_files),
      cmocka_unit_test(test_all_files),
      cmocka_unit_test(test_round_trips),
      cmocka_unit_test(test_errors),
  };
  return cmocka_run_group_tests(tests, unpack, clean);
}
