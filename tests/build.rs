//! Suites that judge captures of other people are there when `TOWPATH_CAPTURES` names a folder of such: the repository has none.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(foreign_captures)");
    println!("cargo::rerun-if-env-changed=TOWPATH_CAPTURES");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("TOWPATH_CAPTURES").is_some() {
        println!("cargo::rustc-cfg=foreign_captures");
    }
}
