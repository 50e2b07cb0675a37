//! All forms of answers, chosen by the path:
//!
//! `/echo` (method, target, host, fields and body, a line each), `/status?code=N`, `/later?ms=N`, `/chunks` (three,
//! with a trailer), `/bytes?count=N` (that many, as they are made), `/length?count=N` (the same, announced),
//! `/count?to=N` (the numbers from 1, a line and a piece each), `/large?count=N` (that many bytes at once),
//! `/cut` (ends before its length), `/dropped`, `/upload` (counts a body that it does not hold), `/early` (says no
//! before the body), `/redirect`, `/cookies`, `/gzip`, `/close`, `/replace` (a multipart that replaces itself),
//! `/inject?value=V` (a header field of the client's making).

use std::{cell::Cell, rc::Rc, time::Duration};

use sandloop::{
    add_timer,
    http::{Headers, HttpServer, Intake, Request, RequestHead, Response, SetCookie, Settings},
};

struct HttpForms;

impl HttpServer for HttpForms {
    fn process_http_request(&mut self, request: Request, mut response: Response) {
        let number = |name| request.query(name).and_then(|value| value.parse().ok()).unwrap_or(0);
        match request.path() {
            "/echo" => echo(&request, response),
            "/status" => {
                response.status(u16::try_from(number("code")).unwrap_or(0)).content("some content");
                response.send_response();
            }
            "/later" => {
                let path = request.target.as_str().to_owned();
                add_timer(Duration::from_millis(number("ms")), move || {
                    response.content(path);
                    response.send_response();
                });
            }
            "/chunks" => chunks(response),
            "/bytes" => response.send_each(bytes(number("count"))),
            "/length" => {
                response.content_length(number("count"));
                response.send_each(bytes(number("count")));
            }
            "/count" => response.send_each((1..=number("to")).map(|number| format!("{number}\n"))),
            "/large" => {
                response.content(vec![b'x'; usize::try_from(number("count")).unwrap_or(0)]);
                response.send_response();
            }
            "/cut" => {
                response.content_length(10);
                response.send_each(["five ".as_bytes()].into_iter());
            }
            "/dropped" => drop(response),
            "/upload" => upload(&request, response),
            "/early" => {
                response.status(403).content("no\n");
                response.send_response();
            }
            "/redirect" => response.send_redirect("/echo"),
            "/cookies" => cookies(&request, response),
            "/gzip" => {
                response.content_type("text/plain").content("compress me ".repeat(1000)).compress();
                response.send_response();
            }
            "/close" => {
                response.close().content("bye\n");
                response.send_response();
            }
            "/replace" => {
                response.content_type("multipart/x-mixed-replace; boundary=\"part\"");
                let parts = ["one", "two"].map(|part| format!("\r\n--part\r\n\r\n{part}"));
                let end = "\r\n--part--\r\n\r\n".to_owned();
                response.send_each(parts.into_iter().chain([end]));
            }
            "/inject" => {
                let value = request.query("value").unwrap_or_default();
                if let Err(error) = response.try_header("X-Value", value) {
                    response.status(400).content(format!("{error}\n"));
                }
                response.send_response();
            }
            _ => {
                response.status(404);
                response.send_response();
            }
        }
    }

    fn take_body(&mut self, head: &RequestHead) -> Intake {
        match head.target.path() {
            "/upload" | "/early" => Intake::Stream(1 << 30),
            _ => Intake::Collect(1 << 20),
        }
    }

    fn settings(&self) -> Settings {
        let short = Duration::from_millis(300);
        // However busy the machine is, the client has time to read the last answer.
        let linger = Duration::from_secs(20);
        Settings { head_timeout: short, body_timeout: short, linger, ..Settings::DEFAULT }
    }
}

fn echo(request: &Request, mut response: Response) {
    let mut text =
        format!("{} {}\nhost {}\n", request.method, request.target.as_str(), request.host());
    for (name, value) in request.headers.iter().chain(request.trailers().iter()) {
        text += &format!("{}: {}\n", name.to_ascii_lowercase(), value.escape_ascii());
    }
    text += &format!("{} bytes\n", request.content().len());
    let mut content = text.into_bytes();
    content.extend(request.content());
    response.content_type("text/plain").content(content);
    response.send_response();
}

fn chunks(response: Response) {
    let stream = response.send_headers();
    for chunk in ["one ", "two ", "three"] {
        // It fails only where nobody is there any more.
        let _ = stream.chunk(chunk);
    }
    let mut trailers = Headers::new();
    trailers.append("X-Chunks", "3").expect("a plain field");
    stream.finish_with(&trailers);
}

/// So many bytes, in pieces of odd sizes.
fn bytes(count: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut left = usize::try_from(count).unwrap_or(0);
    std::iter::from_fn(move || {
        let size = left.min(30_011);
        let piece: Vec<u8> = (0..size).map(|at| b'a' + ((left - at) % 26) as u8).collect();
        left -= size;
        (0 < size).then_some(piece)
    })
}

fn upload(request: &Request, mut response: Response) {
    let Some(body) = request.body() else { return };
    let (count, sum) = (Rc::new(Cell::new(0u64)), Rc::new(Cell::new(0u64)));
    let (counted, summed) = (count.clone(), sum.clone());
    body.on_data(move |data| {
        counted.set(counted.get() + data.len() as u64);
        summed.set(data.iter().fold(summed.get(), |sum, byte| sum + u64::from(*byte)));
    });
    body.on_end(move |outcome| match outcome {
        Ok(trailers) => {
            let trailer = trailers.get("x-trailer").unwrap_or("none");
            response.content(format!(
                "{} bytes, sum {}, trailer {trailer}\n",
                count.get(),
                sum.get()
            ));
            response.send_response();
        }
        Err(error) => sandloop::info!("upload ended after {} bytes: {error}", count.get()),
    });
}

fn cookies(request: &Request, mut response: Response) {
    for (name, value) in [("one", "1"), ("two", "2")] {
        let cookie = SetCookie::new(name, value).and_then(|cookie| cookie.path("/"));
        response.set_cookie(cookie.expect("a plain cookie"));
    }
    let brought: Vec<_> =
        request.cookies().map(|(name, value)| format!("{name}={value}\n")).collect();
    response.content(brought.concat());
    response.send_response();
}

sandloop::plugin! { handlers: [HttpForms] }
