//! What one event must not give away: each value that the policy names, and what stands for it wherever it leaves.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::nested;
use super::policy::Treatment;
use super::words::{Words, is_short};
use super::{KeyError, Month, Policy, SEALED, Sealer};
use crate::base::Timestamp;

/// Bytes that the token of a short value takes, and a tag.
const TOKEN_ROOM: usize = 128;
const TAG_ROOM: usize = 32;

/// Keys are asked for with the first value; most events have none.
pub(super) struct Seals<'e> {
    policy: &'e Policy,
    /// `None`: values leave as `[sealed]`, for good.
    sealer: Option<&'e Arc<Sealer>>,
    path: &'e Path,
    day: i32,
    month: Option<Month>,
    known: Known<'e>,
    /// Name and tag of values that stand in fields or texts.
    tags: Vec<(String, String)>,
    /// Of values that were found before there are tags already.
    new_only: bool,
    failed: Option<KeyError>,
    /// Values too short to be looked for in other texts: see [`is_short`].
    unprotected: u32,
}

/// What stands for one value.
#[derive(Clone)]
pub(super) struct Stand {
    pub text: String,
    /// For searches that ask for equality.
    pub tag: Option<String>,
}

impl<'e> Seals<'e> {
    /// The month is that of the file's name, else that of the event's UTC day.
    pub(super) fn new(
        policy: &'e Policy,
        sealer: Option<&'e Arc<Sealer>>,
        path: &'e Path,
        day: i32,
    ) -> Self {
        Seals {
            policy,
            sealer,
            path,
            day,
            month: None,
            known: Known::default(),
            tags: Vec::new(),
            new_only: false,
            failed: None,
            unprotected: 0,
        }
    }

    pub(super) fn policy(&self) -> &'e Policy {
        self.policy
    }

    pub(super) fn unprotected(&self) -> u32 {
        self.unprotected
    }

    pub(super) fn note_tag(&mut self, name: String, tag: String) {
        self.tags.push((name, tag));
    }

    /// From here on values that are known already have no tag.
    pub(super) fn tag_new_values_only(&mut self) {
        self.new_only = true;
    }

    /// The words to look for in all other texts, and the tags in the order of their names; or why nothing of this
    /// event may leave.
    pub(super) fn finish(mut self) -> Result<(Words, Vec<(String, String)>), KeyError> {
        match self.failed {
            Some(error) => Err(error),
            None => {
                let pair = |value: KnownValue<'_>| (value.text, value.stand.text);
                self.tags.sort();
                self.tags.dedup();
                Ok((Words::new(self.known.values.into_iter().map(pair).collect()), self.tags))
            }
        }
    }

    /// What is told of the values: tags rather than tokens, and `[sealed]` where a key is missing.
    pub(super) fn aliases(self) -> Words {
        let alias = |stand: Stand| stand.tag.unwrap_or(stand.text);
        let pair = |value: KnownValue<'_>| (value.text, alias(value.stand));
        Words::new(self.known.values.into_iter().map(pair).collect())
    }

    /// Of a text or a number. The same one has the same token wherever it stands in an event.
    pub(super) fn value(&mut self, treatment: Treatment<'e>, value: &str) -> Stand {
        let value = value.trim();
        if let Some(stand) = self.known.find(treatment, value) {
            let tag = stand.tag.clone().filter(|_| !self.new_only);
            return Stand { text: stand.text.clone(), tag };
        }
        let stand = self.stand(treatment, value);
        self.unprotected += u32::from(!value.is_empty() && is_short(value));
        self.known.add(KnownValue { text: value.to_owned(), treatment, stand: stand.clone() });
        stand
    }

    /// Of an object or an array, as it is written; texts and numbers inside are looked for elsewhere too.
    pub(super) fn composite(&mut self, treatment: Treatment<'e>, json: &str) -> Stand {
        nested::texts(json, &mut |text| match is_short(text.trim()) {
            false => _ = self.value(treatment, text),
            true => self.unprotected += u32::from(!text.trim().is_empty()),
        });
        // It is no value that somebody asks for.
        Stand { tag: None, ..self.stand(treatment, json) }
    }

    fn stand(&mut self, treatment: Treatment<'e>, value: &str) -> Stand {
        let masked = || Stand { text: SEALED.to_owned(), tag: None };
        if self.failed.is_some() {
            return masked();
        }
        self.try_stand(treatment, value).unwrap_or_else(|error| {
            self.failed = Some(error);
            masked()
        })
    }

    fn try_stand(&mut self, treatment: Treatment<'e>, value: &str) -> Result<Stand, KeyError> {
        let Some(sealer) = self.sealer else {
            return Ok(Stand { text: SEALED.to_owned(), tag: None });
        };
        let mut text = String::with_capacity(TOKEN_ROOM);
        let month = self.month();
        match treatment {
            Treatment::Seal(field) => {
                let mut tag = String::with_capacity(TAG_ROOM);
                sealer.seal(month, field, value, &mut text, &mut tag)?;
                Ok(Stand { text, tag: Some(tag) })
            }
            Treatment::Address => {
                let month = if self.policy.addresses_last() { Month::ALWAYS } else { month };
                sealer.pseudonym(month, self.policy.address_mode(), value, &mut text)?;
                Ok(Stand { text, tag: None })
            }
        }
    }

    fn month(&mut self) -> Month {
        *self.month.get_or_insert_with(|| {
            let path = self.path.as_os_str().as_encoded_bytes();
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
            let named = Month::in_name(&String::from_utf8_lossy(name));
            named.unwrap_or_else(|| Month::of(Timestamp::of_day(self.day)))
        })
    }
}

/// The values so far. Nearly every event has a few at most; one line may hold tens of thousands.
#[derive(Default)]
struct Known<'e> {
    /// In the order in which they came.
    values: Vec<KnownValue<'e>>,
    /// Where a value stands that came behind the first few.
    more: HashMap<String, Vec<usize>>,
}

struct KnownValue<'e> {
    text: String,
    treatment: Treatment<'e>,
    stand: Stand,
}

impl<'e> Known<'e> {
    const FEW: usize = 8;

    fn find(&self, treatment: Treatment<'_>, text: &str) -> Option<&Stand> {
        let few = &self.values[..self.values.len().min(Self::FEW)];
        let more = self.more.get(text).into_iter().flatten().map(|at| &self.values[*at]);
        let mut all = few.iter().chain(more);
        all.find(|value| value.text == text && value.treatment == treatment).map(|it| &it.stand)
    }

    fn add(&mut self, value: KnownValue<'e>) {
        let at = self.values.len();
        if at >= Self::FEW {
            self.more.entry(value.text.clone()).or_default().push(at);
        }
        self.values.push(value);
    }
}
