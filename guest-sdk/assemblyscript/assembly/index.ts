// The kit: import { Product, Batch, Row, Columns, Output, register, run, state } from "adp".
export { Product, register } from "./product";
export { Batch, Column } from "./column";
export { Row, Columns, RowsOf } from "./row";
export { Output, Writer } from "./writer";
export { Builder } from "./builder";
export { run, state, Decision, Reader, Scan } from "./run";
export { Field, Kind, Port, Value, Bool, Int32, Int64, Float32, Float64 } from "./types";
export { Day, TimeOfDay, Timestamp, Decimal } from "./calendar";
export { Op, adds } from "./change";
