//! Every kind of source with everything that can be wrong with it, from servers that are made for that.

mod server;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use self::server::{Reply, Server};
use super::*;
use crate::config::model::Config;

/// What begins as a component does, which is all that is looked at here.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0the rest of it";
const OTHER: &[u8] = b"\0asm\x0d\0\x01\0something else";

/// A folder with a configuration, and what its `[host]` says.
struct Place {
    dir: tempfile::TempDir,
    host: String,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().expect("a folder");
        Place { dir, host: "store = \"./store\"\n".to_owned() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn host(mut self, line: &str) -> Place {
        self.host.push_str(line);
        self.host.push('\n');
        self
    }

    fn trusting(self, key: &str) -> Place {
        fs::write(self.path().join("trusted.pub"), key).expect("a new file");
        if self.host.contains("trust =") { self } else { self.host("trust = [\"trusted.pub\"]") }
    }

    /// The outcome of a plugin's keys: its component, or the message.
    fn component(&self, keys: &str) -> Result<Component, String> {
        let text = format!("[plugins.p]\nisolation = \"plugin\"\n{keys}\n[host]\n{}", self.host);
        let config = Config::parse(&self.path().join("plugins.toml"), &text)
            .unwrap_or_else(|error| panic!("{error}"));
        let component = Sources::of(&config.host).component(&config.plugins[0].component);
        component.map_err(|fault| fault.to_string())
    }

    fn stored(&self) -> usize {
        fs::read_dir(self.path().join("store")).map_or(0, Iterator::count)
    }
}

/// Keys and signatures of the program `minisign`: `own` is trusted.
macro_rules! of_minisign {
    ($name:literal) => {
        include_str!(concat!("tests/signatures/", $name))
    };
}

const OWN_KEY: &str = of_minisign!("own.pub");
const STRANGERS_KEY: &str = of_minisign!("stranger.pub");
const OWN: &str = of_minisign!("own_echo.minisig");
const OWN_OF_OTHER: &str = of_minisign!("own_other.minisig");
const OWN_LEGACY: &str = of_minisign!("own_legacy.minisig");
const STRANGERS: &str = of_minisign!("stranger_echo.minisig");

fn id(key: &str) -> String {
    key.lines().nth(1).and_then(crate::config::trust::key_id).expect("a key")
}

#[track_caller]
fn check(outcome: Result<Component, String>, expected: Result<&[u8], &str>) {
    match (outcome, expected) {
        (Ok(component), Ok(bytes)) => assert_eq!(component.bytes, bytes),
        (Err(message), Err(part)) => {
            assert!(message.contains(part), "{message:?} has no {part:?}");
            assert!(message.contains("; "), "{message:?} has no remedy");
        }
        (outcome, expected) => panic!("{outcome:?}, not {expected:?}"),
    }
}

#[test]
fn a_file_is_what_its_digest_says() {
    let place = Place::new();
    fs::write(place.path().join("e.wasm"), COMPONENT).expect("a new file");
    let (good, other) = (digest(COMPONENT), digest(OTHER));
    check(place.component("component = \"e.wasm\""), Ok(COMPONENT));
    check(place.component(&format!("component = \"e.wasm\"\nsha256 = \"{good}\"")), Ok(COMPONENT));
    let message = format!("its digest is {good}, and by sha256 it must be {other}");
    check(place.component(&format!("component = \"e.wasm\"\nsha256 = \"{other}\"")), Err(&message));
    fs::write(place.path().join("text"), "text").expect("a new file");
    check(place.component("component = \"text\""), Err("not a WebAssembly file"));
    assert_eq!(place.stored(), 0);
}

#[test]
fn a_file_needs_a_signature_where_keys_are_trusted() {
    let place = Place::new().trusting(OWN_KEY);
    let at = |name: &str| place.path().join(name);
    fs::write(at("e.wasm"), COMPONENT).expect("a new file");
    let component = || place.component("component = \"e.wasm\"");
    check(component(), Err("it is not signed, and [host] trust asks for a signature"));
    let with = |signature: &str| {
        fs::write(at("e.wasm.minisig"), signature).expect("a new file");
        component()
    };
    check(with(OWN), Ok(COMPONENT));
    assert_eq!(with(OWN).expect("signed").signed_by, Some(id(OWN_KEY)));
    let unknown = format!(
        "it is signed with the key {}, and [host] trust has {}",
        id(STRANGERS_KEY),
        id(OWN_KEY)
    );
    check(with(STRANGERS), Err(&unknown));
    let other = format!("its signature with the key {} is not for these bytes", id(OWN_KEY));
    check(with(OWN_OF_OTHER), Err(&other));
    // Somebody else's signature under the number of a key that is trusted.
    let mixed: Vec<_> = OWN_OF_OTHER.lines().take(2).chain(STRANGERS.lines().skip(2)).collect();
    check(with(&mixed.join("\n")), Err(&other));
    // The trusted comment is signed with the rest.
    let renamed = OWN.replace("file:echo.wasm", "file:evil.wasm");
    check(with(&renamed), Err(&other));
    check(with(OWN_LEGACY), Err("its signature is none of minisign: it has the older format"));
    for malformed in [
        "",
        "nonsense",
        "untrusted comment: x\nRW",
        &OWN_OF_OTHER.lines().take(2).collect::<Vec<_>>().join("\n"),
    ] {
        check(with(malformed), Err("its signature is none of minisign"));
    }
    let _ = fs::remove_file(at("e.wasm.minisig"));
    fs::create_dir(at("e.wasm.minisig")).expect("a new folder");
    check(component(), Err("cannot be read: it is a folder"));
}

/// A server with a certificate, and a place that believes its authority.
fn tls_server(replies: &[(&str, Reply)]) -> (Place, Server) {
    let place = Place::new();
    let server = Server::with_tls(replies, &place.path().join("ca.pem"));
    let host = format!("registries.\"{}\" = {{ server_ca = \"ca.pem\" }}", server.address);
    (place.host(&host), server)
}

fn https(server: &Server, path: &str, wanted: &Digest) -> String {
    format!("component = \"https://{}/{path}\"\nsha256 = \"{wanted}\"", server.address)
}

#[test]
fn from_a_server_it_is_fetched_once() {
    let (place, server) = tls_server(&[("/e.wasm", Reply::ok(COMPONENT))]);
    let keys = https(&server, "e.wasm", &digest(COMPONENT));
    let first = place.component(&keys).expect("fetched");
    assert!(first.is_fetched && first.bytes == COMPONENT);
    drop(server);
    let second = place.component(&keys).expect("from the store");
    assert!(!second.is_fetched && second.bytes == COMPONENT);
    // What somebody has changed in the store is not believed.
    let file = place.path().join("store").join(format!("{}.component", digest(COMPONENT)));
    fs::write(&file, OTHER).expect("an old file");
    check(place.component(&keys), Err("it cannot be fetched"));
}

#[test]
fn what_a_server_does_wrong() {
    let large = vec![0; 70_000];
    let to = |address: &str| Reply::redirect(address);
    let replies = [
        ("/other", Reply::ok(OTHER)),
        ("/cut", Reply::Truncated(COMPONENT.to_vec(), 1000)),
        ("/large", Reply::ok(&large)),
        ("/endless", Reply::Endless),
        ("/missing", Reply::status(404)),
        ("/secret", Reply::status(403)),
        ("/broken", Reply::status(500)),
        ("/plain", to("http://127.0.0.1:1/e.wasm")),
        ("/file", to("file:///etc/passwd")),
        ("/loop", to("/loop")),
        ("/again", to("/good")),
        ("/good", Reply::ok(COMPONENT)),
        ("/nonsense", Reply::Raw(b"no HTTP at all\r\n\r\n".to_vec())),
        ("/headers", Reply::EndlessHeaders),
    ];
    let (place, server) = tls_server(&replies);
    let place = place.host("fetch_size = \"64KiB\"");
    let good = digest(COMPONENT);
    for (path, expected) in [
        ("other", format!("its digest is {}, and by sha256 it must be {good}", digest(OTHER))),
        ("cut", "it cannot be fetched: ".to_owned()),
        ("large", "it has more than 64KiB".to_owned()),
        ("endless", "it has more than 64KiB".to_owned()),
        ("missing", "/missing is answered with the status 404; correct the address".to_owned()),
        ("secret", "is answered with the status 403; add a login".to_owned()),
        ("broken", "is answered with the status 500; try again later".to_owned()),
        ("plain", "which is not https, or has a user in it; name another server".to_owned()),
        ("file", "; ".to_owned()),
        ("loop", "its server leads on without end".to_owned()),
        ("nonsense", "it cannot be fetched: ".to_owned()),
        ("headers", "it cannot be fetched: ".to_owned()),
    ] {
        check(place.component(&https(&server, path, &good)), Err(&expected));
        assert_eq!(place.stored(), 0, "{path}");
    }
    check(place.component(&https(&server, "again", &good)), Ok(COMPONENT));
}

#[test]
fn who_says_nothing_is_waited_for_so_long_and_no_longer() {
    let replies = [("/hung", Reply::Hung), ("/drip", Reply::HungBody)];
    let (place, server) = tls_server(&replies);
    let place = place.host("fetch_time = \"500ms\"");
    for path in ["hung", "drip"] {
        let keys = https(&server, path, &digest(COMPONENT));
        check(place.component(&keys), Err("it is not there after 500ms; raise fetch_time"));
    }
    assert_eq!(place.stored(), 0);
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_believed() {
    let place = Place::new();
    let server = Server::with_tls(&[("/e", Reply::ok(COMPONENT))], &place.path().join("ca.pem"));
    let keys = https(&server, "e", &digest(COMPONENT));
    check(place.component(&keys), Err("it cannot be fetched: "));
    let nobody = keys.replace("127.0.0.1", "localhost");
    // The certificate is for the address, not for this name.
    let port = server.address.rsplit_once(':').expect("a port").1;
    let place =
        place.host(&format!("registries.\"localhost:{port}\" = {{ server_ca = \"ca.pem\" }}"));
    check(place.component(&nobody), Err("it cannot be fetched: "));
}

#[test]
fn from_a_server_the_signature_is_beside_it() {
    let signature = |text: &str| Reply::ok(text.as_bytes());
    let replies = [
        ("/good", Reply::ok(COMPONENT)),
        ("/good.minisig", signature(OWN)),
        ("/stranger", Reply::ok(COMPONENT)),
        ("/stranger.minisig", signature(STRANGERS)),
        ("/other", Reply::ok(COMPONENT)),
        ("/other.minisig", signature(OWN_OF_OTHER)),
        ("/unsigned", Reply::ok(COMPONENT)),
        ("/endless", Reply::ok(COMPONENT)),
        ("/endless.minisig", Reply::Endless),
    ];
    let (place, server) = tls_server(&replies);
    let place = place.trusting(OWN_KEY);
    let good = digest(COMPONENT);
    for (path, expected) in [
        ("unsigned", "it is not signed"),
        ("stranger", "it is signed with the key"),
        ("other", "is not for these bytes"),
        ("endless", "it has more than"),
    ] {
        check(place.component(&https(&server, path, &good)), Err(expected));
        assert_eq!(place.stored(), 0, "{path}");
    }
    check(place.component(&https(&server, "good", &good)), Ok(COMPONENT));
    let keys = https(&server, "good", &good);
    drop(server);
    // Its signature was kept with it.
    check(place.component(&keys), Ok(COMPONENT));
    // Whoever trusts that key no longer does not use what it has signed.
    let revoked = place.trusting(STRANGERS_KEY);
    check(revoked.component(&keys), Err("it cannot be fetched"));
}

/// A registry's answers for one image.
struct Image {
    manifest: String,
    replies: Vec<(String, Reply)>,
}

impl Image {
    fn new(layer: &[u8], kind: &str, annotation: Option<&str>) -> Image {
        let annotations = annotation
            .map(|text| HashMap::from([(manifest::SIGNATURE_ANNOTATION, text)]))
            .unwrap_or_default();
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": manifest::MANIFESTS[0],
            "config": { "mediaType": "application/vnd.wasm.config.v0+json" },
            "layers": [{ "mediaType": kind, "digest": format!("sha256:{}", digest(layer)), "size": layer.len() }],
            "annotations": annotations,
        })
        .to_string();
        let blob = format!("/v2/a/echo/blobs/sha256:{}", digest(layer));
        Image { replies: vec![(blob, Reply::ok(layer))], manifest }.serving()
    }

    fn serving(mut self) -> Image {
        let manifest = self.manifest.as_bytes();
        for name in ["1.2".to_owned(), format!("sha256:{}", digest(manifest))] {
            self.replies.push((format!("/v2/a/echo/manifests/{name}"), Reply::ok(manifest)));
        }
        self
    }

    fn server(&self) -> Server {
        let replies: Vec<_> =
            self.replies.iter().map(|(path, reply)| (&**path, reply.clone())).collect();
        Server::plain(&replies)
    }

    fn digest(&self) -> Digest {
        digest(self.manifest.as_bytes())
    }
}

const WASM: &str = "application/wasm";
const TAR: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // The library would refuse some of these names.
        header.as_gnu_mut().expect("a header").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, *bytes).expect("an entry");
    }
    archive.into_inner().and_then(GzEncoder::finish).expect("an archive")
}

#[test]
fn both_layouts_of_a_registry() {
    let layer = packed(&[("./other", b"x"), ("plugin.wasm", COMPONENT)]);
    for image in [Image::new(COMPONENT, WASM, None), Image::new(&layer, TAR, None)] {
        let place = Place::new();
        let server = image.server();
        let name = format!("oci://{}/a/echo", server.address);
        let tagged = format!("component = \"{name}:1.2\"\nsha256 = \"{}\"", digest(COMPONENT));
        check(place.component(&tagged), Ok(COMPONENT));
        let place = Place::new();
        let pinned = format!("component = \"{name}@sha256:{}\"", image.digest());
        assert!(place.component(&pinned).expect("fetched").is_fetched);
        drop(server);
        assert!(!place.component(&pinned).expect("from the store").is_fetched);
    }
}

#[test]
fn what_a_registry_does_wrong() {
    let good = digest(COMPONENT);
    let pin = digest(b"{}");
    let of = |image: &Image, pin: &Digest| {
        let place = Place::new().host("fetch_size = \"64KiB\"");
        let server = image.server();
        let keys = format!("component = \"oci://{}/a/echo@sha256:{pin}\"", server.address);
        let outcome = place.component(&keys);
        (outcome, place.stored())
    };
    // Another manifest under the name of the wanted one.
    let mut lying = Image::new(COMPONENT, WASM, None);
    lying
        .replies
        .push((format!("/v2/a/echo/manifests/sha256:{pin}"), Reply::ok(lying.manifest.as_bytes())));
    let message = format!(
        "its digest is {}, and by the name of its manifest it must be {pin}",
        lying.digest()
    );
    let (outcome, stored) = of(&lying, &pin);
    check(outcome, Err(&message));
    assert_eq!(stored, 0);
    // Another layer under the name of the wanted one.
    let mut lying = Image::new(COMPONENT, WASM, None);
    lying.replies[0].1 = Reply::ok(OTHER);
    let message = format!("its digest is {}, and by its manifest it must be {good}", digest(OTHER));
    let (outcome, stored) = of(&lying, &lying.digest());
    check(outcome, Err(&message));
    assert_eq!(stored, 0);
    let bomb = packed(&[("plugin.wasm", &vec![0; 10 << 20])]);
    let hidden = packed(&[("x", &vec![0; 10 << 20]), ("plugin.wasm", COMPONENT)]);
    let outside = packed(&[
        ("../plugin.wasm", COMPONENT),
        ("/plugin.wasm", COMPONENT),
        ("a/plugin.wasm", COMPONENT),
    ]);
    let cut = &packed(&[("plugin.wasm", COMPONENT)])[..40];
    for (layer, kind, expected) in [
        (&bomb[..], TAR, "it has more than 64KiB"),
        (&hidden, TAR, "it has more than 64KiB"),
        (&outside, TAR, "there is no file plugin.wasm in its layer"),
        (cut, TAR, "its layer cannot be unpacked"),
        (b"no archive", TAR, "its layer cannot be unpacked"),
        (COMPONENT, "text/plain", "it has not one layer with a component, but these: text/plain"),
        (&vec![0; 70_000], WASM, "it has more than 64KiB"),
        (b"text", WASM, "not a WebAssembly file"),
    ] {
        let image = Image::new(layer, kind, None);
        check(of(&image, &image.digest()).0, Err(expected));
    }
    for (manifest, expected) in [
        ("nonsense", "its manifest cannot be read"),
        ("{}", "it has not one layer with a component, but these: "),
        (r#"{"manifests":[]}"#, "it is a list of images for several kinds of machines"),
        (
            r#"{"layers":[{"mediaType":"application/wasm","digest":"sha256:12"}]}"#,
            "its layer has the digest",
        ),
        (
            r#"{"layers":[{"mediaType":"application/wasm","digest":"sha512:../../x"}]}"#,
            "its layer has the digest",
        ),
    ] {
        let image = Image { manifest: manifest.to_owned(), replies: Vec::new() }.serving();
        check(of(&image, &image.digest()).0, Err(expected));
    }
    let missing = Image { manifest: String::new(), replies: Vec::new() };
    check(of(&missing, &pin).0, Err("is answered with the status 404; correct the address"));
}

#[test]
fn in_a_registry_the_signature_is_an_annotation() {
    for (annotation, expected) in [
        (Some(OWN), Ok(COMPONENT)),
        (None, Err("it is not signed")),
        (Some(STRANGERS), Err("it is signed with the key")),
        (Some(OWN_OF_OTHER), Err("is not for these bytes")),
        (Some("nonsense"), Err("its signature is none of minisign")),
    ] {
        let image = Image::new(COMPONENT, WASM, annotation);
        let server = image.server();
        let place = Place::new().trusting(OWN_KEY);
        let name = format!("oci://{}/a/echo", server.address);
        check(
            place.component(&format!("component = \"{name}@sha256:{}\"", image.digest())),
            expected,
        );
        let keys = format!("component = \"{name}:1.2\"\nsha256 = \"{}\"", digest(COMPONENT));
        check(place.component(&keys), expected);
    }
}

#[test]
fn a_registry_that_asks_who_it_is() {
    let image = Image::new(COMPONENT, WASM, None);
    let login = "registries.\"{}\" = { user = \"deploy\", password = \"secret\" }";
    let basic = "Basic ZGVwbG95OnNlY3JldA==";
    let keys = |server: &Server| {
        format!("component = \"oci://{}/a/echo@sha256:{}\"", server.address, image.digest())
    };
    // By the name and the password themselves.
    let server = image.server().asking("Basic realm=\"r\"", basic);
    let place = Place::new();
    check(
        place.component(&keys(&server)),
        Err("asks for a login; add user and password under [host.registries."),
    );
    let place = place.host(&login.replace("{}", &server.address));
    check(place.component(&keys(&server)), Ok(COMPONENT));
    let place = Place::new().host(&login.replace("{}", &server.address).replace("secret", "wrong"));
    check(place.component(&keys(&server)), Err("does not take the user and the password"));
    // By a token from another place, for whoever asks and for who is known.
    let mut with_token = Image::new(COMPONENT, WASM, None);
    let token = "/token?scope=repository%3Aa%2Fecho%3Apull&service=s";
    with_token.replies.push((token.to_owned(), Reply::ok(b"{\"token\":\"abc\"}")));
    let server = with_token.server();
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"s\"", server.address);
    let server = server.asking(&challenge, "Bearer abc");
    check(Place::new().component(&keys(&server)), Ok(COMPONENT));
    // A place for tokens that is not secure does not learn the password.
    let server = image.server().asking("Bearer realm=\"http://192.0.2.1/token\"", "Bearer abc");
    let place = Place::new().host(&login.replace("{}", &server.address));
    check(place.component(&keys(&server)), Err("which is not https"));
}

#[test]
fn a_login_is_never_shown() {
    let place = Place::new();
    let text = "[plugins.p]\nisolation = \"plugin\"\ncomponent = \"a\"\n[host.registries.\"a.example\"]\nuser = \"u\"\npassword = \"hunter2\"\n";
    let config = Config::parse(&place.path().join("x"), text).expect("a configuration");
    let shown = format!("{config:?}");
    assert!(shown.contains("a.example") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_store_is_kept_within_its_size() {
    let layers: Vec<Vec<u8>> =
        (0..4_u8).map(|n| [COMPONENT, &vec![n; 400 << 10]].concat()).collect();
    let place = Place::new().host("store_size = \"1MiB\"");
    for layer in &layers {
        let image = Image::new(layer, WASM, None);
        let server = image.server();
        let keys = format!(
            "component = \"oci://{}/a/echo:1.2\"\nsha256 = \"{}\"",
            server.address,
            digest(layer)
        );
        check(place.component(&keys), Ok(layer));
    }
    let total: u64 = fs::read_dir(place.path().join("store"))
        .expect("a store")
        .map(|entry| entry.and_then(|entry| entry.metadata()).expect("a file").len())
        .sum();
    assert!(total <= 1 << 20, "{total} bytes");
}
