//! Strikes, damage and cost by state. Sums live in the product's state, so that a corrected strike changes them by the
//! difference and nothing is read twice.

use adp::{Batch, Op, Output, Product, Result, Run, State};
use std::collections::BTreeMap;

adp::row! {
    /// A change of the incremental input located.
    struct Located<'a> {
        op as "_op": Op,
        state: &'a str,
        state_code: Option<&'a str>,
        airports_in_state: i64,
        damaged: bool,
        cost_total: i64,
    }
}

adp::row! {
    /// A row of the upsert output risk; its key is state.
    struct Risk<'a> {
        state: &'a str,
        state_code: Option<&'a str>,
        strikes: i64,
        damaging: i64,
        cost_total: i64,
        strikes_per_airport: Option<f64>,
    }
}

/// What is known of a state beside its sums: the same for all of its strikes.
#[derive(Clone)]
struct Place {
    code: Option<String>,
    airports: i64,
}

struct StrikeRisk {
    risk: Output,
    touched: BTreeMap<String, Place>,
}

impl Product for StrikeRisk {
    fn open(run: Run) -> Result<Self> {
        Ok(StrikeRisk { risk: run.output::<Risk>("risk")?, touched: BTreeMap::new() })
    }

    fn process(&mut self, run: Run, batch: &Batch) -> Result<()> {
        for s in batch.rows::<Located>()? {
            let sign = if s.op.removes() { -1 } else { 1 };
            add(run.state(), s.state, "strikes", sign);
            add(run.state(), s.state, "damaging", if s.damaged { sign } else { 0 });
            add(run.state(), s.state, "cost", sign * s.cost_total);
            let place = Place { code: s.state_code.map(String::from), airports: s.airports_in_state };
            if sign > 0 || !self.touched.contains_key(s.state) {
                self.touched.insert(s.state.to_string(), place);
            }
        }
        Ok(())
    }

    fn flush(&mut self, run: Run) -> Result<()> {
        for (state, place) in &self.touched {
            let sum = |what: &str| add(run.state(), state, what, 0);
            let strikes = sum("strikes");
            let row = Risk {
                state,
                state_code: place.code.as_deref(),
                strikes,
                damaging: sum("damaging"),
                cost_total: sum("cost"),
                strikes_per_airport: (place.airports > 0).then(|| strikes as f64 / place.airports as f64),
            };
            if strikes > 0 {
                self.risk.emit(&row);
            } else {
                self.risk.delete(&row);
            }
        }
        Ok(())
    }
}

/// Adds to one of a state's sums and returns it.
fn add(state: State, name: &str, what: &str, delta: i64) -> i64 {
    state.add(format!("{what}/{name}"), delta)
}

adp::product!(StrikeRisk);
