/* SPDX-License-Identifier: MIT */
/* Huffman input is taken in pieces, so that the room asked for follows the bytes that came and not the
 * length that was announced. */
#include "h3/qpack_string.h"

/* Encoded bytes per step; at five bits a symbol they give at most 410 decoded ones. */
#define PIECE_BYTES 256

bool tern_qpack_string_start(struct tern_qpack_string *string, bool is_huffman, uint64_t len,
                             size_t max)
{
  tern_huffman_decoder_init(&string->huffman);
  string->left = len;
  string->max = max;
  string->is_huffman = is_huffman;
  /* More than 4 * (max + 1) bytes of codes of at most 30 bits are more than `max` symbols. */
  return is_huffman ? (len == 0 || (len - 1) / 4 <= max) : len <= max;
}

static enum tern_qpack_string_result feed_huffman(struct tern_qpack_string *string,
                                                  struct tern_buf *text, tern_slice piece)
{
  size_t room_len = (piece.len * 8 + 64) / TERN_HUFFMAN_BITS_MIN;
  if (room_len > string->max)
    room_len = string->max;
  uint8_t *room = tern_buf_reserve(text, room_len);
  if (room == NULL)
    return TERN_QPACK_STRING_NO_MEMORY;
  struct tern_huffman_io io = {piece.data, piece.len, room, room_len, 0};
  enum tern_huffman_result result = tern_huffman_decode(&string->huffman, &io);
  text->len += (uint32_t)io.out_len;
  string->max -= io.out_len;
  switch (result) {
  case TERN_HUFFMAN_OK:
    return TERN_QPACK_STRING_MORE;
  case TERN_HUFFMAN_FULL:
    return TERN_QPACK_STRING_TOO_LONG;
  case TERN_HUFFMAN_ERROR:
    break;
  }
  return TERN_QPACK_STRING_ERROR;
}

static enum tern_qpack_string_result feed_piece(struct tern_qpack_string *string,
                                                struct tern_buf *text, tern_slice piece)
{
  if (string->is_huffman)
    return feed_huffman(string, text, piece);
  return tern_buf_append(text, piece.data, piece.len) ? TERN_QPACK_STRING_MORE
                                                      : TERN_QPACK_STRING_NO_MEMORY;
}

enum tern_qpack_string_result tern_qpack_string_feed(struct tern_qpack_string *string,
                                                     struct tern_buf *text, const uint8_t **at,
                                                     const uint8_t *end)
{
  while (string->left > 0 && *at < end) {
    size_t len = (size_t)(end - *at);
    if (len > PIECE_BYTES)
      len = PIECE_BYTES;
    if (len > string->left)
      len = (size_t)string->left;
    enum tern_qpack_string_result result = feed_piece(string, text, tern_slice_of(*at, len));
    if (result != TERN_QPACK_STRING_MORE)
      return result;
    *at += len;
    string->left -= len;
  }
  if (string->left > 0)
    return TERN_QPACK_STRING_MORE;
  if (string->is_huffman && !tern_huffman_decoder_is_done(&string->huffman))
    return TERN_QPACK_STRING_ERROR;
  return TERN_QPACK_STRING_DONE;
}
