//! What the TLS of a plugin's own connections begins with: its profiles, read when it is loaded and again when their files change.

use std::sync::{Arc, Weak};

use parking_lot::RwLock;
use rustls::{ClientConfig, ServerConfig};

use crate::config::error::Problem;
use crate::config::tls::profile::{ByJudge, ProfileSessions, TlsProfile, system_authorities};
use crate::config::tls::stamp::Stamp;
use crate::plugin::Plugin;

/// The profiles of a plugin.
#[derive(Debug, Default)]
pub struct Profiles {
    /// What a client begins with that names none; none where the plugin never begins TLS.
    default: Option<ProfileSessions>,
    named: Vec<Profile>,
}

#[derive(Debug)]
struct Profile {
    files: TlsProfile,
    /// As the files were when they were read last.
    sessions: RwLock<ProfileSessions>,
}

/// Why a profile is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileRefusal {
    /// There is none of that name.
    Unknown,
    /// It has no certificate, which a server needs.
    NoCertificate,
    /// The plugin may not judge certificates alone with it.
    HostDecides,
}

impl Profiles {
    /// Reads the files of these, for a plugin that begins TLS; the others need nothing.
    ///
    /// # Errors
    /// The name of one that cannot be used, and why.
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

    /// What a client begins with.
    ///
    /// # Errors
    /// Why there is nothing.
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

    /// What a server begins with.
    ///
    /// # Errors
    /// Why there is nothing.
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

/// Looks whether the files of a profile have changed, and has sessions begin with what they are now.
#[derive(Debug)]
pub struct ProfileWatch {
    plugin: Weak<Plugin>,
    place: usize,
    /// What the files were when they were looked at last.
    seen: Vec<Option<Stamp>>,
}

impl ProfileWatch {
    /// One for each profile of a plugin.
    pub fn of(plugin: &Arc<Plugin>) -> impl Iterator<Item = ProfileWatch> {
        plugin.profiles.named.iter().enumerate().map(|(place, profile)| ProfileWatch {
            plugin: Arc::downgrade(plugin),
            place,
            seen: Stamp::of_all(profile.files.files()),
        })
    }

    /// Whether somebody begins with it still.
    pub fn is_served(&self) -> bool {
        0 < self.plugin.strong_count()
    }

    /// Reads the files again if they are others. What cannot be used changes nothing, and the operator is told.
    pub fn look(&mut self) {
        let Some(plugin) = self.plugin.upgrade() else { return };
        let Some(profile) = plugin.profiles.named.get(self.place) else { return };
        // Before they are read: what changes meanwhile is seen the next time.
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
