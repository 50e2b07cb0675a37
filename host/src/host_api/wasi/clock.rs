//! The monotonic clock of a guest is that of its reactor.

use std::time::Duration;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::clock::Moment;
use crate::host_api::alarm::Sleep;
use crate::host_api::wasi::WaitingView;

#[async_trait::async_trait]
impl Pollable for Sleep {
    async fn ready(&mut self) {
        self.clone().await;
    }
}

impl WaitingView<'_> {
    fn sleep(&mut self, at: Option<Moment>) -> wasmtime::Result<Resource<DynPollable>> {
        let sleep = self.table.push(self.call.alarm.sleep_until(at))?;
        subscribe(self.table, sleep)
    }
}

impl monotonic_clock::Host for WaitingView<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock.now().as_nanos())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.sleep(Some(Moment::from_start(Duration::from_nanos(when))))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        // A time that the clock cannot reach is never ready.
        let at = self.clock.now().as_nanos().checked_add(duration);
        self.sleep(at.map(|at| Moment::from_start(Duration::from_nanos(at))))
    }
}
