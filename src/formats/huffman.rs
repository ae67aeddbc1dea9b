//! Canonical Huffman codes (Huffman 1952): the shortest code in which every symbol has whole bits, given by the lengths alone.
//!
//! Codes of one length follow each other in the order of their symbols, shorter ones first; the first bit of a code is the
//! highest free one of its byte.

/// Length of every symbol's code, in bits: 0 for a symbol that does not occur, 1 where only one does.
pub fn lengths(codes: &[u32], symbols: usize) -> Vec<u8> {
    let mut counts = vec![0u64; symbols];
    codes.iter().for_each(|&code| counts[code as usize] += 1);
    // A tree under construction: its count, and its symbols with how deep they lie. Of equal counts the last of the list is
    // taken, and what is joined goes to its front, which keeps the longest code short.
    let mut trees: Vec<(u64, Vec<(usize, u8)>)> =
        (0..symbols).filter(|&symbol| counts[symbol] > 0).map(|symbol| (counts[symbol], vec![(symbol, 0)])).collect();
    let mut lengths = vec![0; symbols];
    if let [(_, only)] = trees.as_slice() {
        lengths[only[0].0] = 1;
        return lengths;
    }
    while trees.len() > 1 {
        let mut rarest = || {
            let at = (0..trees.len()).rev().min_by_key(|&i| trees[i].0).unwrap_or(0);
            trees.remove(at)
        };
        let ((first, mut leaves), (second, others)) = (rarest(), rarest());
        leaves.extend(others);
        leaves.iter_mut().for_each(|(_, depth)| *depth += 1);
        trees.insert(0, (first + second, leaves));
    }
    for (symbol, depth) in trees.into_iter().flat_map(|(_, leaves)| leaves) {
        lengths[symbol] = depth;
    }
    lengths
}

/// Symbols that have a code, by length and then by number.
fn ordered(lengths: &[u8]) -> Vec<usize> {
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let of_length = |length: u8| (0..lengths.len()).filter(move |&symbol| lengths[symbol] == length);
    (1..=longest).flat_map(of_length).collect()
}

/// The code of every symbol.
fn canonical(lengths: &[u8]) -> Vec<u64> {
    let mut codes = vec![0; lengths.len()];
    let (mut next, mut length) = (0u64, 0);
    for symbol in ordered(lengths) {
        next <<= lengths[symbol] - length;
        length = lengths[symbol];
        codes[symbol] = next;
        next += 1;
    }
    codes
}

/// The codes of these symbols one after another; bits that fill the last byte are 0.
pub fn encode(symbols: &[u32], lengths: &[u8]) -> Vec<u8> {
    let codes = canonical(lengths);
    let (mut out, mut used) = (Vec::new(), 0);
    for &symbol in symbols {
        let (code, length) = (codes[symbol as usize], lengths[symbol as usize]);
        for bit in (0..length).rev() {
            if used == 0 {
                out.push(0);
            }
            if let Some(last) = out.last_mut() {
                *last |= ((code >> bit & 1) as u8) << (7 - used);
            }
            used = (used + 1) % 8;
        }
    }
    out
}

/// The first `count` symbols; `None` when the bytes end before them, go on behind them, or hold what is no code.
pub fn decode(bytes: &[u8], lengths: &[u8], count: usize) -> Option<Vec<u32>> {
    let symbols = ordered(lengths);
    let longest = lengths.iter().copied().max().unwrap_or(0);
    if longest >= 64 {
        return None;
    }
    let of_length = |length: u8| symbols.iter().filter(|&&symbol| lengths[symbol] == length).count() as u64;
    let counts: Vec<u64> = (0..=longest).map(of_length).collect();
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u64::from(byte >> bit & 1)));
    let mut out = Vec::with_capacity(count);
    let mut used = 0;
    while out.len() < count {
        // `first`: the first code of a length; `before`: codes that are shorter.
        let (mut code, mut first, mut before) = (0u64, 0u64, 0u64);
        let mut found = None;
        for &own in counts.get(1..)? {
            code = code << 1 | bits.next()?;
            first <<= 1;
            used += 1;
            if let Some(place) = code.checked_sub(first).filter(|place| *place < own) {
                found = symbols.get((before + place) as usize);
                break;
            }
            (before, first) = (before + own, first + own);
        }
        out.push(*found? as u32);
    }
    (bytes.len() == usize::div_ceil(used, 8)).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn drawn(rng: &mut Rng, symbols: u32, count: usize) -> Vec<u32> {
        (0..count).map(|_| (rng.uniform(0.0, 1.0) * rng.uniform(0.0, symbols as f32)) as u32).collect()
    }

    #[test]
    fn symbols_come_back_and_broken_bytes_are_refused() {
        let mut rng = Rng::stream(1, "huffman", 0);
        for (symbols, count) in [(1, 9), (2, 40), (5, 1), (32, 3000), (256, 5000)] {
            let codes = drawn(&mut rng, symbols, count);
            let lengths = lengths(&codes, symbols as usize);
            let bytes = encode(&codes, &lengths);
            assert_eq!(decode(&bytes, &lengths, count).unwrap(), codes);
            assert!(decode(&bytes[..bytes.len() - 1], &lengths, count).is_none());
            assert!(decode(&[bytes, vec![0]].concat(), &lengths, count).is_none());
        }
        assert!(decode(&[0xff], &[0, 0], 1).is_none());
        assert!(decode(&[0xff], &[1, 0], 1).is_none());
        assert!(decode(&[0; 100], &[200, 255], 1).is_none());
    }

    #[test]
    fn no_prefix_code_is_shorter() {
        let mut rng = Rng::stream(2, "huffman", 0);
        for _ in 0..20 {
            let codes = drawn(&mut rng, 5, 60);
            let mut counts = [0; 5];
            codes.iter().for_each(|&code| counts[code as usize] += 1);
            let bits = |lengths: &[u8]| lengths.iter().zip(counts).map(|(&l, n)| u32::from(l) * n).sum::<u32>();
            let found = lengths(&codes, 5);
            // Every way to give the symbols that occur one to four bits each that leaves a prefix code (Kraft: Σ 2^−l ≤ 1).
            let all = (0..4u32.pow(5)).map(|i| (0..5).map(|s| (i / 4u32.pow(s) % 4 + 1) as u8).collect::<Vec<u8>>());
            let kraft = |l: &[u8]| l.iter().zip(counts).filter(|(_, n)| *n > 0).map(|(&l, _)| 16 >> l).sum::<u32>();
            let legal = all.filter(|l| kraft(l) <= 16);
            assert_eq!(bits(&found), legal.map(|l| bits(&l)).min().unwrap(), "{counts:?}");
        }
    }
}
