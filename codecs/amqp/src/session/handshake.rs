//! The handshake: the broker and the client introduce themselves and agree on limits.

use amq_protocol::protocol::{
    AMQPClass,
    connection::{self, AMQPMethod as N},
};

use super::{
    Session,
    phase::{Phase, Step, Tuning},
};
use crate::{
    error::{Close, Failure, Violation},
    settings::{Credentials, FRAME_MIN, Settings},
    table::{Table, Value, short, to_wire},
    wire,
};

impl Session {
    /// Handles a method of the connection as a whole.
    pub(crate) fn on_connection(&mut self, method: N) -> Result<(), Violation> {
        match (&self.phase, method) {
            (_, N::Close(close)) => {
                self.closed_by_broker(Close {
                    code: close.reply_code,
                    text: close.reply_text.to_string(),
                    class: close.class_id,
                    method: close.method_id,
                });
            }
            (Phase::Closing, N::CloseOk(_)) => self.end(None),
            (Phase::Closing, _) => {}
            (Phase::Handshake(Step::Start), N::Start(start)) => self.start(&start)?,
            (Phase::Handshake(Step::Tune), N::Secure(_)) => {
                let text = "it asks a question that PLAIN and EXTERNAL have no answer to";
                self.locked_out(text.to_owned());
            }
            (Phase::Handshake(Step::Tune), N::Tune(tune)) => self.tune(&tune)?,
            (Phase::Handshake(Step::OpenOk), N::OpenOk(_)) => self.opened(),
            (Phase::Open | Phase::Handshake(Step::OpenOk), N::Blocked(blocked)) => {
                self.block(blocked.reason.as_str());
            }
            (Phase::Open | Phase::Handshake(Step::OpenOk), N::Unblocked(_)) => self.unblock(),
            (_, other) => {
                return Err(Violation::command(format!("{} makes no sense now", name(&other))));
            }
        }
        Ok(())
    }

    fn start(&mut self, start: &connection::Start) -> Result<(), Violation> {
        if (start.version_major, start.version_minor) != (0, 9) {
            let (major, minor) = (start.version_major, start.version_minor);
            let text = format!("version {major}-{minor} of the protocol");
            return Err(Violation::command(text).for_good());
        }
        let (mechanism, response) = match &self.settings.credentials {
            Credentials::Plain { user, password } => ("PLAIN", format!("\0{user}\0{password}")),
            Credentials::External => ("EXTERNAL", String::new()),
        };
        let offered = start.mechanisms.to_string();
        if !offered.split_ascii_whitespace().any(|other| other == mechanism) {
            self.locked_out(format!("it offers {offered}, not {mechanism}"));
            return Ok(());
        }
        let answer = connection::StartOk {
            client_properties: to_wire(&client_properties(&self.settings))
                .map_err(|refusal| Violation::command(refusal.to_string()))?,
            mechanism: mechanism.into(),
            response: response.into(),
            locale: "en_US".into(),
        };
        self.phase = Phase::Handshake(Step::Tune);
        wire::method(&mut self.out, 0, AMQPClass::Connection(N::StartOk(answer)));
        Ok(())
    }

    /// The broker knows no way in that the client knows. One that let it in before may be starting.
    fn locked_out(&mut self, reason: String) {
        let failure = Failure::Authentication(reason);
        if self.opened_before && self.comes_again() {
            return self.lose_by_fault(&failure.to_string());
        }
        self.end(Some(failure));
    }

    fn tune(&mut self, tune: &connection::Tune) -> Result<(), Violation> {
        let Settings { frame_max, channel_max, heartbeat, .. } = self.settings;
        let frame_max = lower(frame_max, tune.frame_max);
        if frame_max < FRAME_MIN {
            let text = format!("frames of at most {frame_max} bytes; at least 4096 must fit");
            return Err(Violation::command(text).for_good());
        }
        self.tuning = Tuning {
            frame_max,
            channel_max: lower(channel_max, tune.channel_max),
            // Without heartbeats of ours there are none.
            heartbeat: if heartbeat == 0 { 0 } else { lower(heartbeat, tune.heartbeat) },
        };
        let Tuning { frame_max, channel_max, heartbeat } = self.tuning;
        let answer = connection::TuneOk { channel_max, frame_max, heartbeat };
        wire::method(&mut self.out, 0, AMQPClass::Connection(N::TuneOk(answer)));
        match short(&self.settings.vhost, "the virtual host") {
            Ok(virtual_host) => {
                let open = connection::Open { virtual_host };
                wire::method(&mut self.out, 0, AMQPClass::Connection(N::Open(open)));
                self.phase = Phase::Handshake(Step::OpenOk);
            }
            Err(refusal) => self.end(Some(refusal.into())),
        }
        Ok(())
    }
}

/// The lower of two limits; 0 means no limit.
fn lower<T: Ord + Default + Copy>(ours: T, theirs: T) -> T {
    let none = T::default();
    if ours == none || theirs == none { ours.max(theirs) } else { ours.min(theirs) }
}

fn client_properties(settings: &Settings) -> Table {
    let can = |name: &str| (name.to_owned(), Value::Bool(true));
    let capabilities = Table::from([
        can("authentication_failure_close"),
        can("basic.nack"),
        can("connection.blocked"),
        can("consumer_cancel_notify"),
        can("exchange_exchange_bindings"),
        can("publisher_confirms"),
    ]);
    let mut properties = Table::from([
        ("product".to_owned(), Value::from("Sandloop")),
        ("version".to_owned(), Value::from(env!("CARGO_PKG_VERSION"))),
        ("capabilities".to_owned(), Value::Table(capabilities)),
    ]);
    if let Some(name) = &settings.name {
        properties.insert("connection_name".to_owned(), Value::from(name.as_str()));
    }
    properties
}

fn name(method: &N) -> String {
    let method = AMQPClass::Connection(method.clone());
    format!("method {}.{}", method.get_amqp_class_id(), method.get_amqp_method_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_bound() {
        let check = |ours: u16, theirs: u16, agreed: u16| assert_eq!(lower(ours, theirs), agreed);
        check(0, 0, 0);
        check(60, 0, 60);
        check(0, 60, 60);
        check(10, 60, 10);
        check(60, 10, 10);
    }
}
