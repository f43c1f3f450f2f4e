//! Several questions at once.

/// `ask` of each of the names on a thread of its own, in their order.
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
