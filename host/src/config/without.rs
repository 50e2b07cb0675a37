//! A configuration without plugins that cannot be started.

use super::model::{Config, ListenConfig, PluginConfig, TenantConfig};

impl Config {
    /// The configuration without these plugins, their listeners, and tenants without a plugin.
    #[must_use]
    pub fn without(&self, plugins: &[usize]) -> Config {
        let mut config = self.clone();
        config.plugins.clear();
        config.tenants.clear();
        config.listeners.clear();
        let mut places = vec![None; self.plugins.len()];
        for (index, plugin) in self.plugins.iter().enumerate() {
            if plugins.contains(&index) {
                continue;
            }
            places[index] = Some(config.plugins.len());
            let tenant_index = place(&mut config.tenants, &self.tenants[plugin.tenant_index]);
            config.plugins.push(PluginConfig { tenant_index, ..plugin.clone() });
        }
        for listener in &self.listeners {
            if let Some(plugin) = places[listener.plugin] {
                config.listeners.push(ListenConfig { plugin, ..listener.clone() });
            }
        }
        config
    }
}

/// The index of the tenant in the list, to which it is added if it is missing.
fn place(tenants: &mut Vec<TenantConfig>, tenant: &TenantConfig) -> usize {
    let known = tenants.iter().position(|known| known.name == tenant.name);
    known.unwrap_or_else(|| {
        tenants.push(tenant.clone());
        tenants.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TEXT: &str = r#"
[plugins.a]
component = "a.wasm"
tenant = "one"
[plugins.b]
component = "b.wasm"
tenant = "two"
[plugins.c]
component = "c.wasm"
tenant = "two"
[plugins.d]
component = "d.wasm"
tenant = "one"
[[listen]]
address = "tcp://127.0.0.1:1"
plugin = "d"
[[listen]]
address = "tcp://127.0.0.1:2"
plugin = "a"
[[listen]]
address = "tcp://127.0.0.1:3"
plugin = "b"
[[listen]]
address = "tcp://127.0.0.1:4"
plugin = "c"
"#;

    /// Plugins with their tenants, and listeners with their plugins and indices in the file.
    fn told(config: &Config) -> (String, String) {
        let plugins = config.plugins.iter();
        let plugins: Vec<_> = plugins
            .map(|it| format!("{} of {}", it.name, config.tenants[it.tenant_index].name))
            .collect();
        let listeners = config.listeners.iter();
        let listeners: Vec<_> = listeners
            .map(|it| format!("[{}] {}", it.place, config.plugins[it.plugin].name))
            .collect();
        (plugins.join(", "), listeners.join(", "))
    }

    #[track_caller]
    fn check(without: &[usize], plugins: &str, listeners: &str, tenants: &[&str]) {
        let config = Config::parse(Path::new("plugins.toml"), TEXT).expect("a configuration");
        let config = config.without(without);
        assert_eq!(told(&config), (plugins.to_owned(), listeners.to_owned()), "{without:?}");
        let names: Vec<_> = config.tenants.iter().map(|tenant| tenant.name.as_str()).collect();
        assert_eq!(names, tenants, "{without:?}");
    }

    #[test]
    fn what_is_left_fits_together() {
        let all = "[0] d, [1] a, [2] b, [3] c";
        check(&[], "a of one, b of two, c of two, d of one", all, &["one", "two"]);
        check(&[0], "b of two, c of two, d of one", "[0] d, [2] b, [3] c", &["two", "one"]);
        check(&[1, 2], "a of one, d of one", "[0] d, [1] a", &["one"]);
        check(&[0, 1, 3], "c of two", "[3] c", &["two"]);
        check(&[0, 1, 2, 3], "", "", &[]);
    }
}
