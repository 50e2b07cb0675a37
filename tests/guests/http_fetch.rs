//! Fetches at the commands of its peer, a line each: `METHOD URI WORD…`, with the words `redirects=N`, `compressed`, `raw`,
//! `close`, `expect`, `body=TEXT`, `chunks=N` (N pieces of 1000 bytes), `stream` (the body is counted), `limit=N`,
//! `deadline=MS`, `auth=USER:PASSWORD`, `header=NAME:VALUE`. The answer is a line: status, reason, redirects, address and body,
//! or `error: ` and the reason.
//!
//! Options: `connections`, `pipeline`, `inactivity` (ms), `keep_alive` (ms), `proxy` (`HOST:PORT`), `tunnel`, `cookies`,
//! `tls_profile`.

use std::{cell::Cell, rc::Rc, time::Duration};

use sandloop::{
    Deferrable, Options, Socket,
    frames::LineText2,
    http::{ClientSettings, HttpClient, HttpError, HttpResponse, Method, Proxy},
};

struct HttpFetch {
    socket: Socket,
    client: HttpClient,
}

impl HttpFetch {
    fn new(socket: Socket, options: &Options) -> HttpFetch {
        let client = HttpClient::with(settings(options).expect("good options"));
        HttpFetch { socket, client }
    }

    fn fetch(&self, line: &str) {
        let mut words = line.split(' ');
        let method: Method = words.next().expect("a method").parse().expect("a method");
        let mut request = self.client.method(method, words.next().expect("an address"));
        let counted = Rc::new(Cell::new(0));
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || value.parse::<u32>().expect("a number");
            request = match name {
                "redirects" => request.redirects(number()),
                "compressed" => request.compressed(),
                "raw" => request.raw(),
                "close" => request.close(),
                "expect" => request.expect_continue(),
                "body" => request.body(value),
                "chunks" => {
                    let pieces = std::iter::repeat_n("x".repeat(1000), number() as usize);
                    request.body_each(None, pieces)
                }
                "stream" => {
                    let counting = counted.clone();
                    request.on_data(move |data| counting.set(counting.get() + data.len()))
                }
                "limit" => request.limit(number() as usize),
                "deadline" => request.deadline(Duration::from_millis(number().into())),
                "auth" => {
                    let (user, password) = value.split_once(':').expect("user and password");
                    request.basic_auth(user, password)
                }
                "header" => {
                    let (name, value) = value.split_once(':').expect("name and value");
                    request.header(name, value)
                }
                _ => panic!("{word:?} is no word"),
            };
        }
        let (good, bad) = (self.socket.clone(), self.socket.clone());
        request
            .send()
            .callback(move |response| good.send_data(told(response, counted.get())))
            .errback(move |error: &HttpError| bad.send_data(format!("error: {error}\n")));
    }
}

impl LineText2 for HttpFetch {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.fetch(&line);
    }
}

fn told(response: &HttpResponse, counted: usize) -> String {
    let body = match response.content.len() {
        0 if 0 < counted => format!("{counted} bytes streamed"),
        length @ 0..=80 => format!("{length} {}", response.content.escape_ascii()),
        length => {
            let sum: u64 = response.content.iter().map(|byte| u64::from(*byte)).sum();
            format!("{length} sum={sum}")
        }
    };
    let HttpResponse { status, reason, redirects, uri, .. } = response;
    format!("{} {reason} redirects={redirects} {uri} {body}\n", status.as_u16())
}

fn settings(options: &Options) -> sandloop::Result<ClientSettings> {
    let mut settings = ClientSettings { user_agent: String::new(), ..ClientSettings::default() };
    let milliseconds = |key| options.parse(key).map(|time| time.map(Duration::from_millis));
    settings.connections = options.parse("connections")?.unwrap_or(settings.connections);
    settings.pipeline = options.parse("pipeline")?.unwrap_or(settings.pipeline);
    settings.inactivity_timeout =
        milliseconds("inactivity")?.unwrap_or(settings.inactivity_timeout);
    settings.keep_alive = milliseconds("keep_alive")?.unwrap_or(settings.keep_alive);
    settings.tls_profile = options.get("tls_profile").map(str::to_owned);
    settings.cookies = options.get("cookies").is_some();
    if let Some((host, port)) = options.get("proxy").and_then(|proxy| proxy.rsplit_once(':')) {
        let proxy = Proxy::new(host, port.parse()?).basic_auth("user", "secret");
        settings.proxy = Some(if options.get("tunnel").is_some() { proxy.tunnel() } else { proxy });
    }
    Ok(settings)
}

sandloop::plugin! { handlers: [HttpFetch::new] }
