//! What scripts throw, for people.

use crate::files;
use rquickjs::promise::PromiseState;
use rquickjs::runtime::RejectionTracker;
use rquickjs::{qjs, Ctx, Error, Value};
use std::cell::RefCell;

/// How many lines of a stack are shown.
const FRAMES: usize = 12;

/// Something thrown.
pub struct Fault {
    /// "TypeError: not a function", or what else was thrown.
    text: String,
    /// Lines of the author's scripts, the innermost first.
    stack: Vec<String>,
}

thread_local! {
    /// A message that says more than the error that the engine makes of it.
    static NOTE: RefCell<Option<String>> = const { RefCell::new(None) };
    /// What fails the run, even where a script catches it.
    static SPOILT: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Promises that were rejected and that nobody waits for.
    static UNHANDLED: RefCell<Vec<(usize, Fault)>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what is wrong, with its place, for the error that follows.
pub fn note(what: String) {
    NOTE.with_borrow_mut(|n| n.get_or_insert(what).len());
}

/// Makes the run fail at the end of the call, for this reason unless the script throws another.
pub fn spoil(why: String) {
    SPOILT.with_borrow_mut(|s| s.get_or_insert(why).len());
}

/// The result of a call into scripts: what they threw, or what they caught and should not have.
pub fn outcome(result: adp::Result<()>) -> adp::Result<()> {
    let spoilt = SPOILT.take();
    let result = result.and_then(|_| spoilt.map_or(Ok(()), |why| Err(why.into())));
    if let (Err(e), Some(_)) = (&result, adp::Run::current().failure()) {
        adp::Run::current().error(e); // the run has failed of what the host refused: this says where
    }
    result
}

impl Fault {
    /// What an error of the engine stands for: mostly a pending exception.
    pub fn of(ctx: &Ctx, e: Error) -> Fault {
        match e {
            Error::Exception => Fault::thrown(&ctx.catch()),
            other => Fault { text: other.to_string(), stack: Vec::new() },
        }
    }

    /// A value that was thrown.
    pub fn thrown(v: &Value) -> Fault {
        let Some(o) = v.as_object().filter(|_| v.is_error()) else {
            return Fault { text: format!("thrown: {}", show(v)), stack: Vec::new() };
        };
        let name: String = o.get("name").unwrap_or_default();
        let message: String = o.get("message").unwrap_or_default();
        let stack: String = o.get("stack").unwrap_or_default();
        let text = match (name.is_empty(), message.is_empty()) {
            (false, false) => format!("{name}: {message}"),
            _ => name + &message,
        };
        let lines = stack.lines().map(str::trim).filter(|l| !l.contains("(adp:") && !l.contains("at adp:") && !l.contains("(native)"));
        Fault { text, stack: lines.filter(|l| !l.is_empty()).take(FRAMES).map(str::to_owned).collect() }
    }

    /// The message, and where it comes from below it.
    pub fn told(&self) -> String {
        self.stack.iter().fold(self.text.clone(), |all, line| all + "\n    " + line)
    }

    /// The same with the place in front: FILE:LINE:COLUMN: MESSAGE.
    pub fn placed(&self) -> String {
        if let Some(note) = NOTE.take() {
            return note;
        }
        let Some(first) = self.stack.first() else {
            // An import that finds no such export is an error without a place: it is where the name stands.
            let name = self.text.split_once("find export '").and_then(|(_, rest)| rest.split_once('\''));
            let at = name.and_then(|(name, _)| files::imports(name)).unwrap_or_else(|| "product.js:1:1".into());
            return format!("{at}: {}", self.text);
        };
        let at = first.rsplit_once('(').map_or(first.trim_start_matches("at "), |(_, at)| at.trim_end_matches(')'));
        if self.stack.len() > 1 {
            return format!("{at}: {}", self.told());
        }
        format!("{at}: {}", self.text)
    }
}

/// What an error of the engine stands for, with its place in front.
pub fn placed(ctx: &Ctx, e: Error) -> String {
    Fault::of(ctx, e).placed()
}

/// A value as a person reads it, in a line.
pub fn show(v: &Value) -> String {
    const MOST: usize = 300;
    let ctx = v.ctx();
    let mut text = match v.as_big_int().cloned().map(|b| b.to_i64()) {
        Some(Ok(n)) => format!("{n}n"),
        _ if v.is_undefined() => "undefined".into(),
        _ => match ctx.json_stringify(v) {
            Ok(Some(s)) => s.to_string().unwrap_or_default(),
            Ok(None) => v.type_name().into(),
            Err(_) => {
                ctx.catch(); // a row with BigInt, or one that goes round in circles
                v.type_name().into()
            }
        },
    };
    if text.len() > MOST {
        let mut end = MOST;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text += "…";
    }
    text
}

/// Notes rejections that nobody handles: they would be lost otherwise.
pub fn tracker() -> RejectionTracker {
    Box::new(|_, promise: Value, reason: Value, handled| {
        let id = unsafe { qjs::JS_VALUE_GET_PTR(promise.as_raw()) } as usize;
        UNHANDLED.with_borrow_mut(|all| match handled {
            true => all.retain(|(p, _)| *p != id),
            false => all.push((id, Fault::thrown(&reason))),
        });
    })
}

/// Runs what waits, and tells of a promise that failed, or that cannot be kept any more.
pub fn settle(ctx: &Ctx, value: &Value) -> Result<(), Fault> {
    while ctx.execute_pending_job() {}
    if let Some((_, fault)) = UNHANDLED.take().into_iter().next() {
        return Err(fault);
    }
    match value.as_promise().map(|p| p.state()) {
        Some(PromiseState::Pending) => {
            let text = "it waits for something that never comes: only promises that scripts resolve themselves do".into();
            Err(Fault { text, stack: Vec::new() })
        }
        _ => Ok(()),
    }
}
