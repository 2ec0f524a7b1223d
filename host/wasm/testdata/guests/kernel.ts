// The same kernels in AssemblyScript, whose loops are tested at their top.
export function spin(n: u32): u32 { let x: u32 = n | 1; for (let i: u32 = 0; i < n; i++) { x ^= x << 13; x ^= x >> 17; x ^= x << 5; } return x; }
export function kernel(n: u32, k: usize, v: usize, off: usize, data: usize, out: usize, sums: usize): u32 {
  let c: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const o = load<i32>(off + (<usize>i << 2)); const l = load<i32>(off + (<usize>i << 2), 4) - o;
    const kk = load<i64>(k + (<usize>i << 3));
    if (kk > 100 && l > 3 && load<u8>(data + o) < 110) {
      const y = load<f64>(v + (<usize>i << 3)) * 1.1 + <f64>kk;
      store<f64>(out + (<usize>c << 3), y); c++;
      const s = sums + (<usize>(kk & 15) << 3); store<f64>(s, load<f64>(s) + y);
    }
  }
  return c;
}
export function dense(n: u32, v: usize, w: usize, out: usize): f64 {
  let s0: f64 = 0, s1: f64 = 0, s2: f64 = 0, s3: f64 = 0;
  for (let i: u32 = 0; i + 4 <= n; i += 4) {
    const p = <usize>i << 3;
    const a = load<f64>(v + p) * 1.1 + load<f64>(w + p), b = load<f64>(v + p, 8) * 1.1 + load<f64>(w + p, 8), c = load<f64>(v + p, 16) * 1.1 + load<f64>(w + p, 16), d = load<f64>(v + p, 24) * 1.1 + load<f64>(w + p, 24);
    store<f64>(out + p, a); store<f64>(out + p, b, 8); store<f64>(out + p, c, 16); store<f64>(out + p, d, 24);
    s0 += a; s1 += b; s2 += c; s3 += d;
  }
  return s0 + s1 + s2 + s3;
}
export function bytesum(n: u32, p: usize): u32 { let s: u32 = 0; for (let i: u32 = 0; i < n; i++) s += u32(load<u8>(p + i) < 110); return s; }
export function fib(n: u32): u32 { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
