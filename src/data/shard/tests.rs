//! The fixture is written by `node tools/data/fixture.mjs`; `images` makes the same images again.

use super::*;

const FIXTURE: &[u8] = include_bytes!("fixture.fws");

fn images() -> Shard {
    let mut state = 2026_u64;
    let mut last = 0_i64;
    let pixels = (0..12 * 3 * 9 * 11).map(|_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let word = z ^ (z >> 31);
        match word & 3 {
            0 => last = 0,
            1 => {}
            2 => last = ((word >> 8) % 201) as i64,
            _ => last = (last + ((word >> 8) % 9) as i64 - 4).clamp(0, 200),
        }
        last as u8
    });
    let pixels = pixels.collect();
    Shard { labels: (0..12).map(|i| i % 5).collect(), pixels, shape: [3, 9, 11], max: 200, classes: 5 }
}

/// The fixture with some bytes replaced.
fn with(changes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = FIXTURE.to_vec();
    for (at, new) in changes {
        bytes[*at..*at + new.len()].copy_from_slice(new);
    }
    bytes
}

/// The fixture's images with pixels stored instead of modelled.
fn stored() -> Vec<u8> {
    let images = images();
    let mut bytes = with(&[(5, &[0]), (20, &(images.pixels.len() as u32).to_le_bytes())]);
    bytes.truncate(HEADER + 12);
    bytes.extend(&images.pixels);
    bytes
}

#[test]
fn decodes_what_the_packer_wrote() {
    assert_eq!(decode(FIXTURE), Ok(images()));
    assert!(FIXTURE.len() < images().pixels.len());
}

#[test]
fn decodes_stored_pixels() {
    assert_eq!(decode(&stored()), Ok(images()));
}

#[test]
fn decodes_a_shard_of_the_digits() {
    let shard = decode(include_bytes!("../../../data/digits/validation-00.fws")).unwrap();
    assert_eq!((shard.labels.len(), shard.shape, shard.max, shard.classes), (200, [1, 8, 8], 16, 10));
    assert_eq!(shard.pixels.iter().max(), Some(&16));
    for class in 0..10 {
        let count = shard.labels.iter().filter(|&&label| label == class).count();
        assert!((19..=21).contains(&count), "class {class}: {count}");
    }
}

#[test]
fn every_shorter_file_is_truncated() {
    for file in [FIXTURE.to_vec(), stored()] {
        for end in 0..file.len() {
            let error = decode(&file[..end]).unwrap_err();
            assert!(matches!(error, ShardError::Truncated { .. }), "{end}: {error}");
        }
    }
}

#[test]
fn a_header_that_admits_the_loss_is_truncated_too() {
    let coded = FIXTURE.len() - HEADER - 12;
    for kept in 0..coded {
        let mut bytes = with(&[(20, &(kept as u32).to_le_bytes())]);
        bytes.truncate(HEADER + 12 + kept);
        let error = decode(&bytes).unwrap_err();
        let ends = matches!(error, ShardError::Truncated { part: "pixels", .. });
        assert!(ends || matches!(error, ShardError::Value { what: "pixel", .. }), "{kept}: {error}");
    }
}

#[test]
fn the_last_bytes_are_checked() {
    let last = FIXTURE.len() - 1;
    let error = decode(&with(&[(last, &[FIXTURE[last] + 1])])).unwrap_err();
    assert_eq!(error, ShardError::Ending { found: 1 });
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut bytes = FIXTURE.to_vec();
    bytes.push(0);
    let (found, allowed) = (bytes.len() as u64, FIXTURE.len() as u64);
    assert_eq!(decode(&bytes), Err(ShardError::Trailing { found, allowed }));
    let coded = (FIXTURE.len() - HEADER - 12 + 1) as u32;
    bytes[20..24].copy_from_slice(&coded.to_le_bytes());
    assert_eq!(decode(&bytes), Err(ShardError::Trailing { found, allowed }));
}

#[test]
fn header_fields_outside_their_range_are_named() {
    let cases: [(&str, usize, &[u8], u64); 14] = [
        ("version", 4, &[2], 2),
        ("coding", 5, &[2], 2),
        ("max", 6, &[0], 0),
        ("classes", 7, &[0], 0),
        ("channels", 8, &[0, 0], 0),
        ("channels", 8, &[17, 0], 17),
        ("height", 10, &[0, 0], 0),
        ("height", 10, &[1, 4], 1025),
        ("width", 12, &[0, 0], 0),
        ("width", 12, &[255, 255], 65_535),
        ("reserved", 14, &[1, 0], 1),
        ("count", 16, &[0, 0, 0, 0], 0),
        ("count", 16, &[255, 255, 255, 255], u64::from(u32::MAX)),
        ("values", 16, &[0, 0, 1, 0], 65_536 * 3 * 9 * 11),
    ];
    for (name, at, new, value) in cases {
        match decode(&with(&[(at, new)])).unwrap_err() {
            ShardError::Field { field, found, allowed } => {
                assert_eq!((field, found), (name, value));
                assert!(found < allowed.0 || found > allowed.1);
            }
            other => panic!("{name}: {other}"),
        }
    }
    assert_eq!(decode(&with(&[(3, b"2")])), Err(ShardError::Magic { found: *b"FWS2" }));
}

#[test]
fn the_largest_shapes_do_not_wrap() {
    // 16 × 1024 × 1024 × 65536 is 2^40, which is 0 in 32 bits.
    let huge = with(&[(8, &[16, 0, 0, 4, 0, 4]), (16, &[0, 0, 1, 0])]);
    let found = 1 << 40;
    assert_eq!(decode(&huge), Err(ShardError::Field { field: "values", found, allowed: (1, MAX_VALUES) }));
    let lying = with(&[(20, &[255; 4])]);
    let (found, allowed) = (FIXTURE.len() as u64, HEADER as u64 + 12 + u64::from(u32::MAX));
    assert_eq!(decode(&lying), Err(ShardError::Truncated { part: "pixels", found, allowed }));
}

#[test]
fn labels_and_pixels_outside_their_range_are_refused() {
    let label = with(&[(HEADER + 3, &[5])]);
    assert_eq!(decode(&label), Err(ShardError::Value { what: "label", index: 3, found: 5, allowed: 4 }));
    let mut pixel = stored();
    pixel[HEADER + 12 + 7] = 201;
    assert_eq!(decode(&pixel), Err(ShardError::Value { what: "pixel", index: 7, found: 201, allowed: 200 }));
}

#[test]
fn any_changed_byte_gives_an_error_or_lawful_images() {
    let whole = images();
    let mut refused = 0;
    for (at, old) in FIXTURE.iter().enumerate() {
        for flip in [1, 0x80, 0xff] {
            match decode(&with(&[(at, &[old ^ flip])])) {
                Ok(shard) => {
                    let size: usize = shard.shape.iter().product();
                    assert_eq!(shard.pixels.len(), shard.labels.len() * size);
                    assert!(shard.pixels.iter().all(|&p| p <= shard.max));
                    assert!(shard.labels.iter().all(|&l| l < shard.classes));
                    assert!(shard != whole, "byte {at} has no effect");
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > FIXTURE.len());
}
