//! A product's memory from run to run.

use crate::run::{fail, refused};
use crate::types::Status;
use crate::{abi, memory, system};
use std::marker::PhantomData;

/// State: keys of 1 to 1,024 bytes, values of up to 16 MiB. It is committed with the outputs of the run, or not at all.
#[derive(Clone, Copy)]
pub struct State(PhantomData<*const ()>);

impl State {
    pub(crate) fn new() -> State {
        State(PhantomData)
    }

    /// The value of a key.
    pub fn get(self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let key = key.as_ref();
        match system::fill(|buf| system::state_get(key, buf)) {
            Ok(v) => Some(v),
            Err(Status(abi::NOT_FOUND)) => None,
            Err(s) => {
                fail(format!("state get {}: {s}", name(key)));
                None
            }
        }
    }

    /// Sets the value of a key.
    pub fn put(self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let key = key.as_ref();
        refused(system::state_put(key, value.as_ref()), || format!("state put {}", name(key)));
    }

    /// Removes a key; it is no mistake when there is none.
    pub fn delete(self, key: impl AsRef<[u8]>) {
        let key = key.as_ref();
        match system::state_delete(key) {
            abi::NOT_FOUND => {}
            s => refused(s, || format!("state delete {}", name(key))),
        }
    }

    /// The value of a key as a T. A value that is not one fails the run.
    pub fn load<T: Stored>(self, key: impl AsRef<[u8]>) -> Option<T> {
        let bytes = self.get(&key)?;
        let value = T::decode(&bytes);
        if value.is_none() {
            fail(format!("state {} is not a {}", name(key.as_ref()), std::any::type_name::<T>()));
        }
        value
    }

    /// Sets the value of a key to a T.
    pub fn store<T: Stored>(self, key: impl AsRef<[u8]>, value: &T) {
        self.put(key, value.encode());
    }

    /// Adds to the number under a key, which is 0 when there is none, and returns the sum.
    pub fn add(self, key: impl AsRef<[u8]>, delta: i64) -> i64 {
        let sum = self.load::<i64>(&key).unwrap_or(0).wrapping_add(delta);
        self.store(&key, &sum);
        sum
    }

    /// The keys with a prefix and their values, in the order of their bytes. The state may change meanwhile: keys before the
    /// current one do not come back.
    pub fn scan(self, prefix: impl AsRef<[u8]>) -> Scan {
        Scan { prefix: prefix.as_ref().to_vec(), after: Vec::new(), page: vec![0; 32 << 10], at: 0, end: 0 }
    }
}

fn name(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

/// Keys and values in order.
pub struct Scan {
    prefix: Vec<u8>,
    after: Vec<u8>,
    page: Vec<u8>,
    at: usize,
    end: usize,
}

impl Scan {
    /// Asks for the entries after the last one; false: there are none.
    fn next_page(&mut self) -> bool {
        loop {
            match system::state_scan(&self.prefix, &self.after, &mut self.page) {
                n if n < 0 => {
                    fail(format!("state scan {}: {}", name(&self.prefix), Status(-n as i32)));
                    return false;
                }
                n if n as usize > self.page.len() => self.page = vec![0; n as usize],
                n => {
                    (self.at, self.end) = (0, n as usize);
                    return n > 0;
                }
            }
        }
    }
}

impl Iterator for Scan {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.end && !self.next_page() {
            return None;
        }
        let entry = &self.page[self.at..self.end];
        let k = memory::u32_at(entry, abi::SCAN_KEY_LEN) as usize;
        let v = memory::u32_at(entry, abi::SCAN_VALUE_LEN) as usize;
        let (key, rest) = entry[abi::SCAN_HEADER..].split_at(k);
        let value = rest[..v].to_vec();
        self.after = key.to_vec();
        self.at += abi::SCAN_HEADER + k + v;
        Some((self.after.clone(), value))
    }
}

/// A type that state can hold. Numbers are little endian, so that other languages read them too.
pub trait Stored: Sized {
    fn encode(&self) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Option<Self>;
}

macro_rules! number {
    ($($type:ty)*) => {$(
        impl Stored for $type {
            fn encode(&self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_le_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}

number! { i32 i64 u32 u64 f64 i128 }

impl Stored for String {
    fn encode(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}

/// Several values one after another, each behind its length (u32).
macro_rules! tuple {
    ($($name:ident $i:tt),*) => {
        impl<$($name: Stored),*> Stored for ($($name,)*) {
            fn encode(&self) -> Vec<u8> {
                let mut out = Vec::new();
                $({
                    let b = self.$i.encode();
                    out.extend((b.len() as u32).to_le_bytes());
                    out.extend(b);
                })*
                out
            }

            fn decode(mut bytes: &[u8]) -> Option<Self> {
                let value = ($(part::<$name>(&mut bytes)?,)*);
                bytes.is_empty().then_some(value)
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);

fn part<T: Stored>(bytes: &mut &[u8]) -> Option<T> {
    let (n, rest) = bytes.split_first_chunk::<4>()?;
    let n = u32::from_le_bytes(*n) as usize;
    let value = T::decode(rest.get(..n)?)?;
    *bytes = &rest[n..];
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored() {
        let v = (-7i64, "grüß".to_string(), (1.5f64, 2u32));
        assert_eq!(<(i64, String, (f64, u32))>::decode(&v.encode()), Some(v));
        assert_eq!(i64::decode(&[1]), None);
        assert_eq!(<(i64, i64)>::decode(&[9, 0, 0, 0, 1]), None);
        assert_eq!(String::decode(&[0xff]), None);
    }
}
