//! Seals the values of one event and remembers the replacement of each.
//!
//! Equal values of one field have the same token within an event.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use super::policy::Treatment;
use super::replacements::{Replacement, ReplacementId, Replacements};
use super::tag::tag_name;
use super::whole_words::{WordReplacer, is_short};
use super::{KeyError, Month, Policy, SEALED, Sealer};
use crate::base::json::{Token, Tokens};

/// The field name under which a whole text is sealed.
pub(super) const MESSAGE: &str = "message";

/// Capacity for the token of a short value and for a tag, in bytes.
const TOKEN_ROOM: usize = 128;
const TAG_ROOM: usize = 32;

/// Seals the values of one event. Keys are loaded when the first value is sealed: most events have no such value.
pub(super) struct EventSealer<'e> {
    policy: &'e Policy,
    /// `None`: values become `[sealed]` and cannot be decrypted.
    sealer: Option<&'e Arc<Sealer>>,
    path: &'e Arc<Path>,
    day: i32,
    month: Option<Month>,
    replacements: Replacements<'e>,
    /// See [`EventSealer::tag_new_values_only`].
    new_only: bool,
    failed: Option<KeyError>,
    /// Number of values too short to be replaced in other texts; see [`is_short`].
    unprotected: u32,
}

impl<'e> EventSealer<'e> {
    /// The month is that of the file name, else that of the event's UTC day.
    pub(super) fn new(
        policy: &'e Policy,
        sealer: Option<&'e Arc<Sealer>>,
        path: &'e Arc<Path>,
        day: i32,
    ) -> Self {
        EventSealer {
            policy,
            sealer,
            path,
            day,
            month: None,
            replacements: Replacements::default(),
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

    /// Ends the tagging of values that are already known; new ones still get tags.
    pub(super) fn tag_new_values_only(&mut self) {
        self.new_only = true;
    }

    /// All replacements, or the reason why nothing of this event may leave.
    pub(super) fn finish(self) -> Result<Replacements<'e>, KeyError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.replacements),
        }
    }

    /// A replacer that puts aliases in the place of values: tags instead of tokens, `[sealed]` if a key is missing.
    pub(super) fn aliases(&self) -> WordReplacer<'_> {
        self.replacements
            .words_by(|replacement| replacement.tag.as_ref().unwrap_or(&replacement.text))
    }

    /// The alias of one value: its tag, else its replacement.
    pub(super) fn alias(&self, found: ReplacementId) -> &str {
        self.tag(found).unwrap_or(self.replacement_text(found))
    }

    /// The text that replaces a value.
    pub(super) fn replacement_text(&self, found: ReplacementId) -> &str {
        &self.replacements.get(found).text
    }

    /// The tag, for searches by equality.
    pub(super) fn tag(&self, found: ReplacementId) -> Option<&str> {
        self.replacements.tag(found)
    }

    /// Records that the value was found inside a text: its tag is added to the event in a field of its own.
    pub(super) fn note_tag(&mut self, name: &str, found: ReplacementId) {
        if let Some(tag) = self.tag(found).map(str::to_owned) {
            self.replacements.note_tag(tag_name(name), tag);
        }
    }

    /// Records that the whole field is replaced.
    pub(super) fn note_field(&mut self, field: usize, found: ReplacementId) {
        self.replacements.note_field(field, found);
    }

    /// Seals a text or a number. Equal values of one field have the same token within an event.
    pub(super) fn seal_value(
        &mut self,
        treatment: Treatment<'e>,
        value: Cow<'e, str>,
    ) -> ReplacementId {
        let value = trimmed(value);
        if let Some(at) = self.replacements.find(treatment, &value) {
            return ReplacementId { at, tagged: !self.new_only };
        }
        let (text, tag) = self.replacement(treatment, &value);
        self.unprotected += u32::from(!value.is_empty() && is_short(&value));
        let replacement = Replacement { value: Some(value), treatment, text, tag, fields: 0 };
        ReplacementId { at: self.replacements.add(replacement), tagged: true }
    }

    /// Seals an object or an array as its JSON text; texts and numbers inside are also replaced in other texts.
    pub(super) fn seal_composite(&mut self, treatment: Treatment<'e>, json: &str) -> ReplacementId {
        texts(json, &mut |text| match is_short(text.trim()) {
            false => _ = self.seal_value(treatment, Cow::Owned(text.to_owned())),
            true => self.unprotected += u32::from(!text.trim().is_empty()),
        });
        let (text, _) = self.replacement(treatment, json);
        // Nobody searches for a whole object, so it has no tag.
        let replacement = Replacement { value: None, treatment, text, tag: None, fields: 0 };
        ReplacementId { at: self.replacements.add(replacement), tagged: false }
    }

    /// Seals a piece of text that may be a part of a value. It has no tag and is not replaced in other texts.
    pub(super) fn seal_piece(&mut self, text: &str) -> String {
        self.replacement(Treatment::Seal(MESSAGE), text).0
    }

    /// Where the last token in `text` ends.
    pub(super) fn end_of_last_token(&self, text: &str) -> usize {
        self.replacements.end_of_last_token(text)
    }

    /// The token or pseudonym of a value, and its tag.
    fn replacement(&mut self, treatment: Treatment<'e>, value: &str) -> (String, Option<String>) {
        let sealer = self.sealer.filter(|_| self.failed.is_none());
        match sealer.map(|sealer| self.try_replacement(sealer, treatment, value)) {
            Some(Ok(replacement)) => return replacement,
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
        (SEALED.to_owned(), None)
    }

    fn try_replacement(
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

/// Calls `each` with every text and number of a JSON value.
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
