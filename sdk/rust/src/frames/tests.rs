//! Handlers of lines and frames, on a socket that a test is.

use std::{cell::RefCell, rc::Rc};

use super::{
    content::{ContentConnection, HeaderAndContentProtocol},
    headers_2_hash,
    lines::{Driver, LineText2, Modes},
    netstring::{NetstringConnection, NetstringProtocol},
    object::{self, Bytes, Json, Load, ObjectConnection, ObjectProtocol, Postcard},
    *,
};
use crate::{
    connection::Connection,
    testing,
    transport::fake::{FakeSocket, Wire},
    types::CloseReason,
};

/// What was called, in words.
type Seen = Rc<RefCell<Vec<String>>>;

fn wire() -> (Rc<RefCell<Wire>>, Rc<FakeSocket>) {
    let wire = Rc::new(RefCell::new(Wire { outbox_max: usize::MAX, ..Wire::default() }));
    (wire.clone(), Rc::new(FakeSocket(wire)))
}

fn say(seen: &Seen, what: &str, bytes: &[u8]) {
    seen.borrow_mut().push(format!("{what} {}", bytes.escape_ascii()));
}

#[track_caller]
fn check(seen: &Seen, expected: &[&str]) {
    assert_eq!(*seen.borrow(), expected);
    seen.borrow_mut().clear();
}

/// A line `block N` announces a block, `by X` another delimiter, `all` a block without an end, which `!` ends.
struct Scripted {
    seen: Seen,
    modes: Rc<Modes>,
}

impl LineText2 for Scripted {
    fn connection_completed(&mut self) {
        self.modes.set(|decoder| decoder.set_line_mode(b"thrown back\n"));
    }

    fn receive_line(&mut self, line: &[u8]) {
        say(&self.seen, "line", line);
        let line = String::from_utf8_lossy(line).into_owned();
        match line.split_once(' ') {
            Some(("block", size)) => {
                self.modes.set(|decoder| decoder.set_text_mode(size.parse::<usize>().ok()));
            }
            Some(("by", delimiter)) => {
                self.modes.set(|decoder| decoder.set_delimiter(delimiter.as_bytes()));
            }
            _ if line == "all" => self.modes.set(|decoder| decoder.set_text_mode(None)),
            _ => {}
        }
    }

    fn receive_binary_data(&mut self, data: &[u8]) {
        say(&self.seen, "block", data);
        if let Some(at) = data.iter().position(|byte| *byte == b'!') {
            self.modes.set(|decoder| decoder.set_line_mode(&data[at + 1..]));
        }
    }

    fn receive_end_of_binary_data(&mut self) {
        say(&self.seen, "end", b"");
    }

    fn receive_error(&mut self, error: LineError) {
        say(&self.seen, "error", error.to_string().as_bytes());
    }

    fn limits(&self) -> LineLimits {
        LineLimits { line: 20, binary: 30 }
    }

    fn unbind(&mut self, _: CloseReason) {
        say(&self.seen, "unbind", b"");
    }
}

struct Lines {
    driver: Rc<Driver<Scripted>>,
    seen: Seen,
    modes: Rc<Modes>,
    wire: Rc<RefCell<Wire>>,
}

fn lines() -> Lines {
    let (wire, socket) = wire();
    let (seen, modes) = (Seen::default(), Modes::new());
    let handler = Scripted { seen: seen.clone(), modes: modes.clone() };
    Lines { driver: Driver::start(handler, modes.clone(), socket), seen, modes, wire }
}

#[test]
fn lines_and_blocks_come_as_the_handler_says() {
    let Lines { driver, seen, .. } = lines();
    driver.receive(b"one\r\ntw");
    driver.receive(b"o\nblock 5\nhel");
    check(&seen, &["line one", "line two", "line block 5"]);
    driver.receive(b"loby ||\n1|2||all||123!x|");
    check(&seen, &["block hello", "end ", "line by ||", "line 1|2", "line all", "block 123!x|"]);
    driver.receive(b"|");
    check(&seen, &["line x"]);
    driver.receive(b"block 9||abc");
    driver.unbind(CloseReason::PeerClosed);
    check(&seen, &["line block 9", "block abc", "unbind "]);
}

#[test]
fn what_a_handler_throws_back_is_delivered_after_its_callback() {
    let Lines { driver, seen, .. } = lines();
    driver.call(LineText2::connection_completed);
    check(&seen, &["line thrown back"]);
}

#[test]
fn what_is_set_outside_a_callback_is_delivered_in_a_tick() {
    let Lines { driver, seen, modes, .. } = lines();
    driver.receive(b"a;b;c");
    check(&seen, &[]);
    modes.set(|decoder| decoder.set_delimiter(b";"));
    // It is one tick however much is set.
    modes.set(|decoder| decoder.set_line_mode(b"x;"));
    check(&seen, &[]);
    testing::turn();
    check(&seen, &["line x", "line a", "line b"]);
    // Bytes that come before the tick are after what is due.
    modes.set(|decoder| decoder.set_text_mode(2));
    driver.receive(b"d;");
    check(&seen, &["block cd", "end ", "line "]);
    testing::turn();
    check(&seen, &[]);
}

#[test]
fn what_is_due_comes_before_the_end_and_nothing_after_it() {
    let Lines { driver, seen, modes, .. } = lines();
    driver.receive(b"abc");
    modes.set(|decoder| decoder.set_text_mode(2));
    driver.unbind(CloseReason::PeerClosed);
    check(&seen, &["block ab", "end ", "unbind "]);
    let Lines { driver, seen, modes, .. } = lines();
    driver.receive(b"abc");
    modes.set(|decoder| decoder.set_text_mode(4));
    driver.unbind(CloseReason::PeerClosed);
    check(&seen, &["block abc", "unbind "]);
    modes.set(|decoder| decoder.set_line_mode(b"late\n"));
    testing::turn();
    check(&seen, &[]);
}

#[test]
fn too_much_of_a_line_ends_the_connection_after_the_handlers_word() {
    for bytes in [&b"123456789012345678901\nmore\n"[..], b"123456789012345678901234"] {
        let Lines { driver, seen, wire, .. } = lines();
        driver.receive(bytes);
        driver.receive(b"\nmore\n");
        check(
            &seen,
            &[
                "error a line has more than 20 bytes; raise the limit of lines if they may be longer",
            ],
        );
        assert_eq!(wire.borrow().ended, Some("closed after writing"));
        driver.unbind(CloseReason::Closed);
        check(&seen, &["unbind "]);
    }
    let Lines { driver, seen, wire, .. } = lines();
    driver.receive(b"block 31\nmore\n");
    assert!(seen.borrow()[1].starts_with("error a block of 31 bytes"), "{seen:?}");
    assert_eq!(wire.borrow().ended, Some("closed after writing"));
}

struct Requests(Seen);

impl HeaderAndContentProtocol for Requests {
    fn receive_request(&mut self, headers: Vec<Vec<u8>>, content: Vec<u8>) {
        let names: Vec<_> = headers_2_hash(&headers).into_keys().collect();
        say(&self.0, &names.join(","), &content);
    }

    fn receive_headers(&mut self, headers: &[Vec<u8>]) {
        say(&self.0, "headers", &headers.concat());
    }

    fn receive_first_header_line(&mut self, line: &[u8]) {
        say(&self.0, "first", line);
    }

    fn receive_error(&mut self, error: ContentError) {
        say(&self.0, "error", error.to_string().as_bytes());
    }
}

#[test]
fn requests_have_headers_and_content() {
    let (wire, socket) = wire();
    let seen = Seen::default();
    let mut connection = ContentConnection::start(Requests(seen.clone()), socket);
    connection.receive_data(b"GET\nA-B: c\n");
    check(&seen, &["first GET"]);
    connection.receive_data(b"Content-Length: 2\n\nhiNEXT\n\n");
    check(
        &seen,
        &[
            "headers GETA-B: cContent-Length: 2",
            "a_b,content_length hi",
            "first NEXT",
            "headers NEXT",
            " ",
        ],
    );
    connection.receive_data(b"A\nContent-Length: x\n\nB\n");
    check(
        &seen,
        &["first A", "error Content-Length is no number of bytes; write decimal digits only"],
    );
    assert_eq!(wire.borrow().ended, Some("closed after writing"));
}

struct Strings(Seen);

impl NetstringProtocol for Strings {
    fn receive_string(&mut self, string: &[u8]) {
        say(&self.0, "string", string);
    }

    fn string_max(&self) -> usize {
        10
    }
}

#[test]
fn netstrings_come_and_go() {
    let (wire, socket) = wire();
    let seen = Seen::default();
    let mut connection = NetstringConnection::start(Strings(seen.clone()), socket);
    connection.receive_data(&[netstring("hello"), netstring("")].concat());
    connection.receive_data(b"11:");
    check(&seen, &["string hello", "string "]);
    assert_eq!(wire.borrow().ended, Some("closed after writing"));
}

struct Objects<S>(Seen, std::marker::PhantomData<S>);

impl<S: Load<(u32, String)> + 'static> ObjectProtocol for Objects<S> {
    type Object = (u32, String);
    type Serializer = S;

    fn receive_object(&mut self, (number, text): (u32, String)) {
        say(&self.0, &number.to_string(), text.as_bytes());
    }

    fn receive_error(&mut self, error: ObjectError) {
        let kind = if matches!(error, ObjectError::Frame(_)) { "frame" } else { "object" };
        say(&self.0, kind, b"");
    }

    fn object_max(&self) -> usize {
        100
    }
}

fn check_objects<S: Load<(u32, String)> + 'static>(bytes: &[u8], expected: &[&str]) {
    let (wire, socket) = wire();
    let seen = Seen::default();
    let handler = Objects::<S>(seen.clone(), std::marker::PhantomData);
    let mut connection = ObjectConnection::start(handler, socket);
    bytes.chunks(3).for_each(|piece| connection.receive_data(piece));
    check(&seen, expected);
    let is_bad = matches!(expected.last(), Some(&("frame " | "object ")));
    assert_eq!(wire.borrow().ended.is_some(), is_bad);
}

#[test]
fn objects_come_and_go() {
    let framed = |bytes: &[u8]| object::framed::<Bytes, _>(bytes).unwrap();
    let json = object::framed::<Json, _>(&(7, "seven")).unwrap();
    assert_eq!(json, b"\0\0\0\x0b[7,\"seven\"]");
    check_objects::<Json>(&[&*json, &json].concat(), &["7 seven", "7 seven"]);
    check_objects::<Json>(&[&json, &*framed(b"[7]"), &json].concat(), &["7 seven", "object "]);
    check_objects::<Json>(&[&json, &b"\0\0\0\x65"[..]].concat(), &["7 seven", "frame "]);
    check_objects::<Json>(&framed(b""), &["object "]);
    check_objects::<Json>(&framed("[".repeat(100).as_bytes()), &["object "]);
    let short = object::framed::<Postcard, _>(&(7_u32, "seven")).unwrap();
    assert_eq!(short, b"\0\0\0\x07\x07\x05seven");
    check_objects::<Postcard>(&short, &["7 seven"]);
    check_objects::<Postcard>(&framed(b"\x07\x05seve"), &["object "]);
    check_objects::<Postcard>(&framed(b"\x07\x05sevenx"), &["object "]);
    check_objects::<Postcard>(&framed(b"\x07\xff\xff\xff\xff\x0f"), &["object "]);
}

/// Whatever makes a handler may stand where a function that makes a connection does.
#[test]
fn handlers_are_made_of_what_their_functions_take() {
    use crate::{options::Options, plugin::make::Make, sockets::Socket};

    struct Of<T>(T);
    impl<T: 'static> LineText2 for Of<T> {
        fn receive_line(&mut self, _: &[u8]) {}
    }
    struct Plain(#[expect(dead_code, reason = "only its type matters")] Socket);
    impl Connection for Plain {}
    struct Sums(#[expect(dead_code, reason = "only its type matters")] ObjectSocket<Sums>);
    impl ObjectProtocol for Sums {
        type Object = i32;
        type Serializer = Json;

        fn receive_object(&mut self, _: i32) {}
    }
    fn with_options(socket: LineSocket, _: &Options) -> Of<LineSocket> {
        Of(socket)
    }
    fn request(_: Socket, _: &Options) -> Requests {
        Requests(Seen::default())
    }
    fn strings(_: Socket) -> Strings {
        Strings(Seen::default())
    }
    fn check<Arguments>(_: impl Make<Arguments>) {}
    check(Of::<Socket>);
    check(Of::<LineSocket>);
    check(with_options);
    check(request);
    check(strings);
    check(Sums);
    check(Plain);
}
