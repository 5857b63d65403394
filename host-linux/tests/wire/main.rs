//! The host on real devices: veth pairs between network namespaces inside a user namespace of their own, so that no
//! test needs root and none touches the machine's network.

#![expect(clippy::unwrap_used, reason = "in a test, also in its helpers")]

mod bond;
mod cable;
mod conntrack_tool;
mod dcc;
mod device;
mod ethtool;
mod follow;
mod ftp;
mod ftp_server;
mod gateway;
mod helper;
mod host_port;
mod in_c;
mod ipv6;
mod link;
mod loss;
mod mtu;
mod namespace;
mod needs;
mod refused;
mod ring;
mod rules;
mod running;
mod sane;
mod services;
mod skip;
mod state;
mod tftp;
mod withheld;
