//! `[plugins.<name>.environment]` and `allow.environment`: the environment variables of a plugin.

use std::path::Path;

use super::error::{ConfigError, Problem};
use super::options;
use super::raw::RawPlugin;
use super::source::{KeyPlace, each};

/// The variables of the section at `place`, sorted by name: those of the section itself, and those of the host that are passed
/// on. Files are relative to `folder`.
pub(crate) fn resolve(
    place: &KeyPlace<'_>,
    folder: &Path,
    raw: &RawPlugin,
) -> Result<Vec<(String, String)>, ConfigError> {
    let own = place.key("environment");
    let mut variables = options::resolve(&own, folder, &raw.environment)?;
    for (name, value) in &variables {
        let checked = check_name(name).and_then(|()| check_value(value));
        checked.map_err(|problem| own.key(name).wrong(problem))?;
    }
    let passed = place.key("allow").key("environment");
    let mut seen: Vec<&str> = raw.environment.keys().map(String::as_str).collect();
    let values = each(&passed, &raw.allow.environment, |name| {
        check_name(name)?;
        let value = options::from_environment(name, "set it before the start, or take it out")?;
        Ok((name.to_owned(), value))
    })?;
    for (index, name) in raw.allow.environment.iter().enumerate() {
        if seen.contains(&name.as_str()) {
            return Err(passed.index(index).wrong(Problem::new(
                format!("the variable {name:?} is given twice"),
                "write it once, here or in the plugin's environment",
            )));
        }
        seen.push(name);
    }
    variables.extend(values);
    variables.sort();
    Ok(variables)
}

fn check_name(name: &str) -> Result<(), Problem> {
    if !name.is_empty() && !name.contains(['=', '\0']) {
        return Ok(());
    }
    Err(Problem::new(
        format!("{name:?} is not the name of a variable"),
        r#"write a name without = in it, as in "HOME""#,
    ))
}

/// The message does not contain the value, which may be a secret.
fn check_value(value: &str) -> Result<(), Problem> {
    if !value.contains('\0') {
        return Ok(());
    }
    Err(Problem::new("the value has a zero byte", "leave it out"))
}
