//! Values of columns as Python has them, and the way back.
//!
//! Numbers, text and bytes are made here. Decimals, dates and times are made by functions of `lib/adp.py`, from integers and text.

use adp::{Builder, Column, Date, Decimal, Field, Kind, Mode, Run, Time, Timestamp, Writer};
use num_traits::ToPrimitive;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyDict, PyDictRef, PyFloat, PyInt, PyList, PyMemoryView, PyStr, PyStrRef, PyTuple};
use rustpython_vm::protocol::PyBuffer;
use rustpython_vm::{AsObject, Py, PyObject, PyObjectRef, PyResult, TryFromBorrowedObject, VirtualMachine};
use std::cell::RefCell;

/// The column that says what happened to a row.
const OP: &str = "_op";

/// The names of columns as keys, each made once.
pub fn names(columns: &[Column], vm: &VirtualMachine) -> Vec<PyStrRef> {
    columns.iter().map(|c| vm.ctx.intern_str(c.field().name.as_str()).to_owned()).collect()
}

/// A row as a dict.
pub fn row(columns: &[Column], names: &[PyStrRef], i: usize, vm: &VirtualMachine) -> PyResult<PyDictRef> {
    let dict = vm.ctx.new_dict();
    for (c, name) in columns.iter().zip(names) {
        dict.set_item(&**name, to_python(c, i, vm)?, vm)?;
    }
    Ok(dict)
}

/// A function of adp.py that makes what only Python knows.
fn made(name: &'static str, arguments: impl rustpython_vm::function::IntoFuncArgs, vm: &VirtualMachine) -> PyResult {
    vm.import("adp", 0)?.get_attr(name, vm)?.call(arguments, vm)
}

/// The value of row i.
pub fn to_python(c: &Column, i: usize, vm: &VirtualMachine) -> PyResult {
    if c.is_null(i) {
        return Ok(vm.ctx.none());
    }
    let unknown = |e: adp::Error| vm.new_type_error(e.to_string());
    Ok(match c.field().kind {
        Kind::Bool => vm.ctx.new_bool(c.bools().map_err(unknown)?.get(i)).into(),
        Kind::Int32 => vm.ctx.new_int(c.i32s().map_err(unknown)?[i]).into(),
        Kind::Int64 => vm.ctx.new_int(c.i64s().map_err(unknown)?[i]).into(),
        Kind::Float32 => vm.ctx.new_float(c.f32s().map_err(unknown)?[i].into()).into(),
        Kind::Float64 => vm.ctx.new_float(c.f64s().map_err(unknown)?[i]).into(),
        Kind::Decimal(_, scale) => made("_decimal", (c.decimals().map_err(unknown)?[i].text(scale.into()),), vm)?,
        Kind::Date => made("_date", (c.dates().map_err(unknown)?[i].0,), vm)?,
        Kind::Time => made("_time", (c.times().map_err(unknown)?[i].0,), vm)?,
        Kind::Timestamp => made("_timestamp", (c.timestamps().map_err(unknown)?[i].0,), vm)?,
        Kind::TimestampTz => made("_instant", (c.timestamps().map_err(unknown)?[i].0,), vm)?,
        Kind::String => vm.ctx.new_str(c.strings().map_err(unknown)?.get(i)).into(),
        Kind::Binary => vm.ctx.new_bytes(c.binaries().map_err(unknown)?.get(i).to_vec()).into(),
        Kind::List => {
            let lists = c.lists().map_err(unknown)?;
            let all: PyResult<Vec<_>> = lists.get(i).map(|j| to_python(lists.elements(), j, vm)).collect();
            vm.ctx.new_list(all?).into()
        }
        Kind::Struct => row(c.children(), &names(c.children(), vm), i, vm)?.into(),
        Kind::Unknown => return Err(vm.new_type_error(format!("column {} is {}", c.field().name, c.field()))),
    })
}

/// A value that fits its column.
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Decimal(Decimal),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Struct(Vec<Value>),
}

/// Reads a value for a column. at is what the message says it is for.
fn from_python(f: &Field, value: &PyObject, vm: &VirtualMachine) -> PyResult<Value> {
    if vm.is_none(value) {
        return if f.nullable { Ok(Value::Null) } else { Err(vm.new_value_error(format!("column {} is required: it takes no None", f.name))) };
    }
    let refused = || mismatch(f, value, vm);
    Ok(match f.kind {
        Kind::Bool if value.class().is(vm.ctx.types.bool_type) => Value::Bool(value.to_owned().is_true(vm)?),
        Kind::Int32 | Kind::Int64 => {
            let n = integer(value, vm).ok_or_else(refused)?.to_i64();
            let fits = |n: &i64| f.kind == Kind::Int64 || i32::try_from(*n).is_ok();
            Value::Int(n.filter(fits).ok_or_else(|| vm.new_overflow_error(format!("column {} is {f}: {} does not fit", f.name, shown(value, vm))))?)
        }
        Kind::Float32 | Kind::Float64 => match value.downcast_ref::<PyFloat>() {
            Some(v) => Value::Float(v.to_f64()),
            None => Value::Float(integer(value, vm).and_then(|n| n.to_f64()).ok_or_else(refused)?),
        },
        Kind::Decimal(precision, scale) => {
            let text: PyStrRef = made("_decimal_text", (value.to_owned(),), vm)?.try_into_value(vm)?;
            let d = Decimal::parse(&text.to_string_lossy(), scale.into());
            let d = d.ok().filter(|d| d.0.unsigned_abs() < 10u128.pow(precision.into()));
            Value::Decimal(d.ok_or_else(|| vm.new_value_error(format!("column {} is {f}: {text} does not fit; round it", f.name)))?)
        }
        Kind::Date => Value::Int(back("_days", f, value, vm)?),
        Kind::Time => Value::Int(back("_time_micros", f, value, vm)?),
        Kind::Timestamp => Value::Int(back("_micros", f, value, vm)?),
        Kind::TimestampTz => Value::Int(back("_instant_micros", f, value, vm)?),
        Kind::String => {
            let text = value.downcast_ref::<PyStr>().ok_or_else(refused)?;
            let text = text.to_str().ok_or_else(|| vm.new_value_error(format!("column {}: the text has half of a character", f.name)))?;
            Value::Text(text.to_owned())
        }
        Kind::Binary => {
            let buffer = PyBuffer::try_from_borrowed_object(vm, value).map_err(|_| refused())?;
            Value::Bytes(buffer.contiguous_or_collect(<[u8]>::to_vec))
        }
        Kind::List => {
            let items = if let Some(l) = value.downcast_ref::<PyList>() {
                l.borrow_vec().to_vec()
            } else {
                value.downcast_ref::<PyTuple>().ok_or_else(refused)?.as_slice().to_vec()
            };
            let element = &f.fields[0];
            Value::List(items.iter().map(|v| from_python(element, v, vm)).collect::<PyResult<_>>()?)
        }
        Kind::Struct => Value::Struct(members(&f.fields, value.downcast_ref::<PyDict>().ok_or_else(refused)?, &format!("struct {}", f.name), vm)?),
        _ => return Err(refused()),
    })
}

/// An int that is not a bool.
fn integer<'a>(value: &'a PyObject, vm: &VirtualMachine) -> Option<&'a malachite_bigint::BigInt> {
    if value.class().is(vm.ctx.types.bool_type) {
        return None;
    }
    Some(value.downcast_ref::<PyInt>()?.as_bigint())
}

/// Asks a function of adp.py for the integer that a column has for a value.
fn back(function: &'static str, f: &Field, value: &PyObject, vm: &VirtualMachine) -> PyResult<i64> {
    let n = made(function, (value.to_owned(),), vm)?;
    integer(&n, vm).and_then(|n| n.to_i64()).ok_or_else(|| mismatch(f, value, vm))
}

fn mismatch(f: &Field, value: &PyObject, vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_type_error(format!("column {} is {f}, not {}: {}", f.name, value.class().name(), shown(value, vm)))
}

fn shown(value: &PyObject, vm: &VirtualMachine) -> String {
    let text = value.repr(vm).map_or_else(|_| "…".into(), |r| r.to_string());
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The values of a dict for columns, in their order. A column that is not there is null; a name that is no column is a mistake.
fn members(fields: &[Field], dict: &Py<PyDict>, what: &str, vm: &VirtualMachine) -> PyResult<Vec<Value>> {
    let mut found = 0;
    let mut values = Vec::with_capacity(fields.len());
    for f in fields {
        let value = dict.get_item_opt(f.name.as_str(), vm)?;
        found += usize::from(value.is_some());
        values.push(match value {
            Some(v) => from_python(f, &v, vm)?,
            None if f.nullable => Value::Null,
            None => return Err(vm.new_value_error(format!("{what}: there is no value for the required column {}", f.name))),
        });
    }
    if found < dict.__len__() {
        for key in dict.keys_vec() {
            let key = key.str(vm)?.to_string_lossy().into_owned();
            if !fields.iter().any(|f| f.name == key) {
                let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
                return Err(vm.new_key_error(vm.ctx.new_str(format!("{what} has no column {key}; there are {}", names.join(", "))).into()));
            }
        }
    }
    Ok(values)
}

/// An output, or a binding with write access, by its name.
pub struct Outlet {
    writer: Writer,
    what: String,
    fields: Vec<Field>,
    upsert: bool,
}

thread_local! {
    static OUTLETS: RefCell<Vec<(String, std::rc::Rc<Outlet>)>> = const { RefCell::new(Vec::new()) };
}

impl Outlet {
    /// The outlet of a name; a run has one for each.
    pub fn named(run: Run, name: &str, vm: &VirtualMachine) -> PyResult<std::rc::Rc<Outlet>> {
        if let Some(o) = OUTLETS.with_borrow(|all| all.iter().find(|(n, _)| n == name).map(|(_, o)| o.clone())) {
            return Ok(o);
        }
        let writer = run.writer(name).map_err(|e| vm.new_key_error(vm.ctx.new_str(e.to_string()).into()))?;
        let port = run.ports().into_iter().find(|p| p.name == name && (p.what == "output" || p.mode == Mode::Write));
        let port = port.ok_or_else(|| vm.new_runtime_error(format!("the product declares no output {name}")))?;
        let outlet = Outlet { writer, what: port.to_string(), fields: port.columns.clone(), upsert: port.mode == Mode::Upsert };
        let outlet = std::rc::Rc::new(outlet);
        OUTLETS.with_borrow_mut(|all| all.push((name.to_owned(), outlet.clone())));
        Ok(outlet)
    }

    /// Forgets the outlets of another run.
    pub fn forget() {
        OUTLETS.with_borrow_mut(Vec::clear);
    }

    /// A row's values. A row that is to be removed needs its key; what else it has does not matter.
    pub fn values(&self, row: PyDictRef, delete: bool, vm: &VirtualMachine) -> PyResult<Vec<Value>> {
        if !delete {
            return members(&self.fields, &row, &self.what, vm);
        }
        if !self.upsert {
            return Err(vm.new_value_error(format!("{} is no upsert output: rows cannot be deleted from it", self.what)));
        }
        let mut values = Vec::with_capacity(self.fields.len());
        for f in &self.fields {
            let value = row.get_item_opt(f.name.as_str(), vm)?;
            values.push(match value {
                _ if f.name == OP => Value::Text("delete".into()),
                Some(v) if !vm.is_none(&v) => from_python(f, &v, vm)?,
                _ if f.nullable => Value::Null,
                _ => blank(f),
            });
        }
        Ok(values)
    }

    /// Adds a row.
    pub fn add(&self, values: Vec<Value>) {
        let full = self.writer.build(|columns| {
            for (b, v) in columns.iter_mut().zip(&values) {
                append(b, v);
            }
            columns.first().map_or(0, Builder::len) >= 8192
        });
        if full {
            self.writer.flush();
        }
    }

    /// Adds columns of equal length. Numbers of a buffer with the column's own format are copied as they lie.
    pub fn columns(&self, given: PyDictRef, vm: &VirtualMachine) -> PyResult<()> {
        let mut all = Vec::with_capacity(self.fields.len());
        let mut length = None;
        for key in given.keys_vec() {
            let key = key.str(vm)?.to_string_lossy().into_owned();
            if !self.fields.iter().any(|f| f.name == key) {
                return Err(vm.new_key_error(vm.ctx.new_str(format!("{} has no column {key}", self.what)).into()));
            }
        }
        for f in &self.fields {
            let column = match given.get_item_opt(f.name.as_str(), vm)? {
                Some(values) => Filled::read(f, &values, vm)?,
                None if f.nullable => continue,
                None => return Err(vm.new_value_error(format!("{}: there is no value for the required column {}", self.what, f.name))),
            };
            if *length.get_or_insert(column.len()) != column.len() {
                let n = length.unwrap_or(0);
                return Err(vm.new_value_error(format!("{}: column {} has {} rows, others have {n}", self.what, f.name, column.len())));
            }
            all.push((f.name.as_str(), column));
        }
        let rows = length.unwrap_or(0);
        self.writer.build(|builders| {
            for b in builders {
                match all.iter().find(|(name, _)| *name == b.field().name) {
                    Some((_, column)) => column.append_to(b),
                    None => (0..rows).for_each(|_| b.null()),
                }
            }
        });
        self.writer.flush();
        Ok(())
    }
}

/// A column on its way out.
enum Filled {
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Values(Vec<Value>),
}

impl Filled {
    fn read(f: &Field, given: &PyObject, vm: &VirtualMachine) -> PyResult<Filled> {
        let wanted = match f.kind {
            Kind::Int64 => "q",
            Kind::Float64 => "d",
            _ => "",
        };
        let like_numbers = given.downcast_ref::<PyMemoryView>().is_some() || &*given.class().name() == "array";
        if !wanted.is_empty()
            && like_numbers
            && let Ok(buffer) = PyBuffer::try_from_borrowed_object(vm, given)
            && buffer.desc.format == wanted
            && buffer.desc.dim_desc.len() == 1
        {
            return Ok(buffer.contiguous_or_collect(|bytes| {
                let words = bytes.chunks_exact(8).map(|b| b.try_into().unwrap_or_default());
                match f.kind {
                    Kind::Int64 => Filled::Ints(words.map(i64::from_le_bytes).collect()),
                    _ => Filled::Floats(words.map(f64::from_le_bytes).collect()),
                }
            }));
        }
        let items: Vec<PyObjectRef> = given.to_owned().try_into_value::<rustpython_vm::function::ArgIterable>(vm)?.iter(vm)?.collect::<PyResult<_>>()?;
        Ok(Filled::Values(items.iter().map(|v| from_python(f, v, vm)).collect::<PyResult<_>>()?))
    }

    fn len(&self) -> usize {
        match self {
            Filled::Ints(v) => v.len(),
            Filled::Floats(v) => v.len(),
            Filled::Values(v) => v.len(),
        }
    }

    fn append_to(&self, b: &mut Builder) {
        match self {
            Filled::Ints(v) => b.i64s(v),
            Filled::Floats(v) => b.f64s(v),
            Filled::Values(v) => v.iter().for_each(|v| append(b, v)),
        }
    }
}

/// Adds a value that was read for the builder's column.
fn append(b: &mut Builder, v: &Value) {
    match (v, b.field().kind) {
        (Value::Null, _) => b.null(),
        (Value::Bool(v), _) => b.bool(*v),
        (Value::Int(v), Kind::Int32) => b.i32(*v as i32), // which it fits
        (Value::Int(v), Kind::Date) => b.date(Date(*v as i32)),
        (Value::Int(v), Kind::Time) => b.time(Time(*v)),
        (Value::Int(v), Kind::Timestamp | Kind::TimestampTz) => b.timestamp(Timestamp(*v)),
        (Value::Int(v), _) => b.i64(*v),
        (Value::Float(v), Kind::Float32) => b.f32(*v as f32),
        (Value::Float(v), _) => b.f64(*v),
        (Value::Decimal(v), _) => b.decimal(*v),
        (Value::Text(v), _) => b.string(v),
        (Value::Bytes(v), _) => b.binary(v),
        (Value::List(all), _) => {
            all.iter().for_each(|v| append(b.elements(), v));
            b.end_list();
        }
        (Value::Struct(all), _) => {
            for (i, v) in all.iter().enumerate() {
                append(b.child(i), v);
            }
            b.end_struct();
        }
    }
}

/// Something for a required column whose value does not matter.
fn blank(f: &Field) -> Value {
    match f.kind {
        Kind::Bool => Value::Bool(false),
        Kind::Float32 | Kind::Float64 => Value::Float(0.0),
        Kind::Decimal(..) => Value::Decimal(Decimal(0)),
        Kind::String => Value::Text(String::new()),
        Kind::Binary => Value::Bytes(Vec::new()),
        Kind::List => Value::List(Vec::new()),
        Kind::Struct => Value::Struct(f.fields.iter().map(blank).collect()),
        _ => Value::Int(0),
    }
}
