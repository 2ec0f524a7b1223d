//! The module `_adp`: what `lib/adp.py` asks of the host. Batches, readers and scans are numbers here, and objects there.

use adp::{Batch, Reader, Run, Scan};
use rustpython_vm::builtins::PyModuleDef;
use rustpython_vm::{Context, PyObjectRef, VirtualMachine};
use std::cell::{Cell, RefCell};

pub use library::library;

/// Frozen modules of the library, chosen and compiled by build.rs.
mod library {
    include!(concat!(env!("OUT_DIR"), "/library.rs"));
}

/// How much of a failing row is shown, in bytes.
const ROW: usize = 1_000;

thread_local! {
    static RUN: Cell<Option<Run>> = const { Cell::new(None) };
    static BATCHES: RefCell<Vec<Option<*const Batch<'static>>>> = const { RefCell::new(Vec::new()) };
    static READERS: RefCell<Vec<Option<Box<Reader>>>> = const { RefCell::new(Vec::new()) };
    static SCANS: RefCell<Vec<Option<Scan>>> = const { RefCell::new(Vec::new()) };
    static FAILING: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The modules that scripts may import beside the frozen ones.
pub fn modules(ctx: &Context) -> Vec<&'static PyModuleDef> {
    let mut all = crate::native_modules(ctx);
    all.push(_adp::module_def(ctx));
    all
}

/// A run begins.
pub fn begin(run: Run) {
    RUN.set(Some(run));
    crate::convert::Outlet::forget();
}

/// Levels of the log, as abi/SPEC.md numbers them.
pub const ERROR: i32 = adp::abi::LOG_ERROR;

/// Logs a line, also while there is no run yet.
pub fn log(level: i32, message: &str) {
    crate::os::log(level, message);
}

/// What is known of the row that an exception came with; it is told once.
pub fn take_failing_row() -> Option<String> {
    FAILING.take()
}

fn fail_at(port: &str, i: usize, row: &PyObjectRef, vm: &VirtualMachine) {
    let mut text = row.repr(vm).map_or_else(|_| "…".into(), |r| r.to_string());
    if text.len() > ROW {
        text.truncate(text.floor_char_boundary(ROW));
        text.push('…');
    }
    FAILING.set(Some(format!("row {i} of this batch of {port}: {text}")));
}

/// Makes a batch known by a number while a function runs.
pub fn with_batch<R>(batch: &Batch, f: impl FnOnce(usize) -> R) -> R {
    let handle = lend(batch);
    let result = f(handle);
    take_back(handle);
    result
}

fn lend(batch: &Batch) -> usize {
    let pointer = (&raw const *batch).cast::<Batch<'static>>();
    BATCHES.with_borrow_mut(|b| {
        b.push(Some(pointer));
        b.len() - 1
    })
}

fn take_back(handle: usize) {
    crate::view::settle();
    BATCHES.with_borrow_mut(|b| b[handle] = None);
}

#[rustpython_vm::pymodule]
mod _adp {
    use super::*;
    use crate::convert;
    use adp::{Field, Kind};
    use rustpython_vm::builtins::{PyDictRef, PyListRef, PyStrRef, PyTypeRef};
    use rustpython_vm::function::ArgBytesLike;
    use rustpython_vm::{PyObjectRef, PyResult, VirtualMachine};

    fn run(vm: &VirtualMachine) -> PyResult<Run> {
        RUN.get().ok_or_else(|| vm.new_runtime_error("there is no run yet: this belongs into a function with @adp.on_open, @adp.on_row, @adp.on_batch or @adp.on_flush"))
    }

    fn wrong(e: impl std::fmt::Display, vm: &VirtualMachine) -> rustpython_vm::builtins::PyBaseExceptionRef {
        vm.new_value_error(e.to_string())
    }

    fn batch(handle: usize, vm: &VirtualMachine) -> PyResult<&'static Batch<'static>> {
        match BATCHES.with_borrow(|b| b.get(handle).copied().flatten()) {
            Some(b) => Ok(unsafe { &*b }), // it is lent while its number is known
            None => Err(vm.new_runtime_error("the batch is gone: copy what should stay longer than the call")),
        }
    }

    /// Columns, names and types, of all ports: (what, name, mode, [(column, type, nullable)]).
    #[pyfunction]
    fn ports(vm: &VirtualMachine) -> PyResult<PyListRef> {
        let describe = |f: &Field| -> PyObjectRef {
            let parts = vec![
                vm.ctx.new_str(f.name.as_str()).into(),
                vm.ctx.new_str(f.to_string()).into(),
                vm.ctx.new_bool(f.nullable).into(),
            ];
            vm.ctx.new_tuple(parts).into()
        };
        let all = run(vm)?.ports().into_iter().map(|p| -> PyObjectRef {
            let columns = p.columns.iter().map(describe).collect();
            let parts = vec![
                vm.ctx.new_str(p.what).into(),
                vm.ctx.new_str(p.name.as_str()).into(),
                vm.ctx.new_str(p.mode.to_string()).into(),
                vm.ctx.new_list(columns).into(),
            ];
            vm.ctx.new_tuple(parts).into()
        });
        Ok(vm.ctx.new_list(all.collect()))
    }

    #[pyfunction]
    fn rebuilding(vm: &VirtualMachine) -> PyResult<bool> {
        Ok(run(vm)?.rebuilding())
    }

    #[pyfunction]
    fn config(key: PyStrRef, vm: &VirtualMachine) -> PyResult<Option<String>> {
        Ok(run(vm)?.config(&key.to_string_lossy()))
    }

    #[pyfunction]
    fn log(level: i32, message: PyStrRef) {
        super::log(level, &message.to_string_lossy());
    }

    #[pyfunction]
    fn clock() -> i64 {
        crate::os::now()
    }

    #[pyfunction]
    fn random(n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        crate::os::fill(&mut bytes);
        bytes
    }

    #[pyfunction]
    fn count(name: PyStrRef, add: f64, vm: &VirtualMachine) -> PyResult<()> {
        run(vm)?.count(&name.to_string_lossy(), add);
        Ok(())
    }

    #[pyfunction]
    fn gauge(name: PyStrRef, value: f64, vm: &VirtualMachine) -> PyResult<()> {
        run(vm)?.gauge(&name.to_string_lossy(), value);
        Ok(())
    }

    #[pyfunction]
    fn fail(why: PyStrRef, vm: &VirtualMachine) -> PyResult<()> {
        run(vm)?.fail(why.to_string_lossy());
        Ok(())
    }

    #[pyfunction]
    fn failure(vm: &VirtualMachine) -> PyResult<Option<String>> {
        Ok(run(vm)?.failure())
    }

    #[pyfunction]
    fn decide(action: PyStrRef, resource: PyStrRef, purpose: PyStrRef, vm: &VirtualMachine) -> PyResult<(bool, String)> {
        let d = run(vm)?.decide(&action.to_string_lossy(), &resource.to_string_lossy(), &purpose.to_string_lossy());
        Ok((d.allow, d.reason))
    }

    #[pyfunction]
    fn state_get(key: ArgBytesLike, vm: &VirtualMachine) -> PyResult<Option<Vec<u8>>> {
        let run = run(vm)?;
        Ok(key.with_ref(|k| run.state().get(k)))
    }

    #[pyfunction]
    fn state_put(key: ArgBytesLike, value: ArgBytesLike, vm: &VirtualMachine) -> PyResult<()> {
        let run = run(vm)?;
        key.with_ref(|k| value.with_ref(|v| run.state().put(k, v)));
        Ok(())
    }

    #[pyfunction]
    fn state_delete(key: ArgBytesLike, vm: &VirtualMachine) -> PyResult<()> {
        let run = run(vm)?;
        key.with_ref(|k| run.state().delete(k));
        Ok(())
    }

    /// Begins a scan; its number is for state_next.
    #[pyfunction]
    fn state_scan(prefix: ArgBytesLike, vm: &VirtualMachine) -> PyResult<usize> {
        let run = run(vm)?;
        let scan = prefix.with_ref(|p| run.state().scan(p));
        Ok(SCANS.with_borrow_mut(|s| {
            s.push(Some(scan));
            s.len() - 1
        }))
    }

    /// The next key and value; None: there are no more.
    #[pyfunction]
    fn state_next(scan: usize) -> Option<(PyBytes, PyBytes)> {
        SCANS.with_borrow_mut(|s| {
            let place = s.get_mut(scan)?;
            let entry = place.as_mut()?.next();
            if entry.is_none() {
                *place = None;
            }
            entry.map(|(k, v)| (PyBytes(k), PyBytes(v)))
        })
    }

    /// Bytes on their way into a tuple.
    pub struct PyBytes(Vec<u8>);

    impl rustpython_vm::convert::ToPyObject for PyBytes {
        fn to_pyobject(self, vm: &VirtualMachine) -> PyObjectRef {
            vm.ctx.new_bytes(self.0).into()
        }
    }

    /// Begins to read a binding; its number is for read_next and read_close.
    #[pyfunction]
    fn read(binding: PyStrRef, request: ArgBytesLike, vm: &VirtualMachine) -> PyResult<usize> {
        let run = run(vm)?;
        let reader = request.with_ref(|r| run.read(&binding.to_string_lossy(), r)).map_err(|e| wrong(e, vm))?;
        Ok(READERS.with_borrow_mut(|r| {
            r.push(Some(Box::new(reader)));
            r.len() - 1
        }))
    }

    /// Calls a function with the number of the next batch, which is good until the function returns; False: there was none.
    #[pyfunction]
    fn read_next(reader: usize, function: PyObjectRef, vm: &VirtualMachine) -> PyResult<bool> {
        let taken = READERS.with_borrow_mut(|r| r.get_mut(reader).and_then(Option::take));
        let Some(mut r) = taken else {
            return Err(vm.new_runtime_error("the reader is closed"));
        };
        let result = match r.next() {
            Ok(Some(b)) => with_batch(&b, |handle| function.call((handle,), vm)).map(|_| true),
            Ok(None) => Ok(false),
            Err(e) => Err(wrong(e, vm)),
        };
        if matches!(result, Ok(true)) {
            READERS.with_borrow_mut(|all| all[reader] = Some(r));
        }
        result
    }

    #[pyfunction]
    fn read_close(reader: usize) {
        READERS.with_borrow_mut(|r| drop(r.get_mut(reader).and_then(Option::take)));
    }

    #[pyfunction]
    fn batch_len(handle: usize, vm: &VirtualMachine) -> PyResult<usize> {
        Ok(batch(handle, vm)?.len())
    }

    #[pyfunction]
    fn batch_columns(handle: usize, vm: &VirtualMachine) -> PyResult<PyListRef> {
        let names = batch(handle, vm)?.columns().iter().map(|c| vm.ctx.new_str(c.field().name.as_str()).into());
        Ok(vm.ctx.new_list(names.collect()))
    }

    /// A column: a memoryview of numbers where there are no nulls, else a list.
    #[pyfunction]
    fn batch_column(handle: usize, name: PyStrRef, vm: &VirtualMachine) -> PyResult<PyObjectRef> {
        let c = batch(handle, vm)?.column(&name.to_string_lossy()).map_err(|e| vm.new_key_error(vm.ctx.new_str(e.to_string()).into()))?;
        if c.nulls() == 0 {
            match c.field().kind {
                Kind::Int32 => return crate::view::of(c.i32s().map_err(|e| wrong(e, vm))?, "i", vm),
                Kind::Int64 => return crate::view::of(c.i64s().map_err(|e| wrong(e, vm))?, "q", vm),
                Kind::Float32 => return crate::view::of(c.f32s().map_err(|e| wrong(e, vm))?, "f", vm),
                Kind::Float64 => return crate::view::of(c.f64s().map_err(|e| wrong(e, vm))?, "d", vm),
                _ => {}
            }
        }
        let values: PyResult<Vec<_>> = (0..c.len()).map(|i| convert::to_python(c, i, vm)).collect();
        Ok(vm.ctx.new_list(values?).into())
    }

    /// One row as a dict.
    #[pyfunction]
    fn batch_row(handle: usize, i: usize, vm: &VirtualMachine) -> PyResult<PyDictRef> {
        let b = batch(handle, vm)?;
        if i >= b.len() {
            return Err(vm.new_index_error("there is no such row"));
        }
        convert::row(b.columns(), &convert::names(b.columns(), vm), i, vm)
    }

    /// Calls a function with each row.
    #[pyfunction]
    fn each_row(handle: usize, function: PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
        let b = batch(handle, vm)?;
        let names = convert::names(b.columns(), vm);
        for i in 0..b.len() {
            let row: PyObjectRef = convert::row(b.columns(), &names, i, vm)?.into();
            if let Err(e) = function.call((row.clone(),), vm) {
                let again = convert::row(b.columns(), &names, i, vm).map_or(row, Into::into); // as it was before the call
                fail_at(b.port(), i, &again, vm);
                return Err(e);
            }
        }
        Ok(())
    }

    /// Adds a row to an output, or removes one. Nothing of it is added when a value does not fit.
    #[pyfunction]
    fn emit(port: PyStrRef, row: PyDictRef, delete: bool, vm: &VirtualMachine) -> PyResult<()> {
        let port = port.to_string_lossy();
        let outlet = convert::Outlet::named(run(vm)?, &port, vm)?;
        let values = outlet.values(row, delete, vm)?;
        outlet.add(values);
        Ok(())
    }

    /// Adds columns of equal length to an output.
    #[pyfunction]
    fn emit_columns(port: PyStrRef, columns: PyDictRef, vm: &VirtualMachine) -> PyResult<()> {
        let port = port.to_string_lossy();
        let outlet = convert::Outlet::named(run(vm)?, &port, vm)?;
        outlet.columns(columns, vm)
    }

    /// The text of one of the product's own modules, None when it has no such.
    #[pyfunction]
    fn source(module: PyStrRef) -> Option<&'static str> {
        let module = module.to_string_lossy();
        let all = crate::bundle::files();
        all.iter().skip(1).find(|f| f.name.strip_suffix(".py") == Some(&*module)).map(|f| f.text)
    }

    /// Sets an attribute of a type that scripts cannot change.
    #[pyfunction]
    fn set_attr(class: PyTypeRef, name: PyStrRef, value: PyObjectRef, vm: &VirtualMachine) {
        class.set_attr(vm.ctx.intern_str(name.to_string_lossy().into_owned()), value);
    }
}
