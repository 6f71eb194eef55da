//! The lines around the responses of a Claude Code session: prompts, tool results and the client's own notes.
//!
//! They make the sizes what they are: a tool's result stands in its line twice, once for the model and once, with
//! more detail, for the client. An edit carries the whole file as it was before, a read image its base64.

use super::{
    claude::Session,
    line::{ClaudeLine, ClaudeUsage},
};
use std::io;

impl Session<'_> {
    /// What the next response answers: a prompt, or what a tool handed back.
    pub(super) fn user(&mut self) -> io::Result<()> {
        let tool = self.random.id("toolu_");
        let (message, extra) = match self.random.below(400) {
            0..40 => {
                let words = self.words(60, 6);
                (
                    format!(r#"{{"role":"user","content":"{words}"}}"#),
                    String::new(),
                )
            }
            40..44 => self.image(&tool),
            44..46 => {
                // Too long to repeat.
                let (size, mut words) = (self.tail(40_000, 600_000), String::new());
                self.text.words(&mut self.random, size, &mut words);
                (
                    tool_result(&tool, &format!(r#""{words}""#)),
                    r#","toolUseResult":"see above""#.to_owned(),
                )
            }
            46..54 => {
                let words = self.words(60, 6);
                self.tally.trap("tool result with usage");
                (
                    tool_result(&tool, &format!(r#""{words}""#)),
                    self.subagent_totals(),
                )
            }
            54..150 => self.read(&tool),
            150..220 => self.edit(&tool),
            _ => self.bash(&tool),
        };
        let uuid = self.random.uuid();
        let line = ClaudeLine {
            uuid: &uuid,
            ..self.template()
        }
        .user(&message, &extra);
        self.parent = uuid;
        self.out.line(&line)
    }

    /// A screenshot.
    fn image(&mut self, tool: &str) -> (String, String) {
        let (size, mut data) = (self.tail(100_000, 500_000), String::new());
        self.text.base64(&mut self.random, size, &mut data);
        let source = format!(r#"{{"type":"base64","data":"{data}","media_type":"image/png"}}"#);
        (
            tool_result(tool, &format!(r#"[{{"type":"image","source":{source}}}]"#)),
            r#","toolUseResult":{"type":"image"}"#.to_owned(),
        )
    }

    /// A file that was read, with and without line numbers.
    fn read(&mut self, tool: &str) -> (String, String) {
        let words = self.words(300, 8);
        let lines = words.len() / 40;
        (
            tool_result(tool, &format!(r#""     1→{words}""#)),
            format!(
                r#","toolUseResult":{{"type":"text","file":{{"filePath":"{}/src/lib.rs","content":"{words}","numLines":{lines},"startLine":1,"totalLines":{lines}}}}}"#,
                self.who.cwd
            ),
        )
    }

    /// A changed file: what was replaced, around it some lines for the model, and all that stood there before.
    fn edit(&mut self, tool: &str) -> (String, String) {
        let [file, old, new] = [self.words(600, 8), self.words(40, 5), self.words(50, 5)];
        let path = format!("{}/src/lib.rs", self.who.cwd);
        (
            tool_result(
                tool,
                &format!(r#""The file {path} has been updated:\n    12→{new}""#),
            ),
            format!(
                r#","toolUseResult":{{"filePath":"{path}","oldString":"{old}","newString":"{new}","originalFile":"{file}","structuredPatch":[{{"oldStart":12,"oldLines":7,"newStart":12,"newLines":9,"lines":["-{old}","+{new}"]}}],"userModified":false,"replaceAll":false}}"#
            ),
        )
    }

    /// What a command printed.
    fn bash(&mut self, tool: &str) -> (String, String) {
        let words = self.words(60, 7);
        (
            tool_result(tool, &format!(r#""{words}""#)),
            format!(
                r#","toolUseResult":{{"stdout":"{words}","stderr":"","interrupted":false,"isImage":false,"noOutputExpected":false,"id":null}}"#
            ),
        )
    }

    /// Text of a [long-tailed](super::random::Random::long_tailed) size, at most a sixth of the file.
    fn words(&mut self, smallest: u64, coins: u32) -> String {
        let size = self.random.long_tailed(smallest, coins);
        let mut words = String::new();
        self.text
            .words(&mut self.random, size.min(self.budget / 6), &mut words);
        words
    }

    /// What a subagent used, told again on the line that hands back its result.
    fn subagent_totals(&mut self) -> String {
        let usage = ClaudeUsage {
            output: self.random.long_tailed(40, 6),
            ..self.usage()
        };
        let total = usage.input + usage.output + usage.cache_read + usage.cache_write;
        let agent = self.random.hex(7);
        format!(
            r#","toolUseResult":{{"status":"completed","agentId":"{agent}","totalDurationMs":48211,"totalTokens":{total},"totalToolUseCount":12,"usage":{usage}}}"#
        )
    }

    /// One or two notes of the client: hooks, durations, attachments, snapshots, queued prompts.
    pub(super) fn notes(&mut self) -> io::Result<()> {
        for _ in 0..=u64::from(self.random.one_in(3)) {
            match self.random.below(10) {
                0..5 => self.note(
                    "progress",
                    r#","data":{"type":"hook_progress","hookEvent":"PostToolUse","hookName":"PostToolUse:Edit","command":"cargo fmt --quiet && git diff --stat"},"parentToolUseID":"toolu_012345","toolUseID":"toolu_012345""#,
                )?,
                5..7 => self.note(
                    "system",
                    r#","subtype":"turn_duration","durationMs":41250,"isMeta":false"#,
                )?,
                7 => {
                    let words = self.words(80, 7);
                    let file =
                        format!(r#"{{"type":"file","filename":"notes.md","content":"{words}"}}"#);
                    self.note("attachment", &format!(r#","attachment":{file}"#))?;
                }
                8 => {
                    let (id, hash) = (self.random.uuid(), self.random.hex(16));
                    self.out.line(&format!(
                        r#"{{"type":"file-history-snapshot","messageId":"{id}","snapshot":{{"messageId":"{id}","trackedFileBackups":{{"src/lib.rs":{{"backupFileName":"{hash}@v2","version":2}},"src/main.rs":{{"backupFileName":"{hash}@v1","version":1}}}}}},"isSnapshotUpdate":true}}"#
                    ))?;
                }
                _ => {
                    let words = self.words(20, 5);
                    let session = &self.who.session;
                    self.out.line(&format!(
                        r#"{{"type":"queue-operation","operation":"enqueue","sessionId":"{session}","content":"{words}"}}"#
                    ))?;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, kind: &str, fields: &str) -> io::Result<()> {
        let uuid = self.random.uuid();
        let line = ClaudeLine {
            uuid: &uuid,
            ..self.template()
        }
        .other(kind, fields);
        self.parent = uuid;
        self.out.line(&line)
    }
}

fn tool_result(tool: &str, content: &str) -> String {
    format!(
        r#"{{"role":"user","content":[{{"tool_use_id":"{tool}","type":"tool_result","content":{content},"is_error":false}}]}}"#
    )
}
