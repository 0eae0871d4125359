//! Which addresses are in use, and by which sandbox. The sandboxes' records say it too: that is where the next process
//! has it from.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::range::Range;

#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// The sandbox that has an address.
    holders: BTreeMap<IpAddr, String>,
    /// What was taken last of IPv4 and of IPv6: the next one comes after it, so that an address rests before it is
    /// another pod's.
    last: [Option<IpAddr>; 2],
}

impl Addresses {
    /// Takes an address for a sandbox; `None` when all are in use.
    pub(super) fn take(&mut self, range: &Range, sandbox: &str) -> Option<IpAddr> {
        let last = self.last[usize::from(!range.is_ipv4())];
        let free = range.candidates(last).find(|address| !self.holders.contains_key(address))?;
        self.hold(free, sandbox);
        Some(free)
    }

    /// Notes an address that a sandbox has already.
    pub(super) fn hold(&mut self, address: IpAddr, sandbox: &str) {
        self.last[usize::from(!address.is_ipv4())] = Some(address);
        self.holders.insert(address, sandbox.to_owned());
    }

    /// Gives back what a sandbox has of these.
    pub(super) fn give_back(&mut self, addresses: &[IpAddr], sandbox: &str) {
        for address in addresses {
            if self.holders.get(address).is_some_and(|holder| holder == sandbox) {
                self.holders.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_rests_before_it_is_given_again_and_only_its_holder_gives_it_back() {
        let range = Range::parse_all("10.1.0.0/29").expect("a range")[0];
        let mut addresses = Addresses::default();
        let at = |last: u8| IpAddr::from([10, 1, 0, last]);
        addresses.hold(at(3), "found");
        assert_eq!(addresses.take(&range, "a"), Some(at(4)));
        addresses.give_back(&[at(4)], "b");
        addresses.give_back(&[at(3)], "found");
        let rest: Vec<_> = (0..4).map(|_| addresses.take(&range, "c")).collect();
        assert_eq!(rest, [Some(at(5)), Some(at(6)), Some(at(2)), Some(at(3))]);
        assert_eq!(addresses.take(&range, "d"), None);
        addresses.give_back(&[at(4), at(4)], "a");
        assert_eq!(addresses.take(&range, "d"), Some(at(4)));
    }
}
