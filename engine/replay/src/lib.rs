//! Capture bytes in, one record a packet out: the engine on a capture.
//!
//! This crate does no I/O of its own: it takes a capture as a slice or a stream, a configuration as text, and hands
//! records to its caller. The program, the tests and the page all use it. [`lab`] alone has no capture: its hosts make the packets, and it
//! shares how configurations are read and captures written.
//!
//! - [`cases`] reads firewall tests and runs them
//! - [`audit`] says which of the RFCs' requirements of a translator a gateway meets
//! - [`capture`] reads pcap and pcapng
//! - [`config`] reads a gateway from its file
//! - [`play`] plays written packets to a gateway and compares what comes of them with what is written
//! - [`replay`] leads a capture's packets through a gateway
//! - [`record`] tells what became of each, as JSON and for people
//! - [`check`] says what a careful reader would about a gateway before it runs
//! - [`diff`] says which flows two gateways treat in different ways
//! - [`explain`] tells one packet's whole path, and what would have let it pass
//! - [`mod@write`] writes what became of a capture as a capture
//! - [`schema`] shows connections and events as JSON
//! - [`lab`] joins hosts by links that delay and lose, and tells what becomes of their connections
//! - [`limits`] has every bound

pub mod audit;
pub mod capture;
pub mod cases;
pub mod check;
pub mod config;
pub mod diff;
pub mod explain;
pub mod lab;
pub mod limits;
pub mod play;
pub mod record;
pub mod replay;
pub mod schema;
mod tags;
pub mod write;
