//! `-m comment`: a remark, always true.

use alloc::string::String;

use super::{Answer, Fold, Matching};
use crate::netfilter::{
    View,
    error::Flaw,
    program::facts::Facts,
    save::{
        options::{Given, Opt, Spec},
        text::print_text,
    },
    walk::Depends,
};

/// A remark of at most 255 bytes.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Comment(String);

impl Matching for Comment {
    const SPEC: &'static Spec = &Spec { name: "comment", options: &[Opt::value(&["comment"])] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let text = given.need("comment", "`--comment TEXT`")?.value();
        match text.text.len() {
            0..=BYTES_MAX => Ok(Self(text.text.clone())),
            _ => Err(text.bad("a remark of at most 255 bytes")),
        }
    }

    fn print(&self, out: &mut String) {
        out.push_str(" --comment");
        print_text(out, &self.0);
    }

    fn test(&mut self, _: &Facts, _: &mut View<'_>) -> Answer {
        Answer::Yes
    }

    fn depends(&self) -> Depends {
        Depends::FLOW
    }

    fn found(&self, _: &Facts, _: &View<'_>) -> String {
        String::new()
    }

    fn fold(&self) -> Fold {
        Fold::Nothing
    }
}

/// Linux: `XT_MAX_COMMENT_LEN` less its final zero.
const BYTES_MAX: usize = 255;
