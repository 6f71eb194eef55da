//! `clawspend doctor`.

use crate::{
    Failure, environment,
    host::{Finding, findings},
    json, print, refresh,
    table::{Align, bytes, count, plural, responses, table, visible},
};
use clawspend_core::{
    api::{
        Doctor, GapCount, GatewayStatus, Phase, Problem, Reader, RootState, Unpriced,
        doctor_without_ledger,
        gateways::{self, KnownGateway},
    },
    completeness::{Completeness, NOT_IN_LOGS, SOON_DAYS, stretch},
    environment::Environment,
    pricing::{Gap, PriceBook},
    time::UnixMillis,
};
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Look at what the ledger holds, without reading logs first
    #[arg(long)]
    no_refresh: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = environment()?;
    let (mut doctor, failure) = match with_ledger(&environment, arguments.no_refresh) {
        Ok(doctor) => (doctor, None),
        // What is wrong with the ledger is what a doctor is asked for; the rest is told all the same.
        Err(failure) => {
            let trouble = Problem {
                code: "ledger".into(),
                message: failure.message.clone(),
                hint: failure.hint.clone(),
                serious: true,
            };
            (doctor_without_ledger(&environment, trouble), Some(failure))
        }
    };
    let gateways = match gateways::list(&environment) {
        Ok((gateways, problems)) => {
            tell_also(&mut doctor, problems);
            gateways
        }
        Err(error) => {
            let problem = Problem {
                code: error.code,
                message: error.message,
                hint: error.hint,
                serious: true,
            };
            tell_also(&mut doctor, vec![problem]);
            Vec::new()
        }
    };
    let findings = findings(&environment);
    print(&if arguments.json {
        as_json(&doctor, &gateways, &findings)
    } else {
        as_text(&doctor, &gateways, &findings)
    })?;
    failure.map_or(Ok(()), Err)
}

fn with_ledger(environment: &Environment, no_refresh: bool) -> Result<Doctor, Failure> {
    let found = if no_refresh {
        Vec::new()
    } else {
        refresh(environment)?
    };
    let mut doctor = Reader::open(environment.clone())?.doctor(UnixMillis::now())?;
    tell_also(&mut doctor, found);
    Ok(doctor)
}

fn tell_also(doctor: &mut Doctor, problems: Vec<Problem>) {
    for problem in problems {
        if !doctor.problems.contains(&problem) {
            doctor.problems.push(problem);
        }
    }
}

/// How things stand with a gateway, as far as a process is connected to it.
fn standing<'a>(doctor: &'a Doctor, gateway: &KnownGateway) -> Option<&'a GatewayStatus> {
    let mut all = doctor.status.gateways.iter();
    all.find(|status| status.name == gateway.name && status.url == gateway.url)
}

fn gateways_text(doctor: &Doctor, gateways: &[KnownGateway]) -> String {
    let mut text = String::from("\nGateways\n\n");
    for gateway in gateways {
        let (sentence, advice) = match standing(doctor, gateway) {
            Some(status) => (&status.sentence, status.advice.as_deref()),
            None => (&gateway.url, None),
        };
        text += &format!("{}: {}\n", gateway.name, visible(sentence));
        if let Some(advice) = advice {
            text += &format!("  → {}\n", visible(advice));
        }
    }
    if doctor.status.phase == Phase::Stopped {
        text += "Nobody is connected to them: the tray app is not running. `clawspend gateway test NAME` tries one.\n";
    }
    text
}

/// "No price is known for acme-9: 1 response, 112 tokens." and its like.
fn unpriced(
    model: &Unpriced,
    GapCount {
        gap,
        responses: some,
    }: GapCount,
) -> String {
    let (name, all) = (visible(&model.name), model.amount.responses);
    let tokens = model.amount.tokens.total();
    if gap == Gap::UnknownModel && some == all {
        return format!(
            "No price is known for {name}: {}, {} tokens.",
            responses(all),
            count(tokens)
        );
    }
    let what = gap.describe();
    format!(
        "The cost of {} of {} of {name} is not known: {what}.",
        count(some),
        responses(all)
    )
}

/// Which days of a source are known whole, and which of its logs end soon.
fn complete(known: &Completeness) -> String {
    let source = known.source.title();
    let mut text = format!("{source}: known whole: {}", known.stretches());
    text += &match known.kept_days {
        Some(days) => format!(
            " (it deletes logs after {} without change)\n",
            plural(days.into(), "day")
        ),
        None => " (it archives what it deletes)\n".to_owned(),
    };
    if let Some(days) = &known.forgotten {
        text += &format!("  you had responses forgotten: {}\n", stretch(days));
    }
    if known.ending_logs > 0 {
        text += &format!(
            "  {} will be deleted in the next {SOON_DAYS} days; {}\n",
            plural(known.ending_logs, "log"),
            match known.ending_unread {
                0 => "the ledger holds what they tell".to_owned(),
                some => format!("{} of them not read to the end yet", count(some)),
            }
        );
    }
    text
}

fn as_json(doctor: &Doctor, gateways: &[KnownGateway], findings: &[Finding]) -> String {
    let book = PriceBook::embedded();
    let unpriced = doctor.unpriced.iter().map(|model| {
        json!({
            "name": model.name,
            "detail": "",
            "source": model.source,
            "amount": model.amount,
            "last_at": model.last_at,
            "provider": model.provider,
            "gaps": model.gaps,
        })
    });
    let value = json!({
        "schema": "clawspend.doctor/1",
        "roots": doctor.roots,
        "diagnostics": json::diagnostics(&doctor.counts),
        "broken": doctor.broken,
        "ledger": {
            "path": doctor.ledger_path,
            "bytes": doctor.ledger_bytes,
            "responses": doctor.responses,
            "integrity": doctor.integrity,
        },
        "config": { "path": doctor.config_path },
        "price_book": { "date": book.generated_on().to_string(), "sources": book.version() },
        "unpriced": unpriced.collect::<Vec<_>>(),
        "repriced": doctor.repriced,
        "completeness": doctor.completeness,
        "not_in_logs": NOT_IN_LOGS,
        "status": doctor.status,
        "gateways": gateways,
        "problems": doctor.problems,
        "host": findings,
    });
    format!("{value}\n")
}

fn as_text(doctor: &Doctor, gateways: &[KnownGateway], findings: &[Finding]) -> String {
    let mut text = String::from("Where logs are looked for\n\n");
    let rows: Vec<Vec<String>> = doctor
        .roots
        .iter()
        .map(|root| {
            vec![
                root.source.title().into(),
                root.path.clone(),
                root.origin.clone(),
                match &root.state {
                    RootState::Found => "found".into(),
                    RootState::Missing => "not there".into(),
                    RootState::Unreadable { reason } => format!("unreadable: {reason}"),
                },
                count(root.files),
                bytes(root.bytes),
            ]
        })
        .collect();
    let heads = [
        ("agent", Align::Left),
        ("folder", Align::Left),
        ("why", Align::Left),
        ("state", Align::Left),
        ("files", Align::Right),
        ("size", Align::Right),
    ];
    text += &table(&heads, &rows, None);
    if doctor.roots.iter().all(|root| root.files == 0) {
        text += "\nNothing was found. Set CLAUDE_CONFIG_DIR or OPENCLAW_STATE_DIR, or name further folders in\n";
        text += &format!("[sources] of {}.\n", doctor.config_path);
    }
    let counts = &doctor.counts;
    text += "\nLines read\n\n";
    for (name, number) in [
        ("counted", counts.counted),
        ("ignored: mention no usage", counts.no_usage),
        (
            "ignored: usage not on an assistant message",
            counts.not_assistant,
        ),
        ("ignored: written by the client itself", counts.synthetic),
        ("ignored: all zero", counts.zero_usage),
        ("ignored: blank", counts.blank),
        ("broken", counts.broken),
    ] {
        text += &format!("{name:<44}{:>14}\n", count(number));
    }
    for record in &doctor.broken {
        text += &format!(
            "  {} at {} in {}\n",
            record.fault.describe(),
            record.offset,
            visible(&record.path)
        );
    }
    text += "\nHow complete it is\n\n";
    for known in &doctor.completeness {
        text += &complete(known);
    }
    text += &format!("In no log: {NOT_IN_LOGS}.\n");
    if !gateways.is_empty() {
        text += &gateways_text(doctor, gateways);
    }
    let book = PriceBook::embedded();
    text += &format!(
        "\nLedger       {} ({}, {}), {}\nSettings     {}\nPrice book   {} ({})\nFollowing    {}\n",
        doctor.ledger_path,
        bytes(doctor.ledger_bytes),
        responses(doctor.responses),
        if doctor.integrity == ["ok"] {
            "sound".into()
        } else {
            doctor.integrity.join("; ")
        },
        doctor.config_path,
        book.generated_on(),
        book.version(),
        match doctor.status.phase {
            Phase::Live => "yes, live".to_owned(),
            Phase::CatchingUp(progress) => format!(
                "catching up, {} of {} files",
                progress.files_done, progress.files_total
            ),
            Phase::Stopped => "no: the tray app is not running".to_owned(),
        },
    );
    text += "\n";
    for finding in findings {
        let mark = if finding.present == Some(true) {
            "yes"
        } else {
            "no "
        };
        text += &format!("{mark}  {}: {}\n", finding.name, visible(&finding.detail));
        if !finding.advice.is_empty() {
            text += &format!("     → {}\n", finding.advice);
        }
    }
    if let Some(repriced) = &doctor.repriced {
        let day = repriced.at.timestamp();
        text += &format!(
            "\nAll costs were computed anew on {day:.0}: {}.\n",
            repriced.describe()
        );
    }
    for model in &doctor.unpriced {
        for gap in &model.gaps {
            text += &format!("\n{}\n", unpriced(model, *gap));
        }
    }
    for problem in &doctor.problems {
        text += &format!(
            "\n{}\n  → {}\n",
            visible(&problem.message),
            visible(&problem.hint)
        );
    }
    text
}
