//! How observations become responses. Pure.
//!
//! All observations that share an id form a cluster. What it keeps of them can only grow, whatever the order
//! they come in, so any scan order, any chunking and any repetition end in the same responses.

use super::{
    dimensions::{CallId, OwnerId},
    names::NameId,
};
use crate::{
    money::NanoUsd,
    time::UnixMillis,
    usage::{Identity, MIRROR_RANK, Modifiers, Observation, Source, Tokens},
};
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};
use std::{
    cmp::{Ordering, Reverse},
    sync::Arc,
};
use xxhash_rust::xxh3::xxh3_64;

/// The texts behind the numbers, by which equals are told apart.
pub(super) trait Texts {
    fn path(&mut self, path: NameId) -> rusqlite::Result<Arc<str>>;
    fn session(&mut self, owner: OwnerId) -> rusqlite::Result<Arc<str>>;
}

/// Where an observation lies, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sighting {
    pub(super) path: NameId,
    pub(super) offset: u64,
    pub(super) owner: OwnerId,
}

/// The most complete copy: what a response used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) seen: Sighting,
    pub(super) rank: u8,
    /// It says how the response ended; it names a speed.
    tells: (bool, bool),
    pub(super) call: CallId,
    pub(super) tokens: Tokens,
    pub(super) modifiers: Modifiers,
    pub(super) recorded: Option<NanoUsd>,
}

/// The earliest copy: when a response was made, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct First {
    pub(super) seen: Sighting,
    pub(super) at: UnixMillis,
    pub(super) rank: u8,
    forked: bool,
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
    best: Best,
    first: First,
    // Mostly one or two: a response is logged once for each of its blocks.
    lines: SmallVec<[Sheet; 2]>,
}

/// Everything kept about one id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cluster {
    pub(super) source: Source,
    strong: bool,
    /// In order of [`Variant::key`]; nearly all have one.
    variants: SmallVec<[Variant; 1]>,
}

/// One billable response: what it used, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) best: Best,
    pub(super) first: First,
}

impl Sighting {
    /// By file path, byte offset and, as rows of one database may share both, session, so that equals do not
    /// depend on which was read first.
    fn order(&self, other: &Self, texts: &mut impl Texts) -> rusqlite::Result<Ordering> {
        let by_path = if self.path == other.path {
            Ordering::Equal
        } else {
            texts.path(self.path)?.cmp(&texts.path(other.path)?)
        };
        let by_line = by_path.then(self.offset.cmp(&other.offset));
        if by_line.is_ne() || self.owner == other.owner {
            return Ok(by_line);
        }
        Ok(texts.session(self.owner)?.cmp(&texts.session(other.owner)?))
    }

    /// Whether it goes before `other`: by merit, else by where it lies. The same record read again does, since what
    /// surrounds it may have changed.
    fn wins(
        &self,
        by_merit: Ordering,
        other: &Self,
        texts: &mut impl Texts,
    ) -> rusqlite::Result<bool> {
        Ok(match by_merit {
            Ordering::Equal => self.order(other, texts)?.is_le(),
            order => order.is_lt(),
        })
    }
}

impl Best {
    /// Takes `other` where it tells more: originals over side chains and archives, then the most output
    /// (snapshots grow), then the most tokens.
    fn improve(&mut self, other: &Self, texts: &mut impl Texts) -> rusqlite::Result<()> {
        let key = |it: &Self| {
            (
                it.rank,
                Reverse(it.tokens.output),
                Reverse(it.tokens.total()),
                Reverse(it.tells),
                Reverse(it.recorded),
            )
        };
        let by_merit = key(other).cmp(&key(self));
        if other.seen.wins(by_merit, &self.seen, texts)? {
            *self = *other;
        }
        Ok(())
    }
}

impl First {
    /// Takes `other` where it rather owns the response: the earliest, then the one that was not copied there by a fork,
    /// then the one of the better store.
    fn improve(&mut self, other: &Self, texts: &mut impl Texts) -> rusqlite::Result<()> {
        let key = |it: &Self| (it.at, it.forked, it.rank);
        let by_merit = key(other).cmp(&key(self));
        if other.seen.wins(by_merit, &self.seen, texts)? {
            *self = *other;
        }
        Ok(())
    }
}

impl Variant {
    fn key(&self) -> (u64, [u64; 3]) {
        (self.request, input(&self.best.tokens))
    }

    fn see(&mut self, best: &Best, first: &First, texts: &mut impl Texts) -> rusqlite::Result<()> {
        self.best.improve(best, texts)?;
        self.first.improve(first, texts)
    }

    fn link(&mut self, line: Sheet) {
        if let Err(at) = self.lines.binary_search(&line) {
            self.lines.insert(at, line);
        }
    }
}

/// The number under which it is kept that the user had one response forgotten of an id that several share.
pub(super) fn trace(id: u64, request: u64, tokens: &Tokens) -> u64 {
    let [new, written, read] = input(tokens);
    let said = [id, request, new, written, read].map(u64::to_le_bytes);
    xxh3_64(said.as_flattened())
}

/// What of the tokens is sent, and so is the same in every copy of a response.
fn input(tokens: &Tokens) -> [u64; 3] {
    [
        tokens.input,
        tokens.cache_write_5m + tokens.cache_write_1h,
        tokens.cache_read,
    ]
}

impl Cluster {
    /// Nothing is known yet of the id that this observation has.
    pub(super) fn of(observation: &Observation<'_>) -> Self {
        Self {
            source: observation.source,
            strong: observation.identity == Identity::Strong,
            variants: SmallVec::new(),
        }
    }

    /// Takes in one observation.
    pub(super) fn add(
        &mut self,
        observation: &Observation<'_>,
        seen: Sighting,
        call: CallId,
        texts: &mut impl Texts,
    ) -> rusqlite::Result<()> {
        let best = Best {
            seen,
            rank: observation.rank,
            tells: (!observation.stop.is_empty(), observation.has_speed),
            call,
            tokens: observation.tokens,
            modifiers: observation.modifiers,
            recorded: observation.recorded,
        };
        let first = First {
            seen,
            at: observation.at,
            rank: observation.rank,
            forked: observation.forked,
        };
        let key = (observation.request, input(&observation.tokens));
        let at = match self.variants.binary_search_by_key(&key, Variant::key) {
            Ok(at) => {
                self.variants[at].see(&best, &first, texts)?;
                at
            }
            Err(at) => {
                let variant = Variant {
                    request: observation.request,
                    best,
                    first,
                    lines: SmallVec::new(),
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
                path: seen.path,
                line,
                parent,
                side: observation.rank > 0,
            });
        }
        Ok(())
    }

    /// Takes in what another knows of the same id.
    pub(super) fn merge(&mut self, other: &Self, texts: &mut impl Texts) -> rusqlite::Result<()> {
        for variant in &other.variants {
            match self
                .variants
                .binary_search_by_key(&variant.key(), Variant::key)
            {
                Ok(at) => {
                    let known = &mut self.variants[at];
                    known.see(&variant.best, &variant.first, texts)?;
                    variant.lines.iter().for_each(|line| known.link(*line));
                }
                Err(at) => self.variants.insert(at, variant.clone()),
            }
        }
        Ok(())
    }

    /// The responses it stands for: one for an id that is unique, else one for each request and input.
    pub(super) fn groups(&self, texts: &mut impl Texts) -> rusqlite::Result<SmallVec<[Group; 1]>> {
        let group = |variant: &Variant| Group {
            best: variant.best,
            first: variant.first,
        };
        match self.variants.as_slice() {
            [] => return Ok(smallvec![]),
            [only] => return Ok(smallvec![group(only)]),
            _ => {}
        }
        let chains = self.chains();
        if self.strong && !self.is_reused(&chains) {
            let mut whole = group(&self.variants[0]);
            for variant in &self.variants[1..] {
                whole.best.improve(&variant.best, texts)?;
                whole.first.improve(&variant.first, texts)?;
            }
            return Ok(smallvec![whole]);
        }
        // Within one chain of lines only the fullest counts: some proxies write zeros first. What leads to a
        // fuller one anywhere does not stand by itself elsewhere, in a copy that ends early.
        let mut leads_to: Vec<Vec<usize>> = vec![Vec::new(); self.variants.len()];
        for chain in &chains {
            let fullest = chain.variants.iter().max_by_key(|at| {
                let variant = &self.variants[**at];
                let tokens = &variant.best.tokens;
                (tokens.context(), tokens.output, **at)
            });
            for at in &chain.variants {
                leads_to[*at].extend(fullest.filter(|fullest| *fullest != at));
            }
        }
        let mut groups: Vec<Option<Group>> = self
            .variants
            .iter()
            .zip(&leads_to)
            .map(|(variant, fuller)| fuller.is_empty().then(|| group(variant)))
            .collect();
        for (variant, fuller) in self.variants.iter().zip(&mut leads_to) {
            fuller.sort_unstable();
            fuller.dedup();
            // Zeros that many responses began with tell of none when it began.
            if let [one] = fuller.as_slice()
                && let Some(group) = &mut groups[*one]
            {
                group.first.improve(&variant.first, texts)?;
            }
        }
        let mut groups: SmallVec<[Group; 1]> = groups.into_iter().flatten().collect();
        // A mirror says whose the responses are; what they used, it says only where nothing else does.
        let is_mirror = |group: &Group| group.best.rank == MIRROR_RANK;
        if let Some(mirror) = groups.iter().copied().find(is_mirror)
            && !groups.iter().all(is_mirror)
        {
            groups.retain(|group| !is_mirror(group));
            for group in &mut groups {
                group.first.seen.owner = mirror.first.seen.owner;
            }
        }
        Ok(groups)
    }

    /// The numbers under which it is kept that its responses were forgotten: the id where it is unique, so that no later
    /// copy counts; else one for each request and input, so that other responses do.
    pub(super) fn traces(&self, id: u64) -> SmallVec<[u64; 1]> {
        // Of OpenClaw, only a turn's calls share an id: the turn's.
        let is_shared =
            self.source == Source::ClaudeCode && (!self.strong || self.is_reused(&self.chains()));
        if !is_shared {
            return smallvec![id];
        }
        let trace = |it: &Variant| trace(id, it.request, &it.best.tokens);
        self.variants.iter().map(trace).collect()
    }

    /// Without the copies whose number is among the forgotten ones.
    pub(super) fn without(
        mut self,
        id: u64,
        forgotten: &mut impl FnMut(u64) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<Self> {
        let mut left = SmallVec::new();
        for variant in self.variants {
            if !forgotten(trace(id, variant.request, &variant.best.tokens))? {
                left.push(variant);
            }
        }
        self.variants = left;
        Ok(self)
    }

    /// Where the copies lie whose word counts.
    pub(super) fn sightings(&self) -> impl Iterator<Item = Sighting> {
        let seen = |variant: &Variant| [variant.best.seen, variant.first.seen];
        self.variants.iter().flat_map(seen)
    }

    /// What was called, of the copies whose figures count.
    pub(super) fn calls(&self) -> impl Iterator<Item = CallId> {
        self.variants.iter().map(|variant| variant.best.call)
    }

    /// The files of all lines that are remembered, with repetitions.
    pub(super) fn sheets(&self) -> impl Iterator<Item = NameId> {
        let lines = self.variants.iter().flat_map(|variant| &variant.lines);
        lines.map(|line| line.path)
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
                            .any(|two| self.variants[*one].key().1 != self.variants[*two].key().1)
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
