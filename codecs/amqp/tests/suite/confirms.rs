//! Publishes that the broker confirms.

use sandloop_amqp::{Answer, ChannelId, Event, Failure, Refusal, Request, Settings, Ticket};

use crate::{ask, broker::Broker, say};

/// With a channel that has confirms, and so many messages on their way.
fn sent(settings: Settings, count: usize) -> (Broker, ChannelId, Vec<Ticket>) {
    let mut broker = Broker::open_with(settings);
    let channel = broker.channel();
    broker.done((channel, 1), Request::Confirm, say::confirm_select_ok());
    let publish = |_| broker.session.publish(channel, ask::publish(b"m")).unwrap();
    let tickets = (0..count).map(publish).collect();
    (broker, channel, tickets)
}

/// What the broker says of five messages, and which are then confirmed, in order.
#[track_caller]
fn check(says: &[(u64, bool)], confirmed: &[usize]) {
    let (mut broker, _, tickets) = sent(Settings::default(), 5);
    says.iter().for_each(|(number, multiple)| broker.says(1, say::ack(*number, *multiple)));
    let expected: Vec<_> =
        confirmed.iter().map(|index| (tickets[index - 1], Ok(Answer::Done))).collect();
    assert_eq!(broker.answers(), expected);
}

#[test]
fn a_message_is_answered_when_it_is_confirmed() {
    check(&[], &[]);
    check(&[(1, false), (2, false)], &[1, 2]);
    check(&[(3, false), (1, false)], &[3, 1]);
    check(&[(4, true)], &[1, 2, 3, 4]);
    check(&[(2, false), (4, true)], &[2, 1, 3, 4]);
    check(&[(0, true)], &[1, 2, 3, 4, 5]);
    // Said again, it means nothing.
    check(&[(2, true), (1, false), (2, true)], &[1, 2]);
}

#[test]
fn a_message_that_the_broker_does_not_take_fails() {
    let (mut broker, _, tickets) = sent(Settings::default(), 3);
    broker.says(1, say::nack(2, true, false));
    broker.says(1, say::ack(3, false));
    assert_eq!(
        broker.answers(),
        [
            (tickets[0], Err(Failure::Nacked)),
            (tickets[1], Err(Failure::Nacked)),
            (tickets[2], Ok(Answer::Done))
        ]
    );
    assert_eq!(broker.session.buffered(), 0);
}

#[test]
fn messages_wait_while_too_many_are_unconfirmed() {
    let settings = Settings { unconfirmed_max: 2, ..Settings::default() };
    let (mut broker, channel, tickets) = sent(settings, 4);
    let declared = broker.request(channel, ask::queue("q"));
    let publish = say::publish("x", "k", false);
    broker.hears_message(1, publish.clone(), b"m");
    broker.hears_message(1, publish.clone(), b"m");
    broker.hears_nothing();
    broker.says(1, say::ack(1, false));
    broker.hears_message(1, publish.clone(), b"m");
    broker.hears_nothing();
    broker.says(1, say::ack(3, true));
    broker.hears_message(1, publish, b"m");
    // What was asked for afterwards waits behind them.
    assert_eq!(broker.hears_method(1), (50, 10));
    broker.says(1, say::queue_declare_ok("q", 0, 0));
    broker.says(1, say::ack(4, false));
    let answered: Vec<_> = broker.answers().into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(answered, [tickets[0], tickets[1], tickets[2], declared, tickets[3]]);
}

#[test]
fn a_confirm_of_a_message_that_was_never_sent_is_a_violation() {
    for (says, number) in [(say::ack(2, false), 2), (say::nack(7, true, false), 7)] {
        let (mut broker, _, _) = sent(Settings::default(), 1);
        broker.hears_message(1, say::publish("x", "k", false), b"m");
        broker.says(1, says);
        broker.hears(0, say::close(503, &format!("a confirm of message {number}, never sent")));
    }
}

#[test]
fn a_message_before_the_channel_confirms_is_done_when_it_is_sent() {
    let mut broker = Broker::open();
    let channel = broker.channel();
    let before = broker.session.publish(channel, ask::publish(b"before")).unwrap();
    let selected = broker.request(channel, Request::Confirm);
    let after = broker.session.publish(channel, ask::publish(b"after")).unwrap();
    let expected = vec![(before, Ok(Answer::Done))];
    assert_eq!(broker.answers(), expected);
    broker.says(1, say::confirm_select_ok());
    // The first that is counted is the first after the request.
    broker.says(1, say::ack(1, false));
    assert_eq!(broker.answers(), [(selected, Ok(Answer::Done)), (after, Ok(Answer::Done))]);
}

#[test]
fn confirms_and_transactions_exclude_each_other() {
    let mut broker = Broker::open();
    let (one, two) = (broker.channel(), broker.channel());
    let refusal = Err(Failure::Refused(Refusal::ConfirmsAndTransactions));
    broker.request(one, Request::Confirm);
    assert_eq!(broker.session.request(one, Request::SelectTx), refusal);
    broker.request(one, Request::Confirm);
    broker.request(two, Request::SelectTx);
    assert_eq!(broker.session.request(two, Request::Confirm), refusal);
}

#[test]
fn a_channel_closes_when_its_messages_are_confirmed() {
    let (mut broker, channel, tickets) = sent(Settings::default(), 2);
    let closed = broker.request(channel, Request::Close);
    let publish = say::publish("x", "k", false);
    broker.hears_message(1, publish.clone(), b"m");
    broker.hears_message(1, publish, b"m");
    broker.hears_nothing();
    broker.says(1, say::ack(2, true));
    assert_eq!(broker.hears_method(1), (20, 40));
    broker.says(1, say::channel_close_ok());
    let done = |ticket| Event::Answered(ticket, Ok(Answer::Done));
    assert_eq!(
        broker.events(),
        [
            done(tickets[0]),
            done(tickets[1]),
            done(closed),
            Event::ChannelClosed(channel, Failure::Closed)
        ]
    );
}
