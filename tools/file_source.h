/* SPDX-License-Identifier: MIT */
/* A file as a source of body bytes (tern_source): read straight into packets when they are built. */
#ifndef TERN_TOOLS_FILE_SOURCE_H
#define TERN_TOOLS_FILE_SOURCE_H

#include <stdint.h>

#include <tern/transport.h>

struct tern_file_source;

/* Takes `fd` over; the body's first byte is the file's at `start`. One reference. */
struct tern_file_source *tern_file_source_new(int fd, uint64_t start);
/* Closes the file with the last reference. NULL is fine. */
void tern_file_source_unref(struct tern_file_source *source);
void tern_file_source_ref(struct tern_file_source *source);
/* For tern_request_write_source, which takes one reference over if it succeeds. */
tern_source tern_file_source_of(struct tern_file_source *source, uint64_t reset_code);
/* The highest body byte that was asked for, plus one. */
uint64_t tern_file_source_get_sent(const struct tern_file_source *source);

#endif
