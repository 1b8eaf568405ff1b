//! What leaks with a session: whoever has its key from its first index on can read every message that it carried.

use std::iter::Sum;

/// The messages that whoever has one session's key from its first index on can read. A key from a later index, such as
/// that of a device which joined later, reads fewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Sessions that carried a message.
    pub sessions: u64,
    /// Messages that they carried.
    pub messages: u64,
    /// The most that one of them carried.
    pub most_messages: u64,
    /// Over all messages, the sum of how many the session of each carried.
    sum_over_messages: u64,
    /// The longest time from the first message of a session to its last, in milliseconds of true time.
    pub longest_ms: u64,
}

impl Exposure {
    /// A session carried one more message. It has carried so many now, over that time.
    #[inline]
    pub(super) fn one_more(&mut self, messages: u64, covered_ms: u64) {
        self.sessions += u64::from(messages == 1);
        self.messages += 1;
        self.most_messages = self.most_messages.max(messages);
        self.sum_over_messages += 2 * messages - 1; // n² − (n − 1)²
        self.longest_ms = self.longest_ms.max(covered_ms);
    }

    /// How many messages a session carried, in the mean over sessions; 0 without any.
    #[must_use]
    pub fn mean_over_sessions(&self) -> f64 {
        mean(self.messages, self.sessions)
    }

    /// How many messages the session of a message carried, in the mean over messages; 0 without any.
    #[must_use]
    pub fn mean_over_messages(&self) -> f64 {
        mean(self.sum_over_messages, self.messages)
    }
}

fn mean(sum: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { sum as f64 / of as f64 }
}

impl Sum for Exposure {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Exposure::default(), |sum, one| Exposure {
            sessions: sum.sessions + one.sessions,
            messages: sum.messages + one.messages,
            most_messages: sum.most_messages.max(one.most_messages),
            sum_over_messages: sum.sum_over_messages + one.sum_over_messages,
            longest_ms: sum.longest_ms.max(one.longest_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Exposure;

    fn of(sessions: &[u64]) -> Exposure {
        let mut exposure = Exposure::default();
        for session in sessions {
            (1..=*session).for_each(|messages| exposure.one_more(messages, 10 * (messages - 1)));
        }
        exposure
    }

    #[test]
    fn the_mean_over_messages_is_that_of_a_message_picked_at_random() {
        let exposure = of(&[1, 9]);
        assert!((exposure.mean_over_sessions() - 5.0).abs() < 1e-9);
        assert!((exposure.mean_over_messages() - (1.0 + 9.0 * 9.0) / 10.0).abs() < 1e-9);
        assert_eq!((exposure.most_messages, exposure.longest_ms), (9, 80));
        assert_eq!([of(&[1]), of(&[9])].into_iter().sum::<Exposure>(), exposure);
    }

    #[test]
    fn without_a_message_nothing_can_be_read() {
        assert!(of(&[]).mean_over_messages() == 0.0 && of(&[]).mean_over_sessions() == 0.0);
    }
}
