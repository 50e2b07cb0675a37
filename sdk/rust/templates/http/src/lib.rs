//! Says hello, and sends back what is posted to `/echo`.

use sandloop::http::{HttpServer, Request, Response};

struct Hello;

impl HttpServer for Hello {
    fn process_http_request(&mut self, request: Request, mut response: Response) {
        response.content_type("text/plain");
        match request.path() {
            "/" => response.content("hello\n"),
            "/echo" => response.content(request.content()),
            _ => response.status(404).content("not found\n"),
        };
        response.send_response();
    }
}

sandloop::plugin! { handlers: [Hello] }

#[cfg(test)]
mod tests {
    use sandloop::testing;

    use super::Hello;

    #[test]
    fn a_request_is_answered() {
        let peer = testing::accept(Hello);
        peer.send("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
        assert!(peer.received().ends_with(b"hello\n"));
    }
}
