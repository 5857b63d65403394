//! What a running gateway tells as it happens, shown as it comes.

use std::{
    io::{self, BufWriter, Write},
    ops::ControlFlow,
};

use anyhow::Result;
use towpath::control::{Heard, Watched};

/// Shows each thing that is heard until `show` has enough, the gateway stops, or nobody reads any more. Things that are there together are
/// written together: who shows them slowly loses some. How many that are is said on standard error, as conntrack(8) says it, between what
/// came before and after.
pub(super) fn follow<T, W: Write>(
    mut watched: Watched<T>,
    out: W,
    mut show: impl FnMut(&mut BufWriter<W>, Heard<T>) -> io::Result<ControlFlow<()>>,
) -> Result<()> {
    let mut out = BufWriter::new(out);
    while let Some(heard) = watched.next() {
        let lost = match &heard {
            Ok(Heard::Lost(count)) => Some(*count),
            Ok(Heard::Told(_)) | Err(_) => None,
        };
        let flow = show(&mut out, heard?)?;
        if lost.is_some() || flow.is_break() || !watched.has_next() {
            out.flush()?;
        }
        if let Some(count) = lost {
            // That nobody reads it ends nothing.
            let _ =
                writeln!(io::stderr(), "towpath: warning: {count} events are lost here: they were not read in time");
        }
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}
