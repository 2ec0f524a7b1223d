//! JavaScript products: QuickJS, whose scripts `adp build` has laid into a copy of this module.
//!
//! `_initialize` loads the scripts, so that every run starts with them loaded: the host keeps that state. `adp_open` finds the
//! functions that they export, one for each input; what they throw fails the run with its stack and the row.

mod batch;
mod clock;
mod emit;
mod fault;
mod files;
mod native;
mod product;
mod value;

use product::Script;
use rquickjs::{Context, Ctx, Module, Object, Persistent, Runtime};
use std::cell::RefCell;

adp::product!(Script);

/// The module that scripts import as "adp".
const KIT: &str = include_str!("adp.js");

/// The file that declares a product's functions.
const MAIN: &str = "product.js";

/// How much of its stack C may use for scripts, in bytes: JavaScript throws a RangeError before the host ends the run, which counts native
/// frames: those of a call from script to script are 180 bytes here and 110 KB there, of 64 MiB.
const STACK: usize = 96 << 10;

/// A runtime with the scripts of a product loaded.
pub struct Engine {
    pub context: Context,
    pub exports: Persistent<Object<'static>>,
    kit: Persistent<Object<'static>>,
}

thread_local! {
    /// What `_initialize` has made, or why it could not.
    static ENGINE: RefCell<Option<Result<Engine, String>>> = const { RefCell::new(None) };
}

/// Calls f with the context of the product's scripts and what they export.
pub fn with_scripts<T>(f: impl for<'js> FnOnce(&Ctx<'js>, Object<'js>) -> adp::Result<T>) -> adp::Result<T> {
    let (context, exports) = ENGINE.with_borrow(|e| match e {
        Some(Ok(e)) => Ok((e.context.clone(), e.exports.clone())),
        Some(Err(why)) => Err(why.clone()),
        None => Err("the module was not initialised".into()),
    })?;
    context.with(|ctx| {
        let exports = exports.restore(&ctx)?;
        f(&ctx, exports)
    })
}

/// What the module "adp" was made of, with the functions that it has added for the engine.
pub fn kit<'js>(ctx: &Ctx<'js>) -> adp::Result<Object<'js>> {
    let kit = ENGINE.with_borrow(|e| e.as_ref().and_then(|e| e.as_ref().ok()).map(|e| e.kit.clone()));
    Ok(kit.ok_or("the module was not initialised")?.restore(ctx)?)
}

extern "C" {
    fn __wasm_call_ctors();
}

/// Loads the scripts. Why they do not load is logged, as FILE:LINE:COLUMN: MESSAGE.
#[no_mangle]
extern "C" fn _initialize() {
    // Whoever calls the constructors of C himself gets exports that are not wrapped in calls of constructors and destructors: this
    // module is no program that ends with each call.
    unsafe { __wasm_call_ctors() };
    let loaded = load();
    if let Err(why) = &loaded {
        native::complain(why);
    }
    ENGINE.set(Some(loaded));
}

fn load() -> Result<Engine, String> {
    let runtime = Runtime::new().map_err(|e| e.to_string())?;
    runtime.set_max_stack_size(STACK);
    runtime.set_host_promise_rejection_tracker(Some(fault::tracker()));
    runtime.set_loader(files::Resolver, files::Loader);
    let context = Context::full(&runtime).map_err(|e| e.to_string())?;
    let (kit, exports) = context.with(|ctx| {
        let kit = native::install(&ctx).map_err(|e| fault::placed(&ctx, e))?;
        Ok::<_, String>((Persistent::save(&ctx, kit), Persistent::save(&ctx, load_scripts(&ctx)?)))
    })?;
    Ok(Engine { context, exports, kit })
}

fn load_scripts<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>, String> {
    let load = |name: &str, text: &[u8]| -> Result<Object<'js>, String> {
        let evaluated = Module::declare(ctx.clone(), name, text).and_then(|m| m.eval());
        let (module, promise) = evaluated.map_err(|e| fault::placed(ctx, e))?;
        fault::settle(ctx, promise.as_value()).map_err(|f| f.placed())?;
        module.namespace().map_err(|e| fault::placed(ctx, e))
    };
    load("adp", KIT.as_bytes())?;
    let main = files::text(MAIN).ok_or("adp:1:1: no script was laid into this module")?;
    load(MAIN, main)
}
