//! Queues: which pop gets which item, and items that no pop has got.

use sandloop_tests::{Config, Host, Isolation, Peer, Plugin};

fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

fn serving(isolation: Isolation, reactors: &str) -> Host {
    let plugin = Plugin::new("queues").isolation(isolation);
    Host::start(&Config::serving(plugin).host("reactors", reactors))
}

each_isolation!(
    items_wait_for_pops,
    pops_wait_for_items,
    a_push_from_a_pop_loses_nothing,
    a_cancelled_pop_gets_nothing,
);
fn items_wait_for_pops(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let (mut one, mut two) = (host.connect("queues"), host.connect("queues"));
        assert_eq!(ask(&mut one, "push q a b c"), "ok");
        assert_eq!(ask(&mut two, "size q"), "3 0");
        assert_eq!(ask(&mut two, "pop q"), "got a");
        assert_eq!(ask(&mut one, "pop q"), "got b");
        assert_eq!(ask(&mut two, "pop q"), "got c");
        assert_eq!(ask(&mut one, "size q"), "0 0");
        host.stop();
    }
}

fn pops_wait_for_items(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let (mut one, mut two) = (host.connect("queues"), host.connect("queues"));
        // `size` is answered after the pop before it was taken.
        one.send("pop q\n");
        assert_eq!(ask(&mut one, "size q"), "0 1");
        two.send("pop q\n");
        assert_eq!(ask(&mut two, "size q"), "0 2");
        let mut third = host.connect("queues");
        assert_eq!(ask(&mut third, "push q a b"), "ok");
        assert_eq!((one.line(), two.line()), ("got a".to_owned(), "got b".to_owned()));
        host.stop();
    }
}

/// EventMachine loses the rest of a batch when a pop's callback pushes.
fn a_push_from_a_pop_loses_nothing(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let mut peer = host.connect("queues");
        peer.send("pop-and-push q x\npop q\n");
        assert_eq!(ask(&mut peer, "size q"), "0 2");
        peer.send("push q 1 2 3\n");
        let mut heard: Vec<String> = (0..3).map(|_| peer.line()).collect();
        heard.sort();
        assert_eq!(heard, ["got 1", "got 2", "ok"]);
        assert_eq!(ask(&mut peer, "size q"), "2 0");
        assert_eq!(ask(&mut peer, "pop q"), "got 3");
        assert_eq!(ask(&mut peer, "pop q"), "got x");
        host.stop();
    }
}

fn a_cancelled_pop_gets_nothing(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let host = serving(isolation, reactors);
        let mut peer = host.connect("queues");
        peer.send("pop q\n");
        assert_eq!(ask(&mut peer, "cancel"), "ok");
        assert_eq!(ask(&mut peer, "push q a"), "ok");
        assert_eq!(ask(&mut peer, "size q"), "1 0");
        assert_eq!(ask(&mut peer, "pop q"), "got a");
        host.stop();
    }
}

/// EventMachine's own test has two million; a tenant's queue has a bound in bytes.
#[test]
fn many_items_keep_their_order() {
    const ITEMS: usize = 5000;
    const AT_ONCE: usize = 500;
    for reactors in ["1", "2"] {
        let host = serving(Isolation::Connection, reactors);
        let (mut one, mut two) = (host.connect("queues"), host.connect("queues"));
        for first in (0..ITEMS).step_by(AT_ONCE) {
            let words: Vec<String> = (first..first + AT_ONCE).map(|it| it.to_string()).collect();
            assert_eq!(ask(&mut one, &format!("push q {}", words.join(" "))), "ok");
        }
        for number in 0..ITEMS / 2 {
            assert_eq!(ask(&mut two, "pop q"), format!("got {number}"));
        }
        assert_eq!(ask(&mut one, "size q"), format!("{} 0", ITEMS / 2));
        host.stop();
    }
}

/// An item in flight to a sandbox that ends goes to the next pop.
#[test]
fn an_item_survives_the_one_it_was_for() {
    for reactors in ["1", "2"] {
        let host = serving(Isolation::Connection, reactors);
        let mut victim = host.connect("queues");
        victim.send("pop-and-die q\n");
        victim.expect_closed();
        let mut next = host.connect("queues");
        assert_eq!(ask(&mut next, "pop q"), "got for the next");
        // A pop of an ended instance does not wait any more.
        let mut gone = host.connect("queues");
        gone.send("pop q\n");
        assert_eq!(ask(&mut gone, "size q"), "0 1");
        gone.finish();
        gone.expect_end();
        assert_eq!(ask(&mut next, "push q a"), "ok");
        assert_eq!(ask(&mut next, "pop q"), "got a");
        host.stop();
    }
}

#[test]
fn a_full_queue_refuses_and_has_room_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = Config::serving(Plugin::new("queues").limit("pops", "1")).to_toml();
    let limits = "[tenants.queues.limits]\nqueue = \"64KiB\"\nchannels = 1\n";
    let host = Host::start_toml(dir, &format!("{config}\n{limits}"));
    let mut peer = host.connect("queues");
    assert_eq!(ask(&mut peer, "fill q"), "pushed 61");
    assert_eq!(ask(&mut peer, "push other x"), "limit (error 4)", "a second name");
    assert_eq!(ask(&mut peer, "pop q").len(), "got ".len() + 1000);
    assert_eq!(ask(&mut peer, "fill q"), "pushed 1");
    host.stop();
    let config = Config::serving(Plugin::new("queues").limit("pops", "1"));
    let host = Host::start(&config);
    let mut peer = host.connect("queues");
    peer.send("pop q\n");
    assert_eq!(ask(&mut peer, "pop q"), "limit (error 4)", "a second pop");
    host.stop();
}
