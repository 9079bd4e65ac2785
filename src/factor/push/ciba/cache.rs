//! Something of the provider's that is kept for a while: fetched by one, waited for by the others.

use crate::engine::provider::ProviderError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A value that has been fetched, or why it could not be.
#[derive(Debug)]
pub(super) struct CachedValue<T>(Mutex<CacheSlot<T>>);

#[derive(Debug)]
struct CacheSlot<T> {
    value: Option<(Instant, Arc<T>)>,
    failure: Option<(Instant, ProviderError)>,
}

impl<T> Default for CachedValue<T> {
    fn default() -> Self {
        Self(Mutex::new(CacheSlot { value: None, failure: None }))
    }
}

impl<T> CachedValue<T> {
    /// The value if it is no older than that, else a new one. A caller that waited for another caller's `fetch` gets
    /// its result, even a failure: a provider that hangs delays no login for longer than two calls.
    pub(super) async fn get<F>(&self, oldest: Duration, fetch: F) -> Result<Arc<T>, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let came = Instant::now();
        let mut state = self.0.lock().await;
        if let Some((since, value)) = &state.value
            && (since.elapsed() <= oldest || *since >= came)
        {
            return Ok(Arc::clone(value));
        }
        if let Some((since, trouble)) = &state.failure
            && *since >= came
        {
            return Err(trouble.clone());
        }
        match fetch.await {
            Ok(value) => {
                let value = Arc::new(value);
                *state = CacheSlot { value: Some((Instant::now(), Arc::clone(&value))), failure: None };
                Ok(value)
            }
            Err(trouble) => {
                state.failure = Some((Instant::now(), trouble.clone()));
                Err(trouble)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const HOUR: Duration = Duration::from_secs(3600);

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_value_is_fetched_once_and_again_when_it_is_too_old() {
        run(async {
            let cached = CachedValue::default();
            assert_eq!(*cached.get(HOUR, async { Ok(1) }).await.unwrap(), 1);
            assert_eq!(*cached.get(HOUR, async { Ok(2) }).await.unwrap(), 1);
            assert_eq!(*cached.get(Duration::ZERO, async { Ok(3) }).await.unwrap(), 3);
        });
    }

    #[test]
    fn those_who_waited_share_a_failure_and_the_next_tries_again() {
        run(async {
            let (cached, fetches) = (CachedValue::default(), AtomicUsize::new(0));
            let fetch = || async {
                fetches.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Err::<u8, _>(ProviderError::Unreachable("no".into()))
            };
            let (first, second) = tokio::join!(cached.get(HOUR, fetch()), cached.get(HOUR, fetch()));
            assert_eq!((first.is_err(), second), (true, Err(ProviderError::Unreachable("no".into()))));
            assert_eq!(fetches.load(Ordering::Relaxed), 1);
            assert_eq!(*cached.get(HOUR, async { Ok(1) }).await.unwrap(), 1);
        });
    }
}
