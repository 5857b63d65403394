//! The state machine of a connection (RFC 9293, section 3.3.2), on one page and without time, bytes or windows.
//!
//! A segment is taken apart into steps, in the order in which RFC 9293, section 3.10.7 looks at it: RST, SYN, what its
//! acknowledgement reaches, FIN. Whether a segment may make a step at all (its sequence numbers, its timestamp) has been
//! decided before.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The eleven states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is no connection: not yet, or no more.
    #[default]
    Closed,
    /// Requests for connections are taken.
    Listen,
    /// A SYN is on its way.
    SynSent,
    /// A SYN has come and was answered; the answer is not acknowledged.
    SynReceived,
    /// Both ends may send.
    Established,
    /// This end has sent its last byte; its FIN is not acknowledged.
    FinWait1,
    /// This end's FIN is acknowledged; the other end may go on sending.
    FinWait2,
    /// The other end has sent its last byte; this end may go on sending.
    CloseWait,
    /// Both FINs have crossed; this end's is not acknowledged.
    Closing,
    /// The other end has sent its last byte, and this end's FIN after it is not acknowledged.
    LastAck,
    /// All is said; what still wanders through the network is waited for.
    TimeWait,
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A SYN has come that acknowledges nothing.
    Syn,
    /// A SYN has come that acknowledges this end's.
    SynAck,
    /// This end's SYN is acknowledged, by a segment without SYN.
    AckOfSyn,
    /// This end's FIN is acknowledged.
    AckOfFin,
    /// The other end's FIN has come, and everything before it.
    Fin,
    /// A reset has come that is believed.
    Reset,
    /// Whoever uses the connection sends nothing more.
    Close,
    /// What was waited for has not come, or need not be waited for any longer.
    Expire,
}

/// What a step asks for beside the new state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Answer the SYN with one that acknowledges it.
    AnswerSyn,
    /// Acknowledge what has come.
    Acknowledge,
    /// Acknowledge the answer to this end's SYN, and tell that the connection stands.
    Connect,
    /// Tell that the connection stands.
    Open,
    /// Send a FIN behind what waits to be sent.
    SendFin,
    /// Acknowledge the FIN, and tell that nothing more will come.
    EndOfStream,
    /// Acknowledge what has come, and wait twice the longest life of a segment.
    Linger,
    /// Forget the connection; nobody is told.
    Forget,
    /// Forget the connection: nobody listens there.
    Refuse,
    /// Forget the connection: the other end has reset it.
    Abort,
    /// Answer that the sequence number has to be exact (RFC 5961, sections 3 and 4).
    Challenge,
}

/// The next state, and what is to be done.
#[must_use]
#[rustfmt::skip]
pub const fn next(state: State, step: Step) -> (State, Action) {
    use {Action as A, State as S, Step as T};
    match (state, step) {
        // There is nothing yet, or nothing any more: the path answers segments with resets.
        (S::Closed, T::Syn | T::SynAck | T::AckOfSyn | T::AckOfFin | T::Fin | T::Reset | T::Close | T::Expire) => (S::Closed, A::Nothing),

        // A listener stays one; what its SYNs become is a connection of their own (3.10.7.2).
        (S::Listen, T::Syn) => (S::SynReceived, A::AnswerSyn),
        (S::Listen, T::SynAck | T::AckOfSyn | T::AckOfFin | T::Fin | T::Reset | T::Expire) => (S::Listen, A::Nothing),
        (S::Listen, T::Close) => (S::Closed, A::Forget),

        // 3.10.7.3; two SYNs that cross are section 3.5, figure 8.
        (S::SynSent, T::Syn) => (S::SynReceived, A::AnswerSyn),
        (S::SynSent, T::SynAck) => (S::Established, A::Connect),
        (S::SynSent, T::AckOfSyn | T::AckOfFin | T::Fin) => (S::SynSent, A::Nothing),
        (S::SynSent, T::Reset) => (S::Closed, A::Refuse),
        (S::SynSent, T::Close | T::Expire) => (S::Closed, A::Forget),

        (S::SynReceived, T::Syn) => (S::SynReceived, A::Challenge),
        (S::SynReceived, T::SynAck | T::AckOfSyn) => (S::Established, A::Open),
        (S::SynReceived, T::AckOfFin) => (S::SynReceived, A::Nothing),
        // A segment makes this step only after its acknowledgement of the SYN.
        (S::SynReceived, T::Fin) => (S::SynReceived, A::Nothing),
        // Linux tells only who waits for the answer to his SYN that he was refused.
        (S::SynReceived, T::Reset) => (S::Closed, A::Abort),
        (S::SynReceived, T::Close) => (S::FinWait1, A::SendFin),
        (S::SynReceived, T::Expire) => (S::Closed, A::Forget),

        (S::Established, T::Syn | T::SynAck) => (S::Established, A::Challenge),
        (S::Established, T::AckOfSyn | T::AckOfFin) => (S::Established, A::Nothing),
        (S::Established, T::Fin) => (S::CloseWait, A::EndOfStream),
        (S::Established, T::Reset) => (S::Closed, A::Abort),
        (S::Established, T::Close) => (S::FinWait1, A::SendFin),
        (S::Established, T::Expire) => (S::Closed, A::Abort),

        (S::FinWait1, T::Syn | T::SynAck) => (S::FinWait1, A::Challenge),
        (S::FinWait1, T::AckOfSyn | T::Close) => (S::FinWait1, A::Nothing),
        (S::FinWait1, T::AckOfFin) => (S::FinWait2, A::Nothing),
        (S::FinWait1, T::Fin) => (S::Closing, A::EndOfStream),
        (S::FinWait1, T::Reset | T::Expire) => (S::Closed, A::Abort),

        (S::FinWait2, T::Syn | T::SynAck) => (S::FinWait2, A::Challenge),
        (S::FinWait2, T::AckOfSyn | T::AckOfFin | T::Close) => (S::FinWait2, A::Nothing),
        (S::FinWait2, T::Fin) => (S::TimeWait, A::Linger),
        (S::FinWait2, T::Reset | T::Expire) => (S::Closed, A::Abort),

        (S::CloseWait, T::Syn | T::SynAck) => (S::CloseWait, A::Challenge),
        (S::CloseWait, T::AckOfSyn | T::AckOfFin | T::Fin) => (S::CloseWait, A::Nothing),
        (S::CloseWait, T::Reset | T::Expire) => (S::Closed, A::Abort),
        (S::CloseWait, T::Close) => (S::LastAck, A::SendFin),

        (S::Closing, T::Syn | T::SynAck) => (S::Closing, A::Challenge),
        (S::Closing, T::AckOfSyn | T::Fin | T::Close) => (S::Closing, A::Nothing),
        (S::Closing, T::AckOfFin) => (S::TimeWait, A::Linger),
        (S::Closing, T::Reset | T::Expire) => (S::Closed, A::Abort),

        (S::LastAck, T::Syn | T::SynAck) => (S::LastAck, A::Challenge),
        (S::LastAck, T::AckOfSyn | T::Fin | T::Close) => (S::LastAck, A::Nothing),
        (S::LastAck, T::AckOfFin) => (S::Closed, A::Forget),
        (S::LastAck, T::Reset | T::Expire) => (S::Closed, A::Abort),

        // A SYN beyond all that was sent begins anew (RFC 6191); others are answered by what keeps the state.
        (S::TimeWait, T::Syn | T::SynAck) => (S::TimeWait, A::Challenge),
        (S::TimeWait, T::AckOfSyn | T::AckOfFin | T::Close) => (S::TimeWait, A::Nothing),
        (S::TimeWait, T::Fin) => (S::TimeWait, A::Acknowledge),
        (S::TimeWait, T::Reset | T::Expire) => (S::Closed, A::Forget),
    }
}

impl State {
    /// Its number in `TCP_INFO` and `/proc/net/tcp` (Linux v6.18: `include/net/tcp_states.h`).
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Established => 1,
            Self::SynSent => 2,
            Self::SynReceived => 3,
            Self::FinWait1 => 4,
            Self::FinWait2 => 5,
            Self::TimeWait => 6,
            Self::Closed => 7,
            Self::CloseWait => 8,
            Self::LastAck => 9,
            Self::Listen => 10,
            Self::Closing => 11,
        }
    }

    /// Whether bytes may be written.
    #[must_use]
    pub const fn can_send(self) -> bool {
        matches!(self, Self::Established | Self::CloseWait)
    }

    /// Whether the other end may still send bytes.
    #[must_use]
    pub const fn can_receive(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// Whether both ends have known each other's sequence numbers.
    #[must_use]
    pub const fn is_synchronised(self) -> bool {
        match self {
            Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived => false,
            Self::Established
            | Self::FinWait1
            | Self::FinWait2
            | Self::CloseWait
            | Self::Closing
            | Self::LastAck
            | Self::TimeWait => true,
        }
    }
}

/// As `ss` and `netstat` print it.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "CLOSE",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN_SENT",
            Self::SynReceived => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN_WAIT1",
            Self::FinWait2 => "FIN_WAIT2",
            Self::CloseWait => "CLOSE_WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: State, steps: &[Step]) -> State {
        steps.iter().fold(start, |state, step| next(state, *step).0)
    }

    #[test]
    fn the_usual_life_of_both_ends_goes_through_ten_states() {
        use Step::{AckOfFin, AckOfSyn, Close, Expire, Fin, Syn, SynAck};
        assert_eq!(after(State::SynSent, &[SynAck, Close, AckOfFin, Fin]), State::TimeWait);
        assert_eq!(after(State::TimeWait, &[Expire]), State::Closed);
        assert_eq!(after(State::Listen, &[Syn, AckOfSyn, Fin, Close]), State::LastAck);
        assert_eq!(after(State::LastAck, &[AckOfFin]), State::Closed);
    }

    #[test]
    fn two_ends_that_open_and_close_at_once_meet() {
        use Step::{AckOfFin, Close, Fin, Syn, SynAck};
        assert_eq!(after(State::SynSent, &[Syn, SynAck]), State::Established);
        assert_eq!(after(State::Established, &[Close, Fin, AckOfFin]), State::TimeWait);
    }

    #[test]
    fn every_state_ends_when_time_runs_out_but_those_that_wait_for_nobody() {
        let all = [
            State::SynSent,
            State::SynReceived,
            State::Established,
            State::FinWait1,
            State::FinWait2,
            State::CloseWait,
            State::Closing,
            State::LastAck,
            State::TimeWait,
        ];
        for state in all {
            assert_eq!(next(state, Step::Expire).0, State::Closed, "{state}");
            assert_eq!(next(state, Step::Reset).0, State::Closed, "{state}");
        }
        assert_eq!(next(State::Listen, Step::Expire).0, State::Listen);
    }
}
