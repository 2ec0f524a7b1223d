// Batches and columns: views on the host's own buffers, valid until the callback returns.
#ifndef ADP_COLUMN_H
#define ADP_COLUMN_H

#include "run.h"

// One batch of one input, or of a reader.
struct adp_batch {
  const adp_port *port;
  int64_t rows;
  const struct ArrowSchema *schema; // of the struct that holds the columns
  const struct ArrowArray *array;
};

typedef struct {
  adp_kind kind;
  const struct ArrowSchema *schema;
  const struct ArrowArray *array;
  int64_t offset; // of row 0 in the buffers
  int64_t rows;
} adp_column;

static inline adp_column adp_child(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t offset, int64_t rows) {
  adp_kind kind = schema->dictionary ? ADP_OTHER : adp_kind_of_format(schema->format);
  return (adp_column){kind, schema, array, array->offset + offset, rows};
}

static inline int64_t adp_columns(const adp_batch *b) { return b->schema->n_children; }

// Column i of a batch.
static inline adp_column adp_column_at(const adp_batch *b, int64_t i) {
  return adp_child(b->schema->children[i], b->array->children[i], b->array->offset, b->rows);
}

static inline int64_t adp_index_of(const struct ArrowSchema *schema, const char *name) {
  for (int64_t i = 0; i < schema->n_children; i++)
    if (strcmp(schema->children[i]->name, name) == 0) return i;
  return -1;
}

// The names of a struct's columns, for people.
static inline adp_str adp_names(const struct ArrowSchema *schema) {
  adp_str all = {"", 0};
  for (int64_t i = 0; i < schema->n_children; i++)
    all = adp_format("%.*s%s%s", ADP_ARG(all), i ? ", " : "", schema->children[i]->name);
  return all;
}

// The named column; a batch that has none ends the run.
static inline adp_column adp_column_of(const adp_batch *b, const char *name) {
  int64_t i = adp_index_of(b->schema, name);
  if (i < 0) ADP_WRONG("%s %.*s has no column %s; it has: %.*s", b->port->what, ADP_ARG(b->port->name), name, ADP_ARG(adp_names(b->schema)));
  return adp_column_at(b, i);
}

static inline bool adp_bit(const void *bits, int64_t i) { return ((const uint8_t *)bits)[i >> 3] >> (i & 7) & 1; }

static inline bool adp_is_null(const adp_column *c, int64_t i) {
  const void *valid = c->array->null_count == 0 ? NULL : c->array->buffers[0];
  return valid && !adp_bit(valid, c->offset + i);
}

static inline void adp_must_be(const adp_column *c, adp_kind kind) {
  if (c->kind != kind && !(kind == ADP_TIMESTAMP && c->kind == ADP_TIMESTAMPTZ))
    ADP_WRONG("column %s is %s, not %s", c->schema->name, adp_info_of(c->kind).word, adp_info_of(kind).word);
}

// The values of a column, rows of them. Where a row is null the value means nothing.
#define ADP_SLICE(name, type, kind)                              \
  static inline const type *name(const adp_column *c) {          \
    adp_must_be(c, kind);                                        \
    return (const type *)c->array->buffers[1] + c->offset;       \
  }
ADP_SLICE(adp_i32s, int32_t, ADP_INT32)
ADP_SLICE(adp_i64s, int64_t, ADP_INT64)
ADP_SLICE(adp_f32s, float, ADP_FLOAT32)
ADP_SLICE(adp_f64s, double, ADP_FLOAT64)
ADP_SLICE(adp_decimals, adp_decimal, ADP_DECIMAL)
ADP_SLICE(adp_dates, adp_date, ADP_DATE)
ADP_SLICE(adp_times, adp_time, ADP_TIME)
ADP_SLICE(adp_timestamps, adp_timestamp, ADP_TIMESTAMP)
#undef ADP_SLICE

static inline bool adp_bool_at(const adp_column *c, int64_t i) {
  adp_must_be(c, ADP_BOOL);
  return adp_bit(c->array->buffers[1], c->offset + i);
}

// The rows + 1 offsets of strings, binaries and lists.
static inline const int32_t *adp_offsets(const adp_column *c) { return (const int32_t *)c->array->buffers[1] + c->offset; }

static inline adp_str adp_str_at(const adp_column *c, int64_t i) {
  if (c->kind != ADP_STRING) adp_must_be(c, ADP_STRING);
  const int32_t *o = adp_offsets(c);
  size_t len = (size_t)(o[i + 1] - o[i]);
  return (adp_str){len ? (const char *)c->array->buffers[2] + o[i] : "", len};
}

static inline adp_bin adp_bin_at(const adp_column *c, int64_t i) {
  if (c->kind != ADP_BINARY) adp_must_be(c, ADP_BINARY);
  const int32_t *o = adp_offsets(c);
  size_t len = (size_t)(o[i + 1] - o[i]);
  return (adp_bin){len ? (const uint8_t *)c->array->buffers[2] + o[i] : (const uint8_t *)"", len};
}

// All elements of a list column; those of row i are adp_offsets(c)[i] up to adp_offsets(c)[i + 1].
static inline adp_column adp_elements(const adp_column *c) {
  adp_must_be(c, ADP_LIST);
  return adp_child(c->schema->children[0], c->array->children[0], 0, c->array->children[0]->length);
}

// Member j of a struct column.
static inline adp_column adp_member(const adp_column *c, int64_t j) {
  adp_must_be(c, ADP_STRUCT);
  return adp_child(c->schema->children[j], c->array->children[j], c->offset, c->rows);
}

#endif
