//! A web server, as the slide has it.

use sandloop::http::{HttpServer, Request, Response};

struct WhamO;

impl HttpServer for WhamO {
    fn process_http_request(&mut self, _: Request, mut response: Response) {
        response.status(200);
        response.content_type("text/html");
        response.content("<center><h1>Wham-o</h1></center>");
        response.send_response();
    }
}

sandloop::plugin! { handlers: [WhamO] }
