//! What one event must not give away: each value that the policy names, and what stands for it wherever it leaves.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use super::policy::Treatment;
use super::replacements::{Found, Hidden, Stand};
use super::tag::tag_name;
use super::whole_words::{Words, is_short};
use super::{KeyError, Month, Policy, SEALED, Sealer};
use crate::base::json::{Token, Tokens};

/// Under this name a text is sealed as a whole.
pub(super) const MESSAGE: &str = "message";

/// Bytes that the token of a short value takes, and a tag.
const TOKEN_ROOM: usize = 128;
const TAG_ROOM: usize = 32;

/// Keys are asked for with the first value; most events have none.
pub(super) struct Seals<'e> {
    policy: &'e Policy,
    /// `None`: values leave as `[sealed]`, for good.
    sealer: Option<&'e Arc<Sealer>>,
    path: &'e Arc<Path>,
    day: i32,
    month: Option<Month>,
    hidden: Hidden<'e>,
    /// Of values that were found before there are tags already.
    new_only: bool,
    failed: Option<KeyError>,
    /// Values too short to be looked for in other texts: see [`is_short`].
    unprotected: u32,
}

impl<'e> Seals<'e> {
    /// The month is that of the file's name, else that of the event's UTC day.
    pub(super) fn new(
        policy: &'e Policy,
        sealer: Option<&'e Arc<Sealer>>,
        path: &'e Arc<Path>,
        day: i32,
    ) -> Self {
        Seals {
            policy,
            sealer,
            path,
            day,
            month: None,
            hidden: Hidden::default(),
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

    /// From here on values that are known already have no tag.
    pub(super) fn tag_new_values_only(&mut self) {
        self.new_only = true;
    }

    /// All that was found; or why nothing of this event may leave.
    pub(super) fn finish(self) -> Result<Hidden<'e>, KeyError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.hidden),
        }
    }

    /// What is told of the values: tags rather than tokens, and `[sealed]` where a key is missing.
    pub(super) fn aliases(&self) -> Words<'_> {
        self.hidden.words_by(|stand| stand.tag.as_ref().unwrap_or(&stand.text))
    }

    /// What is told of one.
    pub(super) fn alias(&self, found: Found) -> &str {
        self.tag(found).unwrap_or(self.text(found))
    }

    /// What stands for a value where it was found.
    pub(super) fn text(&self, found: Found) -> &str {
        &self.hidden.stand(found).text
    }

    /// For searches that ask for equality.
    pub(super) fn tag(&self, found: Found) -> Option<&str> {
        self.hidden.tag(found)
    }

    /// It stands in a text, and its tag is to stand beside the fields.
    pub(super) fn note_tag(&mut self, name: &str, found: Found) {
        if let Some(tag) = self.tag(found).map(str::to_owned) {
            self.hidden.note_tag(tag_name(name), tag);
        }
    }

    /// All of that field is to become what stands for it.
    pub(super) fn note_field(&mut self, field: usize, found: Found) {
        self.hidden.note_field(field, found);
    }

    /// Of a text or a number. The same one has the same token wherever it stands in an event.
    pub(super) fn value(&mut self, treatment: Treatment<'e>, value: Cow<'e, str>) -> Found {
        let value = trimmed(value);
        if let Some(at) = self.hidden.find(treatment, &value) {
            return Found { at, tagged: !self.new_only };
        }
        let (text, tag) = self.stand(treatment, &value);
        self.unprotected += u32::from(!value.is_empty() && is_short(&value));
        let stand = Stand { value: Some(value), treatment, text, tag, fields: 0 };
        Found { at: self.hidden.add(stand), tagged: true }
    }

    /// Of an object or an array, as it is written; texts and numbers inside are looked for elsewhere too.
    pub(super) fn composite(&mut self, treatment: Treatment<'e>, json: &str) -> Found {
        texts(json, &mut |text| match is_short(text.trim()) {
            false => _ = self.value(treatment, Cow::Owned(text.to_owned())),
            true => self.unprotected += u32::from(!text.trim().is_empty()),
        });
        let (text, _) = self.stand(treatment, json);
        // It is no value that somebody asks for.
        let stand = Stand { value: None, treatment, text, tag: None, fields: 0 };
        Found { at: self.hidden.add(stand), tagged: false }
    }

    /// A piece of a text that may be a part of a value: it is looked for nowhere else, and nobody asks for it.
    pub(super) fn piece(&mut self, text: &str) -> String {
        self.stand(Treatment::Seal(MESSAGE), text).0
    }

    /// Behind the last token in `text`.
    pub(super) fn behind_tokens(&self, text: &str) -> usize {
        self.hidden.behind_tokens(text)
    }

    /// What stands for it, and its tag.
    fn stand(&mut self, treatment: Treatment<'e>, value: &str) -> (String, Option<String>) {
        let sealer = self.sealer.filter(|_| self.failed.is_none());
        match sealer.map(|sealer| self.try_stand(sealer, treatment, value)) {
            Some(Ok(stand)) => return stand,
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
        (SEALED.to_owned(), None)
    }

    fn try_stand(
        &mut self,
        sealer: &Sealer,
        treatment: Treatment<'e>,
        value: &str,
    ) -> Result<(String, Option<String>), KeyError> {
        let mut text = String::with_capacity(TOKEN_ROOM);
        let month = *self.month.get_or_insert_with(|| sealer.month_of(self.path, self.day));
        match treatment {
            Treatment::Seal(field) => {
                let mut tag = String::with_capacity(TAG_ROOM);
                sealer.seal(month, field, value, &mut text, &mut tag)?;
                Ok((text, Some(tag)))
            }
            Treatment::Address => {
                let month = if self.policy.addresses_last() { Month::ALWAYS } else { month };
                sealer.pseudonym(month, self.policy.address_mode(), value, &mut text)?;
                Ok((text, None))
            }
        }
    }
}

fn trimmed(value: Cow<'_, str>) -> Cow<'_, str> {
    match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// Every text and number of a JSON value.
fn texts(raw: &str, each: &mut dyn FnMut(&str)) {
    for token in Tokens::new(raw).map_while(Result::ok) {
        match token {
            Token::Text(text) => each(&text.decode()),
            Token::Scalar("true" | "false" | "null") => {}
            Token::Scalar(number) => each(number),
            _ => {}
        }
    }
}
