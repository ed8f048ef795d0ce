//! Times and spans as a person reads them.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `expired 5 min 3 s ago`, `expires in 9 min 57 s`.
pub(super) fn relative((past, coming): (&str, &str), at: OffsetDateTime, now: OffsetDateTime) -> String {
    let between = |duration: time::Duration| span(Duration::try_from(duration).unwrap_or_default());
    if at <= now {
        format!("{past} {} ago", between(now - at))
    } else {
        format!("{coming} in {}", between(at - now))
    }
}

/// Two units are enough for a person.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// To the second, which is what a person compares.
pub(super) fn date(at: OffsetDateTime) -> String {
    let whole = at.truncate_to_second();
    whole.format(&Rfc3339).unwrap_or_else(|_| whole.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        let spans = [0, 59, 61, 3600, 90_061].map(|seconds| span(Duration::from_secs(seconds)));

        assert_eq!(spans, ["0 s", "59 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]);
    }

    #[test]
    fn what_is_past_was_and_what_comes_is_in() {
        let at = |second| OffsetDateTime::from_unix_timestamp(second).unwrap();

        assert_eq!(relative(("expired", "expires"), at(10), at(13)), "expired 3 s ago");
        assert_eq!(relative(("expired", "expires"), at(75), at(13)), "expires in 1 min 2 s");
    }
}
