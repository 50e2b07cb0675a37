//! Every line, and every mistake.

use super::*;

#[track_caller]
fn parsed(text: &str) -> Vec<What> {
    let script = Script::parse(Path::new("t"), text).unwrap_or_else(|error| panic!("{error}"));
    script.steps.into_iter().map(|step| step.what).collect()
}

#[test]
fn every_line_has_its_meaning() {
    use Expectation::*;
    use ScriptAction::*;
    let name = |name: &str| name.to_owned();
    let seconds = |seconds| What::Do(Advance(Duration::from_secs(seconds)));
    for (line, is) in [
        ("> one", What::Do(Send(name(""), b"one\n".to_vec()))),
        (">", What::Do(Send(name(""), b"\n".to_vec()))),
        (">  two", What::Do(Send(name(""), b" two\n".to_vec()))),
        ("< \\", What::Expect(Receive(name(""), b"".to_vec()))),
        ("connect", What::Do(Connect(name(""), None))),
        ("connect to chat", What::Do(Connect(name(""), Some(name("chat"))))),
        (
            "connect b to tcp://0.0.0.0:7",
            What::Do(Connect(name("b"), Some(name("tcp://0.0.0.0:7")))),
        ),
        ("@5s", seconds(5)),
        ("@ 2m", seconds(120)),
        ("@1h", seconds(3600)),
        ("@20ms", What::Do(Advance(Duration::from_millis(20)))),
        ("! closed", What::Expect(Is(name(""), PeerState::Closed))),
        ("!open", What::Expect(Is(name(""), PeerState::Open))),
        ("! stopped", What::Expect(Stopped)),
        ("dialled s localhost:7", What::Expect(Dialled(name("s"), Some(name("127.0.0.1:7"))))),
        ("dialled unix:/run/x", What::Expect(Dialled(name(""), Some(name("unix:/run/x"))))),
        ("dialled s", What::Expect(Dialled(name("s"), None))),
        ("log info answer: hello", What::Expect(Log("info", name("answer: hello")))),
        ("end", What::Do(End(name("")))),
        ("reset", What::Do(Reset(name("")))),
        ("accept", What::Do(Accept(name("")))),
        ("refuse", What::Do(Refuse(name("")))),
        ("stop", What::Do(Stop)),
    ] {
        assert_eq!(parsed(line), [is], "{line}");
    }
    assert_eq!(parsed("\n# a comment\n  # another\n\n"), []);
    assert_eq!(parsed("connect a\r\na> x\r\n").len(), 2);
    let text = "option answer = 42\noption p.words = [\"a\"]\n> x";
    let script = Script::parse(Path::new("t"), text).unwrap();
    let [first, second] = &*script.options else { panic!("{script:?}") };
    assert_eq!((&*first.key, &first.plugin, &first.value), ("answer", &None, &42.into()));
    assert_eq!((&*second.key, second.plugin.as_deref()), ("words", Some("p")));
    assert_eq!(script.steps[0].line, 3);
}

#[test]
fn a_wrong_line_is_told_with_what_could_stand_there() {
    const VERBS: &str = "connect, close, end, reset, dialled, accept, refuse, log, option or stop";
    for (text, line, cause) in [
        ("conect a", 1, format!("\"conect\" is no step (did you mean `connect`?); a line begins with >, <, !, @, #, {VERBS}")),
        ("> a\nhello", 2, format!("\"hello\" is no step; a line begins with >, <, !, @, #, {VERBS}")),
        ("b> x", 1, "there is no connection \"b\" yet; `connect b` makes one, and `dialled b` names one of the plugin's".to_owned()),
        (">x", 1, "write a blank behind >".to_owned()),
        ("> x ", 1, "a blank at the end is not seen; write \\x20 for it, or \\t".to_owned()),
        (" > x", 1, "a line begins without a blank".to_owned()),
        ("@5", 1, "\"5\" is no time; write a number with ms, s, m or h, as in @5s; 49 days at most".to_owned()),
        ("@2000h", 1, "\"2000h\" is no time; write a number with ms, s, m or h, as in @5s; 49 days at most".to_owned()),
        ("! shut", 1, "\"shut\" is no state; write `! closed`, `! ended`, `! reset`, `! open` or `! stopped`".to_owned()),
        ("connect a b", 1, "write `connect`, `connect NAME`, `connect to HANDLER` or `connect NAME to HANDLER`".to_owned()),
        ("connect to", 1, "\"to\" is no name of a connection; write letters, digits, - and _".to_owned()),
        ("connect a/b", 1, "\"a/b\" is no name of a connection; write letters, digits, - and _".to_owned()),
        ("log loud hello", 1, "write `log LEVEL TEXT` with error, warn, info, debug or trace".to_owned()),
        ("stop now", 1, "write `stop`".to_owned()),
        ("close a b", 1, "write `close` or `close NAME`".to_owned()),
        ("> x\noption a = 1", 2, "options stand before the first step: plugins begin with them".to_owned()),
        ("option a 1", 1, "there is no =; write `option KEY = VALUE`, as in option server = \"127.0.0.1:7000\"".to_owned()),
        ("option a = b", 1, "the value is not as in plugins.toml; write `option KEY = VALUE`, as in option server = \"127.0.0.1:7000\"".to_owned()),
    ] {
        let error = Script::parse(Path::new("t"), text).unwrap_err();
        assert_eq!((error.line, &error.cause), (line, &cause), "{text}");
        assert_eq!(error.to_string(), format!("t:{line}: {cause}"));
    }
}
