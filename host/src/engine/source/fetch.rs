//! Requests for components: limited in bytes, time and redirects, and unencrypted only on this machine.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use ureq::Agent;
use ureq::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::fault::SourceFault;
use crate::config::model::HostConfig;
use crate::config::registry::Registry;
use crate::log::text::GuestText;

/// The maximum number of redirects: registries need one, to the location of their layers.
const REDIRECTS_MAX: u32 = 5;
/// The maximum size of an answer's header.
const HEADER_BYTES_MAX: usize = 64 << 10;
const NOT_FOUND: u16 = 404;

/// Sends requests, as configured in `[host]`.
pub(super) struct Fetcher<'a> {
    registries: &'a [Registry],
    /// The maximum size of a component.
    pub(super) bytes_max: u64,
    time_max: Duration,
}

/// The answer of a server.
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    /// The authentication challenge of the server (`WWW-Authenticate`).
    pub(super) challenge: Option<String>,
    pub(super) bytes: Vec<u8>,
}

impl<'a> Fetcher<'a> {
    pub(super) fn of(host: &'a HostConfig) -> Fetcher<'a> {
        Fetcher {
            registries: &host.registries,
            bytes_max: host.limits.fetch_size,
            time_max: host.limits.fetch_time,
        }
    }

    /// The configured registry with this name and port.
    pub(super) fn registry(&self, host: &str) -> Option<&'a Registry> {
        self.registries.iter().find(|registry| registry.host.eq_ignore_ascii_case(host))
    }

    /// Fetches the component at this address.
    pub(super) fn component(&self, url: &str) -> Result<Vec<u8>, SourceFault> {
        let answer = self.get_with_login(url, self.bytes_max)?;
        answer.body(url)
    }

    /// Fetches the signature at this address; none if it does not exist.
    pub(super) fn signature(
        &self,
        url: &str,
        bytes_max: u64,
    ) -> Result<Option<Vec<u8>>, SourceFault> {
        let answer = self.get_with_login(url, bytes_max)?;
        if answer.status == NOT_FOUND { Ok(None) } else { answer.body(url).map(Some) }
    }

    fn get_with_login(&self, url: &str, bytes_max: u64) -> Result<HttpAnswer, SourceFault> {
        let login = self.registry(host_of(url)).and_then(|it| it.login.as_ref());
        self.get(url, &[], login.map(basic).as_deref(), bytes_max)
    }

    /// The answer for this address, with any status.
    pub(super) fn get(
        &self,
        url: &str,
        accepted: &[&str],
        authorization: Option<&str>,
        bytes_max: u64,
    ) -> Result<HttpAnswer, SourceFault> {
        let mut request = self.agent(url).get(url);
        for accepted in accepted {
            request = request.header("Accept", *accepted);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.call().map_err(|error| self.fault(&error))?;
        let status = response.status().as_u16();
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|it| it.to_str().ok()).map(str::to_owned);
        let too_large = || SourceFault::TooLarge(bytes_max);
        if response.body().content_length().is_some_and(|length| bytes_max < length) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        body.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| self.cut_short(&error))?;
        if bytes_max < bytes.len() as u64 {
            return Err(too_large());
        }
        Ok(HttpAnswer { status, challenge, bytes })
    }

    fn agent(&self, url: &str) -> Agent {
        let is_plain = !url.starts_with("https://");
        let own = self.registry(host_of(url)).map_or(&[][..], |it| &it.authorities);
        let authorities = system().iter().chain(own);
        let roots: Vec<_> =
            authorities.map(|it| Certificate::from_der(it.as_ref()).to_owned()).collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(roots))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let mut config = Agent::config_builder()
            .tls_config(tls)
            .https_only(!is_plain)
            .http_status_as_error(false)
            .timeout_global(Some(self.time_max))
            .max_response_header_size(HEADER_BYTES_MAX)
            .max_redirects(if is_plain { 0 } else { REDIRECTS_MAX })
            .max_redirects_will_error(!is_plain)
            .user_agent(concat!("sandloop/", env!("CARGO_PKG_VERSION")));
        if is_plain {
            // No proxy is used for this machine.
            config = config.proxy(None);
        }
        config.build().new_agent()
    }

    fn fault(&self, error: &ureq::Error) -> SourceFault {
        match error {
            ureq::Error::Timeout(_) => SourceFault::TooSlow(self.time_max),
            ureq::Error::RequireHttpsOnly(url) => SourceFault::downgrade(url),
            ureq::Error::TooManyRedirects => SourceFault::Redirects,
            ureq::Error::Io(error) => self.cut_short(error),
            error => unreachable(error),
        }
    }

    fn cut_short(&self, error: &io::Error) -> SourceFault {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
        match inner {
            Some(ureq::Error::Io(inner)) => unreachable(inner),
            Some(inner) => self.fault(inner),
            None if error.kind() == io::ErrorKind::TimedOut => SourceFault::TooSlow(self.time_max),
            None => unreachable(error),
        }
    }
}

impl HttpAnswer {
    /// The body of a successful answer.
    pub(super) fn body(self, url: &str) -> Result<Vec<u8>, SourceFault> {
        match self.status {
            200 => Ok(self.bytes),
            status => Err(SourceFault::Status(status, GuestText::cause(url))),
        }
    }
}

/// The words may be a server's, of any length and with anything in them.
fn unreachable(words: impl fmt::Display) -> SourceFault {
    SourceFault::Unreachable(GuestText::cause(words))
}

impl fmt::Debug for Fetcher<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("registries", &self.registries).finish_non_exhaustive()
    }
}

/// The server in an address, with its port if one is written.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The `Authorization` of a login.
pub(super) fn basic((user, password): &(String, String)) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// The authorities that this system trusts, read at the first fetch.
fn system() -> &'static [CertificateDer<'static>] {
    static SYSTEM: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    SYSTEM.get_or_init(|| rustls_native_certs::load_native_certs().certs)
}
