// How often each airport has been struck, and what that has cost, over all runs.
import { run, state } from "adp";

const floor = () => run.setting("floor", 0);

/** Each row of the input strikes: {airport, date, cost_usd}. */
export function strikes({ airport, cost_usd }, out) {
  if ((cost_usd ?? 0) < floor()) return;
  const known = state.load(airport) ?? { strikes: 0, cost: 0 };
  known.strikes++;
  known.cost += cost_usd ?? 0;
  state.store(airport, known);
  out.risk.emit({ airport, ...known });
}
