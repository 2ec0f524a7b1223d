//! Views of columns.

use crate::abi;
use crate::memory::{i64_at, u32_at, values_of, view};
use crate::types::{did_you_mean, Field, Kind};
use crate::{Date, Decimal, Result, Time, Timestamp};

/// A view of one column of a batch. Slices and texts taken from it lie on the host's buffers. Values of rows that are null
/// mean nothing.
pub struct Column<'a> {
    field: &'a Field,
    len: usize,
    nulls: usize,
    validity: Option<&'a [u8]>,
    bit: usize, // of row 0 in validity, and in the values of booleans
    values: &'a [u8],
    offsets: &'a [i32],
    children: Vec<Column<'a>>,
}

impl<'a> Column<'a> {
    /// The number of rows.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The column's declaration.
    pub fn field(&self) -> &'a Field {
        self.field
    }

    /// The number of rows that are null.
    pub fn nulls(&self) -> usize {
        self.nulls
    }

    /// Whether row i is null.
    #[inline]
    pub fn is_null(&self, i: usize) -> bool {
        match self.validity {
            None => false,
            Some(v) => !bit(v, self.bit + i),
        }
    }

    /// The values of a bool column. Like the methods below, it fails when the column is of another kind.
    pub fn bools(&self) -> Result<Bits<'a>> {
        self.must(Kind::Bool)?;
        Ok(Bits { bits: self.values, bit: self.bit, len: self.len })
    }

    /// The values of an int32 column.
    pub fn i32s(&self) -> Result<&'a [i32]> {
        self.fixed(Kind::Int32)
    }

    /// The values of an int64 column.
    pub fn i64s(&self) -> Result<&'a [i64]> {
        self.fixed(Kind::Int64)
    }

    /// The values of a float32 column.
    pub fn f32s(&self) -> Result<&'a [f32]> {
        self.fixed(Kind::Float32)
    }

    /// The values of a float64 column.
    pub fn f64s(&self) -> Result<&'a [f64]> {
        self.fixed(Kind::Float64)
    }

    /// The unscaled values of a decimal column.
    pub fn decimals(&self) -> Result<&'a [Decimal]> {
        match self.field.kind {
            Kind::Decimal(..) => self.fixed(self.field.kind),
            _ => Err(format!("column {} is {}, not decimal", self.field.name, self.field).into()),
        }
    }

    /// The values of a date column.
    pub fn dates(&self) -> Result<&'a [Date]> {
        self.fixed(Kind::Date)
    }

    /// The values of a time column.
    pub fn times(&self) -> Result<&'a [Time]> {
        self.fixed(Kind::Time)
    }

    /// The values of a timestamp or timestamptz column.
    pub fn timestamps(&self) -> Result<&'a [Timestamp]> {
        match self.field.kind {
            Kind::Timestamp => self.fixed(Kind::Timestamp),
            _ => self.fixed(Kind::TimestampTz),
        }
    }

    /// The values of a string column.
    pub fn strings(&self) -> Result<Strings<'a>> {
        self.must(Kind::String)?;
        Ok(Strings { offsets: self.offsets, bytes: self.values })
    }

    /// The values of a binary column.
    pub fn binaries(&self) -> Result<Binaries<'a>> {
        self.must(Kind::Binary)?;
        Ok(Binaries { offsets: self.offsets, bytes: self.values })
    }

    /// The values of a list column.
    pub fn lists(&self) -> Result<Lists<'_, 'a>> {
        self.must(Kind::List)?;
        Ok(Lists { offsets: self.offsets, elements: &self.children[0] })
    }

    /// A member of a struct column: a column of as many rows.
    pub fn member(&self, name: &str) -> Result<&Column<'a>> {
        self.must(Kind::Struct)?;
        self.children.iter().find(|c| c.field.name == name).ok_or_else(|| {
            format!("struct {} has no member {name}{}", self.field.name, did_you_mean(name, &self.field.fields)).into()
        })
    }

    /// The members of a struct column, the element of a list column.
    pub fn children(&self) -> &[Column<'a>] {
        &self.children
    }

    pub(crate) fn into_children(self) -> Vec<Column<'a>> {
        self.children
    }

    /// The values of any fixed-width column, as bytes.
    pub(crate) fn value_bytes(&self) -> &'a [u8] {
        self.values
    }

    pub(crate) fn offsets(&self) -> &'a [i32] {
        self.offsets
    }

    fn must(&self, kind: Kind) -> Result<()> {
        if self.field.kind == kind {
            return Ok(());
        }
        let wanted = Field { name: String::new(), kind, nullable: false, fields: Vec::new() };
        let wanted = match kind {
            Kind::List => "a list".to_string(),
            Kind::Struct => "a struct".to_string(),
            _ => wanted.to_string(),
        };
        Err(format!("column {} is {}, not {wanted}", self.field.name, self.field).into())
    }

    fn fixed<T>(&self, kind: Kind) -> Result<&'a [T]> {
        self.must(kind)?;
        // The host aligns every buffer to 64 bytes and the kind says what lies there.
        Ok(unsafe { values_of(self.values, self.len) })
    }

    /// Reads rows [skip, skip + n) of the ArrowArray at an address; n None: all rows. The memory must live for 'a.
    pub(crate) unsafe fn read(field: &'a Field, addr: u32, skip: usize, n: Option<usize>) -> Column<'a> {
        let a = view(addr, abi::ARRAY_SIZE);
        let length = i64_at(a, abi::ARRAY_LENGTH) as usize;
        let off = i64_at(a, abi::ARRAY_OFFSET) as usize + skip;
        let n = n.unwrap_or(length - skip);
        let buffers = view(u32_at(a, abi::ARRAY_BUFFERS), i64_at(a, abi::ARRAY_N_BUFFERS) as usize * 4);
        let buffer = |i: usize| u32_at(buffers, i * 4);
        let mut c = Column {
            field,
            len: n,
            nulls: 0,
            validity: None,
            bit: off,
            values: &[],
            offsets: &[0],
            children: Vec::new(),
        };
        if buffer(0) != 0 && i64_at(a, abi::ARRAY_NULL_COUNT) != 0 {
            let v = view(buffer(0), (off + n).div_ceil(8));
            c.nulls = n - ones(v, off, n);
            c.validity = if c.nulls > 0 { Some(v) } else { None };
        }
        match field.kind {
            Kind::Bool => c.values = view(buffer(1), (off + n).div_ceil(8)),
            Kind::String | Kind::Binary => {
                c.read_offsets(buffer(1), off);
                c.values = view(buffer(2), c.offsets[n] as usize);
            }
            Kind::List => {
                c.read_offsets(buffer(1), off);
                c.read_children(a, 0, None);
            }
            Kind::Struct => c.read_children(a, off, Some(n)),
            kind if n > 0 => {
                let w = width(kind);
                c.values = view(buffer(1) + (off * w) as u32, n * w);
            }
            _ => {}
        }
        c
    }

    unsafe fn read_offsets(&mut self, addr: u32, off: usize) {
        if self.len > 0 {
            self.offsets = values_of(view(addr + off as u32 * 4, (self.len + 1) * 4), self.len + 1);
        }
    }

    unsafe fn read_children(&mut self, a: &[u8], skip: usize, n: Option<usize>) {
        let pointers = view(u32_at(a, abi::ARRAY_CHILDREN), self.field.fields.len() * 4);
        let fields = self.field.fields.iter().enumerate();
        self.children = fields.map(|(i, f)| Column::read(f, u32_at(pointers, i * 4), skip, n)).collect();
    }
}

/// Bytes of a value of fixed width.
pub(crate) fn width(kind: Kind) -> usize {
    match kind {
        Kind::Int32 | Kind::Float32 | Kind::Date => 4,
        Kind::Decimal(..) => 16,
        _ => 8,
    }
}

#[inline]
fn bit(bits: &[u8], i: usize) -> bool {
    bits[i >> 3] >> (i & 7) & 1 == 1
}

/// Counts the set bits of n bits from the given one on.
fn ones(bits: &[u8], from: usize, n: usize) -> usize {
    let end = from + n;
    let (mut i, mut count) = (from, 0);
    while i < end {
        if i & 7 == 0 && end - i >= 8 {
            count += bits[i >> 3].count_ones() as usize;
            i += 8;
        } else {
            count += usize::from(bit(bits, i));
            i += 1;
        }
    }
    count
}

/// Booleans, one bit each.
#[derive(Clone, Copy)]
pub struct Bits<'a> {
    bits: &'a [u8],
    bit: usize,
    len: usize,
}

#[allow(clippy::len_without_is_empty)]
impl Bits<'_> {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The value of row i.
    #[inline]
    pub fn get(&self, i: usize) -> bool {
        bit(self.bits, self.bit + i)
    }
}

/// Texts that lie one after another.
#[derive(Clone, Copy)]
pub struct Strings<'a> {
    pub(crate) offsets: &'a [i32],
    pub(crate) bytes: &'a [u8],
}

#[allow(clippy::len_without_is_empty)]
impl<'a> Strings<'a> {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The text of row i, without a copy.
    #[inline]
    pub fn get(&self, i: usize) -> &'a str {
        // The host hands over only valid UTF-8.
        unsafe { std::str::from_utf8_unchecked(&self.bytes[self.offsets[i] as usize..self.offsets[i + 1] as usize]) }
    }

    /// len + 1 positions in `bytes`.
    pub fn offsets(&self) -> &'a [i32] {
        self.offsets
    }

    /// What the offsets point into.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Byte strings that lie one after another.
#[derive(Clone, Copy)]
pub struct Binaries<'a> {
    offsets: &'a [i32],
    bytes: &'a [u8],
}

#[allow(clippy::len_without_is_empty)]
impl<'a> Binaries<'a> {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The value of row i, without a copy.
    #[inline]
    pub fn get(&self, i: usize) -> &'a [u8] {
        &self.bytes[self.offsets[i] as usize..self.offsets[i + 1] as usize]
    }
}

/// Lists whose elements lie one after another.
pub struct Lists<'c, 'a> {
    offsets: &'a [i32],
    elements: &'c Column<'a>,
}

#[allow(clippy::len_without_is_empty)]
impl<'c, 'a> Lists<'c, 'a> {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Where in `elements` those of row i lie.
    pub fn get(&self, i: usize) -> std::ops::Range<usize> {
        self.offsets[i] as usize..self.offsets[i + 1] as usize
    }

    /// The column of all elements.
    pub fn elements(&self) -> &'c Column<'a> {
        self.elements
    }
}
