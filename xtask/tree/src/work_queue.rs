//! Lets several threads do work that makes more work.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

/// More threads than this would only wait for each other.
const MAXIMUM_THREADS: usize = 16;

/// Tasks to be done; the newest is done first.
#[derive(Debug)]
pub(crate) struct WorkQueue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<T>,
    /// The tasks that wait and those that are being done, which may add more.
    unfinished: usize,
}

impl<T: Send> WorkQueue<T> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: Vec::new(),
                unfinished: 0,
            }),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn push(&self, task: T) {
        let mut state = self.lock();
        state.waiting.push(task);
        state.unfinished += 1;
        drop(state);
        self.changed.notify_one();
    }

    /// Does all tasks, also those that are added meanwhile, and returns the worker of each thread.
    pub(crate) fn work<W: Send>(
        &self,
        worker: impl Fn() -> W + Sync,
        perform: impl Fn(&mut W, T) + Sync,
    ) -> Vec<W> {
        let one = || {
            let mut worker = worker();
            while let Some(task) = self.pop() {
                let _finished = Finished(self);
                perform(&mut worker, task);
            }
            worker
        };
        let threads = available_parallelism().map_or(1, |count| count.get().min(MAXIMUM_THREADS));
        std::thread::scope(|scope| {
            // This thread works, too, and alone where no other can be started.
            let others: Vec<_> = (1..threads)
                .map_while(|_| std::thread::Builder::new().spawn_scoped(scope, one).ok())
                .collect();
            let mut workers = vec![one()];
            for other in others {
                match other.join() {
                    Ok(worker) => workers.push(worker),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            workers
        })
    }

    /// Waits for the next task; `None` when all tasks are finished.
    fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.waiting.pop() {
                return Some(task);
            }
            if state.unfinished == 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a task as finished when it is dropped, also where the task panicked: the other threads
/// must not wait for it.
struct Finished<'a, T: Send>(&'a WorkQueue<T>);

impl<T: Send> Drop for Finished<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.unfinished -= 1;
        if state.unfinished == 0 {
            drop(state);
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_makes_work_is_all_done() {
        let queue = WorkQueue::new();
        queue.push(12_u32);
        let sums = queue.work(
            || 0,
            |sum, depth| {
                *sum += 1;
                for _ in 0..depth.min(2) {
                    queue.push(depth - 1);
                }
            },
        );
        assert_eq!(sums.into_iter().sum::<u32>(), (1 << 12) - 1 + (1 << 11));
    }

    #[test]
    #[should_panic(expected = "a task")]
    fn a_panic_ends_the_work() {
        let queue = WorkQueue::new();
        queue.push(());
        queue.work(|| (), |(), ()| panic!("a task"));
    }
}
