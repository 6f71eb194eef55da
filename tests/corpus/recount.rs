//! A second opinion: reads a whole corpus into memory and applies the written dedupe rules word by word.

use clawspend_tests::corpus::{Figures, Row};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

type Rows = BTreeMap<(String, String, String), Figures>;

/// All files below `home`, sorted.
pub(crate) fn files(home: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(home).sort_by_file_name().into_iter();
    let files = entries
        .map(|entry| entry.expect("a readable folder"))
        .filter(|entry| entry.file_type().is_file());
    files.map(walkdir::DirEntry::into_path).collect()
}

pub(crate) fn rows(home: &Path) -> Vec<Row> {
    let mut rows = Rows::new();
    let (claude, openclaw): (Vec<_>, _) = files(home)
        .into_iter()
        .partition(|path| path.starts_with(home.join(".claude")));
    count_claude(&claude, &mut rows);
    count_openclaw(&openclaw, &mut rows);
    let rows = rows.into_iter().map(|((day, source, model), figures)| Row {
        day,
        source,
        model,
        figures,
    });
    rows.collect()
}

fn add(rows: &mut Rows, day: &str, source: &str, model: &str, figures: Figures) {
    *rows
        .entry((day.to_owned(), source.to_owned(), model.to_owned()))
        .or_default() += figures;
}

/// The JSON of all complete lines.
fn lines(bytes: &[u8]) -> Vec<Value> {
    let complete = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let lines = bytes[..complete]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).expect("a line of JSON"))
        .collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("")
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

#[derive(Debug, Clone)]
struct Entry {
    file: usize,
    id: String,
    request: String,
    uuid: String,
    parent: String,
    sidechain: bool,
    time: String,
    model: String,
    /// Input, cache writes, cache reads.
    tuple: (u64, u64, u64),
    figures: Figures,
}

fn entry(file: usize, line: &Value) -> Option<Entry> {
    let record = if text(line, "type") == "progress" {
        &line["data"]["message"]
    } else {
        line
    };
    let (message, usage) = (&record["message"], &record["message"]["usage"]);
    if text(record, "type") != "assistant"
        || !usage.is_object()
        || text(message, "model").starts_with('<')
    {
        return None;
    }
    let writes = number(usage, "cache_creation_input_tokens");
    let one_hour = number(&usage["cache_creation"], "ephemeral_1h_input_tokens").min(writes);
    let figures = Figures {
        responses: 1,
        input_tokens: number(usage, "input_tokens"),
        output_tokens: number(usage, "output_tokens"),
        cache_read_tokens: number(usage, "cache_read_input_tokens"),
        cache_write_5m_tokens: writes - one_hour,
        cache_write_1h_tokens: one_hour,
        unsplit_tokens: 0,
    };
    Some(Entry {
        file,
        id: text(message, "id").to_owned(),
        request: text(record, "requestId").to_owned(),
        uuid: text(record, "uuid").to_owned(),
        parent: text(line, "parentUuid").to_owned(),
        sidechain: line["isSidechain"] == true,
        time: text(record, "timestamp").to_owned(),
        model: text(message, "model").to_owned(),
        tuple: (figures.input_tokens, writes, figures.cache_read_tokens),
        figures,
    })
}

fn count_claude(files: &[PathBuf], rows: &mut Rows) {
    let mut by_id: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for (number, path) in files
        .iter()
        .enumerate()
        .filter(|(_, path)| path.to_string_lossy().ends_with(".jsonl"))
    {
        for line in lines(&fs::read(path).expect("a transcript")) {
            if let Some(entry) = entry(number, &line) {
                let id = if entry.id.is_empty() {
                    format!("uuid {}", entry.uuid)
                } else {
                    entry.id.clone()
                };
                by_id.entry(id).or_default().push(entry);
            }
        }
    }
    for entries in by_id.into_values() {
        for group in groups(entries) {
            let earliest = group
                .iter()
                .map(|entry| entry.time.as_str())
                .min()
                .expect("a group has lines");
            let winner = group
                .iter()
                .max_by_key(|entry| (!entry.sidechain, entry.figures.output_tokens));
            let winner = winner.expect("a group has lines");
            add(
                rows,
                &earliest[..10],
                "claude-code",
                &winner.model,
                winner.figures,
            );
        }
    }
}

/// The responses among the lines of one id.
fn groups(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    // Lines that follow one another, over lines of the same id only, share the first one's uuid.
    let parents: HashMap<_, _> = entries
        .iter()
        .map(|entry| (entry.uuid.clone(), entry.parent.clone()))
        .collect();
    let chain = |entry: &Entry| {
        let mut first = entry.uuid.clone();
        while let Some(parent) = parents
            .get(&first)
            .filter(|parent| parents.contains_key(*parent))
        {
            first.clone_from(parent);
        }
        first
    };
    let mains: Vec<&Entry> = entries.iter().filter(|entry| !entry.sidechain).collect();
    let reused = mains.iter().enumerate().any(|(at, one)| {
        let mut others = mains[at + 1..]
            .iter()
            .filter(|other| other.file == one.file && other.tuple != one.tuple);
        others.any(|other| chain(one) != chain(other))
    });
    if entries[0].id.is_empty() || (entries[0].id.len() >= 16 && !reused) {
        return vec![entries];
    }
    let tuples: HashMap<_, _> = entries
        .iter()
        .map(|entry| (entry.uuid.clone(), entry.tuple))
        .collect();
    let mut groups: BTreeMap<_, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        groups
            .entry((entry.request.clone(), tuples[&chain(&entry)]))
            .or_default()
            .push(entry);
    }
    groups.into_values().collect()
}

fn count_openclaw(files: &[PathBuf], rows: &mut Rows) {
    let mut seen = BTreeSet::new();
    for path in files {
        let name = path
            .file_name()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".sqlite") {
            for transcript in transcripts(path) {
                count_transcript(&transcript, &mut seen, rows);
            }
        } else if name.contains(".jsonl") {
            let mut bytes = fs::read(path).expect("a transcript");
            if name.ends_with(".zst") {
                bytes = unpack(&bytes);
            }
            count_transcript(&lines(&bytes), &mut seen, rows);
        }
    }
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    zstd::stream::decode_all(packed).expect("compressed bytes")
}

/// The events of each session in a database, and of each archived one.
fn transcripts(path: &Path) -> Vec<Vec<Value>> {
    let connection = Connection::open(path).expect("a database");
    let mut sessions: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut events = connection
        .prepare("SELECT session_id, event_json, event_zstd FROM transcript_events ORDER BY session_id, seq")
        .expect("the events");
    let mut events = events.query(()).expect("the events");
    while let Some(event) = events.next().expect("an event") {
        let json = match event.get::<_, Option<String>>(1).expect("a text or null") {
            Some(json) => json.into_bytes(),
            None => unpack(&event.get::<_, Vec<u8>>(2).expect("a blob")),
        };
        let session = sessions
            .entry(event.get(0).expect("a session id"))
            .or_default();
        session.push(serde_json::from_slice(&json).expect("an event of JSON"));
    }
    let mut archives = connection
        .prepare("SELECT archive_blob FROM session_transcript_archives")
        .expect("archives");
    let archives = archives
        .query_map((), |row| row.get::<_, Vec<u8>>(0))
        .expect("archives");
    let archives: Vec<Vec<Value>> = archives
        .map(|blob| lines(&unpack(&blob.expect("a blob"))))
        .collect();
    sessions.into_values().chain(archives).collect()
}

fn count_transcript(
    events: &[Value],
    seen: &mut BTreeSet<(String, u64, u64, u64)>,
    rows: &mut Rows,
) {
    let mut current_model = String::new();
    for event in events {
        let (message, usage) = (&event["message"], &event["message"]["usage"]);
        match text(event, "type") {
            "model_change" => text(event, "modelId").clone_into(&mut current_model),
            "custom" => text(&event["data"], "modelId").clone_into(&mut current_model),
            _ => {}
        }
        if text(message, "role") != "assistant" || number(usage, "totalTokens") == 0 {
            continue;
        }
        let (input, output, at) = (
            number(usage, "input"),
            number(usage, "output"),
            number(message, "timestamp"),
        );
        if !seen.insert((text(event, "id").to_owned(), at, input, output)) {
            continue;
        }
        let split = usage.get("input").is_some();
        let figures = Figures {
            responses: 1,
            input_tokens: input,
            output_tokens: output,
            cache_read_tokens: number(usage, "cacheRead"),
            cache_write_5m_tokens: number(usage, "cacheWrite"),
            cache_write_1h_tokens: 0,
            unsplit_tokens: if split {
                0
            } else {
                number(usage, "totalTokens")
            },
        };
        let model = if text(message, "model").is_empty() {
            &current_model
        } else {
            text(message, "model")
        };
        let at =
            jiff::Timestamp::from_millisecond(i64::try_from(at).expect("a time")).expect("a time");
        add(rows, &at.to_string()[..10], "openclaw", model, figures);
    }
}
