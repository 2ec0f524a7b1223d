//! The flights job as a product: keep what is late, say how badly, and add up by airport. ../plain.go is the same in Go.

use adp::{Batch, Output, Product, Result, Run, Writer};

adp::row! {
    /// A row of the replaced output origins.
    struct Origin {
        origin: String,
        flights: i64,
        delay: i64,
        severity: f64,
    }
}

#[derive(Clone, Copy, Default)]
struct Sum {
    flights: i64,
    delay: i64,
    severity: f64,
}

/// Late flights leave by columns: rows of structs would take a third more.
struct Flights {
    late: Writer,
    origins: Output,
    sums: Vec<Sum>, // by code, see slot
    picked: Vec<u32>,
    severity: Vec<f64>,
    numbers: Vec<i64>,
}

impl Product for Flights {
    fn open(run: Run) -> Result<Self> {
        Ok(Flights {
            late: run.writer("late")?,
            origins: run.output::<Origin>("origins")?,
            sums: vec![Sum::default(); 1 << 15],
            picked: Vec::new(),
            severity: Vec::new(),
            numbers: Vec::new(),
        })
    }

    fn process(&mut self, _: Run, batch: &Batch) -> Result<()> {
        let (date, delay, distance) = (batch.timestamps("date")?, batch.i64s("delay")?, batch.i64s("distance")?);
        let (origin, destination) = (batch.strings("origin")?, batch.strings("destination")?);
        let Flights { late, sums, picked, severity, numbers, .. } = self;
        picked.clear();
        severity.clear();
        for (i, &d) in delay.iter().enumerate() {
            if d > 15 {
                let s = d as f64 / distance[i].max(1) as f64;
                picked.push(i as u32);
                severity.push(s);
                let sum = &mut sums[slot(origin.get(i).as_bytes())];
                sum.flights += 1;
                sum.delay += d;
                sum.severity += s;
            }
        }
        late.build(|c| {
            picked.iter().for_each(|&i| c[0].timestamp(date[i as usize]));
            for (at, column) in [(1, delay), (2, distance)] {
                numbers.clear();
                numbers.extend(picked.iter().map(|&i| column[i as usize]));
                c[at].i64s(numbers);
            }
            picked.iter().for_each(|&i| c[3].string(origin.get(i as usize)));
            picked.iter().for_each(|&i| c[4].string(destination.get(i as usize)));
            c[5].f64s(severity);
            severity.iter().for_each(|&s| c[6].i32(bucket(s)));
        });
        late.flush();
        Ok(())
    }

    fn flush(&mut self, _: Run) -> Result<()> {
        for (slot, s) in self.sums.iter().enumerate().filter(|(_, s)| s.flights > 0) {
            let origin = [10, 5, 0].map(|shift| char::from(b'@' + (slot >> shift & 31) as u8)).iter().collect();
            self.origins.emit(&Origin { origin, flights: s.flights, delay: s.delay, severity: s.severity });
        }
        Ok(())
    }
}

/// The place of an airport: its code is three capital letters, five bits each.
#[inline]
fn slot(code: &[u8]) -> usize {
    code.iter().take(3).fold(0, |n, b| n << 5 | usize::from(b & 31))
}

/// How bad a delay is, 0 to 5, by minutes a mile.
#[inline]
fn bucket(severity: f64) -> i32 {
    [0.05, 0.1, 0.25, 0.5, 1.0].iter().map(|limit| i32::from(severity >= *limit)).sum()
}

adp::product!(Flights);
