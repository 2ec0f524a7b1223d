// A product's memory from run to run: keys of 1 to 1,024 bytes, values of up to 16 MiB. It is committed with the outputs of the
// run, or not at all.
#ifndef ADP_STATE_H
#define ADP_STATE_H

#include "run.h"

// The value of a key, until the callback returns.
static inline adp_opt_bin adp_state_get(adp_str key) {
  adp_opt_bin v = {0};
  ADP_FILL(v.value, v.has, "state get", adp_host_state_get(key.data, key.len, buf, cap));
  return v;
}

static inline void adp_state_put(adp_str key, const void *value, size_t len) {
  ADP_REFUSED(adp_host_state_put(key.data, key.len, value, len), "state put %.*s", ADP_ARG(key));
}

// Removes a key; it is no mistake when there is none.
static inline void adp_state_delete(adp_str key) {
  int32_t status = adp_host_state_delete(key.data, key.len);
  if (status != ADP_ABI_NOT_FOUND) ADP_REFUSED(status, "state delete %.*s", ADP_ARG(key));
}

// The number under a key (8 bytes, little endian, as the other kits have it), or other when there is none.
static inline int64_t adp_state_i64(adp_str key, int64_t other) {
  adp_opt_bin v = adp_state_get(key);
  if (!v.has) return other;
  if (v.value.len != sizeof other) ADP_WRONG("state %.*s is not a number: it has %zu bytes", ADP_ARG(key), v.value.len);
  memcpy(&other, v.value.data, sizeof other);
  return other;
}

static inline void adp_state_put_i64(adp_str key, int64_t value) { adp_state_put(key, &value, sizeof value); }

// Adds to the number under a key, which is 0 when there is none, and returns the sum.
static inline int64_t adp_state_add(adp_str key, int64_t delta) {
  int64_t sum = (int64_t)((uint64_t)adp_state_i64(key, 0) + (uint64_t)delta);
  adp_state_put_i64(key, sum);
  return sum;
}

// The keys with a prefix and their values, in the order of their bytes: for (adp_scan s = adp_state_scan(p); adp_scan_next(&s);).
// The state may change meanwhile: keys before the current one do not come back. Keys and values are there until the callback returns.
typedef struct {
  adp_str key;
  adp_bin value;
  adp_str prefix;
  unsigned char *page;
  size_t at, end, cap;
} adp_scan;

static inline adp_scan adp_state_scan(adp_str prefix) { return (adp_scan){.prefix = prefix, .cap = 32 << 10}; }

static inline bool adp_scan_next(adp_scan *s) {
  while (s->at == s->end) {
    s->page = adp_scratch(s->cap);
    int64_t n = adp_host_state_scan(s->prefix.data, s->prefix.len, s->key.data, s->key.len, s->page, s->cap);
    if (n < 0) adp_fail("state scan %.*s: %s", ADP_ARG(s->prefix), adp_status_text(-n));
    if (n <= 0) return false;
    if (n > (int64_t)s->cap) {
      s->cap = (size_t)n;
      continue;
    }
    s->at = 0;
    s->end = (size_t)n;
  }
  uint32_t key_len, value_len;
  unsigned char *entry = s->page + s->at;
  memcpy(&key_len, entry + ADP_ABI_SCAN_KEY_LEN, 4);
  memcpy(&value_len, entry + ADP_ABI_SCAN_VALUE_LEN, 4);
  s->key = (adp_str){(char *)entry + ADP_ABI_SCAN_HEADER, key_len};
  s->value = (adp_bin){entry + ADP_ABI_SCAN_HEADER + key_len, value_len};
  s->at += ADP_ABI_SCAN_HEADER + key_len + value_len;
  return true;
}

#endif
