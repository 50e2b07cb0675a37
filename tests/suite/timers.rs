//! Timers: their order.

use sandloop_tests::programs::printed_by;

/// The parts of the program, each 100 ms after the previous one. If the machine stands still for that long they overlap; `cargo
/// xtask perf order` tests the order of all of them together.
const PARTS: [&[&str]; 4] = [
    &["a10", "b20", "tie 1", "tie 2", "tie 3"],
    &["late 10", "late 20", "nested 0"],
    &["cancels"],
    &["periodic 1", "periodic 2", "periodic 3", "end"],
];

#[test]
fn timers_fire_in_order() {
    for reactors in ["1", "2"] {
        let printed = printed_by("timers_order", reactors);
        for part in PARTS {
            let of_this: Vec<&String> =
                printed.iter().filter(|line| part.contains(&line.as_str())).collect();
            assert_eq!(of_this, part, "{printed:?}");
        }
        assert_eq!(printed.len(), PARTS.concat().len(), "{printed:?}");
    }
}
