// The reference product of abi/abitest: it does, over the kit, everything that the ABI offers.
#include <adp.h>

struct members {
  adp_opt_i32 x;
  adp_opt_str name;
  adp_opt_list tags;
};
ADP_ROW_OF(members, ADP_FIELD(members, x), ADP_FIELD(members, name), ADP_LIST_MEMBER(members, tags, adp_opt_str));

struct nested {
  adp_str k;
  adp_opt_f64 v;
};
ADP_ROW(nested, k, v);

struct required {
  int64_t a;
  adp_date d;
};
ADP_ROW(required, a, d);

// A row of every type: input all, output rows.
struct all {
  int64_t id;
  adp_opt_bool flag;
  adp_opt_i32 int32;
  adp_opt_i64 int64;
  adp_opt_f32 float32;
  adp_opt_f64 float64;
  adp_opt_decimal decimal;
  adp_opt_date date;
  adp_opt_time time;
  adp_opt_timestamp timestamp, timestamptz;
  adp_opt_str string;
  adp_opt_bin binary;
  adp_opt_list list;
  const struct members *members;
  adp_opt_list nested;
  bool required_bool;
  adp_decimal required_decimal;
  adp_str required_string;
  adp_bin required_binary;
  adp_list required_list;
  struct required required_struct;
};
ADP_ROW_OF(all, ADP_AS(all, flag, "bool"),
           ADP_EACH(ADP_FIELD, all, id, int32, int64, float32, float64, decimal, date, time, timestamp, timestamptz, string, binary),
           ADP_EACH(ADP_FIELD, all, required_bool, required_decimal, required_string, required_binary),
           ADP_LIST_MEMBER(all, list, adp_opt_i64), ADP_OPT_STRUCT_AS(all, members, "struct", members),
           ADP_LIST_OF_OPT_AS(all, nested, "nested", nested), ADP_LIST_MEMBER(all, required_list, float),
           ADP_STRUCT_MEMBER(all, required_struct, required));

// A row of input lookup and of output latest.
struct lookup {
  adp_str key;
  adp_opt_i64 value;
};
ADP_ROW(lookup, key, value);

struct change {
  adp_str key;
  adp_opt_i64 value;
  adp_op op;
};
ADP_ROW_OF(change, ADP_FIELD(change, key), ADP_FIELD(change, value), ADP_AS(change, op, "_op"));

struct command {
  adp_str name;
  adp_opt_str arg;
};
ADP_ROW(command, name, arg);

struct fact {
  adp_str name;
  adp_opt_str value;
};
ADP_ROW(fact, name, value);

// A row of the bindings.
struct pair {
  int64_t k;
  adp_opt_str name;
};
ADP_ROW(pair, k, name);

// A growing array of what is kept for the run.
struct kept {
  struct lookup *items;
  size_t len, cap;
};

static adp_writer *columns, *rows, *latest, *facts, *sink;
static struct kept lookups, texts;
static int64_t seen;

static void keep(struct kept *k, struct lookup row) {
  if (k->len == k->cap) {
    k->cap = k->cap ? 2 * k->cap : 16;
    k->items = realloc(k->items, k->cap * sizeof *k->items);
    if (!k->items) adp_panic("out of memory");
  }
  k->items[k->len++] = (struct lookup){adp_keep(row.key), row.value};
}

static void answer(const char *name, adp_str value) { ADP_EMIT(facts, fact, {adp_text(name), {true, value}}); }

static void answer_none(const char *name) { ADP_EMIT(facts, fact, {adp_text(name), {0}}); }

static int begin(void) {
  const char *inputs[] = {"all", "lookup", "changes", "commands"};
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) adp_input(inputs[i]);
  columns = adp_writer_of("columns");
  rows = ADP_OUTPUT("rows", all);
  latest = ADP_OUTPUT("latest", lookup);
  facts = ADP_OUTPUT("facts", fact);
  sink = ADP_OUTPUT("sink", pair);
  return 0;
}

// Cuts the first word off.
static adp_str word(adp_str *rest) {
  const char *space = rest->len ? memchr(rest->data, ' ', rest->len) : NULL;
  size_t n = space ? (size_t)(space - rest->data) : rest->len;
  adp_str first = {rest->data, n};
  *rest = space ? (adp_str){space + 1, rest->len - n - 1} : (adp_str){"", 0};
  return first;
}

static const char *text(adp_str s) { return adp_format("%.*s", ADP_ARG(s)).data; }

static int64_t number(adp_str s) {
  char *end;
  int64_t n = strtoll(text(s), &end, 10);
  if (s.len == 0 || *end) adp_panic("%s is no number", text(s));
  return n;
}

static int write_log(adp_str level, adp_str message) {
  const char *levels[] = {"debug", "info", "warn", "error"};
  for (int i = 0; i < 4; i++)
    if (adp_is(level, levels[i])) {
      adp_log(i, message);
      return 0;
    }
  return adp_fail("unknown level %s", text(level));
}

static void ports(void) {
  adp_str list = {"", 0};
  for (uint32_t i = 0; i < adp_run.n_inputs + adp_run.n_outputs + adp_run.n_bindings; i++) {
    const adp_port *p = &adp_run.ports[i];
    list = adp_format("%.*s%s%s %.*s %s", ADP_ARG(list), i ? "; " : "", p->what, ADP_ARG(p->name), adp_mode_text(p->mode));
  }
  answer("ports", list);
}

static void random_bytes(size_t n) {
  unsigned char *bytes = adp_scratch(n);
  char *hex = adp_scratch(2 * n + 1);
  adp_random(bytes, n);
  for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
  answer("random", (adp_str){hex, 2 * n});
}

static void scan(adp_str prefix) {
  adp_buffer list = {0};
  for (adp_scan s = adp_state_scan(prefix); adp_scan_next(&s);) {
    if (list.len) memcpy(adp_buffer_more(&list, 1), ";", 1);
    memcpy(adp_buffer_more(&list, s.key.len), s.key.data, s.key.len);
    memcpy(adp_buffer_more(&list, 1), "=", 1);
    if (s.value.len) memcpy(adp_buffer_more(&list, s.value.len), s.value.data, s.value.len);
  }
  answer("scan", (adp_str){list.len ? (char *)list.data : "", list.len});
  free(list.data);
}

static void fill(adp_str key, size_t n) {
  char *value = malloc(n + 1);
  if (!value) adp_panic("out of memory");
  memset(value, 'x', n);
  adp_state_put(key, value, n);
  free(value);
  answer("fill", adp_format("%zu", adp_state_get(key).value.len));
}

static void find(adp_str key) {
  for (size_t i = lookups.len; i-- > 0;)
    if (adp_equal(lookups.items[i].key, key)) {
      if (!lookups.items[i].value.has) break;
      answer("lookup", adp_format("%lld", (long long)lookups.items[i].value.value));
      return;
    }
  answer_none("lookup");
}

static void read_source(adp_str request) {
  adp_buffer list = {0};
  for (adp_reader r = adp_read("source", request); adp_reader_next(&r);) {
    ADP_FOR(pair, p, &r.batch) {
      char item[32];
      int n = snprintf(item, sizeof item, "%s%lld:", list.len ? "," : "", (long long)p.k);
      memcpy(adp_buffer_more(&list, (size_t)n), item, (size_t)n);
      if (p.name.has && p.name.value.len) memcpy(adp_buffer_more(&list, p.name.value.len), p.name.value.data, p.name.value.len);
    }
  }
  answer("read", (adp_str){list.len ? (char *)list.data : "", list.len});
  free(list.data);
}

static int state(adp_str name, adp_str key, adp_str rest) {
  if (adp_is(name, "put")) {
    adp_state_put(key, rest.data, rest.len);
  } else if (adp_is(name, "get")) {
    adp_opt_bin v = adp_state_get(key);
    if (v.has)
      answer("get", (adp_str){(const char *)v.value.data, v.value.len});
    else
      answer_none("get");
  } else if (adp_is(name, "delete")) {
    adp_state_delete(key);
  } else if (adp_is(name, "scan")) {
    scan(key);
  } else if (adp_is(name, "add")) {
    answer("add", adp_format("%lld", (long long)adp_state_add(key, number(rest))));
  } else if (adp_is(name, "fill")) {
    fill(key, (size_t)number(rest));
  } else {
    return adp_fail("unknown command %s", text(name));
  }
  return 0;
}

static void decide(adp_str action, adp_str rest) {
  adp_str resource = word(&rest);
  adp_decision d = adp_decide(text(action), text(resource), text(rest));
  answer("decide", adp_format("%s %.*s", d.allow ? "allow" : "deny", ADP_ARG(d.reason)));
}

static void upsert(adp_str key, adp_str value) {
  adp_opt_i64 v = {value.len > 0, value.len ? number(value) : 0};
  ADP_EMIT(latest, lookup, {key, v});
}

// Carries out one command; abi/abitest lists them.
static int command(adp_str name, adp_str arg) {
  adp_str rest = arg, first = word(&rest);
  if (adp_is(name, "ports")) {
    ports();
  } else if (adp_is(name, "rebuild")) {
    answer("rebuild", adp_text(adp_rebuilding() ? "true" : "false"));
  } else if (adp_is(name, "config")) {
    adp_opt_str v = adp_config(text(arg));
    if (v.has)
      answer("config", v.value);
    else
      answer_none("config");
  } else if (adp_is(name, "log")) {
    return write_log(first, rest);
  } else if (adp_is(name, "clock")) {
    answer("clock", adp_format("%lld", (long long)adp_clock()));
  } else if (adp_is(name, "random")) {
    random_bytes((size_t)number(arg));
  } else if (adp_is(name, "counter")) {
    adp_count(text(first), strtod(text(rest), NULL));
  } else if (adp_is(name, "gauge")) {
    adp_gauge(text(first), strtod(text(rest), NULL));
  } else if (adp_is(name, "lookup")) {
    find(arg);
  } else if (adp_is(name, "keep")) {
    keep(&texts, (struct lookup){.key = arg});
  } else if (adp_is(name, "decide")) {
    decide(first, rest);
  } else if (adp_is(name, "read")) {
    read_source(arg);
  } else if (adp_is(name, "write")) {
    ADP_EMIT(sink, pair, {number(first), {rest.len > 0, rest}});
  } else if (adp_is(name, "upsert")) {
    upsert(first, rest);
  } else if (adp_is(name, "remove")) {
    ADP_DELETE(latest, lookup, {.key = first});
  } else if (adp_is(name, "fail")) {
    return adp_fail("%s", text(arg));
  } else if (adp_is(name, "panic")) {
    adp_panic("%s", text(arg));
  } else {
    return state(name, first, rest);
  }
  return 0;
}

// Moves the batch column by column.
static void copy_columns(const adp_batch *batch) {
  for (int64_t j = 0; j < adp_columns(batch); j++) {
    adp_column from = adp_column_at(batch, j);
    for (int64_t i = 0; i < batch->rows; i++) adp_add_copy(adp_builder_at(columns, j), &from, i);
  }
}

static int process(const adp_batch *batch) {
  seen += batch->rows;
  if (adp_is(batch->port->name, "all")) {
    copy_columns(batch);
    ADP_FOR(all, row, batch) adp_emit_row(rows, &all_row, &row);
  } else if (adp_is(batch->port->name, "lookup")) {
    ADP_FOR(lookup, row, batch) keep(&lookups, row);
  } else if (adp_is(batch->port->name, "changes")) {
    ADP_FOR(change, row, batch) {
      if (row.op.code == ADP_OP_DELETE)
        ADP_DELETE(latest, lookup, {row.key, row.value});
      else if (adp_adds(row.op))
        ADP_EMIT(latest, lookup, {row.key, row.value});
    }
  } else {
    ADP_FOR(command, row, batch) {
      int failed = command(row.name, row.arg.has ? row.arg.value : (adp_str){"", 0});
      if (failed) return failed;
    }
  }
  return 0;
}

static int flush(void) {
  for (size_t i = 0; i < texts.len; i++) answer("keep", texts.items[i].key);
  if (seen > 0) answer("flush", adp_format("%lld", (long long)seen));
  return 0;
}

ADP_PRODUCT(begin, process, flush);
