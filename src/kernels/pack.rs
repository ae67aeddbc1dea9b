//! Weights laid out for the kernels: tiles of a few output rows, their weights interleaved tap by tap.

/// Rows `first..first + rows`, whose weights stand at `offset` as `[taps][rows]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// First output row.
    pub first: usize,
    /// Number of rows.
    pub rows: usize,
    /// Where the tile's weights begin.
    pub offset: usize,
}

/// A matrix of `rows × taps` in tiles.
#[derive(Clone, Debug)]
pub struct Packed<S> {
    /// Terms of each output's sum.
    pub taps: usize,
    /// Tiles in row order.
    pub tiles: Vec<Tile>,
    /// All weights, tile after tile.
    pub data: Vec<S>,
}

/// Splits `rows` into the fewest tiles of at most `most` rows, as equal as can be.
pub fn tile_rows(rows: usize, most: usize) -> Vec<(usize, usize)> {
    let count = rows.div_ceil(most);
    let mut first = 0;
    (0..count)
        .map(|i| {
            let size = (rows - first).div_ceil(count - i);
            let tile = (first, size);
            first += size;
            tile
        })
        .collect()
}

impl<S: Copy> Packed<S> {
    /// Packs a row-major `[rows][taps]` matrix. Tiles never cross a multiple of `group_rows`, so that the rows
    /// of one tile read the same inputs in a grouped convolution.
    pub fn new(matrix: &[S], taps: usize, group_rows: usize, most_rows: usize) -> Self {
        let rows = matrix.len().checked_div(taps).unwrap_or(0);
        let (mut tiles, mut data) = (Vec::new(), Vec::with_capacity(matrix.len()));
        for group in (0..rows).step_by(group_rows.max(1)) {
            for (first, count) in tile_rows(group_rows.min(rows - group), most_rows) {
                let first = group + first;
                let offset = data.len();
                tiles.push(Tile { first, rows: count, offset });
                data.resize(offset + taps * count, matrix[0]);
                for row in 0..count {
                    let weights = &matrix[(first + row) * taps..][..taps];
                    let to = data[offset + row..].iter_mut().step_by(count);
                    to.zip(weights).for_each(|(to, &weight)| *to = weight);
                }
            }
        }
        Self { taps, tiles, data }
    }

    /// Packs the transpose of a row-major `[taps][rows]` matrix.
    pub fn transposed(matrix: &[S], rows: usize, most_rows: usize) -> Self {
        let (mut tiles, mut data) = (Vec::new(), Vec::with_capacity(matrix.len()));
        for (first, count) in tile_rows(rows, most_rows) {
            tiles.push(Tile { first, rows: count, offset: data.len() });
            for row in matrix.chunks_exact(rows.max(1)) {
                data.extend_from_slice(&row[first..first + count]);
            }
        }
        Self { taps: matrix.len() / rows.max(1), tiles, data }
    }

    /// The weights of one tile, `[taps][rows]`.
    pub fn weights(&self, tile: &Tile) -> &[S] {
        &self.data[tile.offset..tile.offset + self.taps * tile.rows]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_even_and_cover_every_row() {
        assert_eq!(tile_rows(6, 4), [(0, 3), (3, 3)]);
        assert_eq!(tile_rows(10, 4), [(0, 4), (4, 3), (7, 3)]);
        assert_eq!(tile_rows(4, 4), [(0, 4)]);
        assert_eq!(tile_rows(0, 4), []);
    }

    #[test]
    fn the_transpose_is_packed_as_if_it_were_written_out() {
        let matrix: Vec<u32> = (0..7 * 5).collect();
        let columns: Vec<u32> = (0..5).flat_map(|k| (0..7).map(move |row| row * 5 + k)).collect();
        let (found, wanted) = (Packed::transposed(&matrix, 5, 4), Packed::new(&columns, 7, 5, 4));
        assert_eq!((found.taps, found.tiles, found.data), (wanted.taps, wanted.tiles, wanted.data));
    }

    #[test]
    fn packing_moves_every_weight_to_its_tile() {
        let matrix: Vec<u32> = (0..6 * 5).collect();
        let packed = Packed::new(&matrix, 5, 3, 4);
        assert_eq!(packed.tiles.len(), 2);
        for tile in &packed.tiles {
            for (tap, weights) in packed.weights(tile).chunks_exact(tile.rows).enumerate() {
                for (i, &weight) in weights.iter().enumerate() {
                    assert_eq!(weight as usize, (tile.first + i) * 5 + tap);
                }
            }
        }
    }
}
