//! Orders to the kernel's network: a message, its attributes, and the kernel's word on it (`linux/rtnetlink.h`).

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

/// More than any answer that we ask for: the kernel repeats the message that it refuses.
const ANSWER_BYTES_MAX: usize = 8192;
const HEADER_BYTES: usize = 16;

const IFINFO_BYTES: usize = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_BRPORT_MODE: u16 = 4;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_GATEWAY: u16 = 5;

/// The network of the namespace in which it was opened.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self { socket })
    }

    /// Makes a bridge that is up.
    pub(super) fn add_bridge(&self, name: &str, hardware: [u8; 6]) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, CREATE, &link_head(0, UP));
        message.text(IFLA_IFNAME, name);
        message.attribute(IFLA_ADDRESS, &hardware);
        message.nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, "bridge"));
        self.ask(message)
    }

    /// Makes a pair of links: one here that is up and a port of a bridge, one in another namespace.
    pub(super) fn add_pair(&self, here: &str, bridge: u32, there: &str, namespace: BorrowedFd<'_>) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWLINK, CREATE, &link_head(0, UP));
        message.text(IFLA_IFNAME, here);
        message.attribute(IFLA_MASTER, &bridge.to_ne_bytes());
        message.nest(IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_KIND, "veth");
            info.nest(IFLA_INFO_DATA, |data| {
                data.nest(VETH_INFO_PEER, |peer| {
                    peer.0.extend(link_head(0, 0));
                    peer.text(IFLA_IFNAME, there);
                    peer.attribute(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
                });
            });
        });
        self.ask(message)
    }

    /// Lets a port of a bridge send back what came in by it. A write to the file of that name does the same, but spins
    /// while anybody else changes the network.
    pub(super) fn set_hairpin(&self, link: u32) -> io::Result<()> {
        let mut head = link_head(link, 0);
        head[0] = libc::AF_BRIDGE as u8;
        let mut message = Message::new(libc::RTM_SETLINK, 0, &head);
        message.nest(IFLA_PROTINFO | libc::NLA_F_NESTED as u16, |port| port.attribute(IFLA_BRPORT_MODE, &[1]));
        self.ask(message)
    }

    pub(super) fn set_up(&self, link: u32) -> io::Result<()> {
        self.ask(Message::new(libc::RTM_NEWLINK, 0, &link_head(link, UP)))
    }

    /// Deletes a link by its name; one that is not there is no error.
    pub(super) fn delete_link(&self, name: &str) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_DELLINK, 0, &link_head(0, 0));
        message.text(IFLA_IFNAME, name);
        match self.ask(message) {
            Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => Ok(()),
            result => result,
        }
    }

    /// Gives a link an address; one that it has is no error.
    pub(super) fn add_address(&self, link: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        // Nobody else can have the address: it is used at once, without looking for others that do.
        let flags = if address.is_ipv6() { libc::IFA_F_NODAD as u8 } else { 0 };
        let mut head = vec![family(address), prefix, flags, libc::RT_SCOPE_UNIVERSE];
        head.extend(link.to_ne_bytes());
        let mut message = Message::new(libc::RTM_NEWADDR, CREATE, &head);
        message.attribute(IFA_LOCAL, &bytes(address));
        message.attribute(IFA_ADDRESS, &bytes(address));
        match self.ask(message) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }

    /// Sends everything that has no nearer route to a gateway.
    pub(super) fn add_default_route(&self, gateway: IpAddr) -> io::Result<()> {
        let kinds = [libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST];
        let mut head = vec![family(gateway), 0, 0, 0];
        head.extend(kinds);
        head.extend(0_u32.to_ne_bytes());
        let mut message = Message::new(libc::RTM_NEWROUTE, CREATE, &head);
        message.attribute(RTA_GATEWAY, &bytes(gateway));
        self.ask(message)
    }

    /// Sends a message and waits for the kernel's word.
    fn ask(&self, message: Message) -> io::Result<()> {
        send(self.socket.as_raw_fd(), &message.finish(), MsgFlags::empty())?;
        let mut answer = [0; ANSWER_BYTES_MAX];
        let length = recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        let code = answer.get(..length).and_then(|answer| answer.get(HEADER_BYTES..HEADER_BYTES + 4));
        let code = code.and_then(|bytes| Some(i32::from_ne_bytes(bytes.try_into().ok()?)));
        match code {
            Some(0) => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(-code)),
            None => Err(io::Error::other("the kernel's answer is cut off")),
        }
    }
}

const UP: u32 = libc::IFF_UP as u32;
const CREATE: u16 = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;

/// What begins every message about a link: its number, flags to set.
fn link_head(index: u32, flags: u32) -> [u8; IFINFO_BYTES] {
    let mut head = [0; IFINFO_BYTES];
    head[4..8].copy_from_slice(&index.to_ne_bytes());
    head[8..12].copy_from_slice(&flags.to_ne_bytes());
    head[12..16].copy_from_slice(&flags.to_ne_bytes());
    head
}

fn family(address: IpAddr) -> u8 {
    (if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// A message in the making: a header whose length is set at the end, a fixed part, attributes.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16, head: &[u8]) -> Self {
        let flags = flags | (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
        let mut message = vec![0; HEADER_BYTES];
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message[6..8].copy_from_slice(&flags.to_ne_bytes());
        message.extend(head);
        Self(message)
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |message| message.0.extend(value));
    }

    fn text(&mut self, kind: u16, value: &str) {
        self.nest(kind, |message| {
            message.0.extend(value.bytes());
            message.0.push(0);
        });
    }

    /// An attribute of what is added meanwhile, padded to whole words.
    fn nest(&mut self, kind: u16, add: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.0.extend([0; 4]);
        add(self);
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_nested_and_padded() {
        let mut message = Message::new(libc::RTM_DELLINK, 0, &link_head(7, UP));
        message.nest(IFLA_LINKINFO, |info| info.text(IFLA_INFO_KIND, "veth"));
        let bytes = message.finish();
        let words: Vec<u32> =
            bytes.chunks_exact(4).map(|word| u32::from_ne_bytes(word.try_into().expect("four bytes"))).collect();
        let header = [48, u32::from(libc::RTM_DELLINK) | 5 << 16, 0, 0];
        let head = [0, 7, 1, 1];
        let info = [16 | u32::from(IFLA_LINKINFO) << 16, 9 | u32::from(IFLA_INFO_KIND) << 16];
        let name = [u32::from_ne_bytes(*b"veth"), 0];
        assert_eq!(words, [&header[..], &head, &info, &name].concat());
    }
}
