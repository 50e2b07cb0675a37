//! Processes: their life, their mailbox, their end.

use std::time::Instant;

use sandloop_tests::{Config, Host, Isolation, Listen, PATIENCE, Peer, Plugin, component};

fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

fn serving(isolation: Isolation, reactors: &str) -> Host {
    let plugin = Plugin::new("processes").isolation(isolation).limit("cpu_per_event", "\"100ms\"");
    Host::start(&Config::serving(plugin).host("reactors", reactors))
}

/// A connection that gets the messages of processes.
fn listener(host: &Host) -> Peer {
    let mut peer = host.connect("processes");
    assert_eq!(ask(&mut peer, "listen"), "ok");
    peer
}

fn id(line: &str) -> &str {
    line.strip_prefix("id ").unwrap_or_else(|| panic!("an id, not {line:?}"))
}

each_isolation!(
    a_process_gets_its_messages_in_order,
    each_end_has_its_reason,
    anyone_of_the_tenant_may_notify,
    a_process_ends_with_the_instance_that_spawned_it,
);
fn a_process_gets_its_messages_in_order(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let mut hears = listener(&host);
        let mut parent = host.connect("processes");
        parent.send("spawn-and-notify x\n");
        // Including messages that were sent before it existed.
        let heard: Vec<String> = (0..3).map(|_| hears.line()).collect();
        assert_eq!(heard, ["born x", "sum 5", "sum 8"]);
        assert!(ask(&mut parent, "spawn y").starts_with("id "));
        parent.send("notify 1\nnotify 22\nnotify 333\n");
        let heard: Vec<String> = (0..4).map(|_| hears.line()).collect();
        assert_eq!(heard, ["born y", "sum 1", "sum 3", "sum 6"], "a memory of its own");
        host.stop();
    }
}

fn each_end_has_its_reason(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let mut parent = host.connect("processes");
        for (order, reason) in [
            ("notify exit", "exited ExitReason::Finished"),
            ("notify panic", "exited ExitReason::Trapped"),
            ("notify loop", "exited ExitReason::Trapped"),
            ("kill", "exited ExitReason::Killed"),
        ] {
            assert!(ask(&mut parent, "spawn x").starts_with("id "));
            assert_eq!(ask(&mut parent, order), reason, "{order}");
            assert_eq!(ask(&mut parent, "notify x"), "closed (error 0)", "after {order}");
        }
        assert_eq!(ask(&mut parent, "spawn-unknown"), "exited ExitReason::Trapped");
        let refused = host.wait_log("start failed");
        assert_eq!(refused.field("event"), Some("spawned"), "{refused}");
        assert!(ask(&mut parent, "spawn stillborn").starts_with("id "));
        assert_eq!(parent.line(), "exited ExitReason::Trapped");
        assert_eq!(ask(&mut parent, "spawn-and-kill"), "exited ExitReason::Killed", "unborn");
        host.stop();
    }
}

fn anyone_of_the_tenant_may_notify(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let mut hears = listener(&host);
        let mut parent = host.connect("processes");
        let line = ask(&mut parent, "spawn x");
        assert_eq!(hears.line(), "born x");
        for sum in 1..=20 {
            // On any reactor.
            let mut other = host.connect("processes");
            other.send(format!("notify-id {} 1\n", id(&line)));
            assert_eq!(hears.line(), format!("sum {sum}"));
            other.finish();
        }
        let mut other = host.connect("processes");
        other.send(format!("kill-id {}\nwhat\n", id(&line)));
        assert_eq!(other.line(), "what?");
        if isolation == Isolation::Connection {
            // Another instance cannot kill it.
            other.send(format!("notify-id {} 1\n", id(&line)));
            assert_eq!(hears.line(), "sum 21");
        }
        host.stop();
    }
}

fn a_process_ends_with_the_instance_that_spawned_it(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let mut parent = host.connect("processes");
        let line = ask(&mut parent, "spawn x");
        parent.finish();
        parent.expect_end();
        let mut other = host.connect("processes");
        let gone = |other: &mut Peer| {
            other.send(format!("notify-id {} 1\nwhat\n", id(&line)));
            let answer = other.line();
            if answer == "what?" {
                return false;
            }
            assert_eq!((answer.as_str(), other.line().as_str()), ("closed (error 0)", "what?"));
            true
        };
        match isolation {
            // The host ends a sandbox right after its connection.
            Isolation::Connection => {
                let begun = Instant::now();
                while !gone(&mut other) {
                    assert!(begun.elapsed() < PATIENCE, "it lives on");
                }
            }
            Isolation::Plugin => assert!(!gone(&mut other), "the instance lives on"),
        }
        host.stop();
    }
}

#[test]
fn another_tenant_reaches_nothing() {
    let named = |name: &str| Plugin::named(name, &component("processes"));
    let config = Config::new()
        .plugin(named("one"))
        .plugin(named("two"))
        .listen(Listen::tcp("one"))
        .listen(Listen::tcp("two"));
    let host = Host::start(&config);
    let (mut one, mut two) = (host.connect("one"), host.connect("two"));
    let line = ask(&mut one, "spawn x");
    assert_eq!(ask(&mut two, &format!("notify-id {} 1", id(&line))), "closed (error 0)");
    host.stop();
}

#[test]
fn mailboxes_and_numbers_have_limits() {
    let plugin = Plugin::new("processes").limit("processes", "2").limit("mailbox", "\"64KiB\"");
    let host = Host::start(&Config::serving(plugin));
    let mut parent = host.connect("processes");
    assert!(ask(&mut parent, "spawn a").starts_with("id "));
    // 61 fit; a quick child takes some out meanwhile.
    let answer = ask(&mut parent, "flood");
    let notified = answer.strip_prefix("notified ").and_then(|count| count.parse().ok());
    assert!(notified.is_some_and(|count: u32| 61 <= count), "{answer}");
    assert!(ask(&mut parent, "spawn b").starts_with("id "));
    assert_eq!(ask(&mut parent, "spawn c"), "limit (error 4)");
    assert_eq!(ask(&mut parent, "kill"), "exited ExitReason::Killed");
    assert!(ask(&mut parent, "spawn c").starts_with("id "), "there is room again");
    host.stop();
}

#[test]
fn another_plugin_needs_a_grant() {
    let named = |name: &str| Plugin::named(name, &component("processes"));
    let other = named("other").key("tenant", "\"shared\"").isolation(Isolation::Plugin);
    let config = Config::new()
        .plugin(named("one").key("tenant", "\"shared\""))
        .plugin(other.clone())
        .listen(Listen::tcp("one"));
    let host = Host::start(&config);
    let mut parent = host.connect("one");
    assert_eq!(ask(&mut parent, "spawn-other x"), "denied (error 3)");
    let denied = host.wait_log("denied");
    let remedy = denied.field("remedy").unwrap_or_default();
    assert!(remedy.contains("[plugins.one.allow]"), "{denied}");
    host.stop();

    // Within the tenant it uses its channels; a process of another tenant uses that one's, and still gets messages of the
    // instance that has spawned it.
    let granted = || named("one").may_spawn(&["other"]);
    for (config, listens_at) in [
        (Config::new().plugin(granted().key("tenant", "\"shared\"")).plugin(other), "one"),
        (
            Config::new().plugin(granted()).plugin(named("other")).listen(Listen::tcp("other")),
            "other",
        ),
    ] {
        let host = Host::start(&config.listen(Listen::tcp("one")));
        let mut hears = host.connect(listens_at);
        assert_eq!(ask(&mut hears, "listen"), "ok");
        let mut parent = host.connect("one");
        assert!(ask(&mut parent, "spawn-other x").starts_with("id "));
        assert_eq!(hears.line(), "born x");
        parent.send("notify 12345\n");
        assert_eq!(hears.line(), "sum 5");
        host.stop();
    }
}
