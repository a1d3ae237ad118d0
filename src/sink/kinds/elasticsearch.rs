//! The sink kind `elasticsearch` (Elasticsearch and OpenSearch): how its sinks are created, checked, set up, and
//! searched and erased by tag.

mod check;
mod read;

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{ByTag, CheckContext, CreateContext, CreatedSink, KindEntry, SetUp, SinkKind};
use crate::sink::elasticsearch::{Settings, by_tag, setup};
use crate::sink::{ElasticsearchSink, Sink, Tagged};

pub static ENTRY: KindEntry = KindEntry {
    name: "elasticsearch",
    example: "es",
    read: |section| Some(Arc::new(read::read(section)?)),
    has_setup: true,
    works_alone: true,
};

impl SinkKind for Settings {
    fn entry(&self) -> &'static KindEntry {
        &ENTRY
    }

    fn is_same(&self, other: &dyn SinkKind) -> bool {
        super::same(self, other)
    }

    fn make(&self, _: CreateContext<'_>) -> anyhow::Result<CreatedSink> {
        Ok(CreatedSink::of(ElasticsearchSink::new(self.clone())))
    }

    fn check(&self, _: CheckContext<'_>) -> Result<String, String> {
        check::server(self)
    }

    fn names_files(&self) -> bool {
        self.connection.names_files()
    }

    fn takes_single_events(&self) -> bool {
        true
    }

    fn alone(&self) -> Option<Arc<dyn Sink>> {
        Some(Arc::new(ElasticsearchSink::new(self.clone())))
    }

    fn set_up(&self) -> Option<&dyn SetUp> {
        Some(self)
    }

    fn by_tag(&self) -> Option<&dyn ByTag> {
        Some(self)
    }
}

impl SetUp for Settings {
    fn printed(&self) -> String {
        setup::printed(self)
    }

    fn set_up(&self) -> BoxFuture<'_, Result<String, String>> {
        let sink = ElasticsearchSink::new(self.clone());
        Box::pin(async move { sink.set_up(self).await })
    }
}

impl ByTag for Settings {
    fn place(&self) -> String {
        by_tag::indexes(self)
    }

    fn find<'a>(
        &'a self,
        tags: &'a [String],
        newest: usize,
    ) -> BoxFuture<'a, Result<Tagged, String>> {
        let sink = ElasticsearchSink::new(self.clone());
        Box::pin(async move { sink.find_tags(self, tags, newest).await })
    }

    fn passed_over(&self) -> BoxFuture<'_, Option<String>> {
        let sink = ElasticsearchSink::new(self.clone());
        Box::pin(async move { sink.passed_over(self).await })
    }

    fn erase<'a>(&'a self, tags: &'a [String]) -> BoxFuture<'a, Result<u64, String>> {
        let sink = ElasticsearchSink::new(self.clone());
        Box::pin(async move { sink.erase_tags(self, tags).await })
    }
}
