// A small product: what bird strikes cost each airport, kept up to date as strikes are reported. guest-sdk/go/example is the same product
// in Go.
#include <adp.h>

// A row of the snapshot input airports.
struct airport {
  adp_str code, name;
  adp_opt_str city;
};
ADP_ROW(airport, code, name, city);

// A row of the incremental input strikes.
struct strike {
  adp_str airport;
  adp_date date;
  adp_opt_i64 cost; // dollars
};
ADP_ROW(strike, airport, date, cost);

// A row of the upsert output risk; its key is airport.
struct risk {
  adp_str airport;
  adp_opt_str name, city;
  int64_t strikes, cost;
  adp_date last;
};
ADP_ROW(risk, airport, name, city, strikes, cost, last);

// An airport of this run, in a list by code.
struct known {
  struct airport airport;
  bool listed, touched;
  struct known *next;
};

static int64_t minimum;
static struct known *airports;
static adp_writer *risks;

static int begin(void) {
  minimum = adp_config_i64("minimum_cost", 0);
  airports = NULL;
  risks = ADP_OUTPUT("risk", risk);
  return 0;
}

static int order(adp_str a, adp_str b) {
  int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
  return c ? c : (a.len > b.len) - (a.len < b.len);
}

// The airport with a code, which is added where it is new.
static struct known *airport_of(adp_str code) {
  struct known **at = &airports;
  while (*at && order((*at)->airport.code, code) < 0) at = &(*at)->next;
  if (*at && order((*at)->airport.code, code) == 0) return *at;
  struct known *k = calloc(1, sizeof *k);
  if (!k) adp_panic("out of memory");
  k->airport.code = adp_keep(code);
  k->next = *at;
  return *at = k;
}

static void list(const struct airport *a) {
  struct known *k = airport_of(a->code);
  k->listed = true;
  k->airport.name = adp_keep(a->name); // a batch's text is gone with the batch
  k->airport.city = a->city.has ? (adp_opt_str){true, adp_keep(a->city.value)} : (adp_opt_str){0};
}

static adp_str key(const char *what, adp_str code) { return adp_format("%s/%.*s", what, ADP_ARG(code)); }

static void count(const struct strike *s) {
  int64_t cost = s->cost.has ? s->cost.value : 0;
  if (cost < minimum) {
    adp_count("strikes_ignored", 1);
    return;
  }
  adp_state_add(key("strikes", s->airport), 1);
  adp_state_add(key("cost", s->airport), cost);
  adp_str last = key("last", s->airport);
  if (adp_state_i64(last, 0) < s->date.days) adp_state_put_i64(last, s->date.days);
  airport_of(s->airport)->touched = true;
}

static int process(const adp_batch *batch) {
  if (adp_is(batch->port->name, "airports")) {
    ADP_FOR(airport, row, batch) list(&row);
  } else {
    ADP_FOR(strike, row, batch) count(&row);
  }
  return 0;
}

static int finish(void) {
  int touched = 0;
  for (struct known *k = airports; k; k = k->next) {
    if (!k->touched) continue;
    touched++;
    adp_str code = k->airport.code;
    ADP_EMIT(risks, risk,
             {.airport = code,
              .name = {k->listed, k->airport.name},
              .city = k->airport.city,
              .strikes = adp_state_i64(key("strikes", code), 0),
              .cost = adp_state_i64(key("cost", code), 0),
              .last = {(int32_t)adp_state_i64(key("last", code), 0)}});
  }
  adp_info("airports touched: %d", touched);
  return 0;
}

ADP_PRODUCT(begin, process, finish);
