//! Columns that are being built.

use crate::buffer::Buffer;
use crate::column::{width, Column};
use crate::memory::{addr, bytes_of};
use crate::types::{did_you_mean, Field, Kind};
use crate::{abi, Binding, Date, Decimal, Time, Timestamp};

/// Collects the values of one column. Each row takes one call: the method of the column's kind, or `null`. A call for another kind
/// panics, which fails the run.
pub struct Builder {
    field: Field,
    len: usize,
    nulls: usize,
    validity: Buffer, // empty until the first null
    values: Buffer,
    offsets: Vec<i32>, // len + 1 of them, for strings, binaries and lists
    children: Vec<Builder>,
}

#[allow(clippy::len_without_is_empty)]
impl Builder {
    pub(crate) fn new(field: &Field) -> Builder {
        let offsets = match field.kind {
            Kind::String | Kind::Binary | Kind::List => vec![0],
            _ => Vec::new(),
        };
        Builder {
            field: field.clone(),
            len: 0,
            nulls: 0,
            validity: Buffer::new(),
            values: Buffer::new(),
            offsets,
            children: field.fields.iter().map(Builder::new).collect(),
        }
    }

    /// Drops the rows and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.nulls = 0;
        self.validity.clear();
        self.values.clear();
        self.offsets.truncate(1);
        self.children.iter_mut().for_each(Builder::clear);
    }

    /// The number of rows so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The column's declaration.
    pub fn field(&self) -> &Field {
        &self.field
    }

    pub(crate) fn value_bytes(&self) -> usize {
        self.values.len() + self.children.iter().map(Builder::value_bytes).sum::<usize>()
    }

    /// Adds a row to a bool column.
    #[inline]
    pub fn bool(&mut self, v: bool) {
        self.must(Kind::Bool);
        self.push_bit(v);
    }

    /// Adds a row to an int32 column.
    #[inline]
    pub fn i32(&mut self, v: i32) {
        self.must(Kind::Int32);
        self.push_value(v);
    }

    /// Adds a row to an int64 column.
    #[inline]
    pub fn i64(&mut self, v: i64) {
        self.must(Kind::Int64);
        self.push_value(v);
    }

    /// Adds a row to a float32 column.
    #[inline]
    pub fn f32(&mut self, v: f32) {
        self.must(Kind::Float32);
        self.push_value(v);
    }

    /// Adds a row to a float64 column.
    #[inline]
    pub fn f64(&mut self, v: f64) {
        self.must(Kind::Float64);
        self.push_value(v);
    }

    /// Adds a row to a decimal column; v is unscaled.
    #[inline]
    pub fn decimal(&mut self, v: Decimal) {
        assert!(
            matches!(self.field.kind, Kind::Decimal(..)),
            "column {} is {}, not decimal",
            self.field.name,
            self.field
        );
        self.push_value(v);
    }

    /// Adds a row to a date column.
    #[inline]
    pub fn date(&mut self, v: Date) {
        self.must(Kind::Date);
        self.push_value(v);
    }

    /// Adds a row to a time column.
    #[inline]
    pub fn time(&mut self, v: Time) {
        self.must(Kind::Time);
        self.push_value(v);
    }

    /// Adds a row to a timestamp or timestamptz column.
    #[inline]
    pub fn timestamp(&mut self, v: Timestamp) {
        if self.field.kind != Kind::Timestamp {
            self.must(Kind::TimestampTz);
        }
        self.push_value(v);
    }

    /// Adds a row to a string column.
    #[inline]
    pub fn string(&mut self, v: &str) {
        self.must(Kind::String);
        self.push_bytes(v.as_bytes());
    }

    /// Adds a row to a binary column.
    #[inline]
    pub fn binary(&mut self, v: &[u8]) {
        self.must(Kind::Binary);
        self.push_bytes(v);
    }

    /// Adds rows to an int64 column: a copy of memory.
    pub fn i64s(&mut self, v: &[i64]) {
        self.must(Kind::Int64);
        self.push_values(v);
    }

    /// Adds rows to a float64 column: a copy of memory.
    pub fn f64s(&mut self, v: &[f64]) {
        self.must(Kind::Float64);
        self.push_values(v);
    }

    /// Takes the elements of a list column; `end_list` makes a row of them.
    pub fn elements(&mut self) -> &mut Builder {
        self.must(Kind::List);
        &mut self.children[0]
    }

    /// Adds a row to a list column: the elements added since the row before.
    pub fn end_list(&mut self) {
        self.must(Kind::List);
        self.offsets.push(self.children[0].len as i32);
        self.present();
    }

    /// Takes a member's value of a struct column; `end_struct` makes a row of them.
    pub fn member(&mut self, name: &str) -> &mut Builder {
        self.must(Kind::Struct);
        match self.field.fields.iter().position(|f| f.name == name) {
            Some(i) => &mut self.children[i],
            None => panic!("struct {} has no member {name}{}", self.field.name, did_you_mean(name, &self.field.fields)),
        }
    }

    /// Adds a row to a struct column. Members that got no value become null.
    #[inline]
    pub fn end_struct(&mut self) {
        let n = self.len;
        for c in &mut self.children {
            if c.len == n {
                c.null();
            }
        }
        self.present();
    }

    /// Adds a row to a struct column whose members got theirs by a binding.
    #[doc(hidden)]
    #[inline]
    pub fn end_row(&mut self, binding: &Binding) {
        if binding.complete {
            self.present();
        } else {
            self.end_struct();
        }
    }

    #[doc(hidden)]
    #[inline]
    pub fn child(&mut self, i: usize) -> &mut Builder {
        &mut self.children[i]
    }

    pub(crate) fn children(&self) -> &[Builder] {
        &self.children
    }

    pub(crate) fn children_mut(&mut self) -> &mut [Builder] {
        &mut self.children
    }

    /// Says how many rows a struct has whose members were given theirs one by one.
    pub(crate) fn set_len(&mut self, n: usize) {
        self.len = n;
    }

    /// Adds a row without a value. The column must be nullable.
    #[inline]
    pub fn null(&mut self) {
        assert!(self.field.nullable, "column {} is required: it takes no null", self.field.name);
        self.absent();
    }

    /// Adds row i of a column of the same type.
    pub fn copy(&mut self, c: &Column, i: usize) {
        if c.is_null(i) {
            return self.null();
        }
        assert!(self.field.kind == c.field().kind, "column {} is {}, not {}", self.field.name, self.field, c.field());
        match self.field.kind {
            Kind::Bool => self.push_bit(c.bools().unwrap().get(i)),
            Kind::String | Kind::Binary => {
                let o = c.offsets();
                self.push_bytes(&c.value_bytes()[o[i] as usize..o[i + 1] as usize]);
            }
            Kind::List => {
                let o = c.offsets();
                for j in o[i] as usize..o[i + 1] as usize {
                    self.children[0].copy(&c.children()[0], j);
                }
                self.end_list();
            }
            Kind::Struct => {
                for (b, m) in self.children.iter_mut().zip(c.children()) {
                    b.copy(m, i);
                }
                self.present();
            }
            kind => {
                let w = width(kind);
                self.values.extend(&c.value_bytes()[i * w..(i + 1) * w]);
                self.present();
            }
        }
    }

    #[inline]
    fn must(&self, kind: Kind) {
        assert!(self.field.kind == kind, "column {} is {}, not {kind:?}", self.field.name, self.field);
    }

    #[inline]
    pub(crate) fn push_value<T: Copy>(&mut self, v: T) {
        self.values.push(v);
        self.present();
    }

    fn push_values<T: Copy>(&mut self, v: &[T]) {
        self.values.extend(bytes_of(v));
        if self.validity.len() == 0 {
            self.len += v.len();
        } else {
            v.iter().for_each(|_| self.present());
        }
    }

    #[inline]
    pub(crate) fn push_bytes(&mut self, v: &[u8]) {
        self.values.extend(v);
        self.offsets.push(self.values.len() as i32);
        self.present();
    }

    #[inline]
    pub(crate) fn push_bit(&mut self, v: bool) {
        set(&mut self.values, self.len, v);
        self.present();
    }

    /// Counts a row that has a value.
    #[inline]
    fn present(&mut self) {
        if self.validity.len() > 0 {
            set(&mut self.validity, self.len, true);
        }
        self.len += 1;
    }

    /// Counts a row that has none, with something in its place.
    pub(crate) fn absent(&mut self) {
        if self.validity.len() == 0 {
            (0..self.len).for_each(|i| set(&mut self.validity, i, true)); // everything before was there
        }
        set(&mut self.validity, self.len, false);
        self.nulls += 1;
        self.filler();
        self.len += 1;
    }

    /// Adds a row to a column whose value does not matter: null where it takes one.
    #[doc(hidden)]
    pub fn blank(&mut self) {
        if self.field.nullable {
            self.absent();
        } else {
            self.filler();
            self.present();
        }
    }

    fn filler(&mut self) {
        match self.field.kind {
            Kind::Bool => set(&mut self.values, self.len, false),
            Kind::String | Kind::Binary => self.offsets.push(self.values.len() as i32),
            Kind::List => self.offsets.push(self.children[0].len as i32),
            Kind::Struct => self.children.iter_mut().for_each(Builder::blank),
            kind => self.values.resize(self.values.len() + width(kind)),
        }
    }

    /// Lays the column down as an ArrowArray in block, which has a place for it at `at`; returns the array's address.
    pub(crate) fn lay(&self, block: &mut [u8], base: u32, at: &mut usize) -> u32 {
        let (a, buffers) = (take(at, abi::ARRAY_SIZE), take(at, 12));
        put_i64(block, a + abi::ARRAY_LENGTH, self.len as i64);
        put_i64(block, a + abi::ARRAY_NULL_COUNT, self.nulls as i64);
        put_u32(block, a + abi::ARRAY_BUFFERS, base + buffers as u32);
        put_u32(block, buffers, addr(self.validity.bytes()));
        let count = match self.field.kind {
            Kind::Struct => 1,
            Kind::List => {
                put_u32(block, buffers + 4, addr(bytes_of(&self.offsets)));
                2
            }
            Kind::String | Kind::Binary => {
                put_u32(block, buffers + 4, addr(bytes_of(&self.offsets)));
                put_u32(block, buffers + 8, addr(self.values.bytes()));
                3
            }
            _ => {
                put_u32(block, buffers + 4, addr(self.values.bytes()));
                2
            }
        };
        put_i64(block, a + abi::ARRAY_N_BUFFERS, count);
        let pointers = take(at, 4 * self.children.len());
        if !self.children.is_empty() {
            put_i64(block, a + abi::ARRAY_N_CHILDREN, self.children.len() as i64);
            put_u32(block, a + abi::ARRAY_CHILDREN, base + pointers as u32);
        }
        for (i, c) in self.children.iter().enumerate() {
            let child = c.lay(block, base, at);
            put_u32(block, pointers + 4 * i, child);
        }
        base + a as u32
    }

    /// The bytes that `lay` needs.
    pub(crate) fn block_size(&self) -> usize {
        let own = abi::ARRAY_SIZE + 16 + (4 * self.children.len()).next_multiple_of(8);
        own + self.children.iter().map(Builder::block_size).sum::<usize>()
    }
}

/// Sets bit i, which is the next one or one of those there.
#[inline]
fn set(bits: &mut Buffer, i: usize, v: bool) {
    if i >> 3 == bits.len() {
        bits.push(0u8);
    }
    bits.bytes_mut()[i >> 3] |= u8::from(v) << (i & 7);
}

fn take(at: &mut usize, n: usize) -> usize {
    let from = *at;
    *at += n.next_multiple_of(8);
    from
}

fn put_u32(b: &mut [u8], at: usize, v: u32) {
    b[at..at + 4].copy_from_slice(&v.to_le_bytes());
}

fn put_i64(b: &mut [u8], at: usize, v: i64) {
    b[at..at + 8].copy_from_slice(&v.to_le_bytes());
}
