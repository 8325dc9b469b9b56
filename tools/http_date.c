/* SPDX-License-Identifier: MIT */
/* HTTP dates. Days are counted in years that begin in March, so that the leap day is the last one:
 *
 *   day of year = (153 m + 2) / 5 + d - 1        m = 0 in March
 *   day of era  = 365 y + y/4 - y/100 + day of year      era = 400 years = 146,097 days
 *
 * Three forms come in [rfc9110-5.6.7]:
 *   Sun, 06 Nov 1994 08:49:37 GMT    IMF-fixdate, the one that is sent
 *   Sunday, 06-Nov-94 08:49:37 GMT   RFC 850
 *   Sun Nov  6 08:49:37 1994         asctime */
#include "http_date.h"

#include <stdio.h>
#include <string.h>

#define DAY 86400
#define EPOCH_SHIFT 719468 /* days from 0000-03-01 to 1970-01-01 */

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct date {
  int64_t year;
  unsigned month; /* 1 to 12 */
  unsigned day;
  unsigned hour, minute, second;
};

static int64_t to_days(const struct date *date)
{
  int64_t year = date->year - (date->month <= 2);
  int64_t era = year / 400;
  int64_t year_of_era = year - era * 400;
  int64_t month = (date->month + 9) % 12;
  int64_t day_of_year = (153 * month + 2) / 5 + date->day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - EPOCH_SHIFT;
}

static struct date from_days(int64_t days)
{
  days += EPOCH_SHIFT;
  int64_t era = days / 146097;
  int64_t day_of_era = days - era * 146097;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month = (5 * day_of_year + 2) / 153;
  struct date date = {
      .day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
      .month = (unsigned)(month < 10 ? month + 3 : month - 9),
  };
  date.year = year_of_era + era * 400 + (date.month <= 2);
  return date;
}

char *tern_http_date_format(int64_t seconds, char text[TERN_HTTP_DATE_SIZE])
{
  const int64_t last = INT64_C(253402300799); /* 9999-12-31 23:59:59 */
  if (seconds < 0)
    seconds = 0;
  if (seconds > last)
    seconds = last;
  int64_t days = seconds / DAY, rest = seconds % DAY;
  struct date date = from_days(days);
  snprintf(text, TERN_HTTP_DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT",
           day_names[(days + 4) % 7], date.day % 100, month_names[(date.month - 1) % 12],
           (unsigned)date.year % 10000, (unsigned)(rest / 3600) % 100, (unsigned)(rest / 60 % 60),
           (unsigned)(rest % 60));
  return text;
}

/* ---- parsing ----------------------------------------------------------------------------- */

struct cursor {
  const char *at;
  const char *end;
};

static bool take_text(struct cursor *cursor, const char *text)
{
  size_t len = strlen(text);
  if ((size_t)(cursor->end - cursor->at) < len || memcmp(cursor->at, text, len) != 0)
    return false;
  cursor->at += len;
  return true;
}

/* Exactly `digits` digits. */
static bool take_number(struct cursor *cursor, unsigned digits, unsigned *value)
{
  *value = 0;
  for (; digits > 0; digits--, cursor->at++) {
    if (cursor->at == cursor->end || *cursor->at < '0' || *cursor->at > '9')
      return false;
    *value = *value * 10 + (unsigned)(*cursor->at - '0');
  }
  return true;
}

static bool take_month(struct cursor *cursor, unsigned *month)
{
  for (unsigned i = 0; i < 12; i++)
    if (take_text(cursor, month_names[i])) {
      *month = i + 1;
      return true;
    }
  return false;
}

static bool take_time(struct cursor *cursor, struct date *date)
{
  return take_number(cursor, 2, &date->hour) && take_text(cursor, ":") &&
         take_number(cursor, 2, &date->minute) && take_text(cursor, ":") &&
         take_number(cursor, 2, &date->second);
}

static bool parse_fixdate(struct cursor cursor, struct date *date)
{
  unsigned year = 0;
  bool is_good = take_text(&cursor, ", ") && take_number(&cursor, 2, &date->day) &&
                 take_text(&cursor, " ") && take_month(&cursor, &date->month) &&
                 take_text(&cursor, " ") && take_number(&cursor, 4, &year) &&
                 take_text(&cursor, " ") && take_time(&cursor, date) &&
                 take_text(&cursor, " GMT") && cursor.at == cursor.end;
  date->year = year;
  return is_good;
}

/* [rfc9110-5.6.7] MUST: a year that seems more than 50 years ahead is the last one in the past with
 * the same two digits. */
static bool parse_rfc850(struct cursor cursor, int64_t now, struct date *date)
{
  unsigned year = 0;
  const char *comma = memchr(cursor.at, ',', (size_t)(cursor.end - cursor.at));
  if (comma == NULL)
    return false;
  cursor.at = comma;
  bool is_good = take_text(&cursor, ", ") && take_number(&cursor, 2, &date->day) &&
                 take_text(&cursor, "-") && take_month(&cursor, &date->month) &&
                 take_text(&cursor, "-") && take_number(&cursor, 2, &year) &&
                 take_text(&cursor, " ") && take_time(&cursor, date) &&
                 take_text(&cursor, " GMT") && cursor.at == cursor.end;
  int64_t this_year = from_days(now / DAY).year;
  date->year = this_year - this_year % 100 + (int64_t)year;
  if (date->year > this_year + 50)
    date->year -= 100;
  return is_good;
}

static bool parse_asctime(struct cursor cursor, struct date *date)
{
  unsigned year = 0;
  if (!take_text(&cursor, " ") || !take_month(&cursor, &date->month) || !take_text(&cursor, " "))
    return false;
  bool has_day = take_text(&cursor, " ") ? take_number(&cursor, 1, &date->day)
                                         : take_number(&cursor, 2, &date->day);
  bool is_good = has_day && take_text(&cursor, " ") && take_time(&cursor, date) &&
                 take_text(&cursor, " ") && take_number(&cursor, 4, &year) &&
                 cursor.at == cursor.end;
  date->year = year;
  return is_good;
}

static bool is_valid(const struct date *date)
{
  struct date same = from_days(to_days(date)); /* 31 Feb would come back as March */
  return date->month >= 1 && date->day >= 1 && date->day == same.day && date->month == same.month &&
         date->hour < 24 && date->minute < 60 && date->second <= 60;
}

bool tern_http_date_parse(const char *text, size_t len, int64_t now, int64_t *seconds)
{
  struct cursor cursor = {text, text + len};
  struct date date = {0};
  bool has_day = false;
  for (size_t i = 0; i < 7 && !has_day; i++)
    has_day = take_text(&cursor, day_names[i]);
  if (!has_day)
    return false;
  if (!parse_fixdate(cursor, &date) && !parse_rfc850(cursor, now, &date) &&
      !parse_asctime(cursor, &date))
    return false;
  if (!is_valid(&date))
    return false;
  *seconds = to_days(&date) * DAY + date.hour * 3600 + date.minute * 60 + date.second;
  return true;
}
