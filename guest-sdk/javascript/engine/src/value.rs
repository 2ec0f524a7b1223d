//! Values on their way from columns to scripts.
//!
//! Rows are made for each row of each batch, so this goes past the checked interface of rquickjs. What is unsafe is only that: the
//! context is alive while a script or its caller runs, and every value made is handed on or freed.

use adp::{Column, Decimal, Kind, Timestamp};
use rquickjs::qjs::{self, JSAtom, JSContext, JSValue};

/// Integers beyond are not exact as numbers.
pub const SAFE: i64 = (1 << 53) - 1;

/// A name of a property, alive as long as this is.
pub struct Name {
    ctx: *mut JSContext,
    pub atom: JSAtom,
}

impl Name {
    pub fn new(ctx: *mut JSContext, text: &str) -> Name {
        Name { ctx, atom: unsafe { qjs::JS_NewAtomLen(ctx, text.as_ptr().cast(), text.len() as _) } }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        unsafe { qjs::JS_FreeAtom(self.ctx, self.atom) }
    }
}

/// Columns whose values become those of JavaScript, with the names of their own members at hand.
pub struct View<'c, 'a> {
    pub column: &'c Column<'a>,
    name: Name,
    children: Vec<View<'c, 'a>>,
}

impl<'c, 'a> View<'c, 'a> {
    pub fn all(ctx: *mut JSContext, columns: &'c [Column<'a>]) -> Vec<View<'c, 'a>> {
        let view = |column: &'c Column<'a>| {
            let name = Name::new(ctx, &column.field().name);
            View { column, name, children: View::all(ctx, column.children()) }
        };
        columns.iter().map(view).collect()
    }

    /// The value of row i; undefined is never one.
    pub unsafe fn get(&self, ctx: *mut JSContext, i: usize) -> JSValue {
        let c = self.column;
        if c.is_null(i) {
            return qjs::JS_NULL;
        }
        match c.field().kind {
            Kind::Bool => qjs::JS_MKVAL(qjs::JS_TAG_BOOL, i32::from(c.bools().unwrap_unchecked().get(i))),
            Kind::Int32 => qjs::JS_MKVAL(qjs::JS_TAG_INT, c.i32s().unwrap_unchecked()[i]),
            Kind::Int64 => int64(ctx, c.i64s().unwrap_unchecked()[i]),
            Kind::Float32 => qjs::JS_NewFloat64(f64::from(c.f32s().unwrap_unchecked()[i])),
            Kind::Float64 => qjs::JS_NewFloat64(c.f64s().unwrap_unchecked()[i]),
            Kind::Decimal(_, scale) => {
                let Decimal(v) = c.decimals().unwrap_unchecked()[i];
                string(ctx, &Decimal(v).text(scale.into()))
            }
            Kind::Date => string(ctx, &c.dates().unwrap_unchecked()[i].to_string()),
            Kind::Time => string(ctx, &c.times().unwrap_unchecked()[i].to_string()),
            Kind::Timestamp => string(ctx, &self.timestamp(i).to_string()),
            Kind::TimestampTz => string(ctx, &format!("{}Z", self.timestamp(i))),
            Kind::String => string(ctx, c.strings().unwrap_unchecked().get(i)),
            Kind::Binary => bytes(ctx, c.binaries().unwrap_unchecked().get(i)),
            Kind::List => {
                let out = qjs::JS_NewArray(ctx);
                for (n, j) in c.lists().unwrap_unchecked().get(i).enumerate() {
                    qjs::JS_SetPropertyUint32(ctx, out, n as u32, self.children[0].get(ctx, j));
                }
                out
            }
            Kind::Struct => row(ctx, &self.children, i),
            Kind::Unknown => qjs::JS_NULL,
        }
    }

    unsafe fn timestamp(&self, i: usize) -> Timestamp {
        self.column.timestamps().unwrap_unchecked()[i]
    }
}

/// Row i of columns as an object.
pub unsafe fn row(ctx: *mut JSContext, views: &[View], i: usize) -> JSValue {
    let out = qjs::JS_NewObject(ctx);
    for v in views {
        qjs::JS_DefinePropertyValue(ctx, out, v.name.atom, v.get(ctx, i), qjs::JS_PROP_C_W_E as _);
    }
    out
}

/// A number where that is exact, else a BigInt: nothing is rounded unseen.
pub unsafe fn int64(ctx: *mut JSContext, v: i64) -> JSValue {
    match i32::try_from(v) {
        Ok(v) => qjs::JS_MKVAL(qjs::JS_TAG_INT, v),
        Err(_) if v.abs_diff(0) <= SAFE as u64 => qjs::JS_NewFloat64(v as f64),
        Err(_) => qjs::JS_NewBigInt64(ctx, v),
    }
}

pub unsafe fn string(ctx: *mut JSContext, s: &str) -> JSValue {
    qjs::JS_NewStringLen(ctx, s.as_ptr().cast(), s.len() as _)
}

/// A Uint8Array with a copy.
pub unsafe fn bytes(ctx: *mut JSContext, b: &[u8]) -> JSValue {
    let mut buffer = qjs::JS_NewArrayBufferCopy(ctx, b.as_ptr(), b.len() as _);
    let out = qjs::JS_NewTypedArray(ctx, 1, &mut buffer, qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT8);
    qjs::JS_FreeValue(ctx, buffer);
    out
}
