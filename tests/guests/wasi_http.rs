//! Serves HTTP by `wasi:http`: each path is one way to answer, or not to.

use std::cell::Cell;

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam,
};
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

fn refused_fields() -> String {
    let fields = Fields::new();
    let tried = [("connection", "close"), ("x y", "z"), ("x", "a\nb"), ("x", "fine")];
    let results = tried.map(|(name, value)| fields.append(name, value.as_bytes()));
    format!("{results:?}\n")
}
