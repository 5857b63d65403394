//! Captures that the page hands over piece by piece.

use std::io::{self, Read};

use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = "
/** Where a capture's bytes come from. */
export interface CaptureSource {
  /** Fills `into` from its start, at once, and says how far; 0: the end. It must not keep `into`. */
  read(into: Uint8Array): number;
}
";

#[wasm_bindgen]
extern "C" {
    /// An object of the page with a method `read`.
    #[wasm_bindgen(typescript_type = "CaptureSource")]
    pub type Source;

    #[wasm_bindgen(method, catch)]
    fn read(this: &Source, into: &mut [u8]) -> Result<u32, JsValue>;
}

/// The page's source as a stream.
pub(crate) struct Stream(pub(crate) Source);

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into) {
            // What the page says is not believed.
            Ok(count) => Ok(into.len().min(usize::try_from(count).unwrap_or(usize::MAX))),
            Err(error) => Err(io::Error::other(message(&error))),
        }
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = String)]
    fn message(value: &JsValue) -> String;
}
