// Columns that are being built. Each row takes one call: the function of the column's kind, or adp_add_null. A call for another
// kind ends the run.
#ifndef ADP_BUILDER_H
#define ADP_BUILDER_H

#include "column.h"

typedef struct {
  unsigned char *data;
  size_t len, cap;
} adp_buffer;

static inline void *adp_buffer_more(adp_buffer *b, size_t n) {
  if (b->cap - b->len < n) {
    size_t cap = b->cap ? 2 * b->cap : 256;
    while (cap - b->len < n) cap *= 2;
    b->data = adp_must(realloc(b->data, cap));
    b->cap = cap;
  }
  void *at = b->data + b->len;
  b->len += n;
  return at;
}

typedef struct adp_builder {
  adp_kind kind;
  const struct ArrowSchema *schema;
  int64_t len, nulls;
  adp_buffer validity; // empty until the first null
  adp_buffer values;
  adp_buffer offsets; // len + 1 of them, for strings, binaries and lists
  struct adp_builder *children;
  struct ArrowArray array; // what adp_lay makes of it
  const void *buffers[3];
  struct ArrowArray **pointers;
} adp_builder;

static inline bool adp_has_offsets(adp_kind k) { return k == ADP_STRING || k == ADP_BINARY || k == ADP_LIST; }

static inline void adp_builder_init(adp_builder *b, const struct ArrowSchema *schema) {
  *b = (adp_builder){.kind = schema->dictionary ? ADP_OTHER : adp_kind_of_format(schema->format), .schema = schema};
  if (adp_has_offsets(b->kind)) memset(adp_buffer_more(&b->offsets, 4), 0, 4);
  if (schema->n_children == 0) return;
  b->children = adp_must(calloc((size_t)schema->n_children, sizeof *b->children));
  b->pointers = adp_must(calloc((size_t)schema->n_children, sizeof *b->pointers));
  for (int64_t i = 0; i < schema->n_children; i++) adp_builder_init(&b->children[i], schema->children[i]);
}

// Drops the rows and keeps the memory.
static inline void adp_builder_clear(adp_builder *b) {
  b->len = b->nulls = 0;
  b->validity.len = b->values.len = 0;
  if (b->offsets.len) b->offsets.len = 4;
  for (int64_t i = 0; i < b->schema->n_children; i++) adp_builder_clear(&b->children[i]);
}

static inline void adp_builder_free(adp_builder *b) {
  for (int64_t i = 0; i < b->schema->n_children; i++) adp_builder_free(&b->children[i]);
  free(b->validity.data);
  free(b->values.data);
  free(b->offsets.data);
  free(b->children);
  free(b->pointers);
}

static inline size_t adp_builder_bytes(const adp_builder *b) {
  size_t n = b->values.len;
  for (int64_t i = 0; i < b->schema->n_children; i++) n += adp_builder_bytes(&b->children[i]);
  return n;
}

static inline void adp_set_bit(adp_buffer *bits, int64_t i, bool v) {
  if ((size_t)(i >> 3) == bits->len) *(uint8_t *)adp_buffer_more(bits, 1) = 0;
  bits->data[i >> 3] |= (unsigned char)(v << (i & 7));
}

// Counts a row that has a value.
static inline void adp_present(adp_builder *b) {
  if (b->validity.len) adp_set_bit(&b->validity, b->len, true);
  b->len++;
}

static inline void adp_offset_end(adp_builder *b, size_t at) {
  if (at > INT32_MAX) ADP_WRONG("column %s has more than 2 GiB in one batch", b->schema->name);
  int32_t end = (int32_t)at;
  memcpy(adp_buffer_more(&b->offsets, 4), &end, 4);
}

static inline void adp_builder_must_be(const adp_builder *b, adp_kind kind) {
  if (b->kind != kind) ADP_WRONG("column %s is %s, not %s", b->schema->name, adp_info_of(b->kind).word, adp_info_of(kind).word);
}

static inline void adp_push(adp_builder *b, const void *value, size_t width) {
  memcpy(adp_buffer_more(&b->values, width), value, width);
  adp_present(b);
}

static inline void adp_push_bytes(adp_builder *b, const void *data, size_t len) {
  if (len) memcpy(adp_buffer_more(&b->values, len), data, len);
  adp_offset_end(b, b->values.len);
  adp_present(b);
}

#define ADP_ADD(name, type, is)                       \
  static inline void name(adp_builder *b, type v) {   \
    adp_builder_must_be(b, is);                       \
    adp_push(b, &v, sizeof v);                        \
  }
ADP_ADD(adp_add_i32, int32_t, ADP_INT32)
ADP_ADD(adp_add_i64, int64_t, ADP_INT64)
ADP_ADD(adp_add_f32, float, ADP_FLOAT32)
ADP_ADD(adp_add_f64, double, ADP_FLOAT64)
ADP_ADD(adp_add_decimal, adp_decimal, ADP_DECIMAL)
ADP_ADD(adp_add_date, adp_date, ADP_DATE)
ADP_ADD(adp_add_time, adp_time, ADP_TIME)
#undef ADP_ADD

static inline void adp_add_timestamp(adp_builder *b, adp_timestamp v) {
  if (b->kind != ADP_TIMESTAMPTZ) adp_builder_must_be(b, ADP_TIMESTAMP);
  adp_push(b, &v, sizeof v);
}

static inline void adp_add_bool(adp_builder *b, bool v) {
  adp_builder_must_be(b, ADP_BOOL);
  adp_set_bit(&b->values, b->len, v);
  adp_present(b);
}

static inline void adp_add_str(adp_builder *b, adp_str v) {
  adp_builder_must_be(b, ADP_STRING);
  adp_push_bytes(b, v.data, v.len);
}

static inline void adp_add_bin(adp_builder *b, adp_bin v) {
  adp_builder_must_be(b, ADP_BINARY);
  adp_push_bytes(b, v.data, v.len);
}

// Takes the elements of a list column; adp_end_list makes a row of those added since the row before.
static inline adp_builder *adp_list_elements(adp_builder *b) {
  adp_builder_must_be(b, ADP_LIST);
  return &b->children[0];
}

static inline void adp_end_list(adp_builder *b) {
  adp_builder_must_be(b, ADP_LIST);
  adp_offset_end(b, (size_t)b->children[0].len);
  adp_present(b);
}

// Takes member j of a struct column; adp_end_struct makes a row of the members' values, each of which got one.
static inline adp_builder *adp_struct_member(adp_builder *b, int64_t j) {
  adp_builder_must_be(b, ADP_STRUCT);
  return &b->children[j];
}

static inline void adp_end_struct(adp_builder *b) {
  adp_builder_must_be(b, ADP_STRUCT);
  for (int64_t j = 0; j < b->schema->n_children; j++)
    if (b->children[j].len != b->len + 1) ADP_WRONG("struct %s: member %s got no value", b->schema->name, b->children[j].schema->name);
  adp_present(b);
}

static inline void adp_blank(adp_builder *b);

// Puts something in the place of a value that does not matter.
static inline void adp_filler(adp_builder *b) {
  switch (b->kind) {
  case ADP_OTHER: ADP_WRONG("column %s is of a type that rows cannot be added to", b->schema->name);
  case ADP_BOOL: adp_set_bit(&b->values, b->len, false); break;
  case ADP_STRING:
  case ADP_BINARY: adp_offset_end(b, b->values.len); break;
  case ADP_LIST: adp_offset_end(b, (size_t)b->children[0].len); break;
  case ADP_STRUCT:
    for (int64_t j = 0; j < b->schema->n_children; j++) adp_blank(&b->children[j]);
    break;
  default: {
    size_t w = adp_info_of(b->kind).width;
    memset(adp_buffer_more(&b->values, w), 0, w);
  }
  }
}

static inline void adp_absent(adp_builder *b) {
  if (!b->validity.len)
    for (int64_t i = 0; i < b->len; i++) adp_set_bit(&b->validity, i, true); // everything before was there
  adp_set_bit(&b->validity, b->len, false);
  b->nulls++;
  adp_filler(b);
  b->len++;
}

static inline void adp_blank(adp_builder *b) {
  if (b->schema->flags & ADP_ABI_FLAG_NULLABLE) {
    adp_absent(b);
  } else {
    adp_filler(b);
    adp_present(b);
  }
}

// Adds a row without a value. The column must be nullable.
static inline void adp_add_null(adp_builder *b) {
  if (!(b->schema->flags & ADP_ABI_FLAG_NULLABLE)) ADP_WRONG("column %s is required: it takes no null", b->schema->name);
  adp_absent(b);
}

// Adds row i of a column of the same type.
static inline void adp_add_copy(adp_builder *b, const adp_column *c, int64_t i) {
  if (adp_is_null(c, i)) {
    adp_add_null(b);
    return;
  }
  adp_builder_must_be(b, c->kind);
  switch (b->kind) {
  case ADP_BOOL: adp_add_bool(b, adp_bool_at(c, i)); break;
  case ADP_STRING: adp_add_str(b, adp_str_at(c, i)); break;
  case ADP_BINARY: adp_add_bin(b, adp_bin_at(c, i)); break;
  case ADP_LIST: {
    adp_column elements = adp_elements(c);
    for (int32_t j = adp_offsets(c)[i]; j < adp_offsets(c)[i + 1]; j++) adp_add_copy(&b->children[0], &elements, j);
    adp_end_list(b);
    break;
  }
  case ADP_STRUCT:
    for (int64_t j = 0; j < b->schema->n_children; j++) {
      adp_column member = adp_member(c, j);
      adp_add_copy(&b->children[j], &member, i);
    }
    adp_end_struct(b);
    break;
  default: {
    size_t w = adp_info_of(b->kind).width;
    if (w == 0) adp_filler(b); // says what is wrong
    adp_push(b, (const unsigned char *)c->array->buffers[1] + (size_t)(c->offset + i) * w, w);
  }
  }
}

// The rows so far as an ArrowArray, which is the builder's and valid until its next row.
static inline struct ArrowArray *adp_lay(adp_builder *b) {
  b->array = (struct ArrowArray){
      .length = b->len, .null_count = b->nulls, .n_buffers = 2, .n_children = b->schema->n_children, .buffers = b->buffers, .children = b->pointers};
  b->buffers[0] = b->validity.len ? b->validity.data : NULL;
  b->buffers[1] = b->values.data;
  if (b->kind == ADP_STRUCT) {
    b->array.n_buffers = 1;
  } else if (adp_has_offsets(b->kind)) {
    b->buffers[1] = b->offsets.data;
    b->buffers[2] = b->values.data;
    b->array.n_buffers = b->kind == ADP_LIST ? 2 : 3;
  }
  for (int64_t i = 0; i < b->schema->n_children; i++) b->pointers[i] = adp_lay(&b->children[i]);
  return &b->array;
}

#endif
