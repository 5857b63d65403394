//! `xtask-bindgen MODULE FOLDER NAME`: reads a built module and writes NAME.js, NAME.d.ts and NAME_bg.wasm into FOLDER.
//!
//! What the program `wasm-bindgen` does, from its library, so that its version is the one in `Cargo.lock`.
#![expect(clippy::print_stderr, reason = "a command-line program")]

use std::{env, ffi::OsString, process::ExitCode};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask-bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<()> {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let [module, folder, name] = arguments.as_slice() else {
        bail!("it takes a module, a folder and a name");
    };
    let name = name.to_str().context("the name is not UTF-8")?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name(name).typescript(true);
    // The page says where the module is, because its bundler renames it.
    bindgen.web(true)?.omit_default_module_path(true);
    bindgen.generate(folder)
}
