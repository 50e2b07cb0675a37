//! Responses, and the bodies of what goes out.

use sandloop_http::{Headers, StatusCode};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynOutputStream;

use super::answer::{Body, BodyFault, Head, no_memory};
use super::bindings::wasi::http::types::{
    ErrorCode, HostOutgoingBody, HostOutgoingResponse, HostResponseOutparam,
};
use super::body_stream::BodyStream;
use super::resources::{AnswerState, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use crate::host_api::wasi::WaitingView;

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
        self.table.delete(body)?.body.abandon();
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
