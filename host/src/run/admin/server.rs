//! The server: accepts connections, checks requests and answers them.

use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::{spawn_local, yield_now};
use tokio::time::{sleep, timeout};

use crate::net::listener::admin::{AdminListener, AdminSocket};
use crate::run::admin::clients::{Client, Clients, RequestPhase};
use crate::run::admin::guard::Guard;
use crate::run::admin::reply::{Refusal, Reply};
use crate::run::admin::routes;
use crate::run::admin::watched::WatchedHost;

/// How long accepting pauses when the system has no file descriptor left.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long the server waits for a client's end after the last answer.
const LONGEST_LAST_READ: Duration = Duration::from_secs(1);
const LAST_READS: usize = 64;
/// The most header lines of a request.
const HEADERS_MAX: usize = 64;

/// The server of a listener.
pub(super) struct Server {
    socket: AsyncListener,
    /// Removes the path of a Unix socket at the end.
    _listener: AdminListener,
    site: Rc<Site>,
}

enum AsyncListener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// The state that all connections share.
struct Site {
    guard: Guard,
    watched: WatchedHost,
    clients: Rc<Clients>,
}

impl Server {
    /// Makes a server for a host.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new(listener: AdminListener, watched: WatchedHost) -> io::Result<Server> {
        let socket = match &listener.socket {
            AdminSocket::Unix(socket) => {
                AsyncListener::Unix(UnixListener::from_std(socket.try_clone()?)?)
            }
            AdminSocket::Tcp(socket) => {
                AsyncListener::Tcp(TcpListener::from_std(socket.try_clone()?)?)
            }
        };
        let guard = Guard::new(&listener.address, watched.config.clone());
        let clients = Clients::new(watched.config.limits.clients, watched.clock.for_reactor());
        let site = Rc::new(Site { guard, watched, clients });
        Ok(Server { socket, _listener: listener, site })
    }

    /// Accepts connections until it is dropped.
    pub(super) async fn run(&self) -> Infallible {
        loop {
            let failed = match &self.socket {
                AsyncListener::Unix(socket) => match socket.accept().await {
                    Ok((stream, _)) => {
                        self.begin(stream).await;
                        None
                    }
                    Err(error) => Some(error),
                },
                AsyncListener::Tcp(socket) => match socket.accept().await {
                    Ok((stream, _)) => {
                        self.begin(stream).await;
                        None
                    }
                    Err(error) => Some(error),
                },
            };
            if let Some(error) = failed {
                tracing::debug!(%error, "the admin listener has not accepted");
                sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }

    /// Gives one that has come a place, and has it say what it wants before the next one comes.
    async fn begin(&self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
        self.site.clients.room().await;
        let client = self.site.clients.add();
        let place = client.place();
        let task = spawn_local(serve(self.site.clone(), client, stream));
        self.site.clients.set_task(place, task.abort_handle());
        yield_now().await;
    }
}

/// Answers one request after the other, until the client has been silent for too long.
async fn serve(
    site: Rc<Site>,
    client: Client,
    mut stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
) {
    let limits = &site.watched.config.limits;
    let service = service_fn(|request| {
        let (site, client) = (&site, &client);
        async move {
            client.has_come_to(RequestPhase::Coming);
            let response = site.respond(request, client).await;
            client.has_come_to(RequestPhase::Awaited);
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    http.max_buf_size(limits.request as usize).max_headers(HEADERS_MAX);
    let connection = http.serve_connection(TokioIo::new(&mut stream), service);
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection of the admin listener has failed");
            }
        }
        () = client.silent_for(limits.request_deadline) => {}
    }
    read_to_the_end(&mut stream).await;
}

/// Lingering close: shuts down the write side and discards input for a short time. Closing a socket with unread input would
/// reset it, and the last answer could be lost.
async fn read_to_the_end(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let mut rubbish = [0; 4096];
    let reading = async {
        // Fails if the client has gone, which makes no difference.
        let _ = stream.shutdown().await;
        for _ in 0..LAST_READS {
            if !matches!(stream.read(&mut rubbish).await, Ok(1..)) {
                return;
            }
        }
    };
    // A client that does not end its side is closed after that.
    let _ = timeout(LONGEST_LAST_READ, reading).await;
}

impl Site {
    async fn respond(&self, request: Request<Incoming>, client: &Client) -> Response<Full<Bytes>> {
        let reply = self.answer(request, client).await;
        reply.unwrap_or_else(Reply::from).into_response()
    }

    async fn answer(&self, request: Request<Incoming>, client: &Client) -> Result<Reply, Refusal> {
        let (head, body) = request.into_parts();
        let route = routes::find(&head.method, head.uri.path())?;
        self.guard.admit(&head, route.access)?;
        // No route takes one; it is read, so that the connection can go on.
        let limits = &self.watched.config.limits;
        let body = Limited::new(body, limits.request as usize).collect();
        let body = timeout(limits.request_deadline, body).await;
        body.map_err(|_| Refusal::TooSlow)?.map_err(|_| Refusal::TooLarge)?;
        client.has_come_to(RequestPhase::UnderWay);
        route.answer(&self.watched, &head).await
    }
}
