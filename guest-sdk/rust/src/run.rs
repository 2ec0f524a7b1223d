//! One run, as the product's code sees it.

use crate::driver::Reader;
use crate::state::State;
use crate::types::{Field, Kind, Port, Status};
use crate::writer::{Output, Shared, Writer};
use crate::{abi, json, system, Error, IntoColumn, Result, Timestamp};
use std::cell::RefCell;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

/// What this instance knows of its run.
#[derive(Default)]
pub(crate) struct Context {
    pub inputs: Vec<&'static Port>,
    pub outputs: Vec<&'static Port>,
    pub bindings: Vec<&'static Port>,
    pub rebuild: bool,
    pub writers: Vec<Shared>,
    pub failure: Option<String>,
}

thread_local! {
    // An instance is one thread and one run; outside the sandbox, so is a test.
    static CONTEXT: RefCell<Context> = RefCell::new(Context::default());
}

/// Looks at the context. The function must not call the author's code.
pub(crate) fn context<R>(f: impl FnOnce(&mut Context) -> R) -> R {
    CONTEXT.with_borrow_mut(f)
}

/// Remembers what the host refused, unless something was refused before.
pub(crate) fn fail(why: impl Display) {
    let why = why.to_string();
    context(|c| c.failure.get_or_insert(why).len());
}

/// Remembers a status that is not OK.
pub(crate) fn refused(status: i32, doing: impl FnOnce() -> String) {
    if status != 0 {
        fail(format!("{}: {}", doing(), Status(status)));
    }
}

/// One run: settings, outputs, state, log, metrics, clock, randomness, drivers, policy. Copy it freely.
#[derive(Clone, Copy)]
pub struct Run(PhantomData<*const ()>);

/// The answer of policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub allow: bool,
    pub reason: String,
}

impl Run {
    pub(crate) fn new() -> Run {
        Run(PhantomData)
    }

    /// The run that is under way, for interpreters built on this SDK: what calls them does not always bring one along.
    #[doc(hidden)]
    pub fn current() -> Run {
        Run::new()
    }

    /// The writer of the named output, or of the binding with write access when there is no such output, for rows of R: every
    /// column needs a field. Rows of other types are checked when they come.
    pub fn output<R: IntoColumn>(self, name: &str) -> Result<Output> {
        let output = Output::new(Writer::named(name)?);
        output.accept::<R>()?;
        Ok(output)
    }

    /// The same writer for columns.
    pub fn writer(self, name: &str) -> Result<Writer> {
        Writer::named(name)
    }

    /// The inputs, outputs and bindings, in this order.
    pub fn ports(self) -> Vec<&'static Port> {
        context(|c| [&c.inputs[..], &c.outputs, &c.bindings].concat())
    }

    /// Whether this run recomputes everything: state is empty and inputs start from their beginning.
    pub fn rebuilding(self) -> bool {
        context(|c| c.rebuild)
    }

    /// Makes the run fail, unless it has failed before.
    pub fn fail(self, why: impl Display) {
        fail(why);
    }

    /// The first thing that the host refused. It fails the run without being asked for; long computations may look at it.
    pub fn failure(self) -> Option<String> {
        context(|c| c.failure.clone())
    }

    /// The product's own memory from run to run.
    pub fn state(self) -> State {
        State::new()
    }

    /// A setting of the product.
    pub fn config(self, key: &str) -> Option<String> {
        match system::fill(|buf| system::config(key.as_bytes(), buf)) {
            Ok(v) => Some(String::from_utf8_lossy(&v).into_owned()),
            Err(Status(abi::NOT_FOUND)) => None,
            Err(s) => {
                fail(format!("config {key}: {s}"));
                None
            }
        }
    }

    /// A setting of the product as a value, or other when it is not set.
    pub fn setting<T: FromStr>(self, key: &str, other: T) -> Result<T> {
        match self.config(key) {
            None => Ok(other),
            Some(text) => text
                .parse()
                .map_err(|_| Error::from(format!("setting {key}: {text:?} is not {}", std::any::type_name::<T>()))),
        }
    }

    /// Logs a line.
    pub fn debug(self, message: impl Display) {
        self.log(abi::LOG_DEBUG, &message.to_string());
    }

    /// Logs a line.
    pub fn info(self, message: impl Display) {
        self.log(abi::LOG_INFO, &message.to_string());
    }

    /// Logs a line.
    pub fn warn(self, message: impl Display) {
        self.log(abi::LOG_WARN, &message.to_string());
    }

    /// Logs a line. It does not fail the run: see [`Run::fail`].
    pub fn error(self, message: impl Display) {
        self.log(abi::LOG_ERROR, &message.to_string());
    }

    fn log(self, level: i32, message: &str) {
        refused(log(level, message), || "log".into());
    }

    /// The virtual clock: the start of the run, moved on by the work done since. It is the same again when a run is
    /// replayed.
    pub fn now(self) -> Timestamp {
        Timestamp(self.clock().div_euclid(1000))
    }

    /// The virtual clock in nanoseconds since 1970-01-01T00:00:00Z.
    pub fn clock(self) -> i64 {
        system::clock()
    }

    /// Fills a buffer with randomness that is the same again when a run is replayed.
    pub fn random(self, buf: &mut [u8]) {
        for part in buf.chunks_mut(abi::MAX_RANDOM) {
            refused(system::random(part), || "random".into());
        }
    }

    /// The next eight random bytes, little endian.
    pub fn random_u64(self) -> u64 {
        let mut b = [0; 8];
        self.random(&mut b);
        u64::from_le_bytes(b)
    }

    /// Adds to a counter of the run.
    pub fn count(self, name: &str, add: f64) {
        refused(system::metric(abi::METRIC_COUNTER, name, add), || format!("metric {name}"));
    }

    /// Sets a gauge of the run.
    pub fn gauge(self, name: &str, value: f64) {
        refused(system::metric(abi::METRIC_GAUGE, name, value), || format!("metric {name}"));
    }

    /// Asks a binding with read access for rows. The request means what its driver says; an empty one asks for
    /// everything. What was read is recorded with the run, so that a replay sees it again.
    pub fn read(self, binding: &str, request: &[u8]) -> Result<Reader> {
        Reader::open(binding, request)
    }

    /// Asks policy whether this product may do something: an action on a resource (adp://./domain/product[/port], "" for the product
    /// itself) for a purpose. No is an answer, not an error.
    pub fn decide(self, action: &str, resource: &str, purpose: &str) -> Decision {
        let mut request = format!("{{\"action\":{}", json::quote(action));
        for (name, value) in [("resource", resource), ("purpose", purpose)] {
            if !value.is_empty() {
                request += &format!(",\"{name}\":{}", json::quote(value));
            }
        }
        let answer = self.decide_json(&(request + "}"));
        let mut d = Decision::default();
        let read = json::read_object(&answer, |key, value| match (key, value) {
            ("allow", json::Value::True) => d.allow = true,
            ("reason", json::Value::Text(s)) => d.reason = s,
            _ => {}
        });
        if read.is_none() && self.failure().is_none() {
            fail(format!("decide: the answer is not JSON: {answer}"));
        }
        d
    }

    /// Asks policy with a request of any shape it knows, both ends JSON. It is empty when the run has failed.
    pub fn decide_json(self, request: &str) -> String {
        match system::fill(|buf| system::decide(request.as_bytes(), buf)) {
            Ok(v) => String::from_utf8_lossy(&v).into_owned(),
            Err(s) => {
                fail(format!("decide: {s}"));
                String::new()
            }
        }
    }
}

/// Logs, cut to what the log takes.
pub(crate) fn log(level: i32, message: &str) -> i32 {
    if message.len() <= abi::MAX_LOG_MESSAGE {
        return system::log(level, message);
    }
    let mut end = abi::MAX_LOG_MESSAGE - 3;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    system::log(level, &format!("{}...", &message[..end]))
}

/// The named one of several ports.
pub(crate) fn find(what: &str, ports: &[&'static Port], name: &str) -> Result<&'static Port> {
    ports.iter().find(|p| p.name == name).copied().ok_or_else(|| {
        let known: Vec<&str> = ports.iter().map(|p| p.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
        format!("the product declares no {what} {name}; it has: {known}").into()
    })
}

/// The struct of a port's columns.
pub(crate) fn root(port: &Port) -> Field {
    Field { name: port.to_string(), kind: Kind::Struct, nullable: false, fields: port.columns.clone() }
}
