//! The names that a session gives to requests and to channels.

/// Names a request, until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl Ticket {
    pub(crate) const fn of(number: u64) -> Ticket {
        Ticket(number)
    }
}

/// Names a channel for the life of the session. On the wire it has a number, which is used again after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(u32);

impl ChannelId {
    pub(crate) const fn of(number: u32) -> ChannelId {
        ChannelId(number)
    }
}
