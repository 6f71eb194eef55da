//! The true answer, again and again; whatever the order and the pieces is for the traps (`traps/any_order.rs`).

use clawspend_core::{
    api::{ApiError, Reader},
    money::NanoUsd,
    report::ReportRequest,
};
use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage, Corpus, Figures, Options, Pitfall, Truth};
use clawspend_tests::home::Home;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn small(seed: u64, bytes: u64) -> Corpus {
    Corpus::plan(Options {
        seed,
        bytes,
        files: 60,
        days: 20,
        ..Options::default()
    })
}

fn truth_rows(truth: &Truth) -> BTreeMap<Vec<String>, Figures> {
    truth
        .rows
        .iter()
        .map(|row| {
            (
                vec![row.day.clone(), row.source.clone(), row.model.clone()],
                row.figures,
            )
        })
        .collect()
}

fn figures(home: &Home) -> BTreeMap<Vec<String>, Figures> {
    home.everything()
        .by(&[0, 2, 6])
        .into_iter()
        .map(|(key, amount)| {
            let tokens = amount.tokens;
            let figures = Figures {
                responses: amount.responses,
                input_tokens: tokens.input,
                output_tokens: tokens.output,
                cache_read_tokens: tokens.cache_read,
                cache_write_5m_tokens: tokens.cache_write_5m,
                cache_write_1h_tokens: tokens.cache_write_1h,
                unsplit_tokens: tokens.unsplit,
            };
            (key, figures)
        })
        .collect()
}

#[test]
fn a_corpus_with_every_trap_gives_the_truth() {
    for seed in [7, 8] {
        let home = Home::new();
        let truth = small(seed, 6_000_000).write(home.path()).expect("a corpus");
        home.catch_up();
        assert_eq!(figures(&home), truth_rows(&truth), "seed {seed}");
    }
}

/// What any other reader gives as well; `make crosscheck` compares with one.
#[test]
fn a_plain_corpus_gives_the_truth_in_tokens_and_dollars() {
    for plain in [true, false] {
        let home = Home::new();
        let corpus = Corpus::plan(Options {
            pitfalls: if plain { &[] } else { Pitfall::ALL },
            bytes: 6_000_000,
            files: 60,
            days: 20,
            ..Options::default()
        });
        let truth = corpus.write(home.path()).expect("a corpus");
        let everything = home.catch_up();
        assert_eq!(figures(&home), truth_rows(&truth), "plain: {plain}");
        let costs: BTreeMap<String, NanoUsd> = everything
            .by(&[2])
            .into_iter()
            .map(|(source, amount)| (source.concat(), amount.cost))
            .collect();
        assert_eq!(costs, truth.costs, "plain: {plain}");
    }
}

#[test]
fn reading_everything_again_changes_nothing() {
    let home = Home::new();
    small(9, 3_000_000).write(home.path()).expect("a corpus");
    let first = home.catch_up();
    // A new time makes every file look changed; a new first byte makes it another one.
    for path in files(&home.path().join(".claude")) {
        let bytes = fs::read(&path).expect("readable");
        fs::write(&path, [b"\n".as_slice(), &bytes].concat()).expect("writable");
    }
    assert_eq!(home.catch_up(), first);
}

fn files(below: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(below)
        .into_iter()
        .map(|entry| entry.expect("readable"))
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    files.sort();
    files
}

/// A relay that gives every response one short id, and writes zeros before it knows the counts.
#[test]
fn a_chain_of_lines_with_a_shared_id_is_one_response_of_the_day_it_began() {
    let line = |uuid: &str, parent: &str, at: &str, input: u64, output: u64| {
        let at = clawspend_core::time::UnixMillis::parse_rfc3339(at).expect("a time");
        let usage = ClaudeUsage {
            input,
            output,
            ..ClaudeUsage::default()
        };
        let line = ClaudeLine {
            uuid,
            parent,
            at: at.0,
            usage,
            message_id: "ocgo",
            request_id: "",
            ..ClaudeLine::default()
        };
        format!("{line}\n")
    };
    let began = line("u1", "u0", "2026-11-19T23:59:59.900Z", 7, 1);
    let ended = line("u2", "u1", "2026-11-20T00:00:00.400Z", 900, 50);
    let other = line("u4", "u3", "2026-11-20T09:00:00Z", 400, 20);
    let expected: BTreeMap<Vec<String>, u64> = [("2026-11-19", 50), ("2026-11-20", 20)]
        .map(|(day, output)| (vec![day.to_owned()], output))
        .into();
    // The copy that ends early may be read before or after the whole.
    for (whole, early) in [("a.jsonl", "b.jsonl"), ("b.jsonl", "a.jsonl")] {
        let home = Home::new();
        fs::write(
            home.claude(whole),
            [began.as_str(), &ended, &other].concat(),
        )
        .expect("writable");
        fs::write(home.claude(early), &began).expect("writable");
        let by_day = home.catch_up().by(&[0]);
        let outputs = by_day
            .into_iter()
            .map(|(day, amount)| (day, amount.tokens.output));
        assert_eq!(outputs.collect::<BTreeMap<_, _>>(), expected, "{whole}");
    }
}

#[test]
fn what_is_read_at_one_time_agrees_whatever_is_committed_meanwhile() {
    let home = Home::new();
    let write = |count: u32| {
        let lines: Vec<String> = (0..count)
            .map(|number| {
                let id = format!("msg_{number:024}");
                let usage = ClaudeUsage {
                    output: 10,
                    ..ClaudeUsage::default()
                };
                let line = ClaudeLine {
                    message_id: &id,
                    at: 1_795_178_000_000,
                    usage,
                    ..ClaudeLine::default()
                };
                line.to_string()
            })
            .collect();
        fs::write(home.claude("a.jsonl"), lines.join("\n") + "\n").expect("written");
        home.catch_up();
    };
    write(1);
    let day = jiff::civil::date(2026, 11, 20);
    let count = |reader: &mut Reader| -> Result<u64, ApiError> {
        let (by, only, zone) = (Vec::new(), Vec::new(), jiff::tz::TimeZone::UTC);
        let request = ReportRequest {
            by,
            only,
            since: day,
            until: day,
            zone,
        };
        Ok(reader.report(request)?.totals.responses)
    };
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let counts = reader.at_one_time(|reader| {
        let before = count(reader)?;
        write(3);
        Ok::<_, ApiError>((before, count(reader)?))
    });
    assert_eq!(counts.expect("counts"), (1, 1));
    assert_eq!(count(&mut reader).expect("a count"), 3);
}
