//! The scripted broker of other tests: pika accepts it as a broker, and distinguishes its faults.

use std::thread;

use sandloop_tests::amqp_server::{AmqpServer, Damage, Played, Step, frame, length, opening};
use sandloop_tests::pika::{Pika, Refusal};
use serde_json::json;

/// The steps for a client that gets one message from a queue and closes.
fn getting() -> Vec<Step> {
    let get_ok = frame::Arguments::new().longlong(1).octet(0).shortstr("").shortstr("q").long(0);
    let message = [frame::method(1, (60, 71), &get_ok), frame::content(1, b"hello")].concat();
    let mut steps = opening();
    steps.extend([
        Step::Expect(20, 10),
        Step::Send(frame::channel_open_ok(1)),
        Step::Expect(60, 70),
        Step::Send(message),
        Step::Expect(20, 40),
        Step::Send(frame::plain(1, (20, 41))),
        Step::Expect(10, 50),
        Step::Send(frame::close_ok()),
    ]);
    steps
}

/// Lets pika get a message while the steps are played with some damage; returns the results of both sides.
fn get(steps: Vec<Step>, damage: Damage) -> (Result<String, Refusal>, Played) {
    let server = AmqpServer::start();
    let uri = server.uri();
    let playing = server.play(steps, damage);
    let body = Pika::try_connect(&uri).and_then(|mut pika| {
        let message = pika.ask(json!({"do": "get", "queue": "q"}))?;
        pika.ask(json!({"do": "close"}))?;
        Ok(message["body"].as_str().expect("a body").to_owned())
    });
    (body, playing.join().expect("the script is played"))
}

#[test]
fn pika_takes_the_script_for_a_broker() {
    for damage in [Damage::None, Damage::EachAlone] {
        assert_eq!(get(getting(), damage), (Ok("hello".to_owned()), Played::ToTheEnd));
    }
}

#[test]
fn damage_reaches_the_client_where_it_is_said() {
    let steps = getting();
    let message = length(&steps) - frame::plain(1, (20, 41)).len() - frame::close_ok().len();
    for cut in [0, 1, message - 1] {
        let (got, played) = get(steps.clone(), Damage::CutAt(cut));
        assert_eq!(got.unwrap_err().code, 0);
        assert_eq!(played, Played::Left);
    }
    // The body's last letter, and the end of its frame.
    let (got, _) = get(steps.clone(), Damage::Flip(message - 2, b'o' ^ b'!'));
    assert!(got.is_err(), "{got:?}");
    let (got, _) = get(steps, Damage::Flip(message - 1, 1));
    assert!(got.clone().unwrap_err().text.contains("Invalid FRAME_END"), "{got:?}");
}

#[test]
fn a_session_says_what_the_test_wants() {
    let server = AmqpServer::start();
    let uri = server.uri();
    let session = thread::spawn(move || {
        let mut session = server.accept();
        session.open(7, 4096, 0);
        session.expect((20, 10));
        session.send(frame::heartbeat());
        session.send(frame::channel_open_ok(1));
        let published = session.expect((60, 40));
        let mut arguments = published.arguments();
        assert_eq!(arguments.number(2), 0);
        assert_eq!(
            (arguments.shortstr(), arguments.shortstr()),
            ("x".to_owned(), "key".to_owned())
        );
        // More than one frame.
        assert_eq!(session.expect_content(), [b'a'; 10_000]);
        session.send(frame::close(541, "INTERNAL_ERROR - by script", (60, 40)));
        // Whether pika confirms it is a race of its own.
        assert_eq!(session.end(), Played::Left);
    });
    let mut pika = Pika::connect(&uri);
    let body = "a".repeat(10_000);
    pika.call(json!({"do": "publish", "exchange": "x", "routing_key": "key", "body": body}));
    let text = "INTERNAL_ERROR - by script".to_owned();
    assert_eq!(pika.refused(json!({"do": "closed"})), Refusal { code: 541, text });
    session.join().expect("the session ends well");
}
