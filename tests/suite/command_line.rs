//! The command line among other commands: pipes that close, devices that are full, missing outputs.

use std::fs;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use sandloop_tests::host::{command, finish};
use sandloop_tests::{Config, Outcome, Plugin, component, paths, sandloop};
use tempfile::TempDir;

/// The commands, and their exit codes.
fn questions() -> Vec<(Vec<String>, i32)> {
    let good = component("echo").display().to_string();
    [
        (vec!["--help"], 0),
        (vec!["--version"], 0),
        (vec!["check"], 0),
        (vec!["check", "--explain"], 0),
        (vec!["check", "wrong.toml"], 2),
        (vec!["check", "no-such-file"], 2),
        (vec!["run", "wrong.toml"], 2),
        (vec!["run", "no-component.toml"], 3),
        (vec!["inspect", &good], 0),
        (vec!["inspect", "wrong.toml"], 3),
        (vec!["no-such-command"], 2),
        (vec![], 2),
    ]
    .map(|(words, code)| (words.into_iter().map(str::to_owned).collect(), code))
    .to_vec()
}

fn directory() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write =
        |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("a new file");
    let config = Config::serving(Plugin::new("echo")).to_toml();
    write("plugins.toml", &config);
    write("wrong.toml", "[host]\nlog = \"wran\"\n");
    write("no-component.toml", &config.replace("echo.wasm", "no-such.wasm"));
    dir
}

/// The faults of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    No,
    /// Its reader is gone.
    Pipe,
    /// Its device is full.
    Full,
    /// It is closed.
    Closed,
}

impl Broken {
    fn stdio(self) -> Stdio {
        match self {
            Broken::Pipe => {
                let (reader, writer) = std::io::pipe().expect("a new pipe");
                drop(reader);
                writer.into()
            }
            Broken::Full => File::options().write(true).open("/dev/full").expect("a device").into(),
            Broken::No | Broken::Closed => Stdio::piped(),
        }
    }
}

fn ask(dir: &Path, words: &[String], [stdout, stderr]: [Broken; 2]) -> Outcome {
    let closes = [(stdout, ">&-"), (stderr, "2>&-")];
    let closes = closes.into_iter().filter(|(broken, _)| *broken == Broken::Closed);
    let closes: Vec<&str> = closes.map(|(_, words)| words).collect();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {}", closes.join(" ")));
    shell.arg(paths::binary()).args(words).current_dir(dir).stdin(Stdio::null());
    shell.env_remove("SANDLOOP_LOG").env_remove("RUST_BACKTRACE");
    let output = shell.stdout(stdout.stdio()).stderr(stderr.stdio()).output().expect("a shell");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn an_output_that_takes_nothing_changes_no_answer() {
    let dir = directory();
    let kinds = [Broken::No, Broken::Pipe, Broken::Full, Broken::Closed];
    for (words, code) in questions() {
        for stdout in kinds {
            for stderr in kinds {
                let outcome = ask(dir.path(), &words, [stdout, stderr]);
                let case = format!("{words:?}, stdout {stdout:?}, stderr {stderr:?}: {outcome:?}");
                assert_eq!(outcome.code, Some(code), "{case}");
                assert!(!outcome.stderr.contains("panicked"), "{case}");
            }
        }
    }
}

#[test]
fn what_was_lost_is_told_and_what_nobody_wanted_is_not() {
    let dir = directory();
    let check = vec!["check".to_owned(), "--explain".to_owned()];
    let lost = ask(dir.path(), &check, [Broken::Full, Broken::No]);
    assert_eq!(
        lost.stderr,
        "warning: standard output is not written: No space left on device (os error 28)\n"
    );
    assert_eq!(ask(dir.path(), &check, [Broken::Pipe, Broken::No]).stderr, "");
}

/// Files, handlers and addresses may have any names: none of them moves the cursor, changes colours or adds a line.
#[test]
fn a_name_is_shown_as_what_it_is() {
    const ODD: &str = "a\u{1b}[31m\nerror: b\u{202e}";
    let dir = directory();
    let path = |name: &str| dir.path().join(name);
    let good = fs::read_to_string(path("plugins.toml")).expect("a file");
    let toml = format!("{ODD}.toml");
    fs::write(path(&toml), "[host]\nlog = \"wran\"\n").expect("a new file");
    fs::copy(component("echo"), path(&format!("{ODD}.wasm"))).expect("a new file");
    fs::create_dir(path("transcripts")).expect("a new folder");
    fs::write(path(&format!("transcripts/{ODD}.transcript")), "").expect("a new file");
    fs::create_dir(path("wrong")).expect("a new folder");
    fs::write(path(&format!("wrong/{ODD}.transcript")), "wrong").expect("a new file");
    let quoted = "a\\u001b[31m\\nerror: b\\u202e";
    let write = |name: &str, text: String| fs::write(path(name), text).expect("a new file");
    write("component.toml", good.replace("echo.wasm", quoted));
    write("handler.toml", format!("{good}handler = \"{quoted}\"\n"));
    write("connect.toml", format!("{good}[plugins.echo.allow]\nconnect = [\"{quoted}\"]\n"));
    write("listen.toml", format!("{good}[plugins.echo.allow]\nlisten = [\"{quoted}\"]\n"));
    write("channels.toml", format!("{good}[plugins.echo.allow]\nchannels = [\"{quoted}\"]\n"));
    write("include.toml", format!("include = [\"{quoted}.toml\"]\n{good}"));
    let wasm = format!("{ODD}.wasm");
    for words in [
        vec!["check", &*toml],
        vec!["run", &toml],
        vec!["check", "no-such\u{1b}\n.toml"],
        vec!["check", "component.toml"],
        vec!["check", "handler.toml"],
        vec!["check", "connect.toml"],
        vec!["check", "listen.toml"],
        vec!["check", "channels.toml"],
        vec!["check", "include.toml"],
        vec!["inspect", "no-such\u{1b}\n.wasm"],
        vec!["verify", &wasm, "--key", "no-such\u{1b}\n.pub"],
        vec!["sign", &wasm, "--key", "no-such\u{1b}\n.key"],
        vec!["build", "plugins.toml", ODD],
        vec!["new", ODD, "--lang", "rust"],
        vec!["new", "hello", "--lang", ODD],
        vec!["test", "plugins.toml", "transcripts"],
        vec!["test", "plugins.toml", "wrong"],
        vec!["top", &toml],
        vec!["health", &toml],
    ] {
        let outcome = sandloop(dir.path(), &words);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        let is_odd = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!said.contains(is_odd), "{words:?}: {said:?}");
        // A transcript that has passed prints a second line.
        let lines = if words[0] == "test" { 2 } else { 1 };
        assert!(said.lines().count() <= lines, "{words:?}: {said:?}");
        assert!(!said.contains("\nerror: b"), "{words:?}: {said:?}");
    }
}

/// `| head -1` closes the pipe in the middle.
#[test]
fn a_reader_may_stop_reading() {
    let dir = directory();
    let script = "\"$0\" check --explain | head -1; exit \"${PIPESTATUS[0]}\"";
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(script).arg(paths::binary()).current_dir(dir.path());
    shell.env_remove("SANDLOOP_LOG");
    let outcome = finish(shell);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!((&*outcome.stdout, &*outcome.stderr), ("[host]\n", ""));
}

#[test]
fn a_log_level_that_is_none_is_refused_by_every_command() {
    let dir = directory();
    let good = component("echo").display().to_string();
    let commands: [&[&str]; 4] =
        [&["run"], &["check"], &["check", "--explain"], &["inspect", &good]];
    for value in
        ["verbose", "wran", "warn ", " ", "2", "info;debug", "=", "sandloop_host=loud", "info,"]
    {
        for words in commands {
            let mut command = command(dir.path());
            command.args(words).env("SANDLOOP_LOG", value);
            let outcome = finish(command);
            assert_eq!(outcome.code, Some(2), "{value:?}, {words:?}: {outcome:?}");
            assert!(
                outcome.stderr.starts_with("error: SANDLOOP_LOG: ")
                    && outcome.stderr.ends_with(
                        "is not a log level; write error, warn, info, debug, trace or off, or leave it unset\n"
                    ),
                "{value:?}, {words:?}: {outcome:?}"
            );
            assert_eq!(outcome.stdout, "", "{value:?}, {words:?}");
        }
    }
}

/// The log of `check` for a configuration with a warning, at each level.
#[test]
fn a_log_level_says_what_is_logged() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let plugin =
        Plugin::new("echo").key("options", "{ password = { env = \"SANDLOOP_TEST_EMPTY\" } }");
    let config = Config::serving(plugin).host("compile_cache", "\"off\"");
    fs::write(dir.path().join("plugins.toml"), config.to_toml()).expect("a new file");
    let doubt = "plugins.echo.options.password: the environment variable \"SANDLOOP_TEST_EMPTY\" is set to nothing";
    for (value, is_told) in [
        ("", true),
        ("warn", true),
        ("INFO", true),
        ("debug", true),
        ("trace", true),
        ("sandloop_host=warn,sandloop=warn", true),
        ("error", false),
        ("off", false),
        ("wasmtime=error", false),
    ] {
        let mut command = command(dir.path());
        command.arg("check").env("SANDLOOP_LOG", value).env("SANDLOOP_TEST_EMPTY", "");
        let outcome = finish(command);
        assert_eq!(outcome.code, Some(0), "{value:?}: {outcome:?}");
        assert_eq!(outcome.stderr.contains(doubt), is_told, "{value:?}: {outcome:?}");
        // The compiler alone logs thousands of lines at this level.
        let lines = outcome.stderr.lines().count();
        assert!(lines < 100, "{value:?}: {lines} lines");
    }
}

/// A pipe or a device instead of a file is refused without waiting.
#[test]
fn what_is_no_file_is_refused() {
    let dir = directory();
    let config = Config::serving(Plugin::named("zero", Path::new("/dev/zero"))).to_toml();
    fs::write(dir.path().join("device.toml"), config).expect("a new file");
    let secret = Plugin::new("echo").key("options", "{ password = { file = \"/dev/zero\" } }");
    let secret = Config::serving(secret).to_toml();
    fs::write(dir.path().join("secret.toml"), secret).expect("a new file");
    let neither = "it is neither a file nor a pipe";
    for (words, code, cause) in [
        (["check", "/dev/zero"], 2, neither),
        (["run", "/dev/tty"], 2, neither),
        (["check", "."], 2, "it is a folder"),
        (["check", "secret.toml"], 2, neither),
        (["check", "device.toml"], 3, "it is not a file"),
        (["inspect", "/dev/zero"], 3, "it is not a file"),
    ] {
        let outcome = sandloop(dir.path(), &words);
        assert_eq!(outcome.code, Some(code), "{words:?}: {outcome:?}");
        assert!(outcome.stderr.contains(cause), "{words:?}: {outcome:?}");
    }
}
