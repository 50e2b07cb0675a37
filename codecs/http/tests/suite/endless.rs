//! Peers that never come to an end: what they send is refused or passes through, and is not held.

use sandloop_http::{
    Headers, Limits, Method, RequestDecoder, ResponseDecoder,
    coding::{Bounds, Coding, Compressor, Decompressor},
    websocket::{
        WebSocket,
        extension::{Deflate, accept_deflate},
    },
};
use sandloop_testkit::heap::{Counting, peak_of};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Feeds a beginning and then the same for ever; ends with an error, or has 4 MiB pass through.
#[track_caller]
fn check_request(begin: &str, again: &str, bound: isize) {
    let block = again.repeat(4096 / again.len() + 1);
    let peak = peak_of(|| {
        let mut decoder = RequestDecoder::new(Limits { body: u64::MAX, ..Limits::SERVER });
        let pieces = std::iter::once(begin).chain(std::iter::repeat_n(block.as_str(), 1024));
        for piece in pieces {
            let mut input = piece.as_bytes();
            loop {
                match decoder.decode(&mut input) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    });
    assert!(peak < bound, "{begin:?} and {again:?} for ever held {peak} bytes");
}

/// Twice the head's limit: a buffer that grows holds the old one and the new one for a moment.
const HEAD: isize = 3 * 16 * 1024;

#[test]
fn endless_requests() {
    check_request("", "\r\n", 1024);
    check_request("", "a", 1024);
    check_request("GET /", "a", HEAD);
    check_request("GET / HTTP/1.1\r\n", "a", HEAD);
    check_request("GET / HTTP/1.1\r\n", "a: b\r\n", HEAD);
    check_request("GET / HTTP/1.1\r\na:", " ", HEAD);
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    check_request(chunked, "1\r\na\r\n", 1024);
    check_request(chunked, "0", 1024);
    check_request(&format!("{chunked}1;"), "a", 1024);
    check_request(chunked, "1;a\r\na\r\n", 1024);
    for (begin, again) in [
        ("1;a=", "a"),
        ("1;a=\"", "a"),
        ("1;a=\"", "\\\""),
        ("1;a", ";a"),
        ("1;a", ";a=\"b\""),
        ("1;", " "),
        ("1 ", "\t"),
    ] {
        check_request(&format!("{chunked}{begin}"), again, 1024);
    }
    check_request(&format!("{chunked}0\r\n"), "a: b\r\n", HEAD);
    check_request(&format!("{chunked}FFFFFFFFFFFFFFF\r\n"), "a", 1024);
    check_request(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n",
        "a",
        1024,
    );
    check_request("", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 4096);
}

#[track_caller]
fn check_response(begin: &str, again: &str, bound: isize) {
    let block = again.repeat(4096 / again.len() + 1);
    let peak = peak_of(|| {
        let mut decoder = ResponseDecoder::new(Limits::CLIENT);
        let pieces = std::iter::once(begin).chain(std::iter::repeat_n(block.as_str(), 1024));
        for piece in pieces {
            let mut input = piece.as_bytes();
            loop {
                match decoder.decode(&mut input, &Method::GET) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    });
    assert!(peak < bound, "{begin:?} and {again:?} for ever held {peak} bytes");
}

#[test]
fn endless_responses() {
    const HEAD: isize = 3 * 64 * 1024;
    check_response("", "\r\n", 1024);
    check_response("HTTP/1.1 200 ", "a", HEAD);
    check_response("HTTP/1.1 200 OK\r\n", "a: b\r\n", HEAD);
    check_response("HTTP/1.1 200 OK\r\na: b\r\n", " c\r\n", HEAD);
    check_response("HTTP/1.1 200 OK\r\n\r\n", "a", 1024);
    check_response("", "HTTP/1.1 100 Continue\r\n\r\n", 4096);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check_response(chunked, "1\r\na\r\n", 1024);
    check_response(chunked, "1 \r\na\r\n", 1024);
    check_response(&format!("{chunked}1"), " ", 1024);
    check_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", "a", 1024);
    check_response("HTTP/1.1 200 OK\r\nContent-Length: 5", ", 5", HEAD);
}

/// Whatever follows what is compressed, it is not held.
#[test]
fn endless_padding() {
    for coding in [Coding::Gzip, Coding::Deflate] {
        for padding in [b"\0".as_slice(), b"\r\n"] {
            let mut bytes = Vec::new();
            let mut compressor = Compressor::new(coding);
            compressor.write(b"abc", &mut bytes);
            compressor.finish(&mut bytes);
            let block = padding.repeat(4096);
            let peak = peak_of(|| {
                let mut decompressor = Decompressor::new(coding, Bounds::default());
                decompressor.write(&bytes, |_| {}).unwrap();
                for _ in 0..256 {
                    decompressor.write(&block, |data| assert!(data.is_empty())).unwrap();
                }
                decompressor.finish(|data| assert!(data.is_empty())).unwrap();
            });
            assert!(peak < 128 * 1024, "{coding:?} held {peak} bytes");
        }
    }
}

#[test]
fn endless_messages() {
    let mut offer = Headers::new();
    offer.append("Sec-WebSocket-Extensions", "permessage-deflate").unwrap();
    let wanted = Deflate { keep_own_context: true, keep_peers_context: true, threshold: 0 };
    let (_, agreed) = accept_deflate(&offer, &wanted).unwrap();
    let check = |begin: &[u8], again: &[u8], bound: isize| {
        let block = again.repeat(4096 / again.len());
        let peak = peak_of(|| {
            let mut server = WebSocket::server(1 << 16).with_deflate(agreed);
            for piece in std::iter::once(begin).chain(std::iter::repeat_n(block.as_slice(), 256)) {
                server.receive(piece);
                while let Ok(Some(_)) = server.poll() {}
                let _ = server.take_output();
            }
        });
        assert!(peak < bound, "{begin:?} and {again:?} for ever held {peak} bytes");
    };
    let bound = 6 << 16;
    // Compressed, a byte means a thousand: the bound is on what it means.
    let zeros = b"\0\xfe\0\x80\0\0\0\0".iter().copied().chain([0x55; 128]).collect::<Vec<_>>();
    check(b"\x42\x8c\0\0\0\0\xed\xc1\x01\x01\0\0\0\x80\x90\xfe\xaf\xee", &zeros, bound);
    check(b"", b"\xc2\x83\0\0\0\0\x4b\x04\0", bound);
    check(b"", b"\x82\x81\0\0\0\0a", bound); // messages
    check(b"", b"\x89\x81\0\0\0\0a", bound); // pings
    check(b"\x02\x80\0\0\0\0", b"\0\x81\0\0\0\0a", bound); // fragments
    check(b"\x02\x80\0\0\0\0", b"\0\x80\0\0\0\0", bound); // fragments of nothing
    check(b"\x82\xff\0\0\0\x7f\xff\xff\xff\xff\0\0\0\0", b"a", bound); // a huge one
    check(b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", b"a", bound); // the largest there may be
}
