// A product that emits one row a case, for the sandbox and for the kit's host for unit tests: both must make the same of it.
import { cases } from "./cases.js";

export function people(_, out) {}

export function flush(out) {
  cases.forEach(([column, value], n) => out.greetings.emit({ n, [column]: value }));
}
