//! Blocks of addresses in the configuration.

use std::net::IpAddr;

use ipnet::IpNet;

/// Why a text is not a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockFault {
    /// It is neither an address nor a block.
    NoAddress,
    /// It has bits after the prefix.
    BitsBeyond(IpNet),
}

/// Parses a block, or an address as a block of one. IPv4-mapped addresses become IPv4.
pub(super) fn parse(text: &str) -> Result<IpNet, BlockFault> {
    let single = text.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()));
    let block = single.or_else(|| text.parse().ok()).ok_or(BlockFault::NoAddress)?;
    if block.trunc() == block { Ok(block) } else { Err(BlockFault::BitsBeyond(block)) }
}

/// The message for a block with bits after its prefix.
pub(super) fn bits_beyond(text: &str, block: IpNet) -> String {
    format!("{text:?} has bits set beyond its {} fixed ones", block.prefix_len())
}
