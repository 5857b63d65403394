//! A small HTTP server: GET and HEAD of a folder's files (RFC 9110, RFC 9112). Requests are read by `httparse`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use towpath_engine::{
    Engine, Instant,
    socket::{SocketError, SocketId},
};

use super::{
    Turn,
    folder::{Folder, Found},
    reader::{Chunk, Reader},
};
use crate::limits::{
    HTTP_CHUNK_BYTES, HTTP_HEADERS_MAX, HTTP_LINGER_TIME, HTTP_REQUEST_BYTES_MAX, HTTP_REQUEST_TIME_MAX,
    HTTP_ROUNDS_OF_TURN_MAX, SERVICE_SILENCE_MAX,
};

/// A conversation over HTTP: one request after the other, each answered before the next one is looked at.
#[derive(Debug)]
pub(super) struct Http {
    folder: Arc<Folder>,
    /// What was read of the next request, and how much of it holds no end of a request.
    asked: Vec<u8>,
    searched: usize,
    /// What of the answer waits to be sent, and the file that follows it, with how much of it.
    answer: Vec<u8>,
    sent: usize,
    body: Option<(Found, u64)>,
    /// The next part of the file is being read.
    is_reading: bool,
    /// Nothing follows this answer.
    is_last: bool,
    /// Nothing more is asked.
    is_at_end: bool,
    /// Since when a request is waited for; `None` while one is answered.
    waits_since: Option<Instant>,
    /// Until when it is listened to who has been told that nothing follows.
    lingers_until: Option<Instant>,
    /// When it had its last turn: what answers are dated by (RFC 9110, section 6.6.1).
    now: Instant,
}

impl Http {
    pub(super) const fn new(folder: Arc<Folder>) -> Self {
        Self {
            folder,
            asked: Vec::new(),
            searched: 0,
            answer: Vec::new(),
            sent: 0,
            body: None,
            is_reading: false,
            is_last: false,
            is_at_end: false,
            waits_since: None,
            lingers_until: None,
            now: Instant::ZERO,
        }
    }

    /// How long it is waited for the other end: for a whole request, however slowly it comes, or for any sign that an answer is
    /// read.
    pub(super) fn waits_until(&self, now: Instant) -> Instant {
        let is_answering = self.sent < self.answer.len() || self.body.is_some();
        match (self.lingers_until, self.waits_since) {
            (Some(until), _) => until,
            (None, Some(since)) => since + HTTP_REQUEST_TIME_MAX,
            (None, None) if is_answering => now + SERVICE_SILENCE_MAX,
            (None, None) => now + HTTP_REQUEST_TIME_MAX,
        }
    }

    /// Reads requests and answers them, until one of both has to wait.
    pub(super) fn turn(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        id: SocketId,
        reader: &Reader,
    ) -> Result<Turn, SocketError> {
        self.now = now;
        for _ in 0..HTTP_ROUNDS_OF_TURN_MAX {
            if self.is_reading {
                return Ok(Turn::Waits);
            }
            if self.sent < self.answer.len() {
                match engine.socket(now, id)?.send(&self.answer[self.sent..]) {
                    Ok(sent) => self.sent += sent,
                    Err(SocketError::WouldBlock) => return Ok(Turn::Waits),
                    Err(error) => return Err(error),
                }
            } else if self.body.is_some() {
                self.read_body(id, reader)?;
            } else if self.is_last {
                return self.linger(engine, now, id);
            } else if self.is_at_end && self.asked.is_empty() {
                return Ok(Turn::Over);
            } else {
                self.waits_since.get_or_insert(now);
                if !self.answer_next() && !self.hear(engine, now, id)? {
                    return Ok(Turn::Waits);
                }
            }
        }
        Ok(Turn::Again)
    }

    /// Says that nothing follows, and listens until the other end has nothing to say either: a connection that is closed before
    /// all was read is reset, and the reset may overtake the answer (RFC 9112, section 9.6).
    fn linger(&mut self, engine: &mut Engine, now: Instant, id: SocketId) -> Result<Turn, SocketError> {
        if self.lingers_until.is_none() {
            self.lingers_until = Some(now + HTTP_LINGER_TIME);
            engine.socket(now, id)?.shut(false, true)?;
        }
        super::discard(engine, now, id)
    }

    /// Asks for the next part of the file.
    fn read_body(&mut self, id: SocketId, reader: &Reader) -> Result<(), SocketError> {
        let Some((found, left)) = &self.body else { return Ok(()) };
        let mut bytes = std::mem::take(&mut self.answer);
        bytes.resize(HTTP_CHUNK_BYTES.min(usize::try_from(*left).unwrap_or(usize::MAX)), 0);
        self.sent = 0;
        match reader.read(id, &found.file, found.len - left, bytes) {
            Some(chunk) => self.take(chunk),
            None => {
                self.is_reading = true;
                Ok(())
            }
        }
    }

    /// The next part of the file has been read.
    ///
    /// # Errors
    /// [`SocketError::ConnectionAborted`] when it cannot be read, or the file has become shorter: it cannot be answered as was promised.
    pub(super) fn take(&mut self, chunk: Chunk) -> Result<(), SocketError> {
        self.is_reading = false;
        self.answer = chunk.map_err(|_| SocketError::ConnectionAborted)?;
        let Some((found, left)) = self.body.take().filter(|_| !self.answer.is_empty()) else {
            return Err(SocketError::ConnectionAborted);
        };
        let left = left.saturating_sub(self.answer.len() as u64);
        self.body = (left > 0).then_some((found, left));
        Ok(())
    }

    /// Reads what has been said. False when nothing has.
    fn hear(&mut self, engine: &mut Engine, now: Instant, id: SocketId) -> Result<bool, SocketError> {
        let mut bytes = [0; 4096];
        match engine.socket(now, id)?.receive(&mut bytes) {
            Ok(0) => {
                self.is_at_end = true;
                // Half a request is none.
                self.forget_asked();
                Ok(true)
            }
            Ok(read) => {
                self.asked.extend_from_slice(&bytes[..read]);
                Ok(true)
            }
            Err(SocketError::WouldBlock) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn forget_asked(&mut self) {
        self.asked.clear();
        self.searched = 0;
    }

    /// Answers the next request, if it is whole.
    fn answer_next(&mut self) -> bool {
        if !self.has_whole_request() {
            let is_too_long = self.asked.len() >= HTTP_REQUEST_BYTES_MAX;
            return is_too_long && self.refuse("431 Request Header Fields Too Large");
        }
        let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&self.asked) {
            Ok(httparse::Status::Complete(len)) => {
                let asked = Asked::of(&request);
                self.asked.drain(..len);
                self.answer(&asked);
                true
            }
            // Its header lines are too many, if not wrong.
            Err(httparse::Error::TooManyHeaders) => self.refuse("431 Request Header Fields Too Large"),
            Ok(httparse::Status::Partial) | Err(_) => self.refuse("400 Bad Request"),
        }
    }

    /// Whether an empty line has come, which ends a request. What was searched is not searched again: whoever sends single bytes
    /// must not cost more than others.
    fn has_whole_request(&mut self) -> bool {
        // Empty lines before a request do not count (RFC 9112, section 2.2).
        if self.searched == 0 {
            let blank = self.asked.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.asked.drain(..blank);
        }
        let from = self.searched.saturating_sub(END.len());
        let ends = |at: usize| {
            let rest = &self.asked[at..];
            rest.starts_with(b"\n\n") || rest.starts_with(END)
        };
        let found = (from..self.asked.len()).any(ends);
        self.searched = if found { 0 } else { self.asked.len() };
        found
    }

    fn answer(&mut self, asked: &Asked) {
        self.is_last = !asked.stays;
        if asked.is_wrong {
            _ = self.refuse("400 Bad Request");
            return;
        }
        if asked.has_body {
            // Where it ends would have to be known to find the next request.
            self.is_last = true;
            self.forget_asked();
        }
        let is_head = asked.method == "HEAD";
        if !is_head && asked.method != "GET" {
            return self.say("405 Method Not Allowed", "text/plain", 0, "Allow: GET, HEAD\r\n");
        }
        if asked.has_body {
            return self.say("413 Content Too Large", "text/plain", 0, "");
        }
        match self.folder.find(&asked.path) {
            Ok(found) => {
                self.say("200 OK", found.kind, found.len, "");
                let len = found.len;
                self.body = (!is_head && len > 0).then_some((found, len));
            }
            Err(missing) => self.say(missing.status(), "text/plain", 0, ""),
        }
    }

    /// Answers what cannot be understood, for the last time.
    fn refuse(&mut self, status: &str) -> bool {
        self.is_last = true;
        self.forget_asked();
        self.say(status, "text/plain", 0, "");
        true
    }

    fn say(&mut self, status: &str, kind: &str, len: u64, more: &str) {
        let connection = if self.is_last { "close" } else { "keep-alive" };
        let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_nanos(self.now.as_nanos()));
        let head = format!(
            "HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nConnection: {connection}\r\n{more}\r\n"
        );
        (self.answer, self.sent, self.waits_since) = (head.into_bytes(), 0, None);
    }
}

/// A request, as far as it is looked at.
#[derive(Debug)]
struct Asked {
    method: String,
    path: String,
    /// The connection may be used for another one.
    stays: bool,
    has_body: bool,
    /// It does not name one host, as HTTP/1.1 demands (RFC 9112, section 3.2).
    is_wrong: bool,
}

impl Asked {
    fn of(request: &httparse::Request<'_, '_>) -> Self {
        let all = |name: &'static str| {
            let found = request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| header.value.trim_ascii())
        };
        let wish = all("Connection").flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        let wishes = |word: &str| wish.clone().any(|given| given.eq_ignore_ascii_case(word.as_bytes()));
        let is_new = request.version == Some(1);
        // Whatever they say, they are there.
        let has_body = all("Transfer-Encoding").next().is_some() || all("Content-Length").any(|len| len != b"0");
        let hosts = all("Host").count();
        Self {
            method: request.method.unwrap_or_default().to_owned(),
            path: request.path.unwrap_or_default().to_owned(),
            stays: if is_new { !wishes("close") } else { wishes("keep-alive") },
            has_body,
            is_wrong: hosts > 1 || (is_new && hosts == 0),
        }
    }
}

/// What ends a request; carriage returns may be left out.
const END: &[u8] = b"\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn http() -> Http {
        Http::new(Arc::new(Folder::open(&std::env::temp_dir()).unwrap()))
    }

    fn status(request: &[u8]) -> String {
        let mut http = http();
        http.asked = request.to_vec();
        assert!(http.answer_next(), "{request:?} is whole");
        String::from_utf8(http.answer).unwrap().lines().next().unwrap().to_owned()
    }

    #[test]
    fn what_is_no_request_is_told_so() {
        for (request, expected) in [
            (&b"GET /no-such-file HTTP/1.1\r\nHost: a\r\n\r\n"[..], "404 Not Found"),
            (b"\r\nGET /no-such-file HTTP/1.1\nHost: a\n\n", "404 Not Found"),
            (b"GET /no-such-file HTTP/1.0\r\n\r\n", "404 Not Found"),
            (b"GET /no-such-file HTTP/1.1\r\n\r\n", "400 Bad Request"),
            (b"GET /no-such-file HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 Bad Request"),
            (b"GET\r\n\r\n", "400 Bad Request"),
            (b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n", "405 Method Not Allowed"),
            (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "405 Method Not Allowed"),
            (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "413 Content Too Large"),
            (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \xff\r\n\r\n", "413 Content Too Large"),
            (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \xff\r\n\r\n", "413 Content Too Large"),
        ] {
            assert_eq!(status(request), format!("HTTP/1.1 {expected}"), "{}", request.escape_ascii());
        }
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HTTP_HEADERS_MAX + 1));
        assert_eq!(status(many.as_bytes()), "HTTP/1.1 431 Request Header Fields Too Large");
        assert_eq!(status(&[b'a'; HTTP_REQUEST_BYTES_MAX]), "HTTP/1.1 431 Request Header Fields Too Large");
    }

    #[test]
    fn a_request_that_comes_byte_by_byte_is_searched_once_and_answered_when_it_is_whole() {
        let request = b"GET /no-such-file HTTP/1.1\r\nHost: a\r\n\r\nGET";
        let whole = request.len() - 3;
        let mut http = http();
        for (at, byte) in request[..whole].iter().enumerate() {
            http.asked.push(*byte);
            assert_eq!(http.answer_next(), at + 1 == whole, "{at}");
            assert!(http.searched == http.asked.len() || http.searched == 0);
        }
        assert!(http.asked.is_empty());
    }

    #[test]
    fn a_request_has_its_time_however_slowly_it_comes_and_an_answer_lasts_while_it_is_read() {
        let (mut http, start) = (http(), Instant::ZERO);
        let later = start + SERVICE_SILENCE_MAX;
        http.waits_since = Some(start);
        assert_eq!(http.waits_until(later), start + HTTP_REQUEST_TIME_MAX);
        http.say("200 OK", "text/plain", 0, "");
        assert_eq!(http.waits_until(later), later + SERVICE_SILENCE_MAX);
    }
}
