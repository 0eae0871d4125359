//! Addresses for pods: each runtime has a subnet of its own and hands out its host addresses in turn, so that an
//! address just given back is the last to be used again.
//!
//! A runtime that was given no subnet takes `10.x.y.0/24` by the number at the end of its node's name (`host01` has
//! `10.244.1.0/24`), or by a hash of the name, so that the nodes of one cluster rarely meet. When a subnet is full the
//! addresses go on in a range of 4,096 of class E (`240.0.0.0/4`) that belongs to the same subnet.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use crate::ids::hash_text;

/// How many addresses a runtime has beyond its subnet.
const OVERFLOW: u32 = 4096;

/// A range of IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    base: u32,
    prefix: u8,
}

impl Subnet {
    /// The subnet of a node that was given none.
    pub(crate) fn of_node(name: &str) -> Self {
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let number = match name[name.len() - digits..].parse::<u64>() {
            Ok(number) => number,
            Err(_) => hash_text(0, name),
        };
        // 10.244.0.0 is the first, as with kubeadm's usual pod network; past 10.255.255.0 it goes on at 10.0.0.0.
        let index = ((244 << 8) + number % 65_536) % 65_536;
        let index = u32::try_from(index).unwrap_or(0);
        Self { base: (10 << 24) | (index << 8), prefix: 24 }
    }

    /// How many addresses hosts can have: neither the first nor the last.
    const fn hosts(self) -> u32 {
        match self.prefix {
            32 => 1,
            31 => 2,
            0 => u32::MAX - 1,
            prefix => (1 << (32 - prefix)) - 2,
        }
    }

    const fn host(self, number: u32) -> Ipv4Addr {
        let first = if self.prefix >= 31 { 0 } else { 1 };
        let hosts = self.hosts();
        if number < hosts {
            Ipv4Addr::from_bits(self.base + first + number)
        } else {
            let index = (self.base >> 8) & 0xffff;
            Ipv4Addr::from_bits((240 << 24) + index * OVERFLOW + (number - hosts))
        }
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not an IPv4 subnet such as 10.244.1.0/24");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let mask = match prefix {
            0 => 0,
            1..=32 => u32::MAX << (32 - prefix),
            _ => return Err(wrong()),
        };
        Ok(Self { base: address.to_bits() & mask, prefix })
    }
}

/// The addresses of one runtime: which are in use, and where to look next.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    subnet: Option<Subnet>,
    used: Vec<u64>,
    next: u32,
}

/// An address that a pod has: its number in the subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(u32);

impl Addresses {
    pub(crate) fn new(subnet: Option<Subnet>) -> Self {
        Self { subnet, ..Self::default() }
    }

    /// Takes the subnet of the node when none was given.
    pub(crate) fn on_node(&mut self, name: &str) {
        self.subnet.get_or_insert_with(|| Subnet::of_node(name));
    }

    /// The next free address, or `None` when all are used.
    pub(crate) fn take(&mut self) -> Option<Address> {
        let hosts = self.subnet?.hosts();
        let free = |used: &[u64], from: u32, to: u32| (from..to).find(|&number| !bit(used, number));
        let number = free(&self.used, self.next, hosts)
            .or_else(|| free(&self.used, 0, self.next.min(hosts)))
            .or_else(|| free(&self.used, hosts, hosts.saturating_add(OVERFLOW)))?;
        self.next = if number + 1 >= hosts { 0 } else { number + 1 };
        let word = number as usize / 64;
        if self.used.len() <= word {
            self.used.resize(word + 1, 0);
        }
        self.used[word] |= 1 << (number % 64);
        Some(Address(number))
    }

    pub(crate) fn give_back(&mut self, address: Address) {
        if let Some(word) = self.used.get_mut(address.0 as usize / 64) {
            *word &= !(1 << (address.0 % 64));
        }
    }

    pub(crate) fn ip(&self, address: Address) -> Option<IpAddr> {
        Some(IpAddr::V4(self.subnet?.host(address.0)))
    }
}

fn bit(words: &[u64], number: u32) -> bool {
    words.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(addresses: &mut Addresses) -> String {
        let address = addresses.take().expect("an address is free");
        addresses.ip(address).expect("the subnet is known").to_string()
    }

    #[test]
    fn addresses_are_used_in_turn_and_go_on_beyond_a_full_subnet() {
        let mut addresses = Addresses::new(Some("10.244.3.9/30".parse().expect("a subnet")));
        assert_eq!(take(&mut addresses), "10.244.3.9");
        let second = addresses.take().expect("free");
        addresses.give_back(second);
        assert_eq!(take(&mut addresses), "10.244.3.10", "the only free one in the subnet");
        assert_eq!(take(&mut addresses), "255.64.48.0");
    }

    #[test]
    fn a_node_has_its_subnet_by_its_name() {
        for (name, subnet) in [("host01", "10.244.1.0/24"), ("node-4999", "10.7.135.0/24"), ("w0", "10.244.0.0/24")] {
            assert_eq!(Subnet::of_node(name), subnet.parse().expect("a subnet"), "{name}");
        }
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "x/8"] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
    }
}
