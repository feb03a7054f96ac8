//! The labels of metrics. Whatever clients can make up is bounded.

use std::collections::HashSet;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;

/// So many models have a label of their own.
const MOST_MODELS: usize = 200;

/// The models that have labels; the others are `other`.
#[derive(Debug, Default)]
pub(super) struct Models(HashSet<Arc<str>>);

impl Models {
    pub(super) fn label(&mut self, model: &str) -> String {
        if !self.0.contains(model) {
            if self.0.len() >= MOST_MODELS || model.len() > 100 {
                return "other".to_owned();
            }
            self.0.insert(model.into());
        }
        model.to_owned()
    }
}

/// Who was asked, for what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Model {
    pub(crate) gen_ai_request_model: String,
    pub(crate) upstream: String,
}

macro_rules! labels {
    ($($name:ident { $($label:ident: $kind:ty),* })*) => { $(
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name { $(pub(super) $label: $kind),* }
    )* };
}

labels! {
    Token { gen_ai_token_type: &'static str, gen_ai_request_model: String }
    Ended { outcome: String }
    Upstream { upstream: String, result: &'static str }
    Cause { cause: String }
    Mode { mode: String }
    Kind { kind: &'static str }
    State { state: &'static str }
    Breaker { upstream: String, model: String }
    Build { version: &'static str }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_clients_invent_do_not_fill_the_memory() {
        let mut models = Models::default();
        let labels: HashSet<String> =
            (0..5_000).map(|number| models.label(&format!("model-{number}"))).collect();
        assert_eq!(labels.len(), MOST_MODELS + 1);
        assert_eq!(models.label(&"x".repeat(10_000)), "other");
    }
}
