// Values of columns in C, and what rows of them look like.
#ifndef ADP_TYPES_H
#define ADP_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// UTF-8, not terminated. What comes from a batch is valid until the callback returns.
typedef struct {
  const char *data;
  size_t len;
} adp_str;

typedef struct {
  const uint8_t *data;
  size_t len;
} adp_bin;

// A decimal is its unscaled value: 12.34 at scale 2 is 1234.
typedef struct {
  __int128 unscaled;
} adp_decimal;

// Days since 1970-01-01.
typedef struct {
  int32_t days;
} adp_date;

// Microseconds since midnight.
typedef struct {
  int64_t micros;
} adp_time;

// Microseconds since 1970-01-01T00:00:00: an instant (UTC) in a timestamptz column, a local time in a timestamp column.
typedef struct {
  int64_t micros;
} adp_timestamp;

// The elements of a list, of the C type that the row's declaration names: ADP_AT(row.tags, adp_str, i).
typedef struct {
  const void *items;
  size_t len;
} adp_list;

#define ADP_AT(list, type, i) (((const type *)(list).items)[i])

// What happened to a row of an input that delivers changes; member of a row for the column _op.
typedef struct {
  uint8_t code;
} adp_op;

enum { ADP_OP_INSERT, ADP_OP_UPDATE_BEFORE, ADP_OP_UPDATE_AFTER, ADP_OP_DELETE };

// Whether the row is there after the change.
static inline bool adp_adds(adp_op op) { return op.code == ADP_OP_INSERT || op.code == ADP_OP_UPDATE_AFTER; }

// Values that may be missing, for nullable columns: {true, value}, or {0} for none.
#define ADP_OPT(type) \
  struct {            \
    bool has;         \
    type value;       \
  }
typedef ADP_OPT(bool) adp_opt_bool;
typedef ADP_OPT(int32_t) adp_opt_i32;
typedef ADP_OPT(int64_t) adp_opt_i64;
typedef ADP_OPT(float) adp_opt_f32;
typedef ADP_OPT(double) adp_opt_f64;
typedef ADP_OPT(adp_decimal) adp_opt_decimal;
typedef ADP_OPT(adp_date) adp_opt_date;
typedef ADP_OPT(adp_time) adp_opt_time;
typedef ADP_OPT(adp_timestamp) adp_opt_timestamp;
typedef ADP_OPT(adp_str) adp_opt_str;
typedef ADP_OPT(adp_bin) adp_opt_bin;
typedef ADP_OPT(adp_list) adp_opt_list;

// Kinds of columns (abi/SPEC.md §10). Other Arrow types, which a product asks for by forms, are ADP_OTHER: their ArrowArray is there.
typedef enum {
  ADP_OTHER,
  ADP_BOOL,
  ADP_INT32,
  ADP_INT64,
  ADP_FLOAT32,
  ADP_FLOAT64,
  ADP_DECIMAL,
  ADP_DATE,
  ADP_TIME,
  ADP_TIMESTAMP,
  ADP_TIMESTAMPTZ,
  ADP_STRING,
  ADP_BINARY,
  ADP_LIST,
  ADP_STRUCT,
  ADP_CHANGE, // a string column that is read as an adp_op
} adp_kind;

// What is known of a kind: its word, its bytes in a buffer (0: not of one size), and its C type.
typedef struct {
  const char *word;
  uint8_t width;
  uint8_t size, align; // of the C type
  const char *format;  // of the Arrow C Data Interface
} adp_kind_info;

static inline adp_kind_info adp_info_of(adp_kind kind) {
#define ADP_INFO(word, width, type, format) ((adp_kind_info){word, width, sizeof(type), _Alignof(type), format})
  switch (kind) {
  case ADP_BOOL: return ADP_INFO("bool", 0, bool, "b");
  case ADP_INT32: return ADP_INFO("int32", 4, int32_t, "i");
  case ADP_INT64: return ADP_INFO("int64", 8, int64_t, "l");
  case ADP_FLOAT32: return ADP_INFO("float32", 4, float, "f");
  case ADP_FLOAT64: return ADP_INFO("float64", 8, double, "g");
  case ADP_DECIMAL: return ADP_INFO("decimal", 16, adp_decimal, "d:38,0");
  case ADP_DATE: return ADP_INFO("date", 4, adp_date, "tdD");
  case ADP_TIME: return ADP_INFO("time", 8, adp_time, "ttu");
  case ADP_TIMESTAMP: return ADP_INFO("timestamp", 8, adp_timestamp, "tsu:");
  case ADP_TIMESTAMPTZ: return ADP_INFO("timestamptz", 8, adp_timestamp, "tsu:UTC");
  case ADP_STRING: return ADP_INFO("string", 0, adp_str, "u");
  case ADP_BINARY: return ADP_INFO("binary", 0, adp_bin, "z");
  case ADP_LIST: return ADP_INFO("list", 0, adp_list, "+l");
  case ADP_STRUCT: return ADP_INFO("struct", 0, void *, "+s");
  case ADP_CHANGE: return ADP_INFO("change", 0, adp_op, "u");
  default: return ADP_INFO("of another type", 0, void *, "");
  }
#undef ADP_INFO
}

// The kind that a format of the Arrow C Data Interface stands for.
static inline adp_kind adp_kind_of_format(const char *format) {
  if (strncmp(format, "d:", 2) == 0) {
    const char *comma = strchr(format, ',');
    return comma && !strchr(comma + 1, ',') ? ADP_DECIMAL : ADP_OTHER; // a third number: another size
  }
  for (int k = ADP_BOOL; k <= ADP_STRUCT; k++)
    if (k != ADP_DECIMAL && strcmp(format, adp_info_of((adp_kind)k).format) == 0) return (adp_kind)k;
  return ADP_OTHER;
}

// A column as a row's declaration has it.
typedef struct adp_field {
  const char *name; // of the column
  adp_kind kind;
  bool optional;                   // an adp_opt_…, or a pointer to a struct
  size_t offset;                   // of the member in its struct
  const struct adp_row *row;       // of a struct
  const struct adp_field *element; // of a list
} adp_field;

// A struct whose members stand for columns.
typedef struct adp_row {
  const char *name;
  size_t size;
  int n;
  const adp_field *fields;
} adp_row;

#define ADP_OPTIONAL 128
#define ADP_TYPE_OF(x)                                                                                                   \
  _Generic((x),                                                                                                          \
      bool: ADP_BOOL,                                                                                                    \
      int32_t: ADP_INT32,                                                                                                \
      int64_t: ADP_INT64,                                                                                                \
      float: ADP_FLOAT32,                                                                                                \
      double: ADP_FLOAT64,                                                                                               \
      adp_decimal: ADP_DECIMAL,                                                                                          \
      adp_date: ADP_DATE,                                                                                                \
      adp_time: ADP_TIME,                                                                                                \
      adp_timestamp: ADP_TIMESTAMPTZ,                                                                                    \
      adp_str: ADP_STRING,                                                                                               \
      adp_bin: ADP_BINARY,                                                                                               \
      adp_list: ADP_LIST,                                                                                                \
      adp_op: ADP_CHANGE,                                                                                                \
      adp_opt_bool: ADP_BOOL | ADP_OPTIONAL,                                                                             \
      adp_opt_i32: ADP_INT32 | ADP_OPTIONAL,                                                                             \
      adp_opt_i64: ADP_INT64 | ADP_OPTIONAL,                                                                             \
      adp_opt_f32: ADP_FLOAT32 | ADP_OPTIONAL,                                                                           \
      adp_opt_f64: ADP_FLOAT64 | ADP_OPTIONAL,                                                                           \
      adp_opt_decimal: ADP_DECIMAL | ADP_OPTIONAL,                                                                       \
      adp_opt_date: ADP_DATE | ADP_OPTIONAL,                                                                             \
      adp_opt_time: ADP_TIME | ADP_OPTIONAL,                                                                             \
      adp_opt_timestamp: ADP_TIMESTAMPTZ | ADP_OPTIONAL,                                                                 \
      adp_opt_str: ADP_STRING | ADP_OPTIONAL,                                                                            \
      adp_opt_bin: ADP_BINARY | ADP_OPTIONAL,                                                                            \
      adp_opt_list: ADP_LIST | ADP_OPTIONAL)

#define ADP_FIELD_(T, member, as, r, e)                                                                                  \
  {                                                                                                                      \
    .name = (as), .kind = (adp_kind)(ADP_TYPE_OF(((struct T *)0)->member) & ~ADP_OPTIONAL),                              \
    .optional = (ADP_TYPE_OF(((struct T *)0)->member) & ADP_OPTIONAL) != 0, .offset = offsetof(struct T, member),        \
    .row = (r), .element = (e)                                                                                           \
  }

// ADP_FIELD(T, member) is the column of the member's name; ADP_AS(T, member, "column") that of another one.
#define ADP_FIELD(T, member) ADP_FIELD_(T, member, #member, NULL, NULL)
#define ADP_AS(T, member, column) ADP_FIELD_(T, member, column, NULL, NULL)

// A member that is another row (struct R member), or a pointer to one for a nullable column (const struct R *member).
#define ADP_STRUCT_AS(T, member, column, R)                                                                              \
  { .name = (column), .kind = ADP_STRUCT, .offset = offsetof(struct T, member), .row = &R##_row }
#define ADP_OPT_STRUCT_AS(T, member, column, R)                                                                          \
  { .name = (column), .kind = ADP_STRUCT, .optional = true, .offset = offsetof(struct T, member), .row = &R##_row }

// A list of values of a C type (adp_str, adp_opt_i64, …), of rows (struct R), or of pointers to rows that may be null.
#define ADP_LIST_AS(T, member, column, type)                                                                             \
  ADP_FIELD_(T, member, column, NULL,                                                                                    \
             (&(const adp_field){.name = "item", .kind = (adp_kind)(ADP_TYPE_OF(*(type *)0) & ~ADP_OPTIONAL),            \
                                 .optional = (ADP_TYPE_OF(*(type *)0) & ADP_OPTIONAL) != 0}))
#define ADP_LIST_OF_AS(T, member, column, R)                                                                             \
  ADP_FIELD_(T, member, column, NULL, (&(const adp_field){.name = "item", .kind = ADP_STRUCT, .row = &R##_row}))
#define ADP_LIST_OF_OPT_AS(T, member, column, R)                                                                         \
  ADP_FIELD_(T, member, column, NULL,                                                                                    \
             (&(const adp_field){.name = "item", .kind = ADP_STRUCT, .optional = true, .row = &R##_row}))

#define ADP_STRUCT_MEMBER(T, member, R) ADP_STRUCT_AS(T, member, #member, R)
#define ADP_LIST_MEMBER(T, member, type) ADP_LIST_AS(T, member, #member, type)

// ADP_ROW_OF(T, fields…) makes struct T a row, called T_row.
#define ADP_ROW_OF(T, ...)                                                                                               \
  static const adp_field T##_fields[] = {__VA_ARGS__};                                                                   \
  static const adp_row T##_row = {#T, sizeof(struct T), sizeof T##_fields / sizeof *T##_fields, T##_fields}

// ADP_ROW(T, members…) does, where each member stands for the column of its name.
#define ADP_ROW(T, ...) ADP_ROW_OF(T, ADP_EACH(ADP_FIELD, T, __VA_ARGS__))

// ADP_EACH(m, T, a, b, …) is m(T, a), m(T, b), …, for up to some hundred of them.
#define ADP_EACH(m, T, ...) ADP_AGAIN(ADP_EACH_1(m, T, __VA_ARGS__))
#define ADP_EACH_1(m, T, a, ...) m(T, a) __VA_OPT__(, ADP_EACH_2 ADP_PARENS(m, T, __VA_ARGS__))
#define ADP_EACH_2() ADP_EACH_1
#define ADP_PARENS ()
#define ADP_AGAIN(...) ADP_AGAIN_3(ADP_AGAIN_3(ADP_AGAIN_3(ADP_AGAIN_3(__VA_ARGS__))))
#define ADP_AGAIN_3(...) ADP_AGAIN_2(ADP_AGAIN_2(ADP_AGAIN_2(ADP_AGAIN_2(__VA_ARGS__))))
#define ADP_AGAIN_2(...) ADP_AGAIN_1(ADP_AGAIN_1(ADP_AGAIN_1(ADP_AGAIN_1(__VA_ARGS__))))
#define ADP_AGAIN_1(...) __VA_ARGS__

// Text of a C string, and back for printf: printf("%.*s", ADP_ARG(name)).
static inline adp_str adp_text(const char *s) { return (adp_str){s, strlen(s)}; }
#define ADP_ARG(s) (int)(s).len, (s).data

static inline bool adp_equal(adp_str a, adp_str b) { return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0); }
static inline bool adp_is(adp_str a, const char *b) { return adp_equal(a, adp_text(b)); }

#endif
