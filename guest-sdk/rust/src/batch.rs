//! Batches of an input or a binding.

use crate::column::{Column, Strings};
use crate::row::Row;
use crate::types::{did_you_mean, Field, Kind, Port};
use crate::{Date, Decimal, FromColumn, Result, Time, Timestamp};

/// A piece of an input: rows as columns.
pub struct Batch<'a> {
    port: &'a Port,
    len: usize,
    columns: Vec<Column<'a>>,
}

#[allow(clippy::len_without_is_empty)]
impl<'a> Batch<'a> {
    /// The name of the input, or of the binding that was read.
    pub fn port(&self) -> &'a str {
        &self.port.name
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// All columns in the contract's order; reserved columns come last.
    pub fn columns(&self) -> &[Column<'a>] {
        &self.columns
    }

    /// The named column.
    pub fn column(&self, name: &str) -> Result<&Column<'a>> {
        self.columns.iter().find(|c| c.field().name == name).ok_or_else(|| {
            format!("{} has no column {name}{}", self.port, did_you_mean(name, &self.port.columns)).into()
        })
    }

    /// The values of an int32 column; like the methods below, short for `column(name)?.i32s()`.
    pub fn i32s(&self, name: &str) -> Result<&'a [i32]> {
        self.column(name)?.i32s()
    }

    /// The values of an int64 column.
    pub fn i64s(&self, name: &str) -> Result<&'a [i64]> {
        self.column(name)?.i64s()
    }

    /// The values of a float32 column.
    pub fn f32s(&self, name: &str) -> Result<&'a [f32]> {
        self.column(name)?.f32s()
    }

    /// The values of a float64 column.
    pub fn f64s(&self, name: &str) -> Result<&'a [f64]> {
        self.column(name)?.f64s()
    }

    /// The unscaled values of a decimal column.
    pub fn decimals(&self, name: &str) -> Result<&'a [Decimal]> {
        self.column(name)?.decimals()
    }

    /// The values of a date column.
    pub fn dates(&self, name: &str) -> Result<&'a [Date]> {
        self.column(name)?.dates()
    }

    /// The values of a time column.
    pub fn times(&self, name: &str) -> Result<&'a [Time]> {
        self.column(name)?.times()
    }

    /// The values of a timestamp or timestamptz column.
    pub fn timestamps(&self, name: &str) -> Result<&'a [Timestamp]> {
        self.column(name)?.timestamps()
    }

    /// The values of a string column.
    pub fn strings(&self, name: &str) -> Result<Strings<'a>> {
        self.column(name)?.strings()
    }

    /// The rows as structs of [`row!`](crate::row!), read as the loop goes. It fails when a field does not fit its
    /// column, or when a column has a null that its field cannot show (make it an `Option`).
    pub fn rows<'b, R>(&'b self) -> Result<Rows<'b, R>>
    where
        'a: 'b,
        R: Row<'b>,
    {
        let view = R::view_members(&self.columns, &|_| true).map_err(|e| format!("{}: {e}", self.port))?;
        Ok(Rows { view, at: 0, len: self.len })
    }

    /// Reads the ArrowArray at an address, a struct of the port's columns. The memory must live for 'a.
    pub(crate) unsafe fn read(port: &'a Port, root: &'a Field, addr: u32) -> Batch<'a> {
        debug_assert_eq!(root.kind, Kind::Struct);
        let c = Column::read(root, addr, 0, None);
        Batch { port, len: c.len(), columns: c.into_children() }
    }
}

/// Rows of a batch.
pub struct Rows<'b, R: FromColumn<'b>> {
    view: R::View,
    at: usize,
    len: usize,
}

impl<'b, R: FromColumn<'b>> Iterator for Rows<'b, R> {
    type Item = R;

    #[inline]
    fn next(&mut self) -> Option<R> {
        if self.at == self.len {
            return None;
        }
        self.at += 1;
        Some(R::get(&self.view, self.at - 1))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len - self.at, Some(self.len - self.at))
    }
}

impl<'b, R: FromColumn<'b>> ExactSizeIterator for Rows<'b, R> {}
