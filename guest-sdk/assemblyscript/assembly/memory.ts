// Memory that the collector does not know, and text in it.

// A buffer that grows. Nothing gives it back: builders live as long as the run.
@final
export class Buffer {
  ptr: usize = 0;
  len: i32 = 0;
  cap: i32 = 0;

  // Makes room for n more bytes and returns their address.
  take(n: i32): usize {
    const end = this.len + n;
    if (end < this.len) throw new Error("more than 2 GiB in one batch");
    if (end > this.cap) this.grow(end);
    const at = this.ptr + this.len;
    this.len = end;
    return at;
  }

  private grow(end: i32): void {
    let cap: i64 = this.cap > 0 ? 2 * <i64>this.cap : 256;
    while (cap < <i64>end) cap *= 2;
    const size = <i32>min<i64>(cap, 0x3fff_ff00);
    if (size < end) throw new Error("more than 1 GiB in one batch");
    this.ptr = this.ptr != 0 ? heap.realloc(this.ptr, size) : heap.alloc(size);
    this.cap = size;
  }
}

// Memory at a multiple of 64, as the ABI wants it; give it back with freeAligned.
export function allocAligned(size: usize): usize {
  if (size > 0x3fff_ff00) return 0; // more than the allocator can give
  const block = heap.alloc(size + 80);
  const at = (block + 16 + 63) & ~63; // at least 16 bytes behind the block, room for its address
  store<usize>(at - 4, block);
  return at;
}

export function freeAligned(at: usize): void {
  heap.free(load<usize>(at - 4));
}

// Text as UTF-8 for one call of the host: the memory is used again by the next but one, so that a call may take two.
@final
export class Utf8 {
  ptr: usize;
  len: i32;

  constructor(text: string) {
    const len = String.UTF8.byteLength(text), slot = slots() + 8 * (turn ^= 1);
    if (<i32>load<u32>(slot, 4) < len) {
      if (load<usize>(slot) != 0) heap.free(load<usize>(slot));
      store<usize>(slot, heap.alloc(len));
      store<u32>(slot, len, 4);
    }
    this.len = len;
    this.ptr = load<usize>(slot);
    encode(text, this.ptr);
  }
}

// Addresses and sizes of two pieces of memory. Static: an error may have to be told before anything is initialised.
function slots(): usize { return memory.data(16, 8); }
let turn: usize = 0;

// Writes text as UTF-8; half a surrogate pair becomes U+FFFD.
export function encode(text: string, to: usize): i32 {
  return <i32>String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, to, false, String.UTF8.ErrorMode.REPLACE);
}

export function decode(at: usize, len: i32): string {
  return len == 0 ? "" : String.UTF8.decodeUnsafe(at, len);
}

// A buffer for what the host answers, as large as the last large answer.
export const answer = new Buffer();

export function room(cap: i32): void {
  answer.len = 0;
  answer.take(cap);
}

export function answerBytes(n: i32): Uint8Array {
  const out = new Uint8Array(n);
  memory.copy(out.dataStart, answer.ptr, n);
  return out;
}
