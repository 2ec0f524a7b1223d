//! Words for types, ports and changes.

use crate::abi;
use std::fmt;

/// The type of a column, as the type table of the ABI has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int32,
    Int64,
    Float32,
    Float64,
    /// precision 1–38, scale 0–precision
    Decimal(u8, u8),
    Date,
    Time,
    /// a local time, no zone
    Timestamp,
    /// an instant
    TimestampTz,
    String,
    Binary,
    /// one field: the element
    List,
    /// its fields are the members
    Struct,
    /// a format that this SDK does not know
    Unknown,
}

/// A named column, list element or struct member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
    pub fields: Vec<Field>,
}

impl Field {
    /// A column without nulls and without fields of its own.
    pub fn new(name: &str, kind: Kind) -> Field {
        Field { name: name.into(), kind, nullable: false, fields: Vec::new() }
    }

    /// The same column with nulls.
    pub fn nullable(mut self) -> Field {
        self.nullable = true;
        self
    }
}

/// The type as people write it, e.g. decimal(12,2) or list<int64>.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.kind {
            Kind::Decimal(p, s) => write!(f, "decimal({p},{s})"),
            Kind::List => write!(f, "list<{}>", self.fields[0]),
            Kind::Struct => {
                f.write_str("struct<")?;
                for (i, m) in self.fields.iter().enumerate() {
                    write!(f, "{}{}: {}", if i > 0 { ", " } else { "" }, m.name, m)?;
                }
                f.write_str(">")
            }
            Kind::TimestampTz => f.write_str("timestamptz"),
            Kind::Bool => f.write_str("bool"),
            Kind::Int32 => f.write_str("int32"),
            Kind::Int64 => f.write_str("int64"),
            Kind::Float32 => f.write_str("float32"),
            Kind::Float64 => f.write_str("float64"),
            Kind::Date => f.write_str("date"),
            Kind::Time => f.write_str("time"),
            Kind::Timestamp => f.write_str("timestamp"),
            Kind::String => f.write_str("string"),
            Kind::Binary => f.write_str("binary"),
            Kind::Unknown => f.write_str("of a form that this kit does not know"),
        }
    }
}

/// What a port delivers, or how it takes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Mode {
    /// input: what is new since the last run
    Incremental = abi::MODE_INCREMENTAL,
    /// input: the whole table, before any incremental input
    Snapshot = abi::MODE_SNAPSHOT,
    /// output: rows are added
    Append = abi::MODE_APPEND,
    /// output: rows replace those with the same key
    Upsert = abi::MODE_UPSERT,
    /// output: the rows of a run are the whole new table
    Replace = abi::MODE_REPLACE,
    /// binding
    Read = abi::MODE_READ,
    /// binding
    Write = abi::MODE_WRITE,
}

impl Mode {
    pub(crate) fn of(v: u32) -> Option<Mode> {
        use Mode::*;
        [Incremental, Snapshot, Append, Upsert, Replace, Read, Write].into_iter().find(|m| *m as u32 == v)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Mode::Incremental => "incremental",
            Mode::Snapshot => "snapshot",
            Mode::Append => "append",
            Mode::Upsert => "upsert",
            Mode::Replace => "replace",
            Mode::Read => "read",
            Mode::Write => "write",
        })
    }
}

/// A port as the product's documents declare it.
#[derive(Debug)]
pub struct Port {
    /// "input", "output" or "binding"
    pub what: &'static str,
    pub name: String,
    pub mode: Mode,
    /// with reserved columns
    pub columns: Vec<Field>,
    pub(crate) index: u32,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.what, self.name)
    }
}

/// What happened to a row of an upsert or replace port: a field `op as "_op": Op` of an incremental input's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Insert,
    /// the row as it was; the row as it is follows as UpdateAfter
    UpdateBefore,
    UpdateAfter,
    Delete,
    /// emitted only
    Upsert,
}

impl Op {
    /// Whether the row holds from now on: Insert, UpdateAfter.
    pub fn adds(self) -> bool {
        !self.removes()
    }

    /// Whether the row holds no longer: Delete, UpdateBefore.
    pub fn removes(self) -> bool {
        matches!(self, Op::Delete | Op::UpdateBefore)
    }

    /// The word in the column _op.
    pub fn as_str(self) -> &'static str {
        match self {
            Op::Insert => abi::OP_INSERT,
            Op::UpdateBefore => abi::OP_UPDATE_BEFORE,
            Op::UpdateAfter => abi::OP_UPDATE_AFTER,
            Op::Delete => abi::OP_DELETE,
            Op::Upsert => abi::OP_UPSERT,
        }
    }

    pub(crate) fn of(s: &str) -> Op {
        match s {
            abi::OP_UPDATE_BEFORE => Op::UpdateBefore,
            abi::OP_UPDATE_AFTER => Op::UpdateAfter,
            abi::OP_DELETE => Op::Delete,
            abi::OP_UPSERT => Op::Upsert,
            _ => Op::Insert,
        }
    }
}

/// What a call over the sandbox's wall answers; see `abi/SPEC.md` §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        const NAMES: [&str; 12] = [
            "ok",
            "failed",
            "not found",
            "out of bounds",
            "misaligned",
            "bad array",
            "bad argument",
            "limit exceeded",
            "denied",
            "not now",
            "too large",
            "driver error",
        ];
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
    }
}

/// A suggestion for a misspelt column, or the list of what there is.
pub(crate) fn did_you_mean(name: &str, fields: &[Field]) -> String {
    let near = fields.iter().map(|f| (distance(name, &f.name), &f.name)).min();
    match near {
        Some((d, best)) if d < name.len() / 3 + 2 => format!("; did you mean {best}?"),
        _ => {
            let names: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
            format!("; there are {}", names.join(", "))
        }
    }
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j + 1] + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
