//! The memory of sandboxes is found, and events are served in their order while others are looked ahead at.

use std::io::{Read, Write as _};
use std::net::TcpStream;

use crate::engine::working_set::SETTLED_AFTER;
use crate::run::stage::{HandTurned, component, folder};

/// More than few, in `reactor/lookahead.rs`.
const PEERS: usize = 300;
/// The same of some.
const SOME: usize = 40;

fn echo() -> HandTurned {
    let echo = component("echo");
    let text = format!(
        "[host]\ninstances = 400\n[plugins.echo]\n{echo}\nisolation = \"connection\"\n\
         limits.connections = 400\n[[listen]]\nplugin = \"echo\"\naddress = \"tcp://127.0.0.1:0\"\n"
    );
    HandTurned::new(folder(), &text)
}

/// The number of areas that the guests of the template use, and of pages in them.
fn pages_in_use(host: &HandTurned) -> Option<(usize, usize)> {
    host.prepared.served.templates.get(0).expect("the plugin").pages_in_use.known()
}

/// If this fails after an update of the engine, what it keeps of memories and tables looks otherwise, and
/// `engine/working_set.rs` has to follow.
#[test]
fn the_pages_of_a_sandbox_are_found_when_it_has_settled() {
    let mut host = echo();
    let mut early = host.connect("echo");
    let _some: Vec<TcpStream> = (0..SOME).map(|_| host.connect("echo")).collect();
    let mut peer = host.connect("echo");
    for _ in 2..SETTLED_AFTER + 8 {
        assert!(host.echoes(&mut early));
    }
    assert_eq!(pages_in_use(&host), None, "nobody has noted where the memory of the first one is");
    for _ in 2..SETTLED_AFTER {
        assert!(host.echoes(&mut peer));
    }
    assert_eq!(pages_in_use(&host), None, "the first events may use others");
    for _ in 0..3 {
        assert!(host.echoes(&mut peer));
    }
    let (areas, pages) = pages_in_use(&host).expect("it has had enough events");
    assert!(3 <= areas, "a memory, its own table and that of its imports: {areas}");
    assert!(areas + 2 <= pages, "the memory has a stack, data and a heap: {pages}");
}

#[test]
fn hundreds_of_sandboxes_each_answer_their_own_peer() {
    let mut host = echo();
    let mut peers: Vec<TcpStream> = (0..PEERS).map(|_| host.connect("echo")).collect();
    for round in 0..SETTLED_AFTER + 4 {
        let said = |place: usize| [place.to_le_bytes(), round.to_le_bytes()].concat();
        for (place, peer) in peers.iter_mut().enumerate() {
            peer.write_all(&said(place)).expect("a peer");
        }
        // One of them ends while the others are looked at.
        drop(peers.pop());
        for (place, peer) in peers.iter_mut().enumerate() {
            let mut answer = Vec::new();
            let is_there = host.turn_until(|_| {
                let mut buffer = [0; 64];
                let read = peer.read(&mut buffer).unwrap_or_default();
                answer.extend_from_slice(&buffer[..read]);
                said(place).len() <= answer.len()
            });
            assert!(is_there && answer == said(place), "{place} in round {round}: {answer:?}");
        }
    }
    assert!(pages_in_use(&host).is_some());
}
