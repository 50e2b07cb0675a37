//! The session against a broker that is a script.

#[path = "suite/ask.rs"]
mod ask;
#[path = "suite/broker.rs"]
mod broker;
#[path = "suite/channels.rs"]
mod channels;
#[path = "suite/chaos.rs"]
mod chaos;
#[path = "suite/confirms.rs"]
mod confirms;
#[path = "suite/cuts.rs"]
mod cuts;
#[path = "suite/endless.rs"]
mod endless;
#[path = "suite/ends.rs"]
mod ends;
#[path = "suite/faults.rs"]
mod faults;
#[path = "suite/fuzz.rs"]
mod fuzz;
#[path = "suite/handshake.rs"]
mod handshake;
#[path = "suite/losses.rs"]
mod losses;
#[path = "suite/messages.rs"]
mod messages;
#[path = "suite/model.rs"]
mod model;
#[path = "suite/moody.rs"]
mod moody;
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
#[path = "suite/recorded.rs"]
mod recorded;
#[path = "suite/recovery.rs"]
mod recovery;
#[path = "suite/requests.rs"]
mod requests;
#[path = "suite/say.rs"]
mod say;
#[path = "suite/transactions.rs"]
mod transactions;
#[path = "suite/unreadable.rs"]
mod unreadable;
#[path = "suite/violations.rs"]
mod violations;
#[path = "suite/world.rs"]
mod world;
