//! `xtask-c-bindings CONTRACT FOLDER`: writes into FOLDER what a helper in C is compiled with: `conntrack_helper.h`, `conntrack_helper.c`,
//! and `conntrack_helper_component_type.o`, which carries the contract into the module.
//!
//! What the program `wit-bindgen c` does, from its library, so that its version is the one in `Cargo.lock`.
#![expect(clippy::print_stderr, reason = "a command-line program")]

use std::{env, ffi::OsString, fs, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use wit_bindgen_c::Opts;
use wit_bindgen_core::{Files, wit_parser::Resolve};

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask-c-bindings: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<()> {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let [contract, folder] = arguments.as_slice() else {
        bail!("it takes a contract and a folder");
    };
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(contract)?;
    let world = resolve.select_world(&[package], None)?;
    // Names begin with `exports_conntrack_` instead of with the interface's whole name.
    let interfaces = resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key));
    let rename = interfaces.map(|name| (name, "conntrack".to_owned())).collect();
    let mut files = Files::default();
    Opts { rename, ..Opts::default() }.build().generate(&mut resolve, world, &mut files)?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", Path::new(folder).display()))?;
    for (name, bytes) in files.iter() {
        let file = Path::new(folder).join(name);
        fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
