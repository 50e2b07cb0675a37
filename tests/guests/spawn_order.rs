//! Spawned blocks, one command a line; their effects are reported in lines.

use sandloop::{
    Socket, SpawnedProcess,
    frames::LineText2,
    next_tick,
    spawn::{spawn, spawn_with, yield_and_notify, yield_to},
};

struct Spawns {
    socket: Socket,
}

impl Spawns {
    fn new(socket: Socket) -> Self {
        Spawns { socket }
    }

    fn command(&self, line: &str) {
        let tell = self.telling();
        match line {
            "notify" => {
                let block = spawn(move |text: &str| tell(text));
                block.notify("one");
                block.resume("two");
                block.run("three");
                self.socket.send_data("notified\n");
            }
            "selves" => {
                for name in ["a", "b"] {
                    let tell = self.telling();
                    let block = move |me: &SpawnedProcess<u32>, left: u32| {
                        tell(&format!("{name}{left}"));
                        if 0 < left {
                            me.notify(left - 1);
                        }
                    };
                    spawn_with(block).notify(2);
                }
            }
            "yield" => {
                let block = spawn(move |number: u32| {
                    tell(&format!("first {number}"));
                    let tell = tell.clone();
                    yield_to(move |number| tell(&format!("second {number}")))
                });
                (1..=3).for_each(|number| block.notify(number));
            }
            "yield-and-notify" => {
                let first = tell.clone();
                let block = spawn(move |()| {
                    first("a");
                    let second = first.clone();
                    yield_and_notify((), move |()| second("b"))
                });
                block.notify(());
                next_tick(move || tell("tick"));
            }
            _ => self.socket.send_data("what?\n"),
        }
    }

    fn telling(&self) -> impl Fn(&str) + Clone + use<> {
        let socket = self.socket.clone();
        move |text| socket.send_data(format!("{text}\n"))
    }
}

impl LineText2 for Spawns {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        self.command(&line);
    }
}

sandloop::plugin! { handlers: [Spawns::new] }
