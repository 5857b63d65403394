//! Pointers that become slices. What is null is `EFAULT`, unless nothing is asked of it; what leads elsewhere is the caller's to answer
//! for.
#![expect(unsafe_code, reason = "the C interface")]

use std::{ffi::c_void, net::SocketAddr};

use libc::{iovec, sockaddr, socklen_t};
use packet_scripts::system::Errno;

use crate::address;

/// Bytes that may be read.
///
/// # Safety
/// The pointer is null, or leads to so many bytes that nobody writes to meanwhile.
pub(super) unsafe fn bytes<'a>(at: *const c_void, len: usize) -> Result<&'a [u8], Errno> {
    if len == 0 {
        return Ok(&[]);
    }
    if at.is_null() || len > isize::MAX as usize {
        return Err(Errno::BAD_ADDRESS);
    }
    // SAFETY: the caller says so of what is not null.
    Ok(unsafe { std::slice::from_raw_parts(at.cast(), len) })
}

/// Bytes that may be written.
///
/// # Safety
/// The pointer is null, or leads to so many bytes that have values and that nobody else uses meanwhile.
pub(super) unsafe fn bytes_mut<'a>(at: *mut c_void, len: usize) -> Result<&'a mut [u8], Errno> {
    if len == 0 {
        return Ok(&mut []);
    }
    if at.is_null() || len > isize::MAX as usize {
        return Err(Errno::BAD_ADDRESS);
    }
    // SAFETY: the caller says so of what is not null.
    Ok(unsafe { std::slice::from_raw_parts_mut(at.cast(), len) })
}

/// What one pointer leads to.
///
/// # Safety
/// The pointer is null, or leads to a value that nobody writes to meanwhile.
pub(super) unsafe fn one<'a, T>(at: *const T) -> Result<&'a T, Errno> {
    // SAFETY: the caller says so.
    unsafe { at.as_ref() }.ok_or(Errno::BAD_ADDRESS)
}

/// What one pointer leads to, to be changed.
///
/// # Safety
/// The pointer is null, or leads to a value that nobody else uses meanwhile.
pub(super) unsafe fn one_mut<'a, T>(at: *mut T) -> Result<&'a mut T, Errno> {
    // SAFETY: the caller says so.
    unsafe { at.as_mut() }.ok_or(Errno::BAD_ADDRESS)
}

/// Several values behind one another.
///
/// # Safety
/// The pointer is null, or leads to so many values that nobody else uses meanwhile.
pub(super) unsafe fn several<'a, T>(at: *mut T, count: usize) -> Result<&'a mut [T], Errno> {
    if count == 0 {
        return Ok(&mut []);
    }
    if at.is_null() || count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Errno::BAD_ADDRESS);
    }
    // SAFETY: the caller says so of what is not null.
    Ok(unsafe { std::slice::from_raw_parts_mut(at, count) })
}

/// The bytes of all parts, one behind the other.
///
/// # Safety
/// As [`bytes`], of the parts and of each of them.
pub(super) unsafe fn gather(parts: *const iovec, count: usize) -> Result<Vec<u8>, Errno> {
    // SAFETY: the caller says so; nothing is written to them.
    let parts = unsafe { several(parts.cast_mut(), count) }?;
    let mut all = Vec::new();
    for part in parts {
        // SAFETY: the caller says so of each.
        all.extend_from_slice(unsafe { bytes(part.iov_base, part.iov_len) }?);
    }
    Ok(all)
}

/// How many bytes all parts hold.
///
/// # Safety
/// As [`bytes`], of the parts.
pub(super) unsafe fn room(parts: *const iovec, count: usize) -> Result<usize, Errno> {
    // SAFETY: the caller says so; nothing is written to them.
    let parts = unsafe { several(parts.cast_mut(), count) }?;
    parts.iter().try_fold(0_usize, |sum, part| sum.checked_add(part.iov_len)).ok_or(Errno::INVALID)
}

/// Puts bytes into parts, one behind the other, as far as they have room.
///
/// # Safety
/// As [`bytes_mut`], of the parts and of each of them.
pub(super) unsafe fn scatter(parts: *const iovec, count: usize, mut from: &[u8]) -> Result<(), Errno> {
    // SAFETY: the caller says so; nothing is written to them.
    let parts = unsafe { several(parts.cast_mut(), count) }?;
    for part in parts {
        let (now, rest) = from.split_at(part.iov_len.min(from.len()));
        // SAFETY: the caller says so of each; no more than its length is used.
        unsafe { bytes_mut(part.iov_base, now.len()) }?.copy_from_slice(now);
        from = rest;
    }
    Ok(())
}

/// Reads a socket address.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn address(at: *const sockaddr, len: socklen_t) -> Result<SocketAddr, Errno> {
    // SAFETY: the caller says so.
    address::read(unsafe { bytes(at.cast(), len as usize) }?)
}

/// Whether an address is of no family (`AF_UNSPEC`).
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn is_unspecified(at: *const sockaddr, len: socklen_t) -> Result<bool, Errno> {
    // SAFETY: the caller says so.
    Ok(unsafe { bytes(at.cast(), len as usize) }?.first_chunk() == Some(&[0; 2]))
}

/// Puts a value where one is wanted, as much of it as there is room for, and how long it is.
///
/// # Safety
/// As [`bytes_mut`], of as many bytes as `len` says, and [`one_mut`] of `len`.
pub(super) unsafe fn put(value: &[u8], at: *mut c_void, len: *mut socklen_t) -> Result<usize, Errno> {
    // SAFETY: the caller says so of both.
    let len = unsafe { one_mut(len) }?;
    let told = value.len().min(*len as usize);
    // SAFETY: as above.
    unsafe { bytes_mut(at, told) }?.copy_from_slice(&value[..told]);
    *len = value.len() as socklen_t;
    Ok(told)
}
