//! The live page in an independent browser.

use sandloop_tests::host::finish;
use sandloop_tests::paths::node;
use sandloop_tests::{Config, Isolation, Listen, Plugin, workspace};

use super::{TOKEN, over_tcp};

#[test]
fn a_browser_shows_it_and_its_policy_holds() {
    let plugin = Plugin::new("connect_trace").isolation(Isolation::Plugin).prints();
    let hostile = plugin.option("target", "unix:///run/<img/src=x/onerror=alert(1)>");
    let config = Config::serving(Plugin::new("echo"))
        .plugin(Plugin::named("trap", &sandloop_tests::component("hostile_trap")))
        .listen(Listen::tcp("trap"))
        .plugin(hostile);
    let (host, admin) = over_tcp(config);
    host.wait_log("denied");
    let mut trap = host.connect("trap");
    trap.send("x");
    trap.expect_end();
    host.connect("echo").expect_echo("helo\n");
    let profile = tempfile::tempdir().expect("a temporary directory");
    let mut command = node();
    command.arg(workspace().join("tests/peers/browser_admin.js"));
    command.arg(format!("http://{}/", admin.host())).arg(TOKEN).arg(profile.path());
    // A screenshot for people, if one is requested.
    command.args(std::env::var_os("SANDLOOP_SCREENSHOT"));
    let outcome = finish(command);
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "ok\n"), "{outcome:?}");
}
