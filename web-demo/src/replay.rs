//! A replay that the page takes piece by piece.

use towpath_replay::{
    capture::{Capture, CaptureError},
    limits::BATCH_PACKETS,
    record::{JsonRecords, Summary},
    replay::{self, Detail},
};
use wasm_bindgen::prelude::*;

use crate::{Gateway, Source, source::Stream};

/// A capture on its way through a gateway.
#[wasm_bindgen]
pub struct Replay {
    replay: replay::Replay,
    capture: Capture<'static>,
    json: JsonRecords,
    summary: Summary,
    /// Packets that have been replayed.
    passed: u64,
    /// Why the capture ends, when the packets before it are still to be given out.
    failure: Option<CaptureError>,
}

#[wasm_bindgen]
impl Replay {
    /// Opens a capture and sets its gateway up.
    ///
    /// # Errors
    /// When rules or configuration are not right, or the capture is none.
    #[wasm_bindgen(constructor)]
    pub fn new(source: Source, gateway: &Gateway) -> Result<Self, JsError> {
        let setup = gateway.setup(Detail::Events).map_err(|error| JsError::new(&error))?;
        Ok(Self {
            replay: replay::Replay::new(setup)?,
            capture: Capture::from_reader(Stream(source))?,
            json: JsonRecords::new(false),
            summary: Summary::new(),
            passed: 0,
            failure: None,
        })
    }

    /// The line before all others, with its end: what is replayed by which gateway.
    #[must_use]
    pub fn head(&self) -> String {
        self.json.head(self.replay.engine()) + "\n"
    }

    /// Replays the next packets, at least one and at most about `packets_max`, and gives their lines, each with its
    /// end. No lines: the capture has ended.
    ///
    /// # Errors
    /// When the capture is damaged; the lines of all packets before have been given out.
    pub fn next(&mut self, packets_max: u32) -> Result<Vec<u8>, JsError> {
        let mut lines = Vec::new();
        let until = self.passed.saturating_add(u64::from(packets_max.max(1)));
        while self.passed < until && self.failure.is_none() {
            match self.batch(BATCH_PACKETS, &mut lines) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => self.failure = Some(error),
            }
        }
        match &self.failure {
            Some(error) if lines.is_empty() => Err(error.clone().into()),
            Some(_) | None => Ok(lines),
        }
    }

    /// Replays up to a packet, and gives its line with every step of its path. It must not have been passed yet.
    ///
    /// # Errors
    /// When there is no such packet, or the capture is damaged before it.
    pub fn explain(&mut self, number: u32) -> Result<String, JsError> {
        let before = u64::from(number).saturating_sub(1);
        self.replay.set_detail(Detail::Verdicts)?;
        while self.passed < before && self.skip(before - self.passed)? {}
        self.replay.set_detail(Detail::Full)?;
        let mut line = Vec::new();
        if self.passed != before || !self.batch(1, &mut line)? {
            return Err(JsError::new(&format!("the capture has no packet {number}")));
        }
        Ok(String::from_utf8(line)?)
    }

    /// What became of all packets so far, counted, for people.
    #[must_use]
    pub fn summary(&self) -> String {
        self.summary.in_words(&self.replay).to_string()
    }
}

impl Replay {
    /// Replays a batch and writes its lines; false: the capture has ended.
    fn batch(&mut self, packets_max: usize, lines: &mut Vec<u8>) -> Result<bool, CaptureError> {
        let batch = self.capture.next_batch(packets_max)?;
        self.replay.learn(&batch);
        for packet in batch.packets() {
            let record = self.replay.handle(&packet);
            self.summary.note(&record);
            lines.extend_from_slice(self.json.line(&record).as_bytes());
            lines.push(b'\n');
        }
        self.passed += batch.len() as u64;
        Ok(!batch.is_empty())
    }

    /// Replays up to `packets_max` packets without a word; false: the capture has ended.
    fn skip(&mut self, packets_max: u64) -> Result<bool, CaptureError> {
        let packets_max = usize::try_from(packets_max).unwrap_or(BATCH_PACKETS).min(BATCH_PACKETS);
        let batch = self.capture.next_batch(packets_max)?;
        self.replay.learn(&batch);
        for packet in batch.packets() {
            self.replay.handle(&packet);
        }
        self.passed += batch.len() as u64;
        Ok(!batch.is_empty())
    }
}
