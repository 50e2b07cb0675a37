//! Blocks of addresses as an operator writes them.

use std::net::IpAddr;

use ipnet::IpNet;

/// Why a text is no block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockFault {
    /// It is neither an address nor a block.
    NoAddress,
    /// It says bits beyond those that it fixes.
    BitsBeyond(IpNet),
}

/// Reads an address, which is a block of one, or a block; IPv4 in the form of IPv6 is IPv4.
pub(super) fn parse(text: &str) -> Result<IpNet, BlockFault> {
    let single = text.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()));
    let block = single.or_else(|| text.parse().ok()).ok_or(BlockFault::NoAddress)?;
    if block.trunc() == block { Ok(block) } else { Err(BlockFault::BitsBeyond(block)) }
}

/// What is wrong with a block that says bits beyond those that it fixes.
pub(super) fn bits_beyond(text: &str, block: IpNet) -> String {
    format!("{text:?} has bits set beyond its {} fixed ones", block.prefix_len())
}
