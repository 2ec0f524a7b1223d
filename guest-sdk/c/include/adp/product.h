// What the module exports.
#ifndef ADP_PRODUCT_H
#define ADP_PRODUCT_H

#include "writer.h"

static inline void adp_schema_kept(struct ArrowSchema *schema) { (void)schema; }

// Marks schemas as alive, which libraries that take them ask for. They are the open block's, which is the guest's.
static inline void adp_keep_schema(struct ArrowSchema *s) {
  s->release = adp_schema_kept;
  for (int64_t i = 0; i < s->n_children; i++) adp_keep_schema(s->children[i]);
  if (s->dictionary) adp_keep_schema(s->dictionary);
}

static inline adp_port *adp_read_ports(adp_port *to, const char *what, const struct adp_block_port *ports, uint32_t n) {
  for (uint32_t i = 0; i < n; i++, to++) {
    adp_keep_schema(ports[i].schema);
    *to = (adp_port){what, {ports[i].name, ports[i].name_len}, i, ports[i].mode, ports[i].schema};
  }
  return to;
}

// Ends a callback and gives its status: what failed is logged.
static inline int32_t adp_status_of(const char *callback, int failed) {
  if (failed && !adp_run.failure) adp_fail("%s returned %d", callback, failed);
  adp_callback_over();
  if (!adp_run.failure) return ADP_ABI_OK;
  adp_host_log(ADP_ABI_LOG_ERROR, adp_run.failure, strnlen(adp_run.failure, ADP_ABI_MAX_LOG_MESSAGE));
  return ADP_ABI_FAILED;
}

static inline void *adp_export_alloc(uint32_t size) {
  size_t lines = ((size_t)size + ADP_ABI_ALIGNMENT - 1) / ADP_ABI_ALIGNMENT; // 0 when it is more than there can be
  return lines || !size ? aligned_alloc(ADP_ABI_ALIGNMENT, (lines ? lines : 1) * ADP_ABI_ALIGNMENT) : NULL;
}

static inline int32_t adp_export_open(const adp_product *product, const struct adp_block *block) {
  adp_run.product = product;
  if (block->version != ADP_ABI_VERSION)
    return adp_status_of("open", adp_fail("the host speaks ABI %u, this module %d", (unsigned)block->version, ADP_ABI_VERSION));
  adp_run.n_inputs = block->n_inputs;
  adp_run.n_outputs = block->n_outputs;
  adp_run.n_bindings = block->n_bindings;
  adp_run.rebuild = block->flags & ADP_ABI_OPEN_REBUILD;
  adp_run.ports = adp_must(calloc((size_t)block->n_inputs + block->n_outputs + block->n_bindings + 1, sizeof(adp_port)));
  adp_port *next = adp_read_ports(adp_run.ports, "input", block->inputs, block->n_inputs);
  next = adp_read_ports(next, "output", block->outputs, block->n_outputs);
  adp_read_ports(next, "binding", block->bindings, block->n_bindings);
  int failed = adp_run.product->open();
  adp_run.opened = !failed;
  return adp_status_of("open", failed);
}

static inline int32_t adp_export_process(uint32_t input, const struct ArrowArray *array) {
  if (!adp_run.opened || input >= adp_run.n_inputs) return adp_status_of("process", adp_fail("process before open, or of an input that is not there"));
  const adp_port *port = &adp_run.ports[input];
  adp_batch batch = {port, array->length, port->schema, array};
  int failed = adp_run.product->process(&batch);
  if (!failed && !adp_run.failure)
    for (adp_writer *w = adp_run.writers; w; w = w->next) adp_send_full(w);
  return adp_status_of("process", failed);
}

static inline int32_t adp_export_flush(void) {
  if (!adp_run.opened) return adp_status_of("flush", adp_fail("flush before open"));
  int failed = adp_run.product->flush ? adp_run.product->flush() : 0;
  if (!failed && !adp_run.failure)
    for (adp_writer *w = adp_run.writers; w; w = w->next) adp_send(w);
  return adp_status_of("flush", failed);
}

#ifdef __wasm32__
#define ADP_EXPORT(name) __attribute__((export_name(#name)))
// ADP_PRODUCT(open, process, flush) makes three functions the product of this module. open is called once in a run, process for each
// batch, flush (which may be NULL) at the end. They return 0, or what adp_fail returns.
#define ADP_PRODUCT(on_open, on_process, on_flush)                                                                       \
  static const adp_product adp_product_here = {on_open, on_process, on_flush};                                           \
  ADP_EXPORT(adp_abi) int32_t adp_export_abi_here(void) { return ADP_ABI_VERSION; }                                      \
  ADP_EXPORT(adp_alloc) void *adp_export_alloc_here(uint32_t size) { return adp_export_alloc(size); }                    \
  ADP_EXPORT(adp_free) void adp_export_free_here(void *ptr, uint32_t size) { (void)size, free(ptr); }                    \
  ADP_EXPORT(adp_open) int32_t adp_export_open_here(const struct adp_block *block, uint32_t size) {                      \
    (void)size;                                                                                                          \
    return adp_export_open(&adp_product_here, block);                                                                    \
  }                                                                                                                      \
  ADP_EXPORT(adp_process) int32_t adp_export_process_here(uint32_t input, const struct ArrowArray *array) {              \
    return adp_export_process(input, array);                                                                             \
  }                                                                                                                      \
  ADP_EXPORT(adp_flush) int32_t adp_export_flush_here(void) { return adp_export_flush(); }                               \
  /* assert says it as a panic does, instead of to a stream that nobody reads */                                         \
  _Noreturn void __assert_fail(const char *expr, const char *file, int line, const char *function) {                     \
    adp_panic_at(file, line, function, "assertion failed: %s", expr);                                                    \
  }                                                                                                                      \
  _Static_assert(sizeof(void *) == 4, "a product is a 32-bit module")
#else
#define ADP_PRODUCT(on_open, on_process, on_flush) const adp_product adp_product_here = {on_open, on_process, on_flush}
extern const adp_product adp_product_here;
#endif

#endif
