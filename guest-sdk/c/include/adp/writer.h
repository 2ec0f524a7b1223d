// Rows on their way out.
#ifndef ADP_WRITER_H
#define ADP_WRITER_H

#include "row.h"

// Rows are emitted when this many have come together, or this many bytes.
#define ADP_BATCH_ROWS 8192
#define ADP_BATCH_BYTES (4 << 20)

// The rows of one output, or binding with write access, that have not been emitted yet.
typedef struct adp_writer {
  const adp_port *port;
  adp_builder root;
  int64_t op; // the column _op of upsert outputs, or -1
  const adp_row *row;
  adp_bound bound; // of that row
  struct adp_writer *next;
} adp_writer;

// The writer of the named output, or of the binding with write access where there is no such output.
static inline adp_writer *adp_writer_of(const char *name) {
  const adp_port *port = adp_find_port("output", name);
  if (!port) {
    const adp_port *binding = adp_find_port("binding", name);
    port = binding && binding->mode == ADP_ABI_MODE_WRITE ? binding : adp_port_of("output", name);
  }
  for (adp_writer *w = adp_run.writers; w; w = w->next)
    if (w->port == port) return w;
  adp_writer *w = adp_must(calloc(1, sizeof *w));
  w->port = port;
  w->op = port->mode == ADP_ABI_MODE_UPSERT ? adp_index_of(port->schema, ADP_ABI_COLUMN_OP) : -1;
  adp_builder_init(&w->root, port->schema);
  w->next = adp_run.writers;
  adp_run.writers = w;
  return w;
}

static inline void adp_accept(adp_writer *w, const adp_row *row) {
  if (w->row == row) return;
  if (w->row) adp_unbind(&w->bound);
  w->row = row;
  adp_str where = adp_format("%s %.*s", w->port->what, ADP_ARG(w->port->name));
  adp_bind_all(&w->bound, where.data, row, &w->root, w->op);
}

// The same writer for rows of one struct: adp_writer *risks = ADP_OUTPUT("risk", risk).
static inline adp_writer *adp_output(const char *name, const adp_row *row) {
  adp_writer *w = adp_writer_of(name);
  adp_accept(w, row);
  return w;
}
#define ADP_OUTPUT(name, T) adp_output((name), &T##_row)

static inline void adp_add_row(adp_writer *w, const adp_row *row, const void *value) {
  adp_accept(w, row);
  for (int j = 0; j < w->bound.n; j++)
    adp_write_value(&w->bound.inner[j], (const unsigned char *)value + w->bound.inner[j].field->offset);
}

static inline void adp_fill_ops(adp_writer *w, int64_t n) {
  if (w->op < 0) return;
  while (w->root.children[w->op].len < n) adp_absent(&w->root.children[w->op]); // null: an upsert
}

static inline int64_t adp_pending(const adp_writer *w) {
  int64_t first = w->op == 0 ? 1 : 0;
  return first < w->root.schema->n_children ? w->root.children[first].len : 0;
}

// Emits the rows so far. There is no need to: it happens after each callback when many have come together, and at the end.
static inline void adp_send(adp_writer *w) {
  int64_t n = adp_pending(w);
  adp_fill_ops(w, n);
  for (int64_t j = 0; j < w->root.schema->n_children; j++)
    if (w->root.children[j].len != n)
      ADP_WRONG("%s %.*s got columns of different length: %s has %lld rows, %s %lld", w->port->what, ADP_ARG(w->port->name),
                w->root.children[0].schema->name, (long long)w->root.children[0].len, w->root.children[j].schema->name,
                (long long)w->root.children[j].len);
  if (n == 0 || adp_run.failure) return;
  w->root.len = n;
  struct ArrowArray *array = adp_lay(&w->root);
  bool output = w->port->mode != ADP_ABI_MODE_WRITE;
  int32_t status = output ? adp_host_emit(w->port->index, array) : adp_host_driver_write(w->port->index, array);
  ADP_REFUSED(status, "%s %.*s", w->port->what, ADP_ARG(w->port->name));
  adp_builder_clear(&w->root);
}

// Emits columns that somebody else has built, nanoarrow for one: a struct of the port's columns. They remain the caller's.
static inline void adp_send_array(adp_writer *w, const struct ArrowArray *array) {
  adp_send(w); // in order
  if (adp_run.failure) return;
  bool output = w->port->mode != ADP_ABI_MODE_WRITE;
  int32_t status = output ? adp_host_emit(w->port->index, array) : adp_host_driver_write(w->port->index, array);
  ADP_REFUSED(status, "%s %.*s", w->port->what, ADP_ARG(w->port->name));
}

static inline void adp_send_full(adp_writer *w) {
  if (adp_pending(w) >= ADP_BATCH_ROWS || adp_builder_bytes(&w->root) >= ADP_BATCH_BYTES) adp_send(w);
}

// Adds a row; an upsert output puts it in the place of the one with the same key.
static inline void adp_emit_row(adp_writer *w, const adp_row *row, const void *value) {
  adp_add_row(w, row, value);
  if (w->port->mode == ADP_ABI_MODE_WRITE) adp_send_full(w);
}

// Removes the row with the same key from an upsert output; the other columns are not looked at.
static inline void adp_delete_row(adp_writer *w, const adp_row *row, const void *value) {
  if (w->op < 0) ADP_WRONG("%s %.*s is no upsert output: rows cannot be deleted from it", w->port->what, ADP_ARG(w->port->name));
  adp_fill_ops(w, adp_pending(w));
  adp_add_row(w, row, value);
  adp_add_str(&w->root.children[w->op], adp_text(ADP_ABI_OP_DELETE));
}

// ADP_EMIT(risks, risk, {.airport = code, .strikes = n}) and ADP_DELETE(risks, risk, {.airport = code}).
#define ADP_EMIT(writer, T, ...) adp_emit_row((writer), &T##_row, &(struct T)__VA_ARGS__)
#define ADP_DELETE(writer, T, ...) adp_delete_row((writer), &T##_row, &(struct T)__VA_ARGS__)

// A column to add to by hand, for outputs that are written column by column.
static inline adp_builder *adp_builder_at(adp_writer *w, int64_t j) { return &w->root.children[j]; }

static inline adp_builder *adp_builder_of(adp_writer *w, const char *name) {
  int64_t j = adp_index_of(w->root.schema, name);
  if (j < 0) ADP_WRONG("%s %.*s has no column %s; it has: %.*s", w->port->what, ADP_ARG(w->port->name), name, ADP_ARG(adp_names(w->root.schema)));
  return &w->root.children[j];
}

#endif
