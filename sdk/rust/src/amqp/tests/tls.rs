//! A broker behind TLS.

use super::*;
use crate::tls::{FailureKind, HandshakeFailure};

fn settings() -> Settings {
    Settings { host: "broker.example".to_owned(), tls: true, ..Settings::default() }
}

#[test]
fn nothing_is_said_before_tls_has_begun() {
    let world = World::with(settings());
    world.link().connected();
    let wire = world.wire();
    assert_eq!(wire.borrow().tls, Some((0, "broker.example".to_owned())));
    assert!(wire.borrow().sent.starts_with(b"AMQP"));
    // Without TLS nobody asks for it.
    let world = World::open();
    assert_eq!(world.wire().borrow().tls, None);
}

#[test]
fn a_handshake_that_fails_is_tried_again_and_told() {
    let world = World::with(settings());
    let reasons = Rc::new(RefCell::new(Vec::new()));
    let seen = reasons.clone();
    world.connection.on_interruption(move |reason, _| seen.borrow_mut().push(reason.to_owned()));
    world.link().connected();
    let words = "it is for another name".to_owned();
    world.wire().borrow_mut().tls_failure =
        Some(HandshakeFailure { kind: FailureKind::WrongName, words });
    world.link().unbind(CloseReason::Failed);
    assert_eq!(*reasons.borrow(), ["no TLS: it is for another name"]);
    advance(SECOND);
    assert_eq!(world.dials(), 2);
    world.establish();
}

#[test]
fn what_the_host_refuses_is_not_tried_again() {
    let world = World::with(settings());
    let closed = outcome(&world.connection.closed());
    // It has TLS already, which is one of the ways to be refused.
    world.wire().borrow_mut().tls = Some((0, String::new()));
    world.link().connected();
    assert!(world.wire().borrow().ended.is_some() && world.wire().borrow().sent.is_empty());
    world.link().unbind(CloseReason::Closed);
    advance(100 * SECOND);
    assert_eq!(world.dials(), 1);
    let words = "the host begins no TLS: unsupported".to_owned();
    assert_eq!(*closed.borrow(), Some(Err(Failure::Lost(words))));
}
