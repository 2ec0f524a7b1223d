//! Addresses. In the sandbox an address is a pointer; outside, a stand-in gives 32-bit addresses to memory, so that tests run
//! the code that products run.

#[cfg(target_arch = "wasm32")]
mod place {
    /// The n bytes at an address. The caller keeps them alive for 'a.
    pub unsafe fn view<'a>(addr: u32, n: usize) -> &'a [u8] {
        if n == 0 {
            return &[];
        }
        std::slice::from_raw_parts(addr as *const u8, n)
    }

    /// Where bytes lie, 0 when there are none.
    pub fn addr(bytes: &[u8]) -> u32 {
        if bytes.is_empty() {
            return 0;
        }
        bytes.as_ptr() as u32
    }

    /// Outside the sandbox, forgets addresses given since a mark.
    pub fn mark() -> usize {
        0
    }

    pub fn release(_: usize) {}
}

#[cfg(not(target_arch = "wasm32"))]
mod place {
    use std::cell::RefCell;

    /// A piece of memory at an address.
    #[derive(Clone, Copy)]
    pub struct Segment {
        pub base: u32,
        pub ptr: *const u8,
        pub len: usize,
    }

    thread_local! {
        static SEGMENTS: RefCell<Vec<Segment>> = const { RefCell::new(Vec::new()) };
    }

    /// Puts other segments in the place of the present ones, which it returns.
    pub fn replace(segments: Vec<Segment>) -> Vec<Segment> {
        SEGMENTS.replace(segments)
    }

    /// How many segments there are.
    pub fn mark() -> usize {
        SEGMENTS.with_borrow(|s| s.len())
    }

    /// Forgets the segments since a mark.
    pub fn release(mark: usize) {
        SEGMENTS.with_borrow_mut(|s| s.truncate(mark));
    }

    /// The present segments.
    pub fn segments() -> Vec<Segment> {
        SEGMENTS.with_borrow(|s| s.clone())
    }

    pub unsafe fn view<'a>(addr: u32, n: usize) -> &'a [u8] {
        if n == 0 {
            return &[];
        }
        SEGMENTS.with_borrow(|segments| {
            let i = segments.partition_point(|s| s.base <= addr);
            let s = segments[..i].last().expect("access outside memory");
            let at = (addr - s.base) as usize;
            assert!(at + n <= s.len, "access outside memory");
            std::slice::from_raw_parts(s.ptr.add(at), n)
        })
    }

    pub fn addr(bytes: &[u8]) -> u32 {
        if bytes.is_empty() {
            return 0;
        }
        SEGMENTS.with_borrow_mut(|segments| {
            // A gap between segments, so that one byte past the end is nobody's.
            let base = segments.last().map_or(1 << 16, |s| (s.base + s.len as u32 + 127) & !63);
            segments.push(Segment { base, ptr: bytes.as_ptr(), len: bytes.len() });
            base
        })
    }
}

pub use place::*;

/// The memory of a slice of plain values.
pub fn bytes_of<T: Copy>(v: &[T]) -> &[u8] {
    unsafe { std::slice::from_raw_parts(v.as_ptr().cast(), std::mem::size_of_val(v)) }
}

/// Plain values over memory that is aligned for them.
pub unsafe fn values_of<T>(bytes: &[u8], n: usize) -> &[T] {
    if n == 0 {
        return &[];
    }
    debug_assert!(bytes.len() >= n * std::mem::size_of::<T>());
    std::slice::from_raw_parts(bytes.as_ptr().cast(), n)
}

pub fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(b[at..at + 4].try_into().unwrap())
}

pub fn i64_at(b: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(b[at..at + 8].try_into().unwrap())
}
