//! The files of a folder over HTTP.
//!
//! Options: `root` is the folder as the plugin sees it (`public`, with `allow.read = ["./public"]`), `index` the file
//! that stands for a folder (`index.html`).
//!
//! Files are streamed no faster than the client reads. What a client has already is not sent again (`ETag`,
//! `Last-Modified`), nor what it does not ask for (`Range`); text is compressed where that is asked for. Names that begin
//! with a dot are not there, but for `.well-known`.

mod file;
mod path;

use sandloop::Options;
use sandloop::http::{HttpServer, Method, Request, Response};

use crate::file::File;
use crate::path::Place;

struct HttpFiles {
    root: String,
    index: String,
}

impl HttpFiles {
    fn new(options: &Options) -> Self {
        let text = |key, default: &str| options.get(key).unwrap_or(default).to_owned();
        HttpFiles { root: text("root", "public"), index: text("index", "index.html") }
    }
}

impl HttpServer for HttpFiles {
    fn process_http_request(&mut self, request: Request, mut response: Response) {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            response.header("Allow", "GET, HEAD");
            return refuse(response, 405);
        }
        match Place::of(&self.root, &self.index, request.decoded_path().as_deref()) {
            Some(Place::File(path)) => match File::open(&path) {
                Some(file) => file.answer(&request, response),
                None => refuse(response, 404),
            },
            Some(Place::Folder) => response.send_redirect(&path::with_slash(&request)),
            None => refuse(response, 404),
        }
    }
}

fn refuse(mut response: Response, status: u16) {
    response.status(status).content_type("text/plain");
    response.content(format!("{status}\n"));
    response.send_response();
}

sandloop::plugin! { handlers: [HttpFiles::new] }
