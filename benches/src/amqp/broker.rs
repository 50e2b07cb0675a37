//! RabbitMQ, on a core of its own.

use std::{thread, time::Duration};

use anyhow::{Result, anyhow, ensure};
use sandloop_tests::rabbitmq;

use super::BROKER_CORE;
use crate::sys;

/// A broker that ends when the measurement does.
#[derive(Debug)]
pub struct Broker(rabbitmq::Broker);

impl Broker {
    /// Starts it. Its Erlang has as many schedulers as it sees cores, so it must have its core from the beginning.
    pub fn start() -> Result<Broker> {
        let start = || {
            sys::stay_here_on_core(BROKER_CORE)?;
            anyhow::Ok(Broker(rabbitmq::Broker::start()))
        };
        // Processes and threads are where the thread is that starts them.
        let started = thread::spawn(start).join();
        started.map_err(|_| anyhow!("the broker does not start; what it said is above"))?
    }

    /// Its version, and Erlang's.
    pub fn version(&self) -> String {
        // Both are texts, which Erlang shows with quotes.
        let show = |expression| self.0.eval(expression).trim_matches('"').to_owned();
        let erlang = show("erlang:system_info(otp_release)");
        format!("{}, erlang {erlang}", show("rabbit_misc:version()"))
    }

    /// `127.1.2.3:5672`.
    pub fn address(&self) -> String {
        self.0.address()
    }

    /// Gives `run` the URI of a virtual host that nobody has used, and removes it afterwards.
    pub fn with_vhost<T>(&self, run: impl FnOnce(&str) -> Result<T>) -> Result<T> {
        let vhost = self.0.vhost();
        let result = run(&vhost.uri)?;
        let removed =
            self.0.eval(&format!("rabbit_vhost:delete(<<\"{}\">>, <<\"bench\">>)", vhost.name));
        ensure!(removed == "ok", "the broker keeps {}: {removed}", vhost.name);
        Ok(result)
    }

    /// The CPU time it has used so far.
    pub fn cpu_time(&self) -> Result<Duration> {
        sys::cpu_time(self.0.pid())
    }
}
