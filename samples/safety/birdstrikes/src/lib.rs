//! Bird strikes by report number: a later report with the same number corrects an earlier one.

use adp::{Batch, Date, Output, Product, Result, Run};

adp::row! {
    /// A row of a report file.
    struct Report<'a> {
        strike_id: i64,
        airport: &'a str,
        aircraft: Option<&'a str>,
        damage: Option<&'a str>,
        date: Date,
        operator: Option<&'a str>,
        state: Option<&'a str>,
        phase: Option<&'a str>,
        wildlife_size: Option<&'a str>,
        species: Option<&'a str>,
        cost_total: Option<i64>,
        speed_knots: Option<i64>,
    }
}

adp::row! {
    /// A row of the upsert output strikes; its key is strike_id.
    struct Strike<'a> {
        strike_id: i64,
        date: Date,
        airport: &'a str,
        state: &'a str,
        operator: Option<&'a str>,
        aircraft: Option<&'a str>,
        phase: Option<&'a str>,
        species: Option<&'a str>,
        wildlife_size: Option<&'a str>,
        damaged: bool,
        cost_total: i64,
        speed_knots: Option<i64>,
    }
}

struct BirdStrikes {
    strikes: Output,
}

impl Product for BirdStrikes {
    fn open(run: Run) -> Result<Self> {
        Ok(BirdStrikes { strikes: run.output::<Strike>("strikes")? })
    }

    fn process(&mut self, _run: Run, batch: &Batch) -> Result<()> {
        for r in batch.rows::<Report>()? {
            self.strikes.emit(&Strike {
                strike_id: r.strike_id,
                date: r.date,
                airport: r.airport,
                state: r.state.unwrap_or("unknown"),
                operator: r.operator,
                aircraft: r.aircraft,
                phase: r.phase,
                species: r.species,
                wildlife_size: r.wildlife_size,
                damaged: !matches!(r.damage, None | Some("None")),
                cost_total: r.cost_total.unwrap_or(0),
                speed_knots: r.speed_knots,
            });
        }
        Ok(())
    }
}

adp::product!(BirdStrikes);
