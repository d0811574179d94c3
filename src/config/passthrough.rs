//! The properties that are passed through to librdkafka.
//!
//! Owns the two maps that become one, `properties` and `properties_files`. Promises that whatever may
//! be a secret leaves as a [`Secret`], and that no complaint shows a value. Does not know why a
//! property is refused; that is in [`properties`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::complaint::{Complaint, Place, quoted};
use super::keys::Key;
use super::layers::{Entry, Item};
use super::nearest::nearest;
use super::properties::{self, Verdict};
use super::reading::Reading;
use super::settings::{Origin, Property, PropertyOrigin, Secret};
use super::values;

impl Reading<'_> {
    /// The properties of both maps.
    pub fn properties(&mut self) -> BTreeMap<String, Property> {
        let mut properties = BTreeMap::new();
        for entry in self.entries(Key::Properties) {
            if let Some(property) = self.literal_property(&entry) {
                self.set_property(Key::Properties, entry, property, &mut properties);
            }
        }
        for entry in self.entries(Key::PropertiesFiles) {
            if let Some(property) = self.property_from_file(&entry) {
                self.set_property(Key::PropertiesFiles, entry, property, &mut properties);
            }
        }
        properties
    }

    fn set_property(
        &mut self,
        key: Key,
        entry: Entry,
        property: Property,
        properties: &mut BTreeMap<String, Property>,
    ) {
        let name = entry.name.text;
        let place = entry.name.place;
        if properties.contains_key(&name) {
            let message = format!("{} is in `kafka.properties` already", quoted(&name));
            let complaint = Complaint::error(message).at(place.as_ref());
            self.complaints.add(complaint.help("remove one of them"));
            return;
        }
        let origin = self
            .origins
            .keys
            .get(&key)
            .cloned()
            .unwrap_or(Origin::Default);
        let origin = match (origin, &place) {
            (Origin::File { name, .. }, Some(place)) => Origin::File {
                name,
                line: place.line(),
            },
            (origin, _) => origin,
        };
        let origins = &mut self.origins.properties;
        origins.insert(name.clone(), PropertyOrigin { key, origin });
        properties.insert(name, property);
    }

    fn literal_property(&mut self, entry: &Entry) -> Option<Property> {
        let Item { text: name, place } = &entry.name;
        let verdict = self.allowed(Key::Properties, &entry.name)?;
        let value = &entry.value.text;
        let at_value = entry.value.place.as_ref();
        if value.contains('\0') {
            let message = format!("`kafka.properties`: the value of `{name}` holds a zero byte");
            self.complaints
                .add(Complaint::error(message).at(place.as_ref()));
            return None;
        }
        if verdict == Verdict::Secret {
            self.complaints.add(
                Complaint::warning(format!("the secret `{name}` stands in the file itself"))
                    .at(place.as_ref())
                    .help(format!(
                        "put it into a file of its own and write `{name}: <path>` under \
                         `kafka.properties_files`"
                    )),
            );
        }
        self.check_value(name, value, at_value)?;
        Some(match verdict {
            Verdict::Plain => Property::Plain(value.clone()),
            _ => Property::Secret(Secret::new(value.clone())),
        })
    }

    /// Looks at the values that weaken what Tenure promises; None if one is refused.
    fn check_value(&mut self, name: &str, value: &str, place: Option<&Place>) -> Option<()> {
        match (name, value) {
            ("enable.ssl.certificate.verification", value)
                if !matches!(value, "true" | "t" | "1") =>
            {
                let message = "`enable.ssl.certificate.verification` cannot be switched off";
                let help = "anybody on the way could pose as the broker, read the password and \
                            forge events; name the certificate of your authority in `ssl.ca.location`";
                self.complaints
                    .add(Complaint::error(message).at(place).help(help));
                return None;
            }
            ("ssl.endpoint.identification.algorithm", "none") => {
                let message = "the names in the brokers' certificates are not checked";
                let help = "any certificate of the same authority is taken for the broker; give the \
                            brokers certificates with their names";
                self.complaints
                    .add(Complaint::warning(message).at(place).help(help));
            }
            ("debug", _) => {
                let message = "`debug` makes librdkafka log a great deal, host names and users too";
                let help = "remove it when the fault is found";
                self.complaints
                    .add(Complaint::warning(message).at(place).help(help));
            }
            _ => {}
        }
        Some(())
    }

    fn property_from_file(&mut self, entry: &Entry) -> Option<Property> {
        let key = Key::PropertiesFiles;
        let name = &entry.name.text;
        let place = entry.name.place.as_ref();
        self.allowed(key, &entry.name)?;
        let path = &entry.value.text;
        let file = self.located(PathBuf::from(path), true);
        // A text without a slash may be the secret itself, in the wrong place.
        let shown = if path.contains('/') {
            quoted(&file.to_string_lossy())
        } else {
            "that file".to_owned()
        };
        let shown = format!("{shown} for `{name}`");
        let bytes = self.content(key, &file, &shown, place)?;
        let text = std::str::from_utf8(values::without_newline(&bytes)).ok();
        let Some(text) = text.filter(|text| !text.is_empty() && !text.contains('\0')) else {
            let message = format!("`{}`: the file for `{name}` holds no text", key.path());
            let help = "it must hold the value as UTF-8, and nothing else";
            self.complaints
                .add(Complaint::error(message).at(place).help(help));
            return None;
        };
        let at_value = entry.value.place.as_ref();
        self.check_value(name, text, at_value)?;
        Some(Property::Secret(Secret::new(text.to_owned())))
    }

    /// The verdict on a property that may be set; None after a complaint.
    fn allowed(&mut self, key: Key, name: &Item) -> Option<Verdict> {
        let path = key.path();
        let shown = quoted(&name.text);
        let (message, help) = match properties::verdict(&name.text) {
            Verdict::Refused(reason) => (
                format!("`{path}`: {shown} cannot be set: {reason}"),
                "remove it".to_owned(),
            ),
            Verdict::Unknown => (
                format!("`{path}`: librdkafka has no property {shown}"),
                match nearest(&name.text, properties::settable()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        "write it as in librdkafka's CONFIGURATION.md, not as in Java".to_owned()
                    }
                },
            ),
            verdict => return Some(verdict),
        };
        self.complaints
            .add(Complaint::error(message).at(name.place.as_ref()).help(help));
        None
    }
}
