//! A broker behind TLS.

use std::net::{Shutdown, TcpStream};
use std::{io, thread};

use sandloop_tests::certificates::Authority;
use sandloop_tests::pika::Pika;
use sandloop_tests::rabbitmq::Broker;
use sandloop_tests::{Plugin, StubServer};

use super::Calls;

/// A guest that trusts the broker's authority by the profile `trusts`, and another one by `strange`.
fn trusting(broker: &Broker, address: &str) -> Calls {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let strange = Authority::new("Stranger").write(dir.path(), "strange");
    let trusted = broker.authority();
    let profiles = format!(
        "{{ trusts = {{ server_ca = {trusted:?} }}, strange = {{ server_ca = {strange:?} }} }}"
    );
    let plugin = Plugin::new("amqp_calls").key("tls", profiles).may_connect(&[address]);
    Calls::start_as(plugin)
}

#[test]
fn what_goes_through_tls_is_seen_by_pika() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let address = broker.tls_address();
    let mut calls = trusting(broker, &address);
    let uri = format!("amqps://guest:guest@{address}/{}", vhost.name);
    calls.ask(&format!("b connect {uri} profile=trusts"), "ok");
    calls.say("c channel c");
    calls.say("confirm confirm c");
    calls.say("d exchange d c default");
    calls.ask("q queue q c", "ok q messages=0 consumers=0");
    let body = "x".repeat(300_000);
    calls.ask("p publish d key=q body=x times=300000", "ok");
    let mut pika = Pika::connect(&vhost.uri);
    assert_eq!(pika.bodies("q", 1), [body.as_str()]);
    pika.publish("q", &body);
    calls.ask("s consume q no_ack", "ok");
    calls.expect(&format!("s delivered 1 /q {} delivery_mode=2", body.len()));
    calls.ask("end close", "ok");
}

#[test]
fn a_broker_with_another_name_or_authority_is_not_spoken_to() {
    let broker = Broker::shared();
    let target = broker.tls_address();
    // The same broker at an address that its certificate is not for.
    let elsewhere = StubServer::start({
        let target = target.clone();
        move |client| forward(&client, &TcpStream::connect(&target).expect("the broker is there"))
    });
    let mut calls = trusting(broker, elsewhere.address());
    let failed = failure(&mut calls, elsewhere.address(), "trusts");
    assert!(failed.starts_with("failed lost no TLS: ") && failed.contains("name"), "{failed}");

    let mut calls = trusting(broker, &target);
    let failed = failure(&mut calls, &target, "strange");
    assert!(failed.starts_with("failed lost no TLS: ") && failed.contains("ssuer"), "{failed}");
    // The broker has got no password.
    let failed = failure(&mut calls, &target, "unknown");
    assert_eq!(failed, "failed lost the host begins no TLS: denied");
}

/// Why there is no connection; one attempt is made.
fn failure(calls: &mut Calls, address: &str, profile: &str) -> String {
    calls.say(&format!("{profile} connect amqps://{address} once profile={profile}"));
    let line = calls.next(profile);
    line.split_once(' ').map(|(_, words)| words.to_owned()).unwrap_or_default()
}

/// Copies both ways until both have ended.
fn forward(client: &TcpStream, server: &TcpStream) {
    for (from, to) in [(client, server), (server, client)] {
        let copy = |it: &TcpStream| it.try_clone().expect("a descriptor");
        let (mut from, mut to) = (copy(from), copy(to));
        thread::spawn(move || {
            // Either side may be gone already.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
