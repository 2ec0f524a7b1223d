//! Values on their way from scripts to columns. As in `value.rs`, values are those of QuickJS itself.

use crate::value::{Name, SAFE};
use adp::{Builder, Date, Decimal, Field, Kind, Time, Timestamp, Writer};
use rquickjs::qjs::{self, JSContext, JSValue};

/// Why a value does not go into a column.
pub enum Refusal {
    /// The script's own exception, which is pending.
    Thrown,
    Because(String),
}

type Result<T> = std::result::Result<T, Refusal>;

fn because<T>(why: String) -> Result<T> {
    Err(Refusal::Because(why))
}

/// A column of an output, with the names of its members at hand.
struct Shape {
    name: Name,
    children: Vec<Shape>,
}

impl Shape {
    fn new(ctx: *mut JSContext, field: &Field) -> Shape {
        Shape { name: Name::new(ctx, &field.name), children: field.fields.iter().map(|f| Shape::new(ctx, f)).collect() }
    }
}

/// An output, or a binding with write access.
pub struct Out {
    pub name: String,
    pub writer: Writer,
    columns: Vec<String>,
    shapes: Vec<Shape>,
    op: Option<usize>, // the column _op of upsert outputs
    emitted: usize,
}

/// Property names of so many rows are compared with the columns; later only where one is missing.
const LOOKED_AT: usize = 64;

impl Out {
    pub fn new(ctx: *mut JSContext, name: &str, writer: Writer) -> Out {
        let (mut shapes, mut columns) = (Vec::new(), Vec::new());
        writer.build(|all| {
            for b in all.iter() {
                shapes.push(Shape::new(ctx, b.field()));
                columns.push(b.field().name.clone());
            }
        });
        let op = columns.iter().position(|c| c == "_op");
        Out { name: name.into(), writer, columns, shapes, op, emitted: 0 }
    }

    /// Adds a row; delete: removes the one with its key.
    pub unsafe fn emit(&mut self, ctx: *mut JSContext, row: JSValue, delete: bool) -> Result<()> {
        if !qjs::JS_IsObject(row) || qjs::JS_IsArray(row) {
            return because(format!("output {}: a row is an object with a property for each column", self.name));
        }
        if delete && self.op.is_none() {
            return because(format!("output {} is no upsert output: rows cannot be deleted from it", self.name));
        }
        if self.emitted < LOOKED_AT {
            self.no_other_names(ctx, row)?;
        }
        self.emitted += 1;
        let mut missing = false;
        let added = self.writer.build(|all| {
            for (i, (s, b)) in self.shapes.iter().zip(all).enumerate() {
                if delete && Some(i) == self.op {
                    b.string("delete");
                    continue;
                }
                let v = qjs::JS_GetProperty(ctx, row, s.name.atom);
                let added = match qjs::JS_IsUndefined(v) {
                    true if Some(i) == self.op => Ok(()), // an upsert
                    true if delete => {
                        b.blank();
                        Ok(())
                    }
                    undefined => {
                        missing |= undefined;
                        append(ctx, s, b, v)
                    }
                };
                qjs::JS_FreeValue(ctx, v);
                added?;
            }
            Ok(())
        });
        if missing {
            self.no_other_names(ctx, row)?; // a misspelt one says more than that its column is required
        }
        added.map_err(|r| self.named(r))?;
        if self.emitted % 64 == 0 {
            self.writer.emit_full();
        }
        Ok(())
    }

    /// Adds rows, a column at a time: arrays, typed arrays or columns of a batch.
    pub unsafe fn emit_columns(&mut self, ctx: *mut JSContext, columns: JSValue) -> Result<()> {
        if !qjs::JS_IsObject(columns) {
            return because(format!("output {}: columns come as an object with an array for each", self.name));
        }
        self.no_other_names(ctx, columns)?;
        let mut rows = None;
        let added = self.writer.build(|all| {
            for (i, (s, b)) in self.shapes.iter().zip(all).enumerate() {
                let from = b.len();
                let v = qjs::JS_GetProperty(ctx, columns, s.name.atom);
                let added = match qjs::JS_IsUndefined(v) {
                    true if Some(i) == self.op => {
                        qjs::JS_FreeValue(ctx, v);
                        continue;
                    }
                    _ => append_all(ctx, s, b, v),
                };
                qjs::JS_FreeValue(ctx, v);
                added?;
                let n = b.len() - from;
                if rows.get_or_insert(n) != &n {
                    return because(format!("column {} has {n} rows, those before it {}", b.field().name, rows.unwrap_or(0)));
                }
            }
            Ok(())
        });
        added.map_err(|r| self.named(r))?;
        self.writer.emit_full();
        Ok(())
    }

    fn named(&self, r: Refusal) -> Refusal {
        match r {
            Refusal::Because(why) => Refusal::Because(format!("output {}: {why}", self.name)),
            thrown => thrown,
        }
    }

    /// Refuses properties that are no columns.
    unsafe fn no_other_names(&self, ctx: *mut JSContext, row: JSValue) -> Result<()> {
        let (mut names, mut n) = (std::ptr::null_mut(), 0);
        let flags = qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY;
        if qjs::JS_GetOwnPropertyNames(ctx, &mut names, &mut n, row, flags as _) < 0 {
            return Err(Refusal::Thrown);
        }
        let mut odd = None;
        for p in std::slice::from_raw_parts(names, if names.is_null() { 0 } else { n as usize }) {
            if odd.is_none() && !self.shapes.iter().any(|s| s.name.atom == p.atom) {
                let v = qjs::JS_AtomToString(ctx, p.atom);
                odd = text(ctx, v).ok();
                qjs::JS_FreeValue(ctx, v);
            }
        }
        if !names.is_null() {
            qjs::JS_FreePropertyEnum(ctx, names, n);
        }
        match odd {
            None => Ok(()),
            Some(odd) => because(format!("output {} has no column {odd}; there are {}", self.name, self.columns.join(", "))),
        }
    }
}

/// Adds the elements of an array.
unsafe fn append_all(ctx: *mut JSContext, s: &Shape, b: &mut Builder, v: JSValue) -> Result<()> {
    if let Some(done) = crate::batch::copy(ctx, v, b) {
        return done.map_err(Refusal::Because);
    }
    for i in 0..length(ctx, b, v)? {
        let element = qjs::JS_GetPropertyUint32(ctx, v, i);
        let added = append(ctx, s, b, element);
        qjs::JS_FreeValue(ctx, element);
        added?;
    }
    Ok(())
}

/// The length of an array or a typed array.
unsafe fn length(ctx: *mut JSContext, b: &Builder, v: JSValue) -> Result<u32> {
    let mut n = 0;
    if !qjs::JS_IsArray(v) && qjs::JS_GetTypedArrayType(v) < 0 {
        return wrong(ctx, b, v, "an array");
    }
    match qjs::JS_GetLength(ctx, v, &mut n) {
        0 if n <= i64::from(i32::MAX) => Ok(n as u32),
        0 => because(format!("column {}: an array of {n}", b.field().name)),
        _ => Err(Refusal::Thrown),
    }
}

/// Adds a value to a column.
unsafe fn append(ctx: *mut JSContext, s: &Shape, b: &mut Builder, v: JSValue) -> Result<()> {
    if qjs::JS_IsException(v) {
        return Err(Refusal::Thrown);
    }
    if qjs::JS_IsNull(v) || qjs::JS_IsUndefined(v) {
        if b.field().nullable {
            b.null();
            return Ok(());
        }
        return because(format!("column {} is required: it takes no null", b.field().name));
    }
    match b.field().kind {
        Kind::Bool if qjs::JS_IsBool(v) => b.bool(qjs::JS_VALUE_GET_BOOL(v)),
        Kind::Bool => return wrong(ctx, b, v, "a boolean"),
        Kind::Int32 => match integer(ctx, v).and_then(|n| i32::try_from(n).ok()) {
            Some(n) => b.i32(n),
            None => return wrong(ctx, b, v, "a whole number that fits"),
        },
        Kind::Int64 => match integer(ctx, v) {
            Some(n) => b.i64(n),
            None => return wrong(ctx, b, v, "a whole number, or a BigInt, that fits"),
        },
        Kind::Float32 => match number(v) {
            Some(n) => b.f32(n as f32),
            None => return wrong(ctx, b, v, "a number"),
        },
        Kind::Float64 => match number(v) {
            Some(n) => b.f64(n),
            None => return wrong(ctx, b, v, "a number"),
        },
        Kind::Decimal(precision, scale) => match decimal(ctx, v, precision, scale)? {
            Some(d) => b.decimal(d),
            None => return wrong(ctx, b, v, "a decimal number that fits, as text"),
        },
        Kind::Date | Kind::Time | Kind::Timestamp | Kind::TimestampTz => return moment(ctx, b, v),
        Kind::String if qjs::JS_IsString(v) => b.string(&text(ctx, v)?),
        Kind::String => return wrong(ctx, b, v, "a string"),
        Kind::Binary => match bytes(ctx, v) {
            Some(bytes) => b.binary(bytes),
            None => return wrong(ctx, b, v, "a Uint8Array"),
        },
        Kind::List => {
            for i in 0..length(ctx, b, v)? {
                let element = qjs::JS_GetPropertyUint32(ctx, v, i);
                let added = append(ctx, &s.children[0], b.elements(), element);
                qjs::JS_FreeValue(ctx, element);
                added?;
            }
            b.end_list();
        }
        Kind::Struct if qjs::JS_IsObject(v) && !qjs::JS_IsArray(v) => {
            for (i, m) in s.children.iter().enumerate() {
                let value = qjs::JS_GetProperty(ctx, v, m.name.atom);
                let added = append(ctx, m, b.child(i), value);
                qjs::JS_FreeValue(ctx, value);
                added?;
            }
            b.end_struct();
        }
        Kind::Struct => return wrong(ctx, b, v, "an object"),
        Kind::Unknown => return because(format!("column {} is {}", b.field().name, b.field())),
    }
    Ok(())
}

/// Says what a column takes and what it was given.
unsafe fn wrong<T>(ctx: *mut JSContext, b: &Builder, v: JSValue, takes: &str) -> Result<T> {
    let ctx = rquickjs::Ctx::from_raw(std::ptr::NonNull::new_unchecked(ctx));
    let v = rquickjs::Value::from_raw(ctx.clone(), qjs::JS_DupValue(ctx.as_raw().as_ptr(), v));
    let mut got = crate::fault::show(&v);
    if v.type_name() == "float" || v.type_name() == "int" {
        got = format!("the number {got}");
    }
    because(format!("column {} is {}: it takes {takes}, not {got}", b.field().name, b.field()))
}

/// A number.
unsafe fn number(v: JSValue) -> Option<f64> {
    match qjs::JS_VALUE_GET_TAG(v) {
        t if t == qjs::JS_TAG_INT => Some(f64::from(qjs::JS_VALUE_GET_INT(v))),
        t if qjs::JS_TAG_IS_FLOAT64(t) => Some(qjs::JS_VALUE_GET_FLOAT64(v)),
        _ => None,
    }
}

/// A whole number that is exact: a BigInt of 64 bits, or a number that is whole and safe.
pub unsafe fn integer(ctx: *mut JSContext, v: JSValue) -> Option<i64> {
    if qjs::JS_IsBigInt(v) {
        let mut n = 0;
        if qjs::JS_ToBigInt64(ctx, &mut n, v) != 0 {
            return None;
        }
        let back = qjs::JS_NewBigInt64(ctx, n);
        let same = qjs::JS_IsStrictEqual(ctx, back, v); // it wraps around
        qjs::JS_FreeValue(ctx, back);
        return same.then_some(n);
    }
    let n = number(v)?;
    (n.fract() == 0.0 && n.abs() <= SAFE as f64).then_some(n as i64)
}

/// A decimal as text; numbers and BigInts are taken by what JavaScript writes for them.
unsafe fn decimal(ctx: *mut JSContext, v: JSValue, precision: u8, scale: u8) -> Result<Option<Decimal>> {
    if !qjs::JS_IsString(v) && !qjs::JS_IsBigInt(v) && number(v).is_none() {
        return Ok(None);
    }
    let parsed = Decimal::parse(&text(ctx, v)?, scale.into()).ok();
    Ok(parsed.filter(|d| d.0.unsigned_abs() < 10u128.pow(precision.into())))
}

/// A date or time: text as ISO 8601 has it, a Date where the column has days, or the column's own unit.
unsafe fn moment(ctx: *mut JSContext, b: &mut Builder, v: JSValue) -> Result<()> {
    let kind = b.field().kind;
    if qjs::JS_IsString(v) {
        let text = text(ctx, v)?;
        let done = match kind {
            Kind::Date => date(&text).map(|d| b.date(d)),
            Kind::Time => time(&text).map(|t| b.time(t)),
            Kind::Timestamp => local(&text).map(|t| b.timestamp(t)),
            _ => instant(&text).map(|t| b.timestamp(t)),
        };
        if done.is_some() {
            return Ok(());
        }
    } else if qjs::JS_IsDate(v) && kind != Kind::Time {
        let mut ms = 0.0;
        if qjs::JS_ToFloat64(ctx, &mut ms, v) != 0 {
            return Err(Refusal::Thrown);
        }
        if ms.is_finite() {
            let t = Timestamp(ms as i64 * 1000);
            match kind {
                Kind::Date => b.date(t.date()),
                _ => b.timestamp(t),
            }
            return Ok(());
        }
    } else if let Some(n) = integer(ctx, v).filter(|_| qjs::JS_IsBigInt(v) || kind == Kind::Date) {
        match kind {
            Kind::Date if i32::try_from(n).is_err() => {}
            Kind::Date => return Ok(b.date(Date(n as i32))),
            Kind::Time => return Ok(b.time(Time(n))),
            _ => return Ok(b.timestamp(Timestamp(n))),
        }
    }
    wrong(ctx, b, v, match kind {
        Kind::Date => r#"text like "2026-11-01", or a Date"#,
        Kind::Time => r#"text like "15:04:05.25""#,
        Kind::Timestamp => r#"text like "2026-11-01T15:04:05.25", without a zone, or a Date for its UTC"#,
        _ => r#"text like "2026-11-01T15:04:05.25Z", with its zone, or a Date"#,
    })
}

/// 2026-11-01
fn date(s: &str) -> Option<Date> {
    let (rest, day) = s.rsplit_once('-')?;
    let (year, month) = rest.rsplit_once('-')?;
    let d = Date::new(year.parse().ok().filter(|_| year.len() >= 4)?, two(month)?, two(day)?);
    (d.ymd() == (year.parse().ok()?, two(month)?, two(day)?)).then_some(d)
}

/// 15:04, 15:04:05 or 15:04:05.999999
fn time(s: &str) -> Option<Time> {
    let (clock, fraction) = s.split_once('.').unwrap_or((s, "0"));
    let mut parts = clock.split(':');
    let (hour, minute) = (two(parts.next()?)?, two(parts.next()?)?);
    let second = parts.next().map_or(Some(0), two)?;
    let digits = fraction.bytes().all(|c| c.is_ascii_digit()) && (1..=6).contains(&fraction.len());
    if !digits || parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    Some(Time((i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)) * 1_000_000 + micros))
}

/// A day and a time of it, without a zone.
fn local(s: &str) -> Option<Timestamp> {
    let (day, clock) = s.split_once(['T', ' '])?;
    Some(Timestamp::new(date(day)?, time(clock)?))
}

/// The same with a zone: Z, +02:00 or -0530.
fn instant(s: &str) -> Option<Timestamp> {
    if let Some(utc) = s.strip_suffix(['Z', 'z']) {
        return local(utc);
    }
    let at = s.rfind(['+', '-']).filter(|at| *at > 10)?;
    let zone = s[at + 1..].replace(':', "");
    let (hours, minutes) = (two(zone.get(..2)?)?, two(zone.get(2..)?)?);
    let ahead = i64::from(hours * 60 + minutes) * 60_000_000;
    let sign = if s[at..].starts_with('-') { -1 } else { 1 };
    (minutes < 60).then_some(Timestamp(local(&s[..at])?.0 - sign * ahead))
}

fn two(s: &str) -> Option<i32> {
    (s.len() == 2 && s.bytes().all(|c| c.is_ascii_digit())).then(|| s.parse().ok())?
}

/// The text of a value.
unsafe fn text(ctx: *mut JSContext, v: JSValue) -> Result<String> {
    let mut n = 0;
    let p = qjs::JS_ToCStringLen2(ctx, &mut n, v, false);
    if p.is_null() {
        return Err(Refusal::Thrown);
    }
    let out = String::from_utf8(std::slice::from_raw_parts(p.cast::<u8>(), n as usize).to_vec());
    qjs::JS_FreeCString(ctx, p);
    out.or_else(|_| because("a text with half a character in it (a lone surrogate): toWellFormed() replaces those".into()))
}

/// The bytes of a Uint8Array. They are good until a script runs.
pub unsafe fn bytes<'a>(ctx: *mut JSContext, v: JSValue) -> Option<&'a [u8]> {
    if qjs::JS_GetTypedArrayType(v) != qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT8 as i32 {
        return None;
    }
    let (mut offset, mut length, mut size, mut whole) = (0, 0, 0, 0);
    let buffer = qjs::JS_GetTypedArrayBuffer(ctx, v, &mut offset, &mut length, &mut size);
    let p = qjs::JS_GetArrayBuffer(ctx, &mut whole, buffer);
    qjs::JS_FreeValue(ctx, buffer); // the array holds it
    if p.is_null() || length == 0 {
        return Some(&[]);
    }
    Some(std::slice::from_raw_parts(p.add(offset as usize), length as usize))
}
