//! A scenario's file.

use std::fs;

use sandloop_tests::workspace;

/// A row of the list of Sandloop's intended differences (docs/eventmachine.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// peer's FIN drops queued output; no half-close → output is still sent; `unbind` after.
    HalfClose,
    /// `stop` drops pending data → `stop` drains up to a deadline.
    StopDrains,
    /// inactivity timer fires at T…2T → at T.
    InactivityIsExact,
    /// a delimiter that is cut is not found → it is.
    DelimitersAreFound,
    /// a body that is cut off is a request → it is none.
    RequestsAreWhole,
    /// datagrams of more than 16 KiB are cut → they are whole.
    DatagramsAreWhole,
    /// an error of one datagram closes the socket → it does not.
    DatagramErrorsCloseNothing,
    /// any text `content-length: N` in a header line is the length → only a field of that name.
    FieldsHaveNames,
    /// queue and channel lose or reorder on re-entrant push → FIFO always.
    FifoAlways,
    /// a second proxying of one source replaces the first → a typed error.
    ProxiedOnce,
}

#[derive(Debug)]
pub struct Differs {
    /// The difference; reading it checks that it is in the list.
    pub _difference: Difference,
    pub eventmachine: Vec<String>,
    pub sandloop: Vec<String>,
}

#[derive(Debug)]
pub struct Scenario {
    pub file: std::path::PathBuf,
    /// Whether the program serves, and how: `tcp`, `unix`.
    pub listen: Option<String>,
    /// The protocol of its server: `lines`, `content`, `objects`; bytes if none is given.
    pub protocol: Option<String>,
    /// The server of the program's clients: `accept`, `refuse`, `silent`, `unix`.
    pub serve: Option<String>,
    /// Whether the program opens sockets itself.
    pub own: bool,
    pub program: String,
    /// The steps of the other end.
    pub client: Vec<String>,
    pub differs: Option<Differs>,
}

impl Scenario {
    pub fn read(name: &str) -> Scenario {
        let file = workspace().join(format!("tests/differential/scenarios/{name}.txt"));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let section = |wanted: &str| -> Option<Vec<String>> {
            let head = format!("[{wanted}]");
            let lines = text.lines().skip_while(|line| *line != head);
            let inside: Vec<String> = lines
                .skip(1)
                .take_while(|line| !line.starts_with('['))
                .map(str::to_owned)
                .collect();
            text.lines().any(|line| line == head).then_some(inside)
        };
        let setup = section("setup").unwrap_or_default();
        let value = |key: &str| {
            let words = |line: &String| line.strip_prefix(key).map(|rest| rest.trim().to_owned());
            setup.iter().find_map(words)
        };
        let differs = section("differs").map(|lines| Differs {
            _difference: difference(lines.first().map_or("", String::as_str)),
            eventmachine: section("eventmachine").expect("its trace"),
            sandloop: section("sandloop").expect("its trace"),
        });
        if let Some(differs) = &differs {
            assert_ne!(differs.eventmachine, differs.sandloop, "{name} does not differ");
        }
        Scenario {
            listen: value("listen"),
            protocol: value("protocol"),
            serve: value("serve"),
            own: value("own").is_some(),
            program: section("program").expect("a program").join("\n"),
            client: section("client").unwrap_or_default(),
            differs,
            file,
        }
    }
}

fn difference(name: &str) -> Difference {
    match name {
        "half-close" => Difference::HalfClose,
        "stop-drains" => Difference::StopDrains,
        "inactivity-is-exact" => Difference::InactivityIsExact,
        "delimiters-are-found" => Difference::DelimitersAreFound,
        "requests-are-whole" => Difference::RequestsAreWhole,
        "datagrams-are-whole" => Difference::DatagramsAreWhole,
        "datagram-errors-close-nothing" => Difference::DatagramErrorsCloseNothing,
        "fields-have-names" => Difference::FieldsHaveNames,
        "fifo-always" => Difference::FifoAlways,
        "proxied-once" => Difference::ProxiedOnce,
        other => panic!("{other:?} is not on the list of differences"),
    }
}
