//! Record boundaries, for reading at most one record at a time from the kernel.

/// A header: type, version, length.
const HEADER: usize = 5;
/// A longer record carries data, not close_notify: the next header can be read along with it.
const SURELY_DATA: usize = 1024;

/// The record being received.
#[derive(Default)]
pub struct Records {
    header: [u8; HEADER],
    /// The number of header bytes received.
    known: usize,
    /// The number of bytes missing after the header.
    missing: usize,
}

impl Records {
    /// The number of bytes that may be read, at most to the end of a record.
    pub fn most(&self) -> usize {
        match self.missing {
            0 => HEADER - self.known,
            n if n < SURELY_DATA => n,
            n => n + HEADER,
        }
    }

    /// Records that these bytes have been read.
    pub fn took(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.missing > 0 {
                let n = self.missing.min(bytes.len());
                self.missing -= n;
                bytes = &bytes[n..];
                continue;
            }
            self.header[self.known] = first;
            self.known += 1;
            bytes = rest;
            if self.known == HEADER {
                self.missing = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
                self.known = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(len: usize) -> Vec<u8> {
        let [high, low] = (len as u16).to_be_bytes();
        [&[23, 3, 3, high, low], &vec![9; len][..]].concat()
    }

    /// For any result of the kernel, each read ends at or within a record, and nothing is read
    /// after a possible close_notify.
    #[test]
    fn it_never_takes_what_is_behind_a_record() {
        for piece in [1, 2, 4, 5, 6, 100, 20_000] {
            let sizes = [1, 19, 0, 16_400, 1024, 1023, 40, 5000, 24];
            let stream: Vec<u8> = sizes.iter().flat_map(|n| record(*n)).collect();
            let (mut records, mut at) = (Records::default(), 0);
            let mut ends = std::collections::BTreeSet::new();
            while at < stream.len() {
                let n = records.most().min(piece).min(stream.len() - at);
                assert!(n > 0);
                records.took(&stream[at..at + n]);
                at += n;
                ends.insert(at);
            }
            let mut end = 0;
            for size in sizes {
                end += size + HEADER;
                // Not past a small one.
                assert!(size >= SURELY_DATA || ends.contains(&end), "{size} in pieces of {piece}");
            }
            assert_eq!(records.most(), HEADER);
        }
    }
}
