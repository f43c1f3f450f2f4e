//! Measures what is asked of a store, however it is asked.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use crate::observe::measures::Measures;

/// A store whose calls are counted.
#[derive(Debug)]
pub(super) struct Metered<S> {
    inner: S,
    measures: Arc<Measures>,
}

impl<S> Metered<S> {
    pub(super) const fn new(inner: S, measures: Arc<Measures>) -> Self {
        Self { inner, measures }
    }

    async fn timed<T>(
        &self,
        call: impl Future<Output = Result<T>> + Send,
        bytes: impl FnOnce(&T) -> u64 + Send,
    ) -> Result<T> {
        let begun = Instant::now();
        let result = call.await;
        let count = result.as_ref().map_or(0, bytes);
        // What is not there, or has changed, is an answer.
        let failed = result.as_ref().is_err_and(|error| {
            !matches!(
                error,
                object_store::Error::NotFound { .. }
                    | object_store::Error::Precondition { .. }
                    | object_store::Error::NotModified { .. }
                    | object_store::Error::AlreadyExists { .. }
            )
        });
        self.measures.store_called(begun.elapsed(), count, failed);
        result
    }
}

impl<S: fmt::Display> fmt::Display for Metered<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(formatter)
    }
}

#[async_trait]
impl<S: ObjectStore> ObjectStore for Metered<S> {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let bytes = payload.content_length() as u64;
        let call = self.inner.put_opts(location, payload, opts);
        self.timed(call, |_| bytes).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_head = options.head;
        let call = self.inner.get_opts(location, options);
        let bytes = |result: &GetResult| match is_head {
            true => 0,
            false => result.range.end.saturating_sub(result.range.start),
        };
        self.timed(call, bytes).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let call = self.inner.copy_opts(from, to, options);
        self.timed(call, |_| 0).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
