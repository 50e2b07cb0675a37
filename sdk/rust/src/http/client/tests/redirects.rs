//! Where a response sends the request, and what goes along.

use super::*;

const GET_A: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\ngone")
}

#[test]
fn a_redirect_is_a_response_unless_it_is_followed() {
    let world = World::new();
    let (watched, peer) = world.get();
    peer.send(redirect(301, "/b"));
    let response = watched.response();
    assert_eq!((response.status.as_u16(), response.text().as_str()), (301, "gone"));
    // Nor is what only looks like one.
    let (watched, peer) = world.sent(world.client.get("http://h/").redirects(1));
    peer.send("HTTP/1.1 201 Created\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(watched.response().status.as_u16(), 201);
    let (watched, peer) = world.sent(world.client.get("http://h/").redirects(1));
    peer.send("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(watched.response().status.as_u16(), 302);
}

#[test]
fn redirects_are_followed_over_the_same_connection() {
    let world = World::new();
    let (watched, peer) = world.sent(world.client.get("http://h/x/y").redirects(3));
    peer.skip().send(redirect(302, "z")).expect("GET /x/z HTTP/1.1\r\nHost: h\r\n\r\n");
    peer.send(redirect(307, "../a")).expect(GET_A);
    peer.send(redirect(308, "http://h/b?c")).expect("GET /b?c HTTP/1.1\r\nHost: h\r\n\r\n");
    peer.send(ok("there"));
    let response = watched.response();
    assert_eq!((response.text().as_str(), response.redirects), ("there", 3));
    assert_eq!(response.uri, "http://h/b?c");
    assert_eq!(world.count(), 1);
}

#[test]
fn redirects_have_a_bound_and_a_place() {
    let world = World::new();
    let (watched, peer) = world.sent(world.client.get("http://h/").redirects(2));
    peer.send(redirect(302, "/")).send(redirect(302, "/"));
    assert!(!watched.is_over());
    peer.send(redirect(302, "/"));
    assert_eq!(watched.error(), HttpError::Redirects);

    let (watched, peer) = world.sent(world.client.get("http://h/").redirects(2));
    peer.send(redirect(302, "http:///nowhere"));
    assert!(matches!(watched.error(), HttpError::Location(_)));
    let (watched, peer) = world.sent(world.client.get("http://h/").redirects(2));
    peer.send(redirect(302, "https://h/"));
    assert!(!watched.is_over());
    let secured = world.peer(world.count() - 1);
    secured.connect();
    assert_eq!(secured.wire().tls, Some((0, "h".to_owned())));
}

#[test]
fn secrets_stay_with_their_server() {
    let world = World::new();
    let request = world.client.get("http://u:p@h/").header("Cookie", "a=b").header("X", "y");
    let (watched, peer) = world.sent(request.redirects(1));
    peer.send(redirect(302, "http://other/a"));
    world.peer(1).connect().expect("GET /a HTTP/1.1\r\nHost: other\r\nX: y\r\n\r\n").send(ok("x"));
    assert_eq!(watched.response().uri, "http://other/a");
}

#[test]
fn what_proves_who_one_is_goes_to_the_same_origin_only() {
    let fields = [
        ("Authorization", "Basic eDp5"),
        ("Cookie", "a=b"),
        ("Cookie2", "a=b"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("X-Api-Key", "k"),
        ("X-Auth-Token", "t"),
    ];
    let check = |location: &str, goes: bool| {
        let world = World::new();
        let mut request = world.client.get("http://h/").header("X", "y").redirects(2);
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let (watched, peer) = world.sent(request);
        peer.skip().send(redirect(302, location));
        let last = world.peer(world.count() - 1);
        last.connect();
        let sent = String::from_utf8(std::mem::take(&mut last.wire().sent)).unwrap();
        assert!(sent.contains("X: y\r\n"), "{location} {sent}");
        for (name, value) in fields {
            assert_eq!(sent.contains(&format!("{name}: {value}\r\n")), goes, "{location} {name}");
        }
        last.send(ok("x"));
        assert_eq!(watched.response().text(), "x");
    };
    check("/a", true);
    check("http://h/a", true);
    check("http://h:80/a", true);
    check("http://H/a", true);
    check("http://u:p@h/a", true);
    check("http://h:81/a", false);
    check("http://other/a", false);
    check("http://sub.h/a", false);
    check("//other/a", false);
    check("http://h@other/a", false);
    check("http://127.0.0.2/a", false);
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    for location in ["http://u:secret@h/a", "http://u:secret@other/a", "//u:secret@h/a"] {
        let world = World::new();
        let (watched, peer) = world.sent(world.client.get("http://h/").redirects(1));
        peer.skip().send(redirect(302, location));
        let last = world.peer(world.count() - 1);
        last.connect();
        let sent = String::from_utf8(std::mem::take(&mut last.wire().sent)).unwrap();
        assert!(!sent.contains("uthorization") && !sent.contains("secret"), "{sent}");
        last.send(ok("x"));
        let uri = watched.response().uri;
        assert!(!uri.contains("secret") && uri.ends_with("/a"), "{uri}");
    }
    let world = World::new();
    let request = world.client.get("http://u:secret@h/a");
    assert!(!format!("{request:?}").contains("secret"));
    let (watched, peer) = world.sent(request);
    peer.send(ok("x"));
    assert_eq!(watched.response().uri, "http://h/a");
}

#[test]
fn a_proxy_hears_its_user_after_a_redirect() {
    let proxy = crate::http::Proxy::new("proxy", 3128);
    let settings = |proxy| ClientSettings { proxy: Some(proxy), ..ClientSettings::default() };
    for (proxy, goes) in [(proxy.clone(), true), (proxy.basic_auth("u", "p"), true)] {
        let world = World::with(settings(proxy));
        let request = world.client.get("http://h/").header("Proxy-Authorization", "Basic dTpw");
        let (_, peer) = world.sent(request.redirects(1));
        peer.skip().send(redirect(302, "http://other/a"));
        let sent = String::from_utf8(std::mem::take(&mut peer.wire().sent)).unwrap();
        assert_eq!(sent.contains("Proxy-Authorization: Basic dTpw\r\n"), goes, "{sent}");
    }
}

#[test]
fn methods_and_bodies_go_along_as_browsers_have_it() {
    let check = |method: &str, status: u16, expected: &str| {
        let world = World::new();
        let method = method.parse().unwrap();
        let request =
            world.client.method(method, "http://h/").body("abc").header("Content-Type", "t");
        let (_, peer) = world.sent(request.redirects(1));
        peer.skip().send(redirect(status, "/a")).expect(expected);
    };
    let again = |method: &str| {
        format!(
            "{method} /a HTTP/1.1\r\nHost: h\r\nContent-Type: t\r\nContent-Length: 3\r\n\r\nabc"
        )
    };
    for status in [301, 302, 303] {
        check("POST", status, GET_A);
    }
    check("PUT", 303, GET_A);
    check("PUT", 302, &again("PUT"));
    check("POST", 307, &again("POST"));
    check("POST", 308, &again("POST"));

    let world = World::new();
    let request = world.client.post("http://h/").body_each(None, ["a"].into_iter()).redirects(1);
    let (watched, peer) = world.sent(request);
    peer.send(redirect(307, "/a"));
    assert_eq!(watched.error(), HttpError::Replay);
}

#[test]
fn cookies_go_along() {
    let world = World::new();
    let (_, peer) = world.sent(world.client.get("http://h/").redirects(2));
    let set =
        "HTTP/1.1 302 X\r\nLocation: /a\r\nSet-Cookie: c=1; Path=/\r\nContent-Length: 0\r\n\r\n";
    peer.skip().send(set).expect("GET /a HTTP/1.1\r\nHost: h\r\nCookie: c=1\r\n\r\n");
    peer.send(redirect(302, "http://other/"));
    world.peer(1).connect().expect("GET / HTTP/1.1\r\nHost: other\r\n\r\n");
    // The next request knows nothing of it, unless the client keeps cookies.
    world.sent(world.client.get("http://h/a"));
    world.peer(0).expect(GET_A);

    let world = World::with(ClientSettings { cookies: true, ..ClientSettings::default() });
    let (_, peer) = world.get();
    peer.send("HTTP/1.1 200 OK\r\nSet-Cookie: c=1; Path=/\r\nContent-Length: 0\r\n\r\n");
    let (_, peer) = world.sent(world.client.get("http://h/a"));
    peer.expect("GET /a HTTP/1.1\r\nHost: h\r\nCookie: c=1\r\n\r\n").send(ok(""));
    world.client.reset();
    let (_, peer) = world.sent(world.client.get("http://h/a"));
    peer.expect(GET_A);
}

#[test]
fn cookies_come_back_as_they_were_set() {
    for value in [&b"\"a1=/b2\""[..], b"\"", b"caf\xe9", b"a b, c", b"\xff\xfe"] {
        let world = World::with(ClientSettings { cookies: true, ..ClientSettings::default() });
        let (_, peer) = world.get();
        let head = [b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=", value, b"; Path=/\r\n"].concat();
        peer.send([&head[..], b"Content-Length: 0\r\n\r\n"].concat());
        let (_, peer) = world.sent(world.client.get("http://h/a"));
        let sent = std::mem::take(&mut peer.wire().sent);
        let expected = [b"Cookie: sid=", value, b"\r\n"].concat();
        assert!(sent.windows(expected.len()).any(|part| part == expected), "{value:?}");
    }
}

#[test]
fn a_log_out_logs_out() {
    for end in ["Max-Age=0", "expires=Thu, 01-Jan-70 00:00:01 GMT", "expires=Thu, 1 Jan 1970 0:0:0"]
    {
        let world = World::with(ClientSettings { cookies: true, ..ClientSettings::default() });
        let (_, peer) = world.get();
        for field in ["sid=abc", &format!("sid=; {end}")] {
            peer.send(format!(
                "HTTP/1.1 200 OK\r\nSet-Cookie: {field}\r\nContent-Length: 0\r\n\r\n"
            ));
            world.sent(world.client.get("http://h/a"));
        }
        assert!(String::from_utf8_lossy(&peer.wire().sent).ends_with(GET_A), "{end}");
    }
}

#[test]
fn the_body_of_a_redirect_is_not_waited_for_for_ever() {
    let world = World::new();
    let (watched, peer) = world.sent(world.client.get("http://h/").redirects(1));
    peer.send("HTTP/1.1 302 X\r\nLocation: /a\r\n\r\n").send("x".repeat(70_000));
    assert!(peer.wire().ended.is_some());
    world.peer(1).connect().expect(GET_A).send(ok("there"));
    assert_eq!(watched.response().text(), "there");
}
