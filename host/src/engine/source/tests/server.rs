//! Servers of components that do what they should not.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::base::thread::Threads;

/// How long a server may take to notice its end.
const LONGEST: Duration = Duration::from_secs(30);

/// What is answered to a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// An answer, and the connection ends.
    Full(u16, String, Vec<u8>),
    /// Fewer bytes than were said, and the connection ends.
    Truncated(Vec<u8>, usize),
    /// A body without end.
    Endless,
    /// Lines before the body without end.
    EndlessHeaders,
    /// Nothing.
    Hung,
    /// The beginning of a body.
    HungBody,
    /// These bytes, whatever they are.
    Raw(Vec<u8>),
}

impl Reply {
    pub(crate) fn ok(body: &[u8]) -> Reply {
        Reply::Full(200, String::new(), body.to_vec())
    }

    pub(crate) fn status(status: u16) -> Reply {
        Reply::Full(status, String::new(), Vec::new())
    }

    pub(crate) fn redirect(address: &str) -> Reply {
        Reply::Full(302, format!("Location: {address}\r\n"), Vec::new())
    }
}

/// Answers by path until it is dropped.
pub(crate) struct Server {
    pub address: String,
    plan: Arc<Plan>,
    is_over: Arc<AtomicBool>,
    threads: Option<Threads>,
}

#[derive(Default)]
struct Plan {
    replies: HashMap<String, Reply>,
    /// Who does not say the second is asked by the first.
    login: OnceLock<(String, String)>,
}

impl Server {
    /// Without TLS.
    pub(crate) fn plain(replies: &[(&str, Reply)]) -> Server {
        Server::new(replies, None)
    }

    /// With a certificate for 127.0.0.1, whose authority is written to `ca`.
    pub(crate) fn with_tls(replies: &[(&str, Reply)], ca: &Path) -> Server {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        std::fs::write(ca, params.self_signed(&key).expect("a certificate").pem()).expect("a file");
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate and its key");
        Server::new(replies, Some(Arc::new(config)))
    }

    /// Asks whoever does not say `authorization` by `challenge`; tokens are for everybody.
    pub(crate) fn asking(self, challenge: &str, authorization: &str) -> Server {
        self.plan.login.set((challenge.to_owned(), authorization.to_owned())).expect("asked once");
        self
    }

    fn new(replies: &[(&str, Reply)], tls: Option<Arc<ServerConfig>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let replies = replies.iter().map(|(path, reply)| ((*path).to_owned(), reply.clone()));
        let plan = Arc::new(Plan { replies: replies.collect(), login: OnceLock::new() });
        let is_over = Arc::new(AtomicBool::new(false));
        let (own_plan, over) = (plan.clone(), is_over.clone());
        let mut threads = Threads::new();
        let serve_all = move || {
            let mut clients = Threads::new();
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(stream), plan, tls) = (stream, own_plan.clone(), tls.clone()) else {
                    continue;
                };
                // Whatever goes wrong here is the client's to notice.
                let serve_one = move || match tls {
                    Some(config) => {
                        let session = ServerConnection::new(config).expect("a session");
                        let _ = serve(StreamOwned::new(session, stream), &plan);
                    }
                    None => {
                        let _ = serve(stream, &plan);
                    }
                };
                clients.spawn("a connection".to_owned(), serve_one).expect("a thread");
            }
        };
        threads.spawn("a server".to_owned(), serve_all).expect("a thread");
        Server { address, plan, is_over, threads: Some(threads) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.address));
        if let Some(threads) = self.threads.take() {
            threads.join_within(LONGEST);
        }
    }
}

fn serve(mut stream: impl Read + Write, plan: &Plan) -> io::Result<()> {
    let head = head(&mut stream)?;
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (reply, login) = (plan.replies.get(path).cloned(), plan.login.get());
    let says = |wanted: &str| {
        head.lines().any(|line| {
            line.split_once(": ").is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("authorization") && value == wanted
            })
        })
    };
    let reply = match login {
        Some((challenge, wanted)) if !path.starts_with("/token") && !says(wanted) => {
            Reply::Full(401, format!("WWW-Authenticate: {challenge}\r\n"), Vec::new())
        }
        _ => reply.unwrap_or(Reply::status(404)),
    };
    answer(&mut stream, &reply)?;
    stream.flush()?;
    // Until the client goes.
    if matches!(reply, Reply::Hung | Reply::HungBody) {
        while stream.read(&mut [0; 64])? != 0 {}
    }
    Ok(())
}

fn head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn answer(stream: &mut impl Write, reply: &Reply) -> io::Result<()> {
    match reply {
        Reply::Full(status, headers, body) => {
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
            )?;
            stream.write_all(body)
        }
        Reply::Truncated(body, length) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            )?;
            stream.write_all(body)
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[0; 4096])?;
            }
        }
        Reply::EndlessHeaders => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            loop {
                stream.write_all(b"X-More: and more of it\r\n")?;
            }
        }
        Reply::Hung => Ok(()),
        Reply::HungBody => stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx"),
        Reply::Raw(bytes) => stream.write_all(bytes),
    }
}
