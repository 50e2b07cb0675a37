//! Each line goes to everyone else.

use sandloop::{Channel, Socket, Subscription, frames::LineText2};

struct Chat(Subscription);

impl Chat {
    fn new(socket: Socket) -> Chat {
        Chat(Channel::new("chat").subscribe(move |line| socket.send_data(line)))
    }
}

impl LineText2 for Chat {
    fn receive_line(&mut self, line: &[u8]) {
        self.0.push_to_others([line, b"\n"].concat());
    }
}

sandloop::plugin! { handlers: [Chat::new] }

#[cfg(test)]
mod tests {
    use sandloop::testing;

    use super::Chat;

    #[test]
    fn a_line_goes_to_the_others() {
        let (one, other) = (testing::accept(Chat::new), testing::accept(Chat::new));
        one.send("hel");
        one.send("lo\n");
        assert_eq!(other.received(), "hello\n");
        assert_eq!(one.received(), "");
    }
}
