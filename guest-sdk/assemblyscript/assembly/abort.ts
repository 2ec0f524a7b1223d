// Where errors end that nobody catches, and in AssemblyScript nobody does: throw, assert, an index out of range, null for an object.
import * as abi from "./abi";
import { logLine } from "./run";

// Logs the error with its place and ends the run. The compiler puts it in the place of its own abort.
export function end(message: string | null, file: string | null, line: u32, column: u32): void {
  let text = message ? message : "abort";
  if (file) text += " (in " + file + ":" + line.toString() + ":" + column.toString() + ")";
  logLine(abi.LOG_ERROR, text);
  unreachable();
}
