//! Calls every method of its socket in `unbind` and, if the instance continues, from a timer after it; prints each answer. The
//! last line is `unbind: end`, or `later: end`.

use std::time::Duration;

use sandloop::{CloseReason, Connection, ErrorCode, Socket, add_timer};

struct Stale(Socket);

impl Connection for Stale {
    fn unbind(&mut self, _reason: CloseReason) {
        try_everything("unbind", &self.0);
        let socket = self.0.clone();
        add_timer(Duration::from_millis(10), move || try_everything("later", &socket));
    }
}

fn try_everything(when: &str, socket: &Socket) {
    let told = |what: &str, answer: String| println!("{when}: {what} {answer}");
    told("send_data", name(socket.try_send_data("too late")));
    told("half_close", name(socket.half_close()));
    socket.send_data("too late");
    socket.close_connection();
    socket.close_connection_after_writing();
    socket.keep_half_open(true);
    socket.pause();
    socket.resume();
    socket.set_comm_inactivity_timeout(Duration::from_millis(1));
    let _ = socket.set_pending_connect_timeout(Duration::from_millis(1));
    let _ = (socket.comm_inactivity_timeout(), socket.pending_connect_timeout());
    let _ = (socket.is_paused(), socket.peer_finished(), socket.idle_time(), socket.id());
    told("peer_address", socket.peer_address().map_or("none".into(), |end| end.to_string()));
    told("local_address", socket.local_address().map_or("none".into(), |end| end.to_string()));
    told("outbound_data_size", socket.outbound_data_size().to_string());
    told("end", String::new());
}

fn name(answer: Result<(), ErrorCode>) -> String {
    answer.map_or_else(|error| error.name(), |()| "ok").to_owned()
}

sandloop::plugin! { handlers: [Stale] }
