//! `-j TEE`: a copy of the packet goes to another router (Linux v6.18: `net/netfilter/xt_TEE.c`;
//! `net/ipv4/netfilter/nf_dup_ipv4.c`, `nf_dup_ipv4()`).

use alloc::{borrow::ToOwned, format, string::String};
use core::net::IpAddr;

use super::{Next, Targeting};
use crate::{
    conntrack::Tracking,
    limits::COPIES_MAX,
    netfilter::{
        Hook, RuleId, View,
        error::Flaw,
        save::{
            options::{Given, Opt, Spec},
            values,
        },
        view::Copied,
    },
    packet::IpMut,
    wire::Ipv4Header,
};

/// Where the copy goes.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Tee {
    gateway: IpAddr,
    output: Option<String>,
}

impl Targeting for Tee {
    const SPEC: &'static Spec = &Spec { name: "TEE", options: &[Opt::value(&["gateway"]), Opt::value(&["oif"])] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let word = given.need("gateway", "`--gateway ADDRESS`")?.value();
        let gateway = values::host(&word.text, given.family).filter(|address| !address.is_unspecified());
        let gateway = gateway.ok_or_else(|| word.bad("the address of a router on a link of this host"))?;
        let output = match given.find("oif") {
            Some(item) if (1..=15).contains(&item.value().text.len()) => Some(item.value().text.to_owned()),
            Some(item) => return Err(item.value().bad("a device's name of 1 to 15 bytes")),
            None => None,
        };
        Ok(Self { gateway, output })
    }

    fn print(&self, out: &mut String) {
        out.push_str(&format!(" --gateway {}", self.gateway));
        if let Some(output) = &self.output {
            out.push_str(&format!(" --oif {output}"));
        }
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        let output = self.output.as_ref().map(|name| view.devices.by_name(name));
        // A copy is not copied again, and does not leave by a device that is not there.
        if view.packet.meta().is_copy || output == Some(None) || view.copies.len() >= COPIES_MAX {
            return Next::Rule;
        }
        let mut packet = view.packet.copy(view.pool);
        packet.strip_link();
        let meta = packet.meta_mut();
        (meta.tracking, meta.is_copy, meta.frame) = (Tracking::Untracked, true, 0);
        let one_less = u8::from(matches!(view.hook, Hook::Prerouting | Hook::Input));
        match packet.ip_mut() {
            Some(IpMut::V4(ip)) => {
                ip.flags_fragment.set(ip.flags_fragment.get() | Ipv4Header::DONT_FRAGMENT);
                ip.ttl = ip.ttl.wrapping_sub(one_less);
            }
            Some(IpMut::V6(ip)) => ip.hop_limit = ip.hop_limit.wrapping_sub(one_less),
            None => {}
        }
        packet.fill_ip_checksum();
        view.copies.push(Copied { packet, gateway: self.gateway, output: output.flatten() });
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}
