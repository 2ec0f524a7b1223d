//! Rows on their way out.

use crate::builder::Builder;
use crate::memory::{self, addr};
use crate::run::{context, fail, find, refused, root};
use crate::types::{did_you_mean, Mode, Op, Port};
use crate::{abi, system, Binding, IntoColumn, Result};
use std::cell::{RefCell, RefMut};
use std::rc::Rc;

/// Rows are emitted when this many have come together, or this many bytes.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 4 << 20;

pub(crate) type Shared = Rc<RefCell<Core>>;

/// The rows of one port that have not been emitted yet.
pub(crate) struct Core {
    port: &'static Port,
    root: Builder,
    op: Option<usize>,               // the column _op of upsert outputs
    block: Vec<u64>,                 // of ArrowArrays
    bound: Option<(usize, Binding)>, // of the type of the last row
}

impl Core {
    fn bind<R: IntoColumn>(&mut self) -> Result<()> {
        let mut binding = R::bind(self.root.field()).map_err(|e| format!("{}: {e}", self.port))?;
        binding.complete = true; // but for _op, which flush fills
        self.bound = Some((type_id::<R>(), binding));
        Ok(())
    }

    fn columns(&self) -> &[Builder] {
        self.root.children()
    }

    fn len(&self) -> usize {
        self.columns().first().map_or(0, Builder::len)
    }

    /// Whether all columns have n rows; _op may have less, the rest is upserts.
    fn even(&self, n: usize) -> bool {
        self.columns().iter().enumerate().all(|(i, b)| b.len() == n || Some(i) == self.op && b.len() < n)
    }

    pub fn emit_full(&mut self) {
        let n = self.len();
        if (n >= BATCH_ROWS || self.root.value_bytes() >= BATCH_BYTES) && self.even(n) {
            self.flush();
        }
    }

    pub fn flush(&mut self) {
        let n = self.len();
        if !self.even(n) {
            let lengths: Vec<String> =
                self.columns().iter().map(|b| format!("{} {}", b.field().name, b.len())).collect();
            return fail(format!("{} got columns of different length: {}", self.port, lengths.join(", ")));
        }
        if n == 0 {
            return;
        }
        if let Some(op) = self.op {
            self.fill_op(op, n);
        }
        self.emit(n);
        self.root.clear();
    }

    /// Makes upserts of the first n rows that have no op.
    fn fill_op(&mut self, at: usize, n: usize) {
        let op = self.root.child(at);
        (op.len()..n).for_each(|_| op.absent());
    }

    /// Makes upserts of the complete rows that have no op, before columns are written by hand.
    fn settle(&mut self) {
        if let Some(at) = self.op {
            let others = self.columns().iter().enumerate().filter(|(i, _)| *i != at);
            let n = others.map(|(_, b)| b.len()).min().unwrap_or(0);
            self.fill_op(at, n);
        }
    }

    /// Hands the rows over. Nothing is emitted any more once the run has failed.
    fn emit(&mut self, n: usize) {
        if context(|c| c.failure.is_some()) {
            return;
        }
        self.root.set_len(n);
        self.block.clear();
        self.block.resize(self.root.block_size().div_ceil(8), 0);
        let bytes = self.block.len() * 8;
        let mark = memory::mark();
        let base = addr(memory::bytes_of(&self.block));
        let block = unsafe { std::slice::from_raw_parts_mut(self.block.as_mut_ptr().cast::<u8>(), bytes) };
        let array = self.root.lay(block, base, &mut 0);
        let port = self.port;
        match port.what {
            "output" => refused(system::emit(port.index, array), || format!("emit to {port}")),
            _ => refused(system::driver_write(port.index, array), || format!("write to {port}")),
        }
        memory::release(mark);
    }
}

/// Takes the rows of an output, or of a binding with write access, as columns: one call to each column's [`Builder`] for each
/// row. Full batches are emitted between calls of the product and the rest at the end of the run.
#[derive(Clone)]
pub struct Writer(Shared);

impl Writer {
    /// The writer of a port; there is one for each.
    pub(crate) fn named(name: &str) -> Result<Writer> {
        let open = context(|c| c.writers.iter().find(|w| w.borrow().port.name == name).cloned());
        if let Some(w) = open {
            return Ok(Writer(w));
        }
        let port = context(|c| {
            let sinks: Vec<&'static Port> = c.bindings.iter().filter(|b| b.mode == Mode::Write).copied().collect();
            find("output", &c.outputs, name).or_else(|e| find("binding", &sinks, name).map_err(|_| e))
        })?;
        let op = port.columns.iter().position(|f| f.name == abi::COLUMN_OP && port.mode == Mode::Upsert);
        let core = Core { port, root: Builder::new(&root(port)), op, block: Vec::new(), bound: None };
        let shared = Rc::new(RefCell::new(core));
        context(|c| c.writers.push(shared.clone()));
        Ok(Writer(shared))
    }

    /// The builder of the named column. On upsert outputs rows without a value for _op are upserts.
    pub fn column(&self, name: &str) -> Result<RefMut<'_, Builder>> {
        let mut core = self.0.borrow_mut();
        core.settle();
        let port = core.port;
        let at = port.columns.iter().position(|f| f.name == name);
        let at = at.ok_or_else(|| format!("{port} has no column {name}{}", did_you_mean(name, &port.columns)))?;
        Ok(RefMut::map(core, |c| c.root.child(at)))
    }

    /// Builds rows with all columns at hand, in the contract's order; _op is the last on upsert outputs.
    pub fn build<R>(&self, f: impl FnOnce(&mut [Builder]) -> R) -> R {
        let mut core = self.0.borrow_mut();
        core.settle();
        f(core.root.children_mut())
    }

    /// Emits the rows that have come together when they are many.
    pub fn emit_full(&self) {
        self.0.borrow_mut().emit_full();
    }

    /// Emits the rows that have come together. Columns of different length fail the run.
    pub fn flush(&self) {
        self.0.borrow_mut().flush();
    }
}

/// Takes the rows of an output, or of a binding with write access, as structs of [`row!`](crate::row!).
#[derive(Clone)]
pub struct Output(Shared);

impl Output {
    pub(crate) fn new(w: Writer) -> Output {
        Output(w.0)
    }

    /// Adds a row. On an upsert output it replaces the row with the same key, or is added when there is none.
    #[inline]
    pub fn emit<R: IntoColumn>(&self, row: &R) {
        self.add(row, None);
    }

    /// Removes the row with the same key from an upsert output; other columns of row do not matter.
    pub fn delete<R: IntoColumn>(&self, row: &R) {
        let (port, op) = (self.0.borrow().port, self.0.borrow().op);
        let Some(at) = op else {
            return fail(format!("{port} is no upsert output: rows cannot be deleted from it"));
        };
        if let Err(e) = self.accept::<R>() {
            return fail(e);
        }
        if matches!(&self.0.borrow().bound, Some((_, b)) if b.members().iter().any(|m| m.column() == at)) {
            return fail(format!("rows of {port} have their own {}: emit them instead", abi::COLUMN_OP));
        }
        self.add(row, Some(Op::Delete));
    }

    #[inline]
    fn add<R: IntoColumn>(&self, row: &R, op: Option<Op>) {
        if let Err(e) = self.accept::<R>() {
            return fail(e);
        }
        let core = &mut *self.0.borrow_mut();
        let n = core.len();
        core.root.set_len(n);
        if let (Some(op), Some(at)) = (op, core.op) {
            core.fill_op(at, n);
            core.root.child(at).string(op.as_str());
        }
        let Some((_, binding)) = &core.bound else { return };
        row.append_to(binding, &mut core.root);
        if n & 63 == 63 {
            core.emit_full();
        }
    }

    /// Checks that rows of R fit the port.
    #[inline]
    pub(crate) fn accept<R: IntoColumn>(&self) -> Result<()> {
        let core = &mut *self.0.borrow_mut();
        match core.bound {
            Some((id, _)) if id == type_id::<R>() => Ok(()),
            _ => core.bind::<R>(),
        }
    }
}

/// Identifies a type without its lifetimes: two types that share this function bind alike.
fn type_id<R: IntoColumn>() -> usize {
    R::bind as *const () as usize
}
