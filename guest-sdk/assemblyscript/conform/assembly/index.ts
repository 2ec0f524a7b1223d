// The reference product of abi/abitest: it does, over the kit, everything that the ABI offers.
import {
  adds, Batch, Bool, Columns, Day, Decimal, Float32, Float64, Int32, Int64, Op, Output, Product, register, Row, run, state, TimeOfDay, Timestamp, Writer,
} from "adp";

class Members extends Row {
  x: Int32 | null = null;
  name: string | null = null;
  tags: Array<string | null> | null = null;

  columns(c: Columns): void {
    this.x = c.column("x", this.x);
    this.name = c.column("name", this.name);
    this.tags = c.column("tags", this.tags);
  }
}

class Nested extends Row {
  k: string = "";
  v: Float64 | null = null;

  columns(c: Columns): void {
    this.k = c.column("k", this.k);
    this.v = c.column("v", this.v);
  }
}

class Required extends Row {
  a: i64 = 0;
  d: Day = new Day();

  columns(c: Columns): void {
    this.a = c.column("a", this.a);
    this.d = c.column("d", this.d);
  }
}

// A row of every type: input all, output rows.
class All extends Row {
  id: i64 = 0;
  flag: Bool | null = null;
  int32: Int32 | null = null;
  int64: Int64 | null = null;
  float32: Float32 | null = null;
  float64: Float64 | null = null;
  decimal: Decimal | null = null;
  date: Day | null = null;
  time: TimeOfDay | null = null;
  timestamp: Timestamp | null = null;
  timestamptz: Timestamp | null = null;
  text: string | null = null;
  binary: Uint8Array | null = null;
  list: Array<Int64 | null> | null = null;
  members: Members | null = null;
  nested: Array<Nested | null> | null = null;
  requiredBool: bool = false;
  requiredDecimal: Decimal = new Decimal();
  requiredString: string = "";
  requiredBinary: Uint8Array = new Uint8Array(0);
  requiredList: Array<f32> = [];
  requiredStruct: Required = new Required();

  columns(c: Columns): void {
    this.id = c.column("id", this.id);
    this.flag = c.column("bool", this.flag);
    this.int32 = c.column("int32", this.int32);
    this.int64 = c.column("int64", this.int64);
    this.float32 = c.column("float32", this.float32);
    this.float64 = c.column("float64", this.float64);
    this.decimal = c.column("decimal", this.decimal);
    this.date = c.column("date", this.date);
    this.time = c.column("time", this.time);
    this.timestamp = c.column("timestamp", this.timestamp);
    this.timestamptz = c.column("timestamptz", this.timestamptz);
    this.text = c.column("string", this.text);
    this.binary = c.column("binary", this.binary);
    this.list = c.column("list", this.list);
    this.members = c.column("struct", this.members);
    this.nested = c.column("nested", this.nested);
    this.requiredBool = c.column("required_bool", this.requiredBool);
    this.requiredDecimal = c.column("required_decimal", this.requiredDecimal);
    this.requiredString = c.column("required_string", this.requiredString);
    this.requiredBinary = c.column("required_binary", this.requiredBinary);
    this.requiredList = c.column("required_list", this.requiredList);
    this.requiredStruct = c.column("required_struct", this.requiredStruct);
  }
}

// A row of input lookup and of output latest.
class Lookup extends Row {
  constructor(public key: string = "", public value: Int64 | null = null) { super(); }

  columns(c: Columns): void {
    this.key = c.column("key", this.key);
    this.value = c.column("value", this.value);
  }
}

class Change extends Row {
  key: string = "";
  value: Int64 | null = null;
  op: string = "";

  columns(c: Columns): void {
    this.key = c.column("key", this.key);
    this.value = c.column("value", this.value);
    this.op = c.column("_op", this.op);
  }
}

class Command extends Row {
  name: string = "";
  arg: string | null = null;

  columns(c: Columns): void {
    this.name = c.column("name", this.name);
    this.arg = c.column("arg", this.arg);
  }
}

class Fact extends Row {
  constructor(public name: string = "", public value: string | null = null) { super(); }

  columns(c: Columns): void {
    this.name = c.column("name", this.name);
    this.value = c.column("value", this.value);
  }
}

// A row of the bindings.
class Pair extends Row {
  constructor(public k: i64 = 0, public name: string | null = null) { super(); }

  columns(c: Columns): void {
    this.k = c.column("k", this.k);
    this.name = c.column("name", this.name);
  }
}

// One run.
class Conform extends Product {
  columns: Writer = Writer.named("columns");
  rows: Output<All> = new Output<All>("rows");
  latest: Output<Lookup> = new Output<Lookup>("latest");
  facts: Output<Fact> = new Output<Fact>("facts");
  sink: Output<Pair> = new Output<Pair>("sink");
  lookup: Map<string, Int64 | null> = new Map<string, Int64 | null>();
  kept: Array<string> = [];
  seen: i64 = 0;

  constructor() {
    super();
    run.input("all");
    run.input("lookup");
    run.input("changes");
    run.input("commands");
  }

  process(batch: Batch): void {
    this.seen += batch.rows;
    const input = batch.port.name;
    if (input == "all") {
      this.copyColumns(batch);
      for (let all = batch.of<All>(); all.next(); ) this.rows.emit(all.row);
    } else if (input == "lookup") {
      for (let all = batch.of<Lookup>(); all.next(); ) this.lookup.set(all.row.key, all.row.value);
    } else if (input == "changes") {
      for (let all = batch.of<Change>(); all.next(); ) {
        const change = all.row, row = new Lookup(change.key, change.value);
        if (change.op == Op.Delete) this.latest.remove(row);
        else if (adds(change.op)) this.latest.emit(row);
      }
    } else {
      for (let all = batch.of<Command>(); all.next(); ) {
        const arg = all.row.arg;
        this.command(all.row.name, arg ? arg : "");
      }
    }
  }

  flush(): void {
    for (let i = 0; i < this.kept.length; i++) this.answer("keep", this.kept[i]);
    if (this.seen > 0) this.answer("flush", this.seen.toString());
  }

  // Moves the batch column by column.
  copyColumns(batch: Batch): void {
    for (let j = 0; j < batch.columns.length; j++) {
      const from = batch.columns[j], to = this.columns.columns[j];
      for (let i = 0; i < batch.rows; i++) to.copy(from, i);
    }
  }

  answer(name: string, value: string | null): void { this.facts.emit(new Fact(name, value)); }

  // Carries out one command; abi/abitest lists them.
  command(name: string, arg: string): void {
    const space = arg.indexOf(" "), first = space < 0 ? arg : arg.substring(0, space), rest = space < 0 ? "" : arg.substring(space + 1);
    if (name == "ports") {
      this.ports();
    } else if (name == "rebuild") {
      this.answer(name, run.rebuilding().toString());
    } else if (name == "config") {
      this.answer(name, run.config(arg));
    } else if (name == "log") {
      this.log(first, rest);
    } else if (name == "clock") {
      this.answer(name, run.clock().toString());
    } else if (name == "random") {
      const bytes = run.random(<i32>number(arg));
      let hex = "";
      for (let i = 0; i < bytes.length; i++) hex += bytes[i].toString(16).padStart(2, "0");
      this.answer(name, hex);
    } else if (name == "counter") {
      run.count(first, F64.parseFloat(rest));
    } else if (name == "gauge") {
      run.gauge(first, F64.parseFloat(rest));
    } else if (name == "lookup") {
      const value = this.lookup.has(arg) ? this.lookup.get(arg) : null;
      this.answer(name, value ? value.value.toString() : null);
    } else if (name == "keep") {
      this.kept.push(arg);
    } else if (name == "decide") {
      this.decide(first, rest);
    } else if (name == "read") {
      this.read(arg);
    } else if (name == "write") {
      this.sink.emit(new Pair(number(first), space < 0 ? null : rest));
    } else if (name == "upsert") {
      this.latest.emit(new Lookup(first, space < 0 ? null : new Int64(number(rest))));
    } else if (name == "remove") {
      this.latest.remove(new Lookup(first));
    } else if (name == "fail") {
      run.fail(arg);
    } else if (name == "panic") {
      throw new Error(arg);
    } else {
      this.state(name, first, rest);
    }
  }

  ports(): void {
    const all = run.ports(), words: string[] = [];
    for (let i = 0; i < all.length; i++) words.push(all[i].toString() + " " + all[i].mode);
    this.answer("ports", words.join("; "));
  }

  log(level: string, message: string): void {
    if (level == "debug") run.debug(message);
    else if (level == "info") run.info(message);
    else if (level == "warn") run.warn(message);
    else if (level == "error") run.error(message);
    else run.fail("unknown level " + level);
  }

  decide(action: string, rest: string): void {
    const space = rest.indexOf(" ");
    const d = run.decide(action, space < 0 ? rest : rest.substring(0, space), space < 0 ? "" : rest.substring(space + 1));
    const word = d.allow ? "allow " : "deny ";
    this.answer("decide", word + d.reason);
  }

  read(request: string): void {
    const words: string[] = [];
    for (let reader = run.read("source", request); reader.next(); ) {
      for (let all = reader.batch.of<Pair>(); all.next(); ) {
        const name = all.row.name;
        words.push(all.row.k.toString() + ":" + (name ? name : ""));
      }
    }
    this.answer("read", words.join(","));
  }

  state(name: string, key: string, rest: string): void {
    if (name == "put") {
      state.putText(key, rest);
    } else if (name == "get") {
      this.answer(name, state.text(key));
    } else if (name == "delete") {
      state.remove(key);
    } else if (name == "scan") {
      const words: string[] = [];
      for (let s = state.scan(key); s.next(); ) words.push(s.key + "=" + s.text);
      this.answer(name, words.join(";"));
    } else if (name == "add") {
      this.answer(name, state.add(key, number(rest)).toString());
    } else if (name == "fill") {
      state.putText(key, "x".repeat(<i32>number(rest)));
      this.answer(name, state.get(key)!.length.toString());
    } else {
      run.fail("unknown command " + name);
    }
  }
}

function number(text: string): i64 {
  const n = I64.parseInt(text);
  if (n.toString() != text) throw new Error(text + " is no number");
  return n;
}

register((): Product => new Conform());
