//! Compiles the Python files of the library and writes the list of them, `library.rs`.
//!
//! The library is a part of the standard one: what scripts without files, network, threads and processes can use.

use std::env;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Modules of the standard library. A name that ends with a dot is a package.
const STANDARD: &str = "
    __future__ _collections_abc _opcode_metadata _py_abc _py_warnings _pydatetime _pydecimal _threading_local _weakrefset
    abc annotationlib ast base64 bisect calendar codecs collections. colorsys contextlib contextvars copy copyreg csv
    dataclasses datetime decimal dis encodings. encodings.aliases encodings.ascii encodings.latin_1 encodings.utf_8
    encodings._win_cp_codecs enum fractions functools genericpath graphlib hashlib heapq hmac html. html.entities
    importlib. importlib._bootstrap importlib._bootstrap_external importlib.machinery inspect io ipaddress
    json. json.decoder json.encoder json.scanner keyword linecache numbers opcode operator posixpath pprint random
    re. re._casefix re._compiler re._constants re._parser reprlib stat statistics string. string.templatelib struct textwrap token tokenize
    types typing urllib. urllib.parse uuid warnings weakref";

/// Modules written in Rust, by the names of their files in the crate rustpython-stdlib.
const NATIVE: &str = "_datetime _heapq _opcode _tokenize array binascii bisect contextvars csv hashlib json math md5 pystruct random
    sha1 sha256 sha512 statistics unicodedata";

fn main() {
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    std::fs::write(out.join("native.rs"), native()).unwrap();
    let own = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    for changed in ["build.rs", "lib", "../lib/adp.py"] {
        println!("cargo::rerun-if-changed={changed}");
    }
    let mut files: Vec<(String, PathBuf, bool)> = Vec::new();
    for name in STANDARD.split_whitespace() {
        let package = name.ends_with('.');
        let name = name.trim_end_matches('.');
        let mut path = PathBuf::from(rustpython_pylib::LIB_PATH);
        path.extend(name.split('.'));
        path = if package { path.join("__init__.py") } else { path.with_extension("py") };
        files.push((name.to_owned(), path, package));
    }
    for (name, path) in [("adp", "../lib/adp.py"), ("_adp_sandbox", "lib/_adp_sandbox.py"), ("os", "lib/os.py")] {
        files.push((name.to_owned(), own.join(path), false));
    }
    let mut code = String::from(
        "use rustpython_vm::frozen::FrozenModule;\n\n\
         pub fn library() -> Vec<(&'static str, FrozenModule)> {\n    vec![\n",
    );
    for (name, path, package) in &files {
        writeln!(
            code,
            "        ({name:?}, FrozenModule {{ code: rustpython_vm::py_compile!(file = {path:?}, module_name = {name:?}), package: {package} }}),"
        )
        .unwrap();
    }
    code.push_str("    ]\n}\n");
    std::fs::write(out.join("library.rs"), code).unwrap();
}

/// Takes the files from where Cargo has unpacked the crate, which is beside another one of the same version.
fn native() -> String {
    let library = Path::new(rustpython_pylib::LIB_PATH).parent().unwrap();
    let name = library.file_name().unwrap().to_str().unwrap().replace("pylib", "stdlib");
    let source = library.with_file_name(name).join("src");
    let (mut code, mut list) = (String::new(), String::new());
    for module in NATIVE.split_whitespace() {
        let file = source.join(module).with_extension("rs");
        assert!(file.exists(), "{}: there is no such file; `cargo fetch` brings it", file.display());
        writeln!(code, "#[allow(dead_code, unexpected_cfgs, unused_imports, clippy::all)]\n#[path = {file:?}]\nmod {module};").unwrap();
        writeln!(list, "        {module}::module_def(ctx),").unwrap();
    }
    write!(
        code,
        "\n/// The modules of the standard library that are written in Rust.\n\
         pub fn native_modules(ctx: &rustpython_vm::Context) -> Vec<&'static rustpython_vm::builtins::PyModuleDef> {{\n    vec![\n{list}    ]\n}}\n"
    )
    .unwrap();
    code
}
