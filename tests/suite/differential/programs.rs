//! The two runtimes of a scenario's program.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sandloop_tests::log::Lines;
use sandloop_tests::{Config, Host, Isolation, Listen, Plugin, workspace};

use super::other_end::OtherEnd;
use super::scenario::Scenario;

/// A running program.
pub trait Program {
    fn start(scenario: &Scenario, other_end: &OtherEnd) -> Self;

    /// The address at which it serves.
    fn address(&self) -> String;

    /// Waits until it has printed this line.
    fn wait_line(&self, line: &str);

    /// The folder that it runs in.
    fn dir(&self) -> &Path;

    /// Waits for its end; returns its output.
    fn finish(self) -> Vec<String>;
}

/// The files that programs send: `data/small`, `data/large`, `data/empty`.
fn write_files(dir: &Path) {
    let folder = dir.join("data");
    std::fs::create_dir(&folder).expect("a new folder");
    for (name, content) in [
        ("small", "0123456789".to_owned()),
        ("large", "x".repeat(100_000)),
        ("empty", String::new()),
    ] {
        std::fs::write(folder.join(name), content).expect("a new file");
    }
}

pub struct EventMachine {
    child: Child,
    stdout: Lines,
    stderr: Lines,
    unix: Option<PathBuf>,
    dir: tempfile::TempDir,
}

impl Program for EventMachine {
    fn start(scenario: &Scenario, other_end: &OtherEnd) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        write_files(dir.path());
        let mut command = Command::new("ruby");
        command.current_dir(dir.path());
        command.arg(workspace().join("tests/differential/interpreter.rb")).arg(&scenario.file);
        if let Some(listen) = &scenario.listen {
            command.arg(format!("listen={listen}"));
        }
        if let Some(protocol) = &scenario.protocol {
            command.arg(format!("protocol={protocol}"));
        }
        let own_path = dir.path().join("served.sock");
        let unix = (scenario.listen.as_deref() == Some("unix")).then_some(own_path);
        match (&unix, other_end.path(), other_end.port()) {
            (Some(path), _, _) => _ = command.arg(format!("path={}", path.display())),
            (None, Some(path), _) => _ = command.arg(format!("path={}", path.display())),
            (None, None, Some(port)) => _ = command.arg(format!("port={port}")),
            (None, None, None) => {}
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ruby, which `cargo xtask setup` installs with EventMachine");
        let stdout = Lines::read(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Lines::read(child.stderr.take().expect("stderr is a pipe"));
        EventMachine { child, stdout, stderr, unix, dir }
    }

    fn address(&self) -> String {
        let port = self.stderr.wait_for(|lines| {
            lines.iter().find_map(|line| line.to_string().strip_prefix("port ").map(str::to_owned))
        });
        let port = port.unwrap_or_else(|| panic!("it does not serve:\n{}", self.stderr.text()));
        match &self.unix {
            Some(path) => format!("unix://{}", path.display()),
            None => format!("tcp://127.0.0.1:{port}"),
        }
    }

    fn wait_line(&self, line: &str) {
        let found = self.stdout.wait_for(|lines| {
            lines.iter().any(|printed| printed.to_string() == line).then_some(())
        });
        let text = || format!("{}{}", self.stdout.text(), self.stderr.text());
        found.unwrap_or_else(|| panic!("EventMachine never printed {line:?}:\n{}", text()));
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn finish(mut self) -> Vec<String> {
        let Some(lines) = self.stdout.wait_end() else {
            // Only processes of this test.
            let _ = self.child.kill();
            panic!("EventMachine does not end:\n{}{}", self.stdout.text(), self.stderr.text());
        };
        let status = self.child.wait().expect("a child");
        assert!(status.success(), "EventMachine failed:\n{}", self.stderr.text());
        lines.iter().map(ToString::to_string).collect()
    }
}

pub struct Sandloop(Host);

const PLUGIN: &str = "differential";

impl Program for Sandloop {
    fn start(scenario: &Scenario, other_end: &OtherEnd) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        write_files(dir.path());
        let own_path = dir.path().join("served.sock");
        let mut plugin = Plugin::new(PLUGIN)
            .isolation(Isolation::Plugin)
            .prints()
            .may_stop()
            .allow("read", &["./data"])
            .option("script", &scenario.program);
        match (other_end.path(), other_end.port()) {
            (Some(path), _) => {
                let path = path.display().to_string();
                plugin = plugin.option("path", &path).may_connect(&[&format!("unix:{path}")]);
            }
            (None, Some(port)) => {
                let rule = format!("127.0.0.1:{port}");
                plugin = plugin.option("port", &port.to_string()).may_connect(&[&rule]);
            }
            (None, None) => {}
        }
        if scenario.own {
            // A rule for the host's own listeners has to have their port, which is not known before.
            plugin = plugin.key("policy", "\"audit\"");
        }
        // A handler that the machine delays beyond its slice continues later, which is correct and not the subject here.
        let mut config = Config::new().host("slice", "\"100ms\"").plugin(plugin);
        let handler = format!("{:?}", scenario.protocol.as_deref().unwrap_or("scripted"));
        let listen = match scenario.listen.as_deref() {
            Some("unix") => Some(Listen::unix(&own_path, PLUGIN)),
            Some(_) => Some(Listen::tcp(PLUGIN)),
            None => None,
        };
        if let Some(listen) = listen {
            config = config.listen(listen.key("handler", handler));
        }
        Sandloop(Host::start_in(dir, &config))
    }

    fn address(&self) -> String {
        self.0.address(PLUGIN)
    }

    fn wait_line(&self, line: &str) {
        self.0.wait_printed(line);
    }

    fn dir(&self) -> &Path {
        self.0.dir()
    }

    fn finish(self) -> Vec<String> {
        let outcome = self.0.wait_exit();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stdout.lines().map(str::to_owned).collect()
    }
}
