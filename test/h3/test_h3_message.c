/* SPDX-License-Identifier: MIT */
/* Frames and messages on their own: every named rule of RFC 9114 4.1 to 4.4 and 7, every byte in names
 * and values (HOSTILE H10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "h3/h3_frame.h"
#include "h3/h3_message.h"

#define FIELDS_MAX 12

/* "name=value|name=value": '=' ends the name, unless it is the first byte of it. */
static size_t parse(const char *text, tern_field *fields)
{
  size_t count = 0;
  while (*text != 0) {
    size_t len = strcspn(text, "|");
    const char *equals = memchr(text, '=', len);
    assert_non_null(equals);
    fields[count].name = tern_slice_of(text, (size_t)(equals - text));
    fields[count].value = tern_slice_of(equals + 1, len - 1 - (size_t)(equals - text));
    fields[count].is_never_indexed = false;
    count++;
    text += len;
    if (*text == '|')
      text++;
  }
  return count;
}

struct rule {
  const char *fields;
  bool is_good;
};

/* Pseudo-header fields [rfc9114-4.3] with URI parts [rfc3986-3.1] [rfc3986-3.2]; tokens [rfc9110-5.6.2] and
 * values [rfc9110-5.5]; content-length [rfc9110-8.6]; what cannot be a trailer [rfc9110-6.5.1]; :protocol only
 * where it was announced [rfc9220-3]. */
#define GET ":method=GET|:scheme=https|:authority=a.b|:path=/"

static const struct rule requests[] = {
    {GET, true},
    {":path=/|:authority=a.b|:method=GET|:scheme=https", true}, /* any order among themselves */
    {GET "|accept=*/*|x=", true},
    {":method=GET|:scheme=https|:path=/|host=a.b", true},
    {GET "|host=a.b", true},
    {GET "|host=A.B", true},
    {GET "|host=a.c", false}, /* [rfc9114-4.3.1] must be the same */
    {GET "|host=", false},
    {GET "|host=a.b|host=a.b", false},
    {":method=GET|:scheme=https|:path=/", false}, /* [rfc9114-4.3.1] no authority */
    {":method=GET|:scheme=https|:authority=|:path=/", false},
    {":method=GET|:scheme=https|:authority=u@a.b|:path=/", false}, /* userinfo */
    {":method=GET|:scheme=https|:authority=a b|:path=/", false},
    {":method=GET|:scheme=https|:authority=a.b/|:path=/", false},
    {":method=GET|:scheme=https|:authority=[::1]:443|:path=/", true},
    {":scheme=https|:authority=a.b|:path=/", false}, /* missing ones */
    {":method=GET|:authority=a.b|:path=/", false},
    {":method=GET|:scheme=https|:authority=a.b", false},
    {"", false},
    {":method=GET|" GET, false}, /* twice */
    {GET "|:path=/", false},
    {GET "|:scheme=https", false},
    {GET "|:authority=a.b", false},
    {":method=|:scheme=https|:authority=a.b|:path=/", false},
    {":method=G T|:scheme=https|:authority=a.b|:path=/", false},
    {":method=G(T|:scheme=https|:authority=a.b|:path=/", false},
    {":method=PURGE|:scheme=https|:authority=a.b|:path=/", true},
    {":method=GET|:scheme=1s|:authority=a.b|:path=/", false},
    {":method=GET|:scheme=|:authority=a.b|:path=/", false},
    {":method=GET|:scheme=ht tp|:authority=a.b|:path=/", false},
    {":method=GET|:scheme=http|:authority=a.b|:path=/", true},
    {":method=GET|:scheme=coap|:path=", true}, /* [rfc9114-4.3.1] other schemes are free */
    {":method=GET|:scheme=https|:authority=a.b|:path=", false},
    {":method=GET|:scheme=https|:authority=a.b|:path=x", false},
    {":method=GET|:scheme=https|:authority=a.b|:path=*", false},
    {":method=OPTIONS|:scheme=https|:authority=a.b|:path=*", true},
    {":method=GET|:scheme=https|:authority=a.b|:path=/a b", false},
    {":method=GET|:scheme=https|:authority=a.b|:path=/a\tb", false},
    {":method=GET|:scheme=https|:authority=a.b|:path=/a\x7f", false},
    {":method=GET|:scheme=https|:authority=a.b|:path=/#f", false},
    {":method=GET|:scheme=https|:authority=a.b|:path=/?q=%20", true},
    {GET "|:status=200", false}, /* [rfc9114-4.3] */
    {GET "|:unknown=x", false},
    {GET "|:=x", false},
    {":protocol=websocket|:method=CONNECT|:scheme=https|:authority=a.b|:path=/", false},
    {":method=GET|:scheme=https|accept=x|:authority=a.b|:path=/", false}, /* after a field */
    {GET "|Accept=x", false},                                             /* [rfc9114-4.2] */
    {GET "|acc ept=x", false},
    {GET "|=x", false}, /* empty name */
    {GET "|x= a", false},
    {GET "|x=a ", false},
    {GET "|x=\ta", false},
    {GET "|x=a\tb c", true},
    {GET "|x=a\rb", false},
    {GET "|x=a\nb", false},
    {GET "|connection=close", false}, /* [rfc9114-4.2] */
    {GET "|keep-alive=x", false},
    {GET "|proxy-connection=x", false},
    {GET "|transfer-encoding=chunked", false},
    {GET "|upgrade=h2c", false},
    {GET "|te=trailers", true},
    {GET "|te=gzip", false},
    {GET "|te=trailers, gzip", false},
    {GET "|te=", false},
    {GET "|content-length=0", true},
    {GET "|content-length=12345", true},
    {GET "|content-length=", false},
    {GET "|content-length=-1", false},
    {GET "|content-length=+1", false},
    {GET "|content-length=1 ", false},
    {GET "|content-length=0x1", false},
    {GET "|content-length=1,1", false},
    {GET "|content-length=1, 1", false},
    {GET "|content-length=1|content-length=1", false},
    {GET "|content-length=1|content-length=2", false},
    {GET "|content-length=9999999999999999999999", false},
    {":method=CONNECT|:authority=a.b:443", true}, /* [rfc9114-4.4] */
    {":method=CONNECT", false},
    {":method=CONNECT|:authority=", false},
    {":method=CONNECT|:authority=a.b:443|:scheme=https", false},
    {":method=CONNECT|:authority=a.b:443|:path=/", false},
    {":method=CONNECT|host=a.b:443", false},
};

static const struct rule responses[] = {
    {":status=200", true},
    {":status=200|server=x", true},
    {":status=103", true},
    {":status=999", true},
    {":status=101", false}, /* [rfc9114-4.5] */
    {"", false},            /* [rfc9114-4.3.2] */
    {"server=x", false},
    {":status=", false},
    {":status=20", false},
    {":status=2000", false},
    {":status=099", false},
    {":status=2x0", false},
    {":status=+20", false},
    {":status=200|:status=200", false},
    {"server=x|:status=200", false},
    {":status=200|:path=/", false},
    {":status=200|:method=GET", false},
    {":status=200|te=trailers", false},
    {":status=200|connection=close", false},
    {":status=200|Server=x", false},
    {":status=200|content-length=5|content-length=5", false},
};

static const struct rule trailers[] = {
    {"", true},
    {"x-sum=1", true},
    {":status=200", false}, /* [rfc9114-4.3] */
    {"x-sum=1|:path=/", false},
    {"connection=close", false},
    {"content-length=5", false},
    {"transfer-encoding=chunked", false},
    {"host=a", false},
    {"te=trailers", false},
    {"X=1", false},
    {"x=a\nb", false},
};

static const char *check_request(const tern_field *fields, size_t count)
{
  struct tern_h3_head head;
  return tern_h3_check_request(fields, count, &head);
}

static const char *check_response(const tern_field *fields, size_t count)
{
  struct tern_h3_head head;
  return tern_h3_check_response(fields, count, &head);
}

static void check_rules(const struct rule *rules, size_t count,
                        const char *check(const tern_field *fields, size_t count))
{
  for (size_t i = 0; i < count; i++) {
    tern_field fields[FIELDS_MAX];
    const char *why = check(fields, parse(rules[i].fields, fields));
    if ((why == NULL) != rules[i].is_good)
      fail_msg("%s: %s", rules[i].fields, why == NULL ? "passed" : why);
  }
}

static void test_rules(void **state)
{
  (void)state;
  check_rules(requests, sizeof(requests) / sizeof(requests[0]), check_request);
  check_rules(responses, sizeof(responses) / sizeof(responses[0]), check_response);
  check_rules(trailers, sizeof(trailers) / sizeof(trailers[0]), tern_h3_check_trailers);
}

/* HOSTILE H10: all 256 bytes, first, middle and last, in names and values. */
static void test_every_byte(void **state)
{
  (void)state;
  for (unsigned byte = 0; byte < 256; byte++) {
    for (size_t at = 0; at < 3; at++) {
      uint8_t text[3] = {'a', 'b', 'c'};
      tern_field fields[FIELDS_MAX];
      size_t count = parse(GET "|x=y", fields);
      text[at] = (uint8_t)byte;
      fields[count - 1].name = tern_slice_of(text, 3);
      bool is_token = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
                      (byte != 0 && strchr("!#$%&'*+-.^_`|~", (int)byte) != NULL);
      assert_int_equal(check_request(fields, count) == NULL, is_token);
      count = parse(GET "|x=y", fields);
      fields[count - 1].value = tern_slice_of(text, 3);
      bool is_space = byte == ' ' || byte == '\t';
      bool is_text = byte >= 0x20 && byte != 0x7f;
      assert_int_equal(check_request(fields, count) == NULL, is_space ? at == 1 : is_text);
    }
  }
}

static void test_head(void **state)
{
  (void)state;
  tern_field fields[FIELDS_MAX];
  struct tern_h3_head head;
  size_t count =
      parse(":method=HEAD|:scheme=https|:authority=a.b|:path=/x|content-length=7", fields);
  assert_null(tern_h3_check_request(fields, count, &head));
  assert_true(head.is_head);
  assert_false(head.is_connect);
  assert_int_equal(head.content_length, 7);
  assert_memory_equal(head.path.data, "/x", 2);
  count = parse(":method=CONNECT|:authority=a.b:1|content-length=7", fields);
  assert_null(tern_h3_check_request(fields, count, &head));
  assert_true(head.is_connect);
  assert_int_equal(head.content_length, TERN_H3_LENGTH_NONE);
  assert_int_equal(tern_h3_fields_size(fields, count), 3 * 32 + 7 + 7 + 10 + 5 + 14 + 1);
}

/* [rfc9110-6.4.1] [rfc9110-9.3.6] */
static void test_response_length(void **state)
{
  (void)state;
  static const struct {
    const char *fields;
    bool is_head;
    bool is_connect;
    uint64_t length;
  } cases[] = {
      {":status=200|content-length=5", false, false, 5},
      {":status=200|content-length=5", true, false, 0},
      {":status=204|content-length=5", false, false, 0},
      {":status=304|content-length=5", false, false, 0},
      {":status=200", false, false, TERN_H3_LENGTH_NONE},
      {":status=200|content-length=5", false, true, TERN_H3_LENGTH_NONE},
      {":status=407|content-length=5", false, true, 5},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    tern_field fields[FIELDS_MAX];
    struct tern_h3_head head;
    assert_null(tern_h3_check_response(fields, parse(cases[i].fields, fields), &head));
    struct tern_h3_asked asked = {cases[i].is_connect, cases[i].is_head};
    assert_int_equal(tern_h3_response_length(&head, asked), cases[i].length);
  }
}

static void test_body(void **state)
{
  (void)state;
  struct tern_h3_body body = {.expected = 10};
  assert_false(tern_h3_body_is_complete(&body));
  assert_true(tern_h3_body_add(&body, 9));
  assert_false(tern_h3_body_is_complete(&body));
  assert_true(tern_h3_body_add(&body, 1));
  assert_true(tern_h3_body_is_complete(&body));
  assert_false(tern_h3_body_add(&body, 1));
  body = (struct tern_h3_body){.expected = TERN_H3_LENGTH_NONE};
  for (int i = 0; i < 3; i++)
    assert_true(tern_h3_body_add(&body, UINT64_C(1) << 62));
  assert_false(tern_h3_body_add(&body, UINT64_C(1) << 62)); /* no wrap-around */
  assert_true(tern_h3_body_is_complete(&body));
}

/* ---- frames -------------------------------------------------------------------------------- */

static void test_frame_headers_in_any_split(void **state)
{
  (void)state;
  static const uint64_t values[] = {0,     63,         64,         16383,
                                    16384, 1073741823, 1073741824, (UINT64_C(1) << 62) - 1};
  for (size_t t = 0; t < 8; t++) {
    for (size_t l = 0; l < 8; l++) {
      uint8_t bytes[TERN_H3_FRAME_HEADER_MAX];
      size_t len = tern_h3_frame_write(bytes, values[t], values[l]);
      assert_int_equal(len, tern_h3_frame_header_size(values[t], values[l]));
      for (size_t cut = 0; cut <= len; cut++) {
        struct tern_h3_frame_reader reader = {0};
        const uint8_t *at = bytes;
        assert_true(tern_h3_frame_is_between(&reader));
        assert_int_equal(tern_h3_frame_feed(&reader, &at, bytes + cut), cut == len);
        assert_ptr_equal(at, bytes + cut);
        assert_int_equal(tern_h3_frame_is_between(&reader), cut == 0);
        if (cut < len)
          assert_true(tern_h3_frame_feed(&reader, &at, bytes + len));
        assert_int_equal(reader.type, values[t]);
        assert_int_equal(reader.left, values[l]);
        assert_false(tern_h3_frame_is_between(&reader));
        tern_h3_frame_take(&reader, values[l]);
        tern_h3_frame_close(&reader);
        assert_true(tern_h3_frame_is_between(&reader));
      }
    }
  }
}

static uint64_t read_settings(const char *hex, struct tern_h3_settings *settings)
{
  uint8_t bytes[64];
  size_t len = 0;
  unsigned byte;
  while (sscanf(hex + 2 * len, "%2x", &byte) == 1)
    bytes[len++] = (uint8_t)byte;
  tern_h3_settings_init(settings);
  return tern_h3_settings_read(settings, tern_slice_of(bytes, len));
}

/* [rfc9114-7.2.4], the QPACK ones [rfc9204-5], and the flags of [rfc8441-3] and [rfc9297-2.1.1] */
static void test_settings(void **state)
{
  (void)state;
  static const struct {
    const char *hex;
    uint64_t error;
  } cases[] = {
      {"", 0},
      {"015000064800", 0},
      {"01500007100640c80801330121"
       "07",
       0}, /* and an unknown one */
      {"01", TERN_H3_FRAME_ERROR},
      {"0140", TERN_H3_FRAME_ERROR},
      {"01000100", TERN_H3_SETTINGS_ERROR}, /* [rfc9114-7.2.4] twice */
      {"2107"
       "0100"
       "2108",
       TERN_H3_SETTINGS_ERROR},         /* unknown ones, too */
      {"0000", TERN_H3_SETTINGS_ERROR}, /* [rfc9114-7.2.4.1] HTTP/2's */
      {"0200", TERN_H3_SETTINGS_ERROR},
      {"0300", TERN_H3_SETTINGS_ERROR},
      {"0400", TERN_H3_SETTINGS_ERROR},
      {"0500", TERN_H3_SETTINGS_ERROR},
      {"0802", TERN_H3_SETTINGS_ERROR}, /* not a flag */
      {"3302", TERN_H3_SETTINGS_ERROR},
      {"0600", 0},
  };
  struct tern_h3_settings settings;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    assert_int_equal(read_settings(cases[i].hex, &settings), cases[i].error);
  assert_int_equal(read_settings("01500007100640c808013301", &settings), 0);
  assert_int_equal(settings.table_bytes, 4096);
  assert_int_equal(settings.blocked_streams, 16);
  assert_int_equal(settings.field_section_max, 200);
  assert_true(settings.extended_connect);
  assert_true(settings.datagrams);
}

static void test_settings_written(void **state)
{
  (void)state;
  for (uint64_t grease = 0; grease < 300; grease += 7) {
    struct tern_h3_settings ours = {4096, 32768, 16, true, true};
    struct tern_h3_settings again;
    struct tern_h3_frame_reader reader = {0};
    uint8_t bytes[TERN_H3_SETTINGS_FRAME_MAX];
    size_t len = tern_h3_settings_write(bytes, &ours, grease);
    const uint8_t *at = bytes;
    assert_true(tern_h3_frame_feed(&reader, &at, bytes + len));
    assert_int_equal(reader.type, TERN_H3_FRAME_SETTINGS);
    assert_int_equal(reader.left, (size_t)(bytes + len - at));
    tern_h3_settings_init(&again);
    assert_int_equal(tern_h3_settings_read(&again, tern_slice_of(at, (size_t)reader.left)), 0);
    assert_int_equal(again.table_bytes, ours.table_bytes);
    assert_int_equal(again.field_section_max, ours.field_section_max);
    assert_int_equal(again.blocked_streams, ours.blocked_streams);
    assert_true(again.extended_connect && again.datagrams);
  }
}

static void test_names(void **state)
{
  (void)state;
  assert_string_equal(tern_h3_error_name(TERN_H3_FRAME_ERROR), "H3_FRAME_ERROR");
  assert_string_equal(tern_h3_error_name(0x202), "QPACK_DECODER_STREAM_ERROR");
  assert_null(tern_h3_error_name(0x99));
  assert_string_equal(tern_h3_frame_name(1), "HEADERS");
  for (uint64_t type = 0; type < 0x50; type++) {
    bool is_http2 = type == 2 || type == 6 || type == 8 || type == 9;
    assert_int_equal(tern_h3_frame_is_forbidden(type), is_http2);
  }
  tern_field fields[FIELDS_MAX];
  size_t count = parse("a=1|b=|a=2", fields);
  assert_ptr_equal(tern_field_find(fields, count, "a"), &fields[0]);
  assert_null(tern_field_find(fields, count, "c"));
  assert_non_null(tern_field_value(fields, count, "b").data);
  assert_int_equal(tern_field_value(fields, count, "b").len, 0);
  assert_null(tern_field_value(fields, count, "c").data);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rules),    cmocka_unit_test(test_every_byte),
      cmocka_unit_test(test_head),     cmocka_unit_test(test_response_length),
      cmocka_unit_test(test_body),     cmocka_unit_test(test_frame_headers_in_any_split),
      cmocka_unit_test(test_settings), cmocka_unit_test(test_settings_written),
      cmocka_unit_test(test_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
