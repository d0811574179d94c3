//! What the API may answer, and to whom.
//!
//! Owns who may ask at all, and the conditions under which single customers can be looked up. Promises that nobody can ask
//! without a token, that ids cannot be tried out with a key that everybody knows, and that no
//! complaint shows a token. Does not know the API.

use std::path::{Path, PathBuf};

use super::complaint::{Place, quoted};
use super::keys::Key;
use super::parts::is_key_text;
use super::reading::Reading;
use super::settings::{ApiSettings, Origin, Secret};
use super::values::{self, Trouble};

const SWITCH: [(&str, bool); 2] = [("true", true), ("false", false)];

impl Reading<'_> {
    /// The settings of the API and the file of the token, if one is configured.
    ///
    /// `own_digest_key` is unknown after a complaint about the key.
    pub fn api(&mut self, own_digest_key: Option<bool>) -> Option<(ApiSettings, Option<PathBuf>)> {
        let open = self.choice(Key::ApiOpen, &SWITCH);
        let customers = self.choice(Key::ApiCustomers, &SWITCH);
        let token = self.token(Key::ApiTokenFile);
        if customers == Some(true) {
            let has_token = token.as_ref().map(Option::is_some);
            self.check_customers(own_digest_key, has_token);
        }
        let (token, file) = token?.unzip();
        let settings = ApiSettings {
            open: open?,
            customers: customers?,
            token,
        };
        Some((settings, file))
    }

    fn check_customers(&mut self, own_digest_key: Option<bool>, has_token: Option<bool>) {
        if own_digest_key == Some(false) {
            let message = "`api.customers` needs `customer_digest_key_file`".to_owned();
            let help = "make a key with `openssl rand -hex 16` and write the path of its file there: \
                        the built-in key is known to everybody";
            self.error(&[Key::ApiCustomers], message, help);
        }
        if has_token == Some(false) {
            let message = "`api.customers` needs `api.token_file`".to_owned();
            let help = "make a token with `openssl rand -hex 32` and write the path of its file \
                        there: whoever asks for a customer has to show it";
            self.error(&[Key::ApiCustomers], message, help);
        }
    }

    /// The token in the file that a key names, with the file, if there is one; None after a complaint.
    #[expect(
        clippy::option_option,
        reason = "two questions: is it right, and is it set"
    )]
    pub fn token(&mut self, key: Key) -> Option<Option<(Secret, PathBuf)>> {
        let from_file = matches!(self.layers.origin(key), Some(Origin::File { .. }));
        let path = self.optional(key, |text| match text {
            text if is_key_text(text) => Err(Trouble {
                message: "this is a token, not the path of a file".to_owned(),
                help: "write the token into a file that only Tenure can read, and its path here; \
                       make a new token, as this one has been shown"
                    .to_owned(),
            }),
            text => Ok(PathBuf::from(text)),
        })?;
        let Some(path) = path else {
            return Some(None);
        };
        let place = self.places.get(&key).cloned();
        let file = self.located(path.clone(), from_file);
        let token = self.token_in(key, &file, &path, place.as_ref())?;
        Some(Some((token, file)))
    }

    fn token_in(
        &mut self,
        key: Key,
        file: &Path,
        written: &Path,
        place: Option<&Place>,
    ) -> Option<Secret> {
        // Any other text may be the token itself, in the wrong place.
        let shown = if written.has_root() || written.starts_with(".") || written.starts_with("..") {
            quoted(&file.to_string_lossy())
        } else {
            "that file".to_owned()
        };
        let bytes = self.content(key, file, &shown, place)?;
        self.parsed(key, place, values::token(&bytes))
            .map(Secret::new)
    }
}
