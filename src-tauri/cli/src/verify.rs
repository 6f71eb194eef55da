//! `clawspend verify`.

use crate::{
    Bar, Failure, environment,
    json::{figures, line},
    note_all, print, refresh,
    report::cost,
    table::{Align, count, responses, table},
};
use clawspend_core::{
    summary::Amount,
    verify::{Cause, Difference, Verified, verify},
};
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What both sides say.
type Sides = (Amount, Amount);

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = environment()?;
    note_all(&refresh(&environment)?);
    let (config, _) = environment.config();
    let mut bar = Bar::new("Reading all logs again");
    let verified = verify(&environment, &config, &mut |progress| bar.show(progress));
    drop(bar);
    let verified = verified?;
    let by_cause = by_cause(&verified.differences);
    print(&if arguments.json {
        as_json(&verified, &by_cause)
    } else {
        as_text(&verified, &by_cause)
    })?;
    failure(&by_cause).map_or(Ok(()), Err)
}

fn by_cause(differences: &[Difference]) -> BTreeMap<Cause, Sides> {
    let mut sums: BTreeMap<Cause, Sides> = BTreeMap::new();
    for difference in differences {
        let (ledger, logs) = sums.entry(difference.cause).or_default();
        *ledger += difference.ledger;
        *logs += difference.logs;
    }
    sums
}

/// Why the answer is not that all is well.
fn failure(by_cause: &BTreeMap<Cause, Sides>) -> Option<Failure> {
    let message = match (
        by_cause.get(&Cause::Unexplained),
        by_cause.contains_key(&Cause::SumsWrong),
    ) {
        (Some((ledger, logs)), _) => format!(
            "nothing explains what differs: {} in the ledger, {} in the logs",
            responses(ledger.responses),
            count(logs.responses)
        ),
        (None, true) => Cause::SumsWrong.describe().into(),
        (None, false) => return None,
    };
    Some(Failure {
        message,
        hint: "keep a copy of the ledger and report this with the table above; a log that was edited by hand \
               in its middle does this too"
            .into(),
    })
}

fn as_json(verified: &Verified, by_cause: &BTreeMap<Cause, Sides>) -> String {
    let causes = by_cause.iter().map(|(cause, (ledger, logs))| {
        json!({
            "cause": cause,
            "explained": cause.is_explained(),
            "sentence": cause.describe(),
            "ledger": figures(ledger),
            "logs": figures(logs),
        })
    });
    let differences = verified.differences.iter().map(|it| {
        json!({
            "cause": it.cause,
            "day": it.day.to_string(),
            "source": it.source,
            "model": &*it.model,
            "ledger": figures(&it.ledger),
            "logs": figures(&it.logs),
        })
    });
    line(&json!({
        "schema": "clawspend.verify/1",
        "timezone": verified.timezone,
        "explained": by_cause.keys().all(|cause| cause.is_explained()),
        "files": verified.files,
        "ledger_responses": verified.ledger,
        "log_responses": verified.logs,
        "causes": causes.collect::<Vec<_>>(),
        "differences": differences.collect::<Vec<_>>(),
    }))
}

fn as_text(verified: &Verified, by_cause: &BTreeMap<Cause, Sides>) -> String {
    let plural = if verified.files == 1 { "" } else { "s" };
    let read = format!(
        "{} from {} file{plural} read again",
        responses(verified.logs),
        count(verified.files)
    );
    if by_cause.is_empty() {
        return format!("{read}: everything as in the ledger.\n");
    }
    let mut text = format!(
        "{read}, {} in the ledger. What only one of them has:\n\n",
        count(verified.ledger)
    );
    let rows = by_cause.iter().map(|(cause, sides)| {
        let mut row = vec![word(*cause)];
        row.extend(cells(*sides));
        row.push(cause.describe().into());
        row
    });
    let mut heads = vec![("why", Align::Left)];
    heads.extend(FIGURES);
    heads.push(("meaning", Align::Left));
    text += &table(&heads, &rows.collect::<Vec<_>>(), None);
    let rows = verified.differences.iter().map(|it| {
        let mut row = vec![
            word(it.cause),
            it.day.to_string(),
            it.source.as_str().into(),
            it.model.to_string(),
        ];
        row.extend(cells((it.ledger, it.logs)));
        row
    });
    let mut heads = Vec::from(["why", "day", "source", "model"].map(|head| (head, Align::Left)));
    heads.extend(FIGURES);
    text + "\n" + &table(&heads, &rows.collect::<Vec<_>>(), None)
}

const FIGURES: [(&str, Align); 6] = [
    ("ledger", Align::Right),
    ("tokens", Align::Right),
    ("cost", Align::Right),
    ("logs", Align::Right),
    ("tokens", Align::Right),
    ("cost", Align::Right),
];

fn cells((ledger, logs): Sides) -> impl Iterator<Item = String> {
    [ledger, logs].into_iter().flat_map(|amount| {
        let (responses, tokens) = (amount.responses, amount.tokens.total());
        [count(responses), count(tokens), cost(&amount)]
    })
}

/// As in JSON.
fn word(cause: Cause) -> String {
    json!(cause).as_str().unwrap_or_default().to_owned()
}
