//! Outgoing requests: what a guest makes of them, and what may be sent.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sandloop_http::Target as Path;
use wasmtime::component::Resource;

use super::answer::{Body, no_memory};
use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types::{
    ErrorCode, HostOutgoingRequest, HostRequestOptions, Method, Scheme,
};
use super::fetch::{Fetch, FetchHead, FetchHost, FetchStage, deny};
use super::resources::{Fields, FutureResponse, OutgoingBody, OutgoingRequest, RequestOptions};
use crate::base::host_port::split_host_port;
use crate::config::bound::Limit;
use crate::config::limits;
use crate::contract::bindings::{Address, Endpoint};
use crate::host_api::wasi::WaitingView;
use crate::log::text::GuestText;
use crate::net::network::Network;
use crate::net::outbound::Target;
use crate::plugin::denial::{Denial, Grant};
use crate::quota::host_memory::{Admission, CONNECTION_BYTES, TLS_BYTES};

/// The TLS profile of requests; without it the authorities of the system are believed.
const PROFILE: &str = "https";
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

impl outgoing_handler::Host for WaitingView<'_> {
    fn handle(
        &mut self,
        request: Resource<OutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> wasmtime::Result<Result<Resource<FutureResponse>, ErrorCode>> {
        let request = self.table.delete(request)?;
        let options = options.map(|options| self.table.delete(options)).transpose()?;
        match self.fetch(request, options.unwrap_or_default()) {
            Ok(fetch) => Ok(Ok(self.table.push(FutureResponse(Box::new(fetch)))?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl WaitingView<'_> {
    /// A request on its way, if its target is granted and there is room for it.
    fn fetch(&self, request: OutgoingRequest, times: RequestOptions) -> Result<Fetch, ErrorCode> {
        if !self.plugin.serves_http || matches!(self.host.network, Network::Scripted(_)) {
            return Err(self.refuse(&request));
        }
        let has_tls = match request.scheme {
            None | Some(Scheme::Https) => true,
            Some(Scheme::Http) => false,
            Some(Scheme::Other(_)) => return Err(ErrorCode::HttpRequestUriInvalid),
        };
        let authority = request.authority.ok_or(ErrorCode::HttpRequestUriInvalid)?;
        let target = target_of(&authority, if has_tls { HTTPS_PORT } else { HTTP_PORT });
        let target = target.ok_or(ErrorCode::HttpRequestUriInvalid)?;
        if let Err(refusal) = target.check(&self.plugin.config.allow, &self.host.own_listeners)
            && !deny(self.plugin, self.clock.now(), &target, &refusal)
        {
            return Err(ErrorCode::HttpRequestDenied);
        }
        let head = head(&request.method, request.path.as_deref(), authority, &request.headers)?;
        let tls = if has_tls { Some(self.client_of(&target)?) } else { None };
        let lookup = match target.immediate() {
            Some(_) => None,
            None => {
                let permit = self.plugin.usage.lookups.try_acquire();
                Some(permit.ok_or_else(|| self.at_limit(&limits::LOOKUPS))?)
            }
        };
        let admission = self.admission(has_tls)?;
        let host = FetchHost {
            plugin: self.plugin.clone(),
            shared: self.host.clone(),
            clock: self.clock.clone(),
            alarm: self.call.alarm.clone(),
        };
        let (body, stage) = (request.body, FetchStage::Body);
        let pause = Duration::ZERO;
        Ok(Fetch {
            host,
            target,
            tls,
            head,
            _fields: request.headers,
            body,
            times,
            lookup,
            _admission: admission,
            stage,
            pause,
        })
    }

    /// A plugin of the contract has `connect`, and a transcript has no server that could answer within a call.
    fn refuse(&self, request: &OutgoingRequest) -> ErrorCode {
        let cause = match self.plugin.serves_http {
            true => "nobody can answer a request in a transcript",
            false => {
                "only a component that serves wasi:http makes requests by it: a plugin has connect"
            }
        };
        let denial = Denial {
            call: "wasi:http.outgoing-handler",
            target: request.authority.as_deref().map(GuestText::name),
            cause: Some(cause.to_owned()),
            grant: Grant::Nothing,
            subject: None,
        };
        self.plugin.deny(self.clock.now(), &denial);
        ErrorCode::HttpRequestDenied
    }

    /// How to begin TLS with a target, and whom its certificate has to name.
    fn client_of(
        &self,
        target: &Target,
    ) -> Result<(Arc<ClientConfig>, ServerName<'static>), ErrorCode> {
        let Target::Tcp { host, .. } = target else {
            return Err(ErrorCode::HttpRequestUriInvalid);
        };
        let profiles = &self.plugin.profiles;
        let config = profiles.client(Some(PROFILE), false);
        let config = config.or_else(|_| profiles.client(None, false));
        let name = ServerName::try_from(host.clone());
        Ok((
            config.map_err(|_| ErrorCode::TlsProtocolError)?,
            name.map_err(|_| ErrorCode::HttpRequestUriInvalid)?,
        ))
    }

    /// One more outgoing connection, with its descriptor and its memory.
    fn admission(&self, has_tls: bool) -> Result<Admission, ErrorCode> {
        let tenant = &self.plugin.tenant;
        let permit = self.plugin.usage.outgoing.try_acquire();
        let permit = permit.ok_or_else(|| self.at_limit(&limits::OUTGOING))?;
        let bytes = CONNECTION_BYTES + if has_tls { TLS_BYTES } else { 0 };
        let admission = Admission::of(permit, &tenant.host_memory, bytes);
        let admission = admission.ok_or_else(|| self.at_limit(&limits::HOST_MEMORY))?;
        let descriptor = self.host.descriptors.acquire(tenant.index);
        let descriptor = descriptor.ok_or_else(|| self.at_limit(Limit::FileDescriptors))?;
        Ok(admission.with_descriptor(descriptor))
    }

    fn at_limit(&self, limit: impl Into<Limit>) -> ErrorCode {
        self.plugin.at_limit(self.clock.now(), limit, || None);
        ErrorCode::ConnectionLimitReached
    }
}

/// `host`, `host:port`, `[address]:port`.
fn target_of(authority: &str, default: u16) -> Option<Target> {
    let (host, port) = split_host_port(authority);
    let port = port.map_or(Ok(default), str::parse).ok()?;
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-._~[]:".contains(character);
    if !host.chars().all(is_plain) {
        return None;
    }
    Target::try_from(Address::Tcp(Endpoint { host: host.to_owned(), port })).ok()
}

fn head(
    method: &Method,
    path: Option<&str>,
    authority: String,
    headers: &Fields,
) -> Result<FetchHead, ErrorCode> {
    let method = codec_method(method).ok_or(ErrorCode::HttpRequestMethodInvalid)?;
    let path = match path {
        None | Some("") => "/".to_owned(),
        Some(path) if path.starts_with('/') || path == "*" => path.to_owned(),
        Some(query) => format!("/{query}"),
    };
    let path = Path::parse(&method, &path).ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let (headers, length) = headers.split();
    Ok(FetchHead { method, path, authority, headers, length })
}

/// The codec's method; none where it is no token, and for `CONNECT`, behind which there is no HTTP.
fn codec_method(method: &Method) -> Option<sandloop_http::Method> {
    let name = match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Connect => return None,
        Method::Other(name) => name.as_str(),
    };
    let method = sandloop_http::Method::from_bytes(name.as_bytes()).ok()?;
    (method != sandloop_http::Method::CONNECT).then_some(method)
}

fn nanoseconds(time: Option<Duration>) -> Option<u64> {
    time.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
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
            body: None,
        };
        Ok(self.table.push(request)?)
    }

    fn body(
        &mut self,
        request: Resource<OutgoingRequest>,
    ) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        let request = self.table.get_mut(&request)?;
        if request.body.is_some() {
            return Ok(Err(()));
        }
        let memory = &self.plugin.tenant.host_memory;
        let body = Body::of_request(memory, self.plugin.config.limits.http_body);
        let body = body.ok_or_else(no_memory)?;
        request.body = Some(body.clone());
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
        self.change(&request, |request| request.method = method, 0)
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
        self.change(&request, |request| request.path = path, length)
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
        self.change(&request, |request| request.scheme = scheme, length)
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
        self.change(&request, |request| request.authority = authority, length)
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
    /// Changes a part of a request, unless it would be longer than [`PART_MAX`].
    fn change(
        &mut self,
        request: &Resource<OutgoingRequest>,
        change: impl FnOnce(&mut OutgoingRequest),
        length: usize,
    ) -> wasmtime::Result<Result<(), ()>> {
        if PART_MAX < length {
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
        Ok(nanoseconds(self.table.get(&options)?.connect))
    }

    fn set_connect_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        time: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table.get_mut(&options)?.connect = time.map(Duration::from_nanos);
        Ok(Ok(()))
    }

    fn first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
    ) -> wasmtime::Result<Option<u64>> {
        Ok(nanoseconds(self.table.get(&options)?.first_byte))
    }

    fn set_first_byte_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        time: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table.get_mut(&options)?.first_byte = time.map(Duration::from_nanos);
        Ok(Ok(()))
    }

    fn between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
    ) -> wasmtime::Result<Option<u64>> {
        Ok(nanoseconds(self.table.get(&options)?.between_bytes))
    }

    fn set_between_bytes_timeout(
        &mut self,
        options: Resource<RequestOptions>,
        time: Option<u64>,
    ) -> wasmtime::Result<Result<(), ()>> {
        self.table.get_mut(&options)?.between_bytes = time.map(Duration::from_nanos);
        Ok(Ok(()))
    }

    fn drop(&mut self, options: Resource<RequestOptions>) -> wasmtime::Result<()> {
        self.table.delete(options)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_an_authority_names() {
        for (authority, expected) in [
            ("a.example", Some("a.example:80")),
            ("a.example:8080", Some("a.example:8080")),
            ("127.0.0.1", Some("127.0.0.1:80")),
            ("[::1]", Some("[::1]:80")),
            ("[::1]:8080", Some("[::1]:8080")),
            ("", None),
            (":80", None),
            ("a.example:", None),
            ("a.example:0", None),
            ("a.example:70000", None),
            ("user@a.example", None),
            ("a.example/path", None),
            ("a example", None),
        ] {
            let target = target_of(authority, HTTP_PORT).map(|target| target.to_string());
            assert_eq!(target.as_deref(), expected, "{authority}");
        }
    }

    #[test]
    fn what_is_a_method() {
        let other = |name: &str| codec_method(&Method::Other(name.to_owned()));
        assert_eq!(codec_method(&Method::Patch), Some(sandloop_http::Method::PATCH));
        assert_eq!(other("PURGE").map(|method| method.to_string()).as_deref(), Some("PURGE"));
        for bad in ["", "A B", "A\r\nB", "CONNECT"] {
            assert_eq!(other(bad), None, "{bad}");
        }
    }
}
