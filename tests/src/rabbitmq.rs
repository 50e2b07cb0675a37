//! RabbitMQ, run as a child process: an independent broker.
//!
//! Every broker has its own loopback address and finds its own node by a file instead of a port mapper: it shares nothing with
//! another broker, not even epmd. Its ports are the usual ones, or the next free ones: a broker that runs as a service of the
//! machine has the usual ones on every address.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::certificates::{Authority, Certified};
use crate::host::{Outcome, finish, own_loopback};
use crate::log::Lines;
use crate::process;

/// The usual ports: for clients, without TLS and with it, and for `rabbitmqctl`.
const PORT: u16 = 5672;
const TLS_PORT: u16 = 5671;
const CONTROL_PORT: u16 = 25672;

/// A broker; dropping it kills it.
#[derive(Debug)]
pub struct Broker {
    node: Node,
    home: Home,
    vhosts: AtomicU32,
    /// The output of earlier nodes.
    earlier: String,
    // The directory is removed after the node ends. The shared broker's is removed by its own shell.
    _dir: Option<TempDir>,
}

/// The virtual host of one test, which other tests do not use.
#[derive(Clone, Debug)]
pub struct Vhost {
    /// Its name.
    pub name: String,
    /// `amqp://guest:guest@127.1.2.3:5672/NAME`.
    pub uri: String,
}

impl Broker {
    /// Starts a broker and waits until it is ready: about three seconds.
    pub fn start() -> Broker {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Broker::with(Home::new(dir.path().to_owned()), Some(dir))
    }

    /// The broker that all tests of this process share; each uses its own [`Broker::vhost`]. It ends with the process.
    pub fn shared() -> &'static Broker {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(|| {
            // A static is not dropped: the directory is removed as when this process is killed.
            let home = Home::new(tempfile::tempdir().expect("a temporary directory").keep());
            Broker::with(home, None)
        })
    }

    fn with(home: Home, dir: Option<TempDir>) -> Broker {
        let (node, vhosts) = (Node::start(&home), AtomicU32::new(0));
        Broker { node, home, vhosts, earlier: String::new(), _dir: dir }
    }

    /// `127.1.2.3:5672`; unchanged when the broker starts again.
    pub fn address(&self) -> String {
        format!("{}:{}", self.home.loopback, self.home.port)
    }

    /// `127.1.2.3:5671`, its address for TLS. Its certificate is for this address alone.
    pub fn tls_address(&self) -> String {
        format!("{}:{}", self.home.loopback, self.home.tls_port)
    }

    /// The authority of its certificate.
    pub fn authority(&self) -> PathBuf {
        self.home.dir.join(format!("{AUTHORITY}.pem"))
    }

    /// The URI of the default virtual host, for `guest`, who has all permissions.
    pub fn uri(&self) -> String {
        self.uri_for("guest:guest", "%2F")
    }

    /// A URI for `NAME:PASSWORD` and a virtual host.
    pub fn uri_for(&self, user: &str, vhost: &str) -> String {
        format!("amqp://{user}@{}/{vhost}", self.address())
    }

    /// Makes a virtual host in which `guest` has all permissions.
    pub fn vhost(&self) -> Vhost {
        let name = format!("test-{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        let (vhost, all) = (format!("<<\"{name}\">>"), "<<\".*\">>");
        let made = self.eval(&format!(
            "{{rabbit_vhost:add({vhost}, <<\"test\">>), rabbit_auth_backend_internal:set_permissions(\
             <<\"guest\">>, {vhost}, {all}, {all}, {all}, <<\"test\">>)}}"
        ));
        assert_eq!(made, "{ok,ok}", "{}", self.log());
        Vhost { uri: self.uri_for("guest:guest", &name), name }
    }

    /// Runs `rabbitmqctl` with these arguments against this broker, in a third of a second; returns its standard output.
    #[track_caller]
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let outcome = self.try_ctl(arguments);
        assert_eq!(outcome.code, Some(0), "rabbitmqctl {arguments:?}: {outcome:?}");
        outcome.stdout
    }

    /// Like [`Broker::ctl`], but may fail.
    pub fn try_ctl(&self, arguments: &[&str]) -> Outcome {
        let mut ctl = Command::new(program("rabbitmqctl"));
        self.home.environment(&mut ctl);
        // No other node has to find it.
        let erlang = format!("-erl_epmd_port {} -dist_listen false", self.home.control_port);
        ctl.env("RABBITMQ_CTL_ERL_ARGS", erlang).arg("--quiet").args(arguments);
        finish(ctl)
    }

    /// Evaluates an Erlang expression in the broker, at once; returns its value as Erlang writes it on one line.
    #[track_caller]
    pub fn eval(&self, expression: &str) -> String {
        self.node.eval(expression).unwrap_or_else(|| panic!("no answer:\n{}", self.log()))
    }

    /// Offers EXTERNAL on plain connections until the broker stops: the client is the user that it names, or `guest` if it
    /// names none. RabbitMQ itself offers it only if TLS has a client certificate.
    pub fn offer_external(&self) {
        let file = self.home.dir.join("external.erl");
        fs::write(&file, EXTERNAL).expect("the temporary directory takes a file");
        let done = self.eval(&format!(
            "{{ok, Name, Code}} = compile:file(\"{}\", [binary]), {{module, Name}} = code:load_binary(Name, \"\", Code), \
             ok = rabbit_registry:register(auth_mechanism, <<\"EXTERNAL\">>, Name), \
             application:set_env(rabbit, auth_mechanisms, ['PLAIN', 'AMQPLAIN', 'EXTERNAL'])",
            file.display()
        ));
        assert_eq!(done, "ok", "{}", self.log());
    }

    /// Stops in an orderly way and starts again: durable queues and their persistent messages are kept.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Stops in an orderly way, as an operator does; connections are closed with 320.
    pub fn stop(&mut self) {
        process::signal(self.pid(), Signal::TERM);
        assert!(self.node.lines.wait_end().is_some(), "it does not stop:\n{}", self.log());
        self.node.end();
    }

    /// Kills it, as in a crash.
    pub fn kill(&mut self) {
        self.node.end();
    }

    /// Starts it after [`Broker::stop`] or [`Broker::kill`], with its data, on the same port.
    pub fn start_again(&mut self) {
        self.earlier = self.log();
        self.node = Node::start(&self.home);
    }

    /// The broker's process.
    pub fn pid(&self) -> u32 {
        let file = self.home.dir.join("pid");
        let pid = fs::read_to_string(file).expect("a broker that is ready has written it");
        pid.trim().parse().expect("a number")
    }

    /// Its output, from its first start on.
    pub fn log(&self) -> String {
        let mut log = self.earlier.clone();
        log += &self.node.lines.text();
        log
    }

    /// Waits for a line of the running broker's log that contains this.
    #[track_caller]
    pub fn wait_log(&self, words: &str) {
        let found = self.node.lines.wait_long_for(START_MAX, |lines| {
            lines.iter().any(|line| line.0.contains(words)).then_some(())
        });
        assert!(found.is_some(), "the broker never said `{words}`:\n{}", self.log());
    }

    /// The folder of its files.
    pub fn dir(&self) -> &Path {
        &self.home.dir
    }
}

/// A broker's directory, address and ports, which it keeps when it starts again.
#[derive(Debug)]
struct Home {
    dir: PathBuf,
    loopback: String,
    port: u16,
    tls_port: u16,
    control_port: u16,
}

/// The authority of the brokers' certificates.
const AUTHORITY: &str = "authority";

impl Home {
    /// Writes the files.
    fn new(dir: PathBuf) -> Home {
        let loopback = own_loopback();
        let [port, tls_port, control_port] =
            [PORT, TLS_PORT, CONTROL_PORT].map(|usual| free_port(&loopback, usual));
        let authority = Authority::new("Authority of a broker");
        let ca = authority.write(&dir, AUTHORITY);
        let Certified { certificate, key } = authority.certify(&dir, "broker", &[&loopback]);
        let files =
            format!("{{cacertfile, {ca:?}}}, {{certfile, {certificate:?}}}, {{keyfile, {key:?}}}");
        let names = format!("{{lookup, [file]}}.\n{{host, {}, [\"broker\"]}}.\n", tuple(&loopback));
        let config = format!(
            "[{{os_mon, [{{start_cpu_sup, false}}, {{start_disksup, false}}, {{start_memsup, false}}]}},\n\
             {{rabbit, [{{tcp_listeners, [{{\"{loopback}\", {port}}}]}}, {{num_tcp_acceptors, 2}},\n\
             {{ssl_listeners, [{{\"{loopback}\", {tls_port}}}]}}, {{num_ssl_acceptors, 1}},\n\
             {{ssl_options, [{files}, {{verify, verify_none}}, {{versions, ['tlsv1.3', 'tlsv1.2']}}]}},\n\
             {{disk_free_limit, 1000000}},\n\
             {{log, [{{console, [{{enabled, true}}, {{level, info}}]}}, {{file, [{{file, false}}]}}]}}]}}].\n"
        );
        let files = [("names", names), ("broker.config", config), ("plugins", "[].\n".to_owned())];
        for (name, content) in files {
            fs::write(dir.join(name), content).expect("the temporary directory takes a file");
        }
        Home { dir, loopback, port, tls_port, control_port }
    }

    /// The settings of both the broker and `rabbitmqctl`; nothing of the developer's environment.
    fn environment(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("LANG", "C.UTF-8").current_dir(&self.dir);
        let node = format!("rabbit-{}@broker", self.loopback.replace('.', "-"));
        let control_port = self.control_port.to_string();
        // A node with a name does not look for a port mapper,
        let erlang = format!(
            "-sname {node} -erl_epmd_port {control_port} -kernel inet_dist_use_interface {}",
            tuple(&self.loopback)
        );
        for (name, value) in [
            ("RABBITMQ_NODENAME", node.as_str()),
            ("RABBITMQ_DIST_PORT", &control_port),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", &erlang),
            // nor does any other Erlang below it: the broker's monitor starts one each minute to have a port mapper.
            ("ERL_FLAGS", "-start_epmd false"),
            // It reads expressions from standard input.
            ("RABBITMQ_ALLOW_INPUT", "1"),
            ("RABBITMQ_CONF_ENV_FILE", "/dev/null"),
            // Smaller tables, and no reserved processor.
            ("RABBITMQ_MAX_NUMBER_OF_PROCESSES", "65536"),
            ("RABBITMQ_MAX_NUMBER_OF_ATOMS", "1048576"),
            ("RABBITMQ_SCHEDULER_BIND_TYPE", "u"),
        ] {
            command.env(name, value);
        }
        for (name, file) in [
            // The cookie is there.
            ("HOME", ""),
            ("ERL_INETRC", "names"),
            ("RABBITMQ_CONFIG_FILE", "broker.config"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
            ("RABBITMQ_MNESIA_BASE", "data"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_PID_FILE", "pid"),
        ] {
            command.env(name, self.dir.join(file));
        }
    }
}

/// The usual port, or the next one that is free on this address and on all addresses. No other test looks for one on the same
/// address, so it stays free until the broker takes it.
pub(crate) fn free_port(loopback: &str, usual: u16) -> u16 {
    let is_free = |port: &u16| TcpListener::bind((loopback, *port)).is_ok();
    (usual..).take(100).find(is_free).expect("one of a hundred ports is free")
}

/// `{127,1,2,3}`, as Erlang writes an address.
fn tuple(address: &str) -> String {
    format!("{{{}}}", address.replace('.', ","))
}

/// The program in Debian's folder, where it does not change the user, or in `PATH`.
fn program(name: &str) -> PathBuf {
    let debian = Path::new("/usr/lib/rabbitmq/bin").join(name);
    if debian.exists() { debian } else { PathBuf::from(name) }
}

/// Runs a broker whose standard input is what comes in, and that ends with it: when this process has ended, in any way, the
/// broker is killed and its directory removed. Its output ends with the broker.
const KEEPER: &str = "
    mkfifo input || exit
    \"$0\" <input 2>&1 &
    exec >/dev/null
    cat >input
    kill -KILL $!
    wait
    cd / && rm -rf -- \"$HOME\"
";

/// A mechanism that accepts every claim.
const EXTERNAL: &str = "
-module(external).
-behaviour(rabbit_auth_mechanism).
-export([description/0, should_offer/1, init/1, handle_response/2]).
description() -> [{description, <<\"EXTERNAL\">>}].
should_offer(_Socket) -> true.
init(_Socket) -> none.
handle_response(<<>>, none) -> rabbit_access_control:check_user_login(<<\"guest\">>, []);
handle_response(Name, none) -> rabbit_access_control:check_user_login(Name, []).
";

/// The longest start of a broker: half a minute of work if several start at once beside everything else.
const START_MAX: Duration = Duration::from_secs(180);

/// One run of a broker, and its keeper's process group.
#[derive(Debug)]
struct Node {
    child: Child,
    lines: Lines,
    shell: Mutex<Shell>,
}

/// The Erlang shell on its standard input.
#[derive(Debug)]
struct Shell {
    input: ChildStdin,
    asked: usize,
}

impl Node {
    fn start(home: &Home) -> Node {
        // Left by a killed one.
        let _ = fs::remove_file(home.dir.join("input"));
        let mut keeper = Command::new("sh");
        home.environment(&mut keeper);
        let mut child = keeper
            .args(["-c", KEEPER])
            .arg(program("rabbitmq-server"))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell can be run");
        let lines = Lines::read(child.stdout.take().expect("stdout is a pipe"));
        let input = child.stdin.take().expect("stdin is a pipe");
        let shell = Mutex::new(Shell { input, asked: 0 });
        let node = Node { child, lines, shell };
        let ready = node.lines.wait_long_for(START_MAX, |lines| {
            lines.iter().any(|line| line.0.contains("Server startup complete")).then_some(())
        });
        assert!(
            ready.is_some(),
            "RabbitMQ does not start; `cargo xtask setup` installs it:\n{}",
            node.lines.text()
        );
        node
    }

    fn shell(&self) -> MutexGuard<'_, Shell> {
        // A failed test must not fail the others.
        self.shell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn eval(&self, expression: &str) -> Option<String> {
        let mut shell = self.shell();
        shell.asked += 1;
        let answer = format!("answer {}: ", shell.asked);
        let mut line = String::new();
        // On a separate line: the log and the shell's prompt go there too.
        writeln!(line, "io:format(\"~n{answer}~0p~n\", [catch begin {expression} end]).").ok()?;
        shell.input.write_all(line.as_bytes()).ok()?;
        self.lines.wait_long_for(START_MAX, |lines| {
            lines.iter().rev().find_map(|line| Some(line.0.strip_prefix(&answer)?.to_owned()))
        })
    }

    /// Kills it and waits until all of its processes have ended.
    fn end(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // The process group is ours until its leader has been waited for.
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_process_group(group.expect("a process has a number"), Signal::KILL)
                .expect("the group is there");
        }
        self.child.wait().expect("the child is ours");
        // Its helpers have its standard output, and end after it.
        self.lines.wait_end();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}
