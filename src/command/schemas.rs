//! Schemas for commands: asked for when a record needs one, while the command waits.

use std::sync::Arc;

use crate::command::Failure;
use crate::config::Settings;
use crate::event::schema::Schemas;
use crate::event::source::Source;
use crate::registry::{Patient, Registry};
use crate::telemetry::Telemetry;

/// Who knows the schemas of records, if anybody has to.
#[derive(Debug)]
pub struct KnownSchemas(Option<Arc<Patient>>);

impl KnownSchemas {
    /// As configured.
    ///
    /// # Errors
    /// If the registry cannot be asked as configured.
    pub fn of(settings: &Settings) -> Result<Self, Failure> {
        let telemetry = Telemetry::new().map_err(|error| Failure::work(error.to_string()))?;
        let registry = Registry::new(&settings.schema_registry, Arc::new(telemetry));
        let registry = registry.map_err(Failure::configuration)?;
        Ok(Self(registry.map(|registry| {
            Arc::new(Patient::new(Arc::new(registry)))
        })))
    }

    /// The source with what it needs to read records with schemas.
    #[must_use]
    pub fn given_to(&self, source: Source) -> Source {
        match &self.0 {
            None => source,
            Some(registry) => {
                let schemas: Arc<dyn Schemas> = Arc::clone(registry) as Arc<dyn Schemas>;
                source.with_schemas(&schemas)
            }
        }
    }

    /// The same for several.
    #[must_use]
    pub fn given_to_all(&self, sources: Vec<Source>) -> Vec<Source> {
        let sources = sources.into_iter();
        sources.map(|source| self.given_to(source)).collect()
    }

    /// Whether every schema could be had; what was made of records otherwise is not to be shown.
    ///
    /// # Errors
    /// If the registry did not answer.
    pub fn complete(&self) -> Result<(), Failure> {
        let failure = self.0.as_ref().and_then(|registry| registry.failure());
        match failure {
            Some(reason) => Err(Failure::unavailable(reason.to_owned())),
            None => Ok(()),
        }
    }
}
