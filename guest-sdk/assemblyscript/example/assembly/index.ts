// A small product: what bird strikes cost each airport, kept up to date as strikes are reported. guest-sdk/go/example is the same product
// in Go.
import { Batch, Columns, Day, Int64, Output, Product, register, Row, run, state } from "adp";

// A row of the snapshot input airports.
export class Airport extends Row {
  constructor(public code: string = "", public name: string = "", public city: string | null = null) { super(); }

  columns(c: Columns): void {
    this.code = c.column("code", this.code);
    this.name = c.column("name", this.name);
    this.city = c.column("city", this.city);
  }
}

// A row of the incremental input strikes.
export class Strike extends Row {
  // cost: dollars
  constructor(public airport: string = "", public date: Day = new Day(), public cost: Int64 | null = null) { super(); }

  columns(c: Columns): void {
    this.airport = c.column("airport", this.airport);
    this.date = c.column("date", this.date);
    this.cost = c.column("cost", this.cost);
  }
}

// A row of the upsert output risk; its key is airport.
export class Risk extends Row {
  airport: string = "";
  name: string | null = null;
  city: string | null = null;
  strikes: i64 = 0;
  cost: i64 = 0;
  last: Day = new Day();

  columns(c: Columns): void {
    this.airport = c.column("airport", this.airport);
    this.name = c.column("name", this.name);
    this.city = c.column("city", this.city);
    this.strikes = c.column("strikes", this.strikes);
    this.cost = c.column("cost", this.cost);
    this.last = c.column("last", this.last);
  }
}

// One run of the product.
class StrikeRisk extends Product {
  minimum: i64 = run.setting("minimum_cost", 0);
  airports: Map<string, Airport> = new Map<string, Airport>();
  touched: Set<string> = new Set<string>();
  risk: Output<Risk> = new Output<Risk>("risk");

  process(batch: Batch): void {
    if (batch.port.name == "airports") {
      for (let all = batch.of<Airport>(); all.next(); ) this.airports.set(all.row.code, all.row);
    } else {
      for (let all = batch.of<Strike>(); all.next(); ) this.count(all.row);
    }
  }

  count(s: Strike): void {
    const given = s.cost, cost = given ? given.value : 0;
    if (cost < this.minimum) return run.count("strikes_ignored", 1);
    state.add("strikes/" + s.airport, 1);
    state.add("cost/" + s.airport, cost);
    const last = "last/" + s.airport;
    if (state.int64(last) < s.date.days) state.putInt64(last, s.date.days);
    this.touched.add(s.airport);
  }

  flush(): void {
    const codes = this.touched.values().sort();
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i], row = new Risk();
      row.airport = code;
      if (this.airports.has(code)) {
        row.name = this.airports.get(code).name;
        row.city = this.airports.get(code).city;
      }
      row.strikes = state.int64("strikes/" + code);
      row.cost = state.int64("cost/" + code);
      row.last = new Day(<i32>state.int64("last/" + code));
      this.risk.emit(row);
    }
    run.info("airports touched: " + codes.length.toString());
  }
}

register((): Product => new StrikeRisk());
