//! The wire format: what stands in front of a record's own bytes.

use crate::event::Rejection;
use crate::event::schema::hinted;

/// The byte with which every such record begins.
const MAGIC: u8 = 0;

const NO_ID: &str = "it does not begin with the id of a schema: was it written without the registry, or is the \
     format of the source another?";
const NO_INDEXES: &str = "it does not say of which message of its schema it is";

/// A message of a file has at most so many around it.
const MOST_INDEXES: i64 = 32;

/// The id of the schema, and what follows it.
pub fn open(bytes: &[u8]) -> Result<(u32, &[u8]), Rejection> {
    match bytes {
        [MAGIC, a, b, c, d, rest @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), rest)),
        _ => Err(hinted(NO_ID)),
    }
}

/// Which message of its file a Protobuf record is, from the outermost to the one meant, and what
/// follows; nothing at all stands for the first message.
pub fn indexes(bytes: &[u8]) -> Result<(Vec<usize>, &[u8]), Rejection> {
    let mut rest = bytes;
    let mut next = || long(&mut rest).ok_or(hinted(NO_INDEXES));
    let count = next()?;
    let indexes = match count {
        0 => vec![0],
        1..=MOST_INDEXES => (0..count)
            .map(|_| usize::try_from(next()?).map_err(|_| hinted(NO_INDEXES)))
            .collect::<Result<_, _>>()?,
        _ => return Err(hinted(NO_INDEXES)),
    };
    Ok((indexes, rest))
}

/// A number of variable length, in zigzag, taken off the front; nothing if it does not end.
pub(super) fn long(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some((number >> 1) as i64 ^ -((number & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_four_bytes_behind_the_magic_one() {
        for (bytes, expected) in [
            (&[0, 0, 0, 0, 42, 7][..], Some((42, &[7][..]))),
            (&[0, 0, 1, 0, 0], Some((65_536, &[]))),
            (&[0, 0, 0, 0], None),
            (b"{\"id\":1}", None),
            (&[], None),
        ] {
            assert_eq!(open(bytes).ok(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn the_message_is_told_by_its_place_in_the_file() {
        for (bytes, expected) in [
            (&[0, 8][..], Some((vec![0], &[8][..]))),
            (&[2, 0, 8], Some((vec![0], &[8][..]))),
            (&[2, 6], Some((vec![3], &[]))),
            (&[4, 2, 0, 9], Some((vec![1, 0], &[9][..]))),
            (&[4, 2], None),
            (&[2, 1], None),
            (&[1], None),
            (&[0xfe, 0xff, 0xff, 0xff, 0x0f], None),
            (&[], None),
        ] {
            assert_eq!(indexes(bytes).ok(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn numbers_are_whole_up_to_sixty_four_bits() {
        for (bytes, expected) in [
            (&[0][..], Some(0)),
            (&[1], Some(-1)),
            (&[0x80, 0x01], Some(64)),
            (
                &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                Some(i64::MAX),
            ),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                Some(i64::MIN),
            ),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
                None,
            ),
            (&[0x80], None),
        ] {
            assert_eq!(long(&mut &*bytes), expected, "{bytes:?}");
        }
    }
}
