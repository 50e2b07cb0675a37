//! `sandloop test`: transcripts that pass, and the messages for those that do not.

use std::fmt::Write;
use std::fs;

use sandloop_tests::{Outcome, component, sandloop, workspace};
use tempfile::TempDir;

/// A folder with a configuration, and a transcript in the usual place.
fn project(config: &str, transcript: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("a file");
    write("plugins.toml", config);
    fs::create_dir(dir.path().join("tests")).expect("a folder");
    write("tests/one.transcript", transcript);
    dir
}

/// One plugin whose connections come by a listener, with these keys in its section and in that of the listener.
fn serving(name: &str, keys: &str, listen: &str) -> String {
    let component = component(name);
    // No port is bound: this one needs a privilege, and would be in use wherever a server listens.
    format!(
        "[plugins.p]\ncomponent = {component:?}\n{keys}\n[[listen]]\naddress = \"tcp://127.0.0.1:1\"\nplugin = \"p\"\n{listen}"
    )
}

fn played(config: &str, transcript: &str) -> Outcome {
    sandloop(project(config, transcript).path(), &["test"])
}

#[track_caller]
fn passes(config: &str, transcript: &str) {
    let Outcome { code, stdout, stderr } = played(config, transcript);
    let all = "ok      tests/one.transcript\n1 transcript: 1 passed, 0 failed\n";
    assert_eq!((code, &*stdout, &*stderr), (Some(0), all, ""), "{transcript}");
}

/// The output for a transcript that fails, without its first line and its last.
#[track_caller]
fn fails(config: &str, transcript: &str) -> String {
    let Outcome { code, stdout, stderr } = played(config, transcript);
    assert_eq!((code, &*stderr), (Some(1), ""), "{stdout}");
    let said = stdout.strip_prefix("FAILED  tests/one.transcript\n");
    let said = said.and_then(|said| said.strip_suffix("1 transcript: 0 passed, 1 failed\n"));
    said.unwrap_or_else(|| panic!("{stdout}")).to_owned()
}

#[track_caller]
fn fails_with(config: &str, transcript: &str, expected: &str) {
    assert_eq!(fails(config, transcript), expected, "{transcript}");
}

#[test]
fn what_is_expected_passes() {
    let echo = serving("echo", "", "");
    passes(&echo, "> one\n< one\n> tw\\\n< tw\\\n> o\n< o\n! open\nclose\n");
    passes(&echo, "connect a\nconnect b\na> 1\na< 1\nb> 2\nb< 2\n");
    passes(&serving("c_echo", "", ""), "> hello from C\n< hello from C\n");
    let two = "isolation = \"plugin\"";
    passes(&serving("chat", two, ""), "connect a\nconnect b\na> hi\nb< hi\nclose b\na> alone\n");
}

#[test]
fn time_passes_only_where_it_is_said() {
    let inactivity = serving("inactivity", "", "options = { timeout = 1000 }");
    passes(
        &inactivity,
        "> a\n< a\n@600ms\n> b\n< b\n@999ms\n! open\n@1ms\n! closed\nlog info unbind inactivity-timeout\n",
    );
    // An hour of it takes no time, and a guest that sleeps for ever moves the clock up to its bound.
    passes(&inactivity.replace("1000", "3600000"), "> a\n< a\n@59m\n! open\n@1m\n! closed\n");
    let sleeps = serving("hostile_sleep", "", "options = { callback = \"receive_data\" }");
    let said = fails(&sleeps, "> x\n! closed\n");
    assert!(said.contains("limit: event_deadline"), "{said}");
}

/// Each line is one datagram, by `udp://` and by a socket of the plugin; a target that gets one first is a dialled one.
#[test]
fn datagrams_come_and_go_whole() {
    let echo = serving("echo", "", "").replace("tcp://", "udp://");
    passes(
        &echo,
        "> one\n< one\nconnect b\nb> a\\\nb< a\\\n> two\\nlines\n< two\\nlines\n! open\nclose b\n",
    );
    fails_with(
        &echo,
        "> one\n< on\\\n< e\n",
        "tests/one.transcript:2: this was expected, and something else has come\n    - < on\\\n    - < e\n    + < one\n",
    );
    let ended = fails(&echo, "> one\n< one\nend\n");
    assert!(ended.contains(":3: datagrams have no end: `close` has the peer be gone"), "{ended}");
    let own = "isolation = \"plugin\"\nallow = { listen = [\"udp:127.0.0.1:5000\"], connect = [\"10.0.0.1:53\"] }";
    let sockets = serving("sockets", own, "handler = \"control\"");
    passes(
        &sockets,
        "> datagrams 127.0.0.1 5000\n< ok 127.0.0.1 5000\nconnect a to udp://127.0.0.1:5000\na> hello\\\na< hello\\\n\
         a> to 10.0.0.1 53 hi\\\ndialled b udp:10.0.0.1:53\nb< hi\\\nb> back\\\nb< back\\\n",
    );
}

#[test]
fn what_plugins_dial_is_the_transcripts() {
    let trace = component("connect_trace");
    let config = format!(
        "[plugins.p]\ncomponent = {trace:?}\nisolation = \"plugin\"\n\
         allow = {{ connect = [\"127.0.0.1:7000\", \"db.example:5432\"], stop = true }}\n"
    );
    passes(
        &config,
        "option target = \"tcp://db.example:5432\"\noption send = \"hello\"\ndialled db db.example:5432\naccept db\ndb< hello\\\n\
         close db\nlog info 0 unbind peer-closed\n",
    );
    passes(
        &config,
        "option target = \"tcp://127.0.0.1:7000\"\noption stop = \"yes\"\ndialled localhost:7000\nrefuse\nlog info 0 unbind refused\n! stopped\n",
    );
    passes(
        &config,
        "option target = \"tcp://127.0.0.1:7000\"\noption pending_timeout = 300\ndialled silent\n@299ms\nsilent! open\n@1ms\nsilent! closed\n\
         log info 0 unbind connect-timeout\n",
    );
    passes(
        &config,
        "option target = \"tcp://127.0.0.1:7000\"\ndialled a\naccept a\nreset a\nlog info 0 unbind reset\n",
    );
    fails_with(
        &config,
        "option target = \"tcp://127.0.0.1:7000\"\n@1s\n",
        "tests/one.transcript:2: then the plugin has connected to 127.0.0.1:7000, which nobody expected; if it should, write \
         `dialled NAME 127.0.0.1:7000`\n    the log since the last step that does something:\n      INFO  p: 0 post_init\n",
    );
}

#[test]
fn what_a_plugin_listens_at_is_found() {
    let config =
        serving("sockets", "allow = { listen = [\"127.0.0.1:5000\"] }", "handler = \"control\"");
    passes(
        &config,
        "connect control to control\ncontrol> start tcp 127.0.0.1 5000 told\ncontrol< ok 0 tcp://127.0.0.1:5000\n\
         connect own to tcp://127.0.0.1:5000\nown< tcp://127.0.0.1:5000 by the plugin 1\nown> x\nown< x\nclose own\n",
    );
}

#[test]
fn work_off_the_loop_is_waited_for() {
    let deferred = serving("deferred", "", "");
    passes(&deferred, "> fib 20\n< done 6765\n> fail no\n< failure Failed(\"no\")\n");
    let many: String = (0..20).fold(String::new(), |mut lines, n| {
        let _ = writeln!(lines, "> fib {n}");
        let _ = writeln!(lines, "< done {}", (0..n).fold((0_u64, 1_u64), |(a, b), _| (b, a + b)).0);
        lines
    });
    passes(&deferred, &many);
}

#[test]
fn what_differs_is_shown() {
    let echo = serving("echo", "", "");
    fails_with(
        &echo,
        "> one\n> two\n< two\n",
        "tests/one.transcript:1: then something came that nobody expected\n    + < one\n",
    );
    fails_with(
        &echo,
        "> a\\nb\\nc\n< a\n< x\n< c\n",
        "tests/one.transcript:3: this was expected, and something else has come\n      < a\n    - < x\n    + < b\n      < c\n",
    );
    fails_with(
        &echo,
        "connect a\na> \\x00\\xff\na< \\x00\\xff\na< more\n",
        "tests/one.transcript:4: this was expected on \"a\", and nothing more has come\n      a< \\x00\\xff\n    - a< more\n",
    );
    fails_with(
        &echo,
        "> on\\\n< one\n",
        "tests/one.transcript:2: this was expected, and something else has come\n    - < one\n    + < on\\\n",
    );
    fails_with(
        &echo,
        "> a\n< a\n! closed\n",
        "tests/one.transcript:3: expected: closed; it is open\n",
    );
    fails_with(
        &echo,
        "> a\n! closed\n",
        "tests/one.transcript:2: before that something came that nobody expected\n    + < a\n",
    );
    fails_with(
        &echo,
        "> a\n< a\nend\n",
        "tests/one.transcript:3: then the plugin has closed the connection, which nobody expected; if it should, write `! closed`\n",
    );
    fails_with(
        &echo,
        "> a\n< a\nclose\n> b\n",
        "tests/one.transcript:4: the connection is closed\n",
    );
    fails_with(&echo, "> a\n< a\n! stopped\n", "tests/one.transcript:3: the loop goes on\n");
    fails_with(
        &echo,
        "dialled a\n",
        "tests/one.transcript:1: the plugin has connected to nobody\n",
    );
    fails_with(
        &echo,
        "connect to http\n",
        "tests/one.transcript:1: no listener is at \"http\"; there are: `connect to tcp://127.0.0.1:1`\n",
    );
    fails_with(
        &serving("stop_sends", "allow = { stop = true }", ""),
        "> x\n< xxxx\\\n! closed\n",
        "tests/one.transcript:3: then the loop has ended, which nobody expected; if it should, write `! stopped`\n    \
         the log since the last step that does something:\n      INFO  p: unbind stopped\n",
    );
    fails_with(
        &serving("prints", "", ""),
        "> stdout\n< no\n",
        "tests/one.transcript:2: this was expected, and something else has come\n    - < no\n    + < ok\n    \
         the log since the last step that does something:\n      INFO  p: to standard output\n",
    );
}

#[test]
fn a_trap_is_told_with_its_last_words() {
    let trap = serving("hostile_trap", "", "options = { callback = \"receive_data\" }");
    for transcript in ["> x\n< x\n", "> x\n! closed\n> y\n", "> x\n! closed\n"] {
        let said = fails(&trap, transcript);
        for words in [
            "something has failed: see the log\n",
            "ERROR p: trapped\n",
            "event: receive-data\n",
            "on purpose\n",
            "cause: wasm trap: wasm `unreachable` instruction executed\n",
        ] {
            assert!(said.contains(words), "{words:?} in {said}");
        }
    }
    // A transcript that expects a trap has to state it.
    passes(&trap, "> x\n! closed\nlog error trapped\n");
}

#[test]
fn what_never_rests_is_told() {
    let differential = |script: &str| {
        let component = component("differential");
        format!(
            "[plugins.p]\ncomponent = {component:?}\nisolation = \"plugin\"\n[plugins.p.options]\nscript = {script:?}\n"
        )
    };
    let said = fails(&differential("start:\n tick again\nagain:\n tick again\n"), "@1s\n");
    assert!(said.starts_with("tests/one.transcript:1: the plugin is never idle: "), "{said}");
    let spins = serving(
        "hostile_loop",
        "limits = { cpu_per_event = \"50ms\" }",
        "options = { callback = \"receive_data\" }",
    );
    let said = fails(&spins, "> x\n! closed\n");
    assert!(said.contains("limit: cpu_per_event"), "{said}");
}

#[test]
fn what_is_wrong_is_told_before_anything_is_played() {
    let echo = serving("echo", "", "");
    let wrong = |config: &str, transcript: &str, words: &[&str], code: i32, expected: &str| {
        let dir = project(config, transcript);
        let Outcome { code: is, stdout, stderr } = sandloop(dir.path(), words);
        assert_eq!((is, &*stdout, &*stderr), (Some(code), "", expected), "{words:?}");
    };
    wrong(
        &echo,
        "> a\nnonsense\n",
        &["test"],
        2,
        "error: tests/one.transcript:2: \"nonsense\" is no step; a line begins with >, <, !, @, #, connect, close, end, reset, \
         dialled, accept, refuse, log, option or stop\n",
    );
    wrong(
        &echo,
        "",
        &["test", "--plugin", "q"],
        2,
        "error: plugins.toml has no plugin \"q\"; it has p\n",
    );
    wrong(
        &echo,
        "",
        &["test", "--only", "two"],
        2,
        "error: no transcript has \"two\" in its path\n",
    );
    wrong(
        &echo,
        "",
        &["test", "no-such.transcript"],
        2,
        "error: no-such.transcript: No such file or directory (os error 2)\n",
    );
    wrong(
        &echo,
        "option q.a = 1\n",
        &["test"],
        2,
        "error: tests/one.transcript:1: there is no plugin \"q\"; there are p\n",
    );
    let dir = tempfile::tempdir().expect("a temporary directory");
    fs::write(dir.path().join("plugins.toml"), &echo).expect("a file");
    assert_eq!(
        sandloop(dir.path(), &["test"]).stderr,
        "error: tests: No such file or directory (os error 2); name transcripts, or write tests/NAME.transcript beside plugins.toml\n"
    );
}

#[test]
fn several_are_played_and_counted() {
    let dir = project(&serving("echo", "", ""), "> a\n< a\n");
    fs::write(dir.path().join("tests/two.transcript"), "> a\n< b\n").expect("a file");
    fs::write(dir.path().join("tests/README"), "no transcript").expect("a file");
    let Outcome { code, stdout, .. } = sandloop(dir.path(), &["test"]);
    let expected = "ok      tests/one.transcript\nFAILED  tests/two.transcript\n\
                    tests/two.transcript:2: this was expected, and something else has come\n    - < b\n    + < a\n\
                    2 transcripts: 1 passed, 1 failed\n";
    assert_eq!((code, &*stdout), (Some(1), expected));
    let only = sandloop(dir.path(), &["test", "plugins.toml", "tests", "--only", "one"]);
    assert_eq!(only.code, Some(0), "{}", only.stdout);
}

/// Random numbers, the date, ports, the order of simultaneous events: all are determined by the transcript.
#[test]
fn a_transcript_has_the_same_end_each_time() {
    let config = serving("deferred", "isolation = \"plugin\"", "");
    let transcript = "connect a\nconnect b\na> fib 15\nb> fib 16\na< nothing\n";
    let dir = project(&config, transcript);
    let first = sandloop(dir.path(), &["test"]).stdout;
    let many: Vec<&str> = std::iter::repeat_n("tests/one.transcript", 300).collect();
    let all = sandloop(dir.path(), &[&["test"], &*many].concat()).stdout;
    let one = first.strip_suffix("1 transcript: 0 passed, 1 failed\n").expect("it fails");
    let expected = one.repeat(300) + "300 transcripts: 0 passed, 300 failed\n";
    assert!(all == expected, "{all}");
}

/// The expectations of the samples, which every language has to meet, met by the repository's own.
#[test]
fn the_samples_are_as_they_are_told() {
    let sample = |name: &str| {
        fs::read_to_string(workspace().join(format!("sdk/samples/{name}.transcript")))
            .expect("it is there")
    };
    passes(&serving("echo", "", ""), &sample("echo"));
    passes(&serving("c_echo", "", ""), &sample("echo"));
    passes(&serving("chat", "", ""), &sample("chat"));
}
