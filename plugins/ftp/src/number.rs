//! Decimal numbers as FTP writes them, with Linux's idea of what still is one.

/// `N` decimal numbers with `separator` between them, as `10,0,0,5,200,10`.
///
/// A number may be empty (it is 0), have leading zeros, and wraps at 2³². After the last digit must come `terminator`,
/// or any other byte when there is none; a text that just ends is not finished. Gives the numbers and how many bytes
/// they take, terminator excluded.
///
/// Source: Linux v6.18: net/netfilter/nf_conntrack_ftp.c, `try_number()`.
pub(crate) fn list<const N: usize>(text: &[u8], separator: u8, terminator: Option<u8>) -> Option<([u32; N], usize)> {
    let mut numbers = [0_u32; N];
    let mut current = 0;
    for (length, &byte) in text.iter().enumerate() {
        if byte.is_ascii_digit() {
            let number = numbers.get_mut(current)?;
            *number = number.wrapping_mul(10).wrapping_add(u32::from(byte - b'0'));
        } else if byte == separator {
            current += 1;
            if current == N {
                return None;
            }
        } else {
            let finished = current + 1 == N && terminator.is_none_or(|terminator| byte == terminator);
            return finished.then_some((numbers, length));
        }
    }
    None
}

/// A port and the `delimiter` after it, as `51210|`.
///
/// The number wraps at 2¹⁶ and must not come out as 0. Gives the port and how many bytes it takes, delimiter included.
///
/// Source: Linux v6.18: net/netfilter/nf_conntrack_ftp.c, `get_port()`.
pub(crate) fn port(text: &[u8], delimiter: u8) -> Option<(u16, usize)> {
    let digits = text.iter().position(|&byte| byte == delimiter)?;
    let port = text[..digits].iter().try_fold(0_u16, |port, &byte| {
        byte.is_ascii_digit().then(|| port.wrapping_mul(10).wrapping_add(u16::from(byte - b'0')))
    })?;
    (port != 0).then_some((port, digits + 1))
}

#[cfg(test)]
mod tests {
    use super::{list, port};

    #[test]
    fn a_list_ends_at_its_terminator() {
        assert_eq!(list(b"10,0,0,5\rx", b',', Some(b'\r')), Some(([10, 0, 0, 5], 8)));
        assert_eq!(list::<4>(b"10,0,0,5 \r", b',', Some(b'\r')), None);
        assert_eq!(list(b"10,0,0,5)", b',', None), Some(([10, 0, 0, 5], 8)));
    }

    #[test]
    fn a_list_that_just_ends_is_not_finished() {
        assert_eq!(list::<4>(b"10,0,0,5", b',', None), None);
        assert_eq!(list::<4>(b"", b',', None), None);
    }

    #[test]
    fn a_list_of_too_few_or_too_many_is_none() {
        assert_eq!(list::<4>(b"10,0,5\r", b',', Some(b'\r')), None);
        assert_eq!(list::<4>(b"10,0,0,5,\r", b',', Some(b'\r')), None);
    }

    #[test]
    fn numbers_may_be_empty_padded_and_overlong() {
        assert_eq!(list(b",,,\r", b',', Some(b'\r')), Some(([0, 0, 0, 0], 3)));
        assert_eq!(list(b"010,4294967297,0,0\r", b',', Some(b'\r')), Some(([10, 1, 0, 0], 18)));
    }

    #[test]
    fn a_port_wraps_but_is_never_zero() {
        assert_eq!(port(b"51210|", b'|'), Some((51210, 6)));
        assert_eq!(port(b"65537|x", b'|'), Some((1, 6)));
        assert_eq!(port(b"0|", b'|'), None);
        assert_eq!(port(b"65536|", b'|'), None);
        assert_eq!(port(b"|", b'|'), None);
        assert_eq!(port(b"5x|", b'|'), None);
        assert_eq!(port(b"51210", b'|'), None);
    }
}
