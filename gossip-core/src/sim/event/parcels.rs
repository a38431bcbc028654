//! Where datagrams lie while they are on their way: memory that is used again and again.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Datagrams under way. Each lies in a block of the least power of two that holds it and its
/// length; blocks of one size lie in one array. Memory is kept, so its most is what was under way
/// at once.
#[derive(Debug, Default)]
pub(super) struct Parcels {
    sizes: Box<[Blocks; SIZES]>,
}

/// The blocks of one size.
#[derive(Debug, Default)]
struct Blocks {
    bytes: Vec<u8>,
    free: Vec<u32>,
    /// Blocks ever used.
    count: u32,
}

/// A datagram's place: its block's size class in the upper bits, the block's number in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parcel(u32);

/// The smallest block: 32 bytes.
const SMALLEST: u32 = 5;
/// Size classes: up to 128 KiB, more than any datagram.
const SIZES: usize = 13;
/// Bits of a block's number: 2^28 blocks, 8 GiB of the smallest ones.
const NUMBER: u32 = 28;
/// Bytes of the length before a datagram.
const LEN: usize = 4;

impl Parcels {
    /// Puts `datagram` down; `None` if it is longer than any datagram can be, or there is no room
    /// for more of its size.
    #[inline]
    pub(super) fn put(&mut self, datagram: &[u8]) -> Option<Parcel> {
        let class = (datagram.len() + LEN).next_power_of_two().ilog2().max(SMALLEST) - SMALLEST;
        let blocks = self.sizes.get_mut(class as usize)?;
        let size = 1 << (class + SMALLEST);
        let number = match blocks.free.pop() {
            Some(number) => number,
            None if blocks.count >> NUMBER == 0 => {
                let end = blocks.bytes.len() + size;
                blocks.bytes.resize(end, 0);
                blocks.count += 1;
                blocks.count - 1
            }
            None => return None,
        };
        let (len, rest) = blocks.bytes[number as usize * size..][..size].split_at_mut(LEN);
        len.copy_from_slice(&(datagram.len() as u32).to_le_bytes());
        rest[..datagram.len()].copy_from_slice(datagram);
        Some(Parcel(class << NUMBER | number))
    }

    /// The datagram at `parcel`, which must not have been dropped.
    #[inline]
    pub(super) fn get(&self, parcel: Parcel) -> &[u8] {
        let (class, number) = parcel.split();
        let size = 1 << (class as u32 + SMALLEST);
        let block = &self.sizes[class].bytes[number as usize * size..][..size];
        match block.split_first_chunk::<LEN>() {
            Some((&len, rest)) => &rest[..u32::from_le_bytes(len) as usize],
            None => &[],
        }
    }

    /// Frees the place of `parcel`.
    #[inline]
    pub(super) fn drop(&mut self, parcel: Parcel) {
        let (class, number) = parcel.split();
        self.sizes[class].free.push(number);
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        self.sizes.iter().map(|size| size.bytes.capacity() + 4 * size.free.capacity()).sum()
    }
}

impl Parcel {
    const fn split(self) -> (usize, u32) {
        ((self.0 >> NUMBER) as usize, self.0 & ((1 << NUMBER) - 1))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    /// Every length up to the longest comes back as it was, whatever was put and dropped between.
    #[test]
    fn parcels_keep_what_is_put_into_them() {
        let mut parcels = Parcels::default();
        let datagram =
            |len: usize| -> Vec<u8> { (0..len).map(|at| (at * 7 + len) as u8).collect() };
        let lens = [0, 1, 27, 28, 29, 60, 61, 1_200, 65_507, 131_068];
        for _ in 0..3 {
            let put: Vec<_> = lens.iter().filter_map(|&len| parcels.put(&datagram(len))).collect();
            assert_eq!(put.len(), lens.len());
            for (&len, &parcel) in lens.iter().zip(&put) {
                assert_eq!(parcels.get(parcel), datagram(len), "{len} bytes");
            }
            let bytes = parcels.bytes();
            put.iter().rev().for_each(|&parcel| parcels.drop(parcel));
            assert!(parcels.bytes() <= bytes + 4 * 4 * SIZES, "nothing grows when used again");
        }
    }

    #[test]
    fn what_is_longer_than_any_datagram_is_refused() {
        assert_eq!(Parcels::default().put(&vec![0; 131_069]), None);
    }
}
