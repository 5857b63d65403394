//! From text to [`Way`]: what a link does in one direction.

use core::time::Duration;

use super::lapse;
use crate::{
    config::{Fault, Mistake, Table, Value},
    lab::{
        scenario::{Bound, Codel, Loss, Queue, Way},
        words::{Chance, Rate, Size},
    },
    limits::{LAB_LOSSES_NAMED_MAX, LAB_QUEUE_BYTES_MAX},
};

/// Takes what a table says of a way, and leaves the rest as it is.
pub(super) fn way(table: &Table<'_>, way: &mut Way) -> Result<(), Fault> {
    if let Some(value) = table.find("up") {
        way.is_up = value.boolean()?;
    }
    if let Some(value) = table.find("silent") {
        way.is_silent = value.boolean()?;
    }
    if let Some(value) = table.find("rate") {
        let Rate(rate) = value.word()?;
        way.rate_bps = Some(rate);
    }
    if let Some(value) = table.find("delay") {
        way.delay = lapse(value)?;
    }
    if let Some(value) = table.find("jitter") {
        way.jitter = lapse(value)?;
    }
    if let Some(value) = table.find("loss") {
        way.loss = loss(value)?;
    }
    if let Some(value) = table.find("duplicate") {
        way.duplicate = value.word()?;
    }
    if let Some(value) = table.find("reorder") {
        let reorder = value.table("'reorder'", REORDER, &[])?;
        way.reorder = Some((reorder.need("chance")?.word()?, lapse(reorder.need("by")?)?));
    }
    if let Some(value) = table.find("queue") {
        way.queue = queue(value)?;
    }
    if way.rate_bps.is_none() {
        // Else no time would pass while two hosts answer each other.
        way.delay = way.delay.max(DELAY_MIN);
    }
    Ok(())
}

fn loss(value: Value<'_>) -> Result<Loss, Fault> {
    if let Ok(chance) = value.word::<Chance>() {
        return Ok(if chance == Chance::NEVER { Loss::None } else { Loss::Random(chance) });
    }
    if !value.is_table() {
        return Err(value.expected(LOSS_EXPECTED));
    }
    let table = value.table("'loss'", LOSS, &[])?;
    let ways = ["every", "frames", "enters"].map(|key| table.find(key));
    let mut given = ways.iter().flatten();
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        return Err(second.fault(Mistake::Beside { key: second.key, other: first.key }));
    }
    match ways {
        [Some(every), ..] => Ok(Loss::Every(every.number(1..=u64::MAX)?)),
        [_, Some(frames), _] => {
            let named = frames.list()?;
            if let Some(over) = named.get(LAB_LOSSES_NAMED_MAX) {
                return Err(over.fault(Mistake::TooMany { what: "'frames'", max: LAB_LOSSES_NAMED_MAX }));
            }
            let frames = named.into_iter().map(|frame| frame.number(1..=u64::MAX));
            Ok(Loss::These(frames.collect::<Result<_, _>>()?))
        }
        [.., Some(enters)] => Ok(Loss::Burst {
            enters: enters.word()?,
            leaves: table.need("leaves")?.word()?,
            good: table.find("good").map_or(Ok(Chance::NEVER), Value::word)?,
            bad: table.find("bad").map_or(Ok(Chance::ALWAYS), Value::word)?,
        }),
        [None, None, None] => Err(Fault {
            at: table.at,
            mistake: Mistake::Missing { key: "every', 'frames' or 'enters", table: table.name },
        }),
    }
}

fn queue(value: Value<'_>) -> Result<Queue, Fault> {
    let table = value.table("'queue'", QUEUE, &[])?;
    let bound = match (table.find("packets"), table.find("bytes")) {
        (Some(packets), Some(_)) => return Err(packets.fault(Mistake::Beside { key: "packets", other: "bytes" })),
        (Some(packets), None) => Bound::Packets(packets.number(1..=1_000_000)?),
        (None, Some(bytes)) => {
            let Size(most) = bytes.word()?;
            if most > LAB_QUEUE_BYTES_MAX {
                return Err(bytes.expected("at most \"1 GiB\""));
            }
            Bound::Bytes(most)
        }
        (None, None) => Queue::default().bound,
    };
    let is_codel = match table.find("discipline") {
        None => false,
        Some(discipline) => match discipline.text()? {
            "tail-drop" => false,
            "codel" => true,
            _ => return Err(discipline.expected("\"tail-drop\" or \"codel\"")),
        },
    };
    let mut codel = Codel::default();
    for (key, number) in [("target", &mut codel.target), ("interval", &mut codel.interval)] {
        if let Some(value) = table.find(key) {
            if !is_codel {
                return Err(value.expected("left out but with discipline = \"codel\""));
            }
            *number = lapse(value)?;
        }
    }
    Ok(Queue { bound, codel: is_codel.then_some(codel) })
}

/// The shortest time that a frame is on its way where nothing says how long it takes to send.
const DELAY_MIN: Duration = Duration::from_micros(1);

/// What may stand for a way alone.
pub(super) const LINK_WAY: &[&str] =
    &["up", "silent", "rate", "delay", "jitter", "loss", "duplicate", "reorder", "queue"];
const LOSS_EXPECTED: &str = "a chance, such as \"0.5 %\", or a table: { every = 1000 }, { frames = [1, 2] }, { enters = \"1 %\", leaves = \"20 %\" }";
const LOSS: &[&str] = &["every", "frames", "enters", "leaves", "good", "bad"];
const REORDER: &[&str] = &["chance", "by"];
const QUEUE: &[&str] = &["packets", "bytes", "discipline", "target", "interval"];
