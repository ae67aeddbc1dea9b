//! Packed image shards, format FWS1: a small header, labels, and pixels under an adaptive model and a
//! binary range coder. `tools/data/shard.mjs` and `model.mjs` write them; `data/README.md` describes them.
//!
//! A shard is untrusted input. What it may make us allocate is capped before anything is allocated:
//! [`MAX_VALUES`] for the pixels, and labels never more than the bytes present.

use std::fmt;

/// Most pixel values (images × channels × height × width) one shard may declare: 8 MiB.
pub const MAX_VALUES: u64 = 8 << 20;
/// Most images one shard may declare.
pub const MAX_COUNT: u32 = 65_536;
/// Most channels of an image.
pub const MAX_CHANNELS: u16 = 16;
/// Greatest height and width of an image.
pub const MAX_SIDE: u16 = 1_024;

const HEADER: usize = 24;

/// The images of one decoded shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Class of each image; always below `classes`.
    pub labels: Vec<u8>,
    /// Pixels in order image, channel, row, column; never above `max`.
    pub pixels: Vec<u8>,
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Greatest value a pixel can have.
    pub max: u8,
    /// Number of classes of the set.
    pub classes: u8,
}

/// Why bytes are not a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardError {
    /// The file ends inside the named part.
    Truncated {
        /// `header`, `labels` or `pixels`.
        part: &'static str,
        /// Bytes of the file.
        found: u64,
        /// Bytes the file should have, at least.
        allowed: u64,
    },
    /// Bytes follow the last part.
    Trailing {
        /// Bytes of the file.
        found: u64,
        /// Bytes the file should have.
        allowed: u64,
    },
    /// The file does not start with `FWS1`.
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A header field is outside its range.
    Field {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// Least and greatest value allowed.
        allowed: (u64, u64),
    },
    /// The coded pixels do not end as an encoder ends them: the range decoder's remainder is not 0.
    Ending {
        /// The remainder.
        found: u32,
    },
    /// A label or a pixel is outside the range the header gives.
    Value {
        /// `label` or `pixel`.
        what: &'static str,
        /// Its place in the shard.
        index: u64,
        /// Its value.
        found: i64,
        /// Greatest value allowed.
        allowed: u8,
    },
}

impl fmt::Display for ShardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { part, found, allowed } => {
                write!(f, "shard ends in its {part}: {found} bytes, at least {allowed} needed")
            }
            Self::Trailing { found, allowed } => write!(f, "shard has {found} bytes, {allowed} allowed"),
            Self::Magic { found } => write!(f, "not a shard: starts with {found:02x?}, not FWS1"),
            Self::Field { field, found, allowed: (least, most) } => {
                write!(f, "shard header: {field} is {found}, allowed {least} to {most}")
            }
            Self::Ending { found } => write!(f, "shard pixels end with remainder {found}, only 0 allowed"),
            Self::Value { what, index, found, allowed } => {
                write!(f, "shard {what} {index} is {found}, at most {allowed} allowed")
            }
        }
    }
}

impl std::error::Error for ShardError {}

/// Decodes one whole shard file.
///
/// # Errors
/// [`ShardError`] when the bytes are not exactly one well-formed shard.
pub fn decode(bytes: &[u8]) -> Result<Shard, ShardError> {
    let header = Header::read(bytes)?;
    let (labels, coded) = bytes[HEADER..].split_at(header.count);
    if let Some(at) = labels.iter().position(|&label| label >= header.classes) {
        return Err(value("label", at, i64::from(labels[at]), header.classes - 1));
    }
    let pixels = if header.modelled { unpack(&header, coded, bytes.len())? } else { coded.to_vec() };
    if let Some(at) = pixels.iter().position(|&pixel| pixel > header.max) {
        return Err(value("pixel", at, i64::from(pixels[at]), header.max));
    }
    let Header { shape, max, classes, .. } = header;
    Ok(Shard { labels: labels.to_vec(), pixels, shape, max, classes })
}

fn value(what: &'static str, index: usize, found: i64, allowed: u8) -> ShardError {
    ShardError::Value { what, index: index as u64, found, allowed }
}

struct Header {
    modelled: bool,
    max: u8,
    classes: u8,
    shape: [usize; 3],
    count: usize,
    values: usize,
}

impl Header {
    /// Reads the header and checks it against the length of the file.
    fn read(bytes: &[u8]) -> Result<Self, ShardError> {
        let total = bytes.len() as u64;
        let Some(head) = bytes.first_chunk::<HEADER>() else {
            return Err(ShardError::Truncated { part: "header", found: total, allowed: HEADER as u64 });
        };
        let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let long = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let field = |field, found: u64, least: u64, most: u64| {
            let ok = (least..=most).contains(&found);
            if ok { Ok(()) } else { Err(ShardError::Field { field, found, allowed: (least, most) }) }
        };
        let magic = [head[0], head[1], head[2], head[3]];
        if magic != *b"FWS1" {
            return Err(ShardError::Magic { found: magic });
        }
        let [version, coding, max, classes] = [head[4], head[5], head[6], head[7]];
        let [c, h, w] = [short(8), short(10), short(12)];
        let (count, coded) = (long(16), u64::from(long(20)));
        field("version", version.into(), 1, 1)?;
        field("coding", coding.into(), 0, 1)?;
        field("max", max.into(), 1, 255)?;
        field("classes", classes.into(), 1, 255)?;
        field("channels", c.into(), 1, MAX_CHANNELS.into())?;
        field("height", h.into(), 1, MAX_SIDE.into())?;
        field("width", w.into(), 1, MAX_SIDE.into())?;
        field("reserved", short(14).into(), 0, 0)?;
        field("count", count.into(), 1, MAX_COUNT.into())?;
        // At most 2^4 × 2^10 × 2^10 × 2^16: no overflow.
        let values = u64::from(c) * u64::from(h) * u64::from(w) * u64::from(count);
        field("values", values, 1, MAX_VALUES)?;
        if coding == 0 {
            field("coded bytes", coded, values, values)?;
        }
        let labels_end = HEADER as u64 + u64::from(count);
        let end = labels_end + coded;
        if total < end {
            let (part, allowed) = if total < labels_end { ("labels", labels_end) } else { ("pixels", end) };
            return Err(ShardError::Truncated { part, found: total, allowed });
        }
        if total > end {
            return Err(ShardError::Trailing { found: total, allowed: end });
        }
        Ok(Self {
            modelled: coding == 1,
            max,
            classes,
            shape: [usize::from(c), usize::from(h), usize::from(w)],
            count: count as usize, // both capped above, well inside 32 bits
            values: values as usize,
        })
    }
}

// One table of adaptive probabilities, in four parts; the same as in tools/data/model.mjs.
const ZERO: usize = 0; // is the pixel 0: 7 neighbour flags × 8 activities
const SIGN: usize = ZERO + 128 * 8; // is it below the guess: 16 activities × 64 guesses × 12 mirror levels
const CLASS: usize = SIGN + 16 * 64 * 12; // bits of the step: 16 activities × 12 rooms × 2 signs × 9
const DIGIT: usize = CLASS + 16 * 12 * 2 * 9; // its lower bits: 9 sizes × 256 prefixes × 2 signs × 4
const CONTEXTS: usize = DIGIT + 9 * 256 * 2 * 4;

/// Rising limits; a level is how many of them a value exceeds.
const ACTIVITY: [i32; 15] = [0, 3, 7, 12, 18, 25, 34, 45, 60, 80, 110, 150, 210, 300, 420];
const MIRROR: [i32; 5] = [2, 6, 14, 30, 60];
const ROOM: [i32; 11] = [2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192];

/// How many bits a probability remembers.
const MEMORY: usize = 250;

const RATE: [i32; MEMORY + 1] = {
    let mut rate = [0; MEMORY + 1];
    let mut n = 0;
    while n <= MEMORY {
        rate[n] = 32_768 * 5 / (5 * n as i32 + 8);
        n += 1;
    }
    rate
};

/// The level of every value below `N`, so that finding one is a look-up.
const fn levels<const N: usize>(limits: &[i32]) -> [u8; N] {
    let mut table = [0; N];
    let mut value = 0;
    while value < N {
        let mut level = 0;
        while level < limits.len() && value as i32 > limits[level] {
            level += 1;
        }
        table[value] = level as u8;
        value += 1;
    }
    table
}

static ACTIVITY_LEVEL: [u8; 422] = levels(&ACTIVITY);
static MIRROR_LEVEL: [u8; 256] = levels(&MIRROR);
static ROOM_LEVEL: [u8; 257] = levels(&ROOM);

/// The level of a value that is not negative; the last one of the table for all above it.
#[inline]
fn level(value: i32, table: &[u8]) -> usize {
    usize::from(table[(value as usize).min(table.len() - 1)])
}

#[derive(Clone, Copy)]
struct Chance {
    one: u16,
    seen: u16,
}

/// The range decoder and its probabilities.
struct Coder<'a> {
    coded: &'a [u8],
    at: usize,
    range: u32,
    code: u32,
    chances: Vec<Chance>,
}

impl<'a> Coder<'a> {
    fn new(coded: &'a [u8]) -> Self {
        let chances = vec![Chance { one: 1 << 15, seen: 0 }; CONTEXTS];
        let mut coder = Self { coded, at: 0, range: u32::MAX, code: 0, chances };
        for _ in 0..4 {
            coder.code = coder.code << 8 | coder.next();
        }
        coder
    }

    /// The next byte, or 0 past the end; `at` goes on counting, and is compared with the length after
    /// every image.
    #[inline]
    fn next(&mut self) -> u32 {
        let byte = self.coded.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte.into()
    }

    #[inline]
    fn bit(&mut self, context: usize) -> bool {
        let Chance { one, seen } = self.chances[context];
        let chance = u64::from(one.clamp(64, 65_472));
        let bound = ((u64::from(self.range) * chance) >> 16) as u32;
        let bit = self.code < bound;
        // Bits are hard to foresee, so all this goes by masks and not by branches.
        let mask = u32::from(bit).wrapping_neg();
        self.range = (bound & mask) | ((self.range - bound) & !mask);
        self.code -= bound & !mask;
        let now = i32::from(one);
        let moved = now + ((((65_535 & mask as i32) - now) * RATE[usize::from(seen)]) >> 15);
        self.chances[context] = Chance { one: moved as u16, seen: seen + u16::from(usize::from(seen) < MEMORY) };
        while self.range < 1 << 24 {
            self.range <<= 8;
            self.code = self.code << 8 | self.next();
        }
        bit
    }
}

/// Decodes modelled pixels, plane by plane.
fn unpack(header: &Header, coded: &[u8], total: usize) -> Result<Vec<u8>, ShardError> {
    let [channels, height, width] = header.shape;
    let mut plane = Plane::new(height, width, header.max);
    let mut coder = Coder::new(coded);
    let mut pixels = Vec::with_capacity(header.values);
    for _ in 0..header.count * channels {
        let before = pixels.len();
        let outcome = plane.read(&mut coder, &mut pixels);
        if coder.at > coded.len() {
            let (found, missing) = (total as u64, (coder.at - coded.len()) as u64);
            return Err(ShardError::Truncated { part: "pixels", found, allowed: found + missing });
        }
        if let Err(bad) = outcome {
            return Err(value("pixel", before + bad.place, bad.value.into(), header.max));
        }
    }
    if coder.at < coded.len() {
        let found = total as u64;
        return Err(ShardError::Trailing { found, allowed: found - (coded.len() - coder.at) as u64 });
    }
    if coder.code != 0 {
        return Err(ShardError::Ending { found: coder.code });
    }
    Ok(pixels)
}

/// A decoded pixel out of range.
struct Bad {
    place: usize,
    value: i32,
}

/// One plane of an image with a border of zeros, two wide, for what lies outside.
struct Plane {
    width: usize,
    stride: usize,
    max: i32,
    values: Vec<u8>,
    misses: Vec<i16>,
}

impl Plane {
    fn new(height: usize, width: usize, max: u8) -> Self {
        let stride = width + 4;
        let cells = stride * (height + 2);
        Self { width, stride, max: max.into(), values: vec![0; cells], misses: vec![0; cells] }
    }

    fn read(&mut self, coder: &mut Coder<'_>, out: &mut Vec<u8>) -> Result<(), Bad> {
        let height = self.values.len() / self.stride - 2;
        for y in 0..height {
            let row = (y + 2) * self.stride + 2;
            for x in 0..self.width {
                let (pixel, miss) =
                    self.pixel(coder, row + x, x).map_err(|value| Bad { place: y * self.width + x, value })?;
                self.values[row + x] = pixel;
                self.misses[row + x] = miss;
            }
            out.extend_from_slice(&self.values[row..row + self.width]);
        }
        Ok(())
    }

    /// Decodes the pixel in cell `i`, column `x`; gives it and its distance from the guess.
    #[inline]
    fn pixel(&self, coder: &mut Coder<'_>, i: usize, x: usize) -> Result<(u8, i16), i32> {
        let (stride, width) = (self.stride, self.width);
        let at = |cell: usize| i32::from(self.values[cell]);
        let (w, ww, n, nn) = (at(i - 1), at(i - 2), at(i - stride), at(i - 2 * stride));
        let (nw, ne, nne) = (at(i - stride - 1), at(i - stride + 1), at(i - 2 * stride + 1));
        // The pixel opposite, from this row when it is known and from the row above when not.
        let opposite = i + width - 1 - 2 * x;
        let mirror = at(if 2 * x >= width { opposite } else { opposite - stride });

        let across = (w - ww).abs() + (n - nw).abs() + (n - ne).abs();
        let down = (w - nw).abs() + (n - nn).abs() + (ne - nne).abs();
        let mut guess = ((w + n) >> 1) + ((ne - nw) >> 2);
        match down - across {
            81.. => guess = w,
            33..=80 => guess = (guess + w) >> 1,
            -80..=-33 => guess = (guess + n) >> 1,
            ..=-81 => guess = n,
            _ => {}
        }
        let guess = guess.clamp(0, self.max);

        let miss = |cell: usize| i32::from(self.misses[cell]).abs();
        let busy = across + down + 2 * miss(i - 1) + miss(i - stride);
        let activity = level(busy, &ACTIVITY_LEVEL);
        let zeros = [w, n, ne, nw, ww, nn, mirror]
            .iter()
            .enumerate()
            .fold(0, |flags, (k, &value)| flags | usize::from(value == 0) << k);
        if coder.bit(ZERO + zeros * 8 + (activity >> 1)) {
            return Ok((0, 0));
        }

        let side = level((mirror - guess).abs(), &MIRROR_LEVEL) + if mirror < guess { 6 } else { 0 };
        let below = coder.bit(SIGN + (activity * 64 + (guess >> 2) as usize) * 12 + side);
        let sign = usize::from(below);
        let room = level(if below { guess } else { 256 - guess }, &ROOM_LEVEL);
        let class = CLASS + ((activity * 12 + room) * 2 + sign) * 9;
        let mut bits = 0;
        while bits < 8 && !coder.bit(class + bits) {
            bits += 1;
        }
        // Grows to at most bits + 1 binary digits, so every context is inside the table.
        let mut step = 1;
        for _ in 0..bits {
            let digit = DIGIT + ((bits * 256 + step) * 2 + sign) * 4 + (activity >> 2);
            step = step << 1 | usize::from(coder.bit(digit));
        }
        let miss = if below { -(step as i32) } else { step as i32 - 1 };
        let pixel = guess + miss;
        if !(1..=self.max).contains(&pixel) {
            return Err(pixel);
        }
        Ok((pixel as u8, miss as i16))
    }
}

#[cfg(test)]
mod tests;
