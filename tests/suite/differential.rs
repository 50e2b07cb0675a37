//! The same program on EventMachine and on Sandloop: both print a trace, and the traces are compared.
//!
//! A scenario is a file in `tests/differential/scenarios`: a program in a small language that a Ruby script and a guest
//! understand, the behaviour of the other end of its connections, and, if the two differ on purpose, one of the listed
//! differences. `tests/differential/README.md` describes the words.

mod other_end;
mod programs;
mod scenario;

use std::collections::BTreeSet;
use std::fs;

use sandloop_tests::workspace;

use self::other_end::OtherEnd;
use self::programs::{EventMachine, Program, Sandloop};
use self::scenario::Scenario;

/// Runs a scenario on both and compares.
#[track_caller]
fn check(name: &str) {
    let scenario = Scenario::read(name);
    // If the machine stands still, separate moments fall together: such a run is not conclusive.
    let attempt = || {
        let eventmachine = trace::<EventMachine>(&scenario);
        let sandloop = trace::<Sandloop>(&scenario);
        match &scenario.differs {
            None if eventmachine == sandloop && !sandloop.is_empty() => Ok(()),
            Some(differs)
                if differs.eventmachine == eventmachine && differs.sandloop == sandloop =>
            {
                Ok(())
            }
            _ => Err(format!("EventMachine: {eventmachine:#?}\nSandloop: {sandloop:#?}")),
        }
    };
    let mut failures = Vec::new();
    for _ in 0..3 {
        match attempt() {
            Ok(()) => return,
            Err(failure) => failures.push(failure),
        }
    }
    panic!("{name}: the traces differ each time:\n{}", failures.join("\n"));
}

/// The output of one of them, after the notes of the other end of its connections.
fn trace<P: Program>(scenario: &Scenario) -> Vec<String> {
    let mut other_end = OtherEnd::new(scenario);
    let program = P::start(scenario, &other_end);
    other_end.play(scenario, &program);
    let mut trace = other_end.noted;
    trace.extend(program.finish());
    trace
}

macro_rules! scenarios {
    ($($area:ident: [$($name:ident),+ $(,)?]),+ $(,)?) => {
        $(mod $area {$(
            #[test]
            fn $name() {
                super::check(concat!(stringify!($area), "/", stringify!($name)));
            }
        )+})+

        const LISTED: &[&str] = &[$($(concat!(stringify!($area), "/", stringify!($name)),)+)+];
    };
}

scenarios! {
    reactor: [hooks_before_unbinds, run_block, schedule_is_at_once, shutdown_hooks, stop_completes_the_turn, stop_twice],
    ticks: [a_tick_of_a_tick_waits, a_timer_of_a_tick_is_first, after_the_block, dropped_at_stop, in_order],
    timers: [cancel, cancel_a_peer_of_the_same_pass, cancel_twice, cancelled_long_one, deadline_order, nested, periodic, periodic_and_one_shot, periodic_cancelled_at_once, periodic_cancelled_from_outside, the_argument_of_a_tick_in_a_timer, zero],
    server: [another_connection_closes_one, callbacks_in_order, close_after_writing, close_and_tick_and_timer, close_drops_nothing_that_was_taken, close_twice, echo, idle_time, inactivity, many_small_sends, pause_and_resume, peer_address, reset_by_the_peer, send_after_close, send_after_close_after_writing, send_in_post_init, stop_in_post_init, timeouts_as_they_were_set, two_connections, unix],
    client: [callbacks_in_order, close_in_connection_completed, idle_time, inactivity, pending_connect_timeout, reconnect_from_unbind, refused, the_server_closes, unbind_of_a_refusal_is_later, unix, what_is_sent_before_waits],
    deferrable: [added_in_a_callback, cancelled, chained, double_calls, errback_succeeds, fails, fails_in_a_callback, in_order, late, new_errback_after_both, opened_again, opened_ends_the_timeout, second_timeout_replaces, succeeds_anew_in_a_callback, timeout, timeout_cancelled, unknown],
    completion: [added_in_a_callback, completed_again, fails_in_a_callback, half, late, leaves_in_a_callback, others_are_dropped, states, succeeds_anew_in_a_callback],
    spawn: [a_chain, fifo_over_all, notify_is_a_tick, self_notify_interleaves, two_that_call_each_other, yield_and_notify, yield_stays, yields_again],
    tick_loop: [halted, on_stop_of_a_stopped_one, restarted, stops_itself],
    iterator: [concurrency_is_lowered, concurrency_is_raised, each_one_at_a_time, each_two_at_a_time, empty, inject, map, more_at_a_time_than_items, next_at_once],
    pool: [done_at_once_and_waiting, failed_and_not_given_back, on_error, removed, removed_while_it_is_lent, waits],
    channel: [everyone_in_order, once, unsubscribed],
    queue: [items_first, pops_first],
    defer: [completion_order, each_to_its_own, error, many, result, the_loop_goes_on],
    frames: [a_block_is_cut_off, a_block_of_nothing, blocks, close_delivers_the_rest, delimiters, lines, objects, requests, thrown_back],
    files: [small, small_is_large, small_is_not_there, small_one_after_the_other, streamed, streamed_between_bytes, streamed_is_not_there, streamed_large, streamed_nothing, streamed_one_after_the_other],
    proxying: [a_buffer_of_its_own, a_client_that_connects, both_ways, counted, counted_in_pieces, nobody_is_proxied, one_way, proxied_anew_when_it_is_complete, proxied_twice, stopped, the_source_ends, the_target_ends, the_target_is_closed, what_was_sent_before_comes_before],
    datagrams: [a_socket_sends_to_itself, answered, boundaries, callbacks_in_order, closed_in_receive_data, empty, large, nobody_is_there, sent_in_post_init, the_last_one_is_answered, two_that_play, who_has_sent],
    own_servers: [a_port_that_is_taken, connected_from_an_address, connected_from_an_address_to_nobody, connections_are_counted, keepalive, keepalive_as_the_system_has_it, keepalive_of_a_client, nodelay, nothing_is_counted_at_first, opened_by_a_connection, reconnected_in_unbind, reconnected_to_nobody, serve_and_connect, stopped_in_unbind, stopped_ones_refuse, the_port_is_free_again, two_at_once, what_has_ended_is_not_counted, who_is_connected_stays],
    watch: [a_file_in_a_folder, deleted, modified, moved, moved_is_still_watched, stopped],
    differences: [a_datagram_that_is_too_long, a_delimiter_across_pieces, a_request_is_cut_off, another_field_is_no_length, channel_reentrant, half_close, inactivity_at_once, large_datagrams, queue_reentrant, stop_drains],
}

/// Every scenario in the folder is used, and there are enough of them.
#[test]
fn every_scenario_is_run() {
    let folder = workspace().join("tests/differential/scenarios");
    let mut there = BTreeSet::new();
    for area in fs::read_dir(&folder).expect("the scenarios") {
        let area = area.expect("a folder").path();
        for file in fs::read_dir(&area).expect("an area") {
            let path = file.expect("a file").path().with_extension("");
            let name = path.strip_prefix(&folder).expect("below the folder");
            there.insert(name.display().to_string());
        }
    }
    let listed: BTreeSet<String> = LISTED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(there, listed, "files and tests");
    assert!(60 <= listed.len(), "{} scenarios", listed.len());
}
