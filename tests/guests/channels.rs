//! Channels on request, one command a line.

use sandloop::{Channel, Socket, Subscription, frames::LineText2};

struct Channels {
    socket: Socket,
    subscriptions: Vec<Subscription>,
}

impl Channels {
    fn new(socket: Socket) -> Self {
        Channels { socket, subscriptions: Vec::new() }
    }

    fn command(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (name, room, text) = (words.next(), words.next(), words.next().unwrap_or_default());
        // A name may have spaces in it.
        let channel = Channel::new(&room.unwrap_or_default().replace("%20", " "));
        match name.unwrap_or_default() {
            "subscribe" => {
                let socket = self.socket.clone();
                let subscribed = channel.try_subscribe(move |message| {
                    let message = String::from_utf8_lossy(message);
                    socket.send_data(format!("got {message}\n"));
                });
                match subscribed {
                    Ok(subscription) => self.subscriptions.push(subscription),
                    Err(error) => return self.socket.send_data(format!("{error}\n")),
                }
                self.socket.send_data("ok\n");
            }
            "unsubscribe" => {
                self.subscriptions.drain(..).for_each(|subscription| subscription.unsubscribe());
                self.socket.send_data("ok\n");
            }
            // Says each message again from inside the callback, but no answer: an answer is a message as well.
            "answer" => {
                let (socket, again) = (self.socket.clone(), channel.clone());
                self.subscriptions.push(channel.subscribe(move |message| {
                    let message = String::from_utf8_lossy(message);
                    if !message.starts_with("re:") {
                        again.push(format!("re:{message}"));
                    }
                    socket.send_data(format!("got {message}\n"));
                }));
                self.socket.send_data("ok\n");
            }
            "once" => {
                let socket = self.socket.clone();
                channel.pop(move |message| {
                    let message = String::from_utf8_lossy(message);
                    socket.send_data(format!("once {message}\n"));
                });
                self.socket.send_data("ok\n");
            }
            "push" => {
                // Several messages in one callback.
                let results = text.split(' ').map(|text| channel.try_push(text));
                if let Some(Err(error)) = results.reduce(Result::and) {
                    self.socket.send_data(format!("{error}\n"));
                }
            }
            "others" => {
                if let Some(subscription) = self.subscriptions.first() {
                    subscription.push_to_others(text);
                }
            }
            // As much as fits.
            "flood" => {
                let message = vec![b'x'; 1000];
                let mut pushed = 0;
                while channel.try_push(&message).is_ok() {
                    pushed += 1;
                }
                self.socket.send_data(format!("pushed {pushed}\n"));
            }
            "count" => {
                self.socket.send_data(format!("{}\n", channel.num_subscribers()));
            }
            _ => self.socket.send_data("what?\n"),
        }
    }
}

impl LineText2 for Channels {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.command(&line);
    }
}

sandloop::plugin! { handlers: [Channels::new] }
