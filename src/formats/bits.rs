//! Codes without gaps.

/// Packs the low `bits` of each code, first code in the low bits of the first byte.
pub fn pack_bits(codes: &[u32], bits: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity((codes.len() * bits as usize).div_ceil(8));
    let (mut buffer, mut filled) = (0u64, 0);
    for &code in codes {
        buffer |= u64::from(code & low_mask(bits)) << filled;
        filled += bits;
        while filled >= 8 {
            out.push(buffer as u8);
            buffer >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        out.push(buffer as u8);
    }
    out
}

/// The reverse of [`pack_bits`].
pub fn unpack_bits(bytes: &[u8], bits: u32, count: usize) -> Vec<u32> {
    let mut bytes = bytes.iter();
    let (mut buffer, mut filled) = (0u64, 0);
    let mut next = || {
        while filled < bits {
            buffer |= u64::from(bytes.next().copied().unwrap_or(0)) << filled;
            filled += 8;
        }
        let code = buffer as u32 & low_mask(bits);
        buffer >>= bits;
        filled -= bits;
        code
    };
    (0..count).map(|_| next()).collect()
}

/// `bits` ones, 1 to 32.
pub fn low_mask(bits: u32) -> u32 {
    u32::MAX >> (32 - bits)
}
