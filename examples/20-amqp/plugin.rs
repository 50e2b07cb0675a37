//! Talking to the Rabbit: what a fanout exchange gets, printed.

use sandloop::{
    Program,
    amqp::{self, Credentials, QueueOptions, Settings},
    options,
};

struct Rabbit;

impl Program for Rabbit {
    fn start() -> sandloop::Result {
        let connection = amqp::connect(Settings {
            credentials: Credentials::plain("metrics", "password"),
            host: options::get("host").unwrap_or("rei-lab".to_owned()),
            port: options::get("port").map_or(Ok(5672), |port| port.parse())?,
            vhost: "/attention".to_owned(),
            ..Settings::default()
        });
        let channel = connection.channel();
        let xchange = channel.fanout("test-xchange");
        let q = channel.queue("test-queue", QueueOptions::durable());
        q.bind(&xchange);
        q.subscribe(|msg| println!("{}", msg.text()));
        Ok(())
    }
}

sandloop::plugin! { program: Rabbit }
