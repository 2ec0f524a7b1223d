//! The batch that a script looks at, column by column.

use crate::value::View;
use adp::{Builder, Kind};
use rquickjs::qjs::{self, JSContext, JSValue};
use rquickjs::{Ctx, Error, Exception, Object, Result, Value};
use std::cell::{Cell, RefCell};

/// A batch while its handler runs.
struct Open {
    id: u32,
    views: *const [View<'static, 'static>],
    rows: usize,
    lent: Vec<JSValue>, // ArrayBuffers over the host's memory
}

thread_local! {
    static OPEN: RefCell<Option<Open>> = const { RefCell::new(None) };
    static LAST: Cell<u32> = const { Cell::new(0) };
}

/// Lets scripts look at columns while f runs, under the id that it gets. What they keep of it is of no use afterwards: buffers are
/// detached.
pub fn open<T>(ctx: &Ctx, views: &[View], rows: usize, f: impl FnOnce(u32) -> T) -> T {
    let id = LAST.get() + 1;
    LAST.set(id);
    // Whoever uses the views looks at OPEN, which is empty again before they go.
    let views = unsafe { std::mem::transmute::<*const [View], *const [View<'static, 'static>]>(views) };
    OPEN.set(Some(Open { id, views, rows, lent: Vec::new() }));
    let out = f(id);
    let raw = ctx.as_raw().as_ptr();
    for buffer in OPEN.take().map(|o| o.lent).unwrap_or_default() {
        unsafe {
            qjs::JS_DetachArrayBuffer(raw, buffer);
            qjs::JS_FreeValue(raw, buffer);
        }
    }
    out
}

/// The column of an open batch.
fn view(ctx: &Ctx, id: u32, column: u32) -> Result<(&'static View<'static, 'static>, usize)> {
    OPEN.with_borrow(|o| match o {
        Some(o) if o.id == id => Ok((unsafe { &(&*o.views)[column as usize] }, o.rows)),
        _ => Err(Exception::throw_type(ctx, "the batch is over: what is needed of it later has to be copied")),
    })
}

/// The value of a row.
pub fn cell<'js>(ctx: Ctx<'js>, id: u32, column: u32, i: f64) -> Result<Value<'js>> {
    let (v, rows) = view(&ctx, id, column)?;
    let i = index(&ctx, i, rows)?;
    Ok(unsafe { Value::from_raw(ctx.clone(), v.get(ctx.as_raw().as_ptr(), i)) })
}

/// Whether a row is null.
pub fn is_null(ctx: Ctx, id: u32, column: u32, i: f64) -> Result<bool> {
    let (v, rows) = view(&ctx, id, column)?;
    Ok(v.column.is_null(index(&ctx, i, rows)?))
}

fn index(ctx: &Ctx, i: f64, rows: usize) -> Result<usize> {
    match i >= 0.0 && i < rows as f64 && i.fract() == 0.0 {
        true => Ok(i as usize),
        false => Err(Exception::throw_range(ctx, &format!("there is no row {i}: the batch has {rows}"))),
    }
}

/// The numbers of a column as an ArrayBuffer on the host's memory, null for columns of other kinds.
pub fn buffer<'js>(ctx: Ctx<'js>, id: u32, column: u32) -> Result<Value<'js>> {
    let (v, rows) = view(&ctx, id, column)?;
    let c = v.column;
    let (at, width) = match c.field().kind {
        _ if rows == 0 => (8 as *const u8, 0),
        Kind::Int32 => (c.i32s().map_or(std::ptr::null(), |v| v.as_ptr().cast()), 4),
        Kind::Int64 => (c.i64s().map_or(std::ptr::null(), |v| v.as_ptr().cast()), 8),
        Kind::Float32 => (c.f32s().map_or(std::ptr::null(), |v| v.as_ptr().cast()), 4),
        Kind::Float64 => (c.f64s().map_or(std::ptr::null(), |v| v.as_ptr().cast()), 8),
        Kind::Date => (c.dates().map_or(std::ptr::null(), |v| v.as_ptr().cast()), 4),
        Kind::Time => (c.times().map_or(std::ptr::null(), |v| v.as_ptr().cast()), 8),
        Kind::Timestamp | Kind::TimestampTz => (c.timestamps().map_or(std::ptr::null(), |v| v.as_ptr().cast()), 8),
        _ => (std::ptr::null(), 0),
    };
    if at.is_null() {
        return Ok(Value::new_null(ctx));
    }
    unsafe {
        let raw = ctx.as_raw().as_ptr();
        let size = (rows * width) as _;
        let made = qjs::JS_NewArrayBuffer(raw, at.cast_mut(), size, size, Some(keep), std::ptr::null_mut(), false);
        if qjs::JS_IsException(made) {
            return Err(Error::Exception);
        }
        OPEN.with_borrow_mut(|o| o.as_mut().map(|o| o.lent.push(qjs::JS_DupValue(raw, made))));
        Ok(Value::from_raw(ctx, made))
    }
}

/// What the engine calls to free or to resize a buffer: the memory is the host's.
unsafe extern "C" fn keep(_: *mut qjs::JSRuntime, _: *mut std::ffi::c_void, _: *mut std::ffi::c_void, _: qjs::size_t) -> *mut std::ffi::c_void {
    std::ptr::null_mut()
}

/// Copies a column of a batch, if v is one, to a column of an output.
pub unsafe fn copy(ctx: *mut JSContext, v: JSValue, to: &mut Builder) -> Option<std::result::Result<(), String>> {
    if !qjs::JS_IsObject(v) || qjs::JS_IsArray(v) || qjs::JS_GetTypedArrayType(v) >= 0 {
        return None;
    }
    let ctx = Ctx::from_raw(std::ptr::NonNull::new(ctx)?);
    let o = Object::from_value(Value::from_raw(ctx.clone(), qjs::JS_DupValue(ctx.as_raw().as_ptr(), v))).ok()?;
    let place: Vec<u32> = o.get("_place").ok()?;
    let (&[id, column], true) = (&place[..], place.len() == 2) else { return None };
    let Ok((from, rows)) = view(&ctx, id, column) else {
        ctx.catch();
        return Some(Err("the batch of the column is over".into()));
    };
    let (f, t) = (from.column.field(), to.field());
    if f.kind != t.kind || f.to_string() != t.to_string() {
        return Some(Err(format!("column {} is {t}, the batch's {} {f}", t.name, f.name)));
    }
    if from.column.nulls() > 0 && !t.nullable {
        return Some(Err(format!("column {} is required: it takes no null", t.name)));
    }
    (0..rows).for_each(|i| to.copy(from.column, i));
    Some(Ok(()))
}
