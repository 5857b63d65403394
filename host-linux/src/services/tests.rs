use std::{fs, sync::mpsc};

use towpath_engine::tcp::State;

use super::*;
use crate::clock::SystemClock;

/// A host that offers a folder over HTTP at port 80, and echoes at port 7; its clients are its own, by `lo`.
struct Host {
    engine: Engine,
    services: Services,
    clock: SystemClock,
}

impl Host {
    fn new(folder: &std::path::Path, reader: Reader) -> Self {
        let (mut engine, mut clock) = (Engine::new(1), SystemClock::start());
        let mut services = Services { reader: Some(reader), ..Services::default() };
        for (port, program) in [(7, Program::Echo), (80, Program::Http(Arc::new(Folder::open(folder).unwrap())))] {
            let listener = listen(&mut engine, clock.now(), port).unwrap();
            services.offers.insert(listener, Offer { port, program });
        }
        Self { engine, services, clock }
    }

    /// A client that asks; what it is answered until there is nothing to do at once.
    fn ask(&mut self, port: u16, question: &[u8]) -> SocketId {
        let now = self.clock.now();
        let client = connect(&mut self.engine, now, SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        assert_eq!(self.engine.socket(now, client).unwrap().state(), State::Established);
        self.engine.socket(now, client).unwrap().send(question).unwrap();
        client
    }

    /// Lets the services do what they can, and reads what a client was answered.
    fn heard(&mut self, client: SocketId) -> Vec<u8> {
        let mut heard = Vec::new();
        loop {
            self.services.serve(&mut self.engine, &mut self.clock, |_| {});
            let mut bytes = [0; 100_000];
            match self.engine.socket(self.clock.now(), client).unwrap().receive(&mut bytes) {
                Ok(len @ 1..) => heard.extend_from_slice(&bytes[..len]),
                Ok(0) | Err(_) if self.services.has_more() => {}
                Ok(_) | Err(_) => return heard,
            }
        }
    }
}

#[test]
fn who_asks_for_a_file_that_has_to_be_waited_for_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..300_000_u32).map(|at| (at / 7) as u8).collect();
    fs::write(folder.path().join("file"), &content).unwrap();
    // Its disk does not answer yet.
    let worker = Worker::new().unwrap();
    let (answer, wait) = mpsc::channel::<()>();
    let _stuck = worker.begin(move || wait.recv()).unwrap();
    let mut host = Host::new(folder.path(), Reader::patient(worker));
    let asking = host.ask(80, b"GET /file HTTP/1.0\r\n\r\n");
    let head = host.heard(asking);
    assert!(head.ends_with(b"\r\n\r\n") && head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", head.escape_ascii());
    let other = host.ask(7, b"hello");
    assert_eq!(host.heard(other), b"hello");
    assert_eq!(host.heard(asking), b"", "the disk does not answer");
    answer.send(()).unwrap();
    let mut body = Vec::new();
    while body.len() < content.len() {
        let file = host.services.file().unwrap();
        rustix::event::poll(&mut [rustix::event::PollFd::from_borrowed_fd(file, rustix::event::PollFlags::IN)], None)
            .unwrap();
        body.extend(host.heard(asking));
        // Acknowledgements that wait are due meanwhile.
        host.engine.handle_timeout(host.clock.now() + Duration::from_secs(1));
    }
    assert!(body == content, "every byte is where it belongs");
}
