//! What the module "adp", which is written in JavaScript, is made of.

use crate::emit::{Out, Refusal};
use crate::{batch, emit, value};
use adp::{Reader, Run, Scan};
use rquickjs::function::IntoJsFunc;
use rquickjs::{Array, Ctx, Error, Exception, Function, Object, Result, Value};
use std::cell::RefCell;

thread_local! {
    static OUTS: RefCell<Vec<Out>> = const { RefCell::new(Vec::new()) };
    static SCANS: RefCell<Vec<Option<Scan>>> = const { RefCell::new(Vec::new()) };
    static READERS: RefCell<Vec<Option<Reader>>> = const { RefCell::new(Vec::new()) };
}

/// Puts the functions where the module "adp" takes them from, and out of the sight of others.
pub fn install<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let o = Object::new(ctx.clone())?;
    put(&o, "log", log)?;
    put(&o, "fail", fail)?;
    put(&o, "config", config)?;
    put(&o, "ports", ports)?;
    put(&o, "rebuilding", || Run::current().rebuilding())?;
    put(&o, "clock", clock)?;
    put(&o, "random", random)?;
    put(&o, "chance", || (Run::current().random_u64() >> 11) as f64 / (1u64 << 53) as f64)?;
    put(&o, "count", count)?;
    put(&o, "gauge", gauge)?;
    put(&o, "decide", decide)?;
    put(&o, "stateBytes", state_bytes)?;
    put(&o, "stateText", state_text)?;
    put(&o, "statePut", state_put)?;
    put(&o, "stateDelete", state_delete)?;
    put(&o, "stateInteger", state_integer)?;
    put(&o, "stateAdd", state_add)?;
    put(&o, "scanOpen", scan_open)?;
    put(&o, "scanNext", scan_next)?;
    put(&o, "readOpen", read_open)?;
    put(&o, "readNext", read_next)?;
    put(&o, "readClose", read_close)?;
    put(&o, "emit", |ctx: Ctx<'_>, out: usize, row: Value<'_>| written(&ctx, out, |o, c| unsafe { o.emit(c, row.as_raw(), false) }))?;
    put(&o, "remove", |ctx: Ctx<'_>, out: usize, row: Value<'_>| written(&ctx, out, |o, c| unsafe { o.emit(c, row.as_raw(), true) }))?;
    put(&o, "emitColumns", |ctx: Ctx<'_>, out: usize, all: Value<'_>| written(&ctx, out, |o, c| unsafe { o.emit_columns(c, all.as_raw()) }))?;
    put(&o, "cell", batch::cell)?;
    put(&o, "isNull", batch::is_null)?;
    put(&o, "buffer", batch::buffer)?;
    ctx.globals().set("__adp", o.clone())?;
    Ok(o)
}

fn put<'js, P>(o: &Object<'js>, name: &str, f: impl IntoJsFunc<'js, P> + 'js) -> Result<()> {
    o.set(name, Function::new(o.ctx().clone(), f)?.with_name(name)?)
}

/// Forgets the run before.
pub fn begin() {
    OUTS.take();
    SCANS.take();
    READERS.take();
}

/// Adds an output; scripts know it by its place.
pub fn add(out: Out) {
    OUTS.with_borrow_mut(|all| all.push(out));
}

/// Logs why scripts do not load.
pub fn complain(why: &str) {
    Run::current().error(why);
}

/// Throws what has made the run fail, if it did: the script stops where that happened.
fn checked<T>(ctx: &Ctx, value: T) -> Result<T> {
    match Run::current().failure() {
        None => Ok(value),
        Some(why) => Err(Exception::throw_internal(ctx, &why)),
    }
}

/// Writes to an output. A row that is refused fails the run, whoever catches what is thrown: half of it is there.
fn written(ctx: &Ctx, out: usize, f: impl FnOnce(&mut Out, *mut rquickjs::qjs::JSContext) -> std::result::Result<(), Refusal>) -> Result<()> {
    let mut all = OUTS.take();
    let done = match all.get_mut(out) {
        Some(o) => f(o, ctx.as_raw().as_ptr()),
        None => Err(Refusal::Because("a row in the middle of another".into())),
    };
    if !all.is_empty() {
        OUTS.set(all);
    }
    match done {
        Ok(()) => checked(ctx, ()),
        Err(Refusal::Thrown) => {
            crate::fault::spoil("a row was written by halves: something was thrown while its values were read".into());
            Err(Error::Exception)
        }
        Err(Refusal::Because(why)) => {
            crate::fault::spoil(why.clone());
            Err(Exception::throw_type(ctx, &why))
        }
    }
}

/// Text or bytes.
fn bytes(ctx: &Ctx, v: &Value) -> Result<Vec<u8>> {
    if let Some(s) = v.as_string() {
        return Ok(s.to_string()?.into_bytes());
    }
    match unsafe { emit::bytes(ctx.as_raw().as_ptr(), v.as_raw()) } {
        Some(b) => Ok(b.to_vec()),
        None => Err(Exception::throw_type(ctx, &format!("text or a Uint8Array, not {}", crate::fault::show(v)))),
    }
}

fn uint8_array<'js>(ctx: &Ctx<'js>, b: &[u8]) -> Value<'js> {
    unsafe { Value::from_raw(ctx.clone(), value::bytes(ctx.as_raw().as_ptr(), b)) }
}

fn integer<'js>(ctx: &Ctx<'js>, n: i64) -> Value<'js> {
    unsafe { Value::from_raw(ctx.clone(), value::int64(ctx.as_raw().as_ptr(), n)) }
}

fn text<'js>(ctx: &Ctx<'js>, s: &str) -> Value<'js> {
    unsafe { Value::from_raw(ctx.clone(), value::string(ctx.as_raw().as_ptr(), s)) }
}

fn log(ctx: Ctx, level: i32, message: String) -> Result<()> {
    let run = Run::current();
    match level {
        0 => run.debug(message),
        1 => run.info(message),
        2 => run.warn(message),
        _ => run.error(message),
    }
    checked(&ctx, ())
}

fn fail(why: String) {
    Run::current().fail(why);
}

fn config(ctx: Ctx, key: String) -> Result<Option<String>> {
    let value = Run::current().config(&key);
    checked(&ctx, value)
}

fn ports<'js>(ctx: Ctx<'js>) -> Result<Array<'js>> {
    let all = Array::new(ctx.clone())?;
    for (i, p) in Run::current().ports().into_iter().enumerate() {
        let o = Object::new(ctx.clone())?;
        o.set("what", p.what)?;
        o.set("name", &p.name)?;
        o.set("mode", p.mode.to_string())?;
        let columns = Array::new(ctx.clone())?;
        for (n, f) in p.columns.iter().enumerate() {
            let c = Object::new(ctx.clone())?;
            c.set("name", &f.name)?;
            c.set("type", f.to_string())?;
            c.set("nullable", f.nullable)?;
            columns.set(n, c)?;
        }
        o.set("columns", columns)?;
        all.set(i, o)?;
    }
    Ok(all)
}

/// Nanoseconds, as a BigInt.
fn clock(ctx: Ctx<'_>) -> Result<Value<'_>> {
    Value::new_big_int(ctx, Run::current().clock())
}

fn random<'js>(ctx: Ctx<'js>, n: usize) -> Result<Value<'js>> {
    let mut b = vec![0; n];
    Run::current().random(&mut b);
    checked(&ctx, uint8_array(&ctx, &b))
}

fn count(ctx: Ctx, name: String, add: f64) -> Result<()> {
    Run::current().count(&name, add);
    checked(&ctx, ())
}

fn gauge(ctx: Ctx, name: String, value: f64) -> Result<()> {
    Run::current().gauge(&name, value);
    checked(&ctx, ())
}

fn decide<'js>(ctx: Ctx<'js>, action: String, resource: String, purpose: String) -> Result<Object<'js>> {
    let d = Run::current().decide(&action, &resource, &purpose);
    let o = Object::new(ctx.clone())?;
    o.set("allow", d.allow)?;
    o.set("reason", d.reason)?;
    checked(&ctx, o)
}

fn state_bytes<'js>(ctx: Ctx<'js>, key: Value<'js>) -> Result<Value<'js>> {
    let v = Run::current().state().get(bytes(&ctx, &key)?);
    let v = v.map_or_else(|| Value::new_null(ctx.clone()), |b| uint8_array(&ctx, &b));
    checked(&ctx, v)
}

fn state_text<'js>(ctx: Ctx<'js>, key: Value<'js>) -> Result<Value<'js>> {
    let v = Run::current().state().get(bytes(&ctx, &key)?);
    let v = v.map_or_else(|| Value::new_null(ctx.clone()), |b| text(&ctx, &String::from_utf8_lossy(&b)));
    checked(&ctx, v)
}

fn state_put<'js>(ctx: Ctx<'js>, key: Value<'js>, value: Value<'js>) -> Result<()> {
    Run::current().state().put(bytes(&ctx, &key)?, bytes(&ctx, &value)?);
    checked(&ctx, ())
}

fn state_delete<'js>(ctx: Ctx<'js>, key: Value<'js>) -> Result<()> {
    Run::current().state().delete(bytes(&ctx, &key)?);
    checked(&ctx, ())
}

fn state_integer<'js>(ctx: Ctx<'js>, key: Value<'js>) -> Result<Value<'js>> {
    let v = Run::current().state().load::<i64>(bytes(&ctx, &key)?);
    let v = v.map_or_else(|| Value::new_null(ctx.clone()), |n| integer(&ctx, n));
    checked(&ctx, v)
}

fn state_add<'js>(ctx: Ctx<'js>, key: Value<'js>, delta: Value<'js>) -> Result<Value<'js>> {
    let Some(delta) = (unsafe { emit::integer(ctx.as_raw().as_ptr(), delta.as_raw()) }) else {
        return Err(Exception::throw_type(&ctx, &format!("a whole number to add, not {}", crate::fault::show(&delta))));
    };
    let sum = Run::current().state().add(bytes(&ctx, &key)?, delta);
    checked(&ctx, integer(&ctx, sum))
}

fn scan_open<'js>(ctx: Ctx<'js>, prefix: Value<'js>) -> Result<usize> {
    let scan = Run::current().state().scan(bytes(&ctx, &prefix)?);
    Ok(SCANS.with_borrow_mut(|all| {
        all.push(Some(scan));
        all.len() - 1
    }))
}

/// The next key and value, as text and bytes; null behind the last.
fn scan_next<'js>(ctx: Ctx<'js>, id: usize) -> Result<Value<'js>> {
    let next = SCANS.with_borrow_mut(|all| {
        let next = all[id].as_mut()?.next();
        if next.is_none() {
            all[id] = None;
        }
        next
    });
    let v = match next {
        None => Value::new_null(ctx.clone()),
        Some((key, value)) => {
            let pair = Array::new(ctx.clone())?;
            pair.set(0, text(&ctx, &String::from_utf8_lossy(&key)))?;
            pair.set(1, text(&ctx, &String::from_utf8_lossy(&value)))?;
            pair.into_value()
        }
    };
    checked(&ctx, v)
}

fn read_open<'js>(ctx: Ctx<'js>, binding: String, request: Value<'js>) -> Result<usize> {
    let reader = Run::current().read(&binding, &bytes(&ctx, &request)?);
    let reader = reader.map_err(|e| Exception::throw_message(&ctx, &e.to_string()))?;
    Ok(READERS.with_borrow_mut(|all| {
        all.push(Some(reader));
        all.len() - 1
    }))
}

/// The rows of the next batch; null behind the last.
fn read_next<'js>(ctx: Ctx<'js>, id: usize) -> Result<Value<'js>> {
    let Some(mut reader) = READERS.with_borrow_mut(|all| all[id].take()) else {
        return Ok(Value::new_null(ctx));
    };
    let rows = match reader.next().map_err(|e| Exception::throw_message(&ctx, &e.to_string()))? {
        None => return checked(&ctx, Value::new_null(ctx.clone())),
        Some(batch) => {
            let raw = ctx.as_raw().as_ptr();
            let views = value::View::all(raw, batch.columns());
            let rows = Array::new(ctx.clone())?;
            for i in 0..batch.len() {
                rows.set(i, unsafe { Value::from_raw(ctx.clone(), value::row(raw, &views, i)) })?;
            }
            rows.into_value()
        }
    };
    READERS.with_borrow_mut(|all| all[id] = Some(reader));
    checked(&ctx, rows)
}

fn read_close(id: usize) {
    READERS.with_borrow_mut(|all| all[id] = None);
}
