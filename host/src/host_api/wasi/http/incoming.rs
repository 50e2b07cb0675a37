//! Incoming requests. The body is read completely before the handler is called.

use bytes::Bytes;
use sandloop_http::{Headers, Method, RequestHead};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynPollable};

use super::bindings::wasi::http::types::{
    self, ErrorCode, HostFutureTrailers, HostIncomingBody, HostIncomingRequest, Scheme,
};
use super::body_stream::{AlwaysReady, WholeBody};
use super::resources::{Fields, FutureTrailers, IncomingBody, IncomingRequest};
use crate::host_api::wasi::WaitingView;
use crate::quota::budget::{ByteBudget, Reservation};

impl IncomingBody {
    /// A complete body, with the reservation of its bytes.
    pub(super) fn new(bytes: Vec<u8>, kept: Reservation, trailers: Headers) -> IncomingBody {
        IncomingBody { bytes: Some(WholeBody::new(Bytes::from(bytes), kept)), trailers }
    }
}

impl IncomingRequest {
    /// A request for a handler.
    pub(super) fn new(
        head: RequestHead,
        is_secure: bool,
        body: IncomingBody,
        memory: &ByteBudget,
    ) -> wasmtime::Result<IncomingRequest> {
        let headers = Fields::received(&head.headers, memory)?;
        Ok(IncomingRequest { head, is_secure, headers, body: Some(body) })
    }
}

impl HostIncomingRequest for WaitingView<'_> {
    fn method(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<types::Method> {
        Ok(method(&self.table.get(&request)?.head.method))
    }

    fn path_with_query(
        &mut self,
        request: Resource<IncomingRequest>,
    ) -> wasmtime::Result<Option<String>> {
        let target = &self.table.get(&request)?.head.target;
        let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(Some(format!("{}{query}", target.path())))
    }

    fn scheme(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Option<Scheme>> {
        let is_secure = self.table.get(&request)?.is_secure;
        Ok(Some(if is_secure { Scheme::Https } else { Scheme::Http }))
    }

    fn authority(
        &mut self,
        request: Resource<IncomingRequest>,
    ) -> wasmtime::Result<Option<String>> {
        let host = self.table.get(&request)?.head.host();
        Ok((!host.is_empty()).then(|| host.to_owned()))
    }

    fn headers(
        &mut self,
        request: Resource<IncomingRequest>,
    ) -> wasmtime::Result<Resource<Fields>> {
        let headers = self.table.get(&request)?.headers.copy(true, self.account())?;
        Ok(self.table.push(headers)?)
    }

    fn consume(
        &mut self,
        request: Resource<IncomingRequest>,
    ) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        let Some(body) = self.table.get_mut(&request)?.body.take() else { return Ok(Err(())) };
        Ok(Ok(self.table.push(body)?))
    }

    fn drop(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

fn method(method: &Method) -> types::Method {
    match *method {
        Method::GET => types::Method::Get,
        Method::HEAD => types::Method::Head,
        Method::POST => types::Method::Post,
        Method::PUT => types::Method::Put,
        Method::DELETE => types::Method::Delete,
        Method::CONNECT => types::Method::Connect,
        Method::OPTIONS => types::Method::Options,
        Method::TRACE => types::Method::Trace,
        Method::PATCH => types::Method::Patch,
        ref other => types::Method::Other(other.as_str().to_owned()),
    }
}

impl HostIncomingBody for WaitingView<'_> {
    fn stream(
        &mut self,
        body: Resource<IncomingBody>,
    ) -> wasmtime::Result<Result<Resource<DynInputStream>, ()>> {
        let Some(bytes) = self.table.get_mut(&body)?.bytes.take() else { return Ok(Err(())) };
        let stream: DynInputStream = Box::new(bytes);
        Ok(Ok(self.table.push(stream)?))
    }

    fn finish(
        &mut self,
        body: Resource<IncomingBody>,
    ) -> wasmtime::Result<Resource<FutureTrailers>> {
        let IncomingBody { trailers, .. } = self.table.delete(body)?;
        Ok(self.table.push(FutureTrailers(Some(trailers)))?)
    }

    fn drop(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<()> {
        self.table.delete(body)?;
        Ok(())
    }
}

impl HostFutureTrailers for WaitingView<'_> {
    fn subscribe(
        &mut self,
        _: Resource<FutureTrailers>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let at_hand = self.table.push(AlwaysReady)?;
        wasmtime_wasi_io::poll::subscribe(self.table, at_hand)
    }

    fn get(
        &mut self,
        trailers: Resource<FutureTrailers>,
    ) -> wasmtime::Result<Option<Result<Result<Option<Resource<Fields>>, ErrorCode>, ()>>> {
        let Some(trailers) = self.table.get_mut(&trailers)?.0.take() else {
            return Ok(Some(Err(())));
        };
        if trailers.is_empty() {
            return Ok(Some(Ok(Ok(None))));
        }
        let fields = Fields::received(&trailers, self.account())?;
        Ok(Some(Ok(Ok(Some(self.table.push(fields)?)))))
    }

    fn drop(&mut self, trailers: Resource<FutureTrailers>) -> wasmtime::Result<()> {
        self.table.delete(trailers)?;
        Ok(())
    }
}
