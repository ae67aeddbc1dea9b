//! Ways to store a tensor of which some values are pruned: which of its values stand in the file, and what says where they belong.
//!
//! Every way stores a set of the tensor's values, in their order, that holds all kept ones. Where pruned ones are among them (in a
//! dense tensor they all are) they have the code of zero; where the format has none, a mask says which of those stored are kept.

/// A way to store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Every value.
    Dense,
    /// A bit for each value, and the kept ones.
    Bitmask,
    /// Before each kept value the number of pruned ones since the last, in five bits (Deep Compression: Han, Mao and Dally 2016, arXiv
    /// 1510.00149, §2). 31 stands for 31 pruned values, and counting goes on: where the paper pads with a zero that takes a value as
    /// well, this takes none, and formats without a zero have it too.
    Csr5,
    /// N of every M neighbours and their places in the group (Mishra et al. 2021, arXiv 2104.08378, §2), for M of [`GROUPS`] that divide
    /// the rows; where a group keeps fewer, its first pruned ones fill it.
    Nm,
    /// A bit for each block of neighbouring rows and columns, one of [`BLOCKS`], and all of those that keep a value (Narang et al. 2017,
    /// arXiv 1711.02782). Blocks at the edges are cut off there.
    Block,
}

/// Every way, by its id in recipes. Of equally small ones `auto` takes the first.
pub static STORAGES: [(&str, Storage); 5] = [
    ("dense", Storage::Dense),
    ("bitmask", Storage::Bitmask),
    ("csr5", Storage::Csr5),
    ("nm", Storage::Nm),
    ("block", Storage::Block),
];

/// The way with this id.
pub fn find_storage(id: &str) -> Option<Storage> {
    STORAGES.iter().find(|(name, _)| *name == id).map(|(_, storage)| *storage)
}

/// The M of N:M.
pub const GROUPS: [usize; 5] = [2, 4, 8, 16, 32];
/// Rows and columns of blocks.
pub const BLOCKS: [[usize; 2]; 6] = [[1, 4], [4, 1], [1, 8], [4, 4], [8, 8], [16, 16]];
/// Bits of a relative index, and the greatest.
const INDEX_BITS: u32 = 5;
const MOST_INDEX: u32 = (1 << INDEX_BITS) - 1;

/// Which values of a tensor are stored, and the index that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The way.
    pub storage: Storage,
    /// What belongs to it: how many indices ([`Storage::Csr5`]) and 0, N and M, or rows and columns of a block.
    pub numbers: [usize; 2],
    /// Whether each value is stored.
    pub stored: Vec<bool>,
    /// Bits, indices or places,
    pub(super) index: Vec<u32>,
    /// each of so many bits.
    pub(super) bits: u32,
}

impl Layout {
    /// All of `len` values.
    pub fn dense(len: usize) -> Self {
        Self { storage: Storage::Dense, numbers: [0; 2], stored: vec![true; len], index: Vec::new(), bits: 1 }
    }
}

/// Blocks of these rows and columns in a row of blocks, for rows of `row` values.
fn across(row: usize, columns: usize) -> usize {
    row.div_ceil(columns)
}

/// In which block value `i` lies.
fn block_of(i: usize, row: usize, [rows, columns]: [usize; 2]) -> usize {
    i / row / rows * across(row, columns) + i % row / columns
}

impl Storage {
    /// The id in recipes.
    pub fn id(self) -> &'static str {
        STORAGES[self as usize].0
    }

    /// What the part with the index is called behind the tensor's name; empty where there is none.
    pub(super) fn suffix(self) -> &'static str {
        ["", ".mask", ".index", ".index", ".blocks"][self as usize]
    }

    /// How many numbers of how many bits the index of `len` values in rows of `row` has; `None` for numbers that no layout has.
    pub(super) fn extent(self, numbers: [usize; 2], len: usize, row: usize) -> Option<(usize, u32)> {
        let [first, second] = numbers;
        match self {
            Self::Dense => Some((0, 1)),
            Self::Bitmask => Some((len, 1)),
            Self::Csr5 => (first <= len).then_some((first, INDEX_BITS)),
            Self::Nm => (GROUPS.contains(&second) && first < second && row.is_multiple_of(second))
                .then(|| (len / second * first, second.ilog2())),
            Self::Block => {
                BLOCKS.contains(&numbers).then(|| ((len / row.max(1)).div_ceil(first) * across(row, second), 1))
            }
        }
    }

    /// The smallest layout for these kept values in rows of `row`, each stored in `bits`, the first of equals. `None` where there is
    /// none: for N:M, when a group of each size keeps all its values.
    pub(super) fn lay(self, kept: &[bool], row: usize, bits: f64) -> Option<Layout> {
        let tries = match self {
            Self::Nm => GROUPS.len(),
            Self::Block => BLOCKS.len(),
            _ => 1,
        };
        let (mut least, mut best) = (f64::INFINITY, None);
        for at in 0..tries {
            let numbers = match self {
                Self::Nm => [kept.chunks(GROUPS[at]).map(count).max().unwrap_or(0), GROUPS[at]],
                Self::Block => BLOCKS[at],
                _ => [0; 2],
            };
            let Some((_, each)) = self.extent(numbers, kept.len(), row) else { continue };
            let index = self.index(kept, row, numbers);
            let numbers = if self == Self::Csr5 { [index.len(), 0] } else { numbers };
            let stored = self.read(numbers, &index, kept.len(), row)?;
            let cost = index.len() as f64 * f64::from(each) + count(&stored) as f64 * bits;
            if cost < least {
                (least, best) = (cost, Some(Layout { storage: self, numbers, stored, index, bits: each }));
            }
        }
        best
    }

    /// The index of the layout of these numbers, which the kept values must fit.
    fn index(self, kept: &[bool], row: usize, numbers: [usize; 2]) -> Vec<u32> {
        let mut index = Vec::new();
        match self {
            Self::Dense => {}
            Self::Bitmask => kept.iter().for_each(|&kept| index.push(u32::from(kept))),
            Self::Csr5 => {
                let (mut gap, mut used) = (0, 0);
                for &kept in kept {
                    gap += u32::from(!kept);
                    if kept || gap == MOST_INDEX {
                        index.push(gap);
                        gap = 0;
                    }
                    if kept {
                        used = index.len();
                    }
                }
                // What is pruned behind the last kept value needs no index.
                index.truncate(used);
            }
            Self::Nm => {
                for group in kept.chunks(numbers[1]) {
                    let mut missing = numbers[0] - count(group);
                    for (place, &kept) in group.iter().enumerate() {
                        if kept || missing > 0 {
                            missing -= usize::from(!kept);
                            index.push(place as u32);
                        }
                    }
                }
            }
            Self::Block => {
                let last = kept.len().checked_sub(1).map_or(0, |last| block_of(last, row, numbers) + 1);
                index.resize(last, 0);
                for (i, &kept) in kept.iter().enumerate() {
                    index[block_of(i, row, numbers)] |= u32::from(kept);
                }
            }
        }
        index
    }

    /// Which of `len` values in rows of `row` an index with these numbers says are stored; `None` for one that says nothing.
    pub(super) fn read(self, numbers: [usize; 2], index: &[u32], len: usize, row: usize) -> Option<Vec<bool>> {
        let mut stored = vec![self == Self::Dense; len];
        match self {
            Self::Dense => {}
            Self::Csr5 => {
                let mut at = 0;
                for &gap in index {
                    at += gap as usize;
                    if gap < MOST_INDEX {
                        *stored.get_mut(at)? = true;
                        at += 1;
                    }
                }
            }
            Self::Nm => {
                let [n, m] = numbers;
                for (i, &place) in index.iter().enumerate() {
                    if i % n > 0 && index[i - 1] >= place {
                        return None;
                    }
                    *stored.get_mut(i / n * m + place as usize)? = true;
                }
            }
            Self::Bitmask | Self::Block => {
                for (i, stored) in stored.iter_mut().enumerate() {
                    let bit = if self == Self::Bitmask { i } else { block_of(i, row, numbers) };
                    *stored = index[bit] == 1;
                }
            }
        }
        Some(stored)
    }
}

/// How many are true.
pub(super) fn count(values: &[bool]) -> usize {
    values.iter().filter(|value| **value).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn ids_are_in_the_order_of_the_ways() {
        assert!(STORAGES.iter().all(|(id, storage)| storage.id() == *id));
    }

    #[test]
    fn every_layout_is_read_back_from_its_index_and_holds_what_is_kept() {
        let mut rng = Rng::stream(3, "storage", 0);
        for share in [0.0, 0.01, 0.1, 0.5, 0.9, 1.0] {
            for (rows, row) in [(1, 1), (3, 7), (16, 64), (17, 40), (5, 32)] {
                let kept: Vec<bool> = (0..rows * row).map(|_| rng.uniform(0.0, 1.0) < share).collect();
                for (id, storage) in STORAGES {
                    let Some(layout) = storage.lay(&kept, row, 4.0) else {
                        assert_eq!(id, "nm");
                        continue;
                    };
                    let (count, bits) = storage.extent(layout.numbers, kept.len(), row).unwrap();
                    assert_eq!(layout.index.len(), count, "{id}");
                    assert!(layout.index.iter().all(|&number| number >> bits == 0), "{id}");
                    let stored = storage.read(layout.numbers, &layout.index, kept.len(), row).unwrap();
                    assert_eq!(stored, layout.stored, "{id}");
                    assert!(kept.iter().zip(&stored).all(|(kept, stored)| *stored || !*kept), "{id}");
                    if matches!(storage, Storage::Bitmask | Storage::Csr5) {
                        assert_eq!(stored, kept, "{id}");
                    }
                }
            }
        }
    }

    #[test]
    fn indices_are_those_of_the_definitions() {
        let places = |len: usize, kept: &[usize]| (0..len).map(|i| kept.contains(&i)).collect::<Vec<bool>>();
        let csr5 = |kept: &[usize]| Storage::Csr5.lay(&places(200, kept), 200, 8.0).unwrap().index;
        assert_eq!(csr5(&[0, 1, 4]), [0, 0, 2]);
        assert_eq!(csr5(&[30]), [30]);
        assert_eq!(csr5(&[31]), [31, 0]);
        assert_eq!(csr5(&[32, 100]), [31, 1, 31, 31, 5]);
        assert!(csr5(&[]).is_empty());
        let nm = Storage::Nm.lay(&places(8, &[2, 3, 6]), 4, 8.0).unwrap();
        assert_eq!((nm.numbers, nm.index), ([2, 4], vec![2, 3, 0, 2]));
        assert_eq!(nm.stored, places(8, &[2, 3, 4, 6]));
        // Every second one: 1:2 has the fewest bits.
        assert_eq!(Storage::Nm.lay(&places(8, &[0, 2, 5, 6]), 8, 8.0).unwrap().numbers, [1, 2]);
        assert!(Storage::Nm.lay(&places(8, &[0, 1, 2, 3, 4, 5, 6, 7]), 8, 8.0).is_none());
        assert!(Storage::Nm.lay(&places(9, &[0]), 9, 8.0).is_none());
        // Four rows of eight of which one column of four is kept.
        let block = Storage::Block.lay(&places(32, &[2, 10, 18, 26]), 8, 32.0).unwrap();
        assert_eq!((block.numbers, block.index), ([4, 1], vec![0, 0, 1, 0, 0, 0, 0, 0]));
        assert_eq!(block.stored, places(32, &[2, 10, 18, 26]));
    }

    #[test]
    fn what_no_layout_has_is_refused() {
        for (storage, numbers) in [
            (Storage::Csr5, [65, 0]),
            (Storage::Nm, [2, 3]),
            (Storage::Nm, [4, 4]),
            (Storage::Nm, [1, 16]),
            (Storage::Block, [0, 4]),
            (Storage::Block, [4, 0]),
        ] {
            assert!(storage.extent(numbers, 64, 8).is_none(), "{storage:?} {numbers:?}");
        }
        assert!(Storage::Csr5.read([3, 0], &[31, 31, 2], 64, 8).is_none());
        assert!(Storage::Nm.read([2, 4], &[1, 1], 4, 4).is_none());
        assert!(Storage::Nm.read([2, 4], &[2, 1], 4, 4).is_none());
    }
}
