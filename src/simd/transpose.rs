//! Rows of numbers into the lanes of a block, and back.

use super::{LANES, transpose_four};

/// Splits a slice of a multiple of four numbers off, the rest behind it.
fn fours(row: &[f32]) -> (&[[f32; 4]], &[f32]) {
    row.as_chunks::<4>()
}

/// Writes up to eight rows of equal length into the lanes of a block `[number][lane]`; unused lanes become 0.
pub fn to_lanes(rows: &[&[f32]], block: &mut [f32]) {
    let lanes = block.as_chunks_mut::<LANES>().0;
    let Ok(rows) = <&[&[f32]; LANES]>::try_from(rows) else {
        lanes.fill([0.0; LANES]);
        for (lane, row) in rows.iter().enumerate() {
            lanes.iter_mut().zip(*row).for_each(|(lanes, &value)| lanes[lane] = value);
        }
        return;
    };
    let whole = lanes.len() / 4;
    let (front, rest) = lanes.split_at_mut(whole * 4);
    for (i, lanes) in front.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        for half in 0..2 {
            let four: [[f32; 4]; 4] = std::array::from_fn(|row| fours(rows[4 * half + row]).0[i]);
            for (lanes, column) in lanes.iter_mut().zip(transpose_four(four)) {
                lanes[4 * half..4 * half + 4].copy_from_slice(&column);
            }
        }
    }
    for (i, lanes) in rest.iter_mut().enumerate() {
        *lanes = rows.map(|row| row[whole * 4 + i]);
    }
}

/// Writes the first lanes of a block `[number][lane]` to as many rows of `size` numbers, one after the other.
pub fn from_lanes(block: &[f32], size: usize, rows: &mut [f32]) {
    let lanes = &block.as_chunks::<LANES>().0[..size];
    if rows.len() != LANES * size {
        for (lane, row) in rows.chunks_exact_mut(size).enumerate() {
            row.iter_mut().zip(lanes).for_each(|(value, lanes)| *value = lanes[lane]);
        }
        return;
    }
    let whole = size / 4;
    for (i, four) in lanes.as_chunks::<4>().0.iter().enumerate() {
        for half in 0..2 {
            let part = four.map(|lanes| [0, 1, 2, 3].map(|lane| lanes[4 * half + lane]));
            for (row, values) in transpose_four(part).into_iter().enumerate() {
                rows[(4 * half + row) * size + 4 * i..][..4].copy_from_slice(&values);
            }
        }
    }
    for (lane, row) in rows.chunks_exact_mut(size).enumerate() {
        let rest = row[whole * 4..].iter_mut().zip(&lanes[whole * 4..]);
        rest.for_each(|(value, lanes)| *value = lanes[lane]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_from_the_lanes() {
        for size in [1, 2, 3, 4, 5, 8, 11] {
            for count in [1, 3, 8] {
                let values: Vec<f32> = (0..size * count).map(|v| v as f32 + 1.0).collect();
                let rows: Vec<&[f32]> = values.chunks(size).collect();
                let mut block = vec![f32::NAN; size * LANES];
                to_lanes(&rows, &mut block);
                for (i, &value) in block.iter().enumerate() {
                    let wanted = rows.get(i % LANES).map_or(0.0, |row| row[i / LANES]);
                    assert_eq!(value, wanted, "{size} {count} {i}");
                }
                let mut back = vec![0.0; size * count];
                from_lanes(&block, size, &mut back);
                assert_eq!(back, values);
            }
        }
    }
}
