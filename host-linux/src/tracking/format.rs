//! How connections and expectations are shown.

use std::io::{self, Write};

use towpath_engine::{
    Change, Instant,
    conntrack::{
        Entry,
        text::ConnectionLine,
        xml::{ConnectionXml, XML_END, XML_START},
    },
};

/// How connections are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// `-o xml`
    pub xml: bool,
    /// `-o extended`
    pub extended: bool,
    /// `-o id`
    pub id: bool,
    /// `-o timestamp`: events start with their time.
    pub timestamp: bool,
}

impl Format {
    /// Writes what stands before all connections.
    ///
    /// # Errors
    /// When `out` takes nothing more.
    pub fn start(self, out: &mut impl Write) -> io::Result<()> {
        if self.xml { out.write_all(XML_START.as_bytes()) } else { Ok(()) }
    }

    /// Writes a connection, or what happened to it and when.
    ///
    /// # Errors
    /// When `out` takes nothing more.
    pub fn write(self, out: &mut impl Write, entry: &Entry, event: Option<(Instant, Change)>) -> io::Result<()> {
        let change = event.map(|(_, change)| change);
        if self.xml {
            return writeln!(out, "{}", ConnectionXml { entry, change });
        }
        if let (true, Some((when, _))) = (self.timestamp, event) {
            write!(out, "[{:08}.{:06}]\t", when.as_secs(), when.as_nanos() / 1000 % 1_000_000)?;
        }
        writeln!(out, "{}", ConnectionLine { entry, change, with_family: self.extended, with_id: self.id })
    }

    /// Writes what stands behind all connections.
    ///
    /// # Errors
    /// When `out` takes nothing more.
    pub fn end(self, out: &mut impl Write) -> io::Result<()> {
        if self.xml { out.write_all(XML_END.as_bytes()) } else { Ok(()) }
    }
}
