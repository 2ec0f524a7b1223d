// Changes: the column _op of incremental inputs over upsert and replace ports.
import * as abi from "./abi";

export namespace Op {
  export const Insert: string = abi.OP_INSERT;
  export const UpdateBefore: string = abi.OP_UPDATE_BEFORE;
  export const UpdateAfter: string = abi.OP_UPDATE_AFTER;
  export const Delete: string = abi.OP_DELETE;
}

// Whether the row is there after the change.
export function adds(op: string): bool { return op == Op.Insert || op == Op.UpdateAfter; }
