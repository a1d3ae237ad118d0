//! Seals one event: its fields, then values inside its texts, then every other occurrence of these values.

use std::borrow::Cow;

use super::nested_json::{self, Pass};
use super::policy::{Pattern, Treatment};
use super::quoted_values::seal_quoted_values;
use super::replacements::{Replacements, SealedField};
use super::sealed_values::{EventSealer, MESSAGE};
use super::tag::tag_name;
use super::truncated_text;
use super::whole_words::WordReplacer;
use super::{KeyError, Outgoing, Policy};
use crate::event::Value;

impl<'a> Outgoing<'a> {
    /// Seals the event. `is_cut`: the message, and with it the record, may end inside a value that a pattern would
    /// find.
    pub(super) fn seal<'e>(
        &mut self,
        mut event_sealer: EventSealer<'e>,
        is_cut: bool,
    ) -> Result<(), KeyError>
    where
        'a: 'e,
    {
        let policy = event_sealer.policy();
        self.seal_values(&mut event_sealer);
        // Values of the fields and the message already have their tags.
        event_sealer.tag_new_values_only();
        if let Some(text) = &mut self.original {
            seal_quotes_in_place(text, &mut event_sealer, policy.patterns());
        }
        if is_cut {
            let texts = [&mut self.message, &mut self.original];
            texts
                .into_iter()
                .flatten()
                .for_each(|text| truncated_text::seal_end(text, &mut event_sealer));
        }
        self.unprotected = event_sealer.unprotected();
        let replacements = event_sealer.finish()?;
        let words = replacements.words();
        if !words.is_empty() {
            self.seal_words(policy, &words, replacements.fields());
        }
        self.put(replacements);
        Ok(())
    }

    /// Seals the whole text as one token: the beginning of a name or a value may have been delivered with the previous
    /// record.
    pub(super) fn seal_whole<'e>(
        &mut self,
        mut event_sealer: EventSealer<'e>,
        text: Cow<'e, str>,
    ) -> Result<(), KeyError> {
        let found = event_sealer.seal_value(Treatment::Seal(MESSAGE), text);
        let token = event_sealer.replacement_text(found).to_owned();
        event_sealer.finish()?;
        self.fields.clear();
        self.original = self.original.is_some().then(|| Cow::Owned(token.clone()));
        self.message = Some(Cow::Owned(token));
        Ok(())
    }

    /// Seals values in fields and in the message. Fields that are sealed as a whole stay empty until [`Self::put`].
    pub(super) fn seal_values<'e>(&mut self, event_sealer: &mut EventSealer<'e>)
    where
        'a: 'e,
    {
        self.seal_fields(event_sealer);
        if let Some(text) = &mut self.message {
            seal_quotes_in_place(text, event_sealer, event_sealer.policy().patterns());
        }
    }

    /// Seals whole fields, and values inside other fields.
    fn seal_fields<'e>(&mut self, event_sealer: &mut EventSealer<'e>)
    where
        'a: 'e,
    {
        let policy = event_sealer.policy();
        for index in 0..self.fields.len() {
            let (name, value) = &mut self.fields[index];
            if policy.is_tag(name) {
                // A field of the log with the name of a tag: renamed, because the name is reserved for Logwarden's tag.
                name.to_mut().push('_');
            }
            let Some(treatment) = policy.treatment(name) else {
                match value {
                    Value::Json(raw) => {
                        let rewrite = nested_json::rewrite(name, raw, Pass::Seal(event_sealer));
                        self.apply_rewrite(index, rewrite);
                    }
                    Value::Text(text) => seal_quotes_in_place(text, event_sealer, &[]),
                }
                continue;
            };
            if matches!(value, Value::Json("null")) {
                continue;
            }
            let found = match std::mem::replace(value, Value::Text(Cow::Borrowed(""))) {
                Value::Json(raw) if raw.starts_with(['{', '[']) => {
                    event_sealer.seal_composite(treatment, raw)
                }
                Value::Json(raw) => event_sealer.seal_value(treatment, Cow::Borrowed(raw)),
                Value::Text(text) => event_sealer.seal_value(treatment, text),
            };
            event_sealer.note_field(index, found);
        }
    }

    /// Fills in the sealed fields, and adds the tags.
    fn put(&mut self, replacements: Replacements<'_>) {
        let (sealed, mut tags) = replacements.into_parts();
        tags.reserve(sealed.len());
        for SealedField { field, text, tag } in sealed {
            let (name, value) = &mut self.fields[field];
            *value = Value::Text(Cow::Owned(text));
            tags.extend(tag.map(|tag| (tag_name(name), tag)));
        }
        tags.sort();
        tags.dedup();
        self.add_tags(tags);
    }

    /// Adds one field per name, with one tag or a list. No other field has such a name: they were renamed before.
    fn add_tags(&mut self, tags: Vec<(String, String)>) {
        let mut tags = tags.into_iter().peekable();
        while let Some((name, tag)) = tags.next() {
            let mut more = None;
            while let Some((_, other)) = tags.next_if(|(next, _)| *next == name) {
                // Tags need no escapes.
                let list = more.get_or_insert_with(|| format!("[\"{tag}\""));
                *list += &format!(",\"{other}\"");
            }
            let value = match more {
                None => Value::Text(Cow::Owned(tag)),
                Some(list) => {
                    self.rewritten.push((self.fields.len(), list + "]"));
                    Value::Json("[]")
                }
            };
            self.fields.push((Cow::Owned(name), value));
        }
    }

    /// Replaces all other occurrences of the sealed values; the values of `sealed_fields` are filled in later.
    fn seal_words(
        &mut self,
        policy: &Policy,
        words: &WordReplacer<'_>,
        sealed_fields: impl Iterator<Item = usize>,
    ) {
        let [host, path] = [&mut self.host, &mut self.path];
        let texts = [&mut self.message, &mut self.original, &mut self.service];
        for text in [host, path].into_iter().chain(texts.into_iter().flatten()) {
            words.replace_in(text);
        }
        let mut sealed_fields = sealed_fields.peekable();
        for index in 0..self.fields.len() {
            let (name, value) = &mut self.fields[index];
            let is_treated = sealed_fields.next_if_eq(&index).is_some()
                || matches!(value, Value::Json("null")) && policy.treatment(name).is_some();
            // A sealed field must still be recognised by its name.
            if let Some(replaced) = words.replace(name)
                && (!is_treated || policy.treatment(&replaced).is_some())
            {
                *name = Cow::Owned(replaced);
            }
            if is_treated {
                continue;
            }
            if let Value::Text(text) = value {
                words.replace_in(text);
                continue;
            }
            let Value::Json(raw) = self.value(index) else { continue };
            let name = &self.fields[index].0;
            let rewrite = nested_json::rewrite(name, raw, Pass::Replace(policy, words));
            self.apply_rewrite(index, rewrite);
        }
    }
}

fn seal_quotes_in_place<'e>(
    text: &mut Cow<'_, str>,
    event_sealer: &mut EventSealer<'e>,
    patterns: &'e [Pattern],
) {
    if let Some(sealed) = seal_quoted_values(text, event_sealer, patterns) {
        *text = Cow::Owned(sealed);
    }
}
