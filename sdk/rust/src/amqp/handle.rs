//! What everything that is asked for on a channel holds: the link, and the channel's name on it.

use std::rc::Rc;

use sandloop_amqp::{ChannelId, Failure};

use super::link::Link;

/// A channel of a link, or why there is none.
#[derive(Clone)]
pub(super) struct ChannelHandle {
    pub link: Rc<Link>,
    id: Result<ChannelId, Failure>,
}

impl ChannelHandle {
    pub(crate) fn open(link: &Rc<Link>) -> ChannelHandle {
        ChannelHandle { link: link.clone(), id: link.open_channel() }
    }

    pub(crate) fn id(&self) -> Result<ChannelId, Failure> {
        self.id.clone()
    }
}
