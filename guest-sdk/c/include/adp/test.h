// A host for unit tests: it runs the product of this program without a sandbox, on this machine. Include it in one file, with the
// product beside it:
//
//   #include "../product.c"
//   #include <adp/test.h>
//
//   int main(void) {
//     adp_test t = {0};
//     ADP_TEST_INPUT(&t, "people", ADP_ABI_MODE_INCREMENTAL, person);
//     ADP_TEST_OUTPUT(&t, "greetings", ADP_ABI_MODE_APPEND, greeting);
//     adp_test_open(&t);
//     ADP_FEED(&t, "people", person, {.name = adp_text("Ada")}, {.name = adp_text("Zoë")});
//     adp_test_flush(&t);
//     size_t n;
//     const struct greeting *out = ADP_EMITTED(&t, "greetings", greeting, &n);
//     …
//   }
//
// The functions that run the product return NULL, or why it failed. Memory is the process's: a test program is short.
#ifndef ADP_TEST_H
#define ADP_TEST_H

#include <setjmp.h>

#include "../adp.h"

#define ADP_TEST_PORTS 32

typedef struct {
  struct adp_block_port block;
  const char *what;
  adp_builder rows; // fed, emitted, written, or to be read
} adp_test_port;

typedef struct adp_test_pair {
  adp_bin key, value;
  double number;
  struct adp_test_pair *next;
} adp_test_pair;

// A test's host. {0} has no ports, settings or state.
typedef struct {
  bool rebuild;
  // What policy answers to a question, both JSON; NULL denies.
  const char *(*decide)(const char *request);
  adp_test_port ports[ADP_TEST_PORTS];
  int n;
  adp_test_pair *config, *state, *metrics, *logs; // state in the order of its keys; the newest log first
  int64_t calls;                                  // of clock
  uint64_t seed;
  int read[ADP_TEST_PORTS]; // by reader: the port and 1, or 0 when it is through
  int readers;
  jmp_buf out;
  bool running;
  char why[4096];
} adp_test;

static adp_test *adp_tested; // the host of the callback under way

_Noreturn void adp_stop(const char *why) {
  if (!adp_tested || !adp_tested->running) {
    fprintf(stderr, "%s\n", why);
    exit(1);
  }
  snprintf(adp_tested->why, sizeof adp_tested->why, "%s", why);
  longjmp(adp_tested->out, 1);
}

// ---- what surrounds a run

static inline struct ArrowSchema *adp_test_schema(const char *name, const adp_field *f);

static inline struct ArrowSchema *adp_test_struct(const char *name, const adp_row *row, bool nullable, const char *more) {
  struct ArrowSchema *s = adp_must(calloc(1, sizeof *s));
  *s = (struct ArrowSchema){.format = "+s", .name = name, .flags = nullable ? ADP_ABI_FLAG_NULLABLE : 0, .n_children = row->n};
  s->children = adp_must(calloc((size_t)row->n + 1, sizeof *s->children));
  for (int i = 0; i < row->n; i++) s->children[i] = adp_test_schema(row->fields[i].name, &row->fields[i]);
  if (more) s->children[s->n_children++] = adp_test_schema(more, &(adp_field){.kind = ADP_STRING, .optional = true});
  return s;
}

static inline struct ArrowSchema *adp_test_schema(const char *name, const adp_field *f) {
  if (f->kind == ADP_STRUCT) return adp_test_struct(name, f->row, f->optional, NULL);
  struct ArrowSchema *s = adp_must(calloc(1, sizeof *s));
  *s = (struct ArrowSchema){.format = adp_info_of(f->kind).format, .name = name, .flags = f->optional ? ADP_ABI_FLAG_NULLABLE : 0};
  if (f->kind == ADP_LIST) {
    s->n_children = 1;
    s->children = adp_must(calloc(1, sizeof *s->children));
    s->children[0] = adp_test_schema("item", f->element);
  }
  return s;
}

static inline void adp_test_declare(adp_test *t, const char *what, const char *name, uint32_t mode, const adp_row *row) {
  if (t->n == ADP_TEST_PORTS) adp_stop("too many ports for a test");
  adp_test_port *p = &t->ports[t->n++];
  struct ArrowSchema *schema = adp_test_struct("", row, false, mode == ADP_ABI_MODE_UPSERT ? ADP_ABI_COLUMN_OP : NULL);
  *p = (adp_test_port){{name, (uint32_t)strlen(name), mode, schema}, what, {0}};
  adp_builder_init(&p->rows, schema);
}

// Ports have the columns of a row's struct; timestamps are instants.
#define ADP_TEST_INPUT(t, name, mode, T) adp_test_declare((t), "input", (name), (mode), &T##_row)
#define ADP_TEST_OUTPUT(t, name, mode, T) adp_test_declare((t), "output", (name), (mode), &T##_row)
#define ADP_TEST_BINDING(t, name, mode, T) adp_test_declare((t), "binding", (name), (mode), &T##_row)

static inline adp_bin adp_test_copy(const void *data, size_t len) {
  uint8_t *copy = adp_must(malloc(len + 1));
  if (len) memcpy(copy, data, len);
  copy[len] = 0;
  return (adp_bin){copy, len};
}

static inline int adp_test_order(adp_bin a, const void *b, size_t n) {
  int c = a.len && n ? memcmp(a.data, b, a.len < n ? a.len : n) : 0;
  return c ? c : (a.len > n) - (a.len < n);
}

// The pair with a key in a list in order, or where it belongs.
static inline adp_test_pair **adp_test_at(adp_test_pair **list, const void *key, size_t len) {
  while (*list && adp_test_order((*list)->key, key, len) < 0) list = &(*list)->next;
  return list;
}

static inline adp_test_pair *adp_test_put(adp_test_pair **list, const void *key, size_t len) {
  adp_test_pair **at = adp_test_at(list, key, len);
  if (*at && adp_test_order((*at)->key, key, len) == 0) return *at;
  adp_test_pair *p = adp_must(calloc(1, sizeof *p));
  p->key = adp_test_copy(key, len);
  p->next = *at;
  return *at = p;
}

static inline adp_test_pair *adp_test_find(adp_test_pair *list, const void *key, size_t len) {
  adp_test_pair *p = *adp_test_at(&list, key, len);
  return p && adp_test_order(p->key, key, len) == 0 ? p : NULL;
}

static inline void adp_test_config(adp_test *t, const char *key, const char *value) {
  adp_test_put(&t->config, key, strlen(key))->value = adp_test_copy(value, strlen(value));
}

// State of an earlier run: next = (adp_test){.state = first.state}.
static inline int64_t adp_test_i64(const adp_test *t, const char *key) {
  adp_test_pair *p = adp_test_find(t->state, key, strlen(key));
  int64_t v = 0;
  if (p && p->value.len == sizeof v) memcpy(&v, p->value.data, sizeof v);
  return v;
}

static inline double adp_test_metric(const adp_test *t, const char *name) {
  adp_test_pair *p = adp_test_find(t->metrics, name, strlen(name));
  return p ? p->number : 0;
}

// Whether a line of the log has these words.
static inline bool adp_test_logged(const adp_test *t, const char *words) {
  for (adp_test_pair *p = t->logs; p; p = p->next)
    if (strstr((const char *)p->value.data, words)) return true;
  return false;
}

static inline adp_test_port *adp_test_port_of(adp_test *t, const char *what, const char *name) {
  for (int i = 0; i < t->n; i++)
    if ((!what || strcmp(t->ports[i].what, what) == 0) && strcmp(t->ports[i].block.name, name) == 0) return &t->ports[i];
  fprintf(stderr, "the test declares no %s %s\n", what ? what : "port", name);
  exit(1);
}

// ---- the run

static inline const char *adp_test_end(adp_test *t, int32_t status) {
  if (status != 0 && !t->why[0]) snprintf(t->why, sizeof t->why, "%s", adp_run.failure ? adp_run.failure : adp_status_text(status));
  t->running = false;
  adp_tested = NULL;
  return t->why[0] ? t->why : NULL;
}

// Runs a call of the product, which adp_stop may leave.
#define ADP_TEST_CALL(t, call)                       \
  do {                                               \
    adp_tested = (t);                                \
    (t)->running = true;                             \
    int32_t adp_status_ = ADP_ABI_FAILED;            \
    if (setjmp((t)->out) == 0) adp_status_ = (call); \
    return adp_test_end((t), adp_status_);           \
  } while (0)

static inline uint32_t adp_test_table(adp_test *t, const char *what, struct adp_block_port **to) {
  uint32_t n = 0;
  *to = adp_must(calloc(ADP_TEST_PORTS, sizeof **to));
  for (int i = 0; i < t->n; i++)
    if (strcmp(t->ports[i].what, what) == 0) (*to)[n++] = t->ports[i].block;
  return n;
}

// Begins the run. What a product keeps in variables of its file is its own to reset.
static inline const char *adp_test_open(adp_test *t) {
  adp_run = (adp_context){0};
  struct adp_block *block = adp_must(calloc(1, sizeof *block));
  block->version = ADP_ABI_VERSION;
  block->flags = t->rebuild ? ADP_ABI_OPEN_REBUILD : 0;
  block->n_inputs = adp_test_table(t, "input", &block->inputs);
  block->n_outputs = adp_test_table(t, "output", &block->outputs);
  block->n_bindings = adp_test_table(t, "binding", &block->bindings);
  ADP_TEST_CALL(t, adp_export_open(&adp_product_here, block));
}

// Lays rows down in a port's builder.
static inline void adp_test_lay(adp_test_port *p, const adp_row *row, const void *rows, size_t n) {
  adp_bound bound = {0};
  adp_bind_all(&bound, p->block.name, row, &p->rows, -1);
  for (size_t i = 0; i < n; i++, p->rows.len++)
    for (int j = 0; j < bound.n; j++) adp_write_value(&bound.inner[j], (const unsigned char *)rows + i * row->size + bound.inner[j].field->offset);
  adp_unbind(&bound);
}

static inline uint32_t adp_test_index(adp_test *t, const adp_test_port *p) {
  uint32_t index = 0;
  for (adp_test_port *q = t->ports; q != p; q++) index += strcmp(q->what, p->what) == 0;
  return index;
}

// Feeds rows to an input, as one batch.
static inline const char *adp_test_feed(adp_test *t, const char *input, const adp_row *row, const void *rows, size_t n) {
  adp_test_port *p = adp_test_port_of(t, "input", input);
  adp_builder_clear(&p->rows);
  adp_test_lay(p, row, rows, n);
  ADP_TEST_CALL(t, adp_export_process(adp_test_index(t, p), adp_lay(&p->rows)));
}
#define ADP_FEED(t, input, T, ...)                                                                      \
  adp_test_feed((t), (input), &T##_row, (struct T[]){__VA_ARGS__}, sizeof((struct T[]){__VA_ARGS__}) / sizeof(struct T))

// What a binding with read access answers, whatever it is asked.
static inline void adp_test_answer(adp_test *t, const char *binding, const adp_row *row, const void *rows, size_t n) {
  adp_test_lay(adp_test_port_of(t, "binding", binding), row, rows, n);
}
#define ADP_ANSWER(t, binding, T, ...)                                                                  \
  adp_test_answer((t), (binding), &T##_row, (struct T[]){__VA_ARGS__}, sizeof((struct T[]){__VA_ARGS__}) / sizeof(struct T))

static inline const char *adp_test_flush(adp_test *t) { ADP_TEST_CALL(t, adp_export_flush()); }

static inline adp_batch adp_test_batch(adp_test_port *p, adp_port *port) {
  *port = (adp_port){p->what, {p->block.name, p->block.name_len}, 0, p->block.mode, p->block.schema};
  struct ArrowArray *array = adp_lay(&p->rows);
  return (adp_batch){port, array->length, p->block.schema, array};
}

// The rows that an output, or a binding with write access, has got so far.
static inline const void *adp_test_emitted(adp_test *t, const char *name, const adp_row *row, size_t *n) {
  adp_port port;
  adp_batch batch = adp_test_batch(adp_test_port_of(t, NULL, name), &port);
  unsigned char *rows = adp_must(calloc((size_t)batch.rows + 1, row->size));
  *n = (size_t)batch.rows;
  adp_rows it = adp_rows_of(&batch, row);
  adp_arena *kept = it.values;
  for (size_t i = 0; i < *n; i++) {
    it.values = adp_must(calloc(1, sizeof *kept)); // what a row points to stays
    adp_next(&it, rows + i * row->size);
  }
  return rows;
}
#define ADP_EMITTED(t, name, T, n) ((const struct T *)adp_test_emitted((t), (name), &T##_row, (n)))

// Whether row i of an upsert output is a deletion.
static inline bool adp_test_deleted(adp_test *t, const char *output, int64_t i) {
  adp_port port;
  adp_batch batch = adp_test_batch(adp_test_port_of(t, "output", output), &port);
  adp_column op = adp_column_of(&batch, ADP_ABI_COLUMN_OP);
  return !adp_is_null(&op, i) && adp_is(adp_str_at(&op, i), ADP_ABI_OP_DELETE);
}

// ---- the imports

static inline int32_t adp_test_take(const char *what, uint32_t index, const struct ArrowArray *array) {
  for (int i = 0; i < adp_tested->n; i++) {
    adp_test_port *p = &adp_tested->ports[i];
    if (strcmp(p->what, what) != 0 || adp_test_index(adp_tested, p) != index) continue;
    for (int64_t j = 0; j < p->block.schema->n_children; j++) {
      adp_column c = adp_child(p->block.schema->children[j], array->children[j], array->offset, array->length);
      for (int64_t r = 0; r < array->length; r++) adp_add_copy(&p->rows.children[j], &c, r);
    }
    p->rows.len += array->length;
    return ADP_ABI_OK;
  }
  return ADP_ABI_NOT_FOUND;
}

int32_t adp_host_emit(uint32_t port, const struct ArrowArray *array) { return adp_test_take("output", port, array); }
int32_t adp_host_driver_write(uint32_t binding, const struct ArrowArray *array) { return adp_test_take("binding", binding, array); }

int32_t adp_host_log(int32_t level, const char *text, size_t len) {
  adp_test_pair *p = adp_must(calloc(1, sizeof *p));
  *p = (adp_test_pair){.value = adp_test_copy(text, len), .number = level, .next = adp_tested->logs};
  adp_tested->logs = p;
  return ADP_ABI_OK;
}

static inline int64_t adp_test_fill(const adp_test_pair *p, void *buf, size_t cap) {
  if (!p) return -ADP_ABI_NOT_FOUND;
  if (p->value.len && p->value.len <= cap) memcpy(buf, p->value.data, p->value.len);
  return (int64_t)p->value.len;
}

int64_t adp_host_config(const char *key, size_t key_len, void *buf, size_t cap) {
  return adp_test_fill(adp_test_find(adp_tested->config, key, key_len), buf, cap);
}

// 2026-01-01T00:00:00Z, and a microsecond more with each call.
int64_t adp_host_clock(void) { return 1767225600000000000 + 1000 * adp_tested->calls++; }

int32_t adp_host_random(void *buf, size_t len) {
  for (size_t i = 0; i < len; i++) {
    adp_tested->seed = adp_tested->seed * 6364136223846793005u + 1442695040888963407u; // Knuth's MMIX
    ((uint8_t *)buf)[i] = (uint8_t)(adp_tested->seed >> 56);
  }
  return ADP_ABI_OK;
}

int32_t adp_host_metric(int32_t kind, const char *name, size_t name_len, double value) {
  adp_test_pair *p = adp_test_put(&adp_tested->metrics, name, name_len);
  p->number = kind == ADP_ABI_METRIC_COUNTER ? p->number + value : value;
  return ADP_ABI_OK;
}

static inline int32_t adp_test_key(size_t len) { return len == 0 ? ADP_ABI_BAD_ARGUMENT : len > ADP_ABI_MAX_KEY ? ADP_ABI_TOO_LARGE : ADP_ABI_OK; }

int64_t adp_host_state_get(const void *key, size_t key_len, void *buf, size_t cap) {
  if (adp_test_key(key_len)) return -adp_test_key(key_len);
  return adp_test_fill(adp_test_find(adp_tested->state, key, key_len), buf, cap);
}

int32_t adp_host_state_put(const void *key, size_t key_len, const void *value, size_t value_len) {
  if (adp_test_key(key_len)) return adp_test_key(key_len);
  if (value_len > ADP_ABI_MAX_VALUE) return ADP_ABI_TOO_LARGE;
  adp_test_put(&adp_tested->state, key, key_len)->value = adp_test_copy(value, value_len);
  return ADP_ABI_OK;
}

int32_t adp_host_state_delete(const void *key, size_t key_len) {
  if (adp_test_key(key_len)) return adp_test_key(key_len);
  adp_test_pair **at = adp_test_at(&adp_tested->state, key, key_len);
  if (!*at || adp_test_order((*at)->key, key, key_len) != 0) return ADP_ABI_NOT_FOUND;
  *at = (*at)->next;
  return ADP_ABI_OK;
}

int64_t adp_host_state_scan(const void *prefix, size_t prefix_len, const void *after, size_t after_len, void *buf, size_t cap) {
  size_t used = 0;
  for (adp_test_pair *p = adp_tested->state; p; p = p->next) {
    if (p->key.len < prefix_len || (prefix_len && memcmp(p->key.data, prefix, prefix_len) != 0)) continue;
    if (after_len && adp_test_order(p->key, after, after_len) <= 0) continue;
    size_t n = ADP_ABI_SCAN_HEADER + p->key.len + p->value.len;
    if (used + n > cap) return (int64_t)(used ? used : n);
    uint32_t lengths[2] = {(uint32_t)p->key.len, (uint32_t)p->value.len};
    unsigned char *at = (unsigned char *)buf + used;
    memcpy(at, lengths, sizeof lengths);
    memcpy(at + ADP_ABI_SCAN_HEADER, p->key.data, p->key.len);
    if (p->value.len) memcpy(at + ADP_ABI_SCAN_HEADER + p->key.len, p->value.data, p->value.len);
    used += n;
  }
  return (int64_t)used;
}

int64_t adp_host_driver_open(uint32_t binding, const void *request, size_t request_len) {
  (void)request, (void)request_len;
  for (int i = 0; i < adp_tested->n; i++) {
    adp_test_port *p = &adp_tested->ports[i];
    if (strcmp(p->what, "binding") != 0 || adp_test_index(adp_tested, p) != binding) continue;
    if (p->block.mode != ADP_ABI_MODE_READ) return -ADP_ABI_DENIED;
    if (adp_tested->readers == ADP_TEST_PORTS) return -ADP_ABI_LIMIT_EXCEEDED;
    adp_tested->read[adp_tested->readers] = i + 1;
    return adp_tested->readers++;
  }
  return -ADP_ABI_NOT_FOUND;
}

int64_t adp_host_driver_next(uint32_t reader, void *buf, size_t cap) {
  if (reader >= (uint32_t)adp_tested->readers || !adp_tested->read[reader]) return 0;
  struct ArrowArray *array = adp_lay(&adp_tested->ports[adp_tested->read[reader] - 1].rows);
  if (array->length == 0) return 0;
  if (cap < sizeof *array) return sizeof *array;
  memcpy(buf, array, sizeof *array); // what it points to is the test's, and stays
  adp_tested->read[reader] = 0;
  return sizeof *array;
}

int32_t adp_host_driver_close(uint32_t reader) {
  if (reader >= (uint32_t)adp_tested->readers) return ADP_ABI_NOT_FOUND;
  adp_tested->read[reader] = 0;
  return ADP_ABI_OK;
}

int64_t adp_host_decide(const char *request, size_t request_len, void *buf, size_t cap) {
  const char *question = (const char *)adp_test_copy(request, request_len).data;
  const char *answer = adp_tested->decide ? adp_tested->decide(question) : "{\"allow\":false,\"reason\":\"this test has no policy\"}";
  return adp_test_fill(&(adp_test_pair){.value = {(const uint8_t *)answer, strlen(answer)}}, buf, cap);
}

#endif
