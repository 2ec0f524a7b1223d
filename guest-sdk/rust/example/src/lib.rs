//! A small product: what bird strikes cost each airport, kept up to date as strikes are reported.
//! guest-sdk/go/example is the same product in Go.

use adp::{Batch, Date, Output, Product, Result, Run};
use std::collections::{BTreeSet, HashMap};

adp::row! {
    /// A row of the snapshot input airports.
    #[derive(Clone)]
    struct Airport {
        code: String,
        name: String,
        city: Option<String>,
    }
}

adp::row! {
    /// A row of the incremental input strikes.
    struct Strike<'a> {
        airport: &'a str,
        date: Date,
        cost: Option<i64>, // dollars
    }
}

adp::row! {
    /// A row of the upsert output risk; its key is airport.
    struct Risk<'a> {
        airport: &'a str,
        name: Option<&'a str>,
        city: Option<&'a str>,
        strikes: i64,
        cost: i64,
        last: Date,
    }
}

/// One run of the product.
struct StrikeRisk {
    minimum: i64,
    airports: HashMap<String, Airport>,
    touched: BTreeSet<String>,
    risk: Output,
}

impl Product for StrikeRisk {
    fn open(run: Run) -> Result<Self> {
        Ok(StrikeRisk {
            minimum: run.setting("minimum_cost", 0)?,
            airports: HashMap::new(),
            touched: BTreeSet::new(),
            risk: run.output::<Risk>("risk")?,
        })
    }

    fn process(&mut self, run: Run, batch: &Batch) -> Result<()> {
        match batch.port() {
            "airports" => self.airports.extend(batch.rows::<Airport>()?.map(|a| (a.code.clone(), a))),
            _ => {
                for strike in batch.rows::<Strike>()? {
                    self.count(run, &strike);
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self, run: Run) -> Result<()> {
        for code in &self.touched {
            let airport = self.airports.get(code);
            let number = |what: &str| run.state().load(format!("{what}/{code}")).unwrap_or(0i64);
            self.risk.emit(&Risk {
                airport: code,
                name: airport.map(|a| a.name.as_str()),
                city: airport.and_then(|a| a.city.as_deref()),
                strikes: number("strikes"),
                cost: number("cost"),
                last: Date(number("last") as i32),
            });
        }
        run.info(format!("airports touched: {}", self.touched.len()));
        Ok(())
    }
}

impl StrikeRisk {
    fn count(&mut self, run: Run, strike: &Strike) {
        let cost = strike.cost.unwrap_or(0);
        if cost < self.minimum {
            return run.count("strikes_ignored", 1.0);
        }
        let (code, state) = (strike.airport, run.state());
        state.add(format!("strikes/{code}"), 1);
        state.add(format!("cost/{code}"), cost);
        let (key, date) = (format!("last/{code}"), i64::from(strike.date.0));
        if state.load(&key).unwrap_or(0) < date {
            state.store(&key, &date);
        }
        self.touched.insert(code.to_owned());
    }
}

adp::product!(StrikeRisk);

#[cfg(test)]
mod tests {
    use super::*;
    use adp::test::Host;
    use adp::Mode;

    adp::row! {
        /// Risk with texts of its own.
        #[derive(Debug, PartialEq)]
        struct Owned {
            airport: String,
            name: Option<String>,
            city: Option<String>,
            strikes: i64,
            cost: i64,
            last: Date,
        }
    }

    fn host() -> Host {
        Host::new()
            .input::<Airport>("airports", Mode::Snapshot)
            .input::<Strike>("strikes", Mode::Incremental)
            .output::<Risk>("risk", Mode::Upsert)
    }

    fn airports() -> Vec<Airport> {
        let airport = |code: &str, name: &str, city: Option<&str>| Airport {
            code: code.into(),
            name: name.into(),
            city: city.map(String::from),
        };
        vec![airport("SEA", "Tacoma International", Some("Seattle")), airport("XXX", "Nowhere", None)]
    }

    fn strike(airport: &str, date: Date, cost: Option<i64>) -> Strike<'_> {
        Strike { airport, date, cost }
    }

    /// The second run goes on where the state of the first ended.
    #[test]
    fn two_runs() {
        let mut first = host().config("minimum_cost", "10").open::<StrikeRisk>().unwrap();
        first.feed("airports", &airports()).unwrap();
        let dates = [Date::new(2026, 5, 1), Date::new(2026, 4, 1)];
        first
            .feed(
                "strikes",
                &[strike("SEA", dates[0], Some(100)), strike("SEA", dates[1], Some(9)), strike("SEA", dates[1], None)],
            )
            .unwrap();
        first.flush().unwrap();
        let mut want = Owned {
            airport: "SEA".into(),
            name: Some("Tacoma International".into()),
            city: Some("Seattle".into()),
            strikes: 1,
            cost: 100,
            last: dates[0],
        };
        assert_eq!(first.emitted::<Owned>("risk").as_slice(), std::slice::from_ref(&want));
        assert_eq!(first.metric("strikes_ignored"), 2.0);
        let state = first.state();

        let mut second = host().state(state).open::<StrikeRisk>().unwrap();
        second.feed("airports", &airports()).unwrap();
        second.feed("strikes", &[strike("SEA", Date::new(2026, 4, 2), Some(11))]).unwrap();
        second.flush().unwrap();
        (want.strikes, want.cost) = (2, 111);
        assert_eq!(second.emitted::<Owned>("risk").as_slice(), [want]);
    }

    /// A strike at an airport that the table does not have is counted without a name.
    #[test]
    fn unknown_airport() {
        let mut run = host().open::<StrikeRisk>().unwrap();
        run.feed("strikes", &[strike("ZZZ", Date(0), Some(5))]).unwrap();
        run.flush().unwrap();
        let got: Vec<Owned> = run.emitted("risk");
        assert_eq!((got.len(), &got[0].name, got[0].cost), (1, &None, 5));
    }

    /// A setting that is no number fails the run with its name.
    #[test]
    fn bad_setting() {
        let error = host().config("minimum_cost", "cheap").open::<StrikeRisk>().err();
        assert_eq!(error.as_deref(), Some("setting minimum_cost: \"cheap\" is not i64"));
    }
}
