//! The clock that QuickJS asks its host for: that of the run.

use adp::Run;

/// Microseconds since 1970-01-01T00:00:00Z.
#[no_mangle]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    Run::current().clock().div_euclid(1000) as f64
}
