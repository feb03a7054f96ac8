//! The blocks of a message by their index, in the order of their indices.
//!
//! Deltas name their block by an index, and nearly always the same as the delta before: that one is found without a search. Blocks stand in the order
//! in which they came, so that none is ever moved, whatever order their indices come in.

use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub(crate) struct Blocks<T> {
    places: BTreeMap<u64, usize>,
    blocks: Vec<T>,
    /// The block that was looked up last: index and place.
    last: (u64, usize),
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self { places: BTreeMap::new(), blocks: Vec::new(), last: (0, 0) }
    }
}

impl<T> Blocks<T> {
    /// Adds a block; `index` must be free.
    pub(crate) fn insert(&mut self, index: u64, block: T) {
        let place = self.blocks.len();
        let taken = self.places.insert(index, place);
        debug_assert!(taken.is_none(), "block {index} is taken");
        self.blocks.push(block);
        self.last = (index, place);
    }

    pub(crate) fn contains(&self, index: u64) -> bool {
        self.places.contains_key(&index)
    }

    pub(crate) fn get(&self, index: u64) -> Option<&T> {
        self.blocks.get(self.place(index)?)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u64) -> Option<&mut T> {
        let place = self.place(index)?;
        self.last = (index, place);
        self.blocks.get_mut(place)
    }

    #[inline]
    fn place(&self, index: u64) -> Option<usize> {
        if self.last.0 == index && !self.blocks.is_empty() {
            return Some(self.last.1);
        }
        self.places.get(&index).copied()
    }

    /// The block with the highest index.
    pub(crate) fn last_mut(&mut self) -> Option<&mut T> {
        let (_, place) = self.places.last_key_value()?;
        self.blocks.get_mut(*place)
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(crate) fn indices(&self) -> impl Iterator<Item = u64> {
        self.places.keys().copied()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.places.values().map(|place| &self.blocks[*place])
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        let mut blocks: Vec<Option<T>> = self.blocks.into_iter().map(Some).collect();
        self.places.into_values().filter_map(move |place| blocks[place].take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_by_index_in_any_order() {
        let mut blocks = Blocks::default();
        assert!(blocks.get(0).is_none() && blocks.get_mut(0).is_none() && blocks.last_mut().is_none());
        for index in [7, 0, 3] {
            blocks.insert(index, index * 10);
            assert_eq!(blocks.get(index), Some(&(index * 10)));
        }
        for index in [3, 3, 0, 7, 0, 5] {
            assert_eq!(
                blocks.get_mut(index).copied(),
                [0, 3, 7].contains(&index).then_some(index * 10),
                "{index}"
            );
            assert_eq!(blocks.get(index).is_some(), blocks.contains(index));
        }
        assert_eq!(blocks.last_mut(), Some(&mut 70));
        assert_eq!((blocks.len(), blocks.indices().collect::<Vec<_>>()), (3, vec![0, 3, 7]));
        assert_eq!(blocks.values().copied().collect::<Vec<_>>(), [0, 30, 70]);
        assert_eq!(blocks.into_values().collect::<Vec<_>>(), [0, 30, 70]);
    }
}
