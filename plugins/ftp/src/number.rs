//! Decimal numbers as FTP writes them, with Linux's idea of what still is one.

/// Decimal numbers in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List<const N: usize> {
    /// They, each modulo 2³².
    pub(crate) numbers: [u32; N],
    /// How many bytes they take, terminator excluded.
    pub(crate) length: usize,
    /// One of them is above 255, for which it stands.
    pub(crate) wraps: bool,
}

/// `N` decimal numbers with `separator` between them, as `10,0,0,5,200,10`.
///
/// A number may be empty (it is 0), have leading zeros, and wraps at 2³². After the last digit must come `terminator`,
/// or any other byte when there is none; a text that just ends is not finished.
///
/// Source: Linux v6.18: net/netfilter/nf_conntrack_ftp.c, `try_number()`.
pub(crate) fn list<const N: usize>(text: &[u8], separator: u8, terminator: Option<u8>) -> Option<List<N>> {
    let mut numbers = [0_u32; N];
    let mut wraps = false;
    let mut current = 0;
    for (length, &byte) in text.iter().enumerate() {
        if byte.is_ascii_digit() {
            let number = numbers.get_mut(current)?;
            // Once above 255, a number stays a wrong one whatever is left of it.
            *number = number.wrapping_mul(10).wrapping_add(u32::from(byte - b'0'));
            wraps |= *number > 255;
        } else if byte == separator {
            current += 1;
            if current == N {
                return None;
            }
        } else {
            let finished = current + 1 == N && terminator.is_none_or(|terminator| byte == terminator);
            return finished.then_some(List { numbers, length, wraps });
        }
    }
    None
}

/// A port and the `delimiter` after it, as `51210|`.
///
/// The number wraps at 2¹⁶ and must not come out as 0. Gives the port, how many bytes it takes, delimiter included, and whether it has
/// wrapped.
///
/// Source: Linux v6.18: net/netfilter/nf_conntrack_ftp.c, `get_port()`.
pub(crate) fn port(text: &[u8], delimiter: u8) -> Option<(u16, usize, bool)> {
    let digits = text.iter().position(|&byte| byte == delimiter)?;
    let (port, wraps) = text[..digits].iter().try_fold((0_u16, false), |(port, wraps), &byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        let exact = port.checked_mul(10).and_then(|tens| tens.checked_add(digit));
        Some((port.wrapping_mul(10).wrapping_add(digit), wraps || exact.is_none()))
    })?;
    (port != 0).then_some((port, digits + 1, wraps))
}

#[cfg(test)]
mod tests {
    use super::{list, port};

    fn read<const N: usize>(text: &[u8], terminator: Option<u8>) -> Option<([u32; N], usize)> {
        list(text, b',', terminator).map(|list| (list.numbers, list.length))
    }

    #[test]
    fn a_list_ends_at_its_terminator() {
        assert_eq!(read(b"10,0,0,5\rx", Some(b'\r')), Some(([10, 0, 0, 5], 8)));
        assert_eq!(read::<4>(b"10,0,0,5 \r", Some(b'\r')), None);
        assert_eq!(read(b"10,0,0,5)", None), Some(([10, 0, 0, 5], 8)));
    }

    #[test]
    fn a_list_that_just_ends_is_not_finished() {
        assert_eq!(read::<4>(b"10,0,0,5", None), None);
        assert_eq!(read::<4>(b"", None), None);
    }

    #[test]
    fn a_list_of_too_few_or_too_many_is_none() {
        assert_eq!(read::<4>(b"10,0,5\r", Some(b'\r')), None);
        assert_eq!(read::<4>(b"10,0,0,5,\r", Some(b'\r')), None);
    }

    #[test]
    fn numbers_may_be_empty_padded_and_overlong() {
        assert_eq!(read(b",,,\r", Some(b'\r')), Some(([0, 0, 0, 0], 3)));
        assert_eq!(read(b"010,4294967297,0,0\r", Some(b'\r')), Some(([10, 1, 0, 0], 18)));
    }

    #[test]
    fn a_number_above_255_is_told_whatever_is_left_of_it() {
        let wraps = |text| list::<4>(text, b',', Some(b'\r')).map(|list| list.wraps);
        assert_eq!(wraps(b"0255,255,0,1\r"), Some(false));
        assert_eq!(wraps(b"256,0,0,1\r"), Some(true));
        assert_eq!(wraps(b"10,18446744073709551616,0,0\r"), Some(true));
    }

    #[test]
    fn a_port_wraps_but_is_never_zero() {
        assert_eq!(port(b"51210|", b'|'), Some((51210, 6, false)));
        assert_eq!(port(b"00065535|", b'|'), Some((65535, 9, false)));
        assert_eq!(port(b"65537|x", b'|'), Some((1, 6, true)));
        assert_eq!(port(b"0|", b'|'), None);
        assert_eq!(port(b"65536|", b'|'), None);
        assert_eq!(port(b"|", b'|'), None);
        assert_eq!(port(b"5x|", b'|'), None);
        assert_eq!(port(b"51210", b'|'), None);
    }
}
