// Questions to policy, and as much of JSON as they need.
#ifndef ADP_POLICY_H
#define ADP_POLICY_H

#include "run.h"

// The answer of policy; reason is there until the callback returns.
typedef struct {
  bool allow;
  adp_str reason;
} adp_decision;

// Text as a JSON string, in scratch memory.
static inline adp_str adp_json_quote(adp_str s) {
  char *out = adp_scratch(6 * s.len + 3), *at = out;
  *at++ = '"';
  for (size_t i = 0; i < s.len; i++) {
    unsigned char c = (unsigned char)s.data[i];
    if (c < ' ') {
      at += snprintf(at, 7, "\\u%04x", c);
      continue;
    }
    if (c == '"' || c == '\\') *at++ = '\\';
    *at++ = (char)c;
  }
  *at++ = '"';
  *at = 0;
  return (adp_str){out, (size_t)(at - out)};
}

// A reader of JSON text. bad: it is not JSON.
typedef struct {
  const char *at, *end;
  bool bad;
} adp_json;

static inline bool adp_json_take(adp_json *j, char c) {
  while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\t' || *j->at == '\r')) j->at++;
  bool there = j->at < j->end && *j->at == c;
  j->at += there;
  return there;
}

static inline uint32_t adp_json_hex(adp_json *j) {
  uint32_t v = 0;
  for (int i = 0; i < 4; i++, j->at++) {
    char c = j->at < j->end ? *j->at : 0;
    if (c >= '0' && c <= '9')
      v = v << 4 | (uint32_t)(c - '0');
    else if ((c | 32) >= 'a' && (c | 32) <= 'f')
      v = v << 4 | (uint32_t)((c | 32) - 'a' + 10);
    else {
      j->bad = true;
      return 0;
    }
  }
  return v;
}

static inline char *adp_utf8_put(char *to, uint32_t c) {
  if (c < 0x80) {
    *to++ = (char)c;
  } else if (c < 0x800) {
    *to++ = (char)(0xc0 | c >> 6);
    *to++ = (char)(0x80 | (c & 63));
  } else if (c < 0x10000) {
    *to++ = (char)(0xe0 | c >> 12);
    *to++ = (char)(0x80 | (c >> 6 & 63));
    *to++ = (char)(0x80 | (c & 63));
  } else {
    *to++ = (char)(0xf0 | c >> 18);
    *to++ = (char)(0x80 | (c >> 12 & 63));
    *to++ = (char)(0x80 | (c >> 6 & 63));
    *to++ = (char)(0x80 | (c & 63));
  }
  return to;
}

// Four hexadecimal digits, or twice four when they are a surrogate pair. Half a pair is U+FFFD.
static inline uint32_t adp_json_unicode(adp_json *j) {
  uint32_t high = adp_json_hex(j);
  if (high >= 0xd800 && high < 0xdc00 && j->end - j->at >= 2 && j->at[0] == '\\' && j->at[1] == 'u') {
    adp_json back = *j;
    j->at += 2;
    uint32_t low = adp_json_hex(j);
    if (low >= 0xdc00 && low < 0xe000) return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    *j = back;
  }
  return high >= 0xd800 && high < 0xe000 ? 0xfffd : high;
}

static inline adp_str adp_json_text(adp_json *j) {
  if (!adp_json_take(j, '"')) {
    j->bad = true;
    return (adp_str){"", 0};
  }
  char *out = adp_scratch((size_t)(j->end - j->at) + 1), *to = out; // never longer than its notation
  while (!j->bad) {
    if (j->at == j->end) {
      j->bad = true;
      break;
    }
    char c = *j->at++;
    if (c == '"') break;
    if (c != '\\') {
      *to++ = c;
      continue;
    }
    const char *escapes = "\"\\/bfnrt", *means = "\"\\/\b\f\n\r\t";
    c = j->at < j->end ? *j->at++ : 0;
    const char *found = c ? strchr(escapes, c) : NULL;
    if (c == 'u')
      to = adp_utf8_put(to, adp_json_unicode(j));
    else if (found)
      *to++ = means[found - escapes];
    else
      j->bad = true;
  }
  return (adp_str){out, (size_t)(to - out)};
}

// Passes over any value. Nesting beyond 64 is refused.
static inline void adp_json_skip(adp_json *j, int depth) {
  bool object = adp_json_take(j, '{');
  if (j->at == j->end || depth > 64) {
    j->bad = true;
  } else if (object || adp_json_take(j, '[')) {
    for (bool first = true; !j->bad && !adp_json_take(j, object ? '}' : ']'); first = false) {
      if (!first && !adp_json_take(j, ',')) j->bad = true;
      if (object) adp_json_text(j);
      if (object && !adp_json_take(j, ':')) j->bad = true;
      if (!j->bad) adp_json_skip(j, depth + 1);
    }
  } else if (*j->at == '"') {
    adp_json_text(j);
  } else {
    const char *from = j->at;
    while (j->at < j->end && *j->at && !strchr(" \n\t\r,:]}", *j->at)) j->at++;
    if (j->at == from) j->bad = true;
  }
}

// Reads an answer of policy. false: it is not one.
static inline bool adp_decision_read(adp_str answer, adp_decision *d) {
  adp_json j = {answer.data, answer.data + answer.len, false};
  *d = (adp_decision){false, {"", 0}};
  if (!adp_json_take(&j, '{')) return false;
  for (bool first = true; !j.bad && !adp_json_take(&j, '}'); first = false) {
    if (!first && !adp_json_take(&j, ',')) j.bad = true;
    adp_str key = adp_json_text(&j);
    if (!adp_json_take(&j, ':')) j.bad = true;
    if (j.bad) break;
    if (adp_is(key, "reason") && adp_json_take(&j, '"')) {
      j.at--;
      d->reason = adp_json_text(&j);
      continue;
    }
    adp_json_take(&j, ' '); // passes over space
    const char *from = j.at;
    adp_json_skip(&j, 0);
    if (adp_is(key, "allow")) d->allow = adp_is((adp_str){from, (size_t)(j.at - from)}, "true");
  }
  return !j.bad;
}

// Asks policy whether this product may do something: an action on a resource (adp://./domain/product[/port], NULL for the product
// itself) for a purpose (NULL: none). No is an answer, not an error.
static inline adp_decision adp_decide(const char *action, const char *resource, const char *purpose) {
  adp_str request = adp_format("{\"action\":%s", adp_json_quote(adp_text(action)).data);
  if (resource && *resource) request = adp_format("%s,\"resource\":%s", request.data, adp_json_quote(adp_text(resource)).data);
  if (purpose && *purpose) request = adp_format("%s,\"purpose\":%s", request.data, adp_json_quote(adp_text(purpose)).data);
  request = adp_format("%s}", request.data);
  adp_opt_str answer = {0};
  adp_decision d = {false, {"", 0}};
  ADP_FILL(answer.value, answer.has, "decide", adp_host_decide(request.data, request.len, buf, cap));
  if (answer.has && !adp_decision_read(answer.value, &d)) adp_fail("decide: the answer is not JSON");
  return d;
}

#endif
