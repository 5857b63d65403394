//! `xtask-component MODULE FILE [MODULE FILE …]`: makes the component of each built module and writes it to the file behind it.
#![expect(clippy::print_stderr, reason = "a command-line program")]

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use wit_component::{ComponentEncoder, DecodedWasm};

fn main() -> ExitCode {
    match write_all(&env::args_os().skip(1).collect::<Vec<OsString>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask-component: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_all(arguments: &[OsString]) -> Result<()> {
    let pairs = arguments.chunks_exact(2);
    if arguments.is_empty() || !pairs.remainder().is_empty() {
        bail!("it takes modules, each with the file for its component");
    }
    for pair in pairs {
        write(&PathBuf::from(&pair[0]), &PathBuf::from(&pair[1]))?;
    }
    Ok(())
}

/// Makes the component of a built module and writes it to a file, unless the very same is there.
fn write(module: &Path, file: &Path) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let component = component(&bytes).with_context(|| format!("{} makes no component", module.display()))?;
    if fs::read(file).is_ok_and(|old| old == component) {
        eprintln!("xtask: {} is up to date ({} bytes)", file.display(), component.len());
        return Ok(());
    }
    file.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(file, &component))
        .with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!("xtask: wrote {} ({} bytes)", file.display(), component.len());
    Ok(())
}

/// A component from a core module that carries its WIT (wit-bindgen puts it in), checked: valid, and without imports.
fn component(module: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default().validate(true).module(module)?.encode()?;
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&component)? else {
        bail!("what came out is WIT, not a component");
    };
    let world = resolve.worlds.get(world).context("it has no world")?;
    let imports: Vec<_> = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    if !imports.is_empty() {
        bail!("it imports {}, and a helper imports nothing (wit/helper.wit)", imports.join(", "));
    }
    Ok(component)
}

#[cfg(test)]
mod tests {
    use super::{component, write_all};

    #[test]
    fn a_module_that_imports_anything_is_refused() {
        let module = r#"(module (import "env" "clock" (func (result i64))) (memory (export "memory") 1))"#;
        let error = component(&wat::parse_str(module).unwrap()).unwrap_err();
        assert!(format!("{error:#}").contains("env"), "{error:#}");
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert!(component(b"no module").is_err());
        assert!(write_all(&["a.wasm".into()]).is_err(), "a module without a file");
    }
}
