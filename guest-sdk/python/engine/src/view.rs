//! Numbers of a column that lie in the host's buffers: what memoryview looks at.

use rustpython_vm::builtins::PyMemoryView;
use rustpython_vm::protocol::{BufferDescriptor, BufferMethods, PyBuffer};
use rustpython_vm::class::PyClassImpl;
use rustpython_vm::types::AsBuffer;
use rustpython_vm::{AsObject, Py, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine, pyclass};
use std::borrow::Cow;
use std::cell::RefCell;

thread_local! {
    // The views of batches that are there. A script may keep what it was given longer than its batch.
    static LENT: RefCell<Vec<PyRef<View>>> = const { RefCell::new(Vec::new()) };
}

/// The buffer of a column, the host's own until the batch goes, a copy from then on.
#[pyclass(name = "View", module = "_adp")]
#[derive(Debug, PyPayload)]
pub struct View {
    bytes: RefCell<Cow<'static, [u8]>>,
    width: usize,
    format: &'static str,
}

#[pyclass(with(AsBuffer), flags(DISALLOW_INSTANTIATION))]
impl View {}

static METHODS: BufferMethods = BufferMethods {
    obj_bytes: |buffer| {
        let view = buffer.obj_as::<View>();
        // The bytes stay until the view is dropped: a loan ends by a copy at another place.
        let bytes: &[u8] = unsafe { &*(&raw const **view.bytes.borrow()) };
        bytes.into()
    },
    obj_bytes_mut: |_| unreachable!("a view is read only"),
    release: |_| {},
    retain: |_| {},
};

impl AsBuffer for View {
    fn as_buffer(zelf: &Py<Self>, _: &VirtualMachine) -> PyResult<PyBuffer> {
        let len = zelf.bytes.borrow().len();
        let format = Cow::Borrowed(zelf.format);
        let desc = BufferDescriptor::format(len, true, zelf.width, format);
        Ok(PyBuffer::new(zelf.to_owned().into(), desc, &METHODS))
    }
}

/// Makes the type, before there is any of it.
pub fn prepare() {
    let _ = View::make_static_type();
}

/// A memoryview of values that live as long as their batch.
pub fn of<T: Copy>(values: &[T], format: &'static str, vm: &VirtualMachine) -> PyResult<PyObjectRef> {
    let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
    let view = View { bytes: RefCell::new(Cow::Borrowed(bytes)), width: size_of::<T>(), format }.into_ref(&vm.ctx);
    LENT.with_borrow_mut(|l| l.push(view.clone()));
    Ok(PyMemoryView::from_object(view.as_object(), vm)?.into_ref(&vm.ctx).into())
}

/// The batch goes: what is still looked at is copied.
pub fn settle() {
    for view in LENT.take() {
        if view.as_object().strong_count() > 1 {
            let copy = view.bytes.borrow().clone().into_owned();
            *view.bytes.borrow_mut() = Cow::Owned(copy);
        }
    }
}
