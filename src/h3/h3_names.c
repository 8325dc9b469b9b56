/* SPDX-License-Identifier: MIT */
/* Names of error codes, and looking up fields. */
#include <tern/h3.h>

const char *tern_h3_error_name(uint64_t code)
{
  static const struct {
    uint64_t code;
    const char *name;
  } names[] = {
      {TERN_H3_DATAGRAM_ERROR, "H3_DATAGRAM_ERROR"},
      {TERN_H3_NO_ERROR, "H3_NO_ERROR"},
      {TERN_H3_GENERAL_PROTOCOL_ERROR, "H3_GENERAL_PROTOCOL_ERROR"},
      {TERN_H3_INTERNAL_ERROR, "H3_INTERNAL_ERROR"},
      {TERN_H3_STREAM_CREATION_ERROR, "H3_STREAM_CREATION_ERROR"},
      {TERN_H3_CLOSED_CRITICAL_STREAM, "H3_CLOSED_CRITICAL_STREAM"},
      {TERN_H3_FRAME_UNEXPECTED, "H3_FRAME_UNEXPECTED"},
      {TERN_H3_FRAME_ERROR, "H3_FRAME_ERROR"},
      {TERN_H3_EXCESSIVE_LOAD, "H3_EXCESSIVE_LOAD"},
      {TERN_H3_ID_ERROR, "H3_ID_ERROR"},
      {TERN_H3_SETTINGS_ERROR, "H3_SETTINGS_ERROR"},
      {TERN_H3_MISSING_SETTINGS, "H3_MISSING_SETTINGS"},
      {TERN_H3_REQUEST_REJECTED, "H3_REQUEST_REJECTED"},
      {TERN_H3_REQUEST_CANCELLED, "H3_REQUEST_CANCELLED"},
      {TERN_H3_REQUEST_INCOMPLETE, "H3_REQUEST_INCOMPLETE"},
      {TERN_H3_MESSAGE_ERROR, "H3_MESSAGE_ERROR"},
      {TERN_H3_CONNECT_ERROR, "H3_CONNECT_ERROR"},
      {TERN_H3_VERSION_FALLBACK, "H3_VERSION_FALLBACK"},
      {TERN_H3_QPACK_DECOMPRESSION_FAILED, "QPACK_DECOMPRESSION_FAILED"},
      {TERN_H3_QPACK_ENCODER_STREAM_ERROR, "QPACK_ENCODER_STREAM_ERROR"},
      {TERN_H3_QPACK_DECODER_STREAM_ERROR, "QPACK_DECODER_STREAM_ERROR"},
  };
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (names[i].code == code)
      return names[i].name;
  }
  return NULL;
}

const tern_field *tern_field_find(const tern_field *fields, size_t count, const char *name)
{
  size_t len = strlen(name);
  for (size_t i = 0; i < count; i++) {
    if (fields[i].name.len == len && memcmp(fields[i].name.data, name, len) == 0)
      return &fields[i];
  }
  return NULL;
}

tern_slice tern_field_value(const tern_field *fields, size_t count, const char *name)
{
  static const uint8_t empty[1];
  const tern_field *field = tern_field_find(fields, count, name);
  if (field == NULL)
    return tern_slice_of(NULL, 0);
  return field->value.data == NULL ? tern_slice_of(empty, 0) : field->value;
}
