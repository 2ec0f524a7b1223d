// A product whose columns are read and built by nanoarrow: amounts are doubled, everything else is passed on. host/sandbox/clause compiles
// it with the library as PyPI has it.
#include <adp.h>
#include <nanoarrow/nanoarrow.h>

static adp_writer *out;

static int begin(void) {
  adp_input("in");
  out = adp_writer_of("out");
  return 0;
}

#define MUST(call)                                                                            \
  do {                                                                                        \
    if ((call) != NANOARROW_OK) adp_panic("%s: %s", #call, ArrowErrorMessage(&error));        \
  } while (0)

static int process(const adp_batch *batch) {
  struct ArrowError error = {{0}};
  struct ArrowArrayView in;
  MUST(ArrowArrayViewInitFromSchema(&in, batch->schema, &error));
  MUST(ArrowArrayViewSetArray(&in, batch->array, &error));
  MUST(ArrowArrayViewValidate(&in, NANOARROW_VALIDATION_LEVEL_FULL, &error));
  struct ArrowArray rows;
  MUST(ArrowArrayInitFromSchema(&rows, out->port->schema, &error));
  MUST(ArrowArrayStartAppending(&rows));
  for (int64_t i = 0; i < in.length; i++) {
    MUST(ArrowArrayAppendInt(rows.children[0], ArrowArrayViewGetIntUnsafe(in.children[0], i)));
    if (ArrowArrayViewIsNull(in.children[1], i))
      MUST(ArrowArrayAppendNull(rows.children[1], 1));
    else
      MUST(ArrowArrayAppendString(rows.children[1], ArrowArrayViewGetStringUnsafe(in.children[1], i)));
    if (ArrowArrayViewIsNull(in.children[2], i))
      MUST(ArrowArrayAppendNull(rows.children[2], 1));
    else
      MUST(ArrowArrayAppendDouble(rows.children[2], 2 * ArrowArrayViewGetDoubleUnsafe(in.children[2], i)));
    MUST(ArrowArrayFinishElement(&rows));
  }
  MUST(ArrowArrayFinishBuildingDefault(&rows, &error));
  adp_send_array(out, &rows);
  ArrowArrayRelease(&rows);
  ArrowArrayViewReset(&in);
  return 0;
}

ADP_PRODUCT(begin, process, NULL);
