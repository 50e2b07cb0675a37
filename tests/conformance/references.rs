//! The references of RFC 3986, 5.4, resolved by the HTTP client: each is where a redirect leads.

use crate::origin::World;
use crate::outcome::Outcome;

const BASE: &str = "http://a/b/c/d;p?q";

/// Reference and what it means at the base: 5.4.1, then 5.4.2.
const REFERENCES: &[(&str, &str)] = &[
    ("g:h", "g:h"),
    ("g", "http://a/b/c/g"),
    ("./g", "http://a/b/c/g"),
    ("g/", "http://a/b/c/g/"),
    ("/g", "http://a/g"),
    ("//g", "http://g"),
    ("?y", "http://a/b/c/d;p?y"),
    ("g?y", "http://a/b/c/g?y"),
    ("#s", "http://a/b/c/d;p?q#s"),
    ("g#s", "http://a/b/c/g#s"),
    ("g?y#s", "http://a/b/c/g?y#s"),
    (";x", "http://a/b/c/;x"),
    ("g;x", "http://a/b/c/g;x"),
    ("g;x?y#s", "http://a/b/c/g;x?y#s"),
    ("", "http://a/b/c/d;p?q"),
    (".", "http://a/b/c/"),
    ("./", "http://a/b/c/"),
    ("..", "http://a/b/"),
    ("../", "http://a/b/"),
    ("../g", "http://a/b/g"),
    ("../..", "http://a/"),
    ("../../", "http://a/"),
    ("../../g", "http://a/g"),
    ("../../../g", "http://a/g"),
    ("../../../../g", "http://a/g"),
    ("/./g", "http://a/g"),
    ("/../g", "http://a/g"),
    ("g.", "http://a/b/c/g."),
    (".g", "http://a/b/c/.g"),
    ("g..", "http://a/b/c/g.."),
    ("..g", "http://a/b/c/..g"),
    ("./../g", "http://a/b/g"),
    ("./g/.", "http://a/b/c/g/"),
    ("g/./h", "http://a/b/c/g/h"),
    ("g/../h", "http://a/b/c/h"),
    ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
    ("g;x=1/../y", "http://a/b/c/y"),
    ("g?y/./x", "http://a/b/c/g?y/./x"),
    ("g?y/../x", "http://a/b/c/g?y/../x"),
    ("g#s/./x", "http://a/b/c/g#s/./x"),
    ("g#s/../x", "http://a/b/c/g#s/../x"),
    ("http:g", "http:g"),
];

/// Has a client follow each.
pub fn resolve() -> Vec<Outcome> {
    let world = World::start(&[]);
    REFERENCES.iter().map(|(reference, meaning)| case(&world, reference, meaning)).collect()
}

fn case(world: &World, reference: &str, meaning: &str) -> Outcome {
    let mut location = Some(reference.to_owned());
    // The second answer has the target of the request, which a proxy is told whole.
    world.answers(move |head| match location.take() {
        Some(location) => format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n"),
        None => {
            let target = head.split(' ').nth(1).unwrap_or_default();
            format!("HTTP/1.1 200 OK\r\n\r\n{target}")
        }
    });
    let mut client = world.client();
    client.send(format!("GET {BASE} redirects=1\n"));
    let line = client.line();
    // Status, reason, redirects, address, length, body.
    let seen = match line.split(' ').collect::<Vec<_>>()[..] {
        ["200", "OK", "redirects=1", _, _, target] => target,
        _ => &line,
    };
    // A fragment is not sent, and an empty path is sent as `/`.
    let expected = meaning.split('#').next().unwrap_or_default();
    let expected = if expected == "http://g" { "http://g/" } else { expected };
    Outcome::exact(format!("<{reference}>"), expected, seen)
}
