//! Rows of numbers into the lanes of a block, and back.

use super::{LANES, Scalar, transpose_four};

/// Writes up to eight rows of equal length into the lanes of a block `[number][lane]`; unused lanes become 0.
pub fn to_lanes<T: Scalar>(rows: &[&[T]], block: &mut [T]) {
    let lanes = block.as_chunks_mut::<LANES>().0;
    let Ok(rows) = <&[&[T]; LANES]>::try_from(rows) else {
        lanes.fill([T::default(); LANES]);
        for (lane, row) in rows.iter().enumerate() {
            lanes.iter_mut().zip(*row).for_each(|(lanes, &value)| lanes[lane] = value);
        }
        return;
    };
    let whole = lanes.len() / 4;
    let (front, rest) = lanes.split_at_mut(whole * 4);
    let [a, b, c, d, e, f, g, h] = rows.map(|row| row.as_chunks::<4>().0);
    for (i, part) in front.as_flattened_mut().as_chunks_mut::<4>().0.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // Halves of four vectors.
        let [p, p_high, q, q_high, r, r_high, s, s_high] = part;
        transpose_four([&a[i], &b[i], &c[i], &d[i]], [p, q, r, s]);
        transpose_four([&e[i], &f[i], &g[i], &h[i]], [p_high, q_high, r_high, s_high]);
    }
    for (i, lanes) in rest.iter_mut().enumerate() {
        *lanes = rows.map(|row| row[whole * 4 + i]);
    }
}

/// Writes the first lanes of a block `[number][lane]` to as many rows of `size` numbers, one after the other.
pub fn from_lanes(block: &[f32], size: usize, rows: &mut [f32]) {
    let lanes = &block.as_chunks::<LANES>().0[..size];
    let whole = if rows.len() == LANES * size { size / 4 } else { 0 };
    let mut all = rows.chunks_exact_mut(size.max(1));
    if whole > 0 {
        let mut fours = || all.next().unwrap_or_default().as_chunks_mut::<4>().0;
        let (a, b, c, d) = (fours(), fours(), fours(), fours());
        let (e, f, g, h) = (fours(), fours(), fours(), fours());
        for (i, part) in lanes.as_flattened().as_chunks::<4>().0.as_chunks::<8>().0.iter().enumerate() {
            let [p, p_high, q, q_high, r, r_high, s, s_high] = part;
            transpose_four([p, q, r, s], [&mut a[i], &mut b[i], &mut c[i], &mut d[i]]);
            transpose_four([p_high, q_high, r_high, s_high], [&mut e[i], &mut f[i], &mut g[i], &mut h[i]]);
        }
    }
    for (lane, row) in rows.chunks_exact_mut(size.max(1)).enumerate() {
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
