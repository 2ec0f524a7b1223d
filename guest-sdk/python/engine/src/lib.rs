//! The engine of the Python kit: an interpreter that runs the script which `adp build` has laid into its module.
//!
//! `lib/adp.py` is what a script imports; it stands on the functions of [`native`]. The interpreter is started and the script
//! loaded while the module is initialised, so that the host's snapshot has both behind it.

#[macro_use]
extern crate rustpython_derive;

extern crate alloc;

// Where the modules of the standard library look for them.
pub(crate) use rustpython_common as common;
pub(crate) use rustpython_vm as vm;
pub(crate) use rustpython_vm::builtins;

/// Modules of the standard library mark what a profiler may look at; here is none.
macro_rules! flame_guard {
    ($name:expr) => {};
}

include!(concat!(env!("OUT_DIR"), "/native.rs"));

mod bundle;
mod convert;
mod engine;
mod native;
mod os;
mod trace;
mod view;

use adp::{Batch, Product, Result, Run};

/// One run of the script.
struct Script;

impl Product for Script {
    fn open(run: Run) -> Result<Self> {
        native::begin(run);
        engine::call("_open", None)?;
        Ok(Script)
    }

    fn process(&mut self, _: Run, batch: &Batch) -> Result<()> {
        native::with_batch(batch, |handle| engine::call("_process", Some((batch.port(), handle))))
    }

    fn flush(&mut self, _: Run) -> Result<()> {
        engine::call("_flush", None)
    }
}

adp::product!(Script);

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Starts the interpreter and loads the script. What the script does wrong is said in the log, and again when a run begins.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    unsafe { __wasm_call_ctors() }; // which the linker leaves to whoever calls himself _initialize
    engine::load();
}
