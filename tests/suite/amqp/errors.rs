//! Each error that a broker can be made to return reaches its errback with code and text.

use sandloop_tests::{Config, Host, Peer, Plugin, Server, pika::Pika, rabbitmq::Broker};
use serde_json::json;

use super::{Calls, address_of};

/// A channel executes `steps`, which are answered with ok; then `last` must fail with this, and end the channel.
#[track_caller]
fn check(steps: &[&str], last: &str, failure: &str) {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    for step in steps {
        calls.say(step);
        let line = calls.next(step.split(' ').next().unwrap_or_default());
        assert!(line.contains(" ok"), "{step}: {line}");
    }
    let failure = failure.replace("VHOST", &vhost.name);
    calls.ask(last, &format!("failed channel {failure}"));
    calls.expect(&format!("c channel_closed channel {failure}"));
    // Another channel continues.
    calls.say("other channel other");
    calls.ask("fine queue fine other exclusive", "ok fine messages=0 consumers=0");
}

#[test]
fn what_is_not_there_is_not_found() {
    check(&[], "q queue q c passive", "404 NOT_FOUND - no queue 'q' in vhost 'VHOST'");
    check(
        &[],
        "x exchange x c kind=fanout passive",
        "404 NOT_FOUND - no exchange 'x' in vhost 'VHOST'",
    );
    check(
        &["q queue q c exclusive", "x exchange x c predefined"],
        "b bind q x",
        "404 NOT_FOUND - no exchange 'x' in vhost 'VHOST'",
    );
    check(
        &["q queue q c exclusive", "d delete_queue q"],
        "s consume q",
        "404 NOT_FOUND - no queue 'q' in vhost 'VHOST'",
    );
}

#[test]
fn what_does_not_agree_is_a_failed_precondition() {
    check(
        &["q queue q c durable"],
        "q queue q c",
        "406 PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost 'VHOST': received 'false' \
         but current is 'true'",
    );
    check(
        &["x exchange x c kind=fanout"],
        "x exchange x c kind=topic",
        "406 PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost 'VHOST': received 'topic' \
         but current is 'fanout'",
    );
    check(
        &["cf confirm c", "q queue q c", "d exchange d c default", "p publish d key=q body=m"],
        "del delete_queue q if_empty",
        "406 PRECONDITION_FAILED - queue 'q' in vhost 'VHOST' not empty",
    );
    check(
        &["q queue q c exclusive", "s consume q"],
        "del delete_queue q if_unused",
        "406 PRECONDITION_FAILED - queue 'q' in vhost 'VHOST' in use",
    );
    check(
        &["q queue q c exclusive", "x exchange x c kind=fanout", "b bind q x"],
        "del delete_exchange x if_unused",
        "406 PRECONDITION_FAILED - exchange 'x' in vhost 'VHOST' in use",
    );
}

#[test]
fn what_may_not_be_done_is_refused() {
    check(
        &[],
        "x exchange x c kind=fanout name=amq.mine",
        "403 ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
    );
    check(
        &["q queue q c exclusive", "s consume q exclusive"],
        "t consume q",
        "403 ACCESS_REFUSED - queue 'q' in vhost 'VHOST' in exclusive use",
    );
}

#[test]
fn a_user_without_permission_is_refused() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let user = format!("reader-{}", vhost.name);
    broker.ctl(&["add_user", &user, "password"]);
    // A user who may read, and nothing else.
    broker.ctl(&["set_permissions", "-p", &vhost.name, &user, "^$", "^$", ".*"]);
    let mut calls = Calls::at(&broker.uri_for(&format!("{user}:password"), &vhost.name));
    calls.ask(
        "q queue q c",
        &format!(
            "failed channel 403 ACCESS_REFUSED - access to queue 'q' in vhost '{}' refused for user '{user}'",
            vhost.name
        ),
    );
}

#[test]
fn a_message_that_says_it_is_from_another_is_refused() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("d exchange d c default", "ok");
    calls.ask("cf confirm c", "ok");
    calls.ask(
        "p publish d key=q body=m user_id=somebody",
        "failed channel 406 PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was \
         'guest'",
    );
}

#[test]
fn a_message_larger_than_the_broker_takes_is_refused() {
    let broker = Broker::start();
    broker.eval("application:set_env(rabbit, max_message_size, 1000)");
    let mut calls = Calls::at(&broker.uri());
    calls.ask("d exchange d c default", "ok");
    calls.ask("cf confirm c", "ok");
    calls.ask("p publish d key=q body=m times=1000", "ok");
    calls.ask(
        "p publish d key=q body=m times=1001",
        "failed channel 406 PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000",
    );
}

#[test]
fn a_queue_of_another_connection_is_locked() {
    let vhost = Broker::shared().vhost();
    let mut pika = Pika::connect(&vhost.uri);
    pika.call(json!({"do": "queue_declare", "queue": "q", "exclusive": true}));
    let mut calls = Calls::at(&vhost.uri);
    let text = format!(
        "405 RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '{}'. It could be \
         originally declared on another connection or the exclusive property value does not match that of the \
         original declaration.",
        vhost.name
    );
    calls.ask("q queue q c exclusive", &format!("failed channel {text}"));
}

#[test]
fn an_acknowledgement_of_nothing_ends_the_channel() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("d exchange d c default", "ok");
    calls.ask("q queue q c exclusive", "ok q messages=0 consumers=0");
    calls.ask("p publish d key=q body=m", "ok");
    calls.ask("g get q no_ack", "ok 1 /q m");
    calls.say("- ack 1");
    calls.expect("c channel_closed channel 406 PRECONDITION_FAILED - unknown delivery tag 1");
}

#[test]
fn what_was_under_way_fails_with_the_channel() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("cf confirm c", "ok");
    calls.ask("no exchange no c predefined", "ok");
    let failure = format!("channel 404 NOT_FOUND - no exchange 'no' in vhost '{}'", vhost.name);
    // In one piece: the broker is quick.
    calls.say("p publish no body=m\nq queue q c exclusive");
    for label in ["p", "q"] {
        calls.expect(&format!("{label} failed {failure}"));
    }
    calls.expect(&format!("c channel_closed {failure}"));
}

#[test]
fn an_error_of_the_connection_ends_it() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    calls.ask("x exchange x c kind=fanout", "ok");
    // RabbitMQ cannot stop a channel's deliveries.
    let failure = "connection 540 NOT_IMPLEMENTED - active=false";
    calls.ask("f flow c", &format!("failed {failure}"));
    calls.expect(&format!("c channel_closed {failure}"));
    calls.expect(&format!("b over {failure}"));
    calls.ask("late queue late c", "failed closed");
}

#[test]
fn a_type_of_exchange_that_nobody_knows_ends_the_connection() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::at(&vhost.uri);
    let failure = "connection 503 COMMAND_INVALID - unknown exchange type 'odd'";
    calls.ask("x exchange x c kind=odd", &format!("failed {failure}"));
    calls.expect(&format!("b over {failure}"));
}

#[test]
fn a_wrong_password_is_said_and_is_not_tried_again() {
    let broker = Broker::shared();
    let uri = broker.uri_for("guest:wrong", "%2F");
    let mut calls = Calls::start(address_of(&uri));
    calls.say(&format!("b connect {uri}"));
    calls.say("c channel c");
    calls.say("q queue q c");
    let failure = "authentication ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For \
                   details see the broker logfile.";
    for label in ["q", "b"] {
        calls.expect(&format!("{label} failed {failure}"));
    }
    calls.expect(&format!("b over {failure}"));
}

#[test]
fn a_mechanism_that_is_not_offered_is_said() {
    let broker = Broker::shared();
    let uri = format!("{}?auth_mechanism=external", broker.uri());
    let mut calls = Calls::start(broker.address().as_str());
    calls.say(&format!("b connect {uri}"));
    let line = calls.next("b");
    assert!(line.starts_with("b failed authentication it offers "), "{line}");
    assert!(line.ends_with(", not EXTERNAL"), "{line}");
}

#[test]
fn a_virtual_host_that_is_not_there_is_said() {
    let broker = Broker::shared();
    let uri = broker.uri_for("guest:guest", "nowhere");
    let mut calls = Calls::start(address_of(&uri));
    calls.ask(
        &format!("b connect {uri}"),
        "failed connection 530 NOT_ALLOWED - vhost nowhere not found",
    );
}

#[test]
fn more_channels_than_the_broker_allows_are_refused() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::with(&format!("{}?channel_max=2", vhost.uri), "");
    calls.say("e channel e");
    calls.ask("q queue q e exclusive", "ok q messages=0 consumers=0");
    calls.say("f channel f");
    calls.expect("f channel_closed refused the broker allows 2 channels");
    calls.ask("r queue r f", "failed refused the broker allows 2 channels");
    // A number is used again.
    calls.ask("cl close_channel e", "ok");
    calls.say("g channel g");
    calls.ask("r queue r g exclusive", "ok r messages=0 consumers=0");
}

#[test]
fn what_cannot_be_said_in_amqp_is_refused_here() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::with(&format!("{}?frame_max=4096", vhost.uri), "");
    let long = "n".repeat(256);
    calls.ask(
        &format!("q queue q c name={long}"),
        "failed refused the queue's name is longer than 255 bytes",
    );
    calls.ask("d exchange d c default", "ok");
    calls.ask(
        &format!("p publish d key={long} body=m"),
        "failed refused the routing key is longer than 255 bytes",
    );
    calls.ask(
        &format!("p publish d key=k body=m header:h={}", "v".repeat(5000)),
        "failed refused the arguments or headers do not fit into a frame of 4096 bytes",
    );
    calls.ask("cf confirm c", "ok");
    calls.ask("tx tx_select c", "failed refused a channel has either confirms or transactions");
    // None of these has ended the channel.
    calls.ask("q queue q c exclusive", "ok q messages=0 consumers=0");
}

#[test]
fn a_message_larger_than_the_bound_is_not_taken() {
    let vhost = Broker::shared().vhost();
    let mut pika = Pika::connect(&vhost.uri);
    pika.queue("q");
    pika.call(json!({"do": "confirm_delivery"}));
    pika.publish("q", &"x".repeat(2000));
    let mut calls = Calls::with(&vhost.uri, "message_max=1000");
    calls.ask("q queue q c passive", "ok q messages=1 consumers=0");
    let failure = "protocol 311 a message of 2000 bytes, more than 1000";
    calls.ask("g get q", &format!("failed {failure}"));
    // Its queue is informed of the channel's end by itself, while the next channel is opened.
    calls.ask_until("q queue q c passive", "ok q messages=1 consumers=0");
    // The broker keeps it, and delivers it to the next consumer.
    let mut calls = Calls::at(&vhost.uri);
    calls.say("q queue q c passive");
    calls.ask("s consume q no_ack", "ok");
    calls.expect("s delivered 1 again /q 2000 delivery_mode=2");
}

#[test]
fn a_publisher_that_runs_ahead_is_held() {
    let vhost = Broker::shared().vhost();
    let mut calls = Calls::with(&vhost.uri, "buffer=10000");
    calls.ask("d exchange d c default", "ok");
    calls.ask("q queue q c exclusive", "ok q messages=0 consumers=0");
    calls.ask("cf confirm c", "ok");
    // A hundred in one go: fewer than twenty fit, the others are refused, and there is room again later.
    calls.say("p publish d key=q body=0123456789 times=50 count=100 then_writable");
    let mut refused = 0;
    let mut done = 0;
    let mut writable = false;
    while refused + done < 100 || !writable {
        match calls.next("p").as_str() {
            "p ok" => done += 1,
            "p writable" => writable = true,
            line => {
                assert!(line.starts_with("p failed refused more waits to be sent than"), "{line}");
                refused += 1;
            }
        }
    }
    assert!((5..20).contains(&done), "{done}");
    calls.ask("st status q", &format!("ok q messages={done} consumers=0"));
    calls.ask("p publish d key=q body=m", "ok");
}

#[test]
fn a_broker_that_is_not_allowed_is_not_connected_to() {
    let plugin = Plugin::new("amqp_calls").may_connect(&["127.0.0.1:1"]);
    let host = Host::start(&Config::serving(plugin));
    let mut peer = host.connect("amqp_calls");
    peer.send("b connect amqp://127.0.0.1:2\n");
    let failure = "lost `allow.connect` does not list the broker";
    peer.expect(format!("b failed {failure}\nb over {failure}\n"));
}

#[test]
fn a_broker_that_is_not_there_is_tried_until_it_is() {
    let mut broker = Broker::start();
    broker.stop();
    let mut calls = Calls::start(broker.address().as_str());
    calls.say(&format!("b connect {}", broker.uri()));
    calls.say("c channel c");
    calls.say("q queue q c exclusive");
    calls.expect("b interrupted refused");
    broker.start_again();
    calls.expect("q ok q messages=0 consumers=0");

    let server = Server::refusing();
    let mut calls = Calls::start(server.address().trim_start_matches("tcp://"));
    calls.ask(
        &format!("b connect amqp://{} once", server.address().trim_start_matches("tcp://")),
        "failed lost refused",
    );
}

#[test]
fn somebody_else_than_a_broker_is_found_out() {
    let echo = Host::start(&Config::serving(Plugin::new("echo")));
    let address = echo.address("echo");
    let mut calls = Calls::start(address.trim_start_matches("tcp://"));
    // It echoes the protocol header: that is the answer of a broker of another version.
    calls.ask(
        &format!("b connect {}", address.replace("tcp", "amqp")),
        "failed protocol 501 the server speaks another version of AMQP, or none",
    );
    let mut peer = Peer::connect(&address);
    peer.expect_echo("still here\n");
}
