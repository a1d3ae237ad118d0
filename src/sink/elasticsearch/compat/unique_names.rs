//! Gives every field of one object of a document a unique name. Pure.

use std::collections::HashMap;

use crate::privacy::tag::TAG;

/// Assigned names, and how often each was requested.
#[derive(Debug, Default)]
pub(super) struct UniqueNames(HashMap<String, u32>);

impl UniqueNames {
    /// Returns `name` if it is free and `fits` accepts it, otherwise the first free variant: `x_`, `x_3`, `x_4`, and
    /// for a tag field `x__tag`, `x_3_tag`, because tags are searched in names with that ending.
    pub fn take<T>(&mut self, name: String, fits: impl Fn(&str) -> Option<T>) -> (String, T) {
        if !self.0.contains_key(&name)
            && let Some(fit) = fits(&name)
        {
            self.0.insert(name.clone(), 1);
            return (name, fit);
        }
        let (stem, end) = name.strip_suffix(TAG).map_or((&*name, ""), |stem| (stem, TAG));
        let mut count = self.0.get(&name).copied().unwrap_or(1);
        let (other, fit) = loop {
            count += 1;
            let number = if count == 2 { String::new() } else { count.to_string() };
            let other = format!("{stem}_{number}{end}");
            if !self.0.contains_key(&other)
                && let Some(fit) = fits(&other)
            {
                break (other, fit);
            }
        };
        self.0.insert(other.clone(), 1);
        self.0.insert(name, count);
        (other, fit)
    }
}
