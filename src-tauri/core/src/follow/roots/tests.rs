use super::*;
use proptest::prelude::*;
use std::{collections::HashMap, slice};

const CLAUDE: Source = Source::ClaudeCode;
const OPENCLAW: Source = Source::OpenClaw;

fn found(
    env: &[(&str, &str)],
    home: Option<&Path>,
    extra: &[(Source, PathBuf)],
) -> Vec<(Source, String, &'static str)> {
    let env: HashMap<_, _> = env.iter().copied().collect();
    let read = |name: &str| env.get(name).map(OsString::from);
    let text = |path: &Path| path.to_string_lossy().replace('\\', "/");
    roots(&read, home, &[], extra)
        .into_iter()
        .map(|root| (root.source, text(&root.path), root.origin))
        .collect()
}

fn owned<const N: usize>(
    expected: [(Source, &str, &'static str); N],
) -> Vec<(Source, String, &'static str)> {
    expected
        .map(|(source, path, origin)| (source, path.into(), origin))
        .into()
}

#[test]
fn profiles_and_linux_guests_are_looked_at() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path().join("home");
    let guest = folder.path().join("guest");
    for there in [
        "home/.openclaw-work/agents",
        "home/.openclaw-empty",
        "guest/.openclaw-lab/agents",
    ] {
        std::fs::create_dir_all(folder.path().join(there)).expect("a folder");
    }
    let env = |name: &str| (name == "OPENCLAW_PROFILE").then(|| OsString::from("next"));
    let all = roots(&env, Some(&home), slice::from_ref(&guest), &[]);
    let told: Vec<_> = all
        .iter()
        .filter(|root| !["default", "legacy", "Claude Desktop"].contains(&root.origin))
        .map(|root| (root.source, root.path.clone(), root.origin))
        .collect();
    assert_eq!(
        told,
        [
            (
                OPENCLAW,
                home.join(".openclaw-next/agents"),
                "OPENCLAW_PROFILE"
            ),
            (OPENCLAW, home.join(".openclaw-work/agents"), "profile"),
            (CLAUDE, guest.join(".config/claude/projects"), "WSL"),
            (CLAUDE, guest.join(".claude/projects"), "WSL"),
            (OPENCLAW, guest.join(".openclaw/agents"), "WSL"),
            (OPENCLAW, guest.join(".openclaw-lab/agents"), "WSL"),
        ]
    );
    let env = |name: &str| (name == "OPENCLAW_PROFILE").then(|| OsString::from("work"));
    let work = |root: &RootSpec| root.path == home.join(".openclaw-work/agents");
    let origins: Vec<_> = roots(&env, Some(&home), &[], &[])
        .into_iter()
        .filter(work)
        .map(|root| root.origin)
        .collect();
    assert_eq!(origins, ["OPENCLAW_PROFILE"], "each folder once");
}

#[test]
fn variables_replace_the_defaults_and_empty_ones_do_not() {
    let legacy = [
        (OPENCLAW, "/h/.clawdbot/agents", "legacy"),
        (OPENCLAW, "/h/.moltbot/agents", "legacy"),
        (OPENCLAW, "/h/.moldbot/agents", "legacy"),
    ];
    let home = Some(Path::new("/h"));
    let mut defaults = owned([
        (CLAUDE, "/h/.config/claude/projects", "default"),
        (CLAUDE, "/h/.claude/projects", "default"),
        (OPENCLAW, "/h/.openclaw/agents", "default"),
    ]);
    defaults.extend(owned(legacy));
    let without_desktop = |env: &[(&str, &str)]| {
        let mut all = found(env, home, &[]);
        all.retain(|root| root.2 != "Claude Desktop");
        all
    };
    assert_eq!(without_desktop(&[]), defaults);
    let empty = [
        ("CLAUDE_CONFIG_DIR", ""),
        ("OPENCLAW_STATE_DIR", ""),
        ("OPENCLAW_HOME", ""),
        ("XDG_CONFIG_HOME", ""),
    ];
    assert_eq!(without_desktop(&empty), defaults);

    let xdg = (CLAUDE, "/x/claude/projects".to_owned(), "XDG_CONFIG_HOME");
    assert_eq!(
        without_desktop(&[("XDG_CONFIG_HOME", "/x")]),
        [vec![xdg], defaults].concat()
    );

    let set = [
        ("CLAUDE_CONFIG_DIR", "/a, /b/projects ,,"),
        ("OPENCLAW_STATE_DIR", "/state"),
        ("OPENCLAW_HOME", "/o"),
    ];
    let expected = owned([
        (CLAUDE, "/a/projects", "CLAUDE_CONFIG_DIR"),
        (CLAUDE, "/b/projects", "CLAUDE_CONFIG_DIR"),
        (OPENCLAW, "/state/agents", "OPENCLAW_STATE_DIR"),
    ]);
    assert_eq!(found(&set, home, &[]), expected);

    let other_home = owned([
        (OPENCLAW, "/o/.openclaw/agents", "OPENCLAW_HOME"),
        (OPENCLAW, "/o/.clawdbot/agents", "legacy"),
        (OPENCLAW, "/o/.moltbot/agents", "legacy"),
        (OPENCLAW, "/o/.moldbot/agents", "legacy"),
    ]);
    assert_eq!(found(&[("OPENCLAW_HOME", "/o")], None, &[]), other_home);
    assert_eq!(found(&[], None, &[]), []);
}

#[test]
fn folders_of_the_config_come_on_top() {
    let env = [
        ("CLAUDE_CONFIG_DIR", "/a"),
        ("OPENCLAW_STATE_DIR", "/state"),
    ];
    let extra = [
        (CLAUDE, "/more".into()),
        (CLAUDE, "/a".into()),
        (OPENCLAW, "/old/agents".into()),
    ];
    let expected = owned([
        (CLAUDE, "/a/projects", "CLAUDE_CONFIG_DIR"),
        (OPENCLAW, "/state/agents", "OPENCLAW_STATE_DIR"),
        (CLAUDE, "/more/projects", "config"),
        (OPENCLAW, "/old/agents", "config"),
    ]);
    assert_eq!(found(&env, None, &extra), expected);
}

#[cfg(unix)]
#[test]
fn a_folder_is_listed_once_however_it_is_reached() {
    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| home.path().join(name);
    std::fs::create_dir_all(at(".claude/projects/inner/projects")).expect("made");
    std::fs::create_dir_all(at(".openclaw/agents")).expect("made");
    std::os::unix::fs::symlink(at(".openclaw"), at(".clawdbot")).expect("linked");
    std::os::unix::fs::symlink(at(".claude"), at("again")).expect("linked");
    std::os::unix::fs::symlink(at("nowhere"), at(".moltbot")).expect("linked");

    let extra = [
        (CLAUDE, at("again")),
        (CLAUDE, at(".claude/projects/inner")),
        (OPENCLAW, at(".claude")),
    ];
    let mut all = found(&[], Some(home.path()), &extra);
    all.retain(|root| root.2 != "Claude Desktop");
    let text = |name: &str| at(name).to_string_lossy().into_owned();
    let expected = vec![
        (CLAUDE, text(".config/claude/projects"), "default"),
        (CLAUDE, text(".claude/projects"), "default"),
        (OPENCLAW, text(".openclaw/agents"), "default"),
        (OPENCLAW, text(".moltbot/agents"), "legacy"),
        (OPENCLAW, text(".moldbot/agents"), "legacy"),
        (OPENCLAW, text(".claude/agents"), "config"),
    ];
    assert_eq!(all, expected);
}

fn spec(source: Source, path: &str) -> RootSpec {
    RootSpec {
        source,
        path: path.into(),
        origin: "default",
    }
}

#[test]
fn claude_files_are_told_by_their_path() {
    let projects = spec(CLAUDE, "/h/projects/me/.claude/projects");
    let desktop = spec(CLAUDE, "/h/Claude/local-agent-mode-sessions");
    for (root, relative, expected) in [
        (&projects, "-w-demo/0b24.jsonl", Some(("-w-demo", "0b24"))),
        (
            &projects,
            "-w-demo/agent-a1.jsonl",
            Some(("-w-demo", "agent-a1")),
        ),
        (
            &projects,
            "-w-demo/0b24/subagents/agent-a1.jsonl",
            Some(("-w-demo", "0b24")),
        ),
        (
            &projects,
            "-w-demo/0b24/subagents/workflows/w1/agent-a1.jsonl",
            Some(("-w-demo", "0b24")),
        ),
        (
            &projects,
            "subagents/agent-a1.jsonl",
            Some(("subagents", "agent-a1")),
        ),
        (&projects, "loose.jsonl", Some(("", "loose"))),
        (&projects, "-w-demo/0b24/subagents/agent-a1.meta.json", None),
        (&projects, "-w-demo/.jsonl", None),
        (&projects, "-w-demo/0b24.jsonl.bak", None),
        (
            &desktop,
            "a/b/.claude/projects/-w/s.jsonl",
            Some(("-w", "s")),
        ),
        (&desktop, "a/b/audit.jsonl", None),
    ] {
        let expected = expected.map(|(project, session)| LogFile {
            kind: Kind::ClaudeJsonl,
            context: Context {
                project: project.into(),
                session: session.into(),
                ..Context::default()
            },
        });
        assert_eq!(
            classify(root.source, &root.path.join(relative)),
            expected,
            "{relative}"
        );
    }
}

#[test]
fn openclaw_files_are_told_by_their_path() {
    use Kind::{
        CodexArchive, CodexJsonl, OpenClawArchive as Packed, OpenClawDb as Db,
        OpenClawIndex as Index, OpenClawJsonl as Jsonl,
    };
    const HEX: &str = "f6462a0f3b1740808df9290e393a5996";
    let state = spec(OPENCLAW, "/h/.openclaw/agents");
    for (relative, expected) in [
        (
            "main/agent/openclaw-agent.sqlite",
            Some((Db, "main", "", 0)),
        ),
        ("ops/agent/openclaw-agent.sqlite", Some((Db, "ops", "", 0))),
        ("main/agent/openclaw-agent.sqlite-wal", None),
        ("main/agent/incognito-openclaw-agent.sqlite", None),
        (
            &format!(
                "main/agent/codex-home/sessions/2026/11/20/rollout-2026-11-20T09-00-00-{HEX}.jsonl"
            ),
            Some((CodexJsonl, "main", HEX, 1)),
        ),
        (
            "main/agent/codex-home/archived_sessions/rollout-1.jsonl.zst",
            Some((CodexArchive, "main", "1", 1)),
        ),
        (
            "main/agent/codex-home/sessions/2026/11/20/notes.jsonl",
            None,
        ),
        ("main/agent/codex-home/history.jsonl", None),
        ("main/sessions/s1.jsonl", Some((Jsonl, "main", "s1", 1))),
        (
            "main/sessions/s1-topic-42.jsonl",
            Some((Jsonl, "main", "s1", 1)),
        ),
        (
            "main/sessions/s1.jsonl.reset.2026-11-20T12-39-25.525Z",
            Some((Jsonl, "main", "s1", 3)),
        ),
        (
            "main/sessions/s1.jsonl.deleted.2026-11-20T12-39-25.905Z",
            Some((Jsonl, "main", "s1", 3)),
        ),
        (
            &format!("main/sessions/s1.jsonl.deleted.2026-11-20T12-39-34.760Z.{HEX}"),
            Some((Jsonl, "main", "s1", 3)),
        ),
        (
            &format!("main/sessions/s1.jsonl.deleted.2026-11-20T12-39-34.760Z.{HEX}.zst"),
            Some((Packed, "main", "s1", 3)),
        ),
        ("main/sessions/s1.jsonl.deleted.2026.zst.tmp", None),
        (
            "main/sessions/cold/s1.jsonl.zst",
            Some((Packed, "main", "s1", 3)),
        ),
        ("main/sessions/other/s1.jsonl", None),
        ("main/sessions/s1.trajectory.jsonl", None),
        (
            "main/sessions/s1.checkpoint.0b243ddd-d81c-428f-8097-d4747d0a7f41.jsonl",
            None,
        ),
        ("main/sessions/s1.jsonl.bak.1795177724011", None),
        ("main/sessions/s1.jsonl.lock", None),
        ("main/sessions/sessions.json", Some((Index, "main", "", 0))),
        ("main/sessions/sessions.json.bak.1", None),
        ("main/sessions/.usage-cost-cache.json", None),
        (
            "main/session-sqlite-import-archive/k1.s1.jsonl.imported-1795",
            Some((Jsonl, "main", "s1", 4)),
        ),
        (
            "main/session-sqlite-import-archive/archive-tier.s2.jsonl.imported-1795",
            Some((Jsonl, "main", "s2", 4)),
        ),
        (
            "main/session-sqlite-import-archive/k1.s1.jsonl.reset.2026.imported-1795",
            Some((Jsonl, "main", "s1", 4)),
        ),
        (
            "main/session-sqlite-import-archive/archive-tier.s3.jsonl.deleted.2026.zst.imported-1795",
            Some((Packed, "main", "s3", 4)),
        ),
        (
            "main/session-sqlite-import-archive/legacy-store.sessions.json.imported-1795",
            Some((Index, "main", "", 0)),
        ),
        ("main/session-sqlite-import-archive/k1.s1.jsonl", None),
        ("main", None),
        ("state/openclaw.sqlite", None),
        ("openclaw.json", None),
        ("", None),
    ] {
        let expected = expected.map(|(kind, agent, session, rank)| LogFile {
            kind,
            context: Context {
                agent: agent.into(),
                session: session.into(),
                rank,
                ..Context::default()
            },
        });
        assert_eq!(
            classify(state.source, &state.path.join(relative)),
            expected,
            "{relative}"
        );
    }
    let inside = spec(OPENCLAW, "/backup/agents");
    let expected = classify(state.source, &state.path.join("main/sessions/s1.jsonl"));
    assert_eq!(
        classify(inside.source, &inside.path.join("main/sessions/s1.jsonl")),
        expected,
        "a root further in"
    );
}

proptest! {
    #[test]
    fn any_path_can_be_classified(
        parts in prop::collection::vec(prop_oneof![
            Just("agents".to_owned()), Just("projects".to_owned()), Just("subagents".to_owned()),
            Just("sessions".to_owned()), Just("agent".to_owned()), Just("..".to_owned()),
            Just("session-sqlite-import-archive".to_owned()), "[a.]{0,2}(\\.jsonl|-topic-|\\.imported-|\\.reset\\.)?.{0,4}(\\.zst)?",
        ], 0..7),
        claude in any::<bool>(),
    ) {
        let root = spec(if claude { CLAUDE } else { OPENCLAW }, "/r");
        if let Some(file) = classify(root.source, &root.path.join(parts.iter().collect::<PathBuf>())) {
            prop_assert_eq!(file.kind == Kind::ClaudeJsonl, claude);
            prop_assert!(file.context.rank <= rank::IMPORT_ARCHIVE);
        }
    }
}
