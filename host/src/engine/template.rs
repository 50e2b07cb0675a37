//! Templates: a linked component from which the instances of a plugin are created.

use std::fmt;
use std::sync::{Arc, Weak};

use wasmtime::component::{ComponentExportIndex, InstancePre};

use crate::base::lock::RwLock;
use crate::contract::bindings::AllImportsIndices;
use crate::engine::compile::Compiled;
use crate::engine::working_set::PagesInUse;
use crate::host_api::state::HostState;
use crate::plugin::Plugin;

/// A plugin with its compiled and linked component.
pub struct Template {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// Its component.
    pub compiled: Compiled,
    pub(super) pre: InstancePre<HostState>,
    pub(super) entry: ComponentEntry,
    /// The pages that its instances use.
    pub(crate) pages_in_use: PagesInUse,
}

/// How a component is called.
pub(crate) enum ComponentEntry {
    /// By the contract.
    Contract(AllImportsIndices),
    /// By `wasi:http`, with this function.
    WasiHttp(ComponentExportIndex),
}

/// The templates that a host serves, by the index of the plugin.
#[derive(Debug, Clone, Default)]
pub struct Templates(Arc<[Option<Arc<Template>>]>);

impl Templates {
    /// The templates, each at its index.
    pub fn new(templates: Vec<Option<Arc<Template>>>) -> Templates {
        Templates(templates.into())
    }

    /// The template with this index.
    pub fn get(&self, place: usize) -> Option<&Arc<Template>> {
        self.0.get(place)?.as_ref()
    }

    /// All templates.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Template>> {
        self.0.iter().flatten()
    }

    /// The plugins, each at its index.
    pub fn plugins(&self) -> Vec<Option<Arc<Plugin>>> {
        let plugin = |template: &Option<Arc<Template>>| Some(template.as_ref()?.plugin.clone());
        self.0.iter().map(plugin).collect()
    }

    /// The number of indices.
    pub fn places(&self) -> usize {
        self.0.len()
    }
}

/// Every template in use, those of earlier versions included. Clones share the list.
#[derive(Debug, Clone, Default)]
pub struct Versions(Arc<RwLock<Vec<Weak<Template>>>>);

impl Versions {
    /// Adds the templates that are served now.
    pub fn add(&self, templates: &Templates) {
        let mut all = self.0.write();
        all.retain(|known| 0 < known.strong_count());
        for template in templates.iter() {
            if !all.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(template))) {
                all.push(Arc::downgrade(template));
            }
        }
    }

    /// The template of a plugin, as long as it is in use.
    pub fn of(&self, plugin: &Arc<Plugin>) -> Option<Arc<Template>> {
        let all = self.0.read();
        let templates = all.iter().filter_map(Weak::upgrade);
        let mut templates = templates.filter(|template| Arc::ptr_eq(&template.plugin, plugin));
        templates.next()
    }

    /// The plugins of earlier versions that are still in use.
    pub fn earlier(&self, served: &Templates) -> Vec<Arc<Plugin>> {
        let all = self.0.read();
        let templates = all.iter().filter_map(Weak::upgrade);
        let is_earlier = |template: &Arc<Template>| {
            let now = served.get(template.plugin.index);
            now.is_none_or(|now| !Arc::ptr_eq(now, template))
        };
        templates.filter(is_earlier).map(|template| template.plugin.clone()).collect()
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}
