//! Transactions, and what a lost connection does to them.

use amq_protocol::protocol::{AMQPClass, tx};
use sandloop_amqp::{Answer, ChannelId, Event, Failure, QueueName, Request};

use crate::{ask, broker::Broker, say};

const COMMIT: AMQPClass = AMQPClass::Tx(tx::AMQPMethod::Commit(tx::Commit {}));
const ROLLBACK: AMQPClass = AMQPClass::Tx(tx::AMQPMethod::Rollback(tx::Rollback {}));
const SELECT: AMQPClass = AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {}));

/// With a channel that has transactions, and a consumer `c`.
fn selected() -> (Broker, ChannelId) {
    let mut broker = Broker::open();
    let channel = broker.channel();
    broker.done((channel, 1), Request::SelectTx, say::tx_select_ok());
    let consume = ask::consume(&QueueName::new("q"), "c");
    broker.done((channel, 1), consume, say::consume_ok("c"));
    (broker, channel)
}

/// Publishes, and has it sent.
fn publish(broker: &mut Broker, channel: ChannelId, body: &[u8]) {
    let ticket = broker.session.publish(channel, ask::publish(body)).unwrap();
    broker.hears_message(1, say::publish("x", "k", false), body);
    assert_eq!(broker.events(), [Event::Answered(ticket, Ok(Answer::Done))]);
}

/// Breaks the connection and recovers.
fn again(broker: &mut Broker) {
    broker.again();
    recover(broker);
    assert_eq!(broker.events().last(), Some(&Event::Recovered));
}

fn recover(broker: &mut Broker) {
    broker.hears_and_says(1, say::channel_open(), say::channel_open_ok());
    broker.hears_and_says(1, SELECT, say::tx_select_ok());
    assert_eq!(broker.hears_method(1), (60, 20));
    broker.says(1, say::consume_ok("c"));
}

/// A commit, which must be sent and is answered.
#[track_caller]
fn commits(broker: &mut Broker, channel: ChannelId) {
    let ticket = broker.request(channel, Request::Commit);
    broker.hears_and_says(1, COMMIT, say::commit_ok());
    assert_eq!(broker.answers(), [(ticket, Ok(Answer::Done))]);
}

/// A commit, which must fail, and take back what is in it.
#[track_caller]
fn commit_fails(broker: &mut Broker, channel: ChannelId) {
    let ticket = broker.request(channel, Request::Commit);
    let answers = broker.answers();
    let [(failed, Err(Failure::Lost(reason)))] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(*failed, ticket);
    assert!(reason.contains("transaction"), "{reason}");
    broker.hears_and_says(1, ROLLBACK, say::rollback_ok());
    broker.hears_nothing();
    assert!(broker.events().is_empty());
}

#[test]
fn a_transaction_is_committed_or_rolled_back() {
    let (mut broker, channel) = selected();
    publish(&mut broker, channel, b"m");
    commits(&mut broker, channel);
    publish(&mut broker, channel, b"m");
    broker.done((channel, 1), Request::Rollback, say::rollback_ok());
}

#[test]
fn a_commit_that_is_lost_with_the_connection_fails() {
    let (mut broker, channel) = selected();
    publish(&mut broker, channel, b"m");
    let ticket = broker.request(channel, Request::Commit);
    broker.hears(1, COMMIT);
    broker.breaks();
    assert_eq!(
        broker.events(),
        [Event::Answered(ticket, Err(Failure::Lost("it broke".to_owned())))]
    );
    // The next transaction is another one.
    broker.connect();
    broker.greet();
    recover(&mut broker);
    assert_eq!(broker.events(), [Event::Recovered]);
    publish(&mut broker, channel, b"m");
    commits(&mut broker, channel);
}

#[test]
fn a_rollback_that_is_lost_with_the_connection_is_done() {
    let (mut broker, channel) = selected();
    publish(&mut broker, channel, b"m");
    let ticket = broker.request(channel, Request::Rollback);
    broker.breaks();
    assert_eq!(broker.events(), [Event::Answered(ticket, Ok(Answer::Done))]);
    broker.connect();
    broker.greet();
    recover(&mut broker);
    broker.events();
    commits(&mut broker, channel);
}

#[test]
fn a_transaction_that_was_begun_on_a_lost_connection_cannot_be_committed() {
    let (mut broker, channel) = selected();
    publish(&mut broker, channel, b"lost");
    again(&mut broker);
    // This is part of the same transaction, and must not become part of the next.
    publish(&mut broker, channel, b"half");
    commit_fails(&mut broker, channel);
    publish(&mut broker, channel, b"whole");
    commits(&mut broker, channel);
}

#[test]
fn a_rollback_makes_a_lost_transaction_a_new_one() {
    let (mut broker, channel) = selected();
    publish(&mut broker, channel, b"lost");
    again(&mut broker);
    broker.done((channel, 1), Request::Rollback, say::rollback_ok());
    commits(&mut broker, channel);
}

#[test]
fn a_connection_that_is_lost_between_transactions_matters_to_none() {
    let (mut broker, channel) = selected();
    publish(&mut broker, channel, b"m");
    commits(&mut broker, channel);
    again(&mut broker);
    commits(&mut broker, channel);
}

/// The message is delivered again, so a transaction that says it is done would be half of one.
#[test]
fn an_acknowledgement_of_a_lost_delivery_spoils_its_transaction() {
    let (mut broker, channel) = selected();
    broker.says_message(1, say::deliver("c", 1), b"m");
    let events = broker.events();
    let [Event::Delivered(_, delivery)] = &events[..] else { panic!("{events:?}") };
    again(&mut broker);
    publish(&mut broker, channel, b"what became of it");
    broker.session.ack(delivery.tag, false);
    broker.hears_nothing();
    commit_fails(&mut broker, channel);
    commits(&mut broker, channel);
}

#[test]
fn an_acknowledgement_that_waits_while_the_connection_is_lost_spoils_its_transaction() {
    let (mut broker, channel) = selected();
    broker.says_message(1, say::deliver("c", 1), b"m");
    let events = broker.events();
    let [Event::Delivered(_, delivery)] = &events[..] else { panic!("{events:?}") };
    broker.breaks();
    let first = broker.request(channel, Request::Commit);
    broker.session.ack(delivery.tag, false);
    let second = broker.request(channel, Request::Commit);
    broker.connect();
    broker.greet();
    recover(&mut broker);
    broker.hears_and_says(1, COMMIT, say::commit_ok());
    broker.hears_and_says(1, ROLLBACK, say::rollback_ok());
    let mut answers = broker.answers();
    answers.sort_by_key(|(ticket, _)| *ticket);
    assert_eq!(answers[0], (first, Ok(Answer::Done)));
    assert!(matches!(answers[1], (ticket, Err(Failure::Lost(_))) if ticket == second));
}
