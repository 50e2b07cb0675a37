//! Peers that misbehave: whatever they do, none of their resources stay behind.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use sandloop_testkit::Noise;
use sandloop_tests::{Config, Host, Isolation, Listen, Plugin, StubServer, process};
use socket2::{SockRef, Socket};

use sandloop_tests::hostile::drive::{descriptors, wait_descriptors};

/// What a peer does with its connection.
type Misbehave = fn(TcpStream) -> std::io::Result<()>;

/// Peers that connect to the host.
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
        // As much as the host accepts without being read.
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
        stream.write_all(&rubbish())?;
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

/// Servers that the host's guests connect to.
const SERVERS: &[(&str, Misbehave)] = &[
    ("lets in and vanishes", |_| Ok(())),
    ("lets in and resets", reset),
    ("resets after half an answer", |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")?;
        reset(stream)
    }),
    ("resets in the middle of a head", |mut stream| {
        stream.write_all(b"HTTP/1.1 200 O")?;
        reset(stream)
    }),
    ("ends its side and does not read", |stream| {
        stream.shutdown(Shutdown::Write)?;
        wait_for_the_end(stream)
    }),
    ("never answers", wait_for_the_end),
    ("answers one byte at a time", |mut stream| {
        stream.set_nodelay(true)?;
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" {
            stream.write_all(&[*byte])?;
        }
        wait_for_the_end(stream)
    }),
    ("talks rubbish", |mut stream| {
        stream.write_all(&rubbish())?;
        wait_for_the_end(stream)
    }),
    ("talks without end", |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
        Ok(())
    }),
    ("sends urgent bytes", |stream| {
        let stream = Socket::from(stream);
        stream.send_out_of_band(b"!")?;
        drop(stream);
        Ok(())
    }),
];

/// Keeps the connection without reading or writing until the host ends it.
fn wait_for_the_end(mut stream: TcpStream) -> std::io::Result<()> {
    while 0 < stream.read(&mut [0; 4096])? {}
    Ok(())
}

fn rubbish() -> Vec<u8> {
    Noise::new(1).bytes(50_000)
}

fn reset(stream: TcpStream) -> std::io::Result<()> {
    SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO))?;
    drop(stream);
    Ok(())
}

each_isolation!(nothing_stays_behind);
fn nothing_stays_behind(isolation: Isolation) {
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
    let mut memory = Vec::new();
    for (name, misbehave) in PEERS {
        for plugin in plugins {
            let address = host.address(plugin).replace("tcp://", "");
            for _ in 0..20 {
                let stream = TcpStream::connect(&address).expect("the host listens");
                // The host may reset it in turn.
                let _ = misbehave(stream);
            }
            steady.expect_echo("still here\n");
            wait_descriptors(&host, &mut steady, before)
                .unwrap_or_else(|left| panic!("{plugin}, a peer that {name}: {left}"));
        }
        memory.push(process::resident(host.pid()));
    }
    let outcome = host.stop();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("ERROR"), "{}", outcome.stderr);
    assert_flat(&memory);
}

/// The sandboxes and buffers of the first peers are kept for the next; from then on nothing is added.
#[track_caller]
fn assert_flat(memory: &[u64]) {
    let (first, rest) = memory.split_at(memory.len() / 2);
    let most = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
    assert!(most(rest) < most(first) + (8 << 20), "memory grows: {memory:?}");
}

each_isolation!(nothing_stays_behind_of_servers);
fn nothing_stays_behind_of_servers(isolation: Isolation) {
    let servers: Vec<StubServer> = SERVERS
        .iter()
        .map(|(_, misbehave)| {
            StubServer::start(|stream| {
                // The client may end the connection.
                let _ = misbehave(stream);
            })
        })
        .collect();
    let allowed: Vec<&str> = servers.iter().map(StubServer::address).collect();
    let config = Config::new()
        .plugin(Plugin::new("http_fetch").isolation(isolation).may_connect(&allowed))
        .plugin(Plugin::named("steady", &sandloop_tests::component("echo")))
        .listen(Listen::tcp("http_fetch"))
        .listen(Listen::tcp("steady"));
    let host = Host::start(&config);
    let mut steady = host.connect("steady");
    let mut fetcher = host.connect("http_fetch");
    steady.expect_echo("helo\n");
    let before = descriptors(&host);
    let mut memory = Vec::new();
    for ((name, _), server) in SERVERS.iter().zip(&servers) {
        for _ in 0..10 {
            fetcher.send(format!(
                "GET http://{}/ close deadline=200 limit=100000\n",
                server.address()
            ));
            let answer = fetcher.line();
            let known = answer.starts_with("error: ") || answer.starts_with("200 OK ");
            assert!(known, "a server that {name}: {answer}");
        }
        steady.expect_echo("still here\n");
        wait_descriptors(&host, &mut steady, before)
            .unwrap_or_else(|left| panic!("a server that {name}: {left}"));
        memory.push(process::resident(host.pid()));
    }
    let outcome = host.stop();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("ERROR"), "{}", outcome.stderr);
    assert_flat(&memory);
}
