//! Every seed and every finding of the fuzz targets, through the same checks (see docs/fuzzing.md).

use clawspend_tests::fuzz::TARGETS;
use std::{fs, panic::catch_unwind, path::Path};

#[test]
fn every_seed_and_finding_keeps_the_promises() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut targets = TARGETS.map(|(target, _)| target);
    targets.sort_unstable();
    assert_eq!(names(&seeds), targets);
    let mut broken = Vec::new();
    for (target, check) in TARGETS {
        let names = names(&seeds.join(target));
        assert!(!names.is_empty(), "{target} has no seeds");
        for name in names {
            let seed = fs::read(seeds.join(target).join(&name)).expect("a seed");
            if catch_unwind(|| check(&seed)).is_err() {
                broken.push(format!("{target}/{name}"));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder of seeds");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("an entry").file_name();
        name.into_string().expect("a plain name")
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort_unstable();
    names
}
