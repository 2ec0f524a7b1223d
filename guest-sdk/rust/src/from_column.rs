//! Values out of columns. Everything that can go wrong goes wrong when a view is made, once a batch; getting a value is then
//! as fast as indexing a slice.

use crate::column::{Binaries, Bits, Column, Strings};
use crate::types::{Kind, Op};
use crate::{Date, Decimal, Result, Time, Timestamp};

/// Tells which rows count: those under a null of a parent do not.
pub type Live<'l> = &'l dyn Fn(usize) -> bool;

/// A type that a column's values can be read as.
pub trait FromColumn<'a>: Sized {
    /// What `get` needs of the column.
    type View;

    /// Checks that the column is of this type and has no null among its live rows that this type cannot show.
    fn view(column: &'a Column<'a>, live: Live) -> Result<Self::View>;

    /// The value of row i. The row is live and not null, unless the type is an `Option`.
    fn get(view: &Self::View, i: usize) -> Self;
}

/// Fails on the first null among live rows.
pub fn no_nulls(column: &Column, live: Live) -> Result<()> {
    if column.nulls() == 0 {
        return Ok(());
    }
    match (0..column.len()).find(|&i| column.is_null(i) && live(i)) {
        None => Ok(()),
        Some(i) => {
            Err(format!("column {} is null in row {i} of the batch: make its field an Option", column.field().name)
                .into())
        }
    }
}

macro_rules! scalar {
    ($($type:ty, $view:ty, $method:ident;)*) => {$(
        impl<'a> FromColumn<'a> for $type {
            type View = $view;

            fn view(column: &'a Column<'a>, live: Live) -> Result<Self::View> {
                no_nulls(column, live)?;
                column.$method()
            }

            #[inline]
            fn get(view: &Self::View, i: usize) -> Self {
                view[i]
            }
        }
    )*};
}

scalar! {
    i32, &'a [i32], i32s;
    i64, &'a [i64], i64s;
    f32, &'a [f32], f32s;
    f64, &'a [f64], f64s;
    Decimal, &'a [Decimal], decimals;
    Date, &'a [Date], dates;
    Time, &'a [Time], times;
    Timestamp, &'a [Timestamp], timestamps;
}

macro_rules! packed {
    ($($type:ty, $view:ty, $method:ident, |$v:ident| $convert:expr;)*) => {$(
        impl<'a> FromColumn<'a> for $type {
            type View = $view;

            fn view(column: &'a Column<'a>, live: Live) -> Result<Self::View> {
                no_nulls(column, live)?;
                column.$method()
            }

            #[inline]
            fn get(view: &Self::View, i: usize) -> Self {
                let $v = view.get(i);
                $convert
            }
        }
    )*};
}

packed! {
    bool, Bits<'a>, bools, |v| v;
    &'a str, Strings<'a>, strings, |v| v;
    String, Strings<'a>, strings, |v| v.to_owned();
    Op, Strings<'a>, strings, |v| Op::of(v);
    &'a [u8], Binaries<'a>, binaries, |v| v;
    Vec<u8>, Binaries<'a>, binaries, |v| v.to_owned();
}

/// A view and which of its rows are there.
pub struct OptionView<'a, V> {
    column: &'a Column<'a>,
    view: V,
}

impl<'a, T: FromColumn<'a>> FromColumn<'a> for Option<T> {
    type View = OptionView<'a, T::View>;

    fn view(column: &'a Column<'a>, live: Live) -> Result<Self::View> {
        Ok(OptionView { column, view: T::view(column, &|i| live(i) && !column.is_null(i))? })
    }

    #[inline]
    fn get(v: &Self::View, i: usize) -> Self {
        if v.column.is_null(i) {
            None
        } else {
            Some(T::get(&v.view, i))
        }
    }
}

/// The offsets of lists and a view of their elements.
pub struct ListView<'a, V> {
    offsets: &'a [i32],
    elements: V,
}

impl<'a, T: FromColumn<'a>> FromColumn<'a> for Vec<T> {
    type View = ListView<'a, T::View>;

    fn view(column: &'a Column<'a>, live: Live) -> Result<Self::View> {
        no_nulls(column, live)?;
        let lists = column.lists()?;
        let offsets = column.offsets();
        let live_element = |j: usize| {
            let row = offsets.partition_point(|&o| o as usize <= j);
            row > 0 && row < offsets.len() && live(row - 1)
        };
        Ok(ListView { offsets, elements: T::view(lists.elements(), &live_element)? })
    }

    fn get(v: &Self::View, i: usize) -> Self {
        (v.offsets[i] as usize..v.offsets[i + 1] as usize).map(|j| T::get(&v.elements, j)).collect()
    }
}

impl<'a> Column<'a> {
    /// The members of a struct column without nulls among its live rows.
    #[doc(hidden)]
    pub fn struct_members(&'a self, live: Live) -> Result<&'a [Column<'a>]> {
        no_nulls(self, live)?;
        if self.field().kind != Kind::Struct {
            return Err(format!("column {} is {}, not a struct", self.field().name, self.field()).into());
        }
        Ok(self.children())
    }
}
