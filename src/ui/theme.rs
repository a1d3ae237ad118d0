//! The appearance of the screen: a style for each role, from `assets/themes.toml`, and glyphs in Unicode or ASCII.

use std::collections::HashMap;

use ratatui::style::{Color, Modifier, Style};

use crate::event::Level;

const THEMES: &str = include_str!("../../assets/themes.toml");

/// The available themes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    #[default]
    Dark,
    Light,
    Monochrome,
}

/// The role of a part of the screen, which determines its style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Dim,
    Header,
    Title,
    TitleFocus,
    Border,
    Field,
    Source,
    Selection,
    Match,
    Key,
    Ok,
    Near,
    Firing,
    Paused,
    Bad,
    Open,
    Prompt,
    Level(Option<Level>),
}

const ROLES: [(&str, Role); 25] = [
    ("dim", Role::Dim),
    ("header", Role::Header),
    ("title", Role::Title),
    ("title-focus", Role::TitleFocus),
    ("border", Role::Border),
    ("field", Role::Field),
    ("source", Role::Source),
    ("selection", Role::Selection),
    ("match", Role::Match),
    ("key", Role::Key),
    ("ok", Role::Ok),
    ("near", Role::Near),
    ("firing", Role::Firing),
    ("paused", Role::Paused),
    ("bad", Role::Bad),
    ("open", Role::Open),
    ("prompt", Role::Prompt),
    ("none", Role::Level(None)),
    ("trace", Role::Level(Some(Level::Trace))),
    ("debug", Role::Level(Some(Level::Debug))),
    ("info", Role::Level(Some(Level::Info))),
    ("notice", Role::Level(Some(Level::Notice))),
    ("warning", Role::Level(Some(Level::Warning))),
    ("error", Role::Level(Some(Level::Error))),
    ("fatal", Role::Level(Some(Level::Fatal))),
];

#[derive(Clone, Debug)]
pub struct Theme {
    styles: [Style; ROLES.len()],
    pub glyphs: Glyphs,
}

impl Theme {
    pub fn new(palette: Palette, ascii: bool) -> Self {
        let themes: HashMap<String, HashMap<String, String>> =
            toml::from_str(THEMES).expect("assets/themes.toml is valid; a test checks all of it");
        let name = match palette {
            Palette::Dark => "dark",
            Palette::Light => "light",
            Palette::Monochrome => "monochrome",
        };
        let styles = ROLES.map(|(role, _)| {
            let written = themes.get(name).and_then(|theme| theme.get(role));
            style(written.map_or("", String::as_str)).unwrap_or_default()
        });
        Theme { styles, glyphs: if ascii { ASCII } else { UNICODE } }
    }

    pub fn style(&self, role: Role) -> Style {
        let index = ROLES.iter().position(|(_, known)| *known == role);
        index.map_or(Style::new(), |index| self.styles[index])
    }
}

/// Parses `bold white on red`; `None` if a word is unknown.
fn style(text: &str) -> Option<Style> {
    let mut style = Style::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        style = match word {
            "bold" => style.add_modifier(Modifier::BOLD),
            "dim" => style.add_modifier(Modifier::DIM),
            "italic" => style.add_modifier(Modifier::ITALIC),
            "underlined" => style.add_modifier(Modifier::UNDERLINED),
            "reversed" => style.add_modifier(Modifier::REVERSED),
            "on" => style.bg(words.next()?.parse::<Color>().ok()?),
            colour => style.fg(colour.parse::<Color>().ok()?),
        };
    }
    Some(style)
}

/// Symbols of the screen. Each is one cell wide.
#[derive(Clone, Copy, Debug)]
pub struct Glyphs {
    pub line: &'static str,
    pub column: &'static str,
    pub cut: &'static str,
    pub more: &'static str,
    pub dot: &'static str,
    pub ring: &'static str,
    pub ok: &'static str,
    pub near: &'static str,
    pub firing: &'static str,
    pub running: &'static str,
    pub paused: &'static str,
    pub waiting: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    pub separator: &'static str,
    pub sparks: [&'static str; 8],
    pub cursor: &'static str,
}

const UNICODE: Glyphs = Glyphs {
    line: "─",
    column: "│",
    cut: "…",
    more: "⋯",
    dot: "●",
    ring: "○",
    ok: "✓",
    near: "▲",
    firing: "■",
    running: "▶",
    paused: "‖",
    waiting: "↻",
    up: "▲",
    down: "▼",
    separator: "·",
    sparks: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    cursor: "▌",
};

pub const ASCII: Glyphs = Glyphs {
    line: "-",
    column: "|",
    cut: "~",
    more: "+",
    dot: "*",
    ring: "o",
    ok: "+",
    near: "^",
    firing: "!",
    running: ">",
    paused: "=",
    waiting: "@",
    up: "^",
    down: "v",
    separator: "-",
    sparks: ["_", ".", ":", "-", "=", "+", "*", "#"],
    cursor: ">",
};

impl Glyphs {
    /// A bar of one cell per value, whose height is relative to `full`; a blank for zero.
    pub fn sparkline(&self, values: &[u64], full: u64) -> String {
        let full = full.max(1);
        let spark = |value: &u64| match value.min(&full) * 8 / full {
            0 if *value == 0 => " ",
            step => self.sparks[(step as usize).saturating_sub(1).min(7)],
        };
        values.iter().map(spark).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_theme_has_a_valid_style_for_every_role() {
        let themes: HashMap<String, HashMap<String, String>> = toml::from_str(THEMES).unwrap();
        assert_eq!(themes.len(), 3);
        for (name, theme) in &themes {
            for (role, _) in ROLES {
                let written = theme.get(role).unwrap_or_else(|| panic!("{name} lacks {role}"));
                assert!(style(written).is_some(), "{name}.{role} = {written}");
            }
            assert_eq!(theme.len(), ROLES.len(), "{name} has an unused role");
        }
    }

    #[test]
    fn the_monochrome_theme_has_no_colour() {
        let theme = Theme::new(Palette::Monochrome, false);
        for (name, role) in ROLES {
            let style = theme.style(role);
            assert_eq!((style.fg, style.bg), (None, None), "{name}");
        }
        assert_ne!(theme.style(Role::Selection), theme.style(Role::Match));
    }
}
