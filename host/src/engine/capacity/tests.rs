//! The worst mixture of sandboxes, and what is said when it does not fit.

use super::*;

fn footprint(memories: u32) -> Footprint {
    Footprint { memories, memory_bytes: 0, tables: 3, table_elements: 0, core_instances: 1 }
}

/// `host` under `[host]`, plugins `a` and `b` of tenants of their own, `tenant` under `[tenants.b.limits]`.
fn config(host: &str, tenant: &str) -> Config {
    let text = format!(
        "[host]\n{host}\n[plugins.a]\ncomponent = \"a.wasm\"\n[plugins.b]\ncomponent = \"b.wasm\"\n\
         [tenants.b.limits]\n{tenant}\n\
         [[listen]]\naddress = \"tcp://127.0.0.1:1\"\nplugin = \"a\"\n\
         [[listen]]\naddress = \"tcp://127.0.0.1:2\"\nplugin = \"b\"\n"
    );
    Config::parse(Path::new("plugins.toml"), &text).expect("a configuration")
}

#[test]
fn the_worst_mixture_is_counted() {
    #[track_caller]
    fn check(host: &str, tenant: &str, memories: [u32; 2], expected: u64) {
        let (config, footprints) = (config(host, tenant), memories.map(footprint));
        assert_eq!(Capacity::new(&config, &footprints).memories(), expected, "{host} {tenant}");
    }
    check("instances = 100\nworkers = 1", "", [1, 1], 101);
    // 25 are kept for each, 50 go to the dearer one.
    check("instances = 100\nworkers = 1", "", [1, 10], 25 + 75 * 10 + 10);
    check("instances = 100\nworkers = 3", "", [10, 1], 25 + 75 * 10 + 30);
    // What it may not have goes to the other.
    check("instances = 100\nworkers = 1", "instances = 5", [1, 10], 75 + 5 * 10 + 10);
    check("instances = 100\nworkers = 1", "instances = 30", [1, 10], 70 + 30 * 10 + 10);
    check("instances = 1\nworkers = 1", "", [1, 7], 14);
    check("instances = 100\nworkers = 2", "", [0, 0], 0);
}

#[test]
fn what_does_not_fit_is_refused_with_the_number_that_does() {
    #[track_caller]
    fn check(host: &str, tenant: &str, memories: [u32; 2], says: &[&str]) {
        let (config, footprints) = (config(host, tenant), memories.map(footprint));
        let capacity = Capacity::new(&config, &footprints);
        let told = capacity.check(&capacity.mappings(65_530)).map_err(|error| error.to_string());
        match says {
            [] => assert_eq!(told, Ok(()), "{host} {tenant}"),
            _ => {
                let error = told.expect_err("too many");
                says.iter().for_each(|words| assert!(error.contains(words), "{words}: {error}"));
            }
        }
    }
    check("", "", [1, 1], &[]);
    check("instances = 15868", "", [1, 1], &[]);
    check(
        "instances = 15869",
        "",
        [1, 1],
        &[
            "plugins.toml:2: host.instances: 15869 sandboxes need 65532 memory mappings",
            "allows a process 65530",
            "write instances = 15868 under [host] or instances = ",
            "vm.max_map_count=65532",
        ],
    );
    check("workers = 1000\ninstances = 14870", "", [1, 1], &[]);
    check("workers = 1000\ninstances = 14871", "", [1, 1], &["instances = 14870 under [host]"]);
    let large = &[
        "plugins.toml:5: plugins.b.component: 2000 sandboxes need ",
        "each of plugin \"b\" takes 164, as its component has 41 memories",
        "instances = 508 under [host] or instances = 348 under [tenants.b.limits] or less",
    ];
    check("", "", [1, 41], large);
    check("", "instances = 348", [1, 41], &[]);
    check("", "instances = 349", [1, 41], &["instances = 348 under [tenants.b.limits]"]);
    check("instances = 508", "", [1, 41], &[]);
    check("instances = 509", "", [1, 41], &["plugins.toml:2: host.instances: 509 sandboxes"]);
    check("", "", [1, 5000], &["instances = 1 under [host]"]);
    check("", "", [1, 60_000], &["make the component of fewer parts"]);
}

#[test]
fn one_tenants_memories_do_not_cost_the_others_their_slots() {
    let (config, footprints) = (config("", ""), [1, 20].map(footprint));
    let capacity = Capacity::new(&config, &footprints);
    let error = capacity.check_slots(16_384).map_err(|error| error.to_string()).unwrap_err();
    assert!(error.contains("30540 linear memories"), "{error}");
    assert!(error.contains("under [tenants.b.limits]") && !error.contains("sysctl"), "{error}");
    // More sandboxes than slots: everybody has bounds checks anyway.
    assert!(capacity.check_slots(1_000).is_ok());
    assert!(Capacity::new(&config, &[1, 8].map(footprint)).check_slots(16_384).is_ok());
}

#[test]
fn the_most_that_fits() {
    for (max, fitting) in [(10, 0), (10, 1), (10, 7), (10, 10), (1, 1), (1, 0), (u32::MAX, 12_345)]
    {
        let expected = (0 < fitting).then_some(fitting);
        assert_eq!(most(max, |number| number <= fitting), expected, "{fitting} of {max}");
    }
}
