//! TCP options: `<mss 1460,nop,wscale 7>`.

use super::Reader;
use crate::{ScriptError, cursor::Cursor, script::TcpOption};

impl Reader<'_> {
    /// Reads options with their brackets; `None` for `<...>`.
    pub(super) fn tcp_options(&self, cursor: &mut Cursor<'_>) -> Result<Option<Vec<TcpOption>>, ScriptError> {
        cursor.expect("<", "TCP options: <…>")?;
        if cursor.take("...") {
            cursor.expect(">", "> behind the options")?;
            return Ok(None);
        }
        let mut options = Vec::new();
        if cursor.take(">") {
            return Ok(Some(options));
        }
        loop {
            options.push(self.tcp_option(cursor)?);
            if cursor.take(">") {
                return Ok(Some(options));
            }
            cursor.expect(",", "a comma or > behind a TCP option")?;
        }
    }

    fn tcp_option(&self, cursor: &mut Cursor<'_>) -> Result<TcpOption, ScriptError> {
        const EXPECTED: &str = "a TCP option: mss, wscale, sackOK, sack, TS, FO, FOEXP, md5, nop or eol";
        let mut at = *cursor;
        Ok(match cursor.word(EXPECTED)? {
            "nop" => TcpOption::Nop,
            "eol" => TcpOption::End,
            "mss" => TcpOption::Mss(cursor.number("a segment size of at most 65535")?),
            "wscale" => TcpOption::WindowScale(cursor.number("a shift of at most 255")?),
            "sackOK" => TcpOption::SackPermitted,
            "sack" => TcpOption::Sack(blocks(cursor)?),
            "TS" => timestamps(cursor)?,
            "FO" => TcpOption::FastOpen { experimental: false, cookie: self.cookie(cursor)? },
            "FOEXP" => TcpOption::FastOpen { experimental: true, cookie: self.cookie(cursor)? },
            "md5" => TcpOption::Md5(self.cookie(cursor)?),
            _ => return Err(at.error(EXPECTED)),
        })
    }

    /// Reads bytes in hexadecimal digits, or a word that stands for some; there may be none.
    fn cookie(&self, cursor: &mut Cursor<'_>) -> Result<Vec<u8>, ScriptError> {
        let mut at = *cursor;
        if matches!(cursor.peek(), Some(',' | '>')) {
            return Ok(Vec::new());
        }
        let word = cursor.word("a cookie in hexadecimal digits")?;
        let digits = self.defined(word).unwrap_or(word);
        hexadecimal(digits).ok_or_else(|| at.error("a cookie in hexadecimal digits"))
    }
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

fn blocks(cursor: &mut Cursor<'_>) -> Result<Vec<(u32, u32)>, ScriptError> {
    let mut blocks = Vec::new();
    while cursor.peek().is_some_and(|c| c.is_ascii_digit()) {
        let start = cursor.number("the start of a block")?;
        cursor.expect(":", "`:` and the end of the block")?;
        blocks.push((start, cursor.number("the end of the block")?));
    }
    if blocks.is_empty() { Err(cursor.error("a block such as 1001:2001")) } else { Ok(blocks) }
}

fn timestamps(cursor: &mut Cursor<'_>) -> Result<TcpOption, ScriptError> {
    cursor.expect("val", "val and the sender's clock")?;
    let value = cursor.number("the sender's clock")?;
    cursor.expect("ecr", "ecr and the clock that is echoed")?;
    Ok(TcpOption::Timestamps { value, echo: cursor.number("the clock that is echoed")? })
}
