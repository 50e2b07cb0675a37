//! Answers with both addresses of its connection as soon as that is opened, then echoes. Prints `unbind` with the reason.

use sandloop::{Address, CloseReason, Connection, Socket};

struct Ends(Socket);

impl Connection for Ends {
    fn post_init(&mut self) {
        let show = |end: Option<Address>| end.map_or("none".to_owned(), |end| end.to_string());
        let (peer, local) = (show(self.0.peer_address()), show(self.0.local_address()));
        self.0.send_data(format!("{peer} {local}\n"));
    }

    fn receive_data(&mut self, data: &[u8]) {
        self.0.send_data(data);
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("unbind {reason}");
    }
}

sandloop::plugin! { handlers: [Ends] }
