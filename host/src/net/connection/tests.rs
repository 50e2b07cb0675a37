//! A connection over a socket pair: what each state allows, and how each ends.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream as Peer;

use super::*;

const MARKS: Marks = Marks { high: 1000, low: 100, max: 10_000_000 };

/// An open connection and its peer.
fn open() -> (Connection, Peer) {
    let (ours, peer) = Peer::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let stream = Stream::Unix(mio::net::UnixStream::from_std(ours));
    (Connection::accepted(1, stream, MARKS, Moment::default()), peer)
}

/// More bytes than the socket's buffers hold.
fn plenty() -> Vec<u8> {
    vec![7; 5_000_000]
}

fn read_all(peer: &mut Peer, connection: &mut Connection) -> usize {
    let mut total = 0;
    let mut buffer = vec![0; 1 << 20];
    peer.set_nonblocking(true).unwrap();
    loop {
        match peer.read(&mut buffer) {
            Ok(0) => return total,
            Ok(count) => total += count,
            Err(_) if connection.outbound() == 0 => return total,
            Err(_) => {
                connection.flush(Moment::default(), usize::MAX);
            }
        }
    }
}

#[test]
fn an_empty_outbox_is_written_through() {
    let (mut connection, mut peer) = open();
    connection.send(b"helo", Moment::default()).unwrap();
    assert_eq!(connection.outbound(), 0);
    let mut reply = [0; 4];
    peer.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"helo");
}

#[test]
fn a_slow_peer_is_not_read_until_it_has_caught_up() {
    let (mut connection, mut peer) = open();
    connection.send(&plenty(), Moment::default()).unwrap();
    assert!(!connection.wants_read());
    assert!(connection.wants_write());
    assert!(!connection.take_drained());
    assert_eq!(read_all(&mut peer, &mut connection), 5_000_000);
    assert!(connection.take_drained());
    assert!(!connection.take_drained(), "told once");
    assert!(connection.wants_read());
}

#[test]
fn the_hard_bound_takes_all_or_nothing() {
    let (mut connection, _peer) = open();
    let too_much = vec![0; MARKS.max + 1];
    assert_eq!(connection.send(&too_much, Moment::default()), Err(SendError::OutboxFull));
    assert_eq!(connection.outbound(), 0);
    connection.send(b"still open", Moment::default()).unwrap();
}

#[test]
fn finishing_sends_what_is_queued_and_takes_no_more() {
    let (mut connection, mut peer) = open();
    connection.send(&plenty(), Moment::default()).unwrap();
    connection.finish(CloseReason::Closed);
    assert_eq!(connection.send(b"late", Moment::default()), Err(SendError::Closing));
    connection.reconcile();
    assert_eq!(connection.phase(), Phase::Finishing(CloseReason::Closed));
    assert_eq!(read_all(&mut peer, &mut connection), 5_000_000);
    connection.reconcile();
    assert_eq!(connection.phase(), Phase::Ended(CloseReason::Closed));
    assert_eq!(connection.send(b"late", Moment::default()), Err(SendError::Closed));
}

#[test]
fn the_peers_end_still_lets_the_output_go() {
    let (mut connection, mut peer) = open();
    connection.send(&plenty(), Moment::default()).unwrap();
    connection.peer_ended();
    connection.send(b"!", Moment::default()).unwrap();
    assert_eq!(read_all(&mut peer, &mut connection), 5_000_001);
    connection.reconcile();
    assert_eq!(connection.phase(), Phase::Ended(CloseReason::PeerClosed));
}

#[test]
fn half_open_is_kept_when_asked_for() {
    let (mut connection, mut peer) = open();
    connection.keep_half_open = true;
    connection.peer_ended();
    connection.reconcile();
    assert_eq!(connection.phase(), Phase::Open);
    connection.send(b"late reply", Moment::default()).unwrap();
    connection.half_close().unwrap();
    connection.reconcile();
    assert_eq!(connection.phase(), Phase::Ended(CloseReason::PeerClosed));
    let mut reply = String::new();
    peer.read_to_string(&mut reply).unwrap();
    assert_eq!(reply, "late reply");
}

#[test]
fn half_close_ends_one_side_only() {
    let (mut connection, mut peer) = open();
    connection.half_close().unwrap();
    assert_eq!(connection.send(b"x", Moment::default()), Err(SendError::Closing));
    connection.reconcile();
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
    peer.write_all(b"more").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(connection.read(&mut buffer, Moment::default()).unwrap(), 4);
    assert!(connection.wants_read());
}

#[test]
fn the_first_reason_stays() {
    let (mut connection, _peer) = open();
    connection.end(CloseReason::Reset);
    connection.end(CloseReason::Closed);
    connection.finish(CloseReason::Stopped);
    assert_eq!(connection.phase(), Phase::Ended(CloseReason::Reset));
}

#[test]
fn sending_before_the_connection_is_made_queues() {
    let (ours, mut peer) = Peer::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut connection = Connection::outgoing(1, MARKS, Moment::default());
    connection.send(b"GET /", Moment::default()).unwrap();
    connection.finish(CloseReason::Closed);
    assert_eq!(connection.outbound(), 5);
    connection.connecting();
    let stream = Stream::Unix(mio::net::UnixStream::from_std(ours));
    connection.established(stream, Moment::default());
    assert!(!connection.flush(Moment::default(), usize::MAX));
    connection.reconcile();
    assert_eq!(connection.phase(), Phase::Ended(CloseReason::Closed));
    let mut request = [0; 5];
    peer.read_exact(&mut request).unwrap();
    assert_eq!(&request, b"GET /");
}

/// The loop locks a connection while its guest, on another thread, sends megabytes.
#[test]
fn who_waits_for_a_connection_has_it_in_the_middle_of_a_long_send() {
    let pieces = 40;
    let bytes = vec![7; pieces * BYTES_AT_ONCE];
    let marks = Marks { max: usize::MAX, ..MARKS };
    let is_seen_in_the_middle = || {
        let connection = SharedConnection::new(Connection::outgoing(1, marks, Moment::default()));
        std::thread::scope(|scope| {
            let sends = scope.spawn(|| connection.send(&bytes, Moment::default()).0);
            let mut seen = false;
            while !sends.is_finished() {
                let outbound = connection.lock().outbound();
                assert!(outbound.is_multiple_of(BYTES_AT_ONCE), "{outbound}");
                seen |= 0 < outbound && outbound < bytes.len();
            }
            assert_eq!(sends.join().unwrap(), Ok(()));
            assert_eq!(connection.lock().outbound(), bytes.len());
            seen
        })
    };
    // A single attempt may fail on a busy machine: the waiting thread needs a core at the right moment.
    assert!((0..1000).any(|_| is_seen_in_the_middle()));
}

#[test]
fn a_send_that_does_not_fit_leaves_nothing() {
    let marks = Marks { max: 3 * BYTES_AT_ONCE, ..MARKS };
    let connection = SharedConnection::new(Connection::outgoing(1, marks, Moment::default()));
    let send = |bytes: usize| connection.send(&vec![7; bytes], Moment::default()).0;
    assert_eq!(send(2 * BYTES_AT_ONCE), Ok(()));
    assert_eq!(send(BYTES_AT_ONCE + 1), Err(SendError::OutboxFull));
    assert_eq!(connection.lock().outbound(), 2 * BYTES_AT_ONCE);
    assert_eq!((send(BYTES_AT_ONCE), send(0)), (Ok(()), Ok(())));
}
