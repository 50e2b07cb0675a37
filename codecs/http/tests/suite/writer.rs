//! What is sent, byte by byte.

use sandloop_http::{
    FieldError, Headers, Method, StatusCode, Target, Version,
    writer::{
        BodyWriter, Exchange, HeadError, LengthError, Outgoing, OutgoingRequest, OutgoingResponse,
        write_informational, write_request, write_response,
    },
};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn headers(fields: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in fields {
        headers.append(name, value).unwrap();
    }
    headers
}

/// A plain request.
fn get(target: &Target) -> OutgoingRequest<'_> {
    static NONE: Headers = Headers::new();
    OutgoingRequest {
        method: &Method::GET,
        target,
        host: "a",
        headers: &NONE,
        body: None,
        keep_alive: true,
    }
}

/// An answer to such a request, with this body in two pieces.
#[track_caller]
fn check(
    (method, version, keep_alive): (Method, Version, bool),
    (status, fields): (u16, &[(&str, &str)]),
    (length, body): (Outgoing, &str),
    expected: &str,
    stays: bool,
) {
    let mut exchange = Exchange::answering(&method, version, keep_alive);
    let status = StatusCode::from_u16(status).unwrap();
    let mut out = Vec::new();
    let headers = headers(fields);
    let response = OutgoingResponse { status, headers: &headers, body: length, date: Some(DATE) };
    let mut writer = write_response(&mut out, &mut exchange, &response).unwrap();
    let (one, two) = body.split_at(body.len() / 2);
    writer.write(one.as_bytes(), &mut out).unwrap();
    writer.write(two.as_bytes(), &mut out).unwrap();
    writer.end(&self::headers(&[("X-End", "yes")]), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert_eq!(exchange.keep_alive, stays);
}

#[test]
fn every_way_to_end_a_body() {
    use Outgoing::{Known, Unknown};
    let (http10, http11) = (Version::HTTP_10, Version::HTTP_11);
    let get = |version, keep_alive| (Method::GET, version, keep_alive);
    let html: &[(&str, &str)] = &[("Content-Type", "text/html"), ("A", "b")];
    check(
        get(http11, true),
        (200, html),
        (Known(4), "abcd"),
        &format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nA: b\r\nContent-Length: 4\r\nDate: {DATE}\r\n\r\nabcd"
        ),
        true,
    );
    check(
        get(http11, false),
        (404, &[]),
        (Known(0), ""),
        &format!(
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\nDate: {DATE}\r\n\r\n"
        ),
        false,
    );
    check(
        get(http11, true),
        (200, &[]),
        (Unknown, "0123456789abcdefghijklmnopqrstuvwxyz"),
        &format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: {DATE}\r\n\r\n\
             12\r\n0123456789abcdefgh\r\n12\r\nijklmnopqrstuvwxyz\r\n0\r\nX-End: yes\r\n\r\n"
        ),
        true,
    );
    check(
        get(http10, true),
        (200, &[]),
        (Unknown, "abcd"),
        &format!("HTTP/1.1 200 OK\r\nConnection: close\r\nDate: {DATE}\r\n\r\nabcd"),
        false,
    );
    check(
        get(http10, true),
        (200, &[]),
        (Known(4), "abcd"),
        &format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\nDate: {DATE}\r\n\r\nabcd"
        ),
        true,
    );
    check(
        get(http10, false),
        (200, &[]),
        (Known(0), ""),
        &format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\nDate: {DATE}\r\n\r\n"
        ),
        false,
    );
}

#[test]
fn answers_without_a_body() {
    use Outgoing::{Known, Unknown};
    let http11 = Version::HTTP_11;
    let date = format!("Date: {DATE}\r\n\r\n");
    for status in [204, 304] {
        let line = format!("HTTP/1.1 {}\r\n{date}", StatusCode::from_u16(status).unwrap());
        for body in [(Known(4), "abcd"), (Unknown, "abcd")] {
            check((Method::GET, http11, true), (status, &[]), body, &line, true);
        }
    }
    let head = |length: &str| format!("HTTP/1.1 200 OK\r\n{length}\r\n{date}");
    let request = || (Method::HEAD, http11, true);
    check(request(), (200, &[]), (Known(4), "abcd"), &head("Content-Length: 4"), true);
    check(request(), (200, &[]), (Unknown, "abcd"), &head("Transfer-Encoding: chunked"), true);
    let tunnel = format!("HTTP/1.1 200 OK\r\n{date}");
    check((Method::CONNECT, http11, true), (200, &[]), (Known(0), ""), &tunnel, true);
    let upgrade =
        format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: Upgrade\r\n{date}");
    check((Method::GET, http11, true), (101, &[("Upgrade", "a")]), (Unknown, ""), &upgrade, true);
}

/// RFC 9110, 15.3.6: no content, and a length that says so, whatever the request and the answer were going to be.
#[test]
fn a_reset_has_no_content() {
    let date = format!("Date: {DATE}\r\n\r\n");
    for method in [Method::GET, Method::POST, Method::HEAD] {
        for body in [(Outgoing::Known(4), "abcd"), (Outgoing::Unknown, "abcd")] {
            for (version, option) in
                [(Version::HTTP_11, ""), (Version::HTTP_10, "Connection: keep-alive\r\n")]
            {
                let head =
                    format!("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n{option}{date}");
                check((method.clone(), version, true), (205, &[]), body, &head, true);
            }
        }
    }
}

#[test]
fn an_interim_status_is_no_answer_and_no_other_is_interim() {
    let none = Headers::new();
    for code in 100..=999 {
        let status = StatusCode::from_u16(code).unwrap();
        let (mut final_out, mut interim_out) = (Vec::new(), Vec::new());
        let mut exchange = Exchange::answering(&Method::GET, Version::HTTP_11, true);
        let response =
            OutgoingResponse { status, headers: &none, body: Outgoing::Known(0), date: None };
        let answered = write_response(&mut final_out, &mut exchange, &response).map(drop);
        let announced = write_informational(&mut interim_out, status, &none);
        let is_interim = code < 200 && code != 101;
        let expected = if is_interim {
            (Err(HeadError::Interim(status)), Ok(()))
        } else {
            (Ok(()), Err(HeadError::Final(status)))
        };
        assert_eq!((answered, announced), expected, "{code}");
        assert_eq!((final_out.is_empty(), interim_out.is_empty()), (is_interim, !is_interim));
    }
}

/// RFC 9110, 7.8: whoever sends `Upgrade` lists it in `Connection`.
#[test]
fn upgrades_are_the_connections_business() {
    let upgrade: &[(&str, &str)] = &[("UPGRADE", "websocket")];
    let (http10, http11) = (Version::HTTP_10, Version::HTTP_11);
    for (version, keep_alive, status, fields, expected) in [
        (http11, true, 426, upgrade, Some("Upgrade")),
        (http11, false, 426, upgrade, Some("Upgrade, close")),
        (http10, true, 426, upgrade, Some("Upgrade, keep-alive")),
        (http10, false, 426, upgrade, Some("Upgrade, close")),
        (http11, true, 200, upgrade, Some("Upgrade")),
        (http11, true, 304, upgrade, Some("Upgrade")),
        (http11, true, 101, upgrade, Some("Upgrade")),
        (http11, false, 101, upgrade, Some("Upgrade")),
        (http11, true, 426, &[], None),
        (http11, false, 426, &[], Some("close")),
        (http10, true, 200, &[], Some("keep-alive")),
    ] {
        let mut out = Vec::new();
        let mut exchange = Exchange::answering(&Method::GET, version, keep_alive);
        let status = StatusCode::from_u16(status).unwrap();
        let headers = headers(fields);
        let response =
            OutgoingResponse { status, headers: &headers, body: Outgoing::Known(0), date: None };
        write_response(&mut out, &mut exchange, &response).unwrap();
        let text = String::from_utf8(out).unwrap();
        let option = text.lines().find_map(|line| line.strip_prefix("Connection: "));
        assert_eq!(option, expected, "{text}");
    }
}

#[test]
fn a_date_of_ones_own_stays() {
    let own = "HTTP/1.1 200 OK\r\ndate: then\r\nContent-Length: 0\r\n\r\n";
    let request = (Method::GET, Version::HTTP_11, true);
    check(request, (200, &[("date", "then")]), (Outgoing::Known(0), ""), own, true);
    let mut out = Vec::new();
    let mut exchange = Exchange::answering(&Method::GET, Version::HTTP_11, true);
    let headers = Headers::new();
    let (status, body) = (StatusCode::OK, Outgoing::Known(0));
    let response = OutgoingResponse { status, headers: &headers, body, date: None };
    write_response(&mut out, &mut exchange, &response).unwrap();
    assert_eq!(out, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn the_frame_is_the_writers() {
    for name in ["Content-Length", "TRANSFER-ENCODING", "connection", "keep-alive"] {
        let fields = headers(&[(name, "1")]);
        let (mut out, mut exchange) =
            (Vec::new(), Exchange::answering(&Method::GET, Version::HTTP_11, true));
        let response = OutgoingResponse {
            status: StatusCode::OK,
            headers: &fields,
            body: Outgoing::Known(1),
            date: None,
        };
        let reserved = FieldError::Reserved(name.to_owned());
        let refused = Err(HeadError::Field(reserved.clone()));
        let result = write_response(&mut out, &mut exchange, &response);
        assert_eq!(result.map(drop), refused);
        assert_eq!(write_informational(&mut out, StatusCode::CONTINUE, &fields), refused);
        let target = Target::parse(&Method::GET, "/").unwrap();
        let request = OutgoingRequest { headers: &fields, ..get(&target) };
        let result = write_request(&mut out, &request);
        assert_eq!(result, Err(reserved));
        assert!(out.is_empty());
    }
}

#[test]
fn a_body_is_as_long_as_was_said() {
    let mut out = Vec::new();
    let none = Headers::new();
    let mut writer = BodyWriter::Known { left: 3 };
    writer.write(b"ab", &mut out).unwrap();
    assert_eq!(writer.write(b"cde", &mut out), Err(LengthError::TooMuch(2)));
    assert_eq!(out, b"ab");
    assert_eq!(writer.end(&none, &mut out), Err(LengthError::TooLittle(1)));
    assert_eq!(writer.end(&none, &mut out), Err(LengthError::AfterEnd));
    assert_eq!(writer.write(b"f", &mut out), Err(LengthError::AfterEnd));
}

/// An empty piece in the middle must not be the last chunk.
#[test]
fn an_empty_chunk_is_no_chunk() {
    let mut out = Vec::new();
    let mut writer = BodyWriter::Chunked;
    writer.write(b"", &mut out).unwrap();
    writer.write(&[b'x'; 300], &mut out).unwrap();
    writer.end(&Headers::new(), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), format!("12C\r\n{}\r\n0\r\n\r\n", "x".repeat(300)));
}

#[test]
fn requests() {
    let check = |method: &Method, fields: &[(&str, &str)], body, keep_alive, expected: &str| {
        let target = Target::parse(method, "/a?b").unwrap();
        let mut out = Vec::new();
        let headers = headers(fields);
        let request = OutgoingRequest {
            method,
            host: "c:8080",
            headers: &headers,
            body,
            keep_alive,
            ..get(&target)
        };
        write_request(&mut out, &request).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    };
    use Outgoing::{Known, Unknown};
    check(&Method::GET, &[], None, true, "GET /a?b HTTP/1.1\r\nHost: c:8080\r\n\r\n");
    check(
        &Method::GET,
        &[("A", "b"), ("host", "d")],
        None,
        false,
        "GET /a?b HTTP/1.1\r\nA: b\r\nhost: d\r\nConnection: close\r\n\r\n",
    );
    for method in [Method::POST, Method::PUT, Method::PATCH] {
        let expected =
            format!("{method} /a?b HTTP/1.1\r\nHost: c:8080\r\nContent-Length: 0\r\n\r\n");
        check(&method, &[], None, true, &expected);
    }
    check(
        &Method::POST,
        &[],
        Some(Known(7)),
        true,
        "POST /a?b HTTP/1.1\r\nHost: c:8080\r\nContent-Length: 7\r\n\r\n",
    );
    check(
        &Method::PUT,
        &[("Upgrade", "x")],
        Some(Unknown),
        true,
        "PUT /a?b HTTP/1.1\r\nHost: c:8080\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\nConnection: Upgrade\r\n\r\n",
    );
    check(
        &Method::GET,
        &[("Upgrade", "x")],
        None,
        false,
        "GET /a?b HTTP/1.1\r\nHost: c:8080\r\nUpgrade: x\r\nConnection: Upgrade, close\r\n\r\n",
    );
    let target = Target::parse(&Method::GET, "/").unwrap();
    let request = OutgoingRequest { host: "a\r\nb", ..get(&target) };
    let bad = write_request(&mut Vec::new(), &request);
    assert_eq!(bad, Err(FieldError::Value("Host".to_owned())));
}

#[test]
fn answers_before_the_answer() {
    let mut out = Vec::new();
    write_informational(&mut out, StatusCode::CONTINUE, &Headers::new()).unwrap();
    let hints = headers(&[("Link", "</a.css>; rel=preload")]);
    write_informational(&mut out, StatusCode::from_u16(103).unwrap(), &hints).unwrap();
    let expected = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
