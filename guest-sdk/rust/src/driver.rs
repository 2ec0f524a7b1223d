//! Reading from driver bindings.

use crate::batch::Batch;
use crate::run::{context, fail, find, root};
use crate::types::{Field, Port, Status};
use crate::{abi, system, Result};

/// Reads the batches that a binding answers.
pub struct Reader {
    port: &'static Port,
    root: Field,
    reader: u32,
    memory: Vec<Line>,
}

/// 64 bytes at a multiple of 64.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [u8; abi::ALIGNMENT]);

impl Reader {
    pub(crate) fn open(binding: &str, request: &[u8]) -> Result<Reader> {
        let port = context(|c| find("binding", &c.bindings, binding))?;
        match system::driver_open(port.index, request) {
            r if r < 0 => Err(format!("open {port}: {}", Status(-r as i32)).into()),
            r => Ok(Reader { port, root: root(port), reader: r as u32, memory: Vec::new() }),
        }
    }

    /// The next batch, valid until the one after it; None when there are no more.
    #[allow(clippy::should_implement_trait)] // a batch borrows the reader
    pub fn next(&mut self) -> Result<Option<Batch<'_>>> {
        loop {
            let len = self.memory.len() * abi::ALIGNMENT;
            let buf = unsafe { std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().cast::<u8>(), len) };
            match system::driver_next(self.reader, buf) {
                (n, _) if n < 0 => return Err(format!("read {}: {}", self.port, Status(-n as i32)).into()),
                (0, _) => return Ok(None),
                (n, array) if cfg!(not(target_arch = "wasm32")) || n as usize <= len => {
                    // The memory is this reader's, which the batch borrows.
                    return Ok(Some(unsafe { Batch::read(self.port, &self.root, array) }));
                }
                (n, _) => self.memory = vec![Line([0; abi::ALIGNMENT]); (n as usize).div_ceil(abi::ALIGNMENT)],
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        match system::driver_close(self.reader) {
            0 => {}
            s => fail(format!("close {}: {}", self.port, Status(s))),
        }
    }
}
