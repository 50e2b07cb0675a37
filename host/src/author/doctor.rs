//! `sandloop doctor`: which tools of a language are installed, and how to install the others.

use std::fmt;
use std::process::{Command, Stdio};

use crate::author::language::{Language, LanguageError, Tool};
use crate::author::sdk::Sdk;
use crate::base::refusal::SystemRefusal;
use crate::run::descriptors;

/// The shell, whatever `PATH` says.
const SHELL: &str = "/bin/sh";
const INSTALLS_SHELL: &str = "sudo apt-get install dash";
/// The number of open files that suffices for trying a plugin.
const OPEN_FILES: u64 = 1024;

/// The results.
#[derive(Debug)]
pub struct Findings(Vec<ToolGroup>);

/// The results of a language, or of the host itself.
#[derive(Debug)]
struct ToolGroup {
    title: String,
    found: Vec<Finding>,
}

/// The result for one tool.
#[derive(Debug)]
struct Finding {
    what: String,
    /// The version that it prints, or the way to install it.
    state: Result<String, String>,
}

/// Checks the tools of these languages, or of all, and the host itself.
///
/// # Errors
/// When there is no such language.
pub fn look(sdk: &Sdk, languages: &[String]) -> Result<Findings, LanguageError> {
    let chosen = match languages {
        [] => Language::all(sdk)?,
        names => names.iter().map(|name| Language::find(sdk, name)).collect::<Result<_, _>>()?,
    };
    let mut sections = vec![ToolGroup { title: "Sandloop".to_owned(), found: host() }];
    sections.extend(chosen.into_iter().map(|language| ToolGroup {
        title: language.title,
        found: language.tools.iter().map(Finding::of).collect(),
    }));
    Ok(Findings(sections))
}

/// The needs of the host itself.
fn host() -> Vec<Finding> {
    let shell = Finding {
        what: "a shell, for commands of builds".to_owned(),
        state: match Command::new(SHELL).args(["-c", "exit 0"]).status() {
            Ok(status) if status.success() => Ok(SHELL.to_owned()),
            Ok(_) => Err(INSTALLS_SHELL.to_owned()),
            Err(error) => Err(format!("{SHELL}: {}", SystemRefusal::new(&error, INSTALLS_SHELL))),
        },
    };
    let most = descriptors::most();
    let files = Finding {
        what: "open files, one for each connection".to_owned(),
        state: if OPEN_FILES <= most {
            Ok(most.to_string())
        } else {
            Err(format!("ulimit -Hn {OPEN_FILES}"))
        },
    };
    vec![shell, files]
}

impl Finding {
    fn of(tool: &Tool) -> Finding {
        let mut command = Command::new(SHELL);
        // Some tools print their version to standard error.
        command.arg("-c").arg(format!("{{ {}\n}} 2>&1", tool.attempt)).stdin(Stdio::null());
        let said = command.stderr(Stdio::null()).output().ok();
        let said = said.filter(|output| output.status.success());
        let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let said = said.filter(|said| said.contains(&tool.expect));
        let state = match said {
            // The line that contains the expected text has the version.
            Some(said) => {
                let line =
                    said.lines().find(|line| line.contains(&tool.expect)).unwrap_or_default();
                Ok(line.trim().to_owned())
            }
            None => Err(tool.install.clone()),
        };
        Finding { what: tool.what.clone(), state }
    }
}

impl Findings {
    /// Whether everything is installed.
    pub fn is_whole(&self) -> bool {
        self.0.iter().flat_map(|section| &section.found).all(|finding| finding.state.is_ok())
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ToolGroup { title, found } in &self.0 {
            writeln!(f, "{title}")?;
            for Finding { what, state } in found {
                match state {
                    Ok(said) if said.is_empty() => writeln!(f, "  there    {what}")?,
                    Ok(said) => writeln!(f, "  there    {what}: {}", said.escape_debug())?,
                    Err(install) => writeln!(f, "  missing  {what}\n           {install}")?,
                }
            }
        }
        Ok(())
    }
}
