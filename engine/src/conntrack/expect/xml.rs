//! Expectations as `conntrack -o xml` prints them (conntrack-tools 1.4.7 on Linux 6.18).

use core::fmt;

use super::ExpectationEntry;
use crate::{
    conntrack::{
        tuple::Tuple,
        xml::{Addresses, Layer3, Layer4, Ports, element, flow, write_when},
    },
    event::Change,
    time::Instant,
};

/// What stands before the flows.
pub const XML_START: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<expect>\n";
/// What stands behind them.
pub const XML_END: &str = "</expect>\n";

/// An expectation as a `flow` element, on one line.
#[derive(Clone, Copy, Debug)]
pub struct ExpectationXml<'a> {
    /// The expectation.
    pub entry: &'a ExpectationEntry,
    /// What has happened to it; `None` in a listing.
    pub change: Option<Change>,
    /// When it is told, where that is shown (`-o timestamp`). In UTC, where conntrack(8) takes the time zone of its machine.
    pub when: Option<Instant>,
}

impl fmt::Display for ExpectationXml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, change, when } = self;
        let tuples = [("expected", entry.tuple), ("mask", entry.whole_mask()), ("master", entry.master)];
        write!(f, "{}{}", flow(*change), Layer3(&entry.tuple))?;
        tuples.iter().try_for_each(|(name, tuple)| element(f, name, Some(Addresses(tuple))))?;
        write!(f, "</layer3>{}", Layer4(&entry.tuple))?;
        tuples.iter().try_for_each(|(name, tuple): &(&str, Tuple)| element(f, name, Some(Ports(tuple))))?;
        f.write_str("</layer4><meta>")?;
        element(f, "helper-name", Some(&entry.helper))?;
        element(f, "timeout", Some(entry.timeout_secs))?;
        element(f, "class", Some(entry.class))?;
        write_when(f, *when)?;
        for (is_set, element) in [(entry.permanent, "<permanent/>"), (entry.inactive, "<inactive/>")] {
            if is_set {
                f.write_str(element)?;
            }
        }
        f.write_str("</meta></flow>")
    }
}

#[cfg(test)]
mod tests {
    use alloc::{boxed::Box, string::ToString};

    use super::*;
    use crate::conntrack::{Address, ExpectationId, Family, expect::SourceMask};

    /// The expected lines are the real tool's, but for the flags: those stand where its library has them.
    #[test]
    fn an_expectation_is_that_of_the_real_tool() {
        let tuple = |source, destination, ports: (u16, u16)| Tuple {
            source: Address::v4(source),
            destination: Address::v4(destination),
            source_port: ports.0,
            destination_port: ports.1,
            protocol: 17,
            family: Family::Ipv4,
        };
        let (inside, outside) = ([192, 168, 1, 10], [198, 51, 100, 7]);
        let mut entry = ExpectationEntry {
            id: ExpectationId(1),
            master: tuple(inside, outside, (3000, 69)),
            zone: 5,
            tuple: tuple(outside, inside, (0, 3000)),
            mask: SourceMask::new(Family::Ipv4, 32, false),
            class: 0,
            helper: Box::from("tftp"),
            nat: None,
            permanent: false,
            inactive: false,
            timeout_secs: 299,
        };
        let rest = "<layer3 protonum=\"2\" protoname=\"ipv4\"><expected><src>198.51.100.7</src><dst>192.168.1.10</dst>\
                    </expected><mask><src>255.255.255.255</src><dst>255.255.255.255</dst></mask>\
                    <master><src>192.168.1.10</src><dst>198.51.100.7</dst></master></layer3>\
                    <layer4 protonum=\"17\" protoname=\"udp\"><expected><sport>0</sport><dport>3000</dport></expected>\
                    <mask><sport>0</sport><dport>65535</dport></mask><master><sport>3000</sport><dport>69</dport></master>\
                    </layer4><meta><helper-name>tftp</helper-name><timeout>299</timeout><class>0</class>";
        assert_eq!(
            ExpectationXml { entry: &entry, change: None, when: None }.to_string(),
            ["<flow>", rest, "</meta></flow>"].concat()
        );
        (entry.permanent, entry.inactive) = (true, true);
        let when = Some(Instant::ZERO.after_secs(1_795_809_923));
        assert_eq!(
            ExpectationXml { entry: &entry, change: Some(Change::Destroy), when }.to_string(),
            [
                "<flow type=\"destroy\">",
                rest,
                "<when><hour>20</hour><min>05</min><sec>23</sec><wday>6</wday><day>27</day><month>11</month>\
                 <year>2026</year></when><permanent/><inactive/></meta></flow>"
            ]
            .concat()
        );
    }
}
