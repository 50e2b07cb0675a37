//! Responses to outgoing requests, and the requests that wait for one.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::DynPollable;

use super::bindings::wasi::http::types::{
    ErrorCode, HostFutureIncomingResponse, HostIncomingResponse,
};
use super::resources::{Fields, FutureResponse, IncomingBody, IncomingResponse};
use crate::host_api::wasi::WaitingView;

impl HostIncomingResponse for WaitingView<'_> {
    fn status(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<u16> {
        Ok(self.table.get(&response)?.status.as_u16())
    }

    fn headers(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> wasmtime::Result<Resource<Fields>> {
        let headers = self.table.get(&response)?.headers.copy(true, self.account())?;
        Ok(self.table.push(headers)?)
    }

    fn consume(
        &mut self,
        response: Resource<IncomingResponse>,
    ) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        let Some(body) = self.table.get_mut(&response)?.body.take() else { return Ok(Err(())) };
        Ok(Ok(self.table.push(body)?))
    }

    fn drop(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<()> {
        self.table.delete(response)?;
        Ok(())
    }
}

impl HostFutureIncomingResponse for WaitingView<'_> {
    fn subscribe(
        &mut self,
        fetch: Resource<FutureResponse>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        wasmtime_wasi_io::poll::subscribe(self.table, fetch)
    }

    fn get(
        &mut self,
        fetch: Resource<FutureResponse>,
    ) -> wasmtime::Result<Option<Result<Result<Resource<IncomingResponse>, ErrorCode>, ()>>> {
        let Some(result) = self.table.get_mut(&fetch)?.0.take() else { return Ok(None) };
        Ok(Some(match result {
            None => Err(()),
            Some(Err(error)) => Ok(Err(error)),
            Some(Ok(response)) => Ok(Ok(self.table.push(response)?)),
        }))
    }

    fn drop(&mut self, fetch: Resource<FutureResponse>) -> wasmtime::Result<()> {
        self.table.delete(fetch)?;
        Ok(())
    }
}
