//! The host as the SDK sees it: the imports of module adp_v1, or a fake outside the sandbox.

use crate::types::Status;

#[cfg(target_arch = "wasm32")]
mod import {
    #[link(wasm_import_module = "adp_v1")]
    extern "C" {
        pub fn emit(port: u32, array: u32) -> i32;
        pub fn log(level: i32, ptr: *const u8, len: usize) -> i32;
        pub fn config(key: *const u8, key_len: usize, buf: *mut u8, cap: usize) -> i64;
        pub fn clock() -> i64;
        pub fn random(ptr: *mut u8, len: usize) -> i32;
        pub fn metric(kind: i32, name: *const u8, name_len: usize, value: f64) -> i32;
        pub fn state_get(key: *const u8, key_len: usize, buf: *mut u8, cap: usize) -> i64;
        pub fn state_put(key: *const u8, key_len: usize, value: *const u8, value_len: usize) -> i32;
        pub fn state_delete(key: *const u8, key_len: usize) -> i32;
        pub fn state_scan(
            prefix: *const u8,
            prefix_len: usize,
            after: *const u8,
            after_len: usize,
            buf: *mut u8,
            cap: usize,
        ) -> i64;
        pub fn driver_open(binding: u32, request: *const u8, request_len: usize) -> i64;
        pub fn driver_next(reader: u32, buf: *mut u8, cap: usize) -> i64;
        pub fn driver_close(reader: u32) -> i32;
        pub fn driver_write(binding: u32, array: u32) -> i32;
        pub fn decide(request: *const u8, request_len: usize, buf: *mut u8, cap: usize) -> i64;
    }
}

#[cfg(target_arch = "wasm32")]
mod calls {
    use super::import;

    // Addresses are those of live slices, and the host keeps none of them beyond the call.

    pub fn emit(port: u32, array: u32) -> i32 {
        unsafe { import::emit(port, array) }
    }
    pub fn log(level: i32, message: &str) -> i32 {
        unsafe { import::log(level, message.as_ptr(), message.len()) }
    }
    pub fn config(key: &[u8], buf: &mut [u8]) -> i64 {
        unsafe { import::config(key.as_ptr(), key.len(), buf.as_mut_ptr(), buf.len()) }
    }
    pub fn clock() -> i64 {
        unsafe { import::clock() }
    }
    pub fn random(buf: &mut [u8]) -> i32 {
        unsafe { import::random(buf.as_mut_ptr(), buf.len()) }
    }
    pub fn metric(kind: i32, name: &str, value: f64) -> i32 {
        unsafe { import::metric(kind, name.as_ptr(), name.len(), value) }
    }
    pub fn state_get(key: &[u8], buf: &mut [u8]) -> i64 {
        unsafe { import::state_get(key.as_ptr(), key.len(), buf.as_mut_ptr(), buf.len()) }
    }
    pub fn state_put(key: &[u8], value: &[u8]) -> i32 {
        unsafe { import::state_put(key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
    }
    pub fn state_delete(key: &[u8]) -> i32 {
        unsafe { import::state_delete(key.as_ptr(), key.len()) }
    }
    pub fn state_scan(prefix: &[u8], after: &[u8], buf: &mut [u8]) -> i64 {
        unsafe {
            import::state_scan(prefix.as_ptr(), prefix.len(), after.as_ptr(), after.len(), buf.as_mut_ptr(), buf.len())
        }
    }
    pub fn driver_open(binding: u32, request: &[u8]) -> i64 {
        unsafe { import::driver_open(binding, request.as_ptr(), request.len()) }
    }
    /// The batch begins at the buffer's begin.
    pub fn driver_next(reader: u32, buf: &mut [u8]) -> (i64, u32) {
        let n = unsafe { import::driver_next(reader, buf.as_mut_ptr(), buf.len()) };
        (n, buf.as_ptr() as u32)
    }
    pub fn driver_close(reader: u32) -> i32 {
        unsafe { import::driver_close(reader) }
    }
    pub fn driver_write(binding: u32, array: u32) -> i32 {
        unsafe { import::driver_write(binding, array) }
    }
    pub fn decide(request: &[u8], buf: &mut [u8]) -> i64 {
        unsafe { import::decide(request.as_ptr(), request.len(), buf.as_mut_ptr(), buf.len()) }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod calls {
    use crate::fake::fake;

    pub fn emit(port: u32, array: u32) -> i32 {
        fake(|h| h.emit(port, array))
    }
    pub fn log(level: i32, message: &str) -> i32 {
        fake(|h| h.log(level, message))
    }
    pub fn config(key: &[u8], buf: &mut [u8]) -> i64 {
        fake(|h| h.config(key, buf))
    }
    pub fn clock() -> i64 {
        fake(|h| h.clock())
    }
    pub fn random(buf: &mut [u8]) -> i32 {
        fake(|h| h.random(buf))
    }
    pub fn metric(kind: i32, name: &str, value: f64) -> i32 {
        fake(|h| h.metric(kind, name, value))
    }
    pub fn state_get(key: &[u8], buf: &mut [u8]) -> i64 {
        fake(|h| h.state_get(key, buf))
    }
    pub fn state_put(key: &[u8], value: &[u8]) -> i32 {
        fake(|h| h.state_put(key, value))
    }
    pub fn state_delete(key: &[u8]) -> i32 {
        fake(|h| h.state_delete(key))
    }
    pub fn state_scan(prefix: &[u8], after: &[u8], buf: &mut [u8]) -> i64 {
        fake(|h| h.state_scan(prefix, after, buf))
    }
    pub fn driver_open(binding: u32, request: &[u8]) -> i64 {
        fake(|h| h.driver_open(binding, request))
    }
    pub fn driver_next(reader: u32, _: &mut [u8]) -> (i64, u32) {
        fake(|h| h.driver_next(reader))
    }
    pub fn driver_close(reader: u32) -> i32 {
        fake(|h| h.driver_close(reader))
    }
    pub fn driver_write(binding: u32, array: u32) -> i32 {
        fake(|h| h.driver_write(binding, array))
    }
    pub fn decide(request: &[u8], buf: &mut [u8]) -> i64 {
        fake(|h| h.decide(request, buf))
    }
}

pub use calls::*;

/// Calls a function of the host that fills a buffer, with a larger one when it asks for it.
pub fn fill(mut call: impl FnMut(&mut [u8]) -> i64) -> Result<Vec<u8>, Status> {
    let mut buf = vec![0; 256];
    loop {
        match call(&mut buf) {
            n if n < 0 => return Err(Status(-n as i32)),
            n if n as usize <= buf.len() => {
                buf.truncate(n as usize);
                return Ok(buf);
            }
            n => buf = vec![0; n as usize],
        }
    }
}
