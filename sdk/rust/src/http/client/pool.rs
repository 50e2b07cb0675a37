//! The connections of a client, and the queue of requests that wait for one.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    fmt,
    rc::Rc,
    time::SystemTime,
};

use sandloop_http::{cookies::Jar, uri::Uri};

use super::{
    dialer::Dialer, error::HttpError, exchange::Exchange, link::Link, settings::ClientSettings,
};

/// The shared state of a client's requests.
pub(super) struct Pool {
    pub settings: ClientSettings,
    dialer: Box<dyn Dialer>,
    servers: RefCell<HashMap<Origin, Server>>,
    waiting: Cell<usize>,
    jar: RefCell<Jar>,
}

/// The server, or the proxy, that connections go to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub is_tls: bool,
    pub host: String,
    pub port: u16,
    /// `host:port` at the other end of a proxy's tunnel.
    pub tunnel: Option<String>,
}

impl Origin {
    /// The name to verify in the server's certificate: behind a proxy not the proxy's.
    pub(crate) fn server_name(&self) -> &str {
        let Some(server) = &self.tunnel else { return &self.host };
        let host = server.rsplit_once(':').map_or(&**server, |(host, _)| host);
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }
}

#[derive(Default)]
struct Server {
    links: Vec<Rc<Link>>,
    waiting: VecDeque<Rc<Exchange>>,
}

impl Pool {
    pub(crate) fn new(settings: ClientSettings, dialer: Box<dyn Dialer>) -> Rc<Pool> {
        Rc::new(Pool {
            settings,
            dialer,
            servers: RefCell::default(),
            waiting: Cell::new(0),
            jar: RefCell::default(),
        })
    }

    /// The origin for a request to this URI.
    pub(crate) fn origin(&self, uri: &Uri) -> Origin {
        let (host, port) = (uri.bare_host().to_owned(), uri.port());
        match &self.settings.proxy {
            None => Origin { is_tls: uri.is_tls, host, port, tunnel: None },
            Some(proxy) => {
                let tunnels = proxy.tunnel || uri.is_tls;
                Origin {
                    is_tls: uri.is_tls,
                    host: proxy.host.clone(),
                    port: proxy.port,
                    tunnel: tunnels.then(|| uri.tunnel_target().as_str().to_owned()),
                }
            }
        }
    }

    /// Gives a request a connection, or queues it.
    ///
    /// # Errors
    /// `Refused`, `Busy`.
    pub(crate) fn submit(self: &Rc<Self>, exchange: &Rc<Exchange>) -> Result<(), HttpError> {
        self.place(exchange, self.settings.queue)
    }

    /// Gives a request another connection, or queues it, however many there are: it was taken before.
    ///
    /// # Errors
    /// `Refused`.
    pub(crate) fn resubmit(self: &Rc<Self>, exchange: &Rc<Exchange>) -> Result<(), HttpError> {
        self.place(exchange, usize::MAX)
    }

    fn place(self: &Rc<Self>, exchange: &Rc<Exchange>, queue: usize) -> Result<(), HttpError> {
        let origin = exchange.origin();
        match self.choose(&origin, exchange) {
            Choice::Link(link) => link.take(exchange.clone()),
            Choice::New => return self.dial(&origin, exchange),
            Choice::Wait if queue <= self.waiting.get() => {
                return Err(HttpError::Busy);
            }
            Choice::Wait => {
                self.waiting.set(self.waiting.get() + 1);
                self.with(&origin, |server| server.waiting.push_back(exchange.clone()));
            }
        }
        Ok(())
    }

    /// Gives queued requests to a link that has completed a response.
    pub(crate) fn refill(&self, link: &Rc<Link>) {
        loop {
            let next = self.with(&link.origin, |server| {
                let next = server.waiting.front()?;
                let behind = next.is_repeatable() && link.takes_another(self.settings.pipeline);
                if link.is_idle() || behind { server.waiting.pop_front() } else { None }
            });
            let Some(next) = next else { return };
            self.waiting.set(self.waiting.get() - 1);
            link.take(next);
        }
    }

    /// Removes a link.
    pub(crate) fn forget(self: &Rc<Self>, link: &Rc<Link>) {
        let next = self.with(&link.origin, |server| {
            server.links.retain(|known| !Rc::ptr_eq(known, link));
            let room = server.links.len() < self.settings.connections;
            if room { server.waiting.pop_front() } else { None }
        });
        if let Some(next) = next {
            self.waiting.set(self.waiting.get() - 1);
            if let Err(error) = self.dial(&link.origin, &next) {
                next.fail(error);
            }
        }
        let mut servers = self.servers.borrow_mut();
        let idle = |server: &Server| server.links.is_empty() && server.waiting.is_empty();
        if servers.get(&link.origin).is_some_and(idle) {
            servers.remove(&link.origin);
        }
    }

    /// Removes a request from the queue.
    pub(crate) fn withdraw(&self, exchange: &Rc<Exchange>) {
        let gone = self.with(&exchange.origin(), |server| {
            let place = server.waiting.iter().position(|known| Rc::ptr_eq(known, exchange))?;
            server.waiting.remove(place)
        });
        if gone.is_some() {
            self.waiting.set(self.waiting.get() - 1);
        }
    }

    pub(crate) fn reset(&self) {
        let links: Vec<_> =
            self.servers.borrow().values().flat_map(|server| server.links.clone()).collect();
        links.iter().filter(|link| link.is_idle()).for_each(Link::close);
        self.jar.take();
    }

    /// The value of `Cookie` for a request, from the client's own jar.
    pub(crate) fn cookies(&self, uri: &Uri) -> Option<Vec<u8>> {
        let jar = self.jar.borrow();
        jar.header_bytes(uri.into(), SystemTime::now())
    }

    pub(crate) fn store_cookie(&self, field: &[u8], uri: &Uri) {
        if self.settings.cookies {
            self.jar.borrow_mut().store(field, uri.into(), SystemTime::now());
        }
    }

    fn choose(&self, origin: &Origin, exchange: &Rc<Exchange>) -> Choice {
        self.with(origin, |server| {
            if let Some(idle) = server.links.iter().find(|link| link.is_idle()) {
                return Choice::Link(idle.clone());
            }
            if server.links.len() < self.settings.connections {
                return Choice::New;
            }
            let depth = self.settings.pipeline;
            let open = server.links.iter().filter(|link| link.takes_another(depth));
            match open.min_by_key(|link| link.load()) {
                Some(link) if exchange.is_repeatable() => Choice::Link(link.clone()),
                _ => Choice::Wait,
            }
        })
    }

    fn dial(self: &Rc<Self>, origin: &Origin, first: &Rc<Exchange>) -> Result<(), HttpError> {
        let link = Link::new(self, origin.clone());
        self.dialer
            .dial(&link, &origin.host, origin.port, self.settings.connect_timeout)
            .map_err(HttpError::Refused)?;
        self.with(origin, |server| server.links.push(link.clone()));
        link.take(first.clone());
        Ok(())
    }

    /// Nothing of the plugin's is called in `work`.
    fn with<T>(&self, origin: &Origin, work: impl FnOnce(&mut Server) -> T) -> T {
        let mut servers = self.servers.borrow_mut();
        if !servers.contains_key(origin) {
            servers.insert(origin.clone(), Server::default());
        }
        // It has just been put there.
        work(servers.get_mut(origin).unwrap_or(&mut Server::default()))
    }
}

/// They cannot be used any more.
impl Drop for Pool {
    fn drop(&mut self) {
        let servers = self.servers.take();
        servers.values().flat_map(|server| &server.links).for_each(Link::close);
    }
}

enum Choice {
    Link(Rc<Link>),
    New,
    Wait,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("settings", &self.settings).finish_non_exhaustive()
    }
}
