// Reading from driver bindings.
#ifndef ADP_DRIVER_H
#define ADP_DRIVER_H

#include "column.h"

// Reads the batches that a binding answers. The request means what its driver says; an empty one asks for everything. What was
// read is recorded with the run, so that a replay sees it again.
typedef struct {
  adp_batch batch; // the present one, until the next
  uint32_t reader;
  void *memory;
  size_t cap;
} adp_reader;

static inline adp_reader adp_read(const char *binding, adp_str request) {
  const adp_port *port = adp_port_of("binding", binding);
  int64_t r = adp_host_driver_open(port->index, request.data, request.len);
  if (r < 0) ADP_WRONG("open binding %s: %s", binding, adp_status_text(-r));
  return (adp_reader){.batch = {.port = port, .schema = port->schema}, .reader = (uint32_t)r};
}

static inline void adp_reader_close(adp_reader *r) {
  free(r->memory);
  r->memory = NULL;
  ADP_REFUSED(adp_host_driver_close(r->reader), "close binding %.*s", ADP_ARG(r->batch.port->name));
}

// The next batch, in r->batch; false and closed when there are no more.
static inline bool adp_reader_next(adp_reader *r) {
  for (;;) {
    int64_t n = adp_host_driver_next(r->reader, r->memory, r->cap);
    if (n < 0) ADP_WRONG("read binding %.*s: %s", ADP_ARG(r->batch.port->name), adp_status_text(-n));
    if (n == 0) {
      adp_reader_close(r);
      return false;
    }
    if (n <= (int64_t)r->cap) {
      r->batch.array = r->memory;
      r->batch.rows = r->batch.array->length;
      return true;
    }
    free(r->memory);
    r->cap = ((size_t)n + ADP_ABI_ALIGNMENT - 1) & ~(size_t)(ADP_ABI_ALIGNMENT - 1);
    r->memory = adp_must(aligned_alloc(ADP_ABI_ALIGNMENT, r->cap));
  }
}

#endif
