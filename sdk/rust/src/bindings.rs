//! The only place where the contract becomes Rust. Everything here is generated from `wit/`; the other
//! modules give it its shape.
//!
//! There are two worlds, so that a plugin without a program does not export `lifecycle`: a host starts a
//! plugin that does whether or not it has connections.
#![allow(
    missing_docs,
    unused_qualifications,
    rust_2018_idioms,
    clippy::allow_attributes_without_reason,
    clippy::undocumented_unsafe_blocks,
    reason = "generated code"
)]

wit_bindgen::generate!({
    path: "wit",
    inline: "
        package sandloop:rust;

        world connections {
            include sandloop:plugin/cluster@0.1.1;
        }
    ",
    world: "sandloop:rust/connections",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_connections",
    default_bindings_module: "sandloop::bindings",
    additional_derives: [PartialEq, Eq, Hash],
    additional_derives_ignore: ["connection"],
});

pub mod program {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package sandloop:rust;

            world program {
                export sandloop:plugin/lifecycle@0.1.1;
                export sandloop:plugin/handover-handler@0.1.1;
            }
        ",
        world: "sandloop:rust/program",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_program",
        default_bindings_module: "sandloop::bindings::program",
    });
}
