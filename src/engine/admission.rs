//! Records wait until their schemas are known.

use std::sync::Arc;
use std::time::Duration;

use crate::event::schema::{Formats, Schemas};
use crate::event::source::Source;
use crate::kafka::Place;
use crate::kafka::admission::{Admission, Awaited};
use crate::registry::Registry;
use crate::router::Router;

/// How long the reader waits for a registry that answers as it should. A partition that is held is
/// fetched anew, which costs more than this moment.
const MOMENT: Duration = Duration::from_millis(200);

/// Holds the partitions whose next record has a schema that the registry has not told yet.
pub struct BySchema {
    /// In the order of the topics; nothing where no schemas are needed.
    formats: Vec<Option<Formats>>,
    registry: Arc<Registry>,
}

impl BySchema {
    /// Of these sources, in the order of the topics.
    #[must_use]
    pub fn new(sources: &[Source], registry: Arc<Registry>) -> Self {
        let formats = sources.iter().map(|source| source.formats().cloned());
        Self {
            formats: formats.collect(),
            registry,
        }
    }
}

/// A router whose topics may need the schemas of a registry.
#[must_use]
pub fn with_registry(router: Router, registry: &Arc<Registry>) -> Router {
    let schemas: Arc<dyn Schemas> = Arc::clone(registry) as Arc<dyn Schemas>;
    router.with_schemas(&schemas, |sources| {
        Box::new(BySchema::new(sources, Arc::clone(registry)))
    })
}

impl Admission for BySchema {
    fn awaits(
        &mut self,
        place: Place,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Option<Awaited> {
        let formats = self.formats.get(place.topic)?.as_ref()?;
        let mut unsettled = formats
            .ids(key, value)
            .filter(|id| !self.registry.settled(*id));
        unsettled
            .find(|id| {
                self.registry.want(*id);
                !self.registry.wait(*id, MOMENT)
            })
            .map(Awaited)
    }

    fn came(&self, Awaited(id): Awaited) -> bool {
        self.registry.settled(id)
    }
}
