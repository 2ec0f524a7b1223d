//! The script, as `adp build` lays it into the module.

/// A file of the product.
pub struct File {
    pub name: &'static str,
    pub text: &'static str,
}

/// What an engine has that nobody has laid a script into.
static NOTHING: [u8; 4] = [0; 4];

/// The address of the script: its length (u32, little endian), and then the bytes. `adp build` makes it return another one.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn script() -> *const u8 {
    std::hint::black_box(NOTHING.as_ptr())
}

/// The files, the main one first. Each is its name and its text, both behind their length (u32, little endian).
pub fn files() -> Vec<File> {
    let at = std::hint::black_box(script());
    let mut rest: &'static [u8] = unsafe {
        let length = u32::from_le_bytes(at.cast::<[u8; 4]>().read());
        std::slice::from_raw_parts(at.add(4), length as usize)
    };
    let mut all = Vec::new();
    while let (Some(name), Some(text)) = (part(&mut rest), part(&mut rest)) {
        all.push(File { name, text });
    }
    all
}

/// Takes the next text.
fn part(rest: &mut &'static [u8]) -> Option<&'static str> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    std::str::from_utf8(text).ok()
}
