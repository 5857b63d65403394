//! From text to the options of a host's hardware.

use core::time::Duration;

use towpath_engine::device::napi::{
    ByteLimitOptions, Coalescing, Costs, Mode, NicOptions, Options, SoftirqOptions, Steering,
};

use super::{conversation::size, lapse};
use crate::config::{Fault, Mistake, Table, Value};

/// Options with one NIC, which stands for all of the host's; `gathers`: it does.
pub(super) fn hardware(value: Value<'_>, gathers: bool) -> Result<Options, Fault> {
    let table = value.table("'hardware'", HARDWARE, &[])?;
    let options = Options {
        cpus: number(&table, "cpus", 1)? as u16,
        costs: table.find("costs").map_or_else(|| Ok(Costs::default()), costs)?,
        softirq: softirq(&table)?,
        nics: vec![NicOptions { gathers, ..nic(&table)? }],
    };
    options.check().map_err(|error| value.fault(Mistake::Hardware(error)))?;
    Ok(options)
}

fn costs(value: Value<'_>) -> Result<Costs, Fault> {
    let (table, known) = (value.table("'costs'", COSTS, &[])?, Costs::default());
    Ok(Costs {
        interrupt: time(&table, "interrupt", known.interrupt)?,
        poll: time(&table, "poll", known.poll)?,
        packet: time(&table, "packet", known.packet)?,
        enqueue: time(&table, "enqueue", known.enqueue)?,
        complete: time(&table, "complete", known.complete)?,
    })
}

fn softirq(table: &Table<'_>) -> Result<SoftirqOptions, Fault> {
    let mut options = SoftirqOptions::default();
    let budget = &mut options.budget;
    budget.frames = number(table, "netdev_budget", budget.frames as u64)? as usize;
    budget.time = micros(table, "netdev_budget_usecs", budget.time)?;
    options.dev_weight = number(table, "dev_weight", options.dev_weight as u64)? as usize;
    options.max_backlog = number(table, "netdev_max_backlog", options.max_backlog as u64)? as usize;
    options.process_slice = time(table, "process_slice", options.process_slice)?;
    Ok(options)
}

fn nic(table: &Table<'_>) -> Result<NicOptions, Fault> {
    let known = NicOptions::default();
    let queues = number(table, "queues", known.queues.into())? as u16;
    let mut steering = Steering::even(queues);
    if let Some(value) = table.find("rps_cpus") {
        for cpu in value.list()? {
            steering.rps_cpus |= 1 << cpu.number(0..=63)?;
        }
    }
    let gro_flush_timeout = time(table, "gro_flush_timeout", known.gro_flush_timeout)?;
    if let Some(value) = table.find("gro_flush_timeout").filter(|_| (NANO..FLUSH_MIN).contains(&gro_flush_timeout)) {
        return Err(value.expected("\"0s\", or at least \"1us\""));
    }
    Ok(NicOptions {
        mode: mode(table)?,
        queues,
        rx_ring: number(table, "rx", known.rx_ring.into())? as u16,
        tx_ring: number(table, "tx", known.tx_ring.into())? as u16,
        gathers: known.gathers,
        byte_limits: table.find("byte_queue_limits").map_or(Ok(known.byte_limits), byte_limits)?,
        coalescing: coalescing(table, known.coalescing)?,
        steering,
        napi_defer_hard_irqs: number(table, "napi_defer_hard_irqs", 0)? as u32,
        gro_flush_timeout,
        busy_read: micros(table, "busy_read", known.busy_read)?,
    })
}

fn mode(table: &Table<'_>) -> Result<Mode, Fault> {
    let frames = table.find("interrupt_frames");
    let mode = match table.find("mode").map_or(Ok("napi"), Value::text)? {
        "interrupt" => Mode::Interrupt { frames: number(table, "interrupt_frames", 1)? as u16 },
        "napi" => Mode::Napi,
        "busy-poll" => Mode::BusyPoll,
        "prefer-busy-poll" => Mode::PreferBusyPoll,
        _ => {
            let known = "\"interrupt\", \"napi\", \"busy-poll\" or \"prefer-busy-poll\"";
            return Err(table.need("mode")?.expected(known));
        }
    };
    match frames {
        Some(frames) if !matches!(mode, Mode::Interrupt { .. }) => {
            Err(frames.fault(Mistake::Beside { key: "interrupt_frames", other: "mode" }))
        }
        Some(_) | None => Ok(mode),
    }
}

fn byte_limits(value: Value<'_>) -> Result<Option<ByteLimitOptions>, Fault> {
    let mut options = ByteLimitOptions::default();
    if let Ok(are_there) = value.boolean() {
        return Ok(are_there.then_some(options));
    }
    if !value.is_table() {
        return Err(value.expected(LIMITS_EXPECTED));
    }
    let table = value.table("'byte_queue_limits'", LIMITS, &[])?;
    for (key, number) in [("limit_min", &mut options.min), ("limit_max", &mut options.max)] {
        if let Some(value) = table.find(key) {
            let bytes = size(value)?;
            *number = u32::try_from(bytes).map_err(|_| value.expected("below \"4 GiB\""))?;
        }
    }
    options.hold_time = time(&table, "hold_time", options.hold_time)?;
    Ok(Some(options))
}

/// One of two numbers alone says that the other does not count.
fn coalescing(table: &Table<'_>, known: Coalescing) -> Result<Coalescing, Fault> {
    let flag = |key| table.find(key).map_or(Ok(false), Value::boolean);
    let frames = |usecs, known: u32| if table.find(usecs).is_some() { 0 } else { known.into() };
    Ok(Coalescing {
        rx_usecs: number(table, "rx_usecs", known.rx_usecs.into())? as u32,
        rx_frames: number(table, "rx_frames", frames("rx_usecs", known.rx_frames))? as u32,
        tx_usecs: number(table, "tx_usecs", known.tx_usecs.into())? as u32,
        tx_frames: number(table, "tx_frames", frames("tx_usecs", known.tx_frames))? as u32,
        adaptive_rx: flag("adaptive_rx")?,
        cqe_mode_rx: flag("cqe_mode_rx")?,
    })
}

/// A number that fits; its own range is the model's to say.
fn number(table: &Table<'_>, key: &'static str, default: u64) -> Result<u64, Fault> {
    table.find(key).map_or(Ok(default), |value| value.number(0..=NUMBER_MAX))
}

fn time(table: &Table<'_>, key: &'static str, default: Duration) -> Result<Duration, Fault> {
    table.find(key).map_or(Ok(default), lapse)
}

fn micros(table: &Table<'_>, key: &'static str, default: Duration) -> Result<Duration, Fault> {
    Ok(Duration::from_micros(number(table, key, default.as_micros() as u64)?))
}

/// What each number fits into.
const NUMBER_MAX: u64 = 65_535;

const NANO: Duration = Duration::from_nanos(1);
/// The shortest time that interrupts are put off for: shorter ones would be nothing but timers.
const FLUSH_MIN: Duration = Duration::from_micros(1);
const COSTS: &[&str] = &["interrupt", "poll", "packet", "enqueue", "complete"];
const LIMITS: &[&str] = &["limit_min", "limit_max", "hold_time"];
const LIMITS_EXPECTED: &str = "true, false, or a table: { limit_min = 0, limit_max = \"64 KiB\", hold_time = \"1s\" }";
const HARDWARE: &[&str] = &[
    "mode",
    "interrupt_frames",
    "cpus",
    "costs",
    "queues",
    "rx",
    "rx_usecs",
    "rx_frames",
    "tx",
    "byte_queue_limits",
    "tx_usecs",
    "tx_frames",
    "adaptive_rx",
    "cqe_mode_rx",
    "napi_defer_hard_irqs",
    "gro_flush_timeout",
    "busy_read",
    "rps_cpus",
    "dev_weight",
    "netdev_budget",
    "netdev_budget_usecs",
    "netdev_max_backlog",
    "process_slice",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Scenario;

    fn read(hardware: &str, load: &str) -> Result<Scenario, String> {
        let text = format!(
            "until = \"1s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\nhardware = {hardware}\n[[link]]\nbetween = [\"a\", \"b\"]\n[[load]]\nfrom = \"a\"\nto = \"b\"\n{load}\n"
        );
        Scenario::read("s.toml", &text).map_err(|error| error.to_string())
    }

    #[test]
    fn each_key_says_what_it_is_named_for() {
        let text = "{ mode = \"busy-poll\", cpus = 3, costs = { interrupt = \"2us\", poll = \"3ns\", packet = \"4ns\", enqueue = \"5ns\", complete = \"6ns\" }, queues = 2, rx = 100, rx_usecs = 7, tx = 200, byte_queue_limits = { limit_min = 1500, limit_max = \"64 KiB\", hold_time = \"2ms\" }, tx_usecs = 8, tx_frames = 9, adaptive_rx = true, cqe_mode_rx = true, napi_defer_hard_irqs = 8, gro_flush_timeout = \"9us\", busy_read = 10, rps_cpus = [0, 2], dev_weight = 11, netdev_budget = 12, netdev_budget_usecs = 13, netdev_max_backlog = 14, process_slice = \"15us\" }";
        let found = read(text, "rates = [1000]").unwrap_or_else(|error| panic!("{error}"));
        let options = found.hosts[1].hardware.as_ref().expect("hardware");
        let micros = Duration::from_micros;
        assert_eq!((found.hosts[0].hardware.as_ref(), options.cpus), (None, 3));
        let [poll, packet, enqueue, complete] = [3, 4, 5, 6].map(Duration::from_nanos);
        assert_eq!(options.costs, Costs { interrupt: micros(2), poll, packet, enqueue, complete });
        let budget = options.softirq.budget;
        assert_eq!(
            (budget.weight, budget.frames, budget.time),
            (64, 12, micros(13)),
            "a queue's weight is its driver's"
        );
        let softirq = &options.softirq;
        assert_eq!((softirq.dev_weight, softirq.max_backlog, softirq.process_slice), (11, 14, micros(15)));
        let nic = &options.nics[0];
        assert_eq!((nic.mode, nic.queues, nic.rx_ring, nic.tx_ring), (Mode::BusyPoll, 2, 100, 200));
        let limits = ByteLimitOptions { min: 1500, max: 65_536, hold_time: micros(2000) };
        assert_eq!(nic.byte_limits, Some(limits));
        let coalescing =
            Coalescing { rx_usecs: 7, rx_frames: 0, tx_usecs: 8, tx_frames: 9, adaptive_rx: true, cqe_mode_rx: true };
        assert_eq!(nic.coalescing, coalescing, "of two numbers, the other does not count");
        assert_eq!((nic.napi_defer_hard_irqs, nic.gro_flush_timeout, nic.busy_read), (8, micros(9), micros(10)));
        assert_eq!(nic.steering, Steering { rps_cpus: 0b101, ..Steering::even(2) });
        let load = &found.loads[0];
        assert_eq!((load.packets, load.frame_bytes, load.flows, load.name.as_str()), (5000, 60, 1, "load 1"));
    }

    #[test]
    fn of_a_feature_that_is_told_under_both_its_names_the_last_one_says_whether_frames_are_gathered() {
        let gathers = |features: &str| {
            let found = read(&format!("{{}}\nfeatures = {{ {features} }}"), "rates = [1]");
            let hosts = found.unwrap_or_else(|error| panic!("{error}")).hosts;
            hosts[1].hardware.as_ref().is_some_and(|hardware| hardware.nics[0].gathers)
        };
        assert!(!gathers("tx = true, tx-checksumming = false"));
        assert!(gathers("tx = false, tx-checksumming = true"));
        assert!(!gathers("tx-checksumming = false, tx = true"), "they are in the order of their names");
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (hardware, load, expected) in [
            (
                "{ mode = \"dma\" }",
                "rates = [1]",
                "s.toml:6:21: 'mode' must be \"interrupt\", \"napi\", \"busy-poll\" or \"prefer-busy-poll\", not \"dma\"",
            ),
            ("{ interrupt_frames = 2 }", "rates = [1]", "s.toml:6:33: 'interrupt_frames' cannot stand beside 'mode'"),
            ("{ rx = 0 }", "rates = [1]", "s.toml:6:12: this hardware cannot be: rx ring must be 1 to 16384"),
            (
                "{ rx_frames = 0 }",
                "rates = [1]",
                "s.toml:6:12: this hardware cannot be: without rx-usecs, rx-frames must be 1 to the size of the ring: no interrupt would ever come",
            ),
            (
                "{ byte_queue_limits = 1 }",
                "rates = [1]",
                "s.toml:6:34: 'byte_queue_limits' must be true, false, or a table: { limit_min = 0, limit_max = \"64 KiB\", hold_time = \"1s\" }, not 1",
            ),
            (
                "{ byte_queue_limits = { limit_min = 2, limit_max = 1 } }",
                "rates = [1]",
                "s.toml:6:12: this hardware cannot be: limit_max must be 2 to 4294967295",
            ),
            (
                "{ tx_frames = 513 }",
                "rates = [1]",
                "s.toml:6:12: this hardware cannot be: without tx-usecs, tx-frames must be 1 to 512, the least frames of a full ring: it would stay so",
            ),
            (
                "{ rps_cpus = 1 }",
                "rates = [1]",
                "s.toml:6:12: this hardware cannot be: rps_cpus names a CPU that is not there",
            ),
            (
                "{ tx_frames = 29 }\nfeatures = { tx = true }",
                "rates = [1]",
                "s.toml:6:12: this hardware cannot be: without tx-usecs, tx-frames must be 1 to 28, the least frames of a full ring: it would stay so",
            ),
            (
                "{ tx = 17 }\nfeatures = { tx = true }",
                "rates = [1]",
                "s.toml:6:12: this hardware cannot be: tx ring must be 18 to 16384",
            ),
            ("{ rx = 70_000 }", "rates = [1]", "s.toml:6:19: 'rx' must be a number from 0 to 65535, not 70000"),
            ("{}", "rates = []", "s.toml:12:9: 'rates' must be a list of 1 to 100 rates, not a list"),
            ("{}", "rates = [1]\nframe = 1515", "s.toml:13:9: 'frame' must be a number from 42 to 1514, not 1515"),
            (
                "{}\n[[host]]\nname = \"c\"\nhardware = {}",
                "rates = [1]\nframe = 60\n[[load]]\nfrom = \"a\"\nto = \"c\"\nrates = 1",
                "s.toml:19:6: 'to' must be a host to which links lead from 'from', not \"c\"",
            ),
            (
                "{}",
                "rates = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]\npackets = 1_000_000",
                "s.toml:12:9: 'rates' must be so few, and 'packets' too, that all loads have 20000000 packets at most, not a list",
            ),
            (
                "{ gro_flush_timeout = \"999ns\" }",
                "rates = [1]",
                "s.toml:6:34: 'gro_flush_timeout' must be \"0s\", or at least \"1us\", not \"999ns\"",
            ),
            ("{}", "rates = [0]", "s.toml:12:10: 'rates' must be a number from 1 to 100000000, not 0"),
            ("{}", "rates = [1]\nframe = 41", "s.toml:13:9: 'frame' must be a number from 42 to 1514, not 41"),
        ] {
            assert_eq!(read(hardware, load).expect_err("it has a mistake"), expected, "{hardware} {load}");
        }
    }
}
