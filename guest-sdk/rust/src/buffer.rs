//! Growing memory that is aligned for every column.

use std::alloc::{alloc, dealloc, handle_alloc_error, realloc, Layout};
use std::ptr::NonNull;

const ALIGN: usize = 16;

/// Bytes at a multiple of 16, like a `Vec<u8>` otherwise.
pub struct Buffer {
    ptr: NonNull<u8>,
    len: usize,
    cap: usize,
}

impl Buffer {
    pub const fn new() -> Buffer {
        Buffer { ptr: NonNull::dangling(), len: 0, cap: 0 }
    }

    pub fn bytes(&self) -> &[u8] {
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds a plain value.
    #[inline]
    pub fn push<T: Copy>(&mut self, v: T) {
        let n = std::mem::size_of::<T>();
        self.reserve(n);
        // There is room; columns hold values of one size, so that the place is aligned, but that is not relied upon.
        unsafe { self.ptr.as_ptr().add(self.len).cast::<T>().write_unaligned(v) };
        self.len += n;
    }

    #[inline]
    pub fn extend(&mut self, b: &[u8]) {
        self.reserve(b.len());
        unsafe { std::ptr::copy_nonoverlapping(b.as_ptr(), self.ptr.as_ptr().add(self.len), b.len()) };
        self.len += b.len();
    }

    /// Makes the length n, with zeros at new places.
    pub fn resize(&mut self, n: usize) {
        if n > self.len {
            self.reserve(n - self.len);
            unsafe { std::ptr::write_bytes(self.ptr.as_ptr().add(self.len), 0, n - self.len) };
        }
        self.len = n;
    }

    #[inline]
    fn reserve(&mut self, n: usize) {
        if self.cap - self.len < n {
            self.grow(n);
        }
    }

    #[cold]
    fn grow(&mut self, n: usize) {
        let cap = self.len.checked_add(n).expect("buffer too large").max(self.cap * 2).max(64);
        let layout = Layout::from_size_align(cap, ALIGN).expect("buffer too large");
        let p = unsafe {
            match self.cap {
                0 => alloc(layout),
                old => realloc(self.ptr.as_ptr(), Layout::from_size_align_unchecked(old, ALIGN), cap),
            }
        };
        self.ptr = NonNull::new(p).unwrap_or_else(|| handle_alloc_error(layout));
        self.cap = cap;
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.cap > 0 {
            unsafe { dealloc(self.ptr.as_ptr(), Layout::from_size_align_unchecked(self.cap, ALIGN)) };
        }
    }
}
