//! Guests written in C: `sdk/c/samples/NAME/NAME.c` becomes the component `c_NAME`. Where there is a `world.wit` beside it, its
//! world has the sample's name; otherwise it is `minimal`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

use super::{Component, adapt};
use crate::root::{root, target};
use crate::setup::wasm_clang;
use crate::step::run;

/// The world of samples that have none of their own: nothing but a handler.
const MINIMAL: &str = "minimal";

/// Builds every sample.
pub fn build() -> Result<Vec<Component>> {
    let samples = root().join("sdk/c/samples");
    let mut components = Vec::new();
    let mut names: Vec<_> = samples.read_dir()?.collect::<Result<_, _>>()?;
    names.sort_by_key(std::fs::DirEntry::file_name);
    for sample in names {
        let name = sample.file_name().into_string().expect("samples have plain names");
        let source = sample.path().join(format!("{name}.c"));
        let own = sample.path().join("world.wit");
        let own = own.exists().then_some(own.as_path());
        let world = if own.is_some() { &name } else { MINIMAL };
        let bindings = target().join("c").join(world);
        generate(&bindings, world, own)?;
        let module = compile(&source, &bindings, world, &format!("{name}.wasm"))?;
        let bytes = adapt::component(&std::fs::read(module)?)
            .with_context(|| format!("{} is no component", source.display()))?;
        components.push(Component { name: format!("c_{name}"), bytes });
    }
    Ok(components)
}

/// Writes `WORLD.h`, `WORLD.c` and the object that holds the world, which is in `own` or in the contract.
fn generate(directory: &Path, world: &str, own: Option<&Path>) -> Result<()> {
    let mut resolve = Resolve::default();
    let (mut package, _) = resolve.push_dir(root().join("wit"))?;
    if let Some(own) = own {
        package = resolve.push_file(own)?;
    }
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?;

    std::fs::create_dir_all(directory)?;
    for (name, bytes) in files.iter() {
        std::fs::write(directory.join(name), bytes)?;
    }
    Ok(())
}

fn compile(source: &Path, bindings: &Path, world: &str, module: &str) -> Result<PathBuf> {
    let module = bindings.join(module);
    let clang = wasm_clang().context("there is no clang for WebAssembly")?;
    let mut command = Command::new(clang);
    command.args(["--target=wasm32-wasi", "-mexec-model=reactor"]);
    command.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]);
    command.arg("-Wl,--strip-debug").arg("-I").arg(bindings).arg(source);
    for generated in [format!("{world}.c"), format!("{world}_component_type.o")] {
        command.arg(bindings.join(generated));
    }
    run(command.arg("-o").arg(&module))?;
    Ok(module)
}
