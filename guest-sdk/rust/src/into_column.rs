//! Values into columns.

use crate::builder::Builder;
use crate::types::{did_you_mean, Field, Kind, Op};
use crate::{abi, Date, Decimal, Result, Time, Timestamp};

/// A type whose values a column takes.
pub trait IntoColumn {
    /// The column that this type makes, for tests; in a mesh, columns come from contracts.
    fn field(name: &str) -> Field;

    /// Checks that the column takes this type.
    fn bind(field: &Field) -> Result<Binding>;

    /// Adds a row to the column.
    fn append_to(&self, to: &Binding, builder: &mut Builder);
}

/// Which column a field goes to, and its own fields.
#[derive(Debug, Default)]
pub struct Binding {
    column: usize,
    members: Vec<Binding>,
    pub(crate) complete: bool, // no column is left out, or somebody else fills it
}

/// A function that binds one member.
type Bind = fn(&Field) -> Result<Binding>;

impl Binding {
    #[doc(hidden)]
    #[inline]
    pub fn members(&self) -> &[Binding] {
        &self.members
    }

    #[doc(hidden)]
    #[inline]
    pub fn column(&self) -> usize {
        self.column
    }

    /// Finds a column for each member and a member for each column, _op excepted.
    #[doc(hidden)]
    pub fn of_struct(field: &Field, members: &[(&str, Bind)]) -> Result<Binding> {
        if field.kind != Kind::Struct {
            return Err(mismatch(field, "a struct"));
        }
        let mut binding = Binding::default();
        for (name, bind) in members {
            let column = field.fields.iter().position(|f| f.name == *name);
            let column =
                column.ok_or_else(|| format!("there is no column {name}{}", did_you_mean(name, &field.fields)))?;
            binding.members.push(Binding { column, ..bind(&field.fields[column])? });
        }
        let missing =
            field.fields.iter().find(|f| f.name != abi::COLUMN_OP && !members.iter().any(|(n, _)| f.name == *n));
        if let Some(f) = missing {
            return Err(format!("the row has no field for column {}", f.name).into());
        }
        Ok(binding)
    }
}

fn mismatch(field: &Field, what: &str) -> crate::Error {
    format!("column {} is {}, which {what} does not fit", field.name, field).into()
}

macro_rules! scalar {
    ($($type:ty, $kind:pat, $field:expr;)*) => {$(
        impl IntoColumn for $type {
            fn field(name: &str) -> Field {
                Field::new(name, $field)
            }

            fn bind(field: &Field) -> Result<Binding> {
                match field.kind {
                    $kind => Ok(Binding::default()),
                    _ => Err(mismatch(field, stringify!($type))),
                }
            }

            #[inline]
            fn append_to(&self, _: &Binding, builder: &mut Builder) {
                builder.push_value(*self);
            }
        }
    )*};
}

scalar! {
    i32, Kind::Int32, Kind::Int32;
    i64, Kind::Int64, Kind::Int64;
    f32, Kind::Float32, Kind::Float32;
    f64, Kind::Float64, Kind::Float64;
    Decimal, Kind::Decimal(..), Kind::Decimal(38, 0);
    Date, Kind::Date, Kind::Date;
    Time, Kind::Time, Kind::Time;
    Timestamp, Kind::Timestamp | Kind::TimestampTz, Kind::TimestampTz;
}

macro_rules! bytes {
    ($($type:ty, $kind:ident, |$v:ident| $bytes:expr;)*) => {$(
        impl IntoColumn for $type {
            fn field(name: &str) -> Field {
                Field::new(name, Kind::$kind)
            }

            fn bind(field: &Field) -> Result<Binding> {
                match field.kind {
                    Kind::$kind => Ok(Binding::default()),
                    _ => Err(mismatch(field, stringify!($type))),
                }
            }

            #[inline]
            fn append_to(&self, _: &Binding, builder: &mut Builder) {
                let $v = self;
                builder.push_bytes($bytes);
            }
        }
    )*};
}

bytes! {
    &str, String, |v| v.as_bytes();
    String, String, |v| v.as_bytes();
    Op, String, |v| v.as_str().as_bytes();
    &[u8], Binary, |v| v;
    Vec<u8>, Binary, |v| v;
}

impl IntoColumn for bool {
    fn field(name: &str) -> Field {
        Field::new(name, Kind::Bool)
    }

    fn bind(field: &Field) -> Result<Binding> {
        match field.kind {
            Kind::Bool => Ok(Binding::default()),
            _ => Err(mismatch(field, "bool")),
        }
    }

    #[inline]
    fn append_to(&self, _: &Binding, builder: &mut Builder) {
        builder.push_bit(*self);
    }
}

impl<T: IntoColumn> IntoColumn for Option<T> {
    fn field(name: &str) -> Field {
        T::field(name).nullable()
    }

    fn bind(field: &Field) -> Result<Binding> {
        T::bind(field)
    }

    #[inline]
    fn append_to(&self, to: &Binding, builder: &mut Builder) {
        match self {
            Some(v) => v.append_to(to, builder),
            None => builder.null(),
        }
    }
}

impl<T: IntoColumn> IntoColumn for Vec<T> {
    fn field(name: &str) -> Field {
        let mut f = Field::new(name, Kind::List);
        f.fields.push(T::field("item"));
        f
    }

    fn bind(field: &Field) -> Result<Binding> {
        match field.kind {
            Kind::List => Ok(Binding { members: vec![T::bind(&field.fields[0])?], ..Binding::default() }),
            _ => Err(mismatch(field, "a list")),
        }
    }

    fn append_to(&self, to: &Binding, builder: &mut Builder) {
        for v in self {
            v.append_to(&to.members[0], builder.child(0));
        }
        builder.end_list();
    }
}
