//! Whatever it is shown, the helper keeps to `wit/helper.wit` and to its manifest.

use std::{fs, path::Path};

use towpath_helper_kit::check;
use towpath_helper_rtsp::Rtsp;

#[test]
fn what_lies_in_the_corpus_and_all_that_is_near_it_breaks_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/payloads");
    let mut inputs = 0;
    for file in fs::read_dir(corpus).expect("the corpus") {
        check::near::<Rtsp>(&fs::read(file.expect("an entry").path()).expect("a file"));
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus is empty");
}
