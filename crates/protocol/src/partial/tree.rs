//! The live tree: a `serde_json::Value` that grows at its right edge.
//!
//! What is open is always the last child of what is open around it, so the innermost open value is found from the root
//! in at most [`MaxDepth`](super::MaxDepth) steps, and neither pointers nor lookups of keys are needed.

use serde_json::{Map, Value};

use super::spend;

#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    root: Option<Value>,
    /// One for each open array and object, outermost first.
    open: Vec<Container>,
}

#[derive(Clone, Debug)]
enum Container {
    Array,
    Object {
        /// The names in the order in which they came, from the first repeated one on. The map itself cannot be asked
        /// to move an entry to its end in constant time without disturbing another.
        order: Option<Vec<String>>,
    },
}

/// The two sorts of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Array,
    Object,
}

impl Tree {
    pub(super) fn root(&self) -> Option<&Value> {
        self.root.as_ref()
    }

    pub(super) fn into_root(self) -> Option<Value> {
        self.root
    }

    /// How many arrays and objects are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// What the innermost open container is; `None` at the root.
    pub(super) fn shape(&self) -> Option<Shape> {
        self.open.last().map(|container| match container {
            Container::Array => Shape::Array,
            Container::Object { .. } => Shape::Object,
        })
    }

    /// Adds a value that is complete. `name` counts in objects only. Returns its position in the container.
    pub(super) fn add(&mut self, name: &str, value: Value) -> usize {
        self.insert(name, value, false)
    }

    /// Adds an empty string, to be grown by [`append`](Self::append).
    pub(super) fn open_string(&mut self, name: &str) -> usize {
        self.insert(name, Value::String(String::new()), true)
    }

    /// Adds an empty container, and makes it the innermost open one.
    pub(super) fn open(&mut self, name: &str, shape: Shape) -> usize {
        let (value, container) = match shape {
            Shape::Array => (Value::Array(Vec::new()), Container::Array),
            Shape::Object => (Value::Object(Map::new()), Container::Object { order: None }),
        };
        let position = self.insert(name, value, true);
        self.open.push(container);
        position
    }

    /// Grows the string that was opened last.
    pub(super) fn append(&mut self, text: &str) {
        let innermost = descend(&mut self.root, self.open.len())
            .and_then(|value| if self.open.is_empty() { Some(value) } else { last_child(value) });
        if let Some(Value::String(string)) = innermost {
            string.push_str(text);
        }
    }

    /// Ends the innermost open container.
    pub(super) fn close(&mut self) {
        let depth = self.open.len();
        if let Some(Container::Object { order: Some(order) }) = self.open.pop()
            && let Some(Value::Object(map)) = descend(&mut self.root, depth)
        {
            spend(order.len());
            let mut moved = std::mem::take(map);
            map.extend(order.into_iter().filter_map(|name| moved.swap_remove_entry(&name)));
        }
    }

    fn insert(&mut self, name: &str, value: Value, stays_open: bool) -> usize {
        let depth = self.open.len();
        let Some(container) = self.open.last_mut() else {
            self.root = Some(value);
            return 0;
        };
        match (container, descend(&mut self.root, depth)) {
            (Container::Object { order }, Some(Value::Object(map))) => {
                let held = map.insert(name.to_owned(), value).is_some();
                match order {
                    _ if held && stays_open => move_to_end(map, name, order),
                    Some(order) if !held => order.push(name.to_owned()),
                    _ => {}
                }
                map.len() - 1
            }
            (Container::Array, Some(Value::Array(items))) => {
                items.push(value);
                items.len() - 1
            }
            _ => unreachable!("the stack of open containers mirrors the right edge of the tree"),
        }
    }
}

/// Puts a name that was there before at the end, where open values are; remembers where it belongs.
fn move_to_end(map: &mut Map<String, Value>, name: &str, order: &mut Option<Vec<String>>) {
    if order.is_none() {
        spend(map.len());
        *order = Some(map.keys().cloned().collect());
    }
    if let Some((name, value)) = map.swap_remove_entry(name) {
        map.insert(name, value);
    }
}

/// The container at `depth`, counted from 1 for the root.
fn descend(root: &mut Option<Value>, depth: usize) -> Option<&mut Value> {
    spend(depth);
    let mut value = root.as_mut()?;
    for _ in 1..depth {
        value = last_child(value)?;
    }
    Some(value)
}

fn last_child(value: &mut Value) -> Option<&mut Value> {
    match value {
        Value::Array(items) => items.last_mut(),
        Value::Object(map) => map.values_mut().next_back(),
        _ => None,
    }
}
