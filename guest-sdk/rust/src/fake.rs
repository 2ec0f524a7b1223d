//! The fake host behind module `test`.

use crate::abi;
use crate::builder::Builder;
use crate::memory::{self, addr, Segment};
use crate::run::root;
use crate::types::{Field, Kind, Mode, Port};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Answers a request to a binding with the rows to read, in a builder of the binding's struct.
type Answer = Box<dyn FnMut(&str, &mut Builder) -> Result<(), String>>;

/// Answers a question to policy, both ends JSON.
type Decide = Box<dyn FnMut(&str) -> String>;

/// The host of a test: what surrounds a run and what the run has done.
#[derive(Default)]
pub(crate) struct Fake {
    pub ports: [Vec<Port>; 3], // inputs, outputs, bindings
    pub config: BTreeMap<String, String>,
    pub state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub answers: BTreeMap<String, Answer>,
    pub decide: Option<Decide>,
    pub clock: i64,
    pub random: u64,
    pub rebuild: bool,
    pub running: bool,
    pub emitted: BTreeMap<String, Vec<Emission>>,
    pub logs: Vec<Log>,
    pub metrics: BTreeMap<String, f64>,
    pub readers: Vec<Option<Builder>>,
    pub laid: Vec<Laid>, // batches that were read
}

/// A logged line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// "debug", "info", "warn" or "error"
    pub level: &'static str,
    pub message: String,
}

/// An emitted batch, in memory of its own.
pub(crate) struct Emission {
    pub memory: Vec<(u32, Vec<u128>, usize)>,
    pub array: u32,
}

/// Memory at addresses.
#[derive(Default)]
pub(crate) struct Laid {
    pieces: Vec<Vec<u128>>,
    builder: Option<Builder>,
}

impl Laid {
    pub fn place(&mut self, bytes: &[u8]) -> u32 {
        let mut piece = vec![0u128; bytes.len().div_ceil(16)];
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), piece.as_mut_ptr().cast(), bytes.len()) };
        let at = addr(unsafe { std::slice::from_raw_parts(piece.as_ptr().cast(), bytes.len()) });
        self.pieces.push(piece);
        at
    }

    /// Lays a builder's rows down and keeps it; returns the address of the ArrowArray.
    pub fn batch(&mut self, builder: Builder) -> u32 {
        let mut block = vec![0u128; builder.block_size().div_ceil(16)];
        let len = block.len() * 16;
        let bytes = unsafe { std::slice::from_raw_parts_mut(block.as_mut_ptr().cast::<u8>(), len) };
        let array = builder.lay(bytes, addr(bytes), &mut 0);
        self.pieces.push(block);
        self.builder = Some(builder);
        array
    }

    pub fn words(&mut self, words: &[u32]) -> u32 {
        self.place(memory::bytes_of(words))
    }

    pub fn port_table(&mut self, ports: &[Port]) -> u32 {
        let mut table = Vec::new();
        for p in ports {
            let name = self.place(p.name.as_bytes());
            let schema = self.schema(&root(p), true);
            table.extend([name, p.name.len() as u32, p.mode as u32, schema]);
        }
        self.words(&table)
    }

    pub fn schema(&mut self, f: &Field, is_root: bool) -> u32 {
        let children: Vec<u32> = f.fields.iter().map(|c| self.schema(c, false)).collect();
        let name = if is_root { "" } else { &f.name };
        let format = self.place(format!("{}\0", format(f.kind)).as_bytes());
        let name = self.place(format!("{name}\0").as_bytes());
        let flags = if f.nullable { abi::FLAG_NULLABLE as u32 } else { 0 };
        let pointers = self.words(&children);
        // format, name, metadata, padding, flags, n_children, children, dictionary, release, private_data
        self.words(&[format, name, 0, 0, flags, 0, children.len() as u32, 0, pointers, 0, 0, 0])
    }
}

/// The format string of the Arrow C Data Interface.
pub(crate) fn format(kind: Kind) -> String {
    match kind {
        Kind::Bool => "b",
        Kind::Int32 => "i",
        Kind::Int64 => "l",
        Kind::Float32 => "f",
        Kind::Float64 => "g",
        Kind::Decimal(p, s) => return format!("d:{p},{s}"),
        Kind::Date => "tdD",
        Kind::Time => "ttu",
        Kind::Timestamp => "tsu:",
        Kind::TimestampTz => "tsu:UTC",
        Kind::String => "u",
        Kind::Binary => "z",
        Kind::List => "+l",
        Kind::Struct => "+s",
        Kind::Unknown => "n",
    }
    .into()
}

impl Fake {
    fn port(&self, table: usize, port: u32) -> Option<&Port> {
        self.ports[table].get(port as usize)
    }

    fn keep(&mut self, table: usize, port: u32, array: u32) -> i32 {
        if !self.running {
            return abi::NOT_NOW;
        }
        let Some(p) = self.port(table, port) else { return abi::NOT_FOUND };
        if table == 2 && p.mode != Mode::Write {
            return abi::DENIED;
        }
        let copy = |s: Segment| {
            let mut piece = vec![0u128; s.len.div_ceil(16)];
            unsafe { std::ptr::copy_nonoverlapping(s.ptr, piece.as_mut_ptr().cast(), s.len) };
            (s.base, piece, s.len)
        };
        let name = p.name.clone();
        let memory = memory::segments().into_iter().map(copy).collect();
        self.emitted.entry(name).or_default().push(Emission { memory, array });
        abi::OK
    }
}

/// The imports, as `abi/SPEC.md` has them where products can tell the difference.
impl Fake {
    pub(crate) fn emit(&mut self, port: u32, array: u32) -> i32 {
        self.keep(1, port, array)
    }

    pub(crate) fn driver_write(&mut self, binding: u32, array: u32) -> i32 {
        self.keep(2, binding, array)
    }

    pub(crate) fn log(&mut self, level: i32, message: &str) -> i32 {
        let Some(level) = ["debug", "info", "warn", "error"].get(level as usize) else { return abi::BAD_ARGUMENT };
        if message.len() > abi::MAX_LOG_MESSAGE {
            return abi::TOO_LARGE;
        }
        self.logs.push(Log { level, message: message.into() });
        abi::OK
    }

    /// Moves by a microsecond with each look.
    pub(crate) fn clock(&mut self) -> i64 {
        self.clock += 1000;
        self.clock
    }

    /// SplitMix64, byte by byte, so that the sizes asked for do not matter.
    pub(crate) fn random(&mut self, buf: &mut [u8]) -> i32 {
        if buf.len() > abi::MAX_RANDOM {
            return abi::TOO_LARGE;
        }
        for b in buf {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.random;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *b = (z >> 56) as u8;
        }
        abi::OK
    }

    pub(crate) fn metric(&mut self, kind: i32, name: &str, value: f64) -> i32 {
        match (kind, name.len()) {
            (_, 0) => return abi::BAD_ARGUMENT,
            (_, n) if n > abi::MAX_NAME => return abi::TOO_LARGE,
            (abi::METRIC_COUNTER, _) => {
                *self.metrics.entry(name.into()).or_default() += value;
            }
            (abi::METRIC_GAUGE, _) => {
                self.metrics.insert(name.into(), value);
            }
            _ => return abi::BAD_ARGUMENT,
        }
        abi::OK
    }

    pub(crate) fn config(&mut self, key: &[u8], buf: &mut [u8]) -> i64 {
        match (key_status(key), self.config.get(&*String::from_utf8_lossy(key))) {
            (abi::OK, Some(v)) => fill(buf, v.as_bytes()),
            (abi::OK, None) => -i64::from(abi::NOT_FOUND),
            (s, _) => -i64::from(s),
        }
    }

    pub(crate) fn state_get(&mut self, key: &[u8], buf: &mut [u8]) -> i64 {
        match (key_status(key), self.state.get(key)) {
            (abi::OK, Some(v)) => fill(buf, v),
            (abi::OK, None) => -i64::from(abi::NOT_FOUND),
            (s, _) => -i64::from(s),
        }
    }

    pub(crate) fn state_put(&mut self, key: &[u8], value: &[u8]) -> i32 {
        match key_status(key) {
            abi::OK if value.len() > abi::MAX_VALUE => abi::TOO_LARGE,
            abi::OK => {
                self.state.insert(key.into(), value.into());
                abi::OK
            }
            s => s,
        }
    }

    pub(crate) fn state_delete(&mut self, key: &[u8]) -> i32 {
        match (key_status(key), self.state.remove(key)) {
            (abi::OK, None) => abi::NOT_FOUND,
            (s, _) => s,
        }
    }

    pub(crate) fn state_scan(&mut self, prefix: &[u8], after: &[u8], buf: &mut [u8]) -> i64 {
        let mut page = Vec::new();
        for (k, v) in self.state.iter().filter(|(k, _)| k.starts_with(prefix) && k.as_slice() > after) {
            let size = abi::SCAN_HEADER + k.len() + v.len();
            if page.len() + size > buf.len() {
                if page.is_empty() {
                    return size as i64;
                }
                break;
            }
            page.extend((k.len() as u32).to_le_bytes());
            page.extend((v.len() as u32).to_le_bytes());
            page.extend(k);
            page.extend(v);
        }
        fill(buf, &page)
    }

    pub(crate) fn driver_open(&mut self, binding: u32, request: &[u8]) -> i64 {
        let Some(p) = self.port(2, binding) else { return -i64::from(abi::NOT_FOUND) };
        if p.mode != Mode::Read {
            return -i64::from(abi::DENIED);
        }
        let mut rows = Builder::new(&root(p));
        let name = p.name.clone();
        let request = String::from_utf8_lossy(request).into_owned();
        let answer = self.answers.get_mut(&name).expect("a source has an answer");
        if let Err(e) = answer(&request, &mut rows) {
            self.log(abi::LOG_ERROR, &e);
            return -i64::from(abi::DRIVER_ERROR);
        }
        self.readers.push(Some(rows));
        self.readers.len() as i64 - 1
    }

    pub(crate) fn driver_next(&mut self, reader: u32) -> (i64, u32) {
        match self.readers.get_mut(reader as usize).and_then(Option::take) {
            Some(rows) if rows.len() > 0 => {
                let mut laid = Laid::default();
                let array = laid.batch(rows);
                self.laid.push(laid);
                (1, array)
            }
            _ => (0, 0),
        }
    }

    pub(crate) fn driver_close(&mut self, reader: u32) -> i32 {
        match self.readers.get_mut(reader as usize) {
            Some(r) => {
                *r = None;
                abi::OK
            }
            None => abi::NOT_FOUND,
        }
    }

    pub(crate) fn decide(&mut self, request: &[u8], buf: &mut [u8]) -> i64 {
        let request = String::from_utf8_lossy(request);
        match &mut self.decide {
            Some(d) => fill(buf, d(&request).as_bytes()),
            None => fill(buf, br#"{"allow":false,"reason":"the test has no policy"}"#),
        }
    }
}

fn key_status(key: &[u8]) -> i32 {
    match key.len() {
        0 => abi::BAD_ARGUMENT,
        n if n > abi::MAX_KEY => abi::TOO_LARGE,
        _ => abi::OK,
    }
}

/// Follows the convention of buffers: a value that does not fit is not written.
fn fill(buf: &mut [u8], value: &[u8]) -> i64 {
    if let Some(room) = buf.get_mut(..value.len()) {
        room.copy_from_slice(value);
    }
    value.len() as i64
}

thread_local! {
    static FAKE: RefCell<Option<Fake>> = const { RefCell::new(None) };
}

/// Makes a host that of this thread.
pub(crate) fn install(host: Fake) {
    FAKE.set(Some(host));
}

/// Calls the host of this thread.
pub(crate) fn fake<R>(f: impl FnOnce(&mut Fake) -> R) -> R {
    FAKE.with_borrow_mut(|h| f(h.as_mut().expect("products run in a sandbox, or after Host::open in a test")))
}
