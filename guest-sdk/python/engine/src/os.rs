//! Time and randomness for the interpreter: those of the run.

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "adp_v1")]
unsafe extern "C" {
    fn random(ptr: *mut u8, len: usize) -> i32;
    fn clock() -> i64;
}

#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(dest: *mut u8, len: usize) -> Result<(), getrandom::Error> {
    let buf = unsafe { std::slice::from_raw_parts_mut(dest, len) };
    fill(buf);
    Ok(())
}

/// Fills a buffer from the host, whose randomness is the same again when a run is replayed.
pub fn fill(buf: &mut [u8]) {
    const MOST: usize = 64 << 10; // of one call
    #[cfg(target_arch = "wasm32")]
    for part in buf.chunks_mut(MOST) {
        unsafe { random(part.as_mut_ptr(), part.len()) };
    }
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (MOST, buf);
}

/// The virtual clock, in nanoseconds since 1970-01-01T00:00:00Z.
pub fn now() -> i64 {
    #[cfg(target_arch = "wasm32")]
    return unsafe { clock() };
    #[cfg(not(target_arch = "wasm32"))]
    0
}

/// Logs a line, cut to what the log takes. It works while there is no run yet, too.
pub fn log(level: i32, message: &str) {
    #[cfg(target_arch = "wasm32")]
    {
        #[link(wasm_import_module = "adp_v1")]
        unsafe extern "C" {
            fn log(level: i32, ptr: *const u8, len: usize) -> i32;
        }
        let end = message.floor_char_boundary(adp::abi::MAX_LOG_MESSAGE);
        unsafe { log(level, message.as_ptr(), end) };
    }
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level} {message}");
}
