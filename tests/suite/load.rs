//! Much at once: timers, messages, deferred work. The figures are printed; what must hold on any machine is asserted.

use std::time::{Duration, Instant};

use sandloop_tests::{
    Config, Host, Isolation, Listen, Peer, Plugin, alone, once_undisturbed, process,
};

fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

/// 10,000 timers armed and cancelled in less than a second, again and again, without growth.
#[test]
fn cancelled_timers_leave_nothing() {
    const TIMERS: u32 = 10_000;
    const ROUNDS: u32 = 50;
    let _alone = alone();
    let host = Host::start(&Config::serving(Plugin::new("load")));
    let mut peer = host.connect("load");
    let churn = format!("churn {TIMERS}");
    for _ in 0..5 {
        assert_eq!(ask(&mut peer, &churn), "done");
    }
    let before = process::resident(host.pid());
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        assert_eq!(ask(&mut peer, &churn), "done");
    }
    let took = begun.elapsed();
    let grown = process::resident(host.pid()).saturating_sub(before);
    let rate = f64::from(TIMERS * ROUNDS) / took.as_secs_f64();
    println!("{rate:.0} timers armed and cancelled a second, {grown} bytes more");
    assert!(10_000.0 < rate, "{rate:.0} a second");
    assert!(grown < 2 << 20, "{grown} bytes more after half a million timers");
    host.stop();
}

/// 100 subscribers, each in a sandbox of its own, and all in one.
#[test]
fn a_hundred_subscribers_get_everything_in_order() {
    const SUBSCRIBERS: usize = 100;
    const MESSAGES: u32 = 20_000;
    let _alone = alone();
    for isolation in [Isolation::Connection, Isolation::Plugin] {
        for reactors in ["1", "2"] {
            let plugin = Plugin::new("load").isolation(isolation);
            let host = Host::start(&Config::serving(plugin).host("reactors", reactors));
            let mut peers: Vec<Peer> = (0..SUBSCRIBERS).map(|_| host.connect("load")).collect();
            for peer in &mut peers {
                assert_eq!(ask(peer, "subscribe"), "ok");
            }
            let mut pusher = host.connect("load");
            let before = process::resident(host.pid());
            let begun = Instant::now();
            pusher.send(format!("push {MESSAGES}\n"));
            for peer in &mut peers {
                assert_eq!(peer.line(), format!("{MESSAGES} in order"));
            }
            let took = begun.elapsed();
            let grown = process::resident_peak(host.pid()).saturating_sub(before);
            let each = f64::from(MESSAGES) / took.as_secs_f64();
            println!(
                "{isolation:?}, {reactors} reactors: {each:.0} messages a second to {SUBSCRIBERS} \
                 subscribers, {:.0} deliveries a second, {grown} bytes more at most",
                each * SUBSCRIBERS as f64,
            );
            // The channel's bound, what the guests took to run, and nothing that grows with the messages.
            assert!(grown < 64 << 20, "{grown} bytes more");
            host.stop();
        }
    }
}

/// An echo beside a thousand operations on two workers answers as fast as alone, or half as fast.
#[test]
fn a_thousand_defers_do_not_slow_an_echo() {
    const ECHOES: usize = 3000;
    let _alone = alone();
    once_undisturbed(|| {
        let config = Config::serving(Plugin::new("load"))
            .plugin(Plugin::new("echo"))
            .listen(Listen::tcp("echo"))
            .host("workers", "2");
        let host = Host::start(&config);
        let (mut echo, mut load) = (host.connect("echo"), host.connect("load"));
        p99(&mut echo, ECHOES, || true);
        let quiet = p99(&mut echo, ECHOES, || true);
        assert_eq!(ask(&mut load, "work 1000"), "asked");
        let mut echoes = 0;
        let busy = p99(&mut echo, ECHOES, || {
            echoes += 1;
            // Not one of them after the work is done: what is measured is beside it.
            load.is_idle()
        });
        if load.is_idle() {
            load.expect("done\n");
        }
        host.stop();
        println!(
            "p99 of an echo: {quiet:?} alone, {busy:?} beside 1,000 operations ({echoes} echoes)"
        );
        if busy <= quiet * 2 && 100 < echoes {
            Ok(())
        } else {
            Err(format!("{quiet:?} alone, {busy:?} beside"))
        }
    });
}

/// The 99th percentile of echoes, as long as `goes_on`.
fn p99(peer: &mut Peer, count: usize, mut goes_on: impl FnMut() -> bool) -> Duration {
    let mut times = Vec::with_capacity(count);
    while times.len() < count && goes_on() {
        times.push(peer.time_echo(b"how long does this take?"));
    }
    times.sort_unstable();
    times.get(times.len() * 99 / 100).copied().unwrap_or(Duration::MAX)
}
