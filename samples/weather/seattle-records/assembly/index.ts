// Records of each day of the year, kept up to date as days arrive.
import { Batch, Columns, Day, Float64, Output, Product, register, Row, state } from "adp";

// A row of the incremental input days.
class Observed extends Row {
  date: Day = new Day();
  high: Float64 | null = null;
  low: Float64 | null = null;

  columns(c: Columns): void {
    this.date = c.column("date", this.date);
    this.high = c.column("temp_max_c", this.high);
    this.low = c.column("temp_min_c", this.low);
  }
}

// A row of the upsert output records, and what the state keeps of a day of the year; its key is day.
class Records extends Row {
  years: i64 = 0;
  high: Float64 | null = null;
  highOn: Day | null = null;
  low: Float64 | null = null;
  lowOn: Day | null = null;

  constructor(public day: string = "") { super(); }

  columns(c: Columns): void {
    this.day = c.column("day", this.day);
    this.years = c.column("years", this.years);
    this.high = c.column("high_c", this.high);
    this.highOn = c.column("high_on", this.highOn);
    this.low = c.column("low_c", this.low);
    this.lowOn = c.column("low_on", this.lowOn);
  }

  // Of equal temperatures the earliest is the record, in whatever order days arrive.
  add(d: Observed): void {
    this.years++;
    const high = d.high, low = d.low, best = this.high, worst = this.low;
    if (high && (!best || high.value > best.value || (high.value == best.value && d.date.days < this.highOn!.days))) {
      this.high = high;
      this.highOn = d.date;
    }
    if (low && (!worst || low.value < worst.value || (low.value == worst.value && d.date.days < this.lowOn!.days))) {
      this.low = low;
      this.lowOn = d.date;
    }
  }

  // What the state has of the day: years, then temperature and date of the records, NaN where there is none.
  recall(): void {
    const kept = state.get("days/" + this.day);
    if (!kept) return;
    const at = kept.dataStart, high = load<f64>(at, 8), low = load<f64>(at, 24);
    this.years = load<i64>(at);
    if (!isNaN(high)) {
      this.high = new Float64(high);
      this.highOn = new Day(<i32>load<i64>(at, 16));
    }
    if (!isNaN(low)) {
      this.low = new Float64(low);
      this.lowOn = new Day(<i32>load<i64>(at, 32));
    }
  }

  keep(): void {
    const kept = new Uint8Array(40), at = kept.dataStart, high = this.high, low = this.low;
    store<i64>(at, this.years);
    store<f64>(at, high ? high.value : NaN, 8);
    store<i64>(at, high ? this.highOn!.days : 0, 16);
    store<f64>(at, low ? low.value : NaN, 24);
    store<i64>(at, low ? this.lowOn!.days : 0, 32);
    state.put("days/" + this.day, kept);
  }
}

class SeattleRecords extends Product {
  out: Output<Records> = new Output<Records>("records");
  touched: Map<string, Records> = new Map<string, Records>();

  process(batch: Batch): void {
    for (let days = batch.of<Observed>(); days.next(); ) {
      const day = days.row.date.toString().substring(5);
      if (!this.touched.has(day)) {
        const before = new Records(day);
        before.recall();
        this.touched.set(day, before);
      }
      this.touched.get(day).add(days.row);
    }
  }

  flush(): void {
    const days = this.touched.keys().sort();
    for (let i = 0; i < days.length; i++) {
      const records = this.touched.get(days[i]);
      records.keep();
      this.out.emit(records);
    }
  }
}

register((): Product => new SeattleRecords());
