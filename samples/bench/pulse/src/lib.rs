//! The smallest product that does something: what comes in goes out, and a product without inputs emits a row a run.

use adp::{Batch, Output, Product, Result, Run};

adp::row! {
    /// A row of either end.
    struct Beat {
        at: i64, // nanoseconds of the run's clock
    }
}

struct Pulse {
    beats: Output,
    source: bool,
}

impl Product for Pulse {
    fn open(run: Run) -> Result<Self> {
        Ok(Pulse { beats: run.output::<Beat>("beats")?, source: run.setting("source", false)? })
    }

    fn process(&mut self, _: Run, batch: &Batch) -> Result<()> {
        batch.rows::<Beat>()?.for_each(|b| self.beats.emit(&b));
        Ok(())
    }

    fn flush(&mut self, run: Run) -> Result<()> {
        if self.source {
            self.beats.emit(&Beat { at: run.clock() });
        }
        Ok(())
    }
}

adp::product!(Pulse);
