//! Says hello to each request.

use sandloop::http::{HttpServer, Request, Response};

struct Hello;

impl HttpServer for Hello {
    fn process_http_request(&mut self, _: Request, mut response: Response) {
        response.content_type("text/plain");
        response.content("hello\n");
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
