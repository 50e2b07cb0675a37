//! The start of the admin listener: it is bound with the other ports, and serves before them.

use crate::config::model::Config;
use crate::net::listener;
use crate::net::listener::admin::BoundAdmin;
use crate::run::admin::watched::WatchedHost;
use crate::run::admin::{AdminRuntime, AdminThread};
use crate::run::error::StartError;

/// The admin listener before it listens.
pub(in crate::run) struct Admin {
    bound: BoundAdmin,
    runtime: AdminRuntime,
    watched: WatchedHost,
}

impl Admin {
    pub(in crate::run) fn bind(config: &Config, watched: WatchedHost) -> Result<Admin, StartError> {
        let bound = listener::admin::bind(config, &watched.config).map_err(StartError::Bind)?;
        let runtime = AdminRuntime::new().map_err(StartError::made("the admin listener"))?;
        Ok(Admin { bound, runtime, watched })
    }

    /// Listens and serves; probes are told that the host is starting.
    pub(in crate::run) fn serve(self, config: &Config) -> Result<AdminThread, StartError> {
        let Admin { bound, runtime, watched } = self;
        let address = bound.address.to_string();
        watched.host.own_listeners.add(&bound.address);
        let section = watched.config.clone();
        let listener = bound.listen(config, &section).map_err(StartError::Bind)?;
        let thread =
            runtime.serve(listener, watched).map_err(StartError::thread("the admin listener"))?;
        tracing::info!(address, "watched and told what to do");
        Ok(thread)
    }

    /// The same once the host serves, which it does without an admin listener if there is an error.
    pub(in crate::run) fn serve_late(config: &Config, watched: WatchedHost) -> Option<AdminThread> {
        let served = Admin::bind(config, watched).and_then(|admin| admin.serve(config));
        served
            .inspect_err(|error| {
                let cause = error.to_string();
                tracing::error!(cause, "there is no admin listener");
            })
            .ok()
    }
}
