//! Writes the Prometheus text format, version 0.0.4
//! (prometheus.io/docs/instrumenting/exposition_formats).

use std::fmt::Write;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only increases; a restart sets it to zero.
    Counter,
    Gauge,
}

/// The text of one answer, written in order: a family, then its samples.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    family: String,
}

impl Page {
    /// Begins a family of samples. `help`: one line, without a backslash.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        name.clone_into(&mut self.family);
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// One value of the current family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(&self.family);
        for (index, (name, text)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{name}=\"");
            escape(text, &mut self.text);
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    pub fn text(self) -> String {
        self.text
    }
}

/// Escapes backslash, quote and line feed; other characters may appear in a label as they are.
fn escape(text: &str, into: &mut String) {
    for letter in text.chars() {
        match letter {
            '\\' => into.push_str("\\\\"),
            '"' => into.push_str("\\\""),
            '\n' => into.push_str("\\n"),
            other => into.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_their_family_and_label_values_are_escaped() {
        let mut page = Page::default();
        page.family("a_total", Kind::Counter, "All of it.");
        page.sample(&[], 12.0);
        page.sample(&[("x", "a\"b\\c\nd"), ("y", "ü")], 0.25);
        let wanted = "# HELP a_total All of it.\n# TYPE a_total counter\na_total 12\n\
                      a_total{x=\"a\\\"b\\\\c\\nd\",y=\"ü\"} 0.25\n";
        assert_eq!(page.text(), wanted);
    }
}
