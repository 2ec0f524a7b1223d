// adp.h: write an autonomous data product in C. Include it in every file; exactly one of them says ADP_PRODUCT.
//
// Header only, C11 with the extensions that clang and gcc have. In the sandbox it is compiled to WebAssembly; outside, with
// adp/test.h, to a test program for this machine. Pointers to Arrow data are the structs of the Arrow C Data Interface.
#ifndef ADP_H
#define ADP_H

#include "adp/abi.h"
#include "adp/arrow.h"
#include "adp/types.h"
#include "adp/host.h"
#include "adp/run.h"
#include "adp/state.h"
#include "adp/policy.h"
#include "adp/column.h"
#include "adp/builder.h"
#include "adp/row.h"
#include "adp/writer.h"
#include "adp/driver.h"
#include "adp/calendar.h"
#include "adp/product.h"

#endif
