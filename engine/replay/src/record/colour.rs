//! Colours for terminals.

/// Whether lines for people carry colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// No: the plain text, for files and pipes.
    #[default]
    Off,
    /// Yes: escape sequences of ECMA-48 (SGR), for terminals.
    On,
}

/// What a piece of a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tint {
    /// The packet passes.
    Good,
    /// The packet does not.
    Bad,
    /// Something to look at.
    Odd,
    /// Something beside the point.
    Quiet,
    /// A heading.
    Strong,
}

impl Colour {
    /// A piece of text in the colour of its meaning.
    pub(crate) fn paint(self, tint: Tint, text: &str) -> String {
        match self {
            Self::Off => text.to_owned(),
            Self::On => format!("\x1b[{}m{text}\x1b[0m", tint.code()),
        }
    }
}

impl Tint {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Odd => "33",
            Self::Quiet => "2",
            Self::Strong => "1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_a_text_stays_as_it_is() {
        assert_eq!(Colour::Off.paint(Tint::Bad, "DROPPED"), "DROPPED");
        assert_eq!(Colour::On.paint(Tint::Bad, "DROPPED"), "\x1b[31mDROPPED\x1b[0m");
    }
}
