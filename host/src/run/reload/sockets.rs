//! The listeners of a new configuration: an unchanged address keeps its sockets, so that no connection is refused; new ones
//! are bound before anything is replaced.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::config::address::ListenAddress;
use crate::config::model::Config;
use crate::net::listener;
use crate::net::listener::error::BindError;
use crate::net::listener::{Endpoint, Listener, PathLocks};
use crate::run::reload::places::NewPlaces;

/// The listeners of a new configuration.
pub(super) struct NewSockets {
    /// New listeners, each with one socket for every reactor in order.
    pub(super) opened: Vec<VecDeque<Listener>>,
    /// Listeners that stay, each with its old and its new endpoint.
    pub(super) kept: Vec<(Arc<Endpoint>, Arc<Endpoint>)>,
    /// All endpoints, by section.
    pub(super) endpoints: Vec<Arc<Endpoint>>,
}

impl NewSockets {
    /// Binds the new listeners. An error closes them again.
    pub(super) fn open(
        before: &Config,
        served: &[Weak<Endpoint>],
        config: &Config,
        places: &NewPlaces,
    ) -> Result<NewSockets, BindError> {
        let addresses = before.listeners.iter().map(|it| &it.address);
        let mut left: Vec<(&ListenAddress, Arc<Endpoint>)> = addresses
            .zip(served)
            .filter_map(|(address, endpoint)| Some((address, endpoint.upgrade()?)))
            .collect();
        let stays: Vec<Option<Arc<Endpoint>>> = config
            .listeners
            .iter()
            .map(|section| {
                let place = left.iter().position(|(at, _)| is_same_socket(at, &section.address));
                place.map(|place| left.remove(place).1)
            })
            .collect();
        let is_new_path = |(section, stays): (&crate::config::model::ListenConfig, &Option<_>)| {
            stays.is_none() && matches!(section.address, ListenAddress::Unix(_))
        };
        let has_new_paths = config.listeners.iter().zip(&stays).any(is_new_path);
        let _locks = has_new_paths.then(|| PathLocks::take(config)).transpose()?;
        let plugin = |place: usize| places.plugin(config.listeners[place].plugin);
        let mut bound = Vec::new();
        for (place, _) in stays.iter().enumerate().filter(|(_, stays)| stays.is_none()) {
            bound.push((place, listener::bind(config, place, plugin(place))?));
        }
        let mut opened = VecDeque::new();
        for (place, bound) in bound {
            opened.push_back(VecDeque::from(bound.listen(config, place)?));
        }
        let (mut kept, mut endpoints, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for (place, stays) in stays.into_iter().enumerate() {
            let section = &config.listeners[place];
            let endpoint = match stays {
                Some(before) => {
                    let now = before.renewed(section, plugin(place));
                    let now = now.map_err(|fault| BindError::new(config, place, fault))?;
                    let now = Arc::new(now);
                    kept.push((before, now.clone()));
                    now
                }
                None => {
                    let Some(listeners) = opened.pop_front() else { continue };
                    let Some(endpoint) = listeners.front().map(|it| it.endpoint.clone()) else {
                        continue;
                    };
                    all.push(listeners);
                    endpoint
                }
            };
            endpoints.push(endpoint);
        }
        Ok(NewSockets { opened: all, kept, endpoints })
    }
}

/// Whether one socket serves both configured addresses.
fn is_same_socket(one: &ListenAddress, other: &ListenAddress) -> bool {
    use ListenAddress::{Tcp, Tls};
    match (one, other) {
        (Tcp(one) | Tls(one), Tcp(other) | Tls(other)) => one == other,
        _ => one == other,
    }
}
