//! The functions as a component, which imports nothing.

use bindings::Guest;

use crate::Gateway;

#[expect(unsafe_code, reason = "generated")]
#[allow(clippy::all, missing_docs, unreachable_pub, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package towpath:tests;
            world records {
                export records: func(capture: list<u8>, config: option<string>, rules: option<string>)
                    -> result<string, string>;
                export answer: func(files: list<tuple<string, list<u8>>>) -> result<string, string>;
            }
        ",
    });

    export!(Records);

    use super::Records;
}

/// Keeps nothing.
struct Records;

impl Guest for Records {
    fn records(capture: Vec<u8>, config: Option<String>, rules: Option<String>) -> Result<String, String> {
        crate::records(&capture, Gateway { config: config.as_deref(), rules: rules.as_deref() })
    }

    fn answer(files: Vec<(String, Vec<u8>)>) -> Result<String, String> {
        crate::answer(&files)
    }
}
