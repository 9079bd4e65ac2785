//! A fair queue for a scarce resource: a few callers hold it at once, the rest wait in fair order.
//!
//! Users who have a password here come before names that may be invented, three to one; within each kind turns go round, user by
//! user or client by client, so that a flood from one client delays that client only. The number of waiting callers is bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Maximum number of callers that wait for one user.
const PER_USER: usize = 4;
/// Maximum number of callers that wait for unknown names of one client.
const PER_CLIENT: usize = 32;
/// Number of consecutive turns of known users before one of an unknown name.
const IN_A_ROW: u32 = 3;

/// The class that a caller waits in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QueueClass {
    /// A user who exists.
    User(String),
    /// A name that does not exist, through this client.
    Stranger(String),
}

/// Too many callers of that class wait already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct QueueFull;

/// The shared items and the queue for them.
pub(crate) struct FairQueue<T>(Arc<Mutex<QueueState<T>>>);

struct QueueState<T> {
    idle: Vec<T>,
    users: FairLine<T>,
    strangers: FairLine<T>,
    in_a_row: u32,
}

/// Waiting callers by key. The keys take turns.
struct FairLine<T> {
    waiting: HashMap<String, VecDeque<oneshot::Sender<QueueTurn<T>>>>,
    order: VecDeque<String>,
}

/// A turn: exclusive use of one item. Dropping it passes the item to the next caller.
pub(crate) struct QueueTurn<T> {
    item: Option<T>,
    queue: Arc<Mutex<QueueState<T>>>,
}

impl<T> FairQueue<T> {
    pub(crate) fn new(items: Vec<T>) -> Self {
        let (users, strangers) = (FairLine::default(), FairLine::default());
        Self(Arc::new(Mutex::new(QueueState { idle: items, users, strangers, in_a_row: 0 })))
    }

    /// Waits for a turn, for as long as the future is kept.
    pub(crate) async fn acquire_turn(&self, class: QueueClass) -> Result<QueueTurn<T>, QueueFull> {
        let turn = {
            let mut queue = lock(&self.0);
            if let Some(item) = queue.idle.pop() {
                return Ok(QueueTurn { item: Some(item), queue: Arc::clone(&self.0) });
            }
            queue.join(class)?
        };
        turn.await.map_err(|_never| QueueFull)
    }
}

impl<T> QueueTurn<T> {
    pub(crate) fn item_mut(&mut self) -> Option<&mut T> {
        self.item.as_mut()
    }
}

impl<T> Drop for QueueTurn<T> {
    fn drop(&mut self) {
        let mut item = self.item.take();
        while let Some(given) = item.take() {
            let mut queue = lock(&self.queue);
            let Some(next) = queue.next() else {
                queue.idle.push(given);
                return;
            };
            // Sent without the lock: an item sent to a caller that has gone is returned here.
            drop(queue);
            if let Err(mut back) = next.send(QueueTurn { item: Some(given), queue: Arc::clone(&self.queue) })
            {
                item = back.item.take();
            }
        }
    }
}

impl<T> QueueState<T> {
    fn join(&mut self, class: QueueClass) -> Result<oneshot::Receiver<QueueTurn<T>>, QueueFull> {
        match class {
            QueueClass::User(name) => self.users.join(name, PER_USER),
            QueueClass::Stranger(client) => self.strangers.join(client, PER_CLIENT),
        }
    }

    fn next(&mut self) -> Option<oneshot::Sender<QueueTurn<T>>> {
        if self.in_a_row < IN_A_ROW
            && let Some(user) = self.users.next()
        {
            self.in_a_row = self.in_a_row.saturating_add(1);
            return Some(user);
        }
        self.in_a_row = 0;
        self.strangers.next().or_else(|| self.users.next())
    }
}

impl<T> FairLine<T> {
    fn join(&mut self, key: String, most: usize) -> Result<oneshot::Receiver<QueueTurn<T>>, QueueFull> {
        let waiting = self.waiting.entry(key.clone()).or_default();
        waiting.retain(|waits| !waits.is_closed());
        if waiting.len() >= most {
            return Err(QueueFull);
        }
        if waiting.is_empty() && !self.order.contains(&key) {
            self.order.push_back(key);
        }
        let (sender, receiver) = oneshot::channel();
        waiting.push_back(sender);
        Ok(receiver)
    }

    /// Removes and returns the next caller that still waits.
    fn next(&mut self) -> Option<oneshot::Sender<QueueTurn<T>>> {
        while let Some(key) = self.order.pop_front() {
            let Some(waiting) = self.waiting.get_mut(&key) else { continue };
            waiting.retain(|waits| !waits.is_closed());
            let next = waiting.pop_front();
            match waiting.is_empty() {
                true => drop(self.waiting.remove(&key)),
                false => self.order.push_back(key),
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }
}

impl<T> Default for FairLine<T> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), order: VecDeque::new() }
    }
}

fn lock<T>(queue: &Mutex<T>) -> MutexGuard<'_, T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    type Waiting<'t> = Pin<Box<dyn Future<Output = Result<QueueTurn<u8>, QueueFull>> + 't>>;

    fn poll(waiting: &mut Waiting<'_>) -> Option<Result<QueueTurn<u8>, QueueFull>> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    fn user(name: &str) -> QueueClass {
        QueueClass::User(name.to_owned())
    }

    fn stranger(client: &str) -> QueueClass {
        QueueClass::Stranger(client.to_owned())
    }

    /// Everybody waits in this order; in which order they get their turns.
    fn served(order: &[QueueClass]) -> Vec<usize> {
        let turns = FairQueue::new(vec![0u8]);
        let mut held = poll(&mut (Box::pin(turns.acquire_turn(user("first"))) as Waiting)).unwrap().ok();
        let mut waiting: Vec<Option<Waiting>> =
            order.iter().map(|class| Some(Box::pin(turns.acquire_turn(class.clone())) as Waiting)).collect();
        waiting.iter_mut().flatten().for_each(|waits| assert!(poll(waits).is_none()));
        let mut served = Vec::new();
        while served.len() < order.len() {
            drop(held.take());
            let next = (0..order.len()).find_map(|n| Some((n, poll(waiting[n].as_mut()?)?)));
            let (n, turn) = next.unwrap();
            waiting[n] = None;
            held = turn.ok();
            served.push(n);
        }
        served
    }

    #[test]
    fn users_come_first_and_strangers_are_not_forgotten() {
        let order =
            [stranger("vpn"), stranger("vpn"), user("alice"), user("bob"), user("carol"), user("dave")];
        assert_eq!(served(&order), [2, 3, 4, 0, 5, 1]);
    }

    #[test]
    fn one_user_or_client_is_in_nobody_elses_way() {
        assert_eq!(served(&[user("a"), user("a"), user("a"), user("b")]), [0, 3, 1, 2]);
        assert_eq!(served(&[stranger("a"), stranger("a"), stranger("a"), stranger("b")]), [0, 3, 1, 2]);
    }

    #[test]
    fn what_waits_is_bounded_and_who_has_gone_makes_room() {
        let turns = FairQueue::new(vec![0u8]);
        let held = poll(&mut (Box::pin(turns.acquire_turn(user("a"))) as Waiting)).unwrap().unwrap();
        let mut waiting: Vec<Waiting> =
            (0..PER_CLIENT).map(|_| Box::pin(turns.acquire_turn(stranger("vpn"))) as Waiting).collect();
        waiting.iter_mut().for_each(|waits| assert!(poll(waits).is_none()));
        let full = |class| poll(&mut (Box::pin(turns.acquire_turn(class)) as Waiting)).is_some();
        assert!(full(stranger("vpn")), "refused at once");
        assert!(!full(stranger("wifi")) && !full(user("a")));
        waiting.pop();
        assert!(!full(stranger("vpn")));
        drop((held, waiting));
        assert!(
            poll(&mut (Box::pin(turns.acquire_turn(user("a"))) as Waiting)).unwrap().is_ok(),
            "nothing is lost"
        );
        let queue = lock(&turns.0);
        assert!(
            queue.idle.len() == 1 && queue.users.waiting.is_empty() && queue.strangers.waiting.is_empty()
        );
    }
}
