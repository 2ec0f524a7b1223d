// The imports of module adp_v1. Outside the sandbox adp/test.h defines them.
#ifndef ADP_HOST_H
#define ADP_HOST_H

#include "arrow.h"

#ifdef __wasm32__
#define ADP_IMPORT(import) __attribute__((import_module("adp_v1"), import_name(#import)))
#else
#define ADP_IMPORT(import)
#endif

ADP_IMPORT(emit) int32_t adp_host_emit(uint32_t port, const struct ArrowArray *array);
ADP_IMPORT(log) int32_t adp_host_log(int32_t level, const char *text, size_t len);
ADP_IMPORT(config) int64_t adp_host_config(const char *key, size_t key_len, void *buf, size_t cap);
ADP_IMPORT(clock) int64_t adp_host_clock(void);
ADP_IMPORT(random) int32_t adp_host_random(void *buf, size_t len);
ADP_IMPORT(metric) int32_t adp_host_metric(int32_t kind, const char *name, size_t name_len, double value);
ADP_IMPORT(state_get) int64_t adp_host_state_get(const void *key, size_t key_len, void *buf, size_t cap);
ADP_IMPORT(state_put) int32_t adp_host_state_put(const void *key, size_t key_len, const void *value, size_t value_len);
ADP_IMPORT(state_delete) int32_t adp_host_state_delete(const void *key, size_t key_len);
ADP_IMPORT(state_scan)
int64_t adp_host_state_scan(const void *prefix, size_t prefix_len, const void *after, size_t after_len, void *buf, size_t cap);
ADP_IMPORT(driver_open) int64_t adp_host_driver_open(uint32_t binding, const void *request, size_t request_len);
ADP_IMPORT(driver_next) int64_t adp_host_driver_next(uint32_t reader, void *buf, size_t cap);
ADP_IMPORT(driver_close) int32_t adp_host_driver_close(uint32_t reader);
ADP_IMPORT(driver_write) int32_t adp_host_driver_write(uint32_t binding, const struct ArrowArray *array);
ADP_IMPORT(decide) int64_t adp_host_decide(const char *request, size_t request_len, void *buf, size_t cap);

static inline const char *adp_status_text(int64_t status) {
  static const char *const words[] = {"ok",           "failed",         "not found", "out of bounds", "misaligned", "bad array",
                                      "bad argument", "limit exceeded", "denied",    "not now",       "too large",  "driver error"};
  return status >= 0 && status < (int64_t)(sizeof words / sizeof *words) ? words[status] : "failed";
}

#endif
