//! What is remembered of other hosts, as `ip tcp_metrics` prints it (iproute2 6.1: `ip/tcp_metrics.c`).

use std::{fmt::Write as _, net::IpAddr};

use towpath_engine::{Command, Engine, Instant, Reply, ip::prefix, tcp::Destination};

/// A line for each host in that network, or for all.
pub(crate) fn text(engine: &Engine, now: Instant, network: Option<(IpAddr, u8)>) -> String {
    let is_asked_for = |address| network.is_none_or(|(network, len)| prefix::agree(network, address, len));
    let all = engine.destinations(now).filter(|known| is_asked_for(known.address));
    all.fold(String::new(), |mut text, known| {
        text.push_str(&line(&known));
        text.push('\n');
        text
    })
}

/// Forgets those; tells how many they were.
pub(crate) fn forget(engine: &mut Engine, now: Instant, network: Option<(IpAddr, u8)>) -> u64 {
    let reply = engine.handle_command(now, Command::ForgetDestinations(network));
    if let Ok(Reply::Forgotten(count)) = reply { count as u64 } else { 0 }
}

/// A network, or an address alone.
///
/// # Errors
/// When it is none.
pub fn parse(text: &str) -> Result<(IpAddr, u8), String> {
    let wrong = || format!("'{text}' is no address, and no network such as 10.0.0.0/8");
    let (address, len) = text.split_once('/').map_or((text, None), |(address, len)| (address, Some(len)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let longest = prefix::longest(address);
    let len = len.map_or(Ok(longest), str::parse).map_err(|_| wrong())?;
    if len <= longest { Ok((address, len)) } else { Err(wrong()) }
}

fn line(known: &Destination) -> String {
    let mut line = format!("{} age {:.3}sec", known.address, known.age.as_secs_f64());
    let numbers = [
        ("ssthresh", u128::from(known.threshold), ""),
        ("cwnd", known.window.into(), ""),
        ("reordering", known.reordering.into(), ""),
        ("rtt", known.rtt.as_micros(), "us"),
        ("rttvar", known.deviation.as_micros(), "us"),
        ("fo_mss", known.fast_open_mss.unwrap_or(0).into(), ""),
    ];
    for (name, number, unit) in numbers.into_iter().filter(|(_, number, _)| *number > 0) {
        _ = write!(line, " {name} {number}{unit}");
    }
    if let Some(cookie) = &known.cookie {
        line.push_str(" fo_cookie ");
        cookie.as_slice().iter().for_each(|byte| _ = write!(line, "{byte:02x}"));
    }
    _ = write!(line, " source {}", known.source);
    line
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use towpath_engine::wire::FastOpenCookie;

    use super::*;

    const NOTHING: Destination = Destination {
        address: IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 2)),
        source: IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 1)),
        age: Duration::from_millis(108),
        threshold: 0,
        window: 0,
        reordering: 0,
        rtt: Duration::ZERO,
        deviation: Duration::ZERO,
        fast_open_mss: None,
        cookie: None,
    };

    #[test]
    fn hosts_are_told_of_in_the_words_of_iproute2() {
        // Lines of iproute2 6.1 on Linux 6.18.44.
        let micros = Duration::from_micros;
        let cookie = FastOpenCookie::new(&0x4593_6dd1_ed72_04a8_u64.to_be_bytes());
        let learned = Destination { window: 10, rtt: micros(4684), deviation: micros(8836), ..NOTHING };
        for (known, expected) in [
            (NOTHING, "10.9.0.2 age 0.108sec source 10.9.0.1"),
            (
                Destination { threshold: 73, age: Duration::from_millis(560), reordering: 7, ..learned },
                "10.9.0.2 age 0.560sec ssthresh 73 cwnd 10 reordering 7 rtt 4684us rttvar 8836us source 10.9.0.1",
            ),
            (
                Destination { rtt: Duration::ZERO, age: Duration::from_secs(2), ..learned },
                "10.9.0.2 age 2.000sec cwnd 10 rttvar 8836us source 10.9.0.1",
            ),
            (
                Destination { fast_open_mss: Some(1460), cookie, ..learned },
                "10.9.0.2 age 0.108sec cwnd 10 rtt 4684us rttvar 8836us fo_mss 1460 fo_cookie 45936dd1ed7204a8 source 10.9.0.1",
            ),
        ] {
            assert_eq!(line(&known), expected);
        }
    }

    #[test]
    fn a_network_is_an_address_with_or_without_the_length_of_its_prefix() {
        assert_eq!(parse("10.0.0.0/8"), Ok((IpAddr::from([10, 0, 0, 0]), 8)));
        assert_eq!(parse("10.9.0.2"), Ok((IpAddr::from([10, 9, 0, 2]), 32)));
        assert_eq!(parse("fd09::/64"), Ok(("fd09::".parse().unwrap(), 64)));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "host", "fd09::/129", "10.0.0.1/"] {
            let expected = format!("'{wrong}' is no address, and no network such as 10.0.0.0/8");
            assert_eq!(parse(wrong), Err(expected));
        }
    }
}
