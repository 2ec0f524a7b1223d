// The row kernel by which guests are measured against native code: a product whose work is all in the loop. guest-sdk/go/kernel is
// the same in Go. Input rows has the columns k int64, v float64 and name string, all required; the sums leave at flush.
#include <adp.h>

// The row that output sums gets.
struct sum {
  int64_t rows; // kept
  double sum;   // of all computed values
};
ADP_ROW(sum, rows, sum);

static adp_writer *sums;
static struct sum total;
static double groups[16];
static double *scratch;
static int64_t room;

static int begin(void) {
  sums = ADP_OUTPUT("sums", sum);
  return 0;
}

// Keeps the rows with k > 100 whose name is longer than 3 bytes and begins before 'n', computes v × 1.1 + k for each into out, and
// adds that up by the last four bits of k. It returns how many rows it kept.
static int64_t kernel(int64_t rows, const int64_t *k, const double *v, const int32_t *offsets, const char *text, double *out) {
  int64_t n = 0;
  for (int64_t i = 0; i < rows; i++) {
    int32_t from = offsets[i];
    if (k[i] > 100 && offsets[i + 1] - from > 3 && text[from] < 'n') {
      double y = v[i] * 1.1 + (double)k[i];
      out[n++] = y;
      groups[k[i] & 15] += y;
    }
  }
  return n;
}

static int process(const adp_batch *b) {
  adp_column k = adp_column_of(b, "k"), v = adp_column_of(b, "v"), name = adp_column_of(b, "name");
  if (room < b->rows) {
    free(scratch);
    room = b->rows;
    scratch = malloc((size_t)room * sizeof *scratch);
    if (!scratch) adp_panic("out of memory");
  }
  total.rows += kernel(b->rows, adp_i64s(&k), adp_f64s(&v), adp_offsets(&name), name.array->buffers[2], scratch);
  return 0;
}

static int end(void) {
  for (int i = 0; i < 16; i++) total.sum += groups[i];
  ADP_EMIT(sums, sum, {total.rows, total.sum});
  return 0;
}

ADP_PRODUCT(begin, process, end);
