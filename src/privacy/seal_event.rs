//! Sealing one event on its way out: its fields, what its texts quote, and then each value wherever else it stands.

use std::borrow::Cow;

use super::nested_json::{self, Pass};
use super::policy::{Pattern, Treatment};
use super::quoted_values::seal_in;
use super::replacements::{Hidden, Sealed};
use super::sealed_values::{MESSAGE, Seals};
use super::tag::tag_name;
use super::truncated_text;
use super::whole_words::Words;
use super::{KeyError, Outgoing, Policy};
use crate::event::Value;

impl<'a> Outgoing<'a> {
    /// `cut`: the message, and so the record, may end inside a value that a pattern would find.
    pub(super) fn seal<'e>(&mut self, mut seals: Seals<'e>, cut: bool) -> Result<(), KeyError>
    where
        'a: 'e,
    {
        let policy = seals.policy();
        self.seal_values(&mut seals);
        // Of what the fields and the message hold, there are tags already.
        seals.tag_new_values_only();
        if let Some(text) = &mut self.original {
            seal_in_place(text, &mut seals, policy.patterns());
        }
        if cut {
            let texts = [&mut self.message, &mut self.original];
            texts.into_iter().flatten().for_each(|text| truncated_text::seal_end(text, &mut seals));
        }
        self.unprotected = seals.unprotected();
        let hidden = seals.finish()?;
        let words = hidden.words();
        if !words.is_empty() {
            self.seal_words(policy, &words, hidden.fields());
        }
        self.put(hidden);
        Ok(())
    }

    /// All of its text becomes one token: the beginning of a name, or of a value, left with the record before it.
    pub(super) fn seal_whole<'e>(
        &mut self,
        mut seals: Seals<'e>,
        text: Cow<'e, str>,
    ) -> Result<(), KeyError> {
        let found = seals.value(Treatment::Seal(MESSAGE), text);
        let token = seals.text(found).to_owned();
        seals.finish()?;
        self.fields.clear();
        self.original = self.original.is_some().then(|| Cow::Owned(token.clone()));
        self.message = Some(Cow::Owned(token));
        Ok(())
    }

    /// What is sealed in fields and in the message. Fields that are sealed as a whole stay empty until the end.
    pub(super) fn seal_values<'e>(&mut self, seals: &mut Seals<'e>)
    where
        'a: 'e,
    {
        self.seal_fields(seals);
        if let Some(text) = &mut self.message {
            seal_in_place(text, seals, seals.policy().patterns());
        }
    }

    /// Sealed fields, and what is sealed inside others.
    fn seal_fields<'e>(&mut self, seals: &mut Seals<'e>)
    where
        'a: 'e,
    {
        let policy = seals.policy();
        for index in 0..self.fields.len() {
            let (name, value) = &mut self.fields[index];
            if policy.is_tag(name) {
                // The log's own: the name is ours.
                name.to_mut().push('_');
            }
            let Some(treatment) = policy.treatment(name) else {
                match value {
                    Value::Json(raw) => {
                        let settled = nested_json::settle(name, raw, Pass::Seal(seals));
                        self.settle(index, settled);
                    }
                    Value::Text(text) => seal_in_place(text, seals, &[]),
                }
                continue;
            };
            if matches!(value, Value::Json("null")) {
                continue;
            }
            let found = match std::mem::replace(value, Value::Text(Cow::Borrowed(""))) {
                Value::Json(raw) if raw.starts_with(['{', '[']) => seals.composite(treatment, raw),
                Value::Json(raw) => seals.value(treatment, Cow::Borrowed(raw)),
                Value::Text(text) => seals.value(treatment, text),
            };
            seals.note_field(index, found);
        }
    }

    /// What stands for whole fields, and the tags.
    fn put(&mut self, hidden: Hidden<'_>) {
        let (sealed, mut tags) = hidden.into_parts();
        tags.reserve(sealed.len());
        for Sealed { field, text, tag } in sealed {
            let (name, value) = &mut self.fields[field];
            *value = Value::Text(Cow::Owned(text));
            tags.extend(tag.map(|tag| (tag_name(name), tag)));
        }
        tags.sort();
        tags.dedup();
        self.add_tags(tags);
    }

    /// One for each name, or a list. No field of the event has such a name any more.
    fn add_tags(&mut self, tags: Vec<(String, String)>) {
        let mut tags = tags.into_iter().peekable();
        while let Some((name, tag)) = tags.next() {
            let mut more = None;
            while let Some((_, other)) = tags.next_if(|(next, _)| *next == name) {
                // Nothing in a tag needs an escape.
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

    /// The sealed values again, wherever else they stand; `hidden` fields come out last.
    fn seal_words(
        &mut self,
        policy: &Policy,
        words: &Words<'_>,
        hidden: impl Iterator<Item = usize>,
    ) {
        let [host, path] = [&mut self.host, &mut self.path];
        let texts = [&mut self.message, &mut self.original, &mut self.service];
        for text in [host, path].into_iter().chain(texts.into_iter().flatten()) {
            words.replace_in(text);
        }
        let mut hidden = hidden.peekable();
        for index in 0..self.fields.len() {
            let (name, value) = &mut self.fields[index];
            let is_treated = hidden.next_if_eq(&index).is_some()
                || matches!(value, Value::Json("null")) && policy.treatment(name).is_some();
            // By its name a sealed field is known: that stays one.
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
            let settled = nested_json::settle(name, raw, Pass::Replace(policy, words));
            self.settle(index, settled);
        }
    }
}

fn seal_in_place<'e>(text: &mut Cow<'_, str>, seals: &mut Seals<'e>, patterns: &'e [Pattern]) {
    if let Some(sealed) = seal_in(text, seals, patterns) {
        *text = Cow::Owned(sealed);
    }
}
