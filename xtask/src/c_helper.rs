//! `cargo xtask c-helper`: makes a component of a helper in C.

use std::{
    ffi::OsStr,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use crate::{host, places, plugins, run, say, toolchain::Clang};

/// The helper in C that stands in the repository.
const EXAMPLE: &str = "plugins/examples/sane";

/// What to build.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The helper's folder, whose C files are compiled, with those in its folder `libc`
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Builds a helper in C, to `target/wasm/examples/NAME.wasm` by its folder's name.
///
/// # Errors
/// When there is no compiler, the folder has no C files, they cannot be compiled, or the module does not fit the contract.
pub(crate) fn build(arguments: &Arguments) -> Result<()> {
    let example = places::root().join(EXAMPLE);
    compile(&Clang::find_or_install()?, arguments.folder.as_deref().unwrap_or(&example))
}

/// Builds the one in the repository where there is a compiler; what tests it is skipped without the component.
///
/// # Errors
/// When it cannot be compiled, or the module does not fit the contract.
pub(crate) fn build_example_if_possible() -> Result<()> {
    match Clang::find() {
        Some(clang) => compile(&clang, &places::root().join(EXAMPLE)),
        None => {
            say("there is no clang with wasm-ld for the helper in C");
            let before = component_of(Path::new(EXAMPLE).file_name().unwrap_or_default());
            // One of another day is not what is to be tested.
            match fs::remove_file(&before) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(error).with_context(|| format!("cannot remove {}", before.display()))
                }
                Ok(()) | Err(_) => Ok(()),
            }
        }
    }
}

fn compile(clang: &Clang, folder: &Path) -> Result<()> {
    let name = fs::canonicalize(folder).with_context(|| format!("cannot open {}", folder.display()))?;
    let name = name.file_name().context("a helper's folder has a name")?.to_owned();
    let libc = folder.join("libc");
    let mut files = c_files(folder)?;
    ensure!(!files.is_empty(), "{} holds no C file", folder.display());
    if libc.is_dir() {
        files.extend(c_files(&libc)?);
    }
    let made = places::wasm_target().join("c").join(&name);
    bindings(&made)?;
    say(format_args!("building {}", folder.display()));
    let module = made.join("module.wasm");
    let mut command = clang.command();
    command.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]);
    // Memory is copied and filled by instructions, for which no C library is needed.
    command.args(["-mbulk-memory", "-fno-builtin-strlen"]);
    // A helper reads a payload and answers: a small stack, below everything so that none grows into what lies there.
    command.args(["-Wl,-z,stack-size=16384", "-Wl,--stack-first", "-Wl,--strip-all"]);
    command.arg("-I").arg(&made).arg("-isystem").arg(&libc).args(files);
    command.arg(made.join("conntrack_helper.c")).arg(made.join("conntrack_helper_component_type.o"));
    run::run(command.arg("-o").arg(&module))?;
    plugins::write_components(&[(module, component_of(&name))])
}

/// Where the component of a helper lies.
fn component_of(name: &OsStr) -> PathBuf {
    let mut file = name.to_owned();
    file.push(".wasm");
    places::examples().join(file)
}

/// Writes what is made of the contract.
fn bindings(folder: &Path) -> Result<()> {
    let mut command = host::cargo("run");
    command.args(["--quiet", "--package", "xtask-c-bindings", "--"]);
    run::run(command.arg(places::contract()).arg(folder))
}

/// The C files of a folder, in the order of their names.
fn c_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for file in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let file = file?.path();
        if file.extension() == Some(OsStr::new("c")) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
