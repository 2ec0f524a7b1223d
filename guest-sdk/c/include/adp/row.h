// Rows: structs whose members stand for columns, read from batches and added to builders.
#ifndef ADP_ROW_H
#define ADP_ROW_H

#include "builder.h"

// A declared field that has found its column.
typedef struct adp_bound {
  const adp_field *field;
  adp_column from;
  adp_builder *to;
  struct adp_bound *inner; // of a struct's members, or of a list's element
  int n;
} adp_bound;

static inline size_t adp_value_offset(const adp_field *f) { return f->optional ? adp_info_of(f->kind).align : 0; }

// The bytes that a list's element has.
static inline size_t adp_element_size(const adp_field *f) {
  if (f->kind == ADP_STRUCT) return f->optional ? sizeof(void *) : f->row->size;
  adp_kind_info k = adp_info_of(f->kind);
  return f->optional ? (size_t)k.align + k.size : k.size; // a flag takes as much as the alignment
}

static inline bool adp_fits(adp_kind c, adp_kind column) {
  if (c == ADP_TIMESTAMPTZ) return column == ADP_TIMESTAMPTZ || column == ADP_TIMESTAMP;
  return c == ADP_CHANGE ? column == ADP_STRING : c == column;
}

static inline void adp_check_kind(const char *where, const adp_field *f, const struct ArrowSchema *schema, adp_kind kind) {
  if (!adp_fits(f->kind, kind))
    ADP_WRONG("%s: column %s is %s, not %s", where, schema->name, kind == ADP_OTHER ? schema->format : adp_info_of(kind).word, adp_info_of(f->kind).word);
}

// ---- reading

static inline void adp_bind_from(adp_bound *b, const char *where, const adp_field *f, adp_column c, adp_arena *a);

static inline void adp_bind_members(adp_bound *b, const char *where, const adp_row *row, const struct ArrowSchema *schema,
                                    const struct ArrowArray *array, int64_t offset, int64_t rows, adp_arena *a) {
  b->n = row->n;
  b->inner = adp_arena_take(a, (size_t)row->n * sizeof *b->inner);
  for (int i = 0; i < row->n; i++) {
    const adp_field *f = &row->fields[i];
    int64_t at = adp_index_of(schema, f->name);
    if (at < 0) ADP_WRONG("%s: there is no column %s for struct %s; there are: %.*s", where, f->name, row->name, ADP_ARG(adp_names(schema)));
    adp_bind_from(&b->inner[i], where, f, adp_child(schema->children[at], array->children[at], offset, rows), a);
  }
}

static inline void adp_bind_from(adp_bound *b, const char *where, const adp_field *f, adp_column c, adp_arena *a) {
  *b = (adp_bound){.field = f, .from = c};
  adp_check_kind(where, f, c.schema, c.kind);
  if (f->kind == ADP_STRUCT) {
    adp_bind_members(b, where, f->row, c.schema, c.array, c.offset, c.rows, a);
  } else if (f->kind == ADP_LIST) {
    b->n = 1;
    b->inner = adp_arena_take(a, sizeof *b->inner);
    adp_bind_from(b->inner, where, f->element, adp_elements(&c), a);
  }
}

static inline void adp_read_value(const adp_bound *b, int64_t i, void *to, adp_arena *a);

static inline const char *adp_op_text(adp_op op) {
  static const char *const words[] = {ADP_ABI_OP_INSERT, ADP_ABI_OP_UPDATE_BEFORE, ADP_ABI_OP_UPDATE_AFTER, ADP_ABI_OP_DELETE};
  return op.code < 4 ? words[op.code] : "";
}

static inline adp_op adp_op_of(adp_str s) {
  for (uint8_t code = 0; code < 4; code++)
    if (adp_is(s, adp_op_text((adp_op){code}))) return (adp_op){code};
  ADP_WRONG("there is no change %.*s", ADP_ARG(s));
}

// Reads a value that is there.
static inline void adp_read_there(const adp_bound *b, int64_t i, void *to, adp_arena *a) {
  const adp_column *c = &b->from;
  switch (b->field->kind) {
  case ADP_BOOL: *(bool *)to = adp_bit(c->array->buffers[1], c->offset + i); break;
  case ADP_STRING: *(adp_str *)to = adp_str_at(c, i); break;
  case ADP_BINARY: *(adp_bin *)to = adp_bin_at(c, i); break;
  case ADP_CHANGE: *(adp_op *)to = adp_op_of(adp_str_at(c, i)); break;
  case ADP_LIST: {
    int32_t from = adp_offsets(c)[i], end = adp_offsets(c)[i + 1];
    size_t size = adp_element_size(b->field->element);
    unsigned char *items = adp_arena_take(a, (size_t)(end - from) * size + 1);
    for (int32_t j = from; j < end; j++) adp_read_value(b->inner, j, items + (size_t)(j - from) * size, a);
    *(adp_list *)to = (adp_list){items, (size_t)(end - from)};
    break;
  }
  case ADP_STRUCT:
    for (int j = 0; j < b->n; j++) adp_read_value(&b->inner[j], i, (unsigned char *)to + b->inner[j].field->offset, a);
    break;
  default: {
    size_t w = adp_info_of(c->kind).width;
    memcpy(to, (const unsigned char *)c->array->buffers[1] + (size_t)(c->offset + i) * w, w);
  }
  }
}

static inline void adp_read_value(const adp_bound *b, int64_t i, void *to, adp_arena *a) {
  const adp_field *f = b->field;
  bool null = adp_is_null(&b->from, i);
  if (!f->optional) {
    if (null)
      ADP_WRONG("column %s is null in row %lld of the batch: make its member %s", b->from.schema->name, (long long)i,
                f->kind == ADP_STRUCT ? "a pointer (ADP_OPT_STRUCT_AS)" : "an adp_opt_…");
    adp_read_there(b, i, to, a);
  } else if (f->kind == ADP_STRUCT) {
    void *inner = NULL;
    if (!null) adp_read_there(b, i, inner = adp_arena_take(a, f->row->size), a);
    *(void **)to = inner;
  } else {
    *(bool *)to = !null;
    unsigned char *value = (unsigned char *)to + adp_value_offset(f);
    if (null)
      memset(value, 0, adp_info_of(f->kind).size);
    else
      adp_read_there(b, i, value, a);
  }
}

// Iterates over the rows of a batch. What a row points to is there until the next one.
typedef struct {
  adp_bound bound;
  adp_arena *values;
  int64_t at, rows;
} adp_rows;

static inline adp_rows adp_rows_of(const adp_batch *batch, const adp_row *row) {
  adp_rows r = {.at = -1, .rows = batch->rows, .values = adp_arena_new()};
  adp_str where = adp_format("%s %.*s", batch->port->what, ADP_ARG(batch->port->name));
  adp_bind_members(&r.bound, where.data, row, batch->schema, batch->array, batch->array->offset, batch->rows, adp_arena_new());
  return r;
}

static inline bool adp_next(adp_rows *r, void *row) {
  if (++r->at >= r->rows) return false;
  adp_arena_reset(r->values);
  for (int j = 0; j < r->bound.n; j++)
    adp_read_value(&r->bound.inner[j], r->at, (unsigned char *)row + r->bound.inner[j].field->offset, r->values);
  return true;
}

// ADP_FOR(person, who, batch) { … who.name … } reads the rows of a batch into a struct person called who, one by one.
#define ADP_FOR(T, row, batch)                                                                                           \
  struct T row;                                                                                                          \
  for (adp_rows adp_rows_##row = adp_rows_of((batch), &T##_row); adp_next(&adp_rows_##row, &row);)

// ---- writing

static inline void adp_bind_to(adp_bound *b, const char *where, const adp_field *f, adp_builder *to);

// Every column needs a member, but for the one that is left out.
static inline void adp_bind_all(adp_bound *b, const char *where, const adp_row *row, adp_builder *columns, int64_t but) {
  const struct ArrowSchema *schema = columns->schema;
  b->n = row->n;
  b->inner = adp_must(calloc((size_t)row->n, sizeof *b->inner));
  for (int i = 0; i < row->n; i++) {
    const adp_field *f = &row->fields[i];
    int64_t at = adp_index_of(schema, f->name);
    if (at < 0 || at == but) ADP_WRONG("%s: there is no column %s for struct %s; there are: %.*s", where, f->name, row->name, ADP_ARG(adp_names(schema)));
    adp_bind_to(&b->inner[i], where, f, &columns->children[at]);
  }
  for (int64_t at = 0; at < schema->n_children; at++) {
    bool found = at == but;
    for (int i = 0; i < row->n && !found; i++) found = strcmp(row->fields[i].name, schema->children[at]->name) == 0;
    if (!found) ADP_WRONG("%s: struct %s has no member for column %s", where, row->name, schema->children[at]->name);
  }
}

static inline void adp_bind_to(adp_bound *b, const char *where, const adp_field *f, adp_builder *to) {
  *b = (adp_bound){.field = f, .to = to};
  adp_check_kind(where, f, to->schema, to->kind);
  if (f->kind == ADP_STRUCT) adp_bind_all(b, where, f->row, to, -1);
  if (f->kind == ADP_LIST) {
    b->n = 1;
    b->inner = adp_must(calloc(1, sizeof *b->inner));
    adp_bind_to(b->inner, where, f->element, &to->children[0]);
  }
}

static inline void adp_unbind(adp_bound *b) {
  for (int i = 0; i < b->n; i++) adp_unbind(&b->inner[i]);
  free(b->inner);
}

static inline void adp_write_value(const adp_bound *b, const void *from) {
  const adp_field *f = b->field;
  if (f->optional) {
    if (f->kind == ADP_STRUCT ? !*(void *const *)from : !*(const bool *)from) {
      adp_add_null(b->to);
      return;
    }
    from = f->kind == ADP_STRUCT ? *(void *const *)from : (const unsigned char *)from + adp_value_offset(f);
  }
  switch (f->kind) {
  case ADP_BOOL: adp_add_bool(b->to, *(const bool *)from); break;
  case ADP_STRING: adp_add_str(b->to, *(const adp_str *)from); break;
  case ADP_BINARY: adp_add_bin(b->to, *(const adp_bin *)from); break;
  case ADP_CHANGE: adp_add_str(b->to, adp_text(adp_op_text(*(const adp_op *)from))); break;
  case ADP_LIST: {
    const adp_list *list = from;
    size_t size = adp_element_size(f->element);
    for (size_t j = 0; j < list->len; j++) adp_write_value(b->inner, (const unsigned char *)list->items + j * size);
    adp_end_list(b->to);
    break;
  }
  case ADP_STRUCT:
    for (int j = 0; j < b->n; j++) adp_write_value(&b->inner[j], (const unsigned char *)from + b->inner[j].field->offset);
    adp_end_struct(b->to);
    break;
  default: adp_push(b->to, from, adp_info_of(b->to->kind).width);
  }
}

#endif
