//! Sends back what comes.

use sandloop::{Connection, Socket};

struct Echo(Socket);

impl Connection for Echo {
    fn receive_data(&mut self, data: &[u8]) {
        self.0.send_data(data);
    }
}

sandloop::plugin! { handlers: [Echo] }

#[cfg(test)]
mod tests {
    use sandloop::testing;

    use super::Echo;

    #[test]
    fn what_comes_goes_back() {
        let peer = testing::accept(Echo);
        peer.send("hello");
        assert_eq!(peer.received(), "hello");
    }
}
