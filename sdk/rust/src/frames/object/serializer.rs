//! How objects become bytes, and bytes objects.

use std::convert::Infallible;

use serde::{Serialize, de::DeserializeOwned};

/// Writes objects. A plugin may bring its own serializer, for one type or for many.
pub trait Dump<T: ?Sized> {
    /// The bytes of an object.
    ///
    /// # Errors
    /// It cannot be written.
    fn dump(object: &T) -> crate::Result<Vec<u8>>;
}

/// Reads objects.
pub trait Load<T> {
    /// The object of these bytes, which a peer has sent: anything may be in them.
    ///
    /// # Errors
    /// They are none.
    fn load(bytes: Vec<u8>) -> crate::Result<T>;
}

/// JSON, which every language reads: any type of serde's. Nested deeper than 128 levels it is refused.
#[derive(Debug)]
pub struct Json(Infallible);

impl<T: Serialize + ?Sized> Dump<T> for Json {
    fn dump(object: &T) -> crate::Result<Vec<u8>> {
        Ok(serde_json::to_vec(object)?)
    }
}

impl<T: DeserializeOwned> Load<T> for Json {
    fn load(bytes: Vec<u8>) -> crate::Result<T> {
        Ok(serde_json::from_slice(&bytes)?)
    }
}

/// Postcard, which is short and fast, for two sides that have the same types: any type of serde's that does not ask what
/// comes. It bounds no depth: a type that contains itself is better written as JSON.
#[derive(Debug)]
pub struct Postcard(Infallible);

impl<T: Serialize + ?Sized> Dump<T> for Postcard {
    fn dump(object: &T) -> crate::Result<Vec<u8>> {
        Ok(postcard::to_stdvec(object)?)
    }
}

impl<T: DeserializeOwned> Load<T> for Postcard {
    fn load(bytes: Vec<u8>) -> crate::Result<T> {
        let (object, rest) = postcard::take_from_bytes(&bytes)?;
        if rest.is_empty() { Ok(object) } else { Err("bytes follow the object".into()) }
    }
}

/// The bytes themselves.
#[derive(Debug)]
pub struct Bytes(Infallible);

impl<T: AsRef<[u8]> + ?Sized> Dump<T> for Bytes {
    fn dump(object: &T) -> crate::Result<Vec<u8>> {
        Ok(object.as_ref().to_vec())
    }
}

impl Load<Vec<u8>> for Bytes {
    fn load(bytes: Vec<u8>) -> crate::Result<Vec<u8>> {
        Ok(bytes)
    }
}
