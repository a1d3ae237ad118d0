//! What one event must not give away: each value that the policy names, and what stands for it wherever it leaves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::nested;
use super::policy::Treatment;
use super::words::{Words, is_short};
use super::{KeyError, Month, Policy, SEALED, Sealer};
use crate::base::Timestamp;

/// Room for the token of a short value, and for a tag.
const TOKEN: usize = 128;
const TAG: usize = 32;

/// Keys are asked for with the first value; most events have none.
pub(super) struct Seals<'e> {
    policy: &'e Policy,
    /// `None`: values leave as `[sealed]`, for good.
    sealer: Option<&'e Arc<Sealer>>,
    path: &'e Path,
    day: i32,
    month: Option<Month>,
    /// What stands for a value, by how it is treated. One line may hold tens of thousands of them.
    known: BTreeMap<String, Vec<(Treatment<'e>, Stand)>>,
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
            known: BTreeMap::new(),
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

    /// The words to look for in all other texts, or why nothing of this event may leave.
    pub(super) fn finish(self) -> Result<Words, KeyError> {
        match self.failed {
            Some(error) => Err(error),
            None => {
                let first = |(value, stands): (String, Vec<(_, Stand)>)| {
                    stands.into_iter().next().map(|(_, stand)| (value, stand.text))
                };
                Ok(Words::new(self.known.into_iter().filter_map(first).collect()))
            }
        }
    }

    /// Of a text or a number. The same one has the same token wherever it stands in an event.
    pub(super) fn value(&mut self, treatment: Treatment<'e>, value: &str) -> Stand {
        let value = value.trim();
        let mut known = self.known.get(value).into_iter().flatten();
        if let Some((_, stand)) = known.find(|(treated, _)| *treated == treatment) {
            return stand.clone();
        }
        let stand = self.stand(treatment, value);
        self.unprotected += u32::from(!value.is_empty() && is_short(value));
        self.known.entry(value.to_owned()).or_default().push((treatment, stand.clone()));
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
        let mut text = String::with_capacity(TOKEN);
        let month = self.month();
        match treatment {
            Treatment::Seal(field) => {
                sealer.seal(month, field, value, &mut text)?;
                let mut tag = String::with_capacity(TAG);
                sealer.tag(month, field, value, &mut tag)?;
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
            let name = self.path.file_name().map(|name| name.to_string_lossy());
            let named = name.and_then(|name| Month::in_name(&name));
            named.unwrap_or_else(|| Month::of(Timestamp::of_day(self.day)))
        })
    }
}
