/* SPDX-License-Identifier: MIT */
/* Reading the QPACK interop set: QIF texts and the block format of encoded files (8 bytes of stream
 * id, 4 bytes of length, that many bytes; stream 0 is the encoder stream). For tests only. */
#ifndef TERN_TEST_QIF_H
#define TERN_TEST_QIF_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tern/h3.h>

struct qif_file {
  uint8_t *data;
  size_t len;
};

/* The file with a final NUL, or data NULL. */
static inline struct qif_file qif_load(const char *path)
{
  struct qif_file file = {NULL, 0};
  FILE *stream = fopen(path, "rb");
  if (stream == NULL)
    return file;
  if (fseek(stream, 0, SEEK_END) == 0) {
    long size = ftell(stream);
    rewind(stream);
    file.data = malloc((size_t)size + 1);
    file.len = fread(file.data, 1, (size_t)size, stream);
    file.data[file.len] = 0;
  }
  (void)fclose(stream);
  return file;
}

struct qif_list {
  tern_field *fields;
  size_t count;
};

struct qif {
  struct qif_file file; /* what the fields point into */
  tern_field *fields;
  struct qif_list *lists;
  size_t count;
};

/* Takes the file over. */
static inline struct qif qif_parse(struct qif_file file)
{
  struct qif qif = {file, calloc(file.len + 1, sizeof(tern_field)),
                    calloc(file.len + 1, sizeof(struct qif_list)), 0};
  tern_field *next = qif.fields;
  struct qif_list list = {next, 0};
  const char *at = (const char *)file.data;
  const char *end = at + file.len;
  while (at < end) {
    size_t len = strcspn(at, "\n");
    const char *tab = memchr(at, '\t', len);
    if (len == 0 && list.count > 0) {
      qif.lists[qif.count++] = list;
      list = (struct qif_list){next, 0};
    } else if (len > 0 && at[0] != '#' && tab != NULL) {
      next->name = tern_slice_of(at, (size_t)(tab - at));
      next->value = tern_slice_of(tab + 1, len - 1 - (size_t)(tab - at));
      next++;
      list.count++;
    }
    at += len + 1;
  }
  if (list.count > 0)
    qif.lists[qif.count++] = list;
  return qif;
}

static inline void qif_free(struct qif *qif)
{
  free(qif->file.data);
  free(qif->fields);
  free(qif->lists);
}

struct qif_block {
  uint64_t stream_id;
  tern_slice bytes;
};

/* The block at `*at`; false at the end. */
static inline bool qif_next_block(const struct qif_file *file, size_t *at, struct qif_block *block)
{
  if (*at + 12 > file->len)
    return false;
  const uint8_t *head = file->data + *at;
  uint32_t len = 0;
  block->stream_id = 0;
  for (int i = 0; i < 8; i++)
    block->stream_id = block->stream_id << 8 | head[i];
  for (int i = 8; i < 12; i++)
    len = len << 8 | head[i];
  if (len > file->len - *at - 12)
    return false;
  block->bytes = tern_slice_of(head + 12, len);
  *at += 12 + (size_t)len;
  return true;
}

static inline bool qif_is_equal(const tern_field *a, const tern_field *b)
{
  return a->name.len == b->name.len && a->value.len == b->value.len &&
         memcmp(a->name.data, b->name.data, a->name.len) == 0 &&
         (a->value.len == 0 || memcmp(a->value.data, b->value.data, a->value.len) == 0);
}

#endif
