//! What a connection tells of itself, and what must be true of it whatever has come.

use towpath_engine::{
    Engine,
    tcp::{State, TcpInfo},
};

/// Holds what a connection tells of itself against what it must keep, and its engine against waiting for nothing.
///
/// # Panics
/// When the numbers do not agree, or something is to be sent and no deadline is set; then with what `when` says.
pub fn keeps_books(engine: &Engine, info: &TcpInfo, when: impl Fn() -> String) {
    let is_told = || format!("{}: {info:?}", when());
    assert!(info.sacked + info.lost <= info.unacked, "{}", is_told());
    assert!(info.retrans <= info.unacked && info.snd_cwnd >= 1, "{}", is_told());
    assert!(info.snd_mss >= 36 && info.rcv_wnd <= 1 << 30, "{}", is_told());
    let waits = info.state != State::Closed && (info.unacked > 0 || info.notsent_bytes > 0);
    assert!(!waits || engine.poll_timeout().is_some(), "nothing is waited for: {}", is_told());
}
