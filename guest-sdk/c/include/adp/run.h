// One run: ports, memory of a callback, failures, log, settings, metrics, clock, randomness.
#ifndef ADP_RUN_H
#define ADP_RUN_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "host.h"
#include "types.h"

// A port as the product declares it.
typedef struct {
  const char *what; // input, output or binding
  adp_str name;
  uint32_t index;
  uint32_t mode; // one of ADP_ABI_MODE_…
  const struct ArrowSchema *schema;
} adp_port;

static inline const char *adp_mode_text(uint32_t mode) {
  static const char *const words[] = {"incremental", "snapshot", "append", "upsert", "replace", "read", "write"};
  return mode < sizeof words / sizeof *words ? words[mode] : "unknown";
}

// Memory that is given back all at once.
typedef struct adp_chunk {
  struct adp_chunk *next;
  size_t used, cap;
  _Alignas(16) unsigned char bytes[];
} adp_chunk;

typedef struct adp_arena {
  adp_chunk *chunks;
  struct adp_arena *next; // of the same callback
} adp_arena;

struct adp_writer;

// What a module exports; ADP_PRODUCT makes one.
typedef struct adp_batch adp_batch;
typedef struct {
  int (*open)(void);
  int (*process)(const adp_batch *);
  int (*flush)(void);
} adp_product;

// This run. An instance is one thread and one run.
typedef struct {
  adp_port *ports; // inputs, outputs, bindings
  uint32_t n_inputs, n_outputs, n_bindings;
  bool rebuild, opened;
  char *failure; // the first one
  struct adp_writer *writers;
  adp_arena scratch;
  adp_arena *arenas; // of iterators of this callback
  const adp_product *product;
} adp_context;

// Weak, so that the files of a program share one.
__attribute__((weak)) adp_context adp_run;

// ---- failures

#ifdef __wasm32__
static inline _Noreturn void adp_stop(const char *why) {
  adp_host_log(ADP_ABI_LOG_ERROR, why, strlen(why));
  __builtin_trap();
}
#else
_Noreturn void adp_stop(const char *why); // ends the callback; adp/test.h has it
#endif

static inline char *adp_vprint(const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, again);
  va_end(again);
  char *s = malloc((size_t)n + 1);
  if (!s) adp_stop("out of memory");
  vsnprintf(s, (size_t)n + 1, format, args);
  return s;
}

// Ends the run at once. adp_panic says where it was called; the kit's own functions use it for what their caller got wrong.
__attribute__((noinline, cold, format(printf, 4, 5))) static _Noreturn void adp_panic_at(const char *file, int line, const char *function,
                                                                                        const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *why = adp_vprint(format, args);
  va_end(args);
  if (file) {
    size_t n = strlen(why) + strlen(file) + strlen(function) + 32;
    char *at = malloc(n);
    if (at) {
      snprintf(at, n, "%s (in %s, %s:%d)", why, function, file, line);
      why = at;
    }
  }
  adp_stop(why);
}
#define adp_panic(...) adp_panic_at(__FILE__, __LINE__, __func__, __VA_ARGS__)
#define ADP_WRONG(...) adp_panic_at(NULL, 0, NULL, __VA_ARGS__)

// Makes the run fail, unless it has failed before, and returns 1: return adp_fail("no rate for %s", currency).
__attribute__((noinline, cold, format(printf, 1, 2))) static int adp_fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *why = adp_vprint(format, args);
  va_end(args);
  if (adp_run.failure)
    free(why);
  else
    adp_run.failure = why;
  return 1;
}

// A status that is not OK fails the run.
#define ADP_REFUSED(status, ...)                                          \
  do {                                                                    \
    int32_t adp_status_ = (status);                                       \
    if (adp_status_ != 0) {                                               \
      adp_str adp_what_ = adp_format(__VA_ARGS__);                        \
      adp_fail("%.*s: %s", ADP_ARG(adp_what_), adp_status_text(adp_status_)); \
    }                                                                     \
  } while (0)

// ---- memory

static inline void *adp_must(void *memory) {
  if (!memory) adp_stop("out of memory");
  return memory;
}

static inline void *adp_arena_take(adp_arena *a, size_t size) {
  size = (size + 15) & ~(size_t)15;
  adp_chunk *c = a->chunks;
  if (!c || c->cap - c->used < size) {
    size_t cap = c ? 2 * c->cap : 4096;
    if (cap > 1 << 20) cap = 1 << 20;
    if (cap < size) cap = size;
    adp_chunk *more = adp_must(malloc(sizeof(adp_chunk) + cap));
    *more = (adp_chunk){.next = c, .cap = cap};
    a->chunks = c = more;
  }
  void *at = c->bytes + c->used;
  c->used += size;
  return at;
}

// Gives back all but the newest chunk, which is the largest.
static inline void adp_arena_reset(adp_arena *a) {
  if (!a->chunks) return;
  while (a->chunks->next) {
    adp_chunk *rest = a->chunks->next;
    a->chunks->next = rest->next;
    free(rest);
  }
  a->chunks->used = 0;
}

static inline adp_arena *adp_arena_new(void) {
  adp_arena *a = adp_must(calloc(1, sizeof *a));
  a->next = adp_run.arenas;
  adp_run.arenas = a;
  return a;
}

// Ends what belongs to a callback.
static inline void adp_callback_over(void) {
  adp_arena_reset(&adp_run.scratch);
  while (adp_run.arenas) {
    adp_arena *a = adp_run.arenas;
    adp_run.arenas = a->next;
    adp_arena_reset(a);
    free(a->chunks);
    free(a);
  }
}

// Memory until the callback returns.
static inline void *adp_scratch(size_t size) { return adp_arena_take(&adp_run.scratch, size); }

// Text until the callback returns, as printf writes it.
__attribute__((format(printf, 1, 2))) static inline adp_str adp_format(const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, again);
  va_end(again);
  char *s = adp_scratch((size_t)n + 1);
  vsnprintf(s, (size_t)n + 1, format, args);
  va_end(args);
  return (adp_str){s, (size_t)n};
}

// A copy that stays until it is freed, terminated: what a product keeps of a row.
static inline adp_str adp_keep(adp_str s) {
  char *copy = adp_must(malloc(s.len + 1));
  if (s.len) memcpy(copy, s.data, s.len);
  copy[s.len] = 0;
  return (adp_str){copy, s.len};
}

// ---- ports

static inline const adp_port *adp_find_port(const char *what, const char *name) {
  uint32_t all = adp_run.n_inputs + adp_run.n_outputs + adp_run.n_bindings;
  for (uint32_t i = 0; i < all; i++)
    if (strcmp(adp_run.ports[i].what, what) == 0 && adp_is(adp_run.ports[i].name, name)) return &adp_run.ports[i];
  return NULL;
}

// The named port; a product that does not declare it fails.
static inline const adp_port *adp_port_of(const char *what, const char *name) {
  const adp_port *found = adp_find_port(what, name);
  if (found) return found;
  adp_str have = {"", 0};
  uint32_t all = adp_run.n_inputs + adp_run.n_outputs + adp_run.n_bindings;
  for (uint32_t i = 0; i < all; i++) {
    const adp_port *p = &adp_run.ports[i];
    if (strcmp(p->what, what) == 0) have = adp_format("%.*s%s%.*s", ADP_ARG(have), have.len ? ", " : "", ADP_ARG(p->name));
  }
  ADP_WRONG("the product declares no %s %s; it has: %.*s", what, name, ADP_ARG(have.len ? have : adp_text("none")));
}

static inline const adp_port *adp_input(const char *name) { return adp_port_of("input", name); }

// Whether this run recomputes everything: state is empty and inputs start from their beginning.
static inline bool adp_rebuilding(void) { return adp_run.rebuild; }

// ---- log

static inline void adp_log(int32_t level, adp_str s) {
  if (s.len > ADP_ABI_MAX_LOG_MESSAGE) {
    s.len = ADP_ABI_MAX_LOG_MESSAGE;
    while (s.len > 0 && ((unsigned char)s.data[s.len] & 0xc0) == 0x80) s.len--; // not within a character
  }
  ADP_REFUSED(adp_host_log(level, s.data, s.len), "log");
}
#define adp_debug(...) adp_log(ADP_ABI_LOG_DEBUG, adp_format(__VA_ARGS__))
#define adp_info(...) adp_log(ADP_ABI_LOG_INFO, adp_format(__VA_ARGS__))
#define adp_warn(...) adp_log(ADP_ABI_LOG_WARN, adp_format(__VA_ARGS__))
#define adp_error(...) adp_log(ADP_ABI_LOG_ERROR, adp_format(__VA_ARGS__)) // does not fail the run: adp_fail does

// ---- settings

// Calls a function of the host that fills a buffer, again with a larger one when it asks for it; the value in scratch memory.
// found is false where there is none.
#define ADP_FILL(value, found, what, ...)                                                                                \
  do {                                                                                                                   \
    size_t cap = 256;                                                                                                    \
    void *buf = adp_scratch(cap);                                                                                        \
    int64_t n = (__VA_ARGS__);                                                                                           \
    if (n > (int64_t)cap) {                                                                                              \
      cap = (size_t)n;                                                                                                   \
      buf = adp_scratch(cap);                                                                                            \
      n = (__VA_ARGS__);                                                                                                 \
    }                                                                                                                    \
    (found) = n >= 0 && n <= (int64_t)cap;                                                                               \
    (value).data = buf;                                                                                                  \
    (value).len = (found) ? (size_t)n : 0;                                                                               \
    if (n < 0 && n != -ADP_ABI_NOT_FOUND) adp_fail("%s: %s", what, adp_status_text(-n));                                 \
  } while (0)

// A setting of the product.
static inline adp_opt_str adp_config(const char *key) {
  adp_opt_str v = {0};
  ADP_FILL(v.value, v.has, "config", adp_host_config(key, strlen(key), buf, cap));
  return v;
}

// A setting that is a whole number, or other when it is not set.
static inline int64_t adp_config_i64(const char *key, int64_t other) {
  adp_opt_str v = adp_config(key);
  if (!v.has) return other;
  adp_str s = adp_format("%.*s", ADP_ARG(v.value));
  char *end;
  int64_t n = strtoll(s.data, &end, 10);
  if (s.len == 0 || *end) ADP_WRONG("setting %s: \"%s\" is not a whole number", key, s.data);
  return n;
}

// ---- metrics, clock, randomness

static inline void adp_count(const char *name, double add) {
  ADP_REFUSED(adp_host_metric(ADP_ABI_METRIC_COUNTER, name, strlen(name), add), "metric %s", name);
}

static inline void adp_gauge(const char *name, double value) {
  ADP_REFUSED(adp_host_metric(ADP_ABI_METRIC_GAUGE, name, strlen(name), value), "metric %s", name);
}

// The virtual clock in nanoseconds since 1970-01-01T00:00:00Z: the start of the run, moved on by the work done since.
static inline int64_t adp_clock(void) { return adp_host_clock(); }

// Fills memory with randomness that is the same again when a run is replayed.
static inline void adp_random(void *buf, size_t len) {
  for (size_t at = 0; at < len; at += ADP_ABI_MAX_RANDOM) {
    size_t n = len - at < ADP_ABI_MAX_RANDOM ? len - at : ADP_ABI_MAX_RANDOM;
    ADP_REFUSED(adp_host_random((unsigned char *)buf + at, n), "random");
  }
}

static inline uint64_t adp_random_u64(void) {
  uint64_t v;
  adp_random(&v, sizeof v);
  return v;
}

#endif
