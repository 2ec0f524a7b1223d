//! Weather in Seattle by day: the observations under names that carry their units.

use adp::{Batch, Date, Output, Product, Result, Run};

adp::row! {
    /// A row of a yearly file.
    struct Observation<'a> {
        date: Date,
        precipitation: Option<f64>,
        temp_max: Option<f64>,
        temp_min: Option<f64>,
        wind: Option<f64>,
        weather: Option<&'a str>,
    }
}

adp::row! {
    /// A row of the append output days.
    struct Day<'a> {
        date: Date,
        precipitation_mm: Option<f64>,
        temp_max_c: Option<f64>,
        temp_min_c: Option<f64>,
        wind_ms: Option<f64>,
        weather: Option<&'a str>,
    }
}

struct SeattleDays {
    days: Output,
}

impl Product for SeattleDays {
    fn open(run: Run) -> Result<Self> {
        Ok(SeattleDays { days: run.output::<Day>("days")? })
    }

    fn process(&mut self, _run: Run, batch: &Batch) -> Result<()> {
        for o in batch.rows::<Observation>()? {
            self.days.emit(&Day {
                date: o.date,
                precipitation_mm: o.precipitation,
                temp_max_c: o.temp_max,
                temp_min_c: o.temp_min,
                wind_ms: o.wind,
                weather: o.weather,
            });
        }
        Ok(())
    }
}

adp::product!(SeattleDays);
