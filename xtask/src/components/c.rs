//! Guests written in C: `sdk/c/samples/NAME/NAME.c` becomes the component `c_NAME`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

use super::{Component, adapt};
use crate::root::{root, target};
use crate::setup::wasm_clang;
use crate::step::run;

/// The world of the samples: nothing but a handler.
const WORLD: &str = "minimal";

/// Builds every sample.
pub fn build() -> Result<Vec<Component>> {
    let bindings = target().join("c").join(WORLD);
    generate(&bindings)?;

    let samples = root().join("sdk/c/samples");
    let mut components = Vec::new();
    let mut names: Vec<_> = samples.read_dir()?.collect::<Result<_, _>>()?;
    names.sort_by_key(std::fs::DirEntry::file_name);
    for sample in names {
        let name = sample.file_name().into_string().expect("samples have plain names");
        let source = sample.path().join(format!("{name}.c"));
        let module = compile(&source, &bindings, &format!("{name}.wasm"))?;
        let bytes = adapt::component(&std::fs::read(module)?)
            .with_context(|| format!("{} is no component", source.display()))?;
        components.push(Component { name: format!("c_{name}"), bytes });
    }
    Ok(components)
}

/// Writes `minimal.h`, `minimal.c` and the object that holds the world.
fn generate(directory: &Path) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit"))?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    let mut files = Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?;

    std::fs::create_dir_all(directory)?;
    for (name, bytes) in files.iter() {
        std::fs::write(directory.join(name), bytes)?;
    }
    Ok(())
}

fn compile(source: &Path, bindings: &Path, module: &str) -> Result<PathBuf> {
    let module = bindings.join(module);
    let clang = wasm_clang().context("there is no clang for WebAssembly")?;
    let mut command = Command::new(clang);
    command.args(["--target=wasm32-wasi", "-mexec-model=reactor"]);
    command.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]);
    command.arg("-Wl,--strip-debug").arg("-I").arg(bindings).arg(source);
    for generated in [format!("{WORLD}.c"), format!("{WORLD}_component_type.o")] {
        command.arg(bindings.join(generated));
    }
    run(command.arg("-o").arg(&module))?;
    Ok(module)
}
