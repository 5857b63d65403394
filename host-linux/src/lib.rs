//! Towpath on Linux: everything around the engine that touches the machine.
//!
//! | room | what lives there |
//! |---|---|
//! | [`gateway`] | what a gateway is made of: configuration, rules, helpers |
//! | [`host`] | a running gateway: one loop around the rest |
//! | [`napi`] | polling devices with weight and budget |
//! | [`af_packet`] | devices: mapped rings, batches out |
//! | [`control`] | the control socket: how a running gateway is asked |
//! | [`plugin`] | helper plugins: WebAssembly behind the engine's trait |
//! | [`tracking`] | which connections are shown, and how: conntrack(8) |
//! | [`sockets`], [`sysctl`], [`destinations`] | sockets, tunables and what is remembered of hosts as text: ss(8), sysctl(8), ip-tcp_metrics(8) |
//! | [`state`] | snapshots in files |
//! | [`text`] | texts in files |
//! | [`stats`] | what has been counted, as text and JSON |
//! | [`checksum`] | checksums with this processor's vector instructions: a crate of its own, in `host-linux/checksum` |
//! | [`helpers`] | helpers that come and go while a gateway runs |
//! | [`withholder`] | a process that keeps devices' packets from the machine's own network stack |
//! | [`worker`] | a thread for what takes long, so that no packet waits for it |
//! | [`notice`], [`notices`] | what an operator sees while a gateway runs, and how it gets there without being waited for |
//! | [`clock`], [`signals`], [`privileges`] | time, the wish to stop, giving up what is not needed |
//! | [`limits`] | every bound |
#![cfg(target_os = "linux")]

pub mod af_packet;
pub mod bonds;
pub mod clock;
pub mod control;
pub mod destinations;
pub mod gateway;
mod hardware;
pub mod helpers;
pub mod host;
pub mod limits;
pub mod links;
pub mod napi;
mod news;
pub mod notice;
pub mod notices;
pub mod plugin;
pub mod privileges;
pub mod services;
pub mod sets;
pub mod signals;
pub mod sockets;
pub mod state;
pub mod stats;
pub mod sysctl;
pub mod text;
pub mod tracking;
pub mod withholder;
pub mod worker;

pub use towpath_checksum as checksum;
