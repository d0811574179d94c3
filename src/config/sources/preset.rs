//! The presets: mappings that come with the program.
//!
//! Owns their list, which is the files of `config/presets`, and what they say of themselves.

use crate::config::document::{self, Content, Name, Node};

/// Names with the texts of their files.
macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$((
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/config/presets/",
                $name,
                ".yaml"
            )),
        )),*]
    };
}

/// The names and texts of `config/presets/*.yaml`, in the order of their names.
const FILES: &[(&str, &str)] = presets![
    "adobe-commerce",
    "cloudevents",
    "commercetools",
    "debezium",
    "delighted",
    "formbricks",
    "lago",
    "saleor",
    "segment",
    "shopify",
    "snowplow",
    "stripe",
    "typeform",
];

/// A mapping that comes with the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    pub name: &'static str,
    /// The file, as it is under `config/presets`.
    pub text: &'static str,
    /// One line.
    pub about: String,
    /// In the order of the file.
    pub options: Vec<PresetOption>,
}

/// A text that can be set for a preset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetOption {
    pub name: String,
    pub about: String,
    /// Nothing for null; then what uses it is left out.
    pub default: Option<String>,
    /// There is no default.
    pub required: bool,
}

/// All presets, in the order of their names.
#[must_use]
pub fn presets() -> Vec<Preset> {
    let files = FILES.iter();
    files.map(|(name, text)| Preset::of(name, text)).collect()
}

/// The text of a preset.
pub(super) fn text_of(name: &str) -> Option<&'static str> {
    let mut files = FILES.iter();
    files
        .find(|(found, _)| *found == name)
        .map(|(_, text)| *text)
}

/// The names of all presets.
pub(super) fn names() -> Vec<&'static str> {
    FILES.iter().map(|(name, _)| *name).collect()
}

impl Preset {
    fn of(name: &'static str, text: &'static str) -> Self {
        let mut preset = Self {
            name,
            text,
            about: String::new(),
            options: Vec::new(),
        };
        // What is no mapping at all says nothing of itself; a test reads all presets as mappings.
        let root = document::read(name, text).map(|root| entries(root.content));
        for (key, node) in root.unwrap_or_default() {
            match (key.text.as_str(), node.content) {
                ("about", Content::Text(about)) => preset.about = about,
                ("options", options) => {
                    let options = entries(options).into_iter();
                    preset.options = options.map(|(name, node)| option(name, node)).collect();
                }
                _ => {}
            }
        }
        preset
    }
}

fn option(name: Name, node: Node) -> PresetOption {
    let mut option = PresetOption {
        name: name.text,
        about: String::new(),
        default: None,
        required: true,
    };
    for (key, node) in entries(node.content) {
        match (key.text.as_str(), node.content) {
            ("about", Content::Text(about)) => option.about = about,
            ("default", Content::Text(default)) => {
                (option.default, option.required) = (Some(default), false);
            }
            ("default", _) => option.required = false,
            _ => {}
        }
    }
    option
}

fn entries(content: Content) -> Vec<(Name, Node)> {
    match content {
        Content::Map(entries) => entries,
        Content::Nothing | Content::Text(_) | Content::List(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::FILES;

    #[test]
    fn every_file_of_a_preset_is_in_the_program() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/presets");
        let entries = std::fs::read_dir(folder).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        let files = files.filter(|file| file.extension().is_some_and(|name| name == "yaml"));
        let files: BTreeSet<String> = files
            .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert!(
            listed.iter().copied().eq(&files),
            "{listed:?} and {files:?}"
        );
    }
}
