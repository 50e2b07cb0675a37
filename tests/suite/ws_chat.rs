//! The plugin ws-chat: its page in a browser, its rooms, its bounds.

use std::process::Command;

use sandloop_tests::host::finish;
use sandloop_tests::paths::{node, python};
use sandloop_tests::{Config, Host, Isolation, Plugin, workspace};

each_isolation!(a_browser_chats, a_room_hears_everything_in_one_order, bad_guests_are_told);

fn serving(isolation: Isolation) -> (Host, String) {
    let host = Host::start(&Config::serving(Plugin::new("ws-chat").isolation(isolation)));
    let address = host.address("ws-chat").replace("tcp://", "");
    (host, address)
}

#[track_caller]
fn check(mut command: Command, script: &str, arguments: &[&str]) {
    command.arg(workspace().join("tests/peers").join(script)).args(arguments);
    let outcome = finish(command);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ok\n"), "{outcome:?}");
}

fn a_browser_chats(isolation: Isolation) {
    let (_host, address) = serving(isolation);
    let profile = tempfile::tempdir().expect("a temporary directory");
    let profile = profile.path().display().to_string();
    check(node(), "browser_chat.js", &[&format!("http://{address}/"), &profile]);
}

fn a_room_hears_everything_in_one_order(isolation: Isolation) {
    let (_host, address) = serving(isolation);
    let url = format!("ws://{address}/chat");
    check(Command::new(python()), "websocket_chat.py", &[&url]);
}

fn bad_guests_are_told(isolation: Isolation) {
    let (host, _) = serving(isolation);
    let status = |path: &str| {
        let mut peer = host.connect("ws-chat");
        peer.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        peer.finish();
        let answer = String::from_utf8_lossy(&peer.rest()).into_owned();
        answer.get(9..12).unwrap_or_default().to_owned()
    };
    assert_eq!(status("/"), "200");
    assert_eq!(status("/nowhere"), "404");
    assert_eq!(status("/chat"), "426");
    assert_eq!(status("/chat?room=%00"), "400");
    assert_eq!(status(&format!("/chat?room={}", "x".repeat(65))), "400");
}
