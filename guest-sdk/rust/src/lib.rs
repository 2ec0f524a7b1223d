//! The Rust SDK for autonomous data products: code that an adp node runs in a WebAssembly sandbox.
//!
//! A product is a type that implements [`Product`]; one value of it is one run.
//!
//! ```ignore
//! adp::row! {
//!     struct Strike<'a> { airport: &'a str, cost: Option<i64> }
//! }
//! adp::row! {
//!     struct Risk<'a> { airport: &'a str, cost: i64 }
//! }
//!
//! struct StrikeRisk { risk: Output }
//!
//! impl Product for StrikeRisk {
//!     fn open(run: Run) -> Result<Self> {
//!         Ok(StrikeRisk { risk: run.output::<Risk>("risk")? })
//!     }
//!     fn process(&mut self, run: Run, batch: &Batch) -> Result<()> {
//!         for s in batch.rows::<Strike>()? {
//!             self.risk.emit(&Risk { airport: s.airport, cost: s.cost.unwrap_or(0) });
//!         }
//!         Ok(())
//!     }
//! }
//!
//! adp::product!(StrikeRisk);
//! ```
//!
//! Rows are structs whose fields name columns ([`row!`]); they may borrow their text from the batch. Code that wants speed
//! takes columns: [`Column`] gives slices that lie on the host's buffers without a copy, [`Builder`] takes columns.
//!
//! What the host refuses (a limit, a bad key, a failed driver) is remembered and fails the run, and a run publishes everything or
//! nothing: calls without a `Result` need no checking. A handler fails the run by returning an error or by panicking.
//!
//! `README.md` has the build commands; module `test` runs products natively. Normative for what crosses the sandbox's wall is
//! `abi/SPEC.md` of the project.

#[doc(hidden)]
pub mod abi;
mod batch;
mod buffer;
mod builder;
mod column;
mod decimal;
mod driver;
#[doc(hidden)]
pub mod export;
#[cfg(not(target_arch = "wasm32"))]
mod fake;
mod from_column;
mod into_column;
mod json;
mod memory;
mod row;
mod run;
mod schema;
mod state;
mod system;
#[cfg(not(target_arch = "wasm32"))]
pub mod test;
#[cfg(test)]
mod tests;
mod time;
mod types;
mod writer;

pub use batch::Batch;
pub use builder::Builder;
pub use column::{Binaries, Bits, Column, Lists, Strings};
pub use decimal::Decimal;
pub use driver::Reader;
pub use from_column::FromColumn;
pub use into_column::{Binding, IntoColumn};
pub use row::Row;
pub use run::{Decision, Run};
pub use state::{Scan, State, Stored};
pub use time::{Date, Time, Timestamp};
pub use types::{Field, Kind, Mode, Op, Port, Status};
pub use writer::{Output, Writer};

/// Any error; text becomes one by `.into()`.
pub type Error = Box<dyn std::error::Error>;

/// A result whose error fails the run.
pub type Result<T> = std::result::Result<T, Error>;

/// One run of a product. State that must live longer belongs into [`Run::state`].
pub trait Product: Sized {
    /// The run begins: find outputs, read settings.
    fn open(run: Run) -> Result<Self>;

    /// A batch of one input: all batches of snapshot inputs first, then those of incremental inputs.
    fn process(&mut self, run: Run, batch: &Batch) -> Result<()>;

    /// All inputs are consumed; every run ends with it, whether rows came or not. Rows can still be emitted.
    fn flush(&mut self, run: Run) -> Result<()> {
        let _ = run;
        Ok(())
    }
}
