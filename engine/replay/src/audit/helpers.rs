//! Which helpers read payloads.

use towpath_engine::{conntrack::Family, wire::Protocol};

use super::{Judged, Tried, bench::Bench, carrier::Carrier};

/// No helper is attached to connections of a carrier, but the one that is `excepted`. That a helper is loaded harms nobody: what counts is
/// whether connections have it, by the ports of its manifest or by a rule.
pub(super) fn are_off(bench: &Bench, carrier: Carrier, excepted: Option<&str>) -> Tried {
    let protocol = if carrier == Carrier::Tcp { Protocol::TCP } else { Protocol::UDP };
    let engine = bench.engine();
    let mut attached: Vec<String> = Vec::new();
    for helper in engine.helpers().iter().filter(|helper| excepted != Some(helper.manifest.name.as_str())) {
        let name = &helper.manifest.name;
        let points = helper.manifest.attach.iter().filter(|point| point.protocol == protocol);
        for point in points.filter(|_| engine.attaches_helpers_by_port()) {
            attached.push(match (*point.ports.start(), *point.ports.end()) {
                (first, last) if first == last => format!("{name} to port {first}"),
                (first, last) => format!("{name} to ports {first} to {last}"),
            });
        }
        let attachments = engine.rules().of(Family::Ipv4).attachments().into_iter();
        for by in attachments.filter(|by| by.helper == helper.id && by.protocol == protocol) {
            attached.push(format!("{name} by {}:{}", by.rule.file, by.rule.line));
        }
    }
    let others = excepted.map_or_else(String::new, |name| format!(" but perhaps the one for {name}"));
    Ok(Judged::of(
        attached.is_empty(),
        format!("no helper is attached to {}{others}", carrier.name()),
        format!("helpers are attached to {}: {}", carrier.name(), attached.join(", ")),
    ))
}
