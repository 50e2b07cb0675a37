//! Requests to the broker as deferrables.

use std::rc::Rc;

use sandloop_amqp::{Answer, Failure, Request};

use super::{handle::ChannelHandle, link::Link};
use crate::{
    deferrable::{DefaultDeferrable, Deferrable},
    reactor::try_next_tick,
};

/// A request to the broker, until it is answered. It fails with the broker's code and text.
pub type Operation<T = ()> = DefaultDeferrable<T, Failure>;

/// Makes a request on a channel; `read` turns the answer into the operation's value.
pub(super) fn ask<T: 'static>(
    channel: &ChannelHandle,
    request: Request,
    read: impl FnOnce(Answer) -> T + 'static,
) -> Operation<T> {
    let operation = Operation::new();
    let asked = channel.id().and_then(|id| channel.link.request(id, request));
    settle(&channel.link, asked, &operation, read);
    operation
}

/// Settles `operation` with the answer. A refusal comes in the next tick, so that an errback can be added first.
pub(super) fn settle<T: 'static>(
    link: &Rc<Link>,
    asked: Result<sandloop_amqp::Ticket, Failure>,
    operation: &Operation<T>,
    read: impl FnOnce(Answer) -> T + 'static,
) {
    let waiting = operation.clone();
    match asked {
        Ok(ticket) => link.when_answered(ticket, move |result| match result {
            Ok(answer) => waiting.succeed(read(answer)),
            Err(failure) => waiting.fail(failure),
        }),
        Err(failure) => fail_later(operation, failure),
    }
}

/// Fails it in the next tick, or at once if the limit of ticks is reached.
pub(super) fn fail_later<T: 'static>(operation: &Operation<T>, failure: Failure) {
    let (later, now) = (operation.clone(), failure.clone());
    if try_next_tick(move || later.fail(failure)).is_err() {
        operation.fail(now);
    }
}
