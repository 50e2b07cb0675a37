//! The program of a scenario: named blocks of steps.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use sandloop::{
    Socket,
    frames::{LineSocket, ObjectSocket},
    iterator::{Next, Return},
    spawn::SpawnedProcess,
};

use crate::frames::Objects;

thread_local! {
    static BLOCKS: OnceCell<HashMap<String, Vec<Words>>> = const { OnceCell::new() };
}

/// One step: an operation and its words.
#[derive(Clone)]
pub struct Words(Vec<String>);

impl Words {
    pub fn operation(&self) -> &str {
        &self.0[0]
    }

    /// The word after the operation with this index; empty where there is none.
    pub fn get(&self, index: usize) -> &str {
        self.0.get(index + 1).map_or("", String::as_str)
    }

    pub fn len(&self) -> usize {
        self.0.len() - 1
    }

    pub fn rest(&self) -> String {
        self.0[1..].join(" ")
    }

    /// With the argument in the place of `$`.
    pub fn with(&self, argument: &str) -> Words {
        Words(self.0.iter().map(|word| word.replace('$', argument)).collect())
    }
}

/// What a block is about.
#[derive(Clone)]
pub enum On {
    Nothing,
    Socket(Socket),
    Lines(LineSocket),
    Objects(ObjectSocket<Objects>),
    Process(SpawnedProcess<String>),
    Item(Rc<RefCell<Option<Next<String>>>>),
    Mapped(Rc<RefCell<Option<Return<String>>>>),
}

impl On {
    pub fn socket(&self) -> &Socket {
        match self {
            On::Socket(socket) => socket,
            On::Lines(socket) => socket,
            On::Objects(socket) => socket,
            _ => panic!("this block is not about a connection"),
        }
    }
}

pub fn load(text: &str) -> Result<(), String> {
    let mut blocks: HashMap<String, Vec<Words>> = HashMap::new();
    let mut current = None;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim_end();
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.contains(' ')) {
            current = Some(name.to_owned());
            blocks.entry(name.to_owned()).or_default();
        } else {
            let name = current.as_ref().ok_or("a step before the first block")?;
            let words = line.split_whitespace().map(str::to_owned).collect();
            blocks.entry(name.clone()).or_default().push(Words(words));
        }
    }
    BLOCKS.with(|all| all.set(blocks)).map_err(|_| "loaded twice".to_owned())
}

pub fn block(name: &str) -> Vec<Words> {
    BLOCKS
        .with(|blocks| blocks.get().and_then(|blocks| blocks.get(name).cloned()))
        .unwrap_or_default()
}

pub fn has(name: &str) -> bool {
    BLOCKS.with(|blocks| blocks.get().is_some_and(|blocks| blocks.contains_key(name)))
}
