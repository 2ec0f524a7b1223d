//! The interpreter, and calls into the script.

use crate::{bundle, native, trace};
use rustpython_vm::builtins::PyModule;
use rustpython_vm::scope::Scope;
use rustpython_vm::{Interpreter, PyObjectRef, PyRef, PyResult, Settings, VirtualMachine};
use std::cell::RefCell;

struct Engine {
    interpreter: Interpreter,
    adp: Result<PyObjectRef, String>, // the module that the script has registered itself with, or why it could not
}

thread_local! {
    static ENGINE: RefCell<Option<&'static Engine>> = const { RefCell::new(None) };
}

/// Starts the interpreter and runs the script's own statements, once.
pub fn load() {
    let mut settings = Settings::default();
    settings.hash_seed = Some(0); // the order of sets is the same in every run
    settings.isolated = true;
    settings.import_site = false;
    settings.install_signal_handlers = false;
    settings.ignore_environment = true;
    settings.user_site_directory = false;
    settings.write_bytecode = false;
    settings.allow_external_library = false;
    settings.safe_path = true;
    let builder = Interpreter::builder(settings);
    let modules = crate::native::modules(&builder.ctx);
    let interpreter = builder.add_native_modules(&modules).add_frozen_modules(native::library()).build();
    let adp = interpreter.enter(|vm| start(vm).map_err(|e| trace::complaint(vm, &e)));
    if let Err(why) = &adp {
        native::log(native::ERROR, why);
    }
    ENGINE.set(Some(Box::leak(Box::new(Engine { interpreter, adp }))));
}

/// Imports adp and runs the main file.
fn start(vm: &VirtualMachine) -> PyResult<PyObjectRef> {
    crate::view::prepare();
    let adp = vm.import("adp", 0)?;
    vm.import("_adp_sandbox", 0)?;
    if let Some(main) = bundle::files().first() {
        let code = vm
            .compile(main.text, rustpython_vm::compiler::Mode::Exec, main.name)
            .map_err(|e| e.into_pyexception(vm, Some(main.text)))?;
        let scope = main_scope(vm)?;
        vm.run_code_obj(code, scope)?;
    }
    Ok(adp)
}

/// The script is the module main, which others may import.
fn main_scope(vm: &VirtualMachine) -> PyResult<Scope> {
    let scope = vm.new_scope_with_builtins();
    let module: PyRef<PyModule> = vm.new_module("main", scope.globals.clone(), None);
    vm.sys_module.get_attr("modules", vm)?.set_item("main", module.into(), vm)?;
    Ok(scope)
}

/// Calls a function of adp.py: for a batch with the port's name and the batch's handle.
pub fn call(name: &'static str, batch: Option<(&str, usize)>) -> adp::Result<()> {
    let Some(engine) = ENGINE.with_borrow(|e| *e) else {
        return Err("the module was not initialised".into());
    };
    let adp = engine.adp.as_ref().map_err(|why| why.as_str())?;
    engine.interpreter.enter(|vm| {
        let function = match adp.get_attr(name, vm) {
            Ok(f) => f,
            Err(e) => return Err(trace::text(vm, &e).into()),
        };
        let result = match batch {
            None => function.call((), vm),
            Some((port, handle)) => function.call((vm.ctx.new_str(port), vm.ctx.new_int(handle)), vm),
        };
        result.map(drop).map_err(|e| trace::text(vm, &e).into())
    })
}
