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
    /// What belongs to it: how many indices ([`Storage::Csr5`]), N and M, or rows and columns of a block.
    pub numbers: Vec<usize>,
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
        Self { storage: Storage::Dense, numbers: Vec::new(), stored: vec![true; len], index: Vec::new(), bits: 1 }
    }
}

/// In which block each of `len` values lies, in rows of `row`, and how many blocks there are.
fn blocks(len: usize, row: usize, shape: &[usize]) -> (impl Fn(usize) -> usize, usize) {
    let (rows, columns) = (shape[0], shape[1]);
    let across = row.div_ceil(columns);
    (move |i: usize| i / row / rows * across + i % row / columns, (len / row).div_ceil(rows) * across)
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
    pub(super) fn extent(self, numbers: &[usize], len: usize, row: usize) -> Option<(usize, u32)> {
        match (self, numbers) {
            (Self::Dense, []) => Some((0, 1)),
            (Self::Bitmask, []) => Some((len, 1)),
            (Self::Csr5, &[count]) if count <= len => Some((count, INDEX_BITS)),
            (Self::Nm, &[n, m]) if GROUPS.contains(&m) && n < m && row.is_multiple_of(m) => {
                Some((len / m * n, m.ilog2()))
            }
            (Self::Block, &[rows, columns]) if BLOCKS.contains(&[rows, columns]) => {
                Some((blocks(len, row, numbers).1, 1))
            }
            _ => None,
        }
    }

    /// The smallest layout for these kept values in rows of `row`, each stored in `bits`, the first of equals. `None` where there is
    /// none: for N:M, when a group of each size keeps all its values.
    pub(super) fn lay(self, kept: &[bool], row: usize, bits: f64) -> Option<Layout> {
        let count = |group: &[bool]| group.iter().filter(|kept| **kept).count();
        let candidates: Vec<Vec<usize>> = match self {
            Self::Nm => GROUPS.iter().map(|&m| vec![kept.chunks(m).map(count).max().unwrap_or(0), m]).collect(),
            Self::Block => BLOCKS.iter().map(|block| block.to_vec()).collect(),
            Self::Csr5 => vec![vec![0]],
            Self::Dense | Self::Bitmask => vec![Vec::new()],
        };
        let mut best: Option<(f64, Layout)> = None;
        for numbers in candidates {
            let Some((_, each)) = self.extent(&numbers, kept.len(), row) else { continue };
            let layout = Layout { bits: each, ..self.form(kept, row, numbers) };
            let cost = layout.index.len() as f64 * f64::from(each) + count(&layout.stored) as f64 * bits;
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, layout));
            }
        }
        best.map(|(_, layout)| layout)
    }

    /// The layout of these numbers, which the kept values must fit.
    fn form(self, kept: &[bool], row: usize, mut numbers: Vec<usize>) -> Layout {
        let (mut stored, mut index) = (kept.to_vec(), Vec::new());
        match self {
            Self::Dense => return Layout::dense(kept.len()),
            Self::Bitmask => index = kept.iter().map(|&kept| u32::from(kept)).collect(),
            Self::Csr5 => {
                let mut gap = 0;
                for &kept in kept {
                    if kept {
                        index.push(gap);
                        gap = 0;
                        continue;
                    }
                    gap += 1;
                    if gap == MOST_INDEX {
                        index.push(gap);
                        gap = 0;
                    }
                }
                // What is pruned behind the last kept value needs no index.
                while index.last() == Some(&MOST_INDEX) {
                    index.pop();
                }
                numbers = vec![index.len()];
            }
            Self::Nm => {
                for group in stored.chunks_mut(numbers[1]) {
                    let mut missing = numbers[0] - group.iter().filter(|kept| **kept).count();
                    for (place, stored) in group.iter_mut().enumerate() {
                        if !*stored && missing > 0 {
                            (*stored, missing) = (true, missing - 1);
                        }
                        if *stored {
                            index.push(place as u32);
                        }
                    }
                }
            }
            Self::Block => {
                let (block, count) = blocks(kept.len(), row, &numbers);
                index = vec![0; count];
                for (i, &kept) in kept.iter().enumerate() {
                    index[block(i)] |= u32::from(kept);
                }
                for (i, stored) in stored.iter_mut().enumerate() {
                    *stored = index[block(i)] == 1;
                }
            }
        }
        Layout { storage: self, numbers, stored, index, bits: 0 }
    }

    /// Which of `len` values in rows of `row` an index with these numbers says are stored; `None` for one that says nothing.
    pub(super) fn read(self, numbers: &[usize], index: &[u32], len: usize, row: usize) -> Option<Vec<bool>> {
        let mut stored = vec![self == Self::Dense; len];
        match self {
            Self::Dense => {}
            Self::Bitmask => stored = index.iter().map(|&bit| bit == 1).collect(),
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
                for (group, places) in stored.chunks_mut(numbers[1]).zip(index.chunks(numbers[0].max(1))) {
                    if places.windows(2).any(|pair| pair[0] >= pair[1]) {
                        return None;
                    }
                    for &place in places {
                        *group.get_mut(place as usize)? = true;
                    }
                }
            }
            Self::Block => {
                let (block, _) = blocks(len, row, numbers);
                for (i, stored) in stored.iter_mut().enumerate() {
                    *stored = index[block(i)] == 1;
                }
            }
        }
        Some(stored)
    }
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
                    let (count, bits) = storage.extent(&layout.numbers, kept.len(), row).unwrap();
                    assert_eq!(layout.index.len(), count, "{id}");
                    assert!(layout.index.iter().all(|&number| number >> bits == 0), "{id}");
                    let stored = storage.read(&layout.numbers, &layout.index, kept.len(), row).unwrap();
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
        let nm = Storage::Nm.lay(&places(8, &[1, 3, 6]), 8, 8.0).unwrap();
        assert_eq!((nm.numbers, nm.index), (vec![2, 4], vec![1, 3, 0, 2]));
        assert_eq!(nm.stored, places(8, &[1, 3, 4, 6]));
        // Every second one: 1:2 has the fewest bits.
        assert_eq!(Storage::Nm.lay(&places(8, &[0, 2, 5, 6]), 8, 8.0).unwrap().numbers, [1, 2]);
        assert!(Storage::Nm.lay(&places(8, &[0, 1, 2, 3, 4, 5, 6, 7]), 8, 8.0).is_none());
        assert!(Storage::Nm.lay(&places(9, &[0]), 9, 8.0).is_none());
        // Four rows of eight of which one column of four is kept.
        let block = Storage::Block.lay(&places(32, &[2, 10, 18, 26]), 8, 32.0).unwrap();
        assert_eq!((block.numbers, block.index), (vec![4, 1], vec![0, 0, 1, 0, 0, 0, 0, 0]));
        assert_eq!(block.stored, places(32, &[2, 10, 18, 26]));
    }

    #[test]
    fn what_no_layout_has_is_refused() {
        for (storage, numbers) in [
            (Storage::Dense, vec![1]),
            (Storage::Bitmask, vec![4]),
            (Storage::Csr5, vec![]),
            (Storage::Csr5, vec![65]),
            (Storage::Nm, vec![2, 3]),
            (Storage::Nm, vec![4, 4]),
            (Storage::Nm, vec![1, 16]),
            (Storage::Block, vec![0, 4]),
            (Storage::Block, vec![4]),
        ] {
            assert!(storage.extent(&numbers, 64, 8).is_none(), "{storage:?} {numbers:?}");
        }
        assert!(Storage::Csr5.read(&[3], &[31, 31, 2], 64, 8).is_none());
        assert!(Storage::Nm.read(&[2, 4], &[1, 1], 4, 4).is_none());
        assert!(Storage::Nm.read(&[2, 4], &[2, 1], 4, 4).is_none());
    }
}
