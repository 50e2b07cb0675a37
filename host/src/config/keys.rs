//! Every key of `plugins.toml` by its path, for error messages.

use strsim::levenshtein;

use super::limits::{RawAdmin, RawCluster, RawHost, RawLimits, RawListen, RawTenantLimits};
use super::raw::{
    RawAllow, RawBuild, RawCertificate, RawFile, RawPlugin, RawProfileCertificate,
    RawProxyProtocol, RawRegistry, RawTenant, RawTenantCluster, RawTlsProfile,
};
use super::table::ConfigKey;

/// Every key, in the order of the reference.
pub(crate) fn all() -> impl Iterator<Item = &'static ConfigKey> {
    let sections = [
        RawFile::KEYS,
        RawHost::KEYS,
        RawRegistry::KEYS,
        RawPlugin::KEYS,
        RawLimits::KEYS,
        RawAllow::KEYS,
        RawBuild::KEYS,
        RawTlsProfile::KEYS,
        RawProfileCertificate::KEYS,
        RawTenant::KEYS,
        RawTenantLimits::KEYS,
        RawTenantCluster::KEYS,
        RawListen::KEYS,
        RawCertificate::KEYS,
        RawProxyProtocol::KEYS,
        RawAdmin::KEYS,
        RawCluster::KEYS,
    ];
    sections.into_iter().flatten()
}

/// Every bound, in the order of the reference.
#[cfg(test)]
pub(crate) fn bounds() -> impl Iterator<Item = &'static super::bound::Bound> {
    all().filter_map(|key| key.bound)
}

/// Renamed keys: the old path, and the present one.
pub(crate) const RENAMED: &[(&str, &str)] = &[];

/// The present key for an old path, by a table such as [`RENAMED`].
pub(crate) fn renamed(path: &str, table: &[(&str, &str)]) -> Option<&'static ConfigKey> {
    let (_, new) = table.iter().find(|(old, _)| *old == path)?;
    all().find(|key| key.path() == *new)
}

/// The form of the value at `path`; none if there is no such key.
pub(crate) fn form(path: &str) -> Option<&'static str> {
    all().find_map(|key| match path.strip_prefix(&key.path())? {
        "" => Some(key.form),
        ".*" => key.each,
        _ => None,
    })
}

/// The keys of a table, in the order of the reference.
pub(crate) fn of(table: &str) -> Vec<&'static str> {
    all().filter(|key| key.table == table).map(|key| key.name).collect()
}

/// The tables that have a key `name`.
pub(crate) fn homes(name: &str) -> Vec<&'static str> {
    all().filter(|key| key.name == name).map(|key| key.table).collect()
}

/// The name in `known` that is most similar to `written`, if one is similar.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = |name: &&str| levenshtein(written, name) <= name.len().div_ceil(3);
    known.iter().copied().filter(near).min_by_key(|name| levenshtein(written, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_its_keys() {
        for key in all().filter(|key| key.form.starts_with("a section")) {
            let path = key.path();
            let table = if key.each.is_some() { format!("{path}.*") } else { path };
            assert!(!of(&table).is_empty(), "{table:?} is missing in the list of all keys");
        }
    }

    #[test]
    fn every_default_is_in_its_range() {
        for bound in bounds() {
            let (min, default, max) = (bound.min, bound.default, bound.max);
            assert!(min <= default && default <= max, "{}", bound.key());
        }
    }

    #[test]
    fn what_was_renamed_is_gone_and_has_become_a_key() {
        for (old, new) in RENAMED {
            assert!(form(old).is_none(), "{old} is still a key");
            assert!(renamed(old, RENAMED).is_some(), "{old} has become {new}, which is no key");
        }
    }

    #[test]
    fn nearest_key() {
        let known = of("host");
        for (written, near) in [
            ("reactor", Some("reactors")),
            ("Workers", Some("workers")),
            ("stop-deadline", Some("stop_deadline")),
            ("lgo", None),
            ("logs", Some("log")),
            ("threads", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, &known), near, "{written:?}");
        }
    }
}
