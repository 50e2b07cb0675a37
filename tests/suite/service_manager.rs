//! Notifications to the service manager that has started the host, such as systemd: sd_notify(3).

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use rustix::process::Signal;
use sandloop_tests::host::{command, finish};
use sandloop_tests::{Config, Host, Listen, LogLine, PATIENCE, Peer, Plugin, sandloop};

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    /// Its name for the environment.
    name: String,
}

impl Manager {
    fn at(path: &Path) -> Manager {
        let socket = UnixDatagram::bind(path).expect("a socket");
        Manager::of(socket, path.display().to_string())
    }

    fn hidden(name: &str) -> Manager {
        let address = SocketAddr::from_abstract_name(name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        Manager::of(socket, format!("@{name}"))
    }

    fn of(socket: UnixDatagram, name: String) -> Manager {
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Manager { socket, name }
    }

    #[track_caller]
    fn next(&self) -> String {
        let mut bytes = [0; 1024];
        let length = self.socket.recv(&mut bytes).expect("a message in time");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    /// The next message that begins with this; none with `other` may come before it.
    #[track_caller]
    fn wait(&self, beginning: &str, other: &str) -> String {
        loop {
            let message = self.next();
            if message.starts_with(beginning) {
                return message;
            }
            assert!(!message.starts_with(other), "{message:?} comes before {beginning:?}");
        }
    }

    /// The messages so far.
    fn so_far(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).expect("a socket");
        let mut bytes = [0; 1024];
        let mut all = Vec::new();
        while let Ok(length) = self.socket.recv(&mut bytes) {
            all.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
        }
        self.socket.set_nonblocking(false).expect("a socket");
        all
    }
}

fn echo() -> Config {
    Config::serving(Plugin::new("echo"))
}

fn field(message: &str, name: &str) -> u128 {
    let value = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} in {message:?}"))
}

#[test]
fn it_is_told_of_start_reload_and_stop_in_their_order() {
    let name = format!("sandloop-test-{}", std::process::id());
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let managers = [Manager::at(&dirs[0].path().join("notify")), Manager::hidden(&name)];
    for (manager, dir) in managers.into_iter().zip(dirs) {
        let path = dir.path().join("echo.sock");
        let config = Config::new().plugin(Plugin::new("echo")).listen(Listen::unix(&path, "echo"));
        fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a file");
        let mut command = command(dir.path());
        command.args(["run", "plugins.toml"]).env("NOTIFY_SOCKET", &manager.name);
        let host = sandloop_tests::Running::spawn(command);
        assert_eq!(manager.next(), "STATUS=loading plugins: 1");
        assert_eq!(field(&manager.next(), "EXTEND_TIMEOUT_USEC"), 30_000_000);
        let ready = manager.wait("READY=1", "STOPPING");
        assert_eq!(ready, "READY=1\nSTATUS=serving: plugins: 1, reactors: 1");
        // The port is open when the notification comes.
        Peer::connect(&format!("unix://{}", path.display())).expect_echo("helo\n");

        host.signal(Signal::HUP);
        let reloading = manager.wait("RELOADING=1", "READY");
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = u128::try_from(now.tv_sec).expect("it grows") * 1_000_000;
        let then = field(&reloading, "MONOTONIC_USEC");
        assert!(now - 60_000_000 < then && then < now + 1_000_000, "{then} {now}");
        assert_eq!(manager.next(), ready);

        host.signal(Signal::TERM);
        let stopping = manager.wait("STOPPING=1", "READY");
        assert!(5_000_000 <= field(&stopping, "EXTEND_TIMEOUT_USEC"), "{stopping}");
        assert_eq!(host.wait().code, Some(0));
        assert_eq!(manager.so_far(), [""; 0], "after the stop there is nothing to tell");
    }
}

/// The next process becomes the service; the previous one drains, and its end is not the service's.
#[test]
fn an_upgrade_names_the_next_process_and_stops_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let manager = Manager::at(&dir.path().join("notify"));
    let path = dir.path().join("echo.sock");
    let config = Config::new().plugin(Plugin::new("echo")).listen(Listen::unix(&path, "echo"));
    let config = config.host("handover", "\"next\"");
    fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a file");
    let start = |arguments: &[&str], watchdog: Option<&str>| {
        let mut command = command(dir.path());
        command.args(arguments).env("NOTIFY_SOCKET", &manager.name);
        command.envs(watchdog.map(|microseconds| ("WATCHDOG_USEC", microseconds)));
        sandloop_tests::Running::spawn(command)
    };
    let first = start(&["run"], Some("60000000"));
    manager.wait("READY=1", "STOPPING");
    let next = start(&["run", "--take-over"], None);
    let relieved = manager.wait("MAINPID=", "STOPPING");
    assert_eq!(field(&relieved, "MAINPID"), next.pid().into());
    assert_eq!(field(&relieved, "WATCHDOG_USEC"), 0);
    assert_eq!(first.wait().code, Some(0));
    assert!(next.says("ready "));
    let said = manager.so_far();
    assert!(!said.iter().any(|message| message.contains("STOPPING=1")), "{said:?}");
    Peer::connect(&format!("unix://{}", path.display())).expect_echo("helo\n");
    next.signal(Signal::TERM);
    manager.wait("STOPPING=1", "MAINPID");
    assert_eq!(next.wait().code, Some(0));
}

#[test]
fn a_start_that_fails_is_never_ready_and_says_why() {
    let broken = Config::serving(Plugin::named("gone", Path::new("gone.wasm"))).to_toml();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = format!("tcp://{}", taken.local_addr().expect("an address"));
    let listen = Listen::at(&taken, "echo");
    let unserved = Config::new().plugin(Plugin::new("echo")).listen(listen).to_toml();
    for (toml, code, why) in [
        ("nothing = 1\n", 2, "plugins.toml:1"),
        (&*broken, 3, "gone.wasm"),
        (&*unserved, 4, &*taken),
    ] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let manager = Manager::at(&dir.path().join("notify"));
        fs::write(dir.path().join("plugins.toml"), toml).expect("a file");
        let mut command = command(dir.path());
        command.args(["run", "plugins.toml"]).env("NOTIFY_SOCKET", &manager.name);
        let outcome = finish(command);
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        let told = manager.so_far();
        let is_good = |message: &String| message.contains("READY") || message.contains('\n');
        assert!(!told.iter().any(is_good), "{told:?}");
        let last = told.last().expect("it is told why");
        assert!(last.starts_with("STATUS=") && last.contains(why), "{last:?}: {why}");
    }
}

/// The manager may not read.
#[test]
fn a_manager_that_does_not_listen_changes_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("a file");
    let long = format!("/{}", "x".repeat(200));
    let file = file.display().to_string();
    for name in ["", "relative", "/nowhere/notify", "@sandloop-nobody", &file, &long, "vsock:2:1"] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let host = Host::start_with(dir, &echo(), &[("NOTIFY_SOCKET", name)]);
        host.connect("echo").expect_echo("helo\n");
        let warns = host.log().iter().any(|line| line.message().contains("NOTIFY_SOCKET"));
        assert_eq!(warns, ["relative", &long, "vsock:2:1"].contains(&name), "{name}");
        host.signal(Signal::HUP);
        host.stop();
    }
}

#[test]
fn a_manager_without_room_is_told_later() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let manager = Manager::at(&dir.path().join("notify"));
    let other = UnixDatagram::unbound().expect("a socket");
    other.set_nonblocking(true).expect("a socket");
    while other.send_to(b"OF_ANOTHER=1", &manager.name).is_ok() {}
    let host = Host::start_with(dir, &echo(), &[("NOTIFY_SOCKET", &manager.name)]);
    host.connect("echo").expect_echo("helo\n");
    assert!(manager.so_far().iter().all(|message| message == "OF_ANOTHER=1"));
    manager.wait("READY=1", "STOPPING");
    host.stop();
}

/// Each thread that could carry a loop is stopped; the one that notifies the manager is not.
#[test]
fn a_loop_that_does_not_turn_is_not_alive() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let manager = Manager::at(&dir.path().join("notify"));
    let variables = [("NOTIFY_SOCKET", &*manager.name), ("WATCHDOG_USEC", "8000000")];
    let config = echo().host("reactors", "2").watched();
    let host = Host::start_with(dir, &config, &variables);
    let health = || sandloop(host.dir(), &["health", "plugins.toml"]);
    // It is notified, idle or not.
    (0..2).for_each(|_| drop(manager.wait("WATCHDOG=1", "STOPPING")));
    assert_eq!(health().code, Some(0), "{:?}", health());

    let is_told = |line: &LogLine| line.message().starts_with("do not turn");
    let before = host.log().iter().filter(|line| is_told(line)).count();
    let held = HeldThreads::reactors(host.pid());
    let told = host.wait_lines("do not turn", before + 1, is_told);
    assert_eq!(told[before].level(), "ERROR");
    assert_eq!(told[before].field("reactors"), Some("[0,"), "{told:?}");
    // Messages from before the host noticed.
    manager.so_far();
    // It waits for them, longer than the interval of the notifications.
    let outcome = health();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("do not turn: 0, 1"), "{outcome:?}");
    assert_eq!(manager.so_far(), [""; 0], "nobody says that it lives");

    drop(held);
    manager.wait("WATCHDOG=1", "STOPPING");
    host.connect("echo").expect_echo("helo\n");
    assert_eq!(health().code, Some(0), "{:?}", health());
    host.stop();
}

/// Threads that are stopped by a debugger, until this is dropped.
struct HeldThreads(Vec<Pid>);

impl HeldThreads {
    /// All threads that may carry a loop.
    fn reactors(process: u32) -> HeldThreads {
        let threads = fs::read_dir(format!("/proc/{process}/task")).expect("the host's threads");
        let mut held = HeldThreads(Vec::new());
        for thread in threads {
            let path = thread.expect("a thread").path();
            let name = fs::read_to_string(path.join("comm")).expect("its name");
            if name.starts_with("reactor-") {
                let number = path.file_name().and_then(|name| name.to_str()?.parse().ok());
                let thread = Pid::from_raw(number.expect("a number"));
                ptrace::seize(thread, ptrace::Options::empty()).expect("the host is ours");
                held.0.push(thread);
                ptrace::interrupt(thread).expect("it is held");
                waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it stops");
            }
        }
        held
    }
}

impl Drop for HeldThreads {
    fn drop(&mut self) {
        for thread in &self.0 {
            // It fails only if the host has ended.
            let _ = ptrace::detach(*thread, None);
        }
    }
}

#[test]
fn a_watchdog_of_another_process_is_not_fed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let manager = Manager::at(&dir.path().join("notify"));
    let variables =
        [("NOTIFY_SOCKET", &*manager.name), ("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    let host = Host::start_with(dir, &echo(), &variables);
    manager.wait("READY=1", "WATCHDOG");
    for _ in 0..20 {
        host.connect("echo").expect_echo("helo\n");
    }
    host.signal(Signal::HUP);
    manager.wait("READY=1", "WATCHDOG");
    host.stop();
}

#[test]
fn health_is_asked_where_the_host_is_watched() {
    let host = Host::start(&echo().watched());
    let health = |arguments: &[&str]| sandloop(host.dir(), &[&["health"], arguments].concat());
    assert_eq!((health(&[]).code, &*health(&[]).stdout), (Some(0), "ok\n"));
    assert_eq!((health(&["--ready"]).code, &*health(&["--ready"]).stdout), (Some(0), "ready\n"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::copy(host.dir().join("plugins.toml"), dir.path().join("plugins.toml")).expect("a file");
    host.stop();
    let nobody = sandloop(dir.path(), &["health"]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.stderr.contains("is the host running"), "{nobody:?}");
    fs::write(dir.path().join("plugins.toml"), echo().to_toml()).expect("a file");
    let unwatched = sandloop(dir.path(), &["health"]);
    assert_eq!(unwatched.code, Some(2), "{unwatched:?}");
    assert!(unwatched.stderr.contains("add a section [admin]"), "{unwatched:?}");
}
