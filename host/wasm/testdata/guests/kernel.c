// A guest in C for differential runs and overhead, without a C library. See README.md for how it is built.
#include <stdint.h>
#define EXPORT(n) __attribute__((export_name(#n)))

// The row kernel: filter, computed column, grouped sum.
EXPORT(kernel)
uint32_t kernel(uint32_t n, const int64_t *k, const double *v, const int32_t *off, const uint8_t *data, double *out, double *sums) {
  uint32_t c = 0;
  for (uint32_t i = 0; i < n; i++) {
    int32_t o = off[i], l = off[i + 1] - o;
    int64_t kk = k[i];
    if (kk > 100 && l > 3 && data[o] < 'n') {
      double y = v[i] * 1.1 + (double)kk;
      out[c++] = y;
      sums[kk & 15] += y;
    }
  }
  return c;
}

EXPORT(dense)
double dense(uint32_t n, const double *restrict v, const double *restrict w, double *restrict out) {
  double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  uint32_t i = 0;
  for (; i + 4 <= n; i += 4) {
    double a = v[i] * 1.1 + w[i], b = v[i + 1] * 1.1 + w[i + 1], c = v[i + 2] * 1.1 + w[i + 2], d = v[i + 3] * 1.1 + w[i + 3];
    out[i] = a, out[i + 1] = b, out[i + 2] = c, out[i + 3] = d;
    s0 += a, s1 += b, s2 += c, s3 += d;
  }
  for (; i < n; i++) {
    double a = v[i] * 1.1 + w[i];
    out[i] = a, s0 += a;
  }
  return s0 + s1 + s2 + s3;
}

EXPORT(bytesum)
uint32_t bytesum(uint32_t n, const uint8_t *p) {
  uint32_t s = 0;
  for (uint32_t i = 0; i < n; i++) s += p[i] < 'n';
  return s;
}

EXPORT(spin)
uint32_t spin(uint32_t n) {
  uint32_t x = n | 1;
  for (uint32_t i = 0; i < n; i++) x ^= x << 13, x ^= x >> 17, x ^= x << 5;
  return x;
}

EXPORT(fib)
uint32_t fib(uint32_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

// A small interpreter: a switch in a loop.
EXPORT(machine)
int32_t machine(int32_t steps, const uint8_t *code, int32_t n) {
  int32_t acc = 0, pc = 0;
  while (steps-- > 0) {
    switch (code[pc] & 7) {
    case 0: acc += pc; break;
    case 1: acc ^= steps; break;
    case 2: acc = acc * 31 + 7; break;
    case 3: if (acc & 1) pc += 3; break;
    case 4: acc >>= 1; break;
    case 5: acc -= code[pc] >> 3; break;
    case 6: if (acc < 0) return acc + steps; continue;
    default: acc = ~acc; break;
    }
    if (++pc >= n) pc = 0;
  }
  return acc;
}

static void sort(int32_t *a, int32_t lo, int32_t hi) {
  while (lo < hi) {
    int32_t p = a[(lo + hi) >> 1], i = lo, j = hi;
    while (i <= j) {
      while (a[i] < p) i++;
      while (a[j] > p) j--;
      if (i <= j) {
        int32_t t = a[i];
        a[i++] = a[j], a[j--] = t;
      }
    }
    if (j - lo < hi - i) {
      sort(a, lo, j), lo = i;
    } else {
      sort(a, i, hi), hi = j;
    }
  }
}

EXPORT(sortints)
int32_t sortints(int32_t *a, int32_t n) {
  sort(a, 0, n - 1);
  int32_t h = 0;
  for (int32_t i = 0; i < n; i++) h = h * 31 + a[i];
  return h;
}

EXPORT(copy)
uint32_t copy(uint8_t *to, const uint8_t *from, uint32_t n) {
  __builtin_memcpy(to, from, n);
  __builtin_memset(to, 7, n / 2);
  return to[n - 1] + to[0];
}

// A hash of strings with early exits: many ways out of one loop.
EXPORT(find)
int32_t find(const uint8_t *text, int32_t n, const uint8_t *want, int32_t m) {
  for (int32_t i = 0; i + m <= n; i++) {
    int32_t j = 0;
    for (; j < m; j++) {
      if (want[j] == '?') continue;
      if (text[i + j] != want[j]) break;
      if (text[i + j] == 0) return -2;
    }
    if (j == m) return i;
  }
  return -1;
}
