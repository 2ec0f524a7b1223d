//! Reading the open block.

use crate::abi;
use crate::memory::{i64_at, u32_at, view};
use crate::types::{Field, Kind, Mode, Port};

/// Reads one table of ports.
pub unsafe fn read_ports(what: &'static str, n: u32, table: u32) -> Vec<&'static Port> {
    (0..n)
        .map(|i| {
            let b = view(table + i * abi::PORT_SIZE as u32, abi::PORT_SIZE);
            let name = view(u32_at(b, abi::PORT_NAME), u32_at(b, abi::PORT_NAME_LEN) as usize);
            let port = Port {
                what,
                name: String::from_utf8_lossy(name).into_owned(),
                mode: Mode::of(u32_at(b, abi::PORT_MODE)).unwrap_or(Mode::Incremental),
                columns: read_field(u32_at(b, abi::PORT_SCHEMA)).fields,
                index: i,
            };
            &*Box::leak(Box::new(port)) // ports live as long as the instance, which is one run
        })
        .collect()
}

/// Reads an ArrowSchema. What is outside the type table is unknown.
unsafe fn read_field(addr: u32) -> Field {
    let b = view(addr, abi::SCHEMA_SIZE);
    let n = i64_at(b, abi::SCHEMA_N_CHILDREN) as usize;
    let children = view(u32_at(b, abi::SCHEMA_CHILDREN), n * 4);
    Field {
        name: c_string(u32_at(b, abi::SCHEMA_NAME)),
        kind: match u32_at(b, abi::SCHEMA_DICTIONARY) {
            0 => kind(&c_string(u32_at(b, abi::SCHEMA_FORMAT))),
            _ => Kind::Unknown, // the format is that of the indices
        },
        nullable: i64_at(b, abi::SCHEMA_FLAGS) & abi::FLAG_NULLABLE != 0,
        fields: (0..n).map(|i| read_field(u32_at(children, i * 4))).collect(),
    }
}

unsafe fn c_string(addr: u32) -> String {
    let mut text = Vec::new();
    for at in addr.. {
        match view(at, 1)[0] {
            0 => break,
            c => text.push(c),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The kind for a format string of the Arrow C Data Interface.
pub fn kind(format: &str) -> Kind {
    match format {
        "b" => Kind::Bool,
        "i" => Kind::Int32,
        "l" => Kind::Int64,
        "f" => Kind::Float32,
        "g" => Kind::Float64,
        "u" => Kind::String,
        "z" => Kind::Binary,
        "tdD" => Kind::Date,
        "ttu" => Kind::Time,
        "tsu:" => Kind::Timestamp,
        "tsu:UTC" => Kind::TimestampTz,
        "+l" => Kind::List,
        "+s" => Kind::Struct,
        _ => decimal(format).unwrap_or(Kind::Unknown),
    }
}

fn decimal(format: &str) -> Option<Kind> {
    let (p, s) = format.strip_prefix("d:")?.split_once(',')?;
    Some(Kind::Decimal(p.parse().ok()?, s.parse().ok()?))
}
