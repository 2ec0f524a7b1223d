// What crosses, and what surrounds a run.
import { adds, Batch, Decimal, Int32, Op, Output, Product, register, run, state, Timestamp, Writer } from "adp";
import { fails, Host, test } from "adp/assembly/test";
import { Change, In, Out, Point, Rich } from "./rows";

// Sends each row twice: by columns and as an object.
class Copy extends Product {
  copied: Writer = Writer.named("copied");
  again: Output<Rich> = new Output<Rich>("again");

  process(b: Batch): void {
    for (let j = 0; j < b.columns.length; j++) for (let i = 0; i < b.rows; i++) this.copied.columns[j].copy(b.columns[j], i);
    for (let all = b.of<Rich>(); all.next(); ) this.again.emit(all.row);
  }
}

test("nested rows come back equal by columns and as objects", () => {
  register((): Product => new Copy());
  const r = new Host().input<Rich>("rich").output<Rich>("copied").output<Rich>("again").open();
  const full = new Rich(), empty = new Rich();
  full.flag = true;
  full.amount = Decimal.of(-5);
  full.at = new Timestamp(17);
  full.raw = new Uint8Array(2);
  full.raw[1] = 120;
  full.where = new Point(new Int32(7), ["ä", null]);
  full.points = [full.where!, new Point()];
  r.feed<Rich>("rich", [full, empty]);
  r.flush();
  const outputs = ["copied", "again"];
  for (let o = 0; o < 2; o++) {
    const all = r.emitted<Rich>(outputs[o]), a = all[0], b = all[1];
    assert(all.length == 2 && a.flag && !b.flag && a.amount.text(1) == "-0.5" && a.at.micros == 17);
    assert(a.raw.length == 2 && a.raw[1] == 120 && b.raw.length == 0 && b.points.length == 0 && b.where == null);
    const tags = a.points[0].tags!;
    assert(a.points.length == 2 && a.points[0].x!.value == 7 && tags.length == 2 && tags[0]! == "ä" && tags[1] == null);
    assert(a.points[1].x == null && a.points[1].tags == null && a.where!.x!.value == 7);
  }
});

class Apply extends Product {
  keyed: Output<Out> = new Output<Out>("keyed");

  process(b: Batch): void {
    for (let all = b.of<Change>(); all.next(); ) {
      if (adds(all.row.op)) this.keyed.emit(new Out(all.row.id, "there"));
      else if (all.row.op == Op.Delete) this.keyed.remove(new Out(all.row.id));
    }
  }
}

test("changes", () => {
  register((): Product => new Apply());
  const r = new Host().input<Change>("changes").output<Out>("keyed", "upsert").open();
  r.feed<Change>("changes", [new Change(1, Op.Insert, 4), new Change(2, Op.UpdateBefore, 4), new Change(1, Op.Delete, 5), new Change(3, Op.UpdateAfter, 5)]);
  r.flush();
  const there = r.emitted<Out>("keyed"), gone = r.removed<Out>("keyed");
  assert(there.length == 2 && there[0].id == 1 && there[0].name == "there" && there[1].id == 3 && gone.length == 1 && gone[0].id == 1);
});

// Uses everything that surrounds a run.
class Around extends Product {
  constructor() {
    super();
    let sum: i64 = 0;
    for (let r = run.read("source", "all"); r.next(); ) for (let all = r.batch.of<In>(); all.next(); ) sum += all.row.id;
    new Output<Out>("sink").emit(new Out(sum, "sum"));
    state.putText("b", "");
    state.putText("a/2", "two");
    state.putText("a/\u{1F985}", "eagle");
    state.putText("a/\uFF5E", "tilde");
    state.putText("a/1", "one");
    state.putText("a/1", "uno");
    state.remove("none");
    run.info("ü".repeat(10000));
    run.count("counted", 2);
    run.count("counted", 1);
    run.gauge("gauged", 2);
    run.gauge("gauged", 1);
    if (!run.decide("read", "adp://./a/b", 'x"y').allow) run.fail("denied");
  }

  process(b: Batch): void {
    let seen = "";
    for (let s = state.scan("a/"); s.next(); ) seen += s.key + "=" + s.text + ";";
    run.info(seen);
    run.info(run.clock() < run.clock() && run.random(8)[0] != run.random(8)[0] ? "moves" : "stands still");
    run.info(run.config("none") == null && run.setting("n", 1) == -3 && run.rebuilding() && b.rows == 1 ? "set" : "not set");
  }
}

function around(): Host {
  register((): Product => new Around());
  return new Host().input<In>("in").sink<Out>("sink").source<In>("source", [new In(4), new In(5)]).config("n", "-3").rebuilding().seed(7);
}

test("what surrounds a run", () => {
  const r = around().policy((request: string): string => {
    assert(request == '{"action":"read","resource":"adp://./a/b","purpose":"x\\"y"}', request);
    return ' { "reason": "ja", "more": [1, {"a": "}"}], "allow" : true } ';
  }).open();
  r.feed<In>("in", [new In(1)]);
  r.flush();
  const written = r.emitted<Out>("sink");
  assert(written.length == 1 && written[0].id == 9 && r.requests.length == 1 && r.requests[0] == "all");
  assert(r.keys().join(" ") == "a/1 a/2 a/\uFF5E a/\u{1F985} b" && r.text("a/1")! == "uno" && r.text("none") == null);
  assert(r.logged("a/1=uno;a/2=two;a/\uFF5E=tilde;a/\u{1F985}=eagle;") && r.logged("moves") && r.logged("set") && !r.logged("not set"));
  assert(r.logged("ü".repeat(8192)) && !r.logged("ü".repeat(8193)) && r.metric("counted") == 3 && r.metric("gauged") == 1);
});

fails("no policy", "denied", () => { around().open(); });

fails("a host opened twice", "this host has been opened", () => {
  const h = around().policy((_: string): string => '{"allow":true}');
  h.open();
  h.open();
});
