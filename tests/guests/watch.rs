//! Watches paths for its peer, one command a line: `watch PATH`, `stop PATH`, `many COUNT PATH`. Prints the events.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use sandloop::{FileWatch, Socket, Watch, WatchError, frames::LineText2, watch_file};

struct Watching {
    socket: Socket,
    watches: Rc<RefCell<BTreeMap<String, Watch>>>,
}

impl Watching {
    fn new(socket: Socket) -> Self {
        Watching { socket, watches: Rc::default() }
    }
}

struct Told;

impl FileWatch for Told {
    fn file_modified(&mut self, path: &str) {
        println!("{path} modified");
    }

    fn file_moved(&mut self, path: &str) {
        println!("{path} moved");
    }

    fn file_deleted(&mut self, path: &str) {
        println!("{path} deleted");
    }

    fn unbind(&mut self, error: Option<WatchError>) {
        println!("unbind {}", error.map_or("", |error| error.name()));
    }
}

impl LineText2 for Watching {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        let (command, path) = line.split_once(' ').expect("two words");
        match command {
            "watch" => match watch_file(path, Told) {
                Ok(watch) => _ = self.watches.borrow_mut().insert(path.to_owned(), watch),
                Err(error) => println!("{path} refused {}", error.name()),
            },
            "stop" => {
                if let Some(watch) = self.watches.borrow_mut().remove(path) {
                    watch.stop_watching();
                    watch.stop_watching();
                }
            }
            "many" => {
                let (count, path) = path.split_once(' ').expect("a number and a path");
                let count: usize = count.parse().expect("a number");
                let granted = (0..count).take_while(|_| watch_file(path, Told).is_ok()).count();
                self.socket.send_data(format!("{granted}\n"));
            }
            other => panic!("no command {other:?}"),
        }
        self.socket.send_data("ok\n");
    }
}

sandloop::plugin! { handlers: [Watching::new] }
