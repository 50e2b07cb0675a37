//! What a handler asks for before its WebSocket is open.

use super::*;

/// What is called, and what the handler hears once the server has accepted and sent `hello`, and then once it has a turn
/// and time.
type Call = fn(&WebSocket);

fn paused(socket: &WebSocket) {
    socket.pause();
}

fn resumed(socket: &WebSocket) {
    socket.pause();
    socket.resume();
}

fn sent(socket: &WebSocket) {
    socket.send_text("early");
}

fn closed(socket: &WebSocket) {
    socket.close(4001, "early").unwrap();
}

const CALLS: [(&str, Call); 4] =
    [("pause", paused), ("resume", resumed), ("send", sent), ("close", closed)];

/// Calls one of them in `make`, when it is connected, or with half of the answer; the server accepts in pieces.
fn ask_and_call(call: Call, moment: usize) -> (Side<Asking<Noting>>, codec::WebSocket) {
    let mut side = asking(None);
    let now = |side: &Side<Asking<Noting>>, at| {
        if at == moment {
            call(&side.socket);
        }
        // The answer is read, whatever the handler wants.
        assert!(!side.wire.borrow().paused, "{at}");
    };
    now(&side, 0);
    side.connection.post_init();
    side.connection.connection_completed();
    now(&side, 1);
    let request = String::from_utf8(side.sent()).unwrap();
    assert!(request.starts_with("GET ") && request.ends_with("\r\n\r\n"), "{request}");
    let answer = format!("{ACCEPTED}\r\n");
    let (head, tail) = answer.split_at(30);
    side.connection.receive_data(head.as_bytes());
    now(&side, 2);
    assert!(side.sent().is_empty() && side.log.borrow().is_empty());
    let mut server = codec::WebSocket::server(1000);
    server.send(Message::Text("hello".into())).unwrap();
    side.connection.receive_data(&[tail.as_bytes(), &server.take_output()].concat());
    (side, server)
}

#[test]
fn whenever_it_is_asked_for_the_handshake_goes_on() {
    for (name, call) in CALLS {
        for moment in 0..3 {
            let (side, mut server) = ask_and_call(call, moment);
            let heard = side.log.take();
            let said = taken(&mut server, &side.sent());
            match name {
                "pause" => {
                    assert_eq!(heard, ["open"], "{moment}");
                    assert!(side.wire.borrow().paused && side.socket.is_paused());
                    side.socket.resume();
                    turn();
                    side.check(&["hello"]);
                }
                "resume" => assert_eq!(heard, ["open", "hello"], "{moment}"),
                "send" => {
                    assert_eq!(heard, ["open", "hello"], "{moment}");
                    assert_eq!(said, [text("early")], "{moment}");
                }
                _ => assert_eq!(said, [Event::Close(4001, "early".to_owned())], "{moment}"),
            }
            assert_eq!(side.wire.borrow().ended, None, "{name} {moment}");
        }
    }
}

/// It has the time of a close for its answer, from when it could be told, and not that of a handshake.
#[test]
fn a_server_that_does_not_answer_an_early_close_is_left() {
    for moment in 0..3 {
        let (mut side, _) = ask_and_call(closed, moment);
        advance(Duration::from_millis(4_999));
        assert_eq!(side.wire.borrow().ended, None);
        advance(Duration::from_millis(1));
        assert_eq!(side.wire.borrow().ended, Some("closed"), "{moment}");
        side.connection.unbind(CloseReason::Closed);
        assert_eq!(side.log.take().last().unwrap(), "close 1006 ", "{moment}");
    }
    // A server that does not accept has the time of a handshake.
    let mut side = asking(None);
    closed(&side.socket);
    side.connection.connection_completed();
    advance(Duration::from_secs(19));
    assert_eq!(side.wire.borrow().ended, None);
    advance(Duration::from_secs(1));
    side.connection.unbind(CloseReason::Closed);
    side.check(&["close 1006 the server did not answer in time"]);
}
