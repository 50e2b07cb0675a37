//! Peers that never come to an end: what they send is refused or passes through, and is not held.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use sandloop_http::{Limits, Method, RequestDecoder, ResponseDecoder, websocket::WebSocket};

/// Counts what the present thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // No destructor is left to run when the thread ends, so this never fails in one.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise about `layout` is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: `pointer` came from `alloc` above, so from `System`, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that `work` held at once beyond what was there before.
fn peak_of(work: impl FnOnce()) -> isize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    PEAK.get() - before
}

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
    check_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", 1024);
}

#[test]
fn endless_messages() {
    let check = |begin: &[u8], again: &[u8], bound: isize| {
        let block = again.repeat(4096 / again.len());
        let peak = peak_of(|| {
            let mut server = WebSocket::server(1 << 16);
            for piece in std::iter::once(begin).chain(std::iter::repeat_n(block.as_slice(), 256)) {
                server.receive(piece);
                while let Ok(Some(_)) = server.poll() {}
                let _ = server.take_output();
            }
        });
        assert!(peak < bound, "{begin:?} and {again:?} for ever held {peak} bytes");
    };
    let bound = 6 << 16;
    check(b"", b"\x82\x81\0\0\0\0a", bound); // messages
    check(b"", b"\x89\x81\0\0\0\0a", bound); // pings
    check(b"\x02\x80\0\0\0\0", b"\0\x81\0\0\0\0a", bound); // fragments
    check(b"\x02\x80\0\0\0\0", b"\0\x80\0\0\0\0", bound); // fragments of nothing
    check(b"\x82\xff\0\0\0\x7f\xff\xff\xff\xff\0\0\0\0", b"a", bound); // a huge one
    check(b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", b"a", bound); // the largest there may be
}
