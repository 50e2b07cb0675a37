//! Connections of a version that a reload replaces or removes are notified, as at a stop; only their plugin closes them.

use std::fs;

use rustix::process::Signal;
use sandloop_tests::{Host, Isolation, Peer, component, own_loopback, until};

use super::reload;

each_isolation!(
    connections_are_told_when_their_version_is_not_served_any_more,
    a_stop_closes_what_a_reload_has_left,
);

/// The file, with marks for the additions of the rows. The connections of each listener end in a different way.
const FILE: &str = "[host]\nreactors = 2\nstop_deadline = \"1h\"\n#host\n\
     [[listen]]\naddress = \"tcp://OWN:7084\"\nplugin = \"beside\"\n\
     [plugins.it]\ncomponent = \"plugin.wasm\"\nisolation = \"ISOLATION\"\nstdout = \"inherit\"\n#plugin\n\
     [plugins.it.limits]\ntimers = 700\n#limits\n\
     [plugins.it.allow]\nread = []\n#allow\n\
     [plugins.beside]\ncomponent = \"plugin.wasm\"\n#beside\n\
     [[listen]]\naddress = \"tcp://OWN:7081\"\nplugin = \"it\"\noptions = { lets_go = \"bye\" }\n#listen\n\
     [[listen]]\naddress = \"tcp://OWN:7082\"\nplugin = \"it\"\noptions = { lets_go = \"when-idle\" }\n\
     [[listen]]\naddress = \"tcp://OWN:7083\"\nplugin = \"it\"\noptions = { lets_go = \"until-closed\" }\n";

/// A change of the file, or of a file that it names.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// One more key in a table.
    Key(&'static str, &'static str),
    /// Another word in the file.
    Word(&'static str, &'static str),
    /// Another component in the same file.
    Component,
    /// The plugin and its listeners are removed.
    Removed,
}

use Change::{Component, Key, Removed, Word};

/// A change, and whether existing connections belong to an earlier version after it.
const CHANGES: &[(Change, bool)] = &[
    (Component, true),
    (Removed, true),
    (Word("plugin.wasm\"\nisolation", "other.wasm\"\nisolation"), true),
    (Word("stdout = \"inherit\"", "tenant = \"other\"\nstdout = \"inherit\""), true),
    (Key("plugin", "options = { a = \"b\" }"), true),
    (Key("plugin", "environment = { A = \"b\" }"), true),
    (Key("plugin", "on_trap = \"reset\""), true),
    (Key("plugin", "policy = \"audit\""), true),
    (Key("limits", "memory = \"15MiB\""), true),
    (Key("limits", "connections = 777"), true),
    (Key("allow", "environment = [\"PATH\"]"), true),
    (Key("plugin", "rollback = true"), false),
    (Key("host", "close_deadline = \"31s\""), false),
    (Key("beside", "on_trap = \"reset\""), false),
    (Key("listen", "at_capacity = \"refuse\""), false),
];

/// A host, with the files of its configuration.
struct Site {
    host: Host,
    own: String,
    base: String,
}

impl Site {
    fn start(isolation: Isolation) -> Site {
        let own = own_loopback();
        let word = if isolation == Isolation::Plugin { "plugin" } else { "connection" };
        let base = FILE.replace("OWN", &own).replace("ISOLATION", word);
        let dir = tempfile::tempdir().expect("a temporary directory");
        for name in ["plugin.wasm", "other.wasm"] {
            fs::copy(component("drains"), dir.path().join(name)).expect("a component");
        }
        Site { host: Host::start_toml(dir, &base), own, base }
    }

    /// The file after a change, from the original one.
    fn changed(&self, change: Change) -> String {
        match change {
            Key(table, line) => self.base.replace(&format!("#{table}\n"), &format!("{line}\n")),
            Word(before, after) => self.base.replace(before, after),
            Removed => {
                let (host, rest) = self.base.split_once("[plugins.it]").expect("it is there");
                let (_, rest) = rest.split_once("[plugins.beside]").expect("it is there");
                let (beside, _) = rest.split_once("[[listen]]").expect("it is there");
                format!("{host}[plugins.beside]{beside}")
            }
            Component => {
                let (file, new) =
                    (self.host.dir().join("plugin.wasm"), self.host.dir().join("new.wasm"));
                let built = fs::read(&file).expect("a component");
                // One more custom section: a name of one byte, and no content.
                fs::write(&new, [&built[..], &[0, 2, 1, b'x']].concat()).expect("a file");
                fs::rename(new, file).expect("the same folder");
                self.base.clone()
            }
        }
    }

    /// One connection of each listener, which has been served.
    fn connect(&self) -> [Peer; 3] {
        [7081, 7082, 7083].map(|port| {
            let mut peer = Peer::connect(&format!("tcp://{}:{port}", self.own));
            peer.expect_echo("hello\n");
            peer
        })
    }

    fn wait_told(&self, count: usize) {
        let is_told = || (count <= self.told()).then_some(());
        until(is_told, || format!("{count}: {}", self.host.printed()));
    }

    /// The number of connections that have been notified.
    fn told(&self) -> usize {
        self.host.printed().matches("draining within a time\n").count()
    }
}

fn connections_are_told_when_their_version_is_not_served_any_more(isolation: Isolation) {
    let site = Site::start(isolation);
    for (change, are_told) in CHANGES {
        println!("{change:?}");
        let [mut bye, mut idle, mut busy] = site.connect();
        busy.send("timer 300\n");
        busy.expect_echo("asked\n");
        let before = site.told();
        assert!(reload(&site.host, &site.changed(*change)), "{change:?}");
        if *are_told {
            assert_eq!(bye.rest(), b"bye\n", "{change:?}");
        } else {
            bye.expect_echo("not-told\n");
        }
        // Work in progress continues, and an idle connection is not cut off.
        busy.expect("timer\n");
        busy.expect_echo("still-there\n");
        idle.expect_echo("still-there\n");
        if *are_told {
            site.wait_told(before + 3);
        }
        assert_eq!(site.told() - before, if *are_told { 3 } else { 0 }, "{change:?}");
        busy.send("quit\n");
        busy.expect_end();
        assert!(reload(&site.host, &site.base), "back from {change:?}");
        // Notified once, for any number of reloads.
        idle.expect_echo("and-still\n");
    }
    site.host.stop();
}

fn a_stop_closes_what_a_reload_has_left(isolation: Isolation) {
    let site = Site::start(isolation);
    let [mut bye, mut idle, busy] = site.connect();
    assert!(reload(&site.host, &site.changed(Key("plugin", "options = { a = \"b\" }"))));
    assert_eq!(bye.rest(), b"bye\n");
    idle.expect_echo("still-there\n");
    site.wait_told(3);
    drop(busy);
    site.host.signal(Signal::TERM);
    idle.expect_end();
    let outcome = site.host.wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let told = outcome.stdout.matches("draining within a time\n").count();
    assert_eq!(told, 3, "each is told once:\n{}", outcome.stdout);
}
