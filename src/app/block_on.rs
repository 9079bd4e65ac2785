//! Drives a future on the calling thread, for a bounded time.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Wakes a thread that is parked in [`for_at_most`].
struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    static WAKER: RefCell<Waker> = RefCell::new(Waker::from(Arc::new(ThreadWaker(std::thread::current()))));
}

/// The output of the future, or `None` if it is not ready in that time; the future is then dropped.
pub(crate) fn for_at_most<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let since = Instant::now();
    let waker = WAKER.with_borrow(Waker::clone);
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        // A wake between the poll and here is not lost: it makes the next park return at once.
        std::thread::park_timeout(limit.checked_sub(since.elapsed()).filter(|left| !left.is_zero())?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ready_is_given_at_once() {
        assert_eq!(for_at_most(Duration::ZERO, async { 7 }), Some(7));
    }

    #[test]
    fn what_never_ends_is_given_up() {
        assert_eq!(for_at_most(Duration::from_millis(1), std::future::pending::<()>()), None);
    }

    #[test]
    fn answer_of_another_thread_wakes_us() {
        let (answer, asked) = tokio::sync::oneshot::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || answer.send(7));
            assert_eq!(for_at_most(Duration::from_secs(60), asked), Some(Ok(7)));
        });
    }
}
