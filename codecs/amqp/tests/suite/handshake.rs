//! How a connection begins, and each way in which it does not.

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, connection},
    types::AMQPValue,
};
use sandloop_amqp::{Credentials, Event, Failure, Refusal, Settings, error::Close};

use crate::{
    broker::{Broker, output},
    say,
};

fn greeted(settings: Settings, mechanisms: &str) -> Broker {
    let mut broker = Broker::new(settings);
    broker.connect();
    broker.says(0, say::start(mechanisms));
    broker
}

fn start_ok(broker: &mut Broker) -> connection::StartOk {
    match broker.frame() {
        AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::StartOk(ok))) => ok,
        other => panic!("{other:?}"),
    }
}

#[test]
fn plain_sends_user_and_password() {
    let credentials = Credentials::plain("rei", "a:b\u{e9}");
    let name = Some("the bridge".to_owned());
    let settings = Settings { credentials, name, ..Settings::default() };
    let mut broker = greeted(settings, "AMQPLAIN PLAIN");
    let ok = start_ok(&mut broker);
    assert_eq!(ok.mechanism.as_str(), "PLAIN");
    assert_eq!(ok.response.as_bytes(), "\0rei\0a:b\u{e9}".as_bytes());
    assert_eq!(ok.locale.as_str(), "en_US");
    let properties = ok.client_properties.inner();
    assert_eq!(properties["product"], AMQPValue::LongString("Sandloop".into()));
    assert_eq!(properties["connection_name"], AMQPValue::LongString("the bridge".into()));
    let AMQPValue::FieldTable(capabilities) = &properties["capabilities"] else { panic!() };
    for capability in ["authentication_failure_close", "connection.blocked", "publisher_confirms"] {
        assert_eq!(capabilities.inner()[capability], AMQPValue::Boolean(true), "{capability}");
    }
}

#[test]
fn external_sends_nothing_of_its_own() {
    let settings = Settings { credentials: Credentials::External, ..Settings::default() };
    let ok = start_ok(&mut greeted(settings, "PLAIN EXTERNAL"));
    assert_eq!((ok.mechanism.as_str(), ok.response.as_bytes()), ("EXTERNAL", &b""[..]));
}

#[test]
fn a_mechanism_that_is_not_offered_ends_it_without_another_word() {
    let mut broker = greeted(Settings::default(), "AMQPLAIN PLAINER");
    broker.hears_nothing();
    let text = "it offers AMQPLAIN PLAINER, not PLAIN".to_owned();
    assert_eq!(broker.events(), [Event::Closed(Some(Failure::Authentication(text)))]);
    assert!(broker.session.is_over());
}

#[test]
fn another_version_ends_it_without_another_word() {
    for (major, minor) in [(0, 8), (1, 0), (0, 10)] {
        let mut broker = Broker::new(Settings::default());
        broker.connect();
        broker.says(0, say::start_of_version(major, minor, "PLAIN"));
        broker.hears_nothing();
        let [Event::Closed(Some(Failure::Protocol(close)))] = &broker.events()[..] else {
            panic!("{major}-{minor}");
        };
        assert_eq!(close.code, 503);
        assert_eq!(close.text, format!("version {major}-{minor} of the protocol"));
    }
}

#[test]
fn a_server_that_answers_with_its_own_version_ends_it() {
    let mut broker = Broker::new(Settings::default());
    broker.connect();
    broker.says_bytes(b"AMQP\0\x01\0\0");
    broker.hears_nothing();
    let [Event::Closed(Some(Failure::Protocol(close)))] = &broker.events()[..] else { panic!() };
    assert_eq!(close.code, 501);
}

#[test]
fn a_question_that_nobody_can_answer_ends_it() {
    let mut broker = greeted(Settings::default(), "PLAIN");
    start_ok(&mut broker);
    broker.says(0, say::secure());
    broker.hears_nothing();
    assert!(matches!(broker.events()[..], [Event::Closed(Some(Failure::Authentication(_)))]));
}

/// What is tuned to, with what both sides want.
fn check_tune(ours: (u16, u32, u16), theirs: (u16, u32, u16), agreed: (u16, u32, u16)) {
    let (channel_max, frame_max, heartbeat) = ours;
    let settings = Settings { channel_max, frame_max, heartbeat, ..Settings::default() };
    let mut broker = greeted(settings, "PLAIN");
    start_ok(&mut broker);
    broker.says(0, say::tune(theirs.0, theirs.1, theirs.2));
    broker.hears(0, say::tune_ok(agreed.0, agreed.1, agreed.2));
    broker.hears(0, say::open("/"));
    assert_eq!(broker.session.frame_max(), agreed.1);
    assert_eq!(broker.session.heartbeat(), agreed.2);
}

#[test]
fn the_lower_of_both_bounds_counts() {
    check_tune((100, 8192, 60), (2047, 131_072, 30), (100, 8192, 30));
    check_tune((2047, 131_072, 10), (64, 4096, 60), (64, 4096, 10));
    // 0 is no bound, and no heartbeat if the client says so.
    check_tune((100, 8192, 60), (0, 0, 0), (100, 8192, 60));
    check_tune((100, 8192, 0), (0, 0, 60), (100, 8192, 0));
    check_tune((0, 8192, 60), (0, 0, 0), (65535, 8192, 60));
    check_tune((0, 8192, 60), (7, 0, 0), (7, 8192, 60));
    // Nobody may ask for less than the specification.
    check_tune((7, 0, 60), (7, 0, 60), (7, 4096, 60));
    check_tune((7, 100, 60), (7, 131_072, 60), (7, 4096, 60));
}

#[test]
fn frames_that_are_too_small_are_refused() {
    let mut broker = greeted(Settings::default(), "PLAIN");
    start_ok(&mut broker);
    broker.says(0, say::tune(0, 4095, 0));
    let text = "frames of at most 4095 bytes; at least 4096 must fit";
    broker.hears(0, say::close(503, text));
    assert!(matches!(broker.events()[..], [Event::Closed(Some(Failure::Protocol(_)))]));
}

#[test]
fn a_virtual_host_with_a_long_name_is_refused() {
    let settings = Settings { vhost: "v".repeat(256), ..Settings::default() };
    let mut broker = greeted(settings, "PLAIN");
    start_ok(&mut broker);
    broker.says(0, say::tune(0, 0, 0));
    let failure = Failure::Refused(Refusal::TooLong("the virtual host"));
    assert_eq!(broker.events(), [Event::Closed(Some(failure))]);
}

#[test]
fn a_virtual_host_that_is_not_there_ends_it_with_code_and_text() {
    let mut broker = Broker::new(Settings { vhost: "attention".to_owned(), ..Settings::default() });
    let ticket = {
        let channel = broker.session.open_channel().unwrap();
        broker.request(channel, crate::ask::queue("q"))
    };
    broker.connect();
    broker.says(0, say::start("PLAIN"));
    start_ok(&mut broker);
    broker.says(0, say::tune(0, 0, 0));
    broker.hears(0, say::tune_ok(2047, 131_072, 60));
    broker.hears(0, say::open("attention"));
    let text = "NOT_ALLOWED - vhost attention not found";
    broker.says(0, say::close(530, text));
    broker.hears(0, say::close_ok());
    let close = Close { code: 530, text: text.to_owned(), class: 0, method: 0 };
    let failure = Failure::Connection(close);
    let closed = Event::Closed(Some(failure.clone()));
    assert_eq!(broker.events(), [Event::Answered(ticket, Err(failure)), closed]);
    assert!(broker.session.is_over());
}

#[test]
fn a_wrong_password_is_a_failure_of_its_own() {
    let mut broker = greeted(Settings::default(), "PLAIN");
    start_ok(&mut broker);
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.";
    broker.says(0, say::close(403, text));
    broker.hears(0, say::close_ok());
    let failure = Failure::Authentication(text.to_owned());
    assert_eq!(broker.events(), [Event::Closed(Some(failure))]);
}

#[test]
fn a_broker_that_let_us_in_before_may_be_starting() {
    for code in [403, 530, 541] {
        let mut broker = Broker::open();
        broker.breaks();
        broker.connect();
        broker.says(0, say::start("PLAIN"));
        start_ok(&mut broker);
        broker.says(0, say::close(code, "starting"));
        broker.hears(0, say::close_ok());
        assert_eq!(broker.events(), [Event::Disconnect(format!("{code} starting"))]);
        broker.again();
        assert_eq!(broker.events(), [Event::Recovered]);
    }
}

#[test]
fn methods_out_of_their_order_are_refused() {
    let check = |before: &[AMQPClass], wrong: AMQPClass| {
        let mut broker = greeted(Settings::default(), "PLAIN");
        before.iter().for_each(|method| broker.says(0, method.clone()));
        assert!(!broker.session.is_over(), "{before:?}");
        output(&mut broker.session);
        broker.says(0, wrong.clone());
        let AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close))) =
            broker.frame()
        else {
            panic!("{wrong:?}");
        };
        assert_eq!(close.reply_code, 503, "{wrong:?}");
    };
    check(&[], say::start("PLAIN"));
    check(&[], say::open_ok());
    check(&[], say::close_ok());
    check(&[], say::blocked("memory"));
    check(&[say::tune(0, 0, 0)], say::tune(0, 0, 0));
    check(&[say::tune(0, 0, 0)], say::secure());
    check(&[say::tune(0, 0, 0), say::open_ok()], say::open_ok());
    check(&[say::tune(0, 0, 0), say::open_ok()], say::close_ok());
}

#[test]
fn nobody_is_told_why_before_anybody_has_spoken() {
    let mut broker = Broker::new(Settings { recovery: false, ..Settings::default() });
    broker.connect();
    broker.says(0, say::tune(0, 0, 0));
    broker.hears_nothing();
    let [Event::Closed(Some(Failure::Protocol(close)))] = &broker.events()[..] else { panic!() };
    assert_eq!(close.code, 503);
}
