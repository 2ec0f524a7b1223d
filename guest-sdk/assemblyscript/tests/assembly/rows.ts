// Rows of the kit's tests.
import { Columns, Decimal, Float64, Int32, Row, Timestamp } from "adp";

export class In extends Row {
  constructor(public id: i64 = 0, public name: string | null = null, public size: Float64 | null = null) { super(); }

  columns(c: Columns): void {
    this.id = c.column("id", this.id);
    this.name = c.column("name", this.name);
    this.size = c.column("size", this.size);
  }
}

export class Out extends Row {
  constructor(public id: i64 = 0, public name: string = "") { super(); }

  columns(c: Columns): void {
    this.id = c.column("id", this.id);
    this.name = c.column("name", this.name);
  }
}

export class Point extends Row {
  constructor(public x: Int32 | null = null, public tags: Array<string | null> | null = null) { super(); }

  columns(c: Columns): void {
    this.x = c.column("x", this.x);
    this.tags = c.column("tags", this.tags);
  }
}

export class Rich extends Row {
  flag: bool = false;
  amount: Decimal = new Decimal();
  at: Timestamp = new Timestamp();
  raw: Uint8Array = new Uint8Array(0);
  points: Array<Point> = [];
  where: Point | null = null;

  columns(c: Columns): void {
    this.flag = c.column("flag", this.flag);
    this.amount = c.column("amount", this.amount);
    this.at = c.column("at", this.at);
    this.raw = c.column("raw", this.raw);
    this.points = c.column("points", this.points);
    this.where = c.column("where", this.where);
  }
}

export class Change extends Row {
  constructor(public id: i64 = 0, public op: string = "", public seq: i64 = 0) { super(); }

  columns(c: Columns): void {
    this.id = c.column("id", this.id);
    this.op = c.column("_op", this.op);
    this.seq = c.column("_seq", this.seq);
  }
}
