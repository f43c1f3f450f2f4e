//! Random numbers that a seed decides.

/// Numbers from a seed, the same on every machine (xorshift).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    /// All words have one length: an edit keeps the size of its file.
    pub(crate) fn word(&mut self) -> String {
        format!("{:08x}", self.next() & 0xffff_ffff)
    }
}
