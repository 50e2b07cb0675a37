//! Serves HTTP by `wasi:http`: each path is one way to answer, or a way not to answer.

use std::cell::Cell;

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingRequest, IncomingResponse,
    Method, OutgoingBody, OutgoingRequest, OutgoingResponse, RequestOptions, ResponseOutparam,
    Scheme,
};
use wasip2::io::poll::poll;
use wasip2::io::streams::StreamError;

wasip2::http::proxy::export!(Paths);

struct Paths;

thread_local! {
    static REQUESTS: Cell<u32> = const { Cell::new(0) };
}

const MILLISECOND: u64 = 1_000_000;

impl Guest for Paths {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        REQUESTS.set(REQUESTS.get() + 1);
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/echo" => echo(&request, out),
            "/copied" => copied(&request, out),
            "/request" => answer(out, 200, &[], &described(&request)),
            "/large" => large(out, number(query), false),
            "/sized" => large(out, number(query), true),
            "/slow" => slow(out),
            "/twice" => twice(out),
            "/never" => drop(out),
            "/kept" => std::mem::forget(out),
            "/error" => ResponseOutparam::set(out, Err(ErrorCode::InternalError(None))),
            "/trap" => panic!("trapped on purpose"),
            "/trap-late" => {
                let body = begin(out, 200, &[]);
                write(&body, b"the beginning\n");
                panic!("trapped on purpose, late");
            }
            "/loop" => loop {
                std::hint::black_box(query);
            },
            "/wait" => subscribe_duration(u64::MAX).block(),
            "/unfinished" => {
                let body = begin(out, 200, &[]);
                write(&body, b"the beginning\n");
            }
            "/short" => {
                let body = begin(out, 200, &[("content-length", "10")]);
                write(&body, b"five\n");
                assert!(OutgoingBody::finish(body, None).is_err());
            }
            "/early" => early(out, number(query)),
            "/trailers" => {
                let body = begin(out, 200, &[("trailer", "x-sum")]);
                write(&body, b"summed\n");
                OutgoingBody::finish(body, Some(fields(&[("x-sum", "7")]))).expect("an end");
            }
            "/fetch" => fetch(out),
            "/ask" => ask(&request, out, query),
            "/ask-within" => ask_within(out, query),
            "/ask-many" => ask_many(out, query),
            "/ask-unfinished" => ask_unfinished(out, query),
            "/fields" => answer(out, 200, &[], &refused_fields()),
            "/status" => {
                answer(out, u16::try_from(number(query)).unwrap_or(0), &[], "");
            }
            "/count" => answer(out, 200, &[], &format!("{}\n", REQUESTS.get())),
            "/print" => {
                println!("printed for {query}");
                answer(out, 200, &[], "printed\n");
            }
            _ => match request.method() {
                Method::Get | Method::Head | Method::Post => {
                    answer(out, 200, &[("content-length", "6")], "hello\n");
                }
                _ => answer(out, 405, &[("content-length", "9")], "not this\n"),
            },
        }
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or(0)
}

fn fields(entries: &[(&str, &str)]) -> Fields {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
    Fields::from_list(&entries.iter().map(owned).collect::<Vec<_>>()).expect("right fields")
}

fn begin(out: ResponseOutparam, status: u16, headers: &[(&str, &str)]) -> OutgoingBody {
    let response = OutgoingResponse::new(fields(headers));
    if response.set_status_code(status).is_err() {
        panic!("{status} is refused");
    }
    let body = response.body().expect("the body");
    ResponseOutparam::set(out, Ok(response));
    body
}

fn answer(out: ResponseOutparam, status: u16, headers: &[(&str, &str)], text: &str) {
    let body = begin(out, status, headers);
    if !text.is_empty() {
        write(&body, text.as_bytes());
    }
    OutgoingBody::finish(body, None).expect("an end");
}

/// Writes all of it, in pieces that are granted. Whether the peer takes it.
fn write(body: &OutgoingBody, bytes: &[u8]) -> bool {
    let stream = body.write().expect("the stream");
    bytes.chunks(4096).all(|piece| stream.blocking_write_and_flush(piece).is_ok())
}

fn read(body: &IncomingBody, mut piece: impl FnMut(&[u8])) {
    let stream = body.stream().expect("the stream");
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(bytes) => piece(&bytes),
            Err(StreamError::Closed) => return,
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let incoming = request.consume().expect("the body");
    let outgoing = begin(out, 200, &[]);
    let stream = outgoing.write().expect("the stream");
    read(&incoming, |bytes| {
        for piece in bytes.chunks(4096) {
            stream.blocking_write_and_flush(piece).expect("a peer");
        }
    });
    drop(stream);
    let trailers = IncomingBody::finish(incoming);
    trailers.subscribe().block();
    let trailers = trailers.get().expect("ready").expect("once").expect("trailers");
    OutgoingBody::finish(outgoing, trailers).expect("an end");
}

/// With the headers of the request, as many a first example does.
fn copied(request: &IncomingRequest, out: ResponseOutparam) {
    let entries = request.headers().entries();
    let headers = Fields::from_list(&entries).expect("what has come may go");
    let response = OutgoingResponse::new(headers);
    let body = response.body().expect("the body");
    ResponseOutparam::set(out, Ok(response));
    let incoming = request.consume().expect("the body");
    let stream = body.write().expect("the stream");
    read(&incoming, |bytes| {
        bytes.chunks(4096).for_each(|it| stream.blocking_write_and_flush(it).expect("a peer"));
    });
    drop(stream);
    OutgoingBody::finish(body, None).expect("an end");
}

fn described(request: &IncomingRequest) -> String {
    let mut text = format!(
        "{:?} {:?} {} {}\n",
        request.method(),
        request.scheme(),
        request.authority().unwrap_or_default(),
        request.path_with_query().unwrap_or_default()
    );
    for (name, value) in request.headers().entries() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    text
}

fn large(out: ResponseOutparam, bytes: usize, is_sized: bool) {
    let length = bytes.to_string();
    let headers: &[(&str, &str)] =
        if is_sized { &[("content-length", length.as_str())] } else { &[] };
    let body = begin(out, 200, headers);
    let stream = body.write().expect("the stream");
    let piece = [b'x'; 64 * 1024];
    let mut left = bytes;
    while 0 < left {
        let granted = match stream.check_write() {
            Ok(0) => {
                stream.subscribe().block();
                continue;
            }
            Ok(granted) => usize::try_from(granted).unwrap_or(usize::MAX),
            // The peer is gone.
            Err(_) => return,
        };
        let count = granted.min(left).min(piece.len());
        stream.write(&piece[..count]).expect("a peer");
        left -= count;
    }
    drop(stream);
    OutgoingBody::finish(body, None).expect("an end");
}

fn slow(out: ResponseOutparam) {
    let body = begin(out, 200, &[]);
    let stream = body.write().expect("the stream");
    for piece in ["one\n", "two\n", "three\n"] {
        stream.blocking_write_and_flush(piece.as_bytes()).expect("a peer");
        subscribe_duration(50 * MILLISECOND).block();
    }
    drop(stream);
    OutgoingBody::finish(body, None).expect("an end");
}

/// Nothing but such a trick gives the same place twice.
fn twice(out: ResponseOutparam) {
    let handle = out.handle();
    answer(out, 200, &[], "once\n");
    // SAFETY: it names nothing any more, which is what is tried.
    let again = unsafe { ResponseOutparam::from_handle(handle) };
    answer(again, 200, &[], "twice\n");
}

/// The body is written before it is said whose it is.
fn early(out: ResponseOutparam, bytes: usize) {
    let response = OutgoingResponse::new(fields(&[]));
    let body = response.body().expect("the body");
    write(&body, &vec![b'e'; bytes]);
    OutgoingBody::finish(body, None).expect("an end");
    ResponseOutparam::set(out, Ok(response));
}

fn fetch(out: ResponseOutparam) {
    let request = OutgoingRequest::new(fields(&[]));
    request.set_authority(Some("127.0.0.1:1")).expect("an authority");
    let body = request.body().expect("the body");
    write(&body, b"nobody reads this");
    OutgoingBody::finish(body, None).expect("an end");
    let refused = outgoing_handler::handle(request, None).expect_err("nothing is granted");
    answer(out, 502, &[], &format!("{refused:?}\n"));
}

/// A request for `http://authority/path`, or `https://…`.
fn request_for(url: &str, headers: Fields) -> OutgoingRequest {
    let request = OutgoingRequest::new(headers);
    let (scheme, rest) = url.split_once("://").expect("a scheme");
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    request.set_scheme(Some(&scheme)).expect("a scheme");
    request.set_authority(Some(authority)).expect("an authority");
    request.set_path_with_query(Some(path)).expect("a path");
    request
}

fn awaited(future: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    future.subscribe().block();
    future.get().expect("ready").expect("once")
}

/// The answer of another server, with what it was asked: method, fields and body.
fn ask(request: &IncomingRequest, out: ResponseOutparam, url: &str) {
    let headers = Fields::from_list(&request.headers().entries()).expect("what has come may go");
    let asked = request_for(url, headers);
    asked.set_method(&request.method()).expect("a method");
    let body = asked.body().expect("the body");
    let future = match outgoing_handler::handle(asked, None) {
        Ok(future) => future,
        Err(error) => return answer(out, 502, &[], &format!("{error:?}\n")),
    };
    assert!(future.get().is_none(), "its body is not whole");
    let incoming = request.consume().expect("the body");
    let stream = body.write().expect("the stream");
    let takes = |piece: &[u8]| stream.blocking_write_and_flush(piece).is_ok();
    let mut all = true;
    read(&incoming, |bytes| all &= bytes.chunks(4096).all(takes));
    drop(stream);
    if !all || OutgoingBody::finish(body, None).is_err() {
        return answer(out, 502, &[], "the body is not taken\n");
    }
    pass_on(awaited(&future), out);
    assert!(future.get().expect("ready").is_err(), "it is taken once");
}

fn pass_on(response: Result<IncomingResponse, ErrorCode>, out: ResponseOutparam) {
    let response = match response {
        Ok(response) => response,
        Err(error) => return answer(out, 502, &[], &format!("{error:?}\n")),
    };
    let kept = |(name, _): &(String, Vec<u8>)| name == "content-type" || name.starts_with("x-");
    let headers: Vec<_> = response.headers().entries().into_iter().filter(kept).collect();
    let answer = OutgoingResponse::new(Fields::from_list(&headers).expect("right fields"));
    answer.set_status_code(response.status()).expect("a status");
    let body = answer.body().expect("the body");
    ResponseOutparam::set(out, Ok(answer));
    let incoming = response.consume().expect("the body");
    let stream = body.write().expect("the stream");
    read(&incoming, |bytes| {
        bytes.chunks(4096).for_each(|it| stream.blocking_write_and_flush(it).expect("a peer"));
    });
    drop(stream);
    let trailers = IncomingBody::finish(incoming);
    trailers.subscribe().block();
    let trailers = trailers.get().expect("ready").expect("once").expect("trailers");
    OutgoingBody::finish(body, trailers).expect("an end");
}

/// `MILLISECONDS URL`: the first byte has to come within that time.
fn ask_within(out: ResponseOutparam, query: &str) {
    let (time, url) = query.split_once('@').expect("a time");
    let options = RequestOptions::new();
    let time = number(time) as u64 * MILLISECOND;
    options.set_first_byte_timeout(Some(time)).expect("a time");
    assert_eq!(options.first_byte_timeout(), Some(time));
    let future = outgoing_handler::handle(request_for(url, Fields::new()), Some(options));
    pass_on(future.and_then(|future| awaited(&future)), out);
}

/// `COUNT@URL`: so many requests at once, and how each has ended.
fn ask_many(out: ResponseOutparam, query: &str) {
    let (count, url) = query.split_once('@').expect("a number");
    let asked =
        (0..number(count)).map(|_| outgoing_handler::handle(request_for(url, Fields::new()), None));
    let asked: Vec<_> = asked.collect();
    let mut text = String::new();
    let mut waiting: Vec<_> = asked.iter().filter_map(|it| it.as_ref().ok()).collect();
    while !waiting.is_empty() {
        let pollables: Vec<_> = waiting.iter().map(|future| future.subscribe()).collect();
        poll(&pollables.iter().collect::<Vec<_>>());
        drop(pollables);
        waiting.retain(|future| match future.get() {
            None => true,
            Some(response) => {
                let status = response.expect("once").map(|response| response.status());
                text += &format!("{status:?}\n");
                false
            }
        });
    }
    for refused in asked.iter().filter_map(|it| it.as_ref().err()) {
        text += &format!("{refused:?}\n");
    }
    answer(out, 200, &[], &text);
}

/// The body of a request is dropped before its end.
fn ask_unfinished(out: ResponseOutparam, url: &str) {
    let request = request_for(url, Fields::new());
    let body = request.body().expect("the body");
    write(&body, b"the beginning");
    drop(body);
    let future = outgoing_handler::handle(request, None);
    pass_on(future.and_then(|future| awaited(&future)), out);
}

fn refused_fields() -> String {
    let fields = Fields::new();
    let tried = [("connection", "close"), ("x y", "z"), ("x", "a\nb"), ("x", "fine")];
    let results = tried.map(|(name, value)| fields.append(name, value.as_bytes()));
    format!("{results:?}\n")
}
