//! `sandloop sign` and `sandloop verify`: signatures of components in the format of `minisign`.

use std::path::Path;

use sandloop_host::author::signing;
use sandloop_host::config::file;
use sandloop_host::config::trust::TrustedKey;
use sandloop_host::engine::source::signature::Signed;
use sandloop_host::engine::source::{signature, signature_path};

/// Signs a component; returns a message with the path of the signature.
///
/// # Errors
/// See `SignError`.
pub fn sign(component: &Path, key: &Path, comment: Option<&str>) -> Result<String, String> {
    let signature = signing::sign(component, key, comment).map_err(|error| error.to_string())?;
    Ok(signature.display().to_string())
}

/// Verifies the signature beside a component with these keys; returns a message with its key.
///
/// # Errors
/// When there is none, or it is not of one of the keys.
pub fn verify(component: &Path, keys: &[String]) -> Result<String, String> {
    let here = Path::new("");
    let keys = keys.iter().map(|key| TrustedKey::read(key, here));
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|problem| problem.to_string())?;
    let bytes = read(component, file::COMPONENT_BYTES_MAX)?;
    let signature = read(&signature_path(component), file::TEXT_BYTES_MAX)?;
    let Signed { key, comment } = signature::check(&keys, &bytes, &signature)
        .map_err(|fault| format!("{}: {fault}", component.display()))?;
    Ok(format!("{}: signed with {key}: {}", component.display(), comment.escape_debug()))
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    file::read_file(path, bytes_max)
        .map_err(|error| format!("{}: cannot be read: {error}", path.display()))
}
