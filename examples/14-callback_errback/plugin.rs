//! `callback` and `errback`: whoever asked is told one of two things.

use sandloop::{
    Deferrable, Program,
    http::{HttpClient, HttpServer, Request, Response},
    options, stop,
};

struct Start;

impl Program for Start {
    fn start() -> sandloop::Result {
        let host = options::get("host").ok_or("option `host` is missing")?;
        let df = HttpClient::new().request(&host, "/");
        df.callback(|response| {
            println!("Succeeded: {}", response.status.as_u16());
            stop();
        });
        df.errback(|error| {
            println!("ERROR: {error}");
            stop();
        });
        Ok(())
    }
}

/// Stands for postrank.com.
struct Moved;

impl HttpServer for Moved {
    fn process_http_request(&mut self, _: Request, mut response: Response) {
        response.status(301);
        response.send_redirect("http://www.postrank.com/");
    }
}

sandloop::plugin! { handlers: [Moved], program: Start }
