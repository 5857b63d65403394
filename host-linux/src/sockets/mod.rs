//! Sockets as ss(8) prints them with `-n`: which it shows, in which columns, and what it says of `TCP_INFO` (iproute2 6.1:
//! `misc/ss.c`). There are no processes here, and so no last column; what is not measured here (`qack`) is not said.

mod page;

pub(crate) use page::page;

use std::{fmt::Write as _, io, net::SocketAddr};

use towpath_engine::{
    socket::{SocketEntry, SocketKind},
    tcp::{State, TcpInfo, congestion::BbrInfo},
};

/// Which sockets are shown, and what of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// `-t`, `-u`, `-w`: TCP, UDP, and the rest; none of them: all.
    pub tcp: bool,
    /// See there.
    pub udp: bool,
    /// See there.
    pub raw: bool,
    /// `-a`: those that listen, too.
    pub all: bool,
    /// `-l`: only those.
    pub listening: bool,
    /// `-4`: only IPv4.
    pub only_v4: bool,
    /// `-6`: only IPv6.
    pub only_v6: bool,
    /// `-i`: what is known of connections.
    pub info: bool,
    /// `-H`: no headings.
    pub no_header: bool,
}

impl Shown {
    /// Whether a socket is shown.
    #[must_use]
    pub const fn wants(&self, socket: &SocketEntry) -> bool {
        let is_of_kind = match socket.kind {
            SocketKind::Tcp => self.tcp,
            SocketKind::Udp => self.udp,
            SocketKind::Ping | SocketKind::Raw(_) => self.raw,
        };
        let waits = matches!(socket.state, State::Listen | State::Closed);
        let is_passing = matches!(socket.state, State::TimeWait | State::SynReceived);
        let is_of_state = if self.listening { waits } else { self.all || !(waits || is_passing) };
        let is_v4 = socket.local.is_ipv4();
        let is_of_family = (self.only_v4 == self.only_v6) || (is_v4 == self.only_v4);
        (is_of_kind || self.has_all_kinds()) && is_of_state && is_of_family
    }

    const fn has_all_kinds(&self) -> bool {
        self.tcp == self.udp && self.udp == self.raw
    }

    /// Whether a column says what they speak.
    const fn has_kinds(&self) -> bool {
        self.has_all_kinds() || (self.tcp as u8 + self.udp as u8 + self.raw as u8) > 1
    }

    /// Writes those of `sockets` that are shown, in the order in which ss has them.
    ///
    /// # Errors
    /// When `out` takes nothing more.
    pub fn write(&self, sockets: &[SocketEntry], out: &mut impl io::Write) -> io::Result<()> {
        let mut shown: Vec<&SocketEntry> = sockets.iter().filter(|socket| self.wants(socket)).collect();
        shown.sort_by_key(|socket| (socket.kind, socket.state != State::Listen));
        let mut rows: Vec<[String; 8]> = shown.iter().map(|socket| row(socket)).collect();
        if !self.no_header {
            rows.insert(0, HEADINGS.map(str::to_owned));
        }
        let mut widths = WIDTHS_MIN;
        for row in &rows {
            for (width, field) in widths.iter_mut().zip(row) {
                *width = (*width).max(field.len());
            }
        }
        let headings = rows.len() - shown.len();
        for (at, row) in rows.iter().enumerate() {
            writeln!(out, "{}", self.line(row, &widths))?;
            let Some(socket) = at.checked_sub(headings).map(|at| shown[at]) else { continue };
            if self.info && socket.kind != SocketKind::Udp {
                writeln!(out, "\t{}", details(socket))?;
            }
        }
        Ok(())
    }

    fn line(&self, row: &[String; 8], widths: &[usize; 8]) -> String {
        let [kind, state, received, sent, own, own_port, peer, peer_port] = row;
        let [w_kind, w_state, w_received, w_sent, w_own, w_own_port, w_peer, _] = widths;
        let mut line = String::new();
        if self.has_kinds() {
            _ = write!(line, "{kind:w_kind$} ");
        }
        _ = write!(line, "{state:w_state$} {received:w_received$} {sent:w_sent$} {own:>w_own$}:{own_port:w_own_port$}");
        _ = write!(line, " {peer:>w_peer$}:{peer_port}");
        line.truncate(line.trim_end().len());
        line
    }
}

const HEADINGS: [&str; 8] = ["Netid", "State", "Recv-Q", "Send-Q", "Local Address", "Port", "Peer Address", "Port"];

/// Numbers have six places in any case.
const WIDTHS_MIN: [usize; 8] = [0, 0, 6, 6, 0, 0, 0, 0];

fn row(socket: &SocketEntry) -> [String; 8] {
    let (own, own_port) = ends(socket.local, socket);
    let (peer, peer_port) = ends(socket.remote, socket);
    let own_port = if let SocketKind::Raw(protocol) = socket.kind { protocol.to_string() } else { own_port };
    [
        kind_name(socket.kind).to_owned(),
        state_name(socket.state).to_owned(),
        socket.receive_queue.to_string(),
        socket.send_queue.to_string(),
        own,
        own_port,
        peer,
        peer_port,
    ]
}

/// An address and a port; what is none is a star.
fn ends(address: SocketAddr, socket: &SocketEntry) -> (String, String) {
    let host = match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() && socket.is_dual => "*".to_owned(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    (host, if address.port() == 0 { "*".to_owned() } else { address.port().to_string() })
}

const fn kind_name(kind: SocketKind) -> &'static str {
    match kind {
        SocketKind::Raw(_) => "raw",
        SocketKind::Ping => "icmp",
        SocketKind::Udp => "udp",
        SocketKind::Tcp => "tcp",
    }
}

const fn state_name(state: State) -> &'static str {
    match state {
        State::Closed => "UNCONN",
        State::Listen => "LISTEN",
        State::SynSent => "SYN-SENT",
        State::SynReceived => "SYN-RECV",
        State::Established => "ESTAB",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::CloseWait => "CLOSE-WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST-ACK",
        State::TimeWait => "TIME-WAIT",
    }
}

/// What is known of a socket, each word with a space before it.
fn details(socket: &SocketEntry) -> String {
    let mut text = String::new();
    if let Some(congestion) = &socket.congestion {
        _ = write!(text, " {congestion}");
    }
    match &socket.info {
        Some(info) => details_of(&mut text, info, socket.model.as_ref()),
        None if socket.window > 0 => {
            _ = write!(text, " cwnd:{}", socket.window);
            number(&mut text, "unacked", socket.receive_queue.into());
        }
        None => {}
    }
    text
}

/// Says a number, unless it is 0.
fn number(text: &mut String, name: &str, value: u64) {
    if value != 0 {
        _ = write!(text, " {name}:{value}");
    }
}

/// Says a time in milliseconds, unless it is 0.
fn time(text: &mut String, name: &str, micros: u128) {
    if micros != 0 {
        _ = write!(text, " {name}:{}", millis(micros));
    }
}

fn details_of(text: &mut String, info: &TcpInfo, model: Option<&BbrInfo>) {
    if info.options & SCALES_WINDOWS != 0 {
        _ = write!(text, " wscale:{},{}", info.snd_wscale, info.rcv_wscale);
    }
    if info.rto.as_millis() != UNKNOWN_RTO_MILLIS {
        time(text, "rto", info.rto.as_micros());
    }
    number(text, "backoff", info.backoff.into());
    if !info.rtt.is_zero() {
        _ = write!(text, " rtt:{}/{}", millis(info.rtt.as_micros()), millis(info.rttvar.as_micros()));
    }
    time(text, "ato", info.ato.as_micros());
    number(text, "mss", info.snd_mss.into());
    number(text, "pmtu", info.pmtu.into());
    number(text, "rcvmss", info.rcv_mss.into());
    number(text, "advmss", info.advmss.into());
    number(text, "cwnd", info.snd_cwnd.into());
    if info.snd_ssthresh < 0xffff {
        number(text, "ssthresh", info.snd_ssthresh.into());
    }
    number(text, "bytes_sent", info.bytes_sent);
    number(text, "bytes_retrans", info.bytes_retrans);
    number(text, "bytes_acked", info.bytes_acked);
    number(text, "bytes_received", info.bytes_received);
    number(text, "segs_out", info.segs_out.into());
    number(text, "segs_in", info.segs_in.into());
    number(text, "data_segs_out", info.data_segs_out.into());
    number(text, "data_segs_in", info.data_segs_in.into());
    if let Some(model) = model {
        tell_model(text, model);
    }
    rates(text, info);
    number(text, "delivered", info.delivered.into());
    number(text, "delivered_ce", info.delivered_ce.into());
    if info.delivery_rate_app_limited {
        text.push_str(" app_limited");
    }
    hold_ups(text, info);
    number(text, "unacked", info.unacked.into());
    if info.retrans > 0 || info.total_retrans > 0 {
        _ = write!(text, " retrans:{}/{}", info.retrans, info.total_retrans);
    }
    number(text, "lost", info.lost.into());
    number(text, "sacked", info.sacked.into());
    number(text, "dsack_dups", info.dsack_dups.into());
    if info.reordering != USUAL_REORDERING {
        _ = write!(text, " reordering:{}", info.reordering);
    }
    number(text, "reord_seen", info.reord_seen.into());
    time(text, "rcv_rtt", info.rcv_rtt.as_micros());
    number(text, "rcv_space", info.rcv_space.into());
    number(text, "rcv_ssthresh", info.rcv_ssthresh.into());
    number(text, "notsent", info.notsent_bytes.into());
    if info.min_rtt.as_micros() != u128::from(u32::MAX) {
        time(text, "minrtt", info.min_rtt.as_micros());
    }
    number(text, "rcv_ooopack", info.rcv_ooopack.into());
    number(text, "snd_wnd", info.snd_wnd.into());
    number(text, "rcv_wnd", info.rcv_wnd.into());
    number(text, "rehash", info.rehash.into());
}

/// What BBR knows. A round-trip time that was never measured is all ones.
fn tell_model(text: &mut String, model: &BbrInfo) {
    let least = model.least.map_or(u32::MAX.into(), |least| least.as_micros());
    _ = write!(text, " bbr:(bw:{}bps,mrtt:{}", u128::from(model.bandwidth) * 8, millis(least));
    for (name, gain) in [("pacing_gain", model.pacing_gain), ("cwnd_gain", model.window_gain)] {
        // Six digits that count, of 1/256.
        let parts = (u64::from(gain) * 100_000 + 128) / 256;
        let told = format!("{}.{:05}", parts / 100_000, parts % 100_000);
        _ = write!(text, ",{name}:{}", told.trim_end_matches('0').trim_end_matches('.'));
    }
    text.push(')');
}

/// What goes a round trip, in bits a second, and since when nothing does.
fn rates(text: &mut String, info: &TcpInfo) {
    let rtt = info.rtt.as_micros();
    if rtt > 0 && info.snd_mss > 0 && info.snd_cwnd > 0 {
        let bits = u128::from(info.snd_cwnd) * u128::from(info.snd_mss) * 8_000_000;
        _ = write!(text, " send {}bps", (bits + rtt / 2) / rtt);
    }
    for (name, since) in
        [("lastsnd", info.last_data_sent), ("lastrcv", info.last_data_recv), ("lastack", info.last_ack_recv)]
    {
        number(text, name, since.as_millis() as u64);
    }
    if info.pacing_rate != 0 && info.pacing_rate != u64::MAX {
        _ = write!(text, " pacing_rate {}bps", u128::from(info.pacing_rate) * 8);
        if info.max_pacing_rate != 0 && info.max_pacing_rate != u64::MAX {
            _ = write!(text, "/{}bps", u128::from(info.max_pacing_rate) * 8);
        }
    }
    if info.delivery_rate != 0 {
        _ = write!(text, " delivery_rate {}bps", u128::from(info.delivery_rate) * 8);
    }
}

/// For how long something was sent, and what held that up.
fn hold_ups(text: &mut String, info: &TcpInfo) {
    let busy = info.busy_time.as_micros();
    if busy == 0 {
        return;
    }
    _ = write!(text, " busy:{}ms", busy / 1000);
    for (name, time) in [("rwnd_limited", info.rwnd_limited), ("sndbuf_limited", info.sndbuf_limited)] {
        let time = time.as_micros();
        if time > 0 {
            let permille = (time * 1000 + busy / 2) / busy;
            _ = write!(text, " {name}:{}ms({}.{}%)", time / 1000, permille / 10, permille % 10);
        }
    }
}

/// Microseconds as milliseconds, as `%g` of C does: six digits that count, without zeros at the end.
fn millis(micros: u128) -> String {
    let whole = (micros / 1000).to_string();
    let decimals = 6_usize.saturating_sub(if micros < 1000 { 0 } else { whole.len() }).min(3);
    let unit = 10_u128.pow(3 - decimals as u32);
    let rounded = (micros + unit / 2) / unit;
    let scale = 10_u128.pow(decimals as u32);
    if scale == 1 {
        return rounded.to_string();
    }
    let text = format!("{}.{:0decimals$}", rounded / scale, rounded % scale);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `TCPI_OPT_WSCALE`.
const SCALES_WINDOWS: u8 = 4;
/// What ss takes for a timeout that was never measured.
const UNKNOWN_RTO_MILLIS: u128 = 3000;
/// By how many segments a network reorders, unless it was seen to do otherwise.
const USUAL_REORDERING: u32 = 3;

#[cfg(test)]
mod tests;
