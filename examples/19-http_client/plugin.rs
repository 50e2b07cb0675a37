//! Three requests side by side, and what came of them when all are over.

use sandloop::{
    Deferrable, Program,
    http::{HttpClient, HttpMulti, HttpServer, Request, Response},
    options, stop,
};

struct Start;

impl Program for Start {
    fn start() -> sandloop::Result {
        let host = options::get("host").ok_or("option `host` is missing")?;
        let nobody = options::get("nobody").ok_or("option `nobody` is missing")?;
        let client = HttpClient::new();
        let multi = HttpMulti::new();
        let form = client.post(&format!("http://{host}/form")).form([("name", "Dan")]);
        multi.add("form", &form.send());
        let moved = client.get(&format!("http://{host}/moved")).redirects(1).compressed();
        multi.add("moved", &moved.send());
        multi.add("nobody", &client.request(&nobody, "/"));
        multi.callback(|outcomes| {
            for (name, response) in &outcomes.responses {
                println!("{name}: {} {}", response.status, response.text());
            }
            for (name, error) in &outcomes.errors {
                println!("{name}: {error}");
            }
            stop();
        });
        Ok(())
    }
}

/// Whom it asks.
struct Site;

impl HttpServer for Site {
    fn process_http_request(&mut self, request: Request, mut response: Response) {
        match request.path() {
            "/moved" => return response.send_redirect("/here"),
            "/here" => response.content("It is here. ".repeat(3).trim_end()).compress(),
            _ => response.content(format!("Hello {}", request.form("name").unwrap_or_default())),
        };
        response.send_response();
    }
}

sandloop::plugin! { handlers: [Site], program: Start }
