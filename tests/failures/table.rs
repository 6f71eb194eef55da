//! The table of `docs/following.md` and the tests' names say the same.

use std::{collections::BTreeSet, fs, path::Path};

/// The numbers in the names of all tests of the product's folders.
fn numbers_of_tests(root: &Path) -> BTreeSet<String> {
    let folders = ["tests", "src-tauri"].map(|folder| root.join(folder));
    let files = folders.into_iter().flat_map(walkdir::WalkDir::new);
    let mut numbers = BTreeSet::new();
    for entry in files {
        let path = entry.expect("readable").into_path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            for (line, next) in text.lines().zip(text.lines().skip(1)) {
                if let Some(name) = next.trim().strip_prefix("fn ")
                    && line.trim() == "#[test]"
                {
                    // `f17_f18_…` shows two.
                    let parts = name.split('_').map(str::to_uppercase);
                    numbers.extend(parts.take_while(|part| is_number(part)));
                }
            }
        }
    }
    numbers
}

fn is_number(text: &str) -> bool {
    text.len() == 3 && text.starts_with('F') && text[1..].bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn every_failure_mode_is_in_the_table_once_and_its_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let doc = fs::read_to_string(root.join("docs/following.md")).expect("the table");
    let rows = doc.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        is_number(cells[0]).then(|| (cells[0].to_owned(), cells[3] == "test"))
    });
    let (numbers, tested): (Vec<String>, Vec<bool>) = rows.unzip();
    let all: Vec<String> = (1..=40).map(|number| format!("F{number:02}")).collect();
    assert_eq!(numbers, all);
    let said = numbers.into_iter().zip(tested);
    let said: BTreeSet<String> = said
        .filter_map(|(number, tested)| tested.then_some(number))
        .collect();
    assert_eq!(said, numbers_of_tests(&root));
}
