//! A case of `vectors/settings` (its format is in `vectors/README.md`), and whether the core reads it as its header says.

use std::collections::BTreeMap;

use pawl_core::settings::{self, Limits, Reading};

/// What the header of a case expects and what the core finds, where they differ.
pub(crate) fn check(case: &[u8]) -> Result<(), String> {
    let vector = Vector::read(case);
    let (expected, found) =
        (vector.expected(), found(&vector.content, &vector.limits(), vector.field("why").is_some()));
    if expected == found { Ok(()) } else { Err(format!("expected {expected}, found {found}")) }
}

struct Vector {
    header: BTreeMap<String, String>,
    content: Vec<u8>,
}

impl Vector {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").expect("an empty line ends the header");
        let mut header = BTreeMap::new();
        for line in str::from_utf8(&bytes[..end]).unwrap().lines() {
            let (name, value) = line.split_once(':').expect("a header line is `name: value`");
            let earlier = header.insert(name.to_owned(), value.trim_start().to_owned());
            assert_eq!(earlier, None, "a field stands twice");
        }
        Vector { header, content: bytes[end + 2..].to_vec() }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.header.get(name).map(String::as_str)
    }

    /// The limits that the header names, and the usual ones where it names none.
    fn limits(&self) -> Limits {
        let usual = Limits::default();
        let bound = |bound: &str| bound.parse::<u64>().unwrap();
        let messages = self.range("limits-messages").map_or(usual.messages(), |(lower, upper)| {
            u32::try_from(bound(lower)).unwrap()..=u32::try_from(bound(upper)).unwrap()
        });
        let period_ms = self
            .range("limits-period-ms")
            .map_or(usual.period_ms(), |(lower, upper)| bound(lower)..=bound(upper));
        Limits::new(messages, period_ms).unwrap()
    }

    fn range(&self, name: &str) -> Option<(&str, &str)> {
        Some(self.field(name)?.split_once(' ').expect("limits are `lower upper`"))
    }

    /// What the header expects, in the words of [`found`].
    fn expected(&self) -> String {
        match self.field("outcome") {
            Some("usable") => format!(
                "usable messages={} period_ms={} encrypt_state_events={} diagnostics={}",
                self.header["messages"],
                self.header["period_ms"],
                self.header["encrypt_state_events"],
                self.header["diagnostics"]
            ),
            Some(outcome) => {
                self.field("why").map_or(outcome.to_owned(), |why| format!("{outcome} why={why}"))
            }
            None => panic!("no outcome"),
        }
    }
}

/// What the core makes of it; `why` only where it is expected.
fn found(content: &[u8], limits: &Limits, with_why: bool) -> String {
    match settings::read(content, limits) {
        Reading::Usable(settings, diagnostics) => {
            let diagnostics: Vec<String> = diagnostics
                .iter()
                .map(|(field, cause)| format!("{}={}", field.key(), cause.name()))
                .collect();
            format!(
                "usable messages={} period_ms={} encrypt_state_events={} diagnostics={}",
                settings.rotation_period_msgs,
                settings.rotation_period_ms,
                settings.encrypt_state_events,
                diagnostics.join(",")
            )
        }
        Reading::Unsupported => "unsupported".to_owned(),
        Reading::Malformed(why) if with_why => format!("malformed why={}", why.name()),
        Reading::Malformed(_) => "malformed".to_owned(),
    }
}
