//! Structs of columns, without a derive macro.

use crate::column::Column;
use crate::from_column::{FromColumn, Live};
use crate::into_column::IntoColumn;
use crate::types::{did_you_mean, Field};
use crate::Result;

/// A struct made by [`row!`](crate::row!).
pub trait Row<'a>: FromColumn<'a> + IntoColumn {
    /// Finds and checks the columns of the fields.
    fn view_members(columns: &'a [Column<'a>], live: Live) -> Result<Self::View>;
}

/// Declares a struct whose fields stand for columns: of the same name, or of the name after `as`.
///
/// ```ignore
/// adp::row! {
///     /// A row of input strikes.
///     #[derive(Clone, Debug)]
///     pub struct Strike<'a> {
///         airport: &'a str,
///         pub cost as "cost_usd": Option<i64>,
///         op as "_op": adp::Op,
///     }
/// }
/// ```
///
/// | column | field |
/// |---|---|
/// | bool, int32, int64, float32, float64 | `bool`, `i32`, `i64`, `f32`, `f64` |
/// | decimal, date, time, timestamp(tz) | `Decimal`, `Date`, `Time`, `Timestamp` |
/// | string, binary | `&'a str` or `String`, `&'a [u8]` or `Vec<u8>` |
/// | list, struct | `Vec<T>`, another row |
/// | a nullable column | `Option<T>` of these |
///
/// Reading takes some of a port's columns; writing needs all of them. Such a struct is also a value: a member or an
/// element of another.
#[macro_export]
macro_rules! row {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($(#[$field_meta:meta])* $field_vis:vis $field:ident $(as $column:literal)? : $type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$field_meta])* $field_vis $field: $type),* }
        $crate::row!(@read ['column] $name, { $($field [$($column)?] $type),* });
        $crate::row!(@write [] $name, { $($field [$($column)?] $type),* });
    };
    ($(#[$meta:meta])* $vis:vis struct $name:ident <$life:lifetime> {
        $($(#[$field_meta:meta])* $field_vis:vis $field:ident $(as $column:literal)? : $type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        $vis struct $name<$life> { $($(#[$field_meta])* $field_vis $field: $type),* }
        $crate::row!(@read [$life] $name<$life>, { $($field [$($column)?] $type),* });
        $crate::row!(@write [$life] $name<$life>, { $($field [$($column)?] $type),* });
    };
    (@read [$life:lifetime] $row:ty, { $($field:ident [$($column:literal)?] $type:ty),* }) => {
        impl<$life> $crate::FromColumn<$life> for $row {
            type View = ($(<$type as $crate::FromColumn<$life>>::View,)*);

            fn view(column: &$life $crate::Column<$life>, live: &dyn Fn(usize) -> bool) -> $crate::Result<Self::View> {
                <Self as $crate::Row<$life>>::view_members(column.struct_members(live)?, live)
            }

            #[inline]
            fn get(view: &Self::View, i: usize) -> Self {
                let ($($field,)*) = view;
                Self { $($field: <$type as $crate::FromColumn<$life>>::get($field, i)),* }
            }
        }

        impl<$life> $crate::Row<$life> for $row {
            fn view_members(
                columns: &$life [$crate::Column<$life>],
                live: &dyn Fn(usize) -> bool,
            ) -> $crate::Result<Self::View> {
                Ok(($(<$type as $crate::FromColumn<$life>>::view(
                    $crate::Column::named(columns, $crate::row!(@name $field [$($column)?]))?,
                    live,
                )?,)*))
            }
        }
    };
    (@write [$($life:lifetime)?] $row:ty, { $($field:ident [$($column:literal)?] $type:ty),* }) => {
        impl$(<$life>)? $crate::IntoColumn for $row {
            fn field(name: &str) -> $crate::Field {
                let mut f = $crate::Field::new(name, $crate::Kind::Struct);
                f.fields = ::std::vec![$(
                    <$type as $crate::IntoColumn>::field($crate::row!(@name $field [$($column)?]))
                ),*];
                f
            }

            fn bind(field: &$crate::Field) -> $crate::Result<$crate::Binding> {
                $crate::Binding::of_struct(field, &[$((
                    $crate::row!(@name $field [$($column)?]),
                    <$type as $crate::IntoColumn>::bind as fn(&$crate::Field) -> $crate::Result<$crate::Binding>,
                )),*])
            }

            #[inline]
            fn append_to(&self, to: &$crate::Binding, builder: &mut $crate::Builder) {
                let mut members = to.members().iter();
                $({
                    let to = members.next().unwrap();
                    $crate::IntoColumn::append_to(&self.$field, to, builder.child(to.column()));
                })*
                builder.end_row(to);
            }
        }
    };
    (@name $field:ident []) => { ::std::stringify!($field) };
    (@name $field:ident [$column:literal]) => { $column };
}

impl<'a> Column<'a> {
    /// The named one of several columns.
    #[doc(hidden)]
    pub fn named(columns: &'a [Column<'a>], name: &str) -> Result<&'a Column<'a>> {
        columns.iter().find(|c| c.field().name == name).ok_or_else(|| {
            let fields: Vec<Field> = columns.iter().map(|c| c.field().clone()).collect();
            format!("there is no column {name}{}", did_you_mean(name, &fields)).into()
        })
    }
}
