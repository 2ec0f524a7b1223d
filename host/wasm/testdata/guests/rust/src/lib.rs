//! The kernels of kernel.c in Rust, over slices as a product would see them.
use std::slice::{from_raw_parts, from_raw_parts_mut};

/// The row kernel: filter, computed column, grouped sum.
///
/// # Safety
/// The columns have n rows and lie where the host says.
#[no_mangle]
pub unsafe extern "C" fn kernel(n: usize, k: *const i64, v: *const f64, off: *const i32, data: *const u8, out: *mut f64, sums: *mut f64) -> u32 {
    let off = from_raw_parts(off, n + 1);
    let data = from_raw_parts(data, off[n] as usize);
    rows(from_raw_parts(k, n), from_raw_parts(v, n), off, data, from_raw_parts_mut(out, n), &mut *(sums as *mut [f64; 16]))
}

fn rows(k: &[i64], v: &[f64], off: &[i32], data: &[u8], out: &mut [f64], sums: &mut [f64; 16]) -> u32 {
    let mut c = 0;
    for ((&k, &v), o) in k.iter().zip(v).zip(off.windows(2)) {
        if k > 100 && o[1] - o[0] > 3 && data[o[0] as usize] < b'n' {
            let y = v * 1.1 + k as f64;
            out[c] = y;
            c += 1;
            sums[(k & 15) as usize] += y;
        }
    }
    c as u32
}

/// # Safety
/// As kernel.
#[no_mangle]
pub unsafe extern "C" fn dense(n: usize, v: *const f64, w: *const f64, out: *mut f64) -> f64 {
    columns(from_raw_parts(v, n), from_raw_parts(w, n), from_raw_parts_mut(out, n))
}

fn columns(v: &[f64], w: &[f64], out: &mut [f64]) -> f64 {
    let mut s = [0.0; 4];
    let (v4, w4, o4) = (v.chunks_exact(4), w.chunks_exact(4), out.chunks_exact_mut(4));
    let rest = v4.remainder().iter().zip(w4.remainder()).map(|(v, w)| v * 1.1 + w);
    for ((v, w), o) in v4.zip(w4).zip(o4) {
        for i in 0..4 {
            o[i] = v[i] * 1.1 + w[i];
            s[i] += o[i];
        }
    }
    for (o, a) in out.chunks_exact_mut(4).into_remainder().iter_mut().zip(rest) {
        *o = a;
        s[0] += a;
    }
    s.iter().sum()
}

/// # Safety
/// As kernel.
#[no_mangle]
pub unsafe extern "C" fn bytesum(n: usize, p: *const u8) -> u32 {
    from_raw_parts(p, n).iter().filter(|b| **b < b'n').count() as u32
}

#[no_mangle]
pub extern "C" fn spin(n: u32) -> u32 {
    let mut x = n | 1;
    for _ in 0..n {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
    }
    x
}

#[no_mangle]
pub extern "C" fn fib(n: u32) -> u32 {
    if n < 2 {
        n
    } else {
        fib(n - 1) + fib(n - 2)
    }
}
