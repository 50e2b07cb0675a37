//! Random numbers and the calendar under a scripted clock: deterministic.

use std::time::Duration;

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::clocks::HostWallClock;
use wasmtime_wasi::random::Deterministic;

use crate::clock::Clock;
use crate::net::network::Network;

/// The period of the random bytes.
const CYCLE_BYTES: usize = 4096;
/// The date at which a script begins: 2000-01-01T00:00:00Z.
const BEGIN: Duration = Duration::from_secs(946_684_800);

/// A wall clock that follows the script's clock.
struct Calendar(Clock);

impl HostWallClock for Calendar {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        BEGIN + self.0.now().since(Clock::SCRIPT_BEGINS)
    }
}

/// If the network is scripted, makes an instance's random numbers and calendar deterministic. Each instance has other numbers.
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

/// Mixes a number (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
