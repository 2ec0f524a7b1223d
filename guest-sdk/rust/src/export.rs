//! What the module exports, behind the functions that `product!` makes.

use crate::batch::Batch;
use crate::memory::{u32_at, view};
use crate::run::{context, fail, log, root, Context, Run};
use crate::schema::read_ports;
use crate::types::Field;
use crate::{abi, Product, Result};
use std::alloc::{alloc, dealloc, Layout};
use std::cell::RefCell;
use std::mem::take;

/// A product without its type.
trait Handlers {
    fn process(&mut self, batch: &Batch) -> Result<()>;
    fn flush(&mut self) -> Result<()>;
}

impl<P: Product> Handlers for P {
    fn process(&mut self, batch: &Batch) -> Result<()> {
        Product::process(self, Run::new(), batch)
    }

    fn flush(&mut self) -> Result<()> {
        Product::flush(self, Run::new())
    }
}

thread_local! {
    static PRODUCT: RefCell<Option<Box<dyn Handlers>>> = const { RefCell::new(None) };
    static ROOTS: RefCell<Vec<&'static Field>> = const { RefCell::new(Vec::new()) };
}

/// adp_alloc: memory at a multiple of 64, or 0.
pub fn allocate(size: u32) -> *mut u8 {
    match Layout::from_size_align(size.max(1) as usize, abi::ALIGNMENT) {
        Ok(layout) => unsafe { alloc(layout) },
        Err(_) => std::ptr::null_mut(),
    }
}

/// adp_free.
///
/// # Safety
///
/// The memory came from `allocate` with the same size.
pub unsafe fn free(ptr: *mut u8, size: u32) {
    dealloc(ptr, Layout::from_size_align_unchecked(size.max(1) as usize, abi::ALIGNMENT));
}

/// adp_open.
///
/// # Safety
///
/// An open block as `abi/SPEC.md` has it lies at the address.
pub unsafe fn open<P: Product + 'static>(block: u32) -> i32 {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|info| {
        log(abi::LOG_ERROR, &info.to_string()); // a trap follows
    }));
    PRODUCT.set(None);
    let b = view(block, abi::OPEN_SIZE);
    let version = u32_at(b, abi::OPEN_VERSION);
    if version != abi::VERSION as u32 {
        fail(format!("the host speaks ABI {version}, this module {}", abi::VERSION));
        return status(Ok(()));
    }
    let c = Context {
        inputs: read_ports("input", u32_at(b, abi::OPEN_N_INPUTS), u32_at(b, abi::OPEN_INPUTS)),
        outputs: read_ports("output", u32_at(b, abi::OPEN_N_OUTPUTS), u32_at(b, abi::OPEN_OUTPUTS)),
        bindings: read_ports("binding", u32_at(b, abi::OPEN_N_BINDINGS), u32_at(b, abi::OPEN_BINDINGS)),
        rebuild: u32_at(b, abi::OPEN_FLAGS) & abi::OPEN_REBUILD != 0,
        ..Context::default()
    };
    ROOTS.set(c.inputs.iter().map(|p| &*Box::leak(Box::new(root(p)))).collect());
    context(|old| *old = c);
    let opened = P::open(Run::new()).map(|p| PRODUCT.set(Some(Box::new(p))));
    status(opened)
}

/// adp_process.
///
/// # Safety
///
/// An ArrowArray with the columns of the input lies at the address.
pub unsafe fn process(input: u32, array: u32) -> i32 {
    let Some(port) = context(|c| c.inputs.get(input as usize).copied()) else {
        return abi::BAD_ARGUMENT;
    };
    let root = ROOTS.with_borrow(|r| r[input as usize]);
    let batch = Batch::read(port, root, array);
    let result = with_product(|p| p.process(&batch));
    for w in context(|c| c.writers.clone()) {
        w.borrow_mut().emit_full();
    }
    status(result)
}

/// adp_flush.
pub fn flush() -> i32 {
    let result = with_product(|p| p.flush());
    if result.is_ok() {
        for w in context(|c| c.writers.clone()) {
            w.borrow_mut().flush();
        }
    }
    status(result)
}

fn with_product(f: impl FnOnce(&mut dyn Handlers) -> Result<()>) -> Result<()> {
    let Some(mut p) = PRODUCT.take() else {
        return Err("called before a successful open".into());
    };
    let result = f(&mut *p);
    PRODUCT.set(Some(p));
    result
}

/// Logs why the run fails, if it does, and says so.
fn status(result: Result<()>) -> i32 {
    if let Err(e) = result {
        fail(e);
    }
    match context(|c| take(&mut c.failure)) {
        None => abi::OK,
        Some(why) => {
            log(abi::LOG_ERROR, &why);
            context(|c| c.failure = Some(why));
            abi::FAILED
        }
    }
}

/// Makes a type that implements [`Product`] the product of this module. Call it once, at the top of the crate.
#[macro_export]
macro_rules! product {
    ($product:ty) => {
        #[cfg(not(target_arch = "wasm32"))]
        const _: unsafe fn(u32) -> i32 = $crate::export::open::<$product>; // it is used, as far as lints are concerned

        #[cfg(target_arch = "wasm32")]
        mod adp_exports {
            use super::*;

            #[no_mangle]
            extern "C" fn adp_abi() -> i32 {
                $crate::abi::VERSION
            }

            #[no_mangle]
            extern "C" fn adp_alloc(size: u32) -> *mut u8 {
                $crate::export::allocate(size)
            }

            #[no_mangle]
            unsafe extern "C" fn adp_free(ptr: *mut u8, size: u32) {
                $crate::export::free(ptr, size)
            }

            #[no_mangle]
            unsafe extern "C" fn adp_open(block: u32, _size: u32) -> i32 {
                $crate::export::open::<$product>(block)
            }

            #[no_mangle]
            unsafe extern "C" fn adp_process(input: u32, array: u32) -> i32 {
                $crate::export::process(input, array)
            }

            #[no_mangle]
            extern "C" fn adp_flush() -> i32 {
                $crate::export::flush()
            }
        }
    };
}
