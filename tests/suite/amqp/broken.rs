//! Brokers that break the protocol: the plugin gets the error and the broker gets the right code, and the same instance of the
//! plugin continues with the next broker.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sandloop_testkit::Noise;
use sandloop_tests::Server;
use sandloop_tests::amqp_server::frame::{self, Arguments, BODY, HEADER, HEARTBEAT, METHOD};
use sandloop_tests::amqp_server::{AmqpServer, Damage, Played, Step, length, opening};

use super::Calls;

/// Every scripted broker has its own port.
const ANY_PORT: &str = "127.0.0.1:1024-65535";

/// Waits until the client closes or leaves: no client sends this method.
const END: Step = Step::Expect(0, 0);

/// One guest, and one broker after the other.
struct Guest {
    calls: Calls,
    /// The number of brokers so far; it labels the connection to the next.
    brokers: usize,
}

impl Guest {
    fn start() -> Guest {
        Guest { calls: Calls::start(ANY_PORT), brokers: 0 }
    }

    /// Has the guest connect once to a broker that plays these steps, and execute these commands there.
    fn meet(
        &mut self,
        parameters: &str,
        lines: &str,
        steps: Vec<Step>,
        damage: Damage,
    ) -> JoinHandle<Played> {
        let server = AmqpServer::start();
        let uri = format!("{}{parameters}", server.uri());
        let playing = server.play(steps, damage);
        self.brokers += 1;
        self.calls.say(&format!("b{} connect {uri} once\n{lines}", self.brokers));
        playing
    }

    /// Expects this event of the connection to the last broker.
    #[track_caller]
    fn expect(&mut self, event: impl AsRef<str>) {
        self.calls.expect(format!("b{} {}", self.brokers, event.as_ref()).trim_end());
    }

    /// Drops events until the connection to the last broker is over; returns the text of its end.
    fn wait_over(&mut self) -> String {
        let label = format!("b{}", self.brokers);
        loop {
            if let Some(words) = self.calls.next(&label).strip_prefix(&format!("{label} over ")) {
                self.calls.came.clear();
                return words.to_owned();
            }
        }
    }

    /// A correct broker is served, and nothing has trapped so far.
    #[track_caller]
    fn still_works(mut self) {
        let mut steps = opening();
        steps.extend(talk());
        steps.extend([
            Step::Send([frame::deliver(1, "t", 1, "", "q"), frame::content(1, b"fine")].concat()),
            Step::Expect(60, 80),
            Step::Expect(10, 50),
            Step::Send(frame::close_ok()),
        ]);
        let playing = self.meet("", TALK, steps, Damage::None);
        self.expect("ok");
        self.calls.expect("s ok");
        let line = self.calls.next("s");
        let number = line.strip_prefix("s delivered ").and_then(|it| it.strip_suffix(" /q fine"));
        let number = number.unwrap_or_else(|| panic!("{line}"));
        self.calls.say(&format!("- ack {number}"));
        self.calls.ask("end close", "ok");
        assert_eq!(playing.join().expect("the script is played"), Played::ToTheEnd);
        let log = self.calls.host.log();
        let trap = log.iter().find(|line| line.0.contains("trap") || line.0.contains("panicked"));
        assert_eq!(trap, None);
    }
}

/// The guest's commands at each broker, and the steps of one that answers.
const TALK: &str = "c channel c\nq queue q c\ns consume q tag=t";

fn talk() -> Vec<Step> {
    vec![
        Step::Expect(20, 10),
        Step::Send(frame::channel_open_ok(1)),
        Step::Expect(50, 10),
        Step::Send(frame::queue_declare_ok(1, "q", 0, 0)),
        Step::Expect(60, 20),
        Step::Send(frame::consume_ok(1, "t")),
    ]
}

/// The steps of [`opening`] up to the one that the broker replaces.
fn opening_until(step: usize, then: &[u8]) -> Vec<Step> {
    let mut steps = opening();
    steps.truncate(step);
    steps.extend([Step::Send(then.to_vec()), END]);
    steps
}

/// The positions in [`opening`] of the broker's start, tune and open-ok.
const START: usize = 1;
const TUNE: usize = 3;
const OPEN_OK: usize = 6;

/// The broker breaks the protocol during the opening of the connection. With its first method it is unknown whether it is a
/// broker at all, and it gets no answer.
#[track_caller]
fn check_opening(guest: &mut Guest, step: usize, said: &[u8], code: u16, text: &str) {
    let playing = guest.meet("", "", opening_until(step, said), Damage::None);
    guest.expect(format!("failed protocol {code} {text}"));
    guest.expect(format!("over protocol {code} {text}"));
    let told = if step == START { Played::Left } else { Played::Closed(code, text.to_owned()) };
    assert_eq!(playing.join().expect("the script is played"), told);
    guest.calls.expect_no_more();
}

/// The broker opens the connection, answers, and then breaks the protocol.
#[track_caller]
fn check_open(guest: &mut Guest, said: &[u8], code: u16, text: &str) {
    let mut steps = opening();
    steps.extend(talk());
    steps.extend([Step::Send(said.to_vec()), END]);
    let playing = guest.meet("", TALK, steps, Damage::None);
    let failure = format!("protocol {code} {text}");
    guest.expect("ok");
    guest.calls.expect("q ok q messages=0 consumers=0");
    guest.calls.expect("s ok");
    guest.calls.expect(&format!("c channel_closed {failure}"));
    guest.expect(format!("over {failure}"));
    assert_eq!(
        playing.join().expect("the script is played"),
        Played::Closed(code, text.to_owned()),
    );
    guest.calls.expect_no_more();
}

/// A table in a table, `depth` deep.
fn nested(depth: usize) -> Arguments {
    let innermost = Arguments::new().field("end", b't', &Arguments::new().octet(1));
    (1..depth).fold(innermost, |inside, _| {
        Arguments::new().field("in", b'F', &Arguments::new().table(&inside))
    })
}

/// `connection.start` with these properties.
fn start_with(version: (u8, u8), properties: &Arguments) -> Vec<u8> {
    let arguments = Arguments::new().octet(version.0).octet(version.1).table(properties);
    frame::method(0, (10, 10), &arguments.longstr(b"PLAIN").longstr(b"en_US"))
}

/// A frame with another last byte.
fn without_end(mut frame: Vec<u8>) -> Vec<u8> {
    *frame.last_mut().expect("a frame has an end") = b'\n';
    frame
}

/// A message's header of this class, with these bytes behind its weight and length.
fn header(class: u16, length: u64, rest: &Arguments) -> Vec<u8> {
    let head = Arguments::new().short(class).short(0).longlong(length);
    frame::frame(HEADER, 1, head.bytes(rest.as_bytes()).as_bytes())
}

#[test]
fn who_is_no_broker_is_found_out() {
    let mut guest = Guest::start();
    let other = "the server speaks another version of AMQP, or none";
    for (said, text) in [
        (b"AMQP\x01\x01\x00\x0a".as_slice(), other),
        (b"A", other),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a frame of the unknown type 72"),
        (b"\x16\x03\x01", "a frame of the unknown type 22"),
        (b"\0", "a frame of the unknown type 0"),
        (b"\x01\0\0\xff\xff\xff\xff", "a frame of 4294967295 bytes, more than was agreed on"),
        (b"\x08\0\0\0\0\0\0\n", "a frame without its end"),
    ] {
        check_opening(&mut guest, START, said, 501, text);
    }
    guest.still_works();
}

#[test]
fn an_opening_that_makes_no_sense_is_refused() {
    let mut guest = Guest::start();
    let mut check = |step, said: Vec<u8>, code, text: &str| {
        check_opening(&mut guest, step, &said, code, text);
    };
    let unread = "connection.start with properties that cannot be read";
    let none = Arguments::new();
    // Usual values fit.
    check(START, start_with((0, 8), &nested(20)), 503, "version 0-8 of the protocol");
    check(START, start_with((1, 0), &none), 503, "version 1-0 of the protocol");
    check(START, start_with((0, 9), &nested(33)), 502, unread);
    check(START, start_with((0, 9), &nested(5_000)), 502, unread);
    check(START, start_with((0, 9), &none.clone().field("a", b'?', &none)), 502, unread);
    check(START, start_with((0, 9), &none.clone().shortstr("no value")), 502, unread);
    check(START, frame::tune(0, 0, 0), 503, "method 10.30 makes no sense now");
    check(START, frame::open_ok(), 503, "method 10.41 makes no sense now");
    check(START, frame::channel_open_ok(1), 504, "channel 1 is not open");
    check(TUNE, frame::start("PLAIN"), 503, "method 10.10 makes no sense now");
    check(TUNE, frame::open_ok(), 503, "method 10.41 makes no sense now");
    check(TUNE, frame::close_ok(), 503, "method 10.51 makes no sense now");
    check(TUNE, frame::content(1, b"body"), 504, "channel 1 is not open");
    let small = "frames of at most 1000 bytes; at least 4096 must fit";
    check(TUNE, frame::tune(0, 1000, 0), 503, small);
    check(TUNE, frame::plain(0, (10, 30)), 502, "a method that cannot be read");
    check(OPEN_OK, frame::tune(0, 0, 0), 503, "method 10.30 makes no sense now");
    check(OPEN_OK, frame::secure(b"?"), 503, "method 10.20 makes no sense now");
    check(OPEN_OK, frame::channel_open_ok(0), 504, "channel 0 is not open");
    guest.still_works();
}

#[test]
fn what_is_no_frame_is_refused() {
    let mut guest = Guest::start();
    let mut check = |said: &[u8], text: &str| check_open(&mut guest, said, 501, text);
    check(&without_end(frame::heartbeat()), "a frame without its end");
    let message = [frame::deliver(1, "t", 1, "", "q"), frame::content(1, b"body")].concat();
    check(&without_end(message), "a frame without its end");
    // The opening agrees on 131,072 with the eight bytes around.
    check(b"\x03\0\x01\0\x01\xff\xf9", "a frame of 131065 bytes, more than was agreed on");
    check(b"\x03\0\x01\x80\0\0\0", "a frame of 2147483648 bytes, more than was agreed on");
    for kind in [0, 4, 7, 9, 206, 255] {
        check(&[kind], &format!("a frame of the unknown type {kind}"));
    }
    let heartbeat = "a heartbeat with a channel or a payload";
    check(&frame::frame(HEARTBEAT, 1, b""), heartbeat);
    check(&frame::frame(HEARTBEAT, 0, b"alive"), heartbeat);
    guest.still_works();
}

#[test]
fn what_cannot_be_read_is_refused() {
    let mut guest = Guest::start();
    let mut check = |said: &[u8], text: &str| check_open(&mut guest, said, 502, text);
    let none = Arguments::new();
    let unread = "a method that cannot be read";
    check(&frame::frame(METHOD, 1, b""), unread);
    check(&frame::frame(METHOD, 1, &[0, 60, 0]), unread);
    check(&frame::plain(1, (60, 999)), unread);
    check(&frame::plain(1, (99, 10)), unread);
    // A delivery without any argument, without the last of them, and with a text of which half is missing.
    check(&frame::plain(1, (60, 60)), unread);
    let cut = none.clone().shortstr("t").longlong(1).octet(0).shortstr("x");
    check(&frame::method(1, (60, 60), &cut), unread);
    check(&frame::method(1, (60, 60), &cut.octet(9).bytes(b"half")), unread);
    let more = "a method with more than its arguments";
    check(&frame::method(1, (20, 41), &none.clone().octet(0)), more);

    guest.still_works();
}

/// Properties that no publisher should send, and bytes that are not UTF-8.
fn wild() -> Vec<(Arguments, &'static str)> {
    let none = Arguments::new();
    let headers = |table: &Arguments| none.clone().short(1 << 13).table(table);
    let (cut, deep) = ("headers of a message that are cut", "that nest more than 32 levels deep");
    vec![
        (headers(&nested(33)), deep),
        (headers(&nested(5_000)), deep),
        (headers(&none.clone().field("a", b'S', &none.clone().long(u32::MAX))), cut),
        (headers(&none.clone().field("a", b'z', &none)), "a type that nobody knows"),
        (none.clone().short(1 << 13).long(u32::MAX), cut),
        (none.clone().short(1 << 12), "properties of a message that are cut"),
        (none.clone().short(0).octet(0), "longer than their flags say"),
    ]
}

#[test]
fn a_message_that_cannot_be_read_is_rejected_and_the_next_arrives() {
    let mut guest = Guest::start();
    for (properties, reason) in wild() {
        let mut steps = [opening(), talk()].concat();
        let bad = [frame::deliver(1, "t", 1, "x", "k"), header(60, 0, &properties)].concat();
        let good = [frame::deliver(1, "t", 2, "x", "k"), frame::content(1, b"good")].concat();
        steps.extend([Step::Send(bad), Step::Expect(60, 90), Step::Send(good), END]);
        let playing = guest.meet("", TALK, steps, Damage::None);
        guest.calls.expect("s ok");
        let line = guest.calls.next("s");
        assert!(line.ends_with(" x/k good"), "{line}");
        guest.calls.host.wait_line(reason, |line| line.message().contains(reason));
        guest.calls.ask("end close", "ok");
        playing.join().expect("the script is played");
        guest.calls.came.clear();
    }
    guest.still_works();
}

#[test]
fn texts_are_bytes() {
    let mut guest = Guest::start();
    let none = Arguments::new();
    let wild = |text: &[u8]| none.clone().octet(text.len() as u8).bytes(text);
    for text in [&b"\x9c\x80\xff\x01"[..], b"caf\xe9", b"\xc3("] {
        let text = wild(text);
        let table = none.clone().bytes(text.as_bytes()).bytes(b"V");
        let deliver = none.clone().shortstr("t").longlong(1).octet(0);
        let deliver = deliver.bytes(text.as_bytes()).bytes(text.as_bytes());
        let mut steps = [opening(), talk()].concat();
        for properties in [
            // content-type, correlation-id, message-id, and the name of a header
            none.clone().short(1 << 15).bytes(text.as_bytes()),
            none.clone().short(1 << 10).bytes(text.as_bytes()),
            none.clone().short(1 << 7).bytes(text.as_bytes()),
            none.clone().short(1 << 13).table(&table),
        ] {
            let message = [frame::method(1, (60, 60), &deliver), header(60, 0, &properties)];
            steps.push(Step::Send(message.concat()));
        }
        steps.push(END);
        let playing = guest.meet("", TALK, steps, Damage::None);
        guest.calls.expect("s ok");
        for _ in 0..4 {
            let line = guest.calls.next("s");
            assert!(line.starts_with("s delivered "), "{line}");
        }
        guest.calls.ask("end close", "ok");
        playing.join().expect("the script is played");
        guest.calls.came.clear();
    }
    guest.still_works();
}

#[test]
fn a_message_in_disorder_is_refused() {
    let mut guest = Guest::start();
    let mut check = |said: &[&[u8]], code, text: &str| {
        check_open(&mut guest, &said.concat(), code, text);
    };
    let deliver = frame::deliver(1, "t", 1, "", "q");
    let body = |bytes: &[u8]| frame::frame(BODY, 1, bytes);
    let header_of = |length| frame::content_header(1, length);
    check(&[&header_of(4)], 505, "content without its method");
    check(&[&body(b"body")], 505, "content without its method");
    check(&[&deliver, &body(b"body")], 505, "a body without its header");
    check(&[&deliver, &header_of(4), &header_of(4)], 505, "a second header of a message");
    let missing = "a method where the content of a message must follow";
    check(&[&deliver, &deliver], 505, missing);
    check(&[&deliver, &header_of(4), &frame::cancel(1, "t")], 505, missing);
    check(
        &[&deliver, &header(50, 4, &Arguments::new().short(0))],
        501,
        "a header of another class",
    );
    let longer = "a body that is longer than its header says";
    check(&[&deliver, &header_of(3), &body(b"body")], 501, longer);
    check(&[&deliver, &header_of(7), &body(b"body"), &body(b"body")], 501, longer);
    guest.still_works();
}

#[test]
fn what_nobody_asked_for_is_refused() {
    let mut guest = Guest::start();
    let mut check = |said: &[u8], code, text: &str| check_open(&mut guest, said, code, text);
    for channel in [0, 2, u16::MAX] {
        let closed = format!("channel {channel} is not open");
        check(&frame::channel_open_ok(channel), 504, &closed);
        check(&frame::deliver(channel, "t", 1, "", "q"), 504, &closed);
        check(&frame::content(channel, b"body"), 504, &closed);
    }
    let answer = |method: &str| format!("method {method} answers nothing that was asked");
    check(&frame::channel_open_ok(1), 503, &answer("20.11"));
    check(&frame::plain(1, (20, 41)), 503, &answer("20.41"));
    check(&frame::queue_declare_ok(1, "q", 0, 0), 503, &answer("50.11"));
    check(&frame::consume_ok(1, "other"), 503, &answer("60.21"));
    // Methods of clients only, and methods of the connection.
    check(&frame::plain(1, (90, 20)), 503, &answer("90.20"));
    check(&frame::method(1, (10, 60), &Arguments::new().shortstr("r")), 503, &answer("10.60"));
    let got = Arguments::new().longlong(1).octet(0).shortstr("").shortstr("q").long(0);
    check(&frame::method(1, (60, 71), &got), 503, "a message that was not asked for");
    check(&frame::ack(1, 1, false), 503, "a confirm on a channel without confirms");
    for (said, method) in [
        (frame::start("PLAIN"), "10.10"),
        (frame::secure(b"?"), "10.20"),
        (frame::tune(0, 0, 0), "10.30"),
        (frame::open_ok(), "10.41"),
        (frame::close_ok(), "10.51"),
    ] {
        check(&said, 503, &format!("method {method} makes no sense now"));
    }
    guest.still_works();
}

#[test]
fn a_confirm_of_nothing_is_refused() {
    let mut guest = Guest::start();
    for (said, number) in [
        (frame::ack(1, 1, false), 1),
        (frame::ack(1, 0, false), 0),
        (frame::nack(1, u64::MAX, true), u64::MAX),
    ] {
        let mut steps = opening();
        steps.extend([
            Step::Expect(20, 10),
            Step::Send(frame::channel_open_ok(1)),
            Step::Expect(85, 10),
            Step::Send([frame::plain(1, (85, 11)), said].concat()),
            END,
        ]);
        let playing = guest.meet("", "c channel c\ncf confirm c", steps, Damage::None);
        let text = format!("a confirm of message {number}, never sent");
        guest.expect("ok");
        guest.calls.expect("cf ok");
        guest.expect(format!("over protocol 503 {text}"));
        assert_eq!(playing.join().expect("the script is played"), Played::Closed(503, text));
    }
    guest.still_works();
}

#[test]
fn a_broker_may_close_with_any_code() {
    let mut guest = Guest::start();
    let long = "x".repeat(255);
    for (code, text) in [
        (0, ""),
        (200, "OK"),
        (320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"),
        (404, "NOT_FOUND"),
        (501, "FRAME_ERROR"),
        (530, "NOT_ALLOWED - \u{1f407}"),
        (541, long.as_str()),
        (65535, "?"),
    ] {
        let failure = format!("connection {code} {text}");
        let close = frame::close(code, text, (60, 40));
        let confirmed = [Step::Send(close.clone()), Step::Expect(10, 51)];
        // Instead of its first method, of open-ok, and after the opening.
        for step in [START, OPEN_OK, opening().len()] {
            let steps = [&opening()[..step], &confirmed].concat();
            let playing = guest.meet("", "", steps, Damage::None);
            let opened = step == opening().len();
            guest.expect(if opened { "ok".to_owned() } else { format!("failed {failure}") });
            guest.expect(format!("over {failure}"));
            assert_eq!(playing.join().expect("the script is played"), Played::ToTheEnd);
        }
    }
    guest.still_works();
}

#[test]
fn a_broker_that_does_not_let_in_says_why() {
    let mut guest = Guest::start();
    let mut check = |steps: Vec<Step>, text: &str, told: Played| {
        let playing = guest.meet("", "", steps, Damage::None);
        guest.expect(format!("failed authentication {text}"));
        guest.expect(format!("over authentication {text}"));
        assert_eq!(playing.join().expect("the script is played"), told);
    };
    for offered in ["", "EXTERNAL", "PLAINER XPLAIN"] {
        let text = format!("it offers {offered}, not PLAIN");
        check(opening_until(START, &frame::start(offered)), &text, Played::Left);
    }
    let question = "it asks a question that PLAIN and EXTERNAL have no answer to";
    check(opening_until(TUNE, &frame::secure(b"and you are?")), question, Played::Left);
    let mut refused = opening_until(TUNE, &frame::close(403, "ACCESS_REFUSED - no", (0, 0)));
    *refused.last_mut().expect("an end") = Step::Expect(10, 51);
    check(refused, "ACCESS_REFUSED - no", Played::ToTheEnd);
    guest.still_works();
}

#[test]
fn who_does_not_answer_in_time_is_left() {
    let mut guest = Guest::start();
    // It accepts and sends nothing, or stops in the middle of the opening.
    for step in [START, TUNE, OPEN_OK] {
        let steps = opening_until(step, b"");
        let playing = guest.meet("?connection_timeout=100", "", steps, Damage::None);
        let failure = "lost the broker did not open the connection in time";
        guest.expect(format!("failed {failure}"));
        guest.expect(format!("over {failure}"));
        assert_eq!(playing.join().expect("the script is played"), Played::Left);
    }
    // It does not even accept.
    let (server, _queue) = Server::silent();
    let uri = format!("amqp://{}?connection_timeout=100", server.address());
    guest.calls.say(&format!("b connect {uri} once"));
    guest.calls.expect("b failed lost connect-timeout");
    guest.calls.expect("b over lost connect-timeout");
    guest.still_works();
}

#[test]
fn who_falls_silent_is_left_after_two_heartbeats() {
    let mut guest = Guest::start();
    let mut steps = opening();
    steps.push(END);
    // The broker wants none; the guest wants one each second.
    let start = Instant::now();
    let playing = guest.meet("?heartbeat=1", "", steps, Damage::None);
    guest.expect("ok");
    guest.expect("over lost the broker has said nothing for two heartbeats");
    let time = start.elapsed();
    assert!(Duration::from_secs(2) <= time, "{time:?}");
    assert!(time < Duration::from_secs(10), "{time:?}");
    assert_eq!(playing.join().expect("the script is played"), Played::Left);
    guest.still_works();
}

#[test]
fn a_stream_that_ends_anywhere_is_a_lost_connection() {
    let mut guest = Guest::start();
    let steps = || [opening(), talk()].concat();
    let (open, all) = (length(&opening()), length(&steps()));
    for cut in 0..=all {
        let playing = guest.meet("", TALK, steps(), Damage::CutAt(cut));
        if cut < open {
            guest.expect("failed lost peer-closed");
        } else {
            guest.expect("ok");
        }
        assert_eq!(guest.wait_over(), "lost peer-closed", "after {cut} bytes");
        assert_eq!(playing.join().expect("the script is played"), Played::Left);
    }
    // The same bytes without their end, each separately.
    let mut whole = steps();
    whole.push(END);
    let playing = guest.meet("", TALK, whole, Damage::EachAlone);
    guest.calls.expect("s ok");
    guest.calls.ask("end close", "ok");
    assert_eq!(playing.join().expect("the script is played"), Played::Closed(200, "OK".to_owned()));
    guest.still_works();
}

#[test]
fn changed_bytes_and_noise_end_a_connection_at_most() {
    let mut guest = Guest::start();
    let steps = || {
        let message = [frame::deliver(1, "t", 1, "", "q"), frame::content(1, b"body")].concat();
        [opening(), talk(), vec![Step::Send(message)]].concat()
    };
    for at in (0..length(&steps())).step_by(3) {
        let playing = guest.meet("", TALK, steps(), Damage::Flip(at, 1 << (at % 8)));
        let over = guest.wait_over();
        let kinds =
            ["protocol 50", "protocol 311 ", "lost peer-closed", "authentication ", "connection "];
        assert!(kinds.iter().any(|kind| over.starts_with(kind)), "at {at}: {over}");
        let told = playing.join().expect("the script is played");
        match over.strip_prefix("protocol ").and_then(|words| words.split_once(' ')) {
            // It gets the code, unless it may be no broker.
            Some((code, text)) if told != Played::Left => {
                let code = code.parse().expect("a code");
                assert_eq!(told, Played::Closed(code, text.to_owned()), "at {at}");
            }
            Some(_) => assert!(at < frame::start("PLAIN").len(), "at {at}: {over}"),
            None => assert_eq!(told, Played::Left, "at {at}: {over}"),
        }
    }
    let mut noise = Noise::new(1);
    for step in [START, TUNE, OPEN_OK, opening().len()].repeat(10) {
        let steps = opening_until(step, &noise.bytes(4000));
        let playing = guest.meet("", "", steps, Damage::None);
        let over = guest.wait_over();
        assert!(over.starts_with("protocol 501 "), "{over}");
        playing.join().expect("the script is played");
    }
    guest.still_works();
}
