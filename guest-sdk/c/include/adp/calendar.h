// Dates and decimals for people.
#ifndef ADP_CALENDAR_H
#define ADP_CALENDAR_H

#include "run.h"

// The day of a month (1–12) of a year of the Gregorian calendar. Days and months beyond their range carry over.
// Howard Hinnant's days_from_civil.
static inline adp_date adp_date_of(int year, int month, int day) {
  int64_t months = (int64_t)year * 12 + month - 1;
  int64_t y = months / 12 - (months % 12 < 0), m = months - y * 12 + 1;
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
  int64_t of_year = (153 * ((m + 9) % 12) + 2) / 5 + day - 1;
  return (adp_date){(int32_t)(era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468)};
}

typedef struct {
  int year, month, day;
} adp_ymd;

// Howard Hinnant's civil_from_days.
static inline adp_ymd adp_ymd_of(adp_date date) {
  int64_t z = (int64_t)date.days + 719468;
  int64_t era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
  int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
  int month = (int)(mp < 10 ? mp + 3 : mp - 9);
  return (adp_ymd){(int)(yoe + era * 400 + (month <= 2)), month, (int)(doy - (153 * mp + 2) / 5 + 1)};
}

// ISO 8601: 2026-11-01.
static inline adp_str adp_date_text(adp_date date) {
  adp_ymd d = adp_ymd_of(date);
  return adp_format("%04d-%02d-%02d", d.year, d.month, d.day);
}

// The number at the scale of its column: 1234 at scale 2 is 12.34.
static inline adp_str adp_decimal_text(adp_decimal d, int scale) {
  char digits[48], *end = digits + sizeof digits, *at = end;
  unsigned __int128 v = d.unscaled < 0 ? -(unsigned __int128)d.unscaled : (unsigned __int128)d.unscaled;
  for (int n = 0; v != 0 || n <= scale; n++, v /= 10) {
    if (n == scale && n > 0) *--at = '.';
    *--at = (char)('0' + (int)(v % 10));
  }
  return adp_format("%s%.*s", d.unscaled < 0 ? "-" : "", (int)(end - at), at);
}

// Reads -12.34 at scale 2 as -1234; false when the text is not a decimal number of at most 38 digits at this scale.
static inline bool adp_decimal_read(adp_str s, int scale, adp_decimal *to) {
  unsigned __int128 v = 0, most = 1;
  for (int i = 0; i < 38; i++) most *= 10;
  size_t i = s.len > 0 && (s.data[0] == '-' || s.data[0] == '+');
  int digits = 0, after = -1; // after the point, which was not there yet
  for (; i < s.len || after < scale; i++) {
    char c = i < s.len ? s.data[i] : after < 0 ? '.' : '0';
    if (c == '.' && after < 0) {
      after = 0;
      continue;
    }
    if (c < '0' || c > '9') return false;
    digits += i < s.len;
    if (after >= 0 && ++after > scale) {
      after = scale;
      if (c != '0') return false;
      continue;
    }
    v = v * 10 + (unsigned)(c - '0');
    if (v >= most) return false;
  }
  to->unscaled = s.len && s.data[0] == '-' ? -(__int128)v : (__int128)v;
  return digits > 0;
}

#endif
