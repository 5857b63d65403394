//! Runs a component, call by call.

use towpath_engine::conntrack::helper::{
    Helper, HelperContext, HelperEndpoint, HelperFailure, Inspection, Manifest, Site,
};
use wasmtime::{Store, Trap};

use super::{
    contract::{self, ConntrackHelper, ConntrackHelperPre, FUNCTIONS, INTERFACE, wit},
    error::Problem,
    limiter::Limiter,
    limits::{CONCERNS_CHECKED_EVERY, INSTANCE_FUEL_MAX, MEMORY_BYTES, START_FUEL},
    manifest,
};

/// A helper plugin.
pub struct Plugin {
    linked: ConntrackHelperPre<Limiter>,
    manifest: Manifest,
    /// What the component says of itself.
    declared: Manifest,
    hash: [u8; 32],
    /// Fuel that making an instance takes, always the same.
    start_fuel: u64,
    /// How often a payload was of no concern.
    unconcerned: u32,
    /// The most fuel that a call took since somebody has asked.
    fuel_most: u64,
    /// `None` after a failed call, until the next one.
    running: Option<Running>,
}

/// An instance and the store it lives in.
struct Running {
    store: Store<Limiter>,
    helper: ConntrackHelper,
    /// What it has been asked since it was made.
    seen: Seen,
}

/// What an instance has been asked, and so what its memory may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Nothing yet.
    Nothing,
    /// What is found in one payload.
    OnePayload,
    /// Payloads of any connections.
    Any,
}

impl Plugin {
    /// Starts a linked component and asks for its manifest.
    pub(super) fn start(linked: ConntrackHelperPre<Limiter>, hash: [u8; 32]) -> Result<Self, Problem> {
        let mut running = Running::start(&linked, *MEMORY_BYTES.end(), START_FUEL).map_err(|error| {
            match (error.problem(), error.failure) {
                // No trap, and memory enough: what is exported is not what the contract says.
                (Problem::DoesNotStart(_), HelperFailure::Contract) => {
                    Problem::WrongType(match odd_function(&linked) {
                        Some(function) => format!("`{function}`: {:#}", error.why),
                        None => format!("{:#}", error.why),
                    })
                }
                (problem, _) => problem,
            }
        })?;
        let start_fuel = START_FUEL.saturating_sub(running.store.get_fuel().unwrap_or_default());
        if start_fuel > INSTANCE_FUEL_MAX {
            return Err(Problem::StartsSlowly(start_fuel));
        }
        let start_fuel = start_fuel + FUEL_LEFT;
        let declared = running
            .call(START_FUEL, Seen::Any, |helper, store| helper.towpath_helper_conntrack().call_manifest(store))
            .map_err(Problem::DoesNotStart)?;
        let manifest = manifest::checked(declared).map_err(Problem::BadManifest)?;
        // Once more, now within its own bound.
        let running =
            Running::start(&linked, manifest.memory_bytes_max, start_fuel).map_err(|error| error.problem())?;
        let (declared, running) = (manifest.clone(), Some(running));
        Ok(Self { linked, declared, manifest, hash, start_fuel, unconcerned: 0, fuel_most: 0, running })
    }

    /// Holds it to a manifest that its operator has tightened: the engine reads that one, and calls have its fuel and
    /// memory.
    ///
    /// # Errors
    /// When the memory that is left is too little to start in.
    pub fn held_to(mut self, manifest: Manifest) -> Result<Self, Problem> {
        if manifest.memory_bytes_max != self.manifest.memory_bytes_max {
            let running = Running::start(&self.linked, manifest.memory_bytes_max, self.start_fuel);
            let running = running.map_err(|error| {
                let problem = error.problem();
                let is_tight = matches!(problem, Problem::DoesNotStart(HelperFailure::Memory));
                if is_tight { Problem::TightMemory(manifest.memory_bytes_max) } else { problem }
            })?;
            self.running = Some(running);
        }
        self.manifest = manifest;
        Ok(self)
    }

    /// What the instance's memories take, in bytes; 0 when there is no instance, after a failed call.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.running.as_ref().map_or(0, |running| running.store.data().memory_bytes())
    }

    /// What the last call took of its fuel; 0 after a failed call.
    #[must_use]
    pub fn fuel_spent(&self) -> u64 {
        let left = self.running.as_ref().and_then(|running| running.store.get_fuel().ok());
        left.map_or(0, |left| self.manifest.fuel_per_call.saturating_sub(left))
    }

    /// The most that a call took of its fuel since the last time, failed ones too.
    pub const fn take_fuel_most(&mut self) -> u64 {
        core::mem::replace(&mut self.fuel_most, 0)
    }

    /// Asks the instance that is there whether the payload is of concern, and if it is inspects in a new one: see the folder's
    /// `mod.rs`. If that fails, a new one is asked the same; what fails there, too, fails by its arguments alone, and counts.
    ///
    /// # Errors
    /// How it has failed; [`HelperFailure::Contract`] as well when what the instance has seen before shows in its answer.
    fn inspected(
        &mut self,
        context: wit::Context,
        state: Option<&[u8]>,
        payload: &[u8],
    ) -> Result<Option<wit::Inspection>, HelperFailure> {
        let concerns = self.call(Seen::Any, |helper, store| {
            helper.towpath_helper_conntrack().call_concerns(store, context, state, payload)
        });
        if concerns == Ok(false) {
            self.unconcerned = self.unconcerned.wrapping_add(1);
            if !self.unconcerned.is_multiple_of(CONCERNS_CHECKED_EVERY) {
                return Ok(None);
            }
        }
        self.running = None;
        if concerns != Ok(true) {
            let again = self.call(Seen::OnePayload, |helper, store| {
                helper.towpath_helper_conntrack().call_concerns(store, context, state, payload)
            })?;
            match (concerns, again) {
                (_, false) => return Ok(None),
                (Ok(_), true) => {
                    self.running = None;
                    return Err(HelperFailure::Contract);
                }
                (Err(_), true) => self.running = None,
            }
        }
        self.call(Seen::OnePayload, |helper, store| {
            helper.towpath_helper_conntrack().call_inspect(store, context, state, payload)
        })
    }

    /// Makes a call, after which an instance has seen so much; in a new one if the last call failed.
    fn call<T>(
        &mut self,
        seen: Seen,
        call: impl FnOnce(&ConntrackHelper, &mut Store<Limiter>) -> wasmtime::Result<T>,
    ) -> Result<T, HelperFailure> {
        let running = match &mut self.running {
            Some(running) => running,
            none => {
                let started = Running::start(&self.linked, self.manifest.memory_bytes_max, self.start_fuel);
                none.insert(started.map_err(|error| error.failure)?)
            }
        };
        let answer = running.call(self.manifest.fuel_per_call, seen, call);
        let left = running.store.get_fuel().unwrap_or_default();
        self.fuel_most = self.fuel_most.max(self.manifest.fuel_per_call.saturating_sub(left));
        if answer.is_err() {
            self.running = None;
        }
        answer
    }
}

impl Helper for Plugin {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn declared(&self) -> &Manifest {
        &self.declared
    }

    fn component_hash(&self) -> [u8; 32] {
        self.hash
    }

    fn inspect(&mut self, context: &HelperContext, state: &[u8], payload: &[u8]) -> Result<Inspection, HelperFailure> {
        let context = contract::context(context).ok_or(HelperFailure::Contract)?;
        let answer = self.inspected(context, contract::state(state), payload)?;
        Ok(answer.map_or_else(Inspection::default, contract::inspection))
    }

    fn render(
        &mut self,
        context: &HelperContext,
        state: &[u8],
        site: Site,
        translated: HelperEndpoint,
    ) -> Result<Vec<u8>, HelperFailure> {
        let context = contract::context(context).ok_or(HelperFailure::Contract)?;
        let (state, site, translated) = (contract::state(state), contract::site(site), contract::endpoint(translated));
        // The engine asks right after the inspection; whatever else may have come between shall not show.
        self.running.take_if(|running| running.seen == Seen::Any);
        self.call(Seen::OnePayload, |helper, store| {
            helper.towpath_helper_conntrack().call_render(store, context, state, site, translated)
        })
    }
}

/// Why there is no instance.
struct StartError {
    failure: HelperFailure,
    /// What wasmtime says.
    why: wasmtime::Error,
}

impl StartError {
    fn problem(&self) -> Problem {
        Problem::memory_short(&self.why).unwrap_or(Problem::DoesNotStart(self.failure))
    }
}

impl Running {
    fn start(linked: &ConntrackHelperPre<Limiter>, memory_bytes_max: u32, fuel: u64) -> Result<Self, StartError> {
        let mut store = Store::new(linked.engine(), Limiter::new(memory_bytes_max));
        store.limiter(|limiter| limiter);
        // An answer lies in the helper's memory, so it cannot rightly be larger.
        store.set_hostcall_fuel(usize::try_from(memory_bytes_max).unwrap_or(usize::MAX));
        let started = store.set_fuel(fuel).and_then(|()| linked.instantiate(&mut store));
        match started {
            Ok(helper) => Ok(Self { store, helper, seen: Seen::Nothing }),
            Err(error) => Err(StartError { failure: failure(&error, store.data()), why: error }),
        }
    }

    fn call<T>(
        &mut self,
        fuel: u64,
        seen: Seen,
        call: impl FnOnce(&ConntrackHelper, &mut Store<Limiter>) -> wasmtime::Result<T>,
    ) -> Result<T, HelperFailure> {
        self.seen = seen;
        self.store.data_mut().forget_denials();
        let answer = self.store.set_fuel(fuel).and_then(|()| call(&self.helper, &mut self.store));
        answer.map_err(|error| failure(&error, self.store.data()))
    }
}

/// Fuel that an instance has left when it is made: it is out of fuel when none is left.
const FUEL_LEFT: u64 = 1000;

/// What a call is told of a connection's state.
type State<'a> = Option<&'a [u8]>;

/// What a helper reads.
type Reading<'a> = (wit::Context, State<'a>, &'a [u8]);

/// The first function that has another type than the contract's; wasmtime's own error tells only the difference.
fn odd_function(linked: &ConntrackHelperPre<Limiter>) -> Option<&'static str> {
    let mut store = Store::new(linked.engine(), Limiter::new(*MEMORY_BYTES.end()));
    store.limiter(|limiter| limiter);
    store.set_fuel(START_FUEL).ok()?;
    let instance = linked.instance_pre().instantiate(&mut store).ok()?;
    let interface = instance.get_export_index(&mut store, None, INTERFACE)?;
    FUNCTIONS.into_iter().find(|name| {
        let function = instance.get_export_index(&mut store, Some(&interface), name);
        let function = function.and_then(|index| instance.get_func(&mut store, index));
        function.is_some_and(|function| !match *name {
            "manifest" => function.typed::<(), (wit::HelperManifest,)>(&store).is_ok(),
            "concerns" => function.typed::<Reading<'_>, (bool,)>(&store).is_ok(),
            "inspect" => function.typed::<Reading<'_>, (Option<wit::Inspection>,)>(&store).is_ok(),
            _ => function.typed::<(wit::Context, State<'_>, wit::Site, wit::Endpoint), (Vec<u8>,)>(&store).is_ok(),
        })
    })
}

/// What kind of failure it was. A helper that is denied memory traps, so that comes first; what is no trap at all is an
/// answer that wasmtime could not read.
fn failure(error: &wasmtime::Error, limiter: &Limiter) -> HelperFailure {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => HelperFailure::Fuel,
        Some(_) | None if limiter.has_denied() => HelperFailure::Memory,
        Some(_) => HelperFailure::Trap,
        None => HelperFailure::Contract,
    }
}
