//! A run of the scripts.

use crate::emit::Out;
use crate::fault::{self, Fault};
use crate::value::{self, View};
use crate::{batch, native, with_scripts};
use adp::{Batch, Port, Product, Result, Run};
use rquickjs::function::Args;
use rquickjs::{qjs, Ctx, Function, Object, Persistent, Value};

/// One run.
pub struct Script {
    inputs: Vec<Input>,
    flush: Option<Persistent<Function<'static>>>,
    out: Persistent<Object<'static>>,
}

/// An input and the functions that take what comes of it.
struct Input {
    name: String,
    row: Option<Persistent<Function<'static>>>,
    batch: Option<Persistent<Function<'static>>>,
    seen: usize, // rows
}

impl Product for Script {
    fn open(run: Run) -> Result<Self> {
        native::begin();
        with_scripts(|ctx, exports| {
            let mut inputs = Vec::new();
            for p in run.ports().into_iter().filter(|p| p.what == "input") {
                inputs.push(handlers(ctx, &exports, p)?);
            }
            let out = outputs(ctx, run)?;
            if let Some(open) = function(&exports, "open") {
                fault::outcome(called(ctx, &open, (out.clone(),)).map_err(|f| f.told().into()))?;
            }
            Ok(Script { inputs, flush: function(&exports, "flush").map(|f| Persistent::save(ctx, f)), out: Persistent::save(ctx, out) })
        })
    }

    fn process(&mut self, _: Run, b: &Batch) -> Result<()> {
        let out = self.out.clone();
        let input = self.inputs.iter_mut().find(|i| i.name == b.port()).ok_or("a batch of an input that was not there")?;
        fault::outcome(with_scripts(|ctx, _| {
            let out = out.restore(ctx)?;
            let views = View::all(ctx.as_raw().as_ptr(), b.columns());
            if let Some(f) = input.row.clone() {
                input.rows(ctx, &f.restore(ctx)?, &out, &views, b.len())?;
            }
            if let Some(f) = input.batch.clone() {
                input.batch(ctx, &f.restore(ctx)?, &out, &views, b)?;
            }
            input.seen += b.len();
            Ok(fault::settle(ctx, &Value::new_undefined(ctx.clone())).map_err(|f| f.told())?)
        }))
    }

    fn flush(&mut self, _: Run) -> Result<()> {
        let Some(flush) = self.flush.clone() else { return Ok(()) };
        let out = self.out.clone();
        fault::outcome(with_scripts(|ctx, _| Ok(called(ctx, &flush.restore(ctx)?, (out.restore(ctx)?,)).map_err(|f| f.told())?)))
    }
}

impl Input {
    /// Calls the function with each row.
    fn rows(&mut self, ctx: &Ctx, f: &Function, out: &Object, views: &[View], n: usize) -> Result<()> {
        let raw = ctx.as_raw().as_ptr();
        for i in 0..n {
            // The values are those that this makes and frees; the others live as long as their owners.
            let result = unsafe {
                let row = value::row(raw, views, i);
                let mut args = [row, out.as_raw()];
                let result = qjs::JS_Call(raw, f.as_raw(), qjs::JS_UNDEFINED, 2, args.as_mut_ptr());
                qjs::JS_FreeValue(raw, row);
                result
            };
            let fault = match unsafe { qjs::JS_VALUE_GET_TAG(result) } {
                t if t == qjs::JS_TAG_EXCEPTION => Fault::of(ctx, rquickjs::Error::Exception),
                t if t == qjs::JS_TAG_OBJECT => match fault::settle(ctx, &unsafe { Value::from_raw(ctx.clone(), result) }) {
                    Ok(()) => continue,
                    Err(fault) => fault,
                },
                _ => {
                    unsafe { qjs::JS_FreeValue(raw, result) };
                    continue;
                }
            };
            let row = unsafe { Value::from_raw(ctx.clone(), value::row(raw, views, i)) };
            return Err(format!("{}\nin row {} of {}: {}", fault.told(), self.seen + i + 1, self.name, fault::show(&row)).into());
        }
        Ok(())
    }

    /// Calls the function with the batch.
    fn batch<'js>(&mut self, ctx: &Ctx<'js>, f: &Function<'js>, out: &Object<'js>, views: &[View], b: &Batch) -> Result<()> {
        let make: Function = crate::kit(ctx)?.get("batch")?;
        let columns: Vec<Vec<String>> = b.columns().iter().map(|c| vec![c.field().name.clone(), c.field().to_string(), c.nulls().to_string()]).collect();
        let done = batch::open(ctx, views, b.len(), |id| {
            let made: Object = make.call((id, b.port(), b.len(), columns)).map_err(|e| Fault::of(ctx, e))?;
            called(ctx, f, (made, out.clone()))
        });
        done.map_err(|f| format!("{}\nin rows {} to {} of {}", f.told(), self.seen + 1, self.seen + b.len(), self.name).into())
    }
}

/// Calls a function and waits for what it waits for.
fn called<'js>(ctx: &Ctx<'js>, f: &Function<'js>, args: impl rquickjs::function::IntoArgs<'js>) -> std::result::Result<(), Fault> {
    let mut all = Args::new(ctx.clone(), args.num_args());
    let result = args.into_args(&mut all).and_then(|_| f.call_arg::<Value>(all));
    match result {
        Ok(v) => fault::settle(ctx, &v),
        Err(e) => Err(Fault::of(ctx, e)),
    }
}

/// The functions that the scripts export for an input: one for its rows, or an object with one for rows or for batches.
fn handlers<'js>(ctx: &Ctx<'js>, exports: &Object<'js>, port: &Port) -> Result<Input> {
    let save = |f: Function<'js>| Persistent::save(ctx, f);
    let mut input = Input { name: port.name.clone(), row: None, batch: None, seen: 0 };
    for name in [port.name.clone(), camel(&port.name)] {
        if let Some(f) = function(exports, &name) {
            input.row = Some(save(f));
            return Ok(input);
        }
        let Ok(o) = exports.get::<_, Object>(name.as_str()) else { continue };
        (input.row, input.batch) = (function(&o, "row").map(save), function(&o, "batch").map(save));
        if input.row.is_some() || input.batch.is_some() {
            return Ok(input);
        }
    }
    let there: Vec<String> = exports.keys::<String>().flatten().collect();
    let there = if there.is_empty() { "nothing".into() } else { there.join(", ") };
    Err(format!("{} exports no function {} for the {port}; it exports {there}", crate::MAIN, camel(&port.name)).into())
}

fn function<'js>(o: &Object<'js>, name: &str) -> Option<Function<'js>> {
    o.get::<_, Value>(name).ok()?.into_function()
}

/// new-orders is newOrders in JavaScript.
fn camel(name: &str) -> String {
    let mut parts = name.split(['-', '_']);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, p| all + &p[..1.min(p.len())].to_uppercase() + &p[1.min(p.len())..])
}

/// The object with a property for each output and each binding with write access.
fn outputs<'js>(ctx: &Ctx<'js>, run: Run) -> Result<Object<'js>> {
    let mut names = Vec::new();
    for p in run.ports().into_iter().filter(|p| p.what == "output" || p.mode == adp::Mode::Write) {
        native::add(Out::new(ctx.as_raw().as_ptr(), &p.name, run.writer(&p.name)?));
        names.push(p.name.clone());
    }
    let make: Function = crate::kit(ctx)?.get("outputs")?;
    Ok(make.call((names,))?)
}
