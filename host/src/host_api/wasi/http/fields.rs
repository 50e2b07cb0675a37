//! `fields`: headers and trailers of a guest, bounded and charged to its tenant.

use sandloop_http::Headers;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::IoError;

use super::bindings::wasi::http::types;
use super::bindings::wasi::http::types::{HeaderError, HostFields};
use super::resources::{Fields, FieldsMeter};
use crate::host_api::wasi::WaitingView;
use crate::quota::budget::ByteBudget;
use crate::quota::host_memory::ENTRY_BYTES;

/// Hop-by-hop headers: the host handles them, and guests never see them.
const FORBIDDEN: [&str; 9] = [
    "connection",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

impl Fields {
    /// Empty fields.
    fn new(memory: &ByteBudget) -> wasmtime::Result<Fields> {
        let counted = FieldsMeter::new(memory)?;
        Ok(Fields { entries: Vec::new(), is_immutable: false, counted })
    }

    /// The fields of an incoming message, without hop-by-hop headers.
    pub(super) fn received(headers: &Headers, memory: &ByteBudget) -> wasmtime::Result<Fields> {
        let mut fields = Fields::new(memory)?;
        for (name, value) in headers.iter().filter(|(name, _)| !is_forbidden(name)) {
            fields.push(name.to_ascii_lowercase(), value.to_vec())?;
        }
        fields.is_immutable = true;
        Ok(fields)
    }

    /// A copy, which is immutable if `is_immutable`.
    pub(super) fn copy(&self, is_immutable: bool, memory: &ByteBudget) -> wasmtime::Result<Fields> {
        let mut counted = FieldsMeter::new(memory)?;
        counted.grow(self.counted.bytes)?;
        Ok(Fields { entries: self.entries.clone(), is_immutable, counted })
    }

    /// Makes them immutable.
    pub(super) fn frozen(self) -> Fields {
        Fields { is_immutable: true, ..self }
    }

    /// The fields for the codec without `Content-Length`, and the length if it is valid.
    pub(super) fn split(&self) -> (Headers, Option<u64>) {
        let (mut headers, mut length) = (Headers::new(), None);
        for (name, value) in &self.entries {
            if name.eq_ignore_ascii_case("content-length") {
                length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            } else {
                // Each was validated when it was added.
                let _ = headers.append(name, value);
            }
        }
        (headers, length)
    }

    fn push(&mut self, name: String, value: Vec<u8>) -> wasmtime::Result<()> {
        self.counted.grow(price(&name, &value))?;
        self.entries.push((name, value));
        Ok(())
    }

    fn append(
        &mut self,
        name: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), HeaderError>> {
        if let Err(error) = self.check(&name, &value) {
            return Ok(Err(error));
        }
        self.push(name, value).map(Ok)
    }

    fn check(&self, name: &str, value: &[u8]) -> Result<(), HeaderError> {
        if self.is_immutable {
            return Err(HeaderError::Immutable);
        }
        if Headers::new().append(name, value).is_err() {
            return Err(HeaderError::InvalidSyntax);
        }
        if is_forbidden(name) { Err(HeaderError::Forbidden) } else { Ok(()) }
    }

    fn remove(&mut self, name: &str) {
        let mut gone = 0;
        self.entries.retain(|(known, value)| {
            let stays = !known.eq_ignore_ascii_case(name);
            gone += if stays { 0 } else { price(known, value) };
            stays
        });
        self.counted.shrink(gone);
    }

    fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Vec<u8>> {
        let is_it = |(known, _): &&(String, Vec<u8>)| known.eq_ignore_ascii_case(name);
        self.entries.iter().filter(is_it).map(|(_, value)| value)
    }
}

fn price(name: &str, value: &[u8]) -> u64 {
    ENTRY_BYTES.saturating_add(u64::try_from(name.len() + value.len()).unwrap_or(u64::MAX))
}

fn is_forbidden(name: &str) -> bool {
    FORBIDDEN.iter().any(|known| known.eq_ignore_ascii_case(name))
}

impl WaitingView<'_> {
    /// The budget of messages.
    pub(super) fn account(&self) -> &ByteBudget {
        &self.plugin.tenant.host_memory
    }
}

impl types::Host for WaitingView<'_> {
    fn http_error_code(
        &mut self,
        _: Resource<IoError>,
    ) -> wasmtime::Result<Option<types::ErrorCode>> {
        // A body stream fails only because its peer has gone, which the closed stream reports.
        Ok(None)
    }
}

impl HostFields for WaitingView<'_> {
    fn new(&mut self) -> wasmtime::Result<Resource<Fields>> {
        let fields = Fields::new(self.account())?;
        Ok(self.table.push(fields)?)
    }

    fn from_list(
        &mut self,
        entries: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<Resource<Fields>, HeaderError>> {
        let mut fields = Fields::new(self.account())?;
        for (name, value) in entries {
            if let Err(error) = fields.append(name, value)? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(self.table.push(fields)?))
    }

    fn get(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        Ok(self.table.get(&fields)?.of(&name).cloned().collect())
    }

    fn has(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<bool> {
        Ok(self.table.get(&fields)?.of(&name).next().is_some())
    }

    fn set(
        &mut self,
        fields: Resource<Fields>,
        name: String,
        values: Vec<Vec<u8>>,
    ) -> wasmtime::Result<Result<(), HeaderError>> {
        let fields = self.table.get_mut(&fields)?;
        // All of them or none.
        let none = [Vec::new()];
        let tried = if values.is_empty() { &none[..] } else { &values };
        if let Err(error) = tried.iter().try_for_each(|value| fields.check(&name, value)) {
            return Ok(Err(error));
        }
        fields.remove(&name);
        for value in values {
            fields.push(name.clone(), value)?;
        }
        Ok(Ok(()))
    }

    fn delete(
        &mut self,
        fields: Resource<Fields>,
        name: String,
    ) -> wasmtime::Result<Result<(), HeaderError>> {
        let fields = self.table.get_mut(&fields)?;
        let checked = fields.check(&name, b"");
        if checked.is_ok() {
            fields.remove(&name);
        }
        Ok(checked)
    }

    fn append(
        &mut self,
        fields: Resource<Fields>,
        name: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), HeaderError>> {
        self.table.get_mut(&fields)?.append(name, value)
    }

    fn entries(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        Ok(self.table.get(&fields)?.entries.clone())
    }

    fn clone(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Resource<Fields>> {
        let copy = self.table.get(&fields)?.copy(false, self.account())?;
        Ok(self.table.push(copy)?)
    }

    fn drop(&mut self, fields: Resource<Fields>) -> wasmtime::Result<()> {
        self.table.delete(fields)?;
        Ok(())
    }
}
