//! Every route: its access control, and its answers to bad input. The routes are those that the host itself lists.

use sandloop_tests::{Admin, AdminReply, Config, Host, Plugin, own_loopback};
use serde_json::Value;

use super::{TOKEN, over_tcp, watched};

struct Route {
    method: String,
    path: String,
    access: String,
}

#[track_caller]
fn routes(admin: &Admin) -> Vec<Route> {
    let told = admin.json("/routes");
    let text = |route: &Value, key: &str| route[key].as_str().expect("a text").to_owned();
    let route = |it: &Value| Route {
        method: text(it, "method"),
        path: text(it, "path").replace("{name}", "echo"),
        access: text(it, "access"),
    };
    let routes: Vec<Route> = told["routes"].as_array().expect("a list").iter().map(route).collect();
    assert!(15 < routes.len(), "{told}");
    routes
}

#[track_caller]
fn check(reply: &AdminReply, status: u16, code: &str, what: &str) {
    assert_eq!((reply.status, &*reply.code()), (status, code), "{what}: {reply:?}");
}

fn echo() -> Config {
    Config::serving(Plugin::new("echo"))
}

/// Every client that may open the socket may call everything.
#[test]
fn at_a_unix_socket_each_answers() {
    let (_host, admin) = watched(echo());
    for Route { method, path, .. } in routes(&admin) {
        let reply = admin.ask(&method, &path, &[]);
        // The effect of a reload is tested elsewhere.
        let is_done = reply.status == 200 || path == "/reload" && reply.status == 422;
        assert!(is_done, "{method} {path}: {reply:?}");
        assert!(reply.head.contains("x-content-type-options: nosniff"), "{path}: {}", reply.head);
        assert!(reply.head.contains("cache-control: no-store"), "{path}: {}", reply.head);
        assert!(reply.head.contains("content-security-policy: default-src 'none'"), "{path}");
    }
}

#[test]
fn each_refuses_bad_input() {
    let (_host, admin) = watched(echo());
    for Route { method, path, .. } in routes(&admin) {
        let what = format!("{method} {path}");
        let other = if method == "POST" { "GET" } else { "POST" };
        for wrong in [other, "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] {
            let reply = admin.ask(wrong, &path, &[]);
            check(&reply, 405, "wrong-method", &format!("{wrong} {path}"));
            assert!(reply.head.contains(&format!("allow: {method}")), "{reply:?}");
        }
        for wrong in [
            format!("{path}/"),
            format!("{path}/%2f/x/y"),
            format!("/.{path}"),
            format!("{path}/x/y/z"),
        ] {
            check(&admin.ask(&method, &wrong, &[]), 404, "no-route", &format!("{method} {wrong}"));
        }
        if path.contains("echo") {
            for name in ["ecco", "..", "%65cho", "echo%00", "<b>", "a'b\""] {
                let wrong = path.replace("echo", name);
                let reply = admin.ask(&method, &wrong, &[]);
                // A name that no URL can contain is no request.
                let is_refused = reply.code() == "unknown-plugin" || reply.status == 400;
                assert!(is_refused, "{method} {wrong}: {reply:?}");
            }
        }
        let reply = admin.ask(&method, &format!("{path}?nonsense=1"), &[]);
        let takes_anything = ["/", "/healthz", "/readyz", "/metrics"].contains(&&*path);
        if takes_anything {
            assert_eq!(reply.status, 200, "{what}: {reply:?}");
        } else {
            check(&reply, 400, "bad-query", &what);
        }
        // A page of another site, from which a proxy has found its way here.
        let foreign = admin.ask(&method, &path, &["Origin: http://evil.example"]);
        check(&foreign, 403, "wrong-origin", &what);
        let twice = admin.ask(&method, &path, &["Host: localhost"]);
        check(&twice, 400, "no-host", &what);
        if method == "GET" {
            let head = admin.ask("HEAD", &path, &[]);
            assert_eq!((head.status, &*head.body), (200, ""), "{what}");
        }
    }
    for query in ["after=9.0", "after=x", "limit=0", "limit=1000", "limit=-1", "plugin="] {
        for path in ["/connections", "/instances"] {
            check(&admin.get(&format!("{path}?{query}")), 400, "bad-query", query);
        }
    }
}

/// Over TCP on this machine every client may read, and one with the token may change something.
#[test]
fn over_tcp_what_changes_something_needs_the_token() {
    let (_host, admin) = over_tcp(echo());
    let right = format!("Authorization: Bearer {TOKEN}");
    for Route { method, path, access } in routes(&admin) {
        let what = format!("{method} {path}");
        let ask = |head: &[&str]| admin.ask(&method, &path, head);
        if access != "operator" {
            assert_eq!(ask(&[]).status, 200, "{what}");
            continue;
        }
        for wrong in [
            &[][..],
            &["Authorization: Bearer "],
            &["Authorization: Bearer 0123456789abcdef0123456789abcdeF"],
            &["Authorization: Basic MDEyMzQ1Njc4OWFiY2RlZg=="],
            &["Authorization: bearer"],
            &[&format!("Authorization: Bearer {}", &TOKEN[1..])],
            &[&format!("Cookie: token={TOKEN}")],
        ] {
            let reply = ask(wrong);
            check(&reply, 401, "wrong-token", &what);
            assert!(reply.head.contains("www-authenticate: Bearer"), "{reply:?}");
        }
        let reply = ask(&[&right]);
        assert!(
            reply.status == 200 || path == "/reload" && reply.status == 422,
            "{what}: {reply:?}"
        );
        // Even with the token: a browser names its origin.
        let form = ["Sec-Fetch-Site: cross-site", &right];
        check(&ask(&form), 403, "wrong-origin", &what);
        let form = ["Origin: null", "Content-Type: application/x-www-form-urlencoded", &right];
        check(&ask(&form), 403, "wrong-origin", &what);
    }
}

#[test]
fn over_tcp_without_a_token_nobody_changes_anything() {
    let config = echo().admin("address", format!("\"tcp://{}:0\"", own_loopback()));
    let host = Host::start(&config);
    let admin = Admin::of(&host);
    for Route { method, path, access } in routes(&admin) {
        if access == "operator" {
            for head in [&[][..], &["Authorization: Bearer "]] {
                check(&admin.ask(&method, &path, head), 403, "no-token", &path);
            }
        }
    }
}

/// A name that another party has pointed at this machine is not a name of the listener.
#[test]
fn a_request_for_another_host_is_refused() {
    let (_host, admin) = over_tcp(echo().admin("hosts", "[\"Ops.example.com\"]"));
    let (address, port) = admin.host().rsplit_once(':').expect("a port");
    for Route { method, path, access } in routes(&admin) {
        let ask = |host: &str| admin.ask_as(&method, &path, &[&format!("Host: {host}")]);
        for wrong in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            format!("{address}.evil.example:{port}"),
            format!("{address}:1"),
            address.to_owned(),
            format!("127.0.0.254:{port}"),
            format!("[::1]:{port}"),
        ] {
            check(&ask(&wrong), 421, "wrong-host", &format!("{method} {path} of {wrong}"));
        }
        check(&admin.ask_as(&method, &path, &[]), 400, "no-host", &path);
        let expected = if access == "operator" { 401 } else { 200 };
        for right in [
            format!("{address}:{port}"),
            format!("localhost:{port}"),
            "ops.example.com".to_owned(),
            "OPS.example.com:8443".to_owned(),
        ] {
            assert_eq!(ask(&right).status, expected, "{method} {path} of {right}");
        }
    }
}

/// A value that is given twice may come from two parties.
#[test]
fn a_request_that_says_two_things_is_refused() {
    let (_host, admin) = over_tcp(echo());
    let host = admin.host().to_owned();
    let own = format!("Host: {host}");
    let token = format!("Authorization: Bearer {TOKEN}");
    let (another, site) = ("Authorization: Bearer another", "Sec-Fetch-Site: none");
    let crossing = "Sec-Fetch-Site: Cross-Site";
    let absolute = |of: &str| format!("http://{of}/plugins/echo/park");
    let path = "/plugins/echo/park".to_owned();
    for (target, head, status, code) in [
        (&path, vec![&*own, &own, &token], 400, "no-host"),
        (&path, vec![&own, "Host: evil.example", &token], 400, "no-host"),
        (&path, vec![&own, another, &token], 401, "wrong-token"),
        (&path, vec![&own, &token, another], 401, "wrong-token"),
        (&path, vec![&own, &token, &token], 401, "wrong-token"),
        (&path, vec![&own, &token, site, crossing], 403, "wrong-origin"),
        (&path, vec![&own, &token, crossing, site], 403, "wrong-origin"),
        (&absolute("evil.example"), vec![&own, &token], 400, "no-host"),
        (&absolute(&host), vec!["Host: evil.example", &token], 400, "no-host"),
        (&absolute("evil.example"), vec!["Host: evil.example", &token], 421, "wrong-host"),
    ] {
        check(&admin.ask_as("POST", target, &head), status, code, &format!("{target} {head:?}"));
    }
    for target in [&path, &absolute(&host)] {
        assert_eq!(admin.ask_as("POST", target, &[&own, &token]).status, 200, "{target}");
    }
}

/// If other machines can reach it, reading needs the token as well; probes and scrapes do not.
#[test]
fn a_public_listener_is_read_with_the_token() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("token"), TOKEN).expect("a new file");
    let config = echo()
        .admin("address", "\"tcp://0.0.0.0:0\"")
        .admin("public", "true")
        .admin("token", "{ file = \"token\" }");
    let host = Host::start_in(dir, &config);
    let admin = Admin::of(&host).at("127.0.0.1");
    for Route { method, path, access } in routes(&admin) {
        let expected = if access == "anybody" { 200 } else { 401 };
        assert_eq!(admin.ask(&method, &path, &[]).status, expected, "{method} {path}");
        let shown = admin.ask(&method, &path, &[&format!("Authorization: Bearer {TOKEN}")]);
        assert!(shown.status == 200 || path == "/reload" && shown.status == 422, "{shown:?}");
    }
}
