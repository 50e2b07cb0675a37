//! The routes: paths, access and actions. The router, the table in `docs/admin.md` and the tests are made from this one
//! table.

use hyper::Method;
use hyper::header::ACCEPT;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use crate::run::admin::cluster_view;
use crate::run::admin::commands;
use crate::run::admin::exposition::ExpositionFormat;
use crate::run::admin::families::Scrape;
use crate::run::admin::guard::RouteAccess;
use crate::run::admin::query::PageQuery;
use crate::run::admin::reply::{Refusal, Reply};
use crate::run::admin::watched::WatchedHost;
use crate::run::admin::{health, page, query, views};
use crate::run::control::Request;

/// One route.
pub(super) struct Route {
    /// `GET`, which also allows `HEAD`, or `POST`.
    pub(super) method: Method,
    /// The path; a part in braces is a parameter.
    pub(super) path: &'static str,
    pub(super) access: RouteAccess,
    /// The description for the documentation.
    what: &'static str,
    action: Action,
}

/// The action of a route.
#[derive(Debug, Clone, Copy)]
enum Action {
    Page,
    Healthz,
    Readyz,
    Metrics,
    Routes,
    Host,
    Plugins,
    Plugin,
    Tenants,
    Cluster,
    Connections,
    Instances,
    Traps,
    Denials,
    Reload,
    Park,
    Drain,
    Resume,
}

/// All routes, in the order of the documentation.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/",
        access: RouteAccess::Anybody,
        what: "the live page",
        action: Action::Page,
    },
    Route {
        method: Method::GET,
        path: "/healthz",
        access: RouteAccess::Anybody,
        what: "200 while every reactor turns, otherwise 503",
        action: Action::Healthz,
    },
    Route {
        method: Method::GET,
        path: "/readyz",
        access: RouteAccess::Anybody,
        what: "200 while connections may come; 503 before the host serves and from the beginning of its stop",
        action: Action::Readyz,
    },
    Route {
        method: Method::GET,
        path: "/metrics",
        access: RouteAccess::Anybody,
        what: "every metric, for Prometheus",
        action: Action::Metrics,
    },
    Route {
        method: Method::GET,
        path: "/routes",
        access: RouteAccess::Anybody,
        what: "this table",
        action: Action::Routes,
    },
    Route {
        method: Method::GET,
        path: "/host",
        access: RouteAccess::Reader,
        what: "the host as a whole and its reactors",
        action: Action::Host,
    },
    Route {
        method: Method::GET,
        path: "/plugins",
        access: RouteAccess::Reader,
        what: "every plugin: what it does, what it has of each limit, how it fares",
        action: Action::Plugins,
    },
    Route {
        method: Method::GET,
        path: "/plugins/{name}",
        access: RouteAccess::Reader,
        what: "one plugin",
        action: Action::Plugin,
    },
    Route {
        method: Method::GET,
        path: "/tenants",
        access: RouteAccess::Reader,
        what: "every tenant: what it has of each limit",
        action: Action::Tenants,
    },
    Route {
        method: Method::GET,
        path: "/cluster",
        access: RouteAccess::Reader,
        what: "the other hosts, the connections to NATS and what goes over them; null where the host is alone",
        action: Action::Cluster,
    },
    Route {
        method: Method::GET,
        path: "/connections",
        access: RouteAccess::Reader,
        what: "connections, a page of them: `limit`, `plugin`, and `after` with the `next` of the page before",
        action: Action::Connections,
    },
    Route {
        method: Method::GET,
        path: "/instances",
        access: RouteAccess::Reader,
        what: "sandboxes, a page of them, likewise",
        action: Action::Instances,
    },
    Route {
        method: Method::GET,
        path: "/traps",
        access: RouteAccess::Reader,
        what: "the last 16 traps of each plugin with their backtraces, the latest first",
        action: Action::Traps,
    },
    Route {
        method: Method::GET,
        path: "/denials",
        access: RouteAccess::Reader,
        what: "the last 16 denials of each plugin with the line that would allow them, the latest first",
        action: Action::Denials,
    },
    Route {
        method: Method::POST,
        path: "/reload",
        access: RouteAccess::Operator,
        what: "reads the configuration again and serves it if it is good",
        action: Action::Reload,
    },
    Route {
        method: Method::POST,
        path: "/plugins/{name}/park",
        access: RouteAccess::Operator,
        what: "gives the plugin no new sandboxes; those that it has go on, except the program of a singleton, which goes on at another host",
        action: Action::Park,
    },
    Route {
        method: Method::POST,
        path: "/plugins/{name}/drain",
        access: RouteAccess::Operator,
        what: "gives the plugin no new connections; those that it has accepted end within its `drain_deadline`",
        action: Action::Drain,
    },
    Route {
        method: Method::POST,
        path: "/plugins/{name}/resume",
        access: RouteAccess::Operator,
        what: "lets it have sandboxes and connections again",
        action: Action::Resume,
    },
];

/// Finds the route of a request.
pub(super) fn find(method: &Method, path: &str) -> Result<&'static Route, Refusal> {
    let at_path: Vec<&Route> = ROUTES.iter().filter(|route| is_at(route.path, path)).collect();
    // HEAD is allowed wherever GET is.
    let wanted = if *method == Method::HEAD { &Method::GET } else { method };
    if let Some(route) = at_path.iter().find(|route| route.method == *wanted) {
        return Ok(route);
    }
    let methods: Vec<&str> = at_path.iter().map(|route| route.method.as_str()).collect();
    if methods.is_empty() {
        return Err(Refusal::NoRoute);
    }
    Err(Refusal::Method(methods.join(", ")))
}

fn is_at(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.split('/'), path.split('/'));
    pattern.clone().count() == path.clone().count()
        && pattern.zip(path).all(
            |(part, own)| {
                if part.starts_with('{') { !own.is_empty() } else { part == own }
            },
        )
}

impl Route {
    /// Executes the action.
    pub(super) async fn answer(
        &self,
        watched: &WatchedHost,
        head: &Parts,
    ) -> Result<Reply, Refusal> {
        let query = head.uri.query();
        match self.action {
            Action::Page => return Ok(page::reply()),
            // Probes and scrapers may add any query string.
            Action::Healthz => return Ok(health::healthz(watched).await),
            Action::Readyz => return Ok(health::readyz(watched)),
            Action::Metrics => {
                let accept = head.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
                let format = ExpositionFormat::accepted(accept);
                return Ok(Reply::new(format.content_type(), Scrape::of(watched).text(format)));
            }
            Action::Connections | Action::Instances => {
                let query = PageQuery::read(query, watched.posts.len())?;
                let value = match self.action {
                    Action::Connections => views::connections(watched, &query).await?,
                    _ => views::instances(watched, &query).await?,
                };
                return Ok(Reply::json(&value));
            }
            _ => query::none(query)?,
        }
        let plugin = self.name_in(head.uri.path()).to_owned();
        let value = match self.action {
            Action::Routes => all(),
            Action::Host => views::host(watched),
            Action::Plugins => views::plugins(watched),
            Action::Plugin => views::plugin_named(watched, &plugin)?,
            Action::Tenants => views::tenants(watched),
            Action::Cluster => cluster_view::cluster(watched),
            Action::Traps => views::traps(watched),
            Action::Denials => views::denials(watched),
            Action::Park => return commands::ask(watched, Request::Park { plugin }).await,
            Action::Drain => return commands::ask(watched, Request::Drain { plugin }).await,
            Action::Resume => return commands::ask(watched, Request::Resume { plugin }).await,
            _ => return commands::ask(watched, Request::Reload).await,
        };
        Ok(Reply::json(&value))
    }

    /// The value of the path's parameter; empty if it has none.
    fn name_in<'a>(&self, path: &'a str) -> &'a str {
        let parts = self.path.split('/').zip(path.split('/'));
        { parts }.find(|(part, _)| part.starts_with('{')).map_or("", |(_, own)| own)
    }
}

/// `GET /routes`.
fn all() -> Value {
    let route = |it: &Route| json!({ "method": it.method.as_str(), "path": it.path, "access": it.access.name(), "what": it.what });
    json!({ "routes": ROUTES.iter().map(route).collect::<Vec<_>>() })
}

/// The table of all routes in Markdown, for `docs/admin.md`.
#[cfg(test)]
fn reference() -> String {
    use std::fmt::Write as _;

    let mut text = String::from("| method | path | who | what |\n| --- | --- | --- | --- |\n");
    for Route { method, path, access, what, .. } in ROUTES {
        let _ = writeln!(text, "| `{method}` | `{path}` | {} | {what} |", access.name());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_has_every_route() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/admin.md");
        let page = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let reference = reference();
        assert!(
            page.contains(&reference),
            "the table of routes in docs/admin.md is old; put this into its place:\n{reference}"
        );
    }

    #[test]
    fn a_path_leads_to_its_route_and_other_methods_are_told() {
        for route in ROUTES {
            let path = route.path.replace("{name}", "echo");
            let found = find(&route.method, &path).unwrap_or_else(|why| panic!("{path}: {why:?}"));
            assert_eq!((found.path, &found.method), (route.path, &route.method));
            let other = find(&Method::DELETE, &path).err();
            assert!(matches!(other, Some(Refusal::Method(_))), "{path}: {other:?}");
            for wrong in [format!("{path}/"), format!("/{path}"), format!("{path}x/y")] {
                assert_eq!(find(&route.method, &wrong).err(), Some(Refusal::NoRoute), "{wrong}");
            }
        }
        assert!(find(&Method::HEAD, "/metrics").is_ok());
    }

    #[test]
    fn what_changes_something_is_for_operators() {
        for route in ROUTES {
            let changes = route.method != Method::GET;
            assert_eq!(route.access == RouteAccess::Operator, changes, "{}", route.path);
        }
    }
}
