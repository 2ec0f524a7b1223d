//! The scripts of the product, as `adp build` lays them into the module.

use crate::fault;
use rquickjs::loader::{self, ImportAttributes};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Result};
use std::hint::black_box;

/// Gives the address of what was laid into this module: its length, and then, for each file, the length of its name, the name, the
/// length of its text, the text. `adp build` puts another body in the place of this one, and takes the export away.
#[no_mangle]
#[inline(never)]
extern "C" fn script() -> u32 {
    black_box(0)
}

/// The bytes that were laid into this module; none in a module that nothing was laid into.
fn laid() -> &'static [u8] {
    let place: extern "C" fn() -> u32 = black_box(script); // whatever the compiler knows of the body is not so
    match place() {
        0 => &[],
        at => unsafe {
            let n = (at as *const u32).read_unaligned() as usize;
            std::slice::from_raw_parts((at + 4) as *const u8, n)
        },
    }
}

/// Names and texts.
fn all() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let mut rest = laid();
    let mut take = move || {
        let (n, more) = rest.split_first_chunk::<4>()?;
        let (part, more) = more.split_at_checked(u32::from_le_bytes(*n) as usize)?;
        rest = more;
        Some(part)
    };
    std::iter::from_fn(move || Some((std::str::from_utf8(take()?).ok()?, take()?)))
}

/// The text of a file.
pub fn text(name: &str) -> Option<&'static [u8]> {
    all().find(|(n, _)| *n == name).map(|(_, text)| text)
}

/// Where a script imports a name, as FILE:LINE:COLUMN.
pub fn imports(name: &str) -> Option<String> {
    for (file, text) in all() {
        let text = std::str::from_utf8(text).unwrap_or_default();
        for (n, line) in text.lines().enumerate().filter(|(_, l)| l.starts_with("import") || l.starts_with("export")) {
            if let Some(at) = line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').find(|word| *word == name) {
                let column = at.as_ptr() as usize - line.as_ptr() as usize;
                return Some(format!("{file}:{}:{}", n + 1, column + 1));
            }
        }
    }
    None
}

/// Finds what a script imports: "adp", or another script by its path.
pub struct Resolver;

impl loader::Resolver for Resolver {
    fn resolve<'js>(&mut self, _: &Ctx<'js>, base: &str, name: &str, _: Option<ImportAttributes<'js>>) -> Result<String> {
        if name == "adp" {
            return Ok(name.into());
        }
        if !name.starts_with("./") && !name.starts_with("../") {
            let hint = "there is no npm here: lay the package's ES module into the folder and import it by its path";
            return Err(refuse(base, name, &format!("no module {name}: {hint}")));
        }
        let mut path: Vec<&str> = base.split('/').collect();
        path.pop();
        for part in name.split('/') {
            match part {
                "." => {}
                ".." if path.pop().is_none() => return Err(refuse(base, name, &format!("{name} lies outside the product's folder"))),
                ".." => {}
                _ => path.push(part),
            }
        }
        let path = path.join("/");
        match text(&path) {
            Some(_) => Ok(path),
            None => {
                let there: Vec<&str> = all().map(|(n, _)| n).collect();
                Err(refuse(base, name, &format!("no file {path}; there are {}", there.join(", "))))
            }
        }
    }
}

/// Notes the place of an import that cannot be: the engine knows none.
fn refuse(base: &str, name: &str, why: &str) -> Error {
    let source = String::from_utf8_lossy(text(base).unwrap_or_default());
    let quoted = [format!("\"{name}\""), format!("'{name}'")];
    let at = quoted.iter().filter_map(|q| source.find(q.as_str())).min().unwrap_or(0);
    let before = &source[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    fault::note(format!("{base}:{line}:{column}: {why}"));
    Error::new_resolving(base, name)
}

/// Loads the other scripts.
pub struct Loader;

impl loader::Loader for Loader {
    fn load<'js>(&mut self, ctx: &Ctx<'js>, name: &str, _: Option<ImportAttributes<'js>>) -> Result<Module<'js, Declared>> {
        Module::declare(ctx.clone(), name, text(name).ok_or_else(|| Error::new_loading(name))?)
    }
}
