//! Arbitrary changes and arbitrary cuts: no panic, and the same result however the bytes are cut.

use sandloop_http::{
    Headers, Limits, Method, RequestDecoder, RequestEvent, RequestHead, ResponseDecoder,
    coding::{Bounds, Coding, Compressor, Decompressor},
    websocket::{
        Event, Message, WebSocket,
        extension::{Deflate, accept_deflate},
    },
    writer::{Outgoing, OutgoingRequest, write_request},
};
use sandloop_testkit::{fuzz::rounds, heap::peak_of};

use crate::{
    corpus::read,
    transcript::{of_requests, of_responses},
};

/// Small bounds, so that they are met often.
const LIMITS: Limits =
    Limits { head: 400, headers: 12, target: 60, body: 200, chunk_extensions: 30 };

const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"\0",
    b"0\r\n\r\n",
    b"\r\n\r\n",
    b"5\r\nhello\r\n",
    b"5 \r\nhello\r\n",
    b";a=\"b;c\"",
    b";a=\"",
    b"\\\"",
    b"Transfer-Encoding: identity\r\n",
    b"Content-Length: 5, 5\r\n",
    b"HTTP/1.2",
    b"HEAD ",
    b"Content-Length: 5\r\n",
    b"content-length:0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: b\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"HTTP/1.0",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"GET / HTTP/1.1\r\n",
    b"ffffffffffffffff",
    b"18446744073709551615",
    b"-1",
    b"+1",
    b"0x5",
    b"\xff",
    b"\xc3\xa9",
    b"Upgrade: websocket\r\n",
];

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    read(folder).into_iter().map(|case| case.bytes).filter(|bytes| bytes.len() < 2000).collect()
}

#[test]
fn requests_do_not_depend_on_the_cuts() {
    let seeds = seeds("requests");
    rounds(5_000, |noise| {
        let mut bytes = noise.pick(&seeds).clone();
        noise.mutate(&mut bytes, WORDS, &seeds);
        let whole = of_requests(LIMITS, std::iter::once(bytes.as_slice()));
        let cut = of_requests(LIMITS, noise.pieces(&bytes).into_iter());
        assert_eq!(whole, cut, "{}", bytes.escape_ascii());
    });
}

#[test]
fn responses_do_not_depend_on_the_cuts() {
    let seeds = seeds("responses");
    rounds(5_000, |noise| {
        let mut bytes = noise.pick(&seeds).clone();
        noise.mutate(&mut bytes, WORDS, &seeds);
        let method = noise.pick(&[Method::GET, Method::GET, Method::HEAD, Method::CONNECT]).clone();
        let whole = of_responses(LIMITS, &method, std::iter::once(bytes.as_slice()));
        let cut = of_responses(LIMITS, &method, noise.pieces(&bytes).into_iter());
        assert_eq!(whole, cut, "{method} {}", bytes.escape_ascii());
    });
}

/// However wrong the bytes are: a head's bound, and as much again where a buffer grows.
#[test]
fn memory_is_bounded() {
    let (requests, responses) = (seeds("requests"), seeds("responses"));
    let others = [requests.clone(), responses.clone()].concat();
    rounds(1_000, |noise| {
        let mut bytes = noise.pick(&others).clone();
        for _ in 0..noise.below(20) {
            bytes.extend(noise.pick(&others));
        }
        noise.mutate(&mut bytes, WORDS, &others);
        let pieces = noise.pieces(&bytes);
        let peak = peak_of(|| {
            let mut decoder = RequestDecoder::new(Limits { body: u64::MAX, ..LIMITS });
            for mut piece in pieces.iter().copied() {
                while let Ok(Some(_)) = decoder.decode(&mut piece) {}
            }
        });
        assert!(peak < 4096, "{peak} bytes for {}", bytes.escape_ascii());
        let peak = peak_of(|| {
            let mut decoder = ResponseDecoder::new(Limits { body: u64::MAX, ..LIMITS });
            for mut piece in pieces.iter().copied() {
                while let Ok(Some(_)) = decoder.decode(&mut piece, &Method::GET) {}
            }
        });
        assert!(peak < 4096, "{peak} bytes for {}", bytes.escape_ascii());
    });
}

/// Whatever is let in means the same when this side says it again: no second reading is possible.
#[test]
fn accepted_requests_are_unambiguous() {
    let seeds = seeds("requests");
    let mut accepted = 0;
    let count = rounds(5_000, |noise| {
        let mut bytes = noise.pick(&seeds).clone();
        noise.mutate(&mut bytes, WORDS, &seeds);
        for (head, body) in requests_of(Limits::SERVER, &bytes) {
            accepted += 1;
            // With room for what the writer adds.
            let wider = Limits { headers: Limits::HEADERS_MAX, ..Limits::SERVER };
            let again = requests_of(wider, &written(&head, &body));
            let [(same, text)] = again.as_slice() else { panic!("{head:?} became {again:?}") };
            assert_eq!((&same.method, &same.target), (&head.method, &head.target));
            assert_eq!(plain(&same.headers), plain(&head.headers));
            assert_eq!(*text, body);
        }
    });
    assert!(count < 1000 || 1 < accepted, "nothing was accepted");
}

/// The complete requests in these bytes, with their bodies.
fn requests_of(limits: Limits, bytes: &[u8]) -> Vec<(RequestHead, Vec<u8>)> {
    let mut decoder = RequestDecoder::new(limits);
    let mut input = bytes;
    let (mut complete, mut present) = (Vec::new(), None);
    while let Ok(Some(event)) = decoder.decode(&mut input) {
        match event {
            RequestEvent::Head(head) => present = Some((head, Vec::new())),
            RequestEvent::Data(data) => present.as_mut().unwrap().1.extend(data),
            RequestEvent::End(_) => complete.extend(present.take()),
        }
    }
    complete
}

fn written(head: &RequestHead, body: &[u8]) -> Vec<u8> {
    let mut headers = plain(&head.headers);
    if !headers.contains("host") {
        headers.append("Host", "").unwrap();
    }
    headers.remove("expect");
    let mut out = Vec::new();
    let request = OutgoingRequest {
        method: &head.method,
        target: &head.target,
        host: "",
        headers: &headers,
        body: Some(Outgoing::Known(body.len() as u64)),
        keep_alive: true,
    };
    let mut writer = write_request(&mut out, &request).unwrap();
    writer.write(body, &mut out).unwrap();
    writer.end(&Headers::new(), &mut out).unwrap();
    out
}

/// Without what the writer says itself.
fn plain(headers: &Headers) -> Headers {
    let mut plain = Headers::new();
    let own =
        ["connection", "content-length", "transfer-encoding", "keep-alive", "proxy-connection"];
    for (name, value) in headers.iter().filter(|(name, value)| {
        let is = |known: &&str| known.eq_ignore_ascii_case(name);
        let absent = name.eq_ignore_ascii_case("host") && value.is_empty();
        !(own.iter().any(is) || name.eq_ignore_ascii_case("expect") || absent)
    }) {
        plain.append(name, value).unwrap();
    }
    plain
}

#[test]
fn messages_do_not_depend_on_the_cuts() {
    let frames: Vec<Vec<u8>> = vec![
        b"\x81\x85\0\0\0\0hello".to_vec(),
        b"\x01\x82\x01\x02\x03\x04\x69\x6b\x89\x81\0\0\0\0p\x80\x81\0\0\0\0!".to_vec(),
        b"\x82\xfe\x00\x80\0\0\0\0".iter().copied().chain([7; 128]).collect(),
        b"\x88\x85\0\0\0\0\x03\xe8bye\x81\x80\0\0\0\0".to_vec(),
        b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00".to_vec(),
        b"\x41\x83\0\0\0\0\xf2\x48\xcd\x80\x84\0\0\0\0\xc9\xc9\x07\x00".to_vec(),
        b"\xc2\x88\0\0\0\0\xf3\x48\xcd\xc9\xc9\x07\0\0".to_vec(),
        b"\xc2\x8a\0\0\0\0\xed\xc1\x01\x01\0\0\0\x80\x90\xfe".to_vec(),
        b"\x8a\x80\0\0\0\0\x89\x82\0\0\0\0ab\x89\x80\0\0\0\0".to_vec(),
    ];
    let words: &[&[u8]] =
        &[b"\x81", b"\x80", b"\xff", b"\x88\x80\0\0\0\0", b"\0", b"\xc3", b"\xfe\xff\xff"];
    rounds(5_000, |noise| {
        let mut bytes = [noise.pick(&frames).clone(), noise.pick(&frames).clone()].concat();
        noise.mutate(&mut bytes, words, &frames);
        for kept in [None, Some(false), Some(true)] {
            let whole = events_of(kept, std::iter::once(bytes.as_slice()));
            let cut = events_of(kept, noise.pieces(&bytes).into_iter());
            assert_eq!(whole, cut, "{}", bytes.escape_ascii());
        }
    });
}

/// What a server with a bound of 200 bytes makes of pieces, and what it answers; with compression if `kept` says whether
/// contexts are.
fn events_of<'a>(
    kept: Option<bool>,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<String>, Vec<u8>) {
    let mut server = WebSocket::server(200);
    if let Some(kept) = kept {
        let wanted = Deflate { keep_own_context: kept, keep_peers_context: kept, threshold: 0 };
        let mut offer = Headers::new();
        offer.append("Sec-WebSocket-Extensions", "permessage-deflate").unwrap();
        server = server.with_deflate(accept_deflate(&offer, &wanted).unwrap().1);
    }
    let (mut seen, mut sent) = (Vec::new(), Vec::new());
    for piece in pieces {
        server.receive(piece);
        loop {
            match server.poll() {
                Ok(None) => break,
                Ok(Some(event)) => {
                    if let Event::Message(Message::Text(text)) = &event {
                        assert!(text.len() <= 200);
                    }
                    seen.push(format!("{event:?}"));
                }
                Err(error) => seen.push(error.to_string()),
            }
        }
        sent.extend(server.take_output());
    }
    (seen, sent)
}

#[test]
fn compressed_bodies_do_not_depend_on_the_cuts() {
    let bounds = Bounds { size: 3000, ratio: 50 };
    rounds(1_000, |noise| {
        let coding = *noise.pick(&[Coding::Gzip, Coding::Deflate]);
        let mut text = Vec::new();
        while text.len() < 2000 {
            let byte = b'a' + noise.below(4) as u8;
            text.extend(vec![byte; noise.below(300)]);
        }
        let mut bytes = Vec::new();
        let mut compressor = Compressor::new(coding);
        compressor.write(&text, &mut bytes);
        compressor.finish(&mut bytes);
        let good = bytes.clone();
        bytes.extend(*noise.pick(&[b"".as_slice(), b"", b"\0\0", b"\r\n", &good]));
        if noise.below(4) != 0 {
            noise.mutate(
                &mut bytes,
                &[b"\0", b"\xff", b"\r\n", b"\x1f\x8b\x08"],
                std::slice::from_ref(&good),
            );
        }
        let whole = inflated(coding, bounds, std::iter::once(bytes.as_slice()));
        let cut = inflated(coding, bounds, noise.pieces(&bytes).into_iter());
        // Which of two errors is met first depends on what the library holds back; that there is one does not.
        assert_eq!(whole.ok(), cut.ok(), "{coding:?} {}", bytes.escape_ascii());
    });
}

fn inflated<'a>(
    coding: Coding,
    bounds: Bounds,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut decompressor = Decompressor::new(coding, bounds);
    for piece in pieces {
        let written = decompressor.write(piece, |data| out.extend_from_slice(data));
        assert!(out.len() as u64 <= bounds.size);
        written.map_err(|error| error.to_string())?;
    }
    decompressor.finish(|data| out.extend_from_slice(data)).map_err(|error| error.to_string())?;
    Ok(out)
}
