//! `cargo xtask web`: builds the page with the engine in it, and serves it.
//!
//! ```text
//! crate towpath-web ─► wasm ─► xtask-bindgen ─► web-demo/wasm ─► vite ─► web-demo/dist ─► http://127.0.0.1
//!                              npm ci ───────────────────────────┘
//! ```

mod browser;
mod module;
mod node;
mod test;

use anyhow::Result;

pub(crate) use self::test::tests;
use self::{node::Node, test::test};
use crate::{run, say};

/// What `cargo xtask web` is told.
#[derive(clap::Args)]
pub(crate) struct Web {
    /// Only builds the page, in web-demo/dist; any web server can serve it
    #[arg(long)]
    build: bool,
    /// Tests the page in a headless browser
    #[arg(long, conflicts_with = "build")]
    test: bool,
    /// Port to serve on, on 127.0.0.1 [default: 4173, or the next free one]
    #[arg(long, conflicts_with_all = ["build", "test"])]
    port: Option<u16>,
}

impl Web {
    /// Runs it.
    ///
    /// # Errors
    /// When something is missing or cannot be built.
    pub(crate) fn run(&self) -> Result<()> {
        if self.test {
            return test();
        }
        let node = Node::find()?;
        build(&node)?;
        if self.build {
            return Ok(());
        }
        let mut serve = node.npm();
        serve.args(["run", "--silent", "preview"]);
        if let Some(port) = self.port {
            serve.args(["--", "--strictPort", "--port"]).arg(port.to_string());
        }
        say("serving the page; Ctrl-C ends it");
        Err(run::become_command(&mut serve))
    }
}

/// Builds the page.
fn build(node: &Node) -> Result<()> {
    module::build()?;
    node.install()?;
    say("building the page, in web-demo/dist");
    run::run(node.npm().args(["run", "--silent", "build"]))
}
