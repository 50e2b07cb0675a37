//! Chance and the calendar where a script moves the clock: the same in every run.

use std::time::Duration;

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::clocks::HostWallClock;
use wasmtime_wasi::random::Deterministic;

use crate::clock::Clock;
use crate::net::network::Network;

/// Bytes of chance after which they come again.
const CYCLE_BYTES: usize = 4096;
/// When a script begins: 2000-01-01T00:00:00Z.
const BEGIN: Duration = Duration::from_secs(946_684_800);

/// The date that moves with a script's clock.
struct Calendar(Clock);

impl HostWallClock for Calendar {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        BEGIN + self.0.now().since(Clock::SCRIPT_BEGINS)
    }
}

/// Gives an instance what a script decides, if one does. Each instance has numbers of its own.
pub(super) fn settle(builder: &mut WasiCtxBuilder, clock: &Clock, network: &Network) {
    let Network::Scripted(network) = network else { return };
    let seed = network.next_number();
    let words = (0..CYCLE_BYTES / 8).map(|place| mixed(seed ^ (place as u64).rotate_left(32)));
    let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    builder
        .wall_clock(Calendar(clock.clone()))
        .secure_random(Deterministic::new(bytes.clone()))
        .insecure_random(Deterministic::new(bytes))
        .insecure_random_seed(u128::from(mixed(seed)) << 64 | u128::from(mixed(!seed)));
}

/// Another number, far from those of its neighbours (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
