//! Headers of both versions, cut at every byte, and hostile ones.

use std::io::Write;

use mio::net::UnixStream as MioUnixStream;
use std::os::unix::net::UnixStream;

use super::*;

const MOST: usize = 600;
const BEHIND: &[u8] = b"\r\n\r\n\0\r\nQUIT\nPROXY TCP4";

fn pair() -> (UnixStream, Stream) {
    let (proxy, host) = UnixStream::pair().expect("a pair of sockets");
    host.set_nonblocking(true).expect("a socket");
    (proxy, Stream::Unix(MioUnixStream::from_std(host)))
}

fn v2_of(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("it is short").to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, rest].concat()
}

/// The addresses of a header as text; `-` if it names none.
fn shown(ends: Option<Proxied>) -> String {
    let one = |end: SocketAddress| match end {
        SocketAddress::Tcp(address) => address.to_string(),
        SocketAddress::Unix(path) => format!("unix:{path}"),
    };
    ends.map_or("-".to_owned(), |ends| format!("{} to {}", one(ends.peer), one(ends.local)))
}

fn good() -> Vec<(Vec<u8>, &'static str)> {
    let v4 = [1, 2, 3, 4, 5, 6, 7, 8, 0x30, 0x39, 1, 0xbb];
    let mut v6 = [0; 36];
    (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 3, 4);
    let mut unix = [0; 216];
    unix[..2].copy_from_slice(b"/a");
    unix[108..111].copy_from_slice(b"/bc");
    let more = |bytes: &[u8], more: &[u8]| [bytes, more].concat();
    let text = |text: &str| text.as_bytes().to_vec();
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(91));
    assert_eq!(longest.len(), LINE_BYTES_MAX);
    vec![
        (text("PROXY TCP4 1.2.3.4 5.6.7.8 12345 443\r\n"), "1.2.3.4:12345 to 5.6.7.8:443"),
        (text("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0:0 to 0.0.0.0:0"),
        (text("PROXY TCP6 ::1 ::2 3 4\r\n"), "[::1]:3 to [::2]:4"),
        (text("PROXY TCP6 ::ffff:1.2.3.4 ::2 3 4\r\n"), "[::ffff:1.2.3.4]:3 to [::2]:4"),
        (text("PROXY UNKNOWN\r\n"), "-"),
        (text("PROXY UNKNOWN ::1 ::2 3 4\r\n"), "-"),
        (longest.into_bytes(), "-"),
        (v2_of(1, 0x11, &v4), "1.2.3.4:12345 to 5.6.7.8:443"),
        (v2_of(1, 0x21, &v6), "[::1]:3 to [::2]:4"),
        (v2_of(1, 0x31, &unix), "unix:/a to unix:/bc"),
        // With the additions of real proxies: an authority TLV, padding.
        (v2_of(1, 0x11, &more(&v4, b"\x02\0\x03a.b\x04\0\0")), "1.2.3.4:12345 to 5.6.7.8:443"),
        // Datagrams, and an unspecified transport.
        (v2_of(1, 0x12, &v4), "-"),
        (v2_of(1, 0x00, &[]), "-"),
        (v2_of(1, 0x00, b"\x02\0\x03a.b"), "-"),
        // LOCAL: the addresses that follow are skipped.
        (v2_of(0, 0x00, &[]), "-"),
        (v2_of(0, 0x11, &v4), "-"),
        (v2_of(0, 0x00, b"not one of those"), "-"),
        (v2_of(0, 0x00, &[7; MOST - FIXED_BYTES]), "-"),
    ]
}

#[test]
fn each_is_taken_whole_and_nothing_behind_it() {
    for (bytes, expected) in good() {
        let (mut proxy, mut host) = pair();
        proxy.write_all(&[&*bytes, BEHIND].concat()).expect("it fits");
        let ends = HeaderReader::new(MOST).read(&host).expect("a good header");
        assert_eq!(shown(ends.expect("it is whole")), expected);
        let mut rest = [0; 64];
        let length = host.read(&mut rest).expect("what is behind it");
        assert_eq!(&rest[..length], BEHIND, "{expected}");
    }
}

#[test]
fn each_may_be_cut_at_every_byte() {
    for (bytes, expected) in good() {
        for at in 0..bytes.len() {
            let (mut proxy, host) = pair();
            let mut reader = HeaderReader::new(MOST);
            proxy.write_all(&bytes[..at]).expect("it fits");
            assert!(reader.read(&host).expect("so far it is good").is_none(), "{expected} {at}");
            assert!(reader.read(&host).expect("nothing is new").is_none());
            proxy.write_all(&bytes[at..]).expect("it fits");
            let ends = reader.read(&host).expect("a good header");
            assert_eq!(shown(ends.expect("it is whole")), expected, "{at}");
        }
        // One byte at a time.
        let (mut proxy, host) = pair();
        let mut reader = HeaderReader::new(MOST);
        for (at, byte) in bytes.iter().enumerate() {
            proxy.write_all(&[*byte]).expect("it fits");
            let ends = reader.read(&host).expect("so far it is good");
            assert_eq!(ends.is_some(), at + 1 == bytes.len(), "{expected} {at}");
        }
        // Cut off at every byte.
        for at in 0..bytes.len() {
            let (mut proxy, host) = pair();
            proxy.write_all(&bytes[..at]).expect("it fits");
            drop(proxy);
            let fault = HeaderReader::new(MOST).read(&host).expect_err("it is not whole");
            assert!(matches!(fault, HeaderFault::Gone), "{expected} {at}: {fault:?}");
        }
    }
}

#[test]
fn hostile_ones_are_refused() {
    let text = |text: &str| text.as_bytes().to_vec();
    let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(92));
    let mut changed = v2_of(1, 0x11, &[0; 12]);
    changed[11] ^= 1;
    let mut version = v2_of(1, 0x11, &[0; 12]);
    version[12] = 0x31;
    for (bytes, expected) in [
        (text("GET / HTTP/1.1\r\n\r\n"), "does not begin"),
        (text("\x16\x03\x01"), "does not begin"),
        (text("PROXX"), "does not begin"),
        (text("proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), "does not begin"),
        (text("\r\n\r\n\r\n\r\n"), "does not begin"),
        (text("\n"), "does not begin"),
        (changed, "does not begin"),
        (text("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), ""),
        (text("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n"), ""),
        (text("PROXY TCP4 1.2.3.4 5.6.7.8 1\n2\r\n"), ""),
        (text("PROXY TCP4\n"), ""),
        (text("PROXY UNKNOWN\n"), ""),
        (text("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n"), ""),
        (text("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n"), ""),
        (text("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n"), ""),
        (text("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"), ""),
        (text("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n"), ""),
        (text("PROXY TCP4 ::1 ::2 1 2\r\n"), ""),
        (text("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n"), ""),
        (text("PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n"), ""),
        (text("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n"), ""),
        (text("PROXY TCP4 \u{ff11}.2.3.4 5.6.7.8 1 2\r\n"), ""),
        (long.into_bytes(), "longer"),
        (vec![b'P'; 1], "gone"),
        ([b"PROXY ".to_vec(), vec![b'x'; 4096]].concat(), "longer"),
        (v2_of(2, 0x11, &[0; 12]), ""),
        (v2_of(1, 0x41, &[0; 12]), ""),
        (v2_of(1, 0x13, &[0; 12]), ""),
        (version, ""),
        // Addresses too short for the family, and a length beyond the header's end.
        (v2_of(1, 0x11, &[0; 11]), ""),
        (v2_of(1, 0x21, &[0; 35]), ""),
        (v2_of(1, 0x31, &[0; 215]), ""),
        (v2_of(1, 0x11, &[&[0; 12][..], b"\x02\0\x04abc"].concat()), "is cut"),
        (v2_of(1, 0x11, &[&[0; 12][..], b"\x02"].concat()), "is cut"),
        (v2_of(0, 0x00, &[7; MOST - FIXED_BYTES + 1]), "longer"),
        ([SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(), "longer"),
    ] {
        let (mut proxy, host) = pair();
        proxy.write_all(&bytes).expect("it fits");
        drop(proxy);
        let said = String::from_utf8_lossy(&bytes);
        let fault = HeaderReader::new(MOST).read(&host).expect_err(&said);
        let words = fault.to_string();
        assert!(words.contains(expected) && !words.is_empty(), "{said:?}: {words}");
        // A malformed header is rejected without waiting for the peer's end.
        let is_gone = matches!(fault, HeaderFault::Gone);
        assert_eq!(is_gone, expected == "gone", "{said:?}: {words}");
    }
}
