//! Exceptions as people read them.

use crate::{bundle, native};
use rustpython_vm::builtins::{PyBaseException, PyBaseExceptionRef};
use rustpython_vm::{AsObject, Py, PyObjectRef, VirtualMachine};
use std::fmt::Write;

/// How many frames are shown of a deep stack, half of them from either end.
const FRAMES: usize = 20;

/// The exception with the lines of the script that led to it, what caused it, and the row it came with.
pub fn text(vm: &VirtualMachine, e: &PyBaseExceptionRef) -> String {
    let mut out = String::new();
    chain(vm, e, &mut out, 0);
    if let Some(row) = native::take_failing_row() {
        let _ = write!(out, "\n{row}");
    }
    out
}

/// The same for a script that does not load, with the place first, as compilers have it.
pub fn complaint(vm: &VirtualMachine, e: &PyBaseExceptionRef) -> String {
    let text = text(vm, e);
    match frames(e).pop() {
        Some(last) if !e.fast_isinstance(vm.ctx.exceptions.syntax_error) => format!("{}:{}:1: {text}", last.file, last.line),
        _ => text,
    }
}

/// A frame of the script.
struct Frame {
    file: &'static str,
    line: usize,
    function: &'static str,
}

/// The frames of an exception that are the script's own, the one that raised it last.
fn frames(e: &Py<PyBaseException>) -> Vec<Frame> {
    let mut all = Vec::new();
    for tb in e.__traceback__().iter().flat_map(|tb| tb.iter()) {
        let code = tb.frame.f_code();
        let file = code.source_path().as_str();
        if bundle::files().iter().any(|f| f.name == file) {
            all.push(Frame { file, line: tb.lineno.get(), function: code.obj_name.as_str() });
        }
    }
    all
}

/// Writes what caused an exception before it, as Python does, to some depth.
fn chain(vm: &VirtualMachine, e: &Py<PyBaseException>, out: &mut String, depth: usize) {
    let hidden = e.as_object().get_attr("__suppress_context__", vm).is_ok_and(|v| v.is(&vm.ctx.true_value));
    let cause = e.__cause__().or_else(|| e.__context__().filter(|_| !hidden));
    let _ = write!(out, "{}", message(vm, e));
    let mut lines: Vec<String> = Vec::new();
    for Frame { file, line, function } in frames(e) {
        let mut entry = format!("\n  {file}:{line} in {function}");
        if let Some(source) = source(file, line) {
            let _ = write!(entry, "\n    {source}");
        }
        lines.push(entry);
    }
    if lines.len() > FRAMES {
        let left = lines.len() - FRAMES;
        lines.splice(FRAMES / 2..FRAMES / 2 + left, [format!("\n  … {left} more")]);
    }
    out.extend(lines);
    if let Some(cause) = cause.filter(|_| depth < 5) {
        out.push_str("\ncaused by ");
        chain(vm, &cause, out, depth + 1);
    }
}

/// Type and text. A syntax error says where it is, as compilers do.
fn message(vm: &VirtualMachine, e: &Py<PyBaseException>) -> String {
    let name = e.class().name().to_string();
    let attr = |name: &'static str| e.as_object().get_attr(name, vm).ok().filter(|v| !vm.is_none(v));
    if e.fast_isinstance(vm.ctx.exceptions.syntax_error)
        && let (Some(file), Some(line), Some(msg)) = (attr("filename"), attr("lineno"), attr("msg"))
    {
        let column = attr("offset").map_or("1".into(), |c| shown(vm, &c));
        return format!("{}:{}:{column}: {name}: {}", shown(vm, &file), shown(vm, &line), shown(vm, &msg));
    }
    let text = e.as_object().str(vm).map_or_else(|_| "…".into(), |s| s.to_string_lossy().into_owned());
    if text.is_empty() { name } else { format!("{name}: {text}") }
}

fn shown(vm: &VirtualMachine, value: &PyObjectRef) -> String {
    value.str(vm).map_or_else(|_| "…".into(), |s| s.to_string_lossy().into_owned())
}

/// A line of one of the product's files.
fn source(file: &str, line: usize) -> Option<String> {
    let all = bundle::files();
    let text = all.iter().find(|f| f.name == file)?.text;
    Some(text.lines().nth(line.checked_sub(1)?)?.trim().to_owned())
}
