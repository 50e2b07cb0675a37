//! The TLS profiles of a plugin, read when it is loaded and again when their files change.

use std::sync::{Arc, Weak};

use rustls::{ClientConfig, ServerConfig};

use crate::base::lock::RwLock;
use crate::config::error::Problem;
use crate::config::tls::profile::{ByJudge, ProfileSessions, TlsProfile, system_authorities};
use crate::config::tls::stamp::Stamp;
use crate::plugin::Plugin;

/// The profiles of a plugin.
#[derive(Debug, Default)]
pub struct Profiles {
    /// The configuration of clients that name no profile; none if the plugin never begins TLS.
    default: Option<ProfileSessions>,
    named: Vec<Profile>,
}

#[derive(Debug)]
struct Profile {
    files: TlsProfile,
    /// Made from the files when they were last read.
    sessions: RwLock<ProfileSessions>,
}

/// Why a profile cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileRefusal {
    /// There is no profile of this name.
    Unknown,
    /// It has no certificate, which a server needs.
    NoCertificate,
    /// It does not allow the plugin to verify certificates alone.
    HostDecides,
}

impl Profiles {
    /// Reads the files of the profiles, for a plugin that begins TLS (`is_used`).
    ///
    /// # Errors
    /// The name of a profile that cannot be used, and why.
    pub fn read(files: &[TlsProfile], is_used: bool) -> Result<Profiles, (String, Problem)> {
        if !is_used {
            return Ok(Profiles::default());
        }
        let system = system_authorities();
        let read = |files: &TlsProfile| {
            files.read(system).map_err(|problem| (files.name.clone(), problem))
        };
        let named = files.iter().map(|files| {
            let sessions = RwLock::new(read(files)?);
            Ok(Profile { files: files.clone(), sessions })
        });
        let named = named.collect::<Result<_, _>>()?;
        Ok(Profiles { default: Some(read(&TlsProfile::none())?), named })
    }

    fn get(&self, name: &str) -> Option<ProfileSessions> {
        let profile = self.named.iter().find(|profile| profile.files.name == name)?;
        Some(profile.sessions.read().clone())
    }

    /// The configuration of a client.
    ///
    /// # Errors
    /// Why the profile cannot be used.
    pub fn client(
        &self,
        name: Option<&str>,
        plugin_decides: bool,
    ) -> Result<Arc<ClientConfig>, ProfileRefusal> {
        let sessions = match name {
            Some(name) => self.get(name),
            None => self.default.clone(),
        };
        by_judge(sessions.ok_or(ProfileRefusal::Unknown)?.client, plugin_decides)
    }

    /// The configuration of a server.
    ///
    /// # Errors
    /// Why the profile cannot be used.
    pub fn server(
        &self,
        name: &str,
        plugin_decides: bool,
    ) -> Result<Arc<ServerConfig>, ProfileRefusal> {
        let sessions = self.get(name).ok_or(ProfileRefusal::Unknown)?;
        by_judge(sessions.server.ok_or(ProfileRefusal::NoCertificate)?, plugin_decides)
    }
}

fn by_judge<T>(sessions: ByJudge<T>, plugin_decides: bool) -> Result<Arc<T>, ProfileRefusal> {
    match plugin_decides {
        false => Ok(sessions.by_host),
        true => sessions.by_plugin.ok_or(ProfileRefusal::HostDecides),
    }
}

/// Checks the files of a profile for changes and reads them again; new sessions get the new ones.
#[derive(Debug)]
pub(crate) struct ProfileWatch {
    plugin: Weak<Plugin>,
    place: usize,
    /// The files' stamps at the last check.
    seen: Vec<Option<Stamp>>,
}

impl ProfileWatch {
    /// A watch for each profile of a plugin.
    pub(crate) fn of(plugin: &Arc<Plugin>) -> impl Iterator<Item = ProfileWatch> {
        plugin.profiles.named.iter().enumerate().map(|(place, profile)| ProfileWatch {
            plugin: Arc::downgrade(plugin),
            place,
            seen: Stamp::of_all(profile.files.files()),
        })
    }

    /// Whether the profile is still in use.
    pub(crate) fn is_served(&self) -> bool {
        0 < self.plugin.strong_count()
    }

    /// Reads the files again if they have changed. If they cannot be used it logs that and keeps the old ones.
    pub(crate) fn look(&mut self) {
        let Some(plugin) = self.plugin.upgrade() else { return };
        let Some(profile) = plugin.profiles.named.get(self.place) else { return };
        // Taken before the files are read, so that a change during the read is noticed at the next check.
        let now = Stamp::of_all(profile.files.files());
        if now == self.seen {
            return;
        }
        self.seen = now;
        let (plugin, name) = (plugin.name(), &*profile.files.name);
        match profile.files.read(system_authorities()) {
            Ok(read) => {
                *profile.sessions.write() = read;
                tracing::info!(
                    plugin,
                    profile = name,
                    "new certificates: sessions begin with them from now on"
                );
            }
            Err(problem) => {
                let (cause, remedy) = (&*problem.cause, &*problem.remedy);
                tracing::error!(
                    plugin,
                    profile = name,
                    cause,
                    remedy,
                    "the new certificates cannot be used: sessions begin with those from before"
                );
            }
        }
    }
}
