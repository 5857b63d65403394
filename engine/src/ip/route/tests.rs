//! Which route wins, and what stands in its place.

use alloc::{string::String, vec};

use proptest::prelude::*;

use super::*;
use crate::{
    device::{Device, InterfaceAddress},
    wire::MacAddr,
};

fn devices() -> Devices {
    let mut devices = Devices::default();
    for (name, address) in [("lan", [10, 0, 0, 1]), ("wan", [203, 0, 113, 1])] {
        devices.add(Device {
            name: String::from(name),
            mac: MacAddr::UNSPECIFIED,
            mtu_bytes: 1500,
            addresses: vec![InterfaceAddress { address: IpAddr::from(address), prefix: 24 }],
            any_destination: false,
            arp: true,
            ..Device::default()
        });
    }
    devices
}

fn route(destination: [u8; 4], prefix: u8, device: u16) -> Route {
    let kind = RouteKind::Unicast { device: DeviceId(device), via: None };
    Route::new(IpAddr::from(destination), prefix, kind)
}

fn way(routes: &Routes, destination: [u8; 4]) -> Option<u16> {
    match routes.from_here(&devices(), IpAddr::from(destination), None) {
        Fate::Forward(hop) => Some(hop.device.0),
        Fate::Local | Fate::Nowhere(_) => None,
    }
}

#[test]
fn the_longest_prefix_wins() {
    let mut routes = Routes::default();
    assert!(routes.add(route([0, 0, 0, 0], 0, 1)));
    assert!(routes.add(route([10, 0, 0, 0], 8, 0)));
    assert!(routes.add(route([10, 9, 0, 0], 16, 1)));
    assert_eq!(way(&routes, [10, 1, 1, 1]), Some(0));
    assert_eq!(way(&routes, [10, 9, 1, 1]), Some(1));
    assert_eq!(way(&routes, [192, 0, 2, 1]), Some(1));
}

#[test]
fn a_route_is_added_once_and_the_lesser_metric_wins() {
    let mut routes = Routes::default();
    assert!(routes.add(Route { metric: 20, ..route([10, 0, 0, 7], 8, 0) }));
    assert!(!routes.add(Route { metric: 20, ..route([10, 0, 0, 9], 8, 0) }));
    assert!(routes.add(Route { metric: 10, ..route([10, 0, 0, 0], 8, 1) }));
    assert_eq!(way(&routes, [10, 1, 1, 1]), Some(1));
}

#[test]
fn the_least_mtu_of_route_and_device_holds() {
    let mut routes = Routes::default();
    routes.add(Route { metrics: RouteMetrics::of_mtu(Some(1400)), ..route([10, 0, 0, 0], 8, 0) });
    routes.add(Route { metrics: RouteMetrics::of_mtu(Some(9000)), ..route([11, 0, 0, 0], 8, 0) });
    for (destination, expected) in [([10, 1, 1, 1], 1400), ([11, 1, 1, 1], 1500)] {
        let Fate::Forward(hop) = routes.from_here(&devices(), IpAddr::from(destination), None) else {
            panic!("no way")
        };
        assert_eq!(hop.mtu_bytes, expected);
    }
}

#[test]
fn a_route_takes_the_place_of_the_same_one_and_of_no_other() {
    let mut routes = Routes::default();
    assert!(routes.replace(route([10, 0, 0, 0], 8, 0)));
    let before = routes.changes();
    assert!(routes.replace(Route { metrics: RouteMetrics::of_mtu(Some(1400)), ..route([10, 0, 0, 9], 8, 1) }));
    assert_ne!(routes.changes(), before);
    assert!(routes.replace(Route { metric: 20, ..route([10, 0, 0, 0], 8, 0) }));
    assert_eq!((way(&routes, [10, 1, 1, 1]), routes.all().count()), (Some(1), 2));
    assert_eq!(routes.metrics_towards(IpAddr::from([10, 1, 1, 1])).mtu_bytes, Some(1400));
    assert_eq!(routes.metrics_towards(IpAddr::from([11, 1, 1, 1])), RouteMetrics::NONE);
}

#[test]
fn routes_that_do_not_all_fit_are_not_taken_together() {
    let mut routes = Routes::default();
    let at = |number: u32| (number, route(number.to_be_bytes(), 32, 0));
    routes.v4.routes = (0..ROUTES_MAX as u32 - 1).map(at).collect();
    let new = [1, 2].map(|last| route([10, 9, last, 0], 24, 1));
    assert!(new.iter().all(|route| routes.takes(route)));
    assert!(!routes.takes_all(&new), "there is room for one");
    assert!(routes.takes_all(&[new[0], new[0], at(7).1]), "what is there, or comes twice, takes no room");
}

proptest! {
    #[test]
    fn bisection_finds_what_a_walk_finds(
        networks in proptest::collection::vec((any::<[u8; 4]>(), 0_u8..=32), 0..40), destination: [u8; 4],
    ) {
        let mut routes = Routes::default();
        for (index, (network, prefix)) in networks.iter().enumerate() {
            routes.add(Route { metric: index as u32, ..route(*network, *prefix, 0) });
        }
        let counted = routes.v4.lengths.clone();
        routes.v4.index_lengths();
        prop_assert_eq!(&routes.v4.lengths, &counted);
        let destination = IpAddr::from(destination);
        let walked = routes.all().find(|route| prefix::agree(destination, route.destination, route.prefix));
        prop_assert_eq!(routes.longest(destination), walked);
    }

    #[test]
    fn a_search_in_one_family_never_finds_a_route_of_the_other(v4: [u8; 4], v6: [u8; 16], prefix in 0_u8..=32) {
        let mut routes = Routes::default();
        routes.add(route(v4, prefix, 0));
        prop_assert_eq!(routes.longest(IpAddr::from(v6)), None);
        routes.add(Route { destination: IpAddr::from(v6), ..route([0; 4], prefix * 4, 1) });
        prop_assert_eq!(routes.longest(IpAddr::from(v6)).map(|found| found.prefix), Some(prefix * 4));
        prop_assert_eq!(routes.longest(IpAddr::from(v4)).map(|found| found.prefix), Some(prefix));
    }
}
