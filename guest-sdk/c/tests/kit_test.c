// The kit against its test host: mistakes and their words, what crosses, JSON, calendar. cc -I../include kit_test.c && ./a.out
#include <adp.h>

struct in {
  int64_t id;
  adp_opt_str name;
  adp_opt_f64 size;
};
ADP_ROW(in, id, name, size);

struct out {
  int64_t id;
  adp_str name;
};
ADP_ROW(out, id, name);

struct point {
  adp_opt_i32 x;
  adp_opt_list tags;
};
ADP_ROW_OF(point, ADP_FIELD(point, x), ADP_LIST_MEMBER(point, tags, adp_opt_str));

struct rich {
  bool flag;
  adp_decimal amount;
  adp_timestamp at;
  adp_bin raw;
  adp_list points; // of struct point
  const struct point *where;
};
ADP_ROW_OF(rich, ADP_EACH(ADP_FIELD, rich, flag, amount, at, raw), ADP_LIST_OF_AS(rich, points, "points", point),
           ADP_OPT_STRUCT_AS(rich, where, "where", point));

struct change {
  int64_t id;
  adp_op op;
  int64_t seq;
};
ADP_ROW_OF(change, ADP_FIELD(change, id), ADP_AS(change, op, "_op"), ADP_AS(change, seq, "_seq"));

// The product under test does what the test sets.
static int (*on_open)(void), (*on_process)(const adp_batch *), (*on_flush)(void);
static int begin(void) { return on_open ? on_open() : 0; }
static int process(const adp_batch *b) { return on_process ? on_process(b) : 0; }
static int finish(void) { return on_flush ? on_flush() : 0; }
ADP_PRODUCT(begin, process, finish);

#include <adp/test.h>

#define CHECK(what)                                                        \
  do {                                                                     \
    if (!(what)) {                                                         \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);   \
      exit(1);                                                             \
    }                                                                      \
  } while (0)

static adp_test host(int (*open)(void), int (*batch)(const adp_batch *), int (*flush)(void)) {
  on_open = open, on_process = batch, on_flush = flush;
  adp_test t = {0};
  ADP_TEST_INPUT(&t, "in", ADP_ABI_MODE_INCREMENTAL, in);
  ADP_TEST_INPUT(&t, "rich", ADP_ABI_MODE_INCREMENTAL, rich);
  ADP_TEST_INPUT(&t, "changes", ADP_ABI_MODE_INCREMENTAL, change);
  ADP_TEST_OUTPUT(&t, "out", ADP_ABI_MODE_APPEND, out);
  ADP_TEST_OUTPUT(&t, "keyed", ADP_ABI_MODE_UPSERT, out);
  ADP_TEST_OUTPUT(&t, "copied", ADP_ABI_MODE_APPEND, rich);
  ADP_TEST_OUTPUT(&t, "again", ADP_ABI_MODE_APPEND, rich);
  ADP_TEST_BINDING(&t, "source", ADP_ABI_MODE_READ, in);
  ADP_TEST_BINDING(&t, "sink", ADP_ABI_MODE_WRITE, out);
  return t;
}

// Why a run over two rows fails.
static const char *failure(int (*open)(void), int (*batch)(const adp_batch *), int (*flush)(void)) {
  static adp_test t;
  t = host(open, batch, flush);
  const char *why = adp_test_open(&t);
  if (!why) why = ADP_FEED(&t, "in", in, {1, {0}, {0}}, {2, {true, adp_text("b")}, {true, 0.5}});
  if (!why) why = adp_test_flush(&t);
  return why ? why : "it did not fail";
}

static void says(const char *got, const char *want) {
  if (strcmp(got, want) == 0) return;
  fprintf(stderr, "got  %s\nwant %s\n", got, want);
  exit(1);
}

static int no_output(void) { return ADP_OUTPUT("result", out) == NULL; }
static int no_binding(void) { return adp_read("db", adp_text("")).reader == 0; }
struct misspelt { adp_opt_str nmae; };
ADP_ROW(misspelt, nmae);
struct narrow { int32_t id; };
ADP_ROW(narrow, id);
struct strict { adp_str name; };
ADP_ROW(strict, name);
struct brief { int64_t id; };
ADP_ROW(brief, id);
static int short_output(void) { return ADP_OUTPUT("out", brief) == NULL; }
static int read_misspelt(const adp_batch *b) { ADP_FOR(misspelt, r, b) return r.nmae.has; return 0; }
static int read_narrow(const adp_batch *b) { ADP_FOR(narrow, r, b) return r.id; return 0; }
static int read_strict(const adp_batch *b) { ADP_FOR(strict, r, b) return r.name.len == 99; return 0; }
static int read_kind(const adp_batch *b) {
  adp_column id = adp_column_of(b, "id");
  return adp_str_at(&id, 0).len == 99;
}
static int read_idd(const adp_batch *b) { return adp_column_of(b, "idd").rows == 99; }
static int uneven(const adp_batch *b) {
  adp_add_i64(adp_builder_of(adp_writer_of("out"), "id"), b->rows);
  return 0;
}
static int delete_from_append(const adp_batch *b) {
  ADP_DELETE(adp_writer_of("out"), out, {b->rows, adp_text("")});
  return 0;
}
static int no_null(const adp_batch *b) {
  (void)b;
  adp_add_null(adp_builder_of(adp_writer_of("out"), "name"));
  return 0;
}
static int empty_key(void) {
  adp_state_put(adp_text(""), "", 0);
  return 0;
}
static int bad_number(const adp_batch *b) {
  adp_state_put(adp_text("text"), "four!", 5);
  return adp_state_add(adp_text("text"), b->rows) == 0;
}
static int fail_twice(void) {
  adp_fail("first");
  return adp_fail("second");
}
static int three(void) { return 3; }
static int panics(const adp_batch *b) { adp_panic("%d rows", (int)b->rows); }

// What authors get wrong fails the run with words that help.
static void mistakes(void) {
  says(failure(no_output, NULL, NULL), "the product declares no output result; it has: out, keyed, copied, again");
  says(failure(no_binding, NULL, NULL), "the product declares no binding db; it has: source, sink");
  says(failure(short_output, NULL, NULL), "output out: struct brief has no member for column name");
  says(failure(NULL, read_misspelt, NULL), "input in: there is no column nmae for struct misspelt; there are: id, name, size");
  says(failure(NULL, read_narrow, NULL), "input in: column id is int64, not int32");
  says(failure(NULL, read_strict, NULL), "column name is null in row 0 of the batch: make its member an adp_opt_…");
  says(failure(NULL, read_kind, NULL), "column id is int64, not string");
  says(failure(NULL, read_idd, NULL), "input in has no column idd; it has: id, name, size");
  says(failure(NULL, uneven, NULL), "output out got columns of different length: id has 1 rows, name 0");
  says(failure(NULL, delete_from_append, NULL), "output out is no upsert output: rows cannot be deleted from it");
  says(failure(NULL, no_null, NULL), "column name is required: it takes no null");
  says(failure(empty_key, NULL, NULL), "state put : bad argument");
  says(failure(NULL, bad_number, NULL), "state text is not a number: it has 5 bytes");
  says(failure(fail_twice, NULL, NULL), "first");
  says(failure(NULL, NULL, three), "flush returned 3");
  CHECK(strstr(failure(NULL, panics, NULL), "2 rows (in panics, ") != NULL);
}

static int copy_rich(const adp_batch *b) {
  adp_writer *copied = adp_writer_of("copied"), *again = ADP_OUTPUT("again", rich);
  for (int64_t j = 0; j < adp_columns(b); j++) {
    adp_column c = adp_column_at(b, j);
    for (int64_t i = 0; i < b->rows; i++) adp_add_copy(adp_builder_at(copied, j), &c, i);
  }
  ADP_FOR(rich, r, b) adp_emit_row(again, &rich_row, &r);
  return 0;
}

// Nested rows come back equal by columns and by structs.
static void nested(void) {
  adp_test t = host(NULL, copy_rich, NULL);
  CHECK(!adp_test_open(&t));
  adp_opt_str tags[] = {{true, adp_text("ä")}, {0}};
  struct point p[] = {{{true, 7}, {true, {tags, 2}}}, {{0}, {0}}};
  CHECK(!ADP_FEED(&t, "rich", rich, {true, {-5}, {17}, {(const uint8_t *)"\0x", 2}, {p, 2}, &p[0]}, {false, {1}, {0}, {NULL, 0}, {NULL, 0}, NULL}));
  CHECK(!adp_test_flush(&t));
  const char *outputs[] = {"copied", "again"};
  for (int o = 0; o < 2; o++) {
    size_t n;
    const struct rich *r = ADP_EMITTED(&t, outputs[o], rich, &n);
    CHECK(n == 2 && r[0].flag && !r[1].flag && r[0].amount.unscaled == -5 && r[0].at.micros == 17 && r[0].raw.len == 2 && r[1].raw.len == 0);
    CHECK(r[0].points.len == 2 && r[1].points.len == 0 && !r[1].where && r[0].where->x.value == 7);
    struct point first = ADP_AT(r[0].points, struct point, 0), second = ADP_AT(r[0].points, struct point, 1);
    CHECK(first.x.has && !second.x.has && !second.tags.has && first.tags.value.len == 2);
    CHECK(adp_is(ADP_AT(first.tags.value, adp_opt_str, 0).value, "ä") && !ADP_AT(first.tags.value, adp_opt_str, 1).has);
  }
}

static int apply(const adp_batch *b) {
  adp_writer *keyed = ADP_OUTPUT("keyed", out);
  ADP_FOR(change, c, b) {
    if (adp_adds(c.op))
      ADP_EMIT(keyed, out, {c.id, adp_text("there")});
    else if (c.op.code == ADP_OP_DELETE)
      ADP_DELETE(keyed, out, {c.id, adp_text("")});
  }
  return 0;
}

static void changes(void) {
  adp_test t = host(NULL, apply, NULL);
  CHECK(!adp_test_open(&t));
  CHECK(!ADP_FEED(&t, "changes", change, {1, {ADP_OP_INSERT}, 4}, {2, {ADP_OP_UPDATE_BEFORE}, 4}, {1, {ADP_OP_DELETE}, 5}, {3, {ADP_OP_UPDATE_AFTER}, 5}));
  CHECK(!adp_test_flush(&t));
  size_t n;
  const struct out *o = ADP_EMITTED(&t, "keyed", out, &n);
  CHECK(n == 3 && o[0].id == 1 && o[1].id == 1 && o[2].id == 3);
  CHECK(!adp_test_deleted(&t, "keyed", 0) && adp_test_deleted(&t, "keyed", 1) && !adp_test_deleted(&t, "keyed", 2));
}

static int with_source(void) {
  int64_t sum = 0;
  for (adp_reader r = adp_read("source", adp_text("all")); adp_reader_next(&r);) {
    ADP_FOR(in, row, &r.batch) sum += row.id;
  }
  ADP_EMIT(ADP_OUTPUT("sink", out), out, {sum, adp_text("sum")});
  adp_state_put(adp_text("a/1"), "one", 3);
  adp_state_put(adp_text("a/2"), "two", 3);
  adp_state_put(adp_text("b"), "", 0);
  adp_state_delete(adp_text("none"));
  int seen = 0;
  for (adp_scan s = adp_state_scan(adp_text("a/")); adp_scan_next(&s); seen++) CHECK(s.value.len == 3);
  CHECK(seen == 2);
  char long_line[20000];
  memset(long_line, 0xc3, sizeof long_line);
  for (size_t i = 1; i < sizeof long_line; i += 2) long_line[i] = (char)0xa9;
  adp_log(ADP_ABI_LOG_INFO, (adp_str){long_line, sizeof long_line});
  CHECK(adp_clock() == 1767225600000000000 && adp_clock() > 1767225600000000000);
  CHECK(adp_random_u64() != adp_random_u64());
  return adp_decide("read", "adp://./a/b", "x\"y").allow ? 0 : adp_fail("denied");
}

static const char *allow(const char *request) {
  says(request, "{\"action\":\"read\",\"resource\":\"adp://./a/b\",\"purpose\":\"x\\\"y\"}");
  return " { \"reason\": \"ja\", \"more\": [1, {\"a\": \"}\"}], \"allow\" : true } ";
}

static void surroundings(void) {
  adp_test t = host(with_source, NULL, NULL);
  t.decide = allow;
  ADP_ANSWER(&t, "source", in, {4, {0}, {0}}, {5, {0}, {0}});
  const char *why = adp_test_open(&t);
  says(why ? why : "", "");
  CHECK(!adp_test_flush(&t));
  size_t n;
  const struct out *o = ADP_EMITTED(&t, "sink", out, &n);
  CHECK(n == 1 && o->id == 9);
  for (adp_test_pair *p = t.logs; p; p = p->next) CHECK(p->value.len <= ADP_ABI_MAX_LOG_MESSAGE && p->value.len % 2 == 0);
  t = host(with_source, NULL, NULL);
  says(adp_test_open(&t), "denied");
}

static void json(void) {
  adp_decision d;
  CHECK(adp_decision_read(adp_text(" { \"reason\" : \"x\\\"\\u00fc\\ud83e\\udd85\\n\", \"e\": {\"a\": [1, -2.5e3, null, \"}\"]}, \"allow\" : true } "), &d));
  CHECK(d.allow && adp_is(d.reason, "x\"ü🦅\n"));
  CHECK(adp_decision_read(adp_text("{}"), &d) && !d.allow);
  CHECK(adp_decision_read(adp_text("{\"allow\":\"true\",\"reason\":\"\\ud800\"}"), &d) && !d.allow && adp_is(d.reason, "\xef\xbf\xbd"));
  const char *bad[] = {"", "[]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"", "{\"a\":1"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!adp_decision_read(adp_text(bad[i]), &d));
  char deep[1000] = "{\"a\":";
  memset(deep + 5, '[', 900);
  CHECK(!adp_decision_read(adp_text(deep), &d));
  CHECK(adp_is(adp_json_quote(adp_text("a\"\\\x01ü")), "\"a\\\"\\\\\\u0001ü\""));
}

static void calendar(void) {
  int days[][4] = {{1970, 1, 1, 0}, {1969, 12, 31, -1}, {2000, 2, 29, 11016}, {2026, 11, 1, 20758}, {1, 1, 1, -719162}, {9999, 12, 31, 2932896}};
  for (int i = 0; i < 6; i++) {
    adp_ymd d = adp_ymd_of((adp_date){days[i][3]});
    CHECK(adp_date_of(days[i][0], days[i][1], days[i][2]).days == days[i][3] && d.year == days[i][0] && d.month == days[i][1] && d.day == days[i][2]);
  }
  for (int i = -800000; i < 3000000; i += 997) {
    adp_ymd d = adp_ymd_of((adp_date){i});
    CHECK(adp_date_of(d.year, d.month, d.day).days == i);
  }
  CHECK(adp_date_of(2026, 14, 1).days == adp_date_of(2027, 2, 1).days && adp_is(adp_date_text((adp_date){20758}), "2026-11-01"));
  struct {
    const char *text;
    int scale;
    int64_t value;
  } numbers[] = {{"12.34", 2, 1234}, {"-0.05", 2, -5}, {"7", 0, 7}, {"0.000", 3, 0}};
  adp_decimal d;
  for (int i = 0; i < 4; i++) {
    CHECK(adp_decimal_read(adp_text(numbers[i].text), numbers[i].scale, &d) && d.unscaled == numbers[i].value);
    CHECK(adp_is(adp_decimal_text(d, numbers[i].scale), numbers[i].text));
  }
  CHECK(adp_decimal_read(adp_text("-123456789012345678901234567890.12345678"), 8, &d) &&
        adp_is(adp_decimal_text(d, 8), "-123456789012345678901234567890.12345678"));
  CHECK(adp_decimal_read(adp_text("+1.500"), 1, &d) && d.unscaled == 15 && adp_decimal_read(adp_text(".5"), 1, &d) && d.unscaled == 5);
  const char *bad[] = {"", "-", ".", "1.25", "1e3", "1.2.3", "a", "123456789012345678901234567890123456789"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(!adp_decimal_read(adp_text(bad[i]), 1, &d));
}

int main(void) {
  mistakes();
  nested();
  changes();
  surroundings();
  json();
  calendar();
  puts("ok");
  return 0;
}
