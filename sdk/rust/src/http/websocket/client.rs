//! WebSockets that this side asks for.

use std::{
    cell::RefCell,
    fmt,
    hash::{BuildHasher as _, RandomState},
    rc::Rc,
    time::Duration,
};

use sandloop_http::{
    FieldError, Headers, Limits, Method, ResponseDecoder, ResponseEvent, ResponseHead,
    uri::{Uri, UriError},
    websocket::{
        self as codec,
        extension::{Agreed, agreed_deflate, offer_deflate},
        handshake,
    },
    writer::{OutgoingRequest, write_request},
};

use super::{Driver, Upgraded, WebSocket, WebSocketHandler, WebSocketSettings};
use crate::{
    connection::{Connection, Drain},
    sockets,
    tls::TlsClient,
    transport::Transport,
    types::{CloseReason, ErrorCode},
};

/// Why a WebSocket cannot even be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The address is neither a `ws:` URI nor a `wss:` one.
    Uri(UriError),
    /// A header field cannot be sent, or is one that only the handshake sets.
    Field(FieldError),
    /// The host refused to connect: `denied` unless the operator's `allow.connect` names the address, `limit`.
    Refused(ErrorCode),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Uri(UriError::Scheme) => {
                f.write_str("the address begins neither with ws:// nor with wss://")
            }
            ConnectError::Uri(error) => error.fmt(f),
            ConnectError::Field(error) => error.fmt(f),
            ConnectError::Refused(ErrorCode::Denied) => f.write_str(
                "the host may not connect there; its log has the line that would allow it",
            ),
            ConnectError::Refused(error) => {
                write!(f, "the host does not connect: {}", error.name())
            }
        }
    }
}

impl std::error::Error for ConnectError {}

impl WebSocket {
    /// Asks a server for a WebSocket: `ws://127.0.0.1:8080/chat?room=a`, or with TLS `wss://example.com/`. The certificate is
    /// verified by the system's authorities, or those of the operator's profile that the settings name.
    ///
    /// Returns at once. `make` is given the handle and makes the handler, whose `open` is called when the server has
    /// accepted; otherwise its `close` is, with code 1006 and the reason.
    ///
    /// ```no_run
    /// use sandloop::http::{Message, WebSocket, WebSocketHandler};
    ///
    /// struct Listener(WebSocket);
    ///
    /// impl WebSocketHandler for Listener {
    ///     fn open(&mut self) {
    ///         self.0.send_text("hello");
    ///     }
    ///
    ///     fn message(&mut self, message: Message) {
    ///         println!("{message:?}");
    ///     }
    ///
    ///     fn close(&mut self, code: u16, reason: &str) {
    ///         println!("{code} {reason}");
    ///     }
    /// }
    ///
    /// WebSocket::connect("ws://127.0.0.1:8080/", Default::default(), Listener)?;
    /// # Ok::<(), sandloop::http::ConnectError>(())
    /// ```
    ///
    /// # Errors
    /// An invalid address, or the host's refusal.
    pub fn connect<H: WebSocketHandler>(
        uri: &str,
        settings: WebSocketSettings,
        make: impl FnOnce(WebSocket) -> H + 'static,
    ) -> Result<(), ConnectError> {
        WebSocket::connect_with(uri, Headers::new(), settings, make)
    }

    /// As [`connect`](Self::connect), with header fields of the plugin's, such as `Origin`, `Cookie`, `Authorization` or
    /// `Sec-WebSocket-Protocol`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `Field`.
    pub fn connect_with<H: WebSocketHandler>(
        uri: &str,
        headers: Headers,
        settings: WebSocketSettings,
        make: impl FnOnce(WebSocket) -> H + 'static,
    ) -> Result<(), ConnectError> {
        let uri = parse(uri)?;
        let (request, asked) = ask(&uri, headers, &settings, key())?;
        let tls = uri.is_tls.then(|| tls(uri.bare_host(), settings.tls_profile));
        sockets::connect(uri.bare_host(), uri.port(), move |socket| {
            // It fails only for a timeout of zero, which leaves the host's own.
            let _ = socket.set_pending_connect_timeout(settings.connect);
            Asking::start(Rc::new(socket), request, asked, settings, make).with_tls(tls)
        })
        .map_err(ConnectError::Refused)
    }
}

pub(super) fn parse(uri: &str) -> Result<Uri, ConnectError> {
    let (scheme, rest) = uri.trim().split_once("://").ok_or(ConnectError::Uri(UriError::Scheme))?;
    match scheme.to_ascii_lowercase().as_str() {
        "ws" => format!("http://{rest}").parse().map_err(ConnectError::Uri),
        "wss" => format!("https://{rest}").parse().map_err(ConnectError::Uri),
        _ => Err(ConnectError::Uri(UriError::Scheme)),
    }
}

/// What a client begins TLS with.
fn tls(host: &str, profile: Option<&'static str>) -> TlsClient {
    let client = TlsClient::new(host).alpn(["http/1.1"]);
    match profile {
        Some(profile) => client.profile(profile),
        None => client,
    }
}

/// 16 unpredictable bytes.
fn key() -> String {
    let half = || RandomState::new().hash_one(0_u8).to_ne_bytes();
    let mut random = [0; 16];
    random.iter_mut().zip(half().into_iter().chain(half())).for_each(|(to, byte)| *to = byte);
    handshake::key(random)
}

/// The expected values of the response.
pub(super) struct Asked {
    key: String,
    settings: WebSocketSettings,
    protocols: Vec<String>,
}

/// The fields that only the handshake sets.
const RESERVED: [&str; 4] =
    ["upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"];

pub(super) fn ask(
    uri: &Uri,
    mut headers: Headers,
    settings: &WebSocketSettings,
    key: String,
) -> Result<(Vec<u8>, Asked), ConnectError> {
    if let Some(name) = RESERVED.into_iter().find(|name| headers.contains(name)) {
        return Err(ConnectError::Field(FieldError::Reserved(name.to_owned())));
    }
    let members = |value: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(value).split(',').map(|name| name.trim().to_owned()).collect()
    };
    let protocols = headers.get_all("sec-websocket-protocol").flat_map(members).collect();
    let offer = settings.deflate.as_ref().map(offer_deflate);
    let offer = offer.iter().map(|offer| ("Sec-WebSocket-Extensions", offer.as_bytes()));
    for (name, value) in handshake::request_headers(&key).iter().chain(offer) {
        headers.append(name, value).map_err(ConnectError::Field)?;
    }
    let mut request = Vec::new();
    let outgoing = OutgoingRequest {
        method: &Method::GET,
        target: &uri.target(),
        host: &uri.authority(),
        headers: &headers,
        body: None,
        keep_alive: true,
    };
    write_request(&mut request, &outgoing).map_err(ConnectError::Field)?;
    Ok((request, Asked { key, settings: *settings, protocols }))
}

impl Asked {
    /// Checks the server's response: the negotiated settings, or why it is invalid.
    fn judge(&self, head: &ResponseHead) -> Result<Option<Agreed>, String> {
        if head.status != sandloop_http::StatusCode::SWITCHING_PROTOCOLS {
            return Err(format!("the server answers {}", head.status));
        }
        if !handshake::is_accepted(head, &self.key) {
            return Err("the server's answer is not one to this handshake".to_owned());
        }
        let mut protocols = head.headers.get_all("sec-websocket-protocol");
        let is_offered = |name: &[u8]| self.protocols.iter().any(|own| own.as_bytes() == name);
        if !protocols.next().is_none_or(is_offered) || protocols.next().is_some() {
            return Err("the server chooses a protocol that was not offered".to_owned());
        }
        let offered = self.settings.deflate.as_ref();
        agreed_deflate(&head.headers, offered).map_err(|error| error.to_string())
    }
}

/// A connection of a WebSocket that was asked for.
pub(super) struct Asking<H> {
    driver: Driver<H>,
    transport: Rc<dyn Transport>,
    request: Vec<u8>,
    /// The TLS settings, if the server has TLS.
    tls: Option<TlsClient>,
    /// The answer that comes, until it is there.
    answer: Option<(ResponseDecoder, Asked)>,
    /// The beginning of a head.
    left: Vec<u8>,
    /// Why it never opened.
    why: Rc<RefCell<String>>,
}

impl<H: WebSocketHandler> Asking<H> {
    pub(super) fn start(
        transport: Rc<dyn Transport>,
        request: Vec<u8>,
        asked: Asked,
        settings: WebSocketSettings,
        make: impl FnOnce(WebSocket) -> H,
    ) -> Asking<H> {
        let codec = codec::WebSocket::client(settings.message);
        let driver = Driver::new(WebSocket::new(transport.clone(), codec, settings), make);
        let why = Rc::new(RefCell::new(String::new()));
        let (late, closing) = (why.clone(), transport.clone());
        driver.socket().0.set_timer(settings.connect, move || {
            "the server did not answer in time".clone_into(&mut late.borrow_mut());
            closing.close();
        });
        let answer = Some((ResponseDecoder::new(Limits::CLIENT), asked));
        Asking { driver, transport, request, tls: None, answer, left: Vec::new(), why }
    }

    /// The same through TLS.
    pub(super) fn with_tls(self, tls: Option<TlsClient>) -> Asking<H> {
        Asking { tls, ..self }
    }

    fn fail(&mut self, why: String) {
        self.answer = None;
        *self.why.borrow_mut() = why;
        self.transport.close();
    }

    /// Takes the answer, and what follows it.
    fn take_answer(&mut self, mut data: &[u8]) {
        let Some((decoder, asked)) = &mut self.answer else { return };
        let agreed = loop {
            match decoder.decode(&mut data, &Method::GET) {
                Ok(None) => {
                    self.left = data.to_vec();
                    return;
                }
                Ok(Some(ResponseEvent::Head(head))) => break asked.judge(&head),
                Ok(Some(_)) => {}
                Err(error) => break Err(error.to_string()),
            }
        };
        match agreed {
            Ok(agreed) => {
                self.answer = None;
                self.driver.begin(agreed);
                self.driver.opened();
                if !data.is_empty() {
                    self.driver.receive(data);
                }
            }
            Err(why) => self.fail(why),
        }
    }
}

impl<H: WebSocketHandler> Connection for Asking<H> {
    fn connection_completed(&mut self) {
        if let Some(Err(error)) = self.tls.take().map(|tls| self.transport.start_tls(tls)) {
            return self.fail(format!("the host begins no TLS: {}", error.name()));
        }
        if self.transport.send(&std::mem::take(&mut self.request)).is_err() {
            self.fail("the request is larger than the outbox".to_owned());
        }
    }

    fn receive_data(&mut self, data: &[u8]) {
        if self.answer.is_some() {
            let mut all = std::mem::take(&mut self.left);
            all.extend_from_slice(data);
            self.take_answer(&all);
        } else if self.why.borrow().is_empty() {
            self.driver.receive(data);
        }
    }

    fn drained(&mut self) {
        if self.answer.is_none() {
            self.driver.drained();
        }
    }

    fn draining(&mut self, within: Duration) -> Drain {
        if self.answer.is_none() {
            self.driver.drain(within);
        }
        Drain::UntilClosed
    }

    fn unbind(&mut self, reason: CloseReason) {
        let mut why = self.why.take();
        if let Some(failure) = self.transport.tls_failure() {
            why = format!("no TLS with the server: {}", failure.words);
        } else if self.answer.is_some() && why.is_empty() {
            why = format!("no WebSocket with the server: {reason}");
        }
        self.driver.end(1006, &why);
    }
}
