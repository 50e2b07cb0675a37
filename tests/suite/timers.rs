//! Timers: their order.

use crate::ticks::prints_in_order;

#[test]
fn timers_fire_in_order() {
    let expected = [
        "a10",
        "b20",
        "tie 1",
        "tie 2",
        "tie 3",
        "late 10",
        "late 20",
        "nested 0",
        "cancels",
        "periodic 1",
        "periodic 2",
        "periodic 3",
        "end",
    ];
    // Where the machine stands still for 100 ms, parts of the program that follow each other overlap.
    prints_in_order("timers_order", &expected);
}
