//! The suite in which the original packetdrill judges our scripts is there when `PACKETDRILL` names that program: the repository has none.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(packetdrill)");
    println!("cargo::rerun-if-env-changed=PACKETDRILL");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("PACKETDRILL").is_some() {
        println!("cargo::rustc-cfg=packetdrill");
    }
}
