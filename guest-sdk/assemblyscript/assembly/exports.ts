// What the module exports; adp build puts it beside the product.
import * as abi from "./abi";
import "./abort";
import { Batch } from "./column";
import { allocAligned, freeAligned } from "./memory";
import { make, Product } from "./product";
import { begin, fail, failure, inputs, logLine, writers } from "./run";

let product: Product | null = null;

export function adp_abi(): i32 { return abi.VERSION; }

export function adp_alloc(size: usize): usize { return allocAligned(size); }

export function adp_free(ptr: usize, _size: usize): void { freeAligned(ptr); }

export function adp_open(block: usize, _size: usize): i32 {
  product = null;
  if (load<u32>(block, abi.OPEN_VERSION) != abi.VERSION) {
    fail("the host speaks ABI " + load<u32>(block, abi.OPEN_VERSION).toString() + ", this module " + abi.VERSION.toString());
    return status();
  }
  begin(block);
  product = make();
  return status();
}

export function adp_process(input: u32, array: usize): i32 {
  const p = product;
  if (!p || input >= <u32>inputs.length) return abi.BAD_ARGUMENT;
  p.process(new Batch(inputs[input], array));
  for (let i = 0; !failure && i < writers.length; i++) writers[i].sendFull();
  return status();
}

export function adp_flush(): i32 {
  const p = product;
  if (!p) return abi.BAD_ARGUMENT;
  p.flush();
  for (let i = 0; !failure && i < writers.length; i++) writers[i].send();
  return status();
}

// Logs why the run fails, if it does, and says so.
function status(): i32 {
  const why = failure;
  if (!why) return abi.OK;
  logLine(abi.LOG_ERROR, why);
  return abi.FAILED;
}
