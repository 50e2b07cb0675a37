//! Responses, and outgoing requests, which are never sent.

use sandloop_http::{Headers, StatusCode};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynOutputStream, DynPollable};

use super::answer::{Body, BodyFault, Head, no_memory};
use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types::{
    ErrorCode, HostFutureIncomingResponse, HostIncomingResponse, HostOutgoingBody,
    HostOutgoingRequest, HostOutgoingResponse, HostRequestOptions, HostResponseOutparam, Method,
    Scheme,
};
use super::body_stream::BodyStream;
use super::resources::{
    AnswerState, Fields, IncomingBody, NoResponse, OutgoingBody, OutgoingRequest, OutgoingResponse,
    RequestOptions, ResponseOutparam,
};
use crate::host_api::wasi::WaitingView;
use crate::log::text::GuestText;
use crate::plugin::denial::{Denial, Grant};

impl HostResponseOutparam for WaitingView<'_> {
    /// Not linked before the interface is stable, so no component can call it.
    fn send_informational(
        &mut self,
        _: Resource<ResponseOutparam>,
        _: u16,
        _: Resource<Fields>,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        Ok(Err(ErrorCode::HttpProtocolError))
    }

    fn set(
        &mut self,
        param: Resource<ResponseOutparam>,
        response: Result<Resource<OutgoingResponse>, ErrorCode>,
    ) -> wasmtime::Result<()> {
        let ResponseOutparam(answer) = self.table.delete(param)?;
        let response = response.map(|response| self.table.delete(response));
        let mut answer = answer.lock();
        let OutgoingResponse { status, headers, body, is_body_taken } = match response {
            Err(error) => {
                *answer = AnswerState::Failed(error);
                return Ok(());
            }
            Ok(response) => response?,
        };
        if let AnswerState::Open(peer, exchange) = &*answer {
            if !is_body_taken {
                // The response has no body.
                let _ = body.finish(Headers::new());
            }
            let (headers, length) = headers.split();
            body.attach(peer.clone(), *exchange, Head { status, headers, length });
            *answer = AnswerState::Set(body);
        }
        Ok(())
    }

    fn drop(&mut self, param: Resource<ResponseOutparam>) -> wasmtime::Result<()> {
        self.table.delete(param)?;
        Ok(())
    }
}

impl HostOutgoingResponse for WaitingView<'_> {
    fn new(&mut self, headers: Resource<Fields>) -> wasmtime::Result<Resource<OutgoingResponse>> {
        let headers = self.table.delete(headers)?.frozen();
        let body = Body::early(self.account()).ok_or_else(no_memory)?;
        let status = StatusCode::OK;
        Ok(self.table.push(OutgoingResponse { status, headers, body, is_body_taken: false })?)
    }

    fn status_code(&mut self, response: Resource<OutgoingResponse>) -> wasmtime::Result<u16> {
        Ok(self.table.get(&response)?.status.as_u16())
    }

    fn set_status_code(
        &mut self,
        response: Resource<OutgoingResponse>,
        code: u16,
    ) -> wasmtime::Result<Result<(), ()>> {
        // An informational status would need a second response, for which the interface has no way.
        let status = StatusCode::from_u16(code).ok().filter(|status| !status.is_informational());
        let Some(status) = status else { return Ok(Err(())) };
        self.table.get_mut(&response)?.status = status;
        Ok(Ok(()))
    }

    fn headers(
        &mut self,
        response: Resource<OutgoingResponse>,
    ) -> wasmtime::Result<Resource<Fields>> {
        let headers = self.table.get(&response)?.headers.copy(true, self.account())?;
        Ok(self.table.push(headers)?)
    }

    fn body(
        &mut self,
        response: Resource<OutgoingResponse>,
    ) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        let response = self.table.get_mut(&response)?;
        if std::mem::replace(&mut response.is_body_taken, true) {
            return Ok(Err(()));
        }
        let body = response.body.clone();
        Ok(Ok(self.table.push(OutgoingBody { body, is_stream_taken: false })?))
    }

    fn drop(&mut self, response: Resource<OutgoingResponse>) -> wasmtime::Result<()> {
        self.table.delete(response)?;
        Ok(())
    }
}

impl HostOutgoingBody for WaitingView<'_> {
    fn write(
        &mut self,
        body: Resource<OutgoingBody>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let taken = self.table.get_mut(&body)?;
        if std::mem::replace(&mut taken.is_stream_taken, true) {
            return Ok(Err(()));
        }
        let stream: DynOutputStream = Box::new(BodyStream(taken.body.clone()));
        // An interpreter drops its resources in any order, so each holds what it needs.
        Ok(Ok(self.table.push(stream)?))
    }

    fn finish(
        &mut self,
        body: Resource<OutgoingBody>,
        trailers: Option<Resource<Fields>>,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        let OutgoingBody { body, .. } = self.table.delete(body)?;
        let trailers = trailers.map(|trailers| self.table.delete(trailers)).transpose()?;
        let trailers = trailers.map(|trailers| trailers.split().0).unwrap_or_default();
        Ok(body.finish(trailers).map_err(ErrorCode::from))
    }

    fn drop(&mut self, body: Resource<OutgoingBody>) -> wasmtime::Result<()> {
        self.table.delete(body)?;
        Ok(())
    }
}

impl From<BodyFault> for ErrorCode {
    fn from(fault: BodyFault) -> ErrorCode {
        match fault {
            BodyFault::Length => ErrorCode::HttpResponseBodySize(None),
            BodyFault::Peer => ErrorCode::ConnectionTerminated,
            BodyFault::Head(words) => ErrorCode::InternalError(Some(words)),
        }
    }
}

impl outgoing_handler::Host for WaitingView<'_> {
    fn handle(
        &mut self,
        request: Resource<OutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> wasmtime::Result<Result<Resource<NoResponse>, ErrorCode>> {
        let request = self.table.delete(request)?;
        if let Some(options) = options {
            self.table.delete(options)?;
        }
        let target = request.authority.as_deref().map(GuestText::name);
        let denial = Denial {
            call: "wasi:http.outgoing-handler",
            target,
            cause: Some("this host makes no requests for components of wasi:http".to_owned()),
            grant: Grant::Nothing,
            subject: None,
        };
        self.plugin.deny(self.clock.now(), &denial);
        Ok(Err(ErrorCode::HttpRequestDenied))
    }
}

impl HostOutgoingRequest for WaitingView<'_> {
    fn new(&mut self, headers: Resource<Fields>) -> wasmtime::Result<Resource<OutgoingRequest>> {
        let headers = self.table.delete(headers)?.frozen();
        let request = OutgoingRequest {
            method: Method::Get,
            path: None,
            scheme: None,
            authority: None,
            headers,
            is_body_taken: false,
        };
        Ok(self.table.push(request)?)
    }

    fn body(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        let request = self.table.get_mut(&request)?;
        if std::mem::replace(&mut request.is_body_taken, true) {
            return Ok(Err(()));
        }
        let body = Body::nowhere();
        Ok(Ok(self.table.push(OutgoingBody { body, is_stream_taken: false })?))
    }

    fn method(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Method> {
        Ok(self.table.get(&request)?.method.clone())
    }

    fn set_method(
        &mut self,
        request: Resource<OutgoingRequest>,
        method: Method,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.change(&request, |request| request.method = method, [])
    }

    fn path_with_query(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&request)?.path.clone())
    }

    fn set_path_with_query(
        &mut self,
        request: Resource<OutgoingRequest>,
        path: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        let length = path.as_ref().map_or(0, String::len);
        self.change(&request, |request| request.path = path, [length])
    }

    fn scheme(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<Option<Scheme>> {
        Ok(self.table.get(&request)?.scheme.clone())
    }

    fn set_scheme(
        &mut self,
        request: Resource<OutgoingRequest>,
        scheme: Option<Scheme>,
    ) -> wasmtime::Result<Result<(), ()>> {
        let length = match &scheme {
            Some(Scheme::Other(other)) => other.len(),
            _ => 0,
        };
        self.change(&request, |request| request.scheme = scheme, [length])
    }

    fn authority(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&request)?.authority.clone())
    }

    fn set_authority(
        &mut self,
        request: Resource<OutgoingRequest>,
        authority: Option<String>,
    ) -> wasmtime::Result<Result<(), ()>> {
        let length = authority.as_ref().map_or(0, String::len);
        self.change(&request, |request| request.authority = authority, [length])
    }

    fn headers(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Resource<Fields>> {
        let headers = self.table.get(&request)?.headers.copy(true, self.account())?;
        Ok(self.table.push(headers)?)
    }

    fn drop(&mut self, request: Resource<OutgoingRequest>) -> wasmtime::Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

/// The most bytes of a path, an authority or a scheme; servers accept no more.
const PART_MAX: usize = 8 << 10;

impl WaitingView<'_> {
    /// Changes a request, unless a part of it would be longer than [`PART_MAX`].
    fn change<const PARTS: usize>(
        &mut self,
        request: &Resource<OutgoingRequest>,
        change: impl FnOnce(&mut OutgoingRequest),
        lengths: [usize; PARTS],
    ) -> wasmtime::Result<Result<(), ()>> {
        if lengths.iter().any(|length| PART_MAX < *length) {
            return Ok(Err(()));
        }
        change(self.table.get_mut(request)?);
        Ok(Ok(()))
    }
}

impl HostRequestOptions for WaitingView<'_> {
    fn new(&mut self) -> wasmtime::Result<Resource<RequestOptions>> {
        Ok(self.table.push(RequestOptions::default())?)
    }

    fn connect_timeout(
        &mut self,
        options: Resource<RequestOptions>,
    ) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&options)?.connect)
    }

    fn set_connect_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        time: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table.get_mut(&options)?.connect = time;
        Ok(Ok(()))
    }

    fn first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
    ) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&options)?.first_byte)
    }

    fn set_first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        time: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table.get_mut(&options)?.first_byte = time;
        Ok(Ok(()))
    }

    fn between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
    ) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&options)?.between_bytes)
    }

    fn set_between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        time: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table.get_mut(&options)?.between_bytes = time;
        Ok(Ok(()))
    }

    fn drop(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<()> {
        self.table.delete(options)?;
        Ok(())
    }
}

impl HostIncomingResponse for WaitingView<'_> {
    fn status(&mut self, response: Resource<NoResponse>) -> wasmtime::Result<u16> {
        match *self.table.get(&response)? {}
    }

    fn headers(&mut self, response: Resource<NoResponse>) -> wasmtime::Result<Resource<Fields>> {
        match *self.table.get(&response)? {}
    }

    fn consume(
        &mut self,
        response: Resource<NoResponse>,
    ) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        match *self.table.get(&response)? {}
    }

    fn drop(&mut self, response: Resource<NoResponse>) -> wasmtime::Result<()> {
        match self.table.delete(response)? {}
    }
}

impl HostFutureIncomingResponse for WaitingView<'_> {
    fn subscribe(
        &mut self,
        response: Resource<NoResponse>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        match *self.table.get(&response)? {}
    }

    fn get(
        &mut self,
        response: Resource<NoResponse>,
    ) -> wasmtime::Result<Option<Result<Result<Resource<NoResponse>, ErrorCode>, ()>>> {
        match *self.table.get(&response)? {}
    }

    fn drop(&mut self, response: Resource<NoResponse>) -> wasmtime::Result<()> {
        match self.table.delete(response)? {}
    }
}
