//! WebSocket cases in the manner of Autobahn's test suite, by its sections: frames to an echoing server, what comes back,
//! and how it ends. Each is run with its bytes whole, one by one, and in pieces.

#[path = "autobahn/compression.rs"]
mod compression;
#[path = "autobahn/echo.rs"]
mod echo;
#[path = "autobahn/utf8.rs"]
mod utf8;

use self::echo::{End, check};

/// A frame of a client: FIN and the reserved bits and the opcode in one byte.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0xf0, 0x00, 0x9d];
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Name, bytes, what comes back, and the end.
type Case<'a> = (&'a str, Vec<u8>, &'a [(u8, &'a [u8])], End);

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// Without FIN.
const BEGIN: u8 = 0x01;
const GO_ON: u8 = 0x00;
const LAST: u8 = 0x80;

/// What a client says to end it well.
fn bye() -> Vec<u8> {
    frame(CLOSE, b"\x03\xe8")
}

#[test]
fn section_1_framing() {
    for (first, letter) in [(TEXT, b'*'), (BINARY, 0xfe)] {
        for size in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 70_000] {
            let payload = vec![letter; size];
            let bytes = [frame(first, &payload), bye()].concat();
            check(&format!("1: {size} bytes"), &bytes, &[(first, &payload)], End::Clean(1000));
        }
    }
}

#[test]
fn section_2_pings_and_pongs() {
    let ping = |payload: &[u8]| frame(PING, payload);
    let max = [0xfe; 125];
    let cases: &[Case<'_>] = &[
        ("2.1", ping(b""), &[(PONG, b"")], End::Open),
        ("2.2", ping(b"Hello, world!"), &[(PONG, b"Hello, world!")], End::Open),
        ("2.3", ping(b"\0\xff\xfe\xfd"), &[(PONG, b"\0\xff\xfe\xfd")], End::Open),
        ("2.4", ping(&max), &[(PONG, &max)], End::Open),
        ("2.5", ping(&[0xfe; 126]), &[], End::Failed(1002)),
        ("2.7", frame(PONG, b""), &[], End::Open),
        ("2.8", frame(PONG, b"unsolicited"), &[], End::Open),
        ("2.9", [frame(PONG, b"x"), ping(b"y")].concat(), &[(PONG, b"y")], End::Open),
    ];
    for (name, bytes, back, end) in cases {
        check(name, bytes, back, *end);
    }
    let many: Vec<Vec<u8>> = (0..10).map(|number| vec![b'0' + number]).collect();
    let bytes: Vec<u8> = many.iter().flat_map(|payload| ping(payload)).collect();
    let back: Vec<_> = many.iter().map(|payload| (PONG, &**payload)).collect();
    check("2.10", &bytes, &back, End::Open);
}

#[test]
fn section_3_reserved_bits() {
    for bits in 1..8_u8 {
        for first in [TEXT, BINARY, CLOSE, PING, PONG, BEGIN] {
            let wrong = frame(first | bits << 4, b"");
            let bytes = [frame(TEXT, b"ok"), wrong, frame(PING, b"")].concat();
            let name = format!("3: bits {bits} of {first:#x}");
            check(&name, &bytes, &[(TEXT, b"ok")], End::Failed(1002));
        }
    }
}

#[test]
fn section_4_opcodes() {
    for opcode in (3..8).chain(11..16) {
        for payload in [&b""[..], b"payload"] {
            let bytes = [frame(TEXT, b"ok"), frame(0x80 | opcode, payload), frame(PING, b"")];
            let name = format!("4: opcode {opcode}");
            check(&name, &bytes.concat(), &[(TEXT, b"ok")], End::Failed(1002));
        }
    }
}

#[test]
fn section_5_fragments() {
    let all = |frames: &[(u8, &[u8])]| -> Vec<u8> {
        frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect()
    };
    let cases: &[Case<'_>] = &[
        ("5.1", all(&[(0x09, b"a"), (LAST, b"b")]), &[], End::Failed(1002)),
        ("5.2", all(&[(0x0a, b"a"), (LAST, b"b")]), &[], End::Failed(1002)),
        ("5.3", all(&[(BEGIN, b"a"), (LAST, b"b")]), &[(TEXT, b"ab")], End::Open),
        (
            "5.6",
            all(&[(BEGIN, b"a"), (PING, b"p"), (LAST, b"b")]),
            &[(PONG, b"p"), (TEXT, b"ab")],
            End::Open,
        ),
        ("5.9", all(&[(LAST, b"a"), (TEXT, b"b")]), &[], End::Failed(1002)),
        ("5.12", all(&[(GO_ON, b"a"), (TEXT, b"b")]), &[], End::Failed(1002)),
        (
            "5.15",
            all(&[(BEGIN, b"a"), (LAST, b"b"), (GO_ON, b"c"), (TEXT, b"d")]),
            &[(TEXT, b"ab")],
            End::Failed(1002),
        ),
        ("5.18", all(&[(BEGIN, b"a"), (TEXT, b"b")]), &[], End::Failed(1002)),
        (
            "5.19",
            all(&[
                (BEGIN, b"1"),
                (GO_ON, b"2"),
                (PING, b"p1"),
                (GO_ON, b"3"),
                (GO_ON, b"4"),
                (PING, b"p2"),
                (LAST, b"5"),
                (CLOSE, b"\x03\xe8"),
            ]),
            &[(PONG, b"p1"), (PONG, b"p2"), (TEXT, b"12345")],
            End::Clean(1000),
        ),
        (
            "empty fragments",
            all(&[(0x02, b""), (GO_ON, b""), (LAST, b"")]),
            &[(BINARY, b"")],
            End::Open,
        ),
        (
            "a close inside a message",
            all(&[(BEGIN, b"a"), (CLOSE, b"\x03\xe9")]),
            &[],
            End::Clean(1001),
        ),
    ];
    for (name, bytes, back, end) in cases {
        check(name, bytes, back, *end);
    }
}

#[test]
fn section_7_closing() {
    let close = |payload: &[u8]| frame(CLOSE, payload);
    let with_code = |code: u16, reason: &[u8]| close(&[&code.to_be_bytes()[..], reason].concat());
    check("7.1.1", &[frame(TEXT, b"a"), bye()].concat(), &[(TEXT, b"a")], End::Clean(1000));
    for after in [bye(), frame(TEXT, b"b"), frame(PING, b""), frame(BEGIN, b"c")] {
        check("7.1.2 to 7.1.5", &[bye(), after].concat(), &[], End::Clean(1000));
    }
    check("7.3.1", &close(b""), &[], End::Clean(1005));
    check("7.3.2", &close(b"a"), &[], End::Failed(1002));
    check("7.3.3", &bye(), &[], End::Clean(1000));
    check("7.3.4", &with_code(1000, b"Hello World!"), &[], End::Clean(1000));
    check("7.3.5", &with_code(1000, &[b'*'; 123]), &[], End::Clean(1000));
    check("7.3.6", &with_code(1000, &[b'*'; 124]), &[], End::Failed(1002));
    check("7.5.1", &with_code(1000, b"\xce\xba\xed\xa0\x80edited"), &[], End::Failed(1007));
    check(
        "a reason that is cut inside a character",
        &with_code(1000, b"\xce"),
        &[],
        End::Failed(1007),
    );
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014] {
        check("7.7", &with_code(code, b""), &[], End::Clean(code));
    }
    for code in [3000, 3999, 4000, 4999] {
        check("7.7", &with_code(code, b""), &[], End::Clean(code));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        check("7.9, 7.13", &with_code(code, b""), &[], End::Failed(1002));
    }
}

#[test]
fn section_9_large_messages() {
    for size in [64 * 1024, 256 * 1024, 1024 * 1024] {
        let payload = vec![b'*'; size];
        check("9.1", &frame(TEXT, &payload), &[(TEXT, &payload)], End::Open);
        check("9.2", &frame(BINARY, &payload), &[(BINARY, &payload)], End::Open);
        for fragment in [64, 4096, size] {
            let mut bytes = frame(BEGIN, b"");
            payload.chunks(fragment).for_each(|piece| bytes.extend(frame(GO_ON, piece)));
            bytes.extend(frame(LAST, b""));
            check("9.3 to 9.6", &bytes, &[(TEXT, &payload)], End::Open);
        }
    }
    let payload = vec![0; 1024 * 1024 + 1];
    check("beyond the bound", &frame(BINARY, &payload), &[], End::Failed(1009));
}

#[test]
fn section_10_one_message_in_many_frames() {
    let payload = vec![b'*'; 65_536];
    let mut frames = payload.chunks(1300).map(|piece| frame(GO_ON, piece)).collect::<Vec<_>>();
    frames[0][0] = BEGIN;
    let bytes = [frames.concat(), frame(LAST, b"")].concat();
    check("10.1.1", &bytes, &[(TEXT, &payload)], End::Open);
}

#[test]
fn lengths_are_written_as_short_as_they_can_be() {
    for wrong in [
        &b"\x82\xfe\0\x7d\0\0\0\0"[..],
        b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0",
        b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        check("length", wrong, &[], End::Failed(1002));
    }
}
