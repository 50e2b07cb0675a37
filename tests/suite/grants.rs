//! Grants of `[plugins.<name>.allow]` beyond serving: the addresses of names, the host's own listeners, other tenants'
//! channels, folders, the environment; and `policy = "audit"`.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use sandloop_tests::{
    Config, Host, Isolation, Listen, LogLine, Peer, Plugin, Server, component, own_loopback,
};

fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

/// A plugin that connects to `target` and prints the result.
fn connector(target: &str, rules: &[&str]) -> Plugin {
    Plugin::new("connect_trace")
        .isolation(Isolation::Plugin)
        .prints()
        .may_stop()
        .option("target", target)
        .option("stop", "true")
        .option("close", "connection_completed")
        .may_connect(rules)
}

/// Its output, and the denials in the log.
#[track_caller]
fn outcome(config: &Config) -> (Vec<String>, Vec<LogLine>) {
    let outcome = Host::start(config).wait_exit();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let log = outcome.stderr.lines().map(|line| LogLine(line.to_owned()));
    let denials = log.filter(|line| line.field("call") == Some("sockets.connect")).collect();
    (outcome.stdout.lines().map(str::to_owned).collect(), denials)
}

/// A granted name is refused if its owner points it at this machine: `127.1` is such a name for the resolver.
#[test]
fn a_name_that_leads_inside_is_refused() {
    let server = Server::tcp();
    for name in ["127.1", "localhost", "0x7f000001"] {
        let target = format!("tcp://{name}:{}", server.port());
        let rule = format!("*:{}", server.port());
        let (printed, denials) = outcome(&Config::new().plugin(connector(&target, &[&rule])));
        assert_eq!(printed, ["0 post_init", "0 unbind unreachable"], "{name}");
        let [denial] = &denials[..] else { panic!("{name}: {denials:#?}") };
        let cause = denial.field("cause").unwrap_or_default();
        assert!(cause.contains("this is a loopback address"), "{denial}");
        assert_eq!(denial.field("policy"), Some("enforce"));
    }
}

/// If the operator lists the address as well, it is granted.
#[test]
fn a_name_that_leads_to_a_listed_address_is_reached() {
    let server = Server::tcp();
    let target = format!("tcp://127.1:{}", server.port());
    let config =
        Config::new().plugin(connector(&target, &["*:*", &format!("127.0.0.1:{}", server.port())]));
    let (printed, denials) = outcome(&config);
    assert_eq!(printed, ["0 post_init", "0 connection_completed", "0 unbind closed"]);
    assert!(denials.is_empty(), "{denials:#?}");
}

#[test]
fn the_hosts_own_listeners_are_reached_only_when_named() {
    let address = format!("{}:10000", own_loopback());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("own.sock");
    let (unix, folder) = (path.display().to_string(), dir.path().display().to_string());
    for (target, wide, exact) in [
        (format!("tcp://{address}"), "127.0.0.0/8:*".to_owned(), address.clone()),
        (format!("unix://{unix}"), format!("unix:{folder}/*"), format!("unix:{unix}")),
    ] {
        let config = |rule: &str| {
            Config::new()
                .plugin(connector(&target, &[rule]))
                .plugin(Plugin::new("echo"))
                .listen(Listen::at(&format!("tcp://{address}"), "echo"))
                .listen(Listen::unix(&path, "echo"))
        };
        let (printed, denials) = outcome(&config(&wide));
        assert_eq!(printed, ["0 connect denied"], "{target}");
        let [denial] = &denials[..] else { panic!("{target}: {denials:#?}") };
        assert!(denial.field("cause").unwrap_or_default().contains("this host"), "{denial}");
        assert!(denial.field("remedy").unwrap_or_default().contains(&exact), "{denial}");
        let (printed, _) = outcome(&config(&exact));
        assert_eq!(printed, ["0 post_init", "0 connection_completed", "0 unbind closed"]);
    }
}

/// Audit mode allows what enforcing would refuse, and logs it with the rule that would grant it.
#[test]
fn audit_lets_through_and_tells() {
    let server = Server::tcp();
    let named = format!("tcp://localhost:{}", server.port());
    for target in [format!("tcp://{}", server.address()), named] {
        let plugin = connector(&target, &[]).key("policy", "\"audit\"");
        let (printed, denials) = outcome(&Config::new().plugin(plugin));
        assert_eq!(printed, ["0 post_init", "0 connection_completed", "0 unbind closed"]);
        assert!(!denials.is_empty());
        for denial in &denials {
            assert!(denial.message().starts_with("not granted, let through"), "{denial}");
            assert_eq!(denial.field("policy"), Some("audit"), "{denial}");
            assert!(denial.field("remedy").unwrap_or_default().contains("connect"), "{denial}");
        }
    }
}

/// Two tenants, each with a plugin `NAME` and a listener; the guest's may use `rules`.
fn two_tenants(guest: &str, rules: &[&str]) -> Host {
    let named = |name: &str| Plugin::named(name, &component(guest));
    let config = Config::new()
        .plugin(named("news"))
        .plugin(named("guest").allow("channels", rules))
        .listen(Listen::tcp("news"))
        .listen(Listen::tcp("guest"));
    Host::start(&config)
}

#[test]
fn a_channel_of_another_tenant() {
    let host = two_tenants("channels", &["news/today", "news/room-*"]);
    let (mut owner, mut guest) = (host.connect("news"), host.connect("guest"));
    assert_eq!(ask(&mut guest, "subscribe /news/today"), "ok");
    assert_eq!(ask(&mut owner, "subscribe room-1"), "ok");
    // A plain name belongs to the plugin's own tenant, whatever is granted.
    guest.send("push today snow\npush room-1 snow\n");
    owner.send("push today rain\n");
    assert_eq!(guest.line(), "got rain");
    guest.send("push /news/room-1 sun\n");
    assert_eq!(owner.line(), "got sun");
    assert_eq!(ask(&mut guest, "push /news/secret x"), "denied (error 3)");
    assert_eq!(ask(&mut guest, "push /nobody/today x"), "denied (error 3)");
    assert_eq!(ask(&mut guest, "push /news x"), "invalid-argument (error 5)");
    assert_eq!(ask(&mut owner, "push /guest/today x"), "denied (error 3)");
    let denial = host.wait_log("denied");
    assert_eq!(denial.field("target"), Some("news/secret"), "{denial}");
    assert_eq!(denial.field("call"), Some("channels.push"), "{denial}");
    host.stop();
}

#[test]
fn a_queue_of_another_tenant() {
    let host = two_tenants("queues", &["news/*"]);
    let (mut owner, mut guest) = (host.connect("news"), host.connect("guest"));
    assert_eq!(ask(&mut guest, "push /news/jobs a"), "ok");
    assert_eq!(ask(&mut owner, "pop jobs"), "got a");
    assert_eq!(ask(&mut owner, "pop /guest/jobs"), "denied (error 3)");
    guest.send("pop /news/jobs\n");
    assert_eq!(ask(&mut guest, "size /news/jobs"), "0 1");
    assert_eq!(ask(&mut owner, "push jobs b"), "ok");
    assert_eq!(guest.line(), "got b");
    assert_eq!(ask(&mut owner, "size /guest/jobs"), "0 0");
    host.stop();
}

#[test]
fn folders_are_what_the_operator_names() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for folder in ["public", "data", "secret"] {
        fs::create_dir(dir.path().join(folder)).expect("a new folder");
    }
    fs::write(dir.path().join("public/page"), "hello").expect("a file");
    fs::write(dir.path().join("secret/key"), "hunter2").expect("a file");
    symlink("../secret/key", dir.path().join("public/link")).expect("a link");
    let plugin = Plugin::new("files").allow("read", &["./public"]).allow("write", &["./data::/d"]);
    let host = Host::start_in(dir, &Config::serving(plugin));
    let mut peer = host.connect("files");
    assert_eq!(ask(&mut peer, "list public"), "link page");
    assert_eq!(ask(&mut peer, "read public/page"), "hello");
    for refused in [
        "read secret/key",
        "read public/../secret/key",
        "read public/link",
        "read /etc/passwd",
        "list /",
        "list .",
        "write public/page x",
        "write public/new x",
        "remove public/page",
    ] {
        let answer = ask(&mut peer, refused);
        assert!(answer.starts_with("error "), "{refused}: {answer}");
    }
    assert_eq!(ask(&mut peer, "write /d/note kept"), "ok");
    assert_eq!(ask(&mut peer, "read /d/note"), "kept");
    assert_eq!(fs::read_to_string(host.dir().join("data/note")).expect("a file"), "kept");
    assert_eq!(ask(&mut peer, "remove /d/note"), "ok");
    assert!(!host.dir().join("data/note").exists());
    assert_eq!(fs::read_to_string(host.dir().join("public/page")).expect("a file"), "hello");
    host.stop();
}

/// Opening a pipe waits for its other end: one in a folder must not block the file threads.
#[test]
fn what_is_no_file_is_not_opened() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let folder = dir.path().join("public");
    fs::create_dir(&folder).expect("a new folder");
    fs::write(folder.join("page"), "hello").expect("a file");
    let made = Command::new("mkfifo").arg(folder.join("pipe")).status().expect("mkfifo");
    assert!(made.success(), "{made}");
    let _socket = UnixListener::bind(folder.join("socket")).expect("a socket");
    for name in ["pipe", "socket"] {
        symlink(name, folder.join(format!("link-to-{name}"))).expect("a link");
    }
    let plugin = Plugin::new("files").allow("write", &["./public"]);
    let config = Config::serving(plugin.limit("event_deadline", "\"20s\""));
    let host = Host::start_in(dir, &config);
    let mut peer = host.connect("files");
    // More often than there are threads.
    for _ in 0..8 {
        for name in ["pipe", "socket", "link-to-pipe", "link-to-socket"] {
            for command in ["read", "write"] {
                let answer = ask(&mut peer, &format!("{command} public/{name} x"));
                assert!(answer.starts_with("error "), "{command} {name}: {answer}");
            }
        }
    }
    let all = "link-to-pipe link-to-socket page pipe socket";
    assert_eq!(ask(&mut peer, "list public"), all, "they are seen");
    assert_eq!(ask(&mut peer, "read public/page"), "hello");
    assert_eq!(ask(&mut peer, "remove public/pipe"), "ok", "and removed");
    host.stop();
}

/// Reading a device may wait for ever, or never end.
#[test]
fn a_device_is_not_opened() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let folder = dir.path().join("public");
    fs::create_dir(&folder).expect("a new folder");
    for device in ["zero", "null", "tty", "ptmx"] {
        symlink(format!("/dev/{device}"), folder.join(device)).expect("a link");
    }
    let plugin = Plugin::new("files").allow("write", &["./public", "/dev"]);
    let config = Config::serving(plugin.limit("event_deadline", "\"20s\""));
    let host = Host::start_in(dir, &config);
    let mut peer = host.connect("files");
    for _ in 0..8 {
        for path in ["public/zero", "public/tty", "/dev/zero", "/dev/null", "/dev/tty", "/dev/ptmx"]
        {
            for command in ["read", "write"] {
                let answer = ask(&mut peer, &format!("{command} {path} x"));
                assert!(answer.starts_with("error "), "{command} {path}: {answer}");
            }
        }
    }
    host.stop();
}

#[test]
fn the_environment_is_what_the_operator_names() {
    let nothing = Host::start(&Config::serving(Plugin::new("files")));
    assert_eq!(ask(&mut nothing.connect("files"), "env"), "");
    assert!(ask(&mut nothing.connect("files"), "list /").starts_with("error "));
    nothing.stop();

    let dir = tempfile::tempdir().expect("a temporary directory");
    let plugin = Plugin::new("files").allow("environment", &["PATH"]);
    let toml = format!(
        "{}\n[plugins.files.environment]\nGREETING = \"helo\"\n",
        Config::serving(plugin).to_toml()
    );
    let host = Host::start_toml(dir, &toml);
    let mut peer = host.connect("files");
    assert_eq!(ask(&mut peer, "env"), "GREETING PATH");
    assert_eq!(ask(&mut peer, "env GREETING"), "helo");
    assert_eq!(ask(&mut peer, "env PATH"), std::env::var("PATH").expect("a search path"));
    host.stop();
}
