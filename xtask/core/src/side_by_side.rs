//! Slow questions about several things, asked at the same time.

/// Calls `ask` with each name, each on a thread of its own, and returns the answers in the order
/// of the names.
pub fn side_by_side<'a, T: Send>(
    names: impl IntoIterator<Item = &'a String>,
    ask: impl Fn(&str) -> anyhow::Result<T> + Sync,
) -> Vec<(&'a String, anyhow::Result<T>)> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = names
            .into_iter()
            .map(|name| (name, scope.spawn(|| ask(name))))
            .collect();
        asked
            .into_iter()
            .map(|(name, thread)| {
                let answer = thread.join();
                let panicked = |_| Err(anyhow::anyhow!("asking for {name} panicked"));
                (name, answer.unwrap_or_else(panicked))
            })
            .collect()
    })
}
