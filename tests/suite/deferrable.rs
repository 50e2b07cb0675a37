//! Deferrables in a sandbox: their timeouts in real time, and as the answer of a worker. The SDK's own tests cover their rules,
//! on a clock that stands still.

use sandloop_tests::{Config, Host, Isolation, Peer, Plugin};

fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

each_isolation!(deferrables_in_real_time);
fn deferrables_in_real_time(isolation: Isolation) {
    for reactors in ["1", "2"] {
        let plugin = Plugin::new("deferrable_timeouts").isolation(isolation);
        let host = Host::start(&Config::serving(plugin).host("reactors", reactors));
        let mut peer = host.connect("deferrable_timeouts");
        assert_eq!(ask(&mut peer, "timeout 20"), "errback too late");
        assert_eq!(ask(&mut peer, "in-time 20"), "callback in time");
        assert_eq!(peer.line(), "settled true", "and no errback");
        assert_eq!(ask(&mut peer, "completion 20"), "errback too late");
        assert_eq!(peer.line(), "completed too late");
        assert_eq!(ask(&mut peer, "deferred"), "first from a worker");
        assert_eq!(peer.line(), "second from a worker");
        host.stop();
    }
}
