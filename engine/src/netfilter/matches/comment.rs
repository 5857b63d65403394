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
        // The tool cuts what is longer, even within a letter: here the whole letter goes.
        Ok(Self(text.text[..text.text.floor_char_boundary(BYTES_MAX)].into()))
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
