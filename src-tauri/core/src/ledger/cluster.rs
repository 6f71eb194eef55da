//! How observations become responses. Pure.
//!
//! All observations that share an id form a cluster. What it keeps of them can only grow, whatever the order
//! they come in, so any scan order, any chunking and any repetition end in the same responses.

use super::names::NameId;
use crate::{
    money::NanoUsd,
    time::UnixMillis,
    usage::{Identity, Modifiers, Observation, Source, Tokens},
};
use serde::{Deserialize, Serialize};
use std::cmp::{Ordering, Reverse};

/// Turns the texts of an observation into numbers and back.
pub(super) trait Names {
    fn id(&mut self, text: &str) -> rusqlite::Result<NameId>;
    fn text(&mut self, id: NameId) -> rusqlite::Result<std::sync::Arc<str>>;
}

/// One observation, its texts replaced by numbers, and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sighting {
    pub(super) at: UnixMillis,
    pub(super) rank: u8,
    pub(super) forked: bool,
    pub(super) has_speed: bool,
    pub(super) source: Source,
    pub(super) path: NameId,
    pub(super) offset: u64,
    pub(super) session: NameId,
    pub(super) project: NameId,
    pub(super) agent: NameId,
    pub(super) branch: NameId,
    pub(super) provider: NameId,
    pub(super) model: NameId,
    pub(super) tokens: Tokens,
    pub(super) modifiers: Modifiers,
    pub(super) recorded: Option<NanoUsd>,
}

/// The lines of one file that carried a variant; enough to see which of them follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Sheet {
    path: NameId,
    line: u32,
    parent: u32,
    side: bool,
}

/// What was seen of one (request, input tokens, cache writes, cache reads) of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Variant {
    request: u64,
    input: [u64; 3],
    best: Sighting,
    first: Sighting,
    lines: Vec<Sheet>,
}

/// Everything kept about one id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cluster {
    strong: bool,
    /// In order of (request, input).
    variants: Vec<Variant>,
}

/// One billable response: what it used, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// The most complete copy: tokens, model, modifiers, recorded cost.
    pub(super) best: Sighting,
    /// The earliest copy: time, session, project, agent, branch.
    pub(super) first: Sighting,
}

impl Sighting {
    pub(super) fn new(
        observation: &Observation<'_>,
        path: NameId,
        offset: u64,
        names: &mut impl Names,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            at: observation.at,
            rank: observation.rank,
            forked: observation.forked,
            has_speed: observation.has_speed,
            source: observation.source,
            path,
            offset,
            session: names.id(&observation.session)?,
            project: names.id(&observation.project)?,
            agent: names.id(&observation.agent)?,
            branch: names.id(&observation.branch)?,
            provider: names.id(&observation.provider)?,
            model: names.id(&observation.model)?,
            tokens: observation.tokens,
            modifiers: observation.modifiers,
            recorded: observation.recorded,
        })
    }

    /// By file path, byte offset and, as rows of one database may share both, session, so that equals do not
    /// depend on which was read first.
    fn by_place(&self, other: &Self, names: &mut impl Names) -> rusqlite::Result<Ordering> {
        let by_path = if self.path == other.path {
            Ordering::Equal
        } else {
            names.text(self.path)?.cmp(&names.text(other.path)?)
        };
        let by_line = by_path.then(self.offset.cmp(&other.offset));
        if by_line.is_ne() || self.session == other.session {
            return Ok(by_line);
        }
        Ok(names.text(self.session)?.cmp(&names.text(other.session)?))
    }

    /// Whether it tells more of the response than `other`: originals over side chains and archives, then the
    /// most output (snapshots grow), then the most tokens.
    fn is_better(&self, other: &Self, names: &mut impl Names) -> rusqlite::Result<bool> {
        let key = |it: &Self| {
            (
                it.rank,
                Reverse(it.tokens.output),
                Reverse(it.tokens.total()),
                Reverse(it.has_speed),
                Reverse(it.recorded),
            )
        };
        Ok(match key(self).cmp(&key(other)) {
            Ordering::Equal => self.by_place(other, names)?.is_lt(),
            order => order.is_lt(),
        })
    }

    /// Whether it rather owns the response than `other`: the earliest, then the original.
    fn is_earlier(&self, other: &Self, names: &mut impl Names) -> rusqlite::Result<bool> {
        let key = |it: &Self| (it.at, it.rank, it.forked);
        Ok(match key(self).cmp(&key(other)) {
            Ordering::Equal => self.by_place(other, names)?.is_lt(),
            order => order.is_lt(),
        })
    }
}

impl Variant {
    fn key(&self) -> (u64, [u64; 3]) {
        (self.request, self.input)
    }

    fn merge(&mut self, other: &Self, names: &mut impl Names) -> rusqlite::Result<()> {
        self.see(&other.best, &other.first, names)?;
        other.lines.iter().for_each(|line| self.link(*line));
        Ok(())
    }

    fn see(
        &mut self,
        best: &Sighting,
        first: &Sighting,
        names: &mut impl Names,
    ) -> rusqlite::Result<()> {
        if best.is_better(&self.best, names)? {
            self.best = *best;
        }
        if first.is_earlier(&self.first, names)? {
            self.first = *first;
        }
        Ok(())
    }

    fn link(&mut self, line: Sheet) {
        if let Err(at) = self.lines.binary_search(&line) {
            self.lines.insert(at, line);
        }
    }
}

impl Cluster {
    /// Nothing is known yet of this id.
    pub(super) fn new(identity: Identity) -> Self {
        Self {
            strong: identity == Identity::Strong,
            // Nearly all have one.
            variants: Vec::with_capacity(1),
        }
    }

    /// Takes in one observation.
    pub(super) fn add(
        &mut self,
        observation: &Observation<'_>,
        sighting: Sighting,
        names: &mut impl Names,
    ) -> rusqlite::Result<()> {
        let tokens = &observation.tokens;
        let writes = tokens.cache_write_5m + tokens.cache_write_1h;
        let key = (
            observation.request,
            [tokens.input, writes, tokens.cache_read],
        );
        let at = match self.variants.binary_search_by_key(&key, Variant::key) {
            Ok(at) => {
                self.variants[at].see(&sighting, &sighting, names)?;
                at
            }
            Err(at) => {
                let (request, input) = key;
                let variant = Variant {
                    request,
                    input,
                    best: sighting,
                    first: sighting,
                    lines: Vec::new(),
                };
                self.variants.insert(at, variant);
                at
            }
        };
        if observation.source == Source::ClaudeCode {
            // The halves of a 64-bit hash are hashes; within one cluster 32 bits are plenty.
            #[expect(clippy::cast_possible_truncation, reason = "a shorter hash is meant")]
            let (line, parent) = (observation.line as u32, observation.parent as u32);
            self.variants[at].link(Sheet {
                path: sighting.path,
                line,
                parent,
                side: sighting.rank > 0,
            });
        }
        Ok(())
    }

    /// Takes in what another knows of the same id.
    pub(super) fn merge(&mut self, other: &Self, names: &mut impl Names) -> rusqlite::Result<()> {
        for variant in &other.variants {
            match self
                .variants
                .binary_search_by_key(&variant.key(), Variant::key)
            {
                Ok(at) => self.variants[at].merge(variant, names)?,
                Err(at) => self.variants.insert(at, variant.clone()),
            }
        }
        Ok(())
    }

    /// The responses it stands for: one for an id that is unique, else one for each request and input.
    pub(super) fn groups(&self, names: &mut impl Names) -> rusqlite::Result<Vec<Group>> {
        if let [only] = self.variants.as_slice() {
            return Ok(vec![Group {
                best: only.best,
                first: only.first,
            }]);
        }
        let chains = self.chains();
        if self.strong && !self.is_reused(&chains) {
            let mut group = Group {
                best: self.variants[0].best,
                first: self.variants[0].first,
            };
            for variant in &self.variants[1..] {
                if variant.best.is_better(&group.best, names)? {
                    group.best = variant.best;
                }
                if variant.first.is_earlier(&group.first, names)? {
                    group.first = variant.first;
                }
            }
            return Ok(vec![group]);
        }
        // Within one chain of lines only the fullest counts: some proxies write zeros first. What leads to a
        // fuller one anywhere does not stand by itself elsewhere, in a copy that ends early.
        let mut leads_to: Vec<Vec<usize>> = vec![Vec::new(); self.variants.len()];
        for chain in &chains {
            let fullest = chain.variants.iter().max_by_key(|at| {
                let variant = &self.variants[**at];
                let input: u64 = variant.input.iter().sum();
                (input, variant.best.tokens.output, **at)
            });
            for at in &chain.variants {
                leads_to[*at].extend(fullest.filter(|fullest| *fullest != at));
            }
        }
        let mut groups: Vec<Option<Group>> = self
            .variants
            .iter()
            .zip(&leads_to)
            .map(|(variant, fuller)| {
                fuller.is_empty().then_some(Group {
                    best: variant.best,
                    first: variant.first,
                })
            })
            .collect();
        for (variant, fuller) in self.variants.iter().zip(&mut leads_to) {
            fuller.sort_unstable();
            fuller.dedup();
            // Zeros that many responses began with tell of none when it began.
            if let [one] = fuller.as_slice()
                && let Some(group) = &mut groups[*one]
                && variant.first.is_earlier(&group.first, names)?
            {
                group.first = variant.first;
            }
        }
        Ok(groups.into_iter().flatten().collect())
    }

    /// An id is reused when one file holds two main lines of it that differ in input and do not follow
    /// each other.
    fn is_reused(&self, chains: &[Chain]) -> bool {
        chains.iter().enumerate().any(|(index, chain)| {
            chains[..index].iter().any(|other| {
                chain.path == other.path
                    && chain.main.iter().any(|one| {
                        other
                            .main
                            .iter()
                            .any(|two| self.variants[*one].input != self.variants[*two].input)
                    })
            })
        })
    }

    /// Lines of one file that follow each other (parent to child), as sets of variants.
    fn chains(&self) -> Vec<Chain> {
        let mut lines: Vec<(Sheet, usize)> = Vec::new();
        for (at, variant) in self.variants.iter().enumerate() {
            lines.extend(variant.lines.iter().map(|line| (*line, at)));
        }
        lines.sort_unstable();
        // Each line's chain, found by following parents through lines of the same file and id.
        let mut root: Vec<usize> = (0..lines.len()).collect();
        fn find(root: &mut [usize], mut at: usize) -> usize {
            while root[at] != at {
                root[at] = root[root[at]];
                at = root[at];
            }
            at
        }
        for (at, (sheet, _)) in lines.iter().enumerate() {
            for wanted in [sheet.parent, sheet.line] {
                if wanted == 0 {
                    continue;
                }
                let wanted = (sheet.path, wanted);
                let from = lines.partition_point(|(other, _)| (other.path, other.line) < wanted);
                let same = lines[from..]
                    .iter()
                    .take_while(|(other, _)| (other.path, other.line) == wanted);
                for other in from..from + same.count() {
                    let (one, two) = (find(&mut root, at), find(&mut root, other));
                    root[one.max(two)] = one.min(two);
                }
            }
        }
        let mut chains: Vec<Chain> = Vec::new();
        let mut of_root: Vec<Option<usize>> = vec![None; lines.len()];
        for (at, (line, variant)) in lines.iter().enumerate() {
            let top = find(&mut root, at);
            let chain = *of_root[top].get_or_insert_with(|| {
                chains.push(Chain {
                    path: line.path,
                    variants: Vec::new(),
                    main: Vec::new(),
                });
                chains.len() - 1
            });
            chains[chain].variants.push(*variant);
            if !line.side {
                chains[chain].main.push(*variant);
            }
        }
        chains
    }
}

/// See [`Cluster::chains`].
struct Chain {
    path: NameId,
    variants: Vec<usize>,
    main: Vec<usize>,
}
