//! A conntrack event as JSON.

use serde::Serialize;
use towpath_engine::{Change, Event};

use super::{Connection, Expectation};

/// Something happened to a connection or an expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConntrackEvent {
    /// `NEW`, `UPDATE`, `DESTROY`, `EXP_NEW`, `EXP_UPDATE` or `EXP_DESTROY`.
    pub event: &'static str,
    /// The connection or expectation.
    #[serde(flatten)]
    pub subject: Subject,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Subject {
    /// A connection.
    Connection(Box<Connection>),
    /// An expectation.
    Expectation(Box<Expectation>),
}

impl ConntrackEvent {
    /// The event, when it is about a connection or an expectation.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Connection(change, entry) => {
                let subject = Subject::Connection(Box::new(Connection::from(&**entry)));
                Some(Self { event: word(*change, ["NEW", "UPDATE", "DESTROY"]), subject })
            }
            Event::Expectation(change, entry) => {
                let subject = Subject::Expectation(Box::new(Expectation::from(&**entry)));
                Some(Self { event: word(*change, ["EXP_NEW", "EXP_UPDATE", "EXP_DESTROY"]), subject })
            }
            Event::Log { .. } | Event::Helper(_) | Event::Nflog(_) | Event::Audit { .. } => None,
        }
    }
}

const fn word(change: Change, words: [&'static str; 3]) -> &'static str {
    match change {
        Change::New => words[0],
        Change::Update => words[1],
        Change::Destroy => words[2],
    }
}
