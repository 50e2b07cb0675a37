//! `sandloop compile`: fills the compile cache before a start, in the build of an image for example.

use std::fmt;

use crate::config::error::Problem;
use crate::config::model::Config;
use crate::engine::cache::{Kept, NoFolder};
use crate::engine::compile::{CodeOrigin, Compiler};
use crate::engine::components::Components;
use crate::run::error::StartError;

/// The result for one plugin's component.
#[derive(Debug)]
pub struct Filled {
    plugin: String,
    from: CodeOrigin,
}

/// One line for the operator.
impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            CodeOrigin::Cache => write!(f, "{}: was in the cache", self.plugin),
            CodeOrigin::Compiler(took, _) => {
                write!(f, "{}: compiled in {:.1} s", self.plugin, took.as_secs_f64())
            }
        }
    }
}

/// Compiles every component of `config` into its cache, without linking or serving.
///
/// # Errors
/// When there is no cache to fill, a component cannot be compiled, or not all could be written.
pub fn fill(config: &Config) -> Result<Vec<Filled>, StartError> {
    let compiler = Compiler::of(&config.host);
    if let Some(cause) = compiler.cache().unusable() {
        return Err(no_folder(config, cause));
    }
    let Components { config, compiled, left_out, .. } = Components::load(&compiler, config)?;
    if let Some(cause) = left_out.into_iter().next() {
        return Err(StartError::Load(cause));
    }
    let names = config.plugins.into_iter().map(|plugin| plugin.name);
    let filled = names.zip(compiled).map(|(plugin, compiled)| match compiled.from {
        CodeOrigin::Compiler(_, Kept::No(cause)) => Err(StartError::Internal(format!(
            "{plugin}: the compile cache was not written: {cause}"
        ))),
        from => Ok(Filled { plugin, from }),
    });
    filled.collect()
}

fn no_folder(config: &Config, cause: &NoFolder) -> StartError {
    let key = "host.compile_cache";
    match cause {
        NoFolder::Off => {
            let problem = Problem::new(
                "it is \"off\", so that there is nothing to fill",
                r#"write "default", or a folder as in "./cache""#,
            );
            StartError::Config(config.wrong(key, problem))
        }
        NoFolder::Unknown => StartError::Internal(
            "no compile cache: HOME is not set; set it, or write compile_cache = \"./cache\" under [host]".to_owned(),
        ),
        NoFolder::Unusable(folder, cause) => {
            StartError::Internal(format!("the compile cache {} is not used: {cause}", folder.display()))
        }
    }
}
