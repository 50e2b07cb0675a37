//! `sandloop pull`: fetches the components of a configuration before a start.

use std::fmt;

use crate::config::error::Problem;
use crate::config::model::Config;
use crate::engine::fault::LoadError;
use crate::engine::source::{Component, Sources};
use crate::run::error::StartError;

/// The result for one plugin's component.
#[derive(Debug)]
pub struct Pulled {
    plugin: String,
    component: Component,
}

/// One line for the operator.
impl fmt::Display for Pulled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Component { bytes, digest, is_fetched, signed_by } = &self.component;
        let how = if *is_fetched { "fetched" } else { "was in the store" };
        write!(f, "{}: {how}: {} bytes, sha256 {digest}", self.plugin, bytes.len())?;
        match signed_by {
            Some(key) => write!(f, ", signed with {key}"),
            None => Ok(()),
        }
    }
}

/// Fetches every component of `config` that is not a local file into the store, unless it is there already.
///
/// # Errors
/// When there is no store, or a component cannot be fetched or fails its checks.
pub fn pull(config: &Config) -> Result<Vec<Pulled>, StartError> {
    let sources = Sources::of(&config.host);
    let from_elsewhere = config.plugins.iter().filter(|it| it.component.file().is_none());
    let mut all = Vec::new();
    for section in from_elsewhere {
        if !sources.keeps() {
            return Err(no_store(config));
        }
        let component = sources.component(&section.component);
        let component =
            component.map_err(|fault| StartError::Load(LoadError::new(section, fault)))?;
        all.push(Pulled { plugin: section.name.clone(), component });
    }
    Ok(all)
}

fn no_store(config: &Config) -> StartError {
    let problem = Problem::new(
        "there is no store to fetch into",
        r#"write store = "./components", or another folder that this user may write to, under [host]"#,
    );
    StartError::Config(config.wrong("host.store", problem))
}
