//! The deck's HttpServer: any GET is greeted, any POST gets its own body back.

use sandloop::http::{HttpServer, Method, Request, Response};

struct HttpHello;

impl HttpServer for HttpHello {
    fn process_http_request(&mut self, request: Request, mut response: Response) {
        match request.method {
            Method::GET | Method::HEAD => {
                response.content_type("text/html");
                response.content("<center><h1>Wham-o</h1></center>");
            }
            Method::POST => {
                if let Some(kind) = request.headers.get_bytes("content-type") {
                    response.header("Content-Type", kind);
                }
                response.content(request.into_content());
            }
            _ => {
                response.status(405).header("Allow", "GET, HEAD, POST");
            }
        }
        response.send_response();
    }
}

sandloop::plugin! { handlers: [HttpHello] }
