//! `sandloop check`, logins, and the accounts of tenants.

use sandloop_tests::config::text;
use sandloop_tests::host::directory;
use sandloop_tests::nats::Nats;
use sandloop_tests::{
    Admin, Config, Host, Isolation, Listen, Peer, Plugin, component, sandloop, workspace,
};

use super::{ask, meet_in_room, sharing};

/// Three users: the host's, and those of two tenants, each of which may use its own subjects only.
const USERS: &str = r#"authorization { users: [
    { user: host, password: h, permissions: { publish: "sandloop.>", subscribe: "sandloop.>" } },
    { user: a, password: a, permissions: { publish: "sandloop.a.>", subscribe: "sandloop.a.>" } },
    { user: b, password: b, permissions: { publish: "sandloop.b.>", subscribe: "sandloop.b.>" } },
] }
"#;
/// An account for each of two tenants and one for the host: messages of one are not visible in another.
const ACCOUNTS: &str = "accounts {
    HOST: { users: [{ user: host, password: h }] }
    A: { users: [{ user: a, password: a }] }
    B: { users: [{ user: b, password: b }] }
}
";

/// The output of `check` for a configuration, and its exit code.
fn check(config: &Config) -> (Option<i32>, String) {
    let (dir, _file) = directory(&config.to_toml());
    let outcome = sandloop(dir.path(), &["check", "plugins.toml"]);
    (outcome.code, outcome.stderr)
}

/// The number of the line of a file that begins with this.
fn line(config: &Config, start: &str) -> usize {
    let toml = config.to_toml();
    1 + toml.lines().position(|line| line.starts_with(start)).expect("such a line")
}

fn login(config: Config, user: &str, password: &str) -> Config {
    config.cluster("user", text(user)).cluster("password", text(password))
}

#[test]
fn a_configuration_that_reaches_its_server_is_good() {
    let nats = Nats::start_with(1, USERS);
    let config = login(sharing(&nats, Plugin::new("channels"), "h"), "host", "h");
    assert_eq!(check(&config), (Some(0), String::new()));
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let mut nats = Nats::start();
    nats.kill(0);
    let config = sharing(&nats, Plugin::new("channels"), "h");
    let (code, said) = check(&config);
    let (at, address) = (line(&config, "nats = "), nats.address(0));
    assert_eq!(code, Some(2), "{said}");
    let start = format!("error: plugins.toml:{at}: cluster.nats: nats://{address}: IO error");
    let remedy = "; see that a NATS server listens there and that no firewall is in between\n";
    assert!(said.starts_with(&start) && said.ends_with(remedy), "{said}");
}

#[test]
fn one_server_of_two_that_is_not_there_is_a_doubt() {
    let mut nats = Nats::cluster(2);
    nats.kill(1);
    let (code, said) = check(&sharing(&nats, Plugin::new("channels"), "h"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("NATS is not reached at nats://{}", nats.address(1))), "{said}");
}

#[test]
fn a_wrong_password_is_told_at_the_user() {
    let nats = Nats::start_with(1, USERS);
    let config = login(sharing(&nats, Plugin::new("channels"), "h"), "host", "wrong");
    let (code, said) = check(&config);
    assert_eq!(code, Some(2), "{said}");
    let at = line(&config, "user = ");
    assert!(said.starts_with(&format!("error: plugins.toml:{at}: cluster.user: ")), "{said}");
    assert!(said.contains("authorization violation"), "{said}");
    assert!(!said.contains("wrong\""), "the password is not shown: {said}");
}

#[test]
fn a_user_who_gets_at_no_subject_is_told_with_the_permission_that_is_missing() {
    let nats = Nats::start_with(1, USERS);
    let config = login(sharing(&nats, Plugin::new("channels"), "h"), "a", "a");
    let (code, said) = check(&config);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("ermissions"), "{said}");
    let remedy =
        "; let this user publish and subscribe to \"sandloop.>\" in the server's configuration\n";
    assert!(said.ends_with(remedy), "{said}");
}

/// Two tenants, each with a login of its own.
fn tenants(nats: &Nats, host: &str) -> Config {
    let config = Config::new().cluster("nats", nats.urls()).cluster("name", text(host)).watched();
    ["a", "b"].into_iter().fold(login(config, "host", "h"), |config, name| {
        let own = format!("{{ user = \"{name}\", password = \"{name}\" }}");
        config
            .plugin(Plugin::named(name, &component("channels")))
            .listen(Listen::tcp(name))
            .sharing(name, "channels", text("cluster"))
            .sharing(name, "cluster", own)
    })
}

#[test]
fn tenants_with_users_or_accounts_of_their_own_hear_themselves_alone() {
    for more in [USERS, ACCOUNTS] {
        let nats = Nats::start_with(1, more);
        assert_eq!(check(&tenants(&nats, "h")), (Some(0), String::new()));
        let hosts = ["h1", "h2"].map(|name| Host::start(&tenants(&nats, name)));
        for host in &hosts {
            host.wait_lines("connected to NATS", 3, |it| {
                it.message().starts_with("connected to NATS")
            });
        }
        let mut peers = ["a", "b"].map(|tenant| {
            let mut pair: Vec<Peer> = hosts.iter().map(|host| host.connect(tenant)).collect();
            for peer in &mut pair {
                assert_eq!(ask(peer, "subscribe room"), "ok");
            }
            meet_in_room(&mut pair);
            pair
        });
        for (tenant, pair) in ["a", "b"].into_iter().zip(&mut peers) {
            pair[0].send(format!("push room of.{tenant}\n"));
            for peer in pair {
                assert_eq!(peer.line(), format!("got of.{tenant}"));
            }
        }
        let admin = Admin::of(&hosts[0]);
        for tenant in ["", "a", "b"] {
            let sample = format!("sandloop_cluster_connected{{tenant=\"{tenant}\"}}");
            assert_eq!(admin.metric(&sample), Some(1.0), "{tenant:?}");
        }
        hosts.into_iter().for_each(|host| drop(host.stop()));
    }
}

#[test]
fn who_is_in_the_cluster_is_told() {
    let nats = Nats::start();
    let start = |name| {
        let config = sharing(&nats, Plugin::new("channels"), name);
        Host::start(&config.cluster("ping", text("100ms")))
    };
    // By mistake two hosts have the same name.
    let hosts = ["one", "two", "two"].map(start);
    let admin = Admin::of(&hosts[0]);
    admin.wait_metric("sandloop_cluster_hosts", 2.0);
    let told = admin.json("/cluster");
    let cluster = &told["cluster"];
    assert_eq!(cluster["name"], "one");
    let others = cluster["others"].as_array().expect("a list");
    assert!(
        others.iter().all(|it| it["host"].as_str().is_some_and(|it| it.starts_with("two."))),
        "{told}"
    );
    assert_eq!(cluster["connections"][0]["connected"], true, "{told}");
    assert_eq!(cluster["tenants"][0]["name"], "channels", "{told}");
    let top = sandloop(hosts[0].dir(), &["top", "--once"]).stdout;
    let shows = |words: &str| top.lines().any(|line| line.starts_with(words));
    assert!(
        shows(&format!("cluster  {}  2 other host(s)", cluster["host"].as_str().unwrap_or(""))),
        "{top}"
    );
    assert!(shows("the host  connected  ") && shows("channels  "), "{top}");
    let [one, two, three] = hosts;
    // One announces that it leaves, and one does not.
    two.stop();
    admin.wait_metric("sandloop_cluster_hosts", 1.0);
    one.wait_log("a host has left the cluster");
    drop(three);
    one.wait_log("a host of the cluster is silent");
    admin.wait_metric("sandloop_cluster_hosts", 0.0);
    one.stop();
}

#[test]
fn a_running_host_keeps_its_cluster() {
    const CLUSTER: &str = "a running host cannot change which cluster it is in, nor how";
    const SHARED: &str = "a running host cannot change what a tenant shares with other hosts";
    let nats = Nats::start_with(1, USERS);
    let plugin = Plugin::new("channels").limit("event_deadline", text("500ms"));
    let config = login(sharing(&nats, plugin, "h"), "host", "h")
        .cluster("prefix", text("sandloop"))
        .cluster("queue_lease", text("1h"));
    let host = Host::start(&config);
    let toml = config.to_toml();
    let reload = |text: String| {
        std::fs::write(host.dir().join("plugins.toml"), text).expect("the file is ours");
        Admin::of(&host).ask("POST", "/reload", &[])
    };
    let changed = |before: &str, after: &str| {
        assert!(toml.contains(before), "{before}: {toml}");
        reload(toml.replacen(before, after, 1))
    };
    // In place of the line of the section, so that each new key is inside it.
    let section = "[cluster]\n";
    for (before, after, key, cause) in [
        ("name = \"h\"", "name = \"other\"", "cluster.name", CLUSTER),
        ("prefix = \"sandloop\"", "prefix = \"other\"", "cluster.prefix", CLUSTER),
        ("user = \"host\"", "user = \"chat\"", "cluster.user", CLUSTER),
        ("password = \"h\"", "password = \"x\"", "cluster.password", CLUSTER),
        ("queue_lease = \"1h\"", "queue_lease = \"2h\"", "cluster.queue_lease", CLUSTER),
        (section, "[cluster]\nlease = \"20s\"\n", "cluster.lease", CLUSTER),
        (section, "[cluster]\nping = \"1s\"\n", "cluster.ping", CLUSTER),
        (section, "[cluster]\nconnect_deadline = \"1s\"\n", "cluster.connect_deadline", CLUSTER),
        (section, "[cluster]\napart = \"unready\"\n", "cluster.apart", CLUSTER),
        (section, "[cluster]\nqueue_storage = \"memory\"\n", "cluster.queue_storage", CLUSTER),
        (section, "[cluster]\nqueue_replicas = 3\n", "cluster.queue_replicas", CLUSTER),
        (section, "[cluster]\nqueue_store = \"1MiB\"\n", "cluster.queue_store", CLUSTER),
        (section, "[cluster]\nqueue_deliveries = 2\n", "cluster.queue_deliveries", CLUSTER),
        ("nats = [", "nats = [\"nats://127.0.0.1:1\", ", "cluster.nats", CLUSTER),
        ("channels = \"cluster\"", "channels = \"host\"", "tenants.channels.channels", SHARED),
        (
            "channels = \"cluster\"",
            "channels = \"cluster\"\nqueues = \"cluster\"",
            "tenants.channels.queues",
            SHARED,
        ),
        (
            section,
            "[tenants.channels.cluster]\nuser = \"chat\"\npassword = \"c\"\n\n[cluster]\n",
            "tenants.channels.cluster",
            SHARED,
        ),
    ] {
        let reply = changed(before, after);
        assert!(reply.body.contains(&format!(": {key}: {cause}")), "{key}: {reply:?}");
    }
    assert_eq!(reload(toml.clone()).status, 200);
    host.stop();
}

/// The permissions of the user in the manifests are enough for a host.
#[test]
fn the_permissions_of_the_manifests_are_enough() {
    let manifest = workspace().join("packaging/kubernetes-cluster/nats-config.yaml");
    let manifest = std::fs::read_to_string(manifest).expect("the manifest");
    let (_, authorization) = manifest.split_once("    authorization {").expect("who may log in");
    let authorization = authorization.replace("$NATS_PASSWORD", "secret");
    let nats = Nats::start_with(1, &format!("authorization {{{authorization}"));
    let singleton = Plugin::named("alone", &component("singleton")).isolation(Isolation::Plugin);
    let config = sharing(&nats, Plugin::new("channels"), "h");
    let config = login(config.plugin(singleton.key("singleton", "true")), "sandloop", "secret");
    let worker = Plugin::new("queues").limit("event_deadline", text("500ms"));
    let config = config
        .plugin(worker)
        .listen(Listen::tcp("queues"))
        .sharing("queues", "queues", text("cluster"))
        .cluster("queue_lease", text("11s"));
    assert_eq!(check(&config), (Some(0), String::new()));
    // And for its later work.
    let host = Host::start(&config.cluster("lease", text("1s")));
    let mut peer = host.connect("channels");
    assert_eq!(ask(&mut peer, "subscribe room"), "ok");
    host.wait_log("a singleton begins here");
    let mut worker = host.connect("queues");
    assert_eq!(ask(&mut worker, "push jobs 1"), "ok");
    assert_eq!(ask(&mut worker, "pop jobs"), "got 1");
    let admin = Admin::of(&host);
    admin.wait_metric("sandloop_cluster_queue_handled_total{tenant=\"queues\"}", 1.0);
    assert_eq!(admin.metric("sandloop_cluster_errors_total{tenant=\"\"}"), Some(0.0));
    host.stop();
}

#[test]
fn queues_without_jetstream_are_told() {
    let queues = |config: Config| config.sharing("channels", "queues", text("cluster"));
    let long = |config: Config| config.cluster("queue_lease", text("1h"));
    let login = |nats: &Nats| login(sharing(nats, Plugin::new("channels"), "h"), "host", "h");
    // The account has no JetStream.
    let nats = Nats::start_with(1, ACCOUNTS);
    let config = long(queues(login(&nats)));
    let (code, said) = check(&config);
    assert_eq!(code, Some(2), "{said}");
    let start = format!("error: plugins.toml:{}: cluster.nats: ", line(&config, "nats = "));
    assert!(said.starts_with(&start), "{said}");
    assert!(said.contains("JetStream not enabled for account"), "{said}");
    assert!(said.contains("; enable JetStream in the server's configuration"), "{said}");
    // Channels do not need it.
    assert_eq!(check(&login(&nats)), (Some(0), String::new()));
    // A user without permission to ask it.
    let nats = Nats::start_with(1, USERS);
    let (code, said) = check(&long(queues(login(&nats))));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("\"$JS.API.>\""), "{said}");
    // Missing streams are no fault.
    let nats = Nats::start();
    let config = long(queues(sharing(&nats, Plugin::new("channels"), "h")));
    assert_eq!(check(&config), (Some(0), String::new()));
}
