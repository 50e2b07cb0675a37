//! Connects to the option `server`, says hello, and logs the first line of the answer.

use std::time::Duration;

use sandloop::{
    CloseReason, Program, add_timer, connect, error, info, options, stop, warn,
    frames::{LineSocket, LineText2},
};

struct Client {
    socket: LineSocket,
    is_answered: bool,
}

impl Client {
    fn new(socket: LineSocket) -> Client {
        Client { socket, is_answered: false }
    }
}

impl LineText2 for Client {
    fn connection_completed(&mut self) {
        self.socket.send_data("hello\n");
    }

    fn receive_line(&mut self, line: &[u8]) {
        if !self.is_answered {
            self.is_answered = true;
            info!("answer: {}", String::from_utf8_lossy(line));
            self.socket.close_connection();
            stop();
        }
    }

    fn unbind(&mut self, reason: CloseReason) {
        if !self.is_answered {
            warn!("no answer: {reason}; again in a second");
            add_timer(Duration::from_secs(1), dial);
        }
    }
}

fn dial() {
    let server = options::get("server").unwrap_or_default();
    let (host, port) = server.rsplit_once(':').unwrap_or_default();
    let made = connect(host, port.parse().unwrap_or(0), Client::connection(Client::new));
    if let Err(cause) = made {
        error!("no connect to the option `server`, {server:?}: {cause}");
    }
}

struct Start;

impl Program for Start {
    fn start() -> sandloop::Result {
        dial();
        Ok(())
    }
}

sandloop::plugin! { program: Start }

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sandloop::{Program, testing};

    use super::Start;

    #[test]
    fn it_tries_again_until_it_is_answered() {
        testing::set_option("server", "127.0.0.1:10000");
        Start::start().expect("it starts");
        testing::dial().refuse();
        testing::advance(Duration::from_secs(1));
        let server = testing::dial().accept();
        assert_eq!(server.received(), "hello\n");
        server.send("hi\n");
        assert!(testing::is_stopped());
    }
}
