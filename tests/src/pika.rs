//! pika, Python's AMQP client, as the other end of a test: `tests/peers/amqp.py`, one connection each.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};

use crate::log::Lines;
use crate::paths::{python_with, workspace};

/// A client with one connection and one channel; dropping it ends it.
#[derive(Debug)]
pub struct Pika {
    child: Child,
    commands: ChildStdin,
    answers: Lines,
    errors: Lines,
    asked: usize,
}

/// A refusal by a broker or by pika.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reply code; 0 if it is not the broker's.
    pub code: u64,
    /// The reply text.
    pub text: String,
}

impl Pika {
    /// Connects to a broker.
    #[track_caller]
    pub fn connect(uri: &str) -> Pika {
        Pika::try_connect(uri)
            .unwrap_or_else(|refusal| panic!("pika connects to {uri}: {refusal:?}"))
    }

    /// Like [`Pika::connect`], but may fail.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn try_connect(uri: &str) -> Result<Pika, Refusal> {
        let mut pika = Pika::run();
        pika.ask(json!({"do": "connect", "uri": uri}))?;
        Ok(pika)
    }

    /// Connects with EXTERNAL.
    ///
    /// # Errors
    /// The broker's refusal.
    pub fn try_external(uri: &str) -> Result<Pika, Refusal> {
        let mut pika = Pika::run();
        pika.ask(json!({"do": "connect", "uri": uri, "external": true}))?;
        Ok(pika)
    }

    fn run() -> Pika {
        let mut child = Command::new(python_with("pika"))
            .arg(workspace().join("tests/peers/amqp.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Python can be run");
        let commands = child.stdin.take().expect("stdin is a pipe");
        let answers = Lines::read(child.stdout.take().expect("stdout is a pipe"));
        let errors = Lines::read(child.stderr.take().expect("stderr is a pipe"));
        Pika { child, commands, answers, errors, asked: 0 }
    }

    /// Executes a command, such as `{"do": "queue_declare", "queue": "q"}`: one of the script's, or a method of pika's channel
    /// with its arguments. Returns pika's answer.
    #[track_caller]
    pub fn call(&mut self, command: Value) -> Value {
        let told = command.to_string();
        match self.ask(command) {
            Ok(value) => value,
            Err(refusal) => panic!("pika, {told}: {refusal:?}"),
        }
    }

    /// Executes a command that must be refused. If it closes the channel, `{"do": "channel"}` opens another one.
    #[track_caller]
    pub fn refused(&mut self, command: Value) -> Refusal {
        let told = command.to_string();
        match self.ask(command) {
            Err(refusal) => refusal,
            Ok(value) => panic!("pika, {told}, is not refused: {value}"),
        }
    }

    /// Executes a command: [`Pika::tell`] and [`Pika::answer`].
    ///
    /// # Errors
    /// The refusal by the broker or by pika.
    #[track_caller]
    pub fn ask(&mut self, command: Value) -> Result<Value, Refusal> {
        self.tell(command);
        self.answer()
    }

    /// Begins a command that waits while the test does something.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "a command is written where it is used")]
    pub fn tell(&mut self, command: Value) {
        self.asked += 1;
        if let Err(error) = writeln!(self.commands, "{command}") {
            panic!("pika does not take {command}: {error}\n{}", self.errors.text());
        }
    }

    /// Waits for the answer to the last command.
    ///
    /// # Errors
    /// The refusal by the broker or by pika.
    #[track_caller]
    pub fn answer(&mut self) -> Result<Value, Refusal> {
        let last = self.asked - 1;
        let line = self.answers.wait_for(|lines| lines.get(last).cloned());
        let line = line.unwrap_or_else(|| panic!("pika does not answer\n{}", self.errors.text()));
        let mut answer: Value = serde_json::from_str(&line.0).expect("pika answers in JSON");
        if let Some(ok) = answer.get_mut("ok") {
            return Ok(ok.take());
        }
        let error = &answer["error"];
        let text = error["text"].as_str().expect("an error has a text").to_owned();
        Err(Refusal { code: error["code"].as_u64().expect("an error has a code"), text })
    }

    /// Declares a durable queue.
    #[track_caller]
    pub fn queue(&mut self, queue: &str) {
        self.call(json!({"do": "queue_declare", "queue": queue, "durable": true}));
    }

    /// Publishes a persistent message to a queue.
    #[track_caller]
    pub fn publish(&mut self, queue: &str, body: &str) {
        self.call(json!({"do": "publish", "exchange": "", "routing_key": queue, "body": body,
            "properties": {"delivery_mode": 2}}));
    }

    /// Consumes this number of messages, acknowledges each, and cancels; returns their bodies.
    #[track_caller]
    pub fn bodies(&mut self, queue: &str, count: usize) -> Vec<String> {
        let messages = self.call(json!({"do": "consume", "queue": queue, "count": count}));
        self.call(json!({"do": "cancel"}));
        let messages = messages.as_array().expect("consume gives a list");
        let body = |message: &Value| message["body"].as_str().expect("a body").to_owned();
        messages.iter().map(body).collect()
    }

    /// The number of messages that wait in a queue, by a passive declaration.
    #[track_caller]
    pub fn waiting(&mut self, queue: &str) -> u64 {
        let told = self.call(json!({"do": "queue_declare", "queue": queue, "passive": true}));
        told["message_count"].as_u64().expect("a count")
    }
}

impl Drop for Pika {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
