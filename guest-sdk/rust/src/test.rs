//! Runs a product in plain Rust tests against a fake host: no sandbox, no node, no Wasm. Rows move through the same memory
//! layout as in a node.
//!
//! ```ignore
//! let mut run = Host::new()
//!     .input::<Strike>("strikes", Mode::Incremental)
//!     .output::<Risk>("risk", Mode::Upsert)
//!     .open::<StrikeRisk>()
//!     .unwrap();
//! run.feed("strikes", &[Strike { airport: "SEA", cost: Some(100) }]).unwrap();
//! run.flush().unwrap();
//! let risk: Vec<Risk> = run.emitted("risk");
//! ```
//!
//! A host belongs to the thread that made it; a thread has one at a time.

use crate::batch::Batch;
use crate::builder::Builder;
use crate::fake::{fake, install, Fake, Laid};
use crate::memory::{self, Segment};
use crate::run::root;
use crate::types::{Field, Kind, Mode, Op, Port};
use crate::{abi, export, IntoColumn, Product, Row};
use std::collections::BTreeMap;

pub use crate::fake::Log;

/// What surrounds a run. Make one, add ports and settings, `open` a product.
#[derive(Default)]
pub struct Host {
    fake: Fake,
}

impl Host {
    /// A host at 2026-01-01T00:00:00Z without ports, settings and state, whose policy denies everything.
    pub fn new() -> Host {
        Host { fake: Fake { clock: 1_767_225_600_000_000_000, ..Fake::default() } }
    }

    /// Declares an input with the columns of R.
    pub fn input<R: IntoColumn>(self, name: &str, mode: Mode) -> Host {
        self.port(0, "input", name, mode, R::field("").fields)
    }

    /// Declares an output with the columns of R; upsert outputs get _op beside them.
    pub fn output<R: IntoColumn>(self, name: &str, mode: Mode) -> Host {
        self.output_fields(name, mode, R::field("").fields)
    }

    /// Declares an output with any columns.
    pub fn output_fields(self, name: &str, mode: Mode, mut columns: Vec<Field>) -> Host {
        if mode == Mode::Upsert {
            columns.push(Field::new(abi::COLUMN_OP, Kind::String).nullable());
        }
        self.port(1, "output", name, mode, columns)
    }

    /// Declares a binding with write access; `emitted` gives what was written.
    pub fn sink<R: IntoColumn>(self, name: &str) -> Host {
        self.port(2, "binding", name, Mode::Write, R::field("").fields)
    }

    /// Declares a binding with read access that answers requests by a function. Its error fails the run.
    pub fn source<R: IntoColumn>(
        mut self,
        name: &str,
        mut answer: impl FnMut(&str) -> Result<Vec<R>, String> + 'static,
    ) -> Host {
        let rows = move |request: &str, to: &mut Builder| {
            let binding = R::bind(to.field()).map_err(|e| e.to_string())?;
            answer(request)?.iter().for_each(|r| r.append_to(&binding, to));
            Ok(())
        };
        self.fake.answers.insert(name.into(), Box::new(rows));
        self.port(2, "binding", name, Mode::Read, R::field("").fields)
    }

    fn port(mut self, table: usize, what: &'static str, name: &str, mode: Mode, columns: Vec<Field>) -> Host {
        let index = self.fake.ports[table].len() as u32;
        self.fake.ports[table].push(Port { what, name: name.into(), mode, columns, index });
        self
    }

    /// Sets a setting.
    pub fn config(mut self, key: &str, value: &str) -> Host {
        self.fake.config.insert(key.into(), value.into());
        self
    }

    /// Gives the run what earlier runs left.
    pub fn state(mut self, state: BTreeMap<Vec<u8>, Vec<u8>>) -> Host {
        self.fake.state = state;
        self
    }

    /// Sets the virtual clock, in nanoseconds since 1970-01-01T00:00:00Z.
    pub fn at(mut self, nanoseconds: i64) -> Host {
        self.fake.clock = nanoseconds;
        self
    }

    /// Sets the randomness of the run.
    pub fn seed(mut self, seed: u64) -> Host {
        self.fake.random = seed;
        self
    }

    /// Makes the run one that recomputes everything.
    pub fn rebuilding(mut self) -> Host {
        self.fake.rebuild = true;
        self
    }

    /// Answers questions to policy, JSON on both ends.
    pub fn policy(mut self, decide: impl FnMut(&str) -> String + 'static) -> Host {
        self.fake.decide = Some(Box::new(decide));
        self
    }

    /// Opens a product. The error is what the run fails with.
    pub fn open<P: Product + 'static>(self) -> Result<TestRun, String> {
        memory::replace(Vec::new());
        let mut laid = Laid::default();
        let tables = [0, 1, 2].map(|i| laid.port_table(&self.fake.ports[i]));
        let n = [0, 1, 2].map(|i| self.fake.ports[i].len() as u32);
        let flags = if self.fake.rebuild { abi::OPEN_REBUILD } else { 0 };
        let block = laid.words(&[abi::VERSION as u32, n[0], tables[0], n[1], tables[1], n[2], tables[2], flags]);
        install(self.fake);
        let run = TestRun { status: 0 };
        run.call(|| unsafe { export::open::<P>(block) })
    }
}

/// One run of a product. Errors are what the run fails with: the last error in its log.
pub struct TestRun {
    status: i32,
}

impl TestRun {
    fn call(mut self, f: impl FnOnce() -> i32) -> Result<TestRun, String> {
        self.go(f)?;
        Ok(self)
    }

    fn go(&mut self, f: impl FnOnce() -> i32) -> Result<(), String> {
        if self.status == 0 {
            fake(|h| h.running = true);
            self.status = f();
            fake(|h| h.running = false);
        }
        memory::replace(Vec::new());
        match self.status {
            0 => Ok(()),
            _ => Err(self.logs().into_iter().rev().find(|l| l.level == "error").map_or("failed".into(), |l| l.message)),
        }
    }

    /// Hands a batch of rows to an input. R needs a field for every column.
    pub fn feed<R: IntoColumn>(&mut self, input: &str, rows: &[R]) -> Result<(), String> {
        let (index, mut builder) = fake(|h| {
            let p = h.ports[0].iter().find(|p| p.name == input).expect("the test's host has no such input");
            (p.index, Builder::new(&root(p)))
        });
        let binding = R::bind(builder.field()).map_err(|e| format!("{input}: {e}"))?;
        rows.iter().for_each(|r| r.append_to(&binding, &mut builder));
        let mut laid = Laid::default();
        let array = laid.batch(builder);
        self.go(|| unsafe { export::process(index, array) })
    }

    /// Ends the run.
    pub fn flush(&mut self) -> Result<(), String> {
        self.go(export::flush)
    }

    /// Looks at each batch emitted to an output, or written to a binding, so far. Rows that the product has not let go of
    /// yet come with `flush`.
    pub fn each_batch(&self, port: &str, mut f: impl FnMut(&Batch)) {
        fake(|h| {
            let found = h.ports[1..].iter().flatten().find(|p| p.name == port);
            let port = found.expect("the test's host has no such output");
            let root = root(port);
            for e in h.emitted.get(&port.name).into_iter().flatten() {
                let segments = e.memory.iter().map(|(base, piece, len)| Segment {
                    base: *base,
                    ptr: piece.as_ptr().cast(),
                    len: *len,
                });
                let old = memory::replace(segments.collect());
                f(&unsafe { Batch::read(port, &root, e.array) });
                memory::replace(old);
            }
        })
    }

    /// The rows emitted to an output, or written to a binding, so far; deletions are left out.
    pub fn emitted<R: for<'a> Row<'a>>(&self, port: &str) -> Vec<R> {
        self.changes(port).into_iter().filter(|(op, _)| *op != Op::Delete).map(|(_, r)| r).collect()
    }

    /// The rows emitted to an upsert output: Op::Upsert or Op::Delete. Of a deletion only the key means something.
    pub fn changes<R: for<'a> Row<'a>>(&self, port: &str) -> Vec<(Op, R)> {
        let mut out = Vec::new();
        self.each_batch(port, |b| {
            let ops = b.column(abi::COLUMN_OP).ok();
            for (i, row) in b.rows::<R>().unwrap_or_else(|e| panic!("{e}")).enumerate() {
                let op = match ops {
                    Some(c) if !c.is_null(i) => Op::of(c.strings().unwrap().get(i)),
                    _ => Op::Upsert,
                };
                out.push((op, row));
            }
        });
        out
    }

    /// The product's state, as it would be committed now.
    pub fn state(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        fake(|h| h.state.clone())
    }

    /// The logged lines.
    pub fn logs(&self) -> Vec<Log> {
        fake(|h| h.logs.clone())
    }

    /// The value of a counter or gauge, 0 when there is none.
    pub fn metric(&self, name: &str) -> f64 {
        fake(|h| h.metrics.get(name).copied().unwrap_or(0.0))
    }
}
