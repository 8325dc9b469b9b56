/* SPDX-License-Identifier: MIT */
/* Names and protocols of a ClientHello: the RFC's own, ones made after its grammar, and broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "tls/tls.h"

/* [rfc9001-A.2] the CRYPTO data of the client's Initial. */
static const char rfc9001_a2[] =
    "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c0000"
    "0413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006"
    "001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9"
    "caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d001000"
    "0e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffff"
    "ff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ff"
    "ff";

#define MESSAGE_MAX 2048

struct message {
  uint8_t bytes[MESSAGE_MAX];
  size_t len;
};

static uint8_t digit(char c)
{
  return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct message read_hex(const char *text)
{
  struct message message = {.len = strlen(text) / 2};
  for (size_t i = 0; i < message.len; i++)
    message.bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
  return message;
}

/* [rfc8446-4.1.2] with these extensions, type and length included. */
static struct message make(const void *extensions, size_t len)
{
  struct message message = {.len = 0};
  struct tern_writer writer = tern_writer_of(message.bytes, sizeof message.bytes);
  static const uint8_t zeros[32];

  tern_write_u8(&writer, 1);
  tern_write_u24(&writer, (uint32_t)(2 + 32 + 1 + 4 + 2 + 2 + len));
  tern_write_u16(&writer, 0x0303);
  tern_write_bytes(&writer, zeros, sizeof zeros);
  tern_write_bytes(&writer, "\0\0\2\x13\1\1\0", 7); /* no session id, one suite, no compression */
  tern_write_u16(&writer, (uint16_t)len);
  tern_write_bytes(&writer, extensions, len);
  assert_false(writer.is_full);
  message.len = tern_writer_len(&writer);
  return message;
}

static uint8_t read(const struct message *message, struct tern_client_hello *hello)
{
  return tern_client_hello_read(tern_slice_of(message->bytes, message->len), hello);
}

static void assert_slice(tern_slice slice, const void *bytes, size_t len)
{
  assert_int_equal(slice.len, len);
  if (len != 0)
    assert_memory_equal(slice.data, bytes, len);
}

static void test_rfc_vector(void **state)
{
  (void)state;
  struct message message = read_hex(rfc9001_a2);
  struct tern_client_hello hello;

  assert_int_equal(tern_client_hello_size(message.bytes), message.len);
  assert_int_equal(read(&message, &hello), 0);
  assert_slice(hello.server_name, "example.com", 11);
  assert_slice(hello.alpn, "\4alpn", 5);
  assert_int_equal(hello.params.len, 0x32);
  assert_memory_equal(hello.params.data, "\4\10\377\377", 4);
}

/* A length that is one off is never read past, and always noticed. */
static void test_every_cut(void **state)
{
  (void)state;
  struct message whole = read_hex(rfc9001_a2);
  struct tern_client_hello hello;

  for (size_t len = 0; len < whole.len; len++) {
    struct message cut = {.len = len};
    memcpy(cut.bytes, whole.bytes, len);
    assert_int_equal(read(&cut, &hello), TERN_ALERT_DECODE_ERROR);
    if (len < 4)
      continue;
    cut.bytes[1] = 0; /* and the message says so itself */
    cut.bytes[2] = 0;
    cut.bytes[3] = (uint8_t)(len - 4);
    assert_int_equal(read(&cut, &hello), TERN_ALERT_DECODE_ERROR);
  }
  whole.bytes[whole.len++] = 0;
  assert_int_equal(read(&whole, &hello), TERN_ALERT_DECODE_ERROR);
}

static void test_not_a_hello(void **state)
{
  (void)state;
  struct message message = read_hex(rfc9001_a2);
  struct tern_client_hello hello;

  message.bytes[0] = 2;
  assert_int_equal(tern_client_hello_size(message.bytes), 0);
  assert_int_equal(read(&message, &hello), TERN_ALERT_UNEXPECTED_MESSAGE);
}

#define SNI(text) "\0\0\0\6\0\4\0\0\1" text /* of one letter */
#define H3 "\0\x10\0\5\0\3\2h3"
#define CASE_OF(extensions, alert, name, alpn)                                                     \
  {                                                                                                \
    extensions, sizeof extensions - 1, alert, name, sizeof name - 1, alpn, sizeof alpn - 1         \
  }

static const struct extension_case {
  const char *extensions;
  size_t len;
  uint8_t alert;
  const char *name;
  size_t name_len;
  const char *alpn;
  size_t alpn_len;
} extension_cases[] = {
    CASE_OF("", 0, "", ""),
    CASE_OF(SNI("a"), 0, "a", ""),
    CASE_OF(H3, 0, "", "\2h3"),
    CASE_OF(H3 SNI("a"), 0, "a", "\2h3"),
    CASE_OF("\xfa\xfa\0\0" SNI("a") "\0\x2a\0\1x" H3, 0, "a", "\2h3"),
    CASE_OF("\0\x10\0\7\0\5\2h3\1x", 0, "", "\2h3\1x"),
    /* [rfc6066-3] a type that nobody knows beside a host name; one name of a type */
    CASE_OF("\0\0\0\12\0\10\7\0\1x\0\0\1a", 0, "a", ""),
    CASE_OF("\0\0\0\12\0\10\0\0\1b\0\0\1a", TERN_ALERT_ILLEGAL_PARAMETER, "b", ""),
    CASE_OF("\0\0\0\5\0\3\0\0\0", TERN_ALERT_DECODE_ERROR, "", ""),
    CASE_OF("\0\0\0\2\0\0", TERN_ALERT_DECODE_ERROR, "", ""),
    CASE_OF("\0\0\0\0", TERN_ALERT_DECODE_ERROR, "", ""),
    CASE_OF("\0\0\0\7\0\4\0\0\1a\0", TERN_ALERT_DECODE_ERROR, "", ""),
    /* [rfc8446-4.2] */
    CASE_OF(SNI("a") SNI("b"), TERN_ALERT_ILLEGAL_PARAMETER, "a", ""),
    CASE_OF(H3 "\0\x39\0\1a\0\x39\0\1b", TERN_ALERT_ILLEGAL_PARAMETER, "", "\2h3"),
    CASE_OF(H3 H3, TERN_ALERT_ILLEGAL_PARAMETER, "", "\2h3"),
    /* [rfc7301-3.1] */
    CASE_OF("\0\x10\0\2\0\0", TERN_ALERT_DECODE_ERROR, "", ""),
    CASE_OF("\0\x10\0\3\0\1\0", TERN_ALERT_DECODE_ERROR, "", "\0"),
    CASE_OF("\0\x10\0\5\0\3\3h3", TERN_ALERT_DECODE_ERROR, "", "\3h3"),
    CASE_OF("\0\x10\0\5\0\4\2h3", TERN_ALERT_DECODE_ERROR, "", ""),
    CASE_OF("\0\x10\0\6\0\3\2h3", TERN_ALERT_DECODE_ERROR, "", ""),
};

static void test_extensions(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof extension_cases / sizeof extension_cases[0]; i++) {
    const struct extension_case *one = &extension_cases[i];
    struct message message = make(one->extensions, one->len);
    struct tern_client_hello hello;

    if (read(&message, &hello) != one->alert)
      fail_msg("case %zu", i);
    assert_slice(hello.server_name, one->name, one->name_len);
    assert_slice(hello.alpn, one->alpn, one->alpn_len);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rfc_vector),
      cmocka_unit_test(test_every_cut),
      cmocka_unit_test(test_not_a_hello),
      cmocka_unit_test(test_extensions),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
