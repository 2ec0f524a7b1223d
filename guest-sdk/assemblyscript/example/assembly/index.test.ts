import { Day, Int64 } from "adp";
import { fails, Host, test } from "adp/assembly/test";
import { Airport, Risk, Strike } from "./index";

function host(): Host {
  return new Host().input<Airport>("airports", "snapshot").input<Strike>("strikes").output<Risk>("risk", "upsert");
}

const may = Day.of(2026, 5, 1), april = Day.of(2026, 4, 1);

test("the second run goes on where the state of the first ended", () => {
  const first = host().config("minimum_cost", "10").open();
  first.feed<Airport>("airports", [new Airport("SEA", "Tacoma International", "Seattle"), new Airport("XXX", "Nowhere")]);
  first.feed<Strike>("strikes", [new Strike("SEA", may, new Int64(100)), new Strike("SEA", april, new Int64(9)), new Strike("SEA", april)]);
  first.flush();
  let risks = first.emitted<Risk>("risk");
  assert(risks.length == 1 && first.removed<Risk>("risk").length == 0);
  assert(risks[0].airport == "SEA" && risks[0].name! == "Tacoma International" && risks[0].city! == "Seattle");
  assert(risks[0].strikes == 1 && risks[0].cost == 100 && risks[0].last.days == may.days);
  assert(first.metric("strikes_ignored") == 2 && first.logged("airports touched: 1"));

  const second = host().after(first).open();
  second.feed<Strike>("strikes", [new Strike("SEA", april, new Int64(11))]);
  second.flush();
  risks = second.emitted<Risk>("risk");
  assert(risks.length == 1 && risks[0].strikes == 2 && risks[0].cost == 111 && risks[0].last.days == may.days);
  assert(risks[0].name == null && second.int64("strikes/SEA") == 2 && first.int64("strikes/SEA") == 1);
});

fails("a setting that is no number", 'setting minimum_cost: "cheap" is not a whole number', () => {
  host().config("minimum_cost", "cheap").open();
});
