//! Heartbeats: when to send one, and when the broker has been silent for too long.

/// Half heartbeats of silence after which a connection is lost: two heartbeats, as the specification has it.
const SILENCE: u8 = 4;

/// The traffic in both directions since the last beat.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    heard: bool,
    said: bool,
    silence: u8,
}

/// The action at a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    Nothing,
    Speak,
    Lost,
}

impl Pulse {
    pub(crate) fn hear(&mut self) {
        self.heard = true;
    }

    pub(crate) fn say(&mut self) {
        self.said = true;
    }

    /// Half a heartbeat has passed.
    pub(crate) fn beat(&mut self) -> Beat {
        self.silence = if std::mem::take(&mut self.heard) { 0 } else { self.silence + 1 };
        let said = std::mem::take(&mut self.said);
        if SILENCE <= self.silence {
            Beat::Lost
        } else if said {
            Beat::Nothing
        } else {
            Beat::Speak
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_said_when_there_was_none() {
        let mut pulse = Pulse::default();
        pulse.say();
        assert_eq!(pulse.beat(), Beat::Nothing);
        assert_eq!(pulse.beat(), Beat::Speak);
    }

    #[test]
    fn two_silent_heartbeats_are_the_end() {
        let mut pulse = Pulse::default();
        for _ in 0..3 {
            assert_ne!(pulse.beat(), Beat::Lost);
        }
        pulse.hear();
        for _ in 0..4 {
            assert_ne!(pulse.beat(), Beat::Lost);
        }
        assert_eq!(pulse.beat(), Beat::Lost);
    }
}
