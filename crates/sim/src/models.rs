//! `GET /v1/models` and `GET /v1/models/{id}`.

use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Refused;
use crate::call::Call;

const DEFAULT_PAGE: usize = 20;
const MOST_PER_PAGE: usize = 1_000;

/// The page that a list is asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    limit: Option<usize>,
    after_id: Option<String>,
    before_id: Option<String>,
}

impl Page {
    /// The page out of `all`, as the body of the response.
    pub(crate) fn of(&self, all: &[Value]) -> Result<Value, Refused> {
        let limit = self.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=MOST_PER_PAGE).contains(&limit) {
            return Err(Refused::invalid(format!(
                "limit: must be between 1 and {MOST_PER_PAGE}, was {limit}"
            )));
        }
        let place = |id: &str, name: &str| {
            let found = all.iter().position(|item| item.get("id").and_then(Value::as_str) == Some(id));
            found.ok_or_else(|| Refused::invalid(format!("{name}: no entry has the id `{id}`")))
        };
        let (from, to) = match (&self.after_id, &self.before_id) {
            (Some(_), Some(_)) => {
                return Err(Refused::invalid("after_id, before_id: only one of them may be given"));
            }
            (Some(id), None) => (place(id, "after_id")? + 1, all.len()),
            (None, Some(id)) => {
                let end = place(id, "before_id")?;
                (end.saturating_sub(limit), end)
            }
            (None, None) => (0, all.len()),
        };
        let page = &all[from..to.min(from + limit)];
        let more = if self.before_id.is_some() { from > 0 } else { from + page.len() < all.len() };
        let id = |item: Option<&Value>| item.and_then(|item| item.get("id")).cloned();
        Ok(json!({"data": page, "has_more": more, "first_id": id(page.first()), "last_id": id(page.last())}))
    }
}

pub(crate) async fn list(Query(page): Query<Page>, call: Call) -> Response {
    match page.of(&call.desk.mind.models()) {
        Ok(body) => call.answer_json(&body),
        Err(refused) => call.refuse(&refused),
    }
}

pub(crate) async fn get(Path(id): Path<String>, call: Call) -> Response {
    match call.desk.mind.model(&id) {
        Some(model) => call.answer_json(&model),
        None => call.refuse(&Refused::not_found(format!("model: {id}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &Page, ids: &[&str], more: bool) {
        let all: Vec<Value> = ["a", "b", "c", "d", "e"].iter().map(|id| json!({"id": id})).collect();
        let body = query.of(&all).unwrap();
        let found: Vec<&str> =
            body["data"].as_array().unwrap().iter().filter_map(|item| item["id"].as_str()).collect();
        assert_eq!((found.as_slice(), body["has_more"].as_bool()), (ids, Some(more)));
        assert_eq!(body["last_id"].as_str(), ids.last().copied());
    }

    #[test]
    fn pages_go_both_ways() {
        let some = |id: &str| Some(id.to_owned());
        check(&Page::default(), &["a", "b", "c", "d", "e"], false);
        check(&Page { limit: Some(2), ..Page::default() }, &["a", "b"], true);
        check(&Page { limit: Some(2), after_id: some("b"), ..Page::default() }, &["c", "d"], true);
        check(&Page { after_id: some("e"), ..Page::default() }, &[], false);
        check(&Page { limit: Some(2), before_id: some("d"), ..Page::default() }, &["b", "c"], true);
        check(&Page { limit: Some(9), before_id: some("b"), ..Page::default() }, &["a"], false);
        assert!(Page { after_id: some("x"), ..Page::default() }.of(&[]).is_err());
        assert!(Page { limit: Some(0), ..Page::default() }.of(&[]).is_err());
    }
}
