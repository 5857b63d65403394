//! What a `[[route]]` says of the way beside where it leads, and `[host.route]` of a scenario.

use towpath_engine::ip::{Metric, RouteMetrics};

use super::reader::{Fault, Table};

/// Reads them out of a table that may have other keys as well.
pub(crate) fn metrics(table: Table<'_>) -> Result<RouteMetrics, Fault> {
    let mut metrics = RouteMetrics::NONE;
    for metric in Metric::ALL {
        let Some(value) = table.find(metric.name) else { continue };
        let said = if metric.is_switch() {
            value.boolean()?.into()
        } else {
            value.number((*metric.range.start()).into()..=(*metric.range.end()).into())? as u32
        };
        let is_right = metric.say(&mut metrics, said);
        debug_assert!(is_right, "{said} is within the range of {}", metric.name);
    }
    take_locks(table, &mut metrics)?;
    Ok(metrics)
}

/// Whether what they say is locked.
fn take_locks(table: Table<'_>, metrics: &mut RouteMetrics) -> Result<(), Fault> {
    for (name, key, expected) in LOCKS {
        let Some(lock) = table.find(key) else { continue };
        let is_locked = lock.boolean()?;
        if is_locked && table.find(name).is_none() {
            return Err(lock.expected(expected));
        }
        let can_be = Metric::by_name(name).is_some_and(|metric| metric.say_lock(metrics, is_locked));
        debug_assert!(can_be, "{name} has no lock");
    }
    Ok(())
}

/// What can be locked, the key for it, and what a lock must be where that is not said.
const LOCKS: [(&str, &str, &str); 6] = [
    ("mtu", "mtu_lock", "left out where there is no 'mtu'"),
    ("rtt", "rtt_lock", "left out where there is no 'rtt'"),
    ("rttvar", "rttvar_lock", "left out where there is no 'rttvar'"),
    ("ssthresh", "ssthresh_lock", "left out where there is no 'ssthresh'"),
    ("cwnd", "cwnd_lock", "left out where there is no 'cwnd'"),
    ("reordering", "reordering_lock", "left out where there is no 'reordering'"),
];

/// The keys.
pub(crate) const METRICS: &[&str] = &[
    "mtu",
    "mtu_lock",
    "rtt",
    "rtt_lock",
    "rttvar",
    "rttvar_lock",
    "ssthresh",
    "ssthresh_lock",
    "cwnd",
    "cwnd_lock",
    "advmss",
    "reordering",
    "reordering_lock",
    "initcwnd",
    "initrwnd",
    "rto_min",
    "quickack",
    "fastopen_no_cookie",
];

#[cfg(test)]
mod tests {
    use towpath_engine::ip::Locks;

    use super::*;
    use crate::config::Config;

    fn read(said: &str) -> Result<RouteMetrics, String> {
        let text = format!("[[route]]\nto = 'default'\nkind = 'prohibit'\n{said}");
        Config::read("g.toml", &text).map(|config| config.routes[0].metrics).map_err(|error| error.to_string())
    }

    #[test]
    fn each_key_says_what_it_is_named_for() {
        let all = "mtu = 1400\nmtu_lock = true\nrtt = 80\nrtt_lock = true\nrttvar = 40\nrttvar_lock = true\nssthresh = 20\n\
                   ssthresh_lock = true\ncwnd = 30\ncwnd_lock = true\nreordering = 7\nreordering_lock = true\nadvmss = 600\ninitcwnd = 11\ninitrwnd = 4\nrto_min = 5\nquickack = true\n\
                   fastopen_no_cookie = true";
        let expected = RouteMetrics {
            mtu_bytes: Some(1400),
            is_mtu_locked: true,
            rtt_ms: Some(80),
            rttvar_ms: Some(40),
            ssthresh: Some(20),
            cwnd: Some(30),
            reordering: Some(7),
            locks: [Locks::RTT, Locks::RTTVAR, Locks::SSTHRESH, Locks::CWND, Locks::REORDERING]
                .iter()
                .fold(Locks::NONE, |locks, lock| locks.with(*lock, true)),
            advmss_bytes: Some(600),
            initcwnd: Some(11),
            rto_min_ms: Some(5),
            initrwnd: Some(4),
            quickack: true,
            fastopen_no_cookie: true,
        };
        assert_eq!(read(all), Ok(expected));
        assert_eq!(read("quickack = false\nmtu_lock = false"), Ok(RouteMetrics::NONE));
        assert!(Metric::ALL.iter().all(|metric| METRICS.contains(&metric.name)));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (said, expected) in [
            ("advmss = 35", "g.toml:4:10: 'advmss' must be a number from 36 to 65495, not 35"),
            ("initcwnd = 0", "g.toml:4:12: 'initcwnd' must be a number from 1 to 65535, not 0"),
            ("quickack = 1", "g.toml:4:12: 'quickack' must be true or false, not 1"),
            ("mtu_lock = true", "g.toml:4:12: 'mtu_lock' must be left out where there is no 'mtu', not true"),
            ("cwnd_lock = true", "g.toml:4:13: 'cwnd_lock' must be left out where there is no 'cwnd', not true"),
            ("rtt = 0", "g.toml:4:7: 'rtt' must be a number from 1 to 120000, not 0"),
        ] {
            assert_eq!(read(said), Err(expected.to_owned()));
        }
        for key in ["hoplimit = 5", "advmss_lock = true"] {
            let expected = format!("g.toml:4:1: [[route]] has no key '{}'", key.split(' ').next().unwrap());
            assert!(read(key).unwrap_err().starts_with(&expected), "{key}");
        }
    }
}
