// The structs of the Arrow C Data Interface, and the open block that leads to them. Libraries that speak the interface, like
// nanoarrow, define the structs under the same guard: whoever comes first defines them.
#ifndef ADP_ARROW_H
#define ADP_ARROW_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

#endif // ARROW_C_DATA_INTERFACE

// Nothing here has streams, but libraries take the two interfaces for defined together.
#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
  int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
  const char *(*get_last_error)(struct ArrowArrayStream *);
  void (*release)(struct ArrowArrayStream *);
  void *private_data;
};

#endif // ARROW_C_STREAM_INTERFACE

// A port of the open block (abi/SPEC.md §5).
struct adp_block_port {
  const char *name; // not terminated
  uint32_t name_len;
  uint32_t mode;
  struct ArrowSchema *schema;
};

// The open block. In the sandbox this is its layout byte for byte; a test's host has one with the machine's own pointers.
struct adp_block {
  uint32_t version;
  uint32_t n_inputs;
  struct adp_block_port *inputs;
  uint32_t n_outputs;
  struct adp_block_port *outputs;
  uint32_t n_bindings;
  struct adp_block_port *bindings;
  uint32_t flags;
};

#ifdef __wasm32__
#define ADP_LAID(type, member, at) _Static_assert(offsetof(struct type, member) == (at), #type "." #member)
_Static_assert(sizeof(struct ArrowArray) == ADP_ABI_ARRAY_SIZE, "ArrowArray");
ADP_LAID(ArrowArray, length, ADP_ABI_ARRAY_LENGTH);
ADP_LAID(ArrowArray, null_count, ADP_ABI_ARRAY_NULL_COUNT);
ADP_LAID(ArrowArray, offset, ADP_ABI_ARRAY_OFFSET);
ADP_LAID(ArrowArray, n_buffers, ADP_ABI_ARRAY_N_BUFFERS);
ADP_LAID(ArrowArray, n_children, ADP_ABI_ARRAY_N_CHILDREN);
ADP_LAID(ArrowArray, buffers, ADP_ABI_ARRAY_BUFFERS);
ADP_LAID(ArrowArray, children, ADP_ABI_ARRAY_CHILDREN);
ADP_LAID(ArrowArray, dictionary, ADP_ABI_ARRAY_DICTIONARY);
_Static_assert(sizeof(struct ArrowSchema) == ADP_ABI_SCHEMA_SIZE, "ArrowSchema");
ADP_LAID(ArrowSchema, format, ADP_ABI_SCHEMA_FORMAT);
ADP_LAID(ArrowSchema, name, ADP_ABI_SCHEMA_NAME);
ADP_LAID(ArrowSchema, flags, ADP_ABI_SCHEMA_FLAGS);
ADP_LAID(ArrowSchema, n_children, ADP_ABI_SCHEMA_N_CHILDREN);
ADP_LAID(ArrowSchema, children, ADP_ABI_SCHEMA_CHILDREN);
ADP_LAID(ArrowSchema, dictionary, ADP_ABI_SCHEMA_DICTIONARY);
ADP_LAID(ArrowSchema, release, ADP_ABI_SCHEMA_RELEASE);
_Static_assert(sizeof(struct adp_block_port) == ADP_ABI_PORT_SIZE, "port");
ADP_LAID(adp_block_port, name, ADP_ABI_PORT_NAME);
ADP_LAID(adp_block_port, name_len, ADP_ABI_PORT_NAME_LEN);
ADP_LAID(adp_block_port, mode, ADP_ABI_PORT_MODE);
ADP_LAID(adp_block_port, schema, ADP_ABI_PORT_SCHEMA);
_Static_assert(sizeof(struct adp_block) == ADP_ABI_OPEN_SIZE, "open block");
ADP_LAID(adp_block, version, ADP_ABI_OPEN_VERSION);
ADP_LAID(adp_block, n_inputs, ADP_ABI_OPEN_N_INPUTS);
ADP_LAID(adp_block, inputs, ADP_ABI_OPEN_INPUTS);
ADP_LAID(adp_block, n_outputs, ADP_ABI_OPEN_N_OUTPUTS);
ADP_LAID(adp_block, outputs, ADP_ABI_OPEN_OUTPUTS);
ADP_LAID(adp_block, n_bindings, ADP_ABI_OPEN_N_BINDINGS);
ADP_LAID(adp_block, bindings, ADP_ABI_OPEN_BINDINGS);
ADP_LAID(adp_block, flags, ADP_ABI_OPEN_FLAGS);
#undef ADP_LAID
#endif

#endif
