//! What happens in the engine, told to those who watch.

use towpath_engine::{DeviceId, Event, Instant, conntrack::HelperEvent, event::LoggedPacket, snapshot::Successor};

use super::Place;
use crate::{
    control::{Logged, Reply, Server, Topic},
    notice::Notice,
    notices::Notices,
};

/// Tells an event to those who watch, its devices by their names, and what is for the operator to `notices`; what happened with helpers waits in
/// `troubles` until the engine can be asked for their names.
pub(super) fn tell(
    server: Option<&mut Server<Place, Successor>>,
    names: &[String],
    when: Instant,
    event: Event,
    notices: &mut Notices,
    troubles: &mut Vec<(Instant, HelperEvent)>,
) {
    let (topic, reply) = match event {
        Event::Connection(change, entry) => (Topic::Connections, Reply::ConnectionEvent(when, change, entry)),
        Event::Expectation(change, entry) => (Topic::Expectations, Reply::ExpectationEvent(when, change, entry)),
        Event::Helper(trouble) => return troubles.push((when, trouble)),
        Event::Log { level, line } => {
            notices.tell(Notice::Log { when, level, line: line.clone() });
            (Topic::Log, Reply::Logged(when, Box::new(Logged::Log { level, line })))
        }
        Event::Nflog(packet) => (Topic::Log, Reply::Logged(when, Box::new(nflog(*packet, names)))),
        Event::Audit { record } => (Topic::Log, Reply::Logged(when, Box::new(Logged::Audit { record }))),
    };
    if let Some(server) = server {
        server.tell(topic, &reply);
    }
}

/// A packet of an NFLOG rule, its devices by their names.
fn nflog(packet: LoggedPacket, names: &[String]) -> Logged {
    let LoggedPacket { group, prefix, hook, input, output, mark, source, bytes } = packet;
    let name = |device: DeviceId| names.get(usize::from(device.0)).cloned().unwrap_or_else(|| "lo".to_owned());
    let (input, output) = (input.map(name), output.map(name));
    Logged::Nflog { group, prefix, hook, input, output, mark, source: source.map(|mac| mac.to_string()), bytes }
}
