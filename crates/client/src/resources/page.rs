//! Pages: lists that come in pieces.

use std::fmt;

use serde::Deserialize;

use crate::Error;

/// One page of a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
#[non_exhaustive]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Whether there are more pages in the direction asked for.
    #[serde(default)]
    pub has_more: bool,
    /// The first id on it, for the page before.
    #[serde(default)]
    pub first_id: Option<String>,
    /// The last id on it, for the page after.
    #[serde(default)]
    pub last_id: Option<String>,
}

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct PageRequest {
    limit: Option<u32>,
    cursor: Option<(&'static str, String)>,
}

impl<T> Page<T> {
    /// What to ask for to get the page after; `None` where this is the last.
    pub fn after(&self) -> Option<PageRequest> {
        // Without an id to go on from, asking again would give the same page for ever.
        let last = self.last_id.as_ref().filter(|_| self.has_more && !self.data.is_empty())?;
        Some(PageRequest::first().after(last))
    }
}

impl PageRequest {
    /// The first page.
    pub fn first() -> Self {
        Self::default()
    }

    /// At most so many entries; the service allows 1 to 1000 and gives 20 by default.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// What comes after this id.
    pub fn after(mut self, id: impl Into<String>) -> Self {
        self.cursor = Some(("after_id", id.into()));
        self
    }

    /// What comes before this id.
    pub fn before(mut self, id: impl Into<String>) -> Self {
        self.cursor = Some(("before_id", id.into()));
        self
    }

    /// The same limit, for the page after `page`.
    pub(super) fn following<T>(&self, page: &Page<T>) -> Option<Self> {
        page.after().map(|next| Self { limit: self.limit, ..next })
    }

    /// Path and query.
    pub(super) fn target(&self, path: &str) -> Result<String, Error> {
        use fmt::Write as _;
        let mut target = path.to_owned();
        let mut separator = '?';
        if let Some(limit) = self.limit {
            write!(target, "{separator}limit={limit}").expect("writing to a string does not fail");
            separator = '&';
        }
        if let Some((name, id)) = &self.cursor {
            let id = super::call::segment(id)?;
            write!(target, "{separator}{name}={id}").expect("writing to a string does not fail");
        }
        Ok(target)
    }
}

/// A stream over all entries of a list, page after page. `get` asks for one page.
pub(super) fn all<T, F, Fut>(first: PageRequest, get: F) -> impl futures_core::Stream<Item = Result<T, Error>>
where
    F: Fn(PageRequest) -> Fut,
    Fut: Future<Output = Result<Page<T>, Error>>,
{
    use futures_util::{StreamExt as _, TryStreamExt as _, stream};
    let pages = stream::try_unfold((Some(first), get), |(next, get)| async move {
        let Some(request) = next else { return Ok::<_, Error>(None) };
        let page = get(request.clone()).await?;
        let next = request.following(&page);
        Ok(Some((page, (next, get))))
    });
    pages.map_ok(|page| stream::iter(page.data).map(Ok)).try_flatten()
}
