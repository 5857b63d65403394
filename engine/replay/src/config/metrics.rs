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
    if let Some(lock) = table.find("mtu_lock") {
        metrics.is_mtu_locked = lock.boolean()?;
        if metrics.is_mtu_locked && metrics.mtu_bytes.is_none() {
            return Err(lock.expected("left out where there is no 'mtu'"));
        }
    }
    Ok(metrics)
}

/// The keys.
pub(crate) const METRICS: &[&str] =
    &["mtu", "mtu_lock", "advmss", "initcwnd", "initrwnd", "rto_min", "quickack", "fastopen_no_cookie"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn read(said: &str) -> Result<RouteMetrics, String> {
        let text = format!("[[route]]\nto = 'default'\nkind = 'prohibit'\n{said}");
        Config::read("g.toml", &text).map(|config| config.routes[0].metrics).map_err(|error| error.to_string())
    }

    #[test]
    fn each_key_says_what_it_is_named_for() {
        let all = "mtu = 1400\nmtu_lock = true\nadvmss = 600\ninitcwnd = 11\ninitrwnd = 4\nrto_min = 5\nquickack = true\n\
                   fastopen_no_cookie = true";
        let expected = RouteMetrics {
            mtu_bytes: Some(1400),
            is_mtu_locked: true,
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
        ] {
            assert_eq!(read(said), Err(expected.to_owned()));
        }
        assert!(read("rtt = 5").unwrap_err().starts_with("g.toml:4:1: [[route]] has no key 'rtt'"));
    }
}
