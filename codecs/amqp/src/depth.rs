//! Tables that nest without end would have the parser recurse without end, so they are refused before it sees them.

/// How deep tables and arrays may nest. What people write has two levels.
const DEEPEST: usize = 32;

/// Whether the table at the beginning of these bytes, its length first, can be read, and nests no deeper than
/// [`DEEPEST`].
pub(crate) fn is_sound(bytes: &[u8]) -> bool {
    walk(bytes).is_some()
}

/// What the innermost open thing has inside.
#[derive(Clone, Copy)]
enum Inside {
    Names,
    Values,
}

fn walk(bytes: &[u8]) -> Option<()> {
    let mut rest = bytes;
    let length = take_length(&mut rest)?;
    let mut bytes = Bytes { all: rest.get(..length)?, at: 0 };
    // Where each open thing ends, the innermost last.
    let mut open = vec![(length, Inside::Names)];
    while let Some(&(end, inside)) = open.last() {
        if bytes.at == end {
            open.pop();
            continue;
        }
        if matches!(inside, Inside::Names) {
            let name = usize::from(bytes.take::<1>()?[0]);
            bytes.skip(name)?;
        }
        let nested = bytes.value()?;
        if let Some((length, inside)) = nested {
            let nested_end = bytes.at.checked_add(length)?;
            if end < nested_end || open.len() == DEEPEST {
                return None;
            }
            open.push((nested_end, inside));
        } else if end < bytes.at {
            return None;
        }
    }
    Some(())
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.all.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        let end = self.at.checked_add(count)?;
        if self.all.len() < end {
            return None;
        }
        self.at = end;
        Some(())
    }

    /// Passes a value, or enters it and says how long it is, if it has others inside.
    fn value(&mut self) -> Option<Option<(usize, Inside)>> {
        let kind = self.take::<1>()?[0];
        let size = match kind {
            b'V' => 0,
            b't' | b'b' | b'B' => 1,
            b's' | b'U' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            b'S' | b'x' => self.length()?,
            b'A' => return Some(Some((self.length()?, Inside::Values))),
            b'F' => return Some(Some((self.length()?, Inside::Names))),
            _ => return None,
        };
        self.skip(size)?;
        Some(None)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.take::<4>()?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use amq_protocol::types::generation::gen_field_table;

    use super::*;
    use crate::table::{Table, Value, to_wire};

    fn bytes(table: &Table) -> Vec<u8> {
        gen_field_table(&to_wire(table).unwrap())(Vec::new().into()).unwrap().into_inner().0
    }

    fn nested(depth: usize) -> Table {
        (1..depth).fold(Table::new(), |inner, _| Table::from([("t".to_owned(), inner.into())]))
    }

    #[test]
    fn what_people_write_is_sound() {
        let table = Table::from([
            ("text".to_owned(), Value::from("abc")),
            ("list".to_owned(), Value::Array(vec![Value::I32(1), Value::Void, Value::F64(0.5)])),
            ("deep".to_owned(), Value::Table(nested(4))),
        ]);
        assert!(is_sound(&bytes(&table)));
        assert!(is_sound(&bytes(&Table::new())));
    }

    #[test]
    fn nesting_has_an_end() {
        assert!(is_sound(&bytes(&nested(DEEPEST))));
        assert!(!is_sound(&bytes(&nested(DEEPEST + 1))));
    }

    #[test]
    fn every_cut_is_found() {
        let table = Table::from([("list".to_owned(), Value::Array(vec![Value::I32(1)]))]);
        let whole = bytes(&table);
        for cut in 0..whole.len() {
            assert!(!is_sound(&whole[..cut]), "{cut}");
        }
    }
}
