//! What a gateway without packets answers.

use super::*;

/// Lists numbers.
pub(super) struct Numbers {
    pub(super) count: u32,
    pub(super) pages: u32,
    pub(super) state: Vec<u8>,
    /// Those that were forgotten.
    pub(super) forgotten: Vec<u64>,
    /// Those that were changed, and how.
    pub(super) revised: Vec<(u64, Revision)>,
    pub(super) rules: String,
    /// What a device was told.
    pub(super) features: String,
    pub(super) tunables: String,
    /// Who gets the helper that is being made, and how long its component is.
    pub(super) made: Option<(Sender<Made>, Receiver<usize>)>,
    pub(super) sets: Vec<KnownSet>,
    /// How often it was asked what rules may name.
    pub(super) named: u32,
    /// How often it has gathered something that is written down.
    pub(super) gathered: u32,
    /// While this is locked nothing is written down.
    pub(super) pen: Arc<Mutex<()>>,
    /// Which threads have dropped what was refused.
    pub(super) dropped_by: Sender<ThreadId>,
}

/// A state that is read, but not taken.
pub(super) const OF_ANOTHER_GATEWAY: &[u8] = b"another";

/// Says which thread drops it.
struct Refused(Sender<ThreadId>);

impl Drop for Refused {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().id());
    }
}

impl Numbers {
    pub(super) fn new(count: u32) -> Self {
        Self {
            count,
            pages: 0,
            state: (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect(),
            forgotten: Vec::new(),
            revised: Vec::new(),
            rules: String::new(),
            features: String::new(),
            tunables: String::new(),
            made: None,
            sets: Vec::new(),
            named: 0,
            gathered: 0,
            pen: Arc::default(),
            dropped_by: channel().0,
        }
    }

    /// Has gathered something, which is written down when there is a pen.
    fn write(&mut self, write: impl FnOnce() -> Vec<u8> + Send + 'static) -> Writing {
        self.gathered += 1;
        let pen = Arc::clone(&self.pen);
        Box::new(move || {
            drop(pen.lock());
            write()
        })
    }
}

impl Answers for Numbers {
    type Cursor = u32;
    type Successor = Vec<u8>;

    fn report(&mut self) -> Report {
        Report { uptime_ns: Duration::from_secs(7).as_nanos() as u64, ..Report::default() }
    }

    fn count(&mut self, topic: Topic) -> u64 {
        assert_eq!(topic, Topic::Connections);
        u64::from(self.count) - self.forgotten.len() as u64
    }

    fn tracking(&mut self) -> Counted {
        Counted { created: 3, ..Counted::default() }
    }

    fn newest(&mut self, _: Topic) -> u64 {
        self.count.into()
    }

    fn forget(&mut self, _: Topic, condemned: &Condemned, after: Option<u32>) -> Forgotten<u32> {
        let from = after.map_or(0, |last| last + 1);
        let to = self.count.min(from + 10);
        let before = self.forgotten.len();
        let is_there = |number: &u64| condemned.holds(*number) && !self.forgotten.contains(number);
        let gone: Vec<u64> = (u64::from(from)..u64::from(to)).filter(is_there).collect();
        self.forgotten.extend(gone);
        ((self.forgotten.len() - before) as u64, (to < self.count).then(|| to - 1))
    }

    fn revise(&mut self, revision: &Revision, which: &Condemned, after: Option<u32>) -> Forgotten<u32> {
        let from = after.map_or(0, |last| last + 1);
        let to = self.count.min(from + 10);
        let meant = (u64::from(from)..u64::from(to)).filter(|number| which.holds(*number));
        let before = self.revised.len();
        self.revised.extend(meant.map(|number| (number, *revision)));
        ((self.revised.len() - before) as u64, (to < self.count).then(|| to - 1))
    }

    fn save(&mut self) -> Writing {
        let state = self.state.clone();
        self.write(move || state)
    }

    fn reader(&mut self) -> Reading<Result<Vec<u8>, String>> {
        Box::new(|bytes| match bytes {
            b"nonsense" => Err("this is no snapshot".to_owned()),
            state => Ok(state.to_vec()),
        })
    }

    fn load(&mut self, successor: Vec<u8>) -> Result<Waste, (String, Waste)> {
        if successor == OF_ANOTHER_GATEWAY {
            return Err(("it is of another gateway".to_owned(), Box::new(Refused(self.dropped_by.clone()))));
        }
        Ok(Box::new(std::mem::replace(&mut self.state, successor)))
    }

    fn save_rules(&mut self, family: Family, counters: bool) -> Writing {
        let text = format!("{family:?} {counters} {}", self.rules);
        self.write(move || text.into_bytes())
    }

    fn list_rules(&mut self, family: Family, table: TableName, options: ListOptions) -> Writing {
        self.write(move || format!("{family:?} {table:?} {options:?}").into_bytes())
    }

    fn show_sets(&mut self, name: Option<&str>, how: SetListing) -> Writing {
        let told = format!("{name:?} {how:?}");
        self.write(move || told.into_bytes())
    }

    fn recent(&mut self, name: Option<&str>) -> Result<String, String> {
        Ok(format!("{name:?}"))
    }

    fn names(&mut self) -> Names {
        self.named += 1;
        Names { sets: self.sets.clone(), ..Names::default() }
    }

    fn replace_rules(&mut self, rules: RuleSet) -> Waste {
        self.rules = rules.save(false);
        Box::new(rules)
    }

    fn zero_rules(&mut self, _: Family, _: Option<TableName>) {
        self.rules.clear();
    }

    fn tunables(&mut self) -> String {
        self.tunables.clone()
    }

    fn set_tunable(&mut self, name: &str, values: &[u32]) -> Result<(), String> {
        if name.is_empty() {
            return Err("there is no such tunable".to_owned());
        }
        self.tunables = format!("{name} = {values:?}");
        Ok(())
    }

    fn features(&mut self, device: &str) -> Result<String, String> {
        if device == "lan" { Ok(self.features.clone()) } else { Err(format!("there is no device '{device}'")) }
    }

    fn hardware(&mut self, facts: Facts, device: &str) -> Result<String, String> {
        if device == "lan" { Ok(format!("{facts:?}\n")) } else { Err(format!("there is no device '{device}'")) }
    }

    fn bonds(&mut self, name: Option<&str>) -> Result<String, String> {
        name.is_none_or(|name| name == "bond0").then(|| "bond0\n".into()).ok_or("there is no bond".into())
    }

    fn destinations(&mut self, network: Option<(std::net::IpAddr, u8)>) -> String {
        format!("{network:?}\n")
    }

    fn forget_destinations(&mut self, network: Option<(std::net::IpAddr, u8)>) -> u64 {
        network.map_or(100, |(_, len)| len.into())
    }

    fn set_features(&mut self, device: &str, features: &[(String, bool)]) -> Result<Switched, String> {
        self.features = format!("{device} {features:?}");
        Ok(Switched { text: "Actual changes:\n".to_owned(), is_refused: true })
    }

    fn helpers(&mut self) -> Vec<Loaded> {
        Vec::new()
    }

    fn is_shipped(&mut self, helper: &NewHelper, component: &[u8]) -> Result<bool, String> {
        let is_shipped = component == SHIPPED;
        if is_shipped && helper.replaces { Err("it is not loaded".to_owned()) } else { Ok(is_shipped) }
    }

    fn maker(&mut self, _: &str) -> Reading<Made> {
        let ((made, making), (tell, len)) = (channel(), channel());
        self.made = Some((made, len));
        Box::new(move |component| {
            tell.send(component.len()).unwrap();
            making.recv().unwrap_or_else(|_| Err("nobody makes it".to_owned()))
        })
    }

    fn load_helper(&mut self, helper: &NewHelper, _: Plugin) -> Result<Loaded, String> {
        Err(format!("{} is never made here", helper.name))
    }

    fn unload_helper(&mut self, name: &str) -> Result<u64, String> {
        if name == "ftp" { Ok(3) } else { Err(format!("no helper '{name}' is loaded")) }
    }

    fn page(&mut self, listing: Listing, after: Option<u32>, tell: &mut dyn FnMut(&Reply)) -> Option<u32> {
        assert_eq!(listing, Listing::of(Topic::Connections));
        let from = after.map_or(0, |last| last + 1);
        if from == self.count {
            return None;
        }
        self.pages += 1;
        let to = self.count.min(from + 10);
        (from..to).for_each(|number| tell(&connection(number)));
        Some(to - 1)
    }
}

/// A connection with that number.
pub(super) fn connection(number: u32) -> Reply {
    Reply::Connection(Box::new(Entry {
        serial: number.into(),
        original: Tuple::default(),
        reply: Tuple::default(),
        status: Status::default(),
        zone: Zone::DEFAULT,
        timeout_secs: Some(30),
        tcp: None,
        sctp: None,
        helper: None,
        policy: None,
        mark: None,
        master: None,
        adjustments: None,
        counters: None,
        life: None,
        labels: None,
        uses: None,
    }))
}

/// The component that is brought along.
pub(super) const SHIPPED: &[u8] = b"shipped";
