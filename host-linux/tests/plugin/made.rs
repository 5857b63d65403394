//! Components made for a test: a core module in text, wrapped for a (perhaps changed) `wit/helper.wit`.
//!
//! Where a record lies in memory is what the canonical ABI says (Component model, CanonicalABI.md).

use std::fmt::Write;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract as it stands.
pub(crate) static CONTRACT: &str = include_str!("../../../wit/helper.wit");

/// Where the manifest's record lies, and what it points to.
const MANIFEST: usize = 1024;
const ATTACHED: usize = 2048;
const CLASSES: usize = 2064;
const NAME: usize = 2096;
/// Parameters of `concerns` and `inspect`: protocol, direction, two endpoints, prefix, state; the payload.
static READING: &str =
    "(param i32 i32 i32 i64 i64 i32 i32 i64 i64 i32 i32 i32 i32 i32) (param $payload i32) (param $length i32)";

/// A component to be made.
pub(crate) struct Made {
    /// The contract it is made for.
    pub(crate) contract: String,
    /// Its helper's name, at most 15 bytes.
    pub(crate) name: &'static str,
    /// The memory that its manifest asks for, in bytes.
    pub(crate) memory_bytes_max: u32,
    /// The memory that it has from the start, in pages of 64 KB.
    pub(crate) pages: u32,
    /// Body of `manifest`: instructions that leave the address of the record. `None`: this manifest's.
    pub(crate) manifest: Option<&'static str>,
    /// Body of `concerns`, which leaves 1 or 0; arguments as for `inspect`.
    pub(crate) concerns: &'static str,
    /// Body of `inspect`, which leaves the address of the answer; `$payload` and `$length` are the payload's. At 512 there are
    /// zeros, which as an answer are "nothing".
    pub(crate) inspect: &'static str,
    /// Whether there is a `render`.
    pub(crate) has_render: bool,
    /// Its body, which leaves the address of a list.
    pub(crate) render: &'static str,
    /// More items for the module.
    pub(crate) more: &'static str,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            contract: CONTRACT.to_owned(),
            name: "made",
            memory_bytes_max: 1 << 20,
            pages: 2,
            manifest: None,
            concerns: "i32.const 1",
            inspect: "i32.const 512",
            has_render: true,
            render: "i32.const 512",
            more: "",
        }
    }
}

impl Made {
    /// The component.
    pub(crate) fn component(&self) -> Vec<u8> {
        let mut module = self.module();
        let mut resolve = Resolve::default();
        let package = resolve.push_str("helper.wit", &self.contract).expect("the contract is WIT");
        let world = resolve.select_world(&[package], None).expect("it has one world");
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).expect("a world fits");
        let mut encoder = ComponentEncoder::default();
        let encoded = encoder.validate(true).module(&module).and_then(|encoder| encoder.encode());
        encoded.expect("the module fits its world")
    }

    /// A component of its core module, which may use what `wit-component` does not take; it exports nothing.
    pub(crate) fn unchecked(&self) -> Vec<u8> {
        let text = self.text();
        wat::parse_str(format!("(component (core {})", &text[1..])).expect("the module's text is right")
    }

    /// The core module.
    pub(crate) fn module(&self) -> Vec<u8> {
        wat::parse_str(self.text()).expect("the module's text is right")
    }

    fn text(&self) -> String {
        let interface = interface(&self.contract);
        let manifest = self.manifest.map_or_else(|| format!("i32.const {MANIFEST}"), str::to_owned);
        let render = if self.has_render {
            format!(r#"(func (export "{interface}#render") (param i32) (result i32) {})"#, self.render)
        } else {
            String::new()
        };
        format!(
            r#"(module
  {more}
  (memory (export "memory") {pages})
  (global $free (mut i32) (i32.const 8192))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    global.get $free
    (global.set $free (i32.and (i32.add (i32.add (global.get $free) (local.get $size)) (i32.const 7)) (i32.const -8))))
  (func (export "{interface}#manifest") (result i32) {manifest})
  (func (export "{interface}#concerns") {reading} (result i32)
    {concerns})
  (func (export "{interface}#inspect") {reading} (result i32)
    {inspect})
  {render}
  {data})"#,
            more = self.more,
            reading = READING,
            concerns = self.concerns,
            pages = self.pages,
            inspect = self.inspect,
            data = self.data(),
        )
    }

    /// The manifest: TCP port 21, one class, 10 000 fuel.
    fn data(&self) -> String {
        let mut record = [0_u8; 64];
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        let number = |number: usize| u32::try_from(number).expect("a small number").to_le_bytes();
        put(0, &[number(NAME), number(self.name.len())].concat());
        put(8, &[number(ATTACHED), number(1)].concat());
        put(36, &[number(CLASSES), number(1)].concat());
        put(44, &64_u16.to_le_bytes());
        put(46, &16_u16.to_le_bytes());
        put(48, &10_000_u64.to_le_bytes());
        put(56, &self.memory_bytes_max.to_le_bytes());
        put(60, &[1]);
        let attached = [0, 0, 21, 0, 21, 0];
        // TCP, either direction, the peer, all ports.
        let bounds = [[0; 4], [0, 0, 0xff, 0xff], [0; 4], [1, 0, 0, 0]];
        let class = [[number(NAME), number(self.name.len())].concat(), bounds.concat(), number(300).to_vec()].concat();
        [(MANIFEST, &record[..]), (ATTACHED, &attached[..]), (CLASSES, &class[..]), (NAME, self.name.as_bytes())]
            .map(|(at, bytes)| format!(r#"(data (i32.const {at}) "{}")"#, escaped(bytes)))
            .join("\n  ")
    }
}

/// The name under which a contract's interface is exported.
fn interface(contract: &str) -> String {
    let version = contract.split("package towpath:helper@").nth(1).and_then(|rest| rest.split(';').next());
    format!("towpath:helper/conntrack@{}", version.expect("the contract has a version"))
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\{byte:02x}").expect("text can be written to");
        text
    })
}
