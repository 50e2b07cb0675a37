//! The cluster on the live page, in an independent browser.

use sandloop_tests::host::finish;
use sandloop_tests::nats::Nats;
use sandloop_tests::paths::node;
use sandloop_tests::{Config, Host, Isolation, Plugin, component, workspace};

use super::{ask, sharing};
use crate::admin::over_tcp;

#[test]
fn a_browser_shows_hosts_connections_singletons_and_what_is_shared() {
    let nats = Nats::start();
    let other = Host::start(&sharing(&nats, Plugin::new("channels"), "other"));
    other.wait_log("connected to NATS");
    let singleton = Plugin::named("alone", &component("singleton")).isolation(Isolation::Plugin);
    let config = Config::serving(Plugin::new("channels"))
        .sharing("channels", "channels", "\"cluster\"")
        .sharing("channels", "queues", "\"cluster\"")
        .plugin(singleton.key("singleton", "true"))
        .cluster("queue_lease", "\"1h\"")
        .cluster("nats", nats.urls())
        .cluster("name", "\"shown\"")
        .cluster("ping", "\"100ms\"");
    let (host, admin) = over_tcp(config);
    let mut peer = host.connect("channels");
    assert_eq!(ask(&mut peer, "subscribe room"), "ok");
    let profile = tempfile::tempdir().expect("a temporary directory");
    let mut command = node();
    command.arg(workspace().join("tests/peers/browser_cluster.js"));
    command.arg(format!("http://{}/", admin.host())).arg(profile.path());
    command.args(["shown.", "other.", "connected", "round trip", "singleton alone", "nowhere"]);
    command.args(["shared by channels", "received a second", "items handled a second"]);
    let outcome = finish(command);
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "ok\n"), "{outcome:?}");
    [host, other].into_iter().for_each(|host| drop(host.stop()));
}
