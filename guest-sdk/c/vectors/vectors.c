// Reads the golden vectors of abi/abitest and logs what they mean, in their notation: the kit reads the layout as all the others do.
#include <adp.h>
#include <inttypes.h>

static adp_buffer line;

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  memcpy(adp_buffer_more(&line, (size_t)n), text, (size_t)n);
}

static void end_line(void) {
  adp_log(ADP_ABI_LOG_INFO, (adp_str){(char *)line.data, line.len});
  line.len = 0;
}

static void put_fields(const struct ArrowSchema *s, int indent) {
  for (int64_t i = 0; i < s->n_children; i++) {
    const struct ArrowSchema *c = s->children[i];
    put("%*s%s %s%s", indent, "", c->name, c->format, c->flags & ADP_ABI_FLAG_NULLABLE ? "?" : "");
    end_line();
    put_fields(c, indent + 2);
  }
}

static int begin(void) {
  put("rebuild %s", adp_rebuilding() ? "true" : "false");
  end_line();
  for (uint32_t i = 0; i < adp_run.n_inputs + adp_run.n_outputs + adp_run.n_bindings; i++) {
    const adp_port *p = &adp_run.ports[i];
    put("%s %.*s %s", p->what, ADP_ARG(p->name), adp_mode_text(p->mode));
    end_line();
    put_fields(p->schema, 2);
  }
  return 0;
}

static void put_decimal(adp_decimal d) {
  adp_str text = adp_decimal_text(d, 0);
  put("%.*s", ADP_ARG(text));
}

static void put_text(adp_str s) {
  adp_str quoted = adp_json_quote(s);
  memcpy(adp_buffer_more(&line, quoted.len), quoted.data, quoted.len);
}

static void put_bits(double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  put("f%016" PRIx64, v != v ? UINT64_C(0x7ff8000000000001) : bits);
}

static void put_bits32(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  put("f%08" PRIx32, v != v ? UINT32_C(0x7fc00000) : bits);
}

static void put_value(const adp_column *c, int64_t i) {
  if (adp_is_null(c, i)) {
    put("null");
    return;
  }
  switch (c->kind) {
  case ADP_BOOL: put("%s", adp_bool_at(c, i) ? "true" : "false"); break;
  case ADP_INT32: put("%" PRId32, adp_i32s(c)[i]); break;
  case ADP_INT64: put("%" PRId64, adp_i64s(c)[i]); break;
  case ADP_FLOAT32: put_bits32(adp_f32s(c)[i]); break;
  case ADP_FLOAT64: put_bits(adp_f64s(c)[i]); break;
  case ADP_DECIMAL: put_decimal(adp_decimals(c)[i]); break;
  case ADP_DATE: put("%" PRId32, adp_dates(c)[i].days); break;
  case ADP_TIME: put("%" PRId64, adp_times(c)[i].micros); break;
  case ADP_TIMESTAMP:
  case ADP_TIMESTAMPTZ: put("%" PRId64, adp_timestamps(c)[i].micros); break;
  case ADP_STRING: put_text(adp_str_at(c, i)); break;
  case ADP_BINARY: {
    adp_bin b = adp_bin_at(c, i);
    put("x'");
    for (size_t j = 0; j < b.len; j++) put("%02x", b.data[j]);
    put("'");
    break;
  }
  case ADP_LIST: {
    adp_column elements = adp_elements(c);
    put("[");
    for (int32_t j = adp_offsets(c)[i]; j < adp_offsets(c)[i + 1]; j++) {
      if (j > adp_offsets(c)[i]) put(", ");
      put_value(&elements, j);
    }
    put("]");
    break;
  }
  case ADP_STRUCT:
    put("[");
    for (int64_t j = 0; j < c->schema->n_children; j++) {
      adp_column member = adp_member(c, j);
      if (j) put(", ");
      put_value(&member, i);
    }
    put("]");
    break;
  default: put("?");
  }
}

static int process(const adp_batch *batch) {
  put("rows %" PRId64, batch->rows);
  end_line();
  for (int64_t i = 0; i < batch->rows; i++) {
    for (int64_t j = 0; j < adp_columns(batch); j++) {
      adp_column c = adp_column_at(batch, j);
      if (j) put(", ");
      put_value(&c, i);
    }
    end_line();
  }
  return 0;
}

ADP_PRODUCT(begin, process, NULL);
