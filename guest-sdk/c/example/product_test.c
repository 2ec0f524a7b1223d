// cc -I../include product_test.c && ./a.out
#include "product.c"

#include <adp/test.h>
#include <assert.h>

static adp_test host(void) {
  adp_test t = {0};
  ADP_TEST_INPUT(&t, "airports", ADP_ABI_MODE_SNAPSHOT, airport);
  ADP_TEST_INPUT(&t, "strikes", ADP_ABI_MODE_INCREMENTAL, strike);
  ADP_TEST_OUTPUT(&t, "risk", ADP_ABI_MODE_UPSERT, risk);
  return t;
}

static struct airport seattle(void) { return (struct airport){adp_text("SEA"), adp_text("Tacoma International"), {true, adp_text("Seattle")}}; }

// The second run goes on where the state of the first ended.
static void two_runs(void) {
  adp_date may = adp_date_of(2026, 5, 1), april = adp_date_of(2026, 4, 1);
  adp_test first = host();
  adp_test_config(&first, "minimum_cost", "10");
  assert(!adp_test_open(&first));
  assert(!ADP_FEED(&first, "airports", airport, seattle(), {adp_text("XXX"), adp_text("Nowhere"), {0}}));
  assert(!ADP_FEED(&first, "strikes", strike, {adp_text("SEA"), may, {true, 100}}, {adp_text("SEA"), april, {true, 9}}, {adp_text("SEA"), april, {0}}));
  assert(!adp_test_flush(&first));
  size_t n;
  const struct risk *risks = ADP_EMITTED(&first, "risk", risk, &n);
  assert(n == 1 && adp_is(risks->airport, "SEA") && adp_is(risks->city.value, "Seattle") && risks->strikes == 1 && risks->cost == 100);
  assert(risks->last.days == may.days && !adp_test_deleted(&first, "risk", 0));
  assert(adp_test_metric(&first, "strikes_ignored") == 2 && adp_test_logged(&first, "airports touched: 1"));

  adp_test second = host();
  second.state = first.state;
  assert(!adp_test_open(&second));
  assert(!ADP_FEED(&second, "strikes", strike, {adp_text("SEA"), april, {true, 11}}));
  assert(!adp_test_flush(&second));
  risks = ADP_EMITTED(&second, "risk", risk, &n);
  assert(n == 1 && risks->strikes == 2 && risks->cost == 111 && risks->last.days == may.days && !risks->name.has);
  assert(adp_test_i64(&second, "strikes/SEA") == 2);
}

// A setting that is no number fails the run with its name.
static void bad_setting(void) {
  adp_test t = host();
  adp_test_config(&t, "minimum_cost", "cheap");
  const char *why = adp_test_open(&t);
  assert(why && strcmp(why, "setting minimum_cost: \"cheap\" is not a whole number") == 0);
}

int main(void) {
  two_runs();
  bad_setting();
  puts("ok");
  return 0;
}
