//! The function as a component, which imports nothing.

use bindings::Guest;

#[expect(unsafe_code, reason = "generated")]
#[allow(clippy::all, missing_docs, unreachable_pub, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package towpath:tests;
            world records {
                export records: func(capture: list<u8>, rules: option<string>) -> result<string, string>;
            }
        ",
    });

    export!(Records);

    use super::Records;
}

/// Keeps nothing.
struct Records;

impl Guest for Records {
    fn records(capture: Vec<u8>, rules: Option<String>) -> Result<String, String> {
        crate::records(&capture, rules.as_deref())
    }
}
