//! The session against a broker that is a script.

#[path = "suite/ask.rs"]
mod ask;
#[path = "suite/broker.rs"]
mod broker;
#[path = "suite/channels.rs"]
mod channels;
#[path = "suite/confirms.rs"]
mod confirms;
#[path = "suite/ends.rs"]
mod ends;
#[path = "suite/handshake.rs"]
mod handshake;
#[path = "suite/messages.rs"]
mod messages;
#[path = "suite/names.rs"]
mod names;
#[path = "suite/order.rs"]
mod order;
#[path = "suite/pressure.rs"]
mod pressure;
#[path = "suite/publish.rs"]
mod publish;
#[path = "suite/quiet.rs"]
mod quiet;
#[path = "suite/recovery.rs"]
mod recovery;
#[path = "suite/requests.rs"]
mod requests;
#[path = "suite/say.rs"]
mod say;
#[path = "suite/transactions.rs"]
mod transactions;
