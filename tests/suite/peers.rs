//! Peers that misbehave: whatever they do, nothing of them stays behind.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use sandloop_tests::{Config, Host, Isolation, Listen, Plugin, alone};
use socket2::{SockRef, Socket};

use crate::hostile::drive::{descriptors, wait_descriptors};

/// What a peer does with its connection.
type Misbehave = fn(TcpStream) -> std::io::Result<()>;

const PEERS: &[(&str, Misbehave)] = &[
    ("connects and vanishes", |_| Ok(())),
    ("connects and resets", reset),
    ("resets after a word", |mut stream| {
        stream.write_all(b"helo")?;
        reset(stream)
    }),
    ("resets in the middle of an answer", |mut stream| {
        stream.write_all(&[b'x'; 100_000])?;
        stream.read_exact(&mut [0; 10])?;
        reset(stream)
    }),
    ("resets after its end", |mut stream| {
        stream.write_all(b"GET / HTTP/1.1\r\n")?;
        stream.shutdown(Shutdown::Write)?;
        reset(stream)
    }),
    ("ends its side and reads", |mut stream| {
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }),
    ("ends its side and does not read", |mut stream| {
        stream.write_all(&[b'x'; 200_000])?;
        stream.shutdown(Shutdown::Write)
    }),
    ("has no window", |stream| {
        SockRef::from(&stream).set_recv_buffer_size(1)?;
        SockRef::from(&stream).set_nonblocking(true)?;
        let mut stream = stream;
        // As much as the host takes without being read from.
        while stream.write(&[b'x'; 65536]).is_ok() {}
        Ok(())
    }),
    ("says one byte at a time", |mut stream| {
        stream.set_nodelay(true)?;
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" {
            stream.write_all(&[*byte])?;
        }
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }),
    ("talks rubbish", |mut stream| {
        let rubbish: Vec<u8> =
            (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        stream.write_all(&rubbish)?;
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }),
    ("sends urgent bytes", |stream| {
        let stream = Socket::from(stream);
        stream.send_out_of_band(b"!")?;
        drop(stream);
        Ok(())
    }),
];

fn reset(stream: TcpStream) -> std::io::Result<()> {
    SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO))?;
    drop(stream);
    Ok(())
}

each_isolation!(nothing_stays_behind);
fn nothing_stays_behind(isolation: Isolation) {
    let _alone = alone();
    let plugins = ["echo", "http-hello"];
    let mut config =
        Config::new().plugin(Plugin::named("steady", &sandloop_tests::component("echo")));
    config = config.listen(Listen::tcp("steady"));
    for plugin in plugins {
        config =
            config.plugin(Plugin::new(plugin).isolation(isolation)).listen(Listen::tcp(plugin));
    }
    let host = Host::start(&config);
    let mut steady = host.connect("steady");
    steady.expect_echo("helo\n");
    let before = descriptors(&host);
    for (name, misbehave) in PEERS {
        for plugin in plugins {
            let address = host.address(plugin).replace("tcp://", "");
            for _ in 0..20 {
                let stream = TcpStream::connect(&address).expect("the host listens");
                // A host that resets in turn is in its right.
                let _ = misbehave(stream);
            }
            steady.expect_echo("still here\n");
            wait_descriptors(&host, &mut steady, before)
                .unwrap_or_else(|left| panic!("{plugin}, a peer that {name}: {left}"));
        }
    }
    let outcome = host.stop();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("ERROR"), "{}", outcome.stderr);
}
