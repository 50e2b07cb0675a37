//! Answers that are compressed, and what the fields say of it.

use super::*;

const GZIP: &str = "GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br, gzip\r\n\r\n";

/// The head of an answer, whatever bytes follow it.
fn head_of(client: &Client) -> String {
    let sent = std::mem::take(&mut client.wire().sent);
    let text = String::from_utf8_lossy(&sent).into_owned();
    text.split_once("\r\n\r\n").unwrap().0.to_owned()
}

#[test]
fn compressed_where_asked_for() {
    fn text(_: Request, mut response: Response) {
        response.content("a".repeat(1000)).compress();
        response.send_response();
    }
    let plain = "HTTP/1.1 200 OK\r\nVary: Accept-Encoding\r\nContent-Length: 1000\r\n\r\n";
    let client = Client::of(text);
    client.send(GET).expect(&(plain.to_owned() + &"a".repeat(1000)));
    client.send(GZIP);
    let sent = std::mem::take(&mut client.wire().sent);
    let head =
        "HTTP/1.1 200 OK\r\nVary: Accept-Encoding\r\nContent-Encoding: gzip\r\nContent-Length: ";
    assert!(sent.starts_with(head.as_bytes()) && sent.len() < 200);

    let client = Client::of(|_, mut response| {
        response.compress();
        response.send_each(std::iter::repeat_n("a".repeat(1000), 10));
    });
    client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: deflate\r\n\r\n");
    let sent = std::mem::take(&mut client.wire().sent);
    let head = "HTTP/1.1 200 OK\r\nVary: Accept-Encoding\r\nContent-Encoding: deflate\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    assert!(sent.starts_with(head.as_bytes()) && sent.len() < 300);
    assert!(sent.ends_with(b"0\r\n\r\n"));
}

/// What a cache is told: which requests get other bytes, and that these share a weak tag only.
#[test]
fn the_fields_tell_caches() {
    let cases: [(Prepare, &[&str], &[&str]); 6] = [
        (|_| {}, &["Vary: Accept-Encoding"], &["Vary: Accept-Encoding"]),
        (
            |response| _ = response.header("Vary", "Origin"),
            &["Vary: Origin", "Vary: Accept-Encoding"],
            &["Vary: Origin", "Vary: Accept-Encoding"],
        ),
        (
            |response| _ = response.header("Vary", "Origin, accept-encoding"),
            &["Vary: Origin, accept-encoding"],
            &["Vary: Origin, accept-encoding"],
        ),
        (|response| _ = response.header("Vary", "*"), &["Vary: *"], &["Vary: *"]),
        (
            |response| _ = response.header("ETag", "\"a\""),
            &["ETag: \"a\"", "Vary: Accept-Encoding"],
            &["ETag: W/\"a\"", "Vary: Accept-Encoding"],
        ),
        (
            |response| _ = response.header("ETag", "W/\"a\""),
            &["ETag: W/\"a\"", "Vary: Accept-Encoding"],
            &["ETag: W/\"a\"", "Vary: Accept-Encoding"],
        ),
    ];
    for (prepare, plain, compressed) in cases {
        for streamed in [false, true] {
            let client = Client::of(move |_, mut response| {
                prepare(&mut response);
                if streamed {
                    response.compress();
                    response.send_each(["abc"].into_iter());
                } else {
                    response.content("abc").compress();
                    response.send_response();
                }
            });
            for (request, expected) in [(GET, plain), (GZIP, compressed)] {
                client.send(request);
                let head = head_of(&client);
                let told: Vec<&str> = head
                    .lines()
                    .filter(|line| line.starts_with("Vary") || line.starts_with("ETag"))
                    .collect();
                let mut expected = expected.to_vec();
                // In the order in which they were set, or completed.
                expected.sort_unstable();
                assert_eq!(
                    {
                        let mut told = told;
                        told.sort_unstable();
                        told
                    },
                    expected,
                    "{head}"
                );
            }
        }
    }
}

#[test]
fn what_the_plugin_has_encoded_stays_as_it_is() {
    let client = Client::of(|_, mut response| {
        response.header("Content-Encoding", "br").header("ETag", "\"a\"").content("abc");
        assert!(!response.can_compress());
        response.compress();
        response.send_response();
    });
    client.send(GZIP).expect(
        "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nETag: \"a\"\r\nVary: Accept-Encoding\r\n\
         Content-Length: 3\r\n\r\nabc",
    );
}
