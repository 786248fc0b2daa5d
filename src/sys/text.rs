//! Text of a bounded length, without allocation.

use std::fmt::{self, Display, Write};
use std::ops::Deref;

/// At most `N` bytes of UTF-8; longer text is truncated.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    /// No text.
    pub const EMPTY: Self = Text { bytes: [0; N], len: 0 };

    /// Makes it empty.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Formats `text`.
    pub fn of(text: impl Display) -> Self {
        let mut this = Self::EMPTY;
        // The rest is dropped if it does not fit; so it is below.
        let _ = write!(this, "{text}");
        this
    }

    /// Bytes that ought to be UTF-8.
    pub fn lossy(bytes: &[u8]) -> Self {
        let mut this = Self::EMPTY;
        for chunk in bytes.utf8_chunks() {
            let _ = this.write_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                let _ = this.write_char(char::REPLACEMENT_CHARACTER);
            }
        }
        this
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let mut fits = s.len().min(N - self.len);
        while !s.is_char_boundary(fits) {
            fits -= 1;
        }
        self.bytes[self.len..][..fits].copy_from_slice(&s.as_bytes()[..fits]);
        self.len += fits;
        if fits == s.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;
    fn deref(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl<const N: usize> Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<const N: usize, T: AsRef<str>> PartialEq<T> for Text<N> {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl<const N: usize> AsRef<str> for Text<N> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl<const N: usize> From<&str> for Text<N> {
    fn from(text: &str) -> Self {
        Text::of(text)
    }
}

impl<const N: usize> From<Text<N>> for String {
    fn from(text: Text<N>) -> Self {
        (*text).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_cut_between_characters() {
        assert_eq!(Text::<4>::of("abc\u{e9}"), "abc");
        assert_eq!(Text::<5>::of("abc\u{e9}"), "abc\u{e9}");
        assert_eq!(Text::<8>::lossy(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(Text::<0>::of(1), "");
    }
}
