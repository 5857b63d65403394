//! Whether one packet is what was said of it.

use alloc::boxed::Box;

use super::{HeaderSketch, IpSketch, Kind, OptionsSketch, Payload, Sketch};
use crate::wire::TcpFlags;

impl Sketch {
    /// Whether a packet is what is written here: see the table of this module for what counts.
    #[must_use]
    pub fn holds_for(&self, seen: &Self) -> bool {
        match (self, seen) {
            (Self::Arp(told), Self::Arp(seen)) => told == seen,
            (Self::Ip(told), Self::Ip(seen)) => told.holds_for(seen, false),
            (Self::Arp(_), Self::Ip(_)) | (Self::Ip(_), Self::Arp(_)) => false,
        }
    }

    /// The same without the facts that `beside` does not write either, unless they always count.
    #[must_use]
    pub fn told_as(self, beside: Option<&Self>) -> Self {
        match (self, beside) {
            (Self::Ip(seen), Some(Self::Ip(told))) => Self::Ip(seen.told_as(Some(told))),
            (Self::Ip(seen), Some(Self::Arp(_)) | None) => Self::Ip(seen.told_as(None)),
            (arp @ Self::Arp(_), _) => arp,
        }
    }
}

impl IpSketch {
    fn holds_for(&self, seen: &Self, quoted: bool) -> bool {
        let payload = match (&self.payload, &seen.payload) {
            (Payload::Bytes(told), Payload::Bytes(seen)) => told == seen,
            (told, seen) => told.len() == seen.len(),
        };
        self.header.holds_for(&seen.header) && self.kind.holds_for(&seen.kind) && (quoted || payload)
    }

    fn told_as(mut self, told: Option<&Self>) -> Self {
        self.header.forget_untold(told.map(|told| &told.header));
        let told_kind = told.map(|told| &told.kind);
        match (&mut self.kind, told_kind) {
            (Kind::Tcp(seen), told) => {
                let told = if let Some(Kind::Tcp(told)) = told { Some(told) } else { None };
                seen.window = seen.window.filter(|_| told.is_some_and(|told| told.window.is_some()));
                if told.is_none_or(|told| told.options == OptionsSketch::default()) {
                    seen.options = OptionsSketch::default();
                }
            }
            (Kind::Icmp(seen), told) => {
                let told = if let Some(Kind::Icmp(told)) = told { Some(told) } else { None };
                seen.mtu = seen.mtu.filter(|_| told.is_some_and(|told| told.mtu.is_some()));
                let inner = told.and_then(|told| told.about.as_deref());
                seen.about = seen.about.take().map(|about| Box::new(about.told_as(inner)));
            }
            (Kind::Udp(_) | Kind::Fragment { .. } | Kind::Other(_), _) => {}
        }
        if told.is_some_and(|told| matches!(told.payload, Payload::Length(len) if len > 0)) {
            self.payload = Payload::Length(self.payload.len());
        }
        self
    }
}

impl HeaderSketch {
    fn holds_for(&self, seen: &Self) -> bool {
        match (self, seen) {
            (Self::V4(told), Self::V4(seen)) => {
                (told.source, told.destination) == (seen.source, seen.destination)
                    && is_so(told.ttl, seen.ttl)
                    && is_so(told.tos, seen.tos)
                    && is_so(told.id, seen.id)
                    && is_so(told.dont_fragment, seen.dont_fragment)
            }
            (Self::V6(told), Self::V6(seen)) => {
                (told.source, told.destination) == (seen.source, seen.destination)
                    && is_so(told.hop_limit, seen.hop_limit)
                    && is_so(told.traffic_class, seen.traffic_class)
                    && is_so(told.flow_label, seen.flow_label)
                    && is_so(told.id, seen.id)
            }
            (Self::V4(_), Self::V6(_)) | (Self::V6(_), Self::V4(_)) => false,
        }
    }

    fn forget_untold(&mut self, told: Option<&Self>) {
        match self {
            Self::V4(seen) => {
                let told = if let Some(Self::V4(told)) = told { Some(told) } else { None };
                seen.ttl = seen.ttl.filter(|_| told.is_some_and(|told| told.ttl.is_some()));
                seen.tos = seen.tos.filter(|_| told.is_some_and(|told| told.tos.is_some()));
                seen.id = seen.id.filter(|_| told.is_some_and(|told| told.id.is_some()));
                seen.dont_fragment =
                    seen.dont_fragment.filter(|_| told.is_some_and(|told| told.dont_fragment.is_some()));
            }
            Self::V6(seen) => {
                let told = if let Some(Self::V6(told)) = told { Some(told) } else { None };
                seen.hop_limit = seen.hop_limit.filter(|_| told.is_some_and(|told| told.hop_limit.is_some()));
                seen.traffic_class =
                    seen.traffic_class.filter(|_| told.is_some_and(|told| told.traffic_class.is_some()));
                seen.flow_label = seen.flow_label.filter(|_| told.is_some_and(|told| told.flow_label.is_some()));
                seen.id = seen.id.filter(|_| told.is_some_and(|told| told.id.is_some()));
            }
        }
    }
}

impl Kind {
    fn holds_for(&self, seen: &Self) -> bool {
        match (self, seen) {
            (Self::Tcp(told), Self::Tcp(seen)) => {
                // A quote may end before the flags.
                let flags = told.flags == seen.flags || (told.ack.is_none() && told.flags == TcpFlags::default());
                told.ports == seen.ports
                    && flags
                    && is_so(told.seq, seen.seq)
                    && is_so(told.ack, seen.ack)
                    && is_so(told.window, seen.window)
                    && told.options.hold(&seen.options)
            }
            (Self::Icmp(told), Self::Icmp(seen)) => {
                (told.family, told.kind, told.code) == (seen.family, seen.kind, seen.code)
                    && is_so(told.id, seen.id)
                    && is_so(told.sequence, seen.sequence)
                    && is_so(told.mtu, seen.mtu)
                    && match (&told.about, &seen.about) {
                        (Some(told), Some(seen)) => told.holds_for(seen, true),
                        (None, None) => true,
                        (Some(_), None) | (None, Some(_)) => false,
                    }
            }
            (told, seen) => told == seen,
        }
    }
}

/// Whether a fact is seen as it is told, or not told.
fn is_so<T: PartialEq>(told: Option<T>, seen: Option<T>) -> bool {
    told.is_none() || told == seen
}
