//! A value that several threads need and one of them finds.

use std::sync::{Mutex, PoisonError};

/// Empty until the first thread that needs the value has found it; the others wait for that.
/// After a failure, the next thread tries again.
#[derive(Debug)]
pub(crate) struct Once<T>(Mutex<Option<T>>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Once<T> {
    /// The value, which `find` finds where no thread has found it yet.
    pub(crate) fn get_or_find(
        &self,
        find: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = &*known {
            return Ok(value.clone());
        }
        let value = find()?;
        *known = Some(value.clone());
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn threads_share_what_one_of_them_found_and_no_failure() {
        let (once, searches) = (Once::default(), AtomicUsize::new(0));
        let find = || {
            let number = searches.fetch_add(1, Ordering::Relaxed);
            anyhow::ensure!(number > 0, "not found");
            Ok(number)
        };
        assert!(once.get_or_find(find).is_err());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(once.get_or_find(find).unwrap(), 1));
            }
        });
        assert_eq!(searches.into_inner(), 2);
    }
}
