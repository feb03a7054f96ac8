//! The streams that run here, by name; where new ones begin, within the limits.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use parking_lot::Mutex;
use perennial_ledger::{Ask, Reservation, VirtualKey};
use perennial_log::{Entry, Kind, MaxBatchBytes, StreamId, Writer};
use perennial_protocol::ErrorKind;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::promise::{Promise, Promises};
use super::{Generation, Opened, Running, Stop};
use crate::access::Owner;
use crate::limits::MaxReaders;
use crate::presence::Presence;
use crate::record::Order;
use crate::refusal::Refusal;
use crate::service::Service;

/// The largest request, whatever the limit of bodies: what stands with it in its record takes some room as well.
const MOST_BYTES: usize = MaxBatchBytes::MOST.get() - (1 << 20);

/// The streams that run here.
#[derive(Debug, Default)]
pub(crate) struct Live {
    state: Mutex<State>,
    promises: Promises,
    /// The tasks, for those who wait until the last has ended.
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<StreamId, Arc<Running>>,
    owners: HashMap<Owner, usize>,
}

/// What runs here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Census {
    /// No upstream has begun to answer.
    pub(crate) waiting: usize,
    pub(crate) running: usize,
    pub(crate) recovering: usize,
    pub(crate) readers: usize,
}

/// A stream that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) running: Arc<Running>,
    /// The first reader, where there is one from the beginning.
    pub(crate) presence: Option<Presence>,
    pub(crate) kept: Kept,
    /// Ready once the upstream has answered.
    pub(crate) opened: oneshot::Receiver<Opened>,
}

/// That a stream's request is in the log, once it is.
#[derive(Debug)]
pub(crate) struct Kept(oneshot::Receiver<Result<(), Refusal>>);

/// A stream's place among those that run; given back when this is dropped.
pub(crate) struct Place {
    service: Arc<Service>,
    running: Arc<Running>,
}

impl Kept {
    pub(crate) async fn wait(self) -> Result<(), Refusal> {
        self.0.await.unwrap_or_else(|_| Err(Refusal::vanished()))
    }
}

impl Live {
    pub(crate) fn get(&self, id: StreamId) -> Option<Arc<Running>> {
        self.state.lock().streams.get(&id).cloned()
    }

    /// A new stream's name, to be told before the stream begins.
    pub(crate) fn promise(&self) -> Promise {
        self.promises.make()
    }

    /// Ready once the stream of that name is in the log, or does not come.
    pub(crate) async fn decided(&self, id: StreamId) {
        self.promises.decided(id).await;
    }

    /// Begins a stream. All of it happens in its own task: a client that leaves in between leaves no stream behind that nobody makes.
    pub(crate) fn begin(
        service: &Arc<Service>,
        order: Order,
        credential: HeaderMap,
        key: Option<&Arc<VirtualKey>>,
        has_reader: bool,
    ) -> Result<Begun, Refusal> {
        // Nobody knows the name before it is in the log.
        Self::begin_named(StreamId::new(), None, service, order, credential, key, has_reader)
    }

    /// Begins a stream under a name that somebody may know already, and that nobody reads yet.
    pub(crate) fn begin_as(
        promise: Promise,
        service: &Arc<Service>,
        order: Order,
        credential: HeaderMap,
        key: Option<&Arc<VirtualKey>>,
    ) -> Result<Begun, Refusal> {
        Self::begin_named(promise.stream(), Some(promise), service, order, credential, key, false)
    }

    fn begin_named(
        id: StreamId,
        promise: Option<Promise>,
        service: &Arc<Service>,
        order: Order,
        credential: HeaderMap,
        key: Option<&Arc<VirtualKey>>,
        has_reader: bool,
    ) -> Result<Begun, Refusal> {
        if order.body.len() > MOST_BYTES {
            let message = format!("the request is larger than this gateway's log takes, {MOST_BYTES} bytes");
            return Err(Refusal::new(413, ErrorKind::RequestTooLarge, message));
        }
        let reservation = Self::reserve(service, key, &order)?;
        let running = Running::new(id, order.owner.clone(), order.model.clone(), order.policy);
        let place = Place::take(service, running)?;
        let running = Arc::clone(&place.running);
        // The first is within any limit.
        let presence = if has_reader { running.enter(MaxReaders(usize::MAX)) } else { None };
        let order = Box::new(order);
        let (tell_kept, kept) = oneshot::channel();
        let (tell_opened, opened) = oneshot::channel();
        service.live.tasks.spawn(async move {
            let request = [Entry::new(Kind::Request, order.encode())];
            let created = Writer::create(&place.service.log, place.running.id, None, &request).await;
            drop((request, promise));
            match created {
                Ok(writer) => {
                    // Whoever waited may have left.
                    let _ = tell_kept.send(Ok(()));
                    Generation::new(place, writer, credential, reservation, Some(tell_opened))
                        .run(Some(order))
                        .await;
                }
                Err(error) => {
                    let _ = tell_kept.send(Err(Refusal::of_log(&error)));
                    let _ = tell_opened.send(Opened::Refused(Refusal::of_log(&error)));
                }
            }
        });
        Ok(Begun { running, presence, kept: Kept(kept), opened })
    }

    /// Holds what the request could use at most. Here, so that no way to a stream goes past it.
    fn reserve(
        service: &Service,
        key: Option<&Arc<VirtualKey>>,
        order: &Order,
    ) -> Result<Option<Reservation>, Refusal> {
        let Some(ledger) = &service.ledger else { return Ok(None) };
        let ask = Ask::of(&order.body).detached(order.policy.outlives_readers());
        ledger.reserve(key, &ask).map(Some).map_err(|denied| Refusal::of_denied(&denied))
    }

    /// Goes on with a stream that a process before this one left. Nobody is there who has a credential.
    pub(crate) fn go_on(place: Place, writer: Writer) {
        let service = Arc::clone(&place.service);
        let generation = Generation::new(place, writer, HeaderMap::new(), None, None);
        service.live.tasks.spawn(generation.run(None));
    }

    /// How many run, in which states, and how many read them.
    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        for running in self.state.lock().streams.values() {
            census.readers += running.readers();
            let state = if running.is_recovering() {
                &mut census.recovering
            } else if running.progress().usage.is_some() {
                &mut census.running
            } else {
                &mut census.waiting
            };
            *state += 1;
        }
        census
    }

    /// Asks all that runs to stop.
    pub(crate) fn stop_all(&self) {
        for running in self.state.lock().streams.values() {
            running.stop(Stop::Shutdown);
        }
    }

    /// Ready when none runs any more. Nothing may begin afterwards.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Place {
    /// A place for a stream, if its owner and the gateway have one left.
    pub(crate) fn take(service: &Arc<Service>, running: Running) -> Result<Self, Refusal> {
        let limits = &service.limits;
        let mut state = service.live.state.lock();
        if state.streams.len() >= limits.streams.0 {
            let message =
                format!("the gateway runs as many streams as it may, {}; try again soon", limits.streams.0);
            return Err(Refusal::new(503, ErrorKind::Overloaded, message));
        }
        let own = state.owners.entry(running.owner.clone()).or_default();
        if *own >= limits.streams_per_key.0 {
            let message = format!(
                "this key has as many streams running as it may, {}; wait for one to end, or stop one",
                limits.streams_per_key.0
            );
            return Err(Refusal::new(429, ErrorKind::RateLimit, message));
        }
        *own += 1;
        let running = Arc::new(running);
        state.streams.insert(running.id, Arc::clone(&running));
        drop(state);
        Ok(Self { service: Arc::clone(service), running })
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    pub(crate) fn running(&self) -> &Arc<Running> {
        &self.running
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.service.live.state.lock();
        state.streams.remove(&self.running.id);
        if let Some(own) = state.owners.get_mut(&self.running.owner) {
            *own -= 1;
            if *own == 0 {
                state.owners.remove(&self.running.owner);
            }
        }
        drop(state);
        self.service.traces.ended(self.running.id);
        self.running.set_ended();
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({})", self.running.id)
    }
}
