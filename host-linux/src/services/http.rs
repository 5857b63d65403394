//! A small HTTP server: GET and HEAD of a folder's files (RFC 9110, RFC 9112). Requests are read by `httparse`.

use std::{io::Read, sync::Arc};

use towpath_engine::{
    Engine, Instant,
    socket::{SocketError, SocketId},
};

use super::{
    Turn,
    folder::{Folder, Found},
};

/// A conversation over HTTP: one request after the other, each answered before the next one is looked at.
#[derive(Debug)]
pub(super) struct Http {
    folder: Arc<Folder>,
    /// What was read of the next request.
    asked: Vec<u8>,
    /// What of the answer waits to be sent, and the file that follows it, with how much of it.
    answer: Vec<u8>,
    sent: usize,
    body: Option<(Found, u64)>,
    /// Nothing follows this answer.
    is_last: bool,
    /// Nothing more is asked.
    is_at_end: bool,
}

impl Http {
    pub(super) const fn new(folder: Arc<Folder>) -> Self {
        Self { folder, asked: Vec::new(), answer: Vec::new(), sent: 0, body: None, is_last: false, is_at_end: false }
    }

    /// Reads requests and answers them, until one of both has to wait.
    pub(super) fn turn(&mut self, engine: &mut Engine, now: Instant, id: SocketId) -> Result<Turn, SocketError> {
        for _ in 0..ROUNDS_MAX {
            if self.sent < self.answer.len() {
                match engine.socket(now, id)?.send(&self.answer[self.sent..]) {
                    Ok(sent) => self.sent += sent,
                    Err(SocketError::WouldBlock) => return Ok(Turn::Waits),
                    Err(error) => return Err(error),
                }
            } else if let Some((found, left)) = self.body.take() {
                self.read_body(found, left)?;
            } else if self.is_last || (self.is_at_end && self.asked.is_empty()) {
                return Ok(Turn::Over);
            } else if !self.answer_next() && !self.hear(engine, now, id)? {
                return Ok(Turn::Waits);
            }
        }
        Ok(Turn::Again)
    }

    /// Takes the next part of the file. One that has become shorter cannot be answered as was promised.
    fn read_body(&mut self, mut found: Found, left: u64) -> Result<(), SocketError> {
        self.answer.resize(CHUNK_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX)), 0);
        self.sent = 0;
        let read = found.file.read(&mut self.answer).unwrap_or(0);
        self.answer.truncate(read);
        if read == 0 {
            return Err(SocketError::ConnectionAborted);
        }
        let left = left - read as u64;
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
                self.asked.clear();
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

    /// Answers the next request, if it is whole.
    fn answer_next(&mut self) -> bool {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&self.asked) {
            Ok(httparse::Status::Complete(len)) => {
                let asked = Asked::of(&request);
                self.asked.drain(..len);
                self.answer(&asked);
                true
            }
            Ok(httparse::Status::Partial) if self.asked.len() < REQUEST_BYTES_MAX => false,
            Ok(httparse::Status::Partial) => self.refuse("431 Request Header Fields Too Large"),
            Err(_) => self.refuse("400 Bad Request"),
        }
    }

    fn answer(&mut self, asked: &Asked) {
        self.is_last = !asked.stays;
        if asked.has_body {
            // Where it ends would have to be known to find the next request.
            _ = self.refuse("413 Content Too Large");
            return;
        }
        let is_head = asked.method == "HEAD";
        if !is_head && asked.method != "GET" {
            return self.say("405 Method Not Allowed", "text/plain", 0, "Allow: GET, HEAD\r\n");
        }
        match self.folder.find(&asked.path) {
            Some(found) => {
                self.say("200 OK", found.kind, found.len, "");
                let len = found.len;
                self.body = (!is_head && len > 0).then_some((found, len));
            }
            None => self.say("404 Not Found", "text/plain", 0, ""),
        }
    }

    /// Answers what cannot be understood, for the last time.
    fn refuse(&mut self, status: &str) -> bool {
        self.is_last = true;
        self.asked.clear();
        self.say(status, "text/plain", 0, "");
        true
    }

    fn say(&mut self, status: &str, kind: &str, len: u64, more: &str) {
        let connection = if self.is_last { "close" } else { "keep-alive" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nConnection: {connection}\r\n{more}\r\n"
        );
        (self.answer, self.sent) = (head.into_bytes(), 0);
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
}

impl Asked {
    fn of(request: &httparse::Request<'_, '_>) -> Self {
        let header = |name: &str| {
            let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
        };
        let wish = header("Connection").unwrap_or_default().to_ascii_lowercase();
        let stays = match request.version {
            Some(1) => !wish.contains("close"),
            _ => wish.contains("keep-alive"),
        };
        let has_body = header("Transfer-Encoding").is_some() || header("Content-Length").is_some_and(|len| len != "0");
        Self {
            method: request.method.unwrap_or_default().to_owned(),
            path: request.path.unwrap_or_default().to_owned(),
            stays,
            has_body,
        }
    }
}

/// Bytes and header lines of a request at most.
const REQUEST_BYTES_MAX: usize = 16_384;
const HEADERS_MAX: usize = 64;
/// Bytes of a file that are read at once.
const CHUNK_BYTES: usize = 65_536;
/// Steps of one turn: a few chunks.
const ROUNDS_MAX: usize = 32;
